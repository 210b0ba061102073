/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring.c - what a link's ring costs, and VPP's FIFO beside it
 *
 * Prints columns with tabs between them.  Everything is spun for; nobody
 * sleeps.  "best" is the best of many short slices: what else the machine
 * does shows in it as little as it can.
 */
#include "core/shm/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/shm/fifo.h"
#include "core/shm/link.h"

#define BYTES (1u << 20) /* of a ring or FIFO */
#define MAX_MSG (1u << 20)
#define MAX_ROUNDS 200000

enum kind { RING, FIFO };

static struct map map[2];
/* as in two processes: not on one line */
static struct {
	_Alignas(64) struct ring_own tx, rx;
} own[2];
static struct link_end end[2];
static struct seg seg[2];
static struct fifo fifo_tx[2], fifo_rx[2];
static uint8_t in[MAX_MSG], out[MAX_MSG], echo[MAX_MSG];
static int cpu[2];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (likely(ok))
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

static void setup(void)
{
	cpu_set_t set;
	uint64_t off;
	int side, i;

	must(link_seg_create(&map[0], 1, BYTES) == 0, "link_seg_create");
	must(link_seg_attach(&map[1], dup(map[0].fd), 1, BYTES) == 0,
	     "link_seg_attach");
	must(seg_create(&seg[0], "bench", 16 << 20) == 0, "seg_create");
	must(seg_attach(&seg[1], dup(seg[0].map.fd)) == 0, "seg_attach");
	for (side = 0; side < 2; side++) {
		must(link_end_init(&end[side], &map[side], 0, (unsigned)side,
				   BYTES, &own[side].tx, &own[side].rx) == 0,
		     "link_end_init");
		must(seg_fifo_create(&seg[0], 0, BYTES, &off) == 0, "fifo");
		must(fifo_attach(&fifo_tx[side], &seg[side], off, WIRE_2606) ==
			     0,
		     "fifo_attach");
		must(fifo_attach(&fifo_rx[!side], &seg[!side], off,
				 WIRE_2606) == 0,
		     "fifo_attach");
	}
	cpu[0] = cpu[1] = -1;
	must(sched_getaffinity(0, sizeof(set), &set) == 0, "affinity");
	for (i = 0; i < CPU_SETSIZE && cpu[1] < 0; i++)
		if (CPU_ISSET(i, &set))
			cpu[cpu[0] >= 0] = i;
}

static void pin(int side)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu[side], &set);
	must(sched_setaffinity(0, sizeof(set), &set) == 0, "pin");
}

/* Put and look whether the other end sleeps. */
static inline ssize_t tx(enum kind kind, int side, const void *buf, size_t len,
			 bool wake)
{
	ssize_t n = kind == RING ? ring_put(&end[side].tx, buf, len)
				 : fifo_put(&fifo_tx[side], buf, len);

	if (wake && n > 0) {
		if (kind == RING)
			(void)link_wake_reader(&end[side]);
		else
			(void)fifo_ring(&fifo_tx[side]);
	}
	return n;
}

static inline ssize_t rx(enum kind kind, int side, void *buf, size_t len,
			 bool wake)
{
	ssize_t n = kind == RING ? ring_take(&end[side].rx, buf, len)
				 : fifo_take(&fifo_rx[side], buf, len);

	if (wake && n > 0) {
		if (kind == RING)
			(void)link_wake_writer(&end[side]);
		else
			(void)fifo_took(&fifo_rx[side], (uint32_t)n);
	}
	return n;
}

/* --- one thread: what the code itself costs --- */

static inline double slice(enum kind kind, size_t msg, long rounds, bool wake)
{
	double began = now();
	long i;

	for (i = 0; i < rounds; i++) {
		must(tx(kind, 0, in, msg, wake) == (ssize_t)msg, "put");
		must(rx(kind, 1, out, msg, wake) == (ssize_t)msg, "take");
	}
	return (now() - began) / (double)rounds;
}

static double copy_twice(size_t msg, long rounds)
{
	double began = now();
	long i;

	for (i = 0; i < rounds; i++) {
		memcpy(out, in, msg);
		/* or the compiler leaves it out */
		__asm__ volatile("" : : "r"(out) : "memory");
		memcpy(in, out, msg);
		__asm__ volatile("" : : "r"(in) : "memory");
	}
	return (now() - began) / (double)rounds;
}

static void one_thread(size_t msg)
{
	double best[5] = { 1e18, 1e18, 1e18, 1e18, 1e18 };
	long rounds = 1 + 20000 / (long)(msg / 16 + 10);
	double until = now() + 0.25e9;
	int i;

	while (now() < until) {
		const double t[] = {
			slice(RING, msg, rounds, false),
			slice(RING, msg, rounds, true),
			slice(FIFO, msg, rounds, false),
			slice(FIFO, msg, rounds, true),
			copy_twice(msg, rounds),
		};

		for (i = 0; i < 5; i++)
			best[i] = MIN(best[i], t[i]);
	}
	printf("%zu\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\n", msg, best[0], best[1],
	       best[2], best[3], best[4]);
}

