/* SPDX-License-Identifier: Apache-2.0 */
/* seg.c - lay out a segment, carve it, make FIFO headers in it */
#include "core/shm/seg.h"

#include <errno.h>
#include <string.h>

#include "core/wire/fifo.h"

#define SLICE_END(n) \
	(sizeof(struct wire_fsh) + (uint64_t)(n) * sizeof(struct wire_slice))
#define FIFO_BATCH 32
#define FIFO_BYTES sizeof(struct wire_fifo)

/**
 * seg_create() - make a fresh segment with one slice
 * @seg:	set on success
 * @name:	of the memfd
 * @size:	bytes that can be carved at least
 *
 * Return: 0, or map_create()'s error.
 */
int seg_create(struct seg *seg, const char *name, size_t size)
{
	struct seg new = { .n_slices = 1, .dialect = WIRE_2606 };
	uint64_t usable;
	int ret;

	if (size > PTRDIFF_MAX / 2)
		return -EINVAL;
	/* + 64: the last byte is never carved, and rounding to 64 */
	ret = map_create(&new.map, name, size + SLICE_END(1) + 64);
	if (ret < 0)
		return ret;
	new.fsh = (void *)new.map.fsh;
	new.limit = new.map.fsh_len;
	new.fsh->n_slices = 1;
	new.fsh->n_reserved_bytes = SLICE_END(1);
	new.fsh->start_byte_index = SLICE_END(1);
	new.fsh->byte_index = SLICE_END(1);
	new.fsh->max_byte_index = new.limit;
	usable = MIN((new.limit - SLICE_END(1)) / 2, UINT64_C(1) << 31);
	new.fsh->max_log2_fifo_size = 63 - (unsigned)__builtin_clzll(usable);
	*seg = new;
	return 0;
}

/**
 * seg_attach_at() - map a segment that another process made
 * @seg:	set on success
 * @fd:		the memfd; taken over, also on error
 * @place:	where, or NULL
 *
 * Return: 0, -EPROTO, or map_attach()'s error.
 */
int seg_attach_at(struct seg *seg, int fd, struct map_place *place)
{
	struct seg new = { .dialect = WIRE_2606 };
	int ret;

	ret = map_attach_at(&new.map, fd, place);
	if (ret < 0)
		return ret;
	/* relaxed: written before the descriptor was sent */
	new.fsh = (void *)new.map.fsh;
	new.limit = atomic_load_explicit(&new.fsh->max_byte_index,
					 memory_order_relaxed);
	new.n_slices =
		atomic_load_explicit(&new.fsh->n_slices, memory_order_relaxed);
	if (!new.n_slices || new.limit > new.map.fsh_len ||
	    new.limit < SLICE_END(new.n_slices)) {
		map_close(&new.map);
		return -EPROTO;
	}
	*seg = new;
	return 0;
}

int seg_attach(struct seg *seg, int fd)
{
	return seg_attach_at(seg, fd, NULL);
}

/**
 * seg_close() - unmap; the memory lives on with whoever else maps it
 * @seg:	a segment, a zeroed or a closed one
 */
void seg_close(struct seg *seg)
{
	map_close(&seg->map);
	seg->fsh = NULL;
}

/**
 * seg_carve() - take bytes that nobody had before
 * @seg:	the segment
 * @size:	bytes
 * @align:	a power of two up to 64
 * @off:	where, on success
 *
 * Return: 0; -ENOMEM; -EPROTO if the position is impossible.
 */
int seg_carve(struct seg *seg, size_t size, size_t align, uint64_t *off)
{
	uint64_t cur, pos, end;
	unsigned try;

	if (size >= seg->limit)
		return -ENOMEM;
	size = (size + align - 1) & ~(align - 1);
	cur = atomic_load_explicit(&seg->fsh->byte_index, memory_order_relaxed);
	for (try = 0; try < SEG_MAX_TRIES; try++) {
		/* below the slices we would hand out the freelists */
		if (cur > seg->limit || cur < SLICE_END(seg->n_slices))
			return -EPROTO;
		pos = (cur + align - 1) & ~(uint64_t)(align - 1);
		end = pos + size;
		if (end >= seg->limit)
			return -ENOMEM;
		/* acquire: as the ABI has it; the bytes are new to everyone,
		 * so there is no release to pair with */
		if (atomic_compare_exchange_weak_explicit(
			    &seg->fsh->byte_index, &cur, end,
			    memory_order_acquire, memory_order_relaxed)) {
			*off = pos;
			return 0;
		}
	}
	return -EPROTO;
}

