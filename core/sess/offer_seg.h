/* SPDX-License-Identifier: Apache-2.0 */
/* offer_seg.h - mapped segments of links, and the clients at their other end */
#ifndef SESS_OFFER_SEG_H
#define SESS_OFFER_SEG_H

#include "core/sess/offer.h"
#include "core/wire/offer.h"

/*
 * The segment and the bell that a grant names, from what is known or from the
 * descriptors that came (-1: none did; taken over, also on error): sets
 * g->seg and g->bell, referenced.
 */
int seg_get(unsigned epoch, const struct wire_grant *w, int seg_fd, int bell_fd,
	    struct offer_grant *g) MUST_CHECK;
void seg_put(const struct offer_grant *g);
/* Nothing of this peer's is named again, nor of any of another attachment. */
void seg_peer_gone(unsigned epoch, uint32_t peer);

/* The child's half of offer_fork_child(). */
void seg_fork_child(void);

#endif /* SESS_OFFER_SEG_H */
