/* SPDX-License-Identifier: Apache-2.0 */
/* differ.c - two processes that do what play() draws; run says how to use it */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#define LIMIT_S 20 /* of one seed */

static int to[PROCESSES][2], from[PROCESSES][2];
static int me; /* which of the processes */
static pid_t child;

static void on_pipe(int sig)
{
	pipes++;
}

/* A descriptor of ours, out of the way of the program's numbers. */
static int high(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, 100);

	if (fd < 0 || up < 0)
		abort();
	close(fd);
	return up;
}

static void pipe_high(int p[2])
{
	if (pipe(p))
		abort();
	p[0] = high(p[0]);
	p[1] = high(p[1]);
}

static void whole(int fd, void *buf, size_t len, bool out)
{
	char *at = buf;

	while (len) {
		ssize_t n = out ? write(fd, at, len) : read(fd, at, len);

		if (n == 0) /* the other one is gone */
			_exit(me ? 0 : 3);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			abort();
		at += n;
		len -= (size_t)n;
	}
}

void have(int who, const struct order *o, struct answer *a)
{
	if (who == 0) {
		calls_do(o, a);
		return;
	}
	whole(to[who][1], (void *)o, sizeof(*o), true);
	whole(from[who][0], a, sizeof(*a), false);
}

static void __attribute__((noreturn)) leave(long quickly)
{
	if (quickly)
		_exit(0);
	exit(0);
}

static void __attribute__((noreturn)) serve(int who)
{
	struct answer a;
	struct order o;

	me = who;
	for (;;) {
		whole(to[who][0], &o, sizeof(o), false);
		alarm(LIMIT_S);
		if (o.call == CALL_KINDS)
			leave(o.n);
		calls_do(&o, &a);
		whole(from[who][1], &a, sizeof(a), true);
	}
}

/* --- children --- */

void call_fork(const struct order *o, struct answer *a)
{
	put(a, "fork");
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		block_forked();
		serve(me + 2);
	}
	put(a, child > 0 ? " done" : " failed");
}

void call_reap(const struct order *o, struct answer *a)
{
	struct order bye = { .call = CALL_KINDS, .n = o->m };

	put(a, "child %s", o->n ? "killed" : o->m ? "_exits" : "exits");
	if (o->n)
		kill(child, SIGKILL);
	else
		whole(to[me + 2][1], &bye, sizeof(bye), true);
	if (waitpid(child, NULL, 0) != child)
		put(a, " NOT OURS");
}

static void listen_somewhere(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	listener = high(socket(AF_INET, SOCK_STREAM, 0));
	if (bind(listener, (void *)&in, sizeof(in)) || listen(listener, 16) ||
	    getsockname(listener, (void *)&in, &len))
		abort();
	listener_port = ntohs(in.sin_port);
}

static void swap_ports(int in, int out)
{
	whole(out, &listener_port, sizeof(listener_port), true);
	whole(in, &peer_port, sizeof(peer_port), false);
}

static void start(void)
{
	int i;

	signal(SIGPIPE, on_pipe);
	for (i = 0; i < SLOTS; i++)
		slots[i] = -1;
	for (i = 1; i < PROCESSES; i++) {
		pipe_high(to[i]);
		pipe_high(from[i]);
	}
	block_start();
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to[1][1]);
		close(from[1][0]);
		listen_somewhere();
		swap_ports(to[1][0], from[1][1]);
		serve(1);
	}
	close(to[1][0]);
	close(from[1][1]);
	listen_somewhere();
	swap_ports(from[1][0], to[1][1]);
}

/* One line a seed with a sum of its text, or the text. */
static void one(uint64_t seed, bool text)
{
	uint64_t sum = 0xcbf29ce484222325;
	char *words = NULL;
	size_t len, i;
	FILE *out;

	alarm(LIMIT_S);
	if (text) {
		play(seed, stdout);
		return;
	}
	out = open_memstream(&words, &len);
	play(seed, out);
	fclose(out);
	len = words ? len : 0;
	for (i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)words[i]) * 0x100000001b3;
	printf("%llu %016llx\n", (unsigned long long)seed,
	       (unsigned long long)sum);
	free(words);
}

int main(int argc, char **argv)
{
	bool text = argc > 1 && !strcmp(argv[1], "-v");
	uint64_t seed, n = 1;

	argc -= text;
	argv += text;
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: differ [-v] SEED [COUNT]\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	if (argc == 3)
		n = strtoull(argv[2], NULL, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	start();
	while (n--)
		one(seed++, text);
	return 0;
}
