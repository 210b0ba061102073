/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - the ring against a model of two numbers, at home, and under lies
 *
 * SEED=n repeats a run.
 */
#include <sys/mman.h>

#include "tests/unit/link_rig.h"

#define MAX_OP (1u << 20)
#define MIB (1u << 20)

static uint8_t buf[2 * MAX_OP + 64];

struct model {
	struct link_rig r;
	struct ring *tx, *rx;
	uint64_t state;
	uint64_t head, tail; /* of the stream, never wrapping */
	uint32_t size;
};

static void model_open(struct model *m, int side, uint32_t size, uint32_t begin)
{
	link_rig_open(&m->r, size);
	m->tx = &m->r.end[side].tx;
	m->rx = &m->r.end[!side].rx;
	m->size = size;
	m->head = m->tail = begin;
	if (begin)
		link_rig_begin(&m->r, side, begin);
}

/* 1 B to 1 MiB, each order of magnitude as often as the next. */
static size_t some_bytes(struct model *m)
{
	return 1 + (size_t)(rnd(&m->state) % (MAX_OP >> rnd(&m->state) % 21));
}

/* Cut @len bytes from buf + @skip on into up to five, of which @skip bytes
 * come first that are to be left alone. */
static int cut(struct model *m, struct iovec *iov, size_t skip, size_t len)
{
	size_t at = 0, part, all = skip + len;
	int n;

	for (n = 0; n < 5; n++) {
		part = n == 4 ? all - at
			      : (size_t)(rnd(&m->state) % (all - at + 1));
		iov[n] = (struct iovec){ buf + at, part };
		at += part;
	}
	return n;
}

static size_t some_skip(struct model *m)
{
	return rnd(&m->state) & 1 ? 0 : (size_t)(rnd(&m->state) % 5000);
}

static void op_put(struct model *m)
{
	size_t len = some_bytes(m), room = m->size - (m->tail - m->head);
	size_t skip = some_skip(m);
	struct iovec iov[5];
	ssize_t n;

	if (rnd(&m->state) & 1) {
		stream_fill(buf + skip, (uint32_t)m->tail, len);
		n = ring_putv(m->tx, iov, cut(m, iov, skip, len), skip);
	} else {
		stream_fill(buf, (uint32_t)m->tail, len);
		n = ring_put(m->tx, buf, len);
	}
	CHECK(n == (room ? (ssize_t)MIN(len, room) : -EAGAIN));
	m->tail += n > 0 ? (uint64_t)n : 0;
}

static void op_space(struct model *m)
{
	size_t want = some_bytes(m), room = m->size - (m->tail - m->head);
	size_t at = 0, use;
	struct iovec view[2];
	int n = -1, i;
	ssize_t got = ring_space(m->tx, want, view, &n);

	if (!room) {
		CHECK(got == -EAGAIN && n == 0);
		return;
	}
	CHECK(got == (ssize_t)MIN(want, room) && (n == 1 || n == 2));
	for (i = 0; i < n; i++) {
		CHECK(view[i].iov_len);
		stream_fill(view[i].iov_base, (uint32_t)(m->tail + at),
			    view[i].iov_len);
		at += view[i].iov_len;
	}
	CHECK(at == (size_t)got);
	use = rnd(&m->state) & 1 ? at : (size_t)(rnd(&m->state) % (at + 1));
	ring_publish(m->tx, use);
	m->tail += use;
}

static void op_take(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	size_t skip = some_skip(m), at = 0;
	struct iovec iov[5];
	ssize_t n;

	if (rnd(&m->state) & 1) {
		at = skip;
		n = ring_takev(m->rx, iov, cut(m, iov, skip, len), skip);
	} else {
		n = ring_take(m->rx, buf, len);
	}
	CHECK(n == (used ? (ssize_t)MIN(len, used) : -EAGAIN));
	if (n < 0)
		return;
	CHECK(stream_match(buf + at, (uint32_t)m->head, (size_t)n));
	m->head += (uint64_t)n;
}

