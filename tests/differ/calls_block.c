/* SPDX-License-Identifier: Apache-2.0 */
/* calls_block.c - a thread in a call that may block, while the others go on */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#define ROOM 4096
#define LONG_MS 4000
#define LOOKS 4 /* that it must be seen to sleep, one after the other */

/* One call of one thread, and what came of it. */
static struct {
	bool on;
	atomic_bool done;
	pthread_t thread;
	atomic_int tid;
	struct order o;
	int fd; /* as it was: the slot may come to mean another */
	ino_t what;
	struct answer a;
} block;

static void on_signal(int sig)
{
}

void block_start(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &sa, NULL);
}

void block_forked(void)
{
	block.on = false;
}

/* --- the thread --- */

static void wait_poll(int fd, struct answer *a)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	DO(a, poll(&p, 1, -1));
	put(a, " %s", bits((unsigned short)p.revents));
}

static void wait_select(int fd, struct answer *a)
{
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	DO(a, select(fd + 1, &in, NULL, NULL, NULL));
}

/* One event: of several the order is nobody's promise, and the others stay. */
static void wait_epoll(int fd, struct answer *a)
{
	struct epoll_event ev[2 * SLOTS];

	DO(a, epoll_wait(fd, ev, (int)COUNT(ev), -1));
}

static void wait_bytes(const struct order *o, int fd, struct answer *a)
{
	static unsigned char buf[ROOM];
	unsigned sum = 0;
	long i, n;

	if (o->n == BLOCK_RECV)
		n = DO(a, recv(fd, buf, (size_t)o->m, 0));
	else
		n = DO(a, read(fd, buf, (size_t)o->m));
	for (i = 0; i < n; i++)
		sum = sum * 31 + buf[i];
	if (n > 0)
		put(a, " data %08x", sum);
}

static void *run(void *unused)
{
	struct answer *a = &block.a;

	block.tid = (int)syscall(SYS_gettid);
	if (block.o.n == BLOCK_POLL)
		wait_poll(block.fd, a);
	else if (block.o.n == BLOCK_SELECT)
		wait_select(block.fd, a);
	else if (block.o.n == BLOCK_EPOLL)
		wait_epoll(block.fd, a);
	else
		wait_bytes(&block.o, block.fd, a);
	block.done = true;
	return NULL;
}

static ino_t what_is(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

void call_block(const struct order *o, struct answer *a)
{
	static const struct timeval forever;

	memset(&block.a, 0, sizeof(block.a));
	block.o = *o;
	block.fd = slots[o->slot];
	block.what = what_is(block.fd);
	block.tid = 0;
	block.done = false;
	block.on = true;
	put(a, "block %ld", o->n);
	if (o->n == BLOCK_RECV || o->n == BLOCK_READ)
		DO(a, setsockopt(block.fd, SOL_SOCKET, SO_RCVTIMEO, &forever,
				 sizeof(forever)));
	if (pthread_create(&block.thread, NULL, run, NULL))
		abort();
}

/* --- the others --- */

static bool sleeps(void)
{
	char path[64], text[256], *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", block.tid);
	f = block.tid ? fopen(path, "re") : NULL;
	if (!f)
		return false;
	state = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	return state && state[2] == 'S';
}

/* All that is to come has come: if it sleeps now, nothing will wake it. */
static bool is_quiet(const struct order *o)
{
	if (block.o.n == BLOCK_EPOLL)
		return o->slot < 0 || !(ready(slots[o->slot]) & POLLIN);
	return o->other < 0 ||
	       settled(&(struct order){
		       .slot = o->other, .n = o->n, .m = o->m });
}

static void nap(long us)
{
	struct timespec ts = { 0, us * 1000 };

	nanosleep(&ts, NULL);
}

/* poll(2) and select(2) that are interrupted after their number was closed may
 * look at it, or not. */
static bool is_open_question(void)
{
	return (block.o.n == BLOCK_POLL || block.o.n == BLOCK_SELECT) &&
	       what_is(block.fd) != block.what;
}

static void finished(struct answer *a)
{
	pthread_join(block.thread, NULL);
	block.on = false;
	put(a, "blocked%s", block.a.text);
	a->ret = block.a.ret;
}

/* Says nothing if it is still blocked. */
void call_unblock(const struct order *o, struct answer *a)
{
	int ms, asleep = 0;

	for (ms = 0; !block.done; ms++) {
		asleep = sleeps() && is_quiet(o) ? asleep + 1 : 0;
		if (asleep == LOOKS)
			return;
		if (ms == LONG_MS) {
			put(a, "STUCK");
			return;
		}
		nap(ms < 50 ? 50 : 1000);
	}
	finished(a);
}

void call_interrupt(const struct order *o, struct answer *a)
{
	if (!block.on)
		return;
	while (!block.done) {
		pthread_kill(block.thread, SIGUSR1);
		nap(300);
	}
	if (is_open_question())
		strcpy(block.a.text, " = EINTR, or closed");
	finished(a);
}
