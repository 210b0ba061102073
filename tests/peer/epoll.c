/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.c - epoll instances: level, one-shot, errors, data, life and death */
#include "tests/peer/epoll.h"

TOPIC(level)
{
	int ep = ep_new(), i;
	char buf[10];

	far_open();
	ep_wait(ep, 4, 0);
	ep_add(ep, near_fd, EPOLLIN, 1);
	ep_wait(ep, 4, 0);
	TRY(far_text("abcdef"));
	until_input(near_fd, 6);
	for (i = 0; i < 3; i++)
		ep_wait(ep, 4, 1000);
	TRY(recv(near_fd, buf, 3, 0));
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, 3, 0));
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLOUT, 2);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 1000);
	ep_mod(ep, near_fd, 0, 3);
	ep_wait(ep, 4, 0);
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLRDHUP, 4);
	ep_wait(ep, 4, 1000);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI, 5);
	ep_wait(ep, 4, 1000);
	TRY(shutdown(near_fd, SHUT_WR));
	until_poll(near_fd, POLLHUP);
	ep_wait(ep, 4, 1000);
	ep_mod(ep, near_fd, 0, 6);
	ep_wait(ep, 4, 1000); /* HUP is always told */
}

static long text_now(int fd, long text, long unused)
{
	return act_text(fd, text, 0);
}

TOPIC(blocks)
{
	int ep = ep_new();
	int64_t start;
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	far_go(text_now, (long)"abc", 0);
	ep_wait(ep, 4, -1);
	far_end();
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(text_now, (long)"def", 0);
	ep_wait(ep, 4, 5000);
	far_end();
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	start = now_ms();
	ep_wait(ep, 4, 60);
	say("lasted long enough %d", now_ms() - start >= 59);
	say("not too long %d", now_ms() - start < 3000);
	ep_mod(ep, near_fd, EPOLLRDHUP, 2);
	far_go(act_close, 0, 0);
	ep_wait(ep, 4, -1);
	far_end();
}

TOPIC(oneshot)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLONESHOT, 1);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(far_text("def"));
	until_input(near_fd, 6);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLONESHOT, 2);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_mod(ep, near_fd, EPOLLIN | EPOLLONESHOT, 3);
	ep_wait(ep, 4, 0);
	far_go(text_now, (long)"ghi", 0);
	ep_wait(ep, 4, -1);
	far_end();
	ep_wait(ep, 4, 0);
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	TRY(shutdown(near_fd, SHUT_WR));
	until_poll(near_fd, POLLHUP);
	ep_wait(ep, 4, 0); /* disabled: not even HUP */
	ep_mod(ep, near_fd, EPOLLONESHOT, 4);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

TOPIC(errors)
{
	int ep = ep_new(), listener, port;
	volatile int below = -1;
	struct epoll_event ev;

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	ep_add(ep, near_fd, EPOLLIN, 2);
	ep_mod(ep, near_fd, EPOLLOUT, 3);
	ep_wait(ep, 4, 1000);
	ep_del(ep, near_fd);
	ep_del(ep, near_fd);
	ep_mod(ep, near_fd, EPOLLOUT, 4);
	ep_wait(ep, 4, 0);
	ep_add(ep, near_fd, EPOLLOUT, 5);
	ep_wait(ep, 4, 1000);
	TRY(epoll_ctl(ep, 17, near_fd, &ev));
	TRY(epoll_ctl(-1, EPOLL_CTL_ADD, near_fd, &ev));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, -1, &ev));
	TRY(epoll_ctl(ep, EPOLL_CTL_DEL, 901, &ev));
	TRY(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
	TRY(epoll_ctl(near_fd, EPOLL_CTL_ADD, ep, &ev));
	TRY(epoll_ctl(near_fd, EPOLL_CTL_ADD, near_fd, &ev));
	TRY(epoll_wait(ep, &ev, 0, 0));
	TRY(epoll_wait(ep, &ev, below, 0));
	TRY(epoll_wait(near_fd, &ev, 1, 0));
	TRY(epoll_wait(-1, &ev, 1, 0));
	TRY(epoll_pwait(ep, &ev, 0, 0, NULL));
	listener = sock_listener(8, &port);
	ep_mod(ep, listener, EPOLLIN, 6);
	ep_del(ep, listener);
	TRY(epoll_create(0));
	TRY(epoll_create1(12345));
	TRY(close(ep));
	ep_add(ep, near_fd, EPOLLIN, 7);
	TRY(epoll_wait(ep, &ev, 1, 0));
}

