/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.c - epoll over sessions that the test plays, and the kernel's */
#include <sys/epoll.h>

#include "core/sock/sock.h"
#include "core/sock/table.h"
#include "tests/unit/played.h"

static struct played p;

struct end {
	int fd;
	uint32_t index;
	struct fifo to; /* the peer's side of what the program reads */
	struct fifo from;
};

/* A connected socket of the program. */
static void open_end(struct end *e, struct app *app, uint64_t handle)
{
	struct conf_choice choice = { .spin_us = 0 };
	struct ctrl_addr a = { .port = 80, .is_ip4 = 1 };
	struct ctrl c = { .type = WIRE_EV_CONNECTED };
	struct session *s;
	struct sock *sock;

	CHECK(!session_connect(app, &a, NULL, NULL, &s));
	CHECK(played_heard(&p).type == WIRE_EV_CONNECT);
	c.connected.context = s->index;
	c.connected.handle = handle;
	c.connected.segment_handle = PLAYED_DATA;
	CHECK(!seg_fifo_create(&p.data, 0, 65536, &c.connected.rx_fifo));
	CHECK(!seg_fifo_create(&p.data, 0, 65536, &c.connected.tx_fifo));
	CHECK(!fifo_attach(&e->to, &p.data, c.connected.rx_fifo, WIRE_2606));
	CHECK(!fifo_attach(&e->from, &p.data, c.connected.tx_fifo, WIRE_2606));
	played_say(&p, app, &c);
	e->index = s->index;
	e->fd = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(e->fd >= 0);
	CHECK(!sock_adopt(e->fd, s, AF_INET, true, &choice, &sock));
}

static void start(struct end *e, int n)
{
	struct app *app;
	int i;

	CHECK(!sock_init());
	played_open(&p);
	app = played_attach(&p);
	CHECK(app);
	played_segment(&p, app, &p.data, PLAYED_DATA);
	for (i = 0; i < n; i++)
		open_end(&e[i], app, 100 + (uint64_t)i);
	app_put(app);
}

static void finish(struct end *e, int n)
{
	int i;

	for (i = 0; i < n; i++)
		CHECK(!sock_close(e[i].fd));
	played_hang_up(&p);
	app_serve(true);
	waiter_forked();		/* closes what the thread has */
	private_close(private_next(0)); /* the family's */
	CHECK(private_next(0) < 0);
	played_close(&p);
}

/* The peer's send(). */
static void put(struct end *e, const void *buf, size_t len)
{
	struct ctrl c = { .type = WIRE_EV_IO_RX };

	CHECK(fifo_put(&e->to, buf, len) == (ssize_t)len);
	c.io.session_index = e->index;
	if (fifo_ring(&e->to))
		played_post(&p, &c);
}

static void ctl(int ep, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	CHECK(!sock_epoll_ctl(ep, op, fd, &ev));
}

static int wait_ms(int ep, struct epoll_event *evs, int n, int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000,
			       .tv_nsec = ms % 1000 * 1000000 };

	return sock_epoll_pwait2(ep, evs, n, &ts, NULL);
}

static char drain(struct end *e)
{
	char buf[100];
	ssize_t n = sock_read(e->fd, buf, sizeof(buf));

	CHECK(n > 0);
	return buf[n - 1];
}

TEST(level)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct end e;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	start(&e, 1);
	ctl(ep, EPOLL_CTL_ADD, e.fd, EPOLLIN, 1);
	CHECK(sock_epoll_ctl(ep, EPOLL_CTL_ADD, e.fd, &ev) == -EEXIST);
	CHECK(wait_ms(ep, &ev, 1, 0) == 0 && wait_ms(ep, &ev, 1, 5) == 0);
	put(&e, "ab", 2);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1 && ev.events == EPOLLIN);
	CHECK(wait_ms(ep, &ev, 1, 0) == 1 && ev.data.u64 == 1);
	drain(&e);
	CHECK(wait_ms(ep, &ev, 1, 5) == 0);
	ctl(ep, EPOLL_CTL_MOD, e.fd, EPOLLIN | EPOLLOUT, 2);
	CHECK(wait_ms(ep, &ev, 1, 0) == 1 && ev.events == EPOLLOUT);
	ctl(ep, EPOLL_CTL_DEL, e.fd, 0, 0);
	CHECK(sock_epoll_ctl(ep, EPOLL_CTL_DEL, e.fd, NULL) == -ENOENT);
	CHECK(wait_ms(ep, &ev, 1, 0) == 0);
	CHECK(!sock_close(ep));
	finish(&e, 1);
}

