/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - bytes in and out by any call that there is */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stress.h"

#define PIECES 4

/* @buf in up to four pieces, some of them empty. */
static int cut(struct rng *r, uint8_t *buf, size_t len, struct iovec *iov)
{
	int i, n = 1 + (int)below(r, PIECES);
	size_t part;

	for (i = 0; i < n; i++) {
		part = i == n - 1 ? len : rnd(r) % (len + 1);
		iov[i] = (struct iovec){ buf, part };
		buf += part;
		len -= part;
	}
	return n;
}

static void check_peek(struct ep *ep, ssize_t n)
{
	ssize_t bad;

	if (n <= 0)
		return;
	bad = plan_check(&ep->plan, !ep->side, ep->rcvd, ep->in, (size_t)n);
	if (bad >= 0)
		die(ep, "MSG_PEEK: byte %zd of %zd", bad, n);
}

ssize_t any_recv(struct ep *ep, size_t len, bool block)
{
	int flags = block ? 0 : MSG_DONTWAIT, n;
	struct iovec iov[PIECES];
	struct msghdr msg = { .msg_iov = iov };

	ep->where = "recv";
	switch (below(&ep->rng, 8)) {
	case 0:
		n = cut(&ep->rng, ep->in, len, iov);
		if (!block)
			break;
		return readv(ep->fd, iov, n);
	case 1:
		msg.msg_iovlen = (size_t)cut(&ep->rng, ep->in, len, iov);
		return recvmsg(ep->fd, &msg, flags);
	case 2:
		check_peek(ep, recv(ep->fd, ep->in, len, flags | MSG_PEEK));
		break;
	case 3:
		/* all of it: not more than will come before we must speak */
		if (!block || ep->timeouts)
			break;
		if (ep->plan.ending < END_ABORT && ep->rcvd < ep->peer_next) {
			if (len > ep->peer_next - ep->rcvd)
				len = ep->peer_next - ep->rcvd;
			flags |= MSG_WAITALL;
		}
		break;
	case 4:
		if (block)
			return read(ep->fd, ep->in, len);
		break;
	case 5:
		if (ioctl(ep->fd, FIONREAD, &n) || n < 0)
			die(ep, "FIONREAD: %d, errno %d", n, errno);
		break;
	default:
		break;
	}
	return recv(ep->fd, ep->in, len, flags);
}

/* The kernel sends the file's pages themselves: each is written once. */
static ssize_t by_file(struct ep *ep, size_t len)
{
	off_t at = ep->file_end, off = at;
	ssize_t n;

	if (ep->file < 0)
		ep->file = memfd_create("stress", MFD_CLOEXEC);
	if (ep->file < 0 || pwrite(ep->file, ep->out, len, at) != (ssize_t)len)
		return write(ep->fd, ep->out, len);
	ep->file_end = (at + (off_t)len + 4095) & ~(off_t)4095;
	n = sendfile(ep->fd, ep->file, &off, len);
	if (n > 0 && off != at + n)
		die(ep, "sendfile: offset %jd after %zd", (intmax_t)off, n);
	return n;
}

ssize_t any_send(struct ep *ep, size_t len, bool block)
{
	int flags = MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT);
	struct iovec iov[PIECES];
	struct msghdr msg = { .msg_iov = iov };
	int status;

	ep->where = "send";
	switch (below(&ep->rng, 8)) {
	case 0:
		if (block)
			return write(ep->fd, ep->out, len);
		break;
	case 1:
		if (block)
			return writev(ep->fd, iov,
				      cut(&ep->rng, ep->out, len, iov));
		break;
	case 2:
		msg.msg_iovlen = (size_t)cut(&ep->rng, ep->out, len, iov);
		return sendmsg(ep->fd, &msg, flags);
	case 3:
		/* sendfile() knows no MSG_DONTWAIT */
		status = fcntl(ep->fd, F_GETFL);
		if (block || status & O_NONBLOCK)
			return by_file(ep, len);
		break;
	default:
		break;
	}
	return send(ep->fd, ep->out, len, flags);
}
