/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.c - both ends of a connection, from the pair to the last CLEANUP
 *
 * DOC: Both ends use the same two FIFOs, with the roles swapped and no relay
 * in between (ABI.md 14.5), so bytes never come through here; doorbells do.
 * The client is connected as soon as the server's end is announced, as a
 * kernel's client is when it is in the backlog. What happens to the server's
 * end before its reply is held back and told after it (ABI.md 12.3).
 *
 * An end closes on its own: it gets CLEANUP 0 and 1 at once and is forgotten.
 * The peer is told (FIN, or RESET if bytes were left unread or it was an
 * abort), may read what is in its FIFO for as long as it likes, and closes in
 * its turn. The FIFOs go after the second close. A libsapi is told by CLEANUP
 * 0 that nobody reads any more; stock VCL would close at once when it gets
 * that, and lose what it has not read.
 *
 * Hints of an application about a session come by index and may be late or
 * wrong; they are checked against its owner and otherwise ignored. Nothing
 * in a FIFO header is trusted for more than whom to wake.
 */
#include "daemon/session.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "daemon/alloc.h"
#include "daemon/post.h"
#include "daemon/slot.h"

/** session_rx() - The FIFO that this end reads */
struct fifo *session_rx(const struct session *s)
{
	return s->side == SIDE_SERVER ? &s->pair->to_server
				      : &s->pair->to_client;
}

/** session_tx() - The FIFO that this end writes */
struct fifo *session_tx(const struct session *s)
{
	return s->side == SIDE_SERVER ? &s->pair->to_client
				      : &s->pair->to_server;
}

/** session_of() - A handle from the wire, checked against its owner */
struct session *session_of(const struct app *app, uint64_t handle)
{
	struct session *s = slot_get(handle, SLOT_SESSION);

	return s && s->app == app ? s : NULL;
}

/* Who else wants to know: live workers of its application, each once. */
static unsigned subscribers(const struct session *s, struct worker *subs[])
{
	uint8_t index[WIRE_MAX_SUBSCRIBERS];
	unsigned i, j, n, found = 0;
	struct worker *w;

	n = fifo_subscribers(session_rx(s), index);
	for (i = 0; i < n; i++) {
		w = index[i] < MAX_WORKERS ? s->app->workers[index[i]] : NULL;
		if (!w || w == s->worker || w->conn->doomed)
			continue;
		for (j = 0; j < found && subs[j] != w; j++)
			continue;
		if (j == found)
			subs[found++] = w;
	}
	return found;
}

static void tell_io(struct session *s, unsigned io)
{
	struct worker *subs[WIRE_MAX_SUBSCRIBERS];
	unsigned i, n = subscribers(s, subs);

	post_io(s->worker, s, io);
	for (i = 0; i < n; i++)
		post_io(subs[i], s, io);
}

static void post_end(struct worker *w, struct session *s, uint8_t type)
{
	struct ctrl c = { .type = type };

	c.close.context = w->handle;
	c.close.handle = s->handle;
	post(w, &c);
}

static void post_cleanup(struct worker *w, struct session *s, uint8_t type)
{
	struct ctrl c = { .type = WIRE_EV_CLEANUP };

	c.cleanup.handle = s->handle;
	c.cleanup.type = type;
	post(w, &c);
}

/* DISCONNECTED or RESET. Stock subscribers get the former for both. */
static void tell_end(struct session *s, uint8_t type)
{
	struct worker *subs[WIRE_MAX_SUBSCRIBERS];
	unsigned i, n = subscribers(s, subs);

	post_end(s->worker, s, type);
	for (i = 0; i < n; i++)
		post_end(subs[i], s, s->app->ext ? type : WIRE_EV_DISCONNECTED);
}

static void tell_cleanup(struct session *s, uint8_t type)
{
	struct worker *subs[WIRE_MAX_SUBSCRIBERS];
	unsigned i, n = s->app->ext ? subscribers(s, subs) : 0;

	post_cleanup(s->worker, s, type);
	for (i = 0; i < n; i++)
		post_cleanup(subs[i], s, type);
}

