/* SPDX-License-Identifier: Apache-2.0 */
/* beside.c - what Unix sockets carry beside bytes: descriptors, credentials,
 * names; and what differs from TCP */
#include <linux/sockios.h>

#include "tests/peer/epoll.h"

#define FILLED 100000

union control {
	char buf[256];
	struct cmsghdr align;
};

/* A pipe's end travels with @text; what is written into it, @word, tells which
 * one it was. */
static long act_rights(int fd, long text, long word)
{
	union control control = { 0 };
	struct iovec iov = { (void *)text, strlen((const char *)text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int ends[2], err;
	long ret;

	MUST(pipe(ends));
	MUST(write(ends[1], (const char *)word, strlen((const char *)word)));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &ends[0], sizeof(int));
	ret = sendmsg(fd, &msg, MSG_NOSIGNAL);
	err = errno;
	close(ends[0]);
	close(ends[1]);
	errno = err;
	return ret;
}

static void say_word(int fd)
{
	char word[32];
	ssize_t n = read(fd, word, sizeof(word));

	say("  a pipe with \"%.*s\", close-on-exec %d", (int)n, word,
	    fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

static void say_control(struct msghdr *msg)
{
	struct cmsghdr *c;
	struct ucred cred;
	int fd;

	say("  flags %#x, control %d", (unsigned)msg->msg_flags,
	    msg->msg_controllen != 0);
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			say_word(fd);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
			say("  of me %d", cred.uid == geteuid());
		}
	}
}

/* recvmsg(2) with room for both */
static long receive(size_t len, int flags)
{
	union control control;
	static char buf[2 * FILLED];
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	long n = TRY(recvmsg(near_fd, &msg, flags));

	if (n > 0)
		say_data(buf, n);
	if (n >= 0)
		say_control(&msg);
	return n;
}

TOPIC(rights)
{
	far_open();
	TRY(far_text("before"));
	TRY(far_do(act_rights, (long)"with", (long)"one"));
	TRY(far_text("after"));
	receive(3, 0);
	receive(3, 0); /* one read would not show both from shared memory */
	receive(10, 0);
	receive(10, 0);
	receive(1, MSG_DONTWAIT);
	TRY(send(near_fd, "back", 4, 0));
	TRY(far_do(act_read, 4, MSG_WAITALL));
	TRY(far_do(act_rights, (long)"again", (long)"two"));
	receive(100, MSG_CMSG_CLOEXEC);
	TRY(far_do(act_close, 0, 0));
	receive(100, 0);
}

TOPIC(rights_glued)
{
	far_open();
	TRY(far_text("abc"));
	TRY(far_do(act_rights, (long)"def", (long)"one"));
	TRY(far_do(act_rights, (long)"ghi", (long)"two"));
	TRY(far_text("jkl"));
	receive(3, 0);
	receive(100, 0);
	receive(100, MSG_WAITALL);
	receive(100, 0);
}

TOPIC(rights_peeked)
{
	far_open();
	TRY(far_do(act_rights, (long)"abc", (long)"one"));
	receive(2, MSG_PEEK);
	receive(3, 0);
}

TOPIC(rights_no_room)
{
	char buf[10];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	far_open();
	TRY(far_do(act_rights, (long)"abc", (long)"one"));
	TRY(recvmsg(near_fd, &msg, 0));
	say("flags %#x", (unsigned)msg.msg_flags);
	TRY(far_do(act_rights, (long)"def", (long)"two"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	say_data(buf, 3);
}

/* there was no room, and all is read before anybody looks: an edge */
TOPIC(rights_room)
{
	static char text[2001];
	int ep = ep_new();
	long n, sent = 0;

	memset(text, 'x', sizeof(text) - 1);
	far_open();
	MUST(fcntl(near_fd, F_SETFL, O_NONBLOCK));
	ep_add(ep, near_fd, EPOLLOUT | EPOLLET, 1);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
	while ((n = act_rights(near_fd, (long)text, (long)"one")) > 0)
		sent += n;
	say("full: %d", n < 0 && errno == EAGAIN);
	TRY(far_do(act_pull, sent, 0) == sent);
	ep_wait(ep, 4, 1000);
	ep_wait(ep, 4, 0);
}

/* much that was not read goes before it */
TOPIC(rights_behind_much)
{
	long n = 0;

	far_open();
	TRY(far_do(act_push, FILLED, 3));
	TRY(far_do(act_rights, (long)"end", (long)"one"));
	while (n < FILLED)
		n += TRY(act_pull(near_fd, FILLED, 0));
	receive(3, 0);
	TRY(act_push(near_fd, FILLED, 4));
	TRY(far_do(act_pull, FILLED, 0));
	say("sum %d", far_sum() != 0);
}

/* both at once, and what was sent the other way before stays in order */
TOPIC(rights_both)
{
	char buf[20];

	far_open();
	TRY(far_text("theirs"));
	TRY(send(near_fd, "ours", 4, 0));
	TRY(act_rights(near_fd, (long)"near", (long)"one"));
	TRY(far_do(act_rights, (long)"far", (long)"two"));
	TRY(far_do(act_read, 8, MSG_WAITALL));
	TRY(recv(near_fd, buf, 6, MSG_WAITALL));
	receive(10, 0);
	say_error("near", near_fd);
}

/* sent by who is about to close, and who has filled the other way */
TOPIC(rights_and_close)
{
	far_open();
	TRY(far_text("x"));
	TRY(far_do(act_rights, (long)"last", (long)"one"));
	TRY(far_do(act_close, 0, 0));
	receive(1, 0);
	receive(10, 0);
	receive(10, 0);
	say_error("near", near_fd);
}

TOPIC(credentials)
{
	far_open();
	TRY(far_text("without"));
	receive(7, 0);
	set_int(near_fd, SOL_SOCKET, SO_PASSCRED, 1);
	TRY(far_text("with"));
	receive(4, 0);
	TRY(far_do(act_rights, (long)"both", (long)"one"));
	receive(4, 0);
	TRY(send(near_fd, "back", 4, 0));
	TRY(far_do(act_read, 4, MSG_WAITALL));
}

TOPIC(peek_off)
{
	char buf[10];

	far_open();
	set_int(near_fd, SOL_SOCKET, SO_PEEK_OFF, 2);
	TRY(far_text("abcdef"));
	until_input(near_fd, 6);
	TRY(recv(near_fd, buf, 2, MSG_PEEK));
	say_data(buf, 2);
	TRY(recv(near_fd, buf, 2, MSG_PEEK));
	say_data(buf, 2);
	TRY(recv(near_fd, buf, 2, 0));
	say_data(buf, 2);
}

static void say_peer(void)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	TRY(getsockopt(near_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	say("of me %d, some process %d", cred.uid == geteuid(), cred.pid > 0);
}

static void say_from(const char *what, struct sockaddr_un *un, socklen_t len)
{
	say("%s: length %u, family %d, abstract %d", what, len, un->sun_family,
	    len > 2 && !un->sun_path[0]);
}

TOPIC(names)
{
	struct sockaddr_un un = { .sun_family = 99 };
	socklen_t len = sizeof(un);
	char buf[10];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_name = &un,
			      .msg_namelen = sizeof(un) };

	far_open();
	say_peer();
	TRY(far_text("abc"));
	TRY(recvfrom(near_fd, buf, 2, 0, (struct sockaddr *)&un, &len));
	say_from("recvfrom", &un, len);
	memset(&un, 0, sizeof(un));
	TRY(recvmsg(near_fd, &msg, 0));
	say_from("recvmsg", &un, msg.msg_namelen);
	len = sizeof(un);
	TRY(getpeername(near_fd, (struct sockaddr *)&un, &len));
	say_from("peer", &un, len);
	TRY(sendto(near_fd, "x", 1, 0, (struct sockaddr *)&un, len));
	msg.msg_namelen = len;
	TRY(sendmsg(near_fd, &msg, 0));
	msg.msg_name = NULL;
	msg.msg_namelen = 0;
	iov.iov_len = 1;
	TRY(sendmsg(near_fd, &msg, 0));
	TRY(far_do(act_read, 1, 0));
}

TOPIC(read_half)
{
	char buf[10];

	far_open();
	TRY(far_text("abc"));
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(far_text("def"));
	TRY(far_text("def"));
	say_poll("near", near_fd, POLLIN | POLLOUT | POLLRDHUP);
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "out", 3, MSG_NOSIGNAL));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	TRY(far_do(act_close, 0, 0));
	TRY(send(near_fd, "out", 3, MSG_NOSIGNAL));
	say_error("near", near_fd);
}

/* EPIPE, or ECONNRESET if it had begun to wait */
TOPIC(writer_woken)
{
	far_open();
	TRY(far_do(act_fill, 0, 0) > 0);
	far_go(act_push, 20000000, 1);
	poll(NULL, 0, 20);
	TRY(close(near_fd));
	say("woken %d",
	    far_end() == -1 && (errno == EPIPE || errno == ECONNRESET));
	TRY(far_do(act_text, (long)"x", 0));
}

/* SIOCOUTQ counts memory, not bytes: but is there anything? */
TOPIC(queued)
{
	int n;

	far_open();
	TRY(ioctl(near_fd, SIOCOUTQ, &n));
	say("sent %d", n);
	TRY(send(near_fd, "abc", 3, 0));
	TRY(ioctl(near_fd, SIOCOUTQ, &n));
	say("sent %d", n > 0);
	TRY(far_do(act_read, 3, MSG_WAITALL));
	TRY(ioctl(near_fd, SIOCOUTQ, &n));
	say("sent %d", n);
	TRY(far_text("ab"));
	TRY(ioctl(near_fd, FIONREAD, &n));
	say("to be read %d", n);
}

/* poll(2) does not ask for it here, recv(2) does */
TOPIC(lowat)
{
	char buf[10];

	far_open();
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 4);
	TRY(far_text("ab"));
	say_poll("near", near_fd, POLLIN);
	far_go(act_text, (long)"cd", 0);
	TRY(recv(near_fd, buf, sizeof(buf), 0) >= 2);
	far_end();
}

