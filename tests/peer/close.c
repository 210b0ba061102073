/* SPDX-License-Identifier: Apache-2.0 */
/* close.c - what the peer sees of a close, of a reset; SIGPIPE */
#include "tests/peer/peer.h"

#include <netinet/tcp.h>

#define ALL (POLLIN | POLLOUT | POLLRDHUP)

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	pipes++;
}

static void count_pipes(void)
{
	struct sigaction sa = { .sa_handler = on_pipe };

	MUST(sigaction(SIGPIPE, &sa, NULL));
}

/* the peer did not read what we sent: reset */
TOPIC(unread)
{
	char buf[20];

	count_pipes();
	far_open();
	TRY(send(near_fd, "unread", 6, 0));
	TRY(far_do(act_until_input, 6, 0));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_poll("near", near_fd, ALL);
	TRY(send(near_fd, "x", 1, 0));
	TRY(write(near_fd, "x", 1));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	say("SIGPIPE %d times", (int)pipes);
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(shutdown(near_fd, SHUT_RD));
}

/* the same, first noticed by a write */
TOPIC(unread_write)
{
	char buf[20];

	count_pipes();
	far_open();
	TRY(send(near_fd, "unread", 6, 0));
	TRY(far_do(act_until_input, 6, 0));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	TRY(send(near_fd, "x", 1, 0));
	say("SIGPIPE %d times", (int)pipes);
	TRY(send(near_fd, "x", 1, 0));
	say("SIGPIPE %d times", (int)pipes);
	say_error("near", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_poll("near", near_fd, ALL);
}

/* the same, first noticed by SO_ERROR */
TOPIC(unread_error)
{
	char buf[20];

	far_open();
	TRY(send(near_fd, "unread", 6, 0));
	TRY(far_do(act_until_input, 6, 0));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_error("near", near_fd);
	say_error("near", near_fd);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
}

/* a reset comes while there is something to read: that is lost, or not? */
TOPIC(unread_both)
{
	char buf[20];
	int have = -1;

	far_open();
	TRY(send(near_fd, "unread", 6, 0));
	TRY(far_do(act_until_input, 6, 0));
	TRY(far_text("for you"));
	until_input(near_fd, 7);
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	say_data(buf, TRY(recv(near_fd, buf, 3, 0)));
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

TOPIC(write_after_close)
{
	char buf[20];

	count_pipes();
	far_open();
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	say_poll("near", near_fd, ALL);
	TRY(send(near_fd, "one", 3, 0)); /* answered by a reset */
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(send(near_fd, "two", 3, 0));
	say("SIGPIPE %d times", (int)pipes);
	TRY(write(near_fd, "three", 5));
	say("SIGPIPE %d times", (int)pipes);
	TRY(send(near_fd, "four", 4, MSG_NOSIGNAL));
	say("SIGPIPE %d times", (int)pipes);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_error("near", near_fd);
	say_poll("near", near_fd, ALL);
}

/* read first what the peer sent before it closed, then write */
TOPIC(read_then_write)
{
	char buf[20];

	far_open();
	TRY(far_text("farewell"));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(send(near_fd, "one", 3, MSG_NOSIGNAL));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "two", 3, MSG_NOSIGNAL));
}

TOPIC(linger_reset)
{
	char buf[20];

	far_open();
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	say_poll("near", near_fd, ALL);
}

/* a reset after the peer's half was closed tells EPIPE instead */
TOPIC(half_then_reset)
{
	char buf[20];

	count_pipes();
	far_open();
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	say_error("near", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, 0));
	say("SIGPIPE %d times", (int)pipes);
}

