/* SPDX-License-Identifier: Apache-2.0 */
/* seg.c - carving, chunks and their freelists, alone and under contention */
#include "core/shm/seg.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <time.h>

#include "core/wire/fifo.h"
#include "tests/unit/shm_rig.h"

#define HEAD_OFF(w) ((w) << 16 >> 16)

/* Nothing is lost, and the counters tell the truth when nobody moves. */
static void check_accounts(const struct seg *seg, uint64_t in_use)
{
	uint64_t on_lists = free_bytes(seg);

	CHECK(on_lists + in_use == carved_bytes(seg));
	CHECK(seg->fsh->n_cached_bytes == on_lists);
	CHECK(seg->fsh->slices[0].n_fl_chunk_bytes == on_lists);
}

/* Bytes of a chain. */
static uint64_t chain_bytes(const struct seg *seg, uint64_t off, unsigned *n)
{
	struct wire_chunk *c;
	uint64_t sum = 0;
	uint32_t len;

	for (*n = 0; off; off = c->next, ++*n) {
		c = seg_chunk(seg, off, &len);
		CHECK(c && *n < 100000);
		sum += len;
	}
	return sum;
}

static void free_chain(struct seg *seg, uint64_t off)
{
	struct wire_chunk *c;
	uint64_t next;
	uint32_t len;

	for (; off; off = next) {
		c = seg_chunk(seg, off, &len);
		CHECK(c);
		next = c->next;
		seg_chunk_free(seg, 0, off);
	}
}

TEST(fresh_segment_is_as_the_abi_says)
{
	struct seg seg, other;

	CHECK(seg_create(&seg, "t", 4 << 20) == 0);
	CHECK(seg.fsh->n_slices == 1 && seg.fsh->n_mqs == 0);
	CHECK(seg.fsh->byte_index == 320);
	CHECK(seg.fsh->start_byte_index == 320);
	CHECK(seg.fsh->n_reserved_bytes == 320);
	CHECK(seg.fsh->max_byte_index == seg.map.size - 8192);
	CHECK(seg.fsh->max_log2_fifo_size == 21);
	CHECK(seg_room(&seg) >= 4 << 20);
	CHECK(seg_attach(&other, dup(seg.map.fd)) == 0);
	CHECK(other.limit == seg.limit && other.n_slices == 1);
	seg_close(&other);
	seg_close(&seg);
	seg_close(&seg);
}

TEST(carve_aligns_and_ends_before_the_last_byte)
{
	uint64_t off, last = 0;
	struct seg seg;
	int n;

	CHECK(seg_create(&seg, "t", 64 * 100) == 0);
	CHECK(seg_carve(&seg, 1, 8, &off) == 0 && off == 320);
	CHECK(seg_carve(&seg, 1, 8, &off) == 0 && off == 328);
	CHECK(seg_carve(&seg, 65, 64, &off) == 0 && off == 384);
	CHECK(seg.fsh->byte_index == 512);
	for (n = 0; seg_carve(&seg, 64, 64, &off) == 0; n++)
		last = off;
	/* new >= max_byte_index is too much already */
	CHECK(last + 64 < seg.limit && last + 128 >= seg.limit && n > 90);
	CHECK(seg_carve(&seg, SIZE_MAX, 8, &off) == -ENOMEM);
	CHECK(seg_carve(&seg, SIZE_MAX - 8, 64, &off) == -ENOMEM);
	CHECK(seg_carve(&seg, seg.limit, 8, &off) == -ENOMEM);
	seg_close(&seg);
}

TEST(room_for_what_was_asked)
{
	static const size_t sizes[] = { 1, 64, 4096, 12345, 1 << 20 };
	struct seg seg;
	uint64_t off;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK(seg_create(&seg, "t", sizes[i]) == 0);
		CHECK(seg_carve(&seg, sizes[i], 64, &off) == 0);
		seg_close(&seg);
	}
}

TEST(impossible_positions_are_refused)
{
	static const uint64_t evil[] = {
		0, 1, 319, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63
	};
	struct seg seg;
	uint64_t off;
	size_t i;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	for (i = 0; i < ARRAY_SIZE(evil); i++) {
		seg.fsh->byte_index = evil[i];
		seg.fsh->n_cached_bytes = UINT64_MAX;
		CHECK(seg_carve(&seg, 64, 64, &off) == -EPROTO);
		CHECK(seg_chunk_alloc(&seg, 0, 100, &off) < 0);
		CHECK(seg_room(&seg) <= 2 * seg.limit);
	}
	seg.fsh->byte_index = seg.limit;
	CHECK(seg_carve(&seg, 64, 64, &off) == -ENOMEM);
	seg_close(&seg);
}

