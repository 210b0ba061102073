# The settings, their manual, and the units that start sapid.
dist_man_MANS += %D%/sapi.conf.5
EXTRA_DIST += %D%/sapid.conf %D%/sapi.conf %D%/sapid.service.in %D%/sapid-user.service.in

# The system's unit and a user's have one name in two places.
systemdsystemunit_DATA = %D%/system/sapid.service
systemduserunit_DATA = %D%/user/sapid.service
CLEANFILES += $(systemdsystemunit_DATA) $(systemduserunit_DATA)

unit_words = -e 's|@sbindir[@]|$(sbindir)|' -e 's|@SAPID_TYPE[@]|$(SAPID_TYPE)|'
%D%/system/sapid.service: $(srcdir)/%D%/sapid.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D%/system && \
	sed $(unit_words) $(srcdir)/%D%/sapid.service.in > $@
%D%/user/sapid.service: $(srcdir)/%D%/sapid-user.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) %D%/user && \
	sed $(unit_words) $(srcdir)/%D%/sapid-user.service.in > $@

# A file that somebody changed is neither replaced nor removed.
sapiconfdir = $(sysconfdir)/sapi
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(sapiconfdir)"
	test -e "$(DESTDIR)$(sapiconfdir)/sapi.conf" || \
	  $(INSTALL_DATA) "$(srcdir)/%D%/sapi.conf" "$(DESTDIR)$(sapiconfdir)"
uninstall-local:
	if cmp -s "$(srcdir)/%D%/sapi.conf" \
	  "$(DESTDIR)$(sapiconfdir)/sapi.conf"; then \
	  rm -f "$(DESTDIR)$(sapiconfdir)/sapi.conf"; \
	  rmdir "$(DESTDIR)$(sapiconfdir)" 2>/dev/null || :; \
	fi
