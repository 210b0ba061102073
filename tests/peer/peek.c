/* SPDX-License-Identifier: Apache-2.0 */
/* peek.c - MSG_PEEK, MSG_WAITALL and SO_RCVLOWAT */
#include "tests/peer/peer.h"

TOPIC(peek)
{
	char buf[100];
	long n;
	int i, have = -1;

	far_open();
	TRY(far_text("peekaboo"));
	until_input(near_fd, 8);
	for (i = 0; i < 3; i++) {
		n = TRY(recv(near_fd, buf, 4, MSG_PEEK));
		say_data(buf, n);
	}
	n = TRY(recv(near_fd, buf, sizeof(buf), MSG_PEEK)); /* more than is */
	say_data(buf, n);
	TRY(recv(near_fd, buf, 0, MSG_PEEK));
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	say_poll("near", near_fd, POLLIN | POLLOUT);
	n = TRY(recv(near_fd, buf, 6, 0));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, 3, MSG_PEEK | MSG_TRUNC));
	n = TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_data(buf, n);
	TRY(recv(near_fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	TRY(far_do(act_close, 0, 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_PEEK));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

static long peek_block(int fd, long flags, long unused)
{
	char buf[16];

	return recv(fd, buf, sizeof(buf), (int)flags);
}

TOPIC(peek_blocks)
{
	far_open();
	far_go(peek_block, MSG_PEEK, 0);
	TRY(send(near_fd, "wake", 4, 0));
	TRY(far_end());
	TRY(far_do(peek_block, MSG_PEEK, 0));
	TRY(far_do(peek_block, 0, 0));
	far_go(peek_block, MSG_PEEK, 0);
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_end());
}

/* peek at something large, in one piece and in pieces by readv */
TOPIC(peek_large)
{
	static char a[30000], b[30000];
	struct iovec iov[2] = { { b, 10000 }, { b + 10000, 20000 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	far_open();
	TRY(far_do(act_push, 30000, 7));
	until_input(near_fd, 30000);
	say_data(a, TRY(recv(near_fd, a, sizeof(a), MSG_PEEK)));
	say_data(b, TRY(recvmsg(near_fd, &msg, MSG_PEEK)));
	memset(b, 0, sizeof(b));
	say_data(b, TRY(recvmsg(near_fd, &msg, 0)));
	say("same %d", !memcmp(a, b, sizeof(a)));
}

TOPIC(waitall)
{
	char buf[100];
	long n;

	far_open();
	/* in parts */
	far_go(act_read, 9, MSG_WAITALL);
	TRY(send(near_fd, "one", 3, 0));
	TRY(send(near_fd, "two", 3, 0));
	TRY(send(near_fd, "six", 3, 0));
	TRY(far_end());
	/* the end comes before all is there */
	TRY(far_text("abc"));
	TRY(far_text("de"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	n = TRY(recv(near_fd, buf, 10, MSG_WAITALL));
	say_data(buf, n);
	TRY(recv(near_fd, buf, 10, MSG_WAITALL));
	/* exactly what is there and the end */
	TRY(send(near_fd, "12345", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	TRY(close(near_fd));
	TRY(far_do(act_read, 5, MSG_WAITALL));
}

TOPIC(waitall_peek)
{
	char buf[100];
	long n;

	far_open();
	TRY(far_text("abcdef"));
	until_input(near_fd, 6);
	n = TRY(recv(near_fd, buf, 6, MSG_WAITALL | MSG_PEEK));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, 4, MSG_WAITALL | MSG_PEEK));
	say_data(buf, n);
	n = TRY(recv(near_fd, buf, 6, MSG_WAITALL));
	say_data(buf, n);
}

TOPIC(waitall_large)
{
	static char buf[3 << 20];

	/* more than any buffer holds */
	far_open();
	far_go(act_push, sizeof(buf), 11);
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), MSG_WAITALL)));
	TRY(far_end());
	far_go(act_push, 100000, 12);
	TRY(recv(near_fd, buf, 100000, MSG_WAITALL));
	TRY(far_end());
	/* a reset in the middle of it: what was read is not lost */
	TRY(far_do(act_push, 1000, 13));
	until_input(near_fd, 1000);
	TRY(far_do(act_close, 0, 0));
	TRY(recv(near_fd, buf, 2000, MSG_WAITALL));
}

TOPIC(lowat)
{
	socklen_t len = sizeof(int);
	char buf[100];
	int val = -1;

	far_open();
	TRY(getsockopt(near_fd, SOL_SOCKET, SO_RCVLOWAT, &val, &len));
	say("low mark %d", val);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	TRY(getsockopt(near_fd, SOL_SOCKET, SO_RCVLOWAT, &val, &len));
	say("low mark %d", val);
	TRY(far_text("abcd"));
	until_input(near_fd, 4);
	say_poll("near", near_fd, POLLIN);
	TRY(recv(near_fd, buf, 10, MSG_DONTWAIT));
	TRY(far_text("abcd"));
	until_input(near_fd, 4);
	far_go(act_text, (long)"e", 0);
	until_poll(near_fd, POLLIN);
	say_poll("near", near_fd, POLLIN);
	far_end();
	TRY(recv(near_fd, buf, 10, 0));
	/* a blocking call waits for so many as well; (the kernel does not wake
	 * it for less than the mark, even if it has taken some before) */
	TRY(far_text("xyz"));
	until_input(near_fd, 3);
	far_go(act_text, (long)"VWXYZ", 0);
	TRY(recv(near_fd, buf, 10, 0));
	far_end();
	/* the end counts */
	TRY(far_text("q"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	say_poll("near", near_fd, POLLIN);
	TRY(recv(near_fd, buf, 10, 0));
	TRY(recv(near_fd, buf, 10, 0));
}
