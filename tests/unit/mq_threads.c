/* SPDX-License-Identifier: Apache-2.0 */
/* mq_threads.c - many producers, one consumer, one mapping (for TSan) */
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "tests/unit/mq_arena.h"

#define AT 4096
#define PRODUCERS 4
#define MESSAGES 20000u

static const struct mq_geometry geometry = { 32, 16 };

struct producer {
	pthread_t thread;
	struct mq *q;
	uint32_t id;
};

/* Which ring a message takes: both, mixed. */
static enum wire_mq_ring ring_of(uint32_t n)
{
	return n % 3 == 0 ? WIRE_RING_CTRL : WIRE_RING_IO;
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	uint32_t n;
	int rc;

	for (n = 0; n < MESSAGES;) {
		uint32_t data[2] = { p->id, n };

		rc = mq_send(p->q, ring_of(n), data, sizeof(data));
		CHECK(rc == 0 || rc == -EAGAIN);
		if (rc)
			sched_yield();
		else
			n++;
	}
	return NULL;
}

static void consume(struct mq *q, uint32_t total)
{
	uint32_t want[PRODUCERS] = { 0 }, data[2], got = 0;
	struct mq_msg msg;
	struct timespec end;
	int rc;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 25;
	while (got < total) {
		CHECK(mq_wait(q, &end) == 0);
		while ((rc = mq_recv(q, &msg)) == 1) {
			memcpy(data, msg.data, sizeof(data));
			CHECK(data[0] < PRODUCERS);
			CHECK(data[1] == want[data[0]]++);
			CHECK(msg.ring == ring_of(data[1]));
			got++;
		}
		CHECK(rc == 0);
	}
	CHECK(mq_empty(q));
}

static void run(bool events, bool lock, unsigned producers)
{
	int fd = arena_open(), evfd = events ? eventfd(0, 0) : -1;
	struct producer p[PRODUCERS];
	struct seg seg = arena_map(fd);
	struct mq q;
	unsigned i;

	CHECK(mq_create(&seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, &seg, AT, evfd) == 0);
	q.lock = lock;
	for (i = 0; i < producers; i++) {
		p[i].q = &q;
		p[i].id = i;
		CHECK(!pthread_create(&p[i].thread, NULL, produce, &p[i]));
	}
	consume(&q, producers * MESSAGES);
	for (i = 0; i < producers; i++)
		pthread_join(p[i].thread, NULL);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
	if (events)
		close(evfd);
}

TEST(producers_in_mutex_mode)
{
	run(false, true, PRODUCERS);
}

TEST(producers_in_eventfd_mode)
{
	run(true, true, PRODUCERS);
}

TEST(one_producer_without_lock)
{
	run(true, false, 1);
}
