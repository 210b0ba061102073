/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.h - the byte ring of a link, one direction
 *
 * A plain power-of-two ring.  One process at a time is its producer and one
 * its consumer; callers serialise the threads (and forked processes) of an
 * end.  Everything that the other end wrote is read once and checked:
 * -EPROTO means that it lies.  Positions count modulo 2^32, so a ring is at
 * most 2^31 bytes.
 *
 * What an end itself knows lies in struct ring_own, in memory that the other
 * end can't write and that forked processes of this end share.
 */
#ifndef SHM_RING_H
#define SHM_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/base/base.h"
#include "core/wire/link.h"

/* Plain words: guarded by the end's lock of this direction.  The others are
 * looked at without it, to see whether one could write.  All zero is how a link
 * begins. */
struct ring_own {
	uint32_t tail, base;   /* producer: as published; a consumer's base is
				  what it saw last */
	uint32_t head;	       /* consumer: as published */
	_Atomic uint32_t seen; /* producer: head when last looked at */
	uint32_t limit;	       /* producer: may put up to here without a look */
	/* producer: furthest byte of the ring that may have been touched since
	 * ring_give_back(), from home */
	_Atomic uint32_t high;
};

struct ring {
	uint8_t *data;
	uint32_t size;		/* power of two */
	uint32_t home;		/* where it begins when empty */
	_Atomic uint64_t *tail; /* the producer's wire_link_side.tail */
	_Atomic uint32_t *head; /* the consumer's wire_link_side.head */
	struct ring_own *own;
};

/* --- consumer --- */
/* Bytes to take now; -EPROTO.  One load if there are none. */
ssize_t ring_used(const struct ring *r);
/* Grows with every arrival: the published tail. */
uint32_t ring_tail(const struct ring *r);
/* Take up to @len bytes: how many, -EAGAIN if empty, -EPROTO. */
ssize_t ring_take(struct ring *r, void *buf, size_t len) MUST_CHECK;
/* The same into @iov's pieces, of which the first @skip bytes are full. */
ssize_t ring_takev(struct ring *r, const struct iovec *iov, int n,
		   size_t skip) MUST_CHECK;
/* Copy from @off on, take nothing; -EAGAIN if there is nothing there. */
ssize_t ring_peek(const struct ring *r, size_t off, void *buf,
		  size_t len) MUST_CHECK;
ssize_t ring_drop(struct ring *r, size_t len) MUST_CHECK;
/* What lies there, without copy: one or two pieces; bytes, -EAGAIN, -EPROTO. */
ssize_t ring_view(const struct ring *r, struct iovec view[2],
		  int *n) MUST_CHECK;

/* --- producer --- */
/* Room now; -EPROTO. */
ssize_t ring_room(const struct ring *r);
/* Bytes that the consumer has not taken; -EPROTO. */
ssize_t ring_unread(const struct ring *r);
/* Put up to @len bytes and publish them: how many, -EAGAIN if full, -EPROTO */
ssize_t ring_put(struct ring *r, const void *buf, size_t len) MUST_CHECK;
ssize_t ring_putv(struct ring *r, const struct iovec *iov, int n,
		  size_t skip) MUST_CHECK;
/* Room, up to @want bytes, as one or two pieces to fill, then ring_publish()
 * of what was. */
ssize_t ring_space(struct ring *r, size_t want, struct iovec view[2],
		   int *n) MUST_CHECK;
void ring_publish(struct ring *r, size_t len);
/* What lies there from @from on, which the consumer has not taken, or will not:
 * as ring_view(); -EAGAIN if there is nothing. */
ssize_t ring_unsent(const struct ring *r, uint32_t from, struct iovec view[2],
		    int *n) MUST_CHECK;
/*
 * Give the pages behind the home page back to the system if the ring is empty
 * and has been used beyond it; true if it did.  A syscall then.
 */
bool ring_give_back(struct ring *r);
/* Would it be worth a try?  Plain look, no lock. */
static inline bool ring_is_spread(const struct ring *r)
{
	/* relaxed: a guess; pairs with touch() */
	return atomic_load_explicit(&r->own->high, memory_order_relaxed) >
	       16 * WIRE_LINK_PAGE;
}

/*
 * A process of this end died with the lock of this direction (EOWNERDEAD), as
 * the ring's @producer or its consumer: let the other end see what it did, or
 * one could wait for bytes and the other for room.  The caller wakes it then.
 */
void ring_repair(struct ring *r, bool producer);

#endif /* SHM_RING_H */
