/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - segments of links, flags, the switch, arming and ringing */
#include <fcntl.h>
#include <sched.h>

#include "core/wire/offer.h"
#include "tests/unit/kernel_fault.h"
#include "tests/unit/link_rig.h"

#define RING 8192u

/* Mappings of memfds in this process. */
static int mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "/memfd:"))
			n++;
	fclose(f);
	return n;
}

/* --- where things lie --- */

TEST(blocks_are_as_the_treaty_says)
{
	struct link_rig r;
	uint8_t *block;
	uint32_t size;

	for (size = WIRE_LINK_RING_MIN; size <= 1u << 20; size *= 2) {
		link_rig_open(&r, size);
		block = link_rig_block(&r, RIG_INDEX);
		/* the header's page: the ends of ring 0 and 1 beside it */
		CHECK((uint8_t *)r.end[0].mine == block + size + 1792);
		CHECK((uint8_t *)r.end[0].peer == block + size + 1792 + 256);
		CHECK(r.end[0].tx.data == block + 1792);
		CHECK(r.end[0].rx.data == block + size + 1792 + 512);
		CHECK(r.end[0].tx.home == size - 1792 && !r.end[0].rx.home);
		CHECK(r.end[0].rx.data + size <= block + WIRE_LINK_BLOCK(size));
		CHECK(r.end[0].tx.tail == &r.end[0].mine->tail);
		CHECK(r.end[0].tx.head == &r.end[0].peer->head);
		CHECK(r.end[0].rx.tail == &r.end[0].peer->tail);
		CHECK(r.end[0].rx.head == &r.end[0].mine->head);
		CHECK((uint8_t *)r.end[0].seg == r.map[0].base);
		/* side 1 has the same, mirrored, in its own mapping */
		CHECK((uint8_t *)r.end[1].mine - r.map[1].base ==
		      (uint8_t *)r.end[0].peer - r.map[0].base);
		CHECK(r.end[1].rx.data - r.map[1].base ==
		      r.end[0].tx.data - r.map[0].base);
		CHECK(r.end[1].rx.home == r.end[0].tx.home);
		link_rig_close(&r);
	}
}

TEST(the_first_message_touches_one_page_of_the_block)
{
	struct link_rig r;
	char buf[8];
	int side;

	link_rig_open(&r, 1 << 20);
	CHECK(link_rig_pages(&r) == 1);
	for (side = 0; side < 2; side++) {
		CHECK(ring_put(&r.end[side].tx, "hello", 6) == 6);
		CHECK(ring_take(&r.end[!side].rx, buf, 8) == 6);
		CHECK(!strcmp(buf, "hello"));
	}
	CHECK(link_rig_pages(&r) == 2);
	link_rig_close(&r);
}

/* --- segments --- */

TEST(shapes)
{
	struct map m;

	CHECK(link_shape_ok(1, 4096) && link_shape_ok(64, 64 << 20));
	CHECK(!link_shape_ok(0, 4096) && !link_shape_ok(65, 4096));
	CHECK(!link_shape_ok(1, 2048) && !link_shape_ok(1, 128 << 20));
	CHECK(!link_shape_ok(1, 0) && !link_shape_ok(1, 4097));
	CHECK(!link_shape_ok(1, 12288) && !link_shape_ok(1, UINT32_MAX));
	CHECK(link_seg_create(&m, 0, 4096) == -EINVAL);
	CHECK(link_seg_create(&m, 1, 5000) == -EINVAL);
	CHECK(link_seg_create(&m, 64, 1 << 20) == 0);
	CHECK(m.size == 4096 + 64 * (2 * (1u << 20) + 4096));
	CHECK(fcntl(m.fd, F_GETFD) == FD_CLOEXEC);
	map_close(&m);
}

