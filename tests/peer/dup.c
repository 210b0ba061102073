/* SPDX-License-Identifier: Apache-2.0 */
/* dup.c - one socket, several descriptors; closing many at once */
#include "tests/peer/peer.h"

TOPIC(one_closed)
{
	char buf[20];
	int copy;

	far_open();
	copy = TRY_FD(dup(near_fd));
	TRY(send(near_fd, "from one", 8, 0));
	TRY(far_do(act_read, 8, MSG_WAITALL));
	TRY(send(copy, "the other", 9, 0));
	TRY(far_do(act_read, 9, MSG_WAITALL));
	TRY(far_text("answers"));
	until_input(near_fd, 7);
	say_data(buf, TRY(recv(copy, buf, 3, 0)));
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(close(near_fd));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(copy, "still", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	TRY(far_do(act_read, 5, MSG_DONTWAIT)); /* no end yet */
	TRY(far_text("there"));
	say_data(buf, TRY(recv(copy, buf, sizeof(buf), 0)));
	TRY(close(copy));
	TRY(far_do(act_read, 5, 0));
}

TOPIC(onto_other)
{
	int fds[2], other[2], third;
	char buf[20];

	sock_pair(fds);
	sock_pair(other);
	say("dup2 gives the number %d", dup2(fds[0], other[0]) == other[0]);
	/* that closed the other */
	TRY(recv(other[1], buf, sizeof(buf), 0));
	TRY(send(other[0], "abc", 3, 0));
	say_data(buf, TRY(recv(fds[1], buf, sizeof(buf), 0)));
	TRY(close(fds[0]));
	TRY(send(other[0], "def", 3, 0));
	say_data(buf, TRY(recv(fds[1], buf, sizeof(buf), 0)));
	/* a pipe onto a socket, a socket onto a pipe */
	third = (int)MUST(open("/dev/null", O_RDWR));
	TRY(dup2(third, other[0]) == other[0]);
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(read(other[0], buf, sizeof(buf)));
	TRY(write(other[0], "to nobody", 9));
	TRY(recv(other[0], buf, sizeof(buf), 0));
	TRY(dup2(fds[1], third) == third);
	TRY(recv(third, buf, sizeof(buf), 0));
	TRY(write(third, "x", 1));
}

TOPIC(onto_itself)
{
	char buf[20];
	int copy;

	far_open();
	TRY(dup2(near_fd, near_fd) == near_fd);
	TRY(dup3(near_fd, near_fd, 0));
	TRY(dup3(near_fd, near_fd, O_CLOEXEC));
	TRY(dup2(-1, near_fd));
	TRY(dup2(900, near_fd));
	TRY(dup2(near_fd, -1));
	TRY(dup2(near_fd, 1 << 30));
	TRY(dup3(near_fd, 90, 12345));
	TRY(send(near_fd, "alive", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	TRY(far_text("too"));
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	copy = (int)TRY(dup3(near_fd, 90, O_CLOEXEC));
	TRY(fcntl(copy, F_GETFD));
	TRY(dup2(near_fd, 90));
	TRY(fcntl(copy, F_GETFD));
	TRY(close(near_fd));
	TRY(dup2(near_fd, near_fd));
	TRY(dup2(90, near_fd) == near_fd);
	TRY(close(90));
	TRY(send(near_fd, "alive", 5, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
}

TOPIC(listener)
{
	int listener, port, copy, fd, conn;
	char buf[10];

	listener = sock_listener(8, &port);
	copy = TRY_FD(dup(listener));
	fd = sock_dial(port);
	conn = TRY_FD(accept(copy, NULL, NULL));
	TRY(close(listener));
	TRY(close(conn));
	TRY(recv(fd, buf, sizeof(buf), 0));
	fd = sock_dial(port);
	conn = TRY_FD(accept(copy, NULL, NULL));
	TRY(send(conn, "abc", 3, 0));
	TRY(recv(fd, buf, sizeof(buf), 0));
	TRY(close(copy));
	TRY(send(conn, "abc", 3, 0)); /* connections stay */
	TRY(recv(fd, buf, sizeof(buf), 0));
}

/* shutdown is for all of them */
TOPIC(shutdown_one)
{
	char buf[10];
	int copy;

	far_open();
	copy = TRY_FD(dup(near_fd));
	TRY(shutdown(copy, SHUT_WR));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	TRY(far_do(act_read, 10, 0));
	TRY(close(copy));
	TRY(far_text("abc"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

/* before it is connected */
TOPIC(unconnected)
{
	struct sockaddr_storage addr;
	socklen_t len;
	int listener, port, fd, copy, conn;
	char buf[10];

	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	copy = TRY_FD(dup(fd));
	len = addr_loop(&addr, family_client(), port);
	TRY(connect(copy, (struct sockaddr *)&addr, len));
	TRY(close(copy));
	conn = sock_accept(listener);
	TRY(send(fd, "abc", 3, 0));
	TRY(recv(conn, buf, sizeof(buf), 0));
	TRY(close(fd));
	TRY(recv(conn, buf, sizeof(buf), 0));
}

TOPIC(close_range)
{
	int fds[2], other[2], i;
	char buf[10];

	sock_pair(fds);
	sock_pair(other);
	MUST(dup2(fds[0], 60));
	MUST(dup2(other[0], 61));
	MUST(dup2(0, 62));
	MUST(close(fds[0]));
	MUST(close(other[0]));
	TRY(close_range(61, 60, 0));
	TRY(close_range(60, 61, 12345));
	TRY(close_range(61, 70, CLOSE_RANGE_CLOEXEC));
	for (i = 60; i < 64; i++)
		TRY(fcntl(i, F_GETFD));
	TRY(send(61, "abc", 3, 0));
	TRY(recv(other[1], buf, sizeof(buf), 0));
	TRY(close_range(60, 62, 0));
	for (i = 60; i < 64; i++)
		TRY(fcntl(i, F_GETFD));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(recv(other[1], buf, sizeof(buf), 0));
	/* everything, as programs do; what is ours is not theirs */
	sock_pair(fds);
	TRY(close_range(3, ~0U, 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	sock_pair(fds);
	TRY(send(fds[0], "again", 5, 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	closefrom(3);
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	sock_pair(fds);
	TRY(send(fds[0], "again", 5, 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
}

/* a loop that closes everything there could be */
TOPIC(close_all)
{
	int fds[2], i, closed = 0;
	char buf[10];

	sock_pair(fds);
	for (i = 3; i < 200; i++)
		closed += close(i) == 0;
	say("closed %d", closed);
	sock_pair(fds);
	TRY(send(fds[0], "again", 5, 0));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
	TRY(close(fds[0]));
	TRY(recv(fds[1], buf, sizeof(buf), 0));
}

static void *read_thread(void *arg)
{
	char buf[10];

	return (void *)recv(*(int *)arg, buf, sizeof(buf), 0);
}

/* a number is replaced under somebody who reads from it: what he reads from
 * is the old connection, which lives as long as he does */
TOPIC(replaced)
{
	int fds[2], other[2];
	pthread_t thread;
	char buf[10];
	void *ret;

	sock_pair(fds);
	sock_pair(other);
	MUST(fcntl(fds[0], F_DUPFD, 60));
	if (pthread_create(&thread, NULL, read_thread, &fds[0]))
		die("pthread_create");
	TRY(send(fds[1], "abc", 3, 0));
	pthread_join(thread, &ret);
	say("read %ld", (long)ret);
	TRY(dup2(other[0], fds[0]) == fds[0]);
	TRY(send(other[1], "defg", 4, 0));
	TRY(recv(fds[0], buf, sizeof(buf), 0));
	TRY(send(fds[1], "hi", 2, 0));
	TRY(recv(60, buf, sizeof(buf), 0));
}
