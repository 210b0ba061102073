/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_kill.c - kill -9 of either end; the next one goes on from the memory
 *
 * Two ways.  One end is run instruction by instruction, and after each that
 * changed the memory, a copy of the memory is taken over by new ends, in
 * several orders: that is every point at which a kill can hit.  And real
 * processes are killed at random times, thousands of times, while the other
 * end runs.  KILLS=n SEED=n: other numbers; SAPI_LONG=1: more.
 *
 * Positions are those of the ring's own words, so each byte says where in the
 * stream it belongs.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include "tests/unit/link_rig.h"

static uint8_t buf[1 << 20];

static struct ring *tx(struct link_rig *r)
{
	return &r->end[0].tx;
}

static struct ring *rx(struct link_rig *r)
{
	return &r->end[1].rx;
}

static ssize_t put(struct link_rig *r, size_t len)
{
	stream_fill(buf, tx(r)->own->tail, len);
	return ring_put(tx(r), buf, len);
}

static ssize_t take(struct link_rig *r, size_t len)
{
	uint32_t at = rx(r)->own->head;
	ssize_t n = ring_take(rx(r), buf, len);

	CHECK(n <= 0 || stream_match(buf, at, (size_t)n));
	return n;
}

static void put_n(struct link_rig *r, size_t len)
{
	CHECK(put(r, len) == (ssize_t)len);
}

static void take_n(struct link_rig *r, size_t len)
{
	CHECK(take(r, len) == (ssize_t)len);
}

/* --- instruction by instruction --- */

#define RING 8192u

struct scene {
	const char *name;
	void (*setup)(struct link_rig *r);
	bool producer;			 /* the victim */
	bool (*act)(struct link_rig *r); /* what it does */
	unsigned min_states; /* fewer would mean that it did not happen */
};

static void nothing(struct link_rig *r)
{
}

static void something(struct link_rig *r)
{
	put_n(r, 500);
}

static void full(struct link_rig *r)
{
	put_n(r, RING);
}

/* Empty, far from home, and the producer knows. */
static void spent(struct link_rig *r)
{
	put_n(r, 3000);
	take_n(r, 3000);
	CHECK(ring_unread(tx(r)) == 0);
}

/* The same, but it would have to look. */
static void spent_unseen(struct link_rig *r)
{
	put_n(r, 100);
	put_n(r, 3000);
	take_n(r, 3100);
}

/* Bytes are there, and the end of the memory is near. */
static void about_to_wrap(struct link_rig *r)
{
	put_n(r, RING - 100);
	take_n(r, RING - 300);
}

static void wrapped(struct link_rig *r)
{
	about_to_wrap(r);
	put_n(r, 1000);
}

static void index_wraps(struct link_rig *r)
{
	link_rig_begin(r, 0, UINT32_MAX - 100);
	put_n(r, 50);
}

static bool put_little(struct link_rig *r)
{
	return ring_put(tx(r), buf, 100) == 100;
}

static bool put_much(struct link_rig *r)
{
	return ring_put(tx(r), buf, 1900) == 1900;
}

static bool put_pieces(struct link_rig *r)
{
	struct iovec v[2] = { { buf, 60 }, { buf + 60, 300 } };

	return ring_putv(tx(r), v, 2, 0) == 360;
}

static bool take_little(struct link_rig *r)
{
	return ring_take(rx(r), buf, 100) == 100;
}

static bool take_all(struct link_rig *r)
{
	ssize_t used = ring_used(rx(r));

	return ring_take(rx(r), buf, sizeof(buf)) == used;
}

static bool drop_little(struct link_rig *r)
{
	return ring_drop(rx(r), 100) == 100;
}

static bool give_back(struct link_rig *r)
{
	return ring_give_back(tx(r));
}

