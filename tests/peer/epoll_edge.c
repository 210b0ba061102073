/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_edge.c - edge-triggered epoll: when it tells, and when it does not */
#include "tests/peer/epoll.h"

static long text_now(int fd, long text, long unused)
{
	return act_text(fd, text, 0);
}

TOPIC(input)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 1);
	ep_wait(ep, 4, 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0); /* told once */
	TRY(recv(near_fd, buf, 1, 0));
	ep_wait(ep, 4, 0); /* there is more, but nothing new */
	TRY(far_text("def"));
	until_input(near_fd, 5);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	ep_wait(ep, 4, 0);
	far_go(text_now, (long)"ghi", 0);
	ep_wait(ep, 4, -1);
	far_end();
	ep_wait(ep, 4, 0);
}

TOPIC(rearm)
{
	int ep = ep_new();

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 1);
	ep_wait(ep, 4, 1000); /* what is there already is told */
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLET, 2);
	ep_wait(ep, 4, 1000); /* again after MOD */
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLOUT | EPOLLET, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLET, 4);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	ep_del(ep, near_fd);
	ep_add(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLET, 5);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLET | EPOLLONESHOT, 6);
	ep_wait(ep, 4, 1000);
	TRY(far_text("def"));
	until_input(near_fd, 6);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLIN | EPOLLET | EPOLLONESHOT, 7);
	ep_wait(ep, 4, 1000);
	ep_mod(ep, near_fd, EPOLLIN, 8);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 1000);
}

/* registered for both, new input tells output as well: it is ready */
TOPIC(both)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, 0));
	TRY(far_do(act_read, 1, 0));
	ep_wait(ep, 4, 0);
	TRY(far_text("last"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_wait(ep, 4, 0);
}

/* output: an edge when the full buffer has room again, and only then */
TOPIC(output)
{
	int ep = ep_new();
	long n;

	far_open();
	ep_add(ep, near_fd, EPOLLOUT | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	n = MUST(act_fill(near_fd, 0, 0));
	/* what is told while the kernel's buffers grow is nobody's business */
	while (epoll_wait(ep, &(struct epoll_event){ 0 }, 1, 0) > 0)
		n += MUST(act_fill(near_fd, 0, 0));
	ep_wait(ep, 4, 0);
	far_go(act_pull, n, 0);
	ep_wait(ep, 4, -1);
	TRY(far_end() == n);
	say_poll("near", near_fd, POLLOUT);
}

/* the same with EPOLLIN registered too, and both ways busy */
TOPIC(output_both)
{
	int ep = ep_new(), told = 0;
	struct epoll_event ev;
	char buf[10];
	long n;

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	n = MUST(act_fill(near_fd, 0, 0));
	while (epoll_wait(ep, &ev, 1, 0) > 0)
		n += MUST(act_fill(near_fd, 0, 0));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 1000); /* input, but no output */
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(act_pull, n, 0);
	while (!(told & EPOLLOUT)) {
		MUST(epoll_wait(ep, &ev, 1, -1));
		told |= (int)ev.events;
	}
	say("told %s", mask((unsigned)told));
	TRY(far_end() == n);
}

TOPIC(closing)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 1);
	/* the kernel tells a FIN twice: not to a wait in between, please */
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_wait(ep, 4, 0);
	TRY(send(near_fd, "abc", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	ep_wait(ep, 4, 0);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

/* each of several messages tells, if it was waited for in between */
TOPIC(each)
{
	int ep = ep_new(), i;
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 1);
	for (i = 0; i < 5; i++) {
		far_go(text_now, (long)"abc", 0);
		ep_wait(ep, 4, -1);
		far_end();
	}
	for (i = 0; i < 5; i++)
		TRY(recv(near_fd, buf, 3, MSG_WAITALL));
	ep_wait(ep, 4, 0);
	for (i = 0; i < 5; i++) {
		far_go(text_now, (long)"abc", 0);
		ep_wait(ep, 4, -1);
		far_end();
		TRY(recv(near_fd, buf, 3, MSG_WAITALL));
	}
	ep_wait(ep, 4, 0);
}

/* who shares it shuts it down: that is news to all */
TOPIC(shut_by_child)
{
	int ep = ep_new(), fds[2];
	pid_t pid;

	sock_pair(fds);
	ep_add(ep, fds[0], EPOLLOUT | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	pid = child_start();
	if (!pid) {
		TRY(shutdown(fds[0], SHUT_WR));
		exit(0);
	}
	say("child %d", child_end(pid));
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

/* what is there is enough for a new SO_RCVLOWAT: an edge to all, too */
TOPIC(lowat_by_child)
{
	int ep = ep_new(), fds[2];
	pid_t pid;

	sock_pair(fds);
	TRY(send(fds[1], "abc", 3, 0));
	until_input(fds[0], 3);
	ep_add(ep, fds[0], EPOLLIN | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	pid = child_start();
	if (!pid) {
		set_int(fds[0], SOL_SOCKET, SO_RCVLOWAT, 4);
		set_int(fds[0], SOL_SOCKET, SO_RCVLOWAT, 2);
		exit(0);
	}
	say("child %d", child_end(pid));
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

TOPIC(listener)
{
	int ep = ep_new(), listener, port;

	listener = sock_listener(8, &port);
	ep_add(ep, listener, EPOLLIN | EPOLLET, 1);
	ep_wait(ep, 4, 0);
	sock_dial(port);
	ep_wait(ep, 4, 5000);
	ep_wait(ep, 4, 0);
	sock_dial(port);
	ep_wait(ep, 4, 5000);
	close(sock_accept(listener));
	ep_wait(ep, 4, 0);
	close(sock_accept(listener));
	ep_wait(ep, 4, 0);
}

/* connecting, as event loops do it */
TOPIC(connecting)
{
	struct sockaddr_storage addr;
	int ep = ep_new(), listener, port, fd, conn;
	socklen_t len;

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	ep_add(ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 1);
	ep_wait(ep, 4, 0);
	len = addr_loop(&addr, family_client(), port);
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	until_poll(fd, POLLOUT);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	conn = sock_accept(listener);
	TRY(send(conn, "abc", 3, 0));
	until_input(fd, 3);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

/* the kernel wakes whoever waits for anything that comes with input, and all
 * when the socket is shut down */
TOPIC(side)
{
	int ep = ep_new();

	far_open();
	ep_add(ep, near_fd, EPOLLOUT | EPOLLPRI | EPOLLET, 1);
	ep_wait(ep, 4, 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
	TRY(shutdown(near_fd, SHUT_WR));
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
	ep_mod(ep, near_fd, EPOLLRDNORM | EPOLLET, 2);
	ep_wait(ep, 4, 0);
	TRY(far_text("def"));
	until_input(near_fd, 6);
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
}
