/* SPDX-License-Identifier: Apache-2.0 */
/* link_ends.h - a connection with both ends in this process, the daemon played,
 * and what it takes to move it to a link */
#ifndef TESTS_LINK_ENDS_H
#define TESTS_LINK_ENDS_H

#include <arpa/inet.h>

#include "core/base/kernel.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"
#include "tests/unit/played_link.h"

static struct played p;
static struct played_links pl;

struct ends {
	int l, c, s;
	struct sock *cs, *ss; /* referenced */
	uint64_t c_context, s_context;
};

static int bell = -1; /* this thread's, which came with the first offer */

static inline void start(void)
{
	struct app *app;

	played_open(&p);
	played_links_open(&p, &pl);
	app = played_attach(&p);
	CHECK(app && app->links);
	app_put(app);
}

static inline void stop(void)
{
	int fd;

	played_hang_up(&p);
	app_serve(true);
	played_links_close(&p, &pl);
	played_close(&p);
	/* the family's locks (hold.c) are all that may be left */
	fd = private_next(0);
	if (fd >= 0) {
		CHECK(private_next(fd + 1) < 0);
		private_close(fd);
	}
}

static inline void connect_ends(struct ends *e)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	unsigned port;

	memset(e, 0, sizeof(*e));
	e->l = k_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!k_bind(e->l, (struct sockaddr *)&sin, len));
	CHECK(!sock_listen(e->l, 8));
	CHECK(!k_getsockname(e->l, (struct sockaddr *)&sin, &len));
	port = ntohs(sin.sin_port);
	pl.page->listeners[port / 64] |= 1ull << (port % 64);
	e->c = k_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!sock_connect(e->c, (struct sockaddr *)&sin, len));
	e->s = sock_accept4(e->l, NULL, NULL, 0);
	CHECK(e->s >= 0);
	e->cs = sock_get(e->c);
	e->ss = sock_get(e->s);
	CHECK(e->cs && e->cs->kind == SOCK_LINK && !e->cs->link);
	CHECK(e->ss && e->ss->kind == SOCK_LINK && !e->ss->link);
}

static inline void close_ends(struct ends *e)
{
	sock_put(e->cs);
	sock_put(e->ss);
	CHECK(!sock_close(e->c) && !sock_close(e->s) && !sock_close(e->l));
}

/* Bytes that tell if any is lost, doubled or out of order. */
static inline void talk_one_way(int from, int to)
{
	static unsigned char n;
	unsigned char out[100], in[100];
	size_t i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = n++;
	CHECK(sock_write(from, out, sizeof(out)) == sizeof(out));
	CHECK(sock_recvfrom(to, in, sizeof(in), MSG_WAITALL, NULL, NULL) ==
	      sizeof(in));
	CHECK(!memcmp(in, out, sizeof(in)));
}

static inline void talk(struct ends *e, int rounds)
{
	while (rounds--) {
		talk_one_way(e->c, e->s);
		talk_one_way(e->s, e->c);
	}
}

/* The next offer, if there is one: its context, or 0. */
static inline uint64_t hear_offer(void)
{
	struct wire_sapi_ext msg;
	int fd;

	do {
		msg = played_ext(&p, &fd);
	} while (msg.type && msg.type != WIRE_SAPI_OFFER);
	if (fd >= 0 && bell >= 0)
		close(bell);
	if (fd >= 0)
		bell = fd;
	return msg.type ? msg.offer.context : 0;
}

/* Both have offered, and nothing is answered yet. */
static inline void both_offer(struct ends *e)
{
	int i = 8;

	memset((void *)pl.page->offers, 0, sizeof(pl.page->offers));
	talk(e, i);
	e->c_context = hear_offer();
	/* short links at a port of this class have made it dearer */
	for (; i < 8 << 5 && !e->c_context; i++) {
		talk(e, 1);
		e->c_context = hear_offer();
	}
	CHECK(e->c_context);
	CHECK(!hear_offer());
	CHECK(e->cs->upgrade == UPGRADE_OFFERED);
	CHECK(e->ss->upgrade == UPGRADE_IDLE);
	memset((void *)pl.page->offers, 1, sizeof(pl.page->offers));
	talk(e, 1);
	e->s_context = hear_offer();
	CHECK(e->s_context && e->ss->upgrade == UPGRADE_OFFERED);
}

/* Bells of a thread have one number, so one descriptor serves both. */
static inline void grant_side(uint64_t context, unsigned side)
{
	struct wire_sapi_ext msg = played_grant(context);

	msg.grant.side = (uint8_t)side;
	msg.grant.link = 100 + side;
	played_mail(&p, &pl, &msg, (int[]){ pl.seg.fd, bell }, 2);
}

static inline void grant_both(struct ends *e)
{
	grant_side(e->c_context, 0);
	grant_side(e->s_context, 1);
}

static inline int dones(void)
{
	struct wire_sapi_ext msg;
	int n = 0;

	do {
		msg = played_ext(&p, NULL);
		n += msg.type == WIRE_SAPI_DONE;
	} while (msg.type);
	return n;
}

static inline void forget_peer(void)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_PEER_GONE };

	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	link_seg_wipe(&pl.seg, 1, PLAYED_RING);
}

static inline bool moved(const struct sock *s)
{
	return s->link && s->link->settled && s->hold->link.tx_ring &&
	       s->hold->link.rx_mode == HOLD_RX_RING;
}

/* A connection that has moved, both ways. */
static inline void open_moved(struct ends *e)
{
	start();
	connect_ends(e);
	both_offer(e);
	grant_both(e);
	talk(e, 4);
	CHECK(moved(e->cs) && moved(e->ss));
}

/* Close what the thread has open. */
static inline void end_thread(void)
{
	struct waiter *w;

	CHECK(!waiter_get(&w));
	bell_put(w->bell);
	waiter_forked();
	if (bell >= 0)
		close(bell);
}

static inline void warm_thread(void)
{
	struct waiter *w;

	CHECK(!waiter_get(&w) && waiter_bell());
}

#endif /* TESTS_LINK_ENDS_H */
