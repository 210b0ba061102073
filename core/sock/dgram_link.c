/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_link.c - links of UDP sockets: offered, granted, given back */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"

#define RETRY_FACTOR 4	     /* after an offer that came to nothing */
#define DUE_MAX (1ull << 40) /* ... and then never */
#define DRAIN_TRUESIZE 512   /* what a datagram counts in a queue, at least */
#define LEFT_MS 1000	     /* whoever sends has seen that we left */
#define RING_MAX (64u << 20)

/* --- contexts: which way of which socket --- */

#define CONTEXT_DGRAM 0x80000000u /* no descriptor is that high */
#define CONTEXT_RX 0x40000000u
#define SERIAL_MASK 0x3fffffu /* << 8; below it which of the ways */

bool dgram_is_context(uint64_t context)
{
	return context & CONTEXT_DGRAM;
}

static uint64_t context_of(const struct dgram *d, const struct dgram_way *w,
			   bool rx)
{
	uint32_t i = (uint32_t)(w - (rx ? d->source : d->dest));

	return (uint64_t)d->id << 32 | CONTEXT_DGRAM | (rx ? CONTEXT_RX : 0) |
	       (w->serial & SERIAL_MASK) << 8 | i;
}

/* The way that was offered by that context, with its lock; else NULL. */
static struct dgram_way *way_of(struct dgram *d, uint64_t context)
{
	bool rx = context & CONTEXT_RX;
	unsigned i = context & 0xff;
	struct dgram_way *w;

	if (i >= (rx ? DGRAM_SOURCES : DGRAM_DESTS))
		return NULL;
	w = rx ? &d->source[i] : &d->dest[i];
	return w->state == DGRAM_OFFERED && context_of(d, w, rx) == context
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
	w->switched = w->ready = w->seen = w->by_ring = false;
	w->left_ms = 0;
	w->count = w->bytes = 0;
	w->serial = 0;
}

void dgram_drop_tx(struct dgram *d, struct dgram_way *w, struct dlink **dead)
{
	link_set_flags(&w->link->end, WIRE_LINK_FIN);
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
		free(dead);
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
	return fin && ring_used(&end->rx) <= 0;
}

void dgram_reap(struct dgram *d)
{
	int cancel = cancel_off();
	struct dlink *dead = NULL;
	unsigned i;

	d->reap = false;
	pthread_mutex_lock(&d->rx_lock);
	for (i = d->n_rx; i-- > 0;)
		if (is_over(d, d->rx[i]))
			dgram_drop_rx(d, d->rx[i], &dead);
	pthread_mutex_unlock(&d->rx_lock);
	dgram_bury(dead);
	cancel_back(cancel);
}

/* --- offering --- */

static void later(struct dgram_way *w, unsigned factor)
{
	w->due = (w->count + 1) * factor;
	w->due_bytes = (w->bytes + 1) * factor;
	if (w->due > DUE_MAX || w->due_bytes > DUE_MAX)
		w->never = true;
}

static void soon(struct dgram_way *w)
{
	w->due = w->count + MAX(conf_get()->upgrade_turns, 1u);
	w->due_bytes = w->bytes + MAX(conf_get()->upgrade_bytes, 1u);
}

static bool is_unicast(const struct ctrl_addr *a)
{
	if (addr_is_any(a))
		return false;
	if (a->is_ip4)
		return a->ip[12] < 224;
	/* a link-local one is good on one device alone */
	return a->ip[0] != 0xff && (a->ip[0] != 0xfe || a->ip[1] >> 6 != 2);
}

/* Our own address, which may be the wildcard: then of the other's family. */
static int own_name(int fd, struct offer *o)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int err = k_getsockname(fd, (struct sockaddr *)&ss, &len);

	if (!err)
		err = addr_to_ctrl((struct sockaddr *)&ss, len, &o->lcl);
	if (!err && addr_is_any(&o->lcl))
		o->lcl.is_ip4 = o->rmt.is_ip4;
	if (!err && (!o->lcl.port || o->lcl.is_ip4 != o->rmt.is_ip4))
		err = -EADDRNOTAVAIL;
	return err;
}

/* One bell for all of a socket's links. */
static struct bell *bell_of(struct dgram *d, int fd)
{
	struct bell *b = d->bell ? NULL : upgrade_bell(fd);

