/* SPDX-License-Identifier: Apache-2.0 */
/* signal.c - calls that a signal interrupts, or that start again */
#include <sys/time.h>

#include "tests/peer/epoll.h"

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	MUST(sigaction(SIGUSR1, &sa, NULL));
	signals = 0;
}

static pthread_t main_thread, helper;

/* Interrupt the main thread when it sleeps; then, if there is something to
 * say, have the far end say it when the main thread sleeps again. */
static void *interrupt(void *text)
{
	until_asleep(getpid());
	pthread_kill(main_thread, SIGUSR1);
	if (text) {
		UNTIL(signals);
		until_asleep(getpid());
		if (far_do(act_text, (long)text, 0) < 0)
			die("far text");
	}
	return NULL;
}

static void interrupt_soon(const char *text)
{
	main_thread = pthread_self();
	if (pthread_create(&helper, NULL, interrupt, (void *)text))
		die("pthread_create");
}

static void interrupted(void)
{
	pthread_join(helper, NULL);
	say("  signals %d", (int)signals);
}

#define INTERRUPT(call, text)         \
	do {                          \
		interrupt_soon(text); \
		TRY(call);            \
		interrupted();        \
	} while (0)

TOPIC(recv)
{
	struct timeval tv = { 10, 0 };
	char buf[10];

	far_open();
	handle(0);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), 0), NULL);
	INTERRUPT(read(near_fd, buf, sizeof(buf)), NULL);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), MSG_PEEK), NULL);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), MSG_WAITALL), NULL);
	handle(SA_RESTART);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), 0), "abc");
	say_data(buf, 3);
	INTERRUPT(read(near_fd, buf, sizeof(buf)), "def");
	/* with a time limit it does not start again */
	MUST(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	INTERRUPT(recv(near_fd, buf, sizeof(buf), 0), NULL);
}

/* some bytes were there: they are the result */
TOPIC(recv_partial)
{
	char buf[10];

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	handle(0);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), MSG_WAITALL), NULL);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	handle(SA_RESTART);
	INTERRUPT(recv(near_fd, buf, sizeof(buf), MSG_WAITALL), NULL);
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
}

/* How much a full buffer still takes is nobody's promise. */
static void interrupted_send(long *total)
{
	static char buf[32 << 20];
	long n;

	interrupt_soon(NULL);
	n = send(near_fd, buf, sizeof(buf), 0);
	say("send: interrupted %d",
	    n < 0 ? errno == EINTR : n < (long)sizeof(buf));
	interrupted();
	*total += n > 0 ? n : 0;
}

TOPIC(send)
{
	long n = 0;

	far_open();
	handle(0);
	interrupted_send(&n);
	say("some were sent %d", n > 0);
	n += MUST(act_fill(near_fd, 0, 0));
	interrupted_send(&n);
	interrupted_send(&n);
	TRY(far_do(act_pull, n, 0) == n);
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
}

TOPIC(accept)
{
	int listener, port, fd;

	listener = sock_listener(8, &port);
	handle(0);
	INTERRUPT(accept(listener, NULL, NULL), NULL);
	INTERRUPT(accept4(listener, NULL, NULL, SOCK_CLOEXEC), NULL);
	fd = sock_dial(port);
	close(TRY_FD(accept(listener, NULL, NULL)));
	close(fd);
}

TOPIC(poll)
{
	struct pollfd p = { .events = POLLIN };
	fd_set rd;

	far_open();
	p.fd = near_fd;
	FD_ZERO(&rd);
	FD_SET(near_fd, &rd);
	handle(0);
	INTERRUPT(poll(&p, 1, -1), NULL);
	INTERRUPT(poll(&p, 1, 9000), NULL);
	INTERRUPT(select(near_fd + 1, &rd, NULL, NULL, NULL), NULL);
	say("still set %d", !!FD_ISSET(near_fd, &rd));
	handle(SA_RESTART); /* these never start again */
	INTERRUPT(poll(&p, 1, -1), NULL);
	INTERRUPT(poll(&p, 1, 9000), NULL);
	INTERRUPT(select(near_fd + 1, &rd, NULL, NULL, NULL), NULL);
	TRY(far_text("abc"));
	TRY(poll(&p, 1, -1));
}

