/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hold.h - what a family of forked processes shares about a socket
 *
 * DOC: A connection lives as long as any process holds its descriptor, as in
 * the kernel.  Each process of the family has a slot; a hold has a bit per
 * slot.  A slot is alive while its process has a record lock on the slot's
 * byte of a memfd that all inherit: the kernel drops it when the process ends
 * or execs, so a death is seen by whoever asks, without a daemon or a pid.
 * (Not a robust mutex: that dies with the thread that locked it.)
 *
 * Slots are used again, and nobody knows all the holds in which a dead process
 * left its bit (processes make records that only their own children see).  So
 * a slot says since when its process has it and a hold when it was marked
 * last, both by the family's count of forks: a bit older than its slot's
 * process is nobody's.
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
#include "core/base/signal.h"
#include "core/shm/ring.h"

#define HOLD_SLOTS 256

/* What a family knows of a link (core/sock/link.h): positions that the peer
 * can't touch, and which way each direction goes. */
struct hold_link {
	struct ring_own tx, rx;	  /* tx_lock, rx_lock */
	_Atomic uint32_t tx_ring; /* 1: what is sent goes to the ring */
	_Atomic uint32_t rx_mode; /* HOLD_RX_* */
	uint64_t rx_kernel; /* stream bytes read from the kernel; rx_lock */
	uint64_t rx_switch; /* HOLD_RX_DRAIN: ... and to be read there */
	/* the way back (core/sock/back.c) */
	_Atomic uint32_t tx_back;  /* HOLD_TX_*; tx_lock */
	uint32_t tx_from;	   /* FLUSH: sent by the kernel up to there */
	uint32_t tx_fin;	   /* ... and shut down after that */
	_Atomic uint32_t rx_skip;  /* BACK: bytes that come by the kernel, and
				      were read already */
	_Atomic uint32_t rx_twice; /* ... in the beginning */
};

#define HOLD_RX_KERNEL 0u /* not consented */
#define HOLD_RX_READY 1u  /* consented: the peer may switch */
#define HOLD_RX_DRAIN 2u  /* it has: the rest from the kernel, then the ring */
#define HOLD_RX_RING 3u
#define HOLD_RX_BACK 4u /* the kernel's for good */

#define HOLD_TX_FLUSH 1u /* what is in the ring goes by the kernel first */
#define HOLD_TX_BACK 2u	 /* the kernel's for good */

/* What a connection's processes share because the kernel has it once. */
struct hold_opts {
	_Atomic int error; /* SO_ERROR to be collected, positive errno */
	_Atomic int rcvtimeo_ms, sndtimeo_ms; /* 0: none */
	_Atomic int rcvlowat;
	_Atomic uint32_t shuts;	 /* how often it was shut down: each is an edge
				    to all who wait */
	_Atomic uint32_t lowats; /* ... that there was enough for a new
				    SO_RCVLOWAT: likewise */
	_Atomic int linger;	 /* -1: off, else seconds */
};

struct hold {
	pthread_mutex_t rx_lock;
	_Atomic uint32_t used;	/* odd: in use; grows, so that two who let go
				 * at once know which of them was the last */
	_Atomic uint32_t owner; /* slot whose worker gets the events */
	_Atomic uint32_t flags; /* HOLD_* */
	_Atomic uint32_t owner_wrk; /* its worker index */
	_Atomic uint64_t marked;    /* when a bit was set last */
	pthread_mutex_t tx_lock;
	_Atomic uint32_t ended; /* SESSION_* flags that any holder has seen */
	struct hold_opts opts;	/* of a link */
	_Atomic uint64_t holders[HOLD_SLOTS / 64];
	_Atomic uint64_t accepting[HOLD_SLOTS / 64]; /* listeners only */
	struct hold_link link;
};

#define HOLD_OWNER_CLOSED 1u /* the owner's program closed it */
#define HOLD_NONBLOCK 2u     /* O_NONBLOCK, as the family sees it */
#define HOLD_WR_SHUT 4u
#define HOLD_RD_SHUT 8u
#define HOLD_RESET_TOLD 16u /* ECONNRESET has been reported */
#define HOLD_GONE_TOLD 32u  /* a write was swallowed after the peer left */
#define HOLD_KERNELS 64u /* somebody has it who knows of no link: never one */
#define HOLD_ENDED 128u	 /* a link: the kernel was heard to speak of an end */
#define HOLD_DEAD 256u	 /* ... without a word of the peer's: it is seen to */
#define HOLD_RESETS 512u /* SO_LINGER is not the program's: link_end.c */

/* A fresh hold, held by this process, which is also its owner; -ENOMEM;
 * -EAGAIN in a child that got no slot. */
int hold_new(struct hold **h) MUST_CHECK;
/* As of a socket that is new. */
void hold_opts_init(struct hold_opts *o);
/* This process lets go: true if no living process holds it any more (and
 * then the record is free again). */
bool hold_drop(struct hold *h);
/* The same in two steps: the record stays until hold_free(), which who was told
 * true calls when no thread can use it any more. */
bool hold_leave(struct hold *h);
void hold_free(struct hold *h);
/* Does any living process other than this one hold it?  A syscall for each
 * that seems to. */
bool hold_shared(struct hold *h);
/* Does it seem so?  False is certain. */
bool hold_others(const struct hold *h);
bool hold_is_owner(const struct hold *h);
void hold_own(struct hold *h, uint32_t wrk);
/* This process waits for connections on the listener; did the owner ever? */
void hold_accept(struct hold *h);
bool hold_owner_accepts(const struct hold *h);

/* mutex_lock() for a robust mutex; true if its owner died with it, for
 * whom it matters */
bool hold_lock(pthread_mutex_t *lock);
static inline void hold_unlock(pthread_mutex_t *lock)
{
	mutex_unlock(lock);
}

/* fork: before, in the parent (-EAGAIN: the child will have no part in what
 * is held; a slot for the child; the caller then adds
 * the child to each hold), after it in either. */
int hold_fork_prepare(void);
void hold_fork_add(struct hold *h); /* the child that is about to be */
void hold_fork_parent(void);
void hold_fork_child(void);

#endif /* SESS_HOLD_H */
