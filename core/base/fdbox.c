/* SPDX-License-Identifier: Apache-2.0 */
/* fdbox.c - the only file that touches a cmsghdr */
#include "core/base/fdbox.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/kernel.h"

/* Aligned for a cmsghdr, with room for a full box. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * FDBOX_MAX)];
};

void fdbox_init(struct fdbox *box)
{
	unsigned i;

	for (i = 0; i < FDBOX_MAX; i++)
		box->fd[i] = -1;
	box->n = 0;
}

int fdbox_put(struct fdbox *box, int fd)
{
	if (box->n == FDBOX_MAX)
		return -ENOSPC;
	box->fd[box->n++] = fd;
	return 0;
}

int fdbox_take(struct fdbox *box, unsigned i)
{
	int fd;

	if (i >= box->n || box->fd[i] < 0)
		return -EPROTO;
	fd = box->fd[i];
	box->fd[i] = -1;
	return fd;
}

void fdbox_close(struct fdbox *box)
{
	unsigned i;

	for (i = 0; i < box->n; i++)
		if (box->fd[i] >= 0)
			k_close(box->fd[i]);
	fdbox_init(box);
}

ssize_t fdbox_send(int sock, const void *buf, size_t len,
		   const struct fdbox *box, int flags)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *c;

	if (box && box->n) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * box->n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * box->n);
		memcpy(CMSG_DATA(c), box->fd, sizeof(int) * box->n);
	}
	return k_sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
}

/* Everything that came goes into the box, whatever else is wrong. */
static void unpack(struct msghdr *msg, struct fdbox *box)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (fdbox_put(box, fd))
				k_close(fd);
		}
	}
}

ssize_t fdbox_recv(int sock, void *buf, size_t len, struct fdbox *box,
		   int flags, bool *more)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	union control control;
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.bytes,
			      .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	fdbox_init(box);
	n = k_recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return n;
	unpack(&msg, box);
	if (msg.msg_flags & MSG_CTRUNC) {
		fdbox_close(box);
		return -EPROTO;
	}
	if (more)
		*more = msg.msg_flags & MSG_TRUNC;
	return n;
}

int fdbox_nth(const struct msghdr *msg, unsigned i)
{
	struct msghdr m = *msg;
	struct cmsghdr *c;
	size_t n;
	int fd;

	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
		    c->cmsg_len < CMSG_LEN(0))
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		if (i < n) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			return fd;
		}
		i -= (unsigned)n;
	}
	return -1;
}
