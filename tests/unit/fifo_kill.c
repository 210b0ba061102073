/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fifo_kill.c - kill -9 of either end; the next one goes on from the memory
 *
 * Two ways.  One end is run instruction by instruction, and after each that
 * changed the memory, a copy of the memory is taken over by new ends, in
 * several orders: that is every point at which a kill can hit.  And real
 * processes are killed at random times, ten thousand times, while the other
 * end runs.  KILLS=n SEED=n: other numbers.
 *
 * What a death may cost is memory, never bytes of the stream: what was in
 * hand between two lists belongs to nobody until the segment goes.  The first
 * test measures it for each operation and holds it against its bound.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include "tests/unit/shm_rig.h"

static uint8_t buf[1 << 20];

static ssize_t put(struct fifo *f, size_t len)
{
	stream_fill(buf, *f->tail, len);
	return fifo_put(f, buf, len);
}

static ssize_t take(struct fifo *f, size_t len)
{
	uint32_t at = *f->head;
	ssize_t n = fifo_take(f, buf, len);

	CHECK(n <= 0 || stream_match(buf, at, (size_t)n));
	return n;
}

static void put_n(struct rig *r, size_t len)
{
	CHECK(put(&r->p, len) == (ssize_t)len);
}

static void take_n(struct rig *r, size_t len)
{
	CHECK(take(&r->c, len) == (ssize_t)len);
}

/* --- instruction by instruction --- */

#define SEG_BYTES (160 * 4120)
#define FIFO_SIZE 40000

struct scene {
	const char *name;
	void (*setup)(struct rig *r);
	size_t puts, takes;  /* what the victim does */
	uint64_t max_leak;   /* bytes */
	unsigned min_states; /* fewer would mean that it did not happen */
};

static void tail_in_chunk(struct rig *r)
{
	put_n(r, 1000);
}

static void tail_near_end(struct rig *r)
{
	put_n(r, 4090);
	take_n(r, 100);
}

static void tail_at_end(struct rig *r)
{
	put_n(r, 4096);
	take_n(r, 100);
}

static void drained_at_end(struct rig *r)
{
	put_n(r, 4096);
	take_n(r, 4096);
}

static void end_reached_by_put(struct rig *r)
{
	put_n(r, 4086);
}

static void chunks_beyond_tail(struct rig *r)
{
	*r->p.min_alloc = 20000;
	put_n(r, 4097);
	*r->p.min_alloc = 4096;
	put_n(r, 4096 * 8 - 4097 - 5);
}

static void carve_needed(struct rig *r)
{
	*r->p.min_alloc = 8192;
	put_n(r, 4090);
}

/* Nothing but chunks of 4 KiB, and more than one needed. */
static void several_needed(struct rig *r)
{
	uint64_t off;

	put_n(r, 4090);
	while (seg_carve(&r->a, 4096, 8, &off) == 0)
		;
	*r->p.min_alloc = 20000;
}

static void head_at_first(struct rig *r)
{
	int i;

	for (i = 0; i < 5; i++)
		put_n(r, 4000); /* each in a chunk of 4 KiB */
}

static void head_unknown(struct rig *r)
{
	put_n(r, 4096);
	take_n(r, 4096);
	put_n(r, 5000);
	CHECK(*r->c.head_chunk == 0);
}

static const struct scene scenes[] = {
	{ "put in a chunk", tail_in_chunk, 10, 0, 0, 3 },
	{ "put over an end", tail_near_end, 10, 0, 4096, 10 },
	{ "put at an end", tail_at_end, 10, 0, 4096, 10 },
	{ "put at an end, drained", drained_at_end, 10, 0, 4096, 10 },
	{ "put up to an end", end_reached_by_put, 10, 0, 0, 3 },
	{ "put into a linked chunk", chunks_beyond_tail, 10, 0, 0, 3 },
	{ "put that carves", carve_needed, 10, 0, 32 * 8192, 40 },
	{ "put that gathers", several_needed, 10, 0, 20480, 20 },
	{ "take in a chunk", tail_in_chunk, 0, 10, 0, 1 },
	{ "take over an end", head_at_first, 0, 4100, 4096, 5 },
	{ "take over several", head_at_first, 0, 16000, 4096, 10 },
	{ "take up to an end", head_at_first, 0, 4096, 4096, 5 },
	{ "take all, at an end", tail_at_end, 0, 3996, 0, 2 },
	{ "take from the unknown", head_unknown, 0, 5000, 4096, 5 },
};

