/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mq.h - VPP's message queue, both ends, in both modes (ABI.md 9)
 *
 * Mutex mode: producers hold the robust mutex in the header, and the
 * condition variable wakes.  Eventfd mode: @evfd wakes, and producers are
 * serialised by something private to their side; ours use the same mutex
 * there, which nobody else touches (struct mq.lock).  One consumer at a time.
 */
#ifndef SHM_MQ_H
#define SHM_MQ_H

#include <stdbool.h>
#include <time.h>

#include "core/shm/seg.h"
#include "core/wire/mq.h"

struct mq_ring {
	struct wire_mq_ring_hdr *hdr;
	uint32_t nitems; /* copied at attach: they must not change */
	uint32_t elsize;
};

struct mq {
	struct wire_mq *shared;
	uint32_t maxsize;
	struct mq_ring ring[WIRE_N_RINGS];
	int evfd;  /* borrowed, non-blocking; -1: mutex mode */
	bool lock; /* producers take the mutex (always in mutex mode) */
};

/* A message, copied out of its element: nothing shared is left in it. */
struct mq_msg {
	enum wire_mq_ring ring;
	uint32_t len; /* the element's size */
	uint8_t data[WIRE_CTRL_ELT];
};

struct mq_geometry {
	uint32_t slots;	 /* = elements of the I/O ring */
	uint32_t n_ctrl; /* elements of the control ring */
};

/* Bytes a queue takes: a multiple of 8 for every even geometry. */
size_t mq_bytes(const struct mq_geometry *g);
/* Server: initialise a queue at @off (carved by the caller). */
int mq_create(struct seg *seg, uint64_t off,
	      const struct mq_geometry *g) MUST_CHECK;
/* Check the geometry in memory once and point @q at it; @evfd: as above. */
int mq_attach(struct mq *q, struct seg *seg, uint64_t off, int evfd) MUST_CHECK;
/* The i-th queue of an mq segment by the discovery formula (ABI.md 6.3). */
int mq_discover(struct seg *seg, unsigned i, uint64_t *off) MUST_CHECK;

/*
 * Send @len bytes as one element (bytes behind @len are zeroed up to 18):
 * 0, -EAGAIN if the queue or the ring is full, -EMSGSIZE, -EPROTO,
 * -ENOTRECOVERABLE.  Never blocks but for the mutex.  Signals when the queue
 * was empty.
 */
int mq_send(struct mq *q, enum wire_mq_ring ring, const void *data,
	    size_t len) MUST_CHECK;
/* One element: 1, 0 if empty, -EPROTO if slot or element is out of range. */
int mq_recv(struct mq *q, struct mq_msg *msg) MUST_CHECK;
bool mq_empty(const struct mq *q);
/* Producer: what lies there now, to see when the consumer has taken it. */
struct mq_mark {
	uint32_t head, left;
};
void mq_mark(const struct mq *q, struct mq_mark *mark);
/* Must be asked before the consumer goes round once. */
bool mq_passed(const struct mq *q, struct mq_mark *mark);
/*
 * Mutex mode: wait on the condition variable while the queue is empty, until
 * @abs (CLOCK_REALTIME; NULL: for ever): 0 or -ETIMEDOUT.  Eventfd mode:
 * poll the eventfd likewise and reset it.
 */
int mq_wait(struct mq *q, const struct timespec *abs) MUST_CHECK;
/* Eventfd mode: reset the eventfd, then the caller drains. */
void mq_reset_event(struct mq *q);

#endif /* SHM_MQ_H */