/* --- two threads on two CPUs --- */

static enum kind kind;
static size_t msg_size;
static _Atomic bool stop;

/* Take @len bytes; false if told to stop. */
static bool take_all(int side, uint8_t *buf, size_t len)
{
	unsigned spins = 0;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = rx(kind, side, buf + done, len - done, true);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (stop)
			return false;
		cpu_relax();
		if (++spins % 4096 == 0)
			sched_yield(); /* somebody else has our peer's CPU */
	}
	return true;
}

static void put_all(int side, const uint8_t *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && !stop) {
		n = tx(kind, side, buf + done, len - done, true);
		if (n > 0)
			done += (size_t)n;
		else
			sched_yield();
	}
}

static void *answer(void *arg)
{
	pin(1);
	while (take_all(1, echo, msg_size))
		put_all(1, echo, msg_size);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ping_pong(size_t msg, enum kind which, double *p50, double *p99)
{
	static double took[MAX_ROUNDS];
	double at, then, until;
	pthread_t t;
	int n = 0;

	kind = which;
	msg_size = msg;
	stop = false;
	must(pthread_create(&t, NULL, answer, NULL) == 0, "pthread_create");
	at = now();
	for (until = at + 0.3e9; at < until && n < MAX_ROUNDS; at = then) {
		put_all(0, in, msg);
		must(take_all(0, out, msg), "take");
		then = now();
		took[n++] = then - at;
	}
	stop = true;
	pthread_join(t, NULL);
	qsort(took, (size_t)n, sizeof(took[0]), by_value);
	*p50 = took[n / 2];
	*p99 = took[n - 1 - n / 100];
}

static void *produce(void *arg)
{
	pin(1);
	while (!stop)
		put_all(1, echo, msg_size);
	return NULL;
}

/* The best millisecond or so of a stream, in GB/s. */
static double stream(size_t msg, enum kind which)
{
	size_t len = MAX(msg, (size_t)16384), left, part;
	double at, then, until, best = 0;
	pthread_t t;

	kind = which;
	msg_size = msg;
	stop = false;
	must(pthread_create(&t, NULL, produce, NULL) == 0, "pthread_create");
	part = 8 << 20; /* much more than was in it */
	at = now();
	for (until = at + 0.3e9; at < until; at = then) {
		unsigned spins = 0;
		ssize_t n;

		for (left = part; left; left -= (size_t)MAX(n, 0)) {
			n = rx(kind, 0, out, MIN(len, left), true);
			if (n > 0)
				continue;
			cpu_relax();
			if (++spins % 4096 == 0)
				sched_yield();
		}
		then = now();
		best = MAX(best, (double)part / (then - at));
	}
	stop = true;
	pthread_join(t, NULL);
	while (rx(kind, 0, out, sizeof(out), false) > 0)
		;
	return best;
}

static void two_threads(void)
{
	static const size_t asks[] = { 1, 64, 1024, 16384 };
	static const size_t puts[] = { 64, 512, 4096, 16384, 131072, 1 << 20 };
	double r50, r99, f50, f99;
	size_t i;

	pin(0);
	printf("\n# ask and answer, two CPUs: ns a round trip\n");
	printf("bytes\t"
	       "ring p50\t"
	       "ring p99\tfifo p50\tfifo p99\n");
	for (i = 0; i < ARRAY_SIZE(asks); i++) {
		ping_pong(asks[i], RING, &r50, &r99);
		ping_pong(asks[i], FIFO, &f50, &f99);
		printf("%zu\t%.0f\t%.0f\t%.0f\t%.0f\n", asks[i], r50, r99, f50,
		       f99);
	}
	printf("\n# a stream, two CPUs: GB/s, best\n");
	printf("bytes\t"
	       "ring\tfifo\n");
	for (i = 0; i < ARRAY_SIZE(puts); i++)
		printf("%zu\t%.2f\t%.2f\n", puts[i], stream(puts[i], RING),
		       stream(puts[i], FIFO));
}

int main(void)
{
	size_t msg;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setup();
	printf("# one thread, put and take: ns a message, best\n");
	printf("bytes\t"
	       "ring\t+wake\tfifo\t+signals\t2 memcpy\n");
	for (msg = 1; msg <= MAX_MSG; msg *= 4)
		one_thread(msg);
	if (cpu[1] >= 0)
		two_threads();
	map_close(&map[0]);
	map_close(&map[1]);
	seg_close(&seg[0]);
	seg_close(&seg[1]);
	return 0;
}
