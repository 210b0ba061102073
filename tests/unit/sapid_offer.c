/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_offer.c - connections that are offered: proofs, matches, refusals */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

/*
 * DOC: Each reason for which an offer is matched, refused or forgotten has its
 * test, and all need the same two clients and the same pairs of sockets: so the
 * list is in one place, and long.  What a hostile client tries is in
 * sapid_offer_evil.c.
 */

#define NOBODY 65534
#define OFFERS_MAX 1024

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

/* How many wait where this one would. */
static unsigned waiting(const struct wire_page *page,
			const struct wire_offer *o)
{
	return page->offers[wire_page_slot(ntohs(o->lcl_port),
					   ntohs(o->rmt_port))];
}

TEST(both_ends_offer_in_any_order_and_get_a_link)
{
	enum raw_family family;
	struct raw_tcp t;
	int i;

	begin(NULL);
	for (family = RAW_V4; family <= RAW_DUAL; family++)
		for (i = 0; i < 2; i++) {
			raw_tcp(&t, family);
			if (i)
				raw_link(&a, &b, &t, 10 * family);
			else
				raw_link(&b, &a, &t, 10 * family);
			raw_tcp_close(&t);
		}
	/* counted once they are sent: not seen before the next answer */
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	CHECK(raw_mail(&a)->sent == 8 && raw_mail(&b)->sent == 8);
	CHECK(raw_status_is(&d, "links_total", 8));
	end();
}

TEST(nobody_else_offers_and_it_expires)
{
	const struct wire_page *page;
	struct wire_offer o;
	struct raw_tcp t;

	begin("[sapid]\noffer-timeout-ms = 2000\n"); /* the default */
	page = raw_page(&a);
	CHECK(page->magic == WIRE_PAGE_MAGIC && page->size == sizeof(*page));
	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 7, &o);
	raw_offer(&a, t.fd[0], 7);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(waiting(page, &o) == 1);
	raw_get_refuse(&a, 7, WIRE_REFUSED_EXPIRED);
	CHECK(waiting(page, &o) == 0);
	/* late as they are, both get it if both try again */
	raw_link(&b, &a, &(struct raw_tcp){ .fd = { t.fd[1], t.fd[0] } }, 8);
	CHECK(waiting(page, &o) == 0);
	CHECK(raw_status(&d, "expired") == 1);
	raw_tcp_close(&t);
	raw_page_close(page);
	end();
}

/* Say that the connection of that offer stays with the kernel. */
static void keep(unsigned i, const struct wire_offer *o, unsigned why)
{
	struct wire_kept *k =
		map_at(&a.seg.map, a.hello.kept_off, WIRE_KEPT_N * sizeof(*k));

	CHECK(a.hello.features & WIRE_EXT_KEPT && k);
	k += i;
	memcpy(k->lcl, o->lcl, sizeof(k->lcl));
	memcpy(k->rmt, o->rmt, sizeof(k->rmt));
	k->lcl_port = o->lcl_port;
	k->rmt_port = o->rmt_port;
	k->is_ip4 = o->is_ip4;
	k->why = (uint8_t)why;
	k->refusal = WIRE_REFUSED_LIMIT;
	k->cookie = o->cookie;
}

/* How often that stands in the status document. */
static unsigned shown(const char *what)
{
	char *text = raw_status_text(&d), *at = text;
	unsigned n = 0;

	while ((at = strstr(at, what))) {
		at += strlen(what);
		n++;
	}
	free(text);
	return n;
}

TEST(what_stays_is_shown_if_the_kernel_knows_it)
{
	struct wire_offer o, lie;
	struct raw_tcp t;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 1, &o);
	CHECK(shown("\"reason\"") == 0);
	keep(0, &o, WIRE_WHY_NO_LISTEN);
	CHECK(shown("\"reason\":\"no-listener\"") == 1);
	keep(WIRE_KEPT_N - 1, &o, WIRE_WHY_REFUSED);
	CHECK(shown("\"reason\":\"limit\"") == 1);
	keep(0, &o, 255);
	CHECK(shown("\"reason\":\"?\"") == 1);
	lie = o;
	lie.cookie++;
	keep(0, &lie, WIRE_WHY_PEER);
	lie = o;
	lie.is_ip4 = 255;
	keep(1, &lie, WIRE_WHY_PEER);
	lie = o;
	lie.rmt_port++;
	keep(2, &lie, WIRE_WHY_PEER);
	CHECK(shown("\"reason\"") == 1);
	raw_tcp_close(&t);
	CHECK(shown("\"reason\"") == 0);
	end();
}

