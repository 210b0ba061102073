/* SPDX-License-Identifier: Apache-2.0 */
/* rawlink.h - a raw client that offers connections and is granted links */
#ifndef UNIT_RAWLINK_H
#define UNIT_RAWLINK_H

#include "core/base/fdbox.h"
#include "core/shm/link.h"
#include "core/wire/offer.h"
#include "tests/unit/rawclient.h"

/* A real connection over the loopback: [0] connected, [1] accepted. */
struct raw_tcp {
	int fd[2], listener;
};

enum raw_family { RAW_V4, RAW_V6, RAW_MAPPED }; /* mapped: both, to ::ffff: */

void raw_tcp(struct raw_tcp *t, enum raw_family family);
/* The client is IPv4's, the listener serves both. */
void raw_tcp_dual(struct raw_tcp *t);
void raw_tcp_close(struct raw_tcp *t);

/* What that end of it would offer, with no bell. */
void raw_claim(int fd, uint64_t context, struct wire_offer *o);
/* Send it; @bell < 0: none along. */
void raw_send_offer(struct raw *r, const struct wire_offer *o, int bell);
void raw_send_ext(struct raw *r, const struct wire_sapi_ext *msg,
		  const struct fdbox *box);
/* Offer this end by bell 0, which is made and sent with the first. */
void raw_offer(struct raw *r, int fd, uint64_t context);
void raw_listen_port(struct raw *r, uint16_t port, bool on);
void raw_done(struct raw *r, uint64_t link, bool forget);

/* The next message within @ms: its type; 0: none. */
uint8_t raw_recv_ext(struct raw *r, struct wire_sapi_ext *msg,
		     struct fdbox *box, int ms);
/* It must be this. */
void raw_get_refuse(struct raw *r, uint64_t context, enum wire_refusal why);
/* With what came along: -1 if nothing did */
struct raw_grant {
	struct wire_grant g;
	int seg, bell;
};
void raw_get_grant(struct raw *r, uint64_t context, struct raw_grant *g);
void raw_drop_grant(struct raw_grant *g);
/* Nothing comes, though the daemon has seen all that was sent. */
bool raw_ext_is_quiet(struct raw *r);

const struct wire_page *raw_page(const struct raw *r);
void raw_page_close(const struct wire_page *page);
struct wire_mail *raw_mail(const struct raw *r);

#endif /* UNIT_RAWLINK_H */
