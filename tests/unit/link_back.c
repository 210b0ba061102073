/* SPDX-License-Identifier: Apache-2.0 */
/* link_back.c - connections that go back from the link to the kernel: what the
 * program that gets one reads and writes there is played by raw calls */
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/unit/link_streams.h"

static bool is_back(const struct sock *s)
{
	return s->hold->link.rx_mode == HOLD_RX_BACK &&
	       s->hold->link.tx_back == HOLD_TX_BACK;
}

/* Both go on by the kernel. */
static void goes_on(bool c_raw, bool s_raw)
{
	put(&to_server, e.c, 500, c_raw);
	put(&to_client, e.s, 700, s_raw);
	take_all(&to_server, e.s, s_raw);
	take_all(&to_client, e.c, c_raw);
}

/* --- one end leaves --- */

TEST(nothing_is_on_the_way)
{
	open_moved(&e);
	back_leave(e.cs, e.c, false);
	CHECK(is_back(e.cs));
	goes_on(true, false);
	CHECK(is_back(e.ss) && e.ss->link->settled);
	goes_on(true, false);
	CHECK(e.cs->link->end.mine->tx_bytes == 400);
	finish();
}

TEST(the_peer_has_not_read_all)
{
	open_moved(&e);
	put(&to_server, e.c, 3000, false);
	back_leave(e.cs, e.c, false);
	/* it reads them in the ring, and skips them in the kernel */
	put(&to_server, e.c, 100, true);
	take_all(&to_server, e.s, false);
	CHECK(is_back(e.ss) && !e.ss->hold->link.rx_skip);
	goes_on(true, false);
	finish();
}

TEST(we_have_not_read_all)
{
	unsigned char c;

	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	back_leave(e.cs, e.c, false);
	CHECK(k_recvfrom(e.c, &c, 1, MSG_DONTWAIT, NULL, NULL) == -EAGAIN);
	/* whatever the peer asks, it looks */
	CHECK(!(sock_ready(e.ss, POLLIN) & POLLIN));
	take_all(&to_client, e.c, true);
	goes_on(true, false);
	finish();
}

TEST(the_peer_sends_behind_what_comes_back)
{
	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	back_leave(e.cs, e.c, false);
	put(&to_client, e.s, 300, false);
	take_all(&to_client, e.c, true);
	CHECK(!e.ss->hold->link.tx_ring);
	finish();
}

/* A process of ours goes on with it, as after popen(3). */
TEST(we_stay)
{
	open_moved(&e);
	put(&to_server, e.c, 3000, false);
	put(&to_client, e.s, 2000, false);
	back_leave(e.cs, e.c, true);
	CHECK(take(&to_client, e.c, false) == -EAGAIN);
	take_all(&to_server, e.s, false);
	take_all(&to_client, e.c, false);
	goes_on(false, false);
	goes_on(true, false);
	back_leave(e.cs, e.c, true); /* once more is nothing */
	goes_on(false, false);
	finish();
}

TEST(a_ring_that_is_full_both_ways)
{
	open_moved(&e);
	put(&to_server, e.c, 40000, false);
	take_all(&to_server, e.s, false);
	put(&to_server, e.c, PLAYED_RING - 1, false);
	put(&to_client, e.s, PLAYED_RING - 1, false);
	back_leave(e.cs, e.c, false);
	CHECK(sock_ready(e.ss, POLLOUT) & POLLOUT);
	take_all(&to_client, e.c, true);
	take_all(&to_server, e.s, false);
	goes_on(true, false);
	finish();
}

/* What comes a second time is not unread: nobody is reset for that. */
TEST(the_peer_has_read_all_and_closes)
{
	unsigned char buf[3000];

	open_moved(&e);
	put(&to_server, e.c, 3000, false);
	back_leave(e.cs, e.c, false);
	CHECK(sock_recvfrom(e.s, buf, 3000, 0, NULL, NULL) == 3000);
	check_off(&to_server, buf, 3000);
	sock_put(e.ss);
	CHECK(!sock_close(e.s));
	take_to_end(&to_client, e.c, true);
	sock_put(e.cs);
	CHECK(!sock_close(e.c) && !sock_close(e.l));
	rest();
}

/* --- both --- */

TEST(both_leave)
{
	unsigned char buf[300];

	open_moved(&e);
	put(&to_server, e.c, 700, false);
	put(&to_client, e.s, 900, false);
	back_leave(e.cs, e.c, false);
	CHECK(sock_recvfrom(e.s, buf, 300, 0, NULL, NULL) == 300);
	check_off(&to_server, buf, 300);
	back_leave(e.ss, e.s, false);
	CHECK(is_back(e.ss) && !e.ss->hold->link.rx_skip);
	take_all(&to_server, e.s, true);
	take_all(&to_client, e.c, true);
	goes_on(true, true);
	finish();
}

