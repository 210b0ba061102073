/* SPDX-License-Identifier: Apache-2.0 */
/* mq.c - one queue, both ends, two mappings, and every lie a peer can tell */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/unit/mq_arena.h"

#define AT 4096
#define SLOTS 8
#define N_CTRL 4

static const struct mq_geometry geometry = { SLOTS, N_CTRL };

/* The queue under test: a producer and a consumer at different addresses. */
static struct {
	int fd, evfd;
	struct seg a, b;
	struct mq tx, rx;
} t;

static void attach(struct mq *q, struct seg *seg)
{
	CHECK(mq_attach(q, seg, AT, t.evfd) == 0);
}

static void open_queue(bool events)
{
	t.fd = arena_open();
	t.evfd = events ? eventfd(0, 0) : -1;
	t.a = arena_map(t.fd);
	t.b = arena_map(t.fd);
	CHECK(mq_create(&t.a, AT, &geometry) == 0);
	attach(&t.tx, &t.a);
	attach(&t.rx, &t.b);
}

static void close_queue(void)
{
	munmap(t.a.map.base, ARENA_SIZE);
	munmap(t.b.map.base, ARENA_SIZE);
	close(t.fd);
	if (t.evfd >= 0)
		close(t.evfd);
}

static int send_number(enum wire_mq_ring ring, uint32_t n)
{
	return mq_send(&t.tx, ring, &n, sizeof(n));
}

/* The number received, or mq_recv()'s result. */
static int64_t recv_number(enum wire_mq_ring ring)
{
	struct mq_msg msg;
	uint32_t n;
	int rc = mq_recv(&t.rx, &msg);

	if (rc != 1)
		return rc < 0 ? rc : -EAGAIN;
	CHECK(msg.ring == ring);
	CHECK(msg.len == (ring == WIRE_RING_IO ? WIRE_IO_ELT : WIRE_CTRL_ELT));
	memcpy(&n, msg.data, sizeof(n));
	return n;
}

static bool signalled(void)
{
	struct pollfd p = { .fd = t.evfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void test_order(void)
{
	uint32_t i, round;

	CHECK(mq_empty(&t.rx) && recv_number(WIRE_RING_IO) == -EAGAIN);
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 5; i++)
			CHECK(send_number(i % 3 == 0, round * 8 + i) == 0);
		CHECK(!mq_empty(&t.rx));
		for (i = 0; i < 5; i++)
			CHECK(recv_number(i % 3 == 0) == round * 8 + i);
		CHECK(mq_empty(&t.rx) && recv_number(0) == -EAGAIN);
	}
}

TEST(order_is_kept_mutex)
{
	open_queue(false);
	test_order();
	close_queue();
}

TEST(order_is_kept_eventfd)
{
	open_queue(true);
	test_order();
	close_queue();
}

TEST(order_is_kept_without_lock)
{
	open_queue(true);
	t.tx.lock = false;
	test_order();
	close_queue();
}

TEST(signals_when_it_was_empty)
{
	open_queue(true);
	CHECK(!signalled());
	CHECK(send_number(WIRE_RING_IO, 1) == 0 && signalled());
	mq_reset_event(&t.rx);
	mq_reset_event(&t.rx); /* does not block when there is nothing */
	CHECK(send_number(WIRE_RING_IO, 2) == 0 && !signalled());
	CHECK(recv_number(0) == 1 && recv_number(0) == 2);
	CHECK(send_number(WIRE_RING_IO, 3) == 0 && signalled());
	close_queue();
}

TEST(wait_ends_by_time_or_message)
{
	struct timespec past = { 1, 0 }, far;
	int events;

	clock_gettime(CLOCK_REALTIME, &far);
	far.tv_sec += 3600;
	for (events = 0; events < 2; events++) {
		open_queue(events);
		CHECK(mq_wait(&t.rx, &past) == -ETIMEDOUT);
		CHECK(send_number(WIRE_RING_IO, 1) == 0);
		CHECK(mq_wait(&t.rx, NULL) == 0);
		CHECK(mq_wait(&t.rx, &far) == 0);
		CHECK(mq_wait(&t.rx, &past) == 0);
		CHECK(recv_number(0) == 1);
		CHECK(mq_wait(&t.rx, &past) == -ETIMEDOUT);
		close_queue();
	}
}

