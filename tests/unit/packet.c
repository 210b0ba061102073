/* SPDX-License-Identifier: Apache-2.0 */
/* packet.c - datagrams in VPP's FIFO: headers, boundaries, what does not fit,
 * lies
 *
 * SEED=n repeats a run.
 */
#include "core/shm/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include "tests/unit/shm_rig.h"

#define SEG_BYTES (4 << 20)
#define FIFO_BYTES 300000
#define QUEUE 4096

static uint8_t in[PACKET_MAX + 1], out[PACKET_MAX + 1];
static struct rig rig;
static struct packet head = { .lcl = { .port = 0x1234, .is_ip4 = 1 },
			      .rmt = { .port = 0x5678, .is_ip4 = 1 } };

static void begin(uint32_t size)
{
	size_t i;

	rig_open(&rig, WIRE_2606, SEG_BYTES, size);
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 131 + i / 251);
	memcpy(head.lcl.ip + 12, "\12\12\0\1", 4);
	memcpy(head.rmt.ip + 12, "\12\12\0\2", 4);
}

static int put(size_t from, size_t len)
{
	struct iovec iov = { in + from, len };

	head.len = (uint32_t)len;
	return packet_put(&rig.p, &head, &iov, 1);
}

/* Its length, or the error. */
static ssize_t take(size_t room, bool peek)
{
	struct iovec iov = { out, room };
	struct packet p;
	int err;

	memset(out, 0xee, sizeof(out));
	err = packet_take(&rig.c, &p, &iov, 1, peek);
	return err ? err : (ssize_t)p.len;
}

/* As the ABI has it: 47 bytes, and then those of the program. */
TEST(the_header_is_as_vpp_writes_it)
{
	uint8_t raw[100];
	struct packet p;

	begin(FIFO_BYTES);
	CHECK(!put(3, 5));
	CHECK(fifo_peek(&rig.c, 0, raw, sizeof(raw)) == 52);
	CHECK(!memcmp(raw, "\5\0\0\0\0\0\0\0", 8));
	CHECK(!memcmp(raw + 20, "\12\12\0\2", 4));
	CHECK(!memcmp(raw + 36, "\12\12\0\1", 4));
	CHECK(!memcmp(raw + 40, "\x78\x56\x34\x12\1\0\0", 7));
	CHECK(!memcmp(raw + 47, in + 3, 5));
	CHECK(!packet_next(&rig.c, &p) && p.len == 5);
	CHECK(!memcmp(&p.rmt, &head.rmt, sizeof(p.rmt)));
	CHECK(!memcmp(&p.lcl, &head.lcl, sizeof(p.lcl)));
	/* what VPP leaves before an IPv4 address is nobody's */
	memset(raw + 8, 0xaa, 12);
	memset(raw + 24, 0xbb, 12);
	CHECK(fifo_drop(&rig.c, 52) == 52);
	CHECK(fifo_put(&rig.p, raw, 52) == 52);
	CHECK(!packet_next(&rig.c, &p));
	CHECK(!memcmp(&p.rmt, &head.rmt, sizeof(p.rmt)));
	CHECK(!memcmp(&p.lcl, &head.lcl, sizeof(p.lcl)));
	/* of IPv6 all counts */
	raw[44] = 0;
	CHECK(fifo_drop(&rig.c, 52) == 52);
	CHECK(fifo_put(&rig.p, raw, 52) == 52);
	CHECK(!packet_next(&rig.c, &p) && !p.rmt.is_ip4);
	CHECK(!memcmp(p.rmt.ip, raw + 8, 16) &&
	      !memcmp(p.lcl.ip, raw + 24, 16));
	rig_close(&rig);
}

TEST(what_was_sent_already_is_skipped)
{
	struct wire_dgram h = { .data_length = 10, .data_offset = 4 };
	struct packet p;

	begin(FIFO_BYTES);
	CHECK(fifo_put(&rig.p, &h, sizeof(h)) == sizeof(h));
	CHECK(fifo_put(&rig.p, in, 10) == 10);
	CHECK(!put(50, 3));
	CHECK(!packet_next(&rig.c, &p) && p.len == 6);
	CHECK(take(100, false) == 6 && !memcmp(out, in + 4, 6));
	CHECK(out[6] == 0xee);
	CHECK(take(100, false) == 3 && !memcmp(out, in + 50, 3));
	rig_close(&rig);
}

