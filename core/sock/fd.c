/* SPDX-License-Identifier: Apache-2.0 */
/* fd.c - close, dup, fcntl, ioctl: what happens to the number itself */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: A vfork child shares our memory but not our descriptors: what it
 * closes or moves is its own, so the table must not change.  fork() children
 * know who they are (fork.c sets table_pid), vfork's don't.  Our own numbers
 * stay open there as well: exec needs them (exec.c), and closes them.
 */
bool sock_vfork_child(void)
{
	return table_pid && getpid() != table_pid;
}

/* A connection of which nothing was offered yet.  If it is a vfork child that
 * closes it, the parent's stays in the kernel for good: a loss that is cheaper
 * than to ask at each close(2) who we are.  It may be offered right behind the
 * look, as if the call had come a moment earlier. */
static bool is_young(int fd)
{
	struct sock *s = sock_get(fd);
	bool ret = s && s->kind == SOCK_LINK && s->upgrade == UPGRADE_IDLE &&
		   !s->hold;

	if (s)
		sock_put(s);
	return ret;
}

/* The kernel's close() is the last that a connection hears of us: what it is
 * to say beside a FIN must be settled before. */
static void before_close(struct sock *s, int fd)
{
	table_renumber(s, fd); /* who sleeps on the sock uses the number */
	if (s->kind == SOCK_LINK && !s->entries)
		link_closing_unless(s, fd, 1);
	else if (s->kind == SOCK_UDP && !s->entries)
		dgram_closing_unless(s, fd, 1);
	else if (s->kind == SOCK_EPOLL)
		epoll_closing(s, fd);
}

int sock_close(int fd)
{
	struct sock *s;
	int err;

	if (private_is(fd))
		return -EBADF; /* as if it were not there */
	if (!is_young(fd) && sock_vfork_child())
		return k_close(fd);
	app_poll(); /* who closes many at once is told of many ends */
	/* the entry first: once the number is free it may mean another */
	s = table_take(fd);
	if (s)
		before_close(s, fd);
	err = k_close(fd);
	if (s)
		sock_put(s);
	return err;
}

/* @to has just become a copy of @fd. */
static int copied(int fd, int to)
{
	struct sock *s = sock_get(fd), *old;
	int err = 0;

	if (s) {
		err = table_set(to, s);
		sock_put(s);
	} else {
		old = table_take(to);
		if (old)
			sock_put(old);
	}
	if (err) {
		k_close(to);
		return err;
	}
	return to;
}

/* The number that is to be a copy may be a connection's last; or the one by
 * which the sock is used, though others mean it, too. */
static void before_dup(int fd, int to)
{
	struct sock *s = sock_get(to), *other;

	if (!s)
		return;
	other = sock_get(fd);
	if (s != other)
		table_renumber(s, to);
	if (s != other && k_fcntl(fd, F_GETFD, 0) >= 0) {
		if (s->kind == SOCK_LINK && s->entries == 1)
			link_closing_unless(s, to, 2);
		else if (s->kind == SOCK_UDP && s->entries == 1)
			dgram_closing_unless(s, to, 2);
		else if (s->kind == SOCK_EPOLL)
			epoll_closing(s, to);
	}
	if (other)
		sock_put(other);
	sock_put(s);
}

int sock_dup(int fd)
{
	return sock_fcntl(fd, F_DUPFD, 0);
}

int sock_dup2(int fd, int to)
{
	int ret;

	if (private_is(fd) || private_is(to))
		return -EBADF;
	if (fd != to && !sock_vfork_child())
		before_dup(fd, to);
	ret = k_dup2(fd, to);
	if (ret < 0 || fd == to || sock_vfork_child())
		return ret;
	return copied(fd, to);
}

int sock_dup3(int fd, int to, int flags)
{
	int ret;

	if (private_is(fd) || private_is(to))
		return -EBADF;
	if (fd != to && !sock_vfork_child())
		before_dup(fd, to);
	ret = k_dup3(fd, to, flags);
	if (ret < 0 || sock_vfork_child())
		return ret;
	return copied(fd, to);
}

/* The kernel closes a piece that has none of ours in it. */
static int close_piece(unsigned first, unsigned last, unsigned flags)
{
	return first > last ? 0 : k_close_range(first, last, (int)flags);
}

static void close_ours(unsigned first, unsigned last)
{
	struct sock *s;
	int fd;

	for (fd = table_next((int)MIN(first, (unsigned)INT32_MAX));
	     fd >= 0 && (unsigned)fd <= last; fd = table_next(fd + 1)) {
		s = table_take(fd);
		if (s) {
			before_close(s, fd);
			k_close(fd);
			sock_put(s);
		}
	}
}

