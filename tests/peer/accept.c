/* SPDX-License-Identifier: Apache-2.0 */
/* accept.c - listening and accepting */
#include "tests/peer/peer.h"

static void say_flags(const char *who, int fd)
{
	int status = (int)MUST(fcntl(fd, F_GETFL));

	say("%s: nonblock %d, cloexec %d", who, !!(status & O_NONBLOCK),
	    !!(MUST(fcntl(fd, F_GETFD)) & FD_CLOEXEC));
}

TOPIC(nonblock)
{
	int listener, port, fd, conn;
	char buf[10];

	listener = sock_listener(8, &port);
	say_poll("listener", listener, POLLIN | POLLOUT | POLLRDHUP);
	set_nonblock(listener, true);
	TRY(accept(listener, NULL, NULL));
	TRY(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	fd = sock_dial(port);
	until_poll(listener, POLLIN);
	say_poll("listener", listener, POLLIN | POLLOUT | POLLRDHUP);
	conn = TRY_FD(accept(listener, NULL, NULL));
	say_flags("accepted", conn); /* not inherited on Linux */
	TRY(accept(listener, NULL, NULL));
	TRY(send(fd, "x", 1, 0));
	TRY(recv(conn, buf, sizeof(buf), 0));
	say_poll("listener", listener, POLLIN | POLLOUT | POLLRDHUP);
}

TOPIC(flags)
{
	static const int flags[] = { 0, SOCK_NONBLOCK, SOCK_CLOEXEC,
				     SOCK_NONBLOCK | SOCK_CLOEXEC };
	int listener, port, fd, conn;
	char buf[10];
	size_t i;

	listener = sock_listener(8, &port);
	for (i = 0; i < COUNT(flags); i++) {
		fd = sock_dial(port);
		conn = TRY_FD(accept4(listener, NULL, NULL, flags[i]));
		say_flags("accepted", conn);
		if (flags[i] & SOCK_NONBLOCK)
			TRY(recv(conn, buf, sizeof(buf), 0));
		TRY(send(fd, "abc", 3, 0));
		until_input(conn, 3);
		TRY(recv(conn, buf, sizeof(buf), 0));
		TRY(close(fd));
		TRY(close(conn));
	}
	set_nonblock(listener, true);
	TRY(accept4(listener, NULL, NULL, 1));
	TRY(accept4(listener, NULL, NULL, SOCK_NONBLOCK | 0x1000000));
	TRY(accept4(listener, NULL, NULL, 0));
}

TOPIC(data_first)
{
	int listener, port, fd, conn;
	char buf[20];

	listener = sock_listener(8, &port);
	fd = sock_dial(port);
	TRY(send(fd, "before accept", 13, 0));
	TRY(shutdown(fd, SHUT_WR));
	conn = sock_accept(listener);
	say_data(buf, TRY(recv(conn, buf, sizeof(buf), MSG_WAITALL)));
	TRY(recv(conn, buf, sizeof(buf), 0));
	TRY(send(conn, "after", 5, 0));
	say_data(buf, TRY(recv(fd, buf, 5, MSG_WAITALL)));
}

/* so much that the kernel's socket is full before anybody accepts */
TOPIC(much_first)
{
	int listener, port, fd, conn;
	long n = 1000000;

	listener = sock_listener(8, &port);
	near_fd = fd = sock_dial(port);
	if (MUST(fork()) == 0) {
		alarm(20);
		exit(act_push(fd, n, 5) == n ? 7 : 1);
	}
	until_poll(listener, POLLIN);
	conn = sock_accept(listener);
	TRY(close(fd));
	TRY(act_pull(conn, n + 1, 0));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(act_pull(conn, 1, 0));
	TRY(wait(NULL) > 0);
}

TOPIC(gone_first)
{
	int listener, port, fd, conn;
	char buf[20];

	listener = sock_listener(8, &port);
	fd = sock_dial(port);
	TRY(send(fd, "gone", 4, 0));
	TRY(close(fd));
	fd = sock_dial(port);
	TRY(close(fd));
	conn = TRY_FD(accept(listener, NULL, NULL));
	say_data(buf, TRY(recv(conn, buf, 4, MSG_WAITALL)));
	TRY(recv(conn, buf, sizeof(buf), 0));
	say_poll("accepted", conn, POLLIN | POLLOUT | POLLRDHUP);
	conn = TRY_FD(accept(listener, NULL, NULL));
	TRY(recv(conn, buf, sizeof(buf), 0));
	/* reset before accept: it is accepted and then tells */
	fd = sock_dial(port);
	TRY(act_reset(fd, 0, 0));
	conn = TRY_FD(accept(listener, NULL, NULL));
	until_poll(conn, POLLHUP);
	say_poll("accepted", conn, POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(conn, buf, sizeof(buf), 0));
	TRY(recv(conn, buf, sizeof(buf), 0));
}

TOPIC(order)
{
	int listener, port, fd[5], conn, i;
	char buf[10];

	listener = sock_listener(8, &port);
	for (i = 0; i < 5; i++) {
		fd[i] = sock_dial(port);
		until_poll(listener, POLLIN);
		snprintf(buf, sizeof(buf), "no. %d", i);
		TRY(send(fd[i], buf, 5, 0));
	}
	for (i = 0; i < 5; i++) {
		conn = sock_accept(listener);
		say_data(buf, TRY(recv(conn, buf, 5, MSG_WAITALL)));
	}
	set_nonblock(listener, true);
	TRY(accept(listener, NULL, NULL));
}

static void *accept_thread(void *arg)
{
	return (void *)(long)accept(*(int *)arg, NULL, NULL);
}

/* a listener that is shut down wakes who waits in accept */
TOPIC(shutdown_listener)
{
	int listener, port, fd;
	pthread_t thread;
	void *ret;

	listener = sock_listener(8, &port);
	if (pthread_create(&thread, NULL, accept_thread, &listener))
		die("pthread_create");
	TRY(shutdown(listener, SHUT_WR));
	say_poll("listener", listener, POLLIN | POLLOUT | POLLRDHUP);
	TRY(shutdown(listener, SHUT_RDWR));
	pthread_join(thread, &ret);
	say("accept = %ld", (long)ret);
	say_poll("listener", listener, POLLIN | POLLOUT | POLLRDHUP);
	TRY(accept(listener, NULL, NULL));
	TRY(listen(listener, 4)); /* and listens again, at some port */
	port = local_port(listener);
	fd = sock_dial(port);
	TRY(close(sock_accept(listener)));
	TRY(close(fd));
}

TOPIC(bad_accept)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd = sock_tcp(family_server()), listener, port, pipes[2];

	TRY(accept(fd, NULL, NULL));
	TRY(accept(-1, NULL, NULL));
	MUST(pipe(pipes));
	TRY(accept(pipes[0], NULL, NULL));
	TRY(close(pipes[0]));
	TRY(accept(pipes[0], NULL, NULL));
	listener = sock_listener(8, &port);
	TRY(close(fd));
	fd = sock_dial(port);
	/* a bad length costs the connection */
	len = (socklen_t)-1;
	TRY(accept(listener, (struct sockaddr *)&addr, &len));
	set_nonblock(listener, true);
	TRY(accept(listener, NULL, NULL));
	say_poll("client", fd, POLLOUT);
}

