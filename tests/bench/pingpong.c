/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pingpong.c - two processes, one connection, one message in the air
 *
 *	pingpong [OPTION...] -l PORT		serve one connection
 *	pingpong [OPTION...] [-n COUNT] PORT	send, wait for the echo, repeat
 *
 * A PORT with a slash is the path of a Unix socket. -s SIZE is a message's, 64
 * bytes. -k: serve another one after that, till killed. -e waits in epoll and
 *reads without blocking; else reads block. The client prints the mean time of a
 *round trip in microseconds; with -i USEC, which is its pause before each
 *message, the median.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static char buf[1 << 16];
static size_t size = 64;
static int epfd = -1;

/* Where the server listens. */
static union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
} addr;
static socklen_t addr_len;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev))
		die("epoll");
}

/* A message of @size bytes: false at the end of the stream. */
static bool take(int fd)
{
	struct epoll_event ev;
	size_t have = 0;
	ssize_t n;

	while (have < size) {
		if (epfd >= 0 && epoll_wait(epfd, &ev, 1, -1) != 1)
			die("epoll_wait");
		n = recv(fd, buf + have, size - have,
			 epfd >= 0 ? MSG_DONTWAIT : 0);
		if (n == 0)
			return false;
		if (n > 0)
			have += (size_t)n;
		else if (errno != EAGAIN)
			die("recv");
	}
	return true;
}

static void give(int fd)
{
	size_t given = 0;
	ssize_t n;

	while (given < size) {
		n = send(fd, buf + given, size - given, 0);
		if (n < 0)
			die("send");
		given += (size_t)n;
	}
}

static void aim(const char *port)
{
	if (strchr(port, '/')) {
		addr.un.sun_family = AF_UNIX;
		addr_len = sizeof(addr.un);
		if (strlen(port) >= sizeof(addr.un.sun_path))
			exit(2);
		strcpy(addr.un.sun_path, port);
		return;
	}
	addr.in.sin_family = AF_INET;
	addr.in.sin_port = htons((uint16_t)atoi(port));
	addr.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr_len = sizeof(addr.in);
}

static void set_up(int fd, bool epoll)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll)
		watch(fd);
}

static void serve(bool epoll, bool again)
{
	int on = 1, l = socket(addr.any.sa_family, SOCK_STREAM, 0), fd;

	if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(l, &addr.any, addr_len) || listen(l, 1))
		die("listen");
	do {
		fd = accept(l, NULL, NULL);
		if (fd < 0)
			die("accept");
		set_up(fd, epoll);
		while (take(fd))
			give(fd);
		close(fd);
		if (epoll)
			close(epfd);
	} while (again);
}

static int dial(void)
{
	int fd = socket(addr.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, &addr.any, addr_len))
		die("connect");
	return fd;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void turn(int fd, long i)
{
	memset(buf, (int)(i & 0xff), size);
	give(fd);
	if (!take(fd)) {
		fprintf(stderr, "closed after %ld messages\n", i);
		exit(1);
	}
	if (buf[0] != (char)(i & 0xff) || buf[size - 1] != (char)(i & 0xff)) {
		fprintf(stderr, "message %ld is another\n", i);
		exit(1);
	}
}

static double mean(int fd, long count)
{
	double from = now_us();
	long i;

	for (i = 0; i < count; i++)
		turn(fd, i);
	return (now_us() - from) / (double)count;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(int fd, long count, long pause_us)
{
	struct timespec ts = { .tv_sec = pause_us / 1000000,
			       .tv_nsec = pause_us % 1000000 * 1000 };
	double *took = calloc((size_t)count, sizeof(*took)), from, mid;
	long i;

	if (!took)
		die("calloc");
	for (i = 0; i < count; i++) {
		nanosleep(&ts, NULL);
		from = now_us();
		turn(fd, i);
		took[i] = now_us() - from;
	}
	qsort(took, (size_t)count, sizeof(*took), by_value);
	mid = took[count / 2];
	free(took);
	return mid;
}

int main(int argc, char **argv)
{
	bool epoll = false, listens = false, again = false;
	long count = 100000, pause_us = -1;
	int opt, fd;

	while ((opt = getopt(argc, argv, "ekli:n:s:")) != -1) {
		if (opt == 'e')
			epoll = true;
		else if (opt == 'k')
			again = true;
		else if (opt == 'l')
			listens = true;
		else if (opt == 'i')
			pause_us = atol(optarg);
		else if (opt == 'n')
			count = atol(optarg);
		else if (opt == 's')
			size = (size_t)atol(optarg);
		else
			return 2;
	}
	if (optind + 1 != argc || count < 1 || !size || size > sizeof(buf))
		return 2;
	aim(argv[optind]);
	if (listens) {
		serve(epoll, again);
		return 0;
	}
	fd = dial();
	set_up(fd, epoll);
	printf("%.3f\n",
	       pause_us < 0 ? mean(fd, count) : median(fd, count, pause_us));
	close(fd);
	return 0;
}