TEST(hostile_segment_headers_are_refused)
{
	struct seg seg, other;
	uint64_t limit;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	limit = seg.limit;
	seg.fsh->n_slices = 0;
	CHECK(seg_attach(&other, dup(seg.map.fd)) == -EPROTO);
	seg.fsh->n_slices = 1;
	seg.fsh->max_byte_index = limit + 1;
	CHECK(seg_attach(&other, dup(seg.map.fd)) == -EPROTO);
	seg.fsh->max_byte_index = UINT64_MAX;
	CHECK(seg_attach(&other, dup(seg.map.fd)) == -EPROTO);
	seg.fsh->max_byte_index = 319;
	CHECK(seg_attach(&other, dup(seg.map.fd)) == -EPROTO);
	seg.fsh->max_byte_index = limit;
	CHECK(seg_attach(&other, dup(seg.map.fd)) == 0);
	/* from now on the copies count */
	seg.fsh->max_byte_index = UINT64_MAX;
	CHECK(other.limit == limit);
	seg_close(&other);
	seg_close(&seg);
}

TEST(chunks_have_the_class_of_their_size)
{
	static const struct {
		uint32_t bytes, len;
	} want[] = { { 0, 4096 },	   { 1, 4096 },
		     { 4095, 4096 },	   { 4096, 4096 },
		     { 4097, 8192 },	   { 8192, 8192 },
		     { 8193, 16384 },	   { 65536, 65536 },
		     { 1 << 20, 1 << 20 }, { (1 << 20) + 1, 2 << 20 },
		     { 4 << 20, 4 << 20 } };
	struct wire_chunk *c;
	struct seg seg;
	uint64_t off;
	uint32_t len;
	size_t i;

	CHECK(seg_create(&seg, "t", 32 << 20) == 0);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK(seg_chunk_alloc(&seg, 0, want[i].bytes, &off) == 0);
		c = seg_chunk(&seg, off, &len);
		CHECK(c && len == want[i].len && c->next == 0);
		check_accounts(&seg, len);
		memset(c->data, 1, len);
		seg_chunk_free(&seg, 0, off);
		check_accounts(&seg, 0);
	}
	CHECK(seg_chunk_alloc(&seg, 1, 1, &off) == -EPROTO);
	seg_close(&seg);
}

TEST(small_chunks_come_in_batches_and_last_in_first_out)
{
	struct seg seg;
	uint64_t a, b;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &a) == 0);
	CHECK(seg.fsh->slices[0].num_chunks[0] == 32);
	CHECK(seg.fsh->byte_index == 320 + 32 * 4120);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &b) == 0 && a != b);
	CHECK(seg.fsh->slices[0].num_chunks[0] == 32);
	seg_chunk_free(&seg, 0, a);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &b) == 0 && a == b);
	/* no room for 32 of these: one */
	CHECK(seg_chunk_alloc(&seg, 0, 65536, &a) == 0);
	CHECK(seg.fsh->slices[0].num_chunks[4] == 1);
	seg_close(&seg);
}

TEST(the_tag_moves_with_every_push_and_pop)
{
	_Atomic uint64_t *head;
	uint64_t off, tag;
	struct seg seg;
	int i;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	head = &seg.fsh->slices[0].free_chunks[0];
	CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == 0);
	CHECK(*head >> 48 == 2); /* the batch, and our pop */
	for (i = 0; i < 40000; i++) {
		tag = *head >> 48;
		seg_chunk_free(&seg, 0, off);
		CHECK(*head >> 48 == ((tag + 1) & 0xffff));
		CHECK(HEAD_OFF(*head) == off);
		CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == 0);
		CHECK(*head >> 48 == ((tag + 2) & 0xffff));
	}
	seg_close(&seg);
}

TEST(more_than_the_largest_class_takes_several)
{
	struct seg seg;
	uint64_t off;
	unsigned n;

	CHECK(seg_create(&seg, "t", 40 << 20) == 0);
	/* not enough memory in one piece of 4 MiB x 32; the rest by class 0 */
	CHECK(seg_chunk_alloc(&seg, 0, 9 << 20, &off) == 0);
	CHECK(chain_bytes(&seg, off, &n) >= 9 << 20 && n > 1);
	check_accounts(&seg, chain_bytes(&seg, off, &n));
	free_chain(&seg, off);
	check_accounts(&seg, 0);
	seg_close(&seg);
}