static void is_refused(const struct wire_offer *o)
{
	raw_send_offer(&a, o, -1);
	raw_get_refuse(&a, o->context, WIRE_REFUSED_PROOF);
}

TEST(what_the_kernel_does_not_confirm_is_refused)
{
	struct wire_offer o, broken;
	struct raw_tcp t, other;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_tcp(&other, RAW_V4);
	raw_send_bell(&a);
	raw_offer(&b, t.fd[1], 100); /* waits, for the truth */
	raw_claim(t.fd[0], 2, &o);
	broken = o;
	broken.cookie++;
	is_refused(&broken);
	broken.cookie = UINT64_MAX; /* "any", where the kernel is asked */
	is_refused(&broken);
	raw_claim(other.fd[0], 3, &broken);
	broken.cookie = o.cookie;
	is_refused(&broken);
	broken = o;
	broken.lcl_port ^= htons(1);
	is_refused(&broken);
	broken = o;
	broken.rmt[15] = 2;
	is_refused(&broken);
	raw_send_offer(&a, &o, -1);
	raw_drop_grant(raw_get_grant(&a, 2));
	raw_drop_grant(raw_get_grant(&b, 100));
	raw_tcp_close(&other);
	raw_tcp_close(&t);
	end();
}

TEST(what_is_not_established_is_refused)
{
	struct wire_offer o, listener;
	struct raw_tcp t;
	socklen_t len = 8;
	uint64_t cookie;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_send_bell(&a);
	raw_claim(t.fd[1], 1, &listener);
	CHECK(!getsockopt(t.listener, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	listener.cookie = cookie;
	memset(listener.rmt, 0, sizeof(listener.rmt));
	listener.rmt_port = 0;
	is_refused(&listener);
	raw_claim(t.fd[0], 2, &o);
	CHECK(!shutdown(t.fd[1], SHUT_WR)); /* CLOSE-WAIT and FIN-WAIT-2 */
	is_refused(&o);
	raw_claim(t.fd[1], 3, &o);
	is_refused(&o);
	raw_tcp_close(&t);
	is_refused(&o);
	end();
}

/* The one that waits was true, and is not any more. */
TEST(addresses_that_were_used_again_are_no_match)
{
	struct wire_offer o;
	struct raw_tcp t;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_offer(&a, t.fd[0], 1);
	CHECK(raw_ext_is_quiet(&a));
	raw_tcp_again(&t);
	raw_offer(&b, t.fd[1], 2);
	raw_get_refuse(&a, 1, WIRE_REFUSED_PROOF);
	CHECK(raw_ext_is_quiet(&b)); /* waits */
	raw_claim(t.fd[0], 3, &o);
	raw_offer(&a, t.fd[0], 3);
	raw_drop_grant(raw_get_grant(&a, 3));
	raw_drop_grant(raw_get_grant(&b, 2));
	/* ... nor is it a second offer of the same end */
	raw_tcp_again(&t);
	raw_offer(&a, t.fd[0], 4);
	CHECK(raw_ext_is_quiet(&a));
	raw_tcp_again(&t);
	raw_offer(&a, t.fd[0], 5);
	raw_get_refuse(&a, 4, WIRE_REFUSED_EXPIRED);
	raw_offer(&b, t.fd[1], 6);
	raw_drop_grant(raw_get_grant(&a, 5));
	raw_drop_grant(raw_get_grant(&b, 6));
	raw_tcp_close(&t);
	end();
}

TEST(the_newer_offer_replaces_the_older)
{
	const struct wire_page *page;
	struct wire_offer o;
	struct raw_tcp t, other;

	begin(NULL);
	page = raw_page(&a);
	raw_tcp(&t, RAW_V4);
	raw_tcp(&other, RAW_V4);
	raw_claim(t.fd[0], 1, &o);
	raw_offer(&a, t.fd[0], 1);
	raw_offer(&a, t.fd[0], 1); /* just the same: has one answer */
	CHECK(raw_ext_is_quiet(&a) && waiting(page, &o) == 1);
	raw_offer(&a, t.fd[0], 2); /* of the same socket */
	raw_get_refuse(&a, 1, WIRE_REFUSED_EXPIRED);
	CHECK(raw_ext_is_quiet(&a) && waiting(page, &o) == 1);
	raw_offer(&a, other.fd[0], 2); /* under the same name */
	CHECK(raw_ext_is_quiet(&a) && waiting(page, &o) == 0);
	raw_offer(&b, t.fd[0], 1); /* in another process: after a fork */
	CHECK(raw_ext_is_quiet(&b));
	raw_offer(&a, t.fd[0], 3);
	raw_get_refuse(&b, 1, WIRE_REFUSED_EXPIRED);
	raw_offer(&b, t.fd[1], 9);
	raw_drop_grant(raw_get_grant(&a, 3));
	raw_drop_grant(raw_get_grant(&b, 9));
	raw_tcp_close(&t);
	raw_tcp_close(&other);
	raw_page_close(page);
	end();
}

TEST(a_program_may_be_both_ends)
{
	struct raw_grant first, second;
	struct raw_tcp t;
	int before;

	begin(NULL);
	raw_send_bell(&a);
	before = raw_count_fds(&d);
	raw_tcp(&t, RAW_V6);
	raw_offer(&a, t.fd[0], 1);
	raw_offer(&a, t.fd[1], 2);
	first = *raw_get_grant(&a, 1);
	second = *raw_get_grant(&a, 2);
	CHECK(first.g.link == second.g.link && first.g.seg == second.g.seg);
	CHECK(first.g.side != second.g.side && first.g.peer == second.g.peer);
	CHECK(first.g.has_seg && !second.g.has_seg);
	CHECK(first.g.has_bell && !second.g.has_bell);
	raw_drop_grant(&first);
	raw_done(&a, first.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 1));
	raw_done(&a, first.g.link, true);
	CHECK(raw_status_is(&d, "links_now", 0));
	raw_done(&a, first.g.link, true); /* nothing is left to be done */
	CHECK(raw_status_is(&d, "rejects", 1));
	CHECK(raw_fds_are(&d, before + 1)); /* one segment is kept */
	raw_tcp_close(&t);
	end();
}

TEST(an_offer_that_is_withdrawn_waits_no_more)
{
	const struct wire_page *page;
	struct wire_offer o;
	struct raw_tcp t;

	begin(NULL);
	CHECK(a.hello.features & WIRE_EXT_WITHDRAW);
	page = raw_page(&a);
	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 7, &o);
	raw_withdraw(&a, 7, 0); /* it may mean an earlier daemon */
	raw_offer(&a, t.fd[0], 7);
	raw_withdraw(&a, 8, 0);
	raw_withdraw(&b, 7, 0); /* another's */
	CHECK(raw_ext_is_quiet(&a) && waiting(page, &o) == 1);
	raw_withdraw(&a, 7, 0);
	raw_withdraw(&a, 7, 0); /* to say it twice is no fault */
	CHECK(raw_ext_is_quiet(&a) && waiting(page, &o) == 0);
	raw_offer(&b, t.fd[1], 9); /* meets nobody */
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	raw_offer(&a, t.fd[0], 7);
	raw_drop_grant(raw_get_grant(&a, 7));
	raw_drop_grant(raw_get_grant(&b, 9));
	CHECK(raw_status_is(&d, "rejects", 0));
	raw_page_close(page);
	raw_tcp_close(&t);
	end();
}

