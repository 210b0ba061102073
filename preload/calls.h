/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.h - every libc function we stand in front of, once
 *
 * Lists only.  tests/bats/rooms.bats compares them with preload.map and with
 * what the module exports; tests/bats/nm.bats with what programs import.
 */
#ifndef PRELOAD_CALLS_H
#define PRELOAD_CALLS_H

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* X(name): libc's own headers give the types, so none is written twice */
#define PRELOAD_CALLS(X)                            \
	X(_Exit)                                    \
	X(_exit)                                    \
	X(accept)                                   \
	X(accept4)                                  \
	X(bind)                                     \
	X(close)                                    \
	X(close_range)                              \
	X(closefrom)                                \
	X(connect)                                  \
	X(dprintf)                                  \
	X(dup)                                      \
	X(dup2)                                     \
	X(dup3)                                     \
	X(epoll_create)                             \
	X(epoll_create1)                            \
	X(epoll_ctl)                                \
	X(epoll_pwait)                              \
	X(epoll_pwait2)                             \
	X(epoll_wait)                               \
	X(execl)                                    \
	X(execle)                                   \
	X(execlp)                                   \
	X(execv)                                    \
	X(execve)                                   \
	X(execveat)                                 \
	X(execvp)                                   \
	X(execvpe)                                  \
	X(fcntl)                                    \
	X(fdopen)                                   \
	X(fexecve)                                  \
	X(getpeername)                              \
	X(getsockname)                              \
	X(getsockopt)                               \
	X(ioctl)                                    \
	X(listen)                                   \
	X(poll)                                     \
	X(popen)                                    \
	X(posix_spawn)                              \
	X(posix_spawn_file_actions_addclose)        \
	X(posix_spawn_file_actions_addclosefrom_np) \
	X(posix_spawn_file_actions_adddup2)         \
	X(posix_spawn_file_actions_addopen)         \
	X(posix_spawn_file_actions_destroy)         \
	X(posix_spawn_file_actions_init)            \
	X(posix_spawnp)                             \
	X(ppoll)                                    \
	X(prctl)                                    \
	X(preadv2)                                  \
	X(pselect)                                  \
	X(pwritev2)                                 \
	X(read)                                     \
	X(readv)                                    \
	X(recv)                                     \
	X(recvfrom)                                 \
	X(recvmmsg)                                 \
	X(recvmsg)                                  \
	X(select)                                   \
	X(send)                                     \
	X(sendfile)                                 \
	X(sendmmsg)                                 \
	X(sendmsg)                                  \
	X(sendto)                                   \
	X(setsockopt)                               \
	X(shutdown)                                 \
	X(sigaction)                                \
	X(signal)                                   \
	X(sigset)                                   \
	X(socket)                                   \
	X(socketpair)                               \
	X(splice)                                   \
	X(syscall)                                  \
	X(system)                                   \
	X(sysv_signal)                              \
	X(vdprintf)                                 \
	X(write)                                    \
	X(writev)

/* X(name, type, parameters): what -D_FORTIFY_SOURCE makes of them; no header
 * declares these.  @room is the size of the caller's object in bytes. */
#define PRELOAD_CHECKED(X)                                                   \
	X(__dprintf_chk, int, (int fd, int flag, const char *format, ...))   \
	X(__poll_chk, int,                                                   \
	  (struct pollfd * fds, nfds_t n, int ms, size_t room))              \
	X(__ppoll_chk, int,                                                  \
	  (struct pollfd * fds, nfds_t n, const struct timespec *timeout,    \
	   const sigset_t *mask, size_t room))                               \
	X(__vdprintf_chk, int,                                               \
	  (int fd, int flag, const char *format, va_list ap))                \
	X(__read_chk, ssize_t, (int fd, void *buf, size_t len, size_t room)) \
	X(__recv_chk, ssize_t,                                               \
	  (int fd, void *buf, size_t len, size_t room, int flags))           \
	X(__recvfrom_chk, ssize_t,                                           \
	  (int fd, void *buf, size_t len, size_t room, int flags,            \
	   struct sockaddr *addr, socklen_t *alen))

/* X(name, target): second names under which glibc exports the same function.
 * Its GLIBC_PRIVATE ones (__recv, __close_nocancel, ...) belong to glibc. */
#define PRELOAD_ALIASES(X)            \
	X(__close, close)             \
	X(__connect, connect)         \
	X(__dup2, dup2)               \
	X(__fcntl, fcntl)             \
	X(__poll, poll)               \
	X(__read, read)               \
	X(__select, select)           \
	X(__send, send)               \
	X(__sigaction, sigaction)     \
	X(__sysv_signal, sysv_signal) \
	X(__write, write)             \
	X(fcntl64, fcntl)             \
	X(preadv64v2, preadv2)        \
	X(pwritev64v2, pwritev2)      \
	X(sendfile64, sendfile)       \
	X(ssignal, signal)

#endif /* PRELOAD_CALLS_H */
