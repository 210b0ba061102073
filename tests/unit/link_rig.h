/* SPDX-License-Identifier: Apache-2.0 */
/* link_rig.h - a link with both ends, its memory mapped twice, own words in
 * memory that forked processes share */
#ifndef UNIT_LINK_RIG_H
#define UNIT_LINK_RIG_H

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "core/shm/link.h"
#include "tests/unit/shm_rig.h"

#define RIG_LINKS 3u
#define RIG_INDEX 1u /* in the middle: neighbours show who strays */

struct link_rig {
	struct map map[2]; /* the sides' */
	uint32_t size;
	struct link_end end[2];
	struct ring_own *own; /* tx and rx of side 0, then of side 1 */
};

static inline void link_rig_open(struct link_rig *r, uint32_t size)
{
	int i;

	memset(r, 0, sizeof(*r));
	r->size = size;
	r->own = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(r->own != MAP_FAILED);
	CHECK(link_seg_create(&r->map[0], RIG_LINKS, size) == 0);
	CHECK(link_seg_attach(&r->map[1], dup(r->map[0].fd), RIG_LINKS, size) ==
	      0);
	CHECK(r->map[0].base != r->map[1].base);
	for (i = 0; i < 2; i++)
		CHECK(link_end_init(&r->end[i], &r->map[i], RIG_INDEX,
				    (unsigned)i, size, &r->own[i * 2],
				    &r->own[i * 2 + 1]) == 0);
}

static inline void link_rig_close(struct link_rig *r)
{
	map_close(&r->map[0]);
	map_close(&r->map[1]);
	munmap(r->own, 4096);
}

/* Let the stream from @side begin at @pos, in the ring where @pos lies. */
static inline void link_rig_begin(struct link_rig *r, int side, uint32_t pos)
{
	struct ring *tx = &r->end[side].tx, *rx = &r->end[!side].rx;

	tx->own->tail = tx->own->limit = pos;
	tx->own->seen = pos;
	rx->own->head = pos;
	*tx->tail = pos;
	*rx->head = pos;
}

/* Memory of the segment, in pages. */
static inline long link_rig_pages(const struct link_rig *r)
{
	struct stat st;

	CHECK(fstat(r->map[0].fd, &st) == 0);
	return (long)st.st_blocks / 8;
}

static inline uint8_t *link_rig_block(const struct link_rig *r, unsigned index)
{
	return r->map[0].base + WIRE_LINK_PAGE +
	       index * WIRE_LINK_BLOCK(r->size);
}

#endif /* UNIT_LINK_RIG_H */
