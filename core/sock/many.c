/* SPDX-License-Identifier: Apache-2.0 */
/* many.c - several messages in one call, and files into sockets */
#include <errno.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

#define FILE_PIECE 65536

/* What has moved tells by its header, without a system call, that there is
 * none. */
static bool may_have_failed(struct sock *s)
{
	if (s->opts->error || sock_is_kernels(s))
		return true;
	if (s->kind == SOCK_LINK)
		return link_has_news(s, s->link);
	return s->kind == SOCK_SESSION &&
	       session_flags(s->sess) & (SESSION_RESET | SESSION_BROKEN);
}

/* Of this call alone an error comes before what there is to read. */
static int pending(int fd)
{
	struct sock *s = sock_get(fd);
	socklen_t len = sizeof(int);
	int err = 0;

	if (!s)
		return 0;
	if (may_have_failed(s) &&
	    sock_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = 0;
	sock_put(s);
	return err;
}

/* UDP: by one call of the kernel's, while there are no links. */
static bool by_dgram(int fd, struct mmsghdr *msgs, unsigned n, int flags,
		     struct timespec *timeout, bool send, int *ret)
{
	struct sock *s = sock_get(fd);
	bool done = false;

	if (!s)
		return false;
	if (s->kind == SOCK_UDP)
		done = send ? dgram_sendmmsg(s, fd, msgs, n, flags, ret)
			    : dgram_recvmmsg(s, fd, msgs, n, flags, timeout,
					     ret);
	sock_put(s);
	return done;
}

/* As the kernel: the time-out is looked at between messages only, and an
 * error after the first message is left for the next call. */
int sock_recvmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags,
		  struct timespec *timeout)
{
	uint64_t end = UINT64_MAX;
	unsigned i;
	ssize_t ret;
	int err;

	if (!table_peek(fd) || unlikely(!user_ok(msgs, n * sizeof(*msgs))) ||
	    unlikely(timeout && !user_ok(timeout, sizeof(*timeout))))
		return k_recvmmsg(fd, msgs, n, flags, timeout);
	if (timeout && !timespec_ok(timeout))
		return -EINVAL;
	if (by_dgram(fd, msgs, n, flags, timeout, false, &err))
		return err;
	if (timeout)
		end = app_now_ms() + (uint64_t)timeout->tv_sec * 1000 +
		      (uint64_t)timeout->tv_nsec / 1000000;
	err = flags & MSG_ERRQUEUE ? 0 : pending(fd);
	if (err)
		return -err;
	for (i = 0; i < n; i++) {
		ret = sock_recvmsg(fd, &msgs[i].msg_hdr,
				   flags & ~MSG_WAITFORONE);
		if (ret < 0)
			return i ? (int)i : (int)ret;
		msgs[i].msg_len = (unsigned)ret;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (app_now_ms() >= end)
			return (int)i + 1;
	}
	return (int)n;
}

int sock_sendmmsg(int fd, struct mmsghdr *msgs, unsigned n, int flags)
{
	unsigned i;
	ssize_t ret;
	int err;

	if (!table_peek(fd) || unlikely(!user_ok(msgs, n * sizeof(*msgs))))
		return k_sendmmsg(fd, msgs, n, flags);
	if (by_dgram(fd, msgs, n, flags, NULL, true, &err))
		return err;
	for (i = 0; i < n; i++) {
		ret = sock_sendmsg(fd, &msgs[i].msg_hdr, flags);
		if (ret < 0)
			return i ? (int)i : (int)ret;
		msgs[i].msg_len = (unsigned)ret;
	}
	return (int)n;
}

/* One piece of the file: bytes sent, 0 at its end.  What was read but could
 * not be sent is not taken from the file: the position moves by what went. */
static ssize_t send_piece(int out, int in, off_t *off, size_t len)
{
	char buf[FILE_PIECE];
	ssize_t got, sent;

	got = k_pread(in, buf, MIN(len, sizeof(buf)), *off);
	if (got <= 0)
		return got;
	sent = sock_sendto(out, buf, (size_t)got, 0, NULL, 0);
	if (sent > 0)
		*off += sent;
	return sent;
}

/* A connection that may have a link: false if it is none. */
static bool file_to_link(int out, int in, off_t *off, size_t len, ssize_t *ret)
{
	struct sock *s = sock_get(out);
	bool mine = s && s->kind == SOCK_LINK;

	if (mine && link_enter_kernel(s, out, &s->k_tx))
		*ret = link_leave_tx(s, k_sendfile(out, in, off, len));
	else if (mine)
		*ret = link_sendfile(s, out, in, off, len);
	if (s)
		sock_put(s);
	return mine;
}

/* As many datagrams as the kernel makes of it. */
static bool file_to_dgram(int out, int in, off_t *off, size_t len, ssize_t *ret)
{
	struct sock *s = sock_get(out);
	bool mine = s && s->kind == SOCK_UDP;

	if (mine) {
		dgram_stop_sending(s);
		*ret = k_sendfile(out, in, off, len);
	}
	if (s)
		sock_put(s);
	return mine;
}

ssize_t sock_sendfile(int out, int in, off_t *off, size_t len)
{
	off_t pos;
	size_t done = 0;
	ssize_t ret = 0;

	if (!table_peek(out) || unlikely(off && !user_ok(off, sizeof(*off))))
		return k_sendfile(out, in, off, len);
	if (file_to_link(out, in, off, len, &ret))
		return ret;
	if (file_to_dgram(out, in, off, len, &ret))
		return ret;
	pos = off ? *off : k_lseek(in, 0, SEEK_CUR);
	if (pos < 0)
		return pos == -ESPIPE || off ? -EINVAL : pos;
	len = MIN(len, (size_t)0x7ffff000); /* as the kernel's limit */
	while (done < len) {
		ret = send_piece(out, in, &pos, len - done);
		if (ret <= 0)
			break;
		done += (size_t)ret;
	}
	if (off)
		*off = pos;
	else if (k_lseek(in, pos, SEEK_SET) < 0)
		return -EIO;
	return done ? (ssize_t)done : ret;
}
