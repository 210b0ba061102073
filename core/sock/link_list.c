/* SPDX-License-Identifier: Apache-2.0 */
/* link_list.c - every link of the process: memory to give back, and forks */
#include "core/sock/link.h"

/* --- giving memory back --- */

/*
 * A ring that a burst has spread over many pages is worth a look when a thread
 * of its producer goes to sleep.  If the consumer has not emptied it by then,
 * the producer is rung when it has.
 */
#define TIDY_MAX 64

static struct sock *untidy[TIDY_MAX];
static _Atomic unsigned n_untidy;
static pthread_mutex_t untidy_lock = PTHREAD_MUTEX_INITIALIZER;

void link_spread(struct sock *s, struct link *l)
{
	pthread_mutex_lock(&untidy_lock);
	if (!l->spread && n_untidy < TIDY_MAX) {
		l->spread = true;
		untidy[n_untidy++] = s;
	}
	pthread_mutex_unlock(&untidy_lock);
}

static void untidy_del(unsigned i)
{
	untidy[i]->link->spread = false;
	untidy[i] = untidy[--n_untidy];
}

void link_untidy(struct sock *s)
{
	unsigned i;

	if (!s->link->spread)
		return;
	pthread_mutex_lock(&untidy_lock);
	for (i = 0; i < n_untidy; i++)
		if (untidy[i] == s) {
			untidy_del(i);
			break;
		}
	pthread_mutex_unlock(&untidy_lock);
}

/* untidy_lock keeps the link: link_release() takes it first.  A thread that
 * is sending is not waited for. */
static bool tidy_one(struct sock *s, struct link *l)
{
	bool tidy = false;

	if (hold_others(s->hold) || pthread_mutex_trylock(&l->tx_lock.mine))
		return false;
	if (!ring_unread(&l->end.tx))
		tidy = ring_give_back(&l->end.tx);
	else if (link_peer_flags(&l->end) & WIRE_LINK_CLOSED)
		tidy = true;
	else
		link_arm_tx(&l->end, l->bell->number, l->end.tx.size);
	pthread_mutex_unlock(&l->tx_lock.mine);
	return tidy;
}

void link_tidy(void)
{
	unsigned i;

	if (likely(!n_untidy))
		return;
	pthread_mutex_lock(&untidy_lock);
	for (i = 0; i < n_untidy;)
		if (tidy_one(untidy[i], untidy[i]->link))
			untidy_del(i);
		else
			i++;
	pthread_mutex_unlock(&untidy_lock);
}

/* --- fork --- */

/* Every link of the process, in a list: numbers don't tell, since a thread may
 * use a sock whose last number is being closed. */
static struct link *links;
static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;

void link_list(struct link *l)
{
	pthread_mutex_lock(&links_lock);
	l->next = links;
	l->prev = &links;
	if (l->next)
		l->next->prev = &l->next;
	links = l;
	pthread_mutex_unlock(&links_lock);
}

void link_unlist(struct link *l)
{
	pthread_mutex_lock(&links_lock);
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	pthread_mutex_unlock(&links_lock);
}

void link_fork_prepare(void)
{
	struct link *l;

	pthread_mutex_lock(&links_lock);
	for (l = links; l; l = l->next) {
		pthread_mutex_lock(&l->rx_lock.mine);
		pthread_mutex_lock(&l->tx_lock.mine);
	}
	pthread_mutex_lock(&untidy_lock); /* after tx_lock: link_spread() */
}

static void unlock_all(void)
{
	struct link *l;

	for (l = links; l; l = l->next) {
		pthread_mutex_unlock(&l->tx_lock.mine);
		pthread_mutex_unlock(&l->rx_lock.mine);
	}
	pthread_mutex_unlock(&untidy_lock);
	pthread_mutex_unlock(&links_lock);
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
	n_untidy = 0;
	unlock_all();
}
