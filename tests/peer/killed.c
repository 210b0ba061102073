/* SPDX-License-Identifier: Apache-2.0 */
/* killed.c - what the peer sees of a death */
#include "tests/peer/peer.h"

#define ALL (POLLIN | POLLOUT | POLLRDHUP)

/* a process is killed: its connections close, or reset if data was unread */
TOPIC(sent)
{
	int fds[2], ends[2];
	char buf[20];
	pid_t pid;

	sock_pair(fds);
	MUST(pipe(ends));
	pid = child_start();
	if (!pid) {
		close(fds[1]);
		MUST(send(fds[0], "going", 5, 0));
		MUST(write(ends[1], "", 1));
		pause();
	}
	close(fds[0]);
	MUST(read(ends[0], buf, 1));
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	say_data(buf, TRY(recv(fds[1], buf, 5, MSG_WAITALL)));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	say_poll("ours", fds[1], ALL);
}

TOPIC(unread)
{
	int fds[2], ends[2];
	char buf[20];
	pid_t pid;

	sock_pair(fds);
	MUST(pipe(ends));
	pid = child_start();
	if (!pid) {
		close(fds[1]);
		MUST(recv(fds[0], buf, 1, 0));
		until_input(fds[0], 1);
		MUST(write(ends[1], "", 1));
		pause();
	}
	close(fds[0]);
	TRY(send(fds[1], "abcdef", 6, 0));
	MUST(read(ends[0], buf, 1));
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	until_poll(fds[1], POLLHUP);
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
}

/* A connection, this end of it, to a child that has six bytes and leaves them;
 * @shut: it will write nothing, either. */
static int child_never_reads(pid_t *pid, bool shut)
{
	int fds[2], ends[2];
	char byte;

	sock_pair(fds);
	MUST(pipe(ends));
	*pid = child_start();
	if (!*pid) {
		close(fds[1]);
		until_input(fds[0], 6);
		if (shut)
			TRY(shutdown(fds[0], SHUT_WR));
		MUST(write(ends[1], "", 1));
		pause();
	}
	close(fds[0]);
	TRY(send(fds[1], "abcdef", 6, 0));
	MUST(read(ends[0], &byte, 1));
	return fds[1];
}

/* ... and of two processes that share the other end one is told why */
TOPIC(unread_by_two)
{
	int fd, go[2];
	pid_t pid, child;
	char byte;

	MUST(pipe(go));
	fd = child_never_reads(&pid, false);
	child = child_start();
	if (!child) {
		MUST(read(go[0], &byte, 1));
		TRY(send(fd, "x", 1, MSG_NOSIGNAL));
		say_poll("the child's", fd, ALL);
		exit(0);
	}
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	until_poll(fd, POLLHUP);
	TRY(send(fd, "y", 1, MSG_NOSIGNAL));
	MUST(write(go[1], "", 1));
	say("child %d", child_end(child));
	TRY(send(fd, "z", 1, MSG_NOSIGNAL));
}

/* a length that the kernel refuses takes no error away */
TOPIC(error_is_kept)
{
	socklen_t len = (socklen_t)-1;
	int fd, err = 0;
	pid_t pid;

	fd = child_never_reads(&pid, false);
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	until_poll(fd, POLLHUP);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say_poll("then", fd, ALL);
	len = sizeof(err);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say("%s", strerrorname_np(err));
	say_poll("then", fd, ALL);
}

/* after a FIN the reset has another name, and a reader hears of the FIN alone
 */
TOPIC(unread_shut)
{
	socklen_t len = sizeof(int);
	pid_t pid;
	int fd = child_never_reads(&pid, true), err = 0;
	char c;

	until_poll(fd, POLLRDHUP);
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	until_poll(fd, POLLHUP);
	TRY(recv(fd, &c, 1, 0));
	say_poll("then", fd, ALL);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say("%s", strerrorname_np(err));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(recv(fd, &c, 1, 0));
}

/* A child that has six bytes shuts down @how, reads @n of them, and is to be
 * killed: our end. */
static int child_shuts(pid_t *pid, int how, size_t n)
{
	int fds[2], ends[2];
	char buf[20];

	sock_pair(fds);
	MUST(pipe(ends));
	*pid = child_start();
	if (!*pid) {
		close(fds[1]);
		until_input(fds[0], 6);
		MUST(shutdown(fds[0], how));
		if (n)
			MUST(recv(fds[0], buf, n, MSG_WAITALL));
		MUST(write(ends[1], "", 1));
		pause();
	}
	close(fds[0]);
	TRY(send(fds[1], "abcdef", 6, 0));
	MUST(read(ends[0], buf, 1));
	until_poll(fds[1], POLLRDHUP);
	say_poll("shut", fds[1], ALL);
	return fds[1];
}

static void say_end(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;
	char c;

	say_poll("told", fd, ALL);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say("%s", strerrorname_np(err));
	TRY(recv(fd, &c, 1, 0));
}

/* after a FIN nothing is said of a death, until something is sent */
TOPIC(after_half)
{
	pid_t pid;
	int fd = child_shuts(&pid, SHUT_WR, 6);
	char c;

	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	say_poll("not told", fd, ALL);
	TRY(recv(fd, &c, 1, 0));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	until_poll(fd, POLLHUP);
	say_end(fd);
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
}

static void shut_wholly(size_t n)
{
	pid_t pid;
	int fd = child_shuts(&pid, SHUT_RDWR, n);

	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
	if (n < 6)
		until_poll(fd, POLLHUP);
	say_end(fd);
}

TOPIC(shut_wholly_unread)
{
	shut_wholly(0);
}

TOPIC(shut_wholly_part)
{
	shut_wholly(4);
}

TOPIC(shut_wholly_all)
{
	shut_wholly(6);
}

/* who waits for room of a peer that shuts down sends on, and is told */
TOPIC(after_half_full)
{
	static char bulk[1 << 16];
	int fds[2], ends[2];
	ssize_t n;
	pid_t pid;
	char c;

	sock_pair(fds);
	MUST(pipe(ends));
	pid = child_start();
	if (!pid) {
		close(fds[1]);
		MUST(read(ends[0], &c, 1));
		MUST(shutdown(fds[0], SHUT_WR));
		usleep(20000);
		kill(getpid(), SIGKILL);
	}
	close(fds[0]);
	MUST(write(ends[1], "", 1));
	do
		n = send(fds[1], bulk, sizeof(bulk), MSG_NOSIGNAL);
	while (n > 0);
	TRY(n);
	say("child %d", child_end(pid));
	TRY(send(fds[1], "x", 1, MSG_NOSIGNAL));
}
