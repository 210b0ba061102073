/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_match.c - addresses, refusals and limits of LISTEN and CONNECT */
#include <arpa/inet.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

static struct raw_daemon d;
static struct raw server, client;
static struct raw_session s, c;
static struct ctrl msg;

static void begin(const char *conf)
{
	if (conf)
		raw_start_conf(&d, conf);
	else
		raw_start(&d, NULL);
	CHECK(!raw_attach(&server, &d, &raw_default));
	CHECK(!raw_attach(&client, &d, &raw_default));
}

static void end(void)
{
	raw_close(&server);
	raw_close(&client);
	CHECK(raw_status_is(&d, "sessions_now", 0));
	CHECK(raw_status_is(&d, "segments", 0));
	raw_stop(&d);
}

/* Does a client that connects to @to reach a server that listens on @at? */
static bool reaches(const char *to, const char *at, uint8_t flags)
{
	uint64_t handle;
	int ret;

	CHECK(!raw_listen(&server, at, 80, flags, &handle));
	ret = raw_connect(&client, to, 80, 1, &c);
	CHECK(ret == 0 || ret == WIRE_E_NOROUTE);
	if (!ret) {
		raw_accept(&server, 2, &s);
		raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
		raw_expect_cleanup(&client, c.handle, true);
		raw_expect(&server, WIRE_EV_DISCONNECTED, &msg);
		raw_expect(&server, WIRE_EV_CLEANUP, &msg);
		raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
		raw_expect_cleanup(&server, s.handle, false);
	}
	CHECK(!raw_unlisten(&server, handle));
	return !ret;
}

TEST(who_is_reached_where)
{
	begin(NULL);
	CHECK(reaches("127.0.0.1", "127.0.0.1", 0));
	CHECK(reaches("127.0.0.1", "0.0.0.0", 0));
	CHECK(reaches("127.3.2.1", "0.0.0.0", 0));
	CHECK(reaches("127.0.0.1", "::", 0));
	CHECK(reaches("::1", "::", 0));
	CHECK(reaches("::1", "::1", 0));
	CHECK(reaches("::ffff:127.0.0.1", "127.0.0.1", 0));
	CHECK(reaches("127.0.0.1", "::ffff:127.0.0.1", 0));
	CHECK(reaches("::ffff:127.0.0.1", "::", 0));
	CHECK(reaches("0.0.0.0", "127.0.0.1", 0));
	CHECK(reaches("0.0.0.0", "0.0.0.0", 0));
	CHECK(reaches("::", "::1", 0));
	CHECK(reaches("10.255.255.9", "10.255.255.9", 0)); /* as it says */
	CHECK(!reaches("127.0.0.1", "::", WIRE_LISTEN_V6ONLY));
	CHECK(!reaches("::1", "0.0.0.0", 0));
	CHECK(!reaches("127.0.0.2", "127.0.0.1", 0));
	CHECK(!reaches("203.0.113.9", "0.0.0.0", 0));
	CHECK(!reaches("2001:db8::9", "::", 0));
	end();
}

TEST(endpoints_collide_as_in_the_kernel)
{
	begin(NULL);
	CHECK(!raw_listen(&server, "0.0.0.0", 80, 0, NULL));
	CHECK(raw_listen(&client, "0.0.0.0", 80, 0, NULL) ==
	      WIRE_E_ALREADY_LISTENING);
	CHECK(raw_listen(&client, "::", 80, 0, NULL) ==
	      WIRE_E_ALREADY_LISTENING);
	CHECK(!raw_listen(&client, "::", 80, WIRE_LISTEN_V6ONLY, NULL));
	/* the address wins over the wildcard */
	CHECK(!raw_listen(&client, "127.0.0.1", 80, 0, NULL));
	CHECK(!raw_connect(&server, "127.0.0.1", 80, 1, NULL));
	raw_get_accept(&client, &msg);
	end();
}

TEST(port_zero_gets_one)
{
	uint16_t first;

	begin(NULL);
	msg = (struct ctrl){ .type = WIRE_EV_LISTEN };
	msg.listen.client_index = server.handle;
	msg.listen.is_ip4 = 1;
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_BOUND, &msg);
	first = ntohs(msg.bound.lcl.port);
	CHECK(!msg.bound.retval && first >= 1024 && msg.bound.lcl.is_ip4);
	CHECK(!raw_connect(&client, "127.0.0.1", first, 1, NULL));
	end();
}

static int listen_retval(uint8_t proto, uint32_t client_index,
			 uint32_t wrk_index)
{
	msg = (struct ctrl){ .type = WIRE_EV_LISTEN };
	msg.listen.client_index = client_index;
	msg.listen.wrk_index = wrk_index;
	msg.listen.proto = proto;
	msg.listen.port = htons(80);
	msg.listen.is_ip4 = 1;
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_BOUND, &msg);
	return msg.bound.retval;
}

