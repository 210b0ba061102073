/* SPDX-License-Identifier: Apache-2.0 */
/* chunk.c - allocate and free the chunks that FIFOs are made of */
#include <errno.h>
#include <stdbool.h>

#include "core/shm/seg.h"

/*
 * DOC: chunk freelists (ABI.md 7.5, 7.6)
 *
 * A slice has one lock-free stack a class.  A head word is the first chunk's
 * offset (48 bits) and a tag, which every push and every pop steps, so that a
 * pop that slept over a pop and a push of the same chunk fails (ABA).
 *
 * The heads, links and lengths may be anything.  A popped chunk is used only
 * if it lies inside and has its class's length.  The same chunk may come
 * twice, out of a loop that somebody made; so nothing here walks a chain
 * without counting.
 *
 * Death in the middle loses, until the segment goes, what was in hand: one
 * chunk (pop, free), the chunks of one allocation (multi-chunk), or one batch
 * (carving).  n_fl_chunk_bytes and n_cached_bytes may be off by as much, and
 * are therefore no more than hints: an allocation that they forbid is tried
 * all the same before it fails.
 */

#define SPTR_MASK ((UINT64_C(1) << 48) - 1)
#define TAG_ONE (UINT64_C(1) << 48)

static uint32_t class_size(unsigned class)
{
	return WIRE_CHUNK_MIN << class;
}

static unsigned class_of(uint32_t n)
{
	unsigned class;

	if (n <= WIRE_CHUNK_MIN)
		return 0;
	class = 32 - (unsigned)__builtin_clz(n - 1) - 12; /* ceil(log2) - 12 */
	return MIN(class, WIRE_CHUNK_CLASSES - 1u);
}

/* The head word that follows @old and has @off first. */
static uint64_t head_next(uint64_t old, uint64_t off)
{
	return off | ((old + TAG_ONE) & ~SPTR_MASK);
}

static void count(struct seg *seg, unsigned slice, uint64_t delta)
{
	/* relaxed: numbers for heuristics, they order nothing */
	atomic_fetch_add_explicit(&seg->fsh->slices[slice].n_fl_chunk_bytes,
				  delta, memory_order_relaxed);
	atomic_fetch_add_explicit(&seg->fsh->n_cached_bytes, delta,
				  memory_order_relaxed);
}

/* Push the chain @first..@last; false if the head never stood still. */
static bool push(struct seg *seg, unsigned slice, unsigned class,
		 uint64_t first, struct wire_chunk *last)
{
	_Atomic uint64_t *list = &seg->fsh->slices[slice].free_chunks[class];
	uint64_t head = atomic_load_explicit(list, memory_order_relaxed);
	unsigned try;

	for (try = 0; try < SEG_MAX_TRIES; try++) {
		/* release: a producer that looks for its place while we free
		 * and reads this link then sees start_chunk moved (find_tail()
		 * in fifo_put.c) */
		atomic_store_explicit(&last->next, head & SPTR_MASK,
				      memory_order_release);
		/* release: pairs with the acquire in pop() */
		if (atomic_compare_exchange_strong_explicit(
			    list, &head, head_next(head, first),
			    memory_order_release, memory_order_relaxed))
			return true;
	}
	return false;
}

/* Pop one chunk: 1, 0 if there is none, -EPROTO. */
static int pop(struct seg *seg, unsigned slice, unsigned class, uint64_t *off)
{
	_Atomic uint64_t *list = &seg->fsh->slices[slice].free_chunks[class];
	/* acquire: pairs with the release in push() */
	uint64_t head = atomic_load_explicit(list, memory_order_acquire);
	struct wire_chunk *c;
	unsigned try;
	uint32_t len;
	uint64_t next;

	for (try = 0; try < SEG_MAX_TRIES; try++) {
		*off = head & SPTR_MASK;
		if (!*off)
			return 0;
		/* It may be another's by now, and next may be anything; then
		 * the tag has moved.  Its length never changes. */
		c = seg_chunk(seg, *off, &len);
		if (!c || len != class_size(class))
			return -EPROTO;
		next = atomic_load_explicit(&c->next, memory_order_relaxed);
		if (atomic_compare_exchange_strong_explicit(
			    list, &head, head_next(head, next & SPTR_MASK),
			    memory_order_acquire, memory_order_acquire))
			return 1;
	}
	return -EPROTO;
}

/* Pop one chunk of @class as a chain of its own. */
static int pop_counted(struct seg *seg, unsigned slice, unsigned class,
		       uint64_t *off)
{
	struct wire_chunk *c;
	int ret = pop(seg, slice, class, off);

	if (ret <= 0)
		return ret;
	c = map_at(&seg->map, *off, sizeof(*c)); /* checked by pop() */
	atomic_store_explicit(&c->next, 0, memory_order_relaxed);
	count(seg, slice, -(uint64_t)class_size(class));
	return 1;
}

/* Carve @n chunks and put them on their freelist: 0, -ENOMEM or -EPROTO. */
static int carve_batch(struct seg *seg, unsigned slice, unsigned class,
		       uint64_t n)
{
	uint64_t stride = sizeof(struct wire_chunk) + class_size(class);
	struct wire_chunk *c = NULL;
	uint64_t off, at, i;
	int ret;

	ret = seg_carve(seg, n * stride, 8, &off);
	if (ret < 0)
		return ret;
	/* before the push: chunks carved less chunks found are then those that
	 * deaths have cost */
	atomic_fetch_add_explicit(&seg->fsh->slices[slice].num_chunks[class],
				  (uint32_t)n, memory_order_relaxed);
	for (i = 0, at = off; i < n; i++, at += stride) {
		c = map_at(&seg->map, at, stride);
		/* relaxed: push() publishes the batch */
		atomic_store_explicit(&c->start_byte, 0, memory_order_relaxed);
		atomic_store_explicit(&c->length, class_size(class),
				      memory_order_relaxed);
		atomic_store_explicit(&c->next, at + stride,
				      memory_order_relaxed);
		c->enq_rb_index = 0;
		c->deq_rb_index = 0;
	}
	if (!push(seg, slice, class, off, c))
		return -EPROTO;
	count(seg, slice, n * class_size(class));
	return 0;
}

