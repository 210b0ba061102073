/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_link.c - links that were granted: segments, bells, ends, the dead */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

#define LINKS 130 /* more than two segments hold */

static struct raw_daemon d;
static struct raw a, b;

static void attach(struct raw *r)
{
	CHECK(!raw_attach(r, &d, &raw_default));
	if (!(r->hello.features & WIRE_EXT_LINKS))
		SKIP("no socket diagnostics here");
}

static void begin(const char *conf)
{
	raw_start_patient(&d, conf);
	attach(&a);
	attach(&b);
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

static uint64_t fresh_link(struct raw *x, struct raw *y)
{
	uint64_t link;
	struct raw_tcp t;

	raw_tcp(&t, RAW_V4);
	link = raw_link(x, y, &t, 100);
	raw_tcp_close(&t);
	return link;
}

/* A link, and what @a and @b got with it. */
static void grants(struct raw_grant *ga, struct raw_grant *gb)
{
	struct raw_tcp t;

	raw_tcp(&t, RAW_V4);
	raw_offer(&a, t.fd[0], 1);
	raw_offer(&b, t.fd[1], 2);
	*ga = *raw_get_grant(&a, 1);
	*gb = *raw_get_grant(&b, 2);
	raw_tcp_close(&t);
}

static void get_gone(struct raw *r, uint32_t peer)
{
	struct wire_sapi_ext msg;
	struct fdbox box;

	CHECK(raw_recv_ext(r, &msg, &box, RAW_WAIT_MS) == WIRE_SAPI_PEER_GONE);
	CHECK(msg.peer_gone.peer == peer && box.n == 0);
}

TEST(segment_and_bell_come_once)
{
	struct raw_grant ga, gb, again;
	int bell;

	begin(NULL);
	grants(&ga, &gb);
	CHECK(ga.g.has_seg && ga.g.has_bell && gb.g.has_seg && gb.g.has_bell);
	raw_drop_grant(&gb);
	grants(&again, &gb);
	CHECK(!again.g.has_seg && !again.g.has_bell && !gb.g.has_seg &&
	      !gb.g.has_bell);
	CHECK(again.g.seg == ga.g.seg && again.g.peer == ga.g.peer);
	CHECK(again.g.index != ga.g.index && again.g.link != ga.g.link);
	raw_drop_grant(&ga);
	/* another bell under the same number: the peer gets that one */
	b.has_bell = false;
	grants(&ga, &gb);
	CHECK(!ga.g.has_seg && ga.g.has_bell && !gb.g.has_bell);
	bell = ga.bell;
	CHECK(write(bell, &(uint64_t){ 1 }, 8) == 8);
	raw_drop_grant(&ga);
	end();
}

/* What the other's bell is for, and that it is the right one */
TEST(bells_ring_at_their_owners)
{
	struct wire_offer o;
	struct raw_tcp t;
	struct raw_grant *g;
	int bell[2];
	uint64_t n;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	bell[0] = raw_bell();
	bell[1] = raw_bell();
	raw_send_bell(&a);
	raw_claim(t.fd[1], 2, &o);
	o.bell = 255;
	o.has_bell = 1;
	raw_send_offer(&b, &o, bell[1]);
	raw_offer(&a, t.fd[0], 1);
	g = raw_get_grant(&a, 1);
	CHECK(g->g.peer_bell == 255 && g->g.has_bell);
	CHECK(write(g->bell, &(uint64_t){ 5 }, 8) == 8);
	CHECK(read(bell[1], &n, 8) == 8 && n == 5);
	CHECK(read(bell[0], &n, 8) < 0);
	raw_drop_grant(g);
	g = raw_get_grant(&b, 2);
	CHECK(g->g.peer_bell == 0 && g->g.has_bell);
	raw_drop_grant(g);
	raw_tcp_close(&t);
	close(bell[0]);
	close(bell[1]);
	end();
}

TEST(both_ends_map_the_same_link)
{
	struct ring_own own[4] = { 0 };
	struct raw_grant ga, gb;
	struct link_end x, y;
	struct map ma, mb;

	begin(NULL);
	grants(&ga, &gb);
	CHECK(!link_seg_attach(&ma, ga.seg, ga.g.n_links, ga.g.ring));
	CHECK(!link_seg_attach(&mb, gb.seg, gb.g.n_links, gb.g.ring));
	ga.seg = gb.seg = -1;
	CHECK(!link_end_init(&x, &ma, ga.g.index, ga.g.side, ga.g.ring, &own[0],
			     &own[1]));
	CHECK(!link_end_init(&y, &mb, gb.g.index, gb.g.side, gb.g.ring, &own[2],
			     &own[3]));
	link_switch(&x, 4242);
	CHECK(link_peer_switched(&y, &(uint64_t){ 0 }));
	/* done by one it stays; done by both it is as new */
	raw_done(&a, ga.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 1));
	CHECK(link_peer_switched(&y, &(uint64_t){ 0 }));
	raw_done(&b, gb.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(!link_peer_switched(&y, &(uint64_t){ 0 }));
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	map_close(&ma);
	map_close(&mb);
	end();
}

TEST(a_forgotten_segment_comes_again)
{
	struct raw_grant ga, gb;

	begin(NULL);
	grants(&ga, &gb);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	raw_done(&a, ga.g.link, true);
	raw_done(&b, gb.g.link, false);
	grants(&ga, &gb);
	CHECK(ga.g.has_seg && !gb.g.has_seg);
	CHECK(ga.g.has_bell && !gb.g.has_bell); /* may be lost, too */
	raw_drop_grant(&ga);
	end();
}

TEST(only_who_has_a_link_says_done)
{
	uint64_t link;
	struct raw c;

	begin(NULL);
	attach(&c);
	link = fresh_link(&a, &b);
	raw_done(&c, link, false); /* has never offered */
	raw_send_bell(&c);
	raw_done(&c, link, false);
	raw_done(&a, link + 1, false);
	raw_done(&a, 0, true);
	raw_done(&a, UINT64_MAX, false);
	CHECK(raw_ext_is_quiet(&c) && raw_ext_is_quiet(&a));
	CHECK(raw_status_is(&d, "rejects", 5));
	CHECK(raw_status(&d, "links_now") == 1);
	raw_done(&a, link, false);
	raw_done(&a, link, false); /* not the other's half */
	CHECK(raw_status_is(&d, "rejects", 6));
	CHECK(raw_status(&d, "links_now") == 1);
	raw_done(&b, link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	raw_close(&c);
	end();
}

/* The child of a server, say, to whom the connection was left. */
TEST(another_worker_of_the_application_says_done)
{
	struct raw child;
	uint64_t link;

	begin(NULL);
	CHECK(!raw_add_worker(&child, &d, &a));
	link = fresh_link(&a, &b);
	raw_done(&child, link, true);
	raw_done(&child, link, true); /* the other half is not theirs */
	CHECK(raw_ext_is_quiet(&child));
	CHECK(raw_status(&d, "links_now") == 1 &&
	      raw_status(&d, "rejects") == 1);
	raw_done(&b, link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	/* where both are, it can't be said whose half is meant */
	link = fresh_link(&a, &child);
	raw_done(&a, link, false);
	raw_done(&a, link, false); /* now there is one */
	CHECK(raw_status_is(&d, "links_now", 0));
	link = fresh_link(&a, &a);
	raw_done(&child, link, false);
	CHECK(raw_ext_is_quiet(&child));
	CHECK(raw_status(&d, "links_now") == 1 &&
	      raw_status(&d, "rejects") == 2);
	raw_close(&child);
	end();
}

/* What a child of its may still read and write */
TEST(the_links_of_the_dead_are_not_wiped)
{
	struct ring_own own[2] = { 0 };
	struct raw_grant ga, gb;
	struct link_end x;
	struct map map;
	uint64_t other;

	begin(NULL);
	grants(&ga, &gb);
	CHECK(!link_seg_attach(&map, ga.seg, ga.g.n_links, ga.g.ring));
	ga.seg = -1;
	CHECK(!link_end_init(&x, &map, ga.g.index, ga.g.side, ga.g.ring,
			     &own[0], &own[1]));
	link_switch(&x, 5);
	other = fresh_link(&a, &b);
	raw_close(&a);
	CHECK(raw_status_is(&d, "apps", 1));
	raw_done(&b, gb.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 1));
	CHECK(link_flags(&x) & WIRE_LINK_SWITCHED);
	raw_done(&b, other, false);
	CHECK(raw_status_is(&d, "link_segments", 0));
	CHECK(link_flags(&x) & WIRE_LINK_SWITCHED);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	map_close(&map);
	raw_close(&b);
	raw_stop(&d);
}

TEST(segments_grow_and_one_is_kept)
{
	static uint64_t link[LINKS];
	int before, i;

	begin(NULL);
	raw_send_bell(&a);
	raw_send_bell(&b);
	before = raw_count_fds(&d);
	for (i = 0; i < LINKS; i++)
		link[i] = fresh_link(&a, &b);
	CHECK(raw_status(&d, "link_segments") == 3);
	CHECK(raw_count_fds(&d) == before + 3);
	for (i = 0; i < LINKS; i++) {
		raw_done(&a, link[i], false);
		raw_done(&b, link[i], false);
	}
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_status_is(&d, "link_segments", 1));
	CHECK(raw_fds_are(&d, before + 1));
	for (i = 0; i < LINKS; i++) /* out of what was given back */
		link[i] = fresh_link(&b, &a);
	CHECK(raw_status(&d, "link_segments") == 3);
	raw_close(&a);
	CHECK(raw_status_is(&d, "links_now", LINKS)); /* b still reads */
	for (i = 0; i < LINKS; i++)
		raw_done(&b, link[i], false);
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_status_is(&d, "link_segments", 0));
	raw_close(&b);
	raw_stop(&d);
}

