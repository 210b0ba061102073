/* SPDX-License-Identifier: Apache-2.0 */
/* connect.c - connecting: at once, by and by, to nobody, twice, to nowhere */
#include "tests/peer/peer.h"

static int dial(int fd, int port)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), port);

	return connect(fd, (struct sockaddr *)&addr, len);
}

/* A port that was free a moment ago: bound, but nobody listens. */
static int closed_port(int *holder)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), 0);

	*holder = sock_tcp(family_client());
	MUST(bind(*holder, (struct sockaddr *)&addr, len));
	return local_port(*holder);
}

TOPIC(nonblock)
{
	int listener, port, fd, peer;
	char buf[10];

	listener = sock_listener(8, &port);
	fd = TRY_FD(socket(family_client(), SOCK_STREAM | SOCK_NONBLOCK, 0));
	TRY(dial(fd, port));
	until_poll(fd, POLLOUT);
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	say_error("client", fd);
	TRY(dial(fd, port)); /* tells once that it is done */
	TRY(dial(fd, port));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(send(fd, "early", 5, 0)); /* before accept */
	peer = sock_accept(listener);
	TRY(recv(peer, buf, sizeof(buf), 0));
	TRY(send(peer, "answer", 6, 0));
	until_input(fd, 6);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(close(peer));
	until_poll(fd, POLLRDHUP);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(dial(fd, port));
}

TOPIC(blocking)
{
	int listener, port, fd, peer;

	listener = sock_listener(8, &port);
	fd = TRY_FD(socket(family_client(), SOCK_STREAM, IPPROTO_TCP));
	TRY(dial(fd, port));
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	say_error("client", fd);
	TRY(dial(fd, port));
	peer = sock_accept(listener);
	TRY(dial(peer, port));
	TRY(dial(listener, port));
	TRY(close(fd));
	TRY(dial(fd, port));
}

TOPIC(refused)
{
	int holder, port = closed_port(&holder), fd;
	char buf[10];

	fd = sock_tcp(family_client());
	TRY(dial(fd, port));
	say_error("client", fd);
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(dial(fd, port)); /* it may be tried again */
	TRY(listen(holder, 1));
	TRY(dial(fd, port)); /* and now there is somebody */
	TRY(send(fd, "x", 1, 0));
}

TOPIC(refused_nonblock)
{
	int holder, port = closed_port(&holder), fd;
	char buf[10];

	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(dial(fd, port));
	until_poll(fd, POLLERR | POLLHUP);
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	say_error("client", fd);
	say_error("client", fd); /* it was taken away */
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(close(fd));
	/* the error by connect() */
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(dial(fd, port));
	until_poll(fd, POLLERR | POLLHUP);
	TRY(dial(fd, port));
	say_error("client", fd);
	TRY(close(fd));
	/* by recv() */
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(dial(fd, port));
	until_poll(fd, POLLERR | POLLHUP);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(close(fd));
	/* by send() */
	fd = sock_tcp(family_client());
	set_nonblock(fd, true);
	TRY(dial(fd, port));
	until_poll(fd, POLLERR | POLLHUP);
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
	TRY(close(fd));
}

TOPIC(unspec)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd, listener, port;

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	TRY(connect(fd, &none, sizeof(none)));
	TRY(dial(fd, port));
	TRY(send(fd, "x", 1, 0));
	TRY(close(fd));
	TRY(close(sock_accept(listener)));
}

/* disconnect and connect again, with the peer watching */
TOPIC(unspec_connected)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int listener, port, fds[2], peer;
	char buf[10];

	sock_pair(fds);
	listener = sock_listener(8, &port);
	TRY(connect(fds[0], &none, sizeof(none)));
	until_poll(fds[1], POLLRDHUP);
	say_poll("peer", fds[1], POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(getpeername(fds[0], (struct sockaddr *)&addr, &len));
	TRY(send(fds[0], "x", 1, MSG_NOSIGNAL));
	TRY(recv(fds[0], buf, sizeof(buf), 0));
	TRY(dial(fds[0], port));
	TRY(send(fds[0], "again", 5, 0));
	peer = sock_accept(listener);
	say_data(buf, TRY(recv(peer, buf, sizeof(buf), 0)));
}

