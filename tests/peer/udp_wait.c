/* SPDX-License-Identifier: Apache-2.0 */
/* udp_wait.c - datagrams: who waits for them, and how it ends */
#include <sys/epoll.h>
#include <sys/select.h>

#include "tests/peer/udp.h"

TOPIC(polled)
{
	struct pollfd p;
	fd_set set;

	udp_open(1, 0);
	p.fd = near_fd;
	say_poll("near", near_fd, POLLIN);
	say_poll("near", near_fd, POLLIN | POLLOUT);
	TRY(udp_text("one"));
	TRY(udp_text("two"));
	say_poll("near", near_fd, POLLIN);
	say_poll("near", near_fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	udp_get("one", 100, 0);
	say_poll("near", near_fd, POLLIN);
	udp_get("two", 100, 0);
	say_poll("near", near_fd, POLLIN);
	p.events = POLLIN;
	TRY(poll(&p, 1, 20));
	far_go(udp_send, (long)"wakes", 0);
	TRY(poll(&p, 1, DEADLINE_MS));
	far_end();
	say("%s", mask((unsigned short)p.revents));
	udp_get("what woke", 100, 0);
	FD_ZERO(&set);
	FD_SET(near_fd, &set);
	far_go(udp_send, (long)"again", 0);
	TRY(select(near_fd + 1, &set, NULL, NULL, NULL));
	far_end();
	say("in the set: %d", FD_ISSET(near_fd, &set) != 0);
	udp_get("again", 100, 0);
}

static int ep;

static void waited(const char *what, int ms)
{
	struct epoll_event ev[4];
	int i, n = epoll_wait(ep, ev, 4, ms);

	say("%s: epoll_wait = %d", what, n);
	for (i = 0; i < n; i++)
		say("  %s of %llu", mask(ev[i].events),
		    (unsigned long long)ev[i].data.u64);
}

static void member(int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.u64 = 77 };

	MUST(epoll_ctl(ep, op, near_fd, &ev));
}

/* @late: it is in the instance only when there are links already */
static void ep_open(uint32_t events, bool late)
{
	bool warm = mode.warm;

	ep = (int)MUST(epoll_create1(0));
	mode.warm = false;
	udp_open(1, 0);
	mode.warm = warm;
	if (!late)
		member(EPOLL_CTL_ADD, events);
	if (warm)
		udp_warm(0);
	if (late)
		member(EPOLL_CTL_ADD, events);
}