/* --- the dead --- */

TEST(who_dies_with_an_offer_leaves_none)
{
	const struct wire_page *page;
	struct wire_offer o;
	struct raw_tcp t;
	uint16_t slot;

	begin(NULL);
	raw_send_bell(&b);
	page = raw_page(&b);
	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 1, &o);
	slot = wire_page_slot(ntohs(o.lcl_port), ntohs(o.rmt_port));
	raw_offer(&a, t.fd[0], 1);
	CHECK(raw_ext_is_quiet(&a) && page->offers[slot] == 1);
	raw_close(&a);
	CHECK(raw_status_is(&d, "apps", 1));
	CHECK(page->offers[slot] == 0);
	raw_offer(&b, t.fd[1], 2);
	CHECK(raw_ext_is_quiet(&b)); /* no such peer, and no word of it */
	attach(&a);
	raw_offer(&a, t.fd[0], 3);
	raw_drop_grant(raw_get_grant(&a, 3));
	raw_drop_grant(raw_get_grant(&b, 2));
	raw_close(&a);
	CHECK(raw_status_is(&d, "apps", 1));
	raw_tcp_close(&t);
	raw_page_close(page);
	raw_close(&b);
	raw_stop(&d);
}

TEST(who_dies_with_links_is_told_of)
{
	struct raw_grant ga, gb;
	uint64_t link[2];
	int before;

	begin(NULL);
	raw_send_bell(&b);
	raw_close(&a);
	CHECK(raw_status_is(&d, "apps", 1));
	before = raw_count_fds(&d);
	attach(&a);
	grants(&ga, &gb);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	link[0] = gb.g.link;
	grants(&ga, &gb);
	link[1] = gb.g.link;
	raw_done(&b, link[0], false);
	raw_close(&a);
	get_gone(&b, gb.g.peer);
	CHECK(raw_status_is(&d, "links_now", 1));
	CHECK(raw_status_is(&d, "link_segments", 1));
	raw_done(&b, link[1], true);
	CHECK(raw_status_is(&d, "link_segments", 0));
	CHECK(raw_fds_are(&d, before));
	/* and with none left, but a segment */
	attach(&a);
	grants(&ga, &gb);
	CHECK(gb.g.has_seg && gb.g.has_bell);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	raw_done(&a, ga.g.link, false);
	raw_done(&b, ga.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	raw_close(&a);
	get_gone(&b, gb.g.peer);
	CHECK(raw_status_is(&d, "link_segments", 0));
	CHECK(raw_ext_is_quiet(&b));
	CHECK(raw_fds_are(&d, before));
	raw_close(&b);
	raw_stop(&d);
}

TEST(both_die_and_nothing_is_left)
{
	struct raw c;
	int before, i;

	raw_start_patient(&d, NULL);
	attach(&c);
	CHECK(raw_ext_is_quiet(&c));
	before = raw_count_fds(&d);
	for (i = 0; i < 20; i++) {
		attach(&a);
		attach(&b);
		fresh_link(&a, &b);
		fresh_link(&a, &a);
		if (i % 2)
			raw_close(&a);
		raw_close(&b);
		if (i % 2 == 0)
			raw_close(&a);
	}
	CHECK(raw_status_is(&d, "apps", 1));
	CHECK(raw_status(&d, "links_now") == 0);
	CHECK(raw_status(&d, "link_segments") == 0);
	CHECK(raw_fds_are(&d, before));
	CHECK(raw_ext_is_quiet(&c));
	raw_close(&c);
	raw_stop(&d);
}

/* A worker's number is another's only after all have heard, and are done. */
TEST(numbers_of_peers_are_not_mixed_up)
{
	struct raw_grant ga, gb;
	uint32_t old;
	int i;

	begin(NULL);
	grants(&ga, &gb);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	old = gb.g.peer;
	raw_close(&a);
	get_gone(&b, old);
	for (i = 0; i < 200; i++) { /* more than there are numbers at first */
		attach(&a);
		grants(&ga, &gb);
		raw_drop_grant(&ga);
		raw_drop_grant(&gb);
		CHECK(gb.g.peer != old && ga.g.peer != gb.g.peer);
		raw_done(&b, gb.g.link, true);
		raw_close(&a);
		get_gone(&b, gb.g.peer);
	}
	CHECK(raw_status_is(&d, "link_segments", 1));
	raw_close(&b);
	raw_stop(&d);
}

/* --- who does not read --- */

static void flood(struct raw *r, int n)
{
	struct wire_offer o = { .context = 99 };

	while (n--)
		raw_send_offer(r, &o, -1);
}

TEST(who_does_not_read_hurts_nobody)
{
	struct raw_tcp t;
	int i, n;

	begin(NULL);
	raw_send_bell(&a);
	raw_tcp(&t, RAW_V4);
	/* first as the one that offers second, then first */
	for (i = 0; i < 2; i++) {
		flood(&a, 1000);
		CHECK(raw_status_is(&d, "proof", 1 + 1000 * (i + 1)));
		if (i)
			raw_offer(&a, t.fd[0], 1);
		raw_offer(&b, t.fd[1], 2);
		if (!i) {
			CHECK(raw_ext_is_quiet(&b));
			raw_offer(&a, t.fd[0], 1);
		}
		raw_get_refuse(&b, 2, WIRE_REFUSED_LIMIT);
		CHECK(raw_status(&d, "links_now") == 0);
		for (n = 0; n < 1000; n++) /* in order, none lost */
			raw_get_refuse(&a, 99, WIRE_REFUSED_PROOF);
		raw_get_refuse(&a, 1, WIRE_REFUSED_LIMIT);
	}
	raw_link(&a, &b, &t, 5);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(raw_mail(&a)->sent == 2000 + 4);
	raw_tcp_close(&t);
	end();
}

TEST(who_never_reads_is_detached)
{
	struct raw_grant ga, gb;
	struct pollfd p;
	char buf[256];
	ssize_t n;

	begin("[sapid]\nmax-pending = 50\n");
	grants(&ga, &gb);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	p = (struct pollfd){ .fd = a.sock, .events = POLLOUT };
	signal(SIGPIPE, SIG_IGN);
	while (poll(&p, 1, RAW_WAIT_MS) == 1 && !(p.revents & POLLHUP)) {
		struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER };

		if (send(a.sock, &msg, sizeof(msg), MSG_NOSIGNAL) < 0)
			break;
	}
	CHECK(raw_status_is(&d, "apps", 1));
	do {
		n = recv(a.sock, buf, sizeof(buf), 0);
	} while (n > 0);
	get_gone(&b, gb.g.peer);
	end();
}

