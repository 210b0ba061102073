/* SPDX-License-Identifier: Apache-2.0 */
/* frame.c - datagrams in a ring: boundaries, what does not fit, lies
 *
 * SEED=n repeats a run.
 */
#include "tests/unit/link_rig.h"

#include "core/shm/frame.h"

#define SIZE (256u << 10)
#define QUEUE 4096

static uint8_t in[WIRE_FRAME_MAX + 1], out[WIRE_FRAME_MAX + 1];
static struct link_rig rig;
static struct ring *tx, *rx;

static void begin(int side, uint32_t size)
{
	size_t i;

	link_rig_open(&rig, size);
	tx = &rig.end[side].tx;
	rx = &rig.end[!side].rx;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 131 + i / 251);
}

static int put(size_t from, size_t len)
{
	struct iovec iov = { in + from, len };

	return frame_put(tx, &iov, 1, len);
}

static ssize_t take(size_t room, bool peek)
{
	struct iovec iov = { out, room };

	memset(out, 0xee, sizeof(out));
	return frame_take(rx, &iov, 1, peek);
}

TEST(messages_come_whole_and_in_order)
{
	struct {
		size_t from, len;
	} queue[QUEUE];
	unsigned head = 0, tail = 0, full = 0;
	uint64_t state = rnd_seed();
	size_t from, len;
	int side, i, ret;

	for (side = 0; side < 2; side++) {
		begin(side, SIZE);
		for (i = 0; i < 100000 / SLOW; i++) {
			if (rnd(&state) % 8 < 5) {
				len = rnd(&state) %
				      (65528u >> rnd(&state) % 16);
				from = rnd(&state) % (WIRE_FRAME_MAX - len + 1);
				ret = tail - head < QUEUE ? put(from, len)
							  : -EAGAIN;
				CHECK(!ret || ret == -EAGAIN);
				full += ret != 0;
				if (ret)
					continue;
				queue[tail % QUEUE].from = from;
				queue[tail++ % QUEUE].len = len;
			} else if (head == tail) {
				CHECK(frame_next(rx) == -EAGAIN);
				CHECK(take(100, false) == -EAGAIN);
			} else {
				len = queue[head % QUEUE].len;
				from = queue[head++ % QUEUE].from;
				CHECK(frame_next(rx) == (ssize_t)len);
				CHECK(take(len, false) == (ssize_t)len);
				CHECK(!memcmp(out, in + from, len));
			}
		}
		head = tail = 0;
		link_rig_close(&rig);
	}
	CHECK(full);
}

TEST(what_does_not_fit_is_cut_and_gone)
{
	begin(0, SIZE);
	CHECK(!put(0, 1000) && !put(5, 0) && !put(7, 3));
	CHECK(take(10, true) == 1000 && !memcmp(out, in, 10));
	CHECK(out[10] == 0xee);
	CHECK(take(10, false) == 1000 && !memcmp(out, in, 10));
	CHECK(out[10] == 0xee);
	CHECK(frame_next(rx) == 0 && take(10, true) == 0);
	CHECK(take(10, false) == 0 && out[0] == 0xee);
	CHECK(take(0, false) == 3);
	CHECK(take(10, false) == -EAGAIN);
	link_rig_close(&rig);
}

TEST(pieces_on_both_sides_are_one_message)
{
	struct iovec from[4] = { { in, 1 },
				 { NULL, 0 },
				 { in + 1, 700 },
				 { in + 701, 2 } },
		     to[4] = { { out, 300 },
			       { out + 300, 0 },
			       { out + 300, 402 },
			       { out + 702, 50 } };

	begin(1, SIZE);
	memset(out, 0xee, sizeof(out));
	CHECK(!frame_put(tx, from, 4, 703));
	CHECK(frame_take(rx, to, 4, false) == 703);
	CHECK(!memcmp(in, out, 703) && out[703] == 0xee);
	link_rig_close(&rig);
}

/* Not a byte of what does not fit is published, and what is there stays. */
TEST(all_or_nothing)
{
	begin(0, 4096);
	CHECK(put(0, 4096) == -EAGAIN && put(0, 4096 - 7) == -EAGAIN);
	CHECK(put(0, WIRE_FRAME_MAX + 1) == -EAGAIN);
	CHECK(frame_next(rx) == -EAGAIN);
	CHECK(!put(0, 4096 - 8));
	CHECK(put(0, 0) == -EAGAIN);
	CHECK(take(4096, false) == 4096 - 8);
	CHECK(!memcmp(in, out, 4096 - 8));
	CHECK(!put(1, 100) && put(0, 4000) == -EAGAIN && !put(2, 100));
	CHECK(take(100, false) == 100 && !memcmp(out, in + 1, 100));
	CHECK(take(100, false) == 100 && !memcmp(out, in + 2, 100));
	link_rig_close(&rig);
}

static void lie(uint32_t len, size_t published)
{
	struct wire_frame head = { .len = len };

	begin(0, 4096);
	CHECK(!put(0, 8)); /* and then it changes its mind */
	memcpy(tx->data + tx->home, &head, sizeof(head));
	*tx->tail = (uint64_t)tx->own->base << 32 | (uint32_t)published;
	CHECK(frame_next(rx) == -EPROTO);
	CHECK(take(sizeof(out), true) == -EPROTO);
	CHECK(take(sizeof(out), false) == -EPROTO);
	CHECK(out[0] == 0xee);
	link_rig_close(&rig);
}

TEST(lies_are_found)
{
	lie(WIRE_FRAME_MAX + 1, 16);
	lie(UINT32_MAX, 16);
	lie(UINT32_MAX - 7, 16);
	lie(9, 16);
	lie(0, 7);
	lie(0, 1);
	lie(0, 4097);
	begin(0, 4096);
	CHECK(!put(0, 8));
	*tx->head = 17; /* ahead of what was put */
	tx->own->limit = tx->own->tail;
	CHECK(put(0, 8) == -EPROTO);
	link_rig_close(&rig);
}

TEST(the_producer_finds_what_it_has_put)
{
	uint64_t state = rnd_seed();
	struct iovec view[2];
	size_t len[64], i, n = 0;
	uint32_t at = 0;
	int side, k;

	for (side = 0; side < 2; side++) {
		begin(side, 16384);
		for (n = 0; n < ARRAY_SIZE(len); n++) {
			len[n] = rnd(&state) % 700;
			if (put(n, len[n]))
				break;
		}
		for (at = 0, i = 0; i < n; i++) {
			CHECK(frame_unsent(tx, &at, view, &k) ==
			      (ssize_t)len[i]);
			CHECK(view[0].iov_len + (k > 1 ? view[1].iov_len : 0) ==
			      len[i]);
			CHECK(!memcmp(view[0].iov_base, in + i,
				      view[0].iov_len));
			CHECK(k < 2 || !memcmp(view[1].iov_base,
					       in + i + view[0].iov_len,
					       view[1].iov_len));
		}
		CHECK(frame_unsent(tx, &at, view, &k) == -EAGAIN);
		link_rig_close(&rig);
	}
	CHECK(n > 10);
	begin(0, 16384);
	CHECK(!put(0, 8));
	tx->data[tx->home] = 0xff; /* the other end can write there */
	at = 0;
	CHECK(frame_unsent(tx, &at, view, &k) == -EPROTO);
	link_rig_close(&rig);
}
