/* SPDX-License-Identifier: Apache-2.0 */
/*
 * echo_client.c - sends messages to an echo server and checks what comes back
 *
 *	cc echo_client.c $(pkg-config --cflags --libs libsapi)
 *	./a.out 127.0.0.1 7777 [MESSAGES [BYTES]]
 *
 * Shows sapi_connect(), and sapi_getinfo() to see which way the bytes went.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sapi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BYTES 65536

static int fail(const char *what, ssize_t rc)
{
	fprintf(stderr, "%s: %s\n", what,
		rc ? strerror((int)-rc) : "the server closed");
	return 1;
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* One message there and back: its bytes, or what went wrong. */
static ssize_t ping(int s, const char *out, char *in, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = sapi_send(s, out + done, len - done, 0);
		if (n < 0)
			return n;
		done += (size_t)n;
	}
	n = sapi_recv(s, in, len, MSG_WAITALL);
	if (n >= 0 && (size_t)n < len)
		return 0;
	return n;
}

static int run(int s, unsigned messages, size_t len)
{
	static char out[MAX_BYTES], in[MAX_BYTES];
	struct sapi_info info = { .size = sizeof(info) };
	double start = now_us();
	unsigned i;
	ssize_t n;
	int rc;

	for (i = 0; i < messages; i++) {
		memset(out, 'a' + (int)(i % 26), len);
		n = ping(s, out, in, len);
		if (n <= 0)
			return fail("echo", n);
		if (memcmp(in, out, len)) {
			fprintf(stderr, "message %u came back changed\n", i);
			return 1;
		}
	}
	rc = sapi_getinfo(s, &info);
	if (rc < 0)
		return fail("info", rc);
	printf("%u messages of %zu bytes through %s, %.2f us each\n", messages,
	       len, info.transport == SAPI_SHM ? "shared memory" : "the kernel",
	       (now_us() - start) / messages);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	long messages = argc > 3 ? atol(argv[3]) : 1000;
	long len = argc > 4 ? atol(argv[4]) : 64;
	int s, rc, one = 1;

	if (argc < 3 || argc > 5 ||
	    inet_pton(AF_INET, argv[1], &addr.sin_addr) != 1 || messages < 1 ||
	    len < 1 || len > MAX_BYTES) {
		fprintf(stderr, "usage: %s ADDRESS PORT [MESSAGES [BYTES]]\n",
			argv[0]);
		return 2;
	}
	addr.sin_port = htons((uint16_t)atoi(argv[2]));
	s = sapi_connect((struct sockaddr *)&addr, sizeof(addr));
	if (s < 0)
		return fail("connect", s);
	sapi_setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	rc = run(s, (unsigned)messages, (size_t)len);
	sapi_close(s);
	return rc;
}