/* Bells are descriptors: who sends one when the daemon can't take any more did
 * nothing wrong. What it offered stays in the kernel. */
TEST(a_daemon_without_descriptors_detaches_nobody)
{
	struct rlimit few, many;
	struct wire_offer o = { .has_bell = 1 };
	struct wire_sapi_ext msg;
	unsigned answers = 0;
	struct fdbox box;
	uint8_t type;
	int bell;

	begin(NULL);
	CHECK(!prlimit(d.pid, RLIMIT_NOFILE, NULL, &many));
	few = many;
	few.rlim_cur = 40;
	CHECK(!prlimit(d.pid, RLIMIT_NOFILE, &few, NULL));
	fresh_link(&a, &b);
	bell = raw_bell();
	for (o.bell = 1; o.bell < 60; o.bell++)
		raw_send_offer(&a, &o, bell);
	close(bell);
	CHECK(send(a.sock, &(struct wire_sapi){ .type = WIRE_SAPI_CERT },
		   sizeof(struct wire_sapi), 0) > 0);
	do {
		type = raw_recv_ext(&a, &msg, &box, RAW_WAIT_MS);
		answers += type == WIRE_SAPI_REFUSE;
	} while (type == WIRE_SAPI_REFUSE);
	CHECK(type == WIRE_SAPI_CERT_REPLY);
	CHECK(answers > 5 && answers < 40);
	fresh_link(&b, &a); /* needs none */
	raw_close(&a);
	CHECK(!prlimit(d.pid, RLIMIT_NOFILE, &many, NULL));
	attach(&a);
	fresh_link(&a, &b);
	end();
}