	if (b) {
		pthread_mutex_lock(&d->rx_lock);
		if (!d->bell) {
			d->bell = b;
			b = NULL;
		}
		pthread_mutex_unlock(&d->rx_lock);
		bell_put(b);
	}
	return d->bell;
}

static int identify(struct dgram *d, int fd, const struct dgram_name *name,
		    struct offer *o)
{
	int rcvbuf = 0, err;

	err = addr_to_ctrl(&name->sa, name->len, &o->rmt);
	if (!err)
		err = own_name(fd, o);
	if (!err)
		err = stay_cookie(fd, &o->cookie);
	if (err)
		return err;
	sock_int_opt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf);
	o->ring = MAX(d->ring, DGRAM_RING_MIN);
	if (rcvbuf > 0)
		o->ring = MAX(o->ring, MIN((uint32_t)rcvbuf, RING_MAX));
	d->drain_max = (uint32_t)MAX(rcvbuf, 0) / DRAIN_TRUESIZE + 1;
	o->bell = bell_of(d, fd);
	return o->bell ? 0 : -EMFILE;
}

/* Does a rule want a link for it?  *@never: none will. */
static bool wanted(struct dgram *d, int fd, const struct dgram_name *other,
		   bool rx, bool *never)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conf_choice choice;
	struct ctrl_addr a;

	*never = true;
	if (addr_to_ctrl(&other->sa, other->len, &a) || !is_unicast(&a) ||
	    k_getsockname(fd, (struct sockaddr *)&ss, &len))
		return false;
	if (d->connected)
		conf_choose(conf_get(), CONF_UDP_CONNECT, &other->sa,
			    (struct sockaddr *)&ss, &choice);
	else if (rx)
		conf_choose(conf_get(), CONF_UDP_RECEIVER,
			    (struct sockaddr *)&ss, NULL, &choice);
	else
		conf_choose(conf_get(), CONF_UDP_SENDER, &other->sa,
			    (struct sockaddr *)&ss, &choice);
	if (!sock_upgrades(&choice)) {
		app_count_kernel(WIRE_WHY_RULE);
		return false;
	}
	if (!addr_is_local(&a)) {
		app_count_kernel(WIRE_WHY_REMOTE);
		return false;
	}
	d->ring = choice.fifo_size;
	d->sock->spin_us = choice.spin_us;
	*never = false;
	return offer_attach() && offer_udps();
}

/* The state is set before the answer can come. */
static void offer_way(struct dgram *d, pthread_mutex_t *lock,
		      struct dgram_way *w, struct offer *o, bool rx)
{
	struct dgram_name name;
	bool mine;

	name = w->name;
	pthread_mutex_lock(lock);
	mine = w->state == DGRAM_IDLE && !d->closed &&
	       !memcmp(&name, &w->name, sizeof(name));
	if (mine) {
		w->state = DGRAM_OFFERED;
		w->serial = ++d->serials;
		w->epoch = offer_epoch();
		o->context = context_of(d, w, rx);
		o->udp = rx ? OFFER_UDP_RECEIVER : OFFER_UDP_SENDER;
		d->n_offered++;
	}
	pthread_mutex_unlock(lock);
	if (mine && offer_make(o)) {
		pthread_mutex_lock(lock);
		if (way_of(d, o->context) == w) {
			w->state = DGRAM_IDLE;
			d->n_offered--;
			later(w, RETRY_FACTOR);
		}
		pthread_mutex_unlock(lock);
	}
}

static void offer_tx(struct dgram *d, int fd, struct dgram_way *w,
		     const struct dgram_name *name)
{
	struct offer o = { 0 };
	bool never, want = wanted(d, fd, name, false, &never);
	uint16_t port = ntohs(name->in.sin_port); /* IPv6's lies there, too */

	pthread_mutex_lock(&d->tx_lock);
	if (never)
		w->never = true;
	else if (!want)
		later(w, RETRY_FACTOR);
	else if (!offer_listener_at(port))
		soon(w);
	pthread_mutex_unlock(&d->tx_lock);
	if (!want || !offer_listener_at(port))
		return;
	if (identify(d, fd, name, &o)) {
		later(w, RETRY_FACTOR);
		return;
	}
	offer_way(d, &d->tx_lock, w, &o, false);
}

