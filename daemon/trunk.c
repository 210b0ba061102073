/* SPDX-License-Identifier: Apache-2.0 */
/* trunk.c - segments that links lie in */
#include "daemon/trunk.h"

#include <errno.h>
#include <stdlib.h>

#include "core/wire/link.h"

#define TRUNK_MAX                                                  \
	(256ull << 20) /* of address space, where one link is less \
			*/

static uint32_t last_number;

static unsigned shape(uint32_t ring)
{
	uint64_t n = (TRUNK_MAX - WIRE_LINK_PAGE) / WIRE_LINK_BLOCK(ring);

	return (unsigned)MIN(MAX(n, 1u + 0ull), WIRE_LINKS_MAX + 0ull);
}

static struct app *app_of(const struct peer *p)
{
	return p->worker ? p->worker->app : NULL;
}

/* One more or less for the applications that pay; a worker's bond with itself
 * is one payer's. */
static void count(struct bond *bond, int by)
{
	unsigned i, n = bond->end[0].peer == bond->end[1].peer ? 1 : 2;
	struct app *app;

	bond->n_trunks += (unsigned)by;
	sapid.n_trunks += (unsigned)by;
	for (i = 0; i < n; i++) {
		app = app_of(bond->end[i].peer);
		if (app)
			app->n_trunks += (unsigned)by;
	}
}

static bool may_grow(const struct bond *bond)
{
	const struct app *app;
	unsigned i;

	for (i = 0; i < 2; i++) {
		app = app_of(bond->end[i].peer);
		if (!app || app->n_trunks >= app->ns->conf.limits.segments)
			return false;
	}
	return true;
}

static int trunk_open(struct bond *bond, uint32_t ring, struct trunk **out)
{
	struct trunk *t;
	int ret;

	if (!may_grow(bond))
		return -ENOSPC;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->n_links = shape(ring);
	ret = link_seg_create(&t->map, t->n_links, ring);
	if (ret) {
		free(t);
		return ret;
	}
	t->number = ++last_number;
	t->bond = bond;
	t->ring = ring;
	list_add(&bond->trunks, &t->on_bond);
	count(bond, 1);
	*out = t;
	return 0;
}

static void trunk_close(struct trunk *t)
{
	list_del(&t->on_bond);
	count(t->bond, -1);
	map_close(&t->map);
	free(t);
}

static bool is_full(const struct trunk *t)
{
	return t->used == UINT64_MAX >> (64 - t->n_links);
}

/**
 * trunk_take() - A free block for a link
 * @bond:	of whose
 * @ring:	bytes a direction
 * @trunk:	out
 * @index:	out: the block in it
 */
int trunk_take(struct bond *bond, uint32_t ring, struct trunk **trunk,
	       unsigned *index)
{
	struct trunk *t, *found = NULL;
	int ret = 0;

	list_each (t, &bond->trunks, struct trunk, on_bond)
		if (t->ring == ring && !is_full(t)) {
			found = t;
			break;
		}
	if (!found)
		ret = trunk_open(bond, ring, &found);
	if (ret)
		return ret;
	*index = (unsigned)__builtin_ctzll(~found->used);
	found->used |= 1ull << *index;
	*trunk = found;
	return 0;
}

/* One without links is kept: the last one that had any, since what comes next
 * is most likely of its kind. */
static void drop_spare(const struct trunk *keep)
{
	struct trunk *t, *next;

	list_each_safe (t, next, &keep->bond->trunks, struct trunk, on_bond)
		if (t != keep && !t->used)
			trunk_close(t);
}

/**
 * trunk_put() - A block is free again, and clean
 * @trunk:	which may be gone then, and its bond
 * @index:	of the block
 *
 * Where a worker is gone no block is used again, and none is wiped: a child of
 * it may have the link still, which we know nothing of.
 */
void trunk_put(struct trunk *trunk, unsigned index)
{
	struct bond *bond = trunk->bond;

	trunk->used &= ~(1ull << index);
	if (!bond_is_broken(bond)) {
		link_seg_wipe(&trunk->map, index, trunk->ring);
		if (!trunk->used)
			drop_spare(trunk);
	} else if (!trunk->used) {
		trunk_close(trunk);
		bond_put(bond);
	}
}

/** trunk_link() - The header of a link, which its ends write */
struct wire_link *trunk_link(const struct trunk *trunk, unsigned index)
{
	return map_at(&trunk->map,
		      WIRE_LINK_PAGE + index * WIRE_LINK_BLOCK(trunk->ring) +
			      WIRE_LINK_HEADER(trunk->ring),
		      sizeof(struct wire_link));
}

/** trunks_uncount() - The peer's application does not pay any more */
void trunks_uncount(struct peer *p)
{
	struct bond_end *e;

	list_each (e, &p->bonds, struct bond_end, on_peer)
		p->worker->app->n_trunks -= e->bond->n_trunks;
}

/** trunks_part() - The bond is broken: what is empty goes */
void trunks_part(struct bond *bond)
{
	struct trunk *t, *next;

	list_each_safe (t, next, &bond->trunks, struct trunk, on_bond)
		if (!t->used)
			trunk_close(t);
}