/**
 * seg_room() - how much is left, roughly
 * @seg:	the segment
 *
 * Return: bytes to carve plus bytes on freelists.
 */
uint64_t seg_room(const struct seg *seg)
{
	uint64_t cur = atomic_load_explicit(&seg->fsh->byte_index,
					    memory_order_relaxed);
	uint64_t cached = atomic_load_explicit(&seg->fsh->n_cached_bytes,
					       memory_order_relaxed);
	uint64_t left = cur < seg->limit ? seg->limit - cur : 0;

	return left + MIN(cached, seg->limit);
}

/* The link of a free FIFO header at @off; NULL if no header can be there. */
static _Atomic uint64_t *free_link(const struct seg *seg, uint64_t off)
{
	uint8_t *p = map_at(&seg->map, off, FIFO_BYTES);

	if (!off || off % WIRE_CACHE_LINE || !p)
		return NULL;
	if (seg->dialect == WIRE_2510)
		return &((struct wire_fifo_2510 *)(void *)p)->next;
	return &((struct wire_fifo *)(void *)p)->next;
}

/* A FIFO header off the free list, or carved; only one server thread. */
static int header_alloc(struct seg *seg, unsigned slice, uint64_t *off)
{
	struct wire_slice *s = &seg->fsh->slices[slice];
	_Atomic uint64_t *link;
	uint64_t at;
	int ret, i;

	/* relaxed throughout: the list is one thread's */
	*off = atomic_load_explicit(&s->free_fifos, memory_order_relaxed);
	if (!*off) {
		ret = seg_carve(seg, FIFO_BATCH * FIFO_BYTES, WIRE_CACHE_LINE,
				&at);
		if (ret < 0)
			return ret;
		for (i = FIFO_BATCH - 1; i >= 0; i--) {
			link = free_link(seg, at + (size_t)i * FIFO_BYTES);
			atomic_store_explicit(link, *off, memory_order_relaxed);
			*off = at + (size_t)i * FIFO_BYTES;
		}
	}
	link = free_link(seg, *off);
	if (!link)
		return -EPROTO;
	atomic_store_explicit(&s->free_fifos,
			      atomic_load_explicit(link, memory_order_relaxed),
			      memory_order_relaxed);
	memset(map_at(&seg->map, *off, FIFO_BYTES), 0, FIFO_BYTES);
	return 0;
}

static void header_free(struct seg *seg, unsigned slice, uint64_t off)
{
	struct wire_slice *s = &seg->fsh->slices[slice];
	_Atomic uint64_t *link = free_link(seg, off);

	if (!link)
		return;
	atomic_store_explicit(
		link,
		atomic_load_explicit(&s->free_fifos, memory_order_relaxed),
		memory_order_relaxed);
	atomic_store_explicit(&s->free_fifos, off, memory_order_relaxed);
}

/* Number the chain at @first from 0: its last chunk, or 0. */
static uint64_t number_chain(struct seg *seg, uint64_t first, uint32_t bytes)
{
	uint64_t off = first, next, n = bytes / WIRE_CHUNK_MIN + 2;
	struct wire_chunk *c;
	uint32_t pos = 0, len;

	for (; n; n--, off = next) {
		c = seg_chunk(seg, off, &len);
		if (!c)
			return 0;
		atomic_store_explicit(&c->start_byte, pos,
				      memory_order_relaxed);
		c->enq_rb_index = 0;
		c->deq_rb_index = 0;
		pos += len;
		next = atomic_load_explicit(&c->next, memory_order_relaxed);
		if (!next)
			return off;
	}
	return 0;
}

/* The first chunk's bytes: VPP's percentage, and at least one small chunk. */
static uint32_t first_alloc(const struct seg *seg, uint32_t size)
{
	uint32_t pct = atomic_load_explicit(&seg->fsh->pct_first_alloc,
					    memory_order_relaxed);

	return MAX((uint32_t)((uint64_t)size * MIN(pct, 100u) / 100),
		   WIRE_CHUNK_MIN);
}

