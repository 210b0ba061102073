/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - a process that is about to give up system calls: seccomp(2) */
#include <unistd.h>

#include "core/base/signal.h"
#include "core/sock/dgram.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: Who installs a filter has listed the calls that the program makes, not
 * those that we make beside them: to attach, to ask for a connection's
 * addresses, to sleep in another call than the program's.  One of these would
 * end the process.  So before the filter is there, what the kernel carries
 * becomes the kernel's for good and is forgotten, and no call on it comes here
 * any more.  It is not let go of (hold.h): another process that shares it must
 * not move it while this one reads from the kernel.  What has moved stays.
 */
_Atomic bool sock_sandboxed;

static bool is_stream(const struct sock *s)
{
	return s->kind == SOCK_SESSION || s->kind == SOCK_LISTENER ||
	       (s->kind == SOCK_LINK && s->link) ||
	       (s->kind == SOCK_UDP && dgram_is_vpps(s->dgram));
}

/* No grant comes after this; true if one has come, or a session. */
static bool decide(void)
{
	bool moved = false;
	struct sock *s;
	int fd;

	upgrade_lock();
	mutex_lock(&table_lock);
	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
		s = table_peek(fd);
		if (is_stream(s))
			moved = true;
		else if (s->kind == SOCK_LINK)
			s->upgrade = UPGRADE_NEVER;
	}
	mutex_unlock(&table_lock);
	upgrade_unlock();
	return moved;
}

/* An instance may go if there is nothing but the kernel's in it.  The entry's
 * reference stays, but for a port's, which the daemon forgets. */
static void forget(int fd, bool moved)
{
	struct sock *s = sock_get(fd);

	if (!s)
		return;
	if (!is_stream(s) && !(moved && s->kind == SOCK_EPOLL) &&
	    table_take(fd) == s && s->kind == SOCK_PORT)
		sock_put(s);
	sock_put(s);
}

void sock_sandbox(void)
{
	bool moved;
	int fd;

	if (table_pid && getpid() != table_pid)
		return; /* a vfork child's, and the table is its parent's */
	conf_get();	/* its files can't be read later */
	sock_sandboxed = true;
	moved = decide();
	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1))
		forget(fd, moved);
}