static const struct scene scenes[] = {
	{ "put, the first", nothing, true, put_little, 5 },
	{ "put behind others", something, true, put_little, 3 },
	{ "put and leave home", something, true, put_much, 5 },
	{ "put and come home", spent, true, put_little, 5 },
	{ "put, look, come home", spent_unseen, true, put_much, 5 },
	{ "put around the end", about_to_wrap, true, put_much, 5 },
	{ "put pieces around the end", about_to_wrap, true, put_pieces, 5 },
	{ "put where the index wraps", index_wraps, true, put_little, 3 },
	{ "take", something, false, take_little, 3 },
	{ "take from a full ring", full, false, take_all, 3 },
	{ "take around the end", wrapped, false, take_all, 3 },
	{ "drop", full, false, drop_little, 3 },
	{ "give back", spent, true, give_back, 3 },
};

/* What the survivor does that does not know yet. */
static void survive(struct link_rig *r, bool producer)
{
	ssize_t n;

	do
		n = producer ? put(r, 3000) : take(r, 3000);
	while (n > 0);
	CHECK(n == -EAGAIN);
}

/* A new end goes on; @order says who comes first, and how. */
static void take_over(struct link_rig *r, bool producer, unsigned order)
{
	uint32_t begin = rx(r)->own->head;
	unsigned i;
	ssize_t n;

	if (order & 1)
		survive(r, !producer);
	ring_repair(producer ? tx(r) : rx(r), producer);
	if (order & 4)
		survive(r, false);
	if (order & 2)
		(void)ring_give_back(tx(r));
	for (i = 0; i < 12; i++) {
		n = put(r, order & 4 ? 5000 : 700);
		CHECK(n > 0 || n == -EAGAIN);
		if (i > 3)
			CHECK(take(r, order & 2 ? 6000 : 1500) > 0);
	}
	put_n(r, 1);
	while ((n = take(r, 3000)) > 0)
		;
	CHECK(n == -EAGAIN && rx(r)->own->head == tx(r)->own->tail);
	CHECK(rx(r)->own->head - begin >= 12 * 700);
}

static bool same_memory(const struct link_rig *a, const struct link_rig *b)
{
	return !memcmp(a->map[0].base, b->map[0].base, a->map[0].size) &&
	       !memcmp(a->own, b->own, 4096);
}

static void copy_memory(struct link_rig *to, const struct link_rig *from)
{
	memcpy(to->map[0].base, from->map[0].base, from->map[0].size);
	memcpy(to->own, from->own, 4096);
}

static void victim(struct link_rig *r, const struct scene *s)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		_exit(77);
	stream_fill(buf, tx(r)->own->tail, RING);
	raise(SIGSTOP);
	_exit(!s->act(r));
}

/* Step @s through; take a copy over wherever the memory has changed. */
static void step_through(const struct scene *s)
{
	struct link_rig r, copy, last;
	unsigned states = 0, order;
	int status;
	pid_t pid;

	link_rig_open(&r, RING);
	link_rig_open(&copy, RING);
	link_rig_open(&last, RING);
	s->setup(&r);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0)
		victim(&r, s);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		SKIP("no ptrace here");
	while (WIFSTOPPED(status)) {
		if (!same_memory(&last, &r)) {
			copy_memory(&last, &r);
			states++;
			for (order = 0; order < 8; order++) {
				copy_memory(&copy, &r);
				take_over(&copy, s->producer, order);
			}
		}
		CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid);
	}
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	printf("# %s: %u states\n", s->name, states);
	CHECK(states >= s->min_states);
	link_rig_close(&r);
	link_rig_close(&copy);
	link_rig_close(&last);
}

