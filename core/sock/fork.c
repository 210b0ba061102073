/* SPDX-License-Identifier: Apache-2.0 */
/* fork.c - what fork() means for sockets */
#include <pthread.h>
#include <unistd.h>

#include "core/sess/app.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: The parent takes every lock in the documented order, so that the child
 * finds consistent tables, and marks the child as a holder of every session
 * (hold.h).  The child has no worker, no queue and no wake-up descriptor; it
 * gets them when it uses a socket first (sock_get_claimed()).  A child that
 * only closes, or execs, or exits, sends nothing and costs nothing.
 *
 * vfork() and posix_spawn() run no handlers: their children share our memory
 * and are recognised by their pid (fd.c).
 */

_Atomic int table_pid;

static void each_hold(void (*fn)(struct hold *h))
{
	struct sock *s, *seen = NULL;
	int fd;

	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
		s = table_peek(fd);
		if (s && s != seen && s->hold)
			fn(s->hold);
		seen = s;
	}
}

static void prepare(void)
{
	app_fork_prepare();
	pthread_mutex_lock(&table_lock);
	pthread_mutex_lock(&watch_lock);
	epoll_fork_prepare();
	if (!hold_fork_prepare())
		each_hold(hold_fork_add);
}

static void in_parent(void)
{
	hold_fork_parent();
	epoll_fork_parent();
	pthread_mutex_unlock(&watch_lock);
	pthread_mutex_unlock(&table_lock);
	app_fork_parent();
}

static void in_child(void)
{
	table_pid = getpid();
	hold_fork_child();
	epoll_fork_child();
	pthread_mutex_unlock(&watch_lock);
	pthread_mutex_unlock(&table_lock);
	app_fork_child();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int init_error;

static void init(void)
{
	table_pid = getpid();
	sock_used = true; /* private descriptors may follow */
	init_error = -pthread_atfork(prepare, in_parent, in_child);
}

int sock_init(void)
{
	pthread_once(&once, init);
	return init_error;
}