/* Fill with messages of @ring until it is full: how many went in. */
static uint32_t fill(enum wire_mq_ring ring, uint32_t from)
{
	uint32_t n = 0;
	int rc;

	while ((rc = send_number(ring, from + n)) == 0)
		n++;
	CHECK(rc == -EAGAIN);
	return n;
}

static void test_full(enum wire_mq_ring ring, uint32_t capacity)
{
	uint32_t i, round;

	for (round = 0; round < 20; round++) {
		CHECK(fill(ring, round) == capacity);
		if (t.evfd >= 0)
			mq_reset_event(&t.rx);
		CHECK(recv_number(ring) == round);
		/* a producer that waits for room is woken, once */
		CHECK(t.evfd < 0 || signalled());
		CHECK(send_number(ring, round + capacity) == 0);
		CHECK(send_number(ring, 0) == -EAGAIN);
		for (i = 1; i <= capacity; i++)
			CHECK(recv_number(ring) == round + i);
		CHECK(mq_empty(&t.rx));
	}
}

TEST(full_queue_refuses_and_says_when_there_is_room)
{
	int events;

	for (events = 0; events < 2; events++) {
		open_queue(events);
		test_full(WIRE_RING_IO, SLOTS);
		close_queue();
	}
}

/* What comes later does not put it off. */
TEST(what_lay_there_is_taken_some_time)
{
	struct mq_mark mark;
	uint32_t from, n;

	open_queue(true);
	mq_mark(&t.tx, &mark);
	CHECK(mq_passed(&t.tx, &mark));		   /* nothing does */
	for (from = 0; from < 3 * SLOTS; from++) { /* over the end, too */
		for (n = 0; n < 3; n++)
			CHECK(send_number(WIRE_RING_IO, n) == 0);
		mq_mark(&t.tx, &mark);
		for (n = 0; n < 3; n++) {
			CHECK(!mq_passed(&t.tx, &mark));
			CHECK(send_number(WIRE_RING_IO, 9) == 0);
			CHECK(recv_number(WIRE_RING_IO) == n);
		}
		CHECK(mq_passed(&t.tx, &mark));
		while (!mq_empty(&t.rx))
			CHECK(recv_number(WIRE_RING_IO) == 9);
	}
	close_queue();
}

TEST(full_ring_refuses_its_own_messages_only)
{
	int events;

	for (events = 0; events < 2; events++) {
		open_queue(events);
		test_full(WIRE_RING_CTRL, N_CTRL);
		CHECK(fill(WIRE_RING_CTRL, 0) == N_CTRL);
		CHECK(fill(WIRE_RING_IO, 0) == SLOTS - N_CTRL);
		close_queue();
	}
}

TEST(message_is_zeroed_to_an_event_and_not_longer_than_an_element)
{
	uint8_t big[WIRE_CTRL_ELT + 1], zero[WIRE_IO_ELT] = { 0 };
	struct mq_msg msg;

	open_queue(true);
	memset(big, 0x55, sizeof(big));
	CHECK(mq_send(&t.tx, WIRE_RING_IO, big, WIRE_IO_ELT + 1) == -EMSGSIZE);
	CHECK(mq_send(&t.tx, WIRE_RING_CTRL, big, sizeof(big)) == -EMSGSIZE);
	memset(t.a.map.base + AT + mq_bytes(&geometry) - 4 * WIRE_CTRL_ELT,
	       0xaa, WIRE_CTRL_ELT);
	CHECK(mq_send(&t.tx, WIRE_RING_CTRL, big, 3) == 0);
	CHECK(mq_recv(&t.rx, &msg) == 1);
	CHECK(!memcmp(msg.data, big, 3));
	CHECK(!memcmp(msg.data + 3, zero, WIRE_IO_ELT - 3));
	CHECK(mq_send(&t.tx, WIRE_RING_CTRL, big, WIRE_CTRL_ELT) == 0);
	CHECK(mq_recv(&t.rx, &msg) == 1);
	CHECK(!memcmp(msg.data, big, WIRE_CTRL_ELT));
	close_queue();
}

