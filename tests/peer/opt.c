/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - socket options */
#include "tests/peer/peer.h"

static void say_opt(const char *who, const char *name, int fd, int level,
		    int opt)
{
	socklen_t len = sizeof(int);
	int val = -1;

	if (getsockopt(fd, level, opt, &val, &len))
		say("%s %s: %s", who, name, errname(errno));
	else
		say("%s %s: %d, length %u", who, name, val, len);
}

#define OPT(who, fd, level, opt) say_opt(who, #opt, fd, level, opt)

static void say_kind(const char *who, int fd)
{
	OPT(who, fd, SOL_SOCKET, SO_TYPE);
	OPT(who, fd, SOL_SOCKET, SO_DOMAIN);
	OPT(who, fd, SOL_SOCKET, SO_PROTOCOL);
	OPT(who, fd, SOL_SOCKET, SO_ACCEPTCONN);
	OPT(who, fd, SOL_SOCKET, SO_ERROR);
	OPT(who, fd, SOL_SOCKET, SO_KEEPALIVE);
	OPT(who, fd, SOL_SOCKET, SO_REUSEADDR);
	OPT(who, fd, SOL_SOCKET, SO_RCVLOWAT);
	OPT(who, fd, SOL_SOCKET, SO_SNDLOWAT);
	OPT(who, fd, IPPROTO_TCP, TCP_NODELAY);
	OPT(who, fd, IPPROTO_TCP, TCP_CORK);
	OPT(who, fd, IPPROTO_TCP, TCP_KEEPIDLE);
	OPT(who, fd, IPPROTO_TCP, TCP_USER_TIMEOUT);
}

TOPIC(kinds)
{
	int listener, port, fd = sock_tcp(family_client());

	say_kind("fresh", fd);
	listener = sock_listener(8, &port);
	say_kind("listener", listener);
	far_open();
	say_kind("connected", near_fd);
	TRY(close(near_fd));
	OPT("closed", near_fd, SOL_SOCKET, SO_TYPE);
}

#define SET(fd, level, opt, val)                                      \
	do {                                                          \
		int val_ = val;                                       \
		TRY(setsockopt(fd, level, opt, &val_, sizeof(val_))); \
		OPT("now", fd, level, opt);                           \
	} while (0)

TOPIC(set)
{
	char buf[10];

	far_open();
	SET(near_fd, IPPROTO_TCP, TCP_NODELAY, 1);
	SET(near_fd, IPPROTO_TCP, TCP_NODELAY, 0);
	SET(near_fd, IPPROTO_TCP, TCP_NODELAY, 77);
	SET(near_fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	SET(near_fd, SOL_SOCKET, SO_REUSEADDR, 1);
	SET(near_fd, SOL_SOCKET, SO_OOBINLINE, 1);
	SET(near_fd, IPPROTO_TCP, TCP_KEEPIDLE, 100);
	SET(near_fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
	SET(near_fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	SET(near_fd, IPPROTO_TCP, TCP_KEEPCNT, 1000);
	SET(near_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	SET(near_fd, IPPROTO_TCP, TCP_CORK, 1);
	TRY(send(near_fd, "corked", 6, 0));
	SET(near_fd, IPPROTO_TCP, TCP_CORK, 0);
	TRY(far_do(act_read, 6, MSG_WAITALL));
	SET(near_fd, SOL_SOCKET, SO_RCVLOWAT, 3);
	SET(near_fd, SOL_SOCKET, SO_RCVLOWAT, 0);
	SET(near_fd, SOL_SOCKET, SO_SNDLOWAT, 3);
	SET(near_fd, SOL_SOCKET, SO_TYPE, 3);
	SET(near_fd, SOL_SOCKET, SO_ERROR, 3);
	SET(near_fd, SOL_SOCKET, SO_ACCEPTCONN, 1);
	SET(near_fd, SOL_SOCKET, 7777, 1);
	SET(near_fd, IPPROTO_TCP, 7777, 1);
	SET(near_fd, 7777, 1, 1);
	TRY(far_text("alive"));
	TRY(recv(near_fd, buf, 5, MSG_WAITALL));
}

TOPIC(buffers)
{
	int fds[2], fd = sock_tcp(family_client());
	char buf[10];

	SET(fd, SOL_SOCKET, SO_RCVBUF, 100000);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 100000);
	SET(fd, SOL_SOCKET, SO_RCVBUF, 0);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 1);
	sock_pair(fds);
	SET(fds[0], SOL_SOCKET, SO_RCVBUF, 100000);
	SET(fds[0], SOL_SOCKET, SO_SNDBUF, 100000);
	TRY(send(fds[0], "x", 1, 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
}

TOPIC(lengths)
{
	int fds[2], val = 1;
	unsigned char small[8] = { 9, 9, 9, 9, 9, 9, 9, 9 };
	struct timeval tv = { 1, 0 };
	socklen_t len = 1;

	sock_pair(fds);
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, small, &len));
	say("length %u: %d %d", len, small[0], small[1]);
	len = 0;
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, small, &len));
	say("length %u", len);
	len = 8;
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, small, &len));
	say("length %u", len);
	len = (socklen_t)-1;
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, small, &len));
	TRY(setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &val, 1));
	TRY(setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, &val, 0));
	TRY(setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, small, 8));
	TRY(setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &val, 2));
	TRY(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 4));
	TRY(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	len = sizeof(tv);
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	say("length %u: %ld", len, (long)tv.tv_sec);
	len = 4;
	TRY(getsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	say("length %u", len);
	TRY(setsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &val, sizeof(val)));
	len = 4;
	TRY(getsockopt(-1, SOL_SOCKET, SO_KEEPALIVE, &val, &len));
}

