/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c - the messages of applications' queues
 *
 * DOC: The queue tells which application a message is from, and nothing else
 * in it is believed: a client_index must be of one of its workers, a handle
 * or index one of its own. VPP takes any (ABI.md trap 29). A message that does
 * not pass is answered with an error if it has an answer, else counted and
 * ignored; a queue that is itself broken ends the application.
 */
#include "daemon/dispatch.h"

#include <string.h>

#include "core/base/log.h"
#include "daemon/alloc.h"
#include "daemon/loop.h"
#include "daemon/match.h"
#include "daemon/post.h"
#include "daemon/session.h"
#include "daemon/worker.h"

#define ROUND 256 /* messages, before others get their turn */
#define MSS 65483 /* of the kernel's loopback */

enum attr { ATTR_MSS = 1, ATTR_FLAGS = 2, ATTR_EXT_ENDPT = 4 };

static void reject(struct app *app, const struct ctrl *c)
{
	sapid.count.rejects++;
	log_debug("rejected app=%s index=%u message=%s", app->name, app->index,
		  ctrl_name(c->type));
}

static void accepted_reply(struct app *app, const struct ctrl *c)
{
	struct session *s = session_of(app, c->accepted_reply.handle);

	if (!s || c->accepted_reply.context != app->index)
		reject(app, c);
	else
		session_accepted(s, c->accepted_reply.retval,
				 c->accepted_reply.app_session_index);
}

static void close_msg(struct app *app, const struct ctrl *c)
{
	struct session *s = session_of(app, c->close.handle);

	if (!s || !app_client(app, c->close.client_index))
		reject(app, c);
	else if (c->type == WIRE_EV_SHUTDOWN)
		session_shutdown(s);
	else
		session_close(s, c->type == WIRE_EV_TERMINATE);
}

static void close_reply(struct app *app, const struct ctrl *c)
{
	struct session *s = session_of(app, c->close_reply.handle);

	if (!s || !app_client(app, c->close_reply.context) ||
	    c->close_reply.retval)
		reject(app, c);
	else
		session_close(s, false);
}

static void worker_update(struct app *app, const struct ctrl *c)
{
	struct session *s = session_of(app, c->worker_update.handle);
	struct worker *to = app_worker(app, c->worker_update.wrk_index);
	struct ctrl out = { .type = WIRE_EV_WORKER_UPDATE_REPLY };

	if (!s || !to || s->state != SESSION_OPEN ||
	    !app_client(app, c->worker_update.client_index)) {
		reject(app, c);
		return;
	}
	if (c->worker_update.req_wrk_index != c->worker_update.wrk_index) {
		out.type = WIRE_EV_REQ_WORKER_UPDATE;
		out.req_worker_update.handle = s->handle;
		post(to, &out);
		return;
	}
	post_segment(to, s->pair->segment, s->side);
	out.worker_update_reply.handle = s->handle;
	out.worker_update_reply.rx_fifo = session_rx(s)->off;
	out.worker_update_reply.tx_fifo = session_tx(s)->off;
	out.worker_update_reply.segment_handle =
		segment_handle(s->pair->segment, to);
	post(to, &out);
	session_move(s, to);
}

static int get_attr(const struct session *s, uint8_t type, uint8_t value[32])
{
	const uint16_t mss = MSS;
	struct ctrl_addr ext;

	switch (type) {
	case ATTR_MSS:
		memcpy(value, &mss, sizeof(mss));
		return 0;
	case ATTR_FLAGS: /* no offload of any kind */
		return 0;
	case ATTR_EXT_ENDPT:
		addr_to_ctrl(&s->lcl, &ext);
		memcpy(value, ext.ip, sizeof(ext.ip));
		memcpy(value + 16, &ext.port, sizeof(ext.port));
		value[18] = ext.is_ip4;
		return 0;
	default:
		return WIRE_E_UNKNOWN;
	}
}

static void transport_attr(struct app *app, const struct ctrl *c)
{
	struct session *s = session_of(app, c->attr.handle);
	struct worker *w = app_client(app, c->attr.client_index);
	struct ctrl out = { .type = WIRE_EV_TRANSPORT_ATTR_REPLY };

	out.attr.handle = c->attr.handle;
	out.attr.is_get = c->attr.is_get;
	if (!w)
		out.attr.retval = WIRE_E_NOAPP;
	else if (!s)
		out.attr.retval = WIRE_E_NOSESSION;
	else if (!c->attr.is_get)
		out.attr.retval = WIRE_E_UNKNOWN;
	else
		out.attr.retval =
			get_attr(s, c->attr.attr_type, out.attr.attr_value);
	if (!out.attr.retval)
		out.attr.attr_type = c->attr.attr_type;
	post(match_answer_to(app, c->attr.client_index, WIRE_INVALID_INDEX),
	     &out);
}

