/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_server.c - sends back what it gets, a thread for each connection
 *
 *	cc echo_server.c $(pkg-config --cflags --libs libsapi) -pthread
 *	./a.out 127.0.0.1 7777
 *
 * Shows sapi_listen(), sapi_accept(), and receiving without a copy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sapi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int send_all(int s, const char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = sapi_send(s, buf, len, 0);
		if (n < 0)
			return (int)n;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Through a buffer, for a connection whose bytes are in the kernel. */
static ssize_t echo_copy(int s)
{
	char buf[16384];
	ssize_t n = sapi_recv(s, buf, sizeof(buf), 0);
	int rc;

	if (n <= 0)
		return n;
	rc = send_all(s, buf, (size_t)n);
	return rc < 0 ? rc : n;
}

/* Straight from where the bytes lie: what has come, 0 at the end. */
static ssize_t echo_some(int s)
{
	struct iovec iov[8];
	int n = 8, i, rc = 0;
	ssize_t len = sapi_recv_view(s, iov, &n);

	if (len == -EOPNOTSUPP)
		return echo_copy(s);
	if (len <= 0)
		return len;
	for (i = 0; i < n && rc == 0; i++)
		rc = send_all(s, iov[i].iov_base, iov[i].iov_len);
	if (rc == 0)
		rc = sapi_recv_done(s, (size_t)len);
	return rc < 0 ? rc : len;
}

static void *serve(void *arg)
{
	int s = (int)(intptr_t)arg, one = 1;
	ssize_t n;

	sapi_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	do {
		n = echo_some(s);
	} while (n > 0 || n == -EINTR);
	if (n < 0)
		fprintf(stderr, "connection: %s\n", strerror((int)-n));
	sapi_close(s);
	return NULL;
}

/* Say where: the port may have been 0. */
static void announce(int s)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	if (sapi_getsockname(s, (struct sockaddr *)&addr, &len) == 0)
		printf("port %d\n", ntohs(addr.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	pthread_t thread;
	int listener, s;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1) {
		fprintf(stderr, "usage: %s ADDRESS PORT\n", argv[0]);
		return 2;
	}
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	listener = sapi_listen((struct sockaddr *)&addr, sizeof(addr), 128);
	if (listener < 0) {
		fprintf(stderr, "listen: %s\n", strerror(-listener));
		return 1;
	}
	announce(listener);
	for (;;) {
		s = sapi_accept(listener, NULL, NULL, 0);
		if (s < 0) {
			fprintf(stderr, "accept: %s\n", strerror(-s));
			if (s == -EINTR || s == -ECONNABORTED)
				continue;
			return 1;
		}
		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)s))
			sapi_close(s);
		else
			pthread_detach(thread);
	}
}
