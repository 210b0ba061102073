/* SPDX-License-Identifier: Apache-2.0 */
/* link_streams.h - a connection with a link, and bytes both ways that are
 * known: sent and read by calls of ours, or raw, as by a program without us */
#ifndef TESTS_LINK_STREAMS_H
#define TESTS_LINK_STREAMS_H

#include "tests/unit/link_ends.h"

static struct ends e;

static void rest(void)
{
	forget_peer();
	end_thread();
	stop();
}

static void finish(void)
{
	close_ends(&e);
	CHECK(dones() == 2);
	rest();
}

/* The kernel has no room to take back what @client, or else the server, has
 * put. */
static void small_buffer(bool client)
{
	const int small = 1;

	start();
	connect_ends(&e);
	CHECK(!k_setsockopt(client ? e.c : e.s, SOL_SOCKET, SO_SNDBUF, &small,
			    sizeof(small)));
	both_offer(&e);
	grant_both(&e);
	talk(&e, 4);
}

/* --- streams: byte n of a direction is always the same --- */

static struct stream {
	unsigned sent, got;
} to_server, to_client;

static unsigned char byte_at(const struct stream *st, unsigned n)
{
	return (unsigned char)(n * 31 + n / 251 + (st == &to_server));
}

static void fill_in(const struct stream *st, unsigned char *buf, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		buf[i] = byte_at(st, st->sent + i);
}

static void check_off(struct stream *st, const unsigned char *buf, ssize_t n)
{
	ssize_t i;

	for (i = 0; i < n; i++)
		CHECK(buf[i] == byte_at(st, st->got + (unsigned)i));
	st->got += (unsigned)n;
}

static void put(struct stream *st, int fd, unsigned n, bool raw)
{
	unsigned char buf[65536];

	fill_in(st, buf, n);
	CHECK((raw ? k_sendto(fd, buf, n, MSG_DONTWAIT, NULL, 0)
		   : sock_sendto(fd, buf, n, MSG_DONTWAIT, NULL, 0)) ==
	      (ssize_t)n);
	st->sent += n;
}

/* All that is on the way, and no more; else what recv(2) says. */
static ssize_t take(struct stream *st, int fd, bool raw)
{
	unsigned char buf[65536];
	ssize_t n;

	do {
		n = raw ? k_recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, NULL,
				     NULL)
			: sock_recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT,
					NULL, NULL);
		if (n > 0)
			check_off(st, buf, n);
	} while (n > 0);
	return n;
}

/* The kernel may deliver a moment later. */
static void take_all(struct stream *st, int fd, bool raw)
{
	uint64_t end = sock_now_ns() + UINT64_C(5000000000);

	do
		CHECK(take(st, fd, raw) == -EAGAIN);
	while (st->got < st->sent && sock_now_ns() < end);
	CHECK(st->got == st->sent);
}

/* ... up to the end of file */
static void take_to_end(struct stream *st, int fd, bool raw)
{
	uint64_t end = sock_now_ns() + UINT64_C(5000000000);
	ssize_t n;

	do
		n = take(st, fd, raw);
	while (n == -EAGAIN && sock_now_ns() < end);
	CHECK(!n && st->got == st->sent);
}

#endif
