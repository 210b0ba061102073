/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - a worker as others see it that have links with it
 *
 * DOC: A worker of libsapi becomes a peer with its first offer. Two peers that
 * have been granted a link have a bond: what each has of the other, the
 * numbers of its bells and the trunks (segments of links) that they share. A
 * bond holds both in their numbers, so a number is not used again before
 * everybody who knows it has been told that its worker is gone. A worker may
 * have a bond with itself; then both ends are end[0].
 *
 *	worker --- peer --< bond_end --- bond --< trunk --< grant
 *		    |			   |			  |
 *		    +--< offer	      two peers		      two peers
 */
#ifndef DAEMON_PEER_H
#define DAEMON_PEER_H

#include "core/wire/offer.h"
#include "daemon/state.h"

#define BELL_WORDS (WIRE_BELLS_MAX / 64)

struct peer {
	uint32_t number;
	struct worker *worker; /* NULL: gone */
	unsigned n_bonds;
	struct list bonds;  /* ends of them; empty once it is gone */
	struct list offers; /* that wait */
	unsigned n_offers;
	struct list grants;	   /* halves that are not done */
	int bells[WIRE_BELLS_MAX]; /* eventfds of it; -1 */
};

struct bond_end {
	struct list on_peer;
	struct bond *bond;
	struct peer *peer;
	bool met;		    /* it knows the other's number */
	uint64_t bells[BELL_WORDS]; /* of the other, that it has been given */
};

struct bond {
	struct bond_end end[2];
	struct list trunks;
	unsigned n_trunks;
};

/* The worker as a peer, made now if it was none; NULL: no memory. */
struct peer *peer_of(struct worker *w);
/* It is gone: with its offers and its halves of links. Who knew it is told. */
void peer_leave(struct worker *w);
/* Its bell of that number is this eventfd: taken over, or closed on error. */
int peer_set_bell(struct peer *p, unsigned bell, int fd) MUST_CHECK;
void peer_close_all(void);

/* The bond of the two, made now if there was none; NULL: no memory. */
struct bond *bond_of(struct peer *a, struct peer *b);
/* Whose end is which: 0 or 1. */
unsigned bond_index(const struct bond *bond, const struct peer *p);
/* One of its ends is gone. */
bool bond_is_broken(const struct bond *bond);
/* Free it if nothing needs it: broken, and without trunks. */
void bond_put(struct bond *bond);

#endif /* DAEMON_PEER_H */
