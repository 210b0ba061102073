/* SPDX-License-Identifier: Apache-2.0 */
/* msg.c - vectors and messages: readv to recvmmsg, sendfile, splice */
#include <sys/sendfile.h>

#include "tests/peer/peer.h"

static void say_msg(const struct msghdr *msg)
{
	say("  flags %#x, namelen %u, controllen %zu", (unsigned)msg->msg_flags,
	    msg->msg_namelen, msg->msg_controllen);
}

TOPIC(vectors)
{
	static struct iovec many[1025];
	char a[3], b[5], c[100];
	struct iovec iov[5] = {
		{ a, 3 }, { NULL, 0 }, { b, 5 }, { nowhere, 0 }, { c, 100 }
	};
	struct iovec out[3] = { { (char[]){ "hello " }, 6 },
				{ NULL, 0 },
				{ (char[]){ "world" }, 5 } };
	volatile int below = -1, beyond = 1025;
	size_t i;

	far_open();
	TRY(writev(near_fd, out, 3));
	TRY(far_do(act_read, 11, MSG_WAITALL));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(readv(near_fd, iov, 5));
	say_data(a, 3);
	say_data(b, 5);
	say_data(c, 2);
	TRY(readv(near_fd, iov, 0));
	TRY(writev(near_fd, iov, 0));
	TRY(writev(near_fd, iov, below));
	TRY(readv(near_fd, iov, beyond));
	for (i = 0; i < COUNT(many); i++)
		many[i] = (struct iovec){ (char *)"abcdefgh" + i % 8, 1 };
	TRY(writev(near_fd, many, 1025));
	TRY(writev(near_fd, many, 1024));
	TRY(far_do(act_pull, 1024, 0));
	say("sum %016llx", (unsigned long long)far_sum());
	iov[0].iov_len = (size_t)-1;
	TRY(writev(near_fd, iov, 3));
}

TOPIC(vectors_large)
{
	static char bufs[16][10007];
	struct iovec iov[16];
	long done = 0, n;
	int i;

	far_open();
	for (i = 0; i < 16; i++) {
		memset(bufs[i], 'a' + i, sizeof(bufs[i]));
		iov[i] = (struct iovec){ bufs[i], sizeof(bufs[i]) };
	}
	far_go(act_pull, sizeof(bufs), 0);
	TRY(writev(near_fd, iov, 16));
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
	far_go(act_push, sizeof(bufs), 5);
	memset(bufs, 0, sizeof(bufs));
	while (done < (long)sizeof(bufs)) {
		/* what is left, from the right place on */
		int first = (int)(done / (long)sizeof(bufs[0]));
		size_t off = (size_t)done % sizeof(bufs[0]);

		iov[first].iov_base = bufs[first] + off;
		iov[first].iov_len = sizeof(bufs[0]) - off;
		n = MUST(readv(near_fd, iov + first, 16 - first));
		done += n;
	}
	TRY(far_end());
	say_data(bufs, done);
}

TOPIC(message)
{
	char a[4], b[100], control[64];
	struct iovec iov[2] = { { a, 4 }, { b, 100 } };
	struct msghdr msg = { .msg_iov = iov,
			      .msg_iovlen = 2,
			      .msg_control = control,
			      .msg_controllen = sizeof(control),
			      .msg_flags = 0x1234 };
	struct iovec out = { (char[]){ "message" }, 7 };
	struct msghdr send_it = { .msg_iov = &out, .msg_iovlen = 1 };

	far_open();
	TRY(sendmsg(near_fd, &send_it, 0));
	TRY(far_do(act_read, 7, MSG_WAITALL));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(recvmsg(near_fd, &msg, MSG_PEEK));
	say_msg(&msg);
	say_data(a, 4);
	say_data(b, 6);
	TRY(recvmsg(near_fd, &msg, 0));
	say_msg(&msg);
	TRY(recvmsg(near_fd, &msg, MSG_DONTWAIT));
	msg.msg_iovlen = 0;
	TRY(recvmsg(near_fd, &msg, MSG_DONTWAIT));
	TRY(sendmsg(near_fd, &(struct msghdr){ .msg_iov = NULL }, 0));
	msg.msg_iovlen = 1025;
	TRY(recvmsg(near_fd, &msg, MSG_DONTWAIT));
	send_it.msg_iovlen = 1025;
	TRY(sendmsg(near_fd, &send_it, 0));
	msg.msg_iovlen = 2;
	TRY(far_do(act_close, 0, 0));
	msg.msg_flags = 0x1234;
	msg.msg_controllen = sizeof(control);
	TRY(recvmsg(near_fd, &msg, 0));
	say_msg(&msg);
	TRY(recvmsg(-1, &msg, 0));
	TRY(sendmsg(-1, &send_it, 0));
}

