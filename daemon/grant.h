/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grant.h - links that two workers have been granted
 *
 * DOC: A grant has two halves, one for each end. A half is done when its
 * worker, or another one of its application, says so or when its worker is
 * gone; with the second the block is free. A worker that connects to itself has
 * both halves, and says so twice.
 */
#ifndef DAEMON_GRANT_H
#define DAEMON_GRANT_H

#include "daemon/offer.h"
#include "daemon/trunk.h"

struct grant {
	uint64_t id; /* never 0, never used again */
	struct list on_hash;
	struct trunk *trunk;
	unsigned index;
	struct half {
		bool done;
		struct peer *peer; /* valid until it is done */
		struct app *app;   /* likewise; pays */
		struct list on_peer;
		struct grant *grant;
		uint64_t context; /* of its offer */
		struct addr lcl;
		bool udp;
		char peer_name[64];
	} half[2];
};

void grant_init(void);
/* Both ends have offered: tell both. 0, or -errno after which none is. */
int grant_open(const struct offer *a, const struct offer *b) MUST_CHECK;
/* DONE; hostile */
void grant_message(struct worker *w, const struct wire_done *msg);
/* WITHDRAW, of what does not wait any more; hostile */
void grant_withdraw(struct peer *p, const struct wire_withdraw *msg);
/* Sent over links so far, as the clients say. */
uint64_t grant_bytes(void);
/* The peer is gone: its halves are done. */
void grants_leave(struct peer *p);

#endif /* DAEMON_GRANT_H */
