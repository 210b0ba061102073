/* SPDX-License-Identifier: Apache-2.0 */
/* mq_kill.c - producers are killed at random, the queue goes on */
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/unit/mq_arena.h"

#define AT 65536
#define PRODUCERS 2
#define KILLS 10000u
#define SECONDS 12 /* on a slow or instrumented machine: fewer kills */
#define STUCK 5	   /* seconds without a message */

static const struct mq_geometry geometry = { 128, 64 };

/* In the arena, before the queue: what each producer has sent for sure. */
struct record {
	_Atomic uint32_t sent[PRODUCERS];
};

static struct {
	struct seg seg;
	struct mq q;
	struct record *record;
	pid_t pid[PRODUCERS];
	uint32_t id[PRODUCERS], got[PRODUCERS];
	uint32_t next_id, kills, looked, held, more;
	bool events;
	unsigned seed;
} t;

static uint32_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static void produce(unsigned k)
{
	uint32_t n;
	int rc;

	for (n = 1;;) {
		uint32_t data[3] = { k, t.id[k], n };

		rc = mq_send(&t.q, n % 3 == 0, data, sizeof(data));
		if (rc == 0)
			atomic_store(&t.record->sent[k], n++);
		else if (rc == -EAGAIN)
			sched_yield();
		else
			_exit(1);
	}
}

static void spawn(unsigned k)
{
	t.id[k] = t.next_id++;
	t.got[k] = 0;
	atomic_store(&t.record->sent[k], 0);
	t.pid[k] = fork();
	CHECK(t.pid[k] >= 0);
	if (t.pid[k])
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* if a check fails */
	produce(k);
}

/* Take what is there: each producer's messages, none missing, none twice. */
static unsigned drain(void)
{
	uint32_t data[3];
	struct mq_msg msg;
	unsigned n = 0;
	int rc;

	while ((rc = mq_recv(&t.q, &msg)) == 1) {
		memcpy(data, msg.data, sizeof(data));
		CHECK(data[0] < PRODUCERS);
		CHECK(data[1] == t.id[data[0]]);
		CHECK(data[2] == ++t.got[data[0]]);
		CHECK(msg.ring == (data[2] % 3 == 0));
		n++;
	}
	CHECK(rc == 0);
	return n;
}

/* Wait for a message, as a consumer of this mode does. */
static void wait_some(void)
{
	struct timespec end;
	uint32_t limit = seconds() + STUCK;

	if (t.events) {
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += STUCK;
		CHECK(mq_wait(&t.q, &end) == 0);
		return;
	}
	/* not on the condition variable, which does not survive a death */
	while (mq_empty(&t.q)) {
		CHECK(seconds() < limit);
		sched_yield();
	}
}

static void kill_one(unsigned k)
{
	/* glibc's futex word: its owner died, and nobody took over yet */
	_Atomic uint32_t *futex = (void *)&t.q.shared->mutex;
	bool look = rand_r(&t.seed) % 2;
	uint32_t sent, before;
	int status;

	/* so that the other one does not take over before we look */
	if (look)
		CHECK(kill(t.pid[k ^ 1], SIGSTOP) == 0);
	CHECK(kill(t.pid[k], SIGKILL) == 0);
	CHECK(waitpid(t.pid[k], &status, 0) == t.pid[k]);
	CHECK(WIFSIGNALED(status));
	t.kills++;
	if (look) {
		t.looked++;
		t.held += (atomic_load(futex) & 0x40000000) != 0;
		CHECK(kill(t.pid[k ^ 1], SIGCONT) == 0);
	}
	/*
	 * The others go on, so what the dead one had published is received,
	 * and a half-sent one is settled, by the time that each of them has
	 * come through the lock: one message of theirs after this.
	 */
	sent = atomic_load(&t.record->sent[k]);
	before = t.got[k ^ 1];
	while (t.got[k] < sent || t.got[k ^ 1] <= before + geometry.slots) {
		wait_some();
		drain();
	}
	CHECK(t.got[k] == sent || t.got[k] == sent + 1);
	t.more += t.got[k] != sent;
}

static void run(bool events)
{
	int fd = arena_open(), evfd = events ? eventfd(0, 0) : -1;
	const char *seed = getenv("SEED");
	uint32_t end, i, k, pause;

	t.events = events;
	t.seed = seed ? strtoul(seed, NULL, 0) : (unsigned)time(NULL);
	printf("# SEED=%u\n", t.seed);
	t.seg = arena_map(fd);
	t.record = (void *)t.seg.map.base;
	CHECK(mq_create(&t.seg, AT, &geometry) == 0);
	CHECK(mq_attach(&t.q, &t.seg, AT, evfd) == 0);
	for (k = 0; k < PRODUCERS; k++)
		spawn(k);
	end = seconds() + SECONDS;
	while (t.kills < KILLS && seconds() < end) {
		pause = rand_r(&t.seed) % 20;
		for (i = 0; i < pause; i++) {
			wait_some();
			drain();
		}
		k = rand_r(&t.seed) % PRODUCERS;
		/* room, so that it sends, and time to get anywhere in it */
		drain();
		for (i = rand_r(&t.seed) % 4096; i > 0; i--)
			atomic_signal_fence(memory_order_seq_cst);
		kill_one(k);
		spawn(k);
	}
	for (k = 0; k < PRODUCERS; k++) {
		kill(t.pid[k], SIGKILL);
		waitpid(t.pid[k], NULL, 0);
	}
	printf("# %u killed; %u of the %u looked at had the lock\n", t.kills,
	       t.held, t.looked);
	printf("# of %u the last message came but was not recorded\n", t.more);
	CHECK(t.held > 0 || t.looked < 1000);
	munmap(t.seg.map.base, ARENA_SIZE);
	close(fd);
	if (events)
		close(evfd);
}

TEST(killed_producers_mutex)
{
	run(false);
}

TEST(killed_producers_eventfd)
{
	run(true);
}
