/* SPDX-License-Identifier: Apache-2.0 */
/* replay_said.h - a recorded VPP's messages, said to our client again */
/*
 * DOC: For replay_client.c alone: whose a recorded message is, and what our
 * client's sessions must be after each that VPP sent.
 */
#ifndef TESTS_REPLAY_SAID_H
#define TESTS_REPLAY_SAID_H

#include "tests/unit/played.h"
#include "tests/unit/replay.h"

#define MAX_SESSIONS 16
#define MAX_SEGMENTS 8
#define SEGMENT_BYTES (4u << 20)
#define FIFO_BYTES 65536

struct mine {
	struct session *s;
	uint64_t recorded; /* VPP's handle */
	uint32_t index;	   /* VCL's */
	bool listens, freed;
	struct fifo rx, tx; /* VPP's view: it fills rx */
	struct mq_msg
		reply; /* to ACCEPTED: comes at once, VCL's with accept() */
};

static struct played p;
static struct app *app;
static struct replay cap;
static struct replay_line *line, *crossed;
static struct mine mine[MAX_SESSIONS];
static const char *me; /* in the capture */
static unsigned n_mine, n_said, n_compared;
static struct {
	struct seg seg;
	uint64_t handle;
} segs[MAX_SEGMENTS];
static unsigned n_segs;
static uint32_t my_app, my_handle; /* as recorded, and ours */

#define MUST_BE(cond) REPLAY_CHECK(&cap, line, cond)

/* --- whose a message is --- */

/* A probe's process has one queue at a time: its first is the one. */
static bool is_my_probe(const struct replay_line *l)
{
	const struct replay_line *at;
	unsigned others = 0;

	if (strcmp(l->m.channel, "app-mq") || strcmp(l->m.who, me))
		return false;
	for (at = cap.line; at < l; at++) {
		if (strcmp(at->m.who, me))
			continue;
		others += replay_is(at, "ATTACH_REPLY");
		others -= !strcmp(at->note, "close attach socket");
	}
	return others == 1;
}

static bool is_my_queue(const struct replay_line *l)
{
	uint32_t a, w;

	if (!l->m.to_app || !replay_on_queue(l))
		return false;
	if (replay_snooped(&cap, l->m.channel, &a, &w))
		return a == my_app && w == 0;
	return is_my_probe(l);
}

/* Who was given this handle: the last before the line, else the next. */
static bool is_my_handle(const struct replay_line *at, uint64_t handle,
			 uint64_t mask)
{
	const struct replay_line *l, *found = NULL;
	struct ctrl c;
	uint64_t h;

	for (l = cap.line; l < cap.line + cap.n && !(found && l > at); l++) {
		if (!l->m.to_app ||
		    !(replay_is(l, "ACCEPTED") || replay_is(l, "CONNECTED")))
			continue;
		replay_ctrl(l, &c);
		h = c.type == WIRE_EV_ACCEPTED ? c.accepted.handle
					       : c.connected.handle;
		if (!((h ^ handle) & mask))
			found = l;
	}
	return found && is_my_queue(found);
}

static bool is_mine(const struct replay_line *l, const struct ctrl *c)
{
	switch (c->type) {
	case WIRE_EV_IO_RX:
	case WIRE_EV_IO_TX:
	case WIRE_EV_IO_TX_FLUSH:
		return is_my_handle(l, c->io.session_index, UINT32_MAX);
	case WIRE_EV_ACCEPTED_REPLY:
		return c->accepted_reply.context == my_app &&
		       is_my_handle(l, c->accepted_reply.handle, UINT64_MAX);
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		return c->close_reply.context == my_handle;
	case WIRE_EV_LISTEN:
		return c->listen.client_index == my_handle;
	case WIRE_EV_UNLISTEN:
		return c->unlisten.client_index == my_handle;
	case WIRE_EV_CONNECT:
		return c->connect.client_index == my_handle;
	case WIRE_EV_APP_DETACH:
		return c->detach.client_index == my_handle;
	case WIRE_EV_TRANSPORT_ATTR:
		return c->attr.client_index == my_handle;
	default:
		return c->close.client_index == my_handle;
	}
}

static struct mine *by_handle(uint64_t handle, uint64_t mask)
{
	unsigned i;

	for (i = n_mine; i-- > 0;)
		if (!mine[i].freed && !((mine[i].recorded ^ handle) & mask))
			return &mine[i];
	return NULL;
}

/* By VCL's name. */
static struct mine *by_index(uint32_t index)
{
	unsigned i;

