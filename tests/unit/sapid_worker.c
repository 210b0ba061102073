/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_worker.c - several workers of an application, and what they share */
#include <arpa/inet.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw a, b, client;
static struct raw_session s, c;
static struct ctrl msg;
static uint64_t ha, hb;

static void begin(void)
{
	raw_start(&d, NULL);
	CHECK(!raw_attach(&a, &d, &raw_default));
	CHECK(!raw_add_worker(&b, &d, &a));
	CHECK(!raw_attach(&client, &d, &raw_default));
}

static void end(void)
{
	CHECK(raw_is_quiet(&client));
	raw_close(&b);
	raw_close(&a);
	raw_close(&client);
	CHECK(raw_status_is(&d, "sessions_now", 0));
	CHECK(raw_status_is(&d, "segments", 0));
	raw_stop(&d);
}

/* a listens, and has not accepted what came */
static void offer_to_a(void)
{
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, &ha));
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 1, &c));
	raw_get_accept(&a, &msg);
}

TEST(a_worker_gets_its_own_queue_and_trailer)
{
	begin();
	CHECK(b.wrk_index == 1 && b.handle != a.handle);
	CHECK(b.fd_flags == 6);
	CHECK(b.hello.magic == WIRE_EXT_MAGIC);
	CHECK(map_at(&b.seg.map, b.hello.stats_off, sizeof(struct wire_stats)));
	CHECK(raw_is_quiet(&a) && raw_is_quiet(&b));
	end();
}

TEST(only_its_own_application_takes_it)
{
	struct raw other = { .app_index = 77 }, r;

	begin();
	CHECK(raw_add_worker(&r, &d, &other) == WIRE_E_INVALID);
	close(r.sock);
	other.app_index = UINT32_MAX;
	CHECK(raw_add_worker(&r, &d, &other) == WIRE_E_INVALID);
	close(r.sock);
	end();
}

TEST(accepts_go_round_the_workers)
{
	int i;

	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, &ha));
	CHECK(!raw_listen(&b, "127.0.0.1", 80, 0, &hb));
	CHECK(ha == hb);
	CHECK(raw_listen(&b, "127.0.0.1", 80, 0, NULL) ==
	      WIRE_E_ALREADY_LISTENING);
	for (i = 0; i < 10; i++)
		raw_pair(i % 2 ? &b : &a, &client, 80, &s, &c);
	CHECK(!raw_unlisten(&a, ha));
	CHECK(!raw_unlisten(&a, ha)); /* again: others still listen */
	for (i = 0; i < 3; i++)
		raw_pair(&b, &client, 80, &s, &c);
	CHECK(!raw_unlisten(&b, hb));
	CHECK(raw_unlisten(&b, hb) == WIRE_E_NOLISTEN);
	CHECK(raw_connect(&client, "127.0.0.1", 80, 1, NULL) == WIRE_E_NOROUTE);
	end();
}

static void offered_again(bool dies)
{
	struct ctrl first;

	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, &ha));
	CHECK(!raw_listen(&b, "127.0.0.1", 80, 0, NULL));
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 1, &c));
	raw_write(&client, &c, "early");
	raw_get_accept(&a, &first);
	if (dies)
		raw_close(&a);
	else
		CHECK(!raw_unlisten(&a, ha));
	raw_get_accept(&b, &msg);
	CHECK(msg.accepted.handle != first.accepted.handle);
	if (!dies) /* too late */
		raw_accept_reply(&a, &first, 0, 6, NULL);
	raw_accept_reply(&b, &msg, 0, 7, &s);
	raw_read(&b, &s, "early");
	raw_write(&b, &s, "late");
	raw_read(&client, &c, "late");
}

TEST(what_nobody_took_is_offered_again_after_unlisten)
{
	offered_again(false);
	end();
}

/* b for its parent a, which never accepts */
static void relieve_a(int retval)
{
	msg = (struct ctrl){ .type = WIRE_EV_UNLISTEN };
	msg.unlisten.client_index = a.handle;
	msg.unlisten.context = WIRE_UNLISTEN_RELIEVE;
	msg.unlisten.wrk_index = a.wrk_index;
	msg.unlisten.handle = ha;
	raw_send(&a, &msg);
	raw_expect(&a, WIRE_EV_UNLISTEN_REPLY, &msg);
	CHECK(msg.unlisten_reply.retval == retval);
}

