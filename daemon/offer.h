/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.h - connections that one end has offered, and the other not yet
 */
#ifndef DAEMON_OFFER_H
#define DAEMON_OFFER_H

#include "core/base/fdbox.h"
#include "daemon/diag.h"
#include "daemon/peer.h"

struct offer {
	struct list on_slot, on_peer, on_time;
	struct peer *peer;
	uint64_t context;
	struct claim claim; /* proved */
	uint32_t ring;
	uint16_t bell;
	uint64_t deadline;
};

void offer_init(void);
/* OFFER, with what came along; hostile */
void offer_message(struct worker *w, const struct wire_offer *msg,
		   struct fdbox *box);
/* WITHDRAW; hostile */
void offer_withdraw(struct worker *w, const struct wire_withdraw *msg);
/* Tell its end; the offer itself is the caller's. */
void offer_refuse(const struct offer *o, enum wire_refusal why);
/* Refuse those that waited too long; ms until the next one, -1: there is
 * none. */
int offer_deadline(void);
/* The peer is gone. */
void offers_leave(struct peer *p);

#endif /* DAEMON_OFFER_H */
