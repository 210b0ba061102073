/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fifo_threads.c - a stream from one thread or process to another
 *
 * Both sleep by the rules of ABI.md 8.5 and 8.6.  A wake-up that is lost shows
 * as a sleep that lasts too long: nothing else would end it.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <time.h>

#include "tests/unit/shm_rig.h"

#define STREAM_BYTES (64u << 20)
#define MAX_OP 30000u

static struct rig rig;
static int bytes_fd, room_fd; /* the consumer's, the producer's bell */
static uint32_t total, thresh;
static uint64_t seed;

static void call(int fd)
{
	CHECK(eventfd_write(fd, 1) == 0);
}

static void sleep_on(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t n;

	CHECK(poll(&p, 1, 10000) == 1); /* else: a lost wake-up */
	CHECK(eventfd_read(fd, &n) == 0);
}

static void *produce(void *arg)
{
	static uint8_t data[MAX_OP];
	uint64_t state = seed;
	uint32_t pos = 0, len;
	ssize_t n;

	while (pos < total) {
		len = 1 +
		      (uint32_t)(rnd(&state) % (MAX_OP >> rnd(&state) % 15));
		len = MIN(len, total - pos);
		stream_fill(data, pos, len);
		n = fifo_put(&rig.p, data, len);
		if (n > 0) {
			pos += (uint32_t)n;
			if (fifo_ring(&rig.p))
				call(bytes_fd);
			continue;
		}
		CHECK(n == -EAGAIN);
		fifo_want_room(&rig.p, thresh);
		if (fifo_room(&rig.p) >= MAX(thresh, 1u))
			continue;
		sleep_on(room_fd);
		fifo_got_room(&rig.p);
	}
	return NULL;
}

static void *consume(void *arg)
{
	static uint8_t data[MAX_OP];
	uint64_t state = seed + 2;
	uint32_t pos = 0, len;
	ssize_t n;

	while (pos < total) {
		len = 1 +
		      (uint32_t)(rnd(&state) % (MAX_OP >> rnd(&state) % 15));
		n = fifo_take(&rig.c, data, len);
		if (n > 0) {
			CHECK(stream_match(data, pos, (size_t)n));
			pos += (uint32_t)n;
			if (fifo_took(&rig.c, (uint32_t)n))
				call(room_fd);
			continue;
		}
		CHECK(n == -EAGAIN);
		if (!fifo_arm(&rig.c))
			sleep_on(bytes_fd);
	}
	CHECK(fifo_take(&rig.c, data, 1) == -EAGAIN);
	return NULL;
}

static void open_all(enum wire_dialect dialect, uint32_t size, uint32_t bytes)
{
	seed = rnd_seed();
	total = bytes / SLOW;
	rig_open(&rig, dialect, 8 << 20, size);
	bytes_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(bytes_fd >= 0 && room_fd >= 0);
}

static void close_all(void)
{
	seg_fifo_free(&rig.a, rig.off);
	CHECK(free_bytes(&rig.a) == carved_bytes(&rig.a));
	rig_close(&rig);
	close(bytes_fd);
	close(room_fd);
}

static void two_threads(enum wire_dialect dialect, uint32_t size, uint32_t room,
			uint32_t bytes)
{
	pthread_t p, c;

	open_all(dialect, size, bytes);
	thresh = room;
	CHECK(pthread_create(&p, NULL, produce, NULL) == 0);
	CHECK(pthread_create(&c, NULL, consume, NULL) == 0);
	CHECK(pthread_join(p, NULL) == 0);
	CHECK(pthread_join(c, NULL) == 0);
	close_all();
}

static void two_processes(enum wire_dialect dialect, uint32_t size)
{
	int status;
	pid_t pid;

	open_all(dialect, size, STREAM_BYTES);
	thresh = 0;
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		produce(NULL);
		_exit(0);
	}
	consume(NULL);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	close_all();
}

TEST(threads)
{
	two_threads(WIRE_2606, 65536, 0, STREAM_BYTES);
	two_threads(WIRE_2510, 65536, 0, STREAM_BYTES);
}

TEST(threads_and_a_threshold)
{
	two_threads(WIRE_2606, 65536, 65536, STREAM_BYTES);
	two_threads(WIRE_2606, 65536, 30000, STREAM_BYTES);
}

/* Full or empty all the time: nearly each operation sleeps. */
TEST(threads_and_a_tiny_fifo)
{
	two_threads(WIRE_2606, 4096, 0, STREAM_BYTES / 4);
	two_threads(WIRE_2510, 4097, 1000, STREAM_BYTES / 4);
}

TEST(processes)
{
	two_processes(WIRE_2606, 65536);
	two_processes(WIRE_2510, 5000);
}

/* --- the two races, as tight as they get: one trial a byte --- */

#define TRIALS (400000 / SLOW)

/* Spin until there is something to see, and leave the CPU to who brings it. */
static void spin_until(const struct fifo *f, uint32_t used)
{
	unsigned n;

	for (n = 0; fifo_used(f) != used; n++)
		if (n % 2048 == 2047)
			sched_yield();
}

static void *put_when_empty(void *arg)
{
	int i;

	for (i = 0; i < TRIALS; i++) {
		spin_until(&rig.p, 0);
		/* and now the consumer arms */
		CHECK(fifo_put(&rig.p, "x", 1) == 1);
		if (fifo_ring(&rig.p))
			call(bytes_fd);
	}
	return NULL;
}

TEST(bytes_against_arming)
{
	pthread_t t;
	char c;
	int i;

	open_all(WIRE_2606, 65536, 0);
	CHECK(pthread_create(&t, NULL, put_when_empty, NULL) == 0);
	for (i = 0; i < TRIALS; i++) {
		while (fifo_take(&rig.c, &c, 1) != 1)
			if (!fifo_arm(&rig.c))
				sleep_on(bytes_fd);
	}
	CHECK(pthread_join(t, NULL) == 0);
	close_all();
}

static void *take_when_full(void *arg)
{
	char c;
	int i;

	for (i = 0; i < TRIALS; i++) {
		spin_until(&rig.c, 4096);
		/* and now the producer asks for room */
		CHECK(fifo_take(&rig.c, &c, 1) == 1);
		if (fifo_took(&rig.c, 1))
			call(room_fd);
	}
	return NULL;
}

TEST(room_against_asking)
{
	static uint8_t data[4096];
	pthread_t t;
	int i;

	open_all(WIRE_2606, 4096, 0);
	CHECK(fifo_put(&rig.p, data, 4095) == 4095);
	CHECK(pthread_create(&t, NULL, take_when_full, NULL) == 0);
	for (i = 0; i < TRIALS; i++) {
		while (fifo_put(&rig.p, data, 1) != 1) {
			fifo_want_room(&rig.p, 0);
			if (!fifo_room(&rig.p))
				sleep_on(room_fd);
			fifo_got_room(&rig.p);
		}
	}
	CHECK(pthread_join(t, NULL) == 0);
	close_all();
}
