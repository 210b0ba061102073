# The interposer: a module no program links, so no soname, in a folder of its own.
preloaddir = $(libdir)/libsapi
preload_LTLIBRARIES = %D%/libsapi_preload.la
%C%_libsapi_preload_la_SOURCES = %D%/calls.h %D%/fresh.h %D%/init.c \
	%D%/real.c %D%/real.h %D%/wrap_exec.c %D%/wrap_fd.c %D%/wrap_io.c %D%/wrap_open.c \
	%D%/wrap_prctl.c %D%/wrap_signal.c %D%/wrap_stdio.c %D%/wrap_syscall.c %D%/wrap_wait.c
# Neither may rename or redefine the functions that we define.
%C%_libsapi_preload_la_CPPFLAGS = $(AM_CPPFLAGS) -U_FORTIFY_SOURCE \
	-U_FILE_OFFSET_BITS
%C%_libsapi_preload_la_LIBADD = core/libsock.la
%C%_libsapi_preload_la_LDFLAGS = $(AM_LDFLAGS) $(LIB_LDFLAGS) -module -shared \
	-avoid-version -Wl,--version-script=$(srcdir)/%D%/preload.map
EXTRA_%C%_libsapi_preload_la_DEPENDENCIES = $(srcdir)/%D%/preload.map
EXTRA_DIST += %D%/preload.map
dist_man_MANS += %D%/libsapi_preload.7
