/* SPDX-License-Identifier: Apache-2.0 */
/* dgram.c - the life of a UDP socket that may have links */
#include "core/sock/dgram.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sock/sock.h"
#include "core/sock/vudp.h"

#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#endif

static struct dgram *dgrams;
static pthread_mutex_t dgrams_lock = PTHREAD_MUTEX_INITIALIZER;

/* --- names --- */

bool dgram_name_set(struct dgram_name *name, const struct sockaddr *sa,
		    socklen_t len)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	memset(name, 0, sizeof(*name));
	if (sa->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, sa, sizeof(in));
		name->in.sin_family = AF_INET;
		name->in.sin_port = in.sin_port;
		name->in.sin_addr = in.sin_addr;
		name->len = sizeof(in);
	} else if (sa->sa_family == AF_INET6 && len >= sizeof(in6)) {
		memcpy(&in6, sa, sizeof(in6));
		name->in6.sin6_family = AF_INET6;
		name->in6.sin6_port = in6.sin6_port;
		name->in6.sin6_addr = in6.sin6_addr;
		name->in6.sin6_scope_id = in6.sin6_scope_id;
		name->len = sizeof(in6);
	}
	return name->len != 0;
}

static bool same_name(const struct dgram_name *a, const struct dgram_name *b)
{
	return a->len == b->len && !memcmp(&a->sa, &b->sa, a->len);
}

struct dgram_way *dgram_find(struct dgram_way *ways, unsigned n,
			     const struct dgram_name *name)
{
	unsigned i;

	for (i = 0; i < n && ways[i].name.len; i++)
		if (same_name(&ways[i].name, name))
			return &ways[i];
	return NULL;
}

static void way_init(struct dgram_way *w, const struct dgram_name *name)
{
	const struct conf *conf = conf_get();

	memset(w, 0, sizeof(*w));
	w->name = *name;
	w->due = MAX(conf->upgrade_turns, 1u);
	w->due_bytes = MAX(conf->upgrade_bytes, 1u);
}

/* Where there is no room the one with the fewest gives way. */
struct dgram_way *dgram_way_to(struct dgram_way *ways, unsigned n,
			       const struct dgram_name *name)
{
	struct dgram_way *w = dgram_find(ways, n, name), *least = NULL;
	unsigned i;

	if (w)
		return w;
	for (i = 0; i < n; i++) {
		w = &ways[i];
		if (!w->name.len) {
			least = w;
			break;
		}
		if (w->state != DGRAM_IDLE)
			continue;
		if (!least || w->count < least->count)
			least = w;
		w->count -=
			w->count / 8; /* who was busy once is not for ever */
	}
	if (least)
		way_init(least, name);
	return least;
}

/* --- beginning --- */

void dgram_opened(int fd, int domain, int type)
{
	static _Atomic uint32_t ids;
	bool links = conf_any_udp(conf_get()),
	     vpp = conf_udp_by_vpp(conf_get());
	struct dgram *d;
	struct sock *s;

	if ((!links && !vpp) || sock_vfork_child())
		return;
	sock_init();
	d = mem_zalloc(1, sizeof(*d));
	s = d ? sock_new(SOCK_UDP) : NULL;
	if (!s) {
		mem_free(d);
		return;
	}
	d->sock = s;
	d->id = ++ids;
	d->orphan = -1;
	d->nonblock = (type & SOCK_NONBLOCK) != 0;
	d->heard_due = MAX(conf_get()->upgrade_turns, 1u);
	d->never_tx = d->never_rx = !links;
	d->may_vpp = vpp;
	pthread_mutex_init(&d->tx_lock, NULL);
	pthread_mutex_init(&d->rx_lock, NULL);
	s->domain = domain;
	s->fd = fd;
	s->dgram = d;
	s->spin_us = conf_get()->spin_us;
	mutex_lock(&dgrams_lock);
	d->next = dgrams;
	d->prev = &dgrams;
	if (d->next)
		d->next->prev = &d->next;
	dgrams = d;
	mutex_unlock(&dgrams_lock);
	table_add(fd, s);
	sock_put(s); /* and it goes if there is no room in the table */
}

