/* SPDX-License-Identifier: Apache-2.0 */
/* link_list.c - every link of the process: memory to give back, and forks */
#include "core/base/signal.h"
#include "core/sock/link.h"

/* --- giving memory back --- */

/*
 * A ring that a burst has spread over many pages is worth a look when a thread
 * of its producer goes to sleep.  If the consumer has not emptied it by then,
 * the producer is rung when it has.
 */
static struct link *untidy;
static pthread_mutex_t untidy_lock = PTHREAD_MUTEX_INITIALIZER;

static void untidy_del(struct link *l)
{
	*l->untidy_prev = l->untidy_next;
	if (l->untidy_next)
		l->untidy_next->untidy_prev = l->untidy_prev;
	l->spread = false;
}

void link_spread(struct link *l)
{
	mutex_lock(&untidy_lock);
	if (!l->spread) {
		l->spread = true;
		l->untidy_next = untidy;
		l->untidy_prev = &untidy;
		if (untidy)
			untidy->untidy_prev = &l->untidy_next;
		untidy = l;
	}
	mutex_unlock(&untidy_lock);
}

void link_untidy(struct sock *s)
{
	mutex_lock(&untidy_lock);
	if (s->link->spread)
		untidy_del(s->link);
	mutex_unlock(&untidy_lock);
}

/* Who waits for room, and for less than all of it, is not to wait for more:
 * it will be here again. */
static bool tidy_or_arm(struct link *l)
{
	if (!ring_unread(&l->end.tx))
		return ring_give_back(&l->end.tx);
	if (link_peer_flags(&l->end) & WIRE_LINK_CLOSED || l->dead ||
	    link_reader_left(&l->end))
		return true;
	if (link_is_armed_tx(&l->end))
		return false;
	link_arm_tx(&l->end, l->bell->number, l->end.tx.size);
	return !ring_unread(&l->end.tx) && ring_give_back(&l->end.tx);
}

/* untidy_lock keeps the link: link_release() takes it first.  A thread that
 * is sending is not waited for. */
static bool tidy_one(struct link *l)
{
	bool tidy;

	if (hold_others(l->sock->hold) || mutex_trylock(&l->tx_lock.mine))
		return false;
	tidy = tidy_or_arm(l);
	mutex_unlock(&l->tx_lock.mine);
	return tidy;
}

void link_tidy(void)
{
	struct link *l, *next;
	int cancel;

	if (likely(!untidy))
		return;
	cancel = cancel_off();
	mutex_lock(&untidy_lock);
	for (l = untidy; l; l = next) {
		next = l->untidy_next;
		if (tidy_one(l))
			untidy_del(l);
	}
	mutex_unlock(&untidy_lock);
	cancel_back(cancel);
}

/* --- fork --- */

/* Every link of the process, in a list: numbers don't tell, since a thread may
 * use a sock whose last number is being closed. */
static struct link *links;
static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;

void link_list(struct link *l)
{
	mutex_lock(&links_lock);
	l->next = links;
	l->prev = &links;
	if (l->next)
		l->next->prev = &l->next;
	links = l;
	mutex_unlock(&links_lock);
}

void link_unlist(struct link *l)
{
	mutex_lock(&links_lock);
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	mutex_unlock(&links_lock);
}

/* Held, it may be by the very thread that a signal handler has interrupted. */
static bool is_idle(struct link_lock *lock)
{
	if (mutex_trylock(&lock->mine))
		return false;
	mutex_unlock(&lock->mine);
	return true;
}

void link_each_idle(void (*fn)(struct sock *s, struct link *l))
{
	struct link *l;

	if (mutex_trylock(&links_lock))
		return;
	for (l = links; l; l = l->next) {
		if (is_idle(&l->tx_lock) && is_idle(&l->rx_lock))
			fn(l->sock, l);
	}
	mutex_unlock(&links_lock);
}

void link_fork_prepare(void)
{
	struct link *l;

	mutex_lock(&links_lock);
	for (l = links; l; l = l->next) {
		mutex_lock(&l->rx_lock.mine);
		mutex_lock(&l->tx_lock.mine);
	}
	mutex_lock(&untidy_lock); /* after tx_lock: link_spread() */
}

static void unlock_all(void)
{
	struct link *l;

	for (l = links; l; l = l->next) {
		mutex_unlock(&l->tx_lock.mine);
		mutex_unlock(&l->rx_lock.mine);
	}
	mutex_unlock(&untidy_lock);
	mutex_unlock(&links_lock);
}

void link_fork_parent(void)
{
	unlock_all();
}

/* The parent tidies; its threads' calls in the kernel are not the child's. */
void link_fork_child(void)
{
	struct link *l;

	for (l = links; l; l = l->next) {
		private_close(l->orphan);
		l->orphan = -1;
	}
	while (untidy)
		untidy_del(untidy);
	unlock_all();
}
