/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sapid_evil.c - every field of every message broken in turn
 *
 * Each test does its worst beside a healthy pair that goes on exchanging
 * bytes, and at the end the daemon holds what it held before: no session, no
 * segment, no descriptor more.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw server, client, evil;
static struct raw_session s, c;
static int before;

static const uint8_t bad_bytes[] = { 0, 1, 0x7f, 0x80, 0xff };
static const uint32_t bad_words[] = { 0,	  1,	      2,
				      0x7fffffff, 0x80000000, 0xfffffffe,
				      0xffffffff, 4096,	      0x10000 };

static void healthy(void)
{
	raw_write(&client, &c, "how are you?");
	raw_read(&server, &s, "how are you?");
	raw_write(&server, &s, "well");
	raw_read(&client, &c, "well");
}

static void begin(void)
{
	raw_start_conf(&d, "[sapid]\nmax-unattached = 4096\n");
	CHECK(!raw_attach(&server, &d, &raw_default));
	CHECK(!raw_attach(&client, &d, &raw_default));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	raw_pair(&server, &client, 80, &s, &c);
	healthy();
	before = raw_count_fds(&d);
}

static void end(void)
{
	healthy();
	printf("# %ld rejects\n", raw_status(&d, "rejects"));
	CHECK(raw_status_is(&d, "apps", 2));
	CHECK(raw_status_is(&d, "sessions_now", 2));
	CHECK(raw_status_is(&d, "segments", 1));
	CHECK(raw_status_is(&d, "unattached", 0));
	CHECK(raw_fds_are(&d, before));
	raw_close(&client);
	raw_close(&server);
	CHECK(raw_status_is(&d, "sessions_now", 0));
	raw_stop(&d);
}

/* The attacker takes what comes, descriptors too, and keeps none of it. */
static void swallow(void)
{
	struct wire_ext_reply reply;
	struct mq_msg msg;
	struct fdbox box;
	bool more;

	while (mq_recv(&evil.from, &msg) > 0)
		continue;
	while (fdbox_recv(evil.sock, &reply, sizeof(reply), &box, MSG_DONTWAIT,
			  &more) > 0)
		fdbox_close(&box);
}

