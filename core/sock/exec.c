/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - descriptors that go to another program: exec, spawn, SCM_RIGHTS */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fdbox.h"
#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/spawn.h"
#include "core/sock/table.h"

/*
 * DOC: Whether the new program is under the library, and will ever touch what
 * it inherits, nobody knows before.  So a connection that it is to have goes
 * back to the kernel (back.c) and stays there, for this process, too, if it
 * keeps it.  A server that forgets FD_CLOEXEC and runs a helper loses speed,
 * not bytes.  Sessions have no kernel connection to go back to; they are lost
 * to the new program, and stay with whoever has them.
 *
 * A child of vfork() has our memory, and so the table, but numbers of its own,
 * which it may have moved: there a number means the connection whose cookie its
 * socket has.
 */

#define AWAIT_MS 20 /* for all of them: peers that sleep with us take less */
#define VFORK_FDS 1024

static void leave(struct sock *s, int fd, bool stays)
{
	if (s->kind == SOCK_LINK)
		back_leave(s, fd, stays);
	else if (s->kind == SOCK_UDP)
		dgram_leave(s, true);
}

/* Peers that have to send something back are given a moment, all of them
 * together: the new program finds it there, as it would have. */
static void await_all(void)
{
	uint64_t end = sock_now_ns() + AWAIT_MS * UINT64_C(1000000);
	struct sock *s;
	int fd;

	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
		s = sock_get(fd);
		if (s && s->kind == SOCK_LINK)
			back_await(s, end);
		if (s)
			sock_put(s);
	}
}

static bool stays_open(int fd)
{
	int flags = k_fcntl(fd, F_GETFD, 0);

	return flags >= 0 && !(flags & FD_CLOEXEC);
}

static void leave_if(bool (*inherited)(int fd, const void *arg),
		     const void *arg, bool stays)
{
	struct sock *s;
	int fd;

	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
		s = sock_get(fd);
		if (s && (s->kind == SOCK_LINK || s->kind == SOCK_UDP) &&
		    inherited(fd, arg))
			leave(s, fd, stays);
		if (s)
			sock_put(s);
	}
	await_all();
}

/* --- vfork --- */

typedef bool is_it(const struct sock *s, uint64_t cookie, int fd);

static bool has_cookie(const struct sock *s, uint64_t cookie, int fd)
{
	return (s->link || s->upgrade == UPGRADE_OFFERED) &&
	       s->cookie == cookie;
}

/* Nobody has asked for the cookie of one that was not offered yet: is it what
 * our parent calls so?  An offer that it made later would leave the child in a
 * stream that its peer reads no more. */
static bool is_parents(const struct sock *s, uint64_t cookie, int fd)
{
	return !s->link &&
	       !k_syscall(SYS_kcmp, table_pid, getpid(), KCMP_FILE, s->fd, fd);
}

static struct sock *find(is_it *is, uint64_t cookie, int fd)
{
	struct sock *s;
	int nr;

	for (nr = table_next(0); nr >= 0; nr = table_next(nr + 1)) {
		s = sock_get(nr);
		if (s && (s->kind == SOCK_LINK || s->kind == SOCK_UDP) &&
		    is(s, cookie, fd))
			return s;
		if (s)
			sock_put(s);
	}
	return NULL;
}

static struct sock *in_child(int fd)
{
	uint64_t cookie;
	struct sock *s;

	if (stay_cookie(fd, &cookie))
		return NULL;
	s = find(has_cookie, cookie, fd);
	return s ? s : find(is_parents, cookie, fd);
}

static void leave_in_child(void)
{
	struct sock *s;
	int fd;

	for (fd = 0; fd < VFORK_FDS; fd++) {
		if (!stays_open(fd))
			continue;
		s = in_child(fd);
		if (!s)
			continue;
		leave(s, fd, true);
		sock_put(s);
	}
	await_all();
}

/* --- exec, spawn --- */

static bool by_flag(int fd, const void *arg)
{
	return stays_open(fd);
}

static bool by_actions(int fd, const void *arg)
{
	return spawn_inherits(arg, fd, !stays_open(fd));
}

/* What was closed may have no descriptor any more, but bytes to go. */
static void linger(void)
{
	if (unlikely(app_any()) && !sock_sandboxed && !sock_vfork_child())
		app_at_exit();
}

void sock_exec(void)
{
	if (likely(!table_entries)) {
		linger();
		return;
	}
	if (sock_vfork_child()) {
		leave_in_child();
		return;
	}
	linger();
	leave_if(by_flag, NULL, false);
	back_at_exit(); /* what closes on exec */
}

void sock_spawn(const void *actions)
{
	if (likely(!table_entries) || sock_vfork_child())
		return;
	leave_if(actions ? by_actions : by_flag, actions, true);
}

void sock_at_exit(void)
{
	linger();
	if (unlikely(table_entries) && !sock_vfork_child())
		back_at_exit();
}

/* --- SCM_RIGHTS --- */

void sock_rights(const struct msghdr *msg)
{
	struct sock *s;
	unsigned i;
	int fd;

	for (i = 0; (fd = fdbox_nth(msg, i)) >= 0; i++) {
		s = sock_get(fd);
		if (!s)
			continue;
		leave(s, fd, true);
		if (s->kind == SOCK_LINK)
			back_await(s, sock_now_ns() +
					      AWAIT_MS * UINT64_C(1000000));
		sock_put(s);
	}
}
