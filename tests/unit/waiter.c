/* SPDX-License-Identifier: Apache-2.0 */
/* waiter.c - a ring is never lost, and never rings for ever */
#include "core/sess/waiter.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tap.h"

#define ROUNDS 20000

/* Does a sleep end, and take what ended it? */
static int woken(struct waiter *w, int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
			       .tv_nsec = ms % 1000 * 1000000 };

	return waiter_sleep(w, &ts, NULL) == WOKEN_BY_OTHERS;
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
	CHECK(w->evfd >= 0);
	waiter_forked(); /* closes both */
	CHECK(w->evfd < 0 && w->inner < 0);
}

TEST(ring_before_the_sleep_is_kept)
{
	struct waiter *w = mine();

	CHECK(!woken(w, 0));
	waiter_ring(w);
	waiter_ring(w);
	CHECK(woken(w, 0));
	CHECK(!woken(w, 0));
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
	CHECK(woken(w, 0));
	CHECK(!woken(w, 0));
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
			CHECK(woken(p.w, 5000));
		}
		p.done = i;
	}
	CHECK(!pthread_join(t, NULL));
	put_away(p.w);
}

static int64_t sleep_now(struct waiter *w)
{
	static const struct timespec zero;

	return waiter_sleep(w, &zero, NULL);
}

TEST(follows_one_connection)
{
	struct waiter *w = mine();
	int a[2], b[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	CHECK(!waiter_follow(w, a[0], EPOLLIN, 1));
	CHECK(!sleep_now(w));
	/* an event between two sleeps is kept, and asked for again */
	CHECK(write(a[1], "x", 1) == 1);
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION && w->revents == EPOLLIN);
	CHECK(!sleep_now(w));
	CHECK(!waiter_follow(w, a[0], EPOLLIN, 1));
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION);
	/* less, then more is asked of it */
	CHECK(!waiter_follow(w, a[0], EPOLLRDHUP, 1));
	CHECK(!sleep_now(w));
	CHECK(!waiter_follow(w, a[0], EPOLLRDHUP | EPOLLOUT, 1));
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION && w->revents == EPOLLOUT);
	/* another one: the first is heard no more */
	CHECK(!waiter_follow(w, a[0], EPOLLIN | EPOLLRDHUP, 1));
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION);
	CHECK(!waiter_follow(w, a[0], EPOLLRDHUP, 1));
	CHECK(!waiter_follow(w, b[0], EPOLLRDHUP, 2));
	CHECK(!close(a[1]));
	CHECK(!sleep_now(w));
	CHECK(!close(b[1]));
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION);
	CHECK(w->revents & EPOLLRDHUP);
	CHECK(!close(a[0]) && !close(b[0]));
	put_away(w);
}

TEST(one_that_another_holds_wakes_once)
{
	struct waiter *w = mine();
	int a[2], kept, b[2];

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	CHECK(!waiter_follow(w, a[0], EPOLLIN, 1));
	kept = dup(a[0]); /* as a child would have it */
	CHECK(kept >= 0 && !close(a[0]));
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	CHECK(b[0] == a[0]); /* the number is another's now */
	CHECK(!waiter_follow(w, b[0], EPOLLIN, 2));
	CHECK(write(a[1], "x", 1) == 1);
	CHECK(sleep_now(w) == WOKEN_BY_OTHERS);
	CHECK(write(a[1], "x", 1) == 1);
	CHECK(!sleep_now(w));
	CHECK(write(b[1], "x", 1) == 1);
	CHECK(sleep_now(w) == WOKEN_BY_CONNECTION);
	CHECK(!close(kept) && !close(a[1]) && !close(b[0]) && !close(b[1]));
	put_away(w);
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