/* Tell what has not been told, and is no longer held back. */
static void tell_held(struct session *s)
{
	unsigned held = s->flags;

	if (s->state != SESSION_OPEN)
		return;
	s->flags &= ~(SESSION_HELD_RX | SESSION_HELD_FIN | SESSION_HELD_RESET |
		      SESSION_HELD_GONE);
	if (held & SESSION_HELD_RX)
		tell_io(s, IO_RX);
	if (held & SESSION_HELD_RESET) {
		tell_end(s, WIRE_EV_RESET);
		s->flags |= SESSION_RESET_TOLD;
	} else if (held & SESSION_HELD_FIN && !(held & SESSION_FIN_TOLD)) {
		tell_end(s, WIRE_EV_DISCONNECTED);
	}
	if (held & (SESSION_HELD_FIN | SESSION_HELD_RESET))
		s->flags |= SESSION_FIN_TOLD;
	if (held & SESSION_HELD_GONE && !(held & SESSION_GONE_TOLD)) {
		tell_cleanup(s, 0);
		s->flags |= SESSION_GONE_TOLD;
	}
}

static void session_free(struct session *s)
{
	if (s->peer)
		s->peer->peer = NULL;
	if (s->listener)
		s->listener->n_accepting--;
	list_del(&s->on_listener);
	list_del(&s->on_worker);
	post_forget(s);
	slot_free(s->handle);
	s->app->n_sessions--;
	sapid.n_sessions--;
	pair_put(s->pair);
	free(s);
}

/* The answer to CONNECT. */
static void connected(struct session *s, int retval)
{
	struct ctrl c = { .type = WIRE_EV_CONNECTED };

	c.connected.context = s->app_index;
	c.connected.retval = retval;
	if (!retval) {
		post_segment(s->worker, s->pair->segment, SIDE_CLIENT);
		c.connected.handle = s->handle;
		c.connected.rx_fifo = session_rx(s)->off;
		c.connected.tx_fifo = session_tx(s)->off;
		c.connected.segment_handle =
			segment_handle(s->pair->segment, s->worker);
		c.connected.vpp_evt_q = s->app->mq_off;
		addr_to_ctrl(&s->lcl, &c.connected.lcl);
	}
	post(s->worker, &c);
}

/**
 * session_connect() - Announce the client's end
 * @s:		the end
 *
 * At once, as a kernel's client is connected when it is in the backlog. Up to
 * release 25.10 with the server's reply: before it, the server's index is
 * looked for where the client would put its own (see old_index()).
 */
void session_connect(struct session *s)
{
	if (s->app->ns->conf.dialect == WIRE_2510) {
		s->state = SESSION_CONNECTING;
		return;
	}
	connected(s, 0);
}

/**
 * session_drop() - An end is gone without a word to its application
 * @s:		the end; freed
 * @abort:	as TCP's RST
 */
void session_drop(struct session *s, bool abort)
{
	struct session *peer = s->peer;

	if (peer && peer->state == SESSION_CONNECTING) {
		connected(peer, WIRE_E_REFUSED);
		session_free(peer);
	} else if (peer) {
		abort = abort || fifo_used(session_rx(s)) > 0;
		peer->flags |= abort ? SESSION_HELD_RESET : SESSION_HELD_FIN;
		if (peer->app->ext)
			peer->flags |= SESSION_HELD_GONE;
		/* A dying writer may not have come to its doorbell */
		if (fifo_used(session_rx(peer)) > 0)
			peer->flags |= SESSION_HELD_RX;
		tell_held(peer);
	}
	session_free(s);
}

/** session_close() - An application is done with its end; it is freed */
void session_close(struct session *s, bool abort)
{
	if (!(s->flags & SESSION_GONE_TOLD))
		tell_cleanup(s, 0);
	tell_cleanup(s, 1);
	session_drop(s, abort);
}

/** session_shutdown() - An end will write no more */
void session_shutdown(struct session *s)
{
	if (s->flags & SESSION_FIN_SENT)
		return;
	s->flags |= SESSION_FIN_SENT;
	if (!s->peer)
		return;
	s->peer->flags |= SESSION_HELD_FIN;
	tell_held(s->peer);
}

