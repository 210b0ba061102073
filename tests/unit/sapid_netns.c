/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_netns.c - links in network namespaces that are not the daemon's */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

#define NOBODY 65534

static struct raw_daemon d;
static struct raw a, b;

static int diag_socket(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	CHECK(fd >= 0);
	return fd;
}

static int here; /* the daemon's network */

/* The daemon stays where it was started. */
static void go_elsewhere(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	here = diag_socket();
	if (unshare(CLONE_NEWNET))
		SKIP("needs root and network namespaces");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &lo));
	close(fd);
}

static void attach(struct raw *r)
{
	CHECK(!raw_attach(r, &d, &raw_default));
	if (!(r->hello.features & WIRE_EXT_LINKS))
		SKIP("no socket diagnostics here");
	CHECK(r->hello.features & WIRE_EXT_DIAG);
}

static void begin(void)
{
	struct raw near;

	raw_start_patient(&d, NULL);
	CHECK(!raw_attach(&near, &d, &raw_default));
	CHECK(!(near.hello.features & WIRE_EXT_DIAG));
	raw_close(&near);
	go_elsewhere();
	attach(&a);
	attach(&b);
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&b));
}

static void end(void)
{
	close(here);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

/* Send a DIAG; @fd is closed. */
static void lend(struct raw *r, int fd)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_DIAG };
	struct fdbox box;

	fdbox_init(&box);
	if (fd >= 0)
		CHECK(!fdbox_put(&box, fd));
	raw_send_ext(r, &msg, &box);
	fdbox_close(&box);
}

static void is_refused(struct raw *r, int fd)
{
	raw_offer(r, fd, 9);
	raw_get_refuse(r, 9, WIRE_REFUSED_PROOF);
}

TEST(a_lent_socket_proves_what_is_there)
{
	enum raw_family family;
	struct raw_tcp t;
	int before;

	begin();
	before = raw_count_fds(&d);
	raw_tcp(&t, RAW_V4);
	is_refused(&a, t.fd[0]);
	lend(&a, diag_socket());
	is_refused(&b, t.fd[1]); /* each lends its own, if only to be counted */
	lend(&b, diag_socket());
	lend(&b, diag_socket());
	raw_link(&a, &b, &t, 1);
	/* one socket, two bells, a segment */
	CHECK(raw_ext_is_quiet(&a) && raw_fds_are(&d, before + 4));
	raw_tcp_close(&t);
	for (family = RAW_V6; family <= RAW_DUAL; family++) {
		raw_tcp(&t, family);
		raw_link(&b, &a, &t, 10);
		raw_tcp_close(&t);
	}
	raw_close(&a);
	raw_tcp(&t, RAW_V4);
	CHECK(raw_status_is(&d, "apps", 1));
	raw_close(&b);
	CHECK(raw_status_is(&d, "apps", 0));
	attach(&a); /* the last one took it along */
	attach(&b);
	is_refused(&a, t.fd[0]);
	raw_tcp_close(&t);
	end();
}

/* The same program, which has moved: it was of the daemon's network. */
TEST(a_claim_of_another_network_is_refused)
{
	struct raw_tcp t;
	struct raw near;

	raw_start_patient(&d, NULL);
	CHECK(!raw_attach(&near, &d, &raw_default));
	raw_send_bell(&near);
	go_elsewhere();
	raw_tcp(&t, RAW_V4);
	is_refused(&near, t.fd[0]);
	lend(&near, diag_socket()); /* needs none, and is lent none */
	is_refused(&near, t.fd[0]);
	raw_tcp_close(&t);
	raw_close(&near);
	close(here);
	raw_stop(&d);
}

