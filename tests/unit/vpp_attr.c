/* SPDX-License-Identifier: Apache-2.0 */
/* vpp_attr.c - what a real VPP says of a TCP connection's transport
 *
 * vpp_wire.bats runs it with SAPI_VPP_PEER="ADDRESS PORT", where somebody
 * listens.
 */
#include <arpa/inet.h>

#include "core/sess/app.h"
#include "core/sess/session.h"
#include "core/wire/ctrl.h"
#include "tests/unit/tap.h"

#define NOT_TCPS 200 /* no transport has so many */

static struct app *app;
static struct session *s;

static int get(uint8_t type, void *val, size_t size)
{
	return session_attr(s, true, type, val, size);
}

static int set(uint8_t type, void *val, size_t size)
{
	return session_attr(s, false, type, val, size);
}

static char address[INET_ADDRSTRLEN];

static void start(void)
{
	const char *peer = getenv("SAPI_VPP_PEER");
	struct ctrl_addr rmt = { .is_ip4 = 1 };
	int port;

	if (!peer)
		SKIP("A REAL VPP IS NOT TESTED: run by vpp_wire.bats");
	CHECK(sscanf(peer, "%15s %d", address, &port) == 2);
	CHECK(inet_pton(AF_INET, address, rmt.ip + 12) == 1);
	rmt.port = htons((uint16_t)port);
	app = app_get(CONF_VPP);
	CHECK(app && !app->sapid);
	CHECK(!session_connect(app, &rmt, NULL, NULL, &s));
	CHECK(!app_wait_ctl(app, s, 20000));
	CHECK(s->state == SESSION_OPEN);
}

static void finish(void)
{
	int ms;

	session_close(s, false);
	for (ms = 0; ms < 20000 && s->state != SESSION_FREE; ms++)
		app_rest(app);
	CHECK(s->state == SESSION_FREE);
	app_put(app);
	app_leave();
	while (private_next(0) >= 0)
		private_close(private_next(0));
}

/* Where its packets go next in VPP; 0 as long as nobody has said. */
TEST(next_hop)
{
	uint64_t node = 1, same;

	start();
	CHECK(!get(WIRE_ATTR_NEXT_OUTPUT_NODE, &node, sizeof(node)));
	CHECK(node == 0);
	/* the upper half is for the node, and TCP does nothing with it */
	node = 5ull << 32;
	CHECK(!set(WIRE_ATTR_NEXT_OUTPUT_NODE, &node, sizeof(node)));
	CHECK(!get(WIRE_ATTR_NEXT_OUTPUT_NODE, &same, sizeof(same)));
	CHECK(same == node);
	node = 0;
	CHECK(!set(WIRE_ATTR_NEXT_OUTPUT_NODE, &node, sizeof(node)));
	finish();
}

/* TCP takes what its options need from it once a segment has come. */
static bool is_about_700(uint32_t mss)
{
	return mss <= 700 && mss >= 660;
}

TEST(mss)
{
	uint32_t first, now;

	start();
	CHECK(!session_mss(s, &first));
	CHECK(first > 1000);
	CHECK(!session_set_mss(s, 700));
	CHECK(!session_mss(s, &now));
	CHECK(is_about_700(now));
	CHECK(!session_set_mss(s, 1400));
	CHECK(!session_mss(s, &now));
	CHECK(is_about_700(now));
	finish();
}

TEST(others)
{
	uint8_t byte;

	start();
	CHECK(!get(WIRE_ATTR_FLAGS, &byte, sizeof(byte)));
	CHECK(!get(WIRE_ATTR_CC_ALGO, &byte, sizeof(byte)));
	CHECK(get(WIRE_ATTR_TLS_ALPN, &byte, sizeof(byte)) == -EOPNOTSUPP);
	CHECK(get(NOT_TCPS, &byte, sizeof(byte)) == -EOPNOTSUPP);
	CHECK(!get(WIRE_ATTR_FLAGS, &byte, sizeof(byte)));
	finish();
}

/* The very ends of the connection. */
TEST(endpoints)
{
	char is[INET_ADDRSTRLEN];

	start();
	CHECK(inet_ntop(AF_INET, s->rmt.ip + 12, is, sizeof(is)));
	CHECK(!strcmp(is, address));
	CHECK(s->lcl.is_ip4 && s->lcl.port);
	finish();
}
