# The rooms, lowest first; each may include what stands above it in this list
# as tests/bats/rooms.bats has it:
#   base/  attributes, the way to the kernel, log   -> libkernel.la (not the preload)
#   wire/  the layouts that another process reads and writes too
#   shm/   the mechanics over them                 -> libshm.la   (+ the daemon)
#   sess/  how this process comes by a session
#   sock/  what makes a session a socket           -> libsock.la  (+ the preload)
noinst_LTLIBRARIES += %D%/libkernel.la %D%/libshm.la %D%/libsock.la
%C%_libkernel_la_SOURCES = %D%/base/kernel_libc.c %D%/base/kernel_impl.inc
%C%_libshm_la_SOURCES =
%C%_libsock_la_SOURCES =
%C%_libsock_la_LIBADD = %D%/libshm.la

include %D%/base/local.mk
include %D%/wire/local.mk
include %D%/shm/local.mk
include %D%/sess/local.mk
include %D%/sock/local.mk

# The native library: exactly what <sapi.h> declares.
lib_LTLIBRARIES += %D%/libsapi.la
%C%_libsapi_la_SOURCES = %D%/api.c
%C%_libsapi_la_LIBADD = %D%/libsock.la %D%/libkernel.la
%C%_libsapi_la_LDFLAGS = $(AM_LDFLAGS) $(LIB_LDFLAGS) -version-info 0:0:0 \
	-Wl,--version-script=$(srcdir)/%D%/libsapi.map
EXTRA_%C%_libsapi_la_DEPENDENCIES = $(srcdir)/%D%/libsapi.map
include_HEADERS += %D%/sapi.h
pkgconfig_DATA += %D%/libsapi.pc
EXTRA_DIST += %D%/libsapi.map
dist_man_MANS += %D%/libsapi.7 %D%/sapi.3 %D%/sapi_attach.3 \
	%D%/sapi_connect.3 %D%/sapi_getinfo.3 %D%/sapi_poll.3 \
	%D%/sapi_recv_view.3 %D%/sapi_send.3
