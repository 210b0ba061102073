/* SPDX-License-Identifier: Apache-2.0 */
/* udp.c - datagrams: boundaries, names, what is cut, what is refused */
#include <linux/sockios.h>

#include "tests/peer/udp.h"

TOPIC(connected)
{
	char a[4], b[8];
	struct iovec two[2] = { { a, sizeof(a) }, { b, sizeof(b) } };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	udp_open(1, UDP_NEAR_CONNECTED | UDP_FAR_CONNECTED);
	TRY(udp_text("read"));
	TRY(read(near_fd, b, sizeof(b)));
	say_data(b, 4);
	TRY(udp_text("twopieces"));
	TRY(readv(near_fd, two, 2));
	say_data(a, 4);
	say_data(b, 5);
	TRY(udp_text("recv"));
	TRY(recv(near_fd, b, sizeof(b), 0));
	TRY(udp_text("from"));
	TRY(recvfrom(near_fd, b, sizeof(b), 0, (void *)&addr, &len));
	say_addr("from", &addr, len, addr_port(&far_addr[0]));
	TRY(write(near_fd, "one", 3));
	TRY(far_do(udp_read, 100, 0));
	TRY(send(near_fd, "three", 5, 0));
	TRY(far_do(udp_read, 100, 0));
	memcpy(a, "abcd", 4);
	memcpy(b, "efghijkl", 8);
	TRY(writev(near_fd, two, 2));
	TRY(far_do(udp_read, 100, 0));
	TRY(sendto(near_fd, "named", 5, 0, (void *)&far_addr[0], far_len[0]));
	TRY(far_do(udp_read, 100, 0));
	TRY(recv(near_fd, b, sizeof(b), MSG_DONTWAIT));
}

TOPIC(server)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char buf[32];
	long i, round;

	udp_open(3, 0);
	for (round = 0; round < 4; round++)
		for (i = 0; i < 3; i++) {
			far_do(udp_send, (long)"who is it?", i);
			udp_get("it is", 32, 0);
		}
	for (i = 2; i >= 0; i--)
		far_do(udp_send, (long)"all at once", i);
	/* whose comes first is not said where rings are */
	for (i = 0; i < 3; i++) {
		len = sizeof(addr);
		TRY(recvfrom(near_fd, buf, sizeof(buf), 0, (void *)&addr,
			     &len));
		TRY(sendto(near_fd, "yes", 3, 0, (void *)&addr, len));
	}
	for (i = 0; i < 3; i++)
		TRY(far_do(udp_read, 100, i));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
}