TEST(datagrams_come_whole_and_in_order)
{
	struct {
		size_t from, len;
	} queue[QUEUE];
	unsigned first = 0, last = 0, full = 0;
	uint64_t state = rnd_seed();
	size_t from, len;
	int i, ret;

	begin(FIFO_BYTES);
	rig_begin(&rig, (uint32_t)rnd(&state));
	for (i = 0; i < 100000 / SLOW; i++) {
		if (rnd(&state) % 8 < 5) {
			len = rnd(&state) % (65528u >> rnd(&state) % 16);
			from = rnd(&state) % (PACKET_MAX - len + 1);
			ret = last - first < QUEUE ? put(from, len) : -EAGAIN;
			CHECK(!ret || ret == -EAGAIN);
			full += ret != 0;
			if (ret)
				continue;
			queue[last % QUEUE].from = from;
			queue[last++ % QUEUE].len = len;
		} else if (first == last) {
			CHECK(take(100, false) == -EAGAIN);
		} else {
			len = queue[first % QUEUE].len;
			from = queue[first++ % QUEUE].from;
			CHECK(take(sizeof(out), false) == (ssize_t)len);
			CHECK(!memcmp(out, in + from, len));
			CHECK(out[len] == 0xee || len == sizeof(out));
		}
	}
	CHECK(full);
	rig_close(&rig);
}

TEST(what_does_not_fit_is_cut_and_gone)
{
	begin(FIFO_BYTES);
	CHECK(!put(0, 1000) && !put(5, 0) && !put(7, 3));
	CHECK(take(10, true) == 1000 && !memcmp(out, in, 10));
	CHECK(out[10] == 0xee);
	CHECK(take(10, false) == 1000 && !memcmp(out, in, 10));
	CHECK(out[10] == 0xee);
	CHECK(take(10, true) == 0);
	CHECK(take(10, false) == 0 && out[0] == 0xee);
	CHECK(take(0, false) == 3);
	CHECK(take(10, false) == -EAGAIN);
	rig_close(&rig);
}

TEST(pieces_on_both_sides_are_one_datagram)
{
	struct iovec from[4] = { { in, 1 },
				 { NULL, 0 },
				 { in + 1, 700 },
				 { in + 701, 2 } },
		     to[4] = { { out, 300 },
			       { out + 300, 0 },
			       { out + 300, 402 },
			       { out + 702, 50 } };
	struct packet p;

	begin(FIFO_BYTES);
	memset(out, 0xee, sizeof(out));
	head.len = 703;
	CHECK(!packet_put(&rig.p, &head, from, 4));
	CHECK(!packet_take(&rig.c, &p, to, 4, false) && p.len == 703);
	CHECK(!memcmp(in, out, 703) && out[703] == 0xee);
	rig_close(&rig);
}

/* Not a byte of what does not fit is published, and what is there stays. */
TEST(all_or_nothing)
{
	begin(8192);
	CHECK(put(0, 8192 - 46) == -EMSGSIZE);
	CHECK(fifo_used(&rig.c) == 0);
	CHECK(!put(0, 8192 - 47) && put(0, 0) == -EAGAIN);
	CHECK(take(8192, false) == 8192 - 47 && !memcmp(out, in, 8192 - 47));
	CHECK(!put(1, 100) && put(0, 8000) == -EAGAIN && !put(2, 100));
	CHECK(fifo_used(&rig.c) == 2 * 147);
	CHECK(take(100, false) == 100 && !memcmp(out, in + 1, 100));
	CHECK(take(100, false) == 100 && !memcmp(out, in + 2, 100));
	rig_close(&rig);
}

static void lie(uint32_t len, uint32_t offset, size_t bytes)
{
	struct wire_dgram h = { .data_length = len, .data_offset = offset };
	struct packet p;

	begin(FIFO_BYTES);
	CHECK(fifo_put(&rig.p, &h, MIN(bytes, sizeof(h))) > 0);
	if (bytes > sizeof(h))
		CHECK(fifo_put(&rig.p, in, bytes - sizeof(h)) ==
		      (ssize_t)(bytes - sizeof(h)));
	CHECK(packet_next(&rig.c, &p) == -EPROTO);
	CHECK(take(sizeof(out), true) == -EPROTO);
	CHECK(take(sizeof(out), false) == -EPROTO);
	CHECK(out[0] == 0xee);
	rig_close(&rig);
}

TEST(lies_are_found)
{
	lie(0, 0, 1);
	lie(0, 0, 46);
	lie(10, 0, 47);
	lie(10, 0, 56);
	lie(10, 11, 57);
	lie(PACKET_MAX + 1, 0, 47 + PACKET_MAX + 1);
	lie(UINT32_MAX, 0, 47);
	lie(UINT32_MAX - 46, 0, 47);
	lie(UINT32_MAX, UINT32_MAX, 47);
}
