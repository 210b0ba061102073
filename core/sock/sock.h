/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock.h - sockets: the one header above this room
 *
 * Every function takes the program's descriptor and has the complete meaning
 * of the call it is named after: for a descriptor that is not ours (any more)
 * it makes the kernel's call.  Results are the kernel's: a count or 0, or
 * -errno; errno itself is never touched.  All are thread-safe; those that
 * POSIX lists as async-signal-safe are.
 */
#ifndef SOCK_SOCK_H
#define SOCK_SOCK_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "core/base/base.h"

/* Look-up without a lock: is this descriptor (a socket, an epoll instance, one
 * of the library's own) ours?  One load before the first useful socket. */
extern _Atomic bool sock_used; /* false: nothing is ours */
bool sock_lookup(int fd);
static inline bool sock_is(int fd)
{
	return unlikely(sock_used) && sock_lookup(fd);
}
/* Is any descriptor ours?  For calls on sets: poll, select. */
bool sock_any(void);

/* kind.c: @fd came from socket(), or is -1: returned as it is. */
int sock_opened(int fd, int domain, int type, int protocol);
/* May the program have rings of io_uring, whose calls nobody can see? */
bool sock_io_uring(void);

/* bind.c */
int sock_bind(int fd, const struct sockaddr *addr, socklen_t len);

/* exec.c: other programs, which may know of no link, are about to get some of
 * our descriptors: those connections go back to the kernel first. */
/* This process becomes one; a child of vfork() may. */
void sock_exec(void);
/* A child that is made by libc does, with @actions (posix_spawn(3)) or NULL. */
void sock_spawn(const void *actions);
/* What is sent to somebody by SCM_RIGHTS. */
void sock_rights(const struct msghdr *msg);
/* Before the process ends: what it has sent must not be lost with it. */
void sock_at_exit(void);

/* spawn.c: a list of such actions is made, is added to, and ends */
enum sock_spawn_do {
	SOCK_SPAWN_CLOSE,
	SOCK_SPAWN_CLOSE_FROM,
	SOCK_SPAWN_DUP2,
	SOCK_SPAWN_OPEN, /* as @to */
};
void sock_spawn_begin(const void *actions);
void sock_spawn_add(const void *actions, enum sock_spawn_do what, int fd,
		    int to);
void sock_spawn_end(const void *actions);

/* open.c */
int sock_listen(int fd, int backlog);
/* Is it ours, or a listener that was inherited, and is ours from now on? */
bool sock_accepts(int fd);
int sock_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int sock_connect(int fd, const struct sockaddr *addr, socklen_t len);
/* deaf.c: must the kernel not connect @fd there, as MSG_FASTOPEN would have it?
 */
bool sock_refuses(int fd, const struct sockaddr *addr, socklen_t len);
int sock_shutdown(int fd, int how);
int sock_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int sock_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
/* A call has just returned @fd as new: if we think that it is ours, libc
 * closed it where we could not see (HOUSE.md R8); forget it. */
void sock_fresh(int fd);

/* io.c */
ssize_t sock_read(int fd, void *buf, size_t len);
ssize_t sock_readv(int fd, const struct iovec *iov, int n);
/* @off: -1, or the kernel will say that it can't be */
ssize_t sock_preadv2(int fd, const struct iovec *iov, int n, off_t off,
		     int flags);
ssize_t sock_recvfrom(int fd, void *buf, size_t len, int flags,
		      struct sockaddr *addr, socklen_t *alen);
ssize_t sock_recvmsg(int fd, struct msghdr *msg, int flags);
int sock_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
		  struct timespec *timeout);
ssize_t sock_write(int fd, const void *buf, size_t len);
ssize_t sock_writev(int fd, const struct iovec *iov, int n);
ssize_t sock_pwritev2(int fd, const struct iovec *iov, int n, off_t off,
		      int flags);
ssize_t sock_sendto(int fd, const void *buf, size_t len, int flags,
		    const struct sockaddr *addr, socklen_t alen);
ssize_t sock_sendmsg(int fd, const struct msghdr *msg, int flags);
int sock_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags);
/* @in: any file; @off as in sendfile(2) */
ssize_t sock_sendfile(int out, int in, off_t *off, size_t len);
/* splice.c */
ssize_t sock_splice(int in, off_t *in_off, int out, off_t *out_off, size_t len,
		    unsigned flags);

/* fd.c */
int sock_close(int fd);
int sock_dup(int fd);
int sock_dup2(int fd, int to);
int sock_dup3(int fd, int to, int flags);
/* copy.c: the kernel made @to a copy of @from, neither of which is ours; or
 * -1.  A socket may be both when it becomes ours. */
void sock_note_copy(int from, int to);
int sock_close_range(unsigned first, unsigned last, unsigned flags);
int sock_fcntl(int fd, int cmd, long arg);
int sock_ioctl(int fd, unsigned long req, void *arg);

/* opt.c */
int sock_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
int sock_setsockopt(int fd, int level, int name, const void *val,
		    socklen_t len);

/* poll.c */
int sock_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	       const sigset_t *mask);
int sock_pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex,
		 const struct timespec *timeout, const sigset_t *mask);

/* epoll.c: epoll_ctl() comes here for every descriptor once an epoll
 * instance has one; the registrations are remembered because a socket may
 * leave the kernel later. */
/* @fd came from epoll_create(); or -1 */
void sock_epoll_created(int fd);
int sock_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev);
int sock_epoll_pwait2(int ep, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask);

/* fork.c */
/* Registers the pthread_atfork() handlers; called by each door once. */
int sock_init(void);
/* exec and _exit need nothing of us. */

/* sandbox.c: the program is about to forbid itself system calls.  True from
 * then on: nothing becomes ours any more. */
extern _Atomic bool sock_sandboxed;
void sock_sandbox(void);

#endif /* SOCK_SOCK_H */
