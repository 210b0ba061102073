/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_attach.c - attaching: replies, descriptors, refusals, leaving */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;

/* The socket's other end was closed, within the time that it may take. */
static bool is_closed(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, RAW_WAIT_MS) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* One message, and its reply. */
static ssize_t ask(int fd, const void *msg, size_t len, struct wire_sapi *reply)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct fdbox box;
	ssize_t n;
	bool more;

	CHECK(send(fd, msg, len, 0) == (ssize_t)len);
	CHECK(poll(&p, 1, RAW_WAIT_MS) == 1);
	n = fdbox_recv(fd, reply, sizeof(*reply), &box, 0, &more);
	fdbox_close(&box);
	return n;
}

TEST(attach_gives_queues_segment_and_trailer)
{
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &raw_default));
	CHECK(r.fd_flags == 15 && r.n_fds == 4);
	CHECK(r.hello.magic == WIRE_EXT_MAGIC && r.hello.size == 64);
	CHECK(r.hello.features & WIRE_EXT_STATS);
	CHECK(map_at(&r.seg.map, r.hello.stats_off, sizeof(struct wire_stats)));
	CHECK(r.hello.stats_off % 8 == 0);
	CHECK(r.own.maxsize == 256 && r.own.ring[WIRE_RING_CTRL].nitems == 128);
	CHECK(r.from.maxsize == 256 &&
	      r.from.ring[WIRE_RING_CTRL].nitems == 16);
	CHECK(seg_room(&r.mq_seg) >= 160 << 10);
	CHECK(raw_is_quiet(&r));
	raw_close(&r);
	raw_stop(&d);
}

TEST(a_stock_client_gets_no_trailer)
{
	struct raw_options o = raw_default;
	struct raw r;

	raw_start(&d, NULL);
	o.ext = false;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.hello.magic == 0);
	raw_close(&r);
	raw_stop(&d);
}

TEST(sizes_are_clamped)
{
	struct raw_options o = { .ext = true };
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.from.maxsize == 128 && r.own.maxsize == 128);
	raw_close(&r);
	o.queue = o.rx = o.tx = o.add_segment = UINT64_MAX;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.from.maxsize == 65536);
	raw_close(&r);
	o.queue = o.rx = o.tx = o.add_segment = 1;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.from.maxsize == 32 && r.own.maxsize == 128);
	raw_close(&r);
	raw_stop(&d);
}

/* It sleeps where stock clients do. */
TEST(a_client_on_its_condition_variable_is_woken)
{
	struct raw_options o = raw_default;
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	struct timespec end;
	struct raw r;
	int i;

	raw_start(&d, NULL);
	o.flags &= ~(uint64_t)WIRE_OPT_F_MQ_EVENTFD;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.fd_flags == 11 && r.n_fds == 3 && r.evfd == -1);
	for (i = 0; i < 100; i++) {
		c.type = WIRE_EV_TRANSPORT_ATTR;
		c.attr.client_index = r.handle;
		c.attr.handle = 0;
		raw_send(&r, &c);
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += 5;
		CHECK(!mq_wait(&r.from, &end));
		raw_expect(&r, WIRE_EV_TRANSPORT_ATTR_REPLY, &c);
	}
	raw_close(&r);
	raw_stop(&d);
}

/* The daemon must not take a lock that a client holds. */
TEST(a_client_that_keeps_its_mutex_stops_nobody)
{
	struct raw_options o = raw_default;
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	struct raw bad, good;
	int i;

	raw_start(&d, NULL);
	o.flags &= ~(uint64_t)WIRE_OPT_F_MQ_EVENTFD;
	CHECK(!raw_attach(&bad, &d, &o) && !raw_attach(&good, &d, &o));
	/* Its first word is the holder: process 1, that is for ever */
	*(uint32_t *)(void *)&bad.from.shared->mutex = 1;
	c.attr.client_index = bad.handle;
	for (i = 0; i < 10; i++)
		raw_send(&bad, &c);
	CHECK(raw_is_quiet(&good));
	for (i = 0; i < 10; i++)
		raw_expect(&bad, WIRE_EV_TRANSPORT_ATTR_REPLY, &c);
	memset(&bad.from.shared->mutex, 0xa5, sizeof(pthread_mutex_t));
	memset(&bad.from.shared->condvar, 0x5a, sizeof(pthread_cond_t));
	CHECK(raw_is_quiet(&bad) && raw_is_quiet(&good));
	raw_close(&bad);
	CHECK(raw_is_quiet(&good));
	raw_close(&good);
	raw_stop(&d);
}

TEST(a_second_attach_is_refused_and_the_first_lives)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_ATTACH }, reply;
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &raw_default));
	CHECK(ask(r.sock, &msg, sizeof(msg), &reply) == sizeof(reply));
	CHECK(reply.type == WIRE_SAPI_ATTACH_REPLY);
	CHECK(reply.attach_reply.retval == WIRE_E_APP_ATTACHED);
	CHECK(reply.attach_reply.n_fds == 0 && !reply.attach_reply.app_mq);
	CHECK(raw_is_quiet(&r));
	raw_close(&r);
	raw_stop(&d);
}

TEST(contradicting_options_are_refused_and_a_retry_works)
{
	struct raw_options o = raw_default;
	struct wire_sapi msg = { .type = WIRE_SAPI_ATTACH }, reply;
	struct raw r;

	raw_start(&d, NULL);
	o.pairs = o.headers = 1;
	CHECK(raw_attach(&r, &d, &o) == WIRE_E_NOSUPPORT);
	CHECK(ask(r.sock, &msg, sizeof(msg), &reply) == sizeof(reply));
	CHECK(!reply.attach_reply.retval);
	close(r.sock);
	raw_stop(&d);
}

