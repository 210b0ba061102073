/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.c - a kernel connection on its way to a link */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"

#define RETRY_FACTOR 4	 /* after an offer that came to nothing */
#define TURNS_MAX 100000 /* ... and then never */
#define FAILURES_MAX 16

/* --- is it worth it? --- */

/* By the server's port: connections there tend to be long or short. */
#define LEARN_PORTS 1024
#define LEARN_MAX 5 /* times two, each */
static _Atomic uint8_t learned[LEARN_PORTS];

static _Atomic uint8_t *learned_of(const struct sock *s)
{
	return &learned[(s->client ? s->rmt_port : s->lcl_port) % LEARN_PORTS];
}

void upgrade_learn(struct sock *s)
{
	const struct conf *conf = conf_get();

	s->need_turns = conf->upgrade_turns << *learned_of(s);
	s->need_bytes = (uint64_t)conf->upgrade_bytes << *learned_of(s);
}

/* A link that was closed soon was not worth its making; one that was used is
 * worth it the sooner the next time. */
void upgrade_learned(struct sock *s, struct link *l)
{
	_Atomic uint8_t *shift = learned_of(s);
	uint64_t msgs = l->end.mine->tx_msgs + l->end.mine->rx_msgs;

	if (msgs < s->need_turns && *shift < LEARN_MAX)
		++*shift;
	else if (msgs > 16 * (uint64_t)s->need_turns && *shift)
		--*shift;
}

static bool is_worth(const struct sock *s)
{
	return s->turns >= s->need_turns || s->moved >= s->need_bytes;
}

/* Who accepted answers an offer, and notes once that there was none.  But a
 * child whose parent accepted has no attachment that would tell of one, until
 * it has proved worth that. */
bool upgrade_due_offer(struct sock *s)
{
	if (!s->client && likely(offer_able()))
		return (!s->unheard && is_worth(s)) || offer_waiting(s->slot);
	return is_worth(s);
}

/* Nothing has come of it.  But another thread may have decided meanwhile that
 * the kernel keeps the connection for good (back.c). */
static void not_now(struct sock *s, enum sock_upgrade next)
{
	enum sock_upgrade was = s->upgrade;

	while ((was == UPGRADE_IDLE || was == UPGRADE_OFFERED) &&
	       !atomic_compare_exchange_weak(&s->upgrade, &was, next)) {
	}
}

/* Not now: when it has gone on for some time more. */
static void later(struct sock *s)
{
	s->need_turns = (s->turns + 1) * RETRY_FACTOR;
	s->need_bytes = (s->moved + 1) * RETRY_FACTOR;
	not_now(s, s->need_turns > TURNS_MAX ? UPGRADE_NEVER : UPGRADE_IDLE);
}

/* Nobody listens there, which one load tells; or the daemon, which was told a
 * moment ago that somebody does, has not come to it. */
static void soon(struct sock *s)
{
	s->need_turns = s->turns + MAX(conf_get()->upgrade_turns, 1u);
	s->need_bytes = s->moved + MAX(conf_get()->upgrade_bytes, 1u);
}

/* Too many at once: no fault of this one's. */
static void crowded(struct sock *s)
{
	s->need_turns = s->turns + s->turns / 2 + 2 + s->gen % 8;
	s->need_bytes = s->moved + s->moved / 2 + 4096;
	not_now(s, s->need_turns > TURNS_MAX ? UPGRADE_NEVER : UPGRADE_IDLE);
}

static void never(struct sock *s, int fd, enum wire_ext_why why)
{
	s->upgrade = UPGRADE_NEVER;
	stay(s, fd, why);
}

/* --- offering --- */

static uint64_t context_of(const struct sock *s, int fd)
{
	return (uint64_t)s->gen << 32 | (uint32_t)fd;
}

bool upgrade_is_still(const struct sock *s, int fd)
{
	uint64_t cookie;

	return !stay_cookie(fd, &cookie) && cookie == s->cookie;
}

