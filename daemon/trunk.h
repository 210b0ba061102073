/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trunk.h - segments that links lie in
 *
 * DOC: A trunk is shared by exactly two workers, and holds links with rings of
 * one size. Its blocks are given back clean, and its memory is taken as far as
 * it is used. Of the trunks of two workers one may be kept without links.
 */
#ifndef DAEMON_TRUNK_H
#define DAEMON_TRUNK_H

#include "core/shm/link.h"
#include "daemon/peer.h"

struct trunk {
	uint32_t number; /* never used again */
	struct bond *bond;
	struct list on_bond;
	struct map map;
	uint32_t ring;
	unsigned n_links; /* it has room for */
	uint64_t used;	  /* blocks, a bit each */
	bool known[2];	  /* by end of the bond: it has the descriptor */
};

/* A free block with such rings: 0, -ENOSPC for a limit, -ENOMEM, -errno. */
int trunk_take(struct bond *bond, uint32_t ring, struct trunk **trunk,
	       unsigned *index) MUST_CHECK;
/* The block is free again. The trunk may be gone then, and its bond. */
void trunk_put(struct trunk *trunk, unsigned index);
/* What both ends have counted there; hostile. */
struct wire_link *trunk_link(const struct trunk *trunk, unsigned index);
/* The peer is about to leave: its application does not pay any more. */
void trunks_uncount(struct peer *p);
/* The bond is broken: what is empty goes. */
void trunks_part(struct bond *bond);

#endif /* DAEMON_TRUNK_H */