static void level(bool late)
{
	ep_open(EPOLLIN, late);
	waited("nothing", 0);
	TRY(udp_text("one"));
	TRY(udp_text("two"));
	waited("two", 0);
	waited("two", 0);
	udp_get("one", 100, 0);
	waited("one left", 0);
	udp_get("two", 100, 0);
	waited("none", 0);
	waited("none", 20);
	far_go(udp_send, (long)"wakes", 0);
	waited("wakes", DEADLINE_MS);
	far_end();
	udp_get("wakes", 100, 0);
	member(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	waited("room", 0);
	TRY(udp_text("one"));
	waited("room and input", 0);
	udp_get("one", 100, 0);
	member(EPOLL_CTL_MOD, EPOLLIN);
	waited("nothing", 0);
	TRY(udp_text("unasked"));
	member(EPOLL_CTL_DEL, 0);
	waited("not a member", 0);
	member(EPOLL_CTL_ADD, EPOLLIN);
	waited("again", 0);
	udp_get("unasked", 100, 0);
}

TOPIC(level)
{
	level(false);
}

TOPIC(level_late)
{
	level(true);
}

static void edge(bool late)
{
	ep_open(EPOLLIN | EPOLLET, late);
	waited("what there was", 0);
	waited("nothing", 0);
	TRY(udp_text("one"));
	waited("one", 0);
	waited("told", 0);
	TRY(udp_text("two"));
	waited("two", 0);
	waited("told", 0);
	udp_get("one", 100, 0);
	waited("no edge", 0);
	udp_get("two", 100, 0);
	waited("no edge", 0);
	far_go(udp_send, (long)"wakes", 0);
	waited("wakes", DEADLINE_MS);
	far_end();
	waited("told", 20);
	member(EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
	waited("modified", 0);
	udp_get("wakes", 100, 0);
}

TOPIC(edge)
{
	edge(false);
}

TOPIC(edge_late)
{
	edge(true);
}

TOPIC(oneshot)
{
	bool warm = mode.warm;

	ep_open(EPOLLIN | EPOLLONESHOT, false);
	if (warm) /* it has fired */
		waited("fired while it warmed", 0);
	member(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	waited("nothing", 0);
	TRY(udp_text("one"));
	waited("one", 0);
	waited("told", 0);
	TRY(udp_text("two"));
	waited("told", 20);
	member(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	waited("armed", 0);
	waited("told", 0);
	udp_get("one", 100, 0);
	udp_get("two", 100, 0);
	member(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
	waited("nothing", 20);
	far_go(udp_send, (long)"wakes", 0);
	waited("wakes", DEADLINE_MS);
	far_end();
	udp_get("wakes", 100, 0);
}

/* Somebody else's datagrams come by the kernel all the time. */
TOPIC(beside_kernels)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int other, i;

	udp_open(1, 0);
	/* it names its own address, so that no rule is for it */
	other = (int)MUST(socket(family_server(), SOCK_DGRAM, 0));
	set_int(other, SOL_SOCKET, SO_BROADCAST, 1);
	len = addr_loop(&addr, family_server(), near_port);
	for (i = 0; i < 100; i++) {
		if (sendto(other, "kernel", 6, 0, (void *)&addr, len) != 6)
			die("sendto: %s", errname(errno));
		if (far_do(udp_send, (long)"ring", 0) != 4)
			die("ring");
	}
	for (i = 0; i < 200; i++)
		if (recv(near_fd, &addr, sizeof(addr), MSG_DONTWAIT) < 4)
			die("%d: %s", i, errname(errno));
	TRY(recv(near_fd, &addr, sizeof(addr), MSG_DONTWAIT));
}

static void *reader(void *arg)
{
	return (void *)recv(near_fd, arg, 32, 0);
}

TOPIC(two_threads)
{
	static char buf[2][32];
	pthread_t a, b;
	void *ret;

	udp_open(1, 0);
	pthread_create(&a, NULL, reader, buf[0]);
	pthread_create(&b, NULL, reader, buf[1]);
	TRY(udp_text("same"));
	TRY(udp_text("text"));
	pthread_join(a, &ret);
	say("the one: %ld", (long)ret);
	pthread_join(b, &ret);
	say("the other: %ld", (long)ret);
	TRY(recv(near_fd, buf[0], 32, MSG_DONTWAIT));
}

static void on_alarm(int sig)
{
}

TOPIC(interrupted)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct timeval tv = { .tv_sec = 5 };
	char byte;

	udp_open(1, 0);
	MUST(sigaction(SIGALRM, &sa, NULL));
	alarm(1);
	TRY(recv(near_fd, &byte, 1, 0));
	sa.sa_flags = SA_RESTART;
	MUST(sigaction(SIGALRM, &sa, NULL));
	MUST(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	alarm(1);
	TRY(recv(near_fd, &byte, 1, 0));
	alarm(20);
}

TOPIC(copied)
{
	int copy;

	udp_open(1, 0);
	copy = TRY_FD(dup(near_fd));
	TRY(udp_text("one"));
	TRY(close(near_fd));
	near_fd = copy;
	TRY(udp_text("two"));
	udp_get("one", 100, 0);
	udp_get("two", 100, 0);
	copy = TRY_FD(dup2(near_fd, near_fd + 10));
	TRY(close(near_fd));
	near_fd = copy;
	TRY(udp_text("three"));
	udp_get("three", 100, 0);
	TRY(sendto(near_fd, "x", 1, 0, (void *)&far_addr[0], far_len[0]));
	TRY(far_do(udp_read, 100, 0));
}

/* Parent and child have the socket: each datagram goes to one of them. */
TOPIC(forked)
{
	pid_t pid;
	int i;

	udp_open(1, 0);
	TRY(udp_text("before"));
	udp_get("before", 100, 0);
	pid = child_start();
	if (!pid) {
		for (i = 0; i < 3; i++)
			udp_get("child", 100, 0);
		TRY(sendto(near_fd, "child", 5, 0, (void *)&far_addr[0],
			   far_len[0]));
		_exit(0);
	}
	for (i = 0; i < 3; i++)
		MUST(udp_text("for the child"));
	child_end(pid);
	TRY(far_do(udp_read, 100, 0));
	TRY(udp_text("after"));
	udp_get("after", 100, 0);
	TRY(sendto(near_fd, "x", 1, 0, (void *)&far_addr[0], far_len[0]));
	TRY(far_do(udp_read, 100, 0));
}

static int to_fd;

static void refused_by_and_by(void)
{
	int64_t end = now_ms() + DEADLINE_MS;
	int refused = 0;

	while (!refused && now_ms() < end) {
		if (send(to_fd, "anybody?", 8, 0) < 0)
			refused = errno;
		else
			poll(NULL, 0, 1);
	}
	say("in the end: %s", errname(refused));
}

/* The actor opens a socket in a process of its own, which is killed. */
TOPIC(killed)
{
	int port[2], status, where, i;
	char buf[16];
	pid_t pid;

	MUST(pipe(port));
	pid = fork();
	if (!pid) {
		struct sockaddr_storage from;
		socklen_t len;

		near_fd = udp_near(&where);
		MUST(write(port[1], &where, sizeof(where)));
		for (;;) {
			len = sizeof(from);
			MUST(recvfrom(near_fd, buf, sizeof(buf), 0,
				      (void *)&from, &len));
			MUST(sendto(near_fd, "yes", 3, 0, (void *)&from, len));
		}
	}
	MUST(read(port[0], &where, sizeof(where)));
	to_fd = udp_near(&i);
	near_port = where;
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_server(), where);
	MUST(connect(to_fd, (void *)&addr, len));
	for (i = 0; i < 160; i++) {
		MUST(send(to_fd, "there?", 6, 0));
		MUST(recv(to_fd, buf, sizeof(buf), 0));
		if (i % 8 == 0)
			poll(NULL, 0, 1);
	}
	MUST(kill(pid, SIGKILL));
	MUST(waitpid(pid, &status, 0));
	refused_by_and_by();
	TRY(recv(to_fd, buf, sizeof(buf), MSG_DONTWAIT));
}

static void *waits(void *arg)
{
	static char buf[32];

	*(_Atomic pid_t *)arg = gettid();
	return (void *)recv(near_fd, buf, 32, 0);
}

/* A call that has begun keeps what it waits for. */
TOPIC(closed_meanwhile)
{
	_Atomic pid_t tid = 0;
	pthread_t a;
	void *ret;

	udp_open(1, 0);
	pthread_create(&a, NULL, waits, (void *)&tid);
	UNTIL(tid);
	until_asleep(tid);
	TRY(close(near_fd));
	TRY(udp_text("for who waits"));
	pthread_join(a, &ret);
	say("it got %ld", (long)ret);
}
