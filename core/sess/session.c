/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - sessions: their table, and what is asked for them */
#include "core/sess/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/sess/session_priv.h"
#include "core/sess/tls.h"
#include "core/wire/ctrl.h"

void session_state(struct session *s, enum session_state state)
{
	log_debug("session %u: state %d -> %d", s->index, s->state, state);
	if (session_claimed(s))
		s->app->n_lost += (unsigned)(state == SESSION_LOST) -
				  (unsigned)(s->state == SESSION_LOST);
	s->state = state;
}

/* --- the table --- */

struct session *session_by_index(struct app *app, uint32_t index)
{
	if (index / APP_SESSION_BLOCK >= app->n_blocks)
		return NULL;
	return &app->blocks[index / APP_SESSION_BLOCK]
			   [index % APP_SESSION_BLOCK];
}

/*
 * Handles: what the session layer calls sessions.  A claimed listener may have
 * its parent's handle for a moment, so two of one handle are no error.
 */
static struct session **bucket(struct app *app, uint64_t handle)
{
	/* the low half is an index, the high one a thread or a generation */
	uint32_t key = (uint32_t)(handle ^ handle >> 32) * 0x9e3779b1u;

	return &app->handles[(key ^ key >> 16) & (app->n_handles - 1)];
}

static void link_handle(struct session *s)
{
	struct session **b;

	if (s->handle == WIRE_INVALID_HANDLE)
		return;
	b = bucket(s->app, s->handle);
	s->same_bucket = *b;
	*b = s;
}

/* A bucket a session, more or less: twice as many whenever there are more
 * sessions, so that naming one never needs memory. */
static int grow_handles(struct app *app, unsigned sessions)
{
	unsigned n = app->n_handles ? 2 * app->n_handles : APP_SESSION_BLOCK, i;
	struct session **wider, **old = app->handles;

	if (sessions <= app->n_handles)
		return 0;
	wider = mem_zalloc(n, sizeof(struct session *));
	if (!wider)
		return old ? 0 : -ENOMEM; /* longer chains are not wrong */
	app->handles = wider;
	app->n_handles = n;
	mem_free(old);
	for (i = 0; i < app->n_blocks * APP_SESSION_BLOCK; i++)
		link_handle(session_by_index(app, i));
	return 0;
}

void session_rename(struct session *s, uint64_t handle)
{
	struct session **p;

	if (s->handle == handle)
		return;
	if (s->handle != WIRE_INVALID_HANDLE) {
		for (p = bucket(s->app, s->handle); *p != s;)
			p = &(*p)->same_bucket;
		*p = s->same_bucket;
	}
	s->handle = handle;
	link_handle(s);
}

struct session *session_by_handle(struct app *app, uint64_t handle)
{
	struct session *s;

	if (handle == WIRE_INVALID_HANDLE || !app->n_handles)
		return NULL;
	for (s = *bucket(app, handle); s; s = s->same_bucket)
		if (s->handle == handle)
			return s;
	return NULL;
}

static int grow(struct app *app)
{
	struct session *block;
	unsigned i;

	if (app->n_blocks == APP_SESSION_BLOCKS ||
	    grow_handles(app, (app->n_blocks + 1) * APP_SESSION_BLOCK))
		return -ENOMEM;
	block = mem_zalloc(APP_SESSION_BLOCK, sizeof(*block));
	if (!block)
		return -ENOMEM;
	for (i = APP_SESSION_BLOCK; i-- > 0;) {
		block[i].app = app;
		block[i].index = app->n_blocks * APP_SESSION_BLOCK + i;
		block[i].handle = WIRE_INVALID_HANDLE;
		block[i].next = app->free;
		app->free = &block[i];
	}
	app->blocks[app->n_blocks++] = block;
	return 0;
}

struct session *session_new(struct app *app, enum session_state state)
{
	struct session *s;
	uint32_t index;

	if (!app->free && grow(app))
		return NULL;
	s = app->free;
	app->free = s->next;
	index = s->index;
	memset(s, 0, sizeof(*s));
	s->app = app;
	s->index = index;
	s->handle = WIRE_INVALID_HANDLE;
	s->pending_tail = &s->pending;
	s->claimed = app->generation;
	session_state(s, state);
	return s;
}

void session_free(struct session *s)
{
	if (s->seg)
		app_seg_put(s->app, s->seg);
	if (s->sig)
		app_seg_put(s->app, s->sig);
	s->seg = s->sig = NULL;
	if (s->hold)
		hold_drop(s->hold);
	s->hold = NULL;
	if (s->borrowed && session_claimed(s))
		s->app->n_borrowed--;
	session_rename(s, WIRE_INVALID_HANDLE);
	s->notify = NULL;
	s->user = NULL;
	session_state(s, SESSION_FREE);
	s->next = s->app->free;
	s->app->free = s;
}

/* --- requests --- */

