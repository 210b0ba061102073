# The `sapi` command: sees core/base, core/sess/conf.h and the status socket.
bin_PROGRAMS += %D%/sapi
%C%_sapi_SOURCES = %D%/tool.h %D%/table.h %D%/status.h %D%/main.c \
	%D%/check.c %D%/daemon.c %D%/explain.c %D%/paths.c %D%/program.c \
	%D%/run.c %D%/status.c %D%/status_show.c %D%/table.c
%C%_sapi_CPPFLAGS = $(AM_CPPFLAGS) -DLIBDIR='"$(libdir)"' \
	-DSBINDIR='"$(sbindir)"'
%C%_sapi_CFLAGS = $(AM_CFLAGS) $(SMARTCOLS_CFLAGS) $(CJSON_CFLAGS)
%C%_sapi_LDADD = core/libsock.la core/libkernel.la $(SMARTCOLS_LIBS) \
	$(CJSON_LIBS)
dist_man_MANS += %D%/sapi.1
