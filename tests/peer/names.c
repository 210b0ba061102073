/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - getsockname, getpeername and the addresses that calls give */
#include "tests/peer/peer.h"

static void say_name(const char *what, int fd, int port)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0x55, sizeof(addr));
	TRY(getsockname(fd, (struct sockaddr *)&addr, &len));
	say_addr(what, &addr, len, port);
}

static void say_peer(const char *what, int fd, int port)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0x55, sizeof(addr));
	if (TRY(getpeername(fd, (struct sockaddr *)&addr, &len)) == 0)
		say_addr(what, &addr, len, port);
	else
		say("length is now %u", len);
}

TOPIC(both_ends)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int listener, port, fd, conn, mine;

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	say_name("fresh", fd, 0);
	say_peer("fresh", fd, 0);
	say_name("listener", listener, port);
	say_peer("listener", listener, 0);
	close(fd);
	fd = sock_dial(port);
	mine = local_port(fd);
	conn = TRY_FD(accept(listener, (struct sockaddr *)&addr, &len));
	say_addr("accept says", &addr, len, mine);
	say_name("client", fd, mine);
	say_peer("client", fd, port);
	say_name("server", conn, port);
	say_peer("server", conn, mine);
}

TOPIC(lengths)
{
	struct sockaddr_storage addr;
	socklen_t lens[] = { 0, 1, 2, 8, 16, 27, 28, 100 };
	int listener, port, fd, conn, fds[2];
	size_t i, j, touched;
	socklen_t len;

	sock_pair(fds);
	listener = sock_listener(8, &port);
	for (i = 0; i < COUNT(lens); i++) {
		memset(&addr, 0x55, sizeof(addr));
		len = lens[i];
		TRY(getpeername(fds[0], (struct sockaddr *)&addr, &len));
		for (j = touched = 0; j < sizeof(addr); j++)
			if (((unsigned char *)&addr)[j] != 0x55)
				touched = j + 1;
		say("room %u, length %u, beyond room %d", lens[i], len,
		    touched > lens[i]);
		len = lens[i];
		TRY(getsockname(fds[1], (struct sockaddr *)&addr, &len));
		say("length %u", len);
		fd = sock_dial(port);
		len = lens[i];
		conn = TRY_FD(accept(listener, (struct sockaddr *)&addr, &len));
		say("length %u", len);
		close(fd);
		close(conn);
	}
	len = (socklen_t)-1;
	TRY(getpeername(fds[0], (struct sockaddr *)&addr, &len));
	TRY(getsockname(fds[0], (struct sockaddr *)&addr, &len));
	len = sizeof(addr);
	TRY(getsockname(-1, (struct sockaddr *)&addr, &len));
	TRY(getpeername(-1, (struct sockaddr *)&addr, &len));
}

/* how long a name is known */
TOPIC(after_close)
{
	int fds[2], client, server;

	sock_pair(fds);
	client = local_port(fds[0]);
	server = local_port(fds[1]);
	TRY(shutdown(fds[0], SHUT_WR));
	say_peer("half closed", fds[0], server);
	TRY(close(fds[1]));
	until_poll(fds[0], POLLHUP);
	say_name("closed by both", fds[0], client);
	say_peer("closed by both", fds[0], server);
	sock_pair(fds);
	TRY(act_reset(fds[1], 0, 0));
	until_poll(fds[0], POLLHUP);
	say_name("reset", fds[0], 0);
	say_peer("reset", fds[0], 0);
}

/* recvfrom and recvmsg on a connected stream */
TOPIC(recvfrom)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	struct iovec iov;
	struct msghdr msg = { .msg_name = &addr,
			      .msg_namelen = sizeof(addr),
			      .msg_iov = &iov,
			      .msg_iovlen = 1 };
	char buf[10];

	far_open();
	memset(&addr, 0x55, sizeof(addr));
	TRY(far_text("abc"));
	TRY(recvfrom(near_fd, buf, sizeof(buf), 0, (struct sockaddr *)&addr,
		     &len));
	say("length %u, family %#x", len, addr.ss_family);
	iov.iov_base = buf;
	iov.iov_len = sizeof(buf);
	TRY(far_text("def"));
	TRY(recvmsg(near_fd, &msg, 0));
	say("namelen %u, flags %#x, controllen %zu", msg.msg_namelen,
	    (unsigned)msg.msg_flags, msg.msg_controllen);
	TRY(far_do(act_close, 0, 0));
	len = sizeof(addr);
	TRY(recvfrom(near_fd, buf, sizeof(buf), 0, (struct sockaddr *)&addr,
		     &len));
	say("length %u, family %#x", len, addr.ss_family);
}

TOPIC(sendto)
{
	struct sockaddr_storage addr;
	socklen_t len;
	char buf[20];
	int fd;

	far_open();
	len = addr_loop(&addr, family_client(), 9);
	TRY(sendto(near_fd, "a", 1, 0, (struct sockaddr *)&addr, len));
	TRY(sendto(near_fd, "b", 1, 0, (struct sockaddr *)&addr, 0));
	TRY(sendto(near_fd, "c", 1, 0, NULL, len));
	TRY(sendto(near_fd, "d", 1, 0, NULL, 0));
	TRY(sendto(near_fd, "e", 1, 0, (struct sockaddr *)&addr, 1000));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_pull, 100, 0));
	fd = sock_tcp(family_client());
	TRY(sendto(fd, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&addr, len));
	TRY(recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL));
}

/* what MSG_FASTOPEN does where it is not switched on for listeners: connects
 * by sendto */
TOPIC(fastopen)
{
	struct sockaddr_storage addr;
	int listener, port, fd, conn;
	socklen_t len;
	char buf[10];

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	len = addr_loop(&addr, family_client(), port);
	TRY(sendto(fd, "fast", 4, MSG_FASTOPEN, (struct sockaddr *)&addr, len));
	conn = sock_accept(listener);
	say_data(buf, TRY(recv(conn, buf, 4, MSG_WAITALL)));
	TRY(send(conn, "back", 4, 0));
	say_data(buf, TRY(recv(fd, buf, 4, MSG_WAITALL)));
}
