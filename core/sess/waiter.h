/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter.h - a thread that may sleep, and the eventfd that wakes it
 *
 * One per thread, made when the thread first has to wait and closed when it
 * ends.  waiter_ring() may be called by any thread; a ring before the sleep
 * is kept by the eventfd's counter, so none is lost.
 */
#ifndef SESS_WAITER_H
#define SESS_WAITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/base.h"

struct waiter {
	int evfd; /* high, close-on-exec, non-blocking; -1: none yet */
	_Atomic int rung;
};

/* read(), write() and the like are cancellation points: not while a lock is
 * held, least of all one in shared memory.  Around what may hold one. */
static inline int cancel_off(void)
{
	int old;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
	return old;
}
static inline void cancel_back(int old)
{
	pthread_setcancelstate(old, &old);
}

/* This thread's waiter, with an eventfd; -EMFILE and the like. */
int waiter_get(struct waiter **w) MUST_CHECK;
void waiter_ring(struct waiter *w);
/* Forget rings so far; the caller then looks at its condition. */
void waiter_reset(struct waiter *w);
/* The same after a sleep that found the eventfd readable. */
void waiter_woken(struct waiter *w);
/* In the child of a fork: the parent's eventfd is not ours. */
void waiter_forked(void);

/* Move @fd up out of the program's way, close-on-exec, and mark the number
 * as private; on failure @fd itself is used. */
int private_fd(int fd);
void private_close(int fd);
/* Is this number one of the library's own? */
_Bool private_is(int fd);
/* The smallest private number >= @from, or -1. */
int private_next(int from);

#endif /* SESS_WAITER_H */
