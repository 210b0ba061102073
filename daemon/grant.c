/* SPDX-License-Identifier: Apache-2.0 */
/* grant.c - links that two workers have been granted */
#include "daemon/grant.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fdbox.h"
#include "daemon/ext.h"
#include "daemon/sys.h"

#define HASH 16384 /* ids are in a row: chains stay short */
/* Messages: more than a socket has room for. */
#define UNREAD_MAX 1024

static struct list by_id[HASH];
static uint64_t last_id;

/** grant_init() - Before the first client */
void grant_init(void)
{
	unsigned i;

	for (i = 0; i < HASH; i++)
		list_init(&by_id[i]);
	/* A client that goes on after our restart must not free what it does
	 * not have */
	sys_random(&last_id, sizeof(last_id));
}

static uint64_t new_id(void)
{
	if (!++last_id)
		last_id = 1;
	return last_id;
}

static struct grant *grant_find(uint64_t id)
{
	struct grant *g;

	list_each (g, &by_id[id % HASH], struct grant, on_hash)
		if (g->id == id)
			return g;
	return NULL;
}

/* One more or less for the application that pays for this half. */
static void count(const struct half *h, int by)
{
	uint64_t bytes = WIRE_LINK_BLOCK(h->grant->trunk->ring);

	h->app->n_links += (unsigned)by;
	h->app->link_bytes += by > 0 ? bytes : -bytes;
}

static bool has_room(const struct app *app, unsigned halves, uint32_t ring)
{
	const struct limits *max = &app->ns->conf.limits;

	return app->n_links + halves <= max->links &&
	       app->link_bytes + halves * WIRE_LINK_BLOCK(ring) <=
		       max->link_bytes;
}

/* The larger wish, as it can be had. */
static uint32_t ring_of(const struct offer *a, const struct offer *b)
{
	uint64_t most = MIN(a->peer->worker->app->ns->conf.limits.fifo_size,
			    WIRE_LINK_RING_MAX + 0ull);
	uint64_t wish = MIN(MAX(a->ring, b->ring), most);
	uint32_t ring = WIRE_LINK_RING_MIN;

	while (ring < wish && 2ull * ring <= most)
		ring *= 2;
	return ring;
}

static uint64_t half_bytes(const struct half *h)
{
	const struct grant *g = h->grant;

	return trunk_link(g->trunk, g->index)->side[h - g->half].tx_bytes;
}

/** grant_bytes() - Sent over links, those that have ended too */
uint64_t grant_bytes(void)
{
	uint64_t sum = sapid.count.link_bytes;
	const struct grant *g;
	unsigned i;

	for (i = 0; i < HASH; i++)
		list_each (g, &by_id[i], const struct grant, on_hash) {
			sum += g->half[0].done ? 0 : half_bytes(&g->half[0]);
			sum += g->half[1].done ? 0 : half_bytes(&g->half[1]);
		}
	return sum;
}

static void half_done(struct half *h)
{
	struct grant *g = h->grant;
	struct half *other = &g->half[h == &g->half[0]];

	sapid.count.link_bytes += half_bytes(h);
	h->done = true;
	list_del(&h->on_peer);
	count(h, -1);
	if (!other->done)
		return;
	list_del(&g->on_hash);
	sapid.n_links--;
	trunk_put(g->trunk, g->index);
	free(g);
}

/** grants_leave() - The peer is gone: its halves are done */
void grants_leave(struct peer *p)
{
	while (!list_empty(&p->grants))
		half_done(list_first(&p->grants, struct half, on_peer));
}

static void half_set(struct grant *g, unsigned side, const struct offer *o,
		     const struct offer *other)
{
	struct half *h = &g->half[side];

	h->grant = g;
	h->context = o->context;
	h->peer = o->peer;
	h->app = o->peer->worker->app;
	h->lcl = o->claim.lcl;
	h->udp = o->claim.udp != WIRE_UDP_NONE;
	memcpy(h->peer_name, other->peer->worker->app->name,
	       sizeof(h->peer_name));
	list_add(&o->peer->grants, &h->on_peer);
	count(h, 1);
}

/* A grant of which nobody knows yet. */
static int grant_make(const struct offer *a, const struct offer *b,
		      struct grant **out)
{
	struct bond *bond = bond_of(a->peer, b->peer);
	uint32_t ring = ring_of(a, b);
	struct grant *g;
	int ret;

	g = bond ? calloc(1, sizeof(*g)) : NULL;
	if (!g)
		return -ENOMEM;
	ret = trunk_take(bond, ring, &g->trunk, &g->index);
	if (ret) {
		free(g);
		return ret;
	}
	g->id = new_id();
	list_add(&by_id[g->id % HASH], &g->on_hash);
	half_set(g, 0, a, b);
	half_set(g, 1, b, a);
	sapid.n_links++;
	*out = g;
	return 0;
}

