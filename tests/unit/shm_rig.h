/* SPDX-License-Identifier: Apache-2.0 */
/* shm_rig.h - a FIFO with both ends, its memory mapped twice, and accounts */
#ifndef UNIT_SHM_RIG_H
#define UNIT_SHM_RIG_H

#include "core/shm/fifo.h"
#include "tests/unit/tap.h"

/* How much slower this build is: tests do so much less. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#elif __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SLOW 40
#elif defined(__SANITIZE_ADDRESS__)
#define SLOW 10
#else
#define SLOW 1
#endif

struct rig {
	struct seg a, b; /* the producer's and the consumer's mapping */
	uint64_t off;
	struct fifo p, c;
	enum wire_dialect dialect;
};

static inline void rig_fifo(struct rig *r, uint32_t size)
{
	CHECK(seg_fifo_create(&r->a, 0, size, &r->off) == 0);
	CHECK(fifo_attach(&r->p, &r->a, r->off, r->dialect) == 0);
	CHECK(fifo_attach(&r->c, &r->b, r->off, r->dialect) == 0);
}

static inline void rig_open(struct rig *r, enum wire_dialect dialect,
			    size_t seg_size, uint32_t fifo_size)
{
	memset(r, 0, sizeof(*r));
	r->dialect = dialect;
	CHECK(seg_create(&r->a, "rig", seg_size) == 0);
	r->a.dialect = dialect;
	CHECK(seg_attach(&r->b, dup(r->a.map.fd)) == 0);
	r->b.dialect = dialect;
	CHECK(r->a.map.base != r->b.map.base);
	if (fifo_size)
		rig_fifo(r, fifo_size);
}

static inline void rig_close(struct rig *r)
{
	seg_close(&r->a);
	seg_close(&r->b);
}

/* Let the stream of a fresh FIFO begin at @pos. */
static inline void rig_begin(struct rig *r, uint32_t pos)
{
	uint64_t off = *r->p.start_chunk;
	uint32_t len, at = pos;
	struct wire_chunk *c;

	for (; off; off = c->next, at += len) {
		c = seg_chunk(&r->a, off, &len);
		CHECK(c);
		c->start_byte = at;
	}
	*r->p.head = pos;
	*r->p.tail = pos;
}

/* Bytes of chunks that were ever carved. */
static inline uint64_t carved_bytes(const struct seg *seg)
{
	uint64_t sum = 0;
	unsigned i, s;

	for (s = 0; s < seg->n_slices; s++)
		for (i = 0; i < WIRE_CHUNK_CLASSES; i++)
			sum += (uint64_t)seg->fsh->slices[s].num_chunks[i] *
			       (WIRE_CHUNK_MIN << i);
	return sum;
}

/* Bytes of chunks that really lie on freelists. */
static inline uint64_t free_bytes(const struct seg *seg)
{
	uint64_t sum = 0, off, n;
	struct wire_chunk *c;
	unsigned i, s;
	uint32_t len;

	for (s = 0; s < seg->n_slices; s++) {
		for (i = 0; i < WIRE_CHUNK_CLASSES; i++) {
			off = seg->fsh->slices[s].free_chunks[i] << 16 >> 16;
			for (n = 0; off; off = c->next, n++) {
				c = seg_chunk(seg, off, &len);
				CHECK(c && len == WIRE_CHUNK_MIN << i);
				CHECK(n < seg->limit / WIRE_CHUNK_MIN);
				sum += len;
			}
		}
	}
	return sum;
}

/* Bytes of chunks that a FIFO holds; its list must be whole. */
static inline uint64_t linked_bytes(const struct fifo *f)
{
	uint64_t sum = 0, off = *f->start_chunk, last = 0, n = 0;
	struct wire_chunk *c;
	uint32_t len, at = 0;

	for (; off; off = c->next) {
		c = seg_chunk(f->seg, off, &len);
		CHECK(c && (!last || c->start_byte == at));
		CHECK(n++ < f->seg->limit / WIRE_CHUNK_MIN);
		at = c->start_byte + len;
		sum += len;
		last = off;
	}
	CHECK(last == *f->end_chunk);
	return sum;
}

static inline uint64_t rnd(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* $SEED, or one that nobody had; printed, to be given again. */
static inline uint64_t rnd_seed(void)
{
	const char *env = getenv("SEED");
	struct timespec ts;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &ts);
	seed = env ? strtoull(env, NULL, 0)
		   : (uint64_t)ts.tv_nsec * 1000003 + (uint64_t)getpid();
	printf("# SEED=%llu\n", (unsigned long long)seed);
	return seed | 1;
}

/* The stream: each byte follows from its position. */
static inline uint8_t stream_byte(uint32_t pos)
{
	return (uint8_t)(pos * 2654435761u >> 24);
}

static inline void stream_fill(uint8_t *buf, uint32_t pos, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = stream_byte(pos + (uint32_t)i);
}

static inline int stream_match(const uint8_t *buf, uint32_t pos, size_t n)
{
	uint8_t bad = 0;
	size_t i;

	for (i = 0; i < n; i++)
		bad |= buf[i] ^ stream_byte(pos + (uint32_t)i);
	return !bad;
}

#endif /* UNIT_SHM_RIG_H */