/* The one end's socket is closed before it reads of its link, and perhaps it
 * never does. */
TEST(a_grant_that_is_not_read_is_withdrawn)
{
	uint64_t link[3];
	struct raw_grant g;
	struct raw_tcp t;
	int i;

	begin(NULL);
	raw_send_bell(&a);
	raw_tcp(&t, RAW_V4);
	for (i = 0; i < 3; i++) {
		raw_offer(&a, t.fd[0], 1);
		raw_offer(&b, t.fd[1], 2);
		g = *raw_get_grant(&b, 2);
		raw_drop_grant(&g);
		link[i] = g.g.link;
		raw_withdraw(&a, 1, 0);
		CHECK(raw_status_is(&d, "links_now", 1));
		raw_done(&b, g.g.link, false);
		CHECK(raw_status_is(&d, "links_now", 0));
	}
	/* read late, it is given back once more, and no other one with it */
	raw_drop_grant(raw_get_grant(&a, 1));
	raw_drop_grant(raw_get_grant(&a, 1));
	g = *raw_get_grant(&a, 1);
	raw_drop_grant(&g);
	raw_link(&a, &b, &t, 1);
	raw_withdraw(&a, 1, link[0]);
	raw_withdraw(&a, 1, link[2]);
	raw_withdraw(&b, 2, link[2]);
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	CHECK(raw_status_is(&d, "links_now", 1));
	CHECK(raw_status_is(&d, "rejects", 0));
	raw_tcp_close(&t);
	end();
}

