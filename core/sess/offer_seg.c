/* SPDX-License-Identifier: Apache-2.0 */
/* offer_seg.c - mapped segments of links, and the clients at their other end */
#include "core/sess/offer_seg.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/waiter.h"

#define MAX_SEGS 4096

/*
 * DOC: A segment stays mapped while a link of ours is in it or while its peer
 * may get another one: connections that come and go would otherwise map and
 * unmap all the time.  It is unmapped when the peer has gone, by the daemon's
 * word or because the daemon itself has, and the last link is released.
 */
struct offer_bell { /* of a peer; its number may come to mean another */
	int fd;
	unsigned refs; /* the peer's entry, and links */
};

struct peer {
	uint32_t id;
	unsigned epoch;
	unsigned segs; /* of it */
	_Atomic bool gone;
	struct offer_bell *bell[WIRE_BELLS_MAX];
	struct peer *next;
};

struct offer_seg {
	struct map map;
	uint32_t id, ring;
	unsigned n_links, links; /* links: held by us */
	bool family;		 /* a forked process has it, too */
	struct peer *peer;
	void *user[2][WIRE_LINKS_MAX];
	uint64_t mine[2]; /* bits of those that are set */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct offer_seg *_Atomic segs[MAX_SEGS];
static _Atomic unsigned n_segs;
static struct peer *peers;

/* --- with the lock --- */

static void bell_unref(struct offer_bell *b)
{
	if (!b || --b->refs)
		return;
	private_close(b->fd);
	mem_free(b);
}

/* Takes @fd over. */
static int bell_set(struct peer *p, unsigned n, int fd)
{
	struct offer_bell *b = mem_zalloc(1, sizeof(*b));

	if (!b) {
		k_close(fd);
		return -ENOMEM;
	}
	b->fd = private_fd(fd);
	b->refs = 1;
	bell_unref(p->bell[n]);
	p->bell[n] = b;
	return 0;
}

static struct peer *peer_get(unsigned epoch, uint32_t id)
{
	struct peer *p;

	for (p = peers; p; p = p->next)
		if (p->epoch == epoch && p->id == id && !p->gone)
			return p;
	p = mem_zalloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->id = id;
	p->epoch = epoch;
	p->next = peers;
	peers = p;
	return p;
}

static void peer_free_if_idle(struct peer *p)
{
	struct peer **at;
	int i;

	if (p->segs || !p->gone)
		return;
	for (at = &peers; *at != p; at = &(*at)->next)
		;
	*at = p->next;
	for (i = 0; i < WIRE_BELLS_MAX; i++)
		bell_unref(p->bell[i]);
	mem_free(p);
}

static struct offer_seg *seg_find(const struct peer *p, uint32_t id)
{
	unsigned i;

	for (i = 0; i < n_segs; i++)
		if (segs[i] && segs[i]->peer == p && segs[i]->id == id)
			return segs[i];
	return NULL;
}

static void seg_free_if_idle(struct offer_seg *seg)
{
	struct peer *p = seg->peer;
	unsigned i;

	if (seg->links || !p->gone)
		return;
	for (i = 0; segs[i] != seg; i++)
		;
	segs[i] = NULL;
	map_close(&seg->map);
	mem_free(seg);
	p->segs--;
	peer_free_if_idle(p);
}

static int seg_new(struct peer *p, const struct wire_grant *w, int fd,
		   struct offer_seg **out)
{
	struct offer_seg *seg;
	unsigned i;
	int err;

	for (i = 0; i < n_segs && segs[i]; i++)
		;
	seg = i < MAX_SEGS ? mem_zalloc(1, sizeof(*seg)) : NULL;
	if (!seg) {
		k_close(fd);
		return -ENOMEM;
	}
	err = link_seg_attach(&seg->map, fd, w->n_links, w->ring);
	if (err) {
		mem_free(seg);
		return err;
	}
	seg->id = w->seg;
	seg->ring = w->ring;
	seg->n_links = w->n_links;
	seg->peer = p;
	p->segs++;
	segs[i] = seg;
	if (i == n_segs)
		n_segs++;
	*out = seg;
	return 0;
}

static int get_locked(unsigned epoch, const struct wire_grant *w, int *seg_fd,
		      int *bell_fd, struct offer_grant *g)
{
	struct peer *p = peer_get(epoch, w->peer);
	struct offer_seg *seg;
	int err, fd;

	if (!p)
		return -ENOMEM;
	if (w->peer_bell >= WIRE_BELLS_MAX)
		return -EPROTO;
	if (*bell_fd >= 0) {
		fd = *bell_fd;
		*bell_fd = -1;
		err = bell_set(p, w->peer_bell, fd);
		if (err)
			return err;
	}
	if (!p->bell[w->peer_bell])
		return -EPROTO;
	seg = seg_find(p, w->seg);
	if (!seg && *seg_fd >= 0) {
		fd = *seg_fd;
		*seg_fd = -1;
		err = seg_new(p, w, fd, &seg);
		if (err)
			return err;
	}
	if (!seg || seg->ring != w->ring || w->index >= seg->n_links ||
	    w->side > 1)
		return -EPROTO;
	seg->links++;
	g->seg = seg;
	g->bell = p->bell[w->peer_bell];
	g->bell->refs++;
	g->bell_fd = g->bell->fd;
	return 0;
}

/* --- without --- */

int seg_get(unsigned epoch, const struct wire_grant *w, int seg_fd, int bell_fd,
	    struct offer_grant *g)
{
	int err;

