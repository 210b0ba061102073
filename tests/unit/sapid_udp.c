/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_udp.c - datagrams that are offered: proofs, matches, refusals */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw a, b;
static const int on = 1;

static void begin(const char *conf)
{
	raw_start_patient(&d, conf);
	CHECK(!raw_attach(&a, &d, &raw_default));
	CHECK(!raw_attach(&b, &d, &raw_default));
	if (!(a.hello.features & WIRE_EXT_UDP))
		SKIP("no diagnostics of UDP sockets here");
	raw_send_bell(&a);
	raw_send_bell(&b);
}

static void end(void)
{
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

static int open_udp(const char *ip, uint16_t port, bool reuse)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK(inet_pton(AF_INET, ip, &sin.sin_addr) == 1);
	if (reuse)
		CHECK(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
				  sizeof(on)));
	CHECK(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 sin;
	socklen_t len = sizeof(sin);

	CHECK(!getsockname(fd, (struct sockaddr *)&sin, &len));
	return sin.sin6_port; /* of IPv4 it lies in the same place */
}

static void put_ip(uint8_t ip[16], const char *text)
{
	memset(ip, 0, 16);
	CHECK(inet_pton(AF_INET, text, ip + 12) == 1);
}

/* @fd, which calls itself @lcl, sends to or receives from @rmt at the port of
 * @other. */
static void claim(int fd, const char *lcl, const char *rmt, int other,
		  enum wire_udp udp, uint64_t context, struct wire_offer *o)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie;

	memset(o, 0, sizeof(*o));
	CHECK(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	o->cookie = cookie;
	o->context = context;
	o->ring = 65536;
	o->is_ip4 = 1;
	o->udp = (uint8_t)udp;
	o->lcl_port = port_of(fd);
	o->rmt_port = port_of(other);
	put_ip(o->lcl, lcl);
	put_ip(o->rmt, rmt);
}

static void refused(struct raw *r, const struct wire_offer *o)
{
	raw_send_offer(r, o, -1);
	raw_get_refuse(r, o->context, WIRE_REFUSED_PROOF);
}

static void get_both(void)
{
	struct raw_grant ga, gb;

	ga = *raw_get_grant(&a, 1);
	gb = *raw_get_grant(&b, 2);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	CHECK(ga.g.link == gb.g.link && ga.g.side != gb.g.side);
}