static bool evil_is_out(void)
{
	char byte;

	return recv(evil.sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

static void evil_sends(const uint8_t *elt, size_t len, enum wire_mq_ring ring)
{
	int tries = 0;

	while (mq_send(evil.to, ring, elt, len) == -EAGAIN && tries++ < 20000) {
		if (evil_is_out())
			return;
		usleep(50);
	}
}

/* A message that would be a good one. */
static size_t plausible(uint8_t type, uint64_t listener, uint8_t *elt)
{
	struct ctrl m = { .type = type };
	ssize_t len;

	switch (type) {
	case WIRE_EV_LISTEN:
		m.listen.client_index = evil.handle;
		m.listen.port = htons(99);
		m.listen.is_ip4 = 1;
		break;
	case WIRE_EV_CONNECT:
		m.connect.client_index = evil.handle;
		m.connect.port = htons(98);
		m.connect.ip[12] = 127;
		m.connect.ip[15] = 1;
		m.connect.is_ip4 = 1;
		break;
	case WIRE_EV_UNLISTEN:
		m.unlisten.client_index = evil.handle;
		m.unlisten.handle = listener;
		break;
	case WIRE_EV_SHUTDOWN:
	case WIRE_EV_DISCONNECT:
	case WIRE_EV_TERMINATE:
		m.close.client_index = evil.handle;
		m.close.handle = s.handle; /* another's */
		break;
	case WIRE_EV_ACCEPTED_REPLY:
		m.accepted_reply.context = evil.app_index;
		m.accepted_reply.handle = s.handle;
		break;
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		m.close_reply.context = evil.handle;
		m.close_reply.handle = s.handle;
		break;
	case WIRE_EV_WORKER_UPDATE:
		m.worker_update.client_index = evil.handle;
		m.worker_update.handle = s.handle;
		break;
	case WIRE_EV_TRANSPORT_ATTR:
		m.attr.client_index = evil.handle;
		m.attr.handle = s.handle;
		m.attr.is_get = 1;
		break;
	case WIRE_EV_APP_WRK_RPC:
		m.wrk_rpc.client_index = evil.handle;
		break;
	default:
		break;
	}
	len = ctrl_encode(WIRE_2606, &m, elt);
	return len > 0 ? (size_t)len : 0;
}

/* Every byte of one message, each with every bad value. */
static void break_bytes(uint8_t type)
{
	uint8_t good[WIRE_CTRL_ELT] = { type }, elt[WIRE_CTRL_ELT];
	uint64_t listener = 0;
	size_t len, i, k;

	CHECK(!raw_attach(&evil, &d, &raw_default));
	CHECK(!raw_listen(&evil, "127.0.0.1", 98, 0, &listener));
	len = plausible(type, listener, good);
	good[0] = type;
	if (!len)
		len = 18;
	for (i = 1; i < len; i++)
		for (k = 0; k < ARRAY_SIZE(bad_bytes); k++) {
			memcpy(elt, good, sizeof(elt));
			elt[i] = bad_bytes[k];
			evil_sends(elt, len, ctrl_ring(type));
			swallow();
		}
	/* whole words, in the wrong ring, and as nothing but ones */
	for (i = 2; i + 4 <= len; i++)
		for (k = 0; k < ARRAY_SIZE(bad_words); k++) {
			memcpy(elt, good, sizeof(elt));
			memcpy(elt + i, &bad_words[k], 4);
			evil_sends(elt, len, ctrl_ring(type));
			swallow();
		}
	evil_sends(good, MIN(len, 18u), WIRE_RING_IO);
	memset(elt + 1, 0xff, sizeof(elt) - 1);
	evil_sends(elt, len, ctrl_ring(type));
	swallow();
	raw_close(&evil);
	healthy();
}

TEST(every_byte_of_every_queue_message)
{
	unsigned type;

	begin();
	for (type = 0; type < WIRE_N_EVENTS + 4; type++)
		break_bytes((uint8_t)type);
	for (type = 60; type < 256; type += 5)
		break_bytes((uint8_t)type);
	end();
}

TEST(every_word_of_the_queue_to_the_daemon)
{
	uint8_t elt[WIRE_CTRL_ELT] = { WIRE_EV_IO_TX };
	uint32_t *words;
	size_t i, k;

	begin();
	for (i = 0; i < sizeof(struct wire_mq) / 4 + 16; i++)
		for (k = 0; k < ARRAY_SIZE(bad_words); k++) {
			CHECK(!raw_attach(&evil, &d, &raw_default));
			words = (uint32_t *)(void *)evil.to->shared;
			evil_sends(elt, 18, WIRE_RING_IO);
			words[i] = bad_words[k];
			CHECK(write(evil.vpp_evfd, &(uint64_t){ 1 }, 8) == 8);
			healthy();
			words[i] = bad_words[(k + 1) % ARRAY_SIZE(bad_words)];
			CHECK(write(evil.vpp_evfd, &(uint64_t){ 1 }, 8) == 8);
			raw_close(&evil);
		}
	end();
}

TEST(every_word_of_the_queue_from_the_daemon)
{
	struct raw_options o = raw_default;
	uint8_t elt[WIRE_CTRL_ELT];
	uint32_t *words;
	size_t i, k, len, mode;

	begin();
	for (i = 0; i < sizeof(struct wire_mq) / 4 + 16; i++)
		for (k = 0; k < ARRAY_SIZE(bad_words); k += 2) {
			mode = i + k; /* with and without an eventfd */
			o.flags = mode % 8 ? raw_default.flags : 0;
			CHECK(!raw_attach(&evil, &d, &o));
			words = (uint32_t *)(void *)evil.from.shared;
			words[i] = bad_words[k];
			len = plausible(WIRE_EV_TRANSPORT_ATTR, 0, elt);
			evil_sends(elt, len, WIRE_RING_CTRL);
			evil_sends(elt, len, WIRE_RING_CTRL);
			healthy();
			raw_close(&evil);
		}
	end();
}

/* What @evil connected to ends like any other connection. */
static void server_lives_through(const struct ctrl *a)
{
	struct ctrl m;

	raw_accept_reply(&server, a, 0, 1, NULL);
	do {
		CHECK(raw_recv(&server, &m, RAW_WAIT_MS));
	} while (m.type != WIRE_EV_CLEANUP);
	raw_end(&server, WIRE_EV_DISCONNECT, a->accepted.handle);
	raw_expect_cleanup(&server, a->accepted.handle, false);
	healthy();
}

/* The headers that it shares with a server spoil its own connections only. */
TEST(every_word_of_a_fifo_header)
{
	struct raw_session mine;
	struct ctrl accepted;
	uint32_t *words;
	size_t i, k;

	begin();
	for (i = 0; i < sizeof(struct wire_fifo) / 4; i++)
		for (k = 0; k < ARRAY_SIZE(bad_words); k += 2) {
			CHECK(!raw_attach(&evil, &d, &raw_default));
			CHECK(!raw_connect(&evil, "127.0.0.1", 80, 1, &mine));
			raw_get_accept(&server, &accepted);
			words = map_at(&mine.tx.seg->map, mine.tx.off, 192);
			words[i] = bad_words[k];
			words = map_at(&mine.rx.seg->map, mine.rx.off, 192);
			words[i] = bad_words[k];
			raw_io(&evil, WIRE_EV_IO_TX, mine.handle);
			raw_io(&evil, WIRE_EV_IO_RX, mine.handle);
			if (k % 4)
				raw_end(&evil, WIRE_EV_DISCONNECT, mine.handle);
			swallow();
			raw_close(&evil);
			server_lives_through(&accepted);
		}
	end();
}

/* The allocator's words of a segment, while connections come and go in it */
TEST(every_word_of_a_segment)
{
	const size_t n = sizeof(struct wire_fsh) + sizeof(struct wire_slice);
	struct raw_session mine;
	struct ctrl accepted, again;
	uint32_t *words;
	size_t i, k;

	begin();
	for (i = 0; i < n / 4; i++)
		for (k = 0; k < ARRAY_SIZE(bad_words); k += 2) {
			CHECK(!raw_attach(&evil, &d, &raw_default));
			CHECK(!raw_connect(&evil, "127.0.0.1", 80, 1, &mine));
			raw_get_accept(&server, &accepted);
			words = map_at(&mine.tx.seg->map, 0, n);
			words[i] = bad_words[k];
			/* In the same segment, or there is no room in it */
			if (!raw_connect(&evil, "127.0.0.1", 80, 1, NULL))
				raw_get_accept(&server, &again);
			else
				again.type = 0;
			raw_end(&evil, WIRE_EV_DISCONNECT, mine.handle);
			raw_close(&evil);
			server_lives_through(&accepted);
			if (again.type)
				server_lives_through(&again);
		}
	end();
}

TEST(every_byte_of_the_attach_messages)
{
	struct wire_sapi msg;
	size_t i, k;
	int fd, type;

	begin();
	for (type = 0; type < 10; type++)
		for (i = 1; i < sizeof(msg); i++)
			for (k = 1; k < ARRAY_SIZE(bad_bytes); k += 3) {
				memset(&msg, 0, sizeof(msg));
				msg.type = (uint8_t)type;
				msg.pad[i - 1] = bad_bytes[k];
				fd = raw_dial(&d);
				CHECK(send(fd, &msg, sizeof(msg), 0) > 0);
				if (i % 50 == 0)
					healthy();
				close(fd);
			}
	end();
}

TEST(a_worker_of_somebody_elses_application)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_WORKER };

	begin();
	CHECK(!raw_attach(&evil, &d, &raw_default));
	/* deleting others' workers, by name */
	msg.worker.app_index = server.app_index;
	CHECK(send(evil.sock, &msg, sizeof(msg), 0) > 0);
	msg.worker.app_index = evil.app_index;
	msg.worker.wrk_index = 254;
	CHECK(send(evil.sock, &msg, sizeof(msg), 0) > 0);
	msg.worker.wrk_index = UINT32_MAX;
	CHECK(send(evil.sock, &msg, sizeof(msg), 0) > 0);
	CHECK(raw_is_quiet(&evil));
	raw_close(&evil);
	end();
}