TOPIC(bad_address)
{
	struct sockaddr_storage addr;
	int listener, port, fd;
	socklen_t len;

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	len = addr_loop(&addr, family_client(), port);
	TRY(connect(fd, (struct sockaddr *)&addr, 0));
	TRY(connect(fd, (struct sockaddr *)&addr, 2));
	TRY(connect(fd, (struct sockaddr *)&addr, len - 8));
	addr.ss_family = AF_UNIX;
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	addr.ss_family = 77;
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	addr_loop(&addr, family_client(), port);
	TRY(connect(-1, (struct sockaddr *)&addr, len));
	TRY(connect(0x7fffffff, (struct sockaddr *)&addr, len));
	TRY(connect(fd, (struct sockaddr *)&addr, len)); /* still works */
	TRY(close(listener));
}

/* 0.0.0.0 and :: mean this host */
TOPIC(any_address)
{
	struct sockaddr_storage addr, peer;
	socklen_t len, plen = sizeof(peer);
	int listener, port, fd, conn;

	listener = sock_listener(8, &port);
	len = addr_loop(&addr, family_client(), port);
	if (mode.v6)
		((struct sockaddr_in6 *)&addr)->sin6_addr = in6addr_any;
	else
		((struct sockaddr_in *)&addr)->sin_addr.s_addr = INADDR_ANY;
	fd = sock_tcp(family_client());
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	TRY(getpeername(fd, (struct sockaddr *)&peer, &plen));
	say_addr("peer", &peer, plen, port);
	conn = sock_accept(listener);
	plen = sizeof(peer);
	TRY(getpeername(conn, (struct sockaddr *)&peer, &plen));
	say_addr("client", &peer, plen, local_port(fd));
}

TOPIC(other_loopback)
{
	struct sockaddr_storage addr, name;
	struct sockaddr_in *in = (void *)&addr;
	socklen_t len, nlen = sizeof(name);
	int listener = sock_tcp(AF_INET), port, fd, conn, i;
	char buf[10];

	len = addr_any(&addr, AF_INET);
	TRY(bind(listener, (struct sockaddr *)&addr, len));
	TRY(listen(listener, 8));
	port = local_port(listener);
	fd = sock_tcp(AF_INET);
	addr_loop(&addr, AF_INET, port);
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	TRY(getsockname(fd, (struct sockaddr *)&name, &nlen));
	say_addr("client's own", &name, nlen, 0);
	conn = sock_accept(listener);
	nlen = sizeof(name);
	TRY(getsockname(conn, (struct sockaddr *)&name, &nlen));
	say_addr("server's own", &name, nlen, port);
	for (i = 0; i < 50; i++) {
		MUST(send(fd, "ping", 4, 0));
		MUST(recv(conn, buf, 4, MSG_WAITALL));
		MUST(send(conn, buf, 4, 0));
		MUST(recv(fd, buf, 4, MSG_WAITALL));
	}
	say_data(buf, 4);
}

TOPIC(source_port)
{
	struct sockaddr_storage addr, name;
	socklen_t len, nlen = sizeof(name);
	int listener, port, mine, fd, conn;

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	len = addr_loop(&addr, family_client(), 0);
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	mine = local_port(fd);
	TRY(dial(fd, port));
	say("kept the port: %d", local_port(fd) == mine);
	conn = TRY_FD(accept(listener, (struct sockaddr *)&name, &nlen));
	say_addr("client", &name, nlen, mine);
	TRY(send(conn, "hi", 2, 0));
	TRY(recv(fd, (char[4]){ 0 }, 4, 0));
}

/* nobody ever accepts, everything else works; then the listener goes */
TOPIC(never_accepted)
{
	int listener, port, fd;
	char buf[10];

	listener = sock_listener(8, &port);
	fd = sock_dial(port);
	TRY(send(fd, "hello", 5, 0));
	TRY(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(close(listener));
	until_poll(fd, POLLHUP);
	say_poll("client", fd, POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(send(fd, "x", 1, MSG_NOSIGNAL));
}