/* New ends go on; @order says who comes first.  Returns the bytes lost. */
static uint64_t take_over(struct rig *r, unsigned order, uint64_t held)
{
	uint32_t begin = *r->c.head;
	unsigned i;
	ssize_t n;

	if (order & 1)
		while ((n = take(&r->c, 3000)) > 0)
			;
	for (i = 0; i < 12; i++) {
		n = put(&r->p, order & 2 ? 9000 : 2500);
		CHECK(n > 0 || n == -EAGAIN);
		if (i > 3) {
			n = take(&r->c, order & 4 ? 10000 : 3000);
			CHECK(n > 0);
		}
	}
	while ((n = take(&r->c, 5000)) > 0)
		;
	CHECK(n == -EAGAIN && *r->c.head == *r->p.tail);
	CHECK(*r->c.head - begin >= 12 * 2500);
	(void)linked_bytes(&r->p); /* the list is whole again */
	seg_fifo_free(&r->a, r->off);
	CHECK(free_bytes(&r->a) + held <= carved_bytes(&r->a));
	return carved_bytes(&r->a) - free_bytes(&r->a) - held;
}

static void copy_memory(struct rig *to, const struct rig *from)
{
	CHECK(to->a.map.fsh_len == from->a.map.fsh_len);
	memcpy(to->a.map.fsh, from->a.map.fsh, from->a.map.fsh_len);
	to->off = from->off;
	CHECK(fifo_attach(&to->p, &to->a, to->off, to->dialect) == 0);
	CHECK(fifo_attach(&to->c, &to->b, to->off, to->dialect) == 0);
}

static void victim(struct rig *r, const struct scene *s)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	stream_fill(buf, *r->p.tail, s->puts);
	raise(SIGSTOP);
	if (s->puts && fifo_put(&r->p, buf, s->puts) != (ssize_t)s->puts)
		_exit(1);
	if (s->takes && fifo_take(&r->c, buf, s->takes) != (ssize_t)s->takes)
		_exit(1);
	_exit(0);
}

/* Step @s through; take a copy over wherever the memory has changed. */
static void step_through(const struct scene *s, enum wire_dialect dialect)
{
	uint64_t lost, most = 0, held;
	unsigned states = 0, order;
	struct rig r, copy, last;
	int status;
	pid_t pid;

	rig_open(&r, dialect, SEG_BYTES, FIFO_SIZE);
	*r.p.min_alloc = 4096;
	rig_open(&copy, dialect, SEG_BYTES, 0);
	rig_open(&last, dialect, SEG_BYTES, 0);
	s->setup(&r);
	held = carved_bytes(&r.a) - free_bytes(&r.a) - linked_bytes(&r.p);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		victim(&r, s);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no ptrace here");
	while (WIFSTOPPED(status)) {
		if (memcmp(last.a.map.fsh, r.a.map.fsh, r.a.map.fsh_len)) {
			copy_memory(&last, &r);
			states++;
			for (order = 0; order < 8; order++) {
				copy_memory(&copy, &r);
				lost = take_over(&copy, order, held);
				most = MAX(most, lost);
			}
		}
		CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid);
	}
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	printf("# %s: %u states, %llu bytes lost at most\n", s->name, states,
	       (unsigned long long)most);
	CHECK(most <= s->max_leak && states >= s->min_states);
	rig_close(&r);
	rig_close(&copy);
	rig_close(&last);
}

static void step_all(enum wire_dialect dialect)
{
	size_t i;

	if (SLOW > 1)
		SKIP("too many instructions in this build");
	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		step_through(&scenes[i], dialect);
}

TEST(every_instruction)
{
	step_all(WIRE_2606);
}

TEST(every_instruction_old_header)
{
	step_all(WIRE_2510);
}

/* --- at random --- */

enum role { PRODUCER, CONSUMER };

struct ctl {
	_Atomic uint32_t ops[2];
	_Atomic uint32_t bad;  /* line at which an end found a fault */
	_Atomic uint32_t stop; /* 1: the producer, 2: both, once drained */
};

static struct ctl *ctl;

#define GOOD(cond)                                         \
	do {                                               \
		if (!(cond)) {                             \
			atomic_store(&ctl->bad, __LINE__); \
			_exit(1);                          \
		}                                          \
	} while (0)

