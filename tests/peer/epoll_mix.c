/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_mix.c - nested instances, early registration, other descriptors */
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "tests/peer/epoll.h"

static long text_now(int fd, long text, long unused)
{
	return act_text(fd, text, 0);
}

TOPIC(nested)
{
	int inner = ep_new(), outer = ep_new();
	struct pollfd p = { .fd = outer, .events = POLLIN };
	char buf[10];

	far_open();
	ep_add(outer, inner, EPOLLIN, 1);
	ep_add(inner, near_fd, EPOLLIN, 2);
	ep_wait(outer, 4, 0);
	far_go(text_now, (long)"abc", 0);
	ep_wait(outer, 4, -1);
	far_end();
	ep_wait(inner, 4, 1000);
	ep_wait(outer, 4, 1000);
	say_poll("outer", outer, POLLIN);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_poll("outer", outer, POLLIN);
	ep_wait(outer, 4, 0);
	far_go(text_now, (long)"def", 0);
	TRY(poll(&p, 1, -1));
	far_end();
	ep_wait(outer, 4, 1000);
	ep_add(inner, outer, EPOLLIN, 3); /* a circle */
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(act_close, 0, 0);
	ep_wait(outer, 4, -1);
	far_end();
	ep_wait(inner, 4, 1000);
}

/* what is closed is in no other instance, whoever has its number then */
TOPIC(nested_closed)
{
	int outer = ep_new(), inner = ep_new(), fds[8], i, port, listener;

	listener = sock_listener(8, &port);
	ep_add(outer, inner, EPOLLIN | EPOLLOUT, 1);
	ep_wait(outer, 4, 0);
	MUST(close(inner));
	for (i = 0; i < 8; i += 2) {
		fds[i] = sock_dial(port);
		fds[i + 1] = sock_accept(listener);
		TRY(send(fds[i], "a", 1, 0));
		TRY(send(fds[i + 1], "b", 1, 0));
		until_input(fds[i], 1);
		until_input(fds[i + 1], 1);
		ep_wait(outer, 4, 0);
	}
}

/* an instance with one of ours inside, in poll and select */
TOPIC(in_poll)
{
	struct pollfd p[2];
	int ep = ep_new();
	char buf[10];
	fd_set rd;

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	p[0] = (struct pollfd){ ep, POLLIN | POLLOUT, 0 };
	p[1] = (struct pollfd){ near_fd, POLLIN, 0 };
	TRY(poll(p, 2, 0));
	far_go(text_now, (long)"abc", 0);
	TRY(poll(p, 1, -1));
	say("%s", mask((unsigned short)p[0].revents));
	far_end();
	TRY(poll(p, 2, -1));
	FD_ZERO(&rd);
	FD_SET(ep, &rd);
	TRY(select(ep + 1, &rd, NULL, NULL, NULL));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(poll(p, 2, 0));
	ep_mod(ep, near_fd, EPOLLIN | EPOLLET, 2);
	far_go(text_now, (long)"abc", 0);
	TRY(poll(p, 1, -1));
	far_end();
	ep_wait(ep, 4, 1000);
	TRY(poll(p, 1, 0)); /* an edge that was told is gone */
}

TOPIC(before_connect)
{
	struct sockaddr_storage addr;
	int ep = ep_new(), listener, port, fd, conn;
	socklen_t len;
	char buf[10];

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	ep_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 1);
	ep_wait(ep, 4, 1000); /* a fresh socket: out and hang-up */
	ep_mod(ep, fd, EPOLLIN, 2);
	len = addr_loop(&addr, family_client(), port);
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	ep_wait(ep, 4, 0);
	conn = sock_accept(listener);
	TRY(send(conn, "abc", 3, 0));
	ep_wait(ep, 4, 5000);
	TRY(recv(fd, buf, sizeof(buf), 0));
	ep_wait(ep, 4, 0);
	TRY(close(conn));
	ep_wait(ep, 4, 5000);
}

TOPIC(before_listen)
{
	struct sockaddr_storage addr;
	int ep = ep_new(), fd = sock_tcp(family_server());
	socklen_t len;

	ep_add(ep, fd, EPOLLIN, 1);
	ep_wait(ep, 4, 1000);
	len = addr_loop(&addr, family_server(), 0);
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	ep_wait(ep, 4, 1000);
	TRY(listen(fd, 4));
	ep_wait(ep, 4, 0);
	close(sock_dial(local_port(fd)));
	ep_wait(ep, 4, 5000);
	close(sock_accept(fd));
	ep_wait(ep, 4, 0);
}

