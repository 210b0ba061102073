/* SPDX-License-Identifier: Apache-2.0 */
/* mq_repair.c - a producer dies between any two of its stores */
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <time.h>

#include "tests/unit/mq_arena.h"

#define AT 4096
#define SLOTS 8
#define N_CTRL 4
#define DEAD 1000
#define MARKER 2000

static const struct mq_geometry geometry = { SLOTS, N_CTRL };

/* Where the producer dies: the stores before are done. */
enum death {
	BEFORE,
	RING_TAIL,
	RING_CURSIZE,
	TAIL, /* from here on the message is whole */
	CURSIZE,
	N_DEATHS
};

static void put(struct mq *q, enum wire_mq_ring ring, uint32_t n)
{
	CHECK(mq_send(q, ring, &n, sizeof(n)) == 0);
}

static void expect(struct mq *q, uint32_t n)
{
	struct mq_msg msg;
	uint32_t got;

	CHECK(mq_recv(q, &msg) == 1);
	memcpy(&got, msg.data, sizeof(got));
	CHECK(got == n);
}

/* A stock producer's order, by hand, up to @death. */
static void die(struct mq *q, enum wire_mq_ring ring, enum death death)
{
	struct wire_mq *m = q->shared;
	struct wire_mq_ring_hdr *r = q->ring[ring].hdr;
	uint32_t elt = r->tail, n = DEAD;

	CHECK(pthread_mutex_lock(&m->mutex) == 0);
	if (death >= RING_TAIL)
		r->tail = (elt + 1) % r->nitems;
	if (death >= RING_CURSIZE)
		r->cursize++;
	if (death >= TAIL) {
		memcpy(r->data + elt * r->elsize, &n, sizeof(n));
		m->slots[m->tail] = (struct wire_mq_slot){ ring, elt };
		m->tail = (m->tail + 1) % m->maxsize;
	}
	if (death >= CURSIZE)
		m->cursize++;
	_exit(0);
}

static void kill_one(struct mq *q, enum wire_mq_ring ring, enum death death)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		die(q, ring, death);
	CHECK(waitpid(pid, &status, 0) == pid && !status);
}

/* Nothing leaked: as many as ever fit, of each kind. */
static void check_capacity(struct mq *q)
{
	uint32_t ring, i, n = 0;
	uint32_t capacity[WIRE_N_RINGS] = { SLOTS, N_CTRL };

	for (ring = 0; ring < WIRE_N_RINGS; ring++) {
		for (i = 0; i < capacity[ring]; i++)
			put(q, ring, i);
		CHECK(mq_send(q, ring, &n, sizeof(n)) == -EAGAIN);
		for (i = 0; i < capacity[ring]; i++)
			expect(q, i);
		CHECK(mq_empty(q));
		CHECK(!q->ring[ring].hdr->cursize);
	}
}

/*
 * @past messages went through, @pending wait, and one dies; what follows is
 * as if it had sent its message, or had never been.
 */
static void scene(struct seg *seg, int evfd, bool vpp, enum death death,
		  unsigned how, uint32_t past, uint32_t pending)
{
	enum wire_mq_ring ring = how & 1;
	bool ctrl = how & 2;
	struct pollfd p = { .fd = evfd, .events = POLLIN };
	struct mq q;
	uint32_t i;

	CHECK(mq_create(seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, seg, AT, evfd) == 0);
	if (vpp) /* which leaves unused slots zero */
		memset(q.shared->slots, 0, SLOTS * sizeof(uint64_t));
	for (i = 0; i < past; i++) {
		put(&q, ctrl && i % 3, i);
		expect(&q, i);
	}
	for (i = 0; i < pending; i++)
		put(&q, ctrl && i % 2, i);
	if (evfd >= 0)
		mq_reset_event(&q);
	kill_one(&q, ring, death);
	put(&q, WIRE_RING_IO, MARKER);
	/* not lost with the one who should have signalled */
	CHECK(evfd < 0 || pending > 0 || poll(&p, 1, 0) == 1);
	for (i = 0; i < pending; i++)
		expect(&q, i);
	if (death >= TAIL)
		expect(&q, DEAD);
	expect(&q, MARKER);
	CHECK(mq_empty(&q));
	check_capacity(&q);
}

static void all_scenes(bool events, bool vpp)
{
	int fd = arena_open(), evfd = events ? eventfd(0, 0) : -1;
	struct seg seg = arena_map(fd);
	uint32_t past, pending;
	unsigned how;
	int death;

	for (death = 0; death < N_DEATHS; death++)
		for (how = 0; how < 4; how++)
			for (past = vpp; past < 2 * SLOTS + 2; past += 3)
				for (pending = 0; pending < 4; pending++)
					scene(&seg, evfd, vpp, death, how, past,
					      pending);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
	if (events)
		close(evfd);
}

TEST(any_death_is_repaired_mutex)
{
	all_scenes(false, false);
}

TEST(any_death_is_repaired_eventfd)
{
	all_scenes(true, false);
}

TEST(any_death_is_repaired_in_a_queue_of_vpp)
{
	all_scenes(false, true);
}

