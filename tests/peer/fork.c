/* SPDX-License-Identifier: Apache-2.0 */
/* fork.c - sockets that several processes hold */
#include "tests/peer/epoll.h"

TOPIC(child_uses)
{
	char buf[10];
	pid_t pid;

	far_open();
	pid = child_start();
	if (!pid) {
		TRY(send(near_fd, "from the child", 14, 0));
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		exit(7);
	}
	TRY(far_do(act_read, 14, MSG_WAITALL));
	TRY(far_text("abc"));
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	TRY(send(near_fd, "from the parent", 15, 0));
	TRY(far_do(act_read, 15, MSG_WAITALL));
	TRY(far_text("def"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* in turns, the stream keeps its order */
TOPIC(in_turns)
{
	int down[2], up[2], i;
	char buf[10];
	pid_t pid;

	far_open();
	MUST(pipe(down));
	MUST(pipe(up));
	pid = child_start();
	for (i = 0; i < 10; i++) {
		if (!pid) {
			MUST(read(down[0], buf, 1));
			MUST(send(near_fd, "child ", 6, 0));
			MUST(recv(near_fd, buf, 2, MSG_WAITALL));
			say_data(buf, 2);
			MUST(write(up[1], "", 1));
		} else {
			MUST(send(near_fd, "parent", 6, 0));
			TRY(far_do(act_read, 6, MSG_WAITALL));
			TRY(far_text("abcd"));
			MUST(recv(near_fd, buf, 2, MSG_WAITALL));
			say_data(buf, 2);
			MUST(write(down[1], "", 1));
			MUST(read(up[0], buf, 1));
			TRY(far_do(act_read, 6, MSG_WAITALL));
		}
	}
	if (!pid)
		exit(7);
	say("child %d", child_end(pid));
}

/* both write at the same time */
static long read_sorted(int fd, long n, long unused)
{
	long counts[256] = { 0 }, i, ret, done = 0;
	unsigned char buf[1000];

	while (done < n) {
		ret = recv(fd, buf, sizeof(buf), 0);
		if (ret <= 0)
			return -1;
		for (i = 0; i < ret; i++)
			counts[buf[i]]++;
		done += ret;
	}
	return counts['p'] * 1000000 + counts['c'];
}

TOPIC(both_write)
{
	char buf[100];
	pid_t pid;
	int i;

	far_open();
	far_go(read_sorted, 20000, 0);
	pid = child_start();
	memset(buf, pid ? 'p' : 'c', sizeof(buf));
	for (i = 0; i < 100; i++)
		MUST(send(near_fd, buf, sizeof(buf), 0));
	if (!pid)
		exit(7);
	say("child %d", child_end(pid));
	TRY(far_end());
}

/* both read until the end: each byte is read once, both see the end */
TOPIC(both_read)
{
	int result[2];
	long got, total;
	pid_t pid;

	far_open();
	MUST(pipe(result));
	pid = child_start();
	if (!pid) {
		got = act_pull(near_fd, 1 << 30, 100);
		MUST(write(result[1], &got, sizeof(got)));
		exit(7);
	}
	TRY(far_do(act_push, 300000, 1));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	total = MUST(act_pull(near_fd, 1 << 30, 100));
	MUST(read(result[0], &got, sizeof(got)));
	say("together %ld", total + got);
	say("child %d", child_end(pid));
}

TOPIC(child_closes)
{
	char buf[10];
	pid_t pid;

	far_open();
	pid = child_start();
	if (!pid) {
		TRY(close(near_fd));
		TRY(close_range(3, ~0U, 0));
		exit(7);
	}
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	TRY(far_text("abc"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "def", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, 0));
}

static void leave(int how)
{
	if (how == 0)
		exit(7);
	if (how == 1)
		_exit(7);
	if (how == 2)
		raise(SIGKILL);
	raise(SIGSEGV);
}

/* whatever way a child goes, the connection is the parent's */
TOPIC(child_exits)
{
	char buf[10];
	pid_t pid;
	int how;

	far_open();
	signal(SIGSEGV, SIG_DFL);
	for (how = 0; how < 4; how++) {
		pid = child_start();
		if (!pid) {
			if (how != 1)
				MUST(send(near_fd, "x", 1, 0));
			leave(how);
		}
		say("child %d", child_end(pid));
		if (how != 1)
			TRY(far_do(act_read, 1, 0));
		TRY(far_do(act_read, 1, MSG_DONTWAIT));
		TRY(far_text("abc"));
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		TRY(send(near_fd, "def", 3, 0));
		TRY(far_do(act_read, 3, MSG_WAITALL));
	}
}

/* the last holder's close is the end */
TOPIC(parent_closes)
{
	int go[2];
	char buf[10];
	pid_t pid;

	far_open();
	MUST(pipe(go));
	pid = child_start();
	if (!pid) {
		MUST(read(go[0], buf, 1));
		TRY(send(near_fd, "child", 5, 0));
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		TRY(close(near_fd));
		exit(7);
	}
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	MUST(write(go[1], "", 1));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	TRY(far_text("abc"));
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, 0));
}

/* shutdown is for all, flags too */
TOPIC(child_shuts_down)
{
	char buf[10];
	pid_t pid;

	far_open();
	pid = child_start();
	if (!pid) {
		set_nonblock(near_fd, true);
		TRY(shutdown(near_fd, SHUT_WR));
		exit(7);
	}
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* ... also for a link that comes after it: what is sent to who neither reads
 * nor writes is answered by a reset */
TOPIC(child_shuts_reading)
{
	int fds[2], i;
	char byte;
	pid_t pid;

	sock_pair(fds);
	pid = child_start();
	if (!pid) {
		TRY(shutdown(fds[0], SHUT_RD));
		exit(7);
	}
	say("child %d", child_end(pid));
	for (i = 0; i < 100; i++) {
		MUST(send(fds[0], "q", 1, 0));
		MUST(recv(fds[1], &byte, 1, 0));
		MUST(send(fds[1], "a", 1, 0));
		until_input(fds[0], 1);
		MUST(recv(fds[0], &byte, 1, 0));
	}
	TRY(shutdown(fds[0], SHUT_WR));
	TRY(recv(fds[1], &byte, 1, 0));
	TRY(send(fds[1], "in vain", 7, MSG_NOSIGNAL));
	until_poll(fds[1], POLLHUP);
	TRY(send(fds[1], "in vain", 7, MSG_NOSIGNAL));
	TRY(recv(fds[0], &byte, 1, 0));
}

/* the server of the textbooks */
TOPIC(child_serves)
{
	int listener, port, fd, conn, i;
	char buf[1000];
	long n, sum;
	pid_t pid;

	listener = sock_listener(8, &port);
	for (i = 0; i < 3; i++) {
		fd = sock_dial(port);
		conn = sock_accept(listener);
		pid = child_start();
		if (!pid) {
			close(listener);
			close(fd);
			while ((n = recv(conn, buf, sizeof(buf), 0)) > 0)
				MUST(send(conn, buf, (size_t)n, 0));
			exit(7);
		}
		close(conn);
		for (sum = 0, n = 0; n < 100; n++) {
			MUST(send(fd, buf, sizeof(buf), 0));
			sum += recv(fd, buf, sizeof(buf), MSG_WAITALL);
		}
		say("echoed %ld", sum);
		TRY(shutdown(fd, SHUT_WR));
		TRY(recv(fd, buf, sizeof(buf), 0));
		say("child %d", child_end(pid));
		TRY(close(fd));
	}
}

/* echo until a message begins with q; the rest of the back-log is for others */
static void serve_and_exit(int listener)
{
	char buf[100];
	int fd, n;

	for (n = 0;; n++) {
		fd = sock_accept(listener);
		MUST(recv(fd, buf, sizeof(buf), MSG_WAITALL));
		if (buf[0] == 'q')
			exit(n);
		MUST(send(fd, buf, sizeof(buf), 0));
		TRY(recv(fd, buf, sizeof(buf), 0));
		MUST(close(fd));
	}
}

static void be_served(int port, int times)
{
	char buf[100];
	int i, fd, n = 0;

	memset(buf, 'a', sizeof(buf));
	for (i = 0; i < times; i++) {
		fd = sock_dial(port);
		MUST(send(fd, buf, sizeof(buf), 0));
		n += recv(fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
		MUST(shutdown(fd, SHUT_WR));
		MUST(recv(fd, buf, 1, 0));
		MUST(close(fd));
	}
	say("served %d", n);
}

static void tell_to_exit(int port, int times)
{
	char buf[100];
	int i, fd;

	memset(buf, 'q', sizeof(buf));
	for (i = 0; i < times; i++) {
		fd = sock_dial(port);
		MUST(send(fd, buf, sizeof(buf), 0));
	}
}

/* two children accept from one listener */
TOPIC(prefork)
{
	int listener, port, i;
	pid_t pids[2];

	listener = sock_listener(64, &port);
	for (i = 0; i < 2; i++) {
		pids[i] = child_start();
		if (!pids[i])
			serve_and_exit(listener);
	}
	be_served(port, 40);
	tell_to_exit(port, 2);
	say("by both %d", child_end(pids[0]) + child_end(pids[1]));
}

/* ... and the second comes when the first has gone, which leaves it something
 */
TOPIC(prefork_late)
{
	int listener, port, go[2], i;
	pid_t pids[2];
	char byte;

	listener = sock_listener(64, &port);
	MUST(pipe(go));
	for (i = 0; i < 2; i++) {
		pids[i] = child_start();
		if (pids[i])
			continue;
		if (i)
			MUST(read(go[0], &byte, 1));
		serve_and_exit(listener);
	}
	be_served(port, 4);
	tell_to_exit(port, 2);
	say("first %d", child_end(pids[0]));
	MUST(write(go[1], "", 1));
	say("second %d", child_end(pids[1]));
}

TOPIC(listener_to_child)
{
	int listener, port, fd, conn, ready[2];
	char buf[10];
	pid_t pid;

	listener = sock_listener(8, &port);
	MUST(pipe(ready));
	pid = child_start();
	if (!pid) {
		MUST(read(ready[0], buf, 1));
		conn = sock_accept(listener);
		TRY(recv(conn, buf, 3, MSG_WAITALL));
		TRY(send(conn, "def", 3, 0));
		TRY(recv(conn, buf, 1, 0));
		exit(7);
	}
	TRY(close(listener));
	MUST(write(ready[1], "", 1));
	fd = sock_dial(port);
	TRY(send(fd, "abc", 3, 0));
	TRY(recv(fd, buf, 3, MSG_WAITALL));
	TRY(close(fd));
	say("child %d", child_end(pid));
}

/* both ends in one process, then one end each */
TOPIC(one_end_each)
{
	int fds[2];
	char buf[10];
	pid_t pid;

	sock_pair(fds);
	pid = child_start();
	if (!pid) {
		close(fds[0]);
		far_actor(); /* for nothing: grandchildren */
		MUST(recv(fds[1], buf, 3, MSG_WAITALL));
		MUST(send(fds[1], buf, 3, 0));
		exit(act_pull(fds[1], 100000, 0) == 100000 ? 7 : 1);
	}
	TRY(close(fds[1]));
	TRY(send(fds[0], "abc", 3, 0));
	TRY(recv(fds[0], buf, 3, MSG_WAITALL));
	TRY(act_push(fds[0], 100000, 1));
	TRY(recv(fds[0], buf, 1, 0));
	say("child %d", child_end(pid));
}

/* the parent goes, the child goes on: as daemons start */
TOPIC(daemonize)
{
	int listener, port, fd, conn;
	char buf[10];
	pid_t pid;

	listener = sock_listener(8, &port);
	pid = child_start();
	if (!pid) {
		if (MUST(fork()))
			_exit(7);
		alarm(20);
		setsid();
		conn = sock_accept(listener);
		while (recv(conn, buf, 1, 0) > 0)
			MUST(send(conn, buf, 1, 0));
		_exit(0);
	}
	close(listener);
	say("child %d", child_end(pid));
	fd = sock_dial(port);
	TRY(send(fd, "a", 1, 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(send(fd, "b", 1, 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(shutdown(fd, SHUT_WR));
	TRY(recv(fd, buf, sizeof(buf), 0));
}

/* an epoll instance is inherited as well, with what is registered */
TOPIC(epoll_inherited)
{
	int ep = ep_new();
	char buf[10];
	pid_t pid;

	far_open();
	ep_add(ep, near_fd, EPOLLIN, 5);
	pid = child_start();
	if (!pid) {
		ep_wait(ep, 4, -1);
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		ep_wait(ep, 4, 0);
		exit(7);
	}
	TRY(far_text("abc"));
	say("child %d", child_end(pid));
	ep_wait(ep, 4, 0);
	TRY(far_text("def"));
	ep_wait(ep, 4, -1);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_wait(ep, 4, 0);
}

/* a child's own instance over an inherited socket, as workers have */
TOPIC(epoll_in_child)
{
	char buf[10];
	pid_t pid;
	int ep;

	far_open();
	pid = child_start();
	if (!pid) {
		ep = ep_new();
		ep_add(ep, near_fd, EPOLLIN | EPOLLET, 5);
		ep_wait(ep, 4, -1);
		TRY(recv(near_fd, buf, sizeof(buf), 0));
		ep_wait(ep, 4, 0);
		TRY(send(near_fd, "x", 1, 0));
		ep_wait(ep, 4, -1);
		exit(7);
	}
	TRY(far_text("abc") == 3 && far_do(act_read, 1, 0) == 1);
	TRY(far_text("def"));
	say("child %d", child_end(pid));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* many children at once, each with a connection of its own */
TOPIC(many_children)
{
	int listener, port, fd, conn, i, sum = 0;
	pid_t pids[8];
	char c;

	listener = sock_listener(64, &port);
	for (i = 0; i < 8; i++) {
		pids[i] = child_start();
		if (!pids[i]) {
			close(listener);
			fd = sock_dial(port);
			for (i = 0; i < 100; i++) {
				MUST(send(fd, "x", 1, 0));
				MUST(recv(fd, &c, 1, 0));
			}
			exit(c == 'x' ? 1 : 0);
		}
	}
	for (i = 0; i < 8; i++) {
		conn = sock_accept(listener);
		while (recv(conn, &c, 1, 0) == 1)
			MUST(send(conn, &c, 1, 0));
		close(conn);
	}
	for (i = 0; i < 8; i++)
		sum += child_end(pids[i]);
	say("good children %d", sum);
}
