/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pingpong.c - two processes, one connection, one message in the air
 *
 *	pingpong [-e] [-s SIZE] -l PORT		serve one connection
 *	pingpong [-e] [-s SIZE] [-n COUNT] PORT	send, wait for the echo, repeat
 *
 * -e waits in epoll and reads without blocking; else reads block. The client
 * prints the mean time of a round trip in microseconds.
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
#include <time.h>
#include <unistd.h>

static char buf[1 << 16];
static size_t size = 64;
static int epfd = -1;

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

static int serve(struct sockaddr_in *sin)
{
	int on = 1, l = socket(AF_INET, SOCK_STREAM, 0), fd;

	if (l < 0 || setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(l, (struct sockaddr *)sin, sizeof(*sin)) || listen(l, 1))
		die("listen");
	fd = accept(l, NULL, NULL);
	if (fd < 0)
		die("accept");
	return fd;
}

static int dial(struct sockaddr_in *sin)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)sin, sizeof(*sin)))
		die("connect");
	return fd;
}

static void play(int fd, long count)
{
	struct timespec from, to;
	long i;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < count; i++) {
		memset(buf, (int)(i & 0xff), size);
		give(fd);
		if (!take(fd)) {
			fprintf(stderr, "closed after %ld messages\n", i);
			exit(1);
		}
		if (buf[0] != (char)(i & 0xff) ||
		    buf[size - 1] != (char)(i & 0xff)) {
			fprintf(stderr, "message %ld is another\n", i);
			exit(1);
		}
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.3f\n", ((double)(to.tv_sec - from.tv_sec) * 1e6 +
			  (double)(to.tv_nsec - from.tv_nsec) / 1e3) /
				 (double)count);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	bool epoll = false, listens = false;
	long count = 100000;
	int opt, fd, on = 1;

	while ((opt = getopt(argc, argv, "eln:s:")) != -1) {
		if (opt == 'e')
			epoll = true;
		else if (opt == 'l')
			listens = true;
		else if (opt == 'n')
			count = atol(optarg);
		else if (opt == 's')
			size = (size_t)atol(optarg);
		else
			return 2;
	}
	if (optind + 1 != argc || count < 1 || !size || size > sizeof(buf))
		return 2;
	sin.sin_port = htons((uint16_t)atoi(argv[optind]));
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = listens ? serve(&sin) : dial(&sin);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll)
		watch(fd);
	if (listens) {
		while (take(fd))
			give(fd);
	} else {
		play(fd, count);
	}
	close(fd);
	return 0;
}
