/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - whole messages in the byte ring of a link
 *
 * A message is put with its length before it, all at once or not at all, and is
 * taken whole: what does not fit into the reader's buffers is gone with it.
 * What the other end wrote is read once and checked: -EPROTO means that it
 * lies.
 */
#ifndef SHM_FRAME_H
#define SHM_FRAME_H

#include "core/shm/ring.h"

/* 0, -EAGAIN if there is no room for all of it, -EPROTO.  @len is that of
 * @iov, and at most WIRE_FRAME_MAX. */
int frame_put(struct ring *r, const struct iovec *iov, int n,
	      size_t len) MUST_CHECK;
/* The length of the next one; -EAGAIN if there is none, -EPROTO. */
ssize_t frame_next(const struct ring *r) MUST_CHECK;
/* The same; as much as there is room for is copied, and unless @peek it is
 * taken. */
ssize_t frame_take(struct ring *r, const struct iovec *iov, int n,
		   bool peek) MUST_CHECK;

/* The producer, of a ring of which nothing was ever taken: the message that
 * lies @at, which is 0 first, in one or two pieces; @at is behind it then.  As
 * frame_next(). */
ssize_t frame_unsent(const struct ring *r, uint32_t *at, struct iovec view[2],
		     int *n) MUST_CHECK;

#endif /* SHM_FRAME_H */