/* Both halves are the same worker's: the late word is for its own only. */
TEST(a_withdrawn_half_does_not_take_the_other_with_it)
{
	struct raw_grant first, second;
	struct raw_tcp t;

	begin(NULL);
	raw_tcp(&t, RAW_V4);
	raw_offer(&a, t.fd[0], 1);
	raw_offer(&a, t.fd[1], 2);
	raw_withdraw(&a, 1, 0);
	first = *raw_get_grant(&a, 1);
	raw_drop_grant(&first);
	second = *raw_get_grant(&a, 2);
	raw_drop_grant(&second);
	raw_withdraw(&a, 1, first.g.link);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(raw_status_is(&d, "links_now", 1));
	raw_done(&a, second.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_status_is(&d, "rejects", 0));
	raw_tcp_close(&t);
	end();
}

TEST(offers_are_limited)
{
	static struct raw_tcp t[OFFERS_MAX + 1];
	struct rlimit rl = { 4096, 4096 };
	const struct wire_page *page;
	struct wire_offer o;
	int i;

	if (setrlimit(RLIMIT_NOFILE, &rl))
		SKIP("too few descriptors");
	begin(NULL);
	page = raw_page(&a);
	for (i = 0; i <= OFFERS_MAX; i++)
		raw_tcp(&t[i], RAW_V4);
	for (i = 0; i <= OFFERS_MAX; i++)
		raw_offer(&a, t[i].fd[0], 1000 + (uint64_t)i);
	raw_get_refuse(&a, 1000 + OFFERS_MAX, WIRE_REFUSED_LIMIT);
	/* of one: others wait, and match */
	raw_link(&b, &b, &t[OFFERS_MAX], 5);
	raw_offer(&b, t[3].fd[1], 7);
	raw_drop_grant(raw_get_grant(&a, 1003));
	raw_drop_grant(raw_get_grant(&b, 7));
	raw_offer(&a, t[OFFERS_MAX].fd[0], 2); /* there is room for one again */
	CHECK(raw_ext_is_quiet(&a));
	raw_close(&a);
	CHECK(raw_status_is(&d, "apps", 1));
	for (i = 0; i <= OFFERS_MAX; i++) {
		raw_claim(t[i].fd[0], 0, &o);
		CHECK(waiting(page, &o) == 0);
		raw_tcp_close(&t[i]);
	}
	raw_page_close(page);
	raw_close(&b);
	raw_stop(&d);
}

static void both_are_refused(struct raw *x, struct raw *y,
			     enum wire_refusal why)
{
	struct raw_tcp t;

	raw_tcp(&t, RAW_V4);
	raw_offer(x, t.fd[0], 1);
	raw_offer(y, t.fd[1], 2);
	raw_get_refuse(x, 1, why);
	raw_get_refuse(y, 2, why);
	raw_tcp_close(&t);
}

static void both_get_links(unsigned n)
{
	struct raw_tcp t;

	for (; n; n--) {
		raw_tcp(&t, RAW_V4);
		raw_link(&a, &b, &t, 10);
		raw_tcp_close(&t);
	}
}

TEST(links_are_limited)
{
	struct raw c;

	begin("[sapid]\nmax-links = 3\n");
	both_get_links(3);
	both_are_refused(&a, &b, WIRE_REFUSED_LIMIT);
	attach(&c); /* has none, but the other end has */
	both_are_refused(&c, &b, WIRE_REFUSED_LIMIT);
	raw_close(&c);
	end();
	begin("[sapid]\nmax-link-bytes = 300000\n"); /* 135168 each */
	both_get_links(2);
	both_are_refused(&a, &b, WIRE_REFUSED_LIMIT);
	end();
	begin("[sapid]\nmax-segments = 1\n");
	both_get_links(2);
	attach(&c);
	both_are_refused(&c, &b, WIRE_REFUSED_LIMIT);
	both_get_links(1);
	raw_close(&c);
	end();
}

