/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - readiness as select and pselect tell it */
#include "tests/peer/peer.h"

#include <sys/select.h>

static int try_select(const char *what, const int *fds, int n, long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	fd_set rd, wr, ex;
	int i, ret, max = 0;
	char line[200];
	size_t len = 0;

	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	for (i = 0; i < n; i++) {
		FD_SET(fds[i], &rd);
		FD_SET(fds[i], &wr);
		FD_SET(fds[i], &ex);
		if (fds[i] > max)
			max = fds[i];
	}
	errno = 0;
	ret = select(max + 1, &rd, &wr, &ex, ms < 0 ? NULL : &tv);
	if (ret < 0) {
		say("select %s = %d %s", what, ret, errname(errno));
		return ret;
	}
	line[0] = 0;
	for (i = 0; i < n; i++)
		len += (size_t)sprintf(line + len, " %s%s%s%s",
				       FD_ISSET(fds[i], &rd) ? "r" : "",
				       FD_ISSET(fds[i], &wr) ? "w" : "",
				       FD_ISSET(fds[i], &ex) ? "x" : "",
				       i < n - 1 ? "," : "");
	say("select %s = %d:%s", what, ret, line);
	return ret;
}

TOPIC(states)
{
	int listener, port, fresh = sock_tcp(family_client()), fds[2];
	char buf[10];

	far_open();
	fds[0] = near_fd;
	try_select("connected", fds, 1, 1000);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	try_select("with data", fds, 1, -1);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	try_select("fresh", &fresh, 1, 0);
	listener = sock_listener(8, &port);
	fds[1] = listener;
	try_select("connected, listener", fds, 2, 1000);
	fresh = sock_dial(port);
	until_poll(listener, POLLIN);
	try_select("connected, listener with one", fds, 2, 1000);
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	try_select("peer half closed", fds, 1, -1);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	try_select("end read", fds, 1, -1);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	try_select("reset", fds, 1, -1);
	TRY(close(near_fd));
	try_select("closed", fds, 2, -1);
}

TOPIC(refused)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), 0);
	int holder = sock_tcp(family_client()), fd;

	MUST(bind(holder, (struct sockaddr *)&addr, len));
	len = addr_loop(&addr, family_client(), local_port(holder));
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	until_poll(fd, POLLERR | POLLHUP);
	try_select("refused", &fd, 1, -1);
	say_error("client", fd);
}

static int readable(int fd, struct timeval *tv)
{
	fd_set rd;
	int ret;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	ret = select(fd + 1, &rd, NULL, NULL, tv);
	if (ret >= 0 && ret != !!FD_ISSET(fd, &rd))
		say("set and result differ");
	return ret;
}

static long text_now(int fd, long text, long unused)
{
	return act_text(fd, text, 0);
}

TOPIC(timeout)
{
	struct timeval tv = { 0, 60000 };
	int64_t start = now_ms();
	char buf[10];

	far_open();
	TRY(readable(near_fd, &tv));
	say("remaining %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	say("lasted long enough %d", now_ms() - start >= 59);
	TRY(readable(near_fd, &tv)); /* 0 by now */
	tv.tv_sec = 9;
	far_go(text_now, (long)"abc", 0);
	TRY(readable(near_fd, &tv));
	say("remaining less than before %d, much %d",
	    tv.tv_sec < 9 || tv.tv_usec == 0, tv.tv_sec >= 4);
	far_end();
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(text_now, (long)"abc", 0);
	TRY(readable(near_fd, NULL));
	far_end();
	tv = (struct timeval){ -1, 0 };
	TRY(readable(near_fd, &tv));
	tv = (struct timeval){ 0, 5000000 }; /* taken as 5 s */
	TRY(readable(near_fd, &tv));
}

TOPIC(odd_sets)
{
	struct timeval zero = { 0, 0 };
	fd_set rd, wr;
	char buf[10];

	far_open();
	TRY(select(0, NULL, NULL, NULL, &zero));
	TRY(select(-1, NULL, NULL, NULL, &zero));
	FD_ZERO(&rd);
	FD_SET(near_fd, &rd);
	TRY(select(near_fd, &rd, NULL, NULL, &zero)); /* just not included */
	say("still set %d", !!FD_ISSET(near_fd, &rd));
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(near_fd, &rd);
	FD_SET(near_fd, &wr);
	TRY(select(near_fd + 1, &rd, &wr, NULL, NULL));
	say("read %d write %d", !!FD_ISSET(near_fd, &rd),
	    !!FD_ISSET(near_fd, &wr));
	TRY(far_text("x"));
	until_input(near_fd, 1);
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(near_fd, &rd);
	FD_SET(near_fd, &wr);
	TRY(select(FD_SETSIZE, &rd, &wr, NULL, NULL));
	say("read %d write %d", !!FD_ISSET(near_fd, &rd),
	    !!FD_ISSET(near_fd, &wr));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(close(near_fd));
	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_SET(near_fd, &rd);
	TRY(select(near_fd + 1, &rd, &wr, NULL, &zero));
	say("untouched %d", !!FD_ISSET(near_fd, &rd));
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

TOPIC(pselect)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct timespec ts = { 5, 0 };
	sigset_t blocked, none;
	fd_set rd;

	far_open();
	MUST(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	MUST(raise(SIGUSR1));
	FD_ZERO(&rd);
	FD_SET(near_fd, &rd);
	TRY(pselect(near_fd + 1, &rd, NULL, NULL, &(struct timespec){ 0, 9 },
		    &blocked));
	say("signals %d, set %d", (int)signals, !!FD_ISSET(near_fd, &rd));
	FD_SET(near_fd, &rd);
	TRY(pselect(near_fd + 1, &rd, NULL, NULL, &ts, &none));
	say("signals %d, timeout untouched %d, set %d", (int)signals,
	    ts.tv_sec == 5 && ts.tv_nsec == 0, !!FD_ISSET(near_fd, &rd));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(pselect(near_fd + 1, &rd, NULL, NULL, NULL, NULL));
	say("set %d", !!FD_ISSET(near_fd, &rd));
}
