/* SPDX-License-Identifier: Apache-2.0 */
/* fifo_list.h - private to fifo*.c: walk the list of chunks, copy bytes */
#ifndef SHM_FIFO_LIST_H
#define SHM_FIFO_LIST_H

#include <errno.h>
#include <string.h>

#include "core/shm/fifo.h"

/*
 * DOC: the byte FIFO (ABI.md 8)
 *
 * Not a ring: a list of chunks over an ever-increasing 32-bit position.  The
 * producer appends chunks, the consumer returns the ones it has finished.
 *
 *	start_chunk ... head_chunk ... tail_chunk ... end_chunk
 *
 * Who writes: start_chunk, head_chunk, head are the consumer's; tail_chunk,
 * tail, end_chunk and the link out of end_chunk the producer's.  A position
 * is published by a release store and read by an acquire load on the other
 * side; that is all that orders the bytes and the links.
 *
 * Several processes may be the producer in turn (fork), and one may die at
 * any instruction; the next one goes on from what stands in the memory:
 *
 * - The producer writes bytes, then tail_chunk, then tail.  Dead in between:
 *   tail_chunk does not contain tail; find_tail() searches the list.
 * - The producer appends one chunk at a time: end_chunk first, then the link
 *   to it, then tail_chunk.  While the link is missing the old last chunk has
 *   no next, so that the consumer does not free it, and whoever comes upon
 *   it knows that what end_chunk names comes next.  (With the link first the
 *   consumer could free the chunk that end_chunk still names.)
 * - The consumer writes head_chunk, then head, and only then frees.  Dead
 *   before head: the bytes are read again.  Dead after: the next dequeue
 *   frees more.  (ABI.md 8.4 frees first, as VPP does, and then a death before
 *   head loses bytes.  The other side can't tell: it looks at neither
 *   start_chunk nor what is before head.)  Each chunk is unlinked, then
 *   freed; dead in between, one chunk is lost until the segment goes.
 *
 * Nothing of this is cached in struct fifo.  Each word is read once, and a
 * chunk is used after seg_chunk() has found it inside and of a length that
 * can be; so every step of a walk advances by 4096 at least, and walks are
 * bounded by what the segment can hold.
 */

/* Where we are in the list. */
struct place {
	uint64_t off;
	struct wire_chunk *chunk;
	uint32_t start; /* position of its first byte */
	uint32_t len;
};

/* Where caller's bytes are; iov NULL: bytes that nobody wants. */
struct cursor {
	const struct iovec *iov;
	int n;
	size_t done; /* of iov[0] */
};

#define MAX_USED ((uint32_t)INT32_MAX)

static inline uint32_t load32(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline uint64_t load64(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void store64(_Atomic uint64_t *word, uint64_t val)
{
	atomic_store_explicit(word, val, memory_order_relaxed);
}

/* No chain in this segment is longer. */
static inline uint64_t max_chunks(const struct fifo *f)
{
	return f->seg->limit / WIRE_CHUNK_MIN;
}

static inline bool place_at(const struct fifo *f, uint64_t off, struct place *p)
{
	p->off = off;
	p->chunk = seg_chunk(f->seg, off, &p->len);
	if (unlikely(!p->chunk))
		return false;
	p->start = load32(&p->chunk->start_byte);
	return true;
}

static inline bool place_has(const struct place *p, uint32_t pos)
{
	return pos - p->start < p->len;
}

static inline uint64_t place_next(const struct place *p)
{
	/* acquire: pairs with the release in append(), for the new chunk's
	 * header; the bytes in it come with tail */
	return atomic_load_explicit(&p->chunk->next, memory_order_acquire);
}

/* Go to the next chunk, which must begin where this one ends. */
static inline bool place_step(const struct fifo *f, struct place *p)
{
	uint32_t end = p->start + p->len;

	return place_at(f, place_next(p), p) && p->start == end;
}

/* Copy @n bytes between the caller and @data, and go on by as much. */
static inline void copy(struct cursor *cur, uint8_t *data, size_t n, bool in)
{
	uint8_t *user;
	size_t part;

	if (!cur->iov)
		return;
	while (n) {
		part = cur->iov->iov_len - cur->done;
		if (!part) {
			cur->iov++;
			cur->done = 0;
			continue;
		}
		part = MIN(part, n);
		user = (uint8_t *)cur->iov->iov_base + cur->done;
		if (in)
			memcpy(data, user, part);
		else
			memcpy(user, data, part);
		cur->done += part;
		data += part;
		n -= part;
	}
}

/* Bytes of @iov, but no more than a FIFO can ever hold. */
static inline size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (; n > 0; n--, iov++)
		sum += MIN(iov->iov_len, (size_t)MAX_USED);
	return sum;
}

#endif /* SHM_FIFO_LIST_H */
