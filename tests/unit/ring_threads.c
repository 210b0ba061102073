/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_threads.c - a stream from one thread or process to another
 *
 * Both sleep as link.h has it.  A wake-up that is lost shows as a sleep that
 * lasts too long: nothing else would end it.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "tests/unit/link_rig.h"

#define STREAM_BYTES (32u << 20)
#define MAX_OP 150000u /* more than is published at a time */

static struct link_rig rig;
static int bell[2]; /* the sides' eventfds */
static uint32_t total, wanted;
static bool spins; /* without sleep */
static uint64_t seed;

static void call(int side, int number)
{
	if (number < 0)
		return;
	CHECK(number == side + 10);
	CHECK(eventfd_write(bell[side], 1) == 0);
}

static void sleep_on(int side)
{
	struct pollfd p = { .fd = bell[side], .events = POLLIN };
	eventfd_t n;

	CHECK(poll(&p, 1, 10000) == 1); /* else: a lost wake-up */
	CHECK(eventfd_read(bell[side], &n) == 0);
	(void)link_seg_rung(rig.end[side].seg, (unsigned)side, UINT64_MAX);
}

static size_t some_bytes(uint64_t *state)
{
	return 1 + (size_t)(rnd(state) % (MAX_OP >> rnd(state) % 17));
}

static ssize_t put_some(struct ring *tx, uint64_t *state, uint32_t pos)
{
	static uint8_t data[MAX_OP];
	size_t len = MIN(some_bytes(state), (size_t)(total - pos)), at;
	struct iovec v[2];
	ssize_t n;
	int i, pieces;

	switch (rnd(state) % 4) {
	case 0:
		stream_fill(data, pos, len);
		v[0] = (struct iovec){ data, len / 3 };
		v[1] = (struct iovec){ data + len / 3, len - len / 3 };
		return ring_putv(tx, v, 2, 0);
	case 1:
		n = ring_space(tx, len, v, &pieces);
		for (i = 0, at = 0; i < pieces; at += v[i++].iov_len)
			stream_fill(v[i].iov_base, pos + (uint32_t)at,
				    v[i].iov_len);
		if (n > 0)
			ring_publish(tx, (size_t)n);
		return n;
	default:
		stream_fill(data, pos, len);
		return ring_put(tx, data, len);
	}
}

static void *produce(void *arg)
{
	struct link_end *end = &rig.end[0];
	uint64_t state = seed;
	uint32_t pos = 0, want;
	ssize_t n;

	while (pos < total) {
		if (rnd(&state) % 64 == 0)
			(void)ring_give_back(&end->tx);
		n = put_some(&end->tx, &state, pos);
		if (n > 0) {
			pos += (uint32_t)n;
			call(1, link_wake_reader(end));
			continue;
		}
		CHECK(n == -EAGAIN);
		if (spins) {
			sched_yield();
			continue;
		}
		want = wanted ? wanted : 1;
		link_arm_tx(end, 10, want);
		if (ring_room(&end->tx) < want)
			sleep_on(0);
		link_disarm(end);
	}
	link_set_flags(end, WIRE_LINK_FIN);
	call(1, link_wake_reader(end));
	return NULL;
}

static ssize_t take_some(struct ring *rx, uint64_t *state, uint32_t pos)
{
	static uint8_t data[MAX_OP];
	size_t len = some_bytes(state), at;
	struct iovec v[2];
	ssize_t n;
	int i, pieces;

	switch (rnd(state) % 8) {
	case 0:
		n = ring_view(rx, v, &pieces);
		for (i = 0, at = 0; i < pieces; at += v[i++].iov_len)
			CHECK(stream_match(v[i].iov_base, pos + (uint32_t)at,
					   v[i].iov_len));
		if (n > 0)
			CHECK(ring_drop(rx, (size_t)n) == n);
		return n;
	case 1:
		n = ring_peek(rx, 7, data, len);
		if (n > 0)
			CHECK(stream_match(data, pos + 7, (size_t)n));
		/* fall through */
	case 2:
		v[0] = (struct iovec){ data, len / 3 };
		v[1] = (struct iovec){ data + len / 3, len - len / 3 };
		n = ring_takev(rx, v, 2, 0);
		break;
	default:
		n = ring_take(rx, data, len);
	}
	if (n > 0)
		CHECK(stream_match(data, pos, (size_t)n));
	return n;
}

