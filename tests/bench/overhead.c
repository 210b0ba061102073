/* SPDX-License-Identifier: Apache-2.0 */
/*
 * overhead.c - what a call costs on a descriptor that is not ours
 *
 * usage: overhead [-l] [-w] [ROUNDS]
 * Run it bare and under the interposer; the difference is the interposer.
 * -l: the process has a listener, which with a daemon is ours, so that every
 * call looks its descriptor up.
 * -w: write 64 bytes and read them, by each kind of descriptor that stays in
 * the kernel, instead of calls one by one.
 * "getpid" shows how steady the machine is meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
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

/* 64 bytes in at one end, and out at the other */
static int in, out;

static void through(void)
{
	static char buf[64];

	if (write(in, buf, sizeof(buf)) != sizeof(buf) ||
	    read(out, buf, sizeof(buf)) != sizeof(buf))
		exit(1);
}

static void through_file(void)
{
	static int calls;

	if (++calls % 1024 == 0 &&
	    (lseek(in, 0, SEEK_SET) || lseek(out, 0, SEEK_SET)))
		exit(1);
	through();
}

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

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void open_pipe(void)
{
	must(!pipe(fds), "pipe");
	in = fds[1];
	out = fds[0];
}

static void open_file(void)
{
	char path[32];

	in = memfd_create("overhead", 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	out = open(path, O_RDONLY);
	must(in >= 0 && out >= 0, "memfd_create");
}

static void open_unix(void)
{
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	in = fds[1];
	out = fds[0];
}

static void open_udp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in = out = socket(AF_INET, SOCK_DGRAM, 0);
	must(in >= 0 && !bind(in, (struct sockaddr *)&sin, len) &&
		     !getsockname(in, (struct sockaddr *)&sin, &len) &&
		     !connect(in, (struct sockaddr *)&sin, len),
	     "udp");
}

static int told(long ret)
{
	if (ret >= 0)
		return (int)ret;
	errno = (int)-ret;
	return -1;
}

/* A system call that no interposer sees: syscall(2) is one of libc's functions.
 */
static int bare(long number, long a, const void *b, const void *c, long d)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return told(ret);
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register const void *x1 __asm__("x1") = b;
	register const void *x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
			 : "memory");
	return told(x0);
#else
#error "no system call known for this machine"
#endif
}

static int bare_socket(void)
{
	return bare(SYS_socket, AF_INET, (void *)SOCK_STREAM, NULL, 0);
}

/* A connection whose other end is not preloaded, as far as the interposer sees.
 */
static void open_connected(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int l = bare_socket();

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bare(SYS_bind, l, &sin, (void *)(size_t)len, 0) &&
		     !bare(SYS_listen, l, (void *)1, NULL, 0) &&
		     !bare(SYS_getsockname, l, &sin, &len, 0),
	     "listen");
	in = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(in, (struct sockaddr *)&sin, len), "connect");
	out = bare(SYS_accept4, l, NULL, NULL, 0);
	must(out >= 0, "accept");
}

static void open_accepted(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(!bind(l, (struct sockaddr *)&sin, len) && !listen(l, 1) &&
		     !getsockname(l, (struct sockaddr *)&sin, &len),
	     "listen");
	out = bare_socket();
	must(!bare(SYS_connect, out, &sin, (void *)(size_t)len, 0), "connect");
	in = accept(l, NULL, NULL);
	must(in >= 0, "accept");
}

static void open_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLOUT };

	open_pipe();
	ep = epoll_create1(EPOLL_CLOEXEC);
	must(ep >= 0 && !epoll_ctl(ep, EPOLL_CTL_ADD, fds[1], &ev), "epoll");
}

struct test {
	const char *name;
	void (*call)(void);
	void (*open)(void);
};

static const struct test calls[] = {
	{ "getpid", nothing, open_epoll },
	{ "read, bad number", bad_read, NULL },
	{ "write+read", write_read, NULL },
	{ "poll", poll_one, NULL },
	{ "epoll_wait", epoll_one, NULL },
	{ NULL, NULL, NULL },
};

static const struct test loops[] = {
	{ "getpid", nothing, NULL },
	{ "pipe", through, open_pipe },
	{ "file", through_file, open_file },
	{ "AF_UNIX", through, open_unix },
	{ "UDP", through, open_udp },
	{ "TCP connected", through, open_connected },
	{ "TCP accepted", through, open_accepted },
	{ NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	const struct test *t = calls;
	bool listens = false;
	long rounds = 100000;
	int opt;

	while ((opt = getopt(argc, argv, "lw")) != -1) {
		if (opt == 'l')
			listens = true;
		else if (opt == 'w')
			t = loops;
		else
			return 2;
	}
	if (optind < argc)
		rounds = atol(argv[optind]);
	if (rounds < 1)
		return 2;
	if (listens)
		must(!listen(socket(AF_INET, SOCK_STREAM, 0), 1), "listen");
	for (; t->name; t++) {
		if (t->open)
			t->open();
		printf("%-18s %8.1f ns\n", t->name, measure(t->call, rounds));
	}
	return 0;
}