TOPIC(epoll)
{
	int ep = ep_new();

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	handle(0);
	interrupt_soon(NULL);
	ep_wait(ep, 4, -1);
	interrupted();
	handle(SA_RESTART);
	interrupt_soon(NULL);
	ep_wait(ep, 4, -1);
	interrupted();
	interrupt_soon(NULL);
	ep_wait(ep, 4, 9000);
	interrupted();
	TRY(far_text("abc"));
	ep_wait(ep, 4, -1);
}

static char handler_got[10];

static void handler_reads(int sig)
{
	int saved = errno;

	/* both are async-signal-safe */
	signals += (int)read(near_fd, handler_got, sizeof(handler_got));
	signals += (int)write(near_fd, "from the handler", 16);
	errno = saved;
}

/* data calls in a handler that interrupted a data call of the same socket */
TOPIC(in_handler)
{
	struct sigaction sa = { .sa_handler = handler_reads,
				.sa_flags = SA_RESTART };
	char buf[10];

	far_open();
	MUST(sigaction(SIGUSR1, &sa, NULL));
	set_nonblock(near_fd, true);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(raise(SIGUSR1));
	say("%d", (int)signals);
	say_data(handler_got, 3);
	TRY(far_do(act_read, 16, MSG_WAITALL));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

static volatile sig_atomic_t handler_fd, handler_connected, handler_failed;
static volatile sig_atomic_t handler_out; /* takes a byte each time */

static bool handler_data(int fd)
{
	char c;

	return !send(fd, &c, 0, MSG_DONTWAIT | MSG_NOSIGNAL) &&
	       (recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
		errno == EAGAIN);
}

/* all of it is async-signal-safe, and changes nothing */
static void handler_calls(int sig)
{
	struct pollfd p = { .fd = handler_fd, .events = POLLIN | POLLOUT };
	int saved = errno, val, copy;
	socklen_t len = sizeof(val);

	signals++;
	copy = dup(handler_fd);
	if (poll(&p, 1, 0) < 0 || p.revents & POLLNVAL || copy < 0 ||
	    getsockopt(copy, SOL_SOCKET, SO_TYPE, &val, &len) ||
	    (handler_connected && !handler_data(copy)) || close(copy) ||
	    send(handler_out, "x", 1, MSG_NOSIGNAL) != 1)
		handler_failed++;
	errno = saved;
}

#define STORM_SIGNALS 2000
#define STORM_ROUNDS 40

static void one_connection(int listener, int port)
{
	char ping[64] = "ping", pong[64];
	int fd, conn, i;

	fd = sock_dial(port);
	conn = (int)MUST(accept(listener, NULL, NULL));
	handler_fd = fd;
	handler_connected = true;
	for (i = 0; i < STORM_ROUNDS; i++) {
		MUST(send(fd, ping, sizeof(ping), 0));
		MUST(recv(conn, pong, sizeof(pong), MSG_WAITALL));
		MUST(send(conn, pong, sizeof(pong), 0));
		MUST(recv(fd, pong, sizeof(pong), MSG_WAITALL));
	}
	handler_connected = false;
	handler_fd = listener;
	MUST(close(fd));
	MUST(close(conn));
}

/* whatever a handler interrupts, its calls neither fail nor hang */
TOPIC(storm)
{
	struct itimerval often = { { 0, 150 }, { 0, 150 } }, never = { 0 };
	struct sigaction sa = { .sa_handler = handler_calls,
				.sa_flags = SA_RESTART },
			 was;
	int listener, port, out, in, i;
	char c;

	listener = sock_listener(8, &port);
	handler_fd = listener;
	out = sock_dial(port);
	in = (int)MUST(accept(listener, NULL, NULL));
	for (i = 0; i < STORM_ROUNDS; i++) { /* it may be a link then */
		MUST(send(out, "x", 1, 0));
		MUST(recv(in, &c, 1, 0));
		MUST(send(in, "x", 1, 0));
		MUST(recv(out, &c, 1, 0));
	}
	handler_out = out;
	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	while (signals < STORM_SIGNALS)
		one_connection(listener, port);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	MUST(close(out));
	for (i = 0; recv(in, &c, 1, 0) == 1; i++)
		;
	say("what handlers sent has come %d", i == signals);
	MUST(sigaction(SIGALRM, NULL, &was));
	say("failed %d", (int)handler_failed);
	say("the handler %d, flags %#x", was.sa_handler == handler_calls,
	    (unsigned)was.sa_flags);
}

#define WAITS_ROUNDS 800

static long act_echo(int fd, long rounds, long unused)
{
	char c;
	long i;

	for (i = 0; i < rounds; i++) {
		if (read(fd, &c, 1) != 1)
			return -1;
		usleep(200); /* so that the asker sleeps, not spins */
		if (write(fd, &c, 1) != 1)
			return -1;
	}
	return i;
}

/* waits in vain, for what never comes */
static void handler_waits(int sig)
{
	struct pollfd p = { .fd = handler_fd, .events = POLLIN };
	int saved = errno;

	signals++;
	handler_failed += poll(&p, 1, 1) != 0;
	errno = saved;
}

/* a handler sleeps, and whoever it interrupted was about to */
TOPIC(handler_sleeps)
{
	struct itimerval often = { { 0, 1700 }, { 0, 1700 } }, never = { 0 };
	struct sigaction sa = { .sa_handler = handler_waits,
				.sa_flags = SA_RESTART };
	int listener, port, fd, conn, i;
	char c;

	listener = sock_listener(8, &port);
	fd = sock_dial(port);
	conn = (int)MUST(accept(listener, NULL, NULL));
	for (i = 0; i < STORM_ROUNDS; i++) {
		MUST(write(fd, "a", 1));
		MUST(read(conn, &c, 1));
		MUST(write(conn, "a", 1));
		MUST(read(fd, &c, 1));
	}
	handler_fd = fd;
	far_open();
	far_go(act_echo, WAITS_ROUNDS, 0);
	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (i = 0; i < WAITS_ROUNDS; i++) {
		MUST(write(near_fd, "a", 1));
		MUST(read(near_fd, &c, 1));
	}
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	TRY(far_end());
	say("failed %d", (int)handler_failed);
}

/* SIGIO when something comes */
TOPIC(async_first)
{
	struct sigaction sa = { .sa_handler = on_signal };
	char buf[10];
	int i, before;

	/* before anything else, so that it stays in the kernel for good */
	far_open();
	MUST(sigaction(SIGIO, &sa, NULL));
	TRY(fcntl(near_fd, F_SETOWN, getpid()));
	TRY(fcntl(near_fd, F_SETFL, O_RDWR | O_ASYNC));
	for (i = 0; i < 100; i++) {
		before = signals;
		MUST(far_text("abc"));
		until_input(near_fd, 3);
		UNTIL(signals > before);
		MUST(recv(near_fd, buf, 3, 0));
		MUST(send(near_fd, "abc", 3, 0));
		MUST(far_do(act_pull, 3, 0));
	}
}

TOPIC(async)
{
	struct sigaction sa = { .sa_handler = on_signal };
	char buf[10];

	far_open();
	MUST(sigaction(SIGIO, &sa, NULL));
	TRY(fcntl(near_fd, F_SETOWN, getpid()));
	TRY(fcntl(near_fd, F_SETFL, O_RDWR | O_ASYNC));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	UNTIL(signals);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}