/* By which transport; @proto and @config are the message's. */
static int ask(struct session *s, struct ctrl *c, uint8_t *proto,
	       uint64_t *config)
{
	int err;

	*proto = s->datagrams ? WIRE_PROTO_UDP
		 : s->tls     ? WIRE_PROTO_TLS
			      : WIRE_PROTO_TCP;
	if (s->tls) {
		err = tls_config(s->app, s->tls, c->type == WIRE_EV_LISTEN,
				 config);
		if (err)
			return err;
	}
	err = app_send_ctrl(s->app, c);
	if (err)
		tls_config_drop(s->app, *config);
	return err;
}

/* Nothing was asked, and nothing will be answered. */
static void not_asked(struct session *s)
{
	session_state(s, SESSION_FAILED);
	session_close(s, false);
}

int session_send_listen(struct session *s)
{
	struct ctrl c = { .type = WIRE_EV_LISTEN };
	struct app *app = s->app;

	c.listen.client_index = app->client;
	c.listen.context = s->index;
	c.listen.wrk_index = app->wrk_index;
	c.listen.port = s->lcl.port;
	c.listen.is_ip4 = s->lcl.is_ip4;
	memcpy(c.listen.ip, s->lcl.ip, sizeof(c.listen.ip));
	c.listen.flags = app->sapid ? s->listen_flags : 0;
	return ask(s, &c, &c.listen.proto, &c.listen.ext_config);
}

/* Asked for first, it is answered first.  That it can't be had is no failure:
 * the kernel has its back-log. */
static void listen_ip4(struct session *dual)
{
	struct session *s = session_new(dual->app, SESSION_BINDING);

	if (!s)
		return;
	s->lcl.is_ip4 = 1;
	s->lcl.port = dual->lcl.port;
	s->tls = dual->tls;
	s->datagrams = dual->datagrams;
	if (session_send_listen(s)) {
		session_free(s);
		return;
	}
	s->dual = dual;
	dual->ip4 = s;
}

static bool is_dual(const struct session *s)
{
	static const uint8_t any[sizeof(s->lcl.ip)];

	return !s->lcl.is_ip4 && !(s->listen_flags & WIRE_LISTEN_V6ONLY) &&
	       !memcmp(s->lcl.ip, any, sizeof(any));
}

static int start_listen(struct app *app, const struct ctrl_addr *addr,
			uint8_t flags, const struct conf_tls *tls,
			bool datagrams, struct session **out)
{
	struct session *s = session_new(app, SESSION_BINDING);
	int err;

	if (!s)
		return -ENOMEM;
	err = hold_new(&s->hold);
	if (err) {
		session_free(s);
		return err;
	}
	s->lcl = *addr;
	s->listen_flags = flags;
	s->tls = tls;
	s->datagrams = datagrams;
	if (!app->sapid && is_dual(s))
		listen_ip4(s);
	err = session_send_listen(s);
	if (err) {
		not_asked(s);
		return err;
	}
	*out = s;
	return 0;
}

int session_listen(struct app *app, const struct ctrl_addr *addr, uint8_t flags,
		   const struct conf_tls *tls, struct session **out)
{
	return start_listen(app, addr, flags, tls, false, out);
}

int session_listen_udp(struct app *app, const struct ctrl_addr *addr,
		       uint8_t flags, struct session **out)
{
	return start_listen(app, addr, flags, NULL, true, out);
}

static int start_connect(struct app *app, const struct ctrl_addr *rmt,
			 const struct ctrl_addr *lcl,
			 const struct conf_tls *tls, bool datagrams,
			 uint8_t flags, struct session **out)
{
	struct ctrl c = { .type = WIRE_EV_CONNECT };
	struct session *s;
	int err;

	if (!app->sapid) /* a full queue would be a refusal */
		app_drain(app);
	s = session_new(app, SESSION_CONNECTING);
	if (!s)
		return -ENOMEM;
	err = hold_new(&s->hold);
	if (err) {
		session_free(s);
		return err;
	}
	s->rmt = *rmt;
	s->tls = tls;
	s->datagrams = datagrams;
	c.connect.client_index = app->client;
	c.connect.context = s->index;
	c.connect.wrk_index = app->wrk_index;
	c.connect.port = rmt->port;
	c.connect.is_ip4 = rmt->is_ip4;
	c.connect.flags = flags;
	memcpy(c.connect.ip, rmt->ip, sizeof(c.connect.ip));
	if (lcl) {
		memcpy(c.connect.lcl_ip, lcl->ip, sizeof(c.connect.lcl_ip));
		c.connect.lcl_port = lcl->port;
	}
	c.connect.parent_handle = WIRE_INVALID_HANDLE;
	err = ask(s, &c, &c.connect.proto, &c.connect.ext_config);
	if (err) {
		not_asked(s);
		return err;
	}
	*out = s;
	return 0;
}

int session_connect(struct app *app, const struct ctrl_addr *rmt,
		    const struct ctrl_addr *lcl, const struct conf_tls *tls,
		    struct session **out)
{
	return start_connect(app, rmt, lcl, tls, false, 0, out);
}