TEST(edge)
{
	struct epoll_event ev;
	struct end e;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	start(&e, 1);
	ctl(ep, EPOLL_CTL_ADD, e.fd, EPOLLIN | EPOLLET, 1);
	put(&e, "a", 1);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1);
	CHECK(wait_ms(ep, &ev, 1, 5) == 0); /* said once, unread */
	put(&e, "b", 1);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1);
	CHECK(drain(&e) == 'b');
	CHECK(wait_ms(ep, &ev, 1, 5) == 0);
	ctl(ep, EPOLL_CTL_MOD, e.fd, EPOLLIN | EPOLLET, 1);
	CHECK(wait_ms(ep, &ev, 1, 5) == 0);
	CHECK(!sock_close(ep));
	finish(&e, 1);
}

TEST(one_shot)
{
	struct epoll_event ev;
	struct end e;
	int ep = epoll_create1(EPOLL_CLOEXEC);

	start(&e, 1);
	ctl(ep, EPOLL_CTL_ADD, e.fd, EPOLLIN | EPOLLONESHOT, 1);
	put(&e, "a", 1);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1);
	put(&e, "b", 1);
	CHECK(wait_ms(ep, &ev, 1, 5) == 0);
	ctl(ep, EPOLL_CTL_MOD, e.fd, EPOLLIN | EPOLLONESHOT, 1);
	CHECK(wait_ms(ep, &ev, 1, 0) == 1);
	CHECK(!sock_close(ep));
	finish(&e, 1);
}

/* Bytes that are there but not asked for must not keep a thread awake. */
TEST(bytes_that_nobody_asked_for)
{
	struct epoll_event ev;
	struct end e;
	int ep = epoll_create1(EPOLL_CLOEXEC), low = 4;

	start(&e, 1);
	ctl(ep, EPOLL_CTL_ADD, e.fd, EPOLLRDHUP, 1);
	put(&e, "a", 1);
	CHECK(wait_ms(ep, &ev, 1, 20) == 0);
	ctl(ep, EPOLL_CTL_MOD, e.fd, EPOLLRDHUP | EPOLLET, 1);
	CHECK(wait_ms(ep, &ev, 1, 20) == 0);
	CHECK(!sock_setsockopt(e.fd, SOL_SOCKET, SO_RCVLOWAT, &low,
			       sizeof(low)));
	ctl(ep, EPOLL_CTL_MOD, e.fd, EPOLLIN, 1);
	CHECK(wait_ms(ep, &ev, 1, 20) == 0);
	put(&e, "bcd", 3);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1);
	CHECK(!sock_close(ep));
	finish(&e, 1);
}

TEST(one_place_starves_nobody)
{
	struct epoll_event ev;
	struct end e[3];
	int ep = epoll_create1(EPOLL_CLOEXEC), pfd[2], seen[4] = { 0 }, i;

	start(e, 3);
	CHECK(!pipe(pfd) && write(pfd[1], "x", 1) == 1);
	for (i = 0; i < 3; i++) {
		ctl(ep, EPOLL_CTL_ADD, e[i].fd, EPOLLIN, (uint64_t)i);
		put(&e[i], "a", 1);
	}
	ctl(ep, EPOLL_CTL_ADD, pfd[0], EPOLLIN, 3);
	for (i = 0; i < 100000 && !(seen[0] && seen[1] && seen[2] && seen[3]);
	     i++) {
		CHECK(wait_ms(ep, &ev, 1, 1000) == 1);
		seen[ev.data.u64]++;
	}
	CHECK(seen[0] && seen[1] && seen[2] && seen[3]);
	close(pfd[0]);
	close(pfd[1]);
	CHECK(!sock_close(ep));
	finish(e, 3);
}