TEST(who_sends_is_shown_and_meets_who_receives)
{
	const struct wire_page *page;
	int s, r;
	struct wire_offer o;
	uint16_t there, back;

	begin(NULL);
	page = raw_page(&a);
	s = open_udp("0.0.0.0", 0, false);
	r = open_udp("0.0.0.0", 0, false);
	there = wire_page_slot_udp(ntohs(port_of(s)), ntohs(port_of(r)));
	back = wire_page_slot_udp(ntohs(port_of(r)), ntohs(port_of(s)));
	CHECK(there != back);
	claim(s, "0.0.0.0", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(page->offers[there] == 1 && !page->offers[back]);
	claim(r, "0.0.0.0", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	get_both();
	CHECK(!page->offers[there]);
	raw_page_close(page);
	close(s);
	close(r);
	end();
}

/* The kernel tells who sends of no socket that has been closed. */
TEST(who_sends_sees_that_the_receiver_has_withdrawn)
{
	struct raw_grant g;
	struct link_end sender;
	struct ring_own tx = { 0 }, rx = { 0 };
	struct wire_offer o;
	struct map map;
	int s, r;

	begin(NULL);
	s = open_udp("0.0.0.0", 0, false);
	r = open_udp("127.0.0.1", 0, false);
	claim(s, "0.0.0.0", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	claim(r, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	g = *raw_get_grant(&a, 1);
	CHECK(g.seg >= 0);
	CHECK(!link_seg_attach(&map, g.seg, g.g.n_links, g.g.ring));
	g.seg = -1;
	CHECK(!link_end_init(&sender, &map, g.g.index, g.g.side, g.g.ring, &tx,
			     &rx));
	CHECK(!link_peer_flags(&sender));
	raw_withdraw(&b, 2, 0);
	CHECK(raw_ext_is_quiet(&a));
	raw_withdraw(&b, 2, g.g.link);
	CHECK(raw_status_is(&d, "links_now", 1));
	CHECK(link_peer_flags(&sender) == (WIRE_LINK_FIN | WIRE_LINK_CLOSED));
	CHECK(!link_flags(&sender));
	raw_done(&a, g.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	raw_drop_grant(&g);
	map_close(&map);
	close(s);
	close(r);
	end();
}

TEST(who_receives_may_be_first_and_is_not_shown)
{
	const struct wire_page *page;
	struct wire_offer o;
	int s, r;
	uint16_t there;

	begin(NULL);
	page = raw_page(&a);
	s = open_udp("127.0.0.2", 0, false);
	r = open_udp("127.0.0.3", 0, false);
	there = wire_page_slot_udp(ntohs(port_of(s)), ntohs(port_of(r)));
	claim(r, "127.0.0.3", "127.0.0.2", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	CHECK(raw_ext_is_quiet(&b));
	CHECK(!page->offers[there]);
	claim(s, "127.0.0.2", "127.0.0.3", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	get_both();
	raw_page_close(page);
	close(s);
	close(r);
	end();
}

TEST(who_do_not_see_each_other_do_not_meet)
{
	struct wire_offer o;
	int s, r;

	begin("[sapid]\noffer-timeout-ms = 300\n");
	s = open_udp("0.0.0.0", 0, false);
	r = open_udp("127.0.0.1", 0, false);
	/* two that send, to each other */
	claim(s, "0.0.0.0", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	claim(r, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_SENDER, 2, &o);
	raw_send_offer(&b, &o, -1);
	raw_get_refuse(&a, 1, WIRE_REFUSED_EXPIRED);
	raw_get_refuse(&b, 2, WIRE_REFUSED_EXPIRED);
	/* one that sends elsewhere */
	claim(s, "0.0.0.0", "127.0.0.9", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	claim(r, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	raw_get_refuse(&a, 1, WIRE_REFUSED_EXPIRED);
	raw_get_refuse(&b, 2, WIRE_REFUSED_EXPIRED);
	close(s);
	close(r);
	end();
}

TEST(what_the_kernel_does_not_confirm_is_refused)
{
	struct wire_offer good, o;
	int s, r;

	begin(NULL);
	s = open_udp("0.0.0.0", 0, false);
	r = open_udp("127.0.0.1", 0, false);
	claim(s, "0.0.0.0", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &good);
	o = good;
	o.cookie++;
	refused(&a, &o);
	o = good;
	o.cookie = ~0ull; /* the kernel's "any" */
	refused(&a, &o);
	o = good;
	o.udp = 3;
	refused(&a, &o);
	o = good;
	o.is_unix = 1;
	refused(&a, &o);
	o = good;
	o.lcl_port = 0;
	refused(&a, &o);
	o = good;
	memset(o.rmt, 0, sizeof(o.rmt));
	refused(&a, &o);
	o = good;
	o.udp = WIRE_UDP_NONE; /* there is no such connection of TCP */
	refused(&a, &o);
	raw_send_offer(&a, &good, -1);
	claim(r, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	get_both();
	close(s);
	close(r);
	end();
}

TEST(who_would_not_get_the_datagram_is_refused)
{
	struct sockaddr_in other = { .sin_family = AF_INET };
	struct wire_offer o;
	int s, r, nearer;

	begin(NULL);
	s = open_udp("127.0.0.1", 0, false);
	r = open_udp("0.0.0.0", 0, true);
	claim(r, "0.0.0.0", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	nearer = open_udp("127.0.0.1", port_of(r), true);
	refused(&b, &o);
	/* of its own address it is told, by another one */
	claim(nearer, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	CHECK(raw_ext_is_quiet(&b));
	/* who is connected to somebody else gets nothing from here */
	other.sin_port = htons(9);
	CHECK(inet_pton(AF_INET, "127.0.0.1", &other.sin_addr) == 1);
	CHECK(!connect(s, (struct sockaddr *)&other, sizeof(other)));
	claim(s, "127.0.0.1", "127.0.0.1", nearer, WIRE_UDP_SENDER, 1, &o);
	refused(&a, &o);
	close(s);
	close(r);
	close(nearer);
	end();
}

/* One that waits is proved again when its other end comes. */
TEST(what_has_changed_meanwhile_does_not_meet)
{
	struct sockaddr_in other = { .sin_family = AF_INET };
	struct wire_offer o;
	int s, r;

	begin("[sapid]\noffer-timeout-ms = 300\n");
	s = open_udp("127.0.0.1", 0, false);
	r = open_udp("127.0.0.1", 0, false);
	claim(s, "127.0.0.1", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	CHECK(raw_ext_is_quiet(&a));
	other.sin_port = htons(9);
	CHECK(inet_pton(AF_INET, "127.0.0.1", &other.sin_addr) == 1);
	CHECK(!connect(s, (struct sockaddr *)&other, sizeof(other)));
	claim(r, "127.0.0.1", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	raw_get_refuse(&a, 1, WIRE_REFUSED_EXPIRED);
	raw_get_refuse(&b, 2, WIRE_REFUSED_EXPIRED);
	close(s);
	close(r);
	end();
}

TEST(a_dual_stack_server_of_ipv6_gets_what_ipv4_sends)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct wire_offer o;
	int s, r;

	begin(NULL);
	s = open_udp("0.0.0.0", 0, false);
	r = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (r < 0 || bind(r, (struct sockaddr *)&any, sizeof(any)))
		SKIP("no IPv6 here");
	claim(s, "0.0.0.0", "127.0.0.1", r, WIRE_UDP_SENDER, 1, &o);
	raw_send_offer(&a, &o, -1);
	claim(r, "0.0.0.0", "127.0.0.1", s, WIRE_UDP_RECEIVER, 2, &o);
	raw_send_offer(&b, &o, -1);
	get_both();
	close(s);
	close(r);
	end();
}
