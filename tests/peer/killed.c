/* SPDX-License-Identifier: Apache-2.0 */
/* killed.c - what the peer sees of a death */
#include "tests/peer/peer.h"

#define SIX "abcdef"
#define ALL (POLLIN | POLLOUT | POLLRDHUP)

/* A connection to a child, which does @play with its end of it and then waits
 * to be killed: our end.  @text is sent to it. */
static int to_child(pid_t *pid, const char *text, void (*play)(int fd))
{
	int fds[2], ends[2];
	char byte;

	sock_pair(fds);
	MUST(pipe(ends));
	*pid = child_start();
	if (!*pid) {
		close(fds[1]);
		play(fds[0]);
		MUST(write(ends[1], "", 1));
		pause();
	}
	close(fds[0]);
	if (*text)
		TRY(send(fds[1], text, strlen(text), 0));
	MUST(read(ends[0], &byte, 1));
	return fds[1];
}

static void kill_it(pid_t pid)
{
	MUST(kill(pid, SIGKILL));
	say("child %d", child_end(pid));
}

static void send_something(int fd)
{
	MUST(send(fd, "going", 5, 0));
}

/* a process is killed: its connections close, or reset if data was unread */
TOPIC(sent)
{
	char buf[20];
	pid_t pid;
	int fd = to_child(&pid, "", send_something);

	kill_it(pid);
	say_data(buf, TRY(recv(fd, buf, 5, MSG_WAITALL)));
	TRY(recv(fd, buf, sizeof(buf), 0));
	say_poll("ours", fd, ALL);
}

static void read_one(int fd)
{
	char byte;

	MUST(recv(fd, &byte, 1, 0));
	until_input(fd, 1);
}

TOPIC(unread)
{
	char buf[20];
	pid_t pid;
	int fd = to_child(&pid, SIX, read_one);

	kill_it(pid);
	until_poll(fd, POLLHUP);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
}

static void read_none(int fd)
{
	until_input(fd, 6);
}

static pid_t poller;

static void *poll_input(void *fd)
{
	struct pollfd p = { .fd = *(int *)fd, .events = POLLIN };

	__atomic_store_n(&poller, gettid(), __ATOMIC_RELEASE);
	poll(&p, 1, -1);
	return (void *)(long)(unsigned short)p.revents;
}

/* who sleeps on it is told all at once */
TOPIC(unread_polled)
{
	pthread_t thread;
	void *ret;
	pid_t pid;
	int fd = to_child(&pid, SIX, read_none);

	if (pthread_create(&thread, NULL, poll_input, &fd))
		die("pthread_create");
	UNTIL(__atomic_load_n(&poller, __ATOMIC_ACQUIRE));
	until_asleep(poller);
	kill_it(pid);
	pthread_join(thread, &ret);
	say("told %s", mask((unsigned)(long)ret));
}

/* ... and of two processes that share the other end one is told why */
TOPIC(unread_by_two)
{
	int fd, go[2];
	pid_t pid, child;
	char byte;

	MUST(pipe(go));
	fd = to_child(&pid, SIX, read_none);
	child = child_start();
	if (!child) {
		MUST(read(go[0], &byte, 1));
		TRY(send(fd, "x", 1, MSG_NOSIGNAL));
		say_poll("the child's", fd, ALL);
		exit(0);
	}
	kill_it(pid);
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

	fd = to_child(&pid, SIX, read_none);
	kill_it(pid);
	until_poll(fd, POLLHUP);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say_poll("then", fd, ALL);
	len = sizeof(err);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say("%s", strerrorname_np(err));
	say_poll("then", fd, ALL);
}

/* What a child does with six bytes that it has. */
static struct {
	int how;      /* shutdown(2) */
	size_t reads; /* after that */
} plan;

static void shut_and_read(int fd)
{
	char buf[6];

	until_input(fd, 6);
	MUST(shutdown(fd, plan.how));
	if (plan.reads)
		MUST(recv(fd, buf, plan.reads, MSG_WAITALL));
}

static int to_child_that_shuts(pid_t *pid, int how, size_t reads)
{
	int fd;

	plan.how = how;
	plan.reads = reads;
	fd = to_child(pid, SIX, shut_and_read);
	until_poll(fd, POLLRDHUP);
	say_poll("shut", fd, ALL);
	return fd;
}

static void say_end(int fd)
{
	socklen_t len = sizeof(int);
	int err = 0;
	char c;

	TRY(recv(fd, &c, 1, 0));
	say_poll("told", fd, ALL);
	TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len));
	say("%s", strerrorname_np(err));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(recv(fd, &c, 1, 0));
}

/* after a FIN the reset has another name, and a reader hears of the FIN alone
 */
TOPIC(unread_shut)
{
	pid_t pid;
	int fd = to_child_that_shuts(&pid, SHUT_WR, 0);

	kill_it(pid);
	until_poll(fd, POLLHUP);
	say_end(fd);
}

/* after a FIN nothing is said of a death, until something is sent */
TOPIC(after_half)
{
	pid_t pid;
	int fd = to_child_that_shuts(&pid, SHUT_WR, 6);

	kill_it(pid);
	say_poll("not told", fd, ALL);
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	until_poll(fd, POLLHUP);
	say_end(fd);
}

static void shut_wholly(size_t reads)
{
	pid_t pid;
	int fd = to_child_that_shuts(&pid, SHUT_RDWR, reads);

	kill_it(pid);
	if (reads < 6)
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
		usleep(20000); /* mostly it is waited for by then */
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