TEST(who_is_relieved_gets_nothing)
{
	int i;

	begin();
	offer_to_a();
	CHECK(!raw_listen(&b, "127.0.0.1", 80, 0, NULL));
	relieve_a(0);
	raw_accept(&b, 7, &s);
	for (i = 0; i < 3; i++)
		raw_pair(&b, &client, 80, &s, &c);
	CHECK(raw_is_quiet(&a));
	CHECK(raw_status(&d, "workers") == 1);
	end();
}

TEST(nobody_is_relieved_by_nobody)
{
	begin();
	offer_to_a();
	relieve_a(WIRE_E_NOLISTEN);
	CHECK(raw_is_quiet(&a));
	raw_pair(&a, &client, 80, &s, &c);
	end();
}

/* ... who has the socket: a second child may still come for it */
TEST(what_nobody_took_goes_back_to_who_was_relieved)
{
	struct ctrl first;
	struct raw b2;

	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, &ha));
	CHECK(!raw_listen(&b, "127.0.0.1", 80, 0, NULL));
	relieve_a(0);
	CHECK(!raw_connect(&client, "127.0.0.1", 80, 1, &c));
	raw_write(&client, &c, "early");
	raw_get_accept(&b, &first);
	raw_close(&b);
	raw_get_accept(&a, &msg);
	CHECK(msg.accepted.handle != first.accepted.handle);
	CHECK(!raw_add_worker(&b2, &d, &a));
	CHECK(!raw_listen(&b2, "127.0.0.1", 80, 0, &hb));
	CHECK(hb == ha);
	relieve_a(0);
	raw_get_accept(&b2, &msg);
	raw_accept_reply(&b2, &msg, 0, 7, &s);
	raw_read(&b2, &s, "early");
	raw_close(&b2);
	raw_expect(&client, WIRE_EV_DISCONNECTED, &msg);
	raw_expect(&client, WIRE_EV_CLEANUP, &msg);
	end();
}

/* b can't send any more: its queue to the daemon was mapped by a */
TEST(what_nobody_took_is_reset_when_nobody_is_left)
{
	begin();
	offer_to_a();
	CHECK(!raw_unlisten(&a, ha));
	raw_expect(&client, WIRE_EV_RESET, &msg);
	CHECK(msg.close.handle == c.handle);
	raw_expect(&client, WIRE_EV_CLEANUP, &msg);
	raw_end_reply(&client, WIRE_EV_RESET_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

TEST(a_dead_workers_sessions_end_and_its_siblings_do_not)
{
	struct raw_session s2, c2;

	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, &ha));
	CHECK(!raw_listen(&b, "127.0.0.1", 80, 0, NULL));
	raw_pair(&a, &client, 80, &s, &c);
	raw_pair(&b, &client, 80, &s2, &c2);
	raw_close(&b);
	raw_expect(&client, WIRE_EV_DISCONNECTED, &msg);
	CHECK(msg.close.handle == c2.handle);
	raw_expect(&client, WIRE_EV_CLEANUP, &msg);
	raw_write(&client, &c, "still here?");
	raw_read(&a, &s, "still here?");
	CHECK(!raw_add_worker(&b, &d, &a));
	CHECK(b.wrk_index == 1);
	end();
}

TEST(subscribers_hear_everything_and_inherit)
{
	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, NULL));
	raw_pair(&a, &client, 80, &s, &c);
	CHECK(!fifo_subscribe(&s.rx, (uint8_t)b.wrk_index));
	CHECK(!fifo_subscribe(&s.rx, 200)); /* nobody */
	CHECK(!fifo_subscribe(&s.rx, (uint8_t)a.wrk_index));
	CHECK(raw_is_quiet(&a)); /* the reply has been seen */
	raw_write(&client, &c, "for both");
	raw_expect(&a, WIRE_EV_IO_RX, &msg);
	raw_expect(&b, WIRE_EV_IO_RX, &msg);
	CHECK(msg.io.session_index == s.index);
	raw_read(&a, &s, "for both");
	/* a leaves without a word; the connection is b's */
	shutdown(a.sock, 2);
	raw_expect(&b, WIRE_EV_IO_RX, &msg);
	raw_expect(&b, WIRE_EV_IO_TX, &msg);
	CHECK(raw_is_quiet(&client));
	raw_write(&client, &c, "yours now");
	raw_read(&b, &s, "yours now");
	raw_end(&b, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&b, s.handle, true);
	raw_expect(&client, WIRE_EV_DISCONNECTED, &msg);
	raw_expect(&client, WIRE_EV_CLEANUP, &msg);
	raw_end_reply(&client, WIRE_EV_DISCONNECTED_REPLY, c.handle);
	raw_expect_cleanup(&client, c.handle, false);
	end();
}

