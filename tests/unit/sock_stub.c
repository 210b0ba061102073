/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_stub.c - core/sock with nothing in it: every call is the kernel's
 *
 * A double for whoever needs the two doors without the house behind them.
 */
#include <fcntl.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"

bool sock_is(int fd)
{
	return false;
}

bool sock_any(void)
{
	return false;
}

void sock_fresh(int fd)
{
}

int sock_init(void)
{
	return 0;
}

int sock_listen(int fd, int backlog)
{
	return k_listen(fd, backlog);
}

int sock_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	return k_accept4(fd, addr, len, flags);
}

int sock_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return k_connect(fd, addr, len);
}

int sock_shutdown(int fd, int how)
{
	return k_shutdown(fd, how);
}

int sock_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return k_getsockname(fd, addr, len);
}

int sock_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return k_getpeername(fd, addr, len);
}

ssize_t sock_read(int fd, void *buf, size_t len)
{
	return k_read(fd, buf, len);
}

ssize_t sock_readv(int fd, const struct iovec *iov, int n)
{
	return k_readv(fd, iov, n);
}

ssize_t sock_recvfrom(int fd, void *buf, size_t len, int flags,
		      struct sockaddr *addr, socklen_t *alen)
{
	return k_recvfrom(fd, buf, len, flags, addr, alen);
}

ssize_t sock_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return k_recvmsg(fd, msg, flags);
}

int sock_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
		  struct timespec *timeout)
{
	return k_recvmmsg(fd, msgs, n, flags, timeout);
}

ssize_t sock_write(int fd, const void *buf, size_t len)
{
	return k_write(fd, buf, len);
}

ssize_t sock_writev(int fd, const struct iovec *iov, int n)
{
	return k_writev(fd, iov, n);
}

ssize_t sock_sendto(int fd, const void *buf, size_t len, int flags,
		    const struct sockaddr *addr, socklen_t alen)
{
	return k_sendto(fd, buf, len, flags, addr, alen);
}

ssize_t sock_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return k_sendmsg(fd, msg, flags);
}

int sock_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	return k_sendmmsg(fd, msgs, n, flags);
}

ssize_t sock_sendfile(int out, int in, off_t *off, size_t len)
{
	return k_sendfile(out, in, off, len);
}

int sock_close(int fd)
{
	return k_close(fd);
}

int sock_dup(int fd)
{
	return k_fcntl(fd, F_DUPFD, 0);
}

int sock_dup2(int fd, int to)
{
	return k_dup2(fd, to);
}

int sock_dup3(int fd, int to, int flags)
{
	return k_dup3(fd, to, flags);
}

int sock_close_range(unsigned first, unsigned last, unsigned flags)
{
	return k_close_range(first, last, (int)flags);
}

int sock_fcntl(int fd, int cmd, long arg)
{
	return k_fcntl(fd, cmd, arg);
}

int sock_ioctl(int fd, unsigned long req, void *arg)
{
	return k_ioctl(fd, req, arg);
}

int sock_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	return k_getsockopt(fd, level, name, val, len);
}

int sock_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	return k_setsockopt(fd, level, name, val, len);
}

int sock_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	       const sigset_t *mask)
{
	return k_ppoll(fds, n, timeout, mask);
}

int sock_pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex,
		 const struct timespec *timeout, const sigset_t *mask)
{
	return k_pselect(n, rd, wr, ex, timeout, mask);
}

int sock_epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	return k_epoll_ctl(ep, op, fd, ev);
}

int sock_epoll_pwait2(int ep, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask)
{
	return k_epoll_pwait2(ep, evs, n, timeout, mask);
}