static void set_timeo(int fd, int name, long ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	MUST(setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv)));
}

#define TIMED(ms, call)                                      \
	do {                                                 \
		int64_t start_ = now_ms(), took_;            \
		TRY(call);                                   \
		took_ = now_ms() - start_;                   \
		say("  as long as it should %d",             \
		    took_ >= (ms)-2 && took_ < (ms) + 3000); \
	} while (0)

TOPIC(rcvtimeo)
{
	struct timeval tv = { 0, 2000000 };
	char buf[10];
	int listener, port;

	far_open();
	set_timeo(near_fd, SO_RCVTIMEO, 80);
	TIMED(80, recv(near_fd, buf, sizeof(buf), 0));
	TIMED(80, read(near_fd, buf, sizeof(buf)));
	TIMED(80, recv(near_fd, buf, sizeof(buf), MSG_PEEK));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TIMED(80, recv(near_fd, buf, sizeof(buf), MSG_WAITALL));
	TIMED(0, recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	far_go(act_text, (long)"abc", 0);
	set_timeo(near_fd, SO_RCVTIMEO, 5000);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_end();
	set_timeo(near_fd, SO_RCVTIMEO, 0); /* for ever */
	far_go(act_text, (long)"abc", 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_end();
	TRY(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	/* accept heeds it as well */
	listener = sock_listener(8, &port);
	set_timeo(listener, SO_RCVTIMEO, 80);
	TIMED(80, accept(listener, NULL, NULL));
}

TOPIC(sndtimeo)
{
	static char buf[1 << 20];
	long n;

	far_open();
	n = MUST(act_fill(near_fd, 0, 0));
	set_timeo(near_fd, SO_SNDTIMEO, 100);
	TIMED(100, send(near_fd, buf, sizeof(buf), 0));
	far_go(act_pull, n, 0);
	TRY(far_end() == n);
	TRY(send(near_fd, buf, 1, 0));
}

/* what fits is sent before the time is up, and that is the result */
TOPIC(sndtimeo_partial)
{
	static char buf[32 << 20];
	long ret;

	far_open();
	set_timeo(near_fd, SO_SNDTIMEO, 100);
	ret = send(near_fd, buf, sizeof(buf), 0);
	say("some %d, not all %d", ret > 0, ret < (long)sizeof(buf));
	TRY(far_do(act_pull, ret, 0) == ret);
}