/* Whoever waits for the socket in an epoll instance listens to that one's
 * bell; else this thread will be the one that waits. */
struct bell *upgrade_bell(int fd)
{
	struct bell *b = epoll_bell(fd);

	return b ? b : bell_hold(waiter_bell());
}

/* -EOPNOTSUPP: it is no socket for a link */
static int identify(struct sock *s, int fd, struct offer *o)
{
	int err;

	if (link_is_local(s))
		err = local_identify(s, fd, o);
	else if (sock_tcp_domain(fd) < 0)
		err = -EOPNOTSUPP;
	else
		err = stay_addresses(fd, o);
	if (!err)
		err = stay_cookie(fd, &s->cookie);
	o->cookie = s->cookie;
	return err;
}

static void offer_it(struct sock *s, int fd)
{
	struct offer o = { .context = context_of(s, fd), .ring = s->ring };
	int err = identify(s, fd, &o);

	if (err == -EOPNOTSUPP) {
		never(s, fd, WIRE_WHY_KIND);
		return;
	}
	if (err) {
		later(s); /* not connected yet, or not any more */
		return;
	}
	if (s->client && !offer_networks() && !stay_same_host(&o)) {
		never(s, fd, WIRE_WHY_REMOTE);
		return;
	}
	o.bell = upgrade_bell(fd);
	if (!o.bell) {
		later(s);
		return;
	}
	bell_put(s->bell); /* of an offer that nobody answered */
	s->bell = o.bell;
	s->upgrade = UPGRADE_OFFERED;
	s->offer_epoch = offer_epoch();
	s->context = o.context;
	/* the context before this look: pairs with link_closing(), which says
	 * that it closes before it looks for a context; one sees the other */
	err = s->hold_left ? -ESTALE : offer_make(&o);
	if (err) {
		s->context = 0;
		later(s);
	}
}

/* A process that shares the connection may be reading from the kernel. */
static bool shared(struct sock *s)
{
	return s->hold &&
	       (s->hold->flags & HOLD_KERNELS || hold_shared(s->hold));
}

/* Nobody is at the other end, as far as is known: that is told once. */
static void unheard(struct sock *s, int fd)
{
	if (!s->unheard && is_worth(s)) {
		s->unheard = true;
		stay(s, fd, s->client ? WIRE_WHY_NO_LISTEN : WIRE_WHY_PEER);
	}
	if (s->client)
		soon(s);
}

/* Is one of ours at the other end, as far as the page says? */
static bool is_awaited(struct sock *s, int fd)
{
	if (link_is_local(s))
		return local_is_awaited(s, fd);
	return s->client ? offer_listener_at(s->rmt_port)
			 : offer_waiting(s->slot);
}

static void try_offer(struct sock *s, int fd)
{
	if (!offer_attach()) {
		later(s);
		return;
	}
	if (s->port)
		port_look(s->port);
	if (!is_awaited(s, fd)) {
		unheard(s, fd);
		return;
	}
	if (shared(s)) {
		stay(s, fd, WIRE_WHY_SHARED);
		later(s);
		return;
	}
	/* one thread offers it, once; with a lock that a fork waits for */
	upgrade_lock();
	if (s->upgrade == UPGRADE_IDLE)
		offer_it(s, fd);
	upgrade_unlock();
}

/* --- consent and switch --- */

/* With the locks of receiving held. */
static void consent_locked(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint64_t at;

	if (h->rx_mode != HOLD_RX_KERNEL || s->k_rx || hold_others(s->hold))
		return;
	if (position_read(s, fd, &at)) {
		l->failures++;
		return;
	}
	h->rx_kernel = at;
	h->rx_mode = HOLD_RX_READY;
	link_set_flags(&l->end, WIRE_LINK_RX_READY);
}

void upgrade_consent(struct sock *s, int fd, struct link *l)
{
	if (s->hold->link.rx_mode != HOLD_RX_KERNEL || s->k_rx)
		return;
	link_lock_rx(s, l);
	consent_locked(s, fd, l);
	link_unlock_rx(s, l);
}