/* a path, as most are: and a client that has another one to it */
TOPIC(paths)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int listener, fds[2];
	socklen_t len = sizeof(un);

	listener = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	strcpy(un.sun_path, "named.sock");
	unlink(un.sun_path);
	unlink("renamed.sock");
	TRY(bind(listener, (struct sockaddr *)&un, sizeof(un)));
	TRY(listen(listener, 8));
	MUST(rename("named.sock", "renamed.sock"));
	fds[0] = (int)MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	strcpy(un.sun_path, "./renamed.sock");
	TRY(connect(fds[0], (struct sockaddr *)&un, sizeof(un)));
	fds[1] = TRY_FD(accept(listener, (struct sockaddr *)&un, &len));
	say_from("accept", &un, len);
	sock_warm(fds);
	len = sizeof(un);
	TRY(getsockname(fds[1], (struct sockaddr *)&un, &len));
	say("%s", un.sun_path);
	len = sizeof(un);
	TRY(getpeername(fds[0], (struct sockaddr *)&un, &len));
	say("%s", un.sun_path);
	TRY(connect(fds[0], (struct sockaddr *)&un, len));
	unlink("renamed.sock");
}

/* these stay with the kernel, and work */
TOPIC(others)
{
	int fds[2], types[] = { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int a, b;
	socklen_t len = sizeof(un);
	char buf[10];
	unsigned i;

	for (i = 0; i < COUNT(types); i++) {
		TRY(socketpair(AF_UNIX, types[i], 0, fds));
		TRY(send(fds[0], "abc", 3, 0));
		TRY(recv(fds[1], buf, sizeof(buf), 0));
		TRY(close(fds[0]));
		TRY(close(fds[1]));
	}
	a = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	b = (int)MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	TRY(bind(a, (struct sockaddr *)&un, sizeof(sa_family_t)));
	TRY(getsockname(a, (struct sockaddr *)&un, &len));
	TRY(connect(b, (struct sockaddr *)&un, len));
	TRY(send(b, "abc", 3, 0));
	TRY(recv(a, buf, sizeof(buf), 0));
}
