/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle.c - many connections that do nothing, once they have been upgraded
 *
 *	idle serve FILE		listens, writes its port to FILE, echoes
 *	idle connect PORT N B	makes N connections, sends B bytes there and
 *				back over each, says "ready", and stays
 *
 * Plain sockets and epoll; both write a line for every time they are woken
 * when they are told to stop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXCHANGES 5 /* what it takes to be offered */

static char buf[1 << 20];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void add(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		fail("epoll_ctl");
}

static int listen_any(const char *path)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, len) ||
	    listen(fd, 1024) || getsockname(fd, (struct sockaddr *)&sin, &len))
		fail("listen");
	f = fopen(path, "w");
	if (!f)
		fail(path);
	fprintf(f, "%d\n", ntohs(sin.sin_port));
	fclose(f);
	return fd;
}

static void echo(int ep, int fd)
{
	ssize_t n = recv(fd, buf, sizeof(buf), 0), done = 0, k;

	if (n <= 0) {
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
		close(fd);
		return;
	}
	for (; done < n; done += k) {
		k = send(fd, buf + done, (size_t)(n - done), MSG_NOSIGNAL);
		if (k <= 0)
			return;
	}
}

static __attribute__((noreturn)) void serve(const char *path)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), lfd = listen_any(path), i, n, fd;
	struct epoll_event evs[64];

	add(ep, lfd);
	for (;;) {
		n = epoll_wait(ep, evs, 64, -1);
		if (n < 0 && errno != EINTR)
			fail("epoll_wait");
		for (i = 0; i < n; i++) {
			if (evs[i].data.fd != lfd) {
				echo(ep, evs[i].data.fd);
				continue;
			}
			fd = accept(lfd, NULL, NULL);
			if (fd >= 0)
				add(ep, fd);
			else if (errno != EAGAIN)
				perror("accept");
		}
	}
}

static void there_and_back(int fd, size_t len)
{
	size_t sent = 0, got = 0, part;
	ssize_t n;

	while (got < len) {
		part = len - sent < 65536 ? len - sent : 65536;
		if (part) {
			n = send(fd, buf, part, MSG_NOSIGNAL);
			if (n <= 0)
				fail("send");
			sent += (size_t)n;
		}
		while (got < sent) {
			n = recv(fd, buf, sent - got, 0);
			if (n <= 0)
				fail("recv");
			got += (size_t)n;
		}
	}
}

static void burst(int fd, size_t len)
{
	size_t sent = 0, got = 0;
	ssize_t n;

	/* as much as goes before it is read */
	while (got < len) {
		n = sent < len ? send(fd, buf, len - sent, MSG_DONTWAIT) : 0;
		sent += n > 0 ? (size_t)n : 0;
		n = recv(fd, buf, sizeof(buf), n > 0 ? MSG_DONTWAIT : 0);
		if (n < 0 && errno != EAGAIN)
			fail("recv");
		got += n > 0 ? (size_t)n : 0;
	}
}

static int connect_all(int port, int n, size_t bytes)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int *fds = calloc((size_t)n, sizeof(*fds)), i, k;

	for (i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] < 0 ||
		    connect(fds[i], (struct sockaddr *)&sin, sizeof(sin)))
			fail("connect");
		for (k = 0; k < EXCHANGES; k++)
			there_and_back(fds[i], 10);
	}
	/* time for the offers, then for the answers */
	for (k = 0; k < 40; k++) {
		usleep(20000);
		for (i = 0; i < n; i++)
			there_and_back(fds[i], 10);
	}
	for (i = 0; bytes && i < n; i++)
		burst(fds[i], bytes);
	printf("ready\n");
	fflush(stdout);
	/* sleeps in a receive, as a client that waits for news */
	recv(fds[0], buf, 1, 0);
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(argv[2]);
	if (argc == 5 && !strcmp(argv[1], "connect"))
		return connect_all(atoi(argv[2]), atoi(argv[3]),
				   (size_t)atol(argv[4]));
	return 2;
}