static int connect_retval(uint8_t proto, uint32_t client_index,
			  uint32_t wrk_index)
{
	msg = (struct ctrl){ .type = WIRE_EV_CONNECT };
	msg.connect.client_index = client_index;
	msg.connect.wrk_index = wrk_index;
	msg.connect.proto = proto;
	msg.connect.port = htons(80);
	msg.connect.is_ip4 = 1;
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_CONNECTED, &msg);
	return msg.connected.retval;
}

TEST(what_is_not_served_is_answered)
{
	uint32_t h;

	begin(NULL);
	h = server.handle;
	CHECK(listen_retval(WIRE_PROTO_UDP, h, 0) == WIRE_E_TRANSPORT_NO_REG);
	CHECK(listen_retval(WIRE_PROTO_TLS, h, 0) == WIRE_E_NOEXTCFG);
	CHECK(listen_retval(77, h, 0) == WIRE_E_TRANSPORT_NO_REG);
	CHECK(listen_retval(0, h, 9) == WIRE_E_INVALID_APPWRK);
	CHECK(listen_retval(0, h, UINT32_MAX) == WIRE_E_INVALID_APPWRK);
	CHECK(listen_retval(0, client.handle, 0) == WIRE_E_NOAPP);
	CHECK(connect_retval(WIRE_PROTO_UDP, h, 0) == WIRE_E_TRANSPORT_NO_REG);
	CHECK(connect_retval(WIRE_PROTO_QUIC, h, 0) == WIRE_E_NOEXTCFG);
	CHECK(connect_retval(0, h, 300) == WIRE_E_INVALID_APPWRK);
	CHECK(connect_retval(0, client.handle, 0) == WIRE_E_NOAPP);
	CHECK(connect_retval(0, h, 0) == WIRE_E_NOROUTE);
	msg = (struct ctrl){ .type = WIRE_EV_CONNECT_STREAM };
	msg.connect.client_index = h;
	msg.connect.context = 5;
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_CONNECTED, &msg);
	CHECK(msg.connected.retval == WIRE_E_NOSUPPORT);
	CHECK(msg.connected.context == 5);
	msg = (struct ctrl){ .type = WIRE_EV_LISTEN_URI };
	msg.uri.context = 6;
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_BOUND, &msg);
	CHECK(msg.bound.retval == WIRE_E_NOSUPPORT && msg.bound.context == 6);
	msg = (struct ctrl){ .type = WIRE_EV_CONNECT_URI };
	raw_send(&server, &msg);
	raw_expect(&server, WIRE_EV_CONNECTED, &msg);
	CHECK(msg.connected.retval == WIRE_E_NOSUPPORT);
	end();
}

TEST(a_foreign_handle_is_no_handle)
{
	uint64_t handle;

	begin(NULL);
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, &handle));
	raw_pair(&server, &client, 80, &s, &c);
	CHECK(raw_unlisten(&client, handle) == WIRE_E_OWNER);
	CHECK(raw_unlisten(&client, c.handle) == WIRE_E_NOLISTEN);
	raw_end(&client, WIRE_EV_TERMINATE, s.handle);
	raw_end_reply(&client, WIRE_EV_RESET_REPLY, s.handle);
	raw_io(&client, WIRE_EV_IO_TX, s.handle);
	raw_io(&client, WIRE_EV_IO_TX, UINT32_MAX);
	CHECK(raw_is_quiet(&client) && raw_is_quiet(&server));
	raw_write(&client, &c, "intact");
	raw_read(&server, &s, "intact");
	end();
}

TEST(attributes)
{
	uint16_t mss;

	begin(NULL);
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	raw_pair(&server, &client, 80, &s, &c);
	msg = (struct ctrl){ .type = WIRE_EV_TRANSPORT_ATTR };
	msg.attr.client_index = client.handle;
	msg.attr.handle = c.handle;
	msg.attr.attr_type = 1;
	msg.attr.is_get = 1;
	raw_send(&client, &msg);
	raw_expect(&client, WIRE_EV_TRANSPORT_ATTR_REPLY, &msg);
	memcpy(&mss, msg.attr.attr_value, sizeof(mss));
	CHECK(!msg.attr.retval && mss == 65483 && msg.attr.is_get == 1);
	msg.type = WIRE_EV_TRANSPORT_ATTR;
	msg.attr.client_index = client.handle;
	msg.attr.attr_type = 3;
	raw_send(&client, &msg);
	raw_expect(&client, WIRE_EV_TRANSPORT_ATTR_REPLY, &msg);
	CHECK(msg.attr.retval == WIRE_E_UNKNOWN);
	end();
}

