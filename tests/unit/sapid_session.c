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
	raw_close(&server);
	raw_close(&client);
	raw_stop(&d);
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
	end();
}

TEST(close_is_told_with_cleanups)
{
	begin_pair();
	raw_end(&client, WIRE_EV_DISCONNECT, c.handle);
	raw_expect_cleanup(&client, c.handle, true);
	raw_expect(&server, WIRE_EV_DISCONNECTED, &msg);
	CHECK(msg.close.handle == s.handle);
	CHECK(msg.close.context == server.handle);
	raw_expect(&server, WIRE_EV_CLEANUP, &msg);
	CHECK(msg.cleanup.handle == s.handle && msg.cleanup.type == 0);
	raw_end_reply(&server, WIRE_EV_DISCONNECTED_REPLY, s.handle);
	raw_expect_cleanup(&server, s.handle, false);
	end();
}