/* Anything to see?  FIN first: what was put before it is there then. */
static bool is_over(struct link_end *end)
{
	return link_peer_flags(end) & WIRE_LINK_FIN && !ring_used(&end->rx);
}

static void *consume(void *arg)
{
	struct link_end *end = &rig.end[1];
	uint64_t state = seed + 2;
	uint32_t pos = 0;
	ssize_t n;

	for (;;) {
		n = take_some(&end->rx, &state, pos);
		if (n > 0) {
			pos += (uint32_t)n;
			call(0, link_wake_writer(end));
			/* a look without lock, as from another thread */
			(void)ring_is_spread(&rig.end[0].tx);
			continue;
		}
		CHECK(n == -EAGAIN);
		if (is_over(end))
			break;
		if (spins) {
			sched_yield();
			continue;
		}
		link_arm_rx(end, 11);
		if (!ring_used(&end->rx) && !is_over(end))
			sleep_on(1);
		link_disarm(end);
	}
	CHECK(pos == total);
	return NULL;
}

static void open_all(uint32_t size, uint32_t bytes)
{
	int side;

	seed = rnd_seed();
	total = bytes / SLOW;
	link_rig_open(&rig, size);
	link_rig_begin(&rig, 0, UINT32_MAX - total / 2);
	for (side = 0; side < 2; side++) {
		bell[side] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		CHECK(bell[side] >= 0);
	}
}

static void close_all(void)
{
	link_rig_close(&rig);
	close(bell[0]);
	close(bell[1]);
}

static void two_threads(uint32_t size, uint32_t room, uint32_t bytes)
{
	pthread_t p, c;

	open_all(size, bytes);
	wanted = room;
	CHECK(pthread_create(&p, NULL, produce, NULL) == 0);
	CHECK(pthread_create(&c, NULL, consume, NULL) == 0);
	CHECK(pthread_join(p, NULL) == 0);
	CHECK(pthread_join(c, NULL) == 0);
	close_all();
}

TEST(threads)
{
	two_threads(65536, 0, STREAM_BYTES);
	two_threads(1 << 20, 0, STREAM_BYTES);
}

TEST(threads_that_spin)
{
	spins = true;
	two_threads(65536, 0, STREAM_BYTES);
	two_threads(4096, 0, STREAM_BYTES / 8);
}

TEST(threads_that_wait_for_much_room)
{
	two_threads(65536, 65536, STREAM_BYTES);
	two_threads(65536, 30000, STREAM_BYTES);
}

/* Full or empty all the time: nearly each operation sleeps. */
TEST(threads_and_a_tiny_ring)
{
	two_threads(4096, 0, STREAM_BYTES / 8);
	two_threads(4096, 1000, STREAM_BYTES / 8);
}

/* One address for both ends: now TSan sees that they share it. */
TEST(threads_over_one_mapping)
{
	pthread_t p, c;

	open_all(65536, STREAM_BYTES);
	CHECK(link_end_init(&rig.end[1], &rig.map[0], RIG_INDEX, 1, rig.size,
			    &rig.own[2], &rig.own[3]) == 0);
	CHECK(pthread_create(&p, NULL, produce, NULL) == 0);
	CHECK(pthread_create(&c, NULL, consume, NULL) == 0);
	CHECK(pthread_join(p, NULL) == 0);
	CHECK(pthread_join(c, NULL) == 0);
	close_all();
}

