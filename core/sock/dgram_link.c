/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_link.c - links of UDP sockets: granted, and given back */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/shm/frame.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"

#define LEFT_MS 1000 /* whoever sends has seen that we left */

/* --- contexts: which way of which socket --- */

#define CONTEXT_DGRAM 0x80000000u /* no descriptor is that high */
#define CONTEXT_RX 0x40000000u
#define SERIAL_MASK 0x3fffffu /* << 8; below it which of the ways */

bool dgram_is_context(uint64_t context)
{
	return context & CONTEXT_DGRAM;
}

uint64_t dgram_context_of(const struct dgram *d, const struct dgram_way *w,
			  bool rx)
{
	uint32_t i = (uint32_t)(w - (rx ? d->source : d->dest));

	return (uint64_t)d->id << 32 | CONTEXT_DGRAM | (rx ? CONTEXT_RX : 0) |
	       (w->serial & SERIAL_MASK) << 8 | i;
}

bool dgram_context_is_rx(uint64_t context)
{
	return context & CONTEXT_RX;
}

/* The way that was offered by that context, with its lock; else NULL. */
struct dgram_way *dgram_way_of(struct dgram *d, uint64_t context)
{
	bool rx = context & CONTEXT_RX;
	unsigned i = context & 0xff;
	struct dgram_way *w;

	if (i >= (rx ? DGRAM_SOURCES : DGRAM_DESTS))
		return NULL;
	w = rx ? &d->source[i] : &d->dest[i];
	return w->state == DGRAM_OFFERED &&
			       dgram_context_of(d, w, rx) == context
		       ? w
		       : NULL;
}

/* --- links that go --- */

static void drop(struct dgram_way *w, struct dlink **dead)
{
	w->link->next = *dead;
	*dead = w->link;
	w->link = NULL;
	w->state = DGRAM_IDLE;
	w->switched = w->ready = w->seen = w->by_ring = w->back = false;
	w->left_ms = 0;
	w->count = w->bytes = 0;
	w->serial = 0;
}

