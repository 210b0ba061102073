/* SPDX-License-Identifier: Apache-2.0 */
/* link_lock.c - the locks of an upgraded connection's two directions */
#include "core/base/signal.h"
#include "core/sock/link.h"

/* The family's lock only if there is a family: it is robust, and four times as
 * dear.  A fork takes every lock (fork.c), so nobody is in between. */
void link_lock(struct sock *s, struct link_lock *lock, pthread_mutex_t *family)
{
	struct link *l = s->link;

	mutex_lock(&lock->mine);
	if (likely(!hold_others(s->hold)))
		return;
	lock->both = true;
	if (likely(!hold_lock(family)))
		return;
	/* a process died in the middle of a copy: the peer must see what it
	 * did, or one waits for bytes and the other for room */
	if (family == &s->hold->tx_lock) {
		ring_repair(&l->end.tx, true);
		link_ring(l, link_wake_reader(&l->end));
	} else {
		ring_repair(&l->end.rx, false);
		link_ring(l, link_wake_writer(&l->end));
	}
}

/* The others may have gone meanwhile. */
void link_unlock(struct link_lock *lock, pthread_mutex_t *family)
{
	if (unlikely(lock->both)) {
		lock->both = false;
		hold_unlock(family);
	}
	mutex_unlock(&lock->mine);
}
