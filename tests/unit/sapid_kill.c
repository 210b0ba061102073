/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sapid_kill.c - clients that are killed at random instants
 *
 * Several processes listen, connect, accept, write, read and close at random;
 * one after the other is killed in the middle of it and replaced. A pair
 * beside them goes on undisturbed, and in the end the daemon holds what it
 * held in the beginning. SAPID_KILLS: how many (300); SAPID_SEED.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

#define CLIENTS 4
#define SESSIONS 16
#define PORT 100

static struct raw_daemon d;

struct chaos {
	struct raw r;
	unsigned seed;
	bool live[SESSIONS];
	struct raw_session s[SESSIONS];
};

static unsigned dice(struct chaos *x, unsigned n)
{
	return (unsigned)rand_r(&x->seed) % n;
}

static int free_slot(const struct chaos *x)
{
	int i;

	for (i = 0; i < SESSIONS; i++)
		if (!x->live[i])
			return i;
	return -1;
}

static int by_handle(const struct chaos *x, uint64_t handle)
{
	int i;

	for (i = 0; i < SESSIONS; i++)
		if (x->live[i] && x->s[i].handle == handle)
			return i;
	return -1;
}

static void open_session(struct chaos *x, int i, uint64_t handle,
			 uint64_t segment, uint64_t rx, uint64_t tx)
{
	struct seg *seg = raw_segment(&x->r, segment);

	x->s[i].handle = handle;
	x->s[i].index = (uint32_t)i;
	x->live[i] = seg && !fifo_attach(&x->s[i].rx, seg, rx, WIRE_2606) &&
		     !fifo_attach(&x->s[i].tx, seg, tx, WIRE_2606);
}

static void on_message(struct chaos *x, const struct ctrl *m)
{
	int i;

	switch (m->type) {
	case WIRE_EV_ACCEPTED:
		i = free_slot(x);
		if (i >= 0)
			open_session(x, i, m->accepted.handle,
				     m->accepted.segment_handle,
				     m->accepted.rx_fifo, m->accepted.tx_fifo);
		raw_accept_reply(&x->r, m, i < 0 ? -1 : 0, (uint32_t)i, NULL);
		break;
	case WIRE_EV_CONNECTED:
		i = free_slot(x);
		if (m->connected.retval)
			break;
		if (i < 0)
			raw_end(&x->r, WIRE_EV_DISCONNECT, m->connected.handle);
		else
			open_session(x, i, m->connected.handle,
				     m->connected.segment_handle,
				     m->connected.rx_fifo,
				     m->connected.tx_fifo);
		break;
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		raw_end_reply(&x->r,
			      m->type == WIRE_EV_RESET
				      ? WIRE_EV_RESET_REPLY
				      : WIRE_EV_DISCONNECTED_REPLY,
			      m->close.handle);
		break;
	case WIRE_EV_CLEANUP:
		i = by_handle(x, m->cleanup.handle);
		if (i >= 0 && m->cleanup.type == 1)
			x->live[i] = false;
		break;
	}
}

static void act(struct chaos *x)
{
	static char buf[70000];
	int i = (int)dice(x, SESSIONS);
	ssize_t n;

	if (!x->live[i]) {
		if (dice(x, 4) == 0)
			raw_send_connect(&x->r, "127.0.0.1",
					 (uint16_t)(PORT + dice(x, CLIENTS)),
					 0);
		return;
	}
	switch (dice(x, 12)) {
	case 0:
		raw_end(&x->r, WIRE_EV_DISCONNECT, x->s[i].handle);
		break;
	case 1:
		raw_end(&x->r, WIRE_EV_SHUTDOWN, x->s[i].handle);
		break;
	case 2:
		raw_end(&x->r, WIRE_EV_TERMINATE, x->s[i].handle);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		n = fifo_put(&x->s[i].tx, buf, dice(x, sizeof(buf)));
		if (n > 0 && fifo_ring(&x->s[i].tx))
			raw_io(&x->r, WIRE_EV_IO_TX, x->s[i].handle);
		break;
	default:
		n = fifo_take(&x->s[i].rx, buf, dice(x, sizeof(buf)));
		if (n > 0 && fifo_took(&x->s[i].rx, (uint32_t)n))
			raw_io(&x->r, WIRE_EV_IO_RX, x->s[i].handle);
		break;
	}
}

static void chaos(unsigned n, unsigned seed)
{
	static struct chaos x;
	struct ctrl m;

	x.seed = seed;
	if (raw_attach(&x.r, &d, &raw_default))
		_exit(1);
	(void)raw_listen(&x.r, "127.0.0.1", (uint16_t)(PORT + n), 0, NULL);
	for (;;) {
		while (raw_recv(&x.r, &m, 0))
			on_message(&x, &m);
		act(&x);
		if (dice(&x, 64) == 0)
			sched_yield();
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

TEST(killed_clients_leave_nothing_behind)
{
	const char *kills = getenv("SAPID_KILLS"), *set = getenv("SAPID_SEED");
	unsigned seed = set ? (unsigned)atoi(set) : (unsigned)time(NULL);
	struct raw server, client;
	struct raw_session s, c;
	pid_t pid[CLIENTS];
	unsigned i, k, n;
	int before;

	printf("# SAPID_SEED=%u\n", seed);
	fflush(stdout);
	raw_start(&d, NULL);
	CHECK(!raw_attach(&server, &d, &raw_default));
	CHECK(!raw_attach(&client, &d, &raw_default));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	raw_pair(&server, &client, 80, &s, &c);
	before = raw_count_fds(&d);
	for (i = 0; i < CLIENTS; i++)
		pid[i] = spawn(i, seed + i);
	n = kills ? (unsigned)atoi(kills) : 300;
	alarm(30 + n / 10);
	for (k = 0; k < n; k++) {
		i = (unsigned)rand_r(&seed) % CLIENTS;
		usleep((unsigned)rand_r(&seed) % 20000);
		CHECK(!kill(pid[i], SIGKILL));
		CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
		pid[i] = spawn(i, seed + k);
		raw_write(&client, &c, "undisturbed");
		raw_read(&server, &s, "undisturbed");
	}
	for (i = 0; i < CLIENTS; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	CHECK(raw_status_is(&d, "apps", 2));
	CHECK(raw_status_is(&d, "sessions_now", 2));
	CHECK(raw_status_is(&d, "segments", 1));
	CHECK(raw_fds_are(&d, before));
	printf("# %ld sessions\n", raw_status(&d, "sessions_total"));
	raw_close(&client);
	raw_close(&server);
	raw_stop(&d);
}
