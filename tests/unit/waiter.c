/* SPDX-License-Identifier: Apache-2.0 */
/* waiter.c - a ring is never lost, and never rings for ever */
#include "core/sess/waiter.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>

#include "tests/unit/tap.h"

#define ROUNDS 20000

static int readable(struct waiter *w, int ms)
{
	struct pollfd p = { .fd = w->evfd, .events = POLLIN };

	return poll(&p, 1, ms);
}

static struct waiter *mine(void)
{
	struct waiter *w;

	CHECK(!waiter_get(&w));
	CHECK(w->evfd >= 0 && private_is(w->evfd));
	return w;
}

static void put_away(struct waiter *w)
{
	private_close(w->evfd);
	w->evfd = -1;
}

TEST(ring_before_the_sleep_is_kept)
{
	struct waiter *w = mine();

	CHECK(!readable(w, 0));
	waiter_ring(w);
	waiter_ring(w);
	CHECK(readable(w, 0) == 1);
	waiter_woken(w);
	CHECK(!readable(w, 0));
	put_away(w);
}

TEST(late_write_wakes_once)
{
	struct waiter *w = mine();
	uint64_t one = 1;

	/* a ringer between its two steps: the flag is up, nothing written */
	atomic_store(&w->rung, 1);
	waiter_reset(w);
	CHECK(!w->rung);
	/* its write */
	CHECK(write(w->evfd, &one, 8) == 8);
	CHECK(readable(w, 0) == 1);
	waiter_woken(w);
	CHECK(!readable(w, 0));
	put_away(w);
}

struct ping {
	struct waiter *w;
	_Atomic int asked, done;
};

static void *ringer(void *arg)
{
	struct ping *p = arg;
	int i;

	for (i = 1; i <= ROUNDS; i++) {
		while (p->done != i - 1)
			;
		p->asked = i;
		waiter_ring(p->w);
	}
	return NULL;
}

TEST(no_lost_ring)
{
	struct ping p = { .w = mine() };
	pthread_t t;
	int i;

	CHECK(!pthread_create(&t, NULL, ringer, &p));
	for (i = 1; i <= ROUNDS; i++) {
		for (;;) {
			waiter_reset(p.w);
			if (p.asked == i)
				break;
			CHECK(readable(p.w, 5000) == 1);
			waiter_woken(p.w);
		}
		p.done = i;
	}
	CHECK(!pthread_join(t, NULL));
	put_away(p.w);
}

static void *gets_one(void *arg)
{
	(void)arg;
	mine();
	return NULL;
}

TEST(thread_leaves_nothing)
{
	pthread_t t;
	int i;

	for (i = 0; i < 100; i++) {
		CHECK(!pthread_create(&t, NULL, gets_one, NULL));
		CHECK(!pthread_join(t, NULL));
	}
	CHECK(private_next(0) < 0);
}
