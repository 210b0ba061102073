/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sapid_offer_evil.c - what a client can say wrong about links
 *
 * Whatever it is: the daemon goes on, two others are served as before, and in
 * the end no descriptor has stayed.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

static const uint8_t bad_bytes[] = { 0, 1, 2, 0x7f, 0x80, 0xfe, 0xff };

static struct raw_daemon d;
static struct raw a, b, evil;
static struct raw_tcp good;
static int before;

static void attach(struct raw *r)
{
	CHECK(!raw_attach(r, &d, &raw_default));
	if (!(r->hello.features & WIRE_EXT_LINKS))
		SKIP("no socket diagnostics here");
}

static void healthy(void)
{
	uint64_t link = raw_link(&a, &b, &good, 1);

	raw_done(&a, link, false);
	raw_done(&b, link, false);
}

static void begin(void)
{
	raw_start_patient(&d, NULL);
	attach(&a);
	attach(&b);
	raw_tcp(&good, RAW_V4);
	healthy();
	CHECK(raw_ext_is_quiet(&b));
	before = raw_count_fds(&d);
}

static void end(void)
{
	healthy();
	CHECK(raw_status_is(&d, "apps", 2));
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_fds_are(&d, before));
	raw_tcp_close(&good);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

/* Read all that comes to @evil; who hangs up is attached again. */
static unsigned n_grants;

static void swallow(void)
{
	struct wire_sapi_ext msg;
	struct fdbox box;
	uint8_t type;

	for (;;) {
		struct wire_sapi cert = { .type = WIRE_SAPI_CERT };

		if (send(evil.sock, &cert, sizeof(cert), MSG_NOSIGNAL) < 0)
			break;
		while ((type = raw_recv_ext(&evil, &msg, &box, RAW_WAIT_MS))) {
			n_grants += type == WIRE_SAPI_GRANT;
			fdbox_close(&box);
			if (type == WIRE_SAPI_CERT_REPLY)
				return;
		}
		break;
	}
	raw_close(&evil);
	attach(&evil);
}

/* Every byte of a message behind its type, with each bad value. */
static void break_bytes(struct wire_sapi_ext *msg, size_t len,
			const struct fdbox *box)
{
	uint8_t *byte = (uint8_t *)msg, was;
	size_t i, k;

	for (i = 1; i <= len; i++) {
		for (k = 0; k < ARRAY_SIZE(bad_bytes); k++) {
			was = byte[i];
			byte[i] = bad_bytes[k];
			if (byte[i] != was)
				raw_send_ext(&evil, msg, box);
			byte[i] = was;
			swallow();
		}
		if (i % 8 == 0)
			healthy();
	}
}

TEST(every_byte_of_an_offer)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER };
	struct raw_tcp t;
	struct fdbox box;

	begin();
	attach(&evil);
	raw_tcp(&t, RAW_V4);
	raw_send_bell(&evil);
	raw_claim(t.fd[0], 1, &msg.offer);
	break_bytes(&msg, sizeof(msg.offer), NULL);
	/* ... with a bell along */
	fdbox_init(&box);
	CHECK(!fdbox_put(&box, raw_bell()));
	msg.offer.has_bell = 1;
	break_bytes(&msg, sizeof(msg.offer), &box);
	/* What is left of these waits: only of one socket and end, with the
	 * truth in all that counts. Nobody had the other end to offer. */
	CHECK(!n_grants);
	raw_done(&a, raw_link(&evil, &a, &t, 1), true);
	fdbox_close(&box);
	raw_tcp_close(&t);
	raw_close(&evil);
	end();
}

/* The other end waits for the truth: nothing else may get the link. */
TEST(every_bit_of_a_claim)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER }, broken;
	size_t off = offsetof(struct wire_offer, cookie);
	size_t end_off = offsetof(struct wire_offer, ring), bit;
	struct raw_grant *grant;
	struct raw_tcp t;

	begin();
	attach(&evil);
	raw_tcp(&t, RAW_V6);
	raw_send_bell(&evil);
	raw_claim(t.fd[0], 7, &msg.offer);
	raw_offer(&a, t.fd[1], 8);
	for (bit = off * 8; bit < end_off * 8; bit++) {
		broken = msg;
		((uint8_t *)&broken.offer)[bit / 8] ^=
			(uint8_t)(1u << (bit % 8));
		raw_send_ext(&evil, &broken, NULL);
		raw_get_refuse(&evil, 7, WIRE_REFUSED_PROOF);
	}
	raw_send_ext(&evil, &msg, NULL);
	raw_drop_grant(raw_get_grant(&evil, 7));
	grant = raw_get_grant(&a, 8);
	raw_done(&a, grant->g.link, true);
	raw_drop_grant(grant);
	raw_tcp_close(&t);
	raw_close(&evil);
	end();
}

TEST(every_byte_of_the_other_messages)
{
	static const uint8_t types[] = { WIRE_SAPI_LISTEN,
					 WIRE_SAPI_DONE,
					 WIRE_SAPI_DIAG,
					 WIRE_SAPI_WITHDRAW,
					 WIRE_SAPI_GRANT,
					 WIRE_SAPI_REFUSE,
					 WIRE_SAPI_PEER_GONE,
					 0x80,
					 0x86,
					 0xff };
	struct wire_sapi_ext msg;
	struct fdbox box;
	size_t i;

	begin();
	attach(&evil);
	fdbox_init(&box);
	CHECK(!fdbox_put(&box, raw_bell()));
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		memset(&msg, 0, sizeof(msg));
		msg.type = types[i];
		break_bytes(&msg, 48, i % 2 ? &box : NULL);
	}
	CHECK(!n_grants);
	fdbox_close(&box);
	raw_close(&evil);
	end();
}

