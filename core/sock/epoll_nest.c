/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_nest.c - instances that are waited for from outside, and their bells */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/sock/epoll.h"
#include "core/sock/link.h"

/*
 * DOC: An instance may be in another one, or in a set of poll().  What happens
 * to its links shows in its inner instance alone, which only its own waiters
 * have in their sleep.  So whoever waits for it from outside lets that one wake
 * its thread, too (epoll_listen()), and takes what came there before it asks
 * whether the instance is ready (epoll_hear()).  Of several who wake for one
 * event only one gets it from the inner instance; that one fires the items,
 * which rings the others.
 *
 * The kernel refuses circles, and more than some levels.
 */

#define INNER_EVENTS 64

void epoll_look_inner(struct epoll *ep)
{
	struct epoll_event evs[INNER_EVENTS];
	int i, got, cancel = cancel_off();
	bool bell = false;
	struct sock *s;

	do {
		got = k_epoll_pwait(ep->inner, evs, INNER_EVENTS, 0, NULL);
		for (i = 0; i < got; i++) {
			s = evs[i].data.ptr;
			bell |= !s;
			if (!s || !sock_try_hold(s))
				continue;
			if (s->kind == SOCK_LINK && s->link)
				link_alive(s, s->link, evs[i].events);
			sock_notify(s);
			sock_put(s);
		}
	} while (got == INNER_EVENTS);
	offer_look(bell);
	cancel_back(cancel);
}

/* The instance in @ep with the lowest number above *@fd, referenced.  (To look
 * into it needs locks that come before that of @ep.) */
static struct sock *next_in(struct epoll *ep, int *fd)
{
	struct item *it, *best = NULL;
	struct sock *s = NULL;
	unsigned i;

	if (likely(!ep->n_nested))
		return NULL;
	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next)
			if (it->sock && it->sock->kind == SOCK_EPOLL &&
			    it->fd > *fd && (!best || it->fd < best->fd))
				best = it;
	if (best && sock_try_hold(best->sock)) {
		s = best->sock;
		*fd = best->fd;
	}
	mutex_unlock(&ep->lock);
	return s;
}

void epoll_hear_nested(struct epoll *ep)
{
	int fd = -1, cancel;
	struct sock *s;

	while ((s = next_in(ep, &fd))) {
		epoll_hear(s->epoll);
		cancel = cancel_off(); /* close(2) in there, at the last */
		sock_put(s);
		cancel_back(cancel);
	}
}

/* From the innermost outwards: what became hot there is seen here. */
void epoll_hear(struct epoll *ep)
{
	if (ep->inner >= 0) /* with no link left, too: see sleep_rounds() */
		epoll_look_inner(ep);
	epoll_hear_nested(ep);
	if (unlikely(ep->blind))
		epoll_heat_all(ep);
	else
		epoll_scan_cold(ep);
}

int epoll_listen_nested(struct epoll *ep, struct waiter *w)
{
	int fd = -1, err = 0, cancel;
	struct sock *s;

	while (!err && (s = next_in(ep, &fd))) {
		err = epoll_listen(s->epoll, w);
		cancel = cancel_off();
		sock_put(s);
		cancel_back(cancel);
	}
	return err;
}

/* An inner instance that is made later is told of: epoll_watch_link(). */
int epoll_listen(struct epoll *ep, struct waiter *w)
{
	int err = 0;

	if (ep->n_links && ep->blind)
		return -EMFILE;
	if (ep->inner >= 0)
		err = waiter_listen_to(w, ep->inner, EPOLLIN, WOKEN_BY_OTHERS);
	return err ? err : epoll_listen_nested(ep, w);
}
