/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - descriptor -> sock, and the life of a sock */
#include "core/sock/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/vudp.h"

#define POOL_BLOCK 64

struct sock *_Atomic *_Atomic table_level[TABLE_LEVELS];
pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
_Atomic unsigned table_entries;
_Atomic bool sock_used;
static struct sock *pool;
static _Atomic uint32_t last_gen;

bool sock_lookup(int fd)
{
	return table_peek(fd) || private_is(fd);
}

bool sock_any(void)
{
	return table_entries || (app_any() && !sock_sandboxed);
}

/* --- references --- */

bool sock_try_hold(struct sock *s)
{
	uint32_t refs = s->refs;

	while (refs && !atomic_compare_exchange_weak(&s->refs, &refs, refs + 1))
		;
	return refs;
}

struct sock *sock_get(int fd)
{
	struct sock *s = table_peek(fd);
	bool held;

	while (s) {
		held = sock_try_hold(s);
		if (held && table_peek(fd) == s)
			return s;
		if (held)
			sock_put(s);
		s = table_peek(fd);
	}
	return NULL;
}

/* A sock made before the fork is the parent's until it is claimed. */
static void claim_session(struct sock *s)
{
	int err = app_claim(&s->sess);

	if (!err)
		return;
	log_warn("an inherited socket can't be used here: %s",
		 strerrorname_np(-err));
	if (s->kind == SOCK_SESSION)
		atomic_fetch_or(&s->sess->flags, SESSION_RESET | SESSION_GONE);
}

void sock_claim(struct sock *s)
{
	if (s->sess && unlikely(!session_claimed(s->sess)))
		claim_session(s);
	else if (unlikely(s->unclaimed))
		s->kind == SOCK_UDP ? vudp_claim(s) : epoll_claim(s);
}

struct sock *sock_get_claimed(int fd)
{
	struct sock *s = sock_get(fd);

	if (s)
		sock_claim(s);
	return s;
}

void sock_hold(struct sock *s)
{
	s->refs++;
}

static void release(struct sock *s)
{
	struct app *app;

	if (s->kind == SOCK_EPOLL) {
		epoll_sock_gone(s); /* from those that it is in */
		epoll_free(s->epoll);
	} else if (s->kind == SOCK_PORT) {
		port_release(s);
	} else if (s->kind == SOCK_LINK) {
		link_release(s);
	} else if (s->kind == SOCK_UDP) {
		dgram_release(s);
	} else {
		epoll_sock_gone(s);
		app = s->sess->app;
		mutex_lock(&app->lock);
		session_close(s->sess, s->opts->linger == 0);
		mutex_unlock(&app->lock);
	}
	mutex_lock(&table_lock);
	s->kind = SOCK_NONE;
	s->sess = NULL;
	s->next = pool;
	pool = s;
	mutex_unlock(&table_lock);
}

void sock_put(struct sock *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		release(s);
}

/* Blocks are never freed: a reader may hold a stale pointer (table.h). */
static int pool_grow(void)
{
	struct sock *block = mem_zalloc(POOL_BLOCK, sizeof(*block));
	int i;

	if (!block)
		return -ENOMEM;
	for (i = 0; i < POOL_BLOCK; i++) {
		block[i].next = pool;
		pool = &block[i];
	}
	return 0;
}

struct sock *sock_new(enum sock_kind kind)
{
	struct sock *s = NULL;