static void produce(struct rig *r, uint64_t state)
{
	size_t len;
	ssize_t n;

	while (!atomic_load(&ctl->stop)) {
		len = 1 + (size_t)(rnd(&state) % (12000 >> rnd(&state) % 12));
		n = put(&r->p, len);
		GOOD(n > 0 || n == -EAGAIN || n == -ENOBUFS);
		if (n > 0) {
			(void)fifo_ring(&r->p);
			atomic_fetch_add(&ctl->ops[PRODUCER], 1);
		} else {
			sched_yield();
		}
	}
}

static void consume(struct rig *r, uint64_t state)
{
	uint32_t at;
	size_t len;
	ssize_t n;

	for (;;) {
		len = 1 + (size_t)(rnd(&state) % (12000 >> rnd(&state) % 12));
		at = *r->c.head;
		n = rnd(&state) % 8 ? fifo_take(&r->c, buf, len)
				    : fifo_peek(&r->c, 0, buf, len);
		GOOD(n >= 0 || n == -EAGAIN);
		if (n > 0) {
			GOOD(stream_match(buf, at, (size_t)n));
			(void)fifo_took(&r->c, (uint32_t)n);
			atomic_fetch_add(&ctl->ops[CONSUMER], 1);
		} else if (atomic_load(&ctl->stop) == 2 && !fifo_used(&r->c)) {
			return;
		} else {
			sched_yield();
		}
	}
}

static pid_t start(struct rig *r, enum role role, uint64_t seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (role == PRODUCER)
		produce(r, seed | 1);
	else
		consume(r, seed | 1);
	_exit(0);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Wait until @role has done @n more operations. */
static void await_ops(enum role role, uint32_t n)
{
	uint32_t from = atomic_load(&ctl->ops[role]);
	double late = now() + 20;

	while (atomic_load(&ctl->ops[role]) - from < n) {
		CHECK(!atomic_load(&ctl->bad));
		CHECK(now() < late); /* else: stuck */
		sched_yield();
	}
}

static void kill_one(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (atomic_load(&ctl->bad))
		printf("# fault at line %u\n", atomic_load(&ctl->bad));
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void finish(struct rig *r, pid_t pid[2])
{
	int status;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		atomic_store(&ctl->stop, i + 1);
		CHECK(waitpid(pid[i], &status, 0) == pid[i]);
		CHECK(status == 0);
	}
	CHECK(*r->c.head == *r->p.tail);
}

static void kill_at_random(enum wire_dialect dialect, unsigned kills)
{
	uint64_t state = rnd_seed(), lost;
	double began = now();
	struct rig r;
	unsigned k, role, n;
	pid_t pid[2];

	alarm(100);
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(ctl != MAP_FAILED);
	rig_open(&r, dialect, 256 << 20, 65536);
	fflush(stdout);
	for (role = 0; role < 2; role++)
		pid[role] = start(&r, (enum role)role, rnd(&state));
	for (k = 0; k < kills; k += n) {
		role = (unsigned)(rnd(&state) & 1);
		if (k % 16 == 0)
			await_ops((enum role) !role, 1);
		if (rnd(&state) & 1)
			await_ops((enum role)role, (uint32_t)(rnd(&state) % 8));
		else
			usleep((useconds_t)(rnd(&state) %
					    (2000 >> rnd(&state) % 10)));
		n = rnd(&state) % 8 ? 1 : 2; /* or both at once */
		kill_one(pid[role]);
		if (n == 2)
			kill_one(pid[!role]);
		pid[role] = start(&r, (enum role)role, rnd(&state));
		if (n == 2)
			pid[!role] = start(&r, (enum role) !role, rnd(&state));
	}
	await_ops(PRODUCER, 1);
	await_ops(CONSUMER, 1);
	finish(&r, pid);
	seg_fifo_free(&r.a, r.off);
	lost = carved_bytes(&r.a) - free_bytes(&r.a);
	printf("# %u kills in %.1f s, %u puts, %u takes, %llu KiB lost\n", k,
	       now() - began, atomic_load(&ctl->ops[PRODUCER]),
	       atomic_load(&ctl->ops[CONSUMER]),
	       (unsigned long long)lost >> 10);
	/* a chunk a kill would be the worst of all luck, but for batches */
	CHECK(lost <= (uint64_t)kills * 16384 + (32 * 16384));
	munmap(ctl, sizeof(*ctl));
	rig_close(&r);
}

static unsigned kills_wanted(void)
{
	const char *env = getenv("KILLS");

	return env ? (unsigned)atoi(env) / 2 : 5000 / SLOW;
}

TEST(at_random)
{
	kill_at_random(WIRE_2606, kills_wanted());
}

TEST(at_random_old_header)
{
	kill_at_random(WIRE_2510, kills_wanted());
}
