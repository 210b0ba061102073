/* SPDX-License-Identifier: Apache-2.0 */
/* close.c - the end of a session, which a family of processes may share */
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/sess/session_priv.h"

/*
 * DOC: The last process of a family that lets go closes the session.  Until
 * then the events go to its owner.  When the owner's program closes first,
 * the owner keeps the session as a zombie, and looks now and then (every
 * app_poll(), and at least ten times a second while it sleeps) whether the
 * others have died or one of them has taken over.  An heir takes over when it
 * uses the session first (session_claim()); VPP knows of it by WORKER_UPDATE
 * and by the subscribers in the FIFO headers.
 */

int session_unlisten(struct session *s)
{
	struct ctrl c = { .type = WIRE_EV_UNLISTEN };

	c.unlisten.client_index = s->app->client;
	c.unlisten.context = s->index;
	c.unlisten.wrk_index = s->app->wrk_index;
	c.unlisten.handle = s->handle;
	return app_send_ctrl(s->app, &c);
}

/* The parent holds the listener, but accepts nothing: it is for us to do. */
static void relieve_parent(struct app *app, uint64_t handle)
{
	struct ctrl c = { .type = WIRE_EV_UNLISTEN };

	if (handle == WIRE_INVALID_HANDLE)
		return;
	c.unlisten.client_index = app->parent_client;
	c.unlisten.context = WIRE_UNLISTEN_RELIEVE;
	c.unlisten.wrk_index = app->parent_wrk;
	c.unlisten.handle = handle;
	if (app_send_ctrl(app, &c))
		log_debug("the parent is not relieved");
}

static uint8_t close_type(const struct session *s, bool abort)
{
	if (abort && s->app->dialect == WIRE_2606)
		return WIRE_EV_TERMINATE;
	if (s->flags & SESSION_RESET)
		return WIRE_EV_RESET_REPLY;
	return s->flags & SESSION_PEER_SHUT ? WIRE_EV_DISCONNECTED_REPLY
					    : WIRE_EV_DISCONNECT;
}

/* Tell the session layer; the session is free when it answers. */
void session_send_end(struct session *s, bool abort)
{
	struct ctrl c = { .type = close_type(s, abort) };

	if (c.type == WIRE_EV_DISCONNECT || c.type == WIRE_EV_TERMINATE) {
		c.close.client_index = s->app->client;
		c.close.handle = s->handle;
	} else {
		c.close_reply.context = s->app->client;
		c.close_reply.handle = s->handle;
	}
	session_state(s, SESSION_CLOSING);
	s->notify = NULL;
	if (app_send(s->app, s->mq_index, &c))
		session_free(s);
}

static void stop_listening(struct session *s)
{
	if (s->claimed != s->app->generation || s->state != SESSION_LISTENING) {
		session_free(s); /* never listened here */
		return;
	}
	session_state(s, SESSION_CLOSING);
	if (session_unlisten(s))
		session_free(s);
}

static void unsubscribe(struct session *s)
{
	hold_lock(&s->hold->rx_lock);
	fifo_unsubscribe(&s->rx, (uint8_t)s->app->wrk_index);
	hold_unlock(&s->hold->rx_lock);
	if (s->app->sapid)
		return;
	hold_lock(&s->hold->tx_lock);
	fifo_unsubscribe(&s->tx, (uint8_t)s->app->wrk_index);
	hold_unlock(&s->hold->tx_lock);
}

void session_watch(struct session *s)
{
	struct app *app = s->app;

	s->next = app->zombies;
	app->zombies = s;
	app->n_zombies++;
}

/* Held by others, but the events come to us: wait for what they do. */
static void make_zombie(struct session *s)
{
	atomic_fetch_or(&s->hold->flags, HOLD_OWNER_CLOSED);
	s->notify = NULL;
	session_watch(s);
}

static void close_open(struct session *s, bool abort)
{
	bool ours = s->claimed == s->app->generation;
	bool alive = s->app->state == APP_ATTACHED &&
		     s->handle != WIRE_INVALID_HANDLE;

	if (alive && hold_is_owner(s->hold) && hold_shared(s->hold)) {
		make_zombie(s);
		return;
	}
	if (ours && !hold_is_owner(s->hold))
		unsubscribe(s);
	if (hold_drop(s->hold) && alive && ours) {
		s->hold = NULL;
		s->notify = NULL;
		if (abort || !session_drain(s, DRAIN_CLOSE))
			session_send_end(s, abort);
		return;
	}
	s->hold = NULL;
	session_free(s);
}

