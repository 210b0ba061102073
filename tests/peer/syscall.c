/* SPDX-License-Identifier: Apache-2.0 */
/* syscall.c - the same calls by number, and the rarer names */
#include <stdarg.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "tests/peer/epoll.h"

TOPIC(bytes)
{
	struct iovec out[2] = { { (char[]){ "gh" }, 2 },
				{ (char[]){ "ij" }, 2 } };
	struct msghdr msg = { .msg_iov = out, .msg_iovlen = 2 };
	char buf[16];
	long n;

	far_open();
	TRY(syscall(SYS_write, near_fd, "ab", 2));
	TRY(syscall(SYS_writev, near_fd, out, 2));
	TRY(syscall(SYS_sendto, near_fd, "cd", 2, 0, NULL, 0));
	TRY(syscall(SYS_sendmsg, near_fd, &msg, 0));
	TRY(far_do(act_pull, 12, 0));
	say("sum %llx", (unsigned long long)far_sum());
	TRY(far_text("0123456789abcdef"));
	until_input(near_fd, 16);
	n = TRY(syscall(SYS_read, near_fd, buf, 3));
	say_data(buf, n);
	n = TRY(syscall(SYS_recvfrom, near_fd, buf, 5, MSG_PEEK, NULL, NULL));
	say_data(buf, n);
	n = TRY(syscall(SYS_readv, near_fd, out, 2));
	say_data(out[0].iov_base, 2);
	n = TRY(syscall(SYS_recvmsg, near_fd, &msg, 0));
	say_data(out[1].iov_base, 2);
	n = TRY(syscall(SYS_recvfrom, near_fd, buf, 16, MSG_DONTWAIT, NULL,
			NULL));
	say_data(buf, n);
	TRY(syscall(SYS_recvfrom, near_fd, buf, 16, MSG_DONTWAIT, NULL, NULL));
}

/* Four that arm64 has by libc alone. */
#ifdef SYS_poll
#define OLD_DUP2(from, to) syscall(SYS_dup2, from, to)
#define OLD_POLL(fds, n, ms) syscall(SYS_poll, fds, n, ms)
#define OLD_SELECT(n, set, tv) syscall(SYS_select, n, set, NULL, NULL, tv)
#define OLD_EPOLL(ep, ev, n, ms) syscall(SYS_epoll_wait, ep, ev, n, ms)
#else
#define OLD_DUP2(from, to) dup2(from, to)
#define OLD_POLL(fds, n, ms) poll(fds, n, ms)
#define OLD_SELECT(n, set, tv) select(n, set, NULL, NULL, tv)
#define OLD_EPOLL(ep, ev, n, ms) epoll_wait(ep, ev, n, ms)
#endif

TOPIC(numbers)
{
	int val = -1, copy;
	socklen_t len = sizeof(val);
	char buf[8];

	far_open();
	copy = TRY_FD(syscall(SYS_dup, near_fd));
	TRY(OLD_DUP2(near_fd, copy));
	TRY(syscall(SYS_close, near_fd));
	near_fd = (int)syscall(SYS_fcntl, copy, F_DUPFD_CLOEXEC, 0);
	TRY(syscall(SYS_close, copy));
	TRY(syscall(SYS_fcntl, near_fd, F_SETFL, O_RDWR | O_NONBLOCK));
	TRY(syscall(SYS_read, near_fd, buf, sizeof(buf)));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(syscall(SYS_ioctl, near_fd, FIONREAD, &val));
	say("%d bytes", val);
	TRY(syscall(SYS_getsockopt, near_fd, SOL_SOCKET, SO_ERROR, &val, &len));
	TRY(syscall(SYS_shutdown, near_fd, SHUT_WR));
	TRY(far_do(act_read, 10, 0));
	TRY(syscall(SYS_close_range, near_fd, near_fd, 0));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(syscall(SYS_read, near_fd, buf, 1));
}

