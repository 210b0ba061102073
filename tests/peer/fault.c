/* SPDX-License-Identifier: Apache-2.0 */
/* fault.c - addresses that are none: an error, and nothing is lost */
#include <sys/sendfile.h>

#include "tests/peer/epoll.h"

TOPIC(data)
{
	char buf[16];

	far_open();
	TRY_IN_CHILD(recv(near_fd, nowhere, 10, MSG_DONTWAIT));
	TRY_IN_CHILD(send(near_fd, nowhere, 10, MSG_DONTWAIT));
	TRY_IN_CHILD(write(near_fd, nowhere, 10));
	TRY(far_text("abc"));
	until_input(near_fd, 3);
	TRY_IN_CHILD(recv(near_fd, nowhere, 10, MSG_DONTWAIT));
	TRY_IN_CHILD(recv(near_fd, nowhere, 10, MSG_PEEK));
	TRY_IN_CHILD(read(near_fd, nowhere, 10));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT)); /* still there */
	TRY(far_do(act_read, 10, MSG_DONTWAIT));
}

TOPIC(message)
{
	struct iovec out[3] = { { (char[]){ "hello " }, 6 },
				{ nowhere, 4 },
				{ (char[]){ "world" }, 5 } };
	struct msghdr msg = { .msg_iov = out, .msg_iovlen = 3 };

	far_open();
	TRY_IN_CHILD(writev(near_fd, nowhere, 1));
	TRY_IN_CHILD(readv(near_fd, nowhere, 1));
	TRY_IN_CHILD(sendmsg(near_fd, nowhere, 0));
	TRY_IN_CHILD(recvmsg(near_fd, nowhere, 0));
	TRY_IN_CHILD(sendmmsg(near_fd, nowhere, 2, 0));
	TRY_IN_CHILD(recvmmsg(near_fd, nowhere, 2, MSG_DONTWAIT, NULL));
	TRY_IN_CHILD(sendfile(near_fd, 0, nowhere, 3));
	/* the middle is bad */
	TRY_IN_CHILD(writev(near_fd, out, 3));
	TRY_IN_CHILD(sendmsg(near_fd, &msg, 0));
	TRY(far_do(act_read, 10, MSG_DONTWAIT));
}

TOPIC(names)
{
	struct sockaddr_storage addr;
	int listener, port, fds[2], fd;
	socklen_t len;

	sock_pair(fds);
	len = sizeof(addr);
	TRY_IN_CHILD(getpeername(fds[0], nowhere, &len));
	TRY_IN_CHILD(getpeername(fds[0], (struct sockaddr *)&addr, nowhere));
	TRY_IN_CHILD(getsockname(fds[0], nowhere, &len));
	TRY_IN_CHILD(getsockname(fds[0], (struct sockaddr *)&addr, nowhere));
	TRY_IN_CHILD(sendto(fds[0], "e", 1, 0, nowhere, sizeof(addr)));
	fd = sock_tcp(family_client());
	TRY_IN_CHILD(connect(fd, nowhere, sizeof(addr)));
	TRY_IN_CHILD(bind(fd, nowhere, sizeof(addr)));
	/* costs the connection */
	listener = sock_listener(8, &port);
	sock_dial(port);
	TRY_IN_CHILD(accept(listener, nowhere, &len));
	set_nonblock(listener, true);
	TRY(accept(listener, NULL, NULL));
}

TOPIC(options)
{
	socklen_t len = 4;
	int fds[2], val;

	sock_pair(fds);
	TRY_IN_CHILD(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, nowhere, &len));
	TRY_IN_CHILD(getsockopt(fds[0], SOL_SOCKET, SO_TYPE, &val, nowhere));
	TRY_IN_CHILD(getsockopt(fds[0], SOL_SOCKET, SO_ERROR, nowhere, &len));
	TRY_IN_CHILD(
		setsockopt(fds[0], SOL_SOCKET, SO_KEEPALIVE, nowhere, len));
	TRY_IN_CHILD(
		setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, nowhere, len));
	TRY_IN_CHILD(ioctl(fds[0], FIONBIO, nowhere));
	TRY_IN_CHILD(ioctl(fds[0], FIONREAD, nowhere));
	TRY_IN_CHILD(fcntl(fds[0], F_GETLK, nowhere));
}

TOPIC(readiness)
{
	volatile nfds_t too_many = 100000000;
	int ep = ep_new();

	far_open();
	ep_add(ep, near_fd, EPOLLOUT, 1);
	TRY_IN_CHILD(poll(nowhere, 1, 0));
	TRY_IN_CHILD(poll(nowhere, too_many, 0));
	TRY_IN_CHILD(select(near_fd + 1, nowhere, NULL, NULL, NULL));
	TRY_IN_CHILD(epoll_wait(ep, nowhere, 1, 0));
	TRY_IN_CHILD(epoll_ctl(ep, EPOLL_CTL_MOD, near_fd, nowhere));
	TRY_IN_CHILD(epoll_ctl(ep, EPOLL_CTL_ADD, near_fd, nowhere));
	TRY(epoll_ctl(ep, EPOLL_CTL_DEL, near_fd, nowhere)); /* not looked at */
	ep_wait(ep, 4, 0);
}
