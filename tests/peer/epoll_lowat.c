/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_lowat.c - SO_RCVLOWAT, and what is an edge by it */
#include "tests/peer/epoll.h"

/* enough is there for a new SO_RCVLOWAT: one edge, and then it sleeps */
TOPIC(lowat_then_waiting)
{
	int ep = ep_new();
	pthread_t thread;

	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 9);
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 2);
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
	thread = asleep_in(wait_started, &ep);
	TRY(far_text("d"));
	say_waiter(thread);
}

/* nor is it an edge that one has shut down reading oneself; but the end is */
TOPIC(lowat_at_end)
{
	int ep = ep_new();

	far_open();
	TRY(shutdown(near_fd, SHUT_RD));
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 9);
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	ep_wait(ep, 4, 0);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	ep_wait(ep, 4, 0); /* too little */
	TRY(far_text("de"));
	until_input(near_fd, 5);
	ep_wait(ep, 4, 0);
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 6);
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
	TRY(shutdown(near_fd, SHUT_WR));
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 7);
	ep_wait(ep, 4, 0);
}

/* an end is enough, however little is unread */
TOPIC(lowat_when_over)
{
	far_open();
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(shutdown(near_fd, SHUT_RDWR));
	TRY(far_do(act_shutdown, SHUT_RDWR, 0));
	until_poll(near_fd, POLLHUP);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 50);
	say_poll("near", near_fd, POLLIN);
}

/* likewise a reset */
TOPIC(lowat_after_reset)
{
	int ep = ep_new();

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 9);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLERR);
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	ep_wait(ep, 4, 0);
	TRY(send(near_fd, "x", 1, MSG_NOSIGNAL));
	ep_wait(ep, 4, 0);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	ep_wait(ep, 4, 0);
}

/* what was enough for a new SO_RCVLOWAT is an edge also once it has been read,
 * where there is an end besides */
TOPIC(lowat_then_read)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLET, 9);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(shutdown(near_fd, SHUT_RD));
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 2);
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
	ep_wait(ep, 4, 0);
	ep_wait(ep, 4, 0);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 3);
	ep_wait(ep, 4, 0); /* of nothing there is not enough */
}

/* enough came, and was read before anybody looked: an edge all the same */
TOPIC(lowat_read_meanwhile)
{
	int ep = ep_new();
	char buf[10];

	far_open();
	ep_add(ep, near_fd, EPOLLIN | EPOLLOUT | EPOLLET, 9);
	ep_wait(ep, 4, 1000);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 2);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	ep_wait(ep, 4, 0);
}

/* what is too little is so, too, when one has shut down sending */
TOPIC(lowat_after_half)
{
	pthread_t thread;

	far_open();
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 5);
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	say_poll("near", near_fd, POLLIN);
	thread = asleep_in(poll_near, NULL);
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(far_do(act_until_poll, POLLRDHUP, 0));
	until_asleep(started);
	say_poll("near", near_fd, POLLIN);
	TRY(far_text("d"));
	until_input(near_fd, 4);
	say_poll("near", near_fd, POLLIN);
	until_asleep(started);
	TRY(far_text("e"));
	say_waiter(thread);
	say_poll("near", near_fd, POLLIN);
}