/* --- before it has moved --- */

static int by_send(const char *piece, size_t len)
{
	return (int)sock_sendto(e.s, piece, len, MSG_DONTWAIT, NULL, 0);
}

static int by_sendfile(const char *piece, size_t len)
{
	off_t off = 0;
	int file = memfd_create("file", MFD_CLOEXEC);
	ssize_t n;

	CHECK(file >= 0 && k_write(file, piece, len) == (ssize_t)len);
	n = sock_sendfile(e.s, file, &off, len);
	k_close(file);
	return (int)n;
}

static int by_splice(const char *piece, size_t len)
{
	int ends[2];
	ssize_t n;

	CHECK(!pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	CHECK(k_write(ends[1], piece, len) == (ssize_t)len);
	n = sock_splice(ends[0], NULL, e.s, NULL, len, SPLICE_F_NONBLOCK);
	k_close(ends[0]);
	k_close(ends[1]);
	return (int)n;
}

static unsigned edge(int ep, long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
			       .tv_nsec = ms % 1000 * 1000000 };
	struct epoll_event ev = { 0 };
	int n = sock_epoll_pwait2(ep, &ev, 1, &ts, NULL);

	CHECK(n >= 0);
	return n ? ev.events : 0;
}

/* Who found no room by the kernel hears of it, though nobody looked until it
 * was there again. */
TEST(room_again_is_an_edge)
{
	static int (*const ways[])(const char *piece,
				   size_t len) = { by_send, by_sendfile,
						   by_splice };
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	static char piece[4096];
	int ep, last = 0;
	unsigned i;

	open_moved(&e);
	back_leave(e.cs, e.c, false);
	goes_on(true, false);
	CHECK(!sock_fcntl(e.s, F_SETFL, O_NONBLOCK));
	ep = epoll_create1(EPOLL_CLOEXEC);
	sock_epoll_created(ep);
	CHECK(ep >= 0 && !sock_epoll_ctl(ep, EPOLL_CTL_ADD, e.s, &ev));
	CHECK(edge(ep, 1000) == EPOLLOUT && !edge(ep, 0));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		while ((last = ways[i](piece, sizeof(piece))) > 0)
			;
		CHECK(last == -EAGAIN);
		while (k_recvfrom(e.c, piece, sizeof(piece), MSG_DONTWAIT, NULL,
				  NULL) > 0)
			;
		CHECK(edge(ep, 1000) == EPOLLOUT && !edge(ep, 0));
	}
	CHECK(!sock_close(ep));
	finish();
}

TEST(before_the_grant)
{
	start();
	connect_ends(&e);
	both_offer(&e);
	back_leave(e.cs, e.c, true);
	CHECK(e.cs->upgrade == UPGRADE_NEVER);
	grant_both(&e);
	talk(&e, 40);
	CHECK(!e.cs->link && e.ss->link);
	CHECK(!e.ss->hold->link.tx_ring);
	close_ends(&e);
	rest();
}

/* Each direction may be anywhere on its way. */
TEST(in_the_middle_of_the_switch)
{
	int i, left_early = 0;

	start();
	for (i = 0; i < 12; i++) {
		connect_ends(&e);
		both_offer(&e);
		to_server.sent = to_server.got = 0;
		to_client.sent = to_client.got = 0;
		grant_side(e.c_context, 0);
		if (i & 1)
			grant_side(e.s_context, 1);
		put(&to_server, e.c, 100, false);
		if (i & 2)
			put(&to_client, e.s, 100, false);
		if (!(i & 1))
			grant_side(e.s_context, 1);
		if (i >= 4)
			put(&to_server, e.c, 50, false);
		if (i >= 8)
			put(&to_client, e.s, 60, false);
		left_early += !e.ss->link || !moved(e.ss);
		back_leave(e.cs, e.c, false);
		put(&to_client, e.s, 100, false);
		put(&to_server, e.c, 100, true);
		take_all(&to_client, e.c, true);
		take_all(&to_server, e.s, false);
		goes_on(true, false);
		close_ends(&e);
		dones();
		forget_peer();
	}
	CHECK(left_early);
	end_thread();
	stop();
}

/* Who reads from the kernel has looked for the switch before: then the peer
 * switches, puts, and comes back, and what it has put is read there. */