static void close_listener(struct session *s, bool last)
{
	struct session *p;

	s->hold = NULL;
	s->notify = NULL;
	/* with other workers left, sapid offers these to them; VPP does not,
	 * and their clients would wait as long as we live.  What a child has
	 * of its parent's is the parent's. */
	while ((p = session_pop(s)))
		if (p->state == SESSION_OPEN)
			close_open(p, false);
		else if (last || (!s->app->sapid && session_claimed(s)))
			session_refuse(p);
		else
			session_free(p);
	stop_listening(s);
}

/* The answer is still to come, and must find nobody else under this index: a
 * connection would get another one's peer. */
static void give_up(struct session *s)
{
	if (s->app->state != APP_ATTACHED || !session_claimed(s)) {
		session_free(s);
		return;
	}
	if (s->hold)
		hold_drop(s->hold);
	s->hold = NULL;
	s->notify = NULL;
	session_state(s, SESSION_CLOSING);
}

static void close_ip4(struct session *s)
{
	struct session *ip4 = s->ip4;

	if (!ip4)
		return;
	s->ip4 = ip4->dual = NULL;
	if (ip4->state == SESSION_BINDING)
		give_up(ip4);
	else
		stop_listening(ip4);
}

/**
 * session_close() - This process's program is done with a session
 * @abort:	As SO_LINGER with time 0: the peer sees a reset
 */
void session_close(struct session *s, bool abort)
{
	close_ip4(s);
	switch (session_now(s)) {
	case SESSION_OPEN:
		close_open(s, abort);
		break;
	case SESSION_LISTENING:
	case SESSION_LOST:
		close_listener(s, hold_drop(s->hold));
		break;
	case SESSION_PENDING:
		session_refuse(s);
		break;
	case SESSION_CONNECTING:
	case SESSION_BINDING:
		give_up(s);
		break;
	case SESSION_FAILED:
		session_free(s);
		break;
	case SESSION_FREE:
	case SESSION_CLOSING:
		break;
	}
}

/* Others' bits are looked at every time, their lives (a syscall each) not. */
static bool still_shared(struct hold *h, bool look)
{
	return look ? hold_shared(h) : hold_others(h);
}

/* An heir that came while we closed may have subscribed us (session_claim()):
 * sapid would give us the session when the heir ends, and nobody would close
 * it.  If it has ended already, we may have been given it. */
static void leave_to_heir(struct session *s)
{
	bool last;

	unsubscribe(s);
	last = hold_drop(s->hold);
	s->hold = NULL;
	if (last && s->app->state == APP_ATTACHED)
		session_send_end(s, false);
	else
		session_free(s);
}

void session_reap(struct app *app)
{
	struct session *s = app->zombies, *next;
	uint64_t now = app_now_ms();
	bool look = now >= app->reap_at;

	if (look)
		app->reap_at = now + APP_REAP_MS;
	app->zombies = NULL;
	app->n_zombies = 0;
	for (; s; s = next) {
		next = s->next;
		s->next = NULL;
		if (s->drain) {
			if (!session_drained(s))
				session_watch(s);
		} else if (hold_is_owner(s->hold) &&
			   still_shared(s->hold, look)) {
			session_watch(s);
		} else if (!hold_is_owner(s->hold)) {
			leave_to_heir(s);
		} else {
			hold_drop(s->hold);
			s->hold = NULL;
			if (!session_drain(s, DRAIN_CLOSE))
				session_send_end(s, false);
		}
	}
}

void session_disown(struct app *app)
{
	struct session *s;

	for (s = app->zombies; s; s = s->next)
		s->drain = DRAIN_NONE;
	app->zombies = NULL;
	app->n_zombies = 0;
}

/* sapid looks at the FIFO that this side reads; the other one's list is the
 * peer's there.  VPP wants both (ABI.md 12.2). */