	mutex_lock(&lock);
	err = get_locked(epoch, w, &seg_fd, &bell_fd, g);
	mutex_unlock(&lock);
	if (seg_fd >= 0)
		k_close(seg_fd);
	if (bell_fd >= 0)
		k_close(bell_fd);
	return err;
}

void seg_put(const struct offer_grant *g)
{
	struct offer_seg *seg = g->seg;
	int cancel = cancel_off();

	mutex_lock(&lock);
	bell_unref(g->bell);
	seg->links--;
	seg_free_if_idle(seg);
	mutex_unlock(&lock);
	cancel_back(cancel);
}

/* Those of earlier daemons have gone too: nobody will say so any more. */
void seg_peer_gone(unsigned epoch, uint32_t id)
{
	struct peer *p, *next;
	struct offer_seg *seg;
	unsigned i;

	mutex_lock(&lock);
	for (p = peers; p; p = p->next)
		if (p->epoch != epoch || p->id == id)
			p->gone = true;
	for (i = 0; i < n_segs; i++) {
		seg = segs[i];
		if (seg && seg->peer->gone && !seg->links)
			seg_free_if_idle(seg);
	}
	for (p = peers; p; p = next) {
		next = p->next;
		peer_free_if_idle(p);
	}
	mutex_unlock(&lock);
}

void offer_set_user(const struct offer_grant *g, void *user)
{
	uint64_t bit = UINT64_C(1) << g->index;

	mutex_lock(&lock);
	g->seg->user[g->side][g->index] = user;
	if (user)
		g->seg->mine[g->side] |= bit;
	else
		g->seg->mine[g->side] &= ~bit;
	mutex_unlock(&lock);
}

const struct map *offer_map(const struct offer_seg *seg)
{
	return &seg->map;
}

bool offer_is_gone(const struct offer_grant *g)
{
	return g->seg->peer->gone;
}

static __thread int rung_from __attribute__((tls_model("initial-exec"))) = -1;

int offer_rung_from(void)
{
	int cpu = rung_from;

	rung_from = -1;
	return cpu;
}

/* With the lock: who was rung, into @who.  In a family another process may
 * have taken the marks, as we take those that are for it: so whoever hears a
 * bell looks at all. */
static unsigned rung_of(struct offer_seg *seg, unsigned side, bool bell,
			void **who)
{
	struct wire_link_seg *shm = map_at(&seg->map, 0, sizeof(*shm));
	unsigned i, n = 0;
	uint64_t rung = 0;
	void *user;

	if (link_seg_any_rung(shm, side, seg->mine[side]))
		rung = link_seg_rung(shm, side, seg->mine[side]);
	if (rung)
		rung_from = link_seg_rung_from(shm, side);
	if (unlikely(seg->family) && bell)
		rung = seg->mine[side];
	while (rung) {
		i = (unsigned)__builtin_ctzll(rung);
		rung &= rung - 1;
		user = seg->user[side][i];
		if (user && offer_hooks->rung(user))
			who[n++] = user;
	}
	return n;
}

static unsigned look_at(unsigned i, bool bell, void *who[2 * WIRE_LINKS_MAX])
{
	struct offer_seg *seg;
	unsigned n = 0;

	mutex_lock(&lock);
	seg = segs[i];
	if (seg && seg->links) {
		n = rung_of(seg, 0, bell, who);
		n += rung_of(seg, 1, bell, who + n);
	}
	mutex_unlock(&lock);
	return n;
}

bool offer_look(bool bell)
{
	void *who[2 * WIRE_LINKS_MAX];
	unsigned i, k, n;
	bool any = false;

	for (i = 0; i < n_segs; i++) {
		n = look_at(i, bell, who);
		any |= n > 0;
		for (k = 0; k < n; k++)
			offer_hooks->heard(who[k]);
	}
	return any;
}

void offer_fork_prepare(void)
{
	unsigned i;

	mutex_lock(&lock);
	for (i = 0; i < n_segs; i++)
		if (segs[i] && segs[i]->links)
			segs[i]->family = true;
}

void offer_fork_parent(void)
{
	mutex_unlock(&lock);
}

/* What the parent had is another client's: no peer of it will be named to us,
 * and the daemon has not given this process any of it. */
void seg_fork_child(void)
{
	struct peer *p;

	for (p = peers; p; p = p->next)
		p->gone = true;
	mutex_unlock(&lock);
	bells_forked();
}