TEST(two_instances_and_one_in_another)
{
	struct epoll_event ev;
	struct end e;
	struct pollfd pfd;
	struct timespec ts = { .tv_sec = 5 };
	int ep = epoll_create1(EPOLL_CLOEXEC), two = epoll_create1(0),
	    outer = epoll_create1(0);

	start(&e, 1);
	ctl(ep, EPOLL_CTL_ADD, e.fd, EPOLLIN, 1);
	ctl(two, EPOLL_CTL_ADD, e.fd, EPOLLIN, 2);
	ctl(outer, EPOLL_CTL_ADD, ep, EPOLLIN, 3);
	CHECK(wait_ms(outer, &ev, 1, 5) == 0);
	put(&e, "a", 1);
	CHECK(wait_ms(outer, &ev, 1, 5000) == 1 && ev.data.u64 == 3);
	CHECK(wait_ms(ep, &ev, 1, 5000) == 1 && ev.data.u64 == 1);
	CHECK(wait_ms(two, &ev, 1, 5000) == 1 && ev.data.u64 == 2);
	pfd = (struct pollfd){ .fd = ep, .events = POLLIN };
	CHECK(sock_ppoll(&pfd, 1, &ts, NULL) == 1 && pfd.revents == POLLIN);
	drain(&e);
	CHECK(wait_ms(outer, &ev, 1, 5) == 0);
	CHECK(!sock_close(ep));
	CHECK(!sock_close(two));
	CHECK(!sock_close(outer));
	finish(&e, 1);
}

#define ROUNDS 20000

static struct end *ends;
static int n_ends;
static _Atomic int taken;

static void *talker(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		put(&ends[i % n_ends], "x", 1);
		/* at most a few in flight, now and then none */
		while (i - taken > i % 3)
			if (taken == i + 1)
				break;
	}
	return NULL;
}

static void no_lost_wake(uint32_t mode)
{
	struct epoll_event ev[4];
	struct end e[3];
	int ep = epoll_create1(EPOLL_CLOEXEC), i, n;
	char buf[16];
	ssize_t got;
	pthread_t t;

	start(e, 3);
	for (i = 0; i < 3; i++)
		ctl(ep, EPOLL_CTL_ADD, e[i].fd, EPOLLIN | mode, (uint64_t)i);
	ends = e;
	n_ends = 3;
	taken = 0;
	CHECK(!pthread_create(&t, NULL, talker, NULL));
	while (taken < ROUNDS) {
		n = wait_ms(ep, ev, 4, 5000);
		CHECK(n > 0);
		for (i = 0; i < n; i++) {
			struct end *from = &e[ev[i].data.u64];

			while ((got = sock_read(from->fd, buf, 16)) > 0)
				taken += (int)got;
			CHECK(got == -EAGAIN);
			if (mode & EPOLLONESHOT)
				ctl(ep, EPOLL_CTL_MOD, from->fd, EPOLLIN | mode,
				    ev[i].data.u64);
		}
	}
	CHECK(!pthread_join(t, NULL));
	CHECK(!sock_close(ep));
	finish(e, 3);
}

TEST(no_lost_wake_level)
{
	no_lost_wake(0);
}

TEST(no_lost_wake_edge)
{
	no_lost_wake(EPOLLET);
}

TEST(no_lost_wake_one_shot)
{
	no_lost_wake(EPOLLONESHOT);
}

/* Two threads change and close what a third waits for. */
static _Atomic bool stop;
static int shared_ep;