TEST(limits_refuse_and_do_not_hurt)
{
	uint64_t h[3];
	int i;

	begin("[sapid]\nmax-backlog = 3\nmax-sessions = 5\n"
	      "max-listeners = 2\nmax-workers = 2\nmax-apps = 3\n");
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, &h[0]));
	CHECK(!raw_listen(&server, "127.0.0.1", 81, 0, &h[1]));
	CHECK(raw_listen(&server, "127.0.0.1", 82, 0, NULL) == WIRE_E_ALLOC);
	CHECK(!raw_unlisten(&server, h[1]));
	CHECK(!raw_listen(&server, "127.0.0.1", 82, 0, &h[1]));
	for (i = 0; i < 3; i++)
		CHECK(!raw_connect(&client, "127.0.0.1", 80, 1, &c));
	CHECK(raw_connect(&client, "127.0.0.1", 80, 1, &c) == WIRE_E_REFUSED);
	for (i = 0; i < 3; i++)
		raw_accept(&server, 1, &s);
	CHECK(raw_is_quiet(&server)); /* the daemon has seen it */
	for (i = 0; i < 2; i++)
		raw_pair(&server, &client, 80, &s, &c);
	CHECK(raw_connect(&client, "127.0.0.1", 80, 1, &c) == WIRE_E_REFUSED);
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_expect(&server, WIRE_EV_DISCONNECTED, &msg);
	raw_expect(&server, WIRE_EV_CLEANUP, &msg);
	raw_end(&server, WIRE_EV_DISCONNECT, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	raw_pair(&server, &client, 80, &s, &c);
	end();
}

TEST(too_many_applications_or_workers)
{
	struct raw r[3];

	begin("[sapid]\nmax-workers = 2\nmax-apps = 3\n");
	CHECK(!raw_attach(&r[0], &d, &raw_default));
	CHECK(raw_attach(&r[1], &d, &raw_default) == WIRE_E_ALLOC);
	CHECK(!raw_add_worker(&r[2], &d, &client));
	close(r[1].sock);
	CHECK(raw_add_worker(&r[1], &d, &client) == WIRE_E_ALLOC);
	close(r[1].sock);
	raw_close(&r[0]);
	raw_close(&r[2]);
	end();
}

TEST(segments_are_limited_in_bytes)
{
	int i, ret = 0;

	begin("[sapid]\nmax-segment-bytes = 8388608\n"); /* two of 4 MiB */
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	for (i = 0; i < 100 && !ret; i++)
		ret = raw_connect(&client, "127.0.0.1", 80, 1, NULL);
	CHECK(i == 33 && ret == WIRE_E_SEG_NO_SPACE);
	end();
}

TEST(a_client_that_does_not_read_is_dropped)
{
	struct raw_options o = raw_default;
	struct raw lazy;
	int i;

	begin("[sapid]\nmax-pending = 20\n");
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	raw_pair(&server, &client, 80, &s, &c);
	o.queue = 32; /* 16 control messages */
	CHECK(!raw_attach(&lazy, &d, &o));
	for (i = 0; i < 40; i++)
		raw_send_connect(&lazy, "127.0.0.1", 9, 1);
	CHECK(raw_status_is(&d, "apps", 2));
	raw_write(&client, &c, "others go on");
	raw_read(&server, &s, "others go on");
	raw_close(&lazy);
	end();
}

TEST(a_slow_client_gets_everything_in_order)
{
	struct raw_options o = raw_default;
	struct raw_session b;
	struct raw slow;
	uint32_t i;

	begin(NULL);
	o.queue = 32;
	CHECK(!raw_attach(&slow, &d, &o));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	CHECK(!raw_connect(&slow, "127.0.0.1", 80, 4711, &b));
	raw_accept(&server, 1, &s);
	for (i = 0; i < 1000; i++)
		raw_send_connect(&slow, "127.0.0.1", 9, i);
	raw_write(&server, &s, "and a doorbell");
	for (i = 0; i < 1000; i++) {
		raw_expect(&slow, WIRE_EV_CONNECTED, &msg);
		CHECK(msg.connected.context == i);
	}
	raw_read(&slow, &b, "and a doorbell");
	raw_close(&slow);
	end();
}

TEST(the_status_is_a_document)
{
	char *text;

	begin(NULL);
	CHECK(!raw_listen(&server, "127.0.0.1", 8080, 0, NULL));
	raw_pair(&server, &client, 8080, &s, &c);
	text = raw_status_text(&d);
	CHECK(text[0] == '{' && text[strlen(text) - 1] == '}');
	CHECK(strstr(text, "\"127.0.0.1:8080\""));
	CHECK(strstr(text, "\"no-listener\":0"));
	free(text);
	CHECK(raw_status(&d, "sessions_total") == 1);
	CHECK(raw_status(&d, "sessions_now") == 2);
	CHECK(raw_status(&d, "segments") == 1);
	end();
}
