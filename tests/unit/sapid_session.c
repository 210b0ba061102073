/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_session.c - connections: from LISTEN to the last CLEANUP */
#include <arpa/inet.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw server, client;
static struct raw_session s, c;
static struct ctrl msg;

static void begin(void)
{
	raw_start(&d, NULL);
	CHECK(!raw_attach(&server, &d, &raw_default));
	CHECK(!raw_attach(&client, &d, &raw_default));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
}

static void begin_pair(void)
{
	begin();
	raw_pair(&server, &client, 80, &s, &c);
}

static void end(void)
{
	CHECK(raw_is_quiet(&server) && raw_is_quiet(&client));
	CHECK(raw_status_is(&d, "sessions_now", 0));
	raw_close(&server);
	raw_close(&client);
	CHECK(raw_status_is(&d, "segments", 0));
	raw_stop(&d);
}

/* One side's last messages when the other closed: told how, then CLEANUP 0. */
static void expect_end(struct raw *r, uint8_t type, uint64_t handle)
{
	raw_expect(r, type, &msg);
	CHECK(msg.close.handle == handle && msg.close.context == r->handle);
	raw_expect(r, WIRE_EV_CLEANUP, &msg);
	CHECK(msg.cleanup.handle == handle && msg.cleanup.type == 0);
}

/* Stock VCL reads no more once it has a CLEANUP. */
static void expect_stock_end(struct raw *r, uint64_t handle)
{
	raw_expect(r, WIRE_EV_DISCONNECTED, &msg);
	CHECK(msg.close.handle == handle && raw_is_quiet(r));
}