static void op_drop(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	ssize_t n = ring_drop(m->rx, len);

	CHECK(n == (used ? (ssize_t)MIN(len, used) : -EAGAIN));
	m->head += n > 0 ? (uint64_t)n : 0;
}

static void op_peek(struct model *m)
{
	size_t len = some_bytes(m), used = (size_t)(m->tail - m->head);
	size_t off = rnd(&m->state) & 1 ? 0 : some_bytes(m);
	ssize_t n = ring_peek(m->rx, off, buf, len);

	CHECK(n == (off < used ? (ssize_t)MIN(len, used - off) : -EAGAIN));
	if (n > 0)
		CHECK(stream_match(buf, (uint32_t)(m->head + off), (size_t)n));
}

static void op_view(struct model *m)
{
	size_t used = (size_t)(m->tail - m->head), at = 0;
	struct iovec view[2];
	int n = -1, i;
	ssize_t sum = ring_view(m->rx, view, &n);

	if (!used) {
		CHECK(sum == -EAGAIN && n == 0);
		return;
	}
	CHECK(sum == (ssize_t)used && (n == 1 || n == 2));
	for (i = 0; i < n; i++) {
		CHECK(view[i].iov_len);
		CHECK(stream_match(view[i].iov_base, (uint32_t)(m->head + at),
				   view[i].iov_len));
		at += view[i].iov_len;
	}
	CHECK(at == used);
	if (rnd(&m->state) & 1) {
		CHECK(ring_drop(m->rx, used) == sum);
		m->head += used;
	}
}

static void op_give_back(struct model *m)
{
	bool may = m->head == m->tail, gave = ring_give_back(m->tx);

	CHECK(!gave || may);
	if (gave)
		CHECK(link_rig_pages(&m->r) <= 2 && !ring_is_spread(m->tx) &&
		      !ring_give_back(m->tx));
}

static void check(struct model *m)
{
	uint32_t used = (uint32_t)(m->tail - m->head);

	CHECK(ring_used(m->rx) == used);
	CHECK(ring_tail(m->rx) == (uint32_t)m->tail);
	/* not each time: a look of its own hides one that put() forgets */
	if (rnd(&m->state) % 4)
		return;
	CHECK(ring_room(m->tx) == m->size - used);
	CHECK(ring_unread(m->tx) == used);
}

static void one_op(struct model *m, unsigned bias)
{
	switch (rnd(&m->state) % 12) {
	case 0:
		op_peek(m);
		break;
	case 1:
		op_view(m);
		break;
	case 2:
		op_drop(m);
		break;
	case 3:
		op_space(m);
		break;
	case 4:
		op_give_back(m);
		break;
	default:
		if (rnd(&m->state) % 7 < bias)
			op_put(m);
		else
			op_take(m);
	}
}

static void play(int side, uint32_t size, uint32_t begin, uint64_t seed)
{
	struct model m = { .state = seed };
	unsigned i, ops = 2000 / SLOW;

	model_open(&m, side, size, begin);
	for (i = 0; i < ops; i++) {
		/* times of filling and times of draining */
		one_op(&m, i / 50 % 2 ? 5 : 2);
		check(&m);
	}
	link_rig_close(&m.r);
}

TEST(random_operations)
{
	uint64_t seed = rnd_seed();
	uint32_t size;

	for (size = WIRE_LINK_RING_MIN; size <= 4 * MIB; size *= 4, seed += 4) {
		play(0, size, 0, seed);
		play(1, size, 0, seed + 2);
	}
}

TEST(random_operations_where_indexes_wrap)
{
	uint64_t seed = rnd_seed();
	uint32_t size;

	for (size = WIRE_LINK_RING_MIN; size <= MIB; size *= 4, seed += 8) {
		play(0, size, UINT32_MAX - 3 * size, seed);
		play(1, size, UINT32_MAX - 3 * size, seed + 2);
		play(0, size, 0 - size / 2, seed + 4);
		play(1, size, UINT32_MAX, seed + 6);
	}
}

