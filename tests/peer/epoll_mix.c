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

static void *wait_thread(void *arg)
{
	struct epoll_event ev;
	long n = epoll_wait(*(int *)arg, &ev, 1, -1);

	return (void *)(n * 100 + (long)ev.data.u64);
}

static pid_t started;

static void *wait_started(void *arg)
{
	__atomic_store_n(&started, gettid(), __ATOMIC_RELEASE);
	return wait_thread(arg);
}

/* registered while another thread waits: that one wakes */
TOPIC(add_while_waiting)
{
	int ep = ep_new();
	pthread_t thread;
	void *ret;

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	if (pthread_create(&thread, NULL, wait_started, &ep))
		die("pthread_create");
	UNTIL(__atomic_load_n(&started, __ATOMIC_ACQUIRE));
	until_asleep(started);
	ep_add(ep, near_fd, EPOLLIN, 7);
	pthread_join(thread, &ret);
	say("the waiter says %ld", (long)ret);
}

TOPIC(mod_while_waiting)
{
	int ep = ep_new();
	pthread_t thread;
	void *ret;

	far_open();
	ep_add(ep, near_fd, 0, 6);
	if (pthread_create(&thread, NULL, wait_started, &ep))
		die("pthread_create");
	UNTIL(__atomic_load_n(&started, __ATOMIC_ACQUIRE));
	until_asleep(started);
	ep_mod(ep, near_fd, EPOLLOUT, 8);
	pthread_join(thread, &ret);
	say("the waiter says %ld", (long)ret);
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
		if (pthread_create(&threads[i], NULL, wait_thread, &ep))
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