bool upgrade_switch(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint64_t at;

	if (h->tx_ring)
		return true;
	/* a thread that sits in the kernel's read(2) would not hear that the
	 * peer leaves the ring, and what is in there would stay there */
	if (h->rx_mode == HOLD_RX_KERNEL)
		return false;
	if (!(link_peer_flags(&l->end) & WIRE_LINK_RX_READY) || s->k_tx ||
	    h->tx_back || hold_others(s->hold) ||
	    link_flags(&l->end) & (WIRE_LINK_FIN | WIRE_LINK_LEFT))
		return false;
	if (link_is_local(s) && local_lies_there(fd))
		return false;
	if (position_written(s, fd, &at)) {
		l->failures++;
		return false;
	}
	h->tx_ring = 1;
	link_switch(&l->end, at);
	return true;
}

static void settle(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;

	if (back_is_due(l))
		back_see(s, l);
	if (h->rx_mode == HOLD_RX_BACK && h->tx_back == HOLD_TX_BACK) {
		l->settled = true;
		return;
	}
	upgrade_consent(s, fd, l);
	if (!h->tx_ring && link_peer_flags(&l->end) & WIRE_LINK_RX_READY) {
		link_lock_tx(s, l);
		upgrade_switch(s, fd, l);
		link_unlock_tx(s, l);
	}
	/* a connection that is closing stays where it is */
	if ((h->rx_mode != HOLD_RX_KERNEL &&
	     (h->tx_ring || h->tx_back == HOLD_TX_BACK ||
	      link_flags(&l->end) & WIRE_LINK_FIN)) ||
	    l->failures >= FAILURES_MAX)
		l->settled = true;
}

void upgrade_work(struct sock *s, int fd)
{
	int cancel = cancel_off();
	struct link *l;

	offer_poll();
	l = s->link;
	/* an attachment that has gone answers no more */
	if (s->upgrade == UPGRADE_OFFERED && s->offer_epoch != offer_epoch())
		later(s);
	if (l)
		settle(s, fd, l);
	else if (s->upgrade == UPGRADE_IDLE && upgrade_due_offer(s))
		try_offer(s, fd);
	cancel_back(cancel);
}

/* --- answers --- */

static int link_new(struct sock *s, const struct offer_grant *g,
		    struct link **out)
{
	static _Atomic uint32_t serials;
	struct link *l = mem_zalloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	l->serial = ++serials;
	l->sock = s;
	l->grant = *g;
	l->orphan = -1;
	pthread_mutex_init(&l->rx_lock.mine, NULL);
	pthread_mutex_init(&l->tx_lock.mine, NULL);
	memset(&s->hold->link, 0, sizeof(s->hold->link));
	err = link_end_init(&l->end, offer_map(g->seg), g->index, g->side,
			    g->ring, &s->hold->link.tx, &s->hold->link.rx);
	if (err) {
		mem_free(l);
		return err;
	}
	*out = l;
	return 0;
}

/* The program's own flags and options, which the kernel has kept so far.  A
 * thread that changes the flag meanwhile does so in the kernel first, and then,
 * with grant_lock, in the hold if there is one (fd.c). */
static void take_over(struct sock *s, int fd)
{
	int flags = k_fcntl(fd, F_GETFL, 0);

	if (flags >= 0 && flags & O_NONBLOCK)
		atomic_fetch_or(&s->hold->flags, HOLD_NONBLOCK);
	else
		atomic_fetch_and(&s->hold->flags, ~HOLD_NONBLOCK);
	hold_opts_init(&s->hold->opts);
	s->opts = &s->hold->opts;
	sock_take_options(fd, s);
}

/*
 * Offers and grants on the one hand, closing and forking on the other, exclude
 * each other: before all other locks.
 */
static pthread_mutex_t grant_lock = PTHREAD_MUTEX_INITIALIZER;

