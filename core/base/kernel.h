/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel.h - the only way to the kernel: k_name() returns -errno
 *
 * One list, three providers, chosen when a program is linked:
 *   core/base/kernel_libc.c    libc         (native library, daemon, tool)
 *   preload/real.c             what stands behind us in the link order
 *   tests/unit/kernel_fault.c  libc, but call n fails
 * Each provider defines K_FN(name), which names the function to call, and
 * K_FAIL(), true if this call shall fail, then includes kernel_impl.inc.
 * errno is as the caller left it, whatever happens.
 */
#ifndef BASE_KERNEL_H
#define BASE_KERNEL_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* X(return type, libc's name, parameters, arguments): returns < 0 on error */
#define K_CALLS(X)                                                             \
	X(int, accept4,                                                        \
	  (int fd, struct sockaddr *addr, socklen_t *len, int flags),          \
	  (fd, addr, len, flags))                                              \
	X(int, bind, (int fd, const struct sockaddr *addr, socklen_t len),     \
	  (fd, addr, len))                                                     \
	X(int, close_range, (unsigned first, unsigned last, int flags),        \
	  (first, last, flags))                                                \
	X(int, connect, (int fd, const struct sockaddr *addr, socklen_t len),  \
	  (fd, addr, len))                                                     \
	X(int, dup2, (int fd, int to), (fd, to))                               \
	X(int, dup3, (int fd, int to, int flags), (fd, to, flags))             \
	X(int, epoll_create1, (int flags), (flags))                            \
	X(int, epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev),    \
	  (ep, op, fd, ev))                                                    \
	X(int, epoll_pwait,                                                    \
	  (int ep, struct epoll_event *ev, int n, int ms, const sigset_t *ss), \
	  (ep, ev, n, ms, ss))                                                 \
	X(int, epoll_pwait2,                                                   \
	  (int ep, struct epoll_event *ev, int n, const struct timespec *ts,   \
	   const sigset_t *ss),                                                \
	  (ep, ev, n, ts, ss))                                                 \
	X(int, eventfd, (unsigned init, int flags), (init, flags))             \
	X(int, fcntl, (int fd, int cmd, long arg), (fd, cmd, arg))             \
	X(int, fstat, (int fd, struct stat *st), (fd, st))                     \
	X(int, ftruncate, (int fd, off_t len), (fd, len))                      \
	X(int, getpeername, (int fd, struct sockaddr *addr, socklen_t *len),   \
	  (fd, addr, len))                                                     \
	X(int, getsockname, (int fd, struct sockaddr *addr, socklen_t *len),   \
	  (fd, addr, len))                                                     \
	X(int, getsockopt,                                                     \
	  (int fd, int level, int name, void *val, socklen_t *len),            \
	  (fd, level, name, val, len))                                         \
	X(int, ioctl, (int fd, unsigned long req, void *arg), (fd, req, arg))  \
	X(int, listen, (int fd, int backlog), (fd, backlog))                   \
	X(off_t, lseek, (int fd, off_t off, int whence), (fd, off, whence))    \
	X(int, madvise, (void *addr, size_t len, int advice),                  \
	  (addr, len, advice))                                                 \
	X(int, memfd_create, (const char *name, unsigned flags),               \
	  (name, flags))                                                       \
	X(int, munmap, (void *addr, size_t len), (addr, len))                  \
	X(int, open, (const char *path, int flags, mode_t mode),               \
	  (path, flags, mode))                                                 \
	X(int, ppoll,                                                          \
	  (struct pollfd * fds, nfds_t n, const struct timespec *ts,           \
	   const sigset_t *ss),                                                \
	  (fds, n, ts, ss))                                                    \
	X(ssize_t, pread, (int fd, void *buf, size_t len, off_t off),          \
	  (fd, buf, len, off))                                                 \
	X(ssize_t, preadv2,                                                    \
	  (int fd, const struct iovec *iov, int n, off_t off, int flags),      \
	  (fd, iov, n, off, flags))                                            \
	X(ssize_t, pwritev2,                                                   \
	  (int fd, const struct iovec *iov, int n, off_t off, int flags),      \
	  (fd, iov, n, off, flags))                                            \
	X(int, pselect,                                                        \
	  (int n, fd_set *rd, fd_set *wr, fd_set *ex,                          \
	   const struct timespec *ts, const sigset_t *ss),                     \
	  (n, rd, wr, ex, ts, ss))                                             \
	X(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))      \
	X(ssize_t, readv, (int fd, const struct iovec *iov, int n),            \
	  (fd, iov, n))                                                        \
	X(ssize_t, recvfrom,                                                   \
	  (int fd, void *buf, size_t len, int flags, struct sockaddr *addr,    \
	   socklen_t *alen),                                                   \
	  (fd, buf, len, flags, addr, alen))                                   \
	X(int, recvmmsg,                                                       \
	  (int fd, struct mmsghdr *msgs, unsigned n, int flags,                \
	   struct timespec *ts),                                               \
	  (fd, msgs, n, flags, ts))                                            \
	X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags),           \
	  (fd, msg, flags))                                                    \
	X(int, sendmmsg,                                                       \
	  (int fd, struct mmsghdr *msgs, unsigned n, int flags),               \
	  (fd, msgs, n, flags))                                                \
	X(ssize_t, sendfile, (int out, int in, off_t *off, size_t len),        \
	  (out, in, off, len))                                                 \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags),     \
	  (fd, msg, flags))                                                    \
	X(ssize_t, sendto,                                                     \
	  (int fd, const void *buf, size_t len, int flags,                     \
	   const struct sockaddr *addr, socklen_t alen),                       \
	  (fd, buf, len, flags, addr, alen))                                   \
	X(int, setsockopt,                                                     \
	  (int fd, int level, int name, const void *val, socklen_t len),       \
	  (fd, level, name, val, len))                                         \
	X(int, shutdown, (int fd, int how), (fd, how))                         \
	X(int, sigaction,                                                      \
	  (int sig, const struct sigaction *act, struct sigaction *old),       \
	  (sig, act, old))                                                     \
	X(int, socket, (int domain, int type, int proto),                      \
	  (domain, type, proto))                                               \
	X(ssize_t, splice,                                                     \
	  (int in, off_t *in_off, int out, off_t *out_off, size_t len,         \
	   unsigned flags),                                                    \
	  (in, in_off, out, out_off, len, flags))                              \
	X(long, syscall, (long nr, long a, long b, long c, long d, long e),    \
	  (nr, a, b, c, d, e))                                                 \
	X(ssize_t, vmsplice,                                                   \
	  (int fd, const struct iovec *iov, size_t n, unsigned flags),         \
	  (fd, iov, n, flags))                                                 \
	X(ssize_t, write, (int fd, const void *buf, size_t len),               \
	  (fd, buf, len))                                                      \
	X(ssize_t, writev, (int fd, const struct iovec *iov, int n),           \
	  (fd, iov, n))

#define K_DECLARE(type, name, params, args) type k_##name params;
K_CALLS(K_DECLARE)
#undef K_DECLARE

/* Frees the descriptor whatever it returns; never fails under test. */
int k_close(int fd);
/* mmap(2) at *addr with MAP_FIXED, else anywhere; *addr is set on success. */
int k_mmap(void **addr, size_t len, int prot, int flags, int fd, off_t off);

#endif /* BASE_KERNEL_H */
