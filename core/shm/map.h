/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map.h - a mapped memory segment, and the only way from offset to pointer
 *
 * Offsets in messages and chunk links count from the FIFO segment header
 * (fsh), not from the segment's base.  map_at() is the one place that turns
 * such an offset, which a peer may have written, into a pointer.
 */
#ifndef SHM_MAP_H
#define SHM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/base.h"

struct map {
	uint8_t *base;	/* NULL: not mapped */
	size_t size;	/* bytes mapped */
	uint8_t *fsh;	/* base + offset of the FIFO segment header */
	size_t fsh_len; /* bytes from fsh to the end */
	int fd;		/* owned; -1 if given up */
	bool stays;	/* at a place: never unmapped */
	uint64_t dev;	/* which file it is, of map_attach() */
	uint64_t ino;
};

/*
 * Addresses that may still be looked at without a lock when what was mapped
 * there is over: it stays mapped until the next mapping takes its place.  One
 * of another size goes elsewhere, and is the place from then on.
 */
struct map_place {
	void *at; /* NULL: none yet */
	size_t size;
};

/*
 * Create a segment: memfd (close-on-exec), sealed against shrinking, shared
 * header written, fsh zeroed.  @size: bytes behind the fsh at least.
 */
int map_create(struct map *m, const char *name, size_t size) MUST_CHECK;

/*
 * Map a segment that came from elsewhere; takes @fd over, also on error.
 * Everything in it is hostile: refuses (-EPROTO) what is not a regular memfd
 * sealed against shrinking, ssvm_va != 0, a size above the file's, an fsh
 * outside or misaligned.
 */
int map_attach(struct map *m, int fd) MUST_CHECK;
/* The same at a place. */
int map_attach_at(struct map *m, int fd, struct map_place *place) MUST_CHECK;

/* Is @fd the file that is mapped here? */
bool map_is_of(const struct map *m, int fd);

/* Map @size bytes of what only its maker can write, read-only, at @place;
 * closes @fd.  -EPROTO if it is smaller, or not sealed against shrinking. */
int map_page(int fd, size_t size, struct map_place *place) MUST_CHECK;

/* Unmap, unless it is at a place, and close.  Accepts a zeroed or closed map.
 */
void map_close(struct map *m);

/*
 * Segments without a header of VPP's, of exactly @size bytes, a multiple of
 * 4096: here map_at() counts from the base.  Sealed against growing too, and
 * against more seals.
 */
int map_plain_create(struct map *m, const char *name, size_t size) MUST_CHECK;
/* Takes @fd over, also on error, and does not keep it; -EPROTO if it is
 * something else. */
int map_plain_attach(struct map *m, int fd, size_t size) MUST_CHECK;

/* Free the memory of whole pages of a segment: they read as zero then. */
int map_give_back(void *page, size_t len);

/* @off bytes from the fsh; NULL unless [off, off + len) is inside. */
static inline void *map_at(const struct map *m, uint64_t off, size_t len)
{
	if (unlikely(off > m->fsh_len || len > m->fsh_len - off))
		return NULL;
	return m->fsh + off;
}

#endif /* SHM_MAP_H */
