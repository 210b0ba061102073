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