	for (i = n_mine; i-- > 0;)
		if (!mine[i].freed && !mine[i].listens &&
		    mine[i].index == index)
			return &mine[i];
	return NULL;
}

static struct mine *new_mine(struct session *s)
{
	struct mine *m = &mine[n_mine++];

	MUST_BE(n_mine <= MAX_SESSIONS);
	memset(m, 0, sizeof(*m));
	m->s = s;
	m->recorded = WIRE_INVALID_HANDLE;
	return m;
}

/* --- what VPP said --- */

static struct seg *segment(uint64_t handle)
{
	unsigned i;

	for (i = n_segs; i-- > 0;)
		if (segs[i].handle == handle)
			return &segs[i].seg;
	MUST_BE(false && "a segment that was announced");
	return NULL;
}

static void add_segment(const struct ctrl *c)
{
	struct wire_sapi m = { .type = WIRE_SAPI_SEND_FDS };
	struct seg *seg = &segs[n_segs].seg;

	MUST_BE(n_segs < MAX_SEGMENTS);
	segs[n_segs++].handle = c->add_segment.segment_handle;
	MUST_BE(!seg_create(seg, "played-data", SEGMENT_BYTES));
	played_send(p.conn, &m, sizeof(m), &seg->map.fd, 1);
	played_say(&p, app, c);
	MUST_BE(app_seg(app, c->add_segment.segment_handle));
}

static void new_fifo(uint64_t handle, struct fifo *f, uint64_t *off)
{
	MUST_BE(!seg_fifo_create(segment(handle), 0, FIFO_BYTES, off));
	MUST_BE(!fifo_attach(f, segment(handle), *off, WIRE_2606));
}

/* By the program of the capture, further down. */
static bool will_be_refused(uint64_t handle)
{
	struct replay_line *l;
	struct ctrl c;

	for (l = line; l < cap.line + cap.n; l++) {
		if (l->m.to_app || !replay_is(l, "ACCEPTED_REPLY"))
			continue;
		replay_ctrl(l, &c);
		if (c.accepted_reply.handle == handle)
			return c.accepted_reply.retval;
	}
	return false;
}

static void say_accepted(struct ctrl *c)
{
	struct mine *l = by_handle(c->accepted.listener_handle, UINT64_MAX);
	struct mine *m;
	bool refused;

	MUST_BE(l && l->listens && c->accepted.context == my_app);
	m = new_mine(NULL);
	m->recorded = c->accepted.handle;
	new_fifo(c->accepted.segment_handle, &m->rx, &c->accepted.rx_fifo);
	new_fifo(c->accepted.segment_handle, &m->tx, &c->accepted.tx_fifo);
	/* what we take is answered at once: we refuse when nobody listens */
	refused = will_be_refused(m->recorded);
	if (refused)
		c->accepted.listener_handle = WIRE_INVALID_HANDLE;
	played_say(&p, app, c);
	m->s = refused ? app->free : session_pop(l->s);
	MUST_BE(m->s);
	MUST_BE(m->s->state == (refused ? SESSION_FREE : SESSION_PENDING));
	MUST_BE(mq_recv(&p.in, &m->reply) == 1 && played_quiet(&p));
}

/* A cut-through: data in the server's FIFOs, signals in the client's own. */
static void say_connected(struct ctrl *c)
{
	struct mine *m = by_index(c->connected.context);
	struct fifo own[2];

	MUST_BE(m);
	if (c->connected.retval) {
		c->connected.context = m->s->index;
		played_say(&p, app, c);
		MUST_BE(m->s->state == SESSION_FAILED &&
			m->s->retval == c->connected.retval);
		session_close(m->s, false);
		MUST_BE(m->s->state == SESSION_FREE);
		m->freed = true;
		return;
	}
	m->recorded = c->connected.handle;
	new_fifo(c->connected.segment_handle, &own[0], &c->connected.rx_fifo);
	new_fifo(c->connected.segment_handle, &own[1], &c->connected.tx_fifo);
	m->rx = own[0];
	m->tx = own[1];
	if (c->connected.ct_rx_fifo) {
		new_fifo(c->connected.ct_segment_handle, &m->rx,
			 &c->connected.ct_rx_fifo);
		new_fifo(c->connected.ct_segment_handle, &m->tx,
			 &c->connected.ct_tx_fifo);
	}
	c->connected.context = m->s->index;
	played_say(&p, app, c);
	MUST_BE(m->s->state == SESSION_OPEN &&
		m->s->handle == c->connected.handle);
}