static struct wire_fifo_2510 *old_header(const struct session *s,
					 const struct fifo *f)
{
	return map_at(&s->pair->segment->seg.map, f->off,
		      sizeof(struct wire_fifo_2510));
}

/* Up to release 25.10 an application reads in a FIFO's header what to call the
 * session in I/O events. One FIFO serves both ends here, so it is the name of
 * the end that writes it, whoever reads it (session_io()). */
static void old_announce(struct session *s)
{
	if (s->app->ns->conf.dialect != WIRE_2510)
		return;
	old_header(s, session_tx(s))->master_session_index =
		(uint32_t)s->handle;
}

/* ... and writes there what it calls the session itself. */
static uint32_t old_index(struct session *s, uint32_t app_index)
{
	if (s->app->ns->conf.dialect != WIRE_2510)
		return app_index;
	return old_header(s, session_rx(s))->client_session_index;
}

/* The two reference each other; @worker may come later. */
static struct session *end_open(const struct session_plan *plan, enum side side)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s || slot_alloc(SLOT_SESSION, s, &s->handle)) {
		free(s);
		return NULL;
	}
	s->side = side;
	s->app = plan->app[side];
	s->lcl = side == SIDE_SERVER ? plan->rmt : plan->lcl;
	s->rmt = side == SIDE_SERVER ? plan->lcl : plan->rmt;
	list_init(&s->on_worker);
	list_init(&s->on_listener);
	list_init(&s->on_io);
	return s;
}

/**
 * session_open() - Both ends of a connection
 * @plan:	between whom
 * @ends:	out, by side; the server's is to be offered next
 *
 * Return: 0 or a WIRE_E_ error
 */
int session_open(const struct session_plan *plan, struct session *ends[2])
{
	struct session *server, *client;
	struct pair *pair;
	int ret;

	ret = pair_open(plan->app[SIDE_SERVER], plan->app[SIDE_CLIENT], &pair);
	if (ret)
		return ret;
	server = end_open(plan, SIDE_SERVER);
	client = server ? end_open(plan, SIDE_CLIENT) : NULL;
	if (!client) {
		if (server)
			slot_free(server->handle);
		free(server);
		pair_put(pair);
		pair_put(pair);
		return WIRE_E_ALLOC;
	}
	pair->port = plan->port;
	server->pair = client->pair = pair;
	server->peer = client;
	client->peer = server;
	client->state = SESSION_OPEN;
	client->app_index = plan->app_index;
	client->worker = plan->worker;
	old_announce(client);
	list_add(&client->worker->sessions, &client->on_worker);
	server->app->n_sessions++;
	client->app->n_sessions++;
	sapid.n_sessions += 2;
	sapid.count.sessions++;
	ends[SIDE_SERVER] = server;
	ends[SIDE_CLIENT] = client;
	return 0;
}

static void announce(struct session *s)
{
	struct ctrl c = { .type = WIRE_EV_ACCEPTED };

	old_announce(s);
	post_segment(s->worker, s->pair->segment, SIDE_SERVER);
	c.accepted.context = s->app->index;
	c.accepted.listener_handle = s->listener->handle;
	c.accepted.handle = s->handle;
	c.accepted.rx_fifo = session_rx(s)->off;
	c.accepted.tx_fifo = session_tx(s)->off;
	c.accepted.segment_handle = segment_handle(s->pair->segment, s->worker);
	c.accepted.vpp_evt_q = s->app->mq_off;
	addr_to_ctrl(&s->lcl, &c.accepted.lcl);
	addr_to_ctrl(&s->rmt, &c.accepted.rmt);
	post(s->worker, &c);
}

/**
 * session_offer() - Announce the server's end
 * @s:		the end
 * @l:		the listener that it came to
 * @w:		the worker that shall accept it
 */
void session_offer(struct session *s, struct listener *l, struct worker *w)
{
	s->state = SESSION_ACCEPTING;
	s->listener = l;
	l->n_accepting++;
	list_add(&l->accepting, &s->on_listener);
	s->worker = w;
	list_add(&w->sessions, &s->on_worker);
	announce(s);
}