static uint32_t ring_for(uint32_t mine, uint32_t other, uint32_t *n_links)
{
	struct wire_offer o;
	struct raw_grant g;
	struct raw_tcp t;

	raw_tcp(&t, RAW_V4);
	raw_claim(t.fd[0], 1, &o);
	o.ring = mine;
	raw_send_offer(&a, &o, -1);
	raw_claim(t.fd[1], 2, &o);
	o.ring = other;
	raw_send_offer(&b, &o, -1);
	g = *raw_get_grant(&a, 1);
	*n_links = g.g.n_links;
	raw_drop_grant(&g);
	raw_drop_grant(raw_get_grant(&b, 2));
	raw_tcp_close(&t);
	return g.g.ring;
}

TEST(rings_are_as_large_as_wished_within_limits)
{
	uint32_t n;

	begin(NULL);
	raw_send_bell(&a);
	raw_send_bell(&b);
	CHECK(ring_for(0, 0, &n) == WIRE_LINK_RING_MIN && n == 64);
	CHECK(ring_for(1, 100000, &n) == 131072 && n == 64);
	CHECK(ring_for(100000, 4096, &n) == 131072);
	CHECK(ring_for(1 << 20, 1 << 20, &n) == 1 << 20 && n == 64);
	CHECK(ring_for(16 << 20, 1, &n) == 16 << 20 && n == 7);
	CHECK(ring_for(UINT32_MAX, 1, &n) == 16 << 20 && n == 7);
	end();
	begin("[sapid]\nmax-fifo-size = 100000\n");
	raw_send_bell(&a);
	raw_send_bell(&b);
	CHECK(ring_for(UINT32_MAX, 1, &n) == 65536);
	end();
	begin("[sapid]\nmax-fifo-size = 1073741824\n");
	raw_send_bell(&a);
	raw_send_bell(&b);
	CHECK(ring_for(UINT32_MAX, 1, &n) == WIRE_LINK_RING_MAX && n == 1);
	end();
	begin("[sapid]\nmax-fifo-size = 1\n");
	raw_send_bell(&a);
	raw_send_bell(&b);
	CHECK(ring_for(UINT32_MAX, 1, &n) == WIRE_LINK_RING_MIN);
	end();
}

TEST(only_the_daemon_writes_the_page)
{
	const size_t size = sizeof(struct wire_page);
	char path[64], byte = 1;
	void *at;
	int fd;

	begin(NULL);
	fd = a.page_fd;
	CHECK(write(fd, &byte, 1) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, 0) < 0 && ftruncate(fd, 1 << 20) < 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			4096) < 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(at == MAP_FAILED && errno == EPERM);
	at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(at != MAP_FAILED);
	CHECK(mprotect(at, size, PROT_READ | PROT_WRITE) < 0);
	CHECK(madvise(at, size, MADV_REMOVE) < 0);
	munmap(at, size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		CHECK(write(fd, &byte, 1) < 0);
		at = mmap(NULL, size, PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(at == MAP_FAILED);
		close(fd);
	}
	raw_listen_port(&a, 1234, true); /* and it still does */
	CHECK(raw_ext_is_quiet(&a));
	at = (void *)raw_page(&b);
	CHECK(((struct wire_page *)at)->listeners[1234 / 64] ==
	      1ull << (1234 % 64));
	raw_page_close(at);
	end();
}

static bool is_listening(const struct wire_page *page, uint16_t port)
{
	return page->listeners[port / 64] >> (port % 64) & 1;
}

