/* SPDX-License-Identifier: Apache-2.0 */
/* match.c - LISTEN, UNLISTEN, CONNECT: who listens, who connects to whom */
#include "daemon/match.h"

#include <arpa/inet.h>

#include "core/base/log.h"
#include "daemon/alloc.h"
#include "daemon/listener.h"
#include "daemon/ns.h"
#include "daemon/post.h"
#include "daemon/session.h"
#include "daemon/slot.h"
#include "daemon/worker.h"

/**
 * match_answer_to() - Somebody to send an error to
 * @app:		who asked
 * @client_index:	as it said, unchecked
 * @wrk_index:		as it said, unchecked
 *
 * Return: a worker; an application has at least one
 */
struct worker *match_answer_to(struct app *app, uint32_t client_index,
			       uint32_t wrk_index)
{
	struct worker *w = app_worker(app, wrk_index);
	unsigned i;

	if (!w)
		w = app_client(app, client_index);
	for (i = 0; !w && i < MAX_WORKERS; i++)
		w = app->workers[i];
	return w;
}

/* What the session layer here can't do at all; 0 for what it can. */
static int check_proto(uint8_t proto)
{
	switch (proto) {
	case WIRE_PROTO_TCP:
		return 0;
	case WIRE_PROTO_TLS:
	case WIRE_PROTO_QUIC:
	case WIRE_PROTO_DTLS:
		return WIRE_E_NOEXTCFG;
	default:
		return WIRE_E_TRANSPORT_NO_REG;
	}
}

static int check_client(const struct app *app, uint32_t client_index,
			uint32_t wrk_index)
{
	if (!app_client(app, client_index))
		return WIRE_E_NOAPP;
	if (!app_worker(app, wrk_index))
		return WIRE_E_INVALID_APPWRK;
	return 0;
}

static int listen_at(struct app *app, const struct ctrl *c, struct endpoint *e,
		     struct listener **l)
{
	int ret;

	ret = check_client(app, c->listen.client_index, c->listen.wrk_index);
	if (!ret)
		ret = check_proto(c->listen.proto);
	if (ret)
		return ret;
	addr_set(&e->addr, c->listen.ip, c->listen.is_ip4, c->listen.port);
	e->netns = app->netns;
	e->v6only = app->ext && c->listen.flags & WIRE_LISTEN_V6ONLY;
	e->reuseport = app->ext && c->listen.flags & WIRE_LISTEN_REUSEPORT;
	if (!e->addr.port)
		e->addr.port = listener_port(app->ns, e);
	if (!e->addr.port)
		return WIRE_E_NOPORT;
	return listener_join(app_worker(app, c->listen.wrk_index), e, l);
}

/** match_listen() - LISTEN */
void match_listen(struct app *app, const struct ctrl *c)
{
	struct ctrl reply = { .type = WIRE_EV_BOUND };
	struct listener *l = NULL;
	struct endpoint e = { 0 };
	char text[ADDR_TEXT];

	reply.bound.context = c->listen.context;
	reply.bound.retval = listen_at(app, c, &e, &l);
	if (l && !reply.bound.retval) {
		reply.bound.handle = l->handle;
		addr_to_ctrl(&l->addr, &reply.bound.lcl);
		reply.bound.vpp_evt_q = app->mq_off;
		log_debug("listen app=%s addr=%s", app->name,
			  addr_text(&l->addr, text));
	}
	post(match_answer_to(app, c->listen.client_index, c->listen.wrk_index),
	     &reply);
}

static int unlisten(struct app *app, const struct ctrl *c)
{
	struct listener *l = slot_get(c->unlisten.handle, SLOT_LISTENER);
	struct worker *w;
	int ret;

	ret = check_client(app, c->unlisten.client_index,
			   c->unlisten.wrk_index);
	if (ret)
		return ret;
	if (!l)
		return WIRE_E_NOLISTEN;
	if (l->app != app)
		return WIRE_E_OWNER;
	w = app_worker(app, c->unlisten.wrk_index);
	if (app->ext && c->unlisten.context == WIRE_UNLISTEN_RELIEVE)
		return listener_relieve(l, w);
	listener_leave(l, w);
	return 0;
}

