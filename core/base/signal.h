/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal.h - the program's signal handlers wait while a lock is held
 *
 * DOC: POSIX lets a handler call close(), send(), poll() and some more whatever
 * it interrupted (signal-safety(7)).  If that was a call of ours with a lock
 * that the handler's call wants too, the thread would wait for itself for ever:
 * apache closes its listeners so.  To block signals would take two system calls
 * for each lock.  Instead each thread counts the locks that it holds, and who
 * stands in front of the program's handlers (preload/wrap_signal.c) lets
 * sig_handle() decide: without locks the handler runs at once; with one the
 * signal is kept, all others are blocked, and it runs when the last lock is
 * let go.  What sleeps with a lock delays it: attaching, as long as the daemon
 * takes to answer, and splice(2) with a pipe that blocks.
 *
 * Nor may a handler allocate, for it may have interrupted the program's
 * malloc(): mem.h asks sig_in_handler().
 *
 * What the program itself causes (SIGSEGV and the like) is not for us, and is
 * never kept.
 */
#ifndef BASE_SIGNAL_H
#define BASE_SIGNAL_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "core/base/base.h"

typedef void sig_handler(int sig, siginfo_t *info, void *context);

/* Of this thread and its handlers alone: so volatile is enough, and a barrier
 * to the compiler, of which sig_hold()'s pairs with sig_release()'s. */
extern __thread volatile unsigned sig_held
	__attribute__((tls_model("initial-exec")));
extern __thread volatile bool sig_waits
	__attribute__((tls_model("initial-exec")));

/* A signal has come: in its handler, as the kernel calls one. */
void sig_handle(sig_handler *fn, int sig, siginfo_t *info, void *context);
/* Run what was kept; the last lock is gone. */
void sig_deliver(void);
/* In a child: what was kept is the parent's; so many locks are held. */
void sig_fork_child(unsigned held);
/* Is this thread in a handler of the program's? */
bool sig_in_handler(void);
/* If it is: call @fn when the handler returns. */
void sig_then(void (*fn)(void));
/* Is it one of those that the program causes itself? */
bool sig_is_fault(int sig);

static inline void sig_hold(void)
{
	sig_held = sig_held + 1;
	__asm__ volatile("" ::: "memory");
}

static inline void sig_release(void)
{
	__asm__ volatile("" ::: "memory");
	sig_held = sig_held - 1;
	if (unlikely(sig_waits) && !sig_held)
		sig_deliver();
}

/* As pthread_mutex_lock() and so on; who is given an error that means that the
 * lock is not held calls sig_release(). */
static inline int mutex_lock(pthread_mutex_t *m)
{
	sig_hold();
	return pthread_mutex_lock(m);
}

static inline int mutex_trylock(pthread_mutex_t *m)
{
	int err;

	sig_hold();
	err = pthread_mutex_trylock(m);
	if (err && err != EOWNERDEAD)
		sig_release();
	return err;
}

static inline void mutex_unlock(pthread_mutex_t *m)
{
	pthread_mutex_unlock(m);
	sig_release();
}

#endif /* BASE_SIGNAL_H */