/* the same, noticed by a read */
TOPIC(half_then_reset_read)
{
	char buf[20];

	far_open();
	TRY(far_text("last"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* our own half was closed when the reset comes */
TOPIC(reset_after_our_half)
{
	char buf[20];

	far_open();
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
}

/* a reset throws away what the sender had still to send, not what is here */
TOPIC(linger_reset_data)
{
	char buf[20];

	far_open();
	TRY(far_text("data"));
	until_input(near_fd, 4);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

static long linger_close(int fd, long seconds, long unused)
{
	struct linger linger = { .l_onoff = 1, .l_linger = (int)seconds };

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	return close(fd);
}

TOPIC(linger_wait)
{
	struct linger linger = { -1, -1 };
	socklen_t len = sizeof(linger);
	char buf[20];

	far_open();
	TRY(getsockopt(near_fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	say("linger %d %d", linger.l_onoff, linger.l_linger);
	TRY(far_text("data"));
	TRY(far_do(linger_close, 5, 0));
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), MSG_WAITALL)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* a blocked reader learns of a reset */
static long read_blocked(int fd, long unused, long unused2)
{
	char buf[10];

	return recv(fd, buf, sizeof(buf), 0);
}

TOPIC(reset_wakes)
{
	far_open();
	far_go(read_blocked, 0, 0);
	TRY(act_reset(near_fd, 0, 0));
	TRY(far_end());
	TRY(far_do(read_blocked, 0, 0));
}

TOPIC(close_wakes)
{
	far_open();
	far_go(read_blocked, 0, 0);
	TRY(close(near_fd));
	TRY(far_end());
	TRY(far_do(read_blocked, 0, 0));
}

/* much is under way when the writer closes: all of it arrives */
static long push_close(int fd, long n, long seed)
{
	long ret = act_push(fd, n, seed);

	close(fd);
	return ret;
}

TOPIC(much_then_close)
{
	far_open();
	far_go(push_close, 3000000, 6);
	TRY(act_pull(near_fd, 1 << 30, 1000));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
}

/* a writer that is blocked learns that the reader closes */
static long push_blocked(int fd, long n, long seed)
{
	return act_push(fd, n, seed);
}

TOPIC(close_wakes_writer)
{
	far_open();
	TRY(far_do(act_fill, 0, 0) > 0);
	far_go(push_blocked, 20000000, 1);
	TRY(close(near_fd)); /* with unread data: a reset */
	TRY(far_end());
	TRY(far_do(act_text, (long)"x", 0));
}

/* SIGPIPE kills who did not ask otherwise */
TOPIC(sigpipe_kills)
{
	int fds[2];
	pid_t pid;

	sock_pair(fds);
	MUST(close(fds[1]));
	until_poll(fds[0], POLLRDHUP);
	pid = child_start();
	if (!pid) {
		MUST(send(fds[0], "one", 3, 0));
		until_poll(fds[0], POLLHUP);
		MUST(write(fds[0], "two", 3));
		_exit(5);
	}
	say("killed by SIGPIPE: %d", child_end(pid) == 1000 + SIGPIPE);
	/* ignored: an error only */
	signal(SIGPIPE, SIG_IGN);
	TRY(write(fds[0], "three", 5));
	TRY(send(fds[0], "four", 4, 0));
}

/* blocked: pending once; and SIGPIPE is for the thread that wrote */
TOPIC(sigpipe_blocked)
{
	struct iovec iov = { (char[]){ "y" }, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	sigset_t set, pending;
	int fds[2];

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	sock_pair(fds);
	MUST(shutdown(fds[0], SHUT_WR));
	TRY(send(fds[0], "x", 1, MSG_NOSIGNAL));
	MUST(sigpending(&pending));
	say("pending %d", sigismember(&pending, SIGPIPE));
	TRY(send(fds[0], "x", 1, 0));
	MUST(sigpending(&pending));
	say("pending %d", sigismember(&pending, SIGPIPE));
	TRY(writev(fds[0], &iov, 1));
	TRY(sendmsg(fds[0], &msg, 0));
	TRY(sigtimedwait(&set, NULL, &(struct timespec){ 0 }) == SIGPIPE);
	TRY(sigtimedwait(&set, NULL, &(struct timespec){ 0 }));
}