TEST(every_instruction)
{
	size_t i;

	if (SLOW > 1)
		SKIP("too many instructions in this build");
	for (i = 0; i < ARRAY_SIZE(scenes); i++)
		step_through(&scenes[i]);
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

static size_t some_bytes(uint64_t *state)
{
	return 1 + (size_t)(rnd(state) % (100000 >> rnd(state) % 15));
}

static void produce(struct link_rig *r, uint64_t state)
{
	ssize_t n;

	ring_repair(tx(r), true);
	while (!atomic_load(&ctl->stop)) {
		if (rnd(&state) % 32 == 0)
			(void)ring_give_back(tx(r));
		n = put(r, some_bytes(&state));
		GOOD(n > 0 || n == -EAGAIN);
		(void)link_wake_reader(&r->end[0]);
		if (n > 0)
			atomic_fetch_add(&ctl->ops[PRODUCER], 1);
		else
			sched_yield();
	}
}

static void consume(struct link_rig *r, uint64_t state)
{
	uint32_t at;
	size_t len;
	ssize_t n;

	ring_repair(rx(r), false);
	for (;;) {
		len = some_bytes(&state);
		at = rx(r)->own->head;
		n = rnd(&state) % 8 ? ring_take(rx(r), buf, len)
				    : ring_peek(rx(r), 0, buf, len);
		GOOD(n >= 0 || n == -EAGAIN);
		(void)link_wake_writer(&r->end[1]);
		if (n > 0) {
			GOOD(stream_match(buf, at, (size_t)n));
			atomic_fetch_add(&ctl->ops[CONSUMER], 1);
		} else if (atomic_load(&ctl->stop) == 2 && !ring_used(rx(r))) {
			return;
		} else {
			sched_yield();
		}
	}
}

static pid_t start(struct link_rig *r, enum role role, uint64_t seed)
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

static void finish(struct link_rig *r, pid_t pid[2])
{
	int status;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		atomic_store(&ctl->stop, i + 1);
		CHECK(waitpid(pid[i], &status, 0) == pid[i]);
		CHECK(status == 0);
	}
	CHECK(rx(r)->own->head == tx(r)->own->tail);
	CHECK(*rx(r)->head == (uint32_t)*tx(r)->tail);
}

static void kill_at_random(struct link_rig *r, unsigned kills, uint64_t state)
{
	unsigned k, role, n;
	pid_t pid[2];

	fflush(stdout);
	for (role = 0; role < 2; role++)
		pid[role] = start(r, (enum role)role, rnd(&state));
	for (k = 0; k < kills; k += n) {
		role = (unsigned)(rnd(&state) & 1);
		if (k % 16 == 0)
			await_ops((enum role) !role, 1);
		if (rnd(&state) & 1)
			await_ops((enum role)role, (uint32_t)(rnd(&state) % 8));
		else
			usleep((useconds_t)(rnd(&state) %
					    (1000 >> rnd(&state) % 10)));
		n = rnd(&state) % 8 ? 1 : 2; /* or both at once */
		kill_one(pid[role]);
		if (n == 2)
			kill_one(pid[!role]);
		pid[role] = start(r, (enum role)role, rnd(&state));
		if (n == 2)
			pid[!role] = start(r, (enum role) !role, rnd(&state));
	}
	await_ops(PRODUCER, 1);
	finish(r, pid);
}

TEST(at_random)
{
	const char *env = getenv("KILLS");
	unsigned kills = env		       ? (unsigned)atoi(env)
			 : getenv("SAPI_LONG") ? 20000 / SLOW
					       : 2000 / SLOW;
	uint64_t state = rnd_seed();
	double began = now();
	struct link_rig r;

	alarm(170);
	ctl = mmap(NULL, sizeof(*ctl), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(ctl != MAP_FAILED);
	link_rig_open(&r, 65536);
	link_rig_begin(&r, 0, (uint32_t)rnd(&state));
	kill_at_random(&r, kills, rnd(&state) | 1);
	printf("# %u kills in %.1f s: %u puts, %u takes\n", kills,
	       now() - began, atomic_load(&ctl->ops[PRODUCER]),
	       atomic_load(&ctl->ops[CONSUMER]));
	munmap(ctl, sizeof(*ctl));
	link_rig_close(&r);
}