TOPIC(cut)
{
	char buf[8];

	udp_open(1, 0);
	TRY(udp_text("a datagram that is long"));
	udp_get("cut", 5, 0);
	TRY(udp_text("a datagram that is long"));
	udp_get("cut, and told", 5, MSG_TRUNC);
	TRY(udp_text("a datagram that is long"));
	TRY(recv(near_fd, buf, 5, MSG_TRUNC));
	TRY(udp_text("a datagram that is long"));
	TRY(recv(near_fd, buf, 5, 0));
	TRY(udp_text("a datagram that is long"));
	TRY(read(near_fd, buf, 5));
	TRY(udp_text("exact"));
	udp_get("exact", 5, MSG_TRUNC);
	TRY(udp_text("gone"));
	TRY(recv(near_fd, buf, 0, 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
}

TOPIC(peek)
{
	udp_open(1, 0);
	TRY(udp_text("first"));
	TRY(udp_text("second one"));
	udp_get("peek", 100, MSG_PEEK);
	udp_get("peek", 3, MSG_PEEK);
	udp_get("peek for the length", 0, MSG_PEEK | MSG_TRUNC);
	udp_get("take", 100, 0);
	udp_get("peek", 4, MSG_PEEK | MSG_TRUNC);
	udp_get("take", 100, 0);
	udp_get("peek at nothing", 100, MSG_PEEK | MSG_DONTWAIT);
}

TOPIC(empty)
{
	char byte = 'x';
	struct iovec none = { &byte, 0 };
	struct msghdr msg = { .msg_iov = &none, .msg_iovlen = 1 };

	udp_open(1, UDP_NEAR_CONNECTED | UDP_FAR_CONNECTED);
	TRY(far_do(udp_send_n, 0, 0));
	TRY(udp_text("behind it"));
	TRY(recv(near_fd, &byte, 1, 0));
	udp_get("behind", 100, 0);
	TRY(send(near_fd, "", 0, 0));
	TRY(far_do(udp_read, 100, 0));
	TRY(sendmsg(near_fd, &msg, 0));
	TRY(far_do(udp_read, 100, 0));
	TRY(writev(near_fd, &none, 1));
	TRY(send(near_fd, "after writev", 12, 0));
	TRY(far_do(udp_read, 100, 0));
	TRY(write(near_fd, "", 0));
	TRY(send(near_fd, "after write", 11, 0));
	TRY(far_do(udp_read, 100, 0));
	TRY(udp_text("is still there"));
	TRY(read(near_fd, &byte, 0));
	TRY(readv(near_fd, &none, 1));
	udp_get("still", 100, 0);
}

TOPIC(large)
{
	static char big[70000];

	udp_open(1, UDP_NEAR_CONNECTED | UDP_FAR_CONNECTED);
	TRY(far_do(udp_send_n, 65507, 0));
	udp_get("largest", 70000, 0);
	TRY(far_do(udp_send_n, 1472, 0));
	udp_get("medium", 70000, 0);
	TRY(send(near_fd, big, 65536, 0));
	if (!mode.v6)
		TRY(send(near_fd, big, 65508, 0));
	TRY(send(near_fd, big, 65507, 0));
	TRY(far_do(udp_read, 70000, 0));
	TRY(send(near_fd, big, 3, 0));
	TRY(far_do(udp_read, 70000, 0));
}

static void many_init(struct mmsghdr *m, struct iovec *iov, char buf[][16],
		      int n)
{
	int i;

	memset(m, 0, (size_t)n * sizeof(*m));
	for (i = 0; i < n; i++) {
		iov[i] = (struct iovec){ buf[i], 16 };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
}

TOPIC(many)
{
	struct timespec soon = { .tv_nsec = 50000000 };
	struct mmsghdr m[4];
	struct iovec iov[4];
	char buf[4][16];
	int i, n;

	udp_open(1, UDP_NEAR_CONNECTED | UDP_FAR_CONNECTED);
	for (i = 0; i < 6; i++)
		TRY(udp_text("one of many"));
	many_init(m, iov, buf, 4);
	n = (int)TRY(recvmmsg(near_fd, m, 4, 0, NULL));
	for (i = 0; i < n; i++)
		say_data(buf[i], m[i].msg_len);
	n = (int)TRY(recvmmsg(near_fd, m, 4, MSG_WAITFORONE, NULL));
	for (i = 0; i < n; i++)
		say_data(buf[i], m[i].msg_len);
	TRY(recvmmsg(near_fd, m, 4, MSG_DONTWAIT, NULL));
	TRY(udp_text("in time"));
	TRY(recvmmsg(near_fd, m, 4, MSG_WAITFORONE, &soon));
	many_init(m, iov, buf, 4);
	for (i = 0; i < 4; i++)
		iov[i].iov_len = (size_t)(4 - i);
	TRY(sendmmsg(near_fd, m, 4, 0));
	for (i = 0; i < 4; i++) {
		say("sent %u", m[i].msg_len);
		TRY(far_do(udp_read, 100, 0));
	}
}

TOPIC(next_length)
{
	int n = -1;

	udp_open(1, 0);
	TRY(ioctl(near_fd, FIONREAD, &n));
	say("nothing: %d", n);
	TRY(udp_text("four"));
	TRY(udp_text("and eleven."));
	TRY(ioctl(near_fd, FIONREAD, &n));
	say("next: %d", n);
	udp_get("next", 100, 0);
	TRY(ioctl(near_fd, FIONREAD, &n));
	say("next: %d", n);
	udp_get("next", 100, 0);
	TRY(ioctl(near_fd, FIONREAD, &n));
	say("nothing: %d", n);
	TRY(sendto(near_fd, "x", 1, 0, (void *)&far_addr[0], far_len[0]));
	TRY(ioctl(near_fd, SIOCOUTQ, &n));
	say("on its way: %d", n);
}

#define SWITCH_ROUNDS 200
#define SWITCH_BURST 10

/* Numbers in order over the moment in which the link comes: some are read
 * while they come, and some wait in the kernel meanwhile. */
TOPIC(order)
{
	uint32_t expect, got;
	int round, k;

	udp_open(1, 0);
	for (round = 0; round < SWITCH_ROUNDS; round++) {
		far_go(udp_count, SWITCH_BURST, 0);
		if (round % 3)
			far_end();
		for (expect = 0; expect < SWITCH_BURST; expect++) {
			got = ~0u;
			MUST(recv(near_fd, &got, sizeof(got), 0));
			if (got != expect)
				die("round %d: %u, not %u", round, got, expect);
		}
		if (round % 3 == 0)
			far_end();
		if (round % 16 == 0)
			poll(NULL, 0, 2);
	}
	for (k = 0; k < 3; k++)
		TRY(recv(near_fd, &got, sizeof(got), MSG_DONTWAIT));
}

/* Some may be lost, none comes before an earlier one: by a link, by the
 * kernel, and by another link. */
TOPIC(order_back)
{
	uint32_t last = 0, got;
	long n = 0;

	udp_open(1, 0);
	far_go(udp_numbers, 80, 0);
	for (;;) {
		MUST(recv(near_fd, &got, sizeof(got), 0));
		if (!got)
			break;
		if (got <= last)
			die("%u comes after %u", got, last);
		last = got;
		n++;
	}
	TRY(far_end());
	say("%s arrived", n > 800 ? "most" : "few");
	while (recv(near_fd, &got, sizeof(got), MSG_DONTWAIT) > 0)
		if (got)
			die("%u comes after the end", got);
}

/* The one that was bound last gets what is sent. */
TOPIC(taken_over)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char buf[16];
	bool warm = mode.warm;
	int other;

	mode.warm = false;
	udp_open(1, 0);
	mode.warm = warm;
	set_int(near_fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (warm)
		udp_warm(0);
	TRY(udp_text("to the first"));
	udp_get("first", 100, 0);
	other = (int)MUST(socket(family_server(), SOCK_DGRAM, 0));
	set_int(other, SOL_SOCKET, SO_REUSEADDR, 1);
	len = sizeof(addr);
	MUST(getsockname(near_fd, (void *)&addr, &len));
	TRY(bind(other, (void *)&addr, len));
	TRY(udp_text("to the other"));
	TRY(recv(other, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(close(other));
	TRY(udp_text("to the first"));
	udp_get("first", 100, 0);
}

static int passed(int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { { 0 } };
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = u.buf,
			      .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2], got;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	MUST(sendmsg(pair[0], &msg, 0));
	MUST(recvmsg(pair[1], &msg, 0));
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(got));
	close(pair[0]);
	close(pair[1]);
	return got;
}

/* Who gets it by SCM_RIGHTS may know nothing of rings. */
TOPIC(given)
{
	char buf[32];
	int other, i;

	udp_open(1, 0);
	TRY(udp_text("before"));
	udp_get("before", 100, 0);
	other = passed(near_fd);
	for (i = 0; i < 4; i++) {
		TRY(udp_text("for whoever"));
		TRY(recv(i % 2 ? near_fd : other, buf, sizeof(buf), 0));
	}
	TRY(sendto(other, "by the one", 10, 0, (void *)&far_addr[0],
		   far_len[0]));
	TRY(sendto(near_fd, "by the other", 12, 0, (void *)&far_addr[0],
		   far_len[0]));
	TRY(far_do(udp_read, 100, 0));
	TRY(far_do(udp_read, 100, 0));
}

TOPIC(refused)
{
	int i;

	udp_open(1, UDP_NEAR_CONNECTED);
	TRY(send(near_fd, "there", 5, 0));
	TRY(far_do(udp_read, 100, 0));
	TRY(far_do(udp_shut, 0, 0));
	TRY(send(near_fd, "first", 5, 0));
	for (i = 0; i < 3; i++)
		TRY(send(near_fd, "more", 4, 0));
	TRY(recv(near_fd, &i, sizeof(i), MSG_DONTWAIT));
	TRY(recv(near_fd, &i, sizeof(i), MSG_DONTWAIT));
	say_error("near", near_fd);
}

TOPIC(not_connected)
{
	int i;

	udp_open(1, 0);
	TRY(send(near_fd, "nowhere", 7, 0));
	TRY(write(near_fd, "nowhere", 7));
	TRY(far_do(udp_shut, 0, 0));
	for (i = 0; i < 3; i++)
		TRY(sendto(near_fd, "gone", 4, 0, (void *)&far_addr[0],
			   far_len[0]));
	TRY(recv(near_fd, &i, sizeof(i), MSG_DONTWAIT));
	say_error("near", near_fd);
}

TOPIC(times)
{
	struct timeval tv = { .tv_usec = 50000 };
	int64_t before;
	char byte;

	udp_open(1, 0);
	MUST(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	before = now_ms();
	TRY(recv(near_fd, &byte, 1, 0));
	say("it took %s", now_ms() - before >= 45 ? "its time" : "no time");
	TRY(udp_text("now"));
	udp_get("in time", 100, 0);
	TRY(recv(near_fd, &byte, 1, MSG_DONTWAIT));
	tv.tv_usec = 0;
	MUST(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	set_nonblock(near_fd, true);
	TRY(recv(near_fd, &byte, 1, 0));
	TRY(udp_text("now"));
	udp_get("there", 100, 0);
	set_nonblock(near_fd, false);
	far_go(udp_send, (long)"by and by", 0);
	udp_get("waited for", 100, 0);
	far_end();
}

TOPIC(again)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	char buf[16];
	ssize_t n;

	udp_open(2, 0);
	TRY(udp_text("before"));
	TRY(far_do(udp_send, (long)"other", 1));
	TRY(connect(near_fd, (void *)&far_addr[0], far_len[0]));
	/* whose comes first is not said where rings are */
	n = recv(near_fd, buf, sizeof(buf), 0);
	n += recv(near_fd, buf, sizeof(buf), 0);
	say("both have %ld bytes", (long)n);
	TRY(far_do(udp_send, (long)"not heard", 1));
	TRY(udp_text("heard"));
	udp_get("heard", 100, 0);
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	udp_warm(0);
	TRY(udp_text("heard"));
	udp_get("heard", 100, 0);
	TRY(connect(near_fd, &none, sizeof(none)));
	TRY(udp_text("one"));
	udp_get("one", 100, 0);
	TRY(far_do(udp_send, (long)"the other", 1));
	udp_get("the other", 100, 0);
	TRY(send(near_fd, "x", 1, 0));
}

/* Where the datagram came to: the kernel alone can say. */
TOPIC(beside)
{
	char control[256] = { 0 }, buf[32];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int i;

	udp_open(1, 0);
	TRY(udp_text("without"));
	udp_get("without", 100, 0);
	if (mode.v6 || mode.dual)
		set_int(near_fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	else
		set_int(near_fd, IPPROTO_IP, IP_PKTINFO, 1);
	TRY(udp_text("first, which may have been on its way"));
	udp_get("first", 0, 0);
	for (i = 0; i < 3; i++) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		TRY(udp_text("with"));
		TRY(recvmsg(near_fd, &msg, 0));
		say("control %s",
		    CMSG_FIRSTHDR(&msg) ? "is there" : "is missing");
	}
}

/* A message with control data overtakes nothing. */
TOPIC(marked)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { (char[]){ "marked" }, 6 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_name = &far_addr[0],
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int i;

	udp_open(1, 0);
	msg.msg_namelen = far_len[0];
	c->cmsg_level = mode.v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = mode.v6 ? IPV6_TCLASS : IP_TOS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	for (i = 0; i < 3; i++)
		TRY(sendto(near_fd, "abc", (size_t)i, 0, (void *)&far_addr[0],
			   far_len[0]));
	TRY(sendmsg(near_fd, &msg, 0));
	TRY(sendto(near_fd, "behind it", 9, 0, (void *)&far_addr[0],
		   far_len[0]));
	for (i = 0; i < 5; i++)
		TRY(far_do(udp_read, 100, 0));
}

TOPIC(errors_queue)
{
	char control[512], buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	udp_open(1, UDP_NEAR_CONNECTED);
	TRY(recvmsg(near_fd, &msg, MSG_ERRQUEUE));
	TRY(udp_text("there"));
	TRY(recvmsg(near_fd, &msg, MSG_ERRQUEUE));
	udp_get("there", 100, 0);
	if (mode.v6 || mode.dual)
		set_int(near_fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	if (!mode.v6)
		set_int(near_fd, IPPROTO_IP, IP_RECVERR, 1);
	TRY(far_do(udp_shut, 0, 0));
	TRY(send(near_fd, "gone", 4, 0));
	until_poll(near_fd, POLLERR);
	msg.msg_controllen = sizeof(control);
	TRY(recvmsg(near_fd, &msg, MSG_ERRQUEUE));
	say_data(buf, 4);
	say("control %s", CMSG_FIRSTHDR(&msg) ? "is there" : "is missing");
}

TOPIC(shut)
{
	char buf[16];

	udp_open(1, UDP_NEAR_CONNECTED);
	TRY(udp_text("before"));
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
}
