/* SPDX-License-Identifier: Apache-2.0 */
/* api.c - the native door: what <sapi.h> promises, by core/sock */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/base.h"
#include "core/base/kernel.h"
#include "core/sapi.h"
#include "core/sock/native.h"
#include "core/sock/sock.h"

static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_error;

static void start_once(void)
{
	start_error = sock_init();
}

/* Before the first descriptor of ours: every call that makes one. */
static int start(void)
{
	pthread_once(&started, start_once);
	return start_error;
}

/* --- the process and the daemon --- */

/* The options of a caller that was compiled with another release: members
 * that it doesn't know are zero, those that we don't know must be. */
static int get_options(struct sock_options *to, const struct sapi_options *from)
{
	struct sapi_options o = { 0 };
	const char *tail = (const char *)from + sizeof(o);
	size_t i;

	if (from->size < offsetof(struct sapi_options, name))
		return -EINVAL;
	memcpy(&o, from, MIN(from->size, sizeof(o)));
	for (i = sizeof(o); i < from->size; i++)
		if (*tail++)
			return -E2BIG;
	to->name = o.name;
	to->socket_path = o.socket_path;
	to->rules = o.rules;
	return 0;
}

EXPORT int sapi_attach(const struct sapi_options *options)
{
	struct sock_options o;
	int rc = start();

	if (rc || !options)
		return rc ? rc : sock_attach(NULL);
	rc = get_options(&o, options);
	return rc ? rc : sock_attach(&o);
}

EXPORT int sapi_detach(void)
{
	return sock_detach();
}

EXPORT const char *sapi_version(void)
{
	return PACKAGE_VERSION;
}

/* --- sockets --- */

/* A blocking stream socket for @addr, or -errno. */
static int open_for(const struct sockaddr *addr, socklen_t len)
{
	int rc = start();

	if (rc)
		return rc;
	if (len < sizeof(addr->sa_family))
		return -EINVAL;
	return k_socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

EXPORT int sapi_listen(const struct sockaddr *addr, socklen_t len, int backlog)
{
	int s = open_for(addr, len), one = 1, rc;

	if (s < 0)
		return s;
	rc = k_setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!rc)
		rc = k_bind(s, addr, len);
	if (!rc)
		rc = sock_listen(s, backlog);
	if (!rc)
		return s;
	sock_close(s);
	return rc;
}

EXPORT int sapi_connect(const struct sockaddr *addr, socklen_t len)
{
	int s = open_for(addr, len), rc;

	if (s < 0)
		return s;
	rc = sock_connect(s, addr, len);
	if (!rc)
		return s;
	sock_close(s);
	return rc;
}

EXPORT int sapi_listen_fd(int s, int backlog)
{
	int rc = start();

	return rc ? rc : sock_listen(s, backlog);
}

EXPORT int sapi_connect_fd(int s, const struct sockaddr *addr, socklen_t len)
{
	int rc = start();

	return rc ? rc : sock_connect(s, addr, len);
}

EXPORT int sapi_accept(int s, struct sockaddr *addr, socklen_t *len, int flags)
{
	int rc = start();

	if (rc)
		return rc;
	rc = sock_accept4(s, addr, len, flags | SOCK_CLOEXEC);
	return rc;
}

EXPORT int sapi_shutdown(int s, int how)
{
	return sock_shutdown(s, how);
}

EXPORT int sapi_close(int s)
{
	return sock_close(s);
}

/* --- bytes --- */

EXPORT ssize_t sapi_send(int s, const void *buf, size_t len, int flags)
{
	return sock_sendto(s, buf, len, flags | MSG_NOSIGNAL, NULL, 0);
}

EXPORT ssize_t sapi_sendv(int s, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };

	if (n < 0)
		return -EINVAL;
	msg.msg_iovlen = (size_t)n;
	return sock_sendmsg(s, &msg, flags | MSG_NOSIGNAL);
}

EXPORT ssize_t sapi_recv(int s, void *buf, size_t len, int flags)
{
	return sock_recvfrom(s, buf, len, flags, NULL, NULL);
}

EXPORT ssize_t sapi_recvv(int s, const struct iovec *iov, int n, int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov };

	if (n < 0)
		return -EINVAL;
	msg.msg_iovlen = (size_t)n;
	return sock_recvmsg(s, &msg, flags);
}

EXPORT ssize_t sapi_recv_view(int s, struct iovec *iov, int *n)
{
	return *n > 0 ? sock_recv_view(s, iov, n) : -EINVAL;
}

EXPORT int sapi_recv_done(int s, size_t len)
{
	return sock_recv_done(s, len);
}

/* --- waiting --- */

/* NULL for a time without end, as the calls below take it. */
static const struct timespec *until(int timeout, struct timespec *ts)
{
	if (timeout < 0)
		return NULL;
	ts->tv_sec = timeout / 1000;
	ts->tv_nsec = timeout % 1000 * 1000000L;
	return ts;
}

EXPORT int sapi_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts;

	return sock_ppoll(fds, n, until(timeout, &ts), NULL);
}

EXPORT int sapi_epoll_ctl(int ep, int op, int fd, struct epoll_event *event)
{
	int rc = start();

	return rc ? rc : sock_epoll_ctl(ep, op, fd, event);
}

EXPORT int sapi_epoll_wait(int ep, struct epoll_event *events, int n,
			   int timeout)
{
	struct timespec ts;

	return sock_epoll_pwait2(ep, events, n, until(timeout, &ts), NULL);
}

/* --- one socket --- */

EXPORT int sapi_getinfo(int s, struct sapi_info *info)
{
	struct sapi_info i = { .size = sizeof(i) };
	int rx = 0, tx = 0, rc;

	if (info->size < offsetof(struct sapi_info, tx_queued))
		return -EINVAL;
	rc = sock_ioctl(s, FIONREAD, &rx);
	/* a listener has no bytes: -EINVAL, as the kernel says */
	if (rc == -EINVAL)
		rx = rc = 0;
	if (!rc && sock_ioctl(s, SIOCOUTQ, &tx) < 0)
		tx = 0;
	if (rc)
		return rc;
	i.transport = sock_is_shared(s) ? SAPI_SHM : SAPI_KERNEL;
	i.rx_queued = (uint32_t)rx;
	i.tx_queued = (uint32_t)tx;
	i.size = MIN(info->size, sizeof(i));
	memcpy(info, &i, i.size);
	return 0;
}

EXPORT int sapi_nonblock(int s, int on)
{
	int flags = sock_fcntl(s, F_GETFL, 0), rc;

	if (flags < 0)
		return flags;
	rc = sock_fcntl(s, F_SETFL,
			on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
	return rc < 0 ? rc : (flags & O_NONBLOCK) != 0;
}

EXPORT int sapi_getsockname(int s, struct sockaddr *addr, socklen_t *len)
{
	return sock_getsockname(s, addr, len);
}

EXPORT int sapi_getpeername(int s, struct sockaddr *addr, socklen_t *len)
{
	return sock_getpeername(s, addr, len);
}

EXPORT int sapi_getsockopt(int s, int level, int name, void *val,
			   socklen_t *len)
{
	return sock_getsockopt(s, level, name, val, len);
}

EXPORT int sapi_setsockopt(int s, int level, int name, const void *val,
			   socklen_t len)
{
	return sock_setsockopt(s, level, name, val, len);
}