int session_connect_udp(struct app *app, const struct ctrl_addr *rmt,
			const struct ctrl_addr *lcl, bool connected,
			struct session **out)
{
	return start_connect(app, rmt, lcl, NULL, true,
			     connected ? WIRE_CFG_CONNECTED : 0, out);
}

struct session *session_pop(struct session *l)
{
	struct session *s = l->pending;

	if (!s)
		return NULL;
	l->pending = s->next;
	if (!l->pending)
		l->pending_tail = &l->pending;
	l->n_pending--;
	s->next = NULL;
	return s;
}

static int answer_accept(struct session *s, int32_t retval)
{
	struct ctrl c = { .type = WIRE_EV_ACCEPTED_REPLY };

	c.accepted_reply.context = s->app->app_index;
	c.accepted_reply.retval = retval;
	c.accepted_reply.handle = s->handle;
	c.accepted_reply.app_session_index = s->index;
	return app_send(s->app, s->mq_index, &c);
}

/* The session layer hears that we take it, and the peer's connect(2) is over.
 */
static int answer(struct session *s)
{
	int err;

	err = fifo_write_index(&s->seg->seg, s->rx.off, s->app->dialect,
			       s->index);
	if (!err)
		err = fifo_write_index(&s->seg->seg, s->tx.off, s->app->dialect,
				       s->index);
	if (!err)
		err = answer_accept(s, WIRE_E_NONE);
	s->answered = !err;
	return err;
}

/* With the kernel connect(2) needs no accept(2), and VPP's cut-through has the
 * peer wait for our word.  sapid offers to another worker what was not
 * answered.
 */
void session_answer_early(struct session *s)
{
	if (s->app->sapid || s->state != SESSION_PENDING)
		return;
	if (answer(s))
		log_debug("session %u: not answered yet", s->index);
}

int session_accept(struct session *s)
{
	int err;

	err = hold_new(&s->hold);
	if (!err && !s->answered)
		err = answer(s);
	if (err)
		return err;
	hold_own(s->hold, s->app->wrk_index);
	session_state(s, SESSION_OPEN);
	app_count(s->app, accepts, 1);
	return 0;
}

/* Nothing comes back for one that is refused, so it is free at once.  Whose
 * peer is connected already gets a reset, as from a listener of the kernel's
 * that closes. */
void session_refuse(struct session *s)
{
	if (s->answered && s->handle != WIRE_INVALID_HANDLE) {
		session_send_end(s, true);
		return;
	}
	/* answered, and gone since then: there is nobody to tell */
	if (!s->answered && answer_accept(s, WIRE_E_REFUSED))
		log_debug("session %u: refusal not sent", s->index);
	session_free(s);
}

int session_send_close(struct session *s, uint8_t type)
{
	struct ctrl c = { .type = type };

	c.close.client_index = s->app->client;
	c.close.handle = s->handle;
	return app_send(s->app, s->mq_index, &c);
}

/* VPP's TCP sends a FIN; its cut-through ignores it, and a peer of ours looks
 * into the header. */
int session_shutdown(struct session *s)
{
	if (s->tls)
		return session_shutdown_tls(s);
	fifo_end(&s->tx);
	if (!s->app->sapid && fifo_ring(&s->tx))
		session_ring_tx(s);
	return session_send_close(s, WIRE_EV_SHUTDOWN);
}

static void ring(struct session *s, uint8_t type)
{
	struct ctrl c = { .type = type };

	c.io.session_index = (uint32_t)s->handle;
	if (unlikely(s->datagrams && s->state == SESSION_LISTENING)) {
		c.io.session_index = s->main_index;
		if (type == WIRE_EV_IO_TX)
			c.type = WIRE_EV_IO_TX_MAIN;
	}
	if (app_send(s->app, s->mq_index, &c))
		log_debug("session %u: doorbell lost", s->index);
}

void session_ring_tx(struct session *s)
{
	ring(s, WIRE_EV_IO_TX);
}

void session_ring_rx(struct session *s)
{
	ring(s, WIRE_EV_IO_RX);
}

/*
 * VPP's cut-through carries the wish to the header that the peer reads along
 * with a doorbell only (ABI.md 12.6), so that it comes late: who has emptied
 * the FIFO meanwhile is told by that doorbell, and answers it then
 * (session_give_room()), if it waits for anything.  If not, or if VPP asks the
 * peer once more and too late, we look again in a while (app_wait()).
 */
void session_want_room(struct session *s, uint32_t thresh)
{
	fifo_want_room(&s->tx, thresh);
	if (s->app->sapid)
		return;
	s->app->wanted_ms = app_now_ms();
	if (fifo_ring(&s->tx))
		session_ring_tx(s);
}

void session_give_room(struct session *s)
{
	if (!s->app->sapid && fifo_took(&s->rx, 0))
		session_ring_rx(s);
}

void session_break(struct session *s)
{
	log_warn("session %u: bad shared memory, connection dropped", s->index);
	atomic_fetch_or(&s->flags, SESSION_BROKEN);
}