TEST(the_switch_is_seen_late)
{
	struct hold_link *h;
	unsigned char buf[130];
	ssize_t n;

	start();
	connect_ends(&e);
	both_offer(&e);
	grant_side(e.s_context, 1);
	to_server.sent = to_server.got = 0;
	to_client.sent = to_client.got = 0;
	take(&to_server, e.s, false);
	grant_side(e.c_context, 0);
	h = &e.ss->hold->link;
	CHECK(h->rx_mode == HOLD_RX_READY);
	put(&to_server, e.c, 100, false);
	CHECK(e.cs->hold->link.tx_ring && h->rx_mode == HOLD_RX_READY);
	back_leave(e.cs, e.c, false);
	put(&to_server, e.c, 50, true);
	n = k_recvfrom(e.s, buf, sizeof(buf), MSG_WAITALL, NULL, NULL);
	check_off(&to_server, buf, n);
	h->rx_kernel += (uint64_t)n;
	take_all(&to_server, e.s, false);
	put(&to_client, e.s, 100, false);
	take_all(&to_client, e.c, true);
	goes_on(true, false);
	finish();
}

/* --- ends of the stream --- */

TEST(what_comes_back_goes_before_the_fin)
{
	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	back_leave(e.cs, e.c, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	take_to_end(&to_client, e.c, true);
	/* and the other direction goes on */
	put(&to_server, e.c, 100, true);
	take_all(&to_server, e.s, false);
	finish();
}

TEST(what_comes_back_goes_before_close)
{
	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	back_leave(e.cs, e.c, false);
	sock_put(e.ss);
	CHECK(!sock_close(e.s));
	take_to_end(&to_client, e.c, true);
	sock_put(e.cs);
	CHECK(!sock_close(e.c) && !sock_close(e.l));
	rest();
}

TEST(the_end_of_who_has_left)
{
	open_moved(&e);
	put(&to_server, e.c, 3000, false);
	back_leave(e.cs, e.c, false);
	put(&to_server, e.c, 10, true);
	CHECK(!k_shutdown(e.c, SHUT_WR));
	take_to_end(&to_server, e.s, false);
	CHECK(!e.ss->link->dead);
	put(&to_client, e.s, 100, false);
	take_all(&to_client, e.c, true);
	finish();
}

/* --- a kernel that has no room, a peer that lies --- */

/* Bytes that come before those in the ring, until the kernel has no room. */
static void fill_kernel(struct stream *st, int fd)
{
	unsigned char buf[1000];
	ssize_t n;

	do {
		fill_in(st, buf, sizeof(buf));
		n = k_sendto(fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, 0);
		st->sent += n > 0 ? (unsigned)n : 0;
	} while (n > 0);
	CHECK(n == -EAGAIN);
}

TEST(what_comes_back_may_have_to_wait)
{
	uint64_t end = sock_now_ns() + UINT64_C(10000000000);
	char c = 0;

	small_buffer(false);
	fill_kernel(&to_client, e.s);
	put(&to_client, e.s, PLAYED_RING - 1, false);
	back_leave(e.cs, e.c, false);
	CHECK(!(sock_ready(e.ss, POLLIN | POLLOUT) & (POLLIN | POLLOUT)));
	CHECK(e.ss->hold->link.tx_back == HOLD_TX_FLUSH);
	CHECK(sock_sendto(e.s, &c, 1, MSG_DONTWAIT, NULL, 0) == -EAGAIN);
	CHECK(link_liveness(e.ss, e.ss->link, POLLIN) & POLLOUT);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	while (take(&to_client, e.c, true) && sock_now_ns() < end)
		sock_ready(e.ss, POLLIN);
	CHECK(to_client.got == to_client.sent);
	CHECK(e.ss->hold->link.tx_back == HOLD_TX_BACK);
	finish();
}

TEST(a_peer_that_lies)
{
	static const uint32_t lies[] = { 1,	     399,
					 401,	     0x7fffffff,
					 0x80000000, UINT32_MAX - PLAYED_RING };
	struct wire_link_side *side;
	unsigned i, stays;
	ssize_t n;

	start();
	for (i = 0; i < 2 * ARRAY_SIZE(lies); i++) {
		stays = i % 2;
		connect_ends(&e);
		both_offer(&e);
		grant_both(&e);
		talk(&e, 4);
		to_server.sent = to_server.got = 0;
		side = e.cs->link->end.mine;
		side->back_at = lies[i / 2];
		side->flags |= WIRE_LINK_BACK;
		if (stays) {
			n = take(&to_server, e.s, false);
			CHECK(n == -EAGAIN || n == 0);
		} else {
			back_leave(e.ss, e.s, false);
		}
		close_ends(&e);
		dones();
		forget_peer();
	}
	end_thread();
	stop();
}
