/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress.c - rounds of a server and some clients, until the time is over
 *
 *	stress [--seconds N] [--seed S] [--rounds N] [--kill] [--unix]
 *
 * --kill: in every round a server or a client is killed; what the others see
 * must be the truth as far as it goes, and then the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define CLIENTS_MAX 3
#define END_SECONDS 30 /* for a survivor to see that nobody is there */

struct round {
	uint64_t seed;
	struct rng rng;
	char config[64];
	int server, port;
	int clients[CLIENTS_MAX];
	unsigned n_clients;
	int killed;
	bool failed;
};

static char self[4096];

static void write_config(struct round *r)
{
	static const uint32_t sizes[] = { 4096, 8192, 65536, 262144, 1048576 };
	FILE *f = fopen(r->config, "w");

	if (!f) {
		perror(r->config);
		exit(2);
	}
	fprintf(f,
		"sapi {\n  upgrade-after %u\n  upgrade-bytes %u\n"
		"  fifo-size %u\n  spin-us %u\n}\n",
		below(&r->rng, one_in(&r->rng, 2) ? 4 : 40),
		one_in(&r->rng, 2) ? 1 + below(&r->rng, 300)
				   : 1 + below(&r->rng, 200000),
		sizes[below(&r->rng, 5)],
		one_in(&r->rng, 3) ? 0 : below(&r->rng, 51));
	fclose(f);
}

/* A role is a program of its own, in a process group of its own. */
static int start(struct round *r, const char *role, const char *a,
		 const char *b)
{
	char seed[32];
	int pid = fork();

	/* by both, so that it is done when either goes on */
	setpgid(pid, pid);
	if (pid)
		return pid;
	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)r->seed);
	setenv("SAPI_CONFIG", r->config, 1);
	execl(self, "stress", role, seed, tolerant ? "1" : "0", a, b, NULL);
	_exit(127);
}

static void start_all(struct round *r)
{
	char fd[16], port[16], number[16];
	int report[2];
	unsigned i;

	if (pipe(report))
		exit(2);
	snprintf(fd, sizeof(fd), "%d", report[1]);
	r->server = start(r, "server", fd, NULL);
	close(report[1]);
	if (read(report[0], &r->port, sizeof(r->port)) != sizeof(r->port))
		r->failed = true;
	close(report[0]);
	if (r->failed)
		return;
	snprintf(port, sizeof(port), "%d", r->port);
	r->n_clients = 1 + below(&r->rng, CLIENTS_MAX);
	for (i = 0; i < r->n_clients; i++) {
		snprintf(number, sizeof(number), "%u", i);
		r->clients[i] = start(r, "client", number, port);
	}
}

static void judge(struct round *r, int pid, int status)
{
	if (pid == r->killed)
		return;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return;
	fprintf(stderr, "stress: process %d: status %x\n", pid,
		(unsigned)status);
	r->failed = true;
}

static bool is_over(struct round *r)
{
	unsigned i;

	for (i = 0; i < r->n_clients; i++)
		if (r->clients[i])
			return false;
	return true;
}

static void kill_one(struct round *r)
{
	unsigned i = below(&r->rng, r->n_clients + 1);
	int pid = i == r->n_clients ? r->server : r->clients[i];

	usleep(below(&r->rng, one_in(&r->rng, 2) ? 20000 : 300000));
	r->killed = pid;
	if (pid > 0)
		kill(-pid, SIGKILL);
}

static void ended(struct round *r, int pid, int status)
{
	unsigned i;

	for (i = 0; i < r->n_clients; i++)
		if (r->clients[i] == pid)
			r->clients[i] = 0;
	if (pid == r->server)
		r->server = 0;
	judge(r, pid, status);
}

static void alarm_all(struct round *r)
{
	unsigned i;

	for (i = 0; i < r->n_clients; i++)
		if (r->clients[i] > 0)
			kill(-r->clients[i], SIGALRM);
	if (r->server > 0)
		kill(-r->server, SIGALRM);
}

