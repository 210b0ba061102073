/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener.c - endpoints that applications listen on
 *
 * DOC: A listener belongs to one application; any of its workers may join it,
 * and connections go to them in turn, in the order of their indices. Several
 * applications of one user may have listeners on one endpoint if all of them
 * asked for it (SO_REUSEPORT); connections then go to these in turn. A "::"
 * listener serves IPv4 too unless it said otherwise, and so collides with
 * 0.0.0.0 on its port.
 *
 * The back-log is the listener's, not a worker's, as in the kernel: sessions
 * that were announced to a worker which leaves before it accepted are offered
 * to the others; with the last worker they are reset. A worker that another
 * one has relieved (ext.h) gets no connections while there is somebody else to
 * give them to, but it still has the socket, and with it what nobody else took.
 */
#include "daemon/listener.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "daemon/session.h"
#include "daemon/slot.h"

#define PORT_FIRST 32768u
#define PORT_LAST 60999u

static struct list *port_list(struct ns *ns, uint16_t port)
{
	return &ns->listeners[ntohs(port) % PORT_HASH];
}

static bool is_in(const uint64_t set[WORKER_WORDS], uint32_t i)
{
	return set[i / 64] >> (i % 64) & 1;
}

static void put_in(uint64_t set[WORKER_WORDS], uint32_t i)
{
	set[i / 64] |= 1ull << (i % 64);
}

static void take_out(uint64_t set[WORKER_WORDS], uint32_t i)
{
	set[i / 64] &= ~(1ull << (i % 64));
}

static bool is_member(const struct listener *l, const struct worker *w)
{
	return is_in(l->members, w->index);
}

/* Do the two serve a common address and port? A wildcard and one address of
 * its family may stand beside each other: the address wins. */
static bool collide(const struct listener *l, const struct endpoint *e)
{
	bool both_any = addr_is_any(&l->addr) && addr_is_any(&e->addr);

	if (l->addr.port != e->addr.port || l->netns != e->netns)
		return false;
	if (l->addr.is_ip4 == e->addr.is_ip4)
		return addr_same_ip(&l->addr, &e->addr);
	/* One is IPv6: if it is dual, it is the other's wildcard as well */
	return both_any && !(l->addr.is_ip4 ? e->v6only : l->v6only);
}

/* The application's own listener for just this endpoint, or a refusal. */
static int check(struct worker *w, const struct endpoint *e,
		 struct listener **own)
{
	struct listener *l;

	*own = NULL;
	list_each (l, port_list(w->app->ns, e->addr.port), struct listener,
		   on_ns) {
		if (!collide(l, e))
			continue;
		if (l->app == w->app && addr_same_ip(&l->addr, &e->addr) &&
		    l->v6only == e->v6only)
			*own = l;
		else if (l->app == w->app || !l->reuseport || !e->reuseport ||
			 l->app->uid != w->app->uid)
			return WIRE_E_ALREADY_LISTENING;
	}
	return *own && is_member(*own, w) ? WIRE_E_ALREADY_LISTENING : 0;
}

static int listener_open(struct app *app, const struct endpoint *e,
			 struct listener **out)
{
	struct listener *l;

	if (app->n_listeners >= app->ns->conf.limits.listeners)
		return WIRE_E_ALLOC;
	l = calloc(1, sizeof(*l));
	if (!l || slot_alloc(SLOT_LISTENER, l, &l->handle)) {
		free(l);
		return WIRE_E_ALLOC;
	}
	l->app = app;
	l->addr = e->addr;
	l->netns = e->netns;
	l->v6only = e->v6only;
	l->reuseport = e->reuseport;
	list_init(&l->accepting);
	list_add(&app->listeners, &l->on_app);
	list_add(port_list(app->ns, e->addr.port), &l->on_ns);
	app->n_listeners++;
	*out = l;
	return 0;
}

/**
 * listener_join() - A worker listens
 * @w:		who
 * @e:		where
 * @out:	the listener
 *
 * Return: 0 or a WIRE_E_ error
 */
int listener_join(struct worker *w, const struct endpoint *e,
		  struct listener **out)
{
	int ret = check(w, e, out);

	if (!ret && !*out)
		ret = listener_open(w->app, e, out);
	if (ret)
		return ret;
	put_in((*out)->members, w->index);
	(*out)->n_members++;
	return 0;
}

/* The next of the members at or behind the turn; who is doomed, or relieved
 * unless @relieved, is passed over. */
static struct worker *next_member(const struct listener *l, bool relieved)
{
	struct worker *w;
	uint32_t i, n;

	for (n = 0; n < MAX_WORKERS; n++) {
		i = (l->turn + n) % MAX_WORKERS;
		if (!is_in(l->members, i) ||
		    (!relieved && is_in(l->relieved, i)))
			continue;
		w = l->app->workers[i];
		if (w && !w->conn->doomed)
			return w;
	}
	return NULL;
}

/* Whose turn it is. With nobody else left it is a relieved one's again, until
 * it is relieved once more; NULL if all are doomed. */
static struct worker *next_worker(struct listener *l)
{
	struct worker *w = next_member(l, false);

	if (!w)
		w = next_member(l, true);
	if (!w)
		return NULL;
	take_out(l->relieved, w->index);
	l->turn = (w->index + 1) % MAX_WORKERS;
	return w;
}

/* Somebody to have a session until it can be offered: one who is doomed, and
 * passes it on when it is buried. */
static struct worker *any_member(const struct listener *l)
{
	uint32_t i;

	for (i = 0; i < MAX_WORKERS; i++)
		if (is_in(l->members, i))
			return l->app->workers[i];
	return NULL;
}

