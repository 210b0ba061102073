# sapid, the session daemon: sees core/base, core/wire and core/shm only
sbin_PROGRAMS += %D%/sapid
%C%_sapid_SOURCES = %D%/main.c %D%/state.h %D%/list.h \
	%D%/addr.c %D%/addr.h %D%/alloc.c %D%/alloc.h \
	%D%/attach.c %D%/attach.h %D%/bell.c %D%/bell.h \
	%D%/client.c %D%/client.h \
	%D%/conf.c %D%/conf.h %D%/dispatch.c %D%/dispatch.h \
	%D%/diag.c %D%/diag.h %D%/document.c %D%/ext.c %D%/ext.h \
	%D%/grant.c %D%/grant.h \
	%D%/listener.c %D%/listener.h %D%/loop.c %D%/loop.h \
	%D%/match.c %D%/match.h %D%/ns.c %D%/ns.h \
	%D%/offer.c %D%/offer.h %D%/page.c %D%/page.h \
	%D%/peer.c %D%/peer.h %D%/port.c %D%/port.h %D%/post.c %D%/post.h \
	%D%/session.c %D%/session.h %D%/slot.c %D%/slot.h \
	%D%/status.c %D%/status.h \
	%D%/sys.c %D%/sys.h %D%/trunk.c %D%/trunk.h %D%/worker.c %D%/worker.h
%C%_sapid_CPPFLAGS = $(AM_CPPFLAGS) $(INIH_CFLAGS) $(CJSON_CFLAGS) \
	$(SYSTEMD_CFLAGS)
%C%_sapid_LDADD = core/libshm.la core/libkernel.la $(INIH_LIBS) \
	$(CJSON_LIBS) $(SYSTEMD_LIBS)
dist_man_MANS += %D%/sapid.8
