/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - whole messages in the byte ring of a link */
#include "core/shm/frame.h"

#include <errno.h>
#include <string.h>

/* What lies in the ring, or will: one or two pieces, and how far one is. */
struct place {
	const struct iovec *view;
	size_t done; /* of view[0], then of view[1] */
};

static size_t whole(size_t len)
{
	return (sizeof(struct wire_frame) + len + WIRE_FRAME_ALIGN - 1) &
	       ~(size_t)(WIRE_FRAME_ALIGN - 1);
}

/* Copy @n bytes between the place and @buf. */
static void move(struct place *p, void *buf, size_t n, bool in)
{
	uint8_t *user = buf, *shared;
	size_t part;

	while (n) {
		if (p->done == p->view->iov_len) {
			p->view++;
			p->done = 0;
		}
		part = MIN(n, p->view->iov_len - p->done);
		shared = (uint8_t *)p->view->iov_base + p->done;
		if (in)
			memcpy(shared, user, part);
		else
			memcpy(user, shared, part);
		p->done += part;
		user += part;
		n -= part;
	}
}

static void move_iov(struct place *p, const struct iovec *iov, int n,
		     size_t len, bool in)
{
	size_t part;

	for (; n && len; n--, iov++) {
		part = MIN(iov->iov_len, len);
		if (part)
			move(p, iov->iov_base, part, in);
		len -= part;
	}
}

/**
 * frame_put() - put a message
 * @r:		the ring
 * @iov:	where it is
 * @n:		in so many pieces
 * @len:	bytes in all
 *
 * Return: 0, -EAGAIN or -EPROTO.
 */
int frame_put(struct ring *r, const struct iovec *iov, int n, size_t len)
{
	struct wire_frame head = { .len = (uint32_t)len };
	size_t total = whole(len);
	struct iovec view[2];
	struct place p = { .view = view };
	ssize_t room;
	int pieces;

	if (unlikely(len > WIRE_FRAME_MAX))
		return -EAGAIN;
	room = ring_space(r, total, view, &pieces);
	if (unlikely(room < (ssize_t)total))
		return room < 0 ? (int)room : -EAGAIN;
	move(&p, &head, sizeof(head), true);
	move_iov(&p, iov, n, len, true);
	ring_publish(r, total);
	return 0;
}

/* The length, and what comes behind it. */
static ssize_t look(const struct ring *r, struct iovec view[2], struct place *p)
{
	struct wire_frame head;
	ssize_t used;
	int pieces;

	used = ring_view(r, view, &pieces);
	if (used < 0)
		return used;
	if (unlikely((size_t)used < sizeof(head)))
		return -EPROTO;
	*p = (struct place){ .view = view };
	move(p, &head, sizeof(head), false);
	if (unlikely(head.len > WIRE_FRAME_MAX ||
		     whole(head.len) > (size_t)used))
		return -EPROTO;
	return (ssize_t)head.len;
}

/**
 * frame_next() - what would be taken?
 * @r:	the ring
 *
 * Return: its length, -EAGAIN or -EPROTO.
 */
ssize_t frame_next(const struct ring *r)
{
	struct iovec view[2];
	struct place p;

	return look(r, view, &p);
}

/**
 * frame_take() - take a message, or look at it
 * @r:		the ring
 * @iov:	to where
 * @n:		so many pieces
 * @peek:	leave it there
 *
 * Return: its length, which may be more than was copied, -EAGAIN or -EPROTO.
 */
ssize_t frame_take(struct ring *r, const struct iovec *iov, int n, bool peek)
{
	struct iovec view[2];
	struct place p;
	ssize_t len = look(r, view, &p);

	if (unlikely(len < 0))
		return len;
	move_iov(&p, iov, n, (size_t)len, false);
	if (peek)
		return len;
	/* it was all there a moment ago, unless the peer takes it back */
	return ring_drop(r, whole((size_t)len)) == (ssize_t)whole((size_t)len)
		       ? len
		       : -EPROTO;
}

/**
 * frame_unsent() - go through what was put
 * @r:		the ring
 * @at:		position of the message; that of the next one then
 * @view:	its pieces
 * @n:		so many
 *
 * Return: its length, -EAGAIN or -EPROTO.
 */
ssize_t frame_unsent(const struct ring *r, uint32_t *at, struct iovec view[2],
		     int *n)
{
	struct wire_frame head;
	struct place p = { .view = view };
	ssize_t len = ring_unsent(r, *at, view, n);
	size_t part;

	if (len < 0)
		return len;
	if (unlikely((size_t)len < sizeof(head)))
		return -EPROTO;
	move(&p, &head, sizeof(head), false);
	if (unlikely(head.len > WIRE_FRAME_MAX ||
		     whole(head.len) > (size_t)len))
		return -EPROTO;
	if (p.done == p.view->iov_len && p.view == view) {
		p.view++;
		p.done = 0;
	}
	part = MIN((size_t)head.len, p.view->iov_len - p.done);
	view[0] = (struct iovec){ (uint8_t *)p.view->iov_base + p.done, part };
	view[1] = (struct iovec){ r->data, head.len - part };
	*n = 1 + (part < head.len);
	*at += (uint32_t)whole(head.len);
	return (ssize_t)head.len;
}