/* Tell one end: 0, or -errno if it can't be told. */
static int tell(struct grant *g, unsigned side, const struct offer *o,
		const struct offer *other)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_GRANT };
	struct bond *bond = g->trunk->bond;
	unsigned me = bond_index(bond, o->peer);
	struct bond_end *end = &bond->end[me];
	uint64_t bell_bit = 1ull << (other->bell % 64);
	struct fdbox box;
	int ret;

	msg.grant.context = o->context;
	msg.grant.link = g->id;
	msg.grant.seg = g->trunk->number;
	msg.grant.index = g->index;
	msg.grant.n_links = g->trunk->n_links;
	msg.grant.ring = g->trunk->ring;
	msg.grant.peer = other->peer->number;
	msg.grant.peer_bell = other->bell;
	msg.grant.side = (uint8_t)side;
	msg.grant.has_seg = !g->trunk->known[me];
	msg.grant.has_bell = !(end->bells[other->bell / 64] & bell_bit);
	fdbox_init(&box); /* lent: never closed */
	if (msg.grant.has_seg)
		box.fd[box.n++] = g->trunk->map.fd;
	if (msg.grant.has_bell)
		box.fd[box.n++] = other->peer->bells[other->bell];
	ret = ext_send(o->peer->worker, &msg, &box);
	if (ret)
		return ret;
	g->trunk->known[me] = true;
	end->bells[other->bell / 64] |= bell_bit;
	end->met = true;
	return 0;
}

/**
 * grant_open() - Both ends of a connection have offered it
 * @a:	one
 * @b:	the other; may be the same worker's
 *
 * If only the second can't be told, since it reads nothing, the first has a
 * link that leads nowhere. That is harmless: it never sees consent, stays in
 * the kernel, and says DONE in the end.
 *
 * Return: 0 if the first was told, and the second too or refused; -ENOSPC for
 * a limit, -EAGAIN if the first reads nothing, -ENOMEM or other errors
 */
int grant_open(const struct offer *a, const struct offer *b)
{
	const struct app *app[2] = { a->peer->worker->app,
				     b->peer->worker->app };
	unsigned halves = app[0] == app[1] ? 2 : 1;
	struct grant *g;
	int ret;

	if (!has_room(app[0], halves, ring_of(a, b)) ||
	    !has_room(app[1], halves, ring_of(a, b)))
		return -ENOSPC;
	if (ext_is_waiting(b->peer->worker))
		return -EAGAIN;
	ret = grant_make(a, b, &g);
	if (ret)
		return ret;
	ret = tell(g, 0, a, b);
	if (ret) {
		half_done(&g->half[0]);
		half_done(&g->half[1]);
		return ret;
	}
	sapid.count.links++;
	if (tell(g, 1, b, a)) {
		half_done(&g->half[1]);
		offer_refuse(b, WIRE_REFUSED_LIMIT);
	}
	return 0;
}

/* Which half can this worker mean? Its own; or the one of its application, as
 * who was forked may be the last to have the connection. */
static struct half *half_of(struct grant *g, const struct worker *w)
{
	struct half *found = NULL;
	unsigned i, n = 0;

	for (i = 0; g && i < 2; i++) {
		if (g->half[i].done)
			continue;
		if (g->half[i].peer == w->peer)
			return &g->half[i];
		if (g->half[i].app == w->app) {
			found = &g->half[i];
			n++;
		}
	}
	return n == 1 ? found : NULL;
}

/* Its end has no such segment; it may have had no room for a bell either. */
static void forget(const struct half *h)
{
	struct trunk *t = h->grant->trunk;
	unsigned end = bond_index(t->bond, h->peer);

	t->known[end] = false;
	memset(t->bond->end[end].bells, 0, sizeof(t->bond->end[end].bells));
}

/* Nobody has used it: who sends there must not wait for one. Of a stream the
 * kernel tells, as the socket is closed. */
static void half_declined(struct half *h)
{
	struct grant *g = h->grant;

	if (h->udp)
		link_leave_for(trunk_link(g->trunk, g->index),
			       (unsigned)(h - g->half));
	half_done(h);
}

/**
 * grant_message() - DONE: nobody of a worker's application uses a link any more
 * @w:		who
 * @msg:	hostile
 */
void grant_message(struct worker *w, const struct wire_done *msg)
{
	struct half *h = half_of(grant_find(msg->link), w);

	if (!h || msg->forget_seg > 1) {
		sapid.count.rejects++;
		return;
	}
	if (msg->forget_seg && h->peer == w->peer)
		forget(h);
	half_done(h);
}

/* Of those that were granted last: more are not unread, and a client that says
 * it of offers which it has not made is not to cost a look at all it has. */
static struct half *unread(struct peer *p, uint64_t context)
{
	struct list *at = p->grants.prev;
	struct half *h;
	unsigned n;

	for (n = 0; n < UNREAD_MAX && at != &p->grants; n++, at = at->prev) {
		h = list_entry(at, struct half, on_peer);
		if (h->context == context)
			return h;
	}
	return NULL;
}

/* The half that was granted to this offer, and is not done. */
static struct half *granted_to(struct peer *p, const struct wire_withdraw *msg)
{
	struct grant *g;
	struct half *h;

	if (!msg->link)
		return unread(p, msg->context);
	g = grant_find(msg->link);
	for (h = g ? g->half : NULL; h && h < g->half + 2; h++)
		if (!h->done && h->peer == p && h->context == msg->context)
			return h;
	return NULL;
}

/**
 * grant_withdraw() - WITHDRAW: nobody has used or will use what it was granted
 * @p:		whose offer
 * @msg:	hostile
 */
void grant_withdraw(struct peer *p, const struct wire_withdraw *msg)
{
	struct half *h = granted_to(p, msg);

	if (!h)
		return;
	if (msg->forget_seg)
		forget(h);
	half_declined(h);
}
