/* SPDX-License-Identifier: Apache-2.0 */
/* rawlink.h - a raw client that offers connections and is granted links */
#ifndef UNIT_RAWLINK_H
#define UNIT_RAWLINK_H

#include "core/base/fdbox.h"
#include "core/shm/link.h"
#include "core/wire/offer.h"
#include "tests/unit/rawclient.h"

/* Start a daemon whose offers wait as long as a loaded machine may take; @conf
 * is added, or NULL. */
void raw_start_patient(struct raw_daemon *d, const char *conf);

/* A real connection over the loopback: [0] connected, [1] accepted. */
struct raw_tcp {
	int fd[2], listener;
};

/* MAPPED: both are IPv6 sockets, to ::ffff:127.0.0.1; DUAL: one of them is */
enum raw_family { RAW_V4, RAW_V6, RAW_MAPPED, RAW_DUAL };

void raw_tcp(struct raw_tcp *t, enum raw_family family);
/* Both ends again, of the same addresses and ports; reset, not closed. */
void raw_tcp_again(struct raw_tcp *t);
void raw_tcp_close(struct raw_tcp *t);
/* Connect to where that one listens: 0 or -1. */
int raw_connect_to(int fd, int listener);

/* What that end of it would offer, by bell 0, which is not sent along. */
void raw_claim(int fd, uint64_t context, struct wire_offer *o);
/* Send it; @bell < 0: none along. */
void raw_send_offer(struct raw *r, const struct wire_offer *o, int bell);
void raw_send_ext(struct raw *r, const struct wire_sapi_ext *msg,
		  const struct fdbox *box);
int raw_bell(void);
/* Send bell 0, with an offer that is refused. */
void raw_send_bell(struct raw *r);
/* Offer this end by bell 0, which is made and sent with the first. */
void raw_offer(struct raw *r, int fd, uint64_t context);
void raw_listen_port(struct raw *r, uint16_t port, bool on);
void raw_done(struct raw *r, uint64_t link, bool forget);
/* @link: 0 if no grant was read */
void raw_withdraw(struct raw *r, uint64_t context, uint64_t link);

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
/* Valid until the next one */
struct raw_grant *raw_get_grant(struct raw *r, uint64_t context);
void raw_drop_grant(struct raw_grant *g);
/* Both ends of @t offer, @a the connected one; contexts @context and one more.
 * What comes along is closed. Returns the link. */
uint64_t raw_link(struct raw *a, struct raw *b, const struct raw_tcp *t,
		  uint64_t context);
/* Nothing comes, though the daemon has seen all that was sent. */
bool raw_ext_is_quiet(struct raw *r);

const struct wire_page *raw_page(const struct raw *r);
void raw_page_close(const struct wire_page *page);
struct wire_mail *raw_mail(const struct raw *r);

#endif /* UNIT_RAWLINK_H */
