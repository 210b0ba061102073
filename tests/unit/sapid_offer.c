/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_offer.c - connections that are offered, and links that are granted */
#include <arpa/inet.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw a, b;

static void begin(void)
{
	raw_start(&d, NULL);
	CHECK(!raw_attach(&a, &d, &raw_default));
	CHECK(!raw_attach(&b, &d, &raw_default));
	if (!(a.hello.features & WIRE_EXT_LINKS))
		SKIP("no socket diagnostics here");
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

static void grant_both(struct raw_tcp *t, uint64_t context,
		       struct raw_grant *ga, struct raw_grant *gb)
{
	raw_offer(&a, t->fd[0], context);
	raw_offer(&b, t->fd[1], context + 1);
	raw_get_grant(&a, context, ga);
	raw_get_grant(&b, context + 1, gb);
	CHECK(ga->g.link == gb->g.link && ga->g.seg == gb->g.seg);
	CHECK(ga->g.index == gb->g.index && ga->g.ring == gb->g.ring);
	CHECK(ga->g.n_links == gb->g.n_links);
	CHECK(ga->g.side != gb->g.side && ga->g.peer != gb->g.peer);
}

TEST(both_ends_offer_and_get_a_link)
{
	enum raw_family family;
	struct raw_grant ga, gb;
	struct raw_tcp t;

	begin();
	for (family = RAW_V4; family <= RAW_MAPPED; family++) {
		raw_tcp(&t, family);
		grant_both(&t, family * 10, &ga, &gb);
		CHECK(ga.g.has_seg == !family && gb.g.has_bell == !family);
		raw_drop_grant(&ga);
		raw_drop_grant(&gb);
		raw_tcp_close(&t);
	}
	raw_tcp_dual(&t);
	grant_both(&t, 1000, &ga, &gb);
	raw_tcp_close(&t);
	/* counted once they are sent: not seen before the next answer */
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	CHECK(raw_mail(&a)->sent == 4 && raw_mail(&b)->sent == 4);
	end();
}

TEST(nobody_else_offers_and_it_expires)
{
	const struct wire_page *page;
	struct raw_tcp t;
	struct wire_offer o;

	begin();
	page = raw_page(&a);
	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 7, &o);
	raw_offer(&a, t.fd[0], 7);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(page->offers[wire_page_slot(ntohs(o.lcl_port),
					  ntohs(o.rmt_port))] == 1);
	raw_get_refuse(&a, 7, WIRE_REFUSED_EXPIRED);
	CHECK(page->offers[wire_page_slot(ntohs(o.lcl_port),
					  ntohs(o.rmt_port))] == 0);
	raw_tcp_close(&t);
	raw_page_close(page);
	end();
}