TOPIC(listen_states)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int fd, listener, port, conn;
	char buf[4];

	/* never bound: the kernel chooses a port */
	fd = sock_tcp(family_client());
	TRY(listen(fd, 4));
	say("has a port: %d", local_port(fd) != 0);
	len = addr_loop(&addr, family_client(), local_port(fd));
	conn = sock_tcp(family_client());
	TRY(connect(conn, (struct sockaddr *)&addr, len));
	TRY(listen(fd, 0)); /* again, another back-log */
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(send(fd, buf, sizeof(buf), MSG_NOSIGNAL));
	TRY(close(sock_accept(fd)));
	/* two at one address */
	listener = sock_listener(4, &port);
	len = addr_loop(&addr, family_server(), port);
	fd = sock_tcp(family_server());
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	set_int(listener, SOL_SOCKET, SO_REUSEADDR, 1);
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	TRY(close(listener));
	TRY(bind(fd, (struct sockaddr *)&addr, len));
	TRY(listen(fd, 4));
	conn = sock_tcp(family_server());
	set_int(conn, SOL_SOCKET, SO_REUSEADDR, 1);
	TRY(bind(conn, (struct sockaddr *)&addr, len));
	TRY(listen(-1, 4));
	TRY(listen(conn, 4)); /* not bound: some port */
}

/* bound both with SO_REUSEADDR, only one may listen */
TOPIC(two_listen)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int a = sock_tcp(family_server()), b = sock_tcp(family_server());

	set_int(a, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(b, SOL_SOCKET, SO_REUSEADDR, 1);
	len = addr_loop(&addr, family_server(), 0);
	TRY(bind(a, (struct sockaddr *)&addr, len));
	len = addr_loop(&addr, family_server(), local_port(a));
	TRY(bind(b, (struct sockaddr *)&addr, len));
	TRY(listen(a, 4));
	TRY(listen(b, 4));
	TRY(close(a));
	TRY(listen(b, 4));
}

