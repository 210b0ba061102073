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
