/* SPDX-License-Identifier: Apache-2.0 */
/* calls_io.c - bytes */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#define ROOM 16384
#define PIECES 4

static unsigned char buf[ROOM];

/* Of the stream at position @at; @o->m says where that is. */
static void fill(long at, long n)
{
	long i;

	for (i = 0; i < n; i++)
		buf[i] = (unsigned char)((at + i) * 31 + ((at + i) >> 8));
}

static uint64_t sum(long n)
{
	uint64_t s = 0xcbf29ce484222325;
	long i;

	for (i = 0; i < n; i++)
		s = (s ^ buf[i]) * 0x100000001b3;
	return s;
}

/* @n bytes in a few pieces, some of them empty. */
static int cut(struct iovec *iov, long n, uint64_t *how)
{
	size_t done = 0, some;
	int i;

	for (i = 0; i < PIECES - 1; i++) {
		some = take(how, 3) ? take(how, 1000) % ((size_t)n - done + 1)
				    : 0;
		iov[i] = (struct iovec){ buf + done, some };
		done += some;
	}
	iov[i] = (struct iovec){ buf + done, (size_t)n - done };
	return PIECES;
}

static long send_file(int fd, long n)
{
	int in = memfd_create("differ", MFD_CLOEXEC);
	off_t off = 3;
	long ret;

	if (write(in, "...", 3) != 3 || write(in, buf, (size_t)n) != n)
		abort();
	errno = ERRNO_UNTOUCHED;
	ret = sendfile(fd, in, &off, (size_t)n);
	if (ret >= 0 && off != 3 + ret)
		errno = 0; /* shows as touched */
	if (ret < 0) {
		int err = errno;

		close(in);
		errno = err;
		return ret;
	}
	close(in);
	return ret;
}

static long through_pipe(int fd, long n)
{
	int p[2], err;
	long ret;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) ||
	    write(p[1], buf, (size_t)n) != n)
		abort();
	errno = ERRNO_UNTOUCHED;
	ret = splice(p[0], NULL, fd, NULL, (size_t)n, SPLICE_F_NONBLOCK);
	err = errno;
	close(p[0]);
	close(p[1]);
	errno = err;
	return ret;
}

void call_send(const struct order *o, struct answer *a)
{
	uint64_t how = o->how;
	unsigned way = take(&how, 12);
	int fd = slots[o->slot], flags;
	struct mmsghdr many[2];
	struct iovec iov[PIECES];
	struct msghdr msg = { .msg_iov = iov };
	size_t n = (size_t)o->n;

	flags = MSG_DONTWAIT | (take(&how, 2) ? MSG_NOSIGNAL : 0);
	fill(o->m, o->n);
	msg.msg_iovlen = (size_t)cut(iov, o->n, &how);
	put(a, "send/%u %zu%s", way, n, flags & MSG_NOSIGNAL ? " nosig" : "");
	switch (way) {
	case 0:
		DO(a, write(fd, buf, n));
		break;
	case 1:
		DO(a, writev(fd, iov, PIECES));
		break;
	case 2:
		DO(a, sendmsg(fd, &msg, flags));
		break;
	case 3:
		memset(many, 0, sizeof(many));
		many[0].msg_hdr = msg;
		many[1].msg_hdr = msg;
		many[1].msg_hdr.msg_iovlen = 0;
		if (DO(a, sendmmsg(fd, many, 1 + take(&how, 2), flags)) > 0)
			a->ret = many[0].msg_len;
		break;
	case 4:
		DO(a, send_file(fd, o->n));
		break;
	case 5:
		DO(a, syscall(SYS_sendto, fd, buf, n, flags, NULL, 0));
		break;
	case 6:
		DO(a, pwritev2(fd, iov, PIECES, -1, RWF_NOWAIT));
		break;
	case 7:
		DO(a, through_pipe(fd, o->n));
		break;
	default:
		DO(a, send(fd, buf, n, flags));
		break;
	}
}

static long to_pipe(int fd, long n)
{
	int p[2], err;
	long ret, got;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK))
		abort();
	errno = ERRNO_UNTOUCHED;
	ret = splice(fd, NULL, p[1], NULL, (size_t)n, SPLICE_F_NONBLOCK);
	err = errno;
	got = ret > 0 ? read(p[0], buf, (size_t)ret) : ret;
	close(p[0]);
	close(p[1]);
	errno = got == ret ? err : 0;
	return ret;
}

void call_recv(const struct order *o, struct answer *a)
{
	static const int set[] = { 0,
				   0,
				   0,
				   0,
				   MSG_PEEK,
				   MSG_TRUNC,
				   MSG_PEEK | MSG_TRUNC,
				   MSG_WAITALL,
				   MSG_WAITALL | MSG_PEEK,
				   MSG_ERRQUEUE,
				   MSG_CMSG_CLOEXEC };
	uint64_t how = o->how;
	unsigned way = take(&how, 12);
	int fd = slots[o->slot], flags = set[take(&how, COUNT(set))];
	struct mmsghdr many[2];
	struct iovec iov[PIECES];
	char control[64];
	struct sockaddr_storage from;
	struct msghdr msg = { .msg_iov = iov,
			      .msg_name = &from,
			      .msg_namelen = sizeof(from),
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	socklen_t len = sizeof(from);
	size_t n = (size_t)o->n;
	long got;

	if (!o->m)
		flags |= MSG_DONTWAIT;
	memset(buf, 0, sizeof(buf));
	msg.msg_iovlen = (size_t)cut(iov, o->n, &how);
	if (way <= 1 && !o->m)
		way = 11; /* these might block */
	if (way == 7 && o->other)
		way = 11; /* nor has splice(2) a flag for that */
	put(a, "recv/%u %zu flags %x", way, n, flags);
	switch (way) {
	case 0:
		got = DO(a, read(fd, buf, n));
		break;
	case 1:
		got = DO(a, readv(fd, iov, PIECES));
		break;
	case 2:
		got = DO(a, recvmsg(fd, &msg, flags));
		put(a, " name %u control %zu flags %x", msg.msg_namelen,
		    msg.msg_controllen, (unsigned)msg.msg_flags);
		break;
	case 3:
		memset(many, 0, sizeof(many));
		many[0].msg_hdr = msg;
		got = DO(a, recvmmsg(fd, many, 1, flags, NULL));
		put(a, " len %u", many[0].msg_len);
		a->ret = got > 0 ? many[0].msg_len : got;
		got = a->ret;
		break;
	case 4:
		got = DO(a, recvfrom(fd, buf, n, flags, (void *)&from, &len));
		put(a, " name %u", len);
		break;
	case 5:
		got = DO(a,
			 syscall(SYS_recvfrom, fd, buf, n, flags, NULL, NULL));
		break;
	case 6:
		got = DO(a, preadv2(fd, iov, PIECES, -1, RWF_NOWAIT));
		break;
	case 7:
		flags = 0;
		got = DO(a, to_pipe(fd, o->n));
		break;
	default:
		got = DO(a, recv(fd, buf, n, flags));
		break;
	}
	if (got > 0)
		put(a, " data %08x", (unsigned)sum((long)sizeof(buf)));
	if (way != 0 && way != 1 && way != 6 && way != 7 &&
	    flags & (MSG_PEEK | MSG_ERRQUEUE) && got > 0)
		a->ret = 0; /* of which nothing was taken */
}