TEST(hand_over_by_worker_update)
{
	begin();
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, NULL));
	raw_pair(&a, &client, 80, &s, &c);
	msg = (struct ctrl){ .type = WIRE_EV_WORKER_UPDATE };
	msg.worker_update.client_index = a.handle;
	msg.worker_update.wrk_index = (uint16_t)b.wrk_index;
	msg.worker_update.req_wrk_index = (uint16_t)a.wrk_index;
	msg.worker_update.handle = s.handle;
	raw_send(&a, &msg);
	raw_expect(&b, WIRE_EV_REQ_WORKER_UPDATE, &msg);
	CHECK(msg.req_worker_update.handle == s.handle);
	msg = (struct ctrl){ .type = WIRE_EV_WORKER_UPDATE };
	msg.worker_update.client_index = b.handle;
	msg.worker_update.wrk_index = (uint16_t)b.wrk_index;
	msg.worker_update.req_wrk_index = (uint16_t)b.wrk_index;
	msg.worker_update.handle = s.handle;
	raw_send(&b, &msg);
	raw_expect(&b, WIRE_EV_WORKER_UPDATE_REPLY, &msg);
	CHECK(msg.worker_update_reply.rx_fifo == s.rx.off);
	CHECK(msg.worker_update_reply.tx_fifo == s.tx.off);
	CHECK(raw_segment(&b, msg.worker_update_reply.segment_handle));
	CHECK(raw_is_quiet(&b));
	raw_write(&client, &c, "to b");
	raw_expect(&b, WIRE_EV_IO_RX, &msg);
	CHECK(raw_is_quiet(&a));
	CHECK(raw_status(&d, "worker") == 0); /* the last shown: the client's */
	end();
}

TEST(messages_between_workers)
{
	begin();
	msg = (struct ctrl){ .type = WIRE_EV_APP_WRK_RPC };
	msg.wrk_rpc.client_index = a.handle;
	msg.wrk_rpc.wrk_index = b.wrk_index;
	strcpy((char *)msg.wrk_rpc.data, "hello, sister");
	raw_send(&a, &msg);
	raw_expect(&b, WIRE_EV_APP_WRK_RPC, &msg);
	CHECK(!msg.wrk_rpc.client_index && !msg.wrk_rpc.wrk_index);
	CHECK(!strcmp((char *)msg.wrk_rpc.data, "hello, sister"));
	end();
}

TEST(detach_and_delete_close_the_socket)
{
	struct wire_sapi del = { .type = WIRE_SAPI_WORKER };
	char byte;

	begin();
	del.worker.app_index = b.app_index;
	del.worker.wrk_index = b.wrk_index;
	CHECK(send(b.sock, &del, sizeof(del), 0) == sizeof(del));
	CHECK(recv(b.sock, &byte, 1, 0) <= 0);
	msg = (struct ctrl){ .type = WIRE_EV_APP_DETACH };
	msg.detach.client_index = a.handle;
	raw_send(&a, &msg);
	CHECK(recv(a.sock, &byte, 1, 0) <= 0);
	end();
}

/* SO_REUSEPORT: all of them must want it */
TEST(applications_share_a_port_if_all_want_to)
{
	const uint8_t share = WIRE_LISTEN_REUSEPORT;
	int i, n[2] = { 0 };
	struct raw x, y;

	begin();
	CHECK(!raw_attach(&x, &d, &raw_default));
	CHECK(!raw_attach(&y, &d, &raw_default));
	CHECK(!raw_listen(&a, "127.0.0.1", 80, 0, NULL));
	CHECK(raw_listen(&x, "127.0.0.1", 80, share, NULL) ==
	      WIRE_E_ALREADY_LISTENING);
	CHECK(!raw_listen(&x, "127.0.0.1", 81, share, NULL));
	CHECK(!raw_listen(&y, "127.0.0.1", 81, share, NULL));
	for (i = 0; i < 8; i++)
		CHECK(!raw_connect(&client, "127.0.0.1", 81, 9, &c));
	while (raw_recv(&x, &msg, 0))
		n[0]++;
	while (raw_recv(&y, &msg, 0))
		n[1]++;
	CHECK(n[0] == 4 && n[1] == 4);
	raw_close(&x);
	raw_close(&y);
	for (i = 0; i < 8; i++) {
		raw_expect(&client, WIRE_EV_RESET, &msg);
		raw_expect(&client, WIRE_EV_CLEANUP, &msg);
	}
	end();
}
