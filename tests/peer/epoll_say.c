/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_say.c - epoll calls that say what they did */
#include "tests/peer/epoll.h"

#include <stddef.h>

int ep_new(void)
{
	return (int)MUST(epoll_create1(EPOLL_CLOEXEC));
}

int ep_ctl(const char *what, int ep, int op, int fd, uint32_t events,
	   uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };
	int ret;

	errno = ERRNO_UNTOUCHED;
	ret = epoll_ctl(ep, op, fd, &ev);
	said(what, ret, errno);
	return ret;
}

static int by_data(const void *a, const void *b)
{
	uint64_t x, y;

	/* the array is packed on x86: no pointers into it */
	memcpy(&x, (const char *)a + offsetof(struct epoll_event, data), 8);
	memcpy(&y, (const char *)b + offsetof(struct epoll_event, data), 8);
	return x < y ? -1 : x > y;
}

static int wait_and_say(int ep, int max, int ms, bool sorted)
{
	struct epoll_event ev[16];
	int i, n;

	errno = ERRNO_UNTOUCHED;
	n = epoll_wait(ep, ev, max, ms);
	said("epoll_wait", n, errno);
	if (n > 0 && sorted)
		qsort(ev, (size_t)n, sizeof(ev[0]), by_data);
	for (i = 0; i < n; i++)
		say("  %#llx: %s", (unsigned long long)ev[i].data.u64,
		    mask(ev[i].events));
	return n;
}

int ep_wait(int ep, int max, int ms)
{
	return wait_and_say(ep, max, ms, false);
}

int ep_wait_sorted(int ep, int max, int ms)
{
	return wait_and_say(ep, max, ms, true);
}

void ep_gather(int ep, unsigned want)
{
	int64_t end = now_ms() + DEADLINE_MS;
	struct epoll_event ev[16];
	unsigned told = 0;
	int n;

	do {
		n = (int)MUST(epoll_wait(ep, ev, COUNT(ev), 1000));
		while (n--)
			told |= 1u << ev[n].data.u64;
	} while ((told & want) != want && now_ms() < end);
	say("told %#x", told);
}

pid_t started;

void *wait_one(void *arg)
{
	struct epoll_event ev;
	long n = epoll_wait(*(int *)arg, &ev, 1, -1);

	return (void *)(n * 100 + (long)ev.data.u64);
}

void *wait_started(void *arg)
{
	__atomic_store_n(&started, gettid(), __ATOMIC_RELEASE);
	return wait_one(arg);
}

void *poll_near(void *unused)
{
	struct pollfd p = { .fd = near_fd, .events = POLLIN };

	__atomic_store_n(&started, gettid(), __ATOMIC_RELEASE);
	poll(&p, 1, -1);
	return (void *)(long)(unsigned short)p.revents;
}

pthread_t asleep_in(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	started = 0;
	if (pthread_create(&thread, NULL, fn, arg))
		die("pthread_create");
	UNTIL(__atomic_load_n(&started, __ATOMIC_ACQUIRE));
	until_asleep(started);
	return thread;
}

void say_waiter(pthread_t thread)
{
	void *ret;

	pthread_join(thread, &ret);
	say("the waiter says %ld", (long)ret);
}
