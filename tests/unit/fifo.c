/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.c - the byte FIFO: both ends in one process, its memory mapped twice */
/*
 * DOC: One call after the other, each in both dialects: a list as long as the
 * FIFO's functions are many.  Who runs at a time, dies or lies has files of its
 * own (fifo_threads, fifo_kill, fifo_evil).
 */
#include "core/shm/fifo.h"

#include <time.h>

#include "tests/unit/shm_rig.h"

#define SEG_BYTES (4 << 20)

static uint8_t buf[2 << 20], out[2 << 20];

#define EACH_DIALECT(d) \
	d = WIRE_2510;  \
	d <= WIRE_2606; \
	d++

/* Every chunk is back once the FIFO is gone. */
static void close_rig(struct rig *r)
{
	CHECK(linked_bytes(&r->p) + free_bytes(&r->a) == carved_bytes(&r->a));
	seg_fifo_free(&r->a, r->off);
	CHECK(free_bytes(&r->a) == carved_bytes(&r->a));
	CHECK(r->a.fsh->n_cached_bytes == carved_bytes(&r->a));
	CHECK(r->a.fsh->n_active_fifos == 0);
	rig_close(r);
}

/* Put and take @n bytes of the stream, wherever it stands. */
static void put_n(struct rig *r, size_t n)
{
	stream_fill(buf, *r->p.tail, n);
	CHECK(fifo_put(&r->p, buf, n) == (ssize_t)n);
}

static void take_n(struct rig *r, size_t n)
{
	uint32_t at = *r->c.head;

	CHECK(fifo_take(&r->c, out, n) == (ssize_t)n);
	CHECK(stream_match(out, at, n));
}

TEST(header_is_as_the_abi_says)
{
	struct wire_fifo *h;
	struct wire_fifo_2510 *o;
	uint32_t index;
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 300000);
	h = map_at(&r.a.map, r.off, sizeof(*h));
	put_n(&r, 100);
	take_n(&r, 40);
	CHECK(h->tail == 100 && h->head == 40 && h->size == 300000);
	CHECK(h->min_alloc == 37500 && h->slice_index == 0);
	CHECK(h->head_chunk == h->start_chunk && h->tail_chunk);
	CHECK(fifo_ring(&r.p) && h->has_event == 1);
	fifo_want_room(&r.p, 7);
	CHECK(h->want_deq_ntf == 1 && h->deq_thresh == 7);
	CHECK(fifo_subscribe(&r.p, 3) == 0 && h->n_subscribers == 1);
	CHECK(h->subscribers[0] == 3);
	CHECK(fifo_write_index(&r.a, r.off, WIRE_2606, 0x12345678) == 0);
	CHECK(h->next == 0);
	close_rig(&r);

	rig_open(&r, WIRE_2510, SEG_BYTES, 300000);
	o = map_at(&r.a.map, r.off, sizeof(*o));
	put_n(&r, 100);
	take_n(&r, 40);
	CHECK(o->tail == 100 && o->head == 40 && o->size == 300000);
	CHECK(o->min_alloc == 37500 && o->slice_index == 0);
	CHECK(o->head_chunk == o->start_chunk && o->tail_chunk);
	CHECK(fifo_ring(&r.p) && o->has_event == 1);
	fifo_want_room(&r.p, 7);
	CHECK(o->want_deq_ntf == 1 && o->deq_thresh == 7);
	CHECK(fifo_subscribe(&r.p, 3) == 0 && o->n_subscribers == 1);
	CHECK(o->subscribers[0] == 3);
	CHECK(fifo_write_index(&r.a, r.off, WIRE_2510, 0x12345678) == 0);
	CHECK(o->client_session_index == 0x12345678);
	o->master_session_index = 0x87654321;
	CHECK(!fifo_read_index(&r.a, r.off, &index) && index == 0x87654321);
	CHECK(fifo_read_index(&r.a, 8, &index) == -EPROTO);
	CHECK(fifo_write_index(&r.a, 8, WIRE_2510, 1) == -EPROTO);
	CHECK(fifo_write_index(&r.a, 1 << 30, WIRE_2606, 1) == -EPROTO);
	close_rig(&r);
}