TEST(nothing_to_do)
{
	struct model m = { .state = 1 };
	struct iovec none = { NULL, 0 };

	model_open(&m, 0, 4096, 0);
	CHECK(ring_put(m.tx, NULL, 0) == 0 &&
	      ring_putv(m.tx, &none, 1, 0) == 0);
	CHECK(ring_putv(m.tx, NULL, 0, 0) == 0);
	CHECK(ring_take(m.rx, NULL, 0) == -EAGAIN);
	CHECK(ring_put(m.tx, buf, 5000) == 4096);
	CHECK(ring_put(m.tx, NULL, 0) == 0 &&
	      ring_put(m.tx, buf, 1) == -EAGAIN);
	CHECK(ring_take(m.rx, NULL, 0) == 0);
	CHECK(ring_takev(m.rx, &none, 1, 0) == 0);
	CHECK(ring_drop(m.rx, 0) == 0 && ring_used(m.rx) == 4096);
	link_rig_close(&m.r);
}

/* --- memory --- */

/* Question and answer, of up to a page's share: two pages are all. */
static void stay_at_home(uint32_t size, uint32_t begin, uint64_t seed)
{
	struct model m = { .state = seed };
	struct link_end *end;
	int side, i;
	size_t len;

	model_open(&m, 0, size, begin);
	for (i = 0; i < 20000 / SLOW; i++) {
		side = i & 1;
		end = m.r.end;
		len = 1 + (size_t)(rnd(&m.state) %
				   (WIRE_LINK_EDGE >> rnd(&m.state) % 8));
		CHECK(ring_put(&end[side].tx, buf, len) == (ssize_t)len);
		CHECK(ring_take(&end[!side].rx, buf, sizeof(buf)) ==
		      (ssize_t)len);
		CHECK(ring_take(&end[!side].rx, buf, 1) == -EAGAIN);
	}
	CHECK(link_rig_pages(&m.r) == 2);
	for (side = 0; side < 2; side++) {
		CHECK(!ring_is_spread(&m.r.end[side].tx));
		CHECK(!ring_give_back(&m.r.end[side].tx));
	}
	link_rig_close(&m.r);
}

TEST(small_messages_stay_at_home)
{
	uint64_t seed = rnd_seed();

	stay_at_home(4096, 0, seed);
	stay_at_home(MIB, 0, seed + 2);
	stay_at_home(MIB, UINT32_MAX - 5000, seed + 4);
}

/* What was in flight keeps it away from home, until it is taken. */
TEST(it_comes_home_when_it_is_empty)
{
	struct model m = { .state = rnd_seed() };
	int side, i;

	for (side = 0; side < 2; side++) {
		model_open(&m, side, MIB, 0);
		for (i = 0; i < 100; i++)
			CHECK(ring_put(m.tx, buf, 1000) == 1000);
		CHECK(link_rig_pages(&m.r) > 20);
		CHECK(ring_take(m.rx, buf, sizeof(buf)) == 100000);
		CHECK(ring_put(m.tx, buf, 5000) == 5000); /* it looks */
		CHECK(ring_take(m.rx, buf, sizeof(buf)) == 5000);
		CHECK(ring_give_back(m.tx));
		for (i = 0; i < 100; i++) {
			CHECK(ring_put(m.tx, buf, 1000) == 1000);
			CHECK(ring_take(m.rx, buf, sizeof(buf)) == 1000);
		}
		CHECK(link_rig_pages(&m.r) == 2);
		link_rig_close(&m.r);
	}
}