struct dgram *dgram_by_id(uint32_t id)
{
	struct dgram *d;

	mutex_lock(&dgrams_lock);
	for (d = dgrams; d && d->id != id; d = d->next)
		;
	if (d && !sock_try_hold(d->sock))
		d = NULL;
	mutex_unlock(&dgrams_lock);
	return d;
}

bool dgram_nonblock(const struct sock *s)
{
	return s->dgram->nonblock;
}

void dgram_set_nonblock(struct sock *s, bool on)
{
	s->dgram->nonblock = on;
}

/* --- leaving --- */

/* What is left to do without the locks: links to release, offers to withdraw.
 */
struct leaving {
	struct dlink *dead;
	uint64_t offers[DGRAM_DESTS + DGRAM_SOURCES];
	unsigned n;
};

/* No grant to what was offered before is taken. */
static void forget_offers(struct dgram *d, struct dgram_way *ways, unsigned n,
			  struct leaving *l)
{
	unsigned i;

	for (i = 0; i < n && ways[i].name.len; i++) {
		if (ways[i].state != DGRAM_OFFERED)
			continue;
		if (l)
			l->offers[l->n++] = dgram_context_of(d, &ways[i],
							     ways == d->source);
		ways[i].state = DGRAM_IDLE;
		ways[i].serial = ++d->serials;
		d->n_offered--;
	}
}

static void leave_tx(struct dgram *d, int fd, struct leaving *l)
{
	unsigned i;

	mutex_lock(&d->tx_lock);
	forget_offers(d, d->dest, DGRAM_DESTS, l);
	for (i = 0; i < DGRAM_DESTS; i++)
		if (d->dest[i].link)
			dgram_drop_tx(d, fd, &d->dest[i], &l->dead);
	mutex_unlock(&d->tx_lock);
}

/* What is in the rings is still read. */
static void leave_rx(struct dgram *d, struct leaving *l)
{
	unsigned i;

	mutex_lock(&d->rx_lock);
	forget_offers(d, d->source, DGRAM_SOURCES, l);
	for (i = 0; i < d->n_rx; i++) {
		link_set_flags(&d->rx[i]->link->end, WIRE_LINK_CLOSED);
		if (!d->rx[i]->left_ms)
			d->rx[i]->left_ms = app_now_ms();
	}
	mutex_unlock(&d->rx_lock);
}

/* As link_closing(): an answer that is on its way may never be read. */
static void has_left(struct leaving *l)
{
	dgram_bury(l->dead);
	while (l->n)
		offer_withdraw(l->offers[--l->n]);
}

void dgram_leave(struct sock *s, bool for_good)
{
	struct dgram *d = s->dgram;
	struct leaving l = { 0 };
	int cancel = cancel_off();

	if (for_good) {
		if (!d->never_rx || !d->never_tx)
			app_count_kernel(WIRE_WHY_KIND);
		d->never_tx = d->never_rx = true;
	}
	leave_tx(d, s->fd, &l);
	leave_rx(d, &l);
	has_left(&l);
	dgram_unlisten(d);
	cancel_back(cancel);
}

void dgram_stop_sending(struct sock *s)
{
	struct leaving l = { 0 };
	int cancel = cancel_off();

	s->dgram->never_tx = true;
	leave_tx(s->dgram, s->fd, &l);
	has_left(&l);
	cancel_back(cancel);
}

void dgram_odd(struct sock *s)
{
	if (s->kind == SOCK_UDP)
		dgram_leave(s, true);
}

/* Which address is whose changes: all that was known of them is forgotten. */
int dgram_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len)
{
	struct dgram *d = s->dgram;
	struct dgram_name peer;
	int err;

	if (vudp_connect(s, fd, sa, len, &err))
		return err;
	dgram_leave(s, false);
	err = k_connect(fd, sa, len);
	if (err)
		return err;
	mutex_lock(&d->tx_lock);
	d->connected =
		len >= sizeof(sa->sa_family) && sa->sa_family != AF_UNSPEC;
	memset(&d->peer, 0, sizeof(d->peer));
	if (d->connected && dgram_name_set(&peer, sa, len))
		d->peer = peer;
	mutex_unlock(&d->tx_lock);
	d->heard_due = d->heard + MAX(conf_get()->upgrade_turns, 1u);
	return 0;
}

