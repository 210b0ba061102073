/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter.h - a thread that may sleep, and what wakes it
 *
 * One per thread, made when the thread first has to wait and closed when it
 * ends.  waiter_ring() may be called by any thread of this process; a ring
 * before the sleep is kept by the eventfd's counter, so none is lost.  Peers
 * ring bells (bell.h): a thread that waits for a link listens to the link's
 * bell in an epoll instance of its own.
 */
#ifndef SESS_WAITER_H
#define SESS_WAITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/base.h"
#include "core/sess/bell.h"

struct waiter {
	int evfd; /* high, close-on-exec, non-blocking; -1: none yet */
	_Atomic int rung;
	int inner;	   /* epoll instance with bells; -1: none yet */
	unsigned listens;  /* serial of the bell that was added last */
	struct bell *bell; /* this thread's own; NULL: none yet */
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
/* Let @b wake this thread as well, from its w->inner. */
int waiter_listen(struct waiter *w, struct bell *b) MUST_CHECK;
/* The same with an instance that has bells, or others, in it. */
int waiter_listen_to(struct waiter *w, int fd) MUST_CHECK;
/* Take what woke it there, so that it can sleep again. */
void waiter_heard(struct waiter *w);
/* The bell of this thread, made if need be; NULL. No reference. */
struct bell *waiter_bell(void);
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
