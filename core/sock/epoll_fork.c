/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_fork.c - epoll instances and forks: who waits for what is in them */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sock/epoll.h"

/*
 * DOC: A child inherits an instance with what its parent put into it; programs
 * that make themselves daemons depend on it.  The kernel's members are shared
 * with the parent.  Our items are a copy, of sessions that have nothing to do
 * with the child until it claims them, which it does when it waits first.
 *
 * That is also when a process counts as one that accepts (hold.h): who only
 * fills an instance, and then forks those who wait, must get no connections.
 */

/* Release the instances before @end. */
static void unlock_until(const struct epoll *end)
{
	struct epoll *ep;

	for (ep = epoll_instances; ep != end; ep = ep->next)
		mutex_unlock(&ep->lock);
}

/* Who has an instance's lock may want that of one which is in it, and the list
 * has them in any order: so wait for a lock with none of the others held. */
void epoll_fork_prepare(void)
{
	struct epoll *ep = epoll_instances;

	while (ep) {
		if (!mutex_trylock(&ep->lock)) {
			ep = ep->next;
			continue;
		}
		unlock_until(ep);
		mutex_lock(&ep->lock);
		mutex_unlock(&ep->lock);
		ep = epoll_instances;
	}
}

void epoll_fork_parent(void)
{
	unlock_until(NULL);
}

/* The parent's calls are not ours, but these are no calls. */
static void still_kept(struct epoll *ep)
{
	struct item *it;
	unsigned i;

	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next)
			if (it->kept)
				it->kept->k_rx++;
}

void epoll_fork_child(void)
{
	struct epoll *ep;

	for (ep = epoll_instances; ep; ep = ep->next) {
		ep->bare = ep->sleepers = ep->waiting = 0;
		if (!ep->sock->entries) { /* kept for who is in the parent */
			private_close(ep->kept_fd);
			ep->kept_fd = -1;
		}
		still_kept(ep);
		/* what we took from it the parent would miss */
		private_close(ep->inner);
		ep->inner = -1;
		ep->listens = 0;
		ep->bell = NULL;
		ep->waited = false;
		ep->sock->unclaimed = ep->n_items;
		mutex_unlock(&ep->lock);
	}
}

/* References to the socks in it: claiming needs locks that come before the
 * instance's own. */
static struct sock **members(struct epoll *ep, unsigned *n)
{
	struct sock **list;
	struct item *it;
	unsigned i;

	*n = 0;
	mutex_lock(&ep->lock);
	list = mem_zalloc(ep->n_notes + 1, sizeof(struct sock *));
	for (i = 0; list && i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next) {
			if (!it->sock)
				continue;
			if (sock_try_hold(it->sock))
				list[(*n)++] = it->sock;
			/* what came before we were told */
			item_hot(ep, it);
		}
	mutex_unlock(&ep->lock);
	return list;
}

/**
 * epoll_claim() - This process waits for what is in an instance
 * @es:		Referenced
 */
void epoll_claim(struct sock *es)
{
	struct sock **list;
	unsigned i, n;

	list = members(es->epoll, &n);
	if (!list)
		return; /* the next wait may have the memory */
	for (i = 0; i < n; i++) {
		if (list[i]->kind == SOCK_LISTENER)
			hold_accept(list[i]->hold);
		if (list[i]->kind == SOCK_LINK)
			epoll_watch_link(es->epoll, list[i], list[i]->fd);
		sock_claim(list[i]);
		sock_put(list[i]);
	}
	mem_free(list);
	/* last: another thread that waits meanwhile claims as well, rather
	 * than sleep without what would wake it */
	es->unclaimed = false;
}