TEST(pages_are_given_back)
{
	static const uint32_t bursts[] = { 1793,   4096,    5889,
					   100000, MIB - 1, MIB };
	struct model m = { .state = 1 };
	size_t i;
	int side;

	for (side = 0; side < 2; side++) {
		model_open(&m, side, MIB, 0);
		for (i = 0; i < ARRAY_SIZE(bursts); i++) {
			CHECK(ring_put(m.tx, buf, bursts[i]) == bursts[i]);
			CHECK(link_rig_pages(&m.r) > 2);
			CHECK(!ring_give_back(m.tx));
			CHECK(ring_drop(m.rx, bursts[i] - 1) == bursts[i] - 1);
			CHECK(!ring_give_back(m.tx));
			CHECK(ring_drop(m.rx, 1) == 1);
			CHECK(ring_is_spread(m.tx) == (bursts[i] > 65536));
			CHECK(ring_give_back(m.tx));
			CHECK(!ring_give_back(m.tx));
			CHECK(link_rig_pages(&m.r) == 2);
		}
		link_rig_close(&m.r);
	}
}

/* Ring 0's last and ring 1's first byte lie beside the header. */
TEST(the_neighbours_keep_their_memory)
{
	struct link_rig r;
	uint8_t *block;
	int side;

	link_rig_open(&r, 8192);
	memset(link_rig_block(&r, 0), 0x55, WIRE_LINK_BLOCK(8192));
	memset(link_rig_block(&r, 2), 0x55, WIRE_LINK_BLOCK(8192));
	for (side = 0; side < 2; side++) {
		stream_fill(buf, 0, 8192);
		CHECK(ring_put(&r.end[side].tx, buf, 8192) == 8192);
	}
	for (side = 0; side < 2; side++) {
		CHECK(ring_take(&r.end[!side].rx, buf, 8192) == 8192);
		CHECK(stream_match(buf, 0, 8192));
		CHECK(ring_give_back(&r.end[side].tx));
	}
	/* what lies in the header's page is still there */
	block = link_rig_block(&r, 1);
	CHECK(stream_match(block + 8192, 0, WIRE_LINK_EDGE));
	CHECK(stream_match(block + WIRE_LINK_RING1(8192), 0, WIRE_LINK_EDGE));
	CHECK(block[8191] == 0 && block[8192 + 4096] == 0);
	CHECK(link_rig_block(&r, 0)[WIRE_LINK_BLOCK(8192) - 1] == 0x55);
	CHECK(link_rig_block(&r, 2)[0] == 0x55);
	link_rig_close(&r);
}

/* --- lies --- */

TEST(an_impossible_tail_is_refused)
{
	static const uint64_t lies[] = { 4097, UINT32_MAX, 1u << 31,
					 UINT64_MAX };
	struct model m = { .state = 1 };
	struct iovec view[2];
	size_t i;
	int n;

	model_open(&m, 0, 4096, 0);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		*m.tx->tail = lies[i];
		CHECK(ring_used(m.rx) == -EPROTO);
		CHECK(ring_take(m.rx, buf, 10) == -EPROTO);
		CHECK(ring_takev(m.rx, &(struct iovec){ buf, 10 }, 1, 0) ==
		      -EPROTO);
		CHECK(ring_peek(m.rx, 0, buf, 10) == -EPROTO);
		CHECK(ring_drop(m.rx, 10) == -EPROTO);
		CHECK(ring_view(m.rx, view, &n) == -EPROTO && n == 0);
	}
	link_rig_close(&m.r);
}

TEST(an_impossible_head_is_refused)
{
	static const uint32_t lies[] = { 101, UINT32_MAX - 4096, 1u << 31,
					 5000 };
	struct iovec view[2];
	struct model m;
	size_t i;
	int n;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		m.state = 1;
		model_open(&m, 1, 4096, 0);
		CHECK(ring_put(m.tx, buf, 100) == 100);
		*m.tx->head = lies[i];
		CHECK(ring_room(m.tx) == -EPROTO);
		CHECK(ring_unread(m.tx) == -EPROTO);
		CHECK(!ring_give_back(m.tx));
		CHECK(ring_put(m.tx, buf, 4000) == -EPROTO);
		CHECK(ring_putv(m.tx, &(struct iovec){ buf, 4000 }, 1, 0) ==
		      -EPROTO);
		CHECK(ring_space(m.tx, 4000, view, &n) == -EPROTO && n == 0);
		link_rig_close(&m.r);
	}
}