TOPIC(waits)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 7 };
	struct timespec ts = { 5, 0 };
	struct timeval tv = { 5, 0 };
	struct pollfd p;
	fd_set set;
	int ep;

	far_open();
	p = (struct pollfd){ .fd = near_fd, .events = POLLIN };
	TRY(OLD_POLL(&p, 1, 10));
	TRY(far_text("abc"));
	TRY(OLD_POLL(&p, 1, 5000));
	say("revents %s", mask((unsigned short)p.revents));
	TRY(syscall(SYS_ppoll, &p, 1, &ts, NULL, 8));
	say("time left: %d", ts.tv_sec == 4);
	TRY(syscall(SYS_ppoll, &p, 1, &ts, &ts, 7));
	FD_ZERO(&set);
	FD_SET(near_fd, &set);
	TRY(OLD_SELECT(near_fd + 1, &set, &tv));
	say("time left: %d", tv.tv_sec == 4);
	ep = TRY_FD(syscall(SYS_epoll_create1, EPOLL_CLOEXEC));
	TRY(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, near_fd, &ev));
	ev.events = 0;
	TRY(OLD_EPOLL(ep, &ev, 1, 5000));
	say("%s for %u", mask(ev.events), ev.data.u32);
	TRY(far_do(act_close, 0, 0));
	TRY(syscall(SYS_epoll_pwait, ep, &ev, 1, 5000, NULL, 8));
}

/* A connection that only such calls have ever touched. */
TOPIC(life)
{
	struct sockaddr_storage addr;
	int listener, port, fd, conn, i;
	char buf[8];
	socklen_t len;

	listener =
		(int)MUST(syscall(SYS_socket, family_server(), SOCK_STREAM, 0));
	len = addr_loop(&addr, family_server(), 0);
	MUST(syscall(SYS_bind, listener, &addr, len));
	TRY(syscall(SYS_listen, listener, 8));
	port = local_port(listener);
	fd = TRY_FD(syscall(SYS_socket, family_client(), SOCK_STREAM, 0));
	len = addr_loop(&addr, family_client(), port);
	TRY(syscall(SYS_connect, fd, &addr, len));
	conn = TRY_FD(syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC));
	for (i = 0; i < 200; i++) {
		MUST(syscall(SYS_write, fd, "ping", 4));
		MUST(syscall(SYS_read, conn, buf, 4));
		MUST(syscall(SYS_write, conn, "pong", 4));
		MUST(syscall(SYS_read, fd, buf, 4));
		if (i > 150)
			poll(NULL, 0, 1);
	}
	TRY(syscall(SYS_close, conn));
	TRY(syscall(SYS_read, fd, buf, 4));
}

TOPIC(vectors)
{
	struct iovec out[2] = { { (char[]){ "gh" }, 2 },
				{ (char[]){ "ij" }, 2 } };
	char buf[8];
	struct iovec in = { buf, sizeof(buf) };

	far_open();
	TRY(preadv2(near_fd, &in, 1, -1, RWF_NOWAIT));
	TRY(preadv2(near_fd, &in, 1, 0, 0));
	TRY(preadv2(near_fd, &in, 1, -1, 0x4000000));
	TRY(pwritev2(near_fd, out, 2, -1, 0));
	TRY(pwritev2(near_fd, out, 2, 5, 0));
	TRY(pwritev2(near_fd, out, 2, -1, RWF_NOWAIT));
	TRY(far_do(act_pull, 8, 0));
	TRY(far_text("abcd"));
	until_input(near_fd, 4);
	say_data(buf, TRY(preadv2(near_fd, &in, 1, -1, 0)));
	TRY(far_text("ef"));
	until_input(near_fd, 2);
	say_data(buf, TRY(preadv2(near_fd, &in, 1, -1, RWF_NOWAIT)));
	TRY(syscall(SYS_preadv2, near_fd, &in, 1, -1, -1, RWF_NOWAIT));
}

TOPIC(print)
{
	char big[5000];

	far_open();
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	TRY(dprintf(near_fd, "%s and %d\n", "words", 17));
	TRY(far_do(act_pull, 13, 0));
	say("sum %llx", (unsigned long long)far_sum());
	TRY(dprintf(near_fd, "%s", big));
	TRY(far_do(act_pull, sizeof(big) - 1, 0));
	TRY(dprintf(near_fd, "%s", ""));
	TRY(shutdown(near_fd, SHUT_WR));
	signal(SIGPIPE, SIG_IGN);
	TRY(dprintf(near_fd, "%d", 1));
}
