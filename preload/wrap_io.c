/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_io.c - bytes: the read, write, send and recv families */
#include <limits.h>

#include "core/base/user.h"
#include "core/sock/sock.h"
#include "preload/real.h"

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	if (likely(!sock_is(fd)))
		return REAL(read)(fd, buf, len);
	return ret(sock_read(fd, buf, len));
}
ALIAS(__read, read);

EXPORT ssize_t readv(int fd, const struct iovec *iov, int n)
{
	if (likely(!sock_is(fd)))
		return REAL(readv)(fd, iov, n);
	return ret(sock_readv(fd, iov, n));
}

/* An offset of -1 is a stream's; any other a socket refuses. */
EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off,
		       int flags)
{
	if (likely(!sock_is(fd)))
		return REAL(preadv2)(fd, iov, n, off, flags);
	return ret(sock_preadv2(fd, iov, n, off, flags));
}
ALIAS(preadv64v2, preadv2);

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	if (likely(!sock_is(fd)))
		return REAL(recv)(fd, buf, len, flags);
	return ret(sock_recvfrom(fd, buf, len, flags, NULL, NULL));
}

EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
			struct sockaddr *addr, socklen_t *alen)
{
	if (likely(!sock_is(fd)))
		return REAL(recvfrom)(fd, buf, len, flags, addr, alen);
	return ret(sock_recvfrom(fd, buf, len, flags, addr, alen));
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (likely(!sock_is(fd)))
		return REAL(recvmsg)(fd, msg, flags);
	return ret(sock_recvmsg(fd, msg, flags));
}

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
		    struct timespec *timeout)
{
	if (likely(!sock_is(fd)))
		return REAL(recvmmsg)(fd, msgs, n, flags, timeout);
	return (int)ret(sock_recvmmsg(fd, msgs, n, flags, timeout));
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	if (likely(!sock_is(fd)))
		return REAL(write)(fd, buf, len);
	return ret(sock_write(fd, buf, len));
}
ALIAS(__write, write);

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	if (likely(!sock_is(fd)))
		return REAL(writev)(fd, iov, n);
	return ret(sock_writev(fd, iov, n));
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off,
			int flags)
{
	if (likely(!sock_is(fd)))
		return REAL(pwritev2)(fd, iov, n, off, flags);
	return ret(sock_pwritev2(fd, iov, n, off, flags));
}
ALIAS(pwritev64v2, pwritev2);

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	if (likely(!sock_is(fd)))
		return REAL(send)(fd, buf, len, flags);
	return ret(sock_sendto(fd, buf, len, flags, NULL, 0));
}
ALIAS(__send, send);

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
		      const struct sockaddr *addr, socklen_t alen)
{
	if (unlikely(flags & MSG_FASTOPEN) && sock_refuses(fd, addr, alen))
		return ret(-EOPNOTSUPP);
	if (likely(!sock_is(fd)))
		return REAL(sendto)(fd, buf, len, flags, addr, alen);
	return ret(sock_sendto(fd, buf, len, flags, addr, alen));
}

/* It may carry descriptors of ours.  A message that can't be is the kernel's to
 * refuse. */
static inline void rights(const struct msghdr *msg)
{
	if (unlikely(sock_any()) && user_ok(msg, sizeof(*msg)) &&
	    msg->msg_controllen &&
	    user_ok(msg->msg_control, msg->msg_controllen))
		sock_rights(msg);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (unlikely(flags & MSG_FASTOPEN) && user_ok(msg, sizeof(*msg)) &&
	    sock_refuses(fd, msg->msg_name, msg->msg_namelen))
		return ret(-EOPNOTSUPP);
	if (likely(!sock_is(fd))) {
		rights(msg);
		return REAL(sendmsg)(fd, msg, flags);
	}
	return ret(sock_sendmsg(fd, msg, flags));
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	unsigned i;

	if (unlikely(flags & MSG_FASTOPEN) && n &&
	    user_ok(msgs, sizeof(*msgs)) &&
	    sock_refuses(fd, msgs->msg_hdr.msg_name, msgs->msg_hdr.msg_namelen))
		return (int)ret(-EOPNOTSUPP);
	if (likely(!sock_is(fd))) {
		for (i = 0;
		     i < MIN(n, (unsigned)IOV_MAX) && unlikely(sock_any()); i++)
			rights(&msgs[i].msg_hdr);
		return REAL(sendmmsg)(fd, msgs, n, flags);
	}
	return (int)ret(sock_sendmmsg(fd, msgs, n, flags));
}

EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t len)
{
	if (likely(!sock_is(out)))
		return REAL(sendfile)(out, in, off, len);
	return ret(sock_sendfile(out, in, off, len));
}
_Static_assert(sizeof(off_t) == 8, "sendfile64 would be another function");
ALIAS(sendfile64, sendfile);

EXPORT ssize_t splice(int in, off_t *in_off, int out, off_t *out_off,
		      size_t len, unsigned flags)
{
	if (likely(!sock_is(in) && !sock_is(out)))
		return REAL(splice)(in, in_off, out, out_off, len, flags);
	return ret(sock_splice(in, in_off, out, out_off, len, flags));
}

/* The fortified forms: libc's own is the one that complains and aborts. */

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (likely(!sock_is(fd)) || len > room)
		return REAL(__read_chk)(fd, buf, len, room);
	return ret(sock_read(fd, buf, len));
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (likely(!sock_is(fd)) || len > room)
		return REAL(__recv_chk)(fd, buf, len, room, flags);
	return ret(sock_recvfrom(fd, buf, len, flags, NULL, NULL));
}

EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room,
			      int flags, struct sockaddr *addr, socklen_t *alen)
{
	if (likely(!sock_is(fd)) || len > room)
		return REAL(__recvfrom_chk)(fd, buf, len, room, flags, addr,
					    alen);
	return ret(sock_recvfrom(fd, buf, len, flags, addr, alen));
}
