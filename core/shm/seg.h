/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seg.h - a segment's memory: carving it, and the chunks FIFOs are made of
 *
 * Both sides carve and recycle chunks, lock-free (ABI.md 7); only the server
 * creates FIFO headers and queues.  Counters, sizes and links are the peer's
 * to spoil: each is read once, checked, and a bad one is -EPROTO.
 */
#ifndef SHM_SEG_H
#define SHM_SEG_H

#include "core/shm/map.h"
#include "core/wire/seg.h"
#include "core/wire/types.h"

struct seg {
	struct map map;
	struct wire_fsh *fsh;
	uint64_t limit;	   /* max_byte_index, checked once */
	uint32_t n_slices; /* checked once */
	/* of the FIFO headers made here; WIRE_2606 until the server changes it
	 * behind seg_create() */
	enum wire_dialect dialect;
};

/* Attempts at a compare-and-swap before we call it an attack: honest peers
 * make one fail by finishing an operation of theirs, so never so often. */
#define SEG_MAX_TRIES 100000

/* Server: a fresh segment with one slice and room for @size bytes. */
int seg_create(struct seg *seg, const char *name, size_t size) MUST_CHECK;
/* Client (or a second mapping): takes @fd over, also on error. */
int seg_attach(struct seg *seg, int fd) MUST_CHECK;
/* The same at a place (map.h). */
int seg_attach_at(struct seg *seg, int fd, struct map_place *place) MUST_CHECK;
void seg_close(struct seg *seg);

/* Carve @size bytes aligned to @align (8 or 64): offset in *off; -ENOMEM. */
int seg_carve(struct seg *seg, size_t size, size_t align,
	      uint64_t *off) MUST_CHECK;
/* Bytes left to carve plus bytes on freelists: a heuristic, never trusted. */
uint64_t seg_room(const struct seg *seg);

/*
 * Chunks: *first is the offset of a chain (next = 0 at its end) whose lengths
 * add up to @bytes or more, numbered from nothing (the FIFO does that).
 * Returns 0, -ENOMEM or -EPROTO.
 */
int seg_chunk_alloc(struct seg *seg, unsigned slice, uint32_t bytes,
		    uint64_t *first) MUST_CHECK;
/* Give one chunk back to its class; a chunk of impossible length is dropped. */
void seg_chunk_free(struct seg *seg, unsigned slice, uint64_t chunk);
/* The chunk at @off, checked to lie inside with its data; NULL if not.  Its
 * length, which can only be a class size, is read this once. */
static inline struct wire_chunk *seg_chunk(const struct seg *seg, uint64_t off,
					   uint32_t *length)
{
	struct wire_chunk *c = map_at(&seg->map, off, sizeof(*c));
	uint32_t len;

	if (unlikely(!off || off % 8 || !c))
		return NULL;
	/* relaxed: the link that led here was acquired */
	len = atomic_load_explicit(&c->length, memory_order_relaxed);
	if (unlikely(len < WIRE_CHUNK_MIN || len > WIRE_CHUNK_MAX ||
		     (len & (len - 1)) ||
		     !map_at(&seg->map, off, sizeof(*c) + len)))
		return NULL;
	*length = len;
	return c;
}

/* Server: a FIFO header (zeroed, first chunk linked), and its way back. */
int seg_fifo_create(struct seg *seg, unsigned slice, uint32_t size,
		    uint64_t *off) MUST_CHECK;
void seg_fifo_free(struct seg *seg, uint64_t off);

#endif /* SHM_SEG_H */