TEST(bytes_go_both_ways)
{
	int i;

	begin_pair();
	for (i = 0; i < 100; i++) {
		raw_write(&client, &c, "ping");
		raw_read(&server, &s, "ping");
		raw_write(&server, &s, "a longer pong");
		raw_read(&client, &c, "a longer pong");
	}
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	expect_end(&server, WIRE_EV_DISCONNECTED, s.handle);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(the_writer_is_told_when_there_is_room)
{
	static char bulk[65536];

	begin_pair();
	CHECK(fifo_put(&c.tx, bulk, sizeof(bulk)) == sizeof(bulk));
	fifo_want_room(&c.tx, 0);
	CHECK(fifo_take(&s.rx, bulk, 100) == 100);
	CHECK(fifo_took(&s.rx, 100));
	raw_io(&server, WIRE_EV_IO_RX, s.handle);
	raw_expect(&client, WIRE_EV_IO_TX, &msg);
	CHECK(msg.io.session_index == c.index);
	raw_end(&client, WIRE_EV_TERMINATE, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	expect_end(&server, WIRE_EV_RESET, s.handle);
	raw_end_reply(&server, WIRE_EV_RESET_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(each_end_knows_both_addresses)
{
	struct ctrl a;

	begin();
	raw_send_connect(&client, "127.0.0.1", 80, 5);
	raw_get_accept(&server, &a);
	raw_accept_reply(&server, &a, 0, 6, &s);
	raw_expect(&client, WIRE_EV_CONNECTED, &msg);
	CHECK(a.accepted.lcl.is_ip4 && a.accepted.rmt.is_ip4);
	CHECK(a.accepted.lcl.ip[12] == 127 && a.accepted.lcl.ip[15] == 1);
	CHECK(a.accepted.lcl.port == htons(80));
	CHECK(!memcmp(a.accepted.rmt.ip, msg.connected.lcl.ip, 16));
	CHECK(a.accepted.rmt.port == msg.connected.lcl.port);
	CHECK(ntohs(a.accepted.rmt.port) >= 1024);
	CHECK(msg.connected.handle != a.accepted.handle);
	CHECK(msg.connected.rx_fifo == a.accepted.tx_fifo);
	raw_end(&client, WIRE_EV_DISCONNECT, msg.connected.handle);
	raw_expect_cleanup(&client, msg.connected.handle, true);
	expect_end(&server, WIRE_EV_DISCONNECTED, s.handle);
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(half_close_leaves_the_other_direction_open)
{
	begin_pair();
	raw_write(&client, &c, "request");
	raw_end(&client, WIRE_EV_SHUTDOWN, c.handle);
	raw_expect(&server, WIRE_EV_DISCONNECTED, &msg);
	CHECK(msg.close.handle == s.handle);
	raw_read(&server, &s, "request");
	raw_write(&server, &s, "answer");
	raw_read(&client, &c, "answer");
	/* Idempotent */
	raw_end(&client, WIRE_EV_SHUTDOWN, c.handle);
	CHECK(raw_is_quiet(&client) && raw_is_quiet(&server));
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, true);
	expect_end(&client, WIRE_EV_DISCONNECTED, c.handle);
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

TEST(a_close_after_shutdown_is_not_told_twice)
{
	begin_pair();
	raw_end(&client, WIRE_EV_SHUTDOWN, c.handle);
	raw_expect(&server, WIRE_EV_DISCONNECTED, &msg);
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_expect(&server, WIRE_EV_CLEANUP, &msg);
	CHECK(msg.cleanup.handle == s.handle && msg.cleanup.type == 0);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(bytes_sent_before_the_close_remain_readable)
{
	begin_pair();
	raw_write(&client, &c, "farewell");
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	expect_end(&server, WIRE_EV_DISCONNECTED, s.handle);
	CHECK(raw_status_is(&d, "sessions_now", 1));
	raw_read(&server, &s, "farewell");
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(unread_bytes_make_a_reset)
{
	begin_pair();
	raw_write(&server, &s, "never read");
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	expect_end(&server, WIRE_EV_RESET, s.handle);
	raw_end_reply(&server, WIRE_EV_RESET_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(terminate_resets)
{
	begin_pair();
	raw_end(&server, WIRE_EV_TERMINATE, s.handle);
	raw_expect_cleanup(&server, s.handle, true);
	expect_end(&client, WIRE_EV_RESET, c.handle);
	raw_end_reply(&client, WIRE_EV_RESET_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

/* It closed: perhaps it is told of the peer before, but then no more than that
 * and its CLEANUPs. */
static void expect_own_end(struct raw *r, uint64_t handle)
{
	CHECK(raw_recv(r, &msg, RAW_WAIT_MS));
	if (msg.type == WIRE_EV_DISCONNECTED) {
		CHECK(msg.close.handle == handle);
		raw_expect(r, WIRE_EV_CLEANUP, &msg);
	}
	CHECK(msg.type == WIRE_EV_CLEANUP && msg.cleanup.type == 0);
	raw_expect_cleanup(r, handle, false);
}

TEST(both_close_at_once)
{
	begin_pair();
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	expect_own_end(&client, c.handle);
	expect_own_end(&server, s.handle);
	/* A second close of a handle that is gone */
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_end(&client, WIRE_EV_TERMINATE, c.handle);
	raw_end_reply(&client, WIRE_EV_RESET_REPLY, c.handle);
	raw_end(&client, WIRE_EV_SHUTDOWN, c.handle);
	end();
}

TEST(a_refused_client_sees_an_end)
{
	struct ctrl a;

	begin();
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 3, &c));
	raw_get_accept(&server, &a);
	raw_accept_reply(&server, &a, -1, 0, NULL);
	expect_end(&client, WIRE_EV_DISCONNECTED, c.handle);
	CHECK(raw_is_quiet(&server));
	raw_end_reply(&client, WIRE_EV_DISCONNECTED_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

TEST(a_refused_client_that_wrote_is_reset)
{
	struct ctrl a;

	begin();
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 3, &c));
	raw_write(&client, &c, "hello?");
	raw_get_accept(&server, &a);
	raw_accept_reply(&server, &a, -1, 0, NULL);
	expect_end(&client, WIRE_EV_RESET, c.handle);
	raw_end_reply(&client, WIRE_EV_RESET_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

/* A whole conversation of the client before the server looks. */
TEST(early_bytes_and_close_come_after_the_reply)
{
	struct ctrl a;

	begin();
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 3, &c));
	raw_write(&client, &c, "GET /");
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_get_accept(&server, &a);
	CHECK(raw_is_quiet(&server));
	raw_accept_reply(&server, &a, 0, 9, &s);
	raw_expect(&server, WIRE_EV_IO_RX, &msg);
	CHECK(msg.io.session_index == 9);
	expect_end(&server, WIRE_EV_DISCONNECTED, s.handle);
	raw_read(&server, &s, "GET /");
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}

TEST(an_early_reset_is_a_reset_for_libsapi_alone)
{
	struct raw_options o = raw_default;
	struct raw stock;
	struct ctrl a;

	begin();
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 3, &c));
	raw_end(&client, WIRE_EV_TERMINATE, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_accept(&server, 9, &s);
	expect_end(&server, WIRE_EV_RESET, s.handle);
	raw_end_reply(&server, WIRE_EV_RESET_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);

	o.ext = false;
	CHECK(!raw_attach(&stock, &d, &o));
	CHECK(!raw_listen(&stock, "127.0.0.1", 81, 0, NULL));
	CHECK(!raw_connect(&client, "127.0.0.1", 81, 3, &c));
	raw_end(&client, WIRE_EV_TERMINATE, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_get_accept(&stock, &a);
	raw_accept_reply(&stock, &a, 0, 9, &s);
	expect_stock_end(&stock, s.handle);
	raw_end_reply(&stock, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&stock, s.handle, true);
	raw_close(&stock);
	end();
}

TEST(stock_may_read_what_came_before_the_end)
{
	struct raw_options o = raw_default;

	raw_start(&d, NULL);
	o.ext = false;
	CHECK(!raw_attach(&server, &d, &o) && !raw_attach(&client, &d, &o));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	raw_pair(&server, &client, 80, &s, &c);
	raw_write(&server, &s, "the last words");
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, true);
	raw_read(&client, &c, "the last words");
	expect_stock_end(&client, c.handle);
	raw_end_reply(&client, WIRE_EV_DISCONNECTED_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	end();
}

TEST(the_server_may_close_before_it_accepts)
{
	struct ctrl a;

	begin();
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 3, &c));
	raw_get_accept(&server, &a);
	raw_end(&server, WIRE_EV_DISCONNECT, a.accepted.handle);
	raw_expect_cleanup(&server, a.accepted.handle, true);
	expect_end(&client, WIRE_EV_DISCONNECTED, c.handle);
	/* The reply that crossed it finds nothing */
	raw_accept_reply(&server, &a, 0, 9, NULL);
	raw_end_reply(&client, WIRE_EV_DISCONNECTED_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

/* A worker that is killed between its bytes and its doorbell */
TEST(a_dead_client_leaves_its_bytes)
{
	begin_pair();
	CHECK(fifo_put(&c.tx, "last words", 10) == 10);
	raw_close(&client);
	raw_expect(&server, WIRE_EV_IO_RX, &msg);
	expect_end(&server, WIRE_EV_DISCONNECTED, s.handle);
	raw_read(&server, &s, "last words");
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	CHECK(raw_status_is(&d, "sessions_now", 0));
	CHECK(raw_status_is(&d, "segments", 0));
	CHECK(raw_is_quiet(&server));
	raw_close(&server);
	raw_stop(&d);
}

TEST(a_dead_client_that_left_bytes_unread_resets)
{
	begin_pair();
	raw_write(&server, &s, "never read");
	raw_close(&client);
	expect_end(&server, WIRE_EV_RESET, s.handle);
	raw_end_reply(&server, WIRE_EV_RESET_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	raw_close(&server);
	raw_stop(&d);
}

TEST(one_application_may_connect_to_itself)
{
	struct ctrl a;

	begin();
	raw_send_connect(&server, "127.0.0.1", 80, 4);
	raw_get_accept(&server, &a);
	raw_accept_reply(&server, &a, 0, 5, &s);
	raw_expect(&server, WIRE_EV_CONNECTED, &msg);
	CHECK(server.n_segments == 1);
	CHECK(msg.connected.segment_handle == a.accepted.segment_handle);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, true);
	expect_end(&server, WIRE_EV_DISCONNECTED, msg.connected.handle);
	raw_end(&server, WIRE_EV_DISCONNECT, msg.cleanup.handle);
	raw_expect_cleanup(&server, msg.cleanup.handle, false);
	end();
}

TEST(segments_grow_and_are_given_back)
{
	struct raw_session a[40], b[40];
	unsigned i;

	begin(); /* 4 MiB a segment, 128 KiB a pair, twice: 16 fit */
	for (i = 0; i < 40; i++)
		raw_pair(&server, &client, 80, &b[i], &a[i]);
	CHECK(client.n_segments == 3 && server.n_segments == 3);
	for (i = 0; i < 40; i++) {
		raw_write(&client, &a[i], "x");
		raw_read(&server, &b[i], "x");
	}
	for (i = 0; i < 40; i++) {
		raw_end(&client, WIRE_EV_DISCONNECT, a[i].handle);
		raw_expect_cleanup(&client, a[i].handle, true);
		expect_end(&server, WIRE_EV_DISCONNECTED, b[i].handle);
		raw_end(&server, WIRE_EV_DISCONNECT, b[i].handle);
		raw_expect_cleanup(&server, b[i].handle, false);
	}
	CHECK(raw_is_quiet(&client) && raw_is_quiet(&server));
	CHECK(client.n_segments <= 1 && server.n_segments <= 1);
	end();
}

TEST(release_2510_is_spoken)
{
	const char *const args[] = { "--vpp-release", "25.10", NULL };
	struct raw_options o = raw_default;
	static char bulk[65536];
	struct ctrl a;

	raw_start(&d, args);
	o.ext = false;
	o.dialect = WIRE_2510;
	CHECK(!raw_attach(&server, &d, &o) && !raw_attach(&client, &d, &o));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	/* refused: the client is told now, not with the announcement */
	raw_send_connect(&client, "127.0.0.1", 80, 4);
	raw_get_accept(&server, &a);
	CHECK(raw_is_quiet(&client));
	raw_accept_reply(&server, &a, -1, 0, NULL);
	raw_expect(&client, WIRE_EV_CONNECTED, &msg);
	CHECK(msg.connected.retval == WIRE_E_REFUSED);
	/* accepted: the index of the server is in the header alone */
	raw_send_connect(&client, "127.0.0.1", 80, 4);
	raw_accept(&server, 5, &s);
	raw_expect(&client, WIRE_EV_CONNECTED, &msg);
	CHECK(!msg.connected.retval);
	c.handle = msg.connected.handle;
	c.index = 4;
	CHECK(!fifo_attach(&c.rx,
			   raw_segment(&client, msg.connected.segment_handle),
			   msg.connected.rx_fifo, WIRE_2510));
	CHECK(!fifo_attach(&c.tx, c.rx.seg, msg.connected.tx_fifo, WIRE_2510));
	CHECK(!fifo_write_index(c.rx.seg, c.rx.off, WIRE_2510, 4));
	CHECK(!fifo_write_index(c.rx.seg, c.tx.off, WIRE_2510, 4));
	raw_write(&client, &c, "ping");
	raw_read(&server, &s, "ping");
	raw_write(&server, &s, "pong");
	raw_read(&client, &c, "pong");
	CHECK(fifo_put(&c.tx, bulk, sizeof(bulk)) == sizeof(bulk));
	fifo_want_room(&c.tx, 0);
	CHECK(fifo_take(&s.rx, bulk, sizeof(bulk)) == sizeof(bulk));
	CHECK(fifo_took(&s.rx, sizeof(bulk)));
	raw_io(&server, WIRE_EV_IO_RX, raw_io_name(&server, &s, WIRE_EV_IO_RX));
	do {
		CHECK(raw_recv(&client, &msg, RAW_WAIT_MS));
	} while (msg.type == WIRE_EV_IO_RX);
	CHECK(msg.type == WIRE_EV_IO_TX && msg.io.session_index == 4);
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	expect_stock_end(&server, s.handle);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, true);
	end();
}
