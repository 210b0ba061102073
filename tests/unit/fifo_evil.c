/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fifo_evil.c - a peer that writes nonsense: every call returns, and inside
 *
 * The memory is mapped between guard pages, so that a step outside is a
 * SIGSEGV; a call that does not end meets tap.h's alarm.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/unit/shm_rig.h"

#define SEG_BYTES (96 * 4120)
#define GUARD (64 << 20)
#define FIFO_BYTES 40000
#define CANARY 0xa5

static struct rig rig;
static struct seg seg; /* the same, between guards */
static struct fifo fifo;
static uint8_t saved[SEG_BYTES + 65536];
static uint64_t chunks[16]; /* linked ones */
static unsigned n_chunks;
static uint64_t fake; /* chunk that begins inside */
static uint8_t buf[FIFO_BYTES + 64];

/* A third mapping, with nothing on either side. */
static void map_guarded(void)
{
	uint8_t *all = mmap(NULL, GUARD * 2 + rig.a.map.size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(all != MAP_FAILED);
	seg = rig.a;
	seg.map.base = mmap(all + GUARD, rig.a.map.size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED, rig.a.map.fd, 0);
	CHECK(seg.map.base == all + GUARD);
	seg.map.fsh = seg.map.base + (rig.a.map.fsh - rig.a.map.base);
	seg.fsh = (void *)seg.map.fsh;
}

/* A FIFO of several chunks with bytes in it, and chunks on freelists. */
static void setup(enum wire_dialect dialect)
{
	struct wire_chunk *c;
	uint32_t len;
	uint64_t off;

	memset(&rig, 0, sizeof(rig));
	rig_open(&rig, dialect, SEG_BYTES, 0);
	rig_fifo(&rig, FIFO_BYTES);
	*rig.p.min_alloc = 4096;
	while (fifo_room(&rig.p) > 3000)
		CHECK(fifo_put(&rig.p, buf, 3000) == 3000);
	CHECK(fifo_take(&rig.c, buf, 9000) == 9000);
	map_guarded();
	CHECK(fifo_attach(&fifo, &seg, rig.off, dialect) == 0);
	n_chunks = 0;
	for (off = *fifo.start_chunk; off; off = c->next) {
		c = seg_chunk(&seg, off, &len);
		CHECK(c && n_chunks < ARRAY_SIZE(chunks));
		chunks[n_chunks++] = off;
	}
	CHECK(n_chunks >= 5);
	/* nearly a chunk: it contains head and tail, and half of it is inside
	 */
	fake = seg.map.fsh_len - 2048;
	c = map_at(&seg.map, fake, sizeof(*c));
	c->start_byte = *fifo.head - 1000;
	c->length = 65536;
	CHECK(seg.map.fsh_len <= sizeof(saved));
	memcpy(saved, seg.map.fsh, seg.map.fsh_len);
}

static void teardown(void)
{
	munmap(seg.map.base - GUARD, GUARD * 2 + seg.map.size);
	rig_close(&rig);
}

static void restore(void)
{
	memcpy(seg.map.fsh, saved, seg.map.fsh_len);
}

static void inside(const struct iovec *iov, int n)
{
	const uint8_t *at;
	int i;

	for (i = 0; i < n; i++) {
		at = iov[i].iov_base;
		CHECK(at >= seg.map.fsh);
		CHECK(at + iov[i].iov_len <= seg.map.fsh + seg.map.fsh_len);
	}
}

#define N_OPS 9
#define STRIDE (SLOW > 10 ? 7 : 1) /* TSan: not all values */

/* One call; what it returns must be possible. */
static void run(unsigned op)
{
	struct iovec iov[8];
	ssize_t ret = 0;
	size_t len = 1 + op * 977;
	int n = 8;

	memset(buf, CANARY, sizeof(buf));
	switch (op) {
	case 0:
		ret = fifo_put(&fifo, buf, len = 20000);
		break;
	case 1:
		ret = fifo_take(&fifo, buf, len = 20000);
		break;
	case 2:
		ret = fifo_peek(&fifo, 10000, buf, len = 9000);
		break;
	case 3:
		ret = fifo_view(&fifo, iov, &n);
		CHECK(n >= 0 && n <= 8);
		inside(iov, n);
		len = SIZE_MAX / 2;
		break;
	case 4:
		ret = fifo_drop(&fifo, len = 5000);
		break;
	case 5:
		iov[0] = (struct iovec){ buf, len = 9000 };
		ret = fifo_put_all(&fifo, iov, 1);
		break;
	case 6:
		ret = fifo_take(&fifo, buf, len = FIFO_BYTES);
		break;
	case 7:
		ret = fifo_put(&fifo, buf, len = FIFO_BYTES);
		break;
	case 8:
		(void)fifo_arm(&fifo);
		(void)fifo_ring(&fifo);
		(void)fifo_took(&fifo, 7);
		CHECK(fifo_subscribers(&fifo, buf) <= 7);
		fifo_want_room(&fifo, fifo_room(&fifo) + fifo_used(&fifo));
		len = 7;
		break;
	}
	CHECK(ret == -EPROTO || ret == -EAGAIN || ret == -ENOBUFS ||
	      ret == -EMSGSIZE || (ret >= 0 && (size_t)ret <= len));
	for (; len < sizeof(buf); len++)
		CHECK(buf[len] == CANARY);
}

/* All calls, @first first: a bad state is met by each of them fresh. */
static void run_all(unsigned first)
{
	struct fifo again;
	unsigned i;

	for (i = 0; i < N_OPS; i++)
		run((first + i) % N_OPS);
	(void)!fifo_attach(&again, &seg, rig.off, rig.dialect);
}

static uint64_t evil(unsigned i)
{
	static const uint64_t values[] = { 0,
					   1,
					   7,
					   8,
					   24,
					   100,
					   320,
					   4095,
					   4096,
					   4097,
					   8192,
					   40000,
					   65536,
					   0x7fffffff,
					   0x80000000,
					   0xfffff000,
					   0xffffffff,
					   UINT64_C(1) << 32,
					   (UINT64_C(1) << 48) - 8,
					   UINT64_C(1) << 48,
					   UINT64_C(1) << 63,
					   UINT64_MAX - 23,
					   UINT64_MAX - 7,
					   UINT64_MAX };

	if (i < ARRAY_SIZE(values))
		return values[i];
	i -= ARRAY_SIZE(values);
	if (i < n_chunks)
		return chunks[i];
	i -= n_chunks;
	if (i == 0)
		return fake;
	i--;
	if (i < 4)
		return rig.off + i * 8;
	return seg.map.fsh_len - (i - 4) * 12; /* 0, 12, 24 .. from the end */
}

#define N_EVIL (24 + n_chunks + 1 + 4 + 5)

/* Write evil value @i as @size bytes at @off. */
static void poke(uint64_t off, size_t size, unsigned i)
{
	uint64_t value = evil(i);

	CHECK(off + size <= seg.map.fsh_len);
	memcpy(seg.map.fsh + off, &value, size);
}

/* Set every word of [off, off + len) to every value, one at a time. */
static void spoil(uint64_t off, size_t len)
{
	size_t at, size;
	unsigned i;

	for (size = 4; size <= 8; size += 4) {
		for (at = 0; at < len; at += size) {
			for (i = at % STRIDE; i < N_EVIL; i += STRIDE) {
				restore();
				poke(off + at, size, i);
				run_all(((unsigned)at + i) % N_OPS);
			}
		}
	}
}

static void spoil_all(enum wire_dialect dialect)
{
	unsigned i;

	setup(dialect);
	spoil(rig.off, sizeof(struct wire_fifo));
	for (i = 0; i < n_chunks; i++)
		spoil(chunks[i], sizeof(struct wire_chunk));
	teardown();
}

TEST(every_word_of_a_header_and_its_chunks)
{
	spoil_all(WIRE_2606);
}

TEST(every_word_of_an_old_header_and_its_chunks)
{
	spoil_all(WIRE_2510);
}

TEST(every_word_of_the_allocator)
{
	uint64_t off;

	setup(WIRE_2606);
	spoil(0, sizeof(struct wire_fsh) + sizeof(struct wire_slice));
	/* and the first chunk of the freelist that serves us */
	restore();
	off = seg.fsh->slices[0].free_chunks[0] << 16 >> 16;
	CHECK(off);
	spoil(off, sizeof(struct wire_chunk));
	teardown();
}

static void spoil_some(uint64_t *state)
{
	unsigned k = 1 + (unsigned)(rnd(state) % 4), i;
	uint64_t off;
	size_t size;

	while (k--) {
		i = (unsigned)(rnd(state) % (n_chunks + 3));
		size = rnd(state) & 1 ? 8 : 4;
		off = i < n_chunks    ? chunks[i] + rnd(state) % 3 * 8
		      : i == n_chunks ? rnd(state) % 40 * 8
				      : rig.off + rnd(state) % 24 * 8;
		poke(off, size, (unsigned)(rnd(state) % N_EVIL));
	}
}

TEST(several_words_at_once)
{
	uint64_t state = rnd_seed();
	int i;

	setup(WIRE_2606);
	for (i = 0; i < 20000 / SLOW; i++) {
		restore();
		spoil_some(&state);
		run_all((unsigned)rnd(&state) % N_OPS);
		/* the server's way out of it */
		seg_fifo_free(&seg, rig.off);
	}
	teardown();
}

TEST(attach_refuses_what_cannot_be)
{
	struct fifo f;
	int d;

	for (d = WIRE_2510; d <= WIRE_2606; d++) {
		setup((enum wire_dialect)d);
		CHECK(fifo_attach(&f, &seg, 0, rig.dialect) == -EPROTO);
		CHECK(fifo_attach(&f, &seg, rig.off + 8, rig.dialect) ==
		      -EPROTO);
		CHECK(fifo_attach(&f, &seg, seg.map.fsh_len - 128,
				  rig.dialect) == -EPROTO);
		CHECK(fifo_attach(&f, &seg, UINT64_MAX - 63, rig.dialect) ==
		      -EPROTO);
		*fifo.size = 0;
		CHECK(fifo_attach(&f, &seg, rig.off, rig.dialect) == -EPROTO);
		*fifo.size = 0x80000000u;
		CHECK(fifo_attach(&f, &seg, rig.off, rig.dialect) == -EPROTO);
		restore();
		*fifo.start_chunk = 0;
		CHECK(fifo_attach(&f, &seg, rig.off, rig.dialect) == -EPROTO);
		restore();
		*fifo.end_chunk = seg.map.fsh_len;
		CHECK(fifo_attach(&f, &seg, rig.off, rig.dialect) == -EPROTO);
		restore();
		CHECK(fifo_attach(&f, &seg, rig.off, rig.dialect) == 0);
		teardown();
	}
}

/* Impossible positions show as work to do, and the call then says why. */
TEST(bad_positions_are_reported)
{
	char b[4];

	setup(WIRE_2606);
	*fifo.head = *fifo.tail + 1;
	CHECK(fifo_used(&fifo) > 0 && fifo_take(&fifo, b, 4) == -EPROTO);
	CHECK(fifo_peek(&fifo, 0, b, 4) == -EPROTO);
	CHECK(fifo_drop(&fifo, 4) == -EPROTO);
	CHECK(fifo_room(&fifo) > 0 && fifo_put(&fifo, b, 4) == -EPROTO);
	restore();
	*fifo.size = UINT32_MAX;
	CHECK(fifo_room(&fifo) > 0 && fifo_put(&fifo, b, 4) == -EPROTO);
	teardown();
}

static _Atomic bool stop;

/* Through the other mapping, as another process would. */
static void *hammer(void *arg)
{
	uint64_t state = *(uint64_t *)arg, off, value;
	uint8_t *fsh = rig.b.map.fsh;
	unsigned i;

	while (!atomic_load(&stop)) {
		i = (unsigned)(rnd(&state) % (n_chunks + 4));
		off = i < n_chunks ? chunks[i] + rnd(&state) % 3 * 8
				   : rig.off + rnd(&state) % 24 * 8;
		value = evil((unsigned)(rnd(&state) % N_EVIL));
		memcpy(fsh + off, &value, rnd(&state) & 1 ? 8 : 4);
		/* mostly sane, so that calls get far */
		for (i = 0; i < 20; i++)
			memcpy(fsh + rig.off, saved + rig.off,
			       sizeof(struct wire_fifo));
		for (i = 0; i < n_chunks; i++)
			memcpy(fsh + chunks[i], saved + chunks[i],
			       sizeof(struct wire_chunk));
	}
	return NULL;
}

TEST(words_that_change_between_two_looks)
{
	uint64_t state = rnd_seed();
	pthread_t t;
	int i;

	setup(WIRE_2606);
	CHECK(pthread_create(&t, NULL, hammer, &state) == 0);
	for (i = 0; i < 100000 / SLOW; i++) {
		run((unsigned)i % N_OPS);
		if (i % 16 == 0)
			restore();
	}
	atomic_store(&stop, true);
	CHECK(pthread_join(t, NULL) == 0);
	teardown();
}
