/* SPDX-License-Identifier: Apache-2.0 */
/* fifo_model.c - thousands of random operations against a model of two numbers
 *
 * The model is head and tail in 64 bits; each byte follows from its position.
 * SEED=n repeats a run.
 */
#include <time.h>

#include "tests/unit/shm_rig.h"

#define MAX_OP (1u << 20)

static uint8_t buf[MAX_OP + 64];

struct model {
	struct rig r;
	uint64_t state;
	uint64_t head, tail; /* of the stream, never wrapping */
	uint32_t size;
	bool short_of_memory; /* -ENOBUFS may happen */
	unsigned refused;
};

/* 1 B to 1 MiB, each order of magnitude as often as the next. */
static size_t some_bytes(struct model *m)
{
	return 1 + (size_t)(rnd(&m->state) % (MAX_OP >> rnd(&m->state) % 21));
}

static int cut(struct model *m, struct iovec *iov, size_t len)
{
	size_t at = 0, part;
	int n;

	for (n = 0; n < 5; n++) {
		part = n == 4 ? len - at
			      : (size_t)(rnd(&m->state) % (len - at + 1));
		iov[n] = (struct iovec){ buf + at, part };
		at += part;
	}
	return n;
}

static void op_put(struct model *m)
{
	size_t len = some_bytes(m), room = m->size - (m->tail - m->head);
	bool all = rnd(&m->state) % 4 == 0;
	struct iovec iov[5];
	ssize_t n;

	stream_fill(buf, (uint32_t)m->tail, len);
	if (all)
		n = fifo_put_all(&m->r.p, iov, cut(m, iov, len));
	else if (rnd(&m->state) & 1)
		n = fifo_putv(&m->r.p, iov, cut(m, iov, len));
	else
		n = fifo_put(&m->r.p, buf, len);
	if (m->short_of_memory &&
	    (n == -ENOBUFS || (!all && n > 0 && (size_t)n < len))) {
		m->refused++;
		m->tail += n > 0 ? (uint64_t)n : 0;
		return;
	}
	if (all && len > m->size)
		CHECK(n == -EMSGSIZE);
	else if (!room || (all && len > room))
		CHECK(n == -EAGAIN);
	else
		CHECK(n == (ssize_t)MIN(len, room));
	m->tail += n > 0 ? (uint64_t)n : 0;
}

static void op_take(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	struct iovec iov[5];
	ssize_t n;

	if (rnd(&m->state) & 1)
		n = fifo_takev(&m->r.c, iov, cut(m, iov, len));
	else
		n = fifo_take(&m->r.c, buf, len);
	CHECK(n == (used ? (ssize_t)MIN(len, used) : -EAGAIN));
	if (n < 0)
		return;
	CHECK(stream_match(buf, (uint32_t)m->head, (size_t)n));
	m->head += (uint64_t)n;
}

static void op_drop(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	ssize_t n = fifo_drop(&m->r.c, len);

	CHECK(n == (used ? (ssize_t)MIN(len, used) : -EAGAIN));
	m->head += n > 0 ? (uint64_t)n : 0;
}

static void op_peek(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	size_t skip = rnd(&m->state) & 1 ? 0 : some_bytes(m);
	ssize_t n = fifo_peek(&m->r.c, skip, buf, len);

	CHECK(n == (skip < used ? (ssize_t)MIN(len, used - skip) : 0));
	CHECK(stream_match(buf, (uint32_t)(m->head + skip), (size_t)n));
}

static void op_view(struct model *m)
{
	size_t used = (size_t)(m->tail - m->head), at = 0;
	struct iovec iov[16];
	int n = 1 + (int)(rnd(&m->state) % 16), max = n, i;
	ssize_t sum = fifo_view(&m->r.c, iov, &n);

	CHECK(sum >= 0 && n <= max && (sum == 0) == (used == 0));
	for (i = 0; i < n; i++) {
		CHECK(iov[i].iov_len);
		CHECK(stream_match(iov[i].iov_base, (uint32_t)(m->head + at),
				   iov[i].iov_len));
		at += iov[i].iov_len;
	}
	CHECK(at == (size_t)sum && (n == max ? at <= used : at == used));
	if (rnd(&m->state) & 1 && sum) {
		CHECK(fifo_drop(&m->r.c, (size_t)sum) == sum);
		m->head += (uint64_t)sum;
	}
}

static void check(struct model *m)
{
	uint32_t used = (uint32_t)(m->tail - m->head);
	uint64_t linked = linked_bytes(&m->r.p);

	CHECK(fifo_used(&m->r.c) == used);
	CHECK(fifo_room(&m->r.p) == m->size - used);
	CHECK(fifo_tail(&m->r.c) == (uint32_t)m->tail);
	CHECK(linked >= used);
	CHECK(linked + free_bytes(&m->r.a) == carved_bytes(&m->r.a));
}

static void play(enum wire_dialect dialect, uint32_t size, size_t seg_size,
		 unsigned ops, uint64_t seed)
{
	struct model m = { .state = seed, .size = size };
	unsigned i, bias;

	m.short_of_memory = seg_size < 4 * (size_t)size;
	rig_open(&m.r, dialect, seg_size, size);
	m.head = m.tail = (uint32_t)rnd(&m.state);
	rig_begin(&m.r, (uint32_t)m.head);
	for (i = 0; i < ops; i++) {
		/* times of filling and times of draining */
		bias = i / 50 % 2 ? 5 : 2;
		switch (rnd(&m.state) % 10) {
		case 0:
			op_peek(&m);
			break;
		case 1:
			op_view(&m);
			break;
		case 2:
			op_drop(&m);
			break;
		default:
			if (rnd(&m.state) % 7 < bias)
				op_put(&m);
			else
				op_take(&m);
		}
		check(&m);
	}
	CHECK(!m.short_of_memory || m.refused);
	seg_fifo_free(&m.r.a, m.r.off);
	CHECK(free_bytes(&m.r.a) == carved_bytes(&m.r.a));
	rig_close(&m.r);
}

static void play_sizes(enum wire_dialect dialect)
{
	static const uint32_t sizes[] = { 4096,	 4097,	10000,	32768,
					  65536, 99999, 1 << 20 };
	uint64_t seed = rnd_seed();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		play(dialect, sizes[i], 16 << 20, 3000 / SLOW, seed + i * 2);
}

TEST(new_header)
{
	play_sizes(WIRE_2606);
}

TEST(old_header)
{
	play_sizes(WIRE_2510);
}

TEST(short_of_memory)
{
	uint64_t seed = rnd_seed();

	play(WIRE_2606, 1 << 20, 100 * 4120, 3000, seed);
	play(WIRE_2510, 200000, 30 * 4120, 3000, seed);
}