TEST(empty_and_full)
{
	struct rig r;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 10000);
		CHECK(fifo_used(&r.c) == 0 && fifo_room(&r.p) == 10000);
		CHECK(fifo_take(&r.c, out, 1) == -EAGAIN);
		CHECK(fifo_drop(&r.c, 1) == -EAGAIN);
		CHECK(fifo_peek(&r.c, 0, out, 1) == 0);
		CHECK(fifo_put(&r.p, buf, 0) == 0);
		stream_fill(buf, 0, 20000);
		/* the whole size is usable, and a put may be short */
		CHECK(fifo_put(&r.p, buf, 20000) == 10000);
		CHECK(fifo_used(&r.c) == 10000 && fifo_room(&r.p) == 0);
		CHECK(fifo_put(&r.p, buf, 1) == -EAGAIN);
		CHECK(fifo_take(&r.c, out, 0) == 0);
		take_n(&r, 1);
		CHECK(fifo_room(&r.p) == 1);
		put_n(&r, 1);
		CHECK(fifo_room(&r.p) == 0);
		take_n(&r, 10000);
		CHECK(fifo_used(&r.c) == 0 && fifo_tail(&r.c) == 10001);
		close_rig(&r);
	}
}

TEST(positions_wrap_past_32_bits)
{
	uint32_t starts[] = { UINT32_MAX, UINT32_MAX - 4095, UINT32_MAX - 5000,
			      INT32_MAX,  INT32_MAX - 5000,  0x80000000u };
	struct rig r;
	size_t i;
	int d, n;

	for (EACH_DIALECT(d)) {
		for (i = 0; i < ARRAY_SIZE(starts); i++) {
			rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 50000);
			rig_begin(&r, starts[i]);
			for (n = 0; n < 20; n++) {
				put_n(&r, 50000);
				CHECK(fifo_room(&r.p) == 0);
				take_n(&r, 20000);
				put_n(&r, 1234);
				take_n(&r, 31234);
				CHECK(fifo_used(&r.c) == 0);
			}
			close_rig(&r);
		}
	}
}

TEST(ends_of_chunks)
{
	struct rig r;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 16384);
		put_n(&r, 4096); /* exactly the first chunk */
		CHECK(*r.p.tail_chunk == 0);
		take_n(&r, 4096);
		CHECK(*r.c.head_chunk == 0);
		/* the consumed last chunk stays (ABI.md 8.4) */
		CHECK(linked_bytes(&r.p) == 4096);
		put_n(&r, 1);
		CHECK(*r.p.tail_chunk == *r.p.end_chunk);
		take_n(&r, 1);
		CHECK(linked_bytes(&r.p) == 4096);
		CHECK(*r.c.start_chunk == *r.p.tail_chunk);
		put_n(&r, 4095);
		put_n(&r, 4096);
		put_n(&r, 4096);
		CHECK(linked_bytes(&r.p) == 3 * 4096);
		CHECK(fifo_drop(&r.c, 4095) == 4095);
		CHECK(linked_bytes(&r.p) == 2 * 4096);
		CHECK(fifo_drop(&r.c, 4097) == 4097);
		CHECK(linked_bytes(&r.p) == 4096);
		CHECK(fifo_drop(&r.c, 9999) == 4095);
		CHECK(*r.c.head_chunk == 0);
		put_n(&r, 16384);
		CHECK(fifo_drop(&r.c, 16384) == 16384);
		close_rig(&r);
	}
}

TEST(growth_follows_min_alloc)
{
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 1 << 20);
	put_n(&r, 4096);
	CHECK(linked_bytes(&r.p) == 4096);
	put_n(&r, 1);
	CHECK(linked_bytes(&r.p) == 4096 + 65536);
	put_n(&r, 300000);
	CHECK(linked_bytes(&r.p) == 4096 + 65536 + 262144);
	take_n(&r, 304097);
	rig_close(&r);
	/* near full, no more than can be used */
	rig_open(&r, WIRE_2606, SEG_BYTES, 1 << 20);
	put_n(&r, 4096);
	*r.p.size = 4096 + 5000;
	put_n(&r, 1);
	CHECK(linked_bytes(&r.p) == 4096 + 8192);
	close_rig(&r);

	rig_open(&r, WIRE_2606, SEG_BYTES, 1 << 20);
	put_n(&r, (1 << 20) - 1);
	take_n(&r, 1000);
	put_n(&r, 1001);
	take_n(&r, 1 << 20);
	CHECK(fifo_used(&r.c) == 0);
	close_rig(&r);
}