void upgrade_lock(void)
{
	mutex_lock(&grant_lock);
}

void upgrade_unlock(void)
{
	mutex_unlock(&grant_lock);
}

/* Shut down for reading before there was a link: by this process or by one that
 * had it, too, which is dead if we get this far. */
static bool reads_no_more(const struct sock *s)
{
	return s->rd_shut || (s->hold && s->hold->flags & HOLD_RD_SHUT);
}

/* grant_lock held */
static int take_grant(struct sock *s, int fd, const struct offer_grant *g)
{
	struct link *l;
	int err = 0;

	/* here and not only in answered(): last_link() in back.c may have said
	 * "never" since, and whoever did has no link in mind any more */
	if (s->upgrade != UPGRADE_OFFERED || s->hold_left || reads_no_more(s) ||
	    !upgrade_is_still(s, fd) || shared(s))
		return -ESTALE;
	if (!s->hold)
		err = hold_new(&s->hold);
	if (!err)
		err = link_new(s, g, &l);
	if (err)
		return err;
	l->bell = s->bell; /* the peer has this one, whoever waits now */
	s->bell = NULL;
	take_over(s, fd);
	l->end.mine->upgrade_us = sock_now_ns() / 1000 - s->since_us;
	link_list(l);
	offer_set_user(g, s);
	/* no consent, by any thread, before registrations have moved */
	s->k_rx++;
	s->link = l; /* before the count is looked at: link_enter_kernel() */
	s->upgrade = UPGRADE_LINKED;
	stay_over(s);
	epoll_sock_appears(fd, s);
	s->k_rx--;
	settle(s, fd, l);
	return 0;
}

/* The sock of @fd if it is the one that made the offer. */
static struct sock *offerer(uint32_t gen, int fd)
{
	struct sock *s = sock_get(fd);

	if (s && s->kind == SOCK_LINK && s->gen == gen &&
	    s->upgrade == UPGRADE_OFFERED)
		return s;
	if (s)
		sock_put(s);
	return NULL;
}

/* Who is answered; it may have got another number meanwhile. */
static struct sock *answered(uint64_t context, int *fd)
{
	uint32_t gen = (uint32_t)(context >> 32);
	struct sock *s;

	*fd = (int)(uint32_t)context;
	s = offerer(gen, *fd);
	if (likely(s))
		return s;
	for (*fd = table_next(0); *fd >= 0; *fd = table_next(*fd + 1)) {
		s = offerer(gen, *fd);
		if (s)
			return s;
	}
	return NULL;
}

static int granted(uint64_t context, const struct offer_grant *g)
{
	int fd, err;
	struct sock *s;

	if (dgram_is_context(context))
		return dgram_granted(context, g);
	s = answered(context, &fd);

	if (!s)
		return -ENOENT;
	upgrade_lock();
	err = take_grant(s, fd, g);
	s->context = 0;
	upgrade_unlock();
	if (err)
		later(s);
	sock_put(s);
	return err;
}

static void refused(uint64_t context, enum offer_refusal why)
{
	struct sock *s;
	int fd;

	if (dgram_is_context(context)) {
		dgram_refused(context, why);
		return;
	}
	s = answered(context, &fd);
	if (!s)
		return;
	s->context = 0;
	if (why == OFFER_LIMIT)
		crowded(s);
	else if (why == OFFER_EXPIRED || why == OFFER_MEMORY)
		later(s);
	else
		not_now(s, UPGRADE_NEVER);
	stay_refused(s, fd, why);
	sock_put(s);
}

static bool rung(void *user)
{
	return sock_try_hold(user);
}

static void heard(void *user)
{
	struct sock *s = user;
	struct link *l = s->kind == SOCK_LINK ? s->link : NULL;

	if (l && back_is_due(l))
		back_see(s, l);
	sock_notify(s);
	sock_put(s);
}

const struct offer_hooks upgrade_hooks = {
	.granted = granted, .refused = refused, .rung = rung, .heard = heard
};
