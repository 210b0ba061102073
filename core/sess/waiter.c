/* SPDX-License-Identifier: Apache-2.0 */
/* waiter.c - one eventfd a thread that sleeps */
#include "core/sess/waiter.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"

static __thread struct waiter self
	__attribute__((tls_model("initial-exec"))) = { .evfd = -1,
						       .inner = -1 };
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

int waiter_get(struct waiter **w)
{
	int fd, cancel;

	*w = &self;
	if (likely(self.evfd >= 0))
		return 0;
	pthread_once(&key_once, make_key);
	fd = k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return fd;
	cancel = cancel_off(); /* close(2) in there is a cancellation point */
	self.evfd = private_fd(fd);
	cancel_back(cancel);
	if (!key_error)
		pthread_setspecific(key, &self);
	return 0;
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

/* The flag alone: the eventfd is read when a sleep was ended by it.  A ringer
 * may have set the flag and not yet written: that write ends the next sleep
 * at once, and must find somebody who reads it although the flag is down. */
void waiter_reset(struct waiter *w)
{
	/* exchange: pairs with the one in waiter_ring(), so that what made a
	 * ringer ring that did not write is seen from here on */
	if (w->rung)
		atomic_exchange(&w->rung, 0);
}

void waiter_woken(struct waiter *w)
{
	uint64_t count;

	if (k_read(w->evfd, &count, sizeof(count)) < 0) {
		/* somebody's earlier ring was taken already */
	}
	waiter_reset(w);
}

int waiter_listen_to(struct waiter *w, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ret, cancel;

	cancel = cancel_off();
	if (w->inner < 0)
		w->inner = private_fd(k_epoll_create1(EPOLL_CLOEXEC));
	ret = w->inner < 0 ? w->inner
			   : k_epoll_ctl(w->inner, EPOLL_CTL_ADD, fd, &ev);
	cancel_back(cancel);
	return ret == -EEXIST ? 0 : ret;
}

/* A bell that is in there already, by its serial or as the kernel says, needs
 * no second place. */
int waiter_listen(struct waiter *w, struct bell *b)
{
	int ret;

	if (likely(w->listens == b->serial && w->inner >= 0))
		return 0;
	ret = waiter_listen_to(w, b->evfd);
	if (!ret)
		w->listens = b->serial;
	return ret;
}

void waiter_heard(struct waiter *w)
{
	struct epoll_event ev[8];
	int cancel = cancel_off();

	while (k_epoll_pwait(w->inner, ev, ARRAY_SIZE(ev), 0, NULL) ==
	       (int)ARRAY_SIZE(ev))
		;
	cancel_back(cancel);
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
	self.evfd = self.inner = -1;
	self.listens = 0;
	self.bell = NULL;
	atomic_store(&self.rung, 0);
}