TEST(growth_of_several_chunks)
{
	struct rig r;
	int i;

	/* 16 chunks of 4 KiB and nothing else to be had */
	rig_open(&r, WIRE_2606, 18 * 4120, 65536);
	*r.p.min_alloc = 4096;
	for (i = 0; i < 16; i++) {
		put_n(&r, 4096);
		CHECK(linked_bytes(&r.p) == (i + 1) * 4096u);
	}
	take_n(&r, 65536);
	CHECK(linked_bytes(&r.p) == 4096);
	for (i = 0; i < 50; i++) {
		put_n(&r, 50000); /* one growth, of many chunks */
		take_n(&r, 50000);
	}
	close_rig(&r);
}

TEST(memory_can_run_out)
{
	struct iovec iov = { buf, 60000 };
	struct rig r;
	ssize_t n, put;

	rig_open(&r, WIRE_2606, 8 * 4120, 1 << 20);
	*r.p.min_alloc = 4096;
	/* a datagram goes whole or not at all */
	CHECK(fifo_put_all(&r.p, &iov, 1) == -ENOBUFS);
	CHECK(fifo_used(&r.c) == 0);
	/* a stream goes as far as it can */
	stream_fill(buf, 0, 60000);
	for (n = 0; n < 7 * 4096; n += put)
		CHECK((put = fifo_put(&r.p, buf + n, 60000)) > 0);
	stream_fill(buf, *r.p.tail, 60000);
	CHECK(fifo_put(&r.p, buf, 60000) == -ENOBUFS);
	CHECK(fifo_used(&r.c) == 7 * 4096 && fifo_room(&r.p) > 0);
	take_n(&r, 4096);
	put_n(&r, 4096);
	stream_fill(buf, *r.p.tail, 1);
	CHECK(fifo_put(&r.p, buf, 1) == -ENOBUFS);
	take_n(&r, 7 * 4096);
	close_rig(&r);
}

TEST(datagrams_go_whole)
{
	struct iovec iov[3];
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 10000);
	stream_fill(buf, 0, 20000);
	iov[0] = (struct iovec){ buf, 47 };
	iov[1] = (struct iovec){ NULL, 0 };
	iov[2] = (struct iovec){ buf + 47, 5953 };
	CHECK(fifo_put_all(&r.p, iov, 3) == 6000);
	iov[0].iov_base = buf + 6000;
	iov[2].iov_base = buf + 6047;
	CHECK(fifo_put_all(&r.p, iov, 3) == -EAGAIN);
	CHECK(fifo_used(&r.c) == 6000);
	iov[2].iov_len = 3953;
	CHECK(fifo_put_all(&r.p, iov, 3) == 4000);
	CHECK(fifo_put_all(&r.p, iov, 3) == -EAGAIN);
	iov[2].iov_len = 9954;
	CHECK(fifo_put_all(&r.p, iov, 3) == -EMSGSIZE);
	take_n(&r, 10000);
	close_rig(&r);
}

TEST(several_buffers)
{
	struct iovec in[4], to[3];
	struct rig r;
	int i;

	rig_open(&r, WIRE_2606, SEG_BYTES, 100000);
	for (i = 0; i < 30; i++) {
		stream_fill(buf, *r.p.tail, 20000);
		in[0] = (struct iovec){ buf, 1 };
		in[1] = (struct iovec){ buf + 1, 0 };
		in[2] = (struct iovec){ buf + 1, 9999 };
		in[3] = (struct iovec){ buf + 10000, 5000 };
		CHECK(fifo_putv(&r.p, in, 4) == 15000);
		to[0] = (struct iovec){ out, 4096 };
		to[1] = (struct iovec){ NULL, 0 };
		to[2] = (struct iovec){ out + 4096, 100000 };
		CHECK(fifo_takev(&r.c, to, 3) == 15000);
		CHECK(stream_match(out, *r.c.head - 15000, 15000));
	}
	in[2].iov_len = SIZE_MAX; /* never read: the FIFO is full before */
	CHECK(fifo_putv(&r.p, in, 0) == 0);
	CHECK(fifo_takev(&r.c, to, 3) == -EAGAIN);
	close_rig(&r);
}