TOPIC(refused)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), 0);
	int ep = ep_new(), holder = sock_tcp(family_client()), fd;

	MUST(bind(holder, (struct sockaddr *)&addr, len));
	len = addr_loop(&addr, family_client(), local_port(holder));
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	ep_add(ep, fd, EPOLLOUT | EPOLLIN | EPOLLET, 1);
	until_poll(fd, POLLERR | POLLHUP);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	say_error("client", fd);
	ep_mod(ep, fd, EPOLLOUT | EPOLLIN, 2);
	ep_wait(ep, 4, 1000);
}

/* all sorts of things in one instance */
TOPIC(sorts)
{
	struct itimerspec its = { .it_value = { 0, 1000000 } };
	int ep = ep_new(), pipes[2], evfd, tfd;
	uint64_t one = 1;
	char buf[10];

	far_open();
	MUST(pipe(pipes));
	evfd = (int)MUST(eventfd(0, EFD_NONBLOCK));
	tfd = (int)MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	ep_add(ep, pipes[0], EPOLLIN, 1);
	ep_add(ep, evfd, EPOLLIN, 2);
	ep_add(ep, tfd, EPOLLIN, 3);
	ep_add(ep, near_fd, EPOLLIN, 4);
	ep_wait_sorted(ep, 8, 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait_sorted(ep, 8, 1000);
	MUST(write(pipes[1], "x", 1));
	ep_gather(ep, 1 << 1 | 1 << 4);
	MUST(write(evfd, &one, sizeof(one)));
	ep_gather(ep, 1 << 1 | 1 << 2 | 1 << 4);
	MUST(timerfd_settime(tfd, 0, &its, NULL));
	ep_gather(ep, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_wait_sorted(ep, 8, 1000);
	MUST(read(pipes[0], buf, 1));
	MUST(read(evfd, &one, sizeof(one)));
	ep_wait_sorted(ep, 8, 1000);
	MUST(read(tfd, &one, sizeof(one)));
	ep_wait_sorted(ep, 8, 0);
	/* each wakes a sleeping wait */
	its.it_value.tv_nsec = 30000000;
	MUST(timerfd_settime(tfd, 0, &its, NULL));
	ep_wait_sorted(ep, 8, -1);
	MUST(read(tfd, &one, sizeof(one)));
	far_go(text_now, (long)"abc", 0);
	ep_wait_sorted(ep, 8, -1);
	far_end();
}

/* a socket that is always ready starves nobody */
TOPIC(fair)
{
	int ep = ep_new(), pipes[2], fds[2], i;
	struct epoll_event ev;
	unsigned seen = 0;

	sock_pair(fds);
	MUST(pipe(pipes));
	ep_add(ep, fds[0], EPOLLOUT, 1);
	ep_add(ep, pipes[0], EPOLLIN, 2);
	MUST(write(pipes[1], "x", 1));
	for (i = 0; i < 10000 && seen != 6; i++)
		if (MUST(epoll_wait(ep, &ev, 1, 1000)) == 1)
			seen |= 1u << ev.data.u64;
	say("seen %#x", seen);
}

/* registered while another thread waits: that one wakes */
TOPIC(add_while_waiting)
{
	int ep = ep_new();
	pthread_t thread;

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	thread = asleep_in(wait_started, &ep);
	ep_add(ep, near_fd, EPOLLIN, 7);
	say_waiter(thread);
}

TOPIC(mod_while_waiting)
{
	int ep = ep_new();
	pthread_t thread;

	far_open();
	ep_add(ep, near_fd, 0, 6);
	thread = asleep_in(wait_started, &ep);
	ep_mod(ep, near_fd, EPOLLOUT, 8);
	say_waiter(thread);
}

static int64_t cpu_ms(pthread_t thread)
{
	struct timespec ts;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock))
		die("pthread_getcpuclockid");
	MUST(clock_gettime(clock, &ts));
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The only socket in it is gone, and something came for one that is in another
 * instance: who waits here sleeps all the same. */
TOPIC(idle_without_sockets)
{
	int ep = ep_new(), inner = ep_new(), other = ep_new();
	int fds[2], pipes[2];
	struct timespec ts = { 0, 200000000 };
	pthread_t thread;
	int64_t before;

	sock_pair(fds);
	far_open();
	MUST(pipe(pipes));
	ep_add(ep, near_fd, 0, 1);
	ep_add(ep, inner, EPOLLIN, 2);
	ep_add(ep, pipes[0], EPOLLIN, 3);
	ep_add(other, fds[0], EPOLLIN, 4);
	ep_wait(ep, 4, 10);
	ep_wait(other, 4, 10);
	TRY(close(near_fd));
	TRY(send(fds[1], "abc", 3, 0));
	thread = asleep_in(wait_started, &ep);
	before = cpu_ms(thread);
	MUST(nanosleep(&ts, NULL));
	say("busy %d", cpu_ms(thread) - before > 100);
	TRY(write(pipes[1], "x", 1));
	say_waiter(thread);
	ep_wait(other, 4, 0);
}

/* the peer's end is an edge behind one's own, whoever was woken by that */
TOPIC(end_behind_own)
{
	int ep = ep_new(), fds[2], i;
	pthread_t thread;

	for (i = 0; i < 3; i++) {
		sock_pair(fds);
		near_fd = fds[0];
		ep_add(ep, near_fd, EPOLLIN | EPOLLET, 9);
		thread = asleep_in(poll_near, NULL);
		TRY(shutdown(near_fd, SHUT_RDWR));
		say_waiter(thread);
		ep_wait(ep, 4, 1000);
		TRY(shutdown(fds[1], SHUT_RDWR));
		ep_wait(ep, 4, 1000);
		TRY(close(near_fd));
		TRY(close(fds[1]));
	}
	near_fd = -1;
}

/* two threads wait in one instance for an edge: one is told */
TOPIC(two_waiters)
{
	int ep = ep_new(), i;
	pthread_t threads[2];
	long sum = 0;
	void *ret;

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 7);
	for (i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, wait_one, &ep))
			die("pthread_create");
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(far_text("def")); /* a second edge for the second thread */
	until_input(near_fd, 6);
	ep_mod(ep, near_fd, EPOLLIN, 7); /* should it have come too early */
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], &ret);
		sum += (long)ret;
	}
	say("together %ld", sum);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

