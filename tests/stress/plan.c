/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c - what both ends of a connection know from the seed */
#include <string.h>

#include "stress.h"

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u + b;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t rnd(struct rng *r)
{
	return mix(++r->state, 0x5ead);
}

unsigned below(struct rng *r, unsigned n)
{
	return (unsigned)(rnd(r) % n);
}

bool one_in(struct rng *r, unsigned n)
{
	return !below(r, n);
}

/* Most are small, some are huge. */
uint32_t plan_msg(const struct plan *p, int side, unsigned turn)
{
	uint64_t h = mix(p->key ^ (side ? 0xf00d : 0xbeef), turn);
	uint32_t max;

	switch (h % 16) {
	case 15:
		max = MSG_MAX;
		break;
	case 14:
	case 13:
		max = 40000;
		break;
	case 12:
	case 11:
		max = 4096;
		break;
	default:
		max = 200;
	}
	return 1 + (uint32_t)((h >> 8) % max);
}

void plan_make(struct plan *p, uint64_t seed, uint64_t id)
{
	struct rng r = { mix(seed, id) };
	unsigned i;

	memset(p, 0, sizeof(*p));
	p->key = rnd(&r);
	p->turns = one_in(&r, 8) ? 200 : 1 + below(&r, 50);
	p->duplex = one_in(&r, 3);
	for (i = 0; i < p->turns; i++) {
		p->total[0] += plan_msg(p, 0, i);
		p->total[1] += plan_msg(p, 1, i);
	}
	if (p->duplex && one_in(&r, 4)) /* one way only */
		p->total[below(&r, 2)] = 0;
	p->ending = (enum ending)(one_in(&r, 4) ? below(&r, N_ENDINGS)
						: below(&r, END_CLOSE + 1));
	p->ender = (int)below(&r, 2);
	p->abort_at = rnd(&r) % (p->total[!p->ender] + 1);
}

static uint64_t word_at(const struct plan *p, int side, uint64_t n)
{
	return mix(p->key + (uint64_t)side, n);
}

void plan_fill(const struct plan *p, int side, uint64_t pos, uint8_t *buf,
	       size_t len)
{
	uint64_t word;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		word = word_at(p, side, pos / 8);
		n = 8 - pos % 8;
		if (n > len - i)
			n = len - i;
		memcpy(buf + i, (uint8_t *)&word + pos % 8, n);
		pos += n;
	}
}

ssize_t plan_check(const struct plan *p, int side, uint64_t pos,
		   const uint8_t *buf, size_t len)
{
	uint8_t should[8];
	size_t i, k, n;

	for (i = 0; i < len; i += n) {
		n = 8 - pos % 8;
		if (n > len - i)
			n = len - i;
		plan_fill(p, side, pos, should, n);
		for (k = 0; k < n; k++)
			if (buf[i + k] != should[k])
				return (ssize_t)(i + k);
		pos += n;
	}
	return -1;
}