/* What it means for datagrams only the kernel knows. */
int dgram_shutdown(struct sock *s, int fd, int how)
{
	int err;

	if (dgram_is_vpps(s->dgram))
		return vudp_shutdown(s, fd, how);
	dgram_leave(s, true);
	err = k_shutdown(fd, how);
	if (!err) {
		s->dgram->shut = true;
		sock_notify(s); /* who waits hears of it from the kernel */
	}
	return err;
}

/* --- options --- */

struct known {
	int level, name;
};

/* What changes nothing of that which a link does. */
static const struct known harmless[] = {
	{ SOL_SOCKET, SO_RCVBUF },
	{ SOL_SOCKET, SO_SNDBUF },
	{ SOL_SOCKET, SO_RCVBUFFORCE },
	{ SOL_SOCKET, SO_SNDBUFFORCE },
	{ SOL_SOCKET, SO_RCVTIMEO },
	{ SOL_SOCKET, SO_SNDTIMEO },
	{ SOL_SOCKET, SO_PRIORITY },
	{ SOL_SOCKET, SO_LINGER },
	{ SOL_SOCKET, SO_NO_CHECK },
	{ SOL_SOCKET, SO_KEEPALIVE },
	{ SOL_SOCKET, SO_DONTROUTE },
	{ SOL_SOCKET, SO_RCVLOWAT },
	{ SOL_SOCKET, SO_BUSY_POLL },
	{ SOL_SOCKET, SO_PREFER_BUSY_POLL },
	{ SOL_SOCKET, SO_REUSEADDR },
	{ SOL_SOCKET, SO_REUSEPORT },
	{ IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IP, IP_MULTICAST_TTL },
	{ IPPROTO_IP, IP_MULTICAST_LOOP },
	{ IPPROTO_IP, IP_MULTICAST_IF },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
	{ IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP },
	{ IPPROTO_IPV6, IPV6_MULTICAST_IF },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER },
};

/* Off is what it was, but for what counts from 0. */
static bool is_off(int level, int name, const void *val, socklen_t len)
{
	int on;

	if (len != sizeof(on) || (level == SOL_SOCKET && name == SO_PEEK_OFF))
		return false;
	memcpy(&on, val, sizeof(on));
	return !on;
}

/* Control messages, filters, groups and whatever else are the kernel's. */
void dgram_option(struct sock *s, int level, int name, const void *val,
		  socklen_t len)
{
	bool off = is_off(level, name, val, len);
	size_t i;

	if (level == SOL_SOCKET && name == SO_BROADCAST) {
		if (!off)
			dgram_stop_sending(s);
		return;
	}
	/* another socket may come to have what is sent to this one */
	if (level == SOL_SOCKET &&
	    (name == SO_REUSEADDR || name == SO_REUSEPORT) && !off) {
		dgram_leave(s, false);
		return;
	}
	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		if (harmless[i].level == level && harmless[i].name == name)
			return;
	if (!off)
		dgram_leave(s, true);
}

/* --- the end --- */

static void closing(struct dgram *d)
{
	struct leaving l = { 0 };

	if (atomic_exchange(&d->closed, true))
		return;
	d->never_tx = d->never_rx = true;
	leave_tx(d, -1, &l); /* nothing comes behind what is in the rings */
	leave_rx(d, &l);
	mutex_lock(&d->rx_lock);
	while (d->n_rx)
		dgram_drop_rx(d, d->rx[0], &l.dead);
	mutex_unlock(&d->rx_lock);
	has_left(&l);
	dgram_unlisten(d);
}

/* As link_closing_unless(): a call that waits goes on with a copy.  In the
 * program's instances the socket is not to be any more. */
