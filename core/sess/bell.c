/* SPDX-License-Identifier: Apache-2.0 */
/* bell.c - eventfds by which peers wake this process */
#include "core/sess/bell.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/waiter.h"
#include "core/wire/offer.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool taken[WIRE_BELLS_MAX];
static unsigned serials, forks;

/* @serial: set with the lock, or two threads would get the same one, and who
 * listens to the one bell would believe that it hears the other. */
static int take_number(unsigned *serial)
{
	int i, n = -1;

	mutex_lock(&lock);
	for (i = 0; i < WIRE_BELLS_MAX && taken[i]; i++)
		;
	if (i < WIRE_BELLS_MAX) {
		taken[i] = true;
		n = i;
		*serial = ++serials;
	}
	mutex_unlock(&lock);
	return n;
}

static void give_number(unsigned n)
{
	mutex_lock(&lock);
	taken[n] = false;
	mutex_unlock(&lock);
}

struct bell *bell_new(void)
{
	struct bell *b = mem_zalloc(1, sizeof(*b));
	int n = b ? take_number(&b->serial) : -1, cancel;

	if (n < 0)
		goto undo_bell;
	b->number = (unsigned)n;
	b->forks = forks;
	b->refs = 1;
	cancel = cancel_off(); /* close(2) in there is a cancellation point */
	b->evfd = private_fd(k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	cancel_back(cancel);
	if (b->evfd < 0)
		goto undo_number;
	return b;
undo_number:
	give_number(b->number);
undo_bell:
	mem_free(b);
	return NULL;
}

struct bell *bell_hold(struct bell *b)
{
	if (b)
		b->refs++;
	return b;
}

void bell_put(struct bell *b)
{
	if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	private_close(b->evfd);
	if (b->forks == forks) /* else the number is another bell's here */
		give_number(b->number);
	mem_free(b);
}

void bell_ring(int evfd)
{
	static const uint64_t one = 1;
	int cancel;

	if (evfd < 0)
		return;
	cancel = cancel_off();
	if (k_write(evfd, &one, sizeof(one)) < 0) {
		/* full, which no honest process makes it: it is readable */
	}
	cancel_back(cancel);
}

/* Bells that links of the parent have go on to be listened to, under no
 * number of ours. */
void bells_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	memset(taken, 0, sizeof(taken));
	forks++;
}
