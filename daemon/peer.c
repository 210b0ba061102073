/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - a worker as others see it that have links with it */
#include "daemon/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "daemon/ext.h"
#include "daemon/grant.h"
#include "daemon/offer.h"
#include "daemon/trunk.h"

static struct peer **peers; /* by number */
static uint32_t max_peers;

/* In turn, so that a number comes back late. */
static int peer_slot(uint32_t *number)
{
	static uint32_t next;
	struct peer **bigger;
	uint32_t i, n;

	for (n = 0; n < max_peers; n++) {
		i = (next + n) % max_peers;
		if (peers[i])
			continue;
		*number = i;
		next = i + 1;
		return 0;
	}
	i = max_peers;
	n = i ? 2 * i : 64;
	bigger = reallocarray(peers, n, sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + i, 0, (n - i) * sizeof(*bigger));
	peers = bigger;
	max_peers = n;
	*number = i;
	next = i + 1;
	return 0;
}

/** peer_of() - The worker as a peer; NULL if there is no memory */
struct peer *peer_of(struct worker *w)
{
	struct peer *p = w->peer;
	unsigned i;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p || peer_slot(&p->number)) {
		free(p);
		return NULL;
	}
	p->worker = w;
	list_init(&p->bonds);
	list_init(&p->offers);
	list_init(&p->grants);
	for (i = 0; i < WIRE_BELLS_MAX; i++)
		p->bells[i] = -1;
	peers[p->number] = p;
	w->peer = p;
	return p;
}

static void peer_put(struct peer *p)
{
	if (p->worker || p->n_bonds)
		return;
	peers[p->number] = NULL;
	free(p);
}

/** peer_close_all() - At the end, when no worker is left */
void peer_close_all(void)
{
	free(peers);
	peers = NULL;
	max_peers = 0;
}

/* Peers write to it, and must not wait: an anonymous file (eventfds are; of
 * the others none lets a writer wait) that is non-blocking. */
static bool is_bell(int fd)
{
	struct stat st;
	int flags;

	if (k_fstat(fd, &st) < 0 || st.st_mode & S_IFMT)
		return false;
	flags = k_fcntl(fd, F_GETFL, 0);
	return flags >= 0 && flags & O_NONBLOCK &&
	       (flags & O_ACCMODE) != O_RDONLY;
}

/**
 * peer_set_bell() - Its bell of that number is this eventfd from now on
 * @p:		whose
 * @bell:	hostile
 * @fd:		hostile; taken over
 *
 * Return: 0 or -EPROTO
 */
int peer_set_bell(struct peer *p, unsigned bell, int fd)
{
	struct bond_end *e;

	if (bell >= WIRE_BELLS_MAX || !is_bell(fd)) {
		k_close(fd);
		return -EPROTO;
	}
	if (p->bells[bell] >= 0)
		k_close(p->bells[bell]);
	p->bells[bell] = fd;
	/* who has another one under this number is to get this one */
	list_each (e, &p->bonds, struct bond_end, on_peer) {
		struct bond *bond = e->bond;
		unsigned other = bond->end[1].peer != p;

		bond->end[other].bells[bell / 64] &= ~(1ull << (bell % 64));
	}
	return 0;
}

static void close_bells(struct peer *p)
{
	unsigned i;

	for (i = 0; i < WIRE_BELLS_MAX; i++)
		if (p->bells[i] >= 0)
			k_close(p->bells[i]);
}

/* Who knows the number hears that it names nobody. */
static void say_gone(const struct peer *p)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_PEER_GONE };
	const struct bond_end *e, *other;

	msg.peer_gone.peer = p->number;
	list_each (e, &p->bonds, const struct bond_end, on_peer) {
		other = &e->bond->end[e == &e->bond->end[0]];
		if (other->met && other->peer->worker)
			ext_post(other->peer->worker, &msg);
	}
}

/** peer_leave() - The worker is gone */
void peer_leave(struct worker *w)
{
	struct peer *p = w->peer;
	struct bond_end *e;

	if (!p)
		return;
	offers_leave(p);
	trunks_uncount(p);
	p->worker = NULL;
	w->peer = NULL;
	p->n_bonds++; /* hold it */
	say_gone(p);
	grants_leave(p); /* bonds may go with the last of theirs */
	while (!list_empty(&p->bonds)) {
		e = list_first(&p->bonds, struct bond_end, on_peer);
		list_del(&e->on_peer);
		trunks_part(e->bond);
		bond_put(e->bond);
	}
	close_bells(p);
	p->n_bonds--;
	peer_put(p);
}

static struct bond *bond_find(struct peer *a, struct peer *b)
{
	struct bond_end *e;

	/* the shorter way */
	if (a->n_bonds > b->n_bonds)
		return bond_find(b, a);
	list_each (e, &a->bonds, struct bond_end, on_peer) {
		struct bond *bond = e->bond;

		if (bond->end[e == &bond->end[0]].peer == b)
			return bond;
	}
	return NULL;
}

/** bond_of() - What two peers share; NULL if there is no memory */
struct bond *bond_of(struct peer *a, struct peer *b)
{
	struct peer *peer[2] = { a, b };
	struct bond *bond = bond_find(a, b);
	unsigned i;

	if (bond)
		return bond;
	bond = calloc(1, sizeof(*bond));
	if (!bond)
		return NULL;
	list_init(&bond->trunks);
	for (i = 0; i < 2; i++) {
		bond->end[i].bond = bond;
		bond->end[i].peer = peer[i];
		list_init(&bond->end[i].on_peer);
		if (i && a == b)
			break;
		list_add(&peer[i]->bonds, &bond->end[i].on_peer);
		peer[i]->n_bonds++;
	}
	return bond;
}

/** bond_index() - Which end is this peer's? */
unsigned bond_index(const struct bond *bond, const struct peer *p)
{
	return bond->end[0].peer != p;
}

/** bond_is_broken() - Is one of the two gone? */
bool bond_is_broken(const struct bond *bond)
{
	return !bond->end[0].peer->worker || !bond->end[1].peer->worker;
}

/** bond_put() - Free it if nothing needs it */
void bond_put(struct bond *bond)
{
	struct peer *a = bond->end[0].peer, *b = bond->end[1].peer;

	if (!bond_is_broken(bond) || bond->n_trunks)
		return;
	list_del(&bond->end[0].on_peer);
	list_del(&bond->end[1].on_peer);
	free(bond);
	a->n_bonds--;
	if (a != b)
		b->n_bonds--;
	peer_put(a);
	if (a != b)
		peer_put(b);
}