static void wrk_rpc(struct app *app, const struct ctrl *c)
{
	struct worker *to = app_worker(app, c->wrk_rpc.wrk_index);
	struct ctrl out = { .type = WIRE_EV_APP_WRK_RPC };

	if (!to || !app_client(app, c->wrk_rpc.client_index)) {
		reject(app, c);
		return;
	}
	memcpy(out.wrk_rpc.data, c->wrk_rpc.data, sizeof(out.wrk_rpc.data));
	post(to, &out);
}

static void detach(struct app *app, const struct ctrl *c)
{
	struct worker *w = app_client(app, c->detach.client_index);

	if (w)
		worker_doom(w, NULL);
	else
		reject(app, c);
}

/* Addresses as text, and streams within a connection: nobody here has them,
 * but whoever asks gets an answer. */
static void unsupported(struct app *app, const struct ctrl *c)
{
	uint32_t client = c->type == WIRE_EV_CONNECT_STREAM
				  ? c->connect.client_index
				  : c->uri.client_index;
	uint32_t context = c->type == WIRE_EV_CONNECT_STREAM
				   ? c->connect.context
				   : c->uri.context;
	struct ctrl out = { .type = WIRE_EV_CONNECTED };

	if (c->type == WIRE_EV_LISTEN_URI) {
		out.type = WIRE_EV_BOUND;
		out.bound.context = context;
		out.bound.retval = WIRE_E_NOSUPPORT;
	} else {
		out.connected.context = context;
		out.connected.retval = WIRE_E_NOSUPPORT;
	}
	post(match_answer_to(app, client, WIRE_INVALID_INDEX), &out);
}

static void dispatch(struct app *app, const struct ctrl *c)
{
	switch (c->type) {
	case WIRE_EV_IO_RX:
	case WIRE_EV_IO_TX:
	case WIRE_EV_IO_TX_FLUSH:
	case WIRE_EV_IO_TX_MAIN:
		session_io(app, c->type, c->io.session_index);
		break;
	case WIRE_EV_LISTEN:
		match_listen(app, c);
		break;
	case WIRE_EV_UNLISTEN:
		match_unlisten(app, c);
		break;
	case WIRE_EV_CONNECT:
		match_connect(app, c);
		break;
	case WIRE_EV_ACCEPTED_REPLY:
		accepted_reply(app, c);
		break;
	case WIRE_EV_SHUTDOWN:
	case WIRE_EV_DISCONNECT:
	case WIRE_EV_TERMINATE:
		close_msg(app, c);
		break;
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		close_reply(app, c);
		break;
	case WIRE_EV_WORKER_UPDATE:
		worker_update(app, c);
		break;
	case WIRE_EV_TRANSPORT_ATTR:
		transport_attr(app, c);
		break;
	case WIRE_EV_APP_WRK_RPC:
		wrk_rpc(app, c);
		break;
	case WIRE_EV_APP_DETACH:
		detach(app, c);
		break;
	case WIRE_EV_CONNECT_URI:
	case WIRE_EV_LISTEN_URI:
	case WIRE_EV_CONNECT_STREAM:
		unsupported(app, c);
		break;
	default: /* the server's own: an application may not send them */
		reject(app, c);
	}
}

static void doom_app(struct app *app, const char *why)
{
	unsigned i;

	for (i = 0; i < MAX_WORKERS; i++)
		if (app->workers[i])
			worker_doom(app->workers[i], why);
}

static bool is_doomed(const struct app *app)
{
	unsigned i;

	for (i = 0; i < MAX_WORKERS; i++)
		if (app->workers[i] && !app->workers[i]->conn->doomed)
			return false;
	return true;
}

/* True if the queue may hold more. */
static bool drain(struct app *app)
{
	struct mq_msg msg;
	struct ctrl c;
	int i, ret;

	for (i = 0; i < ROUND; i++) {
		if (is_doomed(app))
			return false;
		ret = mq_recv(&app->mq, &msg);
		if (ret == 0)
			return false;
		if (ret < 0) {
			doom_app(app, "broke its queue");
			return false;
		}
		sapid.count.messages++;
		if (ctrl_decode(app->ns->conf.dialect, msg.data, msg.len, &c))
			sapid.count.rejects++;
		else
			dispatch(app, &c);
	}
	return true;
}

/** dispatch_run() - A round for every application that has messages */
bool dispatch_run(void)
{
	struct app *app, *tmp;

	list_each_safe (app, tmp, &sapid.ready, struct app, on_ready)
		if (!drain(app))
			list_del(&app->on_ready);
	return !list_empty(&sapid.ready);
}

/* The eventfd is reset before the queue is looked at, and the queue is looked
 * at until it is empty, or the last message would wait for the next. */
static void app_event(uint32_t index, uint32_t events)
{
	struct app *app = sapid.apps[index];

	(void)events;
	mq_reset_event(&app->mq);
	if (list_empty(&app->on_ready))
		list_add(&sapid.ready, &app->on_ready);
}

/** dispatch_init() - Before the first application */
void dispatch_init(void)
{
	loop_handle(LOOP_APP, app_event);
}