/* As much as the kernel takes; it is for who has not read a byte of it. */
static void send_again(struct dgram *d, int fd, struct dgram_way *w)
{
	bool to_peer =
		d->peer.len && !memcmp(&d->peer, &w->name, sizeof(d->peer));
	struct iovec view[2];
	struct msghdr msg = { .msg_iov = view };
	uint32_t at = 0;
	int n;

	if (!to_peer) {
		msg.msg_name = &w->name.sa;
		msg.msg_namelen = w->name.len;
	}
	while (frame_unsent(&w->link->end.tx, &at, view, &n) >= 0) {
		msg.msg_iovlen = (size_t)n;
		k_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

void dgram_leave_ring(struct dgram *d, int fd, struct dgram_way *w)
{
	/* once: a fork does it before the link goes */
	if (link_flags(&w->link->end) & WIRE_LINK_FIN)
		return;
	if (fd >= 0 && !link_stop_tx(&w->link->end, 0))
		send_again(d, fd, w);
	link_set_flags(&w->link->end, WIRE_LINK_FIN);
}

void dgram_drop_tx(struct dgram *d, int fd, struct dgram_way *w,
		   struct dlink **dead)
{
	dgram_leave_ring(d, fd, w);
	d->n_tx--;
	drop(w, dead);
}

void dgram_drop_rx(struct dgram *d, struct dgram_way *w, struct dlink **dead)
{
	unsigned i;

	link_set_flags(&w->link->end, WIRE_LINK_CLOSED);
	for (i = 0; d->rx[i] != w; i++)
		;
	d->rx[i] = d->rx[--d->n_rx];
	if (d->sticky == w)
		d->sticky = NULL;
	d->tails += ring_tail(&w->link->end.rx) + 1;
	drop(w, dead);
}

void dgram_bury(struct dlink *dead)
{
	struct dlink *next;

	for (; dead; dead = next) {
		next = dead->next;
		offer_set_user(&dead->grant, NULL);
		offer_release(&dead->grant);
		mem_free(dead);
	}
}

/* With rx_lock: nothing comes by it any more. */
static bool is_over(const struct dgram *d, struct dgram_way *w)
{
	struct link_end *end = &w->link->end;
	bool fin = link_peer_flags(end) & WIRE_LINK_FIN;

	if (!fin && offer_is_gone(&w->link->grant)) {
		fin = !offer_is_orphan(&w->link->grant);
		/* who sends may not know yet that the daemon is lost */
		link_set_flags(end, WIRE_LINK_CLOSED);
		if (!w->left_ms)
			w->left_ms = app_now_ms();
	}
	if (!fin && w->left_ms)
		fin = d->shut || app_now_ms() - w->left_ms > LEFT_MS;
	return w->back || (fin && ring_used(&end->rx) <= 0);
}

void dgram_reap(struct dgram *d)
{
	int cancel = cancel_off();
	struct dlink *dead = NULL;
	unsigned i;

	d->reap = false;
	mutex_lock(&d->rx_lock);
	for (i = d->n_rx; i-- > 0;)
		if (is_over(d, d->rx[i]))
			dgram_drop_rx(d, d->rx[i], &dead);
	mutex_unlock(&d->rx_lock);
	dgram_bury(dead);
	cancel_back(cancel);
}

/* --- answers --- */

static int link_new(const struct offer_grant *g, struct dlink **out)
{
	struct dlink *l = mem_zalloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->grant = *g;
	err = link_end_init(&l->end, offer_map(g->seg), g->index, g->side,
			    g->ring, &l->tx, &l->rx);
	if (err) {
		mem_free(l);
		return err;
	}
	*out = l;
	return 0;
}

static bool take_tx(struct dgram *d, uint64_t context, struct dlink *l)
{
	struct dgram_way *w;
	bool taken;

	mutex_lock(&d->tx_lock);
	w = dgram_way_of(d, context);
	taken = w && !d->never_tx;
	if (taken) {
		d->n_offered--;
		d->n_tx++;
		w->state = DGRAM_LINKED;
		w->link = l;
	}
	mutex_unlock(&d->tx_lock);
	return taken;
}

static bool take_rx(struct dgram *d, uint64_t context, struct dlink *l)
{
	struct dgram_way *w;
	bool taken;

	mutex_lock(&d->rx_lock);
	w = dgram_way_of(d, context);
	taken = w && !d->never_rx;
	if (taken) {
		d->n_offered--;
		w->state = DGRAM_LINKED;
		w->link = l;
		d->rx[d->n_rx++] = w;
		d->unready = true;
	}
	mutex_unlock(&d->rx_lock);
	return taken;
}

/* Who rings it is known before it is taken, for it may ring at once; but not
 * where the offer was withdrawn: the place may be another link's by now. */
static bool hear_rx(struct dgram *d, uint64_t context, struct dlink *l)
{
	bool taken;

	mutex_lock(&d->rx_lock);
	taken = dgram_way_of(d, context) != NULL;
	mutex_unlock(&d->rx_lock);
	if (!taken)
		return false;
	offer_set_user(&l->grant, d->sock);
	taken = take_rx(d, context, l);
	if (!taken)
		offer_set_user(&l->grant, NULL);
	return taken;
}

void dgram_consent(struct sock *s)
{
	struct dgram *d = s->dgram;
	unsigned i;

	if (likely(!d->unready) || s->k_rx)
		return;
	mutex_lock(&d->rx_lock);
	d->unready = false;
	for (i = 0; i < d->n_rx; i++) {
		if (d->rx[i]->ready)
			continue;
		d->rx[i]->ready = true;
		link_set_flags(&d->rx[i]->link->end, WIRE_LINK_RX_READY);
	}
	mutex_unlock(&d->rx_lock);
}

int dgram_granted(uint64_t context, const struct offer_grant *g)
{
	struct dgram *d = dgram_by_id((uint32_t)(context >> 32));
	bool rx = context & CONTEXT_RX, taken = false;
	struct dlink *l;
	int err = link_new(g, &l);

	if (err || !d) {
		if (!err)
			mem_free(l);
		if (d)
			sock_put(d->sock);
		return err ? err : -ENOENT;
	}
	upgrade_lock(); /* no fork is in between, and no other grant */
	taken = rx ? hear_rx(d, context, l) : take_tx(d, context, l);
	upgrade_unlock();
	if (!taken) {
		mem_free(l);
	} else if (rx) {
		/* another thread may be asleep that has not armed this one */
		sock_notify(d->sock);
		dgram_consent(d->sock);
	}
	sock_put(d->sock);
	return taken ? 0 : -ESTALE;
}