/**
 * match_unlisten() - UNLISTEN
 *
 * The answer comes behind what the worker was offered and others have got
 * instead, and before whatever it will be offered from now on.
 */
void match_unlisten(struct app *app, const struct ctrl *c)
{
	struct ctrl reply = { .type = WIRE_EV_UNLISTEN_REPLY };

	reply.unlisten_reply.context = c->unlisten.context;
	reply.unlisten_reply.handle = c->unlisten.handle;
	reply.unlisten_reply.retval = unlisten(app, c);
	post(match_answer_to(app, c->unlisten.client_index,
			     c->unlisten.wrk_index),
	     &reply);
}

/** match_leave_all() - A worker that is gone listens nowhere */
void match_leave_all(struct worker *w)
{
	struct listener *l, *tmp;

	list_each_safe (l, tmp, &w->app->listeners, struct listener, on_app)
		listener_leave(l, w);
}

/* The addresses as the client will see them. The kernel's client end of a
 * connection to an own address has that address too. */
static int plan_addrs(const struct ctrl *c, struct session_plan *plan)
{
	addr_set(&plan->rmt, c->connect.ip, c->connect.is_ip4, c->connect.port);
	if (!plan->rmt.port)
		return WIRE_E_NOROUTE;
	if (addr_is_any(&plan->rmt))
		addr_set_loopback(&plan->rmt); /* as Linux does */
	addr_set(&plan->lcl, c->connect.lcl_ip, plan->rmt.is_ip4,
		 c->connect.lcl_port);
	if (addr_is_any(&plan->lcl)) {
		plan->lcl = plan->rmt;
		plan->lcl.port = c->connect.lcl_port;
	}
	return 0;
}

/* Wildcards count for what the client could reach as this host. Of another
 * network namespace we only know its loopback. */
static bool is_local(const struct app *client, const struct addr *to)
{
	if (addr_is_loopback(to))
		return true;
	return client->netns == sapid.netns && listener_any(client, to) &&
	       addr_is_host(to);
}

static int connect_to(struct app *app, const struct ctrl *c,
		      struct session *ends[2])
{
	struct session_plan plan = { .app_index = c->connect.context };
	struct listener *l;
	struct worker *w;
	int ret;

	ret = check_client(app, c->connect.client_index, c->connect.wrk_index);
	if (!ret)
		ret = check_proto(c->connect.proto);
	if (!ret)
		ret = plan_addrs(c, &plan);
	if (!ret)
		ret = listener_find(app, &plan.rmt, is_local(app, &plan.rmt),
				    &l, &w);
	if (!ret && app->n_sessions >= app->ns->conf.limits.sessions)
		ret = WIRE_E_REFUSED;
	if (ret)
		return ret;
	plan.app[SIDE_SERVER] = l->app;
	plan.app[SIDE_CLIENT] = app;
	plan.worker = app_worker(app, c->connect.wrk_index);
	if (!plan.lcl.port) {
		plan.port = ns_take_port(app->ns);
		if (!plan.port)
			return WIRE_E_NOPORT;
		plan.lcl.port = htons(plan.port);
	}
	ret = session_open(&plan, ends);
	if (ret && plan.port)
		ns_put_port(app->ns, plan.port);
	if (!ret)
		session_offer(ends[SIDE_SERVER], l, w);
	return ret;
}

/** match_connect() - CONNECT */
void match_connect(struct app *app, const struct ctrl *c)
{
	struct ctrl reply = { .type = WIRE_EV_CONNECTED };
	struct session *ends[2];

	reply.connected.context = c->connect.context;
	reply.connected.retval = connect_to(app, c, ends);
	if (!reply.connected.retval)
		session_connect(ends[SIDE_CLIENT]);
	else
		post(match_answer_to(app, c->connect.client_index,
				     c->connect.wrk_index),
		     &reply);
}