static void *changer(void *arg)
{
	struct end *e = arg;
	struct epoll_event ev = { .events = EPOLLIN };
	int i;

	for (i = 0; i < 3000; i++) {
		sock_epoll_ctl(shared_ep, i % 3 ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
			       e->fd, &ev);
		sock_epoll_ctl(shared_ep, EPOLL_CTL_MOD, e->fd, &ev);
	}
	return NULL;
}

static void *waits(void *arg)
{
	struct epoll_event ev[4];

	(void)arg;
	while (!stop)
		CHECK(wait_ms(shared_ep, ev, 4, 1) >= 0);
	return NULL;
}

TEST(threads_change_the_same)
{
	pthread_t t[3];
	struct end e;
	int i;

	start(&e, 1);
	put(&e, "a", 1);
	shared_ep = epoll_create1(EPOLL_CLOEXEC);
	for (i = 0; i < 3; i++)
		CHECK(!pthread_create(&t[i], NULL, i ? changer : waits, &e));
	CHECK(!pthread_join(t[1], NULL) && !pthread_join(t[2], NULL));
	stop = true;
	CHECK(!pthread_join(t[0], NULL));
	CHECK(!sock_close(shared_ep));
	finish(&e, 1);
}

static void *closes(void *arg)
{
	CHECK(!sock_close(*(int *)arg));
	return NULL;
}

TEST(instance_and_member_close_at_once)
{
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t t[2];
	struct end e[50];
	int ep, i;

	start(e, 50);
	for (i = 0; i < 50; i++) {
		ep = epoll_create1(EPOLL_CLOEXEC);
		CHECK(!sock_epoll_ctl(ep, EPOLL_CTL_ADD, e[i].fd, &ev));
		CHECK(!pthread_create(&t[0], NULL, closes, &ep));
		CHECK(!pthread_create(&t[1], NULL, closes, &e[i].fd));
		CHECK(!pthread_join(t[0], NULL) && !pthread_join(t[1], NULL));
		while (!mq_empty(&p.in))
			played_heard(&p);
	}
	finish(NULL, 0);
}

static void *reads_for_ever(void *arg)
{
	char c;

	sock_read(((struct end *)arg)->fd, &c, 1);
	return NULL;
}

static void *polls_for_ever(void *arg)
{
	struct pollfd pfd = { .fd = ((struct end *)arg)->fd, .events = POLLIN };

	sock_ppoll(&pfd, 1, NULL, NULL);
	return NULL;
}

static void *epolls_for_ever(void *arg)
{
	struct epoll_event ev;

	(void)arg;
	sock_epoll_pwait2(shared_ep, &ev, 1, NULL, NULL);
	return NULL;
}

/* A thread that is cancelled in its sleep leaves nothing to be rung. */
TEST(cancelled_sleepers)
{
	void *(*const fn[])(void *) = { reads_for_ever, polls_for_ever,
					epolls_for_ever };
	struct sock *s;
	pthread_t t;
	struct end e;
	void *ret;
	int i;

#ifdef __SANITIZE_ADDRESS__
	SKIP("libasan does not survive pthread_cancel()");
#endif
	start(&e, 1);
	CHECK(!sock_fcntl(e.fd, F_SETFL, O_RDWR));
	shared_ep = epoll_create1(EPOLL_CLOEXEC);
	ctl(shared_ep, EPOLL_CTL_ADD, e.fd, EPOLLIN, 1);
	s = sock_get(e.fd);
	for (i = 0; i < 30; i++) {
		CHECK(!pthread_create(&t, NULL, fn[i % 3], &e));
		if (i > 5) /* wherever it is by then */
			usleep(i * 100u);
		CHECK(!pthread_cancel(t) && !pthread_join(t, &ret));
		CHECK(ret == PTHREAD_CANCELED);
		CHECK(s->refs == 2);
	}
	put(&e, "a", 1);
	CHECK(drain(&e) == 'a');
	sock_put(s);
	CHECK(!sock_close(shared_ep));
	finish(&e, 1);
}