TEST(a_segment_is_sealed)
{
	struct map m;

	CHECK(link_seg_create(&m, 2, RING) == 0);
	CHECK(fcntl(m.fd, F_GET_SEALS) ==
	      (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	CHECK(ftruncate(m.fd, 4096) < 0);
	CHECK(ftruncate(m.fd, 1 << 20) < 0);
	/* or nobody could give memory back */
	CHECK(fcntl(m.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0);
	map_close(&m);
}

static int attach(int fd, unsigned n, uint32_t ring)
{
	struct map m = { 0 };
	int ret = link_seg_attach(&m, fd, n, ring);

	CHECK(fcntl(fd, F_GETFD) < 0); /* taken over, and not kept */
	CHECK(ret <= 0 && !m.base == (ret < 0));
	map_close(&m);
	CHECK(mappings() == 0);
	return ret;
}

/* A memfd of @size bytes with @magic in front. */
static int make_fd(off_t size, uint64_t magic, int seals)
{
	int fd = memfd_create("hostile", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, size) == 0);
	CHECK(pwrite(fd, &magic, sizeof(magic), 0) == sizeof(magic));
	CHECK(!seals || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

TEST(what_is_not_such_a_segment_is_refused)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	const off_t size = (off_t)WIRE_LINK_SEG_SIZE(2, RING);
	char path[] = "/tmp/linkXXXXXX";
	int fd;

	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 2, RING) == 0);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 1, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 2, RING * 2) ==
	      -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 0, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 65, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all), 2, 0) == -EPROTO);
	CHECK(attach(make_fd(size - 4096, WIRE_LINK_MAGIC, all), 2, RING) ==
	      -EPROTO);
	CHECK(attach(make_fd(size + 4096, WIRE_LINK_MAGIC, all), 2, RING) ==
	      -EPROTO);
	CHECK(attach(make_fd(size, 0, all), 2, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, 0), 2, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, F_SEAL_GROW | F_SEAL_SEAL),
		     2, RING) == -EPROTO);
	CHECK(attach(make_fd(size, WIRE_LINK_MAGIC, all | F_SEAL_FUTURE_WRITE),
		     2, RING) == -EPROTO);

	/* files of other kinds */
	fd = mkostemp(path, O_CLOEXEC);
	CHECK(fd >= 0 && unlink(path) == 0 && ftruncate(fd, size) == 0);
	CHECK(attach(fd, 2, RING) == -EPROTO);
	fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	CHECK(attach(fd, 2, RING) == -EPROTO);
}

TEST(ends_outside_are_refused)
{
	struct ring_own tx = { 0 }, rx = { 0 };
	struct link_end end;
	struct map m;

	CHECK(link_seg_create(&m, 3, RING) == 0);
	CHECK(link_end_init(&end, &m, 2, 0, RING, &tx, &rx) == 0);
	CHECK(link_end_init(&end, &m, 2, 1, RING, &tx, &rx) == 0);
	CHECK(link_end_init(&end, &m, 3, 0, RING, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, 64, 0, RING, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, UINT32_MAX, 0, RING, &tx, &rx) ==
	      -EPROTO);
	CHECK(link_end_init(&end, &m, 0, 2, RING, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, 0, 0, RING + 1, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, 0, 0, RING * 16, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, 2, 0, RING * 2, &tx, &rx) == -EPROTO);
	CHECK(link_end_init(&end, &m, 0, 0, 0, &tx, &rx) == -EPROTO);
	map_close(&m);
}

/* The n-th call fails, for each n: nothing is left behind. */
TEST(faults)
{
	struct map a, b;
	int ret = -1, n;

	for (n = 1; ret; n++) {
		kernel_fault_in = n;
		ret = link_seg_create(&a, 2, RING);
		kernel_fault_in = 0;
		CHECK(ret <= 0 && mappings() == !ret);
	}
	CHECK(n > 4);
	for (ret = -1, n = 1; ret; n++) {
		kernel_fault_in = n;
		ret = link_seg_attach(&b, dup(a.fd), 2, RING);
		kernel_fault_in = 0;
		CHECK(ret <= 0 && mappings() == 1 + !ret);
	}
	CHECK(n > 3);
	map_close(&a);
	map_close(&b);
}

TEST(a_wiped_block_is_as_new)
{
	struct link_rig r;
	uint8_t *block;
	size_t i;
	int fault;

	link_rig_open(&r, RING);
	block = link_rig_block(&r, RIG_INDEX);
	for (fault = 0; fault < 2; fault++) {
		memset(link_rig_block(&r, 0), 0x11, 3 * WIRE_LINK_BLOCK(RING));
		r.end[0].seg->side[0].ready = 7;
		r.end[0].seg->side[1].ready = 7;
		kernel_fault_in = fault;
		link_seg_wipe(&r.map[0], RIG_INDEX, RING);
		kernel_fault_in = 0;
		CHECK(link_seg_rung(r.end[0].seg, 0, UINT64_MAX) == 5);
		CHECK(link_seg_rung(r.end[0].seg, 1, UINT64_MAX) == 5);
		CHECK(block[-1] == 0x11 &&
		      block[WIRE_LINK_BLOCK(RING)] == 0x11);
		for (i = 0; i < sizeof(struct wire_link); i++)
			CHECK(block[WIRE_LINK_HEADER(RING) + i] == 0);
		/* where it could not be given back, old bytes stay */
		CHECK(block[0] == (fault ? 0x11 : 0));
	}
	link_seg_wipe(&r.map[0], 64, RING);
	link_seg_wipe(&r.map[0], 3, RING);
	link_rig_close(&r);
}