static int given_up; /* an instance that is closed while a thread waits */

static void *wait_given_up(void *unused)
{
	struct epoll_event ev = { 0 };
	long n;

	__atomic_store_n(&started, gettid(), __ATOMIC_RELEASE);
	n = epoll_wait(given_up, &ev, 1, -1);
	return (void *)(n < 0 ? -(long)errno : (long)ev.data.u64);
}

static void give_up(pthread_t *thread, int pipe_end, bool by_dup)
{
	given_up = ep_new();
	ep_add(given_up, near_fd, EPOLLIN, 5);
	ep_add(given_up, pipe_end, EPOLLIN, 6);
	*thread = asleep_in(wait_given_up, NULL);
	if (by_dup) {
		TRY(dup2(pipe_end, given_up) == given_up);
	} else {
		TRY(close(given_up));
		say("the number again %d", ep_new() == given_up);
	}
	until_asleep(started);
}

static void until_given_up(pthread_t thread)
{
	say_waiter(thread);
	MUST(close(given_up)); /* what the number has come to mean */
}

/* who waits in an instance goes on when its number is closed, and means
 * another */
TOPIC(closed_while_waiting)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int pipes[2], by_dup;
	pthread_t thread;
	char buf[10];

	far_open();
	MUST(pipe(pipes));
	MUST(sigaction(SIGUSR1, &sa, NULL));
	for (by_dup = 0; by_dup < 2; by_dup++) {
		give_up(&thread, pipes[0], by_dup);
		TRY(far_text("abc"));
		until_given_up(thread);
		TRY(recv(near_fd, buf, 3, MSG_WAITALL));
		give_up(&thread, pipes[0], by_dup);
		TRY(write(pipes[1], "x", 1));
		until_given_up(thread);
		TRY(read(pipes[0], buf, 1));
		give_up(&thread, pipes[0], by_dup);
		MUST(-pthread_kill(thread, SIGUSR1));
		until_given_up(thread);
	}
}

TOPIC(pwait)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct timespec ts = { 0, 60000000 };
	sigset_t blocked, none;
	struct epoll_event ev;
	int ep = ep_new();
	int64_t start;

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	MUST(raise(SIGUSR1));
	TRY(epoll_pwait(ep, &ev, 1, 1, NULL));
	say("signals %d", (int)signals);
	TRY(epoll_pwait(ep, &ev, 1, -1, &none));
	say("signals %d", (int)signals);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	MUST(raise(SIGUSR1));
	TRY(epoll_pwait(ep, &ev, 1, -1, &none)); /* both: readiness */
	say("signals %d", (int)signals);
	TRY(epoll_pwait2(ep, &ev, 1, NULL, &blocked));
	TRY(recv(near_fd, &ev, 3, 0));
	start = now_ms();
	TRY(epoll_pwait2(ep, &ev, 1, &ts, NULL));
	say("lasted long enough %d", now_ms() - start >= 59);
	ts.tv_nsec = -1;
	TRY(epoll_pwait2(ep, &ev, 1, &ts, NULL));
}