void dgram_closing_unless(struct sock *s, int fd, uint32_t refs)
{
	int copy, cancel = cancel_off();

	if (s->dgram->live && s->refs - s->lost > refs) {
		copy = private_fd(k_fcntl(fd, F_DUPFD_CLOEXEC, 0));
		if (copy >= 0) {
			epoll_sock_closed(s, fd);
			s->dgram->orphan = copy;
			s->fd = copy;
			cancel_back(cancel);
			return;
		}
	}
	closing(s->dgram);
	cancel_back(cancel);
}

void dgram_release(struct sock *s)
{
	struct dgram *d = s->dgram;
	int cancel = cancel_off();

	epoll_sock_gone(s);
	closing(d);
	vudp_release(d->vpp);
	mutex_lock(&dgrams_lock);
	*d->prev = d->next;
	if (d->next)
		d->next->prev = d->prev;
	mutex_unlock(&dgrams_lock);
	private_close(d->orphan);
	bell_put(d->bell);
	pthread_mutex_destroy(&d->tx_lock);
	pthread_mutex_destroy(&d->rx_lock);
	mem_free(d);
	s->dgram = NULL;
	cancel_back(cancel);
}

/* --- fork --- */

/* Before the child can send. */
static void leave_rings(struct dgram *d)
{
	unsigned i;

	for (i = 0; i < DGRAM_DESTS; i++)
		if (d->dest[i].link)
			dgram_leave_ring(d, d->closed ? -1 : d->sock->fd,
					 &d->dest[i]);
}

void dgram_fork_prepare(void)
{
	struct dgram *d;

	mutex_lock(&dgrams_lock);
	for (d = dgrams; d; d = d->next) {
		mutex_lock(&d->tx_lock);
		mutex_lock(&d->rx_lock);
		leave_rings(d);
		vudp_fork_prepare(d->vpp);
	}
}

static void unlock_all(void)
{
	struct dgram *d;

	for (d = dgrams; d; d = d->next) {
		mutex_unlock(&d->rx_lock);
		mutex_unlock(&d->tx_lock);
	}
	mutex_unlock(&dgrams_lock);
}

/* Two processes have it: what comes by a link only one of them would get.  What
 * is in the rings is the parent's. */
static void shared(struct dgram *d)
{
	unsigned i;

	d->never_tx = d->never_rx = true;
	/* nothing can be sent here; who reads the answers declines them */
	forget_offers(d, d->dest, DGRAM_DESTS, NULL);
	forget_offers(d, d->source, DGRAM_SOURCES, NULL);
	for (i = 0; i < d->n_rx; i++) {
		link_set_flags(&d->rx[i]->link->end, WIRE_LINK_CLOSED);
		if (!d->rx[i]->left_ms)
			d->rx[i]->left_ms = app_now_ms();
	}
}

void dgram_fork_parent(void)
{
	struct dgram *d;

	for (d = dgrams; d; d = d->next) {
		vudp_fork_parent(d->vpp);
		shared(d);
	}
	unlock_all();
}

static void abandon(struct dgram_way *w)
{
	if (!w->link)
		return;
	offer_abandon(&w->link->grant);
	mem_free(w->link);
	w->link = NULL;
	w->state = DGRAM_IDLE;
}

/* After app_fork_child(), which gives the segments' lock back. */
void dgram_fork_child(void)
{
	struct dgram *d;
	unsigned i;

	for (d = dgrams; d; d = d->next) {
		d->never_tx = d->never_rx = true;
		for (i = 0; i < DGRAM_DESTS; i++)
			abandon(&d->dest[i]);
		for (i = 0; i < DGRAM_SOURCES; i++)
			abandon(&d->source[i]);
		d->n_tx = d->n_rx = d->n_offered = 0;
		d->sticky = NULL;
		d->port = 0; /* the parent's to take back */
		private_close(d->orphan);
		d->orphan = -1;
		vudp_fork_child(d->vpp);
	}
	unlock_all();
}
