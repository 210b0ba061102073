/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.c - how long the byte FIFO's calls take, by size: ns a message */
#include "core/shm/fifo.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FIFO_BYTES (1u << 20)
#define MAX_MSG 65536u

static struct seg a, b;
static struct fifo producer, consumer;
static uint8_t in[MAX_MSG], out[MAX_MSG];
static size_t msg;
static long rounds;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s failed\n", what);
	exit(1);
}

static void setup(void)
{
	uint64_t off;

	must(seg_create(&a, "bench", 64 << 20) == 0, "seg_create");
	must(seg_attach(&b, dup(a.map.fd)) == 0, "seg_attach");
	must(seg_fifo_create(&a, 0, FIFO_BYTES, &off) == 0, "seg_fifo_create");
	must(fifo_attach(&producer, &a, off, WIRE_2606) == 0, "fifo_attach");
	must(fifo_attach(&consumer, &b, off, WIRE_2606) == 0, "fifo_attach");
}

/* One after the other, all in the cache: what the code itself costs. */
static double put_take(bool signals)
{
	double began = now();
	long i;

	for (i = 0; i < rounds; i++) {
		must(fifo_put(&producer, in, msg) == (ssize_t)msg, "put");
		if (signals)
			(void)fifo_ring(&producer);
		must(fifo_take(&consumer, out, msg) == (ssize_t)msg, "take");
		if (signals) {
			(void)fifo_took(&consumer, (uint32_t)msg);
			(void)fifo_arm(&consumer);
		}
	}
	return (now() - began) / (double)rounds;
}

static void *stream_in(void *arg)
{
	size_t left = msg * (size_t)rounds;
	ssize_t n;

	while (left) {
		n = fifo_put(&producer, in, left < msg ? left : msg);
		if (n > 0) {
			left -= (size_t)n;
			(void)fifo_ring(&producer);
		} else {
			sched_yield();
		}
	}
	return NULL;
}

/* Two threads; nobody sleeps. */
static double stream(void)
{
	size_t left = msg * (size_t)rounds;
	double began = now();
	pthread_t t;
	ssize_t n;

	must(pthread_create(&t, NULL, stream_in, NULL) == 0, "pthread_create");
	while (left) {
		n = fifo_take(&consumer, out, msg);
		if (n > 0) {
			left -= (size_t)n;
			(void)fifo_took(&consumer, (uint32_t)n);
		} else {
			sched_yield();
		}
	}
	pthread_join(t, NULL);
	return (now() - began) / (double)rounds;
}

static double copy_twice(void)
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

int main(void)
{
	double plain, called, two;

	setup();
	printf("%8s %10s %10s %10s %10s %8s\n", "bytes", "put+take", "+signals",
	       "2 threads", "2 memcpy", "GB/s");
	for (msg = 1; msg <= MAX_MSG; msg *= 4) {
		rounds = (long)(400000000 / (msg + 400));
		(void)put_take(false);
		plain = put_take(false);
		called = put_take(true);
		two = stream();
		printf("%8zu %10.1f %10.1f %10.1f %10.1f %8.2f\n", msg, plain,
		       called, two, copy_twice(), (double)msg / two);
	}
	seg_close(&a);
	seg_close(&b);
	return 0;
}