/* With the lock.  An attachment that has gone answers no more. */
static bool is_due(struct dgram *d, struct dgram_way *w)
{
	if (w->state == DGRAM_OFFERED && w->epoch != offer_epoch()) {
		w->state = DGRAM_IDLE;
		w->serial = ++d->serials;
		d->n_offered--;
		soon(w);
	}
	return w->state == DGRAM_IDLE && !w->never &&
	       (w->count >= w->due || w->bytes >= w->due_bytes);
}

void dgram_sent(struct sock *s, int fd, const struct dgram_name *to, uint64_t n,
		uint64_t bytes)
{
	struct dgram *d = s->dgram;
	int cancel = cancel_off();
	struct dgram_way *w;
	bool due = false;

	pthread_mutex_lock(&d->tx_lock);
	w = dgram_way_to(d->dest, DGRAM_DESTS, to);
	if (w) {
		w->count += n;
		w->bytes += bytes;
		due = is_due(d, w);
	}
	pthread_mutex_unlock(&d->tx_lock);
	if (unlikely(due))
		offer_tx(d, fd, w, to);
	cancel_back(cancel);
}

/* --- receiving: announce, and answer --- */

void dgram_unlisten(struct dgram *d)
{
	uint16_t port = atomic_exchange(&d->port, 0);

	if (port && d->port_epoch == offer_epoch() && offer_listen(port, false))
		log_debug("port %u stays announced", port);
}

/* What somebody else could take over is the kernel's, unless it is connected:
 * then nobody is nearer. */
static bool is_alone(struct dgram *d, int fd)
{
	int addr = 0, port = 0;

	return d->connected ||
	       (!sock_int_opt(fd, SOL_SOCKET, SO_REUSEADDR, &addr) &&
		!sock_int_opt(fd, SOL_SOCKET, SO_REUSEPORT, &port) && !addr &&
		!port);
}

static void announce(struct dgram *d, int fd, const struct dgram_name *from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct ctrl_addr lcl;
	bool never;
	uint16_t port;

	/* not at each one's: it may be for others, or for nothing */
	d->heard_due = d->heard * RETRY_FACTOR + 1;
	if (!is_alone(d, fd) || !wanted(d, fd, from, true, &never))
		return;
	if (k_getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    addr_to_ctrl((struct sockaddr *)&ss, len, &lcl))
		return;
	port = ntohs(lcl.port);
	if (!port || d->never_rx || offer_listen(port, true))
		return;
	d->port_epoch = offer_epoch();
	d->port = port;
	if (d->closed) /* by another thread, which did not see it */
		dgram_unlisten(d);
	d->heard_due = 0;
}

/* From here on nobody waits in the kernel alone. */
static void go_live(struct sock *s, int fd)
{
	struct dgram *d = s->dgram;
	int flags;

	if (d->live)
		return;
	flags = k_fcntl(fd, F_GETFL, 0);
	if (flags >= 0)
		d->nonblock = (flags & O_NONBLOCK) != 0;
	d->live = true; /* before the count is looked at: consent */
	epoll_dgram_lives(s);
}

static void answer(struct sock *s, int fd, const struct dgram_name *from)
{
	struct dgram *d = s->dgram;
	struct offer o = { 0 };
	struct dgram_way *w;
	bool due, never, want;

	pthread_mutex_lock(&d->rx_lock);
	w = dgram_way_to(d->source, DGRAM_SOURCES, from);
	if (w)
		w->count++;
	due = w && is_due(d, w);
	pthread_mutex_unlock(&d->rx_lock);
	if (!due)
		return;
	want = is_alone(d, fd) && wanted(d, fd, from, true, &never);
	if (!want || identify(d, fd, from, &o)) {
		pthread_mutex_lock(&d->rx_lock);
		later(w, RETRY_FACTOR);
		pthread_mutex_unlock(&d->rx_lock);
		return;
	}
	go_live(s, fd);
	offer_way(d, &d->rx_lock, w, &o, true);
}

static bool is_announced(const struct dgram *d)
{
	return d->port && d->port_epoch == offer_epoch();
}