TEST(short_packets_end_the_worker_and_long_ones_do_not)
{
	char buf[300] = { WIRE_SAPI_ATTACH };
	struct wire_sapi reply;
	struct raw r;
	int fd;

	raw_start(&d, NULL);
	fd = raw_dial(&d);
	CHECK(ask(fd, buf, sizeof(buf), &reply) == sizeof(reply));
	CHECK(!reply.attach_reply.retval);
	CHECK(send(fd, buf, 100, 0) == 100);
	CHECK(is_closed(fd));
	close(fd);
	CHECK(!raw_attach(&r, &d, &raw_default));
	CHECK(send(r.sock, buf, 0, 0) == 0);
	CHECK(is_closed(r.sock));
	raw_close(&r);
	fd = raw_dial(&d); /* never attached */
	CHECK(send(fd, buf, 1, 0) == 1);
	CHECK(is_closed(fd));
	close(fd);
	raw_stop(&d);
}

TEST(unknown_messages_are_ignored)
{
	struct wire_sapi msg = { 0 }, reply;
	unsigned type;
	int fd;

	raw_start(&d, NULL);
	fd = raw_dial(&d);
	for (type = 0; type < 256; type++) {
		msg.type = (uint8_t)type;
		if (type == WIRE_SAPI_ATTACH || type == WIRE_SAPI_WORKER ||
		    type == WIRE_SAPI_CERT)
			continue;
		CHECK(send(fd, &msg, sizeof(msg), 0) == sizeof(msg));
	}
	msg.type = WIRE_SAPI_ATTACH;
	CHECK(ask(fd, &msg, sizeof(msg), &reply) == sizeof(reply));
	CHECK(reply.type == WIRE_SAPI_ATTACH_REPLY);
	close(fd);
	raw_stop(&d);
}

TEST(certificates_are_refused_and_their_payload_is_no_message)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_CERT }, reply;
	char payload[500] = { WIRE_SAPI_WORKER };
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &raw_default));
	msg.cert.context = 42;
	msg.cert.certkey_len = sizeof(payload);
	msg.cert.is_add = 1;
	CHECK(send(r.sock, &msg, sizeof(msg), 0) == sizeof(msg));
	CHECK(ask(r.sock, payload, sizeof(payload), &reply) == sizeof(reply));
	CHECK(reply.type == WIRE_SAPI_CERT_REPLY);
	CHECK(reply.cert_reply.context == 42);
	CHECK(reply.cert_reply.retval == WIRE_E_NOSUPPORT);
	/* One shorter than a message, and one just as long */
	msg.cert.certkey_len = 100;
	CHECK(send(r.sock, &msg, sizeof(msg), 0) == sizeof(msg));
	CHECK(ask(r.sock, payload, 100, &reply) == sizeof(reply));
	msg.cert.certkey_len = sizeof(msg);
	CHECK(send(r.sock, &msg, sizeof(msg), 0) == sizeof(msg));
	CHECK(ask(r.sock, payload, sizeof(msg), &reply) == sizeof(reply));
	/* Announced and never sent: what follows is a message */
	msg.cert.certkey_len = 77;
	CHECK(ask(r.sock, &msg, sizeof(msg), &reply) == sizeof(reply));
	msg.cert.is_add = 0;
	CHECK(ask(r.sock, &msg, sizeof(msg), &reply) == sizeof(reply));
	CHECK(reply.type == WIRE_SAPI_CERT_REPLY);
	CHECK(raw_is_quiet(&r));
	raw_close(&r);
	raw_stop(&d);
}

TEST(descriptors_sent_along_do_not_stay)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_ATTACH };
	struct fdbox box;
	int fd, before, i;
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &raw_default));
	/* the reply comes before the daemon has closed what it sent */
	CHECK(raw_status_is(&d, "unattached", 0));
	before = raw_count_fds(&d);
	fdbox_init(&box);
	for (i = 0; i < 20; i++)
		CHECK(!fdbox_put(&box, dup(1)));
	msg.type = 99;
	fd = raw_dial(&d);
	for (i = 0; i < 50; i++) {
		CHECK(fdbox_send(r.sock, &msg, sizeof(msg), &box, 0) > 0);
		CHECK(fdbox_send(fd, &msg, sizeof(msg), &box, 0) > 0);
	}
	fdbox_close(&box);
	close(fd);
	CHECK(raw_status_is(&d, "unattached", 0));
	CHECK(raw_is_quiet(&r));
	CHECK(raw_fds_are(&d, before));
	raw_close(&r);
	raw_stop(&d);
}

TEST(whoever_does_not_attach_is_limited_in_number)
{
	int fd[6], i;

	raw_start_conf(&d, "[sapid]\nmax-unattached = 4\n"
			   "attach-timeout-ms = 300\n");
	for (i = 0; i < 6; i++)
		fd[i] = raw_dial(&d);
	CHECK(is_closed(fd[4]) && is_closed(fd[5]));
	for (i = 0; i < 4; i++) /* and in time */
		CHECK(is_closed(fd[i]));
	for (i = 0; i < 6; i++)
		close(fd[i]);
	raw_stop(&d);
}

TEST(nothing_leaks_over_many_attaches)
{
	int i, before;
	struct raw r;

	raw_start(&d, NULL);
	CHECK(!raw_attach(&r, &d, &raw_default));
	raw_close(&r);
	CHECK(raw_status_is(&d, "apps", 0));
	before = raw_count_fds(&d);
	for (i = 0; i < 200; i++) {
		CHECK(!raw_attach(&r, &d, &raw_default));
		if (i % 2)
			CHECK(raw_is_quiet(&r));
		raw_close(&r);
	}
	CHECK(raw_status_is(&d, "apps", 0));
	CHECK(raw_fds_are(&d, before));
	raw_stop(&d);
}