/* flags that come back */
TOPIC(message_flags)
{
	char buf[10];
	struct iovec iov = { buf, 4 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	far_open();
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(recvmsg(near_fd, &msg, MSG_CMSG_CLOEXEC));
	say_msg(&msg);
	TRY(recvmsg(near_fd, &msg, MSG_TRUNC));
	say_msg(&msg);
	TRY(recvmsg(near_fd, &msg, MSG_WAITALL | MSG_DONTWAIT));
	say_msg(&msg);
	TRY(send(near_fd, "x", 1, MSG_EOR));
	TRY(send(near_fd, "y", 1, MSG_CONFIRM));
	TRY(send(near_fd, "z", 1, MSG_DONTROUTE));
	TRY(send(near_fd, "w", 1, MSG_MORE));
	TRY(send(near_fd, "v", 1, 0));
	TRY(far_do(act_read, 5, MSG_WAITALL));
}

static int try_mmsg(int out, int n, int flags, struct timespec *timeout)
{
	static char bufs[4][8];
	struct mmsghdr msgs[4];
	struct iovec iov[4];
	int i, ret, saved;

	for (i = 0; i < 4; i++) {
		if (out)
			memset(bufs[i], 'A' + i, sizeof(bufs[i]));
		iov[i] = (struct iovec){ bufs[i], out ? (size_t)i + 1 : 4 };
		memset(&msgs[i], 0, sizeof(msgs[i]));
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_len = 77;
	}
	errno = ERRNO_UNTOUCHED;
	ret = out ? sendmmsg(near_fd, msgs, (unsigned)n, flags)
		  : recvmmsg(near_fd, msgs, (unsigned)n, flags, timeout);
	saved = errno;
	for (i = 0; i < 4; i++) {
		say("  %d: len %u, flags %#x", i, msgs[i].msg_len,
		    (unsigned)msgs[i].msg_hdr.msg_flags);
		if (!out && i < ret)
			say_data(bufs[i], msgs[i].msg_len);
	}
	errno = saved;
	return ret;
}

TOPIC(many_messages)
{
	struct timespec ts = { 0, 50000000 };

	far_open();
	TRY(try_mmsg(1, 4, 0, NULL));
	TRY(far_do(act_read, 10, MSG_WAITALL));
	TRY(try_mmsg(1, 0, 0, NULL));
	TRY(try_mmsg(0, 4, MSG_DONTWAIT, NULL));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(try_mmsg(0, 2, 0, NULL));
	TRY(try_mmsg(0, 4, MSG_DONTWAIT, NULL));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(try_mmsg(0, 4, MSG_WAITFORONE, NULL));
	TRY(far_text("0123"));
	until_input(near_fd, 4);
	TRY(try_mmsg(0, 1, 0, &ts));
	TRY(try_mmsg(0, 0, 0, &ts));
	ts.tv_nsec = -1;
	TRY(try_mmsg(0, 1, MSG_DONTWAIT, &ts));
	TRY(far_text("0123"));
	TRY(far_do(act_close, 0, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(try_mmsg(0, 4, 0, NULL)); /* ends of file are messages */
}

static int temp_file(long n)
{
	char path[] = "/tmp/peer-msg.XXXXXX", buf[1000];
	int fd = (int)MUST(mkstemp(path));
	size_t i;

	unlink(path);
	while (n > 0) {
		size_t some = n < 1000 ? (size_t)n : sizeof(buf);

		for (i = 0; i < some; i++)
			buf[i] = (char)('a' + (n + (long)i) % 26);
		MUST(write(fd, buf, some));
		n -= (long)some;
	}
	lseek(fd, 0, SEEK_SET);
	return fd;
}

TOPIC(sendfile)
{
	int file = temp_file(100), pipes[2];
	off_t off = 90;
	char buf[10];

	far_open();
	TRY(sendfile(near_fd, file, NULL, 30));
	say("file position %ld", (long)lseek(file, 0, SEEK_CUR));
	TRY(far_do(act_pull, 30, 0));
	say("sum %016llx", (unsigned long long)far_sum());
	TRY(sendfile(near_fd, file, &off, 30)); /* the file ends at 100 */
	say("offset %ld, position %ld", (long)off,
	    (long)lseek(file, 0, SEEK_CUR));
	TRY(sendfile(near_fd, file, &off, 30));
	say("offset %ld", (long)off);
	off = 200;
	TRY(sendfile(near_fd, file, &off, 30));
	TRY(sendfile(near_fd, file, NULL, 0));
	off = -5;
	TRY(sendfile(near_fd, file, &off, 3));
	TRY(sendfile(near_fd, -1, NULL, 3));
	TRY(sendfile(-1, file, NULL, 3));
	MUST(pipe(pipes));
	TRY(sendfile(near_fd, pipes[0], NULL, 3));
	TRY(sendfile(near_fd, near_fd, NULL, 3));
	TRY(far_do(act_read, 10, MSG_WAITALL));
	TRY(shutdown(near_fd, SHUT_WR));
	signal(SIGPIPE, SIG_IGN);
	TRY(sendfile(near_fd, file, NULL, 5));
	say("position %ld", (long)lseek(file, 0, SEEK_CUR));
	TRY(far_do(act_read, 10, 0));
	TRY(recv(near_fd, buf, sizeof(buf), MSG_DONTWAIT));
}

TOPIC(sendfile_large)
{
	long n = 5000000, done = 0;
	int file = temp_file(n);
	off_t off = 0;

	far_open();
	far_go(act_pull, n, 0);
	while (done < n)
		done += MUST(sendfile(near_fd, file, NULL, (size_t)(n - done)));
	TRY(far_end());
	say("sum %016llx", (unsigned long long)far_sum());
	far_go(act_pull, n - 12345, 0);
	off = 12345;
	while (off < n)
		MUST(sendfile(near_fd, file, &off, 100000));
	TRY(far_end());
	say("offset %ld, sum %016llx", (long)off,
	    (unsigned long long)far_sum());
}

/* more of it: splice.c */
TOPIC(splice)
{
	int pipes[2], file = temp_file(100);
	char buf[40];
	long n;

	far_open();
	MUST(pipe(pipes));
	TRY(splice(file, NULL, pipes[1], NULL, 20, 0));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 20, 0));
	TRY(far_do(act_pull, 20, 0));
	say("sum %016llx", (unsigned long long)far_sum());
	TRY(far_text("through the pipe"));
	until_input(near_fd, 16);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 16, 0));
	n = TRY(read(pipes[0], buf, sizeof(buf)));
	say_data(buf, n);
}
