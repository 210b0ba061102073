/* SPDX-License-Identifier: Apache-2.0 */
/* mq_arena.h - a bare segment around a memfd, as often mapped as one likes */
#ifndef TESTS_MQ_ARENA_H
#define TESTS_MQ_ARENA_H

#include <sys/mman.h>

#include "core/shm/mq.h"
#include "tests/unit/tap.h"

#define ARENA_SIZE (1u << 20)

static inline int arena_open(void)
{
	int fd = memfd_create("mq-test", MFD_CLOEXEC);

	CHECK(fd >= 0 && !ftruncate(fd, ARENA_SIZE));
	return fd;
}

/* Offsets count from the first byte: there is no header. */
static inline struct seg arena_map(int fd)
{
	struct seg seg = {
		.map = { .size = ARENA_SIZE, .fsh_len = ARENA_SIZE, .fd = -1 }
	};

	seg.map.base = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, fd, 0);
	CHECK(seg.map.base != MAP_FAILED);
	seg.map.fsh = seg.map.base;
	seg.fsh = (struct wire_fsh *)(void *)seg.map.base;
	seg.limit = ARENA_SIZE;
	return seg;
}

#endif /* TESTS_MQ_ARENA_H */