TEST(what_is_no_such_socket_proves_nothing)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_DIAG };
	struct fdbox box;
	struct raw_tcp t;
	int fds[2], before;

	begin();
	before = raw_count_fds(&d);
	raw_tcp(&t, RAW_V4);
	lend(&a, dup(here));
	lend(&a, -1);
	lend(&a, raw_bell());
	lend(&a, socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	lend(&a, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	lend(&a, fds[0]);
	lend(&a, fds[1]);
	fdbox_init(&box);
	CHECK(!fdbox_put(&box, diag_socket()));
	CHECK(!fdbox_put(&box, diag_socket()));
	raw_send_ext(&a, &msg, &box);
	fdbox_close(&box);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(raw_status(&d, "rejects") == 8);
	CHECK(raw_fds_are(&d, before));
	is_refused(&a, t.fd[0]);
	raw_tcp_close(&t);
	end();
}

/* --- between two networks --- */

static const struct in_addr left = { 0x0100000a }, right = { 0x0200000a };

/* A network of its own, where all of 10/8 is ours. */
static void go_to_new(struct raw *r)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = left };
	int fd;

	go_elsewhere();
	close(here);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(ifr.ifr_name, "lo:1");
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	CHECK(!ioctl(fd, SIOCSIFADDR, &ifr));
	sin.sin_addr.s_addr = htonl(0xff000000);
	memcpy(&ifr.ifr_netmask, &sin, sizeof(sin));
	CHECK(!ioctl(fd, SIOCSIFNETMASK, &ifr));
	close(fd);
	attach(r);
	lend(r, diag_socket());
}

/* One end of a connection from one network to the next; as the kernel knows
 * nothing of the other end, this is what it looks like. */
