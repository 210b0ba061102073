/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overhead.c - what a call costs on a descriptor that is not ours
 *
 * usage: overhead [-l] [ROUNDS]
 * Run it bare and under the interposer; the difference is the interposer.
 * -l: the process has a listener, which with a daemon is ours, so that every
 * call looks its descriptor up.
 * "getpid" shows how steady the machine is meanwhile.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int fds[2], ep;

static void nothing(void)
{
	syscall(SYS_getpid);
}

static void bad_read(void)
{
	char c;

	(void)!read(-1, &c, 1);
}

static void write_read(void)
{
	char c = 0;

	if (write(fds[1], &c, 1) != 1 || read(fds[0], &c, 1) != 1)
		exit(1);
}

static void poll_one(void)
{
	struct pollfd p = { .fd = fds[1], .events = POLLOUT };

	if (poll(&p, 1, -1) != 1)
		exit(1);
}

static void epoll_one(void)
{
	struct epoll_event ev;

	if (epoll_wait(ep, &ev, 1, -1) != 1)
		exit(1);
}

static const struct {
	const char *name;
	void (*call)(void);
} test[] = {
	{ "getpid", nothing },	      { "read, bad number", bad_read },
	{ "write+read", write_read }, { "poll", poll_one },
	{ "epoll_wait", epoll_one },
};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The best of ten: what disturbs only ever adds. */
static double measure(void (*call)(void), long rounds)
{
	double best = 1e18, start;

	for (int i = 0; i < 10; i++) {
		start = now_ns();
		for (long n = 0; n < rounds; n++)
			call();
		start = (now_ns() - start) / (double)rounds;
		if (start < best)
			best = start;
	}
	return best;
}

int main(int argc, char **argv)
{
	bool listens = argc > 1 && !strcmp(argv[1], "-l");
	long rounds = argc > 1 + listens ? atol(argv[1 + listens]) : 100000;
	struct epoll_event ev = { .events = EPOLLOUT };

	if (rounds < 1 || pipe(fds))
		return 1;
	if (listens && listen(socket(AF_INET, SOCK_STREAM, 0), 1))
		return 1;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &ev))
		return 1;
	for (size_t i = 0; i < sizeof(test) / sizeof(test[0]); i++)
		printf("%-18s %8.1f ns\n", test[i].name,
		       measure(test[i].call, rounds));
	return 0;
}
