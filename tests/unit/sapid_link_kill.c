/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sapid_link_kill.c - clients with links that are killed at random instants
 *
 * Several processes connect to each other over the loopback, offer both ends,
 * are granted links, say that they are done, close, listen and stop; one after
 * the other is killed in the middle of it and replaced. Two beside them get a
 * link each time, and in the end the daemon holds what it held in the
 * beginning. SAPID_KILLS: how many (300); SAPID_SEED.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

#define CLIENTS 4
#define SLOTS 32

static struct raw_daemon d;
static struct raw_tcp home[CLIENTS]; /* where each of them listens */

static struct chaos {
	struct raw r;
	unsigned seed;
	struct {
		int fd; /* 0: free */
		uint64_t link;
	} slot[SLOTS];
} x;

static unsigned dice(unsigned n)
{
	return (unsigned)rand_r(&x.seed) % n;
}

static void on_message(const struct wire_sapi_ext *msg)
{
	if (msg->type == WIRE_SAPI_GRANT && msg->grant.context < SLOTS)
		x.slot[msg->grant.context].link = msg->grant.link;
}

static void done(unsigned i)
{
	if (x.slot[i].link)
		raw_done(&x.r, x.slot[i].link, dice(2));
	x.slot[i].link = 0;
	if (x.slot[i].fd)
		close(x.slot[i].fd);
	x.slot[i].fd = 0;
}

static bool is_connected(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	return !getpeername(fd, (struct sockaddr *)&sin, &len);
}

static void opened(unsigned i, int fd)
{
	x.slot[i].fd = fd;
	if (dice(8) && is_connected(fd)) /* it may be reset already */
		raw_offer(&x.r, fd, i);
}

static void act(unsigned n)
{
	unsigned i = dice(SLOTS);
	int fd;

	switch (dice(8)) {
	case 0:
	case 1:
		if (x.slot[i].fd)
			break;
		fd = accept4(home[n].listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd > 0)
			opened(i, fd);
		break;
	case 2:
		if (x.slot[i].fd)
			break;
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0);
		(void)raw_connect_to(fd, home[dice(CLIENTS)].listener);
		/* a back-log may be full, with nobody there to accept */
		if (poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1,
			 20) == 1 &&
		    is_connected(fd))
			opened(i, fd);
		else
			close(fd);
		break;
	case 3:
		if (x.slot[i].link ? dice(2) : !dice(16))
			done(i);
		break;
	case 4:
		raw_listen_port(&x.r, (uint16_t)(1 + dice(4)), dice(2));
		break;
	default:
		break;
	}
}

static void chaos(unsigned n, unsigned seed)
{
	struct wire_sapi_ext msg;
	struct fdbox box;

	x.seed = seed;
	if (raw_attach(&x.r, &d, &raw_default))
		_exit(1);
	for (;;) {
		while (raw_recv_ext(&x.r, &msg, &box, 0)) {
			on_message(&msg);
			fdbox_close(&box);
		}
		act(n);
		if (dice(16) == 0)
			usleep(dice(200));
	}
}

static pid_t spawn(unsigned n, unsigned seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		chaos(n, seed);
	}
	return pid;
}

static void undisturbed(struct raw *a, struct raw *b, const struct raw_tcp *t)
{
	uint64_t link = raw_link(a, b, t, 1);

	raw_done(a, link, false);
	raw_done(b, link, false);
}

TEST(killed_clients_leave_no_link_behind)
{
	const char *kills = getenv("SAPID_KILLS"), *set = getenv("SAPID_SEED");
	unsigned seed = set ? (unsigned)atoi(set) : (unsigned)time(NULL);
	unsigned i, k, n = kills ? (unsigned)atoi(kills) : 300;
	struct raw_tcp t;
	struct raw a, b;
	pid_t pid[CLIENTS];
	int before;

	printf("# SAPID_SEED=%u\n", seed);
	fflush(stdout);
	raw_start_patient(&d, NULL);
	CHECK(!raw_attach(&a, &d, &raw_default));
	CHECK(!raw_attach(&b, &d, &raw_default));
	if (!(a.hello.features & WIRE_EXT_LINKS))
		SKIP("no socket diagnostics here");
	raw_tcp(&t, RAW_V4);
	undisturbed(&a, &b, &t);
	CHECK(raw_ext_is_quiet(&b));
	before = raw_count_fds(&d);
	for (i = 0; i < CLIENTS; i++) {
		raw_tcp(&home[i], RAW_V4);
		CHECK(!fcntl(home[i].listener, F_SETFL, O_NONBLOCK));
	}
	for (i = 0; i < CLIENTS; i++)
		pid[i] = spawn(i, seed + i);
	alarm(30 + n / 10);
	for (k = 0; k < n; k++) {
		i = (unsigned)rand_r(&seed) % CLIENTS;
		usleep((unsigned)rand_r(&seed) % 20000);
		CHECK(!kill(pid[i], SIGKILL));
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
		pid[i] = spawn(i, seed + k);
		undisturbed(&a, &b, &t);
	}
	for (i = 0; i < CLIENTS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
		raw_tcp_close(&home[i]);
	}
	CHECK(raw_status_is(&d, "apps", 2));
	CHECK(raw_status_is(&d, "links_now", 0));
	CHECK(raw_status_is(&d, "link_segments", 1));
	CHECK(raw_fds_are(&d, before));
	printf("# %ld offers, %ld links\n", raw_status(&d, "offers"),
	       raw_status(&d, "links_total"));
	raw_close(&a);
	raw_close(&b);
	raw_tcp_close(&t);
	raw_stop(&d);
}
