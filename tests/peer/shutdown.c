/* SPDX-License-Identifier: Apache-2.0 */
/* shutdown.c - half and fully closed connections */
#include "tests/peer/peer.h"

#define ALL (POLLIN | POLLOUT | POLLRDHUP)

TOPIC(write_half)
{
	char buf[20];

	far_open();
	TRY(send(near_fd, "last", 4, 0));
	TRY(shutdown(near_fd, SHUT_WR));
	say_poll("near", near_fd, ALL);
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(far_do(act_read, 10, MSG_WAITALL));
	TRY(far_do(act_read, 10, 0));
	/* the other way still works */
	TRY(far_text("still here"));
	until_input(near_fd, 10);
	say_poll("near", near_fd, ALL);
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	TRY(send(near_fd, "x", 0, MSG_NOSIGNAL));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_error("near", near_fd);
}

TOPIC(write_half_large)
{
	far_open();
	far_go(act_pull, 1 << 30, 0);
	TRY(act_push(near_fd, 5000000, 3));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
	far_go(act_push, 5000000, 4);
	TRY(act_pull(near_fd, 5000000, 0));
	say("sum %016llx", (unsigned long long)act_sum);
	TRY(far_end());
	far_do(act_close, 0, 0);
	TRY(act_pull(near_fd, 1, 0));
}

TOPIC(read_half)
{
	char buf[20];
	int have = -1;

	far_open();
	TRY(shutdown(near_fd, SHUT_RD));
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	TRY(send(near_fd, "out", 3, MSG_NOSIGNAL));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	/* Linux takes what comes after it all the same */
	TRY(far_text("in"));
	until_input(near_fd, 2);
	say_poll("near", near_fd, ALL);
	TRY(ioctl(near_fd, FIONREAD, &have));
	say("readable %d", have);
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	TRY(shutdown(near_fd, SHUT_WR));
	until_poll(near_fd, POLLHUP);
	say_poll("near", near_fd, ALL);
}

TOPIC(read_half_data)
{
	char buf[20];

	far_open();
	TRY(far_text("unread"));
	until_input(near_fd, 6);
	TRY(shutdown(near_fd, SHUT_RD));
	say_poll("near", near_fd, ALL);
	say_data(buf, TRY(recv(near_fd, buf, 3, 0)));
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

TOPIC(both_halves)
{
	char buf[20];

	far_open();
	TRY(shutdown(near_fd, SHUT_RDWR));
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(far_do(act_read, 10, 0));
	TRY(shutdown(near_fd, SHUT_RDWR));
	TRY(far_do(act_close, 0, 0));
	until_closed(near_fd);
	say_poll("near", near_fd, ALL);
	TRY(shutdown(near_fd, SHUT_RDWR));
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}

TOPIC(unconnected)
{
	int fd = sock_tcp(family_client()), listener, port;

	TRY(shutdown(fd, SHUT_RD));
	TRY(shutdown(fd, SHUT_WR));
	TRY(shutdown(fd, SHUT_RDWR));
	TRY(shutdown(fd, 3));
	TRY(shutdown(fd, -1));
	say_poll("fresh", fd, ALL);
	TRY(close(fd));
	TRY(shutdown(fd, SHUT_RD));
	TRY(shutdown(-1, SHUT_RD));
	listener = sock_listener(8, &port);
	TRY(shutdown(listener, 3));
	fd = sock_dial(port);
	TRY(shutdown(fd, 3));
	TRY(shutdown(fd, -1));
	say_poll("client", fd, ALL);
}

/* both close their halves, one after the other */
TOPIC(twice)
{
	char buf[20];

	far_open();
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(far_text("bye"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLHUP);
	until_closed(near_fd);
	TRY(far_do(act_until_closed, 0, 0));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	say_poll("near", near_fd, ALL);
	say_data(buf, TRY(recv(near_fd, buf, sizeof(buf), 0)));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	TRY(far_do(act_text, (long)"x", 0));
	TRY(far_do(act_read, 10, 0));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(shutdown(near_fd, SHUT_RDWR));
}

/* the peer is half closed and we go on writing for a while */
TOPIC(peer_half)
{
	char buf[20];
	int i;

	far_open();
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	say_poll("near", near_fd, ALL);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	for (i = 0; i < 3; i++) {
		TRY(send(near_fd, "more", 4, 0));
		TRY(far_do(act_read, 4, MSG_WAITALL));
	}
	far_go(act_pull, 1000000, 0);
	TRY(act_push(near_fd, 1000000, 8));
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
}

static long read_it(int fd, long n, long unused)
{
	return act_read(fd, n, 0);
}

/* shutdown in one thread wakes another that reads, here and there */
static void *reader(void *unused)
{
	char buf[10];

	return (void *)recv(near_fd, buf, sizeof(buf), 0);
}

TOPIC(wakes_reader)
{
	pthread_t thread;
	void *ret;

	far_open();
	far_go(read_it, 10, 0);
	if (pthread_create(&thread, NULL, reader, NULL))
		die("pthread_create");
	TRY(shutdown(near_fd, SHUT_RDWR));
	pthread_join(thread, &ret);
	say("our reader got %ld", (long)ret);
	TRY(far_end());
}

/* who has shut down and waits for the answer */
TOPIC(time_out)
{
	struct timeval tv = { 0, 50000 };
	char buf[8];

	far_open();
	MUST(setsockopt(near_fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(far_text("abc"));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_WAITALL));
}

/* what comes after that is answered by a reset */
TOPIC(wholly)
{
	char buf[8];

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	TRY(far_text("ghi"));
	TRY(far_do(act_until_poll, POLLHUP, 0));
	TRY(far_text("jkl"));
	until_poll(near_fd, POLLHUP);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
}