/* The watchdogs of the roles end what hangs; a killed peer leaves less time. */
static void await(struct round *r, bool (*enough)(struct round *r))
{
	time_t end = time(NULL) + END_SECONDS;
	int pid, status;

	while (!enough(r)) {
		pid = waitpid(-1, &status, r->killed ? WNOHANG : 0);
		if (pid < 0 && errno != EINTR)
			break;
		if (pid > 0)
			ended(r, pid, status);
		else if (!pid && time(NULL) < end)
			usleep(2000);
		else if (!pid) {
			fprintf(stderr, "stress: no end after a kill\n");
			r->failed = true;
			alarm_all(r);
			end += END_SECONDS;
		}
	}
}

static bool server_over(struct round *r)
{
	return !r->server;
}

static bool round_run(uint64_t seed, bool kills)
{
	struct round r = { .seed = seed, .rng = { mix(seed, 0x40d) } };

	snprintf(r.config, sizeof(r.config), "/tmp/stress.%d.conf",
		 (int)getpid());
	write_config(&r);
	start_all(&r);
	if (kills && !r.failed)
		kill_one(&r);
	await(&r, is_over);
	if (r.server > 0 && r.server != r.killed)
		kill(r.server, SIGTERM);
	await(&r, server_over);
	if (r.failed && r.killed)
		fprintf(stderr, "stress: killed %d, server %d\n", r.killed,
			r.server);
	if (r.failed)
		alarm_all(&r);
	unlink(r.config);
	return !r.failed;
}

static int role(char **argv)
{
	uint64_t seed = strtoull(argv[2], NULL, 10);

	signal(SIGPIPE, SIG_IGN);
	tolerant = argv[3][0] == '1';
	if (!strcmp(argv[1], "server"))
		return serve(seed, atoi(argv[4]));
	return client(seed, (unsigned)atoi(argv[4]), atoi(argv[5]));
}

static uint64_t fresh_seed(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int rounds(uint64_t seed, unsigned long seconds, unsigned long max)
{
	time_t end = time(NULL) + (time_t)seconds;
	unsigned long i;
	uint64_t s;

	for (i = 0; i < max && time(NULL) < end; i++) {
		s = i ? mix(seed, i) : seed;
		if (getenv("STRESS_VERBOSE"))
			fprintf(stderr, "stress: round %lu, seed %llu\n", i,
				(unsigned long long)s);
		if (round_run(s, tolerant))
			continue;
		fprintf(stderr,
			"stress: round %lu failed; again: --seed %llu"
			" --rounds 1%s%s\n",
			i, (unsigned long long)s, tolerant ? " --kill" : "",
			getenv("STRESS_UNIX") ? " --unix" : "");
		return 1;
	}
	printf("stress: %lu rounds, seed %llu%s\n", i, (unsigned long long)seed,
	       tolerant ? ", with kills" : "");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'r' },
		{ "rounds", required_argument, NULL, 'n' },
		{ "kill", no_argument, NULL, 'k' },
		{ "unix", no_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 }
	};
	unsigned long seconds = 10, max = ~0ul;
	uint64_t seed = fresh_seed();
	int o;

	if (argc == 3 && !strcmp(argv[1], "continue"))
		return go_on(atoi(argv[2]));
	if (argc > 4 && argv[1][0] != '-')
		return role(argv);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 2;
	while ((o = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (o == 's')
			seconds = strtoul(optarg, NULL, 10);
		else if (o == 'r')
			seed = strtoull(optarg, NULL, 10);
		else if (o == 'n')
			max = strtoul(optarg, NULL, 10), seconds = 1000000;
		else if (o == 'k')
			tolerant = true;
		else if (o == 'u')
			setenv("STRESS_UNIX", "1", 1); /* for all roles */
		else
			return 2;
	}
	return rounds(seed, seconds, max);
}