TEST(geometry_of_vpp)
{
	/* ABI.md 6.3: queue length 2048 takes 315552 bytes */
	CHECK(mq_bytes(&(struct mq_geometry){ 2048, 1024 }) ==
	      315552 + WIRE_MQ_GROWS);
	CHECK(mq_bytes(&(struct mq_geometry){ 6, 4 }) % 8 == 0);
}

TEST(create_refuses_odd_numbers_and_outside)
{
	struct seg seg;
	int fd = arena_open();

	seg = arena_map(fd);
	CHECK(mq_create(&seg, AT, &(struct mq_geometry){ 9, 4 }) == -EINVAL);
	CHECK(mq_create(&seg, AT, &(struct mq_geometry){ 8, 5 }) == -EINVAL);
	CHECK(mq_create(&seg, AT, &(struct mq_geometry){ 0, 4 }) == -EINVAL);
	CHECK(mq_create(&seg, AT, &(struct mq_geometry){ 8, 0 }) == -EINVAL);
	CHECK(mq_create(&seg, AT + 4, &geometry) == -EINVAL);
	CHECK(mq_create(&seg, ARENA_SIZE - 64, &geometry) == -EINVAL);
	CHECK(mq_create(&seg, UINT64_MAX - 7, &geometry) == -EINVAL);
	CHECK(mq_create(&seg, AT, &(struct mq_geometry){ 0x80000000, 4 }) ==
	      -EINVAL);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
}

TEST(discover_finds_each_queue_and_no_other)
{
	size_t size = mq_bytes(&geometry);
	uint64_t off;
	struct mq q;
	unsigned i;

	open_queue(false);
	t.b.fsh->start_byte_index = AT;
	t.b.fsh->n_reserved_bytes = AT + 3 * size;
	t.b.fsh->n_mqs = 3;
	for (i = 0; i < 3; i++) {
		CHECK(mq_create(&t.a, AT + i * size, &geometry) == 0);
		CHECK(mq_discover(&t.b, i, &off) == 0);
		CHECK(off == AT + i * size);
		CHECK(mq_attach(&q, &t.b, off, -1) == 0);
	}
	CHECK(mq_discover(&t.b, 3, &off) == -EPROTO);
	t.b.fsh->n_mqs = 0;
	CHECK(mq_discover(&t.b, 0, &off) == -EPROTO);
	t.b.fsh->n_mqs = 255; /* not a multiple of 8 each, too small */
	CHECK(mq_discover(&t.b, 1, &off) == -EPROTO);
	t.b.fsh->n_mqs = 3;
	t.b.fsh->n_reserved_bytes = UINT32_MAX;
	CHECK(mq_discover(&t.b, 2, &off) == -EPROTO);
	t.b.fsh->n_reserved_bytes = AT - 1;
	CHECK(mq_discover(&t.b, 0, &off) == -EPROTO);
	t.b.fsh->start_byte_index = UINT64_MAX;
	CHECK(mq_discover(&t.b, 0, &off) == -EPROTO);
	close_queue();
}

/* Every 32-bit word of a queue but those of mutex, condition and elements. */
static unsigned words(uint32_t **w)
{
	struct wire_mq *m = t.a.map.base ? (void *)(t.a.map.base + AT) : NULL;
	uint32_t *word;
	unsigned i, n = 0;

	w[n++] = &m->n_rings;
	for (word = &m->head; word < &m->slots[SLOTS].ring_index; word++)
		w[n++] = word;
	for (i = 0; i < WIRE_N_RINGS; i++)
		for (word = (uint32_t *)t.tx.ring[i].hdr;
		     word < (uint32_t *)(void *)t.tx.ring[i].hdr->data; word++)
			w[n++] = word;
	return n;
}

static const uint32_t lies[] = { 0,	     1,		 2,	     3,
				 4,	     5,		 7,	     8,
				 9,	     17,	 18,	     19,
				 255,	     256,	 257,	     4095,
				 65536,	     0x7fffffff, 0x80000000, 0xfffffff8,
				 0xfffffffe, 0xffffffff };