TEST(smaller_chunks_serve_when_memory_is_short)
{
	uint64_t small[64], off;
	struct seg seg;
	unsigned n, k;

	CHECK(seg_create(&seg, "t", 64 * 4120) == 0);
	for (k = 0; k < 64; k++)
		CHECK(seg_chunk_alloc(&seg, 0, 1, &small[k]) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == -ENOMEM);
	CHECK(seg_chunk_alloc(&seg, 0, 20000, &off) == -ENOMEM);
	for (k = 0; k < 5; k++)
		seg_chunk_free(&seg, 0, small[k]);
	CHECK(seg_chunk_alloc(&seg, 0, 20481, &off) == -ENOMEM);
	check_accounts(&seg, 59 * 4096);
	CHECK(seg_chunk_alloc(&seg, 0, 20480, &off) == 0);
	CHECK(chain_bytes(&seg, off, &n) == 20480 && n == 5);
	free_chain(&seg, off);
	check_accounts(&seg, 59 * 4096);
	/* and also when the counters deny it */
	seg.fsh->n_cached_bytes = 0;
	seg.fsh->slices[0].n_fl_chunk_bytes = 0;
	CHECK(seg_chunk_alloc(&seg, 0, 20480, &off) == 0);
	seg_close(&seg);
}

TEST(a_bigger_chunk_serves_as_the_last_resort)
{
	uint64_t big, off;
	struct seg seg;
	unsigned n;

	CHECK(seg_create(&seg, "t", 32768 + 24) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 32768, &big) == 0);
	seg_chunk_free(&seg, 0, big);
	CHECK(seg_chunk_alloc(&seg, 0, 16384, &off) == 0 && off == big);
	CHECK(chain_bytes(&seg, off, &n) == 32768 && n == 1);
	CHECK(seg_chunk_alloc(&seg, 0, 16384, &off) == -ENOMEM);
	seg_chunk_free(&seg, 0, big);
	/* two classes up is too big, as in VPP */
	CHECK(seg_chunk_alloc(&seg, 0, 4096, &off) == -ENOMEM);
	seg_close(&seg);
}

/* Random allocations and frees against a list of what we hold. */
TEST(model)
{
	uint64_t held[256], sum = 0, state = rnd_seed(), off;
	struct seg seg, other, *s;
	unsigned n = 0, i, k, x;
	uint32_t bytes;
	int ret, full = 0;

	CHECK(seg_create(&seg, "t", 16 << 20) == 0);
	CHECK(seg_attach(&other, dup(seg.map.fd)) == 0);
	for (k = 0; k < 10000; k++) {
		s = rnd(&state) & 1 ? &seg : &other;
		if (n < 256 && rnd(&state) % 5 < 3) {
			bytes = (uint32_t)(rnd(&state) % (1u << 20)) >>
				rnd(&state) % 16;
			ret = seg_chunk_alloc(s, 0, bytes, &off);
			CHECK(ret == 0 || ret == -ENOMEM);
			full += ret != 0;
			if (ret)
				continue;
			held[n++] = off;
			CHECK(chain_bytes(s, off, &x) >= bytes);
			sum += chain_bytes(s, off, &x);
		} else if (n) {
			i = (unsigned)(rnd(&state) % n);
			sum -= chain_bytes(s, held[i], &x);
			free_chain(s, held[i]);
			held[i] = held[--n];
		}
		if (k % 64 == 0)
			check_accounts(&seg, sum);
	}
	CHECK(full > 0); /* else the segment was too big for this test */
	while (n)
		free_chain(&other, held[--n]);
	check_accounts(&seg, 0);
	seg_close(&seg);
	seg_close(&other);
}

TEST(impossible_chunks_are_dropped)
{
	struct wire_chunk *c;
	uint64_t off, on_lists;
	struct seg seg;
	uint32_t len;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == 0);
	c = seg_chunk(&seg, off, &len);
	on_lists = free_bytes(&seg);
	c->length = 4097;
	seg_chunk_free(&seg, 0, off);
	c->length = 0;
	seg_chunk_free(&seg, 0, off);
	c->length = UINT32_MAX;
	seg_chunk_free(&seg, 0, off);
	c->length = 4 << 20; /* not inside */
	seg_chunk_free(&seg, 0, off);
	seg_chunk_free(&seg, 0, off + 4);
	seg_chunk_free(&seg, 0, 0);
	seg_chunk_free(&seg, 0, UINT64_MAX);
	seg_chunk_free(&seg, 7, off);
	CHECK(free_bytes(&seg) == on_lists);
	seg_close(&seg);
}

