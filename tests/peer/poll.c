/* SPDX-License-Identifier: Apache-2.0 */
/* poll.c - readiness in every state, as poll and ppoll tell it */
#include "tests/peer/peer.h"

#define ALL                                                                 \
	(POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | \
	 POLLRDBAND | POLLWRBAND)

static void say_all(const char *who, int fd)
{
	say_poll(who, fd, 0);
	say_poll(who, fd, POLLIN);
	say_poll(who, fd, POLLOUT);
	say_poll(who, fd, POLLRDHUP);
	say_poll(who, fd, ALL);
}

TOPIC(unconnected)
{
	int fd = sock_tcp(family_client()), listener, port;

	say_all("fresh", fd);
	listener = sock_listener(8, &port);
	say_all("listener", listener);
	close(fd);
	fd = sock_dial(port);
	until_poll(listener, POLLIN);
	say_all("listener with one", listener);
	say_all("client", fd);
	close(sock_accept(listener));
	say_all("listener", listener);
	close(listener);
	say_all("closed listener", listener);
}

TOPIC(connected)
{
	char buf[10];

	far_open();
	say_all("connected", near_fd);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	say_all("with data", near_fd);
	TRY(recv(near_fd, buf, 2, 0));
	say_all("some read", near_fd);
	TRY(recv(near_fd, buf, 2, 0));
	say_all("all read", near_fd);
	TRY(close(near_fd));
	say_all("closed", near_fd);
}

TOPIC(peer_half_closed)
{
	char buf[10];

	far_open();
	TRY(far_text("abc"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	say_all("with data", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_all("all read", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_all("end read", near_fd);
	TRY(shutdown(near_fd, SHUT_WR));
	until_poll(near_fd, POLLHUP);
	say_all("both closed", near_fd);
}

TOPIC(we_half_closed)
{
	char buf[10];

	far_open();
	TRY(shutdown(near_fd, SHUT_WR));
	say_all("half closed", near_fd);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	say_all("with data", near_fd);
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_all("both closed, data", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_all("both closed", near_fd);
}

TOPIC(read_closed)
{
	far_open();
	TRY(shutdown(near_fd, SHUT_RD));
	say_all("read half closed", near_fd);
	TRY(shutdown(near_fd, SHUT_WR));
	say_all("both by us", near_fd);
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_all("and by the peer", near_fd);
}

TOPIC(reset)
{
	char buf[10];

	far_open();
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLHUP);
	say_all("reset", near_fd);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_all("error taken", near_fd);
	TRY(close(near_fd));
	say_all("closed", near_fd);
}

TOPIC(full)
{
	far_open();
	set_nonblock(near_fd, true);
	MUST(act_fill(near_fd, 0, 0));
	say_all("full", near_fd);
	TRY(send(near_fd, "x", 1, 0));
	far_go(act_pull, 1 << 30, 0);
	until_poll(near_fd, POLLOUT);
	say_all("drained", near_fd);
	TRY(send(near_fd, "x", 1, 0));
	TRY(close(near_fd));
	TRY(far_end() > 0);
}

TOPIC(sets)
{
	struct pollfd p[6];
	int listener, port, fd, pipes[2];

	far_open();
	listener = sock_listener(8, &port);
	fd = sock_tcp(family_client());
	close(fd);
	MUST(pipe(pipes));
	p[0] = (struct pollfd){ -1, POLLIN, -1 };
	p[1] = (struct pollfd){ near_fd, POLLIN | POLLOUT, -1 };
	p[2] = (struct pollfd){ fd, POLLIN, -1 };
	p[3] = (struct pollfd){ listener, POLLIN, -1 };
	p[4] = (struct pollfd){ near_fd, POLLIN, -1 };
	p[5] = (struct pollfd){ pipes[1], POLLOUT, -1 };
	TRY(poll(p, 6, 1000));
	for (fd = 0; fd < 6; fd++)
		say("%d: %s", fd, mask((unsigned short)p[fd].revents));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(poll(p, 6, -1));
	for (fd = 0; fd < 6; fd++)
		say("%d: %s", fd, mask((unsigned short)p[fd].revents));
	p[2].fd = -5;
	p[1].fd = ~near_fd;
	p[5].fd = ~pipes[1];
	TRY(poll(p, 6, -1));
	for (fd = 0; fd < 6; fd++)
		say("%d: %s", fd, mask((unsigned short)p[fd].revents));
	TRY(poll(NULL, 0, 0));
	TRY(poll(&p[3], 1, 0));
	say("3: %s", mask((unsigned short)p[3].revents));
}

/* a wait with nothing else that ends because of the peer */
static long text_now(int fd, long text, long unused)
{
	return act_text(fd, text, 0);
}

TOPIC(blocks)
{
	struct pollfd p = { .events = POLLIN };
	char buf[10];
	int64_t start;

	far_open();
	p.fd = near_fd;
	far_go(text_now, (long)"one", 0);
	TRY(poll(&p, 1, 5000));
	far_end();
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	far_go(text_now, (long)"two", 0);
	TRY(poll(&p, 1, -1));
	far_end();
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	start = now_ms();
	TRY(poll(&p, 1, 60));
	say("lasted long enough %d", now_ms() - start >= 59);
	say("not too long %d", now_ms() - start < 3000);
	far_go(act_shutdown, SHUT_WR, 0);
	TRY(poll(&p, 1, -1));
	far_end();
	p.events = 0;
	far_go(act_reset, 0, 0);
	TRY(poll(&p, 1, -1));
	say("%s", mask((unsigned short)p.revents));
	far_end();
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

TOPIC(ppoll)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct timespec ts = { 5, 0 };
	struct pollfd p = { .events = POLLIN };
	sigset_t blocked, none;

	far_open();
	p.fd = near_fd;
	MUST(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	MUST(raise(SIGUSR1));
	TRY(ppoll(&p, 1, &(struct timespec){ 0, 1000 }, NULL));
	say("signals %d", (int)signals);
	TRY(ppoll(&p, 1, &ts, &none)); /* it was pending */
	say("signals %d, timeout untouched %d", (int)signals,
	    ts.tv_sec == 5 && ts.tv_nsec == 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	MUST(raise(SIGUSR1));
	TRY(ppoll(&p, 1, NULL, &none)); /* both: readiness wins */
	say("signals %d", (int)signals);
	TRY(ppoll(&p, 1, NULL, NULL));
	TRY(ppoll(&p, 1, &(struct timespec){ 0, 2000000000 }, NULL));
	TRY(ppoll(&p, 1, &(struct timespec){ -1, 0 }, NULL));
}