/* Give back the @n chunks of a chain that alloc_multi() gathered. */
static void undo_multi(struct seg *seg, unsigned slice, uint64_t off,
		       uint64_t n)
{
	struct wire_chunk *c;
	uint64_t next;

	for (; n; n--, off = next) {
		c = map_at(&seg->map, off, sizeof(*c));
		if (!c || off % 8)
			return;
		next = atomic_load_explicit(&c->next, memory_order_relaxed);
		seg_chunk_free(seg, slice, off);
	}
}

/* Step M: gather chunks of this class and the ones below. */
static int alloc_multi(struct seg *seg, unsigned slice, uint32_t bytes,
		       uint64_t *first)
{
	unsigned want = class_of(bytes), class = want;
	uint64_t chain = 0, got = 0, n = 0, off;
	struct wire_chunk *c;
	int ret;

	if (class > 0 && bytes <= class_size(class))
		class --;
	while (got < bytes) {
		ret = pop(seg, slice, class, &off);
		if (ret < 0 || (!ret && !class))
			goto undo;
		if (!ret) {
			class --;
			continue;
		}
		c = map_at(&seg->map, off, sizeof(*c));
		atomic_store_explicit(&c->next, chain, memory_order_relaxed);
		count(seg, slice, -(uint64_t)class_size(class));
		chain = off;
		got += class_size(class);
		n++;
	}
	*first = chain;
	return 0;
undo:
	undo_multi(seg, slice, chain, n);
	if (ret < 0)
		return ret;
	if (want + 1 < WIRE_CHUNK_CLASSES)
		ret = pop_counted(seg, slice, want + 1, first);
	return ret > 0 ? 0 : ret < 0 ? ret : -ENOMEM;
}

/* Steps 2a-2e: nothing on the freelist of its own class. */
static int alloc_slow(struct seg *seg, unsigned slice, uint32_t bytes,
		      uint64_t *first)
{
	const uint64_t least = sizeof(struct wire_chunk) + WIRE_CHUNK_MIN;
	unsigned class = class_of(bytes);
	uint64_t size = class_size(class), cached, room, used;
	int ret = -ENOMEM;

	cached = atomic_load_explicit(&seg->fsh->slices[slice].n_fl_chunk_bytes,
				      memory_order_relaxed);
	used = atomic_load_explicit(&seg->fsh->byte_index,
				    memory_order_relaxed);
	room = used < seg->limit ? seg->limit - used : 0;
	if (bytes > size && bytes <= cached)
		ret = alloc_multi(seg, slice, bytes, first);
	if (ret == -ENOMEM && size <= room) {
		ret = carve_batch(
			seg, slice, class,
			WIRE_CHUNK_BATCH * size <= room ? WIRE_CHUNK_BATCH : 1);
		if (!ret && bytes <= size)
			ret = pop_counted(seg, slice, class, first) ?: -ENOMEM;
		else if (!ret)
			ret = -ENOMEM;
	}
	if (ret != -ENOMEM)
		return ret < 0 ? ret : 0;

	/* the counters may be off: gather whatever they say */
	ret = alloc_multi(seg, slice, bytes, first);
	if (ret != -ENOMEM)
		return ret;
	used = atomic_load_explicit(&seg->fsh->byte_index,
				    memory_order_relaxed);
	room = used < seg->limit ? (seg->limit - used - 1) / least : 0;
	if (!room)
		return -ENOMEM;
	ret = carve_batch(seg, slice, 0, MIN(room, bytes / WIRE_CHUNK_MIN + 1));
	return ret < 0 ? ret : alloc_multi(seg, slice, bytes, first);
}

/**
 * seg_chunk_alloc() - get chunks for at least so many bytes
 * @seg:	the segment
 * @slice:	whose freelists
 * @bytes:	wanted
 * @first:	the chain on success
 *
 * The policy is VPP's (ABI.md 7.6): a chunk of the fitting class off the
 * freelist, else out of a batch of 32 or of one, else several smaller ones,
 * else a bigger one.
 *
 * Return: 0, -ENOMEM, or -EPROTO if the memory has been tampered with.
 */
int seg_chunk_alloc(struct seg *seg, unsigned slice, uint32_t bytes,
		    uint64_t *first)
{
	unsigned class = class_of(bytes);
	int ret;

	if (unlikely(slice >= seg->n_slices))
		return -EPROTO;
	if (likely(bytes <= class_size(class))) {
		ret = pop_counted(seg, slice, class, first);
		if (likely(ret))
			return ret < 0 ? ret : 0;
	}
	return alloc_slow(seg, slice, bytes, first);
}

/**
 * seg_chunk_free() - give one chunk back
 * @seg:	the segment
 * @slice:	the slice of the FIFO it comes from
 * @chunk:	its offset
 *
 * A chunk that can't be one is dropped: in a wrong class it would be poison
 * for both sides.
 */
void seg_chunk_free(struct seg *seg, unsigned slice, uint64_t chunk)
{
	uint32_t len;
	struct wire_chunk *c = seg_chunk(seg, chunk, &len);

	if (!c || slice >= seg->n_slices)
		return;
	if (push(seg, slice, class_of(len), chunk, c))
		count(seg, slice, len);
}