/* The same words in either dialect's header. */
#define INIT_HEADER(h)                                                  \
	do {                                                            \
		(h)->start_chunk = first;                               \
		(h)->end_chunk = last;                                  \
		(h)->head_chunk = first;                                \
		(h)->tail_chunk = first;                                \
		(h)->size = size;                                       \
		(h)->slice_index = (uint8_t)slice;                      \
		(h)->min_alloc = size <= 32768 ? WIRE_CHUNK_MIN         \
					       : MIN(size / 8, 65536u); \
	} while (0)

/**
 * seg_fifo_create() - server: make a FIFO
 * @seg:	the segment; its dialect says what the header looks like
 * @slice:	where its chunks come from and go to
 * @size:	capacity; 4096 at least, used as given
 * @off:	the header on success
 *
 * Return: 0; -EINVAL for a size out of range; -ENOMEM; -EPROTO.
 */
int seg_fifo_create(struct seg *seg, unsigned slice, uint32_t size,
		    uint64_t *off)
{
	uint64_t first, last;
	int ret;

	if (slice >= seg->n_slices || size > INT32_MAX)
		return -EINVAL;
	size = MAX(size, WIRE_FIFO_MIN);
	ret = header_alloc(seg, slice, off);
	if (ret < 0)
		return ret;
	ret = seg_chunk_alloc(seg, slice, first_alloc(seg, size), &first);
	if (ret < 0)
		goto undo_header;
	last = number_chain(seg, first, first_alloc(seg, size));
	if (!last) {
		ret = -EPROTO;
		goto undo_header;
	}
	if (seg->dialect == WIRE_2510)
		INIT_HEADER((struct wire_fifo_2510 *)map_at(&seg->map, *off,
							    FIFO_BYTES));
	else
		INIT_HEADER((struct wire_fifo *)map_at(&seg->map, *off,
						       FIFO_BYTES));
	seg->fsh->n_active_fifos++;
	seg->fsh->slices[slice].virtual_mem += size;
	return 0;
undo_header:
	header_free(seg, slice, *off);
	return ret;
}

/* Free the chunks linked from @first on, at most what fits in the segment,
 * and @end, if a producer died before it linked it (fifo_put.c). */
static void free_chain(struct seg *seg, unsigned slice, uint64_t first,
		       uint64_t end)
{
	uint64_t off = first, next, n = seg->limit / WIRE_CHUNK_MIN;
	uint32_t len, end_pos = 0;
	struct wire_chunk *c;

	for (; n && off; n--, off = next) {
		c = seg_chunk(seg, off, &len);
		if (!c)
			return;
		end_pos = atomic_load_explicit(&c->start_byte,
					       memory_order_relaxed) +
			  len;
		next = atomic_load_explicit(&c->next, memory_order_acquire);
		seg_chunk_free(seg, slice, off);
	}
	c = seg_chunk(seg, end, &len);
	if (c && atomic_load_explicit(&c->start_byte, memory_order_relaxed) ==
			 end_pos)
		seg_chunk_free(seg, slice, end);
}

/**
 * seg_fifo_free() - server: take a FIFO's memory back
 * @seg:	the segment
 * @off:	the header; nobody uses the FIFO any more
 *
 * Whatever the header says, this ends, and stays inside.
 */
void seg_fifo_free(struct seg *seg, uint64_t off)
{
	struct wire_fifo *h = map_at(&seg->map, off, FIFO_BYTES);
	unsigned slice;
	uint32_t size;

	if (!free_link(seg, off))
		return;
	if (seg->dialect == WIRE_2510) {
		struct wire_fifo_2510 *o = (void *)h;

		slice = o->slice_index;
		size = o->size;
	} else {
		slice = h->slice_index;
		size = h->size;
	}
	if (slice >= seg->n_slices)
		return;
	/* the other three chunk pointers stand at the same offsets in both */
	free_chain(seg, slice, h->start_chunk, h->end_chunk);
	h->start_chunk = 0;
	h->end_chunk = 0;
	h->head_chunk = 0;
	if (seg->dialect == WIRE_2510)
		((struct wire_fifo_2510 *)(void *)h)->tail_chunk = 0;
	else
		h->tail_chunk = 0;
	header_free(seg, slice, off);
	seg->fsh->n_active_fifos--;
	seg->fsh->slices[slice].virtual_mem -= size;
}