/* --- what the ends say --- */

TEST(flags)
{
	struct link_rig r;
	uint64_t at = 77;

	link_rig_open(&r, RING);
	CHECK(link_flags(&r.end[0]) == 0 && link_peer_flags(&r.end[0]) == 0);
	link_set_flags(&r.end[0], WIRE_LINK_RX_READY);
	link_set_flags(&r.end[0], WIRE_LINK_FIN);
	CHECK(link_flags(&r.end[0]) == (WIRE_LINK_RX_READY | WIRE_LINK_FIN));
	CHECK(link_peer_flags(&r.end[1]) ==
	      (WIRE_LINK_RX_READY | WIRE_LINK_FIN));
	CHECK(link_peer_flags(&r.end[0]) == 0);
	CHECK(!link_peer_switched(&r.end[1], &at) && at == 77);
	link_switch(&r.end[0], UINT64_C(0x123456789a));
	CHECK(link_peer_switched(&r.end[1], &at));
	CHECK(at == UINT64_C(0x123456789a));
	CHECK(!link_peer_switched(&r.end[0], &at));
	CHECK(link_peer_flags(&r.end[1]) & WIRE_LINK_FIN);
	link_rig_close(&r);
}

/* --- sleeping and waking --- */

TEST(who_is_not_armed_is_not_rung)
{
	struct link_rig r;

	link_rig_open(&r, RING);
	CHECK(link_wake_reader(&r.end[0]) == -1);
	CHECK(link_wake_writer(&r.end[0]) == -1);
	CHECK(!link_is_armed_rx(&r.end[1]));
	CHECK(!link_seg_any_rung(r.end[1].seg, 1, UINT64_MAX));
	CHECK(!link_seg_rung(r.end[1].seg, 1, UINT64_MAX));
	CHECK(r.end[0].mine->wakeups == 0);
	link_rig_close(&r);
}

/* From each CPU that we may use. */
TEST(who_is_rung_learns_from_where)
{
	cpu_set_t all, one;
	struct link_rig r;
	int cpu;

	link_rig_open(&r, RING);
	CHECK(link_seg_rung_from(r.end[0].seg, 1) == -1);
	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK(!sched_setaffinity(0, sizeof(one), &one));
		link_arm_rx(&r.end[1], 0);
		CHECK(link_wake_reader(&r.end[0]) == 0);
		CHECK(link_seg_rung_from(r.end[0].seg, 1) == cpu);
		CHECK(link_seg_rung_from(r.end[0].seg, 0) == -1);
	}
	CHECK(!sched_setaffinity(0, sizeof(all), &all));
	link_rig_close(&r);
}

TEST(a_reader_is_rung_once)
{
	struct link_rig r;
	int side;

	link_rig_open(&r, RING);
	for (side = 0; side < 2; side++) {
		link_arm_rx(&r.end[!side], 0);
		CHECK(link_is_armed_rx(&r.end[!side]));
		CHECK(link_wake_writer(&r.end[side]) == -1);
		CHECK(link_wake_reader(&r.end[!side]) == -1);
		CHECK(link_wake_reader(&r.end[side]) == 0);
		CHECK(!link_is_armed_rx(&r.end[!side]));
		CHECK(link_wake_reader(&r.end[side]) == -1);
		CHECK(!link_seg_any_rung(r.end[0].seg, (unsigned)side,
					 UINT64_MAX));
		CHECK(link_seg_any_rung(r.end[0].seg, (unsigned)!side,
					UINT64_MAX));
		CHECK(link_seg_rung(r.end[0].seg, (unsigned)!side,
				    UINT64_MAX) == 1u << RIG_INDEX);
		CHECK(!link_seg_any_rung(r.end[0].seg, (unsigned)!side,
					 UINT64_MAX));
		CHECK(r.end[side].mine->wakeups == 1);

		link_arm_rx(&r.end[!side], WIRE_BELLS_MAX - 1);
		CHECK(link_wake_reader(&r.end[side]) == WIRE_BELLS_MAX - 1);
		CHECK(link_seg_rung(r.end[0].seg, (unsigned)!side, UINT64_MAX));

		link_arm_rx(&r.end[!side], 5);
		link_disarm(&r.end[!side]);
		CHECK(!link_is_armed_rx(&r.end[!side]));
		CHECK(link_wake_reader(&r.end[side]) == -1);
	}
	link_rig_close(&r);
}

