/* SPDX-License-Identifier: Apache-2.0 */
/* cursor.h - where a read or a write has come to in the program's buffers */
#ifndef SOCK_CURSOR_H
#define SOCK_CURSOR_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/base/user.h"

/* Of recvmsg(2): what comes with the bytes. */
struct beside {
	struct msghdr *msg; /* msg_control and msg_controllen: what for it */
	bool got;	    /* ... and then, with msg_flags, what there was */
};

/* What is left of a vector after some bytes; a small copy, made only when a
 * blocking call has to go on. */
struct cursor {
	const struct iovec *iov;
	int n;
	size_t skip;	       /* bytes of iov[0] that are done */
	struct beside *beside; /* or NULL */
};

static inline void cursor_advance(struct cursor *c, size_t bytes)
{
	bytes += c->skip;
	while (c->n && bytes >= c->iov->iov_len) {
		bytes -= c->iov->iov_len;
		c->iov++;
		c->n--;
	}
	c->skip = bytes;
}

static inline void *cursor_at(const struct cursor *c)
{
	return (char *)c->iov->iov_base + c->skip;
}

static inline size_t cursor_len(const struct cursor *c)
{
	return c->iov->iov_len - c->skip;
}

/* Of the whole vector: bytes, or as from readv(2) -EINVAL, or -EFAULT, with
 * which fault.c goes on. */
static inline ssize_t cursor_total(const struct iovec *iov, int n)
{
	bool bad = false;
	size_t sum = 0;
	int i;

	if (n < 0 || n > IOV_MAX)
		return -EINVAL;
	if (unlikely(!user_ok(iov, (size_t)n * sizeof(*iov))) && n)
		return -EFAULT;
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return -EINVAL;
		sum += iov[i].iov_len;
		bad |= !user_ok(iov[i].iov_base, iov[i].iov_len) &&
		       iov[i].iov_len;
	}
	return bad ? -EFAULT : (ssize_t)sum;
}

#endif /* SOCK_CURSOR_H */