/* The consumer alone also gets over elements that nobody sent. */
TEST(elements_that_were_never_sent_are_skipped)
{
	int fd = arena_open();
	struct seg seg = arena_map(fd);
	struct mq q;
	uint32_t i;

	CHECK(mq_create(&seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, &seg, AT, -1) == 0);
	for (i = 0; i < 30; i++) {
		put(&q, i & 1, i);
		expect(&q, i);
		q.ring[i & 1].hdr->tail =
			(q.ring[i & 1].hdr->tail + 1) % q.ring[i & 1].nitems;
		q.ring[i & 1].hdr->cursize++;
	}
	for (i = 0; i < 2; i++) {
		put(&q, i, i);
		expect(&q, i);
	}
	check_capacity(&q);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
}

/* Whoever dies in the consumer's lock or wait is got over as well. */
TEST(wait_takes_over_a_dead_lock)
{
	struct timespec past = { 1, 0 };
	int fd = arena_open();
	struct seg seg = arena_map(fd);
	struct mq q;

	CHECK(mq_create(&seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, &seg, AT, -1) == 0);
	kill_one(&q, WIRE_RING_IO, TAIL);
	CHECK(mq_wait(&q, &past) == 0);
	expect(&q, DEAD);
	kill_one(&q, WIRE_RING_IO, BEFORE);
	CHECK(mq_wait(&q, &past) == -ETIMEDOUT);
	/* the lock is free */
	CHECK(pthread_mutex_trylock(&q.shared->mutex) == 0);
	CHECK(pthread_mutex_unlock(&q.shared->mutex) == 0);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
}

TEST(spoilt_queue_is_reported_and_its_lock_freed)
{
	int fd = arena_open();
	struct seg seg = arena_map(fd);
	struct mq q;
	uint32_t n = 0;

	CHECK(mq_create(&seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, &seg, AT, -1) == 0);
	put(&q, WIRE_RING_IO, 1);
	kill_one(&q, WIRE_RING_IO, RING_TAIL);
	q.ring[0].hdr->tail = 5;
	CHECK(mq_send(&q, WIRE_RING_IO, &n, sizeof(n)) == -EPROTO);
	CHECK(pthread_mutex_trylock(&q.shared->mutex) == 0);
	CHECK(pthread_mutex_unlock(&q.shared->mutex) == 0);
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
}

/* Step one that sends through @steps instructions and kill it; true if it
 * had left mq_send() before. */
static bool kill_after(struct mq *q, enum wire_mq_ring ring, unsigned steps)
{
	_Atomic uint32_t *done = (void *)((uint8_t *)q->shared - AT);
	uint32_t n = DEAD;
	int status;
	pid_t pid;

	atomic_store(done, 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(77);
		raise(SIGSTOP);
		atomic_store(done, 1 + !!mq_send(q, ring, &n, sizeof(n)));
		for (;;)
			pause();
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status))
		SKIP("no ptrace");
	while (steps-- > 0 && !atomic_load(done)) {
		CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	}
	CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	CHECK(atomic_load(done) < 2);
	return atomic_load(done);
}

/* What mq_send() left when it was killed is all or nothing. */
static bool step_scene(struct seg *seg, int evfd, unsigned n, uint32_t steps)
{
	uint32_t i, got, pending = n % 4, past = n % 7;
	struct mq_msg msg;
	struct mq q;
	bool done;

	CHECK(mq_create(seg, AT, &geometry) == 0);
	CHECK(mq_attach(&q, seg, AT, evfd) == 0);
	for (i = 0; i < past; i++) {
		put(&q, i & 1, i);
		expect(&q, i);
	}
	for (i = 0; i < pending; i++)
		put(&q, i & 1, i);
	done = kill_after(&q, n & 1, steps);
	put(&q, WIRE_RING_IO, MARKER);
	for (i = 0; i < pending; i++)
		expect(&q, i);
	CHECK(mq_recv(&q, &msg) == 1);
	memcpy(&got, msg.data, sizeof(got));
	if (got == DEAD)
		expect(&q, MARKER);
	else
		CHECK(got == MARKER && !done);
	CHECK(mq_empty(&q));
	check_capacity(&q);
	return done;
}

/* Every instruction; an instrumented build has too many for the time. */
static void every_step(bool events)
{
	int fd = arena_open(), evfd = events ? eventfd(0, 0) : -1;
	struct seg seg = arena_map(fd);
	time_t end = time(NULL) + 10;
	bool sent = false;
	uint32_t steps;

	for (steps = 1; !sent && time(NULL) < end; steps++)
		sent = step_scene(&seg, evfd, steps, steps);
	printf("# killed after 1 to %u instructions%s\n", steps - 1,
	       sent ? ": all" : "");
	munmap(seg.map.base, ARENA_SIZE);
	close(fd);
	if (events)
		close(evfd);
}

TEST(killed_at_every_instruction_mutex)
{
	every_step(false);
}

TEST(killed_at_every_instruction_eventfd)
{
	every_step(true);
}
