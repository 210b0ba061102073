/* SPDX-License-Identifier: Apache-2.0 */
/* waiter.c - what wakes a thread that sleeps */
#include "core/sess/waiter.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"

static __thread struct waiter self __attribute__((
	tls_model("initial-exec"))) = { .evfd = -1, .inner = -1, .fd = -1 };
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_error;

static void thread_ends(void *arg)
{
	struct waiter *w = arg;

	private_close(w->evfd);
	private_close(w->inner);
	bell_put(w->bell);
	w->evfd = w->inner = -1;
	w->bell = NULL;
}

static void make_key(void)
{
	key_error = pthread_key_create(&key, thread_ends);
}

static int make(struct waiter *w)
{
	int fd = k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ep, err;

	if (fd < 0)
		return fd;
	ep = k_epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0) {
		k_close(fd);
		return ep;
	}
	w->evfd = private_fd(fd);
	w->inner = private_fd(ep);
	err = waiter_listen_to(w, w->evfd, EPOLLIN, WOKEN_BY_OTHERS);
	if (!err)
		return 0;
	private_close(w->evfd);
	private_close(w->inner);
	w->evfd = w->inner = -1;
	return err;
}

static void look_again(void)
{
	waiter_ring(&self);
}

int waiter_get(struct waiter **w)
{
	int err, cancel;

	*w = &self;
	/* what the handler interrupted may be about to sleep by it, too, and
	 * must look again then */
	sig_then(look_again);
	if (likely(self.evfd >= 0))
		return 0;
	pthread_once(&key_once, make_key);
	cancel = cancel_off(); /* close(2) in there is a cancellation point */
	err = make(&self);
	cancel_back(cancel);
	if (!err && !key_error)
		pthread_setspecific(key, &self);
	return err;
}

void waiter_ring(struct waiter *w)
{
	static const uint64_t one = 1;
	int cancel;

	/* once a sleep: the sleeper resets the flag before it looks again */
	if (atomic_exchange(&w->rung, 1))
		return;
	cancel = cancel_off(); /* the caller has watch_lock */
	if (k_write(w->evfd, &one, sizeof(one)) < 0) {
		/* the counter is full, which rings as well */
	}
	cancel_back(cancel);
}

/* The flag alone: nobody reads the eventfd, whose every write is an event.  A
 * ringer may have set the flag and not yet written: that write ends the next
 * sleep at once, although the flag is down. */
void waiter_reset(struct waiter *w)
{
	/* exchange: pairs with the one in waiter_ring(), so that what made a
	 * ringer ring that did not write is seen from here on */
	if (w->rung)
		atomic_exchange(&w->rung, 0);
}

int waiter_listen_to(struct waiter *w, int fd, uint32_t events, uint32_t by)
{
	struct epoll_event ev = { .events = events | EPOLLET, .data.u64 = by };
	int ret, cancel;

	cancel = cancel_off();
	ret = k_epoll_ctl(w->inner, EPOLL_CTL_ADD, fd, &ev);
	cancel_back(cancel);
	return ret == -EEXIST ? 0 : ret;
}

/* A bell that is in there already, by its serial or as the kernel says, needs
 * no second place. */
int waiter_listen(struct waiter *w, struct bell *b)
{
	int ret;

	if (likely(w->listens == b->serial))
		return 0;
	ret = waiter_listen_to(w, b->evfd, EPOLLIN, WOKEN_BY_OTHERS);
	if (!ret)
		w->listens = b->serial;
	return ret;
}

/* The low half says who, the high one which connection. */
#define CALLED(of) ((uint64_t)(of) << 32 | WOKEN_BY_CONNECTION)

/* One-shot: a connection that has gone to another process stays in here, as
 * nobody has a number of it any more by which it could be taken out.  It shall
 * wake us but once. */
int waiter_follow(struct waiter *w, int fd, uint32_t events, uint32_t of)
{
	struct epoll_event ev = { .events = events | EPOLLET | EPOLLONESHOT,
				  .data.u64 = CALLED(of) };
	int ret, cancel;

	if (likely(w->fd == fd && w->of == of && w->events == events))
		return 0;
	cancel = cancel_off();
	if (w->fd >= 0 && w->fd != fd &&
	    k_epoll_ctl(w->inner, EPOLL_CTL_DEL, w->fd, &ev) < 0) {
		/* closed meanwhile, or the number is something else's */
	}
	ret = k_epoll_ctl(w->inner, EPOLL_CTL_MOD, fd, &ev);
	if (ret == -ENOENT)
		ret = k_epoll_ctl(w->inner, EPOLL_CTL_ADD, fd, &ev);
	cancel_back(cancel);
	w->fd = ret ? -1 : fd;
	w->of = of;
	w->events = events;
	return ret;
}

static int millis(const struct timespec *ts)
{
	if (!ts)
		return -1;
	if (ts->tv_sec >= INT_MAX / 1000 - 1)
		return INT_MAX;
	return (int)(ts->tv_sec * 1000 + (ts->tv_nsec + 999999) / 1000000);
}

int waiter_epoll(int fd, struct epoll_event *evs, int n,
		 const struct timespec *timeout, const sigset_t *mask)
{
	int got = -ENOSYS;

	if (timeout && timeout->tv_nsec % 1000000)
		got = k_epoll_pwait2(fd, evs, n, timeout, mask);
	if (got == -ENOSYS) /* before Linux 5.11, or not needed */
		got = k_epoll_pwait(fd, evs, n, millis(timeout), mask);
	return got;
}

static uint32_t woken_by(struct waiter *w, const struct epoll_event *ev)
{
	uint32_t by = (uint32_t)ev->data.u64;

	if (by != WOKEN_BY_CONNECTION)
		return by;
	if (w->fd < 0 || ev->data.u64 != CALLED(w->of))
		return WOKEN_BY_OTHERS;
	w->fd = -1; /* to be asked for again */
	w->revents = ev->events;
	return by;
}

int64_t waiter_sleep(struct waiter *w, const struct timespec *timeout,
		     const sigset_t *mask)
{
	static const struct timespec zero;
	struct epoll_event evs[8];
	int64_t by = 0;
	int i, got;

	do {
		got = waiter_epoll(w->inner, evs, ARRAY_SIZE(evs), timeout,
				   mask);
		for (i = 0; i < got; i++)
			by |= woken_by(w, &evs[i]);
		timeout = &zero;
	} while (got == ARRAY_SIZE(evs));
	return got < 0 && !by ? got : by;
}

struct bell *waiter_bell(void)
{
	struct waiter *w;

	if (waiter_get(&w))
		return NULL;
	if (!w->bell)
		w->bell = bell_new();
	return w->bell;
}

/* An epoll instance is shared with the parent: what we took from it the parent
 * would miss.  The bell stays open for the links that have it. */
void waiter_forked(void)
{
	private_close(self.evfd);
	private_close(self.inner);
	self.evfd = self.inner = self.fd = -1;
	self.listens = self.epoch = 0;
	self.bell = NULL;
	atomic_store(&self.rung, 0);
}