TEST(peek_takes_nothing)
{
	struct rig r;
	size_t skip;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 60000);
		put_n(&r, 30000);
		take_n(&r, 5000);
		put_n(&r, 30000);
		for (skip = 0; skip < 55000; skip += 997) {
			CHECK(fifo_peek(&r.c, skip, out, 9000) ==
			      (ssize_t)MIN(55000 - skip, (size_t)9000));
			CHECK(stream_match(out, 5000 + (uint32_t)skip,
					   MIN(55000 - skip, (size_t)9000)));
		}
		CHECK(fifo_peek(&r.c, 54999, out, 9) == 1);
		CHECK(fifo_peek(&r.c, 55000, out, 9) == 0);
		CHECK(fifo_peek(&r.c, SIZE_MAX, out, 9) == 0);
		CHECK(fifo_peek(&r.c, 0, out, 0) == 0);
		CHECK(fifo_used(&r.c) == 55000 && *r.c.head == 5000);
		take_n(&r, 55000);
		close_rig(&r);
	}
}

TEST(views_are_the_bytes_themselves)
{
	struct iovec iov[40];
	struct rig r;
	uint32_t at;
	int n, i, d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 60000);
		n = 8;
		CHECK(fifo_view(&r.c, iov, &n) == 0 && n == 0);
		put_n(&r, 4096);
		put_n(&r, 50000);
		take_n(&r, 100);
		n = 40;
		CHECK(fifo_view(&r.c, iov, &n) == 53996 && n > 1);
		for (i = 0, at = 100; i < n; i++) {
			CHECK((uint8_t *)iov[i].iov_base > r.b.map.base);
			CHECK(stream_match(iov[i].iov_base, at,
					   iov[i].iov_len));
			at += (uint32_t)iov[i].iov_len;
		}
		CHECK(at == 54096);
		n = 1;
		CHECK(fifo_view(&r.c, iov, &n) == 3996 && n == 1);
		CHECK(iov[0].iov_len == 3996);
		n = 0;
		CHECK(fifo_view(&r.c, iov, &n) == 0 && n == 0);
		CHECK(fifo_drop(&r.c, 3996) == 3996);
		take_n(&r, 50000);
		close_rig(&r);
	}
}

/* What a producer leaves that dies before it links a chunk. */
TEST(a_loose_end_is_linked_or_freed)
{
	struct wire_chunk *c;
	struct rig r;
	uint32_t len;
	int i;

	for (i = 0; i < 2; i++) {
		rig_open(&r, WIRE_2606, SEG_BYTES, 16384);
		put_n(&r, 4000);
		put_n(&r, 97);
		c = seg_chunk(&r.a, *r.p.start_chunk, &len);
		CHECK(c && c->next == *r.p.end_chunk);
		*r.p.tail = 4000;
		*r.p.tail_chunk = *r.p.start_chunk;
		c->next = 0;
		if (i) {
			put_n(&r, 9000);
			take_n(&r, 13000);
			close_rig(&r);
			continue;
		}
		seg_fifo_free(&r.a, r.off);
		CHECK(free_bytes(&r.a) == carved_bytes(&r.a));
		rig_close(&r);
	}
}

TEST(size_may_change_while_running)
{
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 10000);
	put_n(&r, 10000);
	*r.p.size = 20000;
	CHECK(fifo_room(&r.p) == 10000);
	put_n(&r, 10000);
	*r.p.size = 5000;
	CHECK(fifo_room(&r.p) == 0);
	stream_fill(buf, *r.p.tail, 1);
	CHECK(fifo_put(&r.p, buf, 1) == -EAGAIN);
	take_n(&r, 15000);
	CHECK(fifo_room(&r.p) == 0);
	take_n(&r, 1);
	CHECK(fifo_room(&r.p) == 1);
	take_n(&r, 4999);
	close_rig(&r);
}