TEST(hostile_freelists_end)
{
	static const uint64_t heads[] = { 8,	     17,
					  4096,	     1 << 20,
					  1 << 30,   (UINT64_C(1) << 48) - 1,
					  UINT64_MAX };
	struct wire_chunk *c;
	uint64_t off, again;
	struct seg seg;
	uint32_t len;
	size_t i;

	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == 0);
	for (i = 0; i < ARRAY_SIZE(heads); i++) {
		seg.fsh->slices[0].free_chunks[0] = heads[i];
		CHECK(seg_chunk_alloc(&seg, 0, 1, &again) == -EPROTO);
	}
	/* one chunk in a loop: given twice, but with an end */
	c = seg_chunk(&seg, off, &len);
	c->next = off;
	seg.fsh->slices[0].free_chunks[0] = off;
	CHECK(seg_chunk_alloc(&seg, 0, 1, &again) == 0 && again == off);
	CHECK(c->next == 0);
	c->next = off;
	seg.fsh->slices[0].free_chunks[0] = off;
	seg.fsh->slices[0].n_fl_chunk_bytes = UINT64_MAX;
	seg.fsh->byte_index = seg.limit;
	/* gathering from the loop ends too */
	CHECK(seg_chunk_alloc(&seg, 0, 100 << 20, &again) == -ENOMEM);
	seg_close(&seg);
}

TEST(fifo_headers_are_used_again)
{
	uint64_t off[40], again, carved;
	struct seg seg;
	int i, d;

	for (d = WIRE_2510; d <= WIRE_2606; d++) {
		CHECK(seg_create(&seg, "t", 4 << 20) == 0);
		seg.dialect = (enum wire_dialect)d;
		for (i = 0; i < 40; i++) {
			CHECK(seg_fifo_create(&seg, 0, 8192, &off[i]) == 0);
			CHECK(off[i] % 64 == 0);
		}
		CHECK(seg.fsh->n_active_fifos == 40);
		CHECK(seg.fsh->slices[0].virtual_mem == 40 * 8192);
		check_accounts(&seg, 40 * 4096);
		seg_fifo_free(&seg, off[7]);
		CHECK(seg_fifo_create(&seg, 0, 8192, &again) == 0);
		CHECK(again == off[7]);
		for (i = 0; i < 40; i++)
			seg_fifo_free(&seg, off[i]);
		CHECK(seg.fsh->n_active_fifos == 0);
		CHECK(seg.fsh->slices[0].virtual_mem == 0);
		check_accounts(&seg, 0);
		carved = seg.fsh->byte_index;
		for (i = 0; i < 40; i++)
			CHECK(seg_fifo_create(&seg, 0, 8192, &off[i]) == 0);
		CHECK(seg.fsh->byte_index == carved);
		seg_close(&seg);
	}
}

TEST(fifo_create_says_when_memory_is_out)
{
	uint64_t off = 0;
	struct seg seg;
	int ret, n;

	CHECK(seg_create(&seg, "t", 64 << 10) == 0);
	CHECK(seg_fifo_create(&seg, 1, 4096, &off) == -EINVAL);
	CHECK(seg_fifo_create(&seg, 0, UINT32_MAX, &off) == -EINVAL);
	for (n = 0; (ret = seg_fifo_create(&seg, 0, 0, &off)) == 0; n++)
		CHECK(n < 32);
	CHECK(ret == -ENOMEM && n > 8);
	seg_fifo_free(&seg, off); /* a failed one's header is free already */
	seg_fifo_free(&seg, 0);
	seg_fifo_free(&seg, 1);
	seg_fifo_free(&seg, UINT64_MAX);
	seg_close(&seg);
}