static void listener_close(struct listener *l)
{
	while (!list_empty(&l->accepting))
		session_drop(
			list_first(&l->accepting, struct session, on_listener),
			true);
	list_del(&l->on_app);
	list_del(&l->on_ns);
	l->app->n_listeners--;
	slot_free(l->handle);
	free(l);
}

/* What was announced to @w, and it has not accepted, is for others. */
static void pass_on(struct listener *l, struct worker *w)
{
	struct session *s, *tmp;
	struct worker *other;

	list_each_safe (s, tmp, &l->accepting, struct session, on_listener) {
		if (s->worker != w)
			continue;
		other = next_worker(l);
		session_offer_again(s, other ? other : any_member(l));
	}
}

/**
 * listener_leave() - A worker no longer listens
 * @l:		where; gone with its last member
 * @w:		who; harmless if it was no member
 */
void listener_leave(struct listener *l, struct worker *w)
{
	if (!is_member(l, w))
		return;
	take_out(l->members, w->index);
	take_out(l->relieved, w->index);
	if (--l->n_members)
		pass_on(l, w);
	else
		listener_close(l);
}

/**
 * listener_relieve() - A worker listens, but others accept
 * @l:		where
 * @w:		who; it stays as it is if there is nobody else
 *
 * Return: 0, or a WIRE_E_ error if it keeps what it was offered
 */
int listener_relieve(struct listener *l, struct worker *w)
{
	bool was = is_in(l->relieved, w->index);

	if (!is_member(l, w))
		return 0;
	put_in(l->relieved, w->index);
	if (next_member(l, false)) {
		pass_on(l, w);
		return 0;
	}
	if (!was)
		take_out(l->relieved, w->index);
	return WIRE_E_NOLISTEN;
}

/** listener_workers() - How many there are to accept */
unsigned listener_workers(const struct listener *l)
{
	unsigned i, n = 0;

	for (i = 0; i < WORKER_WORDS; i++)
		n += (unsigned)__builtin_popcountll(l->members[i] &
						    ~l->relieved[i]);
	return n;
}

/* Exactly there, or with the wildcard of this family, or of both. */
static bool serves(const struct listener *l, const struct addr *to, bool exact)
{
	if (l->addr.port != to->port)
		return false;
	if (exact)
		return addr_same_ip(&l->addr, to);
	if (!addr_is_any(&l->addr))
		return false;
	return l->addr.is_ip4 == to->is_ip4 || (to->is_ip4 && !l->v6only);
}

static bool may_see(const struct app *client, const struct listener *l)
{
	return client->ns->conf.any_netns || l->netns == client->netns;
}

/** listener_any() - Is there a wildcard listener for this port? */
bool listener_any(const struct app *client, const struct addr *to)
{
	struct listener *l;

	list_each (l, port_list(client->ns, to->port), struct listener, on_ns)
		if (may_see(client, l) && serves(l, to, false))
			return true;
	return false;
}

/* Is this one able to take it? */
static bool has_room(const struct listener *l)
{
	const struct limits *max = &l->app->ns->conf.limits;

	return l->n_accepting < max->backlog &&
	       l->app->n_sessions < max->sessions;
}

static bool may_link(const struct app *client, const struct listener *l)
{
	return conf_may_link(&client->ns->conf, client->uid, l->app->uid);
}

static int pick(const struct app *client, const struct addr *to, bool exact,
		struct listener **out, struct worker **w)
{
	struct list *head = port_list(client->ns, to->port);
	unsigned n = 0, skip;
	struct listener *l;
	int ret = WIRE_E_NOROUTE;

	list_each (l, head, struct listener, on_ns) {
		if (!may_see(client, l) || !serves(l, to, exact))
			continue;
		ret = WIRE_E_REFUSED; /* somebody is there */
		n += may_link(client, l) && has_room(l);
	}
	if (!n)
		return ret;
	skip = client->ns->turn++ % n;
	list_each (l, head, struct listener, on_ns) {
		if (!may_see(client, l) || !serves(l, to, exact) ||
		    !may_link(client, l) || !has_room(l) || skip--)
			continue;
		*out = l;
		*w = next_worker(l);
		return *w ? 0 : WIRE_E_REFUSED;
	}
	return WIRE_E_REFUSED;
}

/**
 * listener_find() - Whose turn it is
 * @client:	who connects
 * @to:		where to
 * @local:	it is an address of this host, so wildcards count
 * @l:		out
 * @w:		out: the worker that shall accept
 *
 * Return: 0, WIRE_E_NOROUTE if nobody listens there, WIRE_E_REFUSED if who
 * does is full or another user's
 */
int listener_find(const struct app *client, const struct addr *to, bool local,
		  struct listener **l, struct worker **w)
{
	int ret = pick(client, to, true, l, w);

	if (ret == WIRE_E_NOROUTE && local)
		ret = pick(client, to, false, l, w);
	return ret;
}

/** listener_port() - For a LISTEN on port 0 */
uint16_t listener_port(struct ns *ns, const struct endpoint *e)
{
	struct endpoint try = *e;
	struct listener *l;
	uint32_t i;

	for (i = PORT_FIRST; i <= PORT_LAST; i++) {
		bool taken = ns->ports[i / 8] >> (i % 8) & 1;

		try.addr.port = htons((uint16_t)i);
		list_each (l, port_list(ns, try.addr.port), struct listener,
			   on_ns)
			taken = taken || collide(l, &try);
		if (!taken)
			return try.addr.port;
	}
	return 0;
}