TOPIC(exclusive)
{
	int ep = ep_new();

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE, 1);
	ep_wait(ep, 4, 1000);
	ep_mod(ep, near_fd, EPOLLIN, 2); /* may not */
	ep_mod(ep, near_fd, EPOLLIN | EPOLLEXCLUSIVE, 2);
	ep_del(ep, near_fd);
	ep_add(ep, near_fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 3);
	ep_add(ep, near_fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLRDHUP, 3);
	ep_add(ep, near_fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, 4);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

/* the program's data comes back to the bit, whatever it looks like */
TOPIC(data)
{
	static const uint64_t data[] = { 0,
					 1,
					 0xffffffff,
					 0xffffffffffffffff,
					 0x8000000000000000,
					 0x5a50495f00000003,
					 0x00007fff12345678 };
	int ep = ep_new();
	size_t i;

	far_open();
	ep_add(ep, near_fd, EPOLLOUT, 12345);
	for (i = 0; i < COUNT(data); i++) {
		ep_mod(ep, near_fd, EPOLLOUT, data[i]);
		ep_wait(ep, 4, 1000);
		ep_mod(ep, near_fd, EPOLLOUT | EPOLLET, data[i] - 1);
		ep_wait(ep, 4, 1000);
	}
	for (i = 0; i < COUNT(data); i++) {
		ep_del(ep, near_fd);
		ep_add(ep, near_fd, EPOLLOUT, data[i]);
		ep_wait(ep, 4, 1000);
	}
}

TOPIC(two_instances)
{
	int a = ep_new(), b = ep_new();
	char buf[10];

	far_open();
	ep_add(a, near_fd, EPOLLIN, 1);
	ep_add(b, near_fd, EPOLLIN | EPOLLOUT, 2);
	ep_wait(a, 4, 0);
	ep_wait(b, 4, 1000);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(a, 4, 1000);
	ep_wait(b, 4, 1000);
	ep_mod(b, near_fd, EPOLLIN | EPOLLET, 3);
	ep_wait(b, 4, 1000);
	ep_wait(b, 4, 0);
	ep_wait(a, 4, 1000);
	ep_del(a, near_fd);
	ep_wait(a, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(text_now, (long)"def", 0);
	ep_wait(b, 4, -1);
	far_end();
	TRY(close(a));
	ep_wait(b, 4, 0);
	ep_mod(b, near_fd, EPOLLIN, 4);
	ep_wait(b, 4, 1000);
}

/* registrations go with the last descriptor */
TOPIC(removal)
{
	int ep = ep_new(), copy;

	far_open();
	ep_add(ep, near_fd, EPOLLOUT, 1);
	ep_wait(ep, 4, 1000);
	copy = TRY_FD(dup(near_fd));
	TRY(close(near_fd));
	ep_wait(ep, 4, 1000); /* the description lives on */
	ep_del(ep, near_fd);
	ep_del(ep, copy);
	TRY(close(copy));
	ep_wait(ep, 4, 0);
	far_do(act_close, 0, 0);
}

TOPIC(number_again)
{
	int fds[2], ep = ep_new();
	int old;

	sock_pair(fds);
	ep_add(ep, fds[0], EPOLLOUT, 1);
	ep_wait(ep, 4, 1000);
	old = fds[0];
	TRY(close(fds[0]));
	ep_wait(ep, 4, 0);
	TRY(close(fds[1]));
	sock_pair(fds);
	say("same number %d", fds[0] == old || fds[1] == old);
	ep_wait(ep, 4, 0); /* the new one is not registered */
	ep_mod(ep, old, EPOLLOUT, 2);
	ep_add(ep, old, EPOLLOUT, 3);
	ep_wait(ep, 4, 1000);
	MUST(dup2(0, old)); /* closes it too */
	ep_wait(ep, 4, 0);
}

TOPIC(dup)
{
	int ep = ep_new(), copy;
	char buf[10];

	far_open();
	copy = TRY_FD(dup(near_fd));
	ep_add(ep, near_fd, EPOLLIN, 1);
	ep_add(ep, copy, EPOLLIN | EPOLLOUT, 2);
	ep_wait_sorted(ep, 4, 1000);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait_sorted(ep, 4, 1000);
	TRY(recv(copy, buf, sizeof(buf), 0));
	ep_wait_sorted(ep, 4, 1000);
	ep_del(ep, copy);
	ep_wait_sorted(ep, 4, 0);
	ep_add(ep, copy, EPOLLOUT, 3);
	TRY(close(near_fd));
	ep_wait_sorted(ep, 4, 1000);
	TRY(far_text("abc"));
	until_input(copy, 3);
	ep_wait_sorted(ep, 4, 1000); /* the closed number is told still */
}

/* the instance itself as a descriptor */
TOPIC(instance)
{
	int ep = ep_new(), copy, listener, port;

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 1);
	copy = TRY_FD(dup(ep));
	say_poll("instance", ep, POLLIN | POLLOUT);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	say_poll("instance", ep, POLLIN | POLLOUT);
	ep_wait(copy, 4, 1000);
	TRY(close(ep));
	ep_wait(copy, 4, 1000);
	listener = sock_listener(8, &port);
	ep_add(copy, listener, EPOLLIN, 2);
	ep_wait(copy, 4, 1000);
	ep_del(copy, near_fd);
	ep_wait(copy, 4, 0);
	TRY(fcntl(copy, F_GETFD));
	TRY(close(copy));
	TRY(recv(near_fd, (char[4]){ 0 }, 4, MSG_DONTWAIT));
}