TEST(listeners_are_counted)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_LISTEN };
	const struct wire_page *page;
	unsigned i;

	begin("[sapid]\nmax-listeners = 4\n");
	page = raw_page(&a);
	raw_listen_port(&a, 80, true);
	raw_listen_port(&a, 80, true);
	raw_listen_port(&b, 80, true);
	raw_listen_port(&a, 65535, true);
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	CHECK(is_listening(page, 80) && is_listening(page, 65535));
	raw_listen_port(&a, 80, false);
	raw_listen_port(&b, 80, false);
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
	CHECK(is_listening(page, 80));
	raw_listen_port(&a, 80, false);
	CHECK(raw_ext_is_quiet(&a) && !is_listening(page, 80));
	/* more often than it said so, and nonsense */
	CHECK(raw_status_is(&d, "rejects", 0));
	raw_listen_port(&a, 80, false);
	raw_listen_port(&b, 65535, false);
	raw_listen_port(&a, 0, true);
	msg.listen.port = htons(81);
	msg.listen.on = 2;
	raw_send_ext(&a, &msg, NULL);
	CHECK(raw_ext_is_quiet(&a) && is_listening(page, 65535));
	CHECK(raw_status_is(&d, "rejects", 4));
	for (i = 1; i <= 4; i++)
		raw_listen_port(&a, (uint16_t)i, true);
	CHECK(raw_ext_is_quiet(&a) && is_listening(page, 3));
	CHECK(!is_listening(page, 4) && !is_listening(page, 0));
	raw_listen_port(&b, 3, true);
	CHECK(raw_ext_is_quiet(&b));
	raw_close(&a); /* what it left on goes, what others have stays */
	CHECK(raw_status_is(&d, "apps", 1));
	CHECK(is_listening(page, 3) && !is_listening(page, 2));
	CHECK(!is_listening(page, 65535));
	raw_page_close(page);
	raw_close(&b);
	raw_stop(&d);
}

/* What @run finds in a child that is somebody else. */
static void as_nobody(void (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(!setuid(NOBODY));
		run();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static struct raw_tcp roots;

static void claims_roots(void)
{
	struct wire_offer o;
	struct raw_tcp t;
	struct raw n;

	attach(&n);
	raw_send_bell(&n);
	raw_claim(roots.fd[0], 1, &o);
	raw_send_offer(&n, &o, -1);
	raw_get_refuse(&n, 1, WIRE_REFUSED_PROOF);
	raw_tcp(&t, RAW_V4); /* its own it may */
	raw_link(&n, &n, &t, 2);
}

TEST(another_users_socket_is_no_proof)
{
	if (geteuid())
		SKIP("needs root");
	begin("[namespace default]\nmode = 0666\nusers = any\n");
	CHECK(!chmod(d.dir, 0755));
	raw_tcp(&roots, RAW_V4);
	as_nobody(claims_roots);
	raw_link(&a, &b, &roots, 1);
	raw_tcp_close(&roots);
	end();
}

/* A connection from nobody's program to root's, who both may attach. */
static int common[2];
static bool admitted;

static void offers_its_end(void)
{
	struct raw n;
	char byte;
	int fd;

	attach(&n);
	raw_send_bell(&n);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(!raw_connect_to(fd, roots.listener));
	raw_offer(&n, fd, 1);
	CHECK(raw_ext_is_quiet(&n));
	CHECK(write(common[1], "x", 1) == 1);
	if (admitted)
		raw_drop_grant(raw_get_grant(&n, 1));
	else
		raw_get_refuse(&n, 1, WIRE_REFUSED_USER);
	CHECK(read(common[1], &byte, 1) == 1);
}

static void between_users(void)
{
	char byte;
	pid_t pid;
	int fd, status;

	raw_tcp(&roots, RAW_V4);
	CHECK(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, common));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(!setuid(NOBODY));
		offers_its_end();
		_exit(0);
	}
	fd = accept4(roots.listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0 && read(common[0], &byte, 1) == 1);
	raw_offer(&a, fd, 2);
	if (admitted)
		raw_drop_grant(raw_get_grant(&a, 2));
	else
		raw_get_refuse(&a, 2, WIRE_REFUSED_USER);
	CHECK(write(common[0], "x", 1) == 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close(fd);
	close(common[0]);
	close(common[1]);
	raw_tcp_close(&roots);
}

TEST(one_users_programs_get_links_and_others_do_not)
{
	if (geteuid())
		SKIP("needs root");
	raw_daemon_uid = NOBODY; /* root may attach to anybody's daemon */
	begin(NULL);
	between_users();
	end();
	raw_daemon_uid = 0;
	admitted = true;
	begin("[namespace default]\nmode = 0666\nusers = any\n");
	CHECK(!chmod(d.dir, 0755));
	between_users();
	end();
}