/* --- who is called when --- */

TEST(event_once_until_armed)
{
	struct rig r;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 10000);
		CHECK(!fifo_has_event(&r.c));
		put_n(&r, 1);
		CHECK(fifo_ring(&r.p) && fifo_has_event(&r.c));
		put_n(&r, 1);
		CHECK(!fifo_ring(&r.p));
		CHECK(fifo_arm(&r.c)); /* bytes: no sleep, not armed */
		CHECK(fifo_has_event(&r.c) && !fifo_ring(&r.p));
		take_n(&r, 2);
		CHECK(!fifo_arm(&r.c) && !fifo_has_event(&r.c));
		CHECK(!fifo_arm(&r.c));
		put_n(&r, 1);
		CHECK(fifo_ring(&r.p) && !fifo_ring(&r.p));
		rig_close(&r);
	}
}

static bool took(struct rig *r, uint32_t n)
{
	take_n(r, n);
	return fifo_took(&r->c, n);
}

TEST(room_once)
{
	struct rig r;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 10000);
		put_n(&r, 10000);
		CHECK(!took(&r, 1)); /* nobody asked */
		fifo_want_room(&r.p, 0);
		CHECK(took(&r, 1) && *r.p.want_deq_ntf == 0);
		CHECK(!took(&r, 1));
		fifo_want_room(&r.p, 5000);
		CHECK(!took(&r, 4996) && *r.p.want_deq_ntf == 1);
		CHECK(took(&r, 1) && *r.p.want_deq_ntf == 0);
		CHECK(*r.p.has_deq_ntf == 0);
		rig_close(&r);
	}
}

TEST(room_if_full_and_if_empty)
{
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 10000);
	put_n(&r, 9999);
	*r.p.want_deq_ntf = WIRE_WANT_DEQ_IF_FULL;
	CHECK(!took(&r, 1)); /* was not full */
	put_n(&r, 2);
	CHECK(took(&r, 1) && *r.p.has_deq_ntf == 1);
	CHECK(*r.p.want_deq_ntf == WIRE_WANT_DEQ_IF_FULL); /* sticky */
	put_n(&r, 1);
	CHECK(!took(&r, 1)); /* the last call is still on its way */
	put_n(&r, 1);
	fifo_got_room(&r.p);
	CHECK(took(&r, 1) && !took(&r, 1));
	fifo_got_room(&r.p);

	*r.p.want_deq_ntf = WIRE_WANT_DEQ_IF_EMPTY;
	CHECK(!took(&r, 100));
	CHECK(took(&r, fifo_used(&r.c)) && *r.p.has_deq_ntf == 1);
	put_n(&r, 1);
	CHECK(!took(&r, 1));
	fifo_got_room(&r.p);
	put_n(&r, 1);
	CHECK(took(&r, 1));
	rig_close(&r);
}

TEST(once_hides_the_sticky_bits)
{
	struct rig r;

	rig_open(&r, WIRE_2606, SEG_BYTES, 10000);
	put_n(&r, 10000);
	*r.p.want_deq_ntf = WIRE_WANT_DEQ_IF_FULL;
	fifo_want_room(&r.p, 500);
	CHECK(!took(&r, 1) && *r.p.want_deq_ntf == 3);
	CHECK(took(&r, 499) && *r.p.want_deq_ntf == WIRE_WANT_DEQ_IF_FULL);
	CHECK(*r.p.has_deq_ntf == 1);
	rig_close(&r);
}