/* fewer places than ready sockets: all have their turn; @settled: what moves to
 * shared memory has done so, as a registered socket, before the first turn */
static void few_places(bool settled)
{
	int ep = ep_new(), fds[5][2], i, turns = 0;
	struct epoll_event ev[2];
	unsigned seen = 0;

	for (i = 0; i < 5; i++) {
		sock_pair(fds[i]);
		ep_add(ep, fds[i][0], EPOLLIN, (uint64_t)i);
		if (settled)
			sock_warm(fds[i]);
		MUST(send(fds[i][1], "x", 1, 0));
		until_input(fds[i][0], 1);
	}
	for (i = 0; i < 5 && seen != 31; i++, turns++) {
		int n;

		/* the library asks the kernel now and then only, if it has
		 * something to report; and one of these may be there */
		poll(NULL, 0, 1);
		n = (int)MUST(epoll_wait(ep, ev, 2, 1000));
		while (n--)
			seen |= 1u << ev[n].data.u64;
	}
	say("seen %#x in %d turns", seen, turns);
	poll(NULL, 0, 1);
	say("all at once %d", epoll_wait(ep, (struct epoll_event[9]){}, 9, 0));
}

TOPIC(few_places)
{
	few_places(true);
}

TOPIC(few_moving)
{
	few_places(false);
}

TOPIC(listener)
{
	int ep = ep_new(), listener, port, fd, conn;

	listener = sock_listener(8, &port);
	ep_add(ep, listener, EPOLLIN | EPOLLOUT, 1);
	ep_wait(ep, 4, 0);
	fd = sock_dial(port);
	ep_wait(ep, 4, 5000);
	ep_wait(ep, 4, 1000);
	conn = sock_accept(listener);
	ep_wait(ep, 4, 0);
	ep_add(ep, conn, EPOLLIN | EPOLLRDHUP, 2);
	TRY(send(fd, "abc", 3, 0));
	ep_wait(ep, 4, 5000);
	TRY(close(listener));
	ep_wait(ep, 4, 1000);
	TRY(close(fd));
	until_poll(conn, POLLRDHUP);
	ep_wait(ep, 4, 1000);
}
