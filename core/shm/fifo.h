/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fifo.h - VPP's byte FIFO: one producer, one consumer, chunks in between
 *
 * struct fifo is process-local and points at each shared word, set once when
 * the FIFO is attached, so the byte path knows no release (HOUSE.md 4.5).
 * The caller serialises producers among themselves and consumers among
 * themselves.  Whatever the peer writes into the memory, a call returns in
 * bounded time, reads and writes nothing outside the segment, and says
 * -EPROTO; the connection is then to be dropped.
 */
#ifndef SHM_FIFO_H
#define SHM_FIFO_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/shm/seg.h"
#include "core/wire/fifo.h"

struct fifo {
	struct seg *seg;
	uint64_t off; /* of the shared header */
	unsigned slice;
	_Atomic uint64_t *start_chunk, *end_chunk, *head_chunk, *tail_chunk;
	_Atomic uint32_t *head, *tail, *size, *min_alloc;
	/* the signals: of another header for the client of a VPP cut-through */
	_Atomic uint32_t *has_event, *want_deq_ntf, *has_deq_ntf, *deq_thresh;
	_Atomic uint8_t *n_subscribers, *subscribers;
	/* the data's own has_event, which a consumer in a cut-through up to
	 * 25.10 clears as well; else NULL */
	_Atomic uint32_t *has_event_too;
	/* where the producer says that there will be no more; NULL: nowhere */
	_Atomic uint64_t *end;
};

/* Point @f at the FIFO at @off of @seg; -EPROTO if it can't be one. */
int fifo_attach(struct fifo *f, struct seg *seg, uint64_t off,
		enum wire_dialect dialect) MUST_CHECK;
/* Take the signal block of another FIFO (ABI.md 12.6, client rule). */
int fifo_attach_signals(struct fifo *f, struct seg *seg, uint64_t off,
			enum wire_dialect dialect) MUST_CHECK;
/* 25.10 and before: the app's index in the header; nothing in 26.02+. */
int fifo_write_index(struct seg *seg, uint64_t off, enum wire_dialect dialect,
		     uint32_t app_index) MUST_CHECK;
/* ... and the server's; not in 26.02+ */
int fifo_read_index(const struct seg *seg, uint64_t off,
		    uint32_t *index) MUST_CHECK;

/* Take the producer's word for the end, and give it: between two of us, if
 * the session layer does not (WIRE_FIFO_END). */
void fifo_use_end(struct fifo *f, enum wire_dialect dialect);

/* --- producer --- */
/* After the last put: there is nothing to come.  As a byte it changes
 * fifo_tail(), and the caller has to fifo_ring(). */
void fifo_end(struct fifo *f);
/* Bytes that fit now; the next fifo_put() of so many succeeds unless memory
 * runs out. */
uint32_t fifo_room(const struct fifo *f);
uint32_t fifo_size(const struct fifo *f);
/* Put up to @len bytes: count (possibly short), -EAGAIN if full, -ENOBUFS if
 * the segment has no chunk left (no notification will come for memory),
 * -EPROTO. */
ssize_t fifo_put(struct fifo *f, const void *buf, size_t len) MUST_CHECK;
ssize_t fifo_putv(struct fifo *f, const struct iovec *iov, int n) MUST_CHECK;
/* All or nothing (a datagram): the sum, -EAGAIN, -ENOBUFS, -EPROTO; -EMSGSIZE
 * if it can never fit. */
ssize_t fifo_put_all(struct fifo *f, const struct iovec *iov, int n) MUST_CHECK;
/* After a put: true if the consumer must be sent an event. */
bool fifo_ring(struct fifo *f);
/* Ask for a notification when there is room for @thresh bytes (0: any); the
 * caller looks at fifo_room() again before it sleeps. */
void fifo_want_room(struct fifo *f, uint32_t thresh);
/* The notification came. */
void fifo_got_room(struct fifo *f);

/* --- consumer --- */
uint32_t fifo_used(const struct fifo *f);
/* Has the producer ended it?  Asked before the bytes are taken. */
bool fifo_ended(const struct fifo *f);
/* Position of the producer: changes exactly when bytes were put, or at the
 * end. */
uint32_t fifo_tail(const struct fifo *f);
/* Copy out from @skip bytes on without taking: count, 0 if nothing. */
ssize_t fifo_peek(struct fifo *f, size_t skip, void *buf,
		  size_t len) MUST_CHECK;
/* Take up to @len bytes: count, -EAGAIN if empty, -EPROTO. */
ssize_t fifo_take(struct fifo *f, void *buf, size_t len) MUST_CHECK;
ssize_t fifo_takev(struct fifo *f, const struct iovec *iov, int n) MUST_CHECK;
/* Take without copying. */
ssize_t fifo_drop(struct fifo *f, size_t len) MUST_CHECK;
/* The bytes where they lie: fills up to *n pieces, sets *n, returns the
 * bytes; valid until the next take or drop. */
ssize_t fifo_view(struct fifo *f, struct iovec *iov, int *n) MUST_CHECK;
/* After taking @n bytes: true if the producer must be notified. */
bool fifo_took(struct fifo *f, uint32_t n);
/* Before sleeping: ask for an event; true if bytes came meanwhile, and then
 * the caller does not sleep. */
bool fifo_arm(struct fifo *f);
/* The same for a waiter that knows of the bytes up to @tail. */
bool fifo_arm_since(struct fifo *f, uint32_t tail);
/* Has an event been sent (or has nobody armed)? */
bool fifo_has_event(const struct fifo *f);

/* Either: be notified in addition to the owner; -ENOSPC after 7. */
int fifo_subscribe(struct fifo *f, uint8_t wrk) MUST_CHECK;
void fifo_unsubscribe(struct fifo *f, uint8_t wrk);
/* Copy the subscribers out (at most 7): how many. */
unsigned fifo_subscribers(const struct fifo *f, uint8_t wrk[7]);

#endif /* SHM_FIFO_H */