TEST(first_chunk_follows_the_percentage)
{
	struct wire_fifo *h;
	struct seg seg;
	uint64_t off;
	unsigned n;

	CHECK(seg_create(&seg, "t", 4 << 20) == 0);
	CHECK(seg_fifo_create(&seg, 0, 1 << 20, &off) == 0);
	h = map_at(&seg.map, off, sizeof(*h));
	CHECK(h->min_alloc == 65536 && h->size == 1 << 20);
	CHECK(chain_bytes(&seg, h->start_chunk, &n) == 4096);
	seg.fsh->pct_first_alloc = 50;
	CHECK(seg_fifo_create(&seg, 0, 1 << 20, &off) == 0);
	h = map_at(&seg.map, off, sizeof(*h));
	CHECK(chain_bytes(&seg, h->start_chunk, &n) == 1 << 19);
	CHECK(h->head_chunk == h->start_chunk && h->tail_chunk &&
	      h->end_chunk && h->tail_chunk == h->start_chunk);
	seg.fsh->pct_first_alloc = 255; /* counts as 100 */
	CHECK(seg_fifo_create(&seg, 0, 100000, &off) == 0);
	h = map_at(&seg.map, off, sizeof(*h));
	CHECK(h->min_alloc == 12500);
	CHECK(chain_bytes(&seg, h->start_chunk, &n) == 131072);
	seg_close(&seg);
}

/* --- four threads, two mappings, few chunks: the same ones all the time --- */

#define THREADS 4
#define SHIFTS (1000000 / SLOW)

static struct seg shared[2];
static _Atomic uint32_t owners[64];

static void *churn(void *arg)
{
	size_t me = (size_t)arg;
	struct seg *seg = &shared[me % 2];
	uint64_t off[3], state = me + 1;
	int i, n = 0;

	for (i = 0; i < SHIFTS; i++) {
		if (n < 3 && (n == 0 || rnd(&state) & 1)) {
			if (seg_chunk_alloc(seg, 0, 1, &off[n]))
				continue;
			/* nobody else has it */
			CHECK(atomic_fetch_add(&owners[off[n] / 4120], 1) == 0);
			n++;
		} else {
			n--;
			CHECK(atomic_fetch_sub(&owners[off[n] / 4120], 1) == 1);
			seg_chunk_free(seg, 0, off[n]);
		}
	}
	while (n--) {
		atomic_fetch_sub(&owners[off[n] / 4120], 1);
		seg_chunk_free(seg, 0, off[n]);
	}
	return NULL;
}

TEST(four_threads_never_get_the_same_chunk)
{
	pthread_t t[THREADS];
	size_t i;

	/* fewer chunks than hands, so that every head word comes back */
	CHECK(seg_create(&shared[0], "t", 8 * 4120) == 0);
	CHECK(seg_attach(&shared[1], dup(shared[0].map.fd)) == 0);
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, churn, (void *)i) == 0);
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	check_accounts(&shared[0], 0);
	seg_close(&shared[0]);
	seg_close(&shared[1]);
}

/* --- ABA, at each instruction of a pop --- */

static void pop_traced(struct seg *seg, _Atomic uint64_t *result)
{
	uint64_t off = 0;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	raise(SIGSTOP);
	if (seg_chunk_alloc(seg, 0, 1, &off))
		_exit(1);
	atomic_store(result, off);
	_exit(0);
}

/* Let a pop run @steps instructions, overtake it: false if it was over. */
static int overtake(struct seg *seg, _Atomic uint64_t *result, int steps)
{
	uint64_t first, second, third;
	int status, ran;
	pid_t pid;

	*result = 0;
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		pop_traced(seg, result);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no ptrace here");
	for (ran = 0; ran < steps && WIFSTOPPED(status) && !*result; ran++) {
		CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid);
	}
	/* the same first chunk again, but with another behind it */
	CHECK(seg_chunk_alloc(seg, 0, 1, &first) == 0);
	CHECK(seg_chunk_alloc(seg, 0, 1, &second) == 0);
	seg_chunk_free(seg, 0, first);
	CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(seg_chunk_alloc(seg, 0, 1, &third) == 0);
	CHECK(*result != second && third != second && third != *result);
	seg_chunk_free(seg, 0, third);
	seg_chunk_free(seg, 0, second);
	seg_chunk_free(seg, 0, *result);
	check_accounts(seg, 0);
	return ran == steps;
}

TEST(a_pop_may_be_overtaken_at_any_instruction)
{
	_Atomic uint64_t *result;
	struct seg seg;
	uint64_t off;
	int steps;

	if (SLOW > 1)
		SKIP("too many instructions in this build");
	result = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(result != MAP_FAILED);
	CHECK(seg_create(&seg, "t", 1 << 20) == 0);
	CHECK(seg_chunk_alloc(&seg, 0, 1, &off) == 0);
	seg_chunk_free(&seg, 0, off);
	for (steps = 0; overtake(&seg, result, steps); steps++)
		;
	CHECK(steps > 30);
	seg_close(&seg);
}