static void say_bound(struct ctrl *c)
{
	unsigned i;

	for (i = n_mine; i-- > 0;)
		if (mine[i].listens && mine[i].index == c->bound.context)
			break;
	MUST_BE(i < n_mine);
	mine[i].recorded = c->bound.handle;
	c->bound.context = mine[i].s->index;
	played_say(&p, app, c);
	MUST_BE(mine[i].s->state == SESSION_LISTENING);
}

static void say_end(const struct ctrl *c)
{
	struct mine *m = by_handle(c->close.handle, UINT64_MAX);
	unsigned flags =
		c->type == WIRE_EV_RESET ? SESSION_RESET : SESSION_PEER_SHUT;

	MUST_BE(m && !(m->s->flags & flags));
	played_say(&p, app, c);
	MUST_BE(m->s->flags & flags);
}

static void say_cleanup(const struct ctrl *c)
{
	struct mine *m = by_handle(c->cleanup.handle, UINT64_MAX);

	MUST_BE(m && m->s->state == SESSION_CLOSING);
	played_say(&p, app, c);
	if (!c->cleanup.type)
		return;
	MUST_BE(m->s->state == SESSION_FREE);
	m->freed = true;
}

static void say_unlistened(const struct ctrl *c)
{
	struct mine *m = by_handle(c->unlisten_reply.handle, UINT64_MAX);

	MUST_BE(m && m->listens && m->s->state == SESSION_CLOSING);
	played_say(&p, app, c);
	MUST_BE(m->s->state == SESSION_FREE);
	m->freed = true;
}

/* It reads what is there, if it has not closed. */
static void say_io(struct ctrl *c)
{
	struct mine *m = by_index(c->io.session_index);
	char buf[64];

	MUST_BE(m && c->type == WIRE_EV_IO_RX);
	c->io.session_index = m->s->index;
	if (m->s->state == SESSION_OPEN)
		MUST_BE(fifo_put(&m->rx, "recorded", 8) == 8);
	played_say(&p, app, c);
	if (m->s->state != SESSION_OPEN)
		return;
	MUST_BE(fifo_take(&m->s->rx, buf, sizeof(buf)) == 8);
	MUST_BE(!memcmp(buf, "recorded", 8) && !fifo_took(&m->s->rx, 8));
	MUST_BE(!fifo_arm(&m->s->rx));
}

/* VPP said it, but the process closed before it had looked. */
static bool has_crossed(const struct replay_line *at, const struct ctrl *end)
{
	const struct replay_line *l;
	struct ctrl c;

	for (l = at + 1; l < cap.line + cap.n; l++) {
		if (l->m.to_app || !replay_is(l, "DISCONNECT"))
			continue;
		replay_ctrl(l, &c);
		if (c.close.client_index == my_handle &&
		    c.close.handle == end->close.handle)
			return true;
	}
	return false;
}

static void said(struct replay_line *l)
{
	struct ctrl c;

	if (l->done)
		return;
	l->done = true;
	line = l;
	n_said++;
	replay_ctrl(l, &c);
	switch (c.type) {
	case WIRE_EV_APP_ADD_SEGMENT:
		add_segment(&c);
		break;
	case WIRE_EV_APP_DEL_SEGMENT:
		played_say(&p, app, &c);
		MUST_BE(!app_seg(app, c.del_segment.segment_handle));
		break;
	case WIRE_EV_BOUND:
		say_bound(&c);
		break;
	case WIRE_EV_ACCEPTED:
		say_accepted(&c);
		break;
	case WIRE_EV_CONNECTED:
		say_connected(&c);
		break;
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		if (has_crossed(l, &c))
			crossed = l;
		else
			say_end(&c);
		break;
	case WIRE_EV_CLEANUP:
		say_cleanup(&c);
		break;
	case WIRE_EV_UNLISTEN_REPLY:
		say_unlistened(&c);
		break;
	case WIRE_EV_IO_RX:
		say_io(&c);
		break;
	default: /* of a question that we did not ask */
		MUST_BE(c.type == WIRE_EV_TRANSPORT_ATTR_REPLY);
		n_said--;
	}
}

/* The snooper saw an answer before what it answers. */
static struct mine *known(uint64_t handle, uint64_t mask)
{
	struct replay_line *at = line, *l;
	struct mine *m;

	for (l = line; !(m = by_handle(handle, mask)); l++) {
		line = at;
		MUST_BE(l < cap.line + cap.n);
		if (is_my_queue(l))
			said(l);
	}
	line = at;
	return m;
}

#endif /* TESTS_REPLAY_SAID_H */