static int subscribe(struct session *s, uint32_t wrk)
{
	int err;

	hold_lock(&s->hold->rx_lock);
	err = fifo_subscribe(&s->rx, (uint8_t)wrk);
	hold_unlock(&s->hold->rx_lock);
	if (err || s->app->sapid)
		return err;
	hold_lock(&s->hold->tx_lock);
	err = fifo_subscribe(&s->tx, (uint8_t)wrk);
	hold_unlock(&s->hold->tx_lock);
	return err;
}

static int take_over(struct session *s)
{
	struct app *app = s->app;
	struct ctrl c = { .type = WIRE_EV_WORKER_UPDATE };
	int err;

	c.worker_update.client_index = app->client;
	c.worker_update.wrk_index = (uint16_t)app->wrk_index;
	c.worker_update.req_wrk_index = (uint16_t)app->wrk_index;
	c.worker_update.handle = s->handle;
	err = app_send(app, s->mq_index, &c);
	if (!err)
		hold_own(s->hold, app->wrk_index);
	return err;
}

static void rename_both(struct session *s, uint64_t handle, uint64_t ip4)
{
	session_rename(s, handle);
	if (s->ip4)
		session_rename(s->ip4, ip4);
}

/* A session of our own for the same endpoint takes the inherited one's place
 * under the program's descriptor. */
static int claim_listener(struct session **sp)
{
	struct session *s = *sp, *n, *p;
	struct app *app = s->app;
	uint64_t parents = s->handle,
		 parents_ip4 = s->ip4 ? s->ip4->handle : WIRE_INVALID_HANDLE;
	int err;

	err = session_listen(app, &s->lcl, s->listen_flags, s->tls, &n);
	if (err)
		return err;
	/* both workers' listeners may have one handle: what comes is ours */
	rename_both(s, WIRE_INVALID_HANDLE, WIRE_INVALID_HANDLE);
	err = app_wait_ctl(app, n, 1000);
	if (*sp == s)
		rename_both(s, parents, parents_ip4);
	if (!err && n->state == SESSION_FAILED)
		err = n->error;
	/* the lock was given up: another thread may have been faster */
	if (!err && *sp != s)
		err = -EALREADY;
	if (err) {
		session_close(n, false);
		return err == -EALREADY ? 0 : err;
	}
	/* a parent that never accepts must get no connections (12.2.4) */
	if (!hold_owner_accepts(s->hold)) {
		relieve_parent(app, parents);
		relieve_parent(app, parents_ip4);
	}
	hold_drop(n->hold);
	n->hold = s->hold;
	n->notify = s->notify;
	n->user = s->user;
	s->hold = NULL;
	while ((p = session_pop(s))) /* copies of the parent's */
		session_free(p);
	close_ip4(s);
	session_free(s);
	*sp = n;
	return 0;
}

/* The parent's session layer was gone before it forked. */
static int claim_lost(struct session *s)
{
	s->claimed = s->app->generation;
	session_state(s, SESSION_BINDING);
	if (s->ip4)
		claim_lost(s->ip4);
	return session_send_listen(s);
}

/* VPP moves a session to another worker by new FIFOs, under the feet of whoever
 * uses the old ones, a cut-through's peer among them.  So it stays its owner's,
 * who gets all events but that of the end; we look now and then. */
static void borrow(struct session *s)
{
	s->borrowed = true;
	s->app->n_borrowed++;
	s->claimed = s->app->generation;
}

/**
 * session_claim() - Use a session that the parent made
 * @sp:		The session; for a listener it is exchanged
 *
 * From then on this process is told of its events as well.
 */
int session_claim(struct session **sp)
{
	struct session *s = *sp;
	struct app *app = s->app;
	int err;

	if (s->claimed == app->generation)
		return 0;
	if (s->state == SESSION_LISTENING)
		return claim_listener(sp);
	if (s->state == SESSION_LOST)
		return claim_lost(s);
	if (s->state != SESSION_OPEN)
		return 0;
	err = subscribe(s, app->wrk_index);
	if (!app->sapid) {
		borrow(s);
		return err;
	}
	if (!err && !(s->hold->flags & HOLD_OWNER_CLOSED))
		err = subscribe(s, s->hold->owner_wrk);
	/* eight processes and more at one connection: the last to come gets
	 * the events, as VPP has no more room for subscribers */
	if (err == -ENOSPC)
		log_info("session %u: too many processes share it", s->index);
	/* the new owner is told of what came before it */
	err = take_over(s);
	s->claimed = app->generation;
	return err;
}