/* a listener goes, its connections stay, another comes at the same port */
TOPIC(listen_again)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int listener, port, fd, conn, again, i;
	char buf[10];

	listener = sock_listener(4, &port);
	fd = sock_dial(port);
	conn = sock_accept(listener);
	TRY(close(listener));
	again = sock_tcp(family_server());
	len = addr_loop(&addr, family_server(), port);
	TRY(bind(again, (struct sockaddr *)&addr, len));
	set_int(again, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(conn, SOL_SOCKET, SO_REUSEADDR, 1);
	TRY(bind(again, (struct sockaddr *)&addr, len));
	TRY(listen(again, 4));
	for (i = 0; i < 50; i++) {
		MUST(send(fd, "ping", 4, 0));
		MUST(recv(conn, buf, 4, MSG_WAITALL));
		MUST(send(conn, buf, 4, 0));
		MUST(recv(fd, buf, 4, MSG_WAITALL));
	}
	i = sock_dial(port);
	TRY(close(sock_accept(again)));
	TRY(recv(i, buf, sizeof(buf), 0));
	TRY(send(fd, "still", 5, 0));
	say_data(buf, TRY(recv(conn, buf, 5, MSG_WAITALL)));
}

TOPIC(reuseport)
{
	struct sockaddr_storage addr;
	int a = sock_tcp(family_server()), b = sock_tcp(family_server());
	int i, port, got = 0, fd[20], conn;
	socklen_t len;
	char c;

	set_int(a, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(b, SOL_SOCKET, SO_REUSEPORT, 1);
	len = addr_loop(&addr, family_server(), 0);
	TRY(bind(a, (struct sockaddr *)&addr, len));
	TRY(listen(a, 32));
	port = local_port(a);
	len = addr_loop(&addr, family_server(), port);
	TRY(bind(b, (struct sockaddr *)&addr, len));
	TRY(listen(b, 32));
	for (i = 0; i < 20; i++) {
		fd[i] = sock_dial(port);
		MUST(send(fd[i], "x", 1, 0));
	}
	set_nonblock(a, true);
	set_nonblock(b, true);
	for (i = 0; i < 2; i++)
		while ((conn = accept(i ? a : b, NULL, NULL)) >= 0) {
			got += recv(conn, &c, 1, 0) == 1;
			MUST(send(conn, "y", 1, 0));
		}
	say("both together got %d", got);
	for (i = got = 0; i < 20; i++)
		got += recv(fd[i], &c, 1, 0) == 1;
	say("answers %d", got);
}

TOPIC(v6only)
{
	struct sockaddr_storage addr;
	socklen_t len, olen = sizeof(int);
	int listener = sock_tcp(AF_INET6), fd, val = -1;

	TRY(getsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &val, &olen));
	say("by default %d", val);
	set_int(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	len = addr_any(&addr, AF_INET6);
	TRY(bind(listener, (struct sockaddr *)&addr, len));
	TRY(listen(listener, 4));
	fd = sock_tcp(AF_INET);
	len = addr_loop(&addr, AF_INET, local_port(listener));
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	fd = sock_tcp(AF_INET6);
	len = addr_loop(&addr, AF_INET6, local_port(listener));
	TRY(connect(fd, (struct sockaddr *)&addr, len));
	TRY(close(sock_accept(listener)));
}

/* The library's own descriptors sit high: what the program sees is low. */
static int open_fds(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 100; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

TOPIC(many)
{
	int listener, port, fd, conn, i, before, ok = 0;
	char buf[200];

	listener = sock_listener(64, &port);
	before = open_fds();
	memset(buf, 'm', sizeof(buf));
	for (i = 0; i < 200; i++) {
		fd = sock_dial(port);
		conn = sock_accept(listener);
		MUST(send(fd, buf, sizeof(buf), 0));
		ok += recv(conn, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
		MUST(send(conn, buf, sizeof(buf), 0));
		ok += recv(fd, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
		MUST(close(i % 2 ? fd : conn));
		ok += recv(i % 2 ? conn : fd, buf, 1, 0) == 0;
		MUST(close(i % 2 ? conn : fd));
	}
	say("ok %d, descriptors left open %d", ok, open_fds() - before);
}
