/* SPDX-License-Identifier: Apache-2.0 */
/* waiter.c - one eventfd a thread that sleeps */
#include "core/sess/waiter.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"

static __thread struct waiter self
	__attribute__((tls_model("initial-exec"))) = { .evfd = -1 };
static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int key_error;

static void thread_ends(void *arg)
{
	struct waiter *w = arg;

	private_close(w->evfd);
	w->evfd = -1;
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

void waiter_forked(void)
{
	private_close(self.evfd);
	self.evfd = -1;
	atomic_store(&self.rung, 0);
}
