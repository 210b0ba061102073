/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waiter.h - a thread that may sleep, and what wakes it
 *
 * One per thread, made when the thread first has to wait and closed when it
 * ends.  All that may wake the thread is in an epoll instance of its own,
 * edge-triggered, and stays there: its eventfd, by which any thread of this
 * process rings it; the bells that peers ring (bell.h); what attachments have;
 * the connection that it waits for.  So a sleep is one system call, and
 * nothing is put on or taken off the kernel's lists for it.  What happens
 * while the thread is awake ends its next sleep at once, so none is lost.
 */
#ifndef SESS_WAITER_H
#define SESS_WAITER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>

#include "core/base/base.h"
#include "core/sess/bell.h"

struct waiter {
	int evfd; /* high, close-on-exec, non-blocking; -1: none yet */
	_Atomic int rung;
	int inner;	   /* the instance; likewise */
	unsigned listens;  /* serial of the bell that was added last */
	unsigned epoch;	   /* app_epoch of the attachments that are in there */
	bool deaf;	   /* one of them could not be added */
	struct bell *bell; /* this thread's own; NULL: none yet */
	int fd;		   /* the connection; -1: none, or it had an event */
	uint32_t events;   /* asked of it */
	uint32_t of;	   /* what it was called */
	uint32_t revents;  /* what it had; app_wait() begins with none */
};

/* What ended a sleep */
#define WOKEN_BY_CONNECTION 1u
#define WOKEN_BY_APP(k) (2u << (k)) /* a bit each */
#define WOKEN_BY_OTHERS 0x80000000u /* a thread, or a bell */

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

/* This thread's waiter, with its descriptors; -EMFILE and the like. */
int waiter_get(struct waiter **w) MUST_CHECK;
void waiter_ring(struct waiter *w);
/* Forget rings so far; the caller then looks at its condition. */
void waiter_reset(struct waiter *w);
/* Let @b wake this thread as well. */
int waiter_listen(struct waiter *w, struct bell *b) MUST_CHECK;
/* The same with any descriptor; @by: what it is called, WOKEN_BY_... */
int waiter_listen_to(struct waiter *w, int fd, uint32_t events,
		     uint32_t by) MUST_CHECK;
/* The next sleeps also end by @events of the connection @fd, which no other
 * that is called @of has had.  One at a time. */
int waiter_follow(struct waiter *w, int fd, uint32_t events,
		  uint32_t of) MUST_CHECK;
/* Sleep until something has happened, or for @timeout (NULL: for ever): what
 * it was, which may be another's doing; 0: time is up; -EINTR.  A cancellation
 * point. */
int64_t waiter_sleep(struct waiter *w, const struct timespec *timeout,
		     const sigset_t *mask) MUST_CHECK;
/* epoll_pwait(2), with the timeout of ppoll(2) */
int waiter_epoll(int fd, struct epoll_event *evs, int n,
		 const struct timespec *timeout, const sigset_t *mask);
/* The bell of this thread, made if need be; NULL. No reference. */
struct bell *waiter_bell(void);
/* In the child of a fork: the parent's instance is not ours. */
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