void dgram_heard(struct sock *s, int fd, const struct sockaddr *from,
		 socklen_t len)
{
	struct dgram *d = s->dgram;
	struct dgram_name name;
	int cancel;

	if (++d->heard < d->heard_due || !dgram_name_set(&name, from, len))
		return;
	cancel = cancel_off();
	if (unlikely(!is_announced(d))) {
		d->port = 0;
		announce(d, fd, &name);
	}
	if (is_announced(d) && unlikely(offer_waiting(offer_slot_udp(
				       ntohs(name.in.sin_port), d->port))))
		answer(s, fd, &name);
	cancel_back(cancel);
}

/* --- answers --- */

static int link_new(const struct offer_grant *g, struct dlink **out)
{
	struct dlink *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->grant = *g;
	err = link_end_init(&l->end, offer_map(g->seg), g->index, g->side,
			    g->ring, &l->tx, &l->rx);
	if (err) {
		free(l);
		return err;
	}
	*out = l;
	return 0;
}

static bool take_tx(struct dgram *d, uint64_t context, struct dlink *l)
{
	struct dgram_way *w;

	pthread_mutex_lock(&d->tx_lock);
	w = way_of(d, context);
	if (w && !d->never_tx) {
		d->n_offered--;
		d->n_tx++;
		w->state = DGRAM_LINKED;
		w->link = l;
	}
	pthread_mutex_unlock(&d->tx_lock);
	return w && !d->never_tx;
}

static bool take_rx(struct dgram *d, uint64_t context, struct dlink *l)
{
	struct dgram_way *w;
	bool taken;

	pthread_mutex_lock(&d->rx_lock);
	w = way_of(d, context);
	taken = w && !d->never_rx;
	if (taken) {
		d->n_offered--;
		w->state = DGRAM_LINKED;
		w->link = l;
		d->rx[d->n_rx++] = w;
	}
	pthread_mutex_unlock(&d->rx_lock);
	return taken;
}

void dgram_consent(struct sock *s)
{
	struct dgram *d = s->dgram;
	unsigned i;

	if (s->k_rx)
		return;
	pthread_mutex_lock(&d->rx_lock);
	for (i = 0; i < d->n_rx; i++) {
		if (d->rx[i]->ready)
			continue;
		d->rx[i]->ready = true;
		link_set_flags(&d->rx[i]->link->end, WIRE_LINK_RX_READY);
	}
	pthread_mutex_unlock(&d->rx_lock);
}

/* The other end, which may have taken it, sees that it leads nowhere. */
static void refuse(struct dlink *l)
{
	link_set_flags(&l->end, WIRE_LINK_FIN | WIRE_LINK_CLOSED);
	free(l);
}

int dgram_granted(uint64_t context, const struct offer_grant *g)
{
	struct dgram *d = dgram_by_id((uint32_t)(context >> 32));
	bool rx = context & CONTEXT_RX, taken = false;
	struct dlink *l;
	int err = link_new(g, &l);

	if (err || !d) {
		if (!err)
			refuse(l);
		if (d)
			sock_put(d->sock);
		return err ? err : -ENOENT;
	}
	upgrade_lock(); /* no fork is in between */
	if (rx)
		offer_set_user(g, d->sock);
	taken = rx ? take_rx(d, context, l) : take_tx(d, context, l);
	if (rx && !taken)
		offer_set_user(g, NULL);
	upgrade_unlock();
	if (!taken)
		refuse(l);
	else if (rx)
		dgram_consent(d->sock);
	sock_put(d->sock);
	return taken ? 0 : -ESTALE;
}

void dgram_refused(uint64_t context, enum offer_refusal why)
{
	struct dgram *d = dgram_by_id((uint32_t)(context >> 32));
	pthread_mutex_t *lock;
	struct dgram_way *w;

	if (!d)
		return;
	lock = context & CONTEXT_RX ? &d->rx_lock : &d->tx_lock;
	pthread_mutex_lock(lock);
	w = way_of(d, context);
	if (w) {
		w->state = DGRAM_IDLE;
		d->n_offered--;
		later(w, why == OFFER_LIMIT ? 2 : RETRY_FACTOR);
		w->never |= why == OFFER_PROOF || why == OFFER_USER;
	}
	pthread_mutex_unlock(lock);
	if (w && w->never)
		app_count_kernel(WIRE_WHY_REFUSED);
	sock_put(d->sock);
}