TEST(cut_through_takes_the_signals_of_another_header)
{
	struct fifo own;
	struct rig r;
	uint64_t q;

	rig_open(&r, WIRE_2606, SEG_BYTES, 10000);
	CHECK(seg_fifo_create(&r.a, 0, 4096, &q) == 0);
	CHECK(fifo_attach(&own, &r.a, q, WIRE_2606) == 0);
	CHECK(fifo_attach_signals(&r.c, &r.b, q, WIRE_2606) == 0);
	put_n(&r, 1);
	CHECK(fifo_ring(&r.p) && !fifo_has_event(&r.c));
	CHECK(fifo_ring(&own) && fifo_has_event(&r.c));
	take_n(&r, 1);
	CHECK(!fifo_arm(&r.c) && *own.has_event == 0);
	CHECK(*r.p.has_event == 1);
	fifo_want_room(&own, 0);
	put_n(&r, 1);
	CHECK(took(&r, 1));
	CHECK(fifo_attach_signals(&r.c, &r.b, q + 8, WIRE_2606) == -EPROTO);
	CHECK(fifo_attach_signals(&r.c, &r.b, 1 << 30, WIRE_2606) == -EPROTO);
	rig_close(&r);

	rig_open(&r, WIRE_2510, SEG_BYTES, 10000);
	CHECK(seg_fifo_create(&r.a, 0, 4096, &q) == 0);
	CHECK(fifo_attach(&own, &r.a, q, WIRE_2510) == 0);
	CHECK(fifo_attach_signals(&r.c, &r.b, q, WIRE_2510) == 0);
	CHECK(fifo_ring(&r.p) && !fifo_has_event(&r.c) && fifo_ring(&own));
	CHECK(fifo_has_event(&r.c));
	CHECK(!fifo_arm(&r.c)); /* both */
	CHECK(*own.has_event == 0 && *r.p.has_event == 0);
	fifo_want_room(&r.p, 0); /* in the data's header */
	put_n(&r, 1);
	CHECK(took(&r, 1));
	rig_close(&r);
}

TEST(end_counts_as_a_byte)
{
	uint32_t known;
	struct rig r;
	int d;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 10000);
		fifo_end(&r.p); /* of one that is not told so */
		CHECK(!fifo_ended(&r.p) && !fifo_ended(&r.c));
		fifo_use_end(&r.p, (enum wire_dialect)d);
		fifo_use_end(&r.c, (enum wire_dialect)d);
		put_n(&r, 100);
		CHECK(!fifo_ended(&r.c));
		known = fifo_tail(&r.c);
		CHECK(!fifo_arm_since(&r.c, known));
		fifo_end(&r.p);
		CHECK(fifo_ring(&r.p)); /* who armed is called */
		CHECK(fifo_ended(&r.c) && fifo_tail(&r.c) == known + 1);
		CHECK(fifo_arm_since(&r.c, known)); /* who arms late sees it */
		CHECK(!fifo_arm_since(&r.c, known + 1));
		CHECK(fifo_used(&r.c) == 100);
		take_n(&r, 100);
		CHECK(fifo_used(&r.c) == 0 && fifo_ended(&r.c));
		rig_close(&r);
	}
}

TEST(subscribers)
{
	uint8_t wrk[7];
	struct rig r;
	int d, i;

	for (EACH_DIALECT(d)) {
		rig_open(&r, (enum wire_dialect)d, SEG_BYTES, 10000);
		CHECK(fifo_subscribers(&r.c, wrk) == 0);
		for (i = 0; i < 7; i++)
			CHECK(fifo_subscribe(&r.p, (uint8_t)(10 + i)) == 0);
		CHECK(fifo_subscribe(&r.p, 99) == -ENOSPC);
		CHECK(fifo_subscribe(&r.p, 12) == 0);
		CHECK(fifo_subscribers(&r.c, wrk) == 7);
		for (i = 0; i < 7; i++)
			CHECK(wrk[i] == 10 + i);
		fifo_unsubscribe(&r.p, 12);
		fifo_unsubscribe(&r.p, 55);
		CHECK(fifo_subscribers(&r.c, wrk) == 6 && wrk[2] == 16);
		for (i = 0; i < 7; i++)
			fifo_unsubscribe(&r.c, (uint8_t)(10 + i));
		CHECK(fifo_subscribers(&r.c, wrk) == 0);
		*r.p.n_subscribers = 255;
		CHECK(fifo_subscribers(&r.c, wrk) == 7);
		CHECK(fifo_subscribe(&r.p, 77) == -ENOSPC);
		*r.p.n_subscribers = 0;
		close_rig(&r);
	}
}