/* --- what is shown --- */

static bool says(const char *what)
{
	char *text = raw_status_text(&d);
	bool ok = strstr(text, what);

	if (!ok)
		printf("# no %s in %s\n", what, text);
	free(text);
	return ok;
}

TEST(status_tells_of_links)
{
	struct wire_link_side *side;
	struct raw_grant ga, gb;
	struct ring_own own[2] = { 0 };
	struct link_end x;
	struct raw_tcp t;
	struct map map;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_offer(&a, t.fd[0], 1);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(says("\"peer\":\"\",\"state\":\"offered\""));
	raw_offer(&b, t.fd[1], 2);
	ga = *raw_get_grant(&a, 1);
	gb = *raw_get_grant(&b, 2);
	CHECK(!link_seg_attach(&map, ga.seg, ga.g.n_links, ga.g.ring));
	ga.seg = -1;
	CHECK(!link_end_init(&x, &map, ga.g.index, ga.g.side, ga.g.ring,
			     &own[0], &own[1]));
	CHECK(says("\"peer\":\"raw\",\"state\":\"kernel\""));
	link_switch(&x, 0);
	CHECK(says("\"state\":\"sends\"") && says("\"state\":\"receives\""));
	side = x.mine;
	side->tx_bytes = 1234567;
	side->upgrade_us = 77;
	CHECK(says("\"tx_bytes\":1234567") && says("\"upgrade_us\":77"));
	CHECK(says("\"ring_bytes\":65536") && says("\"n_links\":1"));
	CHECK(raw_status(&d, "link_bytes_total") == 1234567);
	raw_done(&a, ga.g.link, false);
	CHECK(raw_status_is(&d, "link_bytes_total", 1234567));
	CHECK(says("\"state\":\"peer-gone\""));
	raw_done(&b, gb.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_status(&d, "link_bytes_total") == 1234567);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	map_close(&map);
	raw_tcp_close(&t);
	end();
}