static void check_untouched(void)
{
	uint8_t *p = t.a.map.base;
	size_t i;

	for (i = 0; i < AT; i++)
		CHECK(!p[i]);
	for (i = AT + mq_bytes(&geometry); i < ARENA_SIZE / 8; i++)
		CHECK(!p[i]);
}

static void use(void)
{
	struct mq_msg msg;
	int i, rc;

	for (i = 0; i < 3 * SLOTS; i++) {
		rc = send_number(i & 1, i);
		CHECK(rc == 0 || rc == -EAGAIN || rc == -EPROTO);
		rc = mq_recv(&t.rx, &msg);
		CHECK(rc == 0 || rc == 1 || rc == -EPROTO);
		CHECK(rc != 1 || msg.len <= sizeof(msg.data));
	}
}

/* What happens if word @k holds @lie: before it is attached, or after. */
static void test_lie(unsigned k, uint32_t lie, bool events, bool attached)
{
	uint32_t *w[SLOTS * 2 + 32];
	struct mq q;
	int rc;

	open_queue(events);
	CHECK(k < words(w));
	CHECK(send_number(WIRE_RING_IO, 1) == 0);
	CHECK(send_number(WIRE_RING_CTRL, 2) == 0);
	CHECK(recv_number(WIRE_RING_IO) == 1);
	*w[k] = lie;
	if (!attached) {
		rc = mq_attach(&q, &t.b, AT, t.evfd);
		CHECK(rc == 0 || rc == -EPROTO);
		if (!rc) {
			CHECK(q.maxsize <= ARENA_SIZE / 8);
			t.tx = t.rx = q;
		}
	}
	/* where a lie about the geometry got through, another queue is
	 * used, that lies inside the segment all the same */
	use();
	if (attached)
		check_untouched();
	close_queue();
}

static void test_lies(bool events, bool attached)
{
	uint32_t *w[SLOTS * 2 + 32];
	unsigned k, n, i;

	open_queue(events);
	n = words(w);
	CHECK(n > 30 && n <= ARRAY_SIZE(w));
	close_queue();
	for (k = 0; k < n; k++)
		for (i = 0; i < ARRAY_SIZE(lies); i++)
			test_lie(k, lies[i], events, attached);
}

TEST(every_word_broken_before_attach)
{
	test_lies(false, false);
	test_lies(true, false);
}

TEST(every_word_broken_after_attach)
{
	test_lies(false, true);
	test_lies(true, true);
}

TEST(attach_refuses_what_can_not_be_a_queue)
{
	struct wire_mq *m;
	struct mq q;
	uint32_t *w[SLOTS * 2 + 32];

	open_queue(false);
	m = t.tx.shared;
	words(w);
	CHECK(mq_attach(&q, &t.b, AT + 4, -1) == -EPROTO);
	CHECK(mq_attach(&q, &t.b, ARENA_SIZE - 8, -1) == -EPROTO);
	CHECK(mq_attach(&q, &t.b, UINT64_MAX - 7, -1) == -EPROTO);
	CHECK(mq_attach(&q, &t.b, AT, 9999) == -EBADF);
	m->maxsize = ARENA_SIZE / 8;
	CHECK(mq_attach(&q, &t.b, AT, -1) == -EPROTO);
	m->maxsize = SLOTS;
	t.tx.ring[0].hdr->nitems = SLOTS + 1; /* the next is misaligned */
	CHECK(mq_attach(&q, &t.b, AT, -1) == -EPROTO);
	t.tx.ring[0].hdr->nitems = SLOTS;
	t.tx.ring[1].hdr->elsize = WIRE_CTRL_ELT + 1;
	CHECK(mq_attach(&q, &t.b, AT, -1) == -EPROTO);
	t.tx.ring[1].hdr->elsize = WIRE_CTRL_ELT;
	t.tx.ring[1].hdr->nitems = ARENA_SIZE / WIRE_CTRL_ELT;
	CHECK(mq_attach(&q, &t.b, AT, -1) == -EPROTO);
	t.tx.ring[1].hdr->nitems = N_CTRL;
	CHECK(mq_attach(&q, &t.b, AT, -1) == 0);
	close_queue();
}