/* A peer that writes its words at random: all stays inside. */
static uint32_t some_lie(struct model *m, uint32_t near)
{
	switch (rnd(&m->state) % 4) {
	case 0:
		return (uint32_t)rnd(&m->state);
	case 1:
		return near;
	default:
		return near + (uint32_t)(rnd(&m->state) % (2 * m->size)) -
		       m->size;
	}
}

static bool within(const struct ring *r, const struct iovec *v, int n)
{
	const uint8_t *p;
	int i;

	for (i = 0; i < n; i++) {
		p = v[i].iov_base;
		if (p < r->data || p + v[i].iov_len > r->data + r->size)
			return false;
	}
	return true;
}

static void lied_to_consumer(struct model *m)
{
	struct iovec iov[5], view[2];
	size_t len = some_bytes(m);
	ssize_t got;
	int n;

	*m->tx->tail = rnd(&m->state) << 32 | some_lie(m, m->rx->own->head);
	switch (rnd(&m->state) % 5) {
	case 0:
		got = ring_take(m->rx, buf, len);
		break;
	case 1:
		got = ring_takev(m->rx, iov, cut(m, iov, 7, len), 7);
		break;
	case 2:
		got = ring_peek(m->rx, len / 2, buf, len);
		break;
	case 3:
		got = ring_drop(m->rx, len);
		break;
	default:
		len = m->size;
		got = ring_view(m->rx, view, &n);
		CHECK(within(m->rx, view, n));
	}
	CHECK(got == -EPROTO || got == -EAGAIN ||
	      (got > 0 && (size_t)got <= len && got <= (ssize_t)m->size));
}

static void lied_to_producer(struct model *m)
{
	struct iovec iov[5], view[2];
	size_t len = some_bytes(m);
	ssize_t got;
	int n;

	*m->rx->head = some_lie(m, m->tx->own->tail);
	switch (rnd(&m->state) % 4) {
	case 0:
		got = ring_put(m->tx, buf, len);
		break;
	case 1:
		got = ring_putv(m->tx, iov, cut(m, iov, 7, len), 7);
		break;
	case 2:
		got = ring_space(m->tx, len, view, &n);
		CHECK(within(m->tx, view, n));
		if (got > 0)
			ring_publish(m->tx, (size_t)got);
		break;
	default:
		(void)ring_give_back(m->tx);
		got = ring_room(m->tx);
		CHECK(got == -EPROTO || (got >= 0 && got <= (ssize_t)m->size));
		return;
	}
	/* a ring that was empty, and again what it claims to take meanwhile */
	CHECK(got == -EPROTO || got == -EAGAIN ||
	      (got > 0 && (size_t)got <= len && got <= 2 * (ssize_t)m->size));
}

TEST(lies_at_random_lead_nowhere_else)
{
	struct model m = { .state = rnd_seed() };
	uint8_t *header, *other, *before, *after;
	size_t i, j, block;
	int side;

	for (side = 0; side < 2; side++) {
		model_open(&m, side, 16384, 0);
		block = WIRE_LINK_BLOCK(m.size);
		before = link_rig_block(&m.r, 0);
		after = link_rig_block(&m.r, 2);
		header = link_rig_block(&m.r, 1) + WIRE_LINK_HEADER(m.size);
		other = m.r.end[!side].tx.data;
		memset(before, 0xa5, block);
		memset(after, 0xa5, block);
		memset(other, 0xa5, m.size);
		for (i = 0; i < 20000 / SLOW; i++) {
			lied_to_consumer(&m);
			lied_to_producer(&m);
		}
		for (j = 0; j < block; j++)
			CHECK(before[j] == 0xa5 && after[j] == 0xa5);
		for (j = 0; j < m.size; j++)
			CHECK(other[j] == 0xa5);
		/* and nothing else of the header */
		*m.tx->tail = 0;
		*m.tx->head = 0;
		for (j = 0; j < sizeof(struct wire_link); j++)
			CHECK(!header[j]);
		link_rig_close(&m.r);
	}
}
