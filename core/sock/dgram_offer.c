/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_offer.c - UDP sockets: what is worth a link, and who is asked for it */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"

#define RETRY_FACTOR 4	     /* after an offer that came to nothing */
#define DUE_MAX (1ull << 40) /* ... and then never */
#define DRAIN_TRUESIZE 512   /* what a datagram counts in a queue, at least */
#define RING_MAX (64u << 20)

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
		mutex_lock(&d->rx_lock);
		if (!d->bell) {
			d->bell = b;
			b = NULL;
		}
		mutex_unlock(&d->rx_lock);
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
	o->ring = d->ring;
	o->ring = MAX(o->ring, DGRAM_RING_MIN);
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

static bool offer_begin(struct dgram *d, struct dgram_way *w,
			const struct dgram_name *name, struct offer *o, bool rx)
{
	if (w->state != DGRAM_IDLE || d->closed ||
	    memcmp(name, &w->name, sizeof(*name)))
		return false;
	w->state = DGRAM_OFFERED;
	w->serial = ++d->serials;
	w->epoch = offer_epoch();
	o->context = dgram_context_of(d, w, rx);
	o->udp = rx ? OFFER_UDP_RECEIVER : OFFER_UDP_SENDER;
	d->n_offered++;
	return true;
}

/* The state is set before the answer can come.  Who closes the socket in
 * between withdraws what was not sent yet: then it is for us. */
static void offer_way(struct dgram *d, pthread_mutex_t *lock,
		      struct dgram_way *w, const struct dgram_name *name,
		      struct offer *o, bool rx)
{
	uint32_t serial;
	bool mine, left;
	int err;

	mutex_lock(lock);
	mine = offer_begin(d, w, name, o, rx);
	serial = w->serial;
	mutex_unlock(lock);
	if (!mine)
		return;
	err = offer_make(o);
	mutex_lock(lock);
	left = w->serial != serial;
	if (err && dgram_way_of(d, o->context) == w) {
		w->state = DGRAM_IDLE;
		d->n_offered--;
		later(w, RETRY_FACTOR);
	}
	mutex_unlock(lock);
	if (!err && left)
		offer_withdraw(o->context);
}

/* With tx_lock: it may have come to be another one's meanwhile. */
static bool is_still(const struct dgram_way *w, const struct dgram_name *name)
{
	return !memcmp(&w->name, name, sizeof(*name));
}

/* What is long known is not asked again: most of who is sent to, like a
 * logger, will never want a link. */
static bool is_wanted(struct dgram *d, int fd, struct dgram_way *w,
		      const struct dgram_name *name)
{
	bool never = false, want = true;

	app_look();
	if (!w->wanted || !offer_able())
		want = wanted(d, fd, name, false, &never);
	mutex_lock(&d->tx_lock);
	if (!is_still(w, name)) {
		want = false;
	} else if (want && !offer_listener_at(ntohs(name->in.sin_port))) {
		w->wanted = true;
		soon(w); /* IPv6's port lies in the same place */
		want = false;
	} else if (want) {
		w->wanted = true;
	} else {
		later(w, RETRY_FACTOR);
		w->never |= never;
	}
	mutex_unlock(&d->tx_lock);
	return want;
}

static void offer_tx(struct dgram *d, int fd, struct dgram_way *w,
		     const struct dgram_name *name)
{
	struct offer o = { 0 };

	if (!is_wanted(d, fd, w, name))
		return;
	if (!identify(d, fd, name, &o)) {
		offer_way(d, &d->tx_lock, w, name, &o, false);
		return;
	}
	mutex_lock(&d->tx_lock);
	if (is_still(w, name))
		later(w, RETRY_FACTOR);
	mutex_unlock(&d->tx_lock);
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

	mutex_lock(&d->tx_lock);
	w = dgram_way_to(d->dest, DGRAM_DESTS, to);
	if (w) {
		w->count += n;
		w->bytes += bytes;
		due = is_due(d, w);
	}
	mutex_unlock(&d->tx_lock);
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

	mutex_lock(&d->rx_lock);
	w = dgram_way_to(d->source, DGRAM_SOURCES, from);
	if (w)
		w->count++;
	due = w && is_due(d, w);
	mutex_unlock(&d->rx_lock);
	if (!due)
		return;
	want = is_alone(d, fd) && wanted(d, fd, from, true, &never);
	if (!want || identify(d, fd, from, &o)) {
		mutex_lock(&d->rx_lock);
		if (is_still(w, from))
			later(w, RETRY_FACTOR);
		mutex_unlock(&d->rx_lock);
		return;
	}
	go_live(s, fd);
	offer_way(d, &d->rx_lock, w, from, &o, true);
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

/* --- refused --- */

void dgram_refused(uint64_t context, enum offer_refusal why)
{
	struct dgram *d = dgram_by_id((uint32_t)(context >> 32));
	pthread_mutex_t *lock;
	struct dgram_way *w;

	if (!d)
		return;
	lock = dgram_context_is_rx(context) ? &d->rx_lock : &d->tx_lock;
	mutex_lock(lock);
	w = dgram_way_of(d, context);
	if (w) {
		w->state = DGRAM_IDLE;
		d->n_offered--;
		later(w, why == OFFER_LIMIT ? 2 : RETRY_FACTOR);
		w->never |= why == OFFER_PROOF || why == OFFER_USER;
	}
	mutex_unlock(lock);
	if (w && w->never)
		app_count_kernel(WIRE_WHY_REFUSED);
	sock_put(d->sock);
}
