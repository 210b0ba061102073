/* SPDX-License-Identifier: Apache-2.0 */
/* io.c - the read, write, send and recv families: by whom, and with what */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sock/cursor.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/* The sock of a descriptor whose bytes may be ours to move, else NULL. */
static struct sock *stream_of(int fd)
{
	struct sock *s = sock_get_claimed(fd);

	if (s && s->kind != SOCK_LINK && s->kind != SOCK_SESSION &&
	    s->kind != SOCK_UDP) {
		sock_put(s);
		return NULL;
	}
	return s;
}

/* Make the kernel's call for a connection that may get a link, unless it has
 * one: true, and *ret is set. */
#define RX_BY_KERNEL(s, fd, ret, call)                                     \
	((s)->kind == SOCK_LINK && link_enter_kernel(s, fd, &(s)->k_rx) && \
	 (*(ret) = link_leave_rx(s, call), true))
#define TX_BY_KERNEL(s, fd, ret, call)                                     \
	((s)->kind == SOCK_LINK && link_enter_kernel(s, fd, &(s)->k_tx) && \
	 (*(ret) = link_leave_tx(s, call), true))

ssize_t stream_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		    int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov,
			      .msg_iovlen = (size_t)n };

	if (likely(s->kind == SOCK_LINK))
		return link_recv(s, fd, iov, n, flags);
	return s->kind == SOCK_UDP ? dgram_recvmsg(s, fd, &msg, flags)
				   : session_recv(s, iov, n, flags);
}

ssize_t stream_send(struct sock *s, int fd, const struct iovec *iov, int n,
		    int flags)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov,
			      .msg_iovlen = (size_t)n };

	if (likely(s->kind == SOCK_LINK))
		return link_send(s, fd, iov, n, flags);
	return s->kind == SOCK_UDP ? dgram_sendmsg(s, fd, &msg, flags)
				   : session_send(s, iov, n, flags);
}

/* readv(2) of nothing does not wait */
static ssize_t recv_vector(struct sock *s, int fd, const struct iovec *iov,
			   int n, int flags)
{
	ssize_t total = cursor_total(iov, n);

	return total > 0 || unlikely(total == -EFAULT)
		       ? stream_recv(s, fd, iov, n, flags)
		       : total;
}

ssize_t sock_readv(int fd, const struct iovec *iov, int n)
{
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_readv(fd, iov, n);
	if (!RX_BY_KERNEL(s, fd, &ret, k_readv(fd, iov, n)))
		ret = recv_vector(s, fd, iov, n, 0);
	sock_put(s);
	return ret;
}

/* What of the flags of preadv2(2) a socket heeds; -1: it refuses one. */
static int heeded(int flags)
{
	if (flags &
	    ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))
		return -1;
	return flags & RWF_NOWAIT ? MSG_DONTWAIT : 0;
}

ssize_t sock_preadv2(int fd, const struct iovec *iov, int n, off_t off,
		     int flags)
{
	struct sock *s = off == -1 && heeded(flags) >= 0 ? stream_of(fd) : NULL;
	ssize_t ret;

	if (!s)
		return k_preadv2(fd, iov, n, off, flags);
	if (!RX_BY_KERNEL(s, fd, &ret, k_preadv2(fd, iov, n, off, flags)))
		ret = recv_vector(s, fd, iov, n, heeded(flags));
	sock_put(s);
	return ret;
}

ssize_t sock_read(int fd, void *buf, size_t len)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_read(fd, buf, len);
	if (!RX_BY_KERNEL(s, fd, &ret, k_read(fd, buf, len)))
		ret = len ? stream_recv(s, fd, &iov, 1, 0) : 0;
	sock_put(s);
	return ret;
}

static ssize_t no_name(socklen_t *alen, ssize_t ret)
{
	if (!user_ok(alen, sizeof(*alen)))
		return -EFAULT;
	*alen = 0;
	return ret;
}

ssize_t sock_recvfrom(int fd, void *buf, size_t len, int flags,
		      struct sockaddr *addr, socklen_t *alen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_recvfrom(fd, buf, len, flags, addr, alen);
	if (!RX_BY_KERNEL(s, fd, &ret,
			  k_recvfrom(fd, buf, len, flags, addr, alen))) {
		if (link_is_local(s))
			flags &= ~MSG_TRUNC; /* which TCP alone knows */
		if (unlikely(s->kind == SOCK_UDP))
			ret = dgram_recvfrom(s, fd, buf, len, flags, addr,
					     alen);
		else
			ret = stream_recv(s, fd, &iov, 1, flags);
		/* a stream has no sender's address */
		if (ret >= 0 && addr && s->kind != SOCK_UDP)
			ret = link_is_local(s)
				      ? local_sender(fd, addr, alen, ret)
				      : no_name(alen, ret);
	}
	sock_put(s);
	return ret;
}