int sock_close_range(unsigned first, unsigned last, unsigned flags)
{
	unsigned from = first;
	int fd, err;

	if (first > last ||
	    flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if (flags & CLOSE_RANGE_CLOEXEC)
		return k_close_range(first, last, (int)flags);
	if (!sock_vfork_child())
		close_ours(first, last);
	for (fd = private_next((int)MIN(first, (unsigned)INT32_MAX));
	     fd >= 0 && (unsigned)fd <= last; fd = private_next(fd + 1)) {
		err = close_piece(from, (unsigned)fd - 1, flags);
		if (err)
			return err;
		from = (unsigned)fd + 1;
	}
	return close_piece(from, last, flags);
}

/* --- fcntl, ioctl --- */

static void set_nonblock(struct sock *s, bool on)
{
	if (on)
		atomic_fetch_or(&s->hold->flags, HOLD_NONBLOCK);
	else
		atomic_fetch_and(&s->hold->flags, ~HOLD_NONBLOCK);
}

/* The kernel has the change.  A link that came meanwhile may have looked before
 * it; one that comes after the lock was ours sees it: take_over(). */
static void flag_changed(struct sock *s, bool on)
{
	if (s->kind == SOCK_UDP)
		dgram_set_nonblock(s, on);
	if (s->kind != SOCK_LINK)
		return;
	upgrade_lock();
	if (s->hold)
		set_nonblock(s, on);
	upgrade_unlock();
}

/* A listener is non-blocking in the kernel for our own sake (open.c); the
 * program sees and sets its own flag. */
static int status_flags(struct sock *s, int fd, int cmd, long arg)
{
	int ret;

	if (cmd == F_GETFL) {
		ret = k_fcntl(fd, F_GETFL, 0);
		if (ret < 0 || s->kind != SOCK_LISTENER)
			return ret;
		return (ret & ~O_NONBLOCK) |
		       (sock_nonblock(s) ? O_NONBLOCK : 0);
	}
	ret = k_fcntl(fd, F_SETFL,
		      s->kind == SOCK_LISTENER ? arg | O_NONBLOCK : arg);
	if (!ret)
		set_nonblock(s, arg & O_NONBLOCK);
	return ret;
}

int sock_fcntl(int fd, int cmd, long arg)
{
	struct sock *s;
	int ret;

	if (private_is(fd))
		return -EBADF;
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC) {
		ret = k_fcntl(fd, cmd, arg);
		return ret < 0 || sock_vfork_child() ? ret : copied(fd, ret);
	}
	s = sock_get(fd);
	if (!s)
		return k_fcntl(fd, cmd, arg);
	if (cmd == F_SETFL && unlikely(arg & O_ASYNC)) {
		stay_for_good(s, fd);
		dgram_odd(s);
	}
	if ((cmd == F_GETFL || cmd == F_SETFL) && s->hold)
		ret = status_flags(s, fd, cmd, arg);
	else
		ret = k_fcntl(fd, cmd, arg);
	if (cmd == F_SETFL && !ret)
		flag_changed(s, arg & O_NONBLOCK);
	sock_put(s);
	return ret;
}

static int count_of(struct sock *s, int fd, unsigned long req, int *out)
{
	int err = k_ioctl(fd, req, out); /* is the pointer good? */

	if (err == -EFAULT)
		return err;
	if (s->sess->state != SESSION_OPEN || s->sess->flags & SESSION_BROKEN)
		*out = 0;
	else if (req == FIONREAD)
		*out = (int)fifo_used(&s->sess->rx);
	else
		*out = (int)(fifo_size(&s->sess->tx) - fifo_room(&s->sess->tx));
	return 0;
}

int sock_ioctl(int fd, unsigned long req, void *arg)
{
	struct sock *s = sock_get(fd);
	int ret, on;

	if (!s)
		return k_ioctl(fd, req, arg);
	if (unlikely(req == FIOASYNC)) {
		stay_for_good(s, fd);
		dgram_odd(s);
	}
	/* the kernel tells, once what comes twice is skipped */
	if (unlikely(req == SIOCATMARK) && s->kind == SOCK_LINK && s->link)
		back_see(s, s->link);
	if (req == FIONBIO && s->hold) {
		ret = s->kind == SOCK_LISTENER ? user_get(&on, arg, sizeof(on))
					       : k_ioctl(fd, req, arg);
		if (!ret)
			set_nonblock(s, *(int *)arg);
	} else if (req == FIONBIO) {
		ret = k_ioctl(fd, req, arg);
		if (!ret)
			flag_changed(s, *(int *)arg);
	} else if ((req == FIONREAD || req == SIOCOUTQ || req == SIOCOUTQNSD) &&
		   s->kind == SOCK_LINK && s->link) {
		ret = k_ioctl(fd, req, arg); /* is the pointer good? */
		if (!ret)
			*(int *)arg =
				link_count(s, fd, s->link, req != FIONREAD);
	} else if (req == FIONREAD && sock_is_live_dgram(s)) {
		ret = user_ok(arg, sizeof(int)) ? dgram_next_len(s, fd, arg)
						: -EFAULT;
	} else if ((req == FIONREAD || req == SIOCOUTQ || req == SIOCOUTQNSD) &&
		   s->kind == SOCK_SESSION) {
		ret = count_of(s, fd, req, arg);
	} else {
		ret = k_ioctl(fd, req, arg);
	}
	sock_put(s);
	return ret;
}