static char buf[RING];

TEST(a_writer_is_rung_when_there_is_room_enough)
{
	struct link_rig r;
	struct link_end *w, *c;

	link_rig_open(&r, RING);
	w = &r.end[0];
	c = &r.end[1];
	CHECK(ring_put(&w->tx, buf, RING) == RING);
	link_arm_tx(w, 7, 3000);
	CHECK(!link_is_armed_rx(w));
	CHECK(link_wake_writer(c) == -1);
	CHECK(ring_take(&c->rx, buf, 2999) == 2999);
	CHECK(link_wake_writer(c) == -1);
	CHECK(ring_take(&c->rx, buf, 1) == 1);
	CHECK(link_wake_writer(c) == 7);
	CHECK(link_wake_writer(c) == -1);
	CHECK(link_seg_rung(w->seg, 0, UINT64_MAX) == 1u << RIG_INDEX);

	/* more than there can be: an empty ring */
	link_arm_tx(w, 7, UINT32_MAX);
	CHECK(ring_drop(&c->rx, RING - 3001) == RING - 3001);
	CHECK(link_wake_writer(c) == -1);
	CHECK(ring_drop(&c->rx, 1) == 1);
	CHECK(link_wake_writer(c) == 7);
	/* any, and it is there */
	link_arm_tx(w, 8, 0);
	CHECK(link_wake_writer(c) == 8);
	link_arm_tx(w, 8, 0);
	link_disarm(w);
	CHECK(link_wake_writer(c) == -1);
	link_rig_close(&r);
}

TEST(of_two_writers_the_lesser_room_counts)
{
	struct link_rig r;
	struct link_end *w, *c;

	link_rig_open(&r, RING);
	w = &r.end[0];
	c = &r.end[1];
	CHECK(ring_put(&w->tx, buf, RING) == RING);
	link_arm_tx(w, 7, 3000);
	link_arm_tx(w, 7, RING);
	CHECK(ring_drop(&c->rx, 3000) == 3000);
	CHECK(link_wake_writer(c) == 7);
	/* and then it is forgotten */
	link_arm_tx(w, 7, RING);
	CHECK(link_wake_writer(c) == -1);
	link_arm_tx(w, 7, 3001);
	CHECK(link_wake_writer(c) == -1);
	CHECK(ring_drop(&c->rx, 1) == 1);
	CHECK(link_wake_writer(c) == 7);
	CHECK(w->mine->room_wanted == 0);
	link_rig_close(&r);
}

/* It would wait for ever for room that nobody makes. */
TEST(a_writer_is_rung_when_the_reader_closes)
{
	struct link_rig r;

	link_rig_open(&r, RING);
	CHECK(ring_put(&r.end[0].tx, buf, RING) == RING);
	link_arm_tx(&r.end[0], 3, 1);
	CHECK(link_wake_writer(&r.end[1]) == -1);
	link_set_flags(&r.end[1], WIRE_LINK_CLOSED);
	CHECK(link_wake_writer(&r.end[1]) == 3);
	link_rig_close(&r);
}

TEST(bells_that_cannot_be_are_ignored)
{
	static const uint32_t lies[] = { WIRE_BELLS_MAX + 1, UINT32_MAX,
					 1u << 31 };
	struct link_rig r;
	size_t i;

	link_rig_open(&r, RING);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		r.end[1].mine->armed_rx = lies[i];
		r.end[1].mine->armed_tx = lies[i];
		CHECK(link_wake_reader(&r.end[0]) == -1);
		CHECK(link_wake_writer(&r.end[0]) == -1);
		CHECK(!link_is_armed_rx(&r.end[1]));
	}
	/* and so are an impossible tail and room */
	link_arm_tx(&r.end[1], 1, 1);
	r.end[1].mine->tail = RING + 1;
	CHECK(link_wake_writer(&r.end[0]) == -1);
	r.end[1].mine->tail = 0;
	r.end[1].mine->room_wanted = UINT32_MAX;
	CHECK(link_wake_writer(&r.end[0]) == -1);
	CHECK(!link_seg_any_rung(r.end[0].seg, 1, UINT64_MAX));
	link_rig_close(&r);
}