static ssize_t recv_msg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t ret;

	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (unlikely(s->kind == SOCK_UDP))
		return dgram_recvmsg(s, fd, msg, flags);
	if (link_is_local(s) && s->kind == SOCK_LINK) {
		ret = link_recvmsg(s, fd, msg, flags & ~MSG_TRUNC);
		return ret >= 0 && msg->msg_name
			       ? local_sender(fd, msg->msg_name,
					      &msg->msg_namelen, ret)
			       : ret;
	}
	ret = stream_recv(s, fd, msg->msg_iov, (int)msg->msg_iovlen, flags);
	if (ret >= 0) {
		msg->msg_namelen = 0;
		msg->msg_controllen = 0;
		msg->msg_flags = flags & MSG_CMSG_CLOEXEC; /* as Linux */
	}
	return ret;
}

ssize_t sock_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s || unlikely(!user_ok(msg, sizeof(*msg)))) {
		if (s)
			sock_put(s);
		return k_recvmsg(fd, msg, flags);
	}
	if (!RX_BY_KERNEL(s, fd, &ret, k_recvmsg(fd, msg, flags)))
		ret = recv_msg(s, fd, msg, flags);
	sock_put(s);
	return ret;
}

/* Of nothing: write(2) sends an empty datagram, writev(2) none. */
static ssize_t send_vector(struct sock *s, int fd, const struct iovec *iov,
			   int n, int flags)
{
	return s->kind == SOCK_UDP && !cursor_total(iov, n)
		       ? 0
		       : stream_send(s, fd, iov, n, flags);
}

ssize_t sock_writev(int fd, const struct iovec *iov, int n)
{
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_writev(fd, iov, n);
	if (!TX_BY_KERNEL(s, fd, &ret, k_writev(fd, iov, n)))
		ret = send_vector(s, fd, iov, n, 0);
	sock_put(s);
	return ret;
}

ssize_t sock_pwritev2(int fd, const struct iovec *iov, int n, off_t off,
		      int flags)
{
	struct sock *s = off == -1 && heeded(flags) >= 0 ? stream_of(fd) : NULL;
	ssize_t ret;

	if (!s)
		return k_pwritev2(fd, iov, n, off, flags);
	if (!TX_BY_KERNEL(s, fd, &ret, k_pwritev2(fd, iov, n, off, flags)))
		ret = send_vector(s, fd, iov, n, heeded(flags));
	sock_put(s);
	return ret;
}

ssize_t sock_write(int fd, const void *buf, size_t len)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_write(fd, buf, len);
	if (!TX_BY_KERNEL(s, fd, &ret, k_write(fd, buf, len)))
		ret = stream_send(s, fd, &iov, 1, 0);
	sock_put(s);
	return ret;
}

/* TCP ignores the address of a connected socket, if it is one.  Some name it in
 * each call: no system call to find out. */
static int ignored(const struct sockaddr *addr, socklen_t alen)
{
	if (likely(!addr))
		return 0;
	if (alen > sizeof(struct sockaddr_storage))
		return -EINVAL;
	return user_ok(addr, alen) || !alen ? 0 : -EFAULT;
}

ssize_t sock_sendto(int fd, const void *buf, size_t len, int flags,
		    const struct sockaddr *addr, socklen_t alen)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s)
		return k_sendto(fd, buf, len, flags, addr, alen);
	if (unlikely(flags & MSG_OOB))
		stay_for_good(s, fd);
	if (unlikely(s->kind == SOCK_UDP)) {
		ret = dgram_sendmsg(s, fd,
				    &(struct msghdr){ .msg_name = (void *)addr,
						      .msg_namelen = alen,
						      .msg_iov = &iov,
						      .msg_iovlen = 1 },
				    flags);
	} else if (!TX_BY_KERNEL(s, fd, &ret,
				 k_sendto(fd, buf, len, flags, addr, alen))) {
		ret = ignored(addr, alen);
		if (!ret && link_is_local(s) && addr && alen)
			ret = -EISCONN;
		if (!ret)
			ret = stream_send(s, fd, &iov, 1, flags);
	}
	sock_put(s);
	return ret;
}

ssize_t sock_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct sock *s = stream_of(fd);
	ssize_t ret;

	if (!s || unlikely(!user_ok(msg, sizeof(*msg)))) {
		if (s)
			sock_put(s);
		return k_sendmsg(fd, msg, flags);
	}
	if (unlikely(flags & MSG_OOB))
		stay_for_good(s, fd);
	else if (link_is_local(s) && unlikely(msg->msg_controllen))
		stay_sending(s, fd);
	if (TX_BY_KERNEL(s, fd, &ret, k_sendmsg(fd, msg, flags)))
		;
	else if (unlikely(s->kind == SOCK_UDP))
		ret = dgram_sendmsg(s, fd, msg, flags);
	else if (link_is_local(s) &&
		 unlikely(msg->msg_controllen || msg->msg_namelen))
		ret = local_sendmsg(s, fd, msg, flags);
	else if (msg->msg_iovlen > IOV_MAX)
		ret = -EMSGSIZE;
	else
		ret = stream_send(s, fd, msg->msg_iov, (int)msg->msg_iovlen,
				  flags);
	sock_put(s);
	return ret;
}