TEST(processes)
{
	int status;
	pid_t pid;

	open_all(65536, STREAM_BYTES);
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

/* --- the races, as tight as they get: one trial a byte --- */

#define TRIALS (200000 / SLOW)
#define TRIAL_SECONDS 6 /* at most: a busy machine makes it slow */

static _Atomic int trials;

/* After @done of them: the other thread is at most one ahead. */
static void trials_end(time_t began, int done)
{
	if (done % 1000 == 999 && trials == TRIALS &&
	    time(NULL) - began > TRIAL_SECONDS)
		trials = done + 3;
}

/* Spin until there is something to see, and leave the CPU to who brings it. */
static void spin_until(struct ring *tx, ssize_t unread)
{
	unsigned n;

	for (n = 0; ring_unread(tx) != unread; n++)
		if (n % 2048 == 2047)
			sched_yield();
}

/* Some nanoseconds: the two must meet, whichever way is the longer. */
static void dawdle(uint64_t *state)
{
	unsigned n;

	for (n = (unsigned)(rnd(state) % 256); n; n--)
		__asm__ volatile("" : : : "memory");
}

static void *put_when_empty(void *arg)
{
	int i;

	for (i = 0; i < trials; i++) {
		spin_until(&rig.end[0].tx, 0);
		/* and now the consumer arms */
		CHECK(ring_put(&rig.end[0].tx, "x", 1) == 1);
		call(1, link_wake_reader(&rig.end[0]));
	}
	return NULL;
}

TEST(bytes_against_arming)
{
	struct link_end *end = &rig.end[1];
	uint64_t state = rnd_seed();
	time_t began = time(NULL);
	pthread_t t;
	char c;
	int i;

	open_all(4096, 0);
	trials = TRIALS;
	CHECK(pthread_create(&t, NULL, put_when_empty, NULL) == 0);
	for (i = 0; i < trials; i++) {
		trials_end(began, i);
		while (ring_take(&end->rx, &c, 1) != 1) {
			dawdle(&state);
			link_arm_rx(end, 11);
			if (!ring_used(&end->rx))
				sleep_on(1);
		}
	}
	CHECK(pthread_join(t, NULL) == 0);
	close_all();
}

static void *take_when_full(void *arg)
{
	struct link_end *end = &rig.end[1];
	unsigned n;
	char c;
	int i;

	for (i = 0; i < trials; i++) {
		for (n = 0; ring_used(&end->rx) != 4096; n++)
			if (n % 2048 == 2047)
				sched_yield();
		/* and now the producer asks for room */
		CHECK(ring_take(&end->rx, &c, 1) == 1);
		call(0, link_wake_writer(end));
	}
	return NULL;
}

TEST(room_against_asking)
{
	struct link_end *end = &rig.end[0];
	static uint8_t data[4096];
	uint64_t state = rnd_seed();
	time_t began = time(NULL);
	pthread_t t;
	int i;

	open_all(4096, 0);
	CHECK(ring_put(&end->tx, data, 4095) == 4095);
	trials = TRIALS;
	CHECK(pthread_create(&t, NULL, take_when_full, NULL) == 0);
	for (i = 0; i < trials; i++) {
		trials_end(began, i);
		while (ring_put(&end->tx, data, 1) != 1) {
			dawdle(&state);
			link_arm_tx(end, 10, 1);
			if (!ring_room(&end->tx))
				sleep_on(0);
		}
	}
	CHECK(pthread_join(t, NULL) == 0);
	close_all();
}

#define GIVES (2000 / SLOW)

/* The memory goes while the other end looks for bytes. */
static void *put_and_give_back(void *arg)
{
	static uint8_t data[20000];
	struct ring *tx = &rig.end[0].tx;
	uint32_t pos = 0;
	int i;

	for (i = 0; i < GIVES; i++) {
		stream_fill(data, pos, sizeof(data));
		CHECK(ring_put(tx, data, sizeof(data)) == sizeof(data));
		pos += sizeof(data);
		spin_until(tx, 0);
		CHECK(ring_give_back(tx));
	}
	return NULL;
}

TEST(giving_back_against_taking)
{
	static uint8_t data[3000];
	struct ring *rx = &rig.end[1].rx;
	uint32_t pos = 0, end = GIVES * 20000;
	pthread_t t;
	ssize_t n;

	open_all(65536, 0);
	CHECK(pthread_create(&t, NULL, put_and_give_back, NULL) == 0);
	while (pos < end) {
		n = ring_take(rx, data, sizeof(data));
		CHECK(n > 0 || n == -EAGAIN);
		if (n < 0) {
			sched_yield();
			continue;
		}
		CHECK(stream_match(data, pos, (size_t)n));
		pos += (uint32_t)n;
	}
	CHECK(pthread_join(t, NULL) == 0);
	close_all();
}