/* --- descriptors --- */

static void is_no_bell(int fd)
{
	struct wire_offer o;

	raw_claim(good.fd[0], 5, &o);
	o.bell = 9;
	o.has_bell = 1;
	raw_send_offer(&evil, &o, fd);
	raw_get_refuse(&evil, 5, WIRE_REFUSED_PROOF);
	o.has_bell = 0; /* and it was not taken */
	raw_send_offer(&evil, &o, -1);
	raw_get_refuse(&evil, 5, WIRE_REFUSED_PROOF);
	close(fd);
}

TEST(what_is_not_an_eventfd_is_no_bell)
{
	int fds[2];

	begin();
	attach(&evil);
	is_no_bell(eventfd(0, EFD_CLOEXEC)); /* a writer might wait */
	is_no_bell(open("/dev/null", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	is_no_bell(memfd_create("bell", MFD_CLOEXEC));
	is_no_bell(epoll_create1(EPOLL_CLOEXEC));
	is_no_bell(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	is_no_bell(open("/", O_PATH | O_CLOEXEC));
	CHECK(!pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	is_no_bell(fds[0]);
	is_no_bell(fds[1]);
	is_no_bell(dup(evil.sock));
	raw_close(&evil);
	end();
}

TEST(descriptors_in_excess_do_not_stay)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER };
	struct fdbox box;
	int i, n, type;

	begin();
	attach(&evil);
	for (n = 0; n < FDBOX_MAX; n++)
		for (type = WIRE_SAPI_LISTEN; type <= WIRE_SAPI_WITHDRAW;
		     type++) {
			fdbox_init(&box);
			for (i = 0; i < n; i++)
				CHECK(!fdbox_put(&box, raw_bell()));
			msg.type = (uint8_t)type;
			msg.offer.has_bell = n > 1;
			raw_send_ext(&evil, &msg, &box);
			fdbox_close(&box);
			swallow();
		}
	CHECK(raw_fds_are(&d, before + 3)); /* what an application has */
	raw_close(&evil);
	end();
}

TEST(who_said_nothing_of_libsapi_is_not_heard)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER };
	struct raw_options o = raw_default;
	struct fdbox box;
	int fd;

	begin();
	o.ext = false;
	CHECK(!raw_attach(&evil, &d, &o));
	CHECK(evil.page_fd < 0);
	raw_claim(good.fd[0], 5, &msg.offer);
	msg.offer.has_bell = 1;
	fdbox_init(&box);
	CHECK(!fdbox_put(&box, raw_bell()));
	raw_send_ext(&evil, &msg, &box);
	fd = raw_dial(&d); /* nor who has not attached */
	CHECK(fdbox_send(fd, &msg, sizeof(msg), &box, 0) > 0);
	fdbox_close(&box);
	raw_listen_port(&evil, 99, true);
	CHECK(raw_ext_is_quiet(&evil));
	CHECK(raw_status(&d, "offers") == 2); /* healthy()'s */
	close(fd);
	raw_close(&evil);
	end();
}

/* --- memory --- */

TEST(what_it_writes_spoils_its_own_links_only)
{
	struct raw_grant g, ga;
	struct wire_page *at;
	struct raw_tcp t;
	size_t size;
	char *text;

	begin();
	attach(&evil);
	raw_tcp(&t, RAW_V4);
	raw_offer(&evil, t.fd[0], 1);
	raw_offer(&a, t.fd[1], 2);
	g = *raw_get_grant(&evil, 1);
	ga = *raw_get_grant(&a, 2);
	size = WIRE_LINK_SEG_SIZE(g.g.n_links, g.g.ring);
	CHECK(ftruncate(g.seg, 0) < 0 && ftruncate(g.seg, 1l << 40) < 0);
	CHECK(fcntl(g.seg, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, g.seg, 0);
	CHECK(at != MAP_FAILED);
	memset(at, 0xff, size);
	memset(raw_mail(&evil), 0xff, sizeof(struct wire_mail));
	text = raw_status_text(&d);
	CHECK(strstr(text, "\"local\":\"127.0.0.1"));
	free(text);
	raw_done(&evil, g.g.link, false);
	raw_done(&a, ga.g.link, false);
	CHECK(raw_status_is(&d, "links_now", 0));
	raw_offer(&evil, t.fd[0], 3);
	raw_offer(&a, t.fd[1], 4);
	raw_drop_grant(&ga);
	raw_drop_grant(&g);
	ga = *raw_get_grant(&a, 4);
	g = *raw_get_grant(&evil, 3);
	CHECK(g.g.index == 0 && !g.g.has_seg);
	memset(at, 0xee, size); /* after it was given to the next, too */
	healthy();
	munmap(at, size);
	raw_tcp_close(&t);
	raw_close(&evil);
	raw_done(&a, ga.g.link, true);
	CHECK(raw_status_is(&d, "links_now", 0));
	end();
}