	mutex_lock(&table_lock);
	if (pool || !pool_grow()) {
		s = pool;
		pool = s->next;
	}
	mutex_unlock(&table_lock);
	if (!s)
		return NULL;
	/* refs stays 0 until everything else is set: sock_get() of a stale
	 * entry must not take it */
	s->kind = kind;
	s->sess = NULL;
	s->hold = NULL;
	s->epoll = NULL;
	s->dgram = NULL;
	s->unclaimed = false;
	s->watches = NULL;
	s->fd = -1;
	s->connect_told = s->require = false;
	s->spin_us = 0;
	s->opts = &s->own_opts;
	hold_opts_init(s->opts);
	s->full = 0;
	s->shuts = s->errors = 0;
	s->entries = 0;
	s->link = NULL;
	s->bell = NULL;
	s->port = NULL;
	s->gen = ++last_gen; /* answers to what it was are not for it */
	s->upgrade = UPGRADE_IDLE;
	s->k_rx = s->k_tx = 0;
	s->lost = 0;
	s->noted = 0;
	s->turns = 0;
	s->moved = 0;
	s->sent_last = s->unheard = s->hold_shared = false;
	s->noted = 0;
	s->hold_left = false;
	s->rd_shut = false;
	s->lcl_port = s->rmt_port = 0;
	s->named = false;
	s->slot = 0;
	s->refs = 1;
	return s;
}

/* --- entries --- */

static struct sock *_Atomic *level_of(unsigned n)
{
	struct sock *_Atomic *level = table_level[n >> TABLE_BITS];

	if (level)
		return level;
	level = mem_zalloc(1u << TABLE_BITS, sizeof(*level));
	/* release: pairs with the acquire in table_peek() */
	atomic_store_explicit(&table_level[n >> TABLE_BITS], level,
			      memory_order_release);
	return level;
}

/* @fresh: only where there is nothing yet, else -EEXIST */
static int set_entry(int fd, struct sock *s, bool fresh)
{
	struct sock *_Atomic *level;
	struct sock *old;
	unsigned n = (unsigned)fd;

	if (n >> TABLE_BITS >= TABLE_LEVELS)
		return -EMFILE;
	mutex_lock(&table_lock);
	level = level_of(n);
	if (!level) {
		mutex_unlock(&table_lock);
		return -ENOMEM;
	}
	sock_used = true;
	if (fresh && level[n & ((1u << TABLE_BITS) - 1)]) {
		mutex_unlock(&table_lock);
		return -EEXIST;
	}
	if (s) {
		sock_hold(s);
		s->entries++;
	}
	/* release in the exchange: pairs with the acquire in table_peek() */
	old = atomic_exchange(&level[n & ((1u << TABLE_BITS) - 1)], s);
	table_entries += (s != NULL);
	table_entries -= (old != NULL);
	if (old)
		old->entries--;
	mutex_unlock(&table_lock);
	if (old)
		sock_put(old);
	return 0;
}

int table_set(int fd, struct sock *s)
{
	return set_entry(fd, s, false);
}

int table_add(int fd, struct sock *s)
{
	return set_entry(fd, s, true);
}

struct sock *table_take(int fd)
{
	unsigned n = (unsigned)fd;
	struct sock *_Atomic *level;
	struct sock *old;

	if (!table_peek(fd))
		return NULL;
	mutex_lock(&table_lock);
	level = table_level[n >> TABLE_BITS];
	old = atomic_exchange(&level[n & ((1u << TABLE_BITS) - 1)], NULL);
	table_entries -= (old != NULL);
	if (old)
		old->entries--;
	mutex_unlock(&table_lock);
	return old;
}

int table_next(int from)
{
	unsigned n = from < 0 ? 0 : (unsigned)from;

	while (n >> TABLE_BITS < TABLE_LEVELS) {
		if (!table_level[n >> TABLE_BITS])
			n = ((n >> TABLE_BITS) + 1) << TABLE_BITS;
		else if (table_peek((int)n))
			return (int)n;
		else
			n++;
	}
	return -1;
}

/* Numbers of listeners and instances are used in calls to the kernel. */
void table_renumber(struct sock *s, int fd)
{
	int i;

	if (s->kind == SOCK_SESSION || s->fd != fd || !s->entries)
		return;
	mutex_lock(&table_lock);
	for (i = table_next(0); i >= 0 && s->entries; i = table_next(i + 1))
		if (i != fd && table_peek(i) == s) {
			s->fd = i;
			break;
		}
	mutex_unlock(&table_lock);
}

void sock_fresh(int fd)
{
	struct sock *stale = table_take(fd);

	if (stale)
		sock_put(stale);
}