/**
 * session_offer_again() - The worker left before it accepted
 * @s:		the end, ACCEPTING
 * @w:		another worker of the listener
 *
 * The handle changes, so that a late reply of the first one finds nothing.
 */
void session_offer_again(struct session *s, struct worker *w)
{
	uint64_t old = s->handle;

	if (slot_alloc(SLOT_SESSION, s, &s->handle)) {
		session_drop(s, true);
		return;
	}
	slot_free(old);
	list_del(&s->on_worker);
	s->worker = w;
	list_add(&w->sessions, &s->on_worker);
	announce(s);
}

/**
 * session_accepted() - The server's answer
 * @s:		the end; gone if refused
 * @retval:	not 0: refused
 * @app_index:	what the server calls it
 */
void session_accepted(struct session *s, int32_t retval, uint32_t app_index)
{
	if (s->state != SESSION_ACCEPTING)
		return;
	s->listener->n_accepting--;
	s->listener = NULL;
	list_del(&s->on_listener);
	s->state = SESSION_OPEN;
	s->app_index = old_index(s, app_index);
	if (retval) {
		session_drop(s, false);
		return;
	}
	if (s->peer && s->peer->state == SESSION_CONNECTING) {
		connected(s->peer, 0);
		s->peer->state = SESSION_OPEN;
		tell_held(s->peer);
	}
	if (fifo_used(session_rx(s)) > 0)
		s->flags |= SESSION_HELD_RX;
	/* ABI.md 12.3: only libsapi expects anything else here */
	if (s->flags & SESSION_HELD_RESET && !s->app->ext) {
		s->flags &= ~SESSION_HELD_RESET;
		s->flags |= SESSION_HELD_FIN;
	}
	tell_held(s);
}

/* libsapi uses handles in every dialect. */
static bool is_old(const struct app *app)
{
	return app->ns->conf.dialect == WIRE_2510 && !app->ext;
}

/**
 * session_io() - Relay a doorbell
 * @app:	who rang
 * @type:	of the event
 * @index:	low half of a handle, unchecked
 *
 * has_event and want_deq_ntf belong to the two ends, which share them; nothing
 * of it is touched here.
 */
void session_io(struct app *app, uint8_t type, uint32_t index)
{
	struct session *s = slot_at(index, SLOT_SESSION);

	if (s && type == WIRE_EV_IO_RX && is_old(app))
		s = s->peer; /* named by who writes what was read */
	if (!s || s->app != app) {
		sapid.count.rejects++;
		return;
	}
	s = s->peer;
	if (!s)
		return;
	if (s->state != SESSION_OPEN)
		s->flags |= type == WIRE_EV_IO_RX ? 0 : SESSION_HELD_RX;
	else
		tell_io(s, type == WIRE_EV_IO_RX ? IO_TX : IO_RX);
}

/**
 * session_move() - Another worker of the application takes over
 * @s:		the end, OPEN
 * @to:		the worker
 *
 * Events may have gone to the one before, so the new one is told to look.
 */
void session_move(struct session *s, struct worker *to)
{
	post_forget(s);
	list_del(&s->on_worker);
	s->worker = to;
	list_add(&to->sessions, &s->on_worker);
	post_io(to, s, IO_RX | IO_TX);
	if (s->flags & SESSION_FIN_TOLD)
		post_end(to, s,
			 s->flags & SESSION_RESET_TOLD ? WIRE_EV_RESET
						       : WIRE_EV_DISCONNECTED);
	if (s->flags & SESSION_GONE_TOLD)
		post_cleanup(to, s, 0);
}

/**
 * session_close_all() - The owner of sessions is gone
 * @w:		it; doomed, so nothing reaches it any more
 *
 * A forked worker of libsapi that shares a session takes it over; in VPP a
 * shared session dies with its owner, and stock clients expect no more.
 */
void session_close_all(struct worker *w)
{
	struct worker *subs[WIRE_MAX_SUBSCRIBERS];
	struct session *s;

	while (!list_empty(&w->sessions)) {
		s = list_first(&w->sessions, struct session, on_worker);
		if (w->app->ext && s->state == SESSION_OPEN &&
		    subscribers(s, subs))
			session_move(s, subs[0]);
		else
			session_drop(s, false);
	}
}
