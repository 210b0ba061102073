/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - data calls with a buffer that can't be: cursor_total() said so */
#include "core/sock/fault.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/base/user.h"
#include "core/sock/link.h"

/*
 * DOC: The kernel looks at a buffer when it has something to copy: before
 * that, an empty socket is EAGAIN, and a closed one EPIPE.  What it could not
 * copy stays where it is.
 */

/* Refused before anything else. */
static bool never(const struct iovec *iov, int n)
{
	int i;

	if (!user_ok(iov, (size_t)n * sizeof(*iov)))
		return true;
	for (i = 0; i < n; i++)
		if (iov[i].iov_len && user_never(iov[i].iov_base))
			return true;
	return false;
}

/* The pieces before the first that can't be: how many, and *@bytes of them. */
static int good(const struct iovec *iov, int n, size_t *bytes)
{
	int i;

	*bytes = 0;
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len && !user_ok(iov[i].iov_base, iov[i].iov_len))
			break;
		*bytes += iov[i].iov_len;
	}
	return i;
}

/* Nothing is copied, so the address is nobody's business. */
static ssize_t drop(struct sock *s, int fd, const struct iovec *iov, int n,
		    int flags)
{
	struct iovec none = { (void *)USER_FIRST, 0 };
	int i;

	for (i = 0; i < n; i++)
		none.iov_len += iov[i].iov_len;
	none.iov_len = MIN(none.iov_len, (size_t)INT_MAX);
	return stream_recv(s, fd, &none, 1, flags);
}

static ssize_t there(struct sock *s, int fd)
{
	return s->kind == SOCK_LINK ? link_count(s, fd, s->link, false)
				    : (ssize_t)fifo_used(&s->sess->rx);
}

ssize_t fault_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		   int flags)
{
	struct iovec one;
	size_t bytes;
	ssize_t got;
	char byte;

	if (never(iov, n))
		return -EFAULT;
	if (flags & MSG_TRUNC)
		return drop(s, fd, iov, n, flags);
	one = (struct iovec){ &byte, 1 };
	got = stream_recv(s, fd, &one, 1, (flags & ~MSG_WAITALL) | MSG_PEEK);
	if (got <= 0)
		return got;
	n = good(iov, n, &bytes);
	if (bytes < (size_t)there(s, fd) || !bytes)
		return -EFAULT;
	return stream_recv(s, fd, iov, n, flags);
}

ssize_t fault_send(struct sock *s, int fd, const struct iovec *iov, int n,
		   int flags)
{
	int timeout = s->opts->sndtimeo_ms, err;
	ssize_t ret;

	if (never(iov, n))
		return -EFAULT;
	ret = stream_send(s, fd, NULL, 0, flags); /* is it open? */
	while (!ret && !sock_ready(s, POLLOUT)) {
		if (flags & MSG_DONTWAIT || sock_nonblock(s))
			return -EAGAIN;
		err = sock_wait(s, POLLOUT, timeout ? timeout : -1);
		if (err)
			return err;
	}
	return ret ? ret : -EFAULT;
}
