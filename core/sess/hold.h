/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h - what a family of forked processes shares about a socket
 *
 * DOC: A connection lives as long as any process holds its descriptor, as in
 * the kernel.  Each process of the family has a slot; a hold has a bit per
 * slot.  A slot's robust mutex is locked by its process for as long as it
 * lives, so a death is seen by whoever asks, without a daemon or a pid.
 *
 * The records lie in anonymous shared memory, which only the family maps, so
 * their content is trusted.  A hold also carries the two locks that serialise
 * producers and consumers of the session's FIFOs across threads and processes
 * (DESIGN.md 4): robust, for a process may die in the middle of a copy; the
 * FIFO is consistent then, as bytes count only once their index is published.
 */
#ifndef SESS_HOLD_H
#define SESS_HOLD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/base.h"

#define HOLD_SLOTS 256

struct hold {
	pthread_mutex_t rx_lock;
	_Atomic uint32_t used;	/* by the allocator */
	_Atomic uint32_t owner; /* slot whose worker gets the events */
	_Atomic uint32_t flags; /* HOLD_* */
	uint32_t pad0[3];
	pthread_mutex_t tx_lock;
	uint32_t pad1[6];
	_Atomic uint64_t holders[HOLD_SLOTS / 64];
	_Atomic uint64_t accepting[HOLD_SLOTS / 64]; /* listeners only */
};

#define HOLD_OWNER_CLOSED 1u /* the owner's program closed it */
#define HOLD_NONBLOCK 2u     /* O_NONBLOCK, as the family sees it */
#define HOLD_WR_SHUT 4u
#define HOLD_RD_SHUT 8u
#define HOLD_RESET_TOLD 16u /* ECONNRESET has been reported */
#define HOLD_GONE_TOLD 32u  /* a write was swallowed after the peer left */

/* A fresh hold, held by this process, which is also its owner. */
int hold_new(struct hold **h) MUST_CHECK;
/* This process lets go: true if no living process holds it any more (and
 * then the record is free again). */
bool hold_drop(struct hold *h);
/* Does any living process other than this one hold it? */
bool hold_shared(struct hold *h);
bool hold_is_owner(const struct hold *h);
void hold_own(struct hold *h);
/* This process waits for connections on the listener; did the owner ever? */
void hold_accept(struct hold *h);
bool hold_owner_accepts(const struct hold *h);

/* pthread_mutex_lock() for a robust mutex whose data needs no repair */
void hold_lock(pthread_mutex_t *lock);
static inline void hold_unlock(pthread_mutex_t *lock)
{
	pthread_mutex_unlock(lock);
}

/* fork: before, in the parent (a slot for the child; the caller then adds
 * the child to each hold), after it in either. */
int hold_fork_prepare(void);
void hold_fork_add(struct hold *h); /* the child that is about to be */
void hold_fork_parent(void);
void hold_fork_child(void);

#endif /* SESS_HOLD_H */
