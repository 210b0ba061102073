/* SPDX-License-Identifier: Apache-2.0 */
/* fork.c - what fork() means for sockets */
#include <pthread.h>
#include <unistd.h>

#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
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

/* Several numbers may mean one sock: what is done twice must be harmless. */
static void each_sock(void (*fn)(struct sock *s))
{
	struct sock *s, *seen = NULL;
	int fd;

	for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1)) {
		s = table_peek(fd);
		if (s && s != seen)
			fn(s);
		seen = s;
	}
}

static void add_child(struct sock *s)
{
	if (s->hold)
		hold_fork_add(s->hold);
}

/* A connection that may get a link is held from here on, so that neither
 * process moves it while the other has it. */
static void need_hold(struct sock *s)
{
	if (s->kind != SOCK_LINK || s->hold)
		return;
	if (hold_new(&s->hold)) {
		s->hold = NULL;
		s->upgrade = UPGRADE_NEVER;
	}
}

/* Calls of the parent's threads: nothing here will end them.  What it has
 * offered is answered there. */
static void no_calls(struct sock *s)
{
	s->k_rx = s->k_tx = 0;
	s->lost = s->refs - s->entries;
	s->context = 0;
	if (s->upgrade == UPGRADE_OFFERED)
		s->upgrade = UPGRADE_IDLE;
}

/* Some locks are made anew in the child, not let go. */
static unsigned held_before;

static void prepare(void)
{
	unsigned held = sig_held;

	upgrade_lock();
	held_before = held;
	app_fork_prepare();
	mutex_lock(&table_lock);
	mutex_lock(&watch_lock);
	epoll_fork_prepare();
	each_sock(need_hold);
	link_fork_prepare();
	if (!hold_fork_prepare())
		each_sock(add_child);
	dgram_fork_prepare();
}

static void in_parent(void)
{
	dgram_fork_parent();
	hold_fork_parent();
	link_fork_parent();
	epoll_fork_parent();
	mutex_unlock(&watch_lock);
	mutex_unlock(&table_lock);
	app_fork_parent();
	upgrade_unlock();
}

static void in_child(void)
{
	table_pid = getpid();
	hold_fork_child();
	each_sock(no_calls);
	link_fork_child();
	epoll_fork_child();
	mutex_unlock(&watch_lock);
	mutex_unlock(&table_lock);
	app_fork_child();
	dgram_fork_child(); /* it gives segments back, which has locks */
	sig_fork_child(held_before + 1); /* the next one */
	upgrade_unlock();
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