static int half(struct in_addr lcl, uint16_t port, struct in_addr rmt,
		uint16_t rmt_port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = lcl };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	CHECK(fd >= 0);
	if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)))
		SKIP("no TCP_REPAIR here");
	sin.sin_port = htons(port);
	CHECK(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	sin.sin_addr = rmt;
	sin.sin_port = htons(rmt_port);
	CHECK(!connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	return fd;
}

/* Offer that end: is it granted a link at once? */
static bool meets(struct raw *r, int fd, uint64_t context)
{
	struct wire_sapi cert = { .type = WIRE_SAPI_CERT };
	struct wire_sapi_ext msg;
	struct fdbox box;
	bool granted;

	raw_offer(r, fd, context);
	CHECK(send(r->sock, &cert, sizeof(cert), 0) == sizeof(cert));
	granted = raw_recv_ext(r, &msg, &box, RAW_WAIT_MS) == WIRE_SAPI_GRANT;
	fdbox_close(&box);
	if (granted)
		CHECK(raw_recv_ext(r, &msg, &box, RAW_WAIT_MS));
	CHECK(msg.type == WIRE_SAPI_CERT_REPLY);
	return granted;
}

#define ANY_NETNS "[namespace default]\nany-netns = yes\n"

TEST(two_networks_do_not_meet_unless_somebody_says_so)
{
	int near, far;

	raw_start_patient(&d, NULL);
	go_to_new(&a);
	CHECK(!(a.hello.features & WIRE_EXT_NETWORKS));
	near = half(left, 5000, right, 80);
	go_to_new(&b);
	far = half(right, 80, left, 5000);
	CHECK(!meets(&a, near, 1) && !meets(&b, far, 2));
	CHECK(raw_ext_is_quiet(&a));
	close(near);
	close(far);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

TEST(two_networks_meet_by_addresses_that_are_not_inner_ones)
{
	const struct in_addr lo = { htonl(INADDR_LOOPBACK) };
	int fd[6], i;

	raw_start_patient(&d, ANY_NETNS);
	go_to_new(&a);
	CHECK(a.hello.features & WIRE_EXT_NETWORKS);
	fd[0] = half(left, 5000, right, 80);
	fd[2] = half(lo, 5000, lo, 80);
	fd[4] = half(left, 5000, left, 80);
	go_to_new(&b);
	fd[1] = half(right, 80, left, 5000);
	fd[3] = half(lo, 80, lo, 5000);
	fd[5] = half(left, 80, left, 5000);
	CHECK(!meets(&a, fd[2], 2) && !meets(&b, fd[3], 3));
	CHECK(!meets(&a, fd[4], 4) && !meets(&b, fd[5], 5));
	CHECK(raw_ext_is_quiet(&a));
	CHECK(!meets(&a, fd[0], 0) && meets(&b, fd[1], 1));
	raw_drop_grant(raw_get_grant(&a, 0));
	for (i = 0; i < 6; i++)
		close(fd[i]);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

TEST(of_two_networks_with_the_same_addresses_none_is_met)
{
	struct raw c;
	int fd[3], i;

	raw_start_patient(&d, ANY_NETNS);
	go_to_new(&a);
	fd[0] = half(left, 5000, right, 80);
	go_to_new(&b);
	fd[1] = half(right, 80, left, 5000);
	go_to_new(&c);
	fd[2] = half(left, 5000, right, 80);
	CHECK(!meets(&a, fd[0], 0) && !meets(&c, fd[2], 2));
	CHECK(!meets(&b, fd[1], 1));
	CHECK(raw_ext_is_quiet(&a) && raw_ext_is_quiet(&c));
	raw_close(&c);
	CHECK(raw_status_is(&d, "apps", 2));
	CHECK(meets(&b, fd[1], 1));
	raw_drop_grant(raw_get_grant(&a, 0));
	for (i = 0; i < 3; i++)
		close(fd[i]);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

/* Is the offer taken? If not it is refused. */
static bool waits(struct raw *r, int fd, uint64_t context)
{
	struct wire_sapi cert = { .type = WIRE_SAPI_CERT };
	struct wire_sapi_ext msg;
	struct fdbox box;
	bool refused;

	raw_offer(r, fd, context);
	CHECK(send(r->sock, &cert, sizeof(cert), 0) == sizeof(cert));
	refused = raw_recv_ext(r, &msg, &box, RAW_WAIT_MS) == WIRE_SAPI_REFUSE;
	if (refused)
		CHECK(raw_recv_ext(r, &msg, &box, RAW_WAIT_MS));
	CHECK(msg.type == WIRE_SAPI_CERT_REPLY);
	return !refused;
}

/* What a client can do with its own end of the socket: no link, or the true
 * one; never a wait. */
TEST(a_lent_socket_can_be_spoiled_but_does_not_lie)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const int tiny = 1;
	struct sock_filter drop = { .code = BPF_RET };
	struct sock_fprog nothing = { .len = 1, .filter = &drop };
	struct raw_tcp t;
	int spoiled, i;

	begin();
	raw_tcp(&t, RAW_V4);
	spoiled = diag_socket();
	lend(&a, dup(spoiled));
	lend(&b, dup(spoiled));
	/* answers to others, which nobody reads */
	for (i = 0; i < 2000; i++) {
		struct {
			struct nlmsghdr head;
			char body[60];
		} q = { .head = { .nlmsg_len = sizeof(q),
				  .nlmsg_type = 20,
				  .nlmsg_flags = NLM_F_REQUEST,
				  .nlmsg_seq = (uint32_t)i } };

		(void)!sendto(spoiled, &q, sizeof(q), MSG_DONTWAIT,
			      (struct sockaddr *)&kernel, sizeof(kernel));
	}
	is_refused(&a, t.fd[0]);
	CHECK(!setsockopt(spoiled, SOL_SOCKET, SO_SNDBUF, &tiny, sizeof(tiny)));
	CHECK(!setsockopt(spoiled, SOL_SOCKET, SO_RCVBUF, &tiny, sizeof(tiny)));
	while (!waits(&a, t.fd[0], 9)) /* what is in the way goes */
		CHECK(i++ < 10000);
	raw_offer(&b, t.fd[1], 10);
	raw_drop_grant(raw_get_grant(&a, 9));
	raw_drop_grant(raw_get_grant(&b, 10));
	/* one that answers nothing; the newest counts */
	CHECK(!setsockopt(spoiled, SOL_SOCKET, SO_ATTACH_FILTER, &nothing,
			  sizeof(nothing)));
	is_refused(&b, t.fd[1]);
	lend(&b, diag_socket());
	raw_link(&a, &b, &t, 1);
	close(spoiled);
	raw_tcp_close(&t);
	end();
}
