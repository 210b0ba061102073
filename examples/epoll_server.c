/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll_server.c - sends back what it gets, one thread for all connections
 *
 *	cc epoll_server.c $(pkg-config --cflags --libs libsapi)
 *	./a.out 127.0.0.1 7777
 *
 * Shows non-blocking sockets in an epoll instance, which may hold any other
 * descriptor as well: here standard input, whose end stops the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sapi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_EVENTS 64

/* A connection; while bytes wait to be sent back it takes no more. */
struct conn {
	int s;
	size_t from, to; /* buf[from, to) waits */
	char buf[16384];
};

static int listener, ep;

/* Wait for what @c can do next. */
static int watch(struct conn *c, int op)
{
	struct epoll_event ev = { .data = { .ptr = c } };

	ev.events = c->from < c->to ? EPOLLOUT : EPOLLIN;
	return sapi_epoll_ctl(ep, op, c->s, &ev);
}

/* Move what can be moved: bytes, 0 at the end, -EAGAIN to wait again. */
static ssize_t move(struct conn *c)
{
	ssize_t n;

	if (c->from == c->to) {
		n = sapi_recv(c->s, c->buf, sizeof(c->buf), 0);
		if (n <= 0)
			return n;
		c->from = 0;
		c->to = (size_t)n;
	}
	n = sapi_send(c->s, c->buf + c->from, c->to - c->from, 0);
	if (n > 0)
		c->from += (size_t)n;
	return n;
}

static void serve(struct conn *c)
{
	ssize_t n;

	do {
		n = move(c);
	} while (n > 0);
	if ((n == -EAGAIN || n == -EINTR) && watch(c, EPOLL_CTL_MOD) == 0)
		return;
	sapi_close(c->s); /* which takes it out of the instance, too */
	free(c);
}

static void welcome(void)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	if (!c)
		return;
	c->s = sapi_accept(listener, NULL, NULL, SOCK_NONBLOCK);
	sapi_setsockopt(c->s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c->s >= 0 && watch(c, EPOLL_CTL_ADD) == 0)
		return;
	if (c->s >= 0)
		sapi_close(c->s);
	free(c);
}

static int loop(void)
{
	struct epoll_event ev[MAX_EVENTS];
	char buf[256];
	int i, n;

	for (;;) {
		n = sapi_epoll_wait(ep, ev, MAX_EVENTS, -1);
		if (n < 0 && n != -EINTR)
			return n;
		for (i = 0; i < n; i++) {
			if (ev[i].data.ptr == &listener)
				welcome();
			else if (ev[i].data.ptr)
				serve(ev[i].data.ptr);
			else if (read(STDIN_FILENO, buf, sizeof(buf)) <= 0)
				return 0;
		}
	}
}

static int start(struct sockaddr_in *addr)
{
	struct epoll_event ev = { .events = EPOLLIN };
	socklen_t len = sizeof(*addr);
	int rc;

	listener = sapi_listen((struct sockaddr *)addr, sizeof(*addr), 128);
	if (listener < 0)
		return listener;
	ep = epoll_create1(EPOLL_CLOEXEC);
	/* a file is always ready, and epoll refuses it */
	rc = sapi_epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &ev);
	if (rc < 0 && rc != -EPERM)
		return rc;
	ev.data.ptr = &listener;
	rc = sapi_epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	if (rc < 0)
		return rc;
	rc = sapi_getsockname(listener, (struct sockaddr *)addr, &len);
	printf("port %d\n", ntohs(addr->sin_port));
	fflush(stdout);
	return rc;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int rc;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDRESS PORT\n", argv[0]);
		return 2;
	}
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	rc = start(&addr);
	if (rc == 0)
		rc = loop();
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-rc));
	return rc < 0;
}
