/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_attach.c - attaching: replies, descriptors, refusals, leaving */
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

TEST(attach_gives_queues_segment_and_trailer)
{
	struct raw_daemon d;
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
	struct raw_daemon d;
	struct raw r;

	raw_start(&d, NULL);
	o.ext = false;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.hello.magic == 0);
	raw_close(&r);
	raw_stop(&d);
}

TEST(without_eventfd_there_is_one_less_and_messages_still_come)
{
	struct raw_options o = raw_default;
	struct raw_daemon d;
	struct raw r;

	raw_start(&d, NULL);
	o.flags &= ~(uint64_t)WIRE_OPT_F_MQ_EVENTFD;
	CHECK(!raw_attach(&r, &d, &o));
	CHECK(r.fd_flags == 11 && r.n_fds == 3 && r.evfd == -1);
	CHECK(raw_is_quiet(&r));
	raw_close(&r);
	raw_stop(&d);
}
