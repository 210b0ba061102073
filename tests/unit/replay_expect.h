/* SPDX-License-Identifier: Apache-2.0 */
/* replay_expect.h - what sapid says in a replay, beside what VPP said */
#ifndef TESTS_REPLAY_EXPECT_H
#define TESTS_REPLAY_EXPECT_H

#include "tests/unit/replay_rules.h"

/* --- what sapid says --- */

static void pair_up(struct end *e)
{
	unsigned i;

	for (i = 0; i < n_ends; i++) {
		if (&ends[i] == e || ends[i].port != e->port ||
		    ends[i].server == e->server || ends[i].other)
			continue;
		e->other = &ends[i];
		ends[i].other = e;
	}
}

/* Its FIFOs are where it says, in a segment that was announced. */
static void new_end(struct peer *p, const struct ctrl *c)
{
	bool server = c->type == WIRE_EV_ACCEPTED;
	uint64_t segment = server ? c->accepted.segment_handle
				  : c->connected.segment_handle;
	uint64_t rx = server ? c->accepted.rx_fifo : c->connected.rx_fifo;
	uint64_t tx = server ? c->accepted.tx_fifo : c->connected.tx_fifo;
	struct seg *seg = raw_segment(&p->raw, segment);
	struct end *e = &ends[n_ends++];

	MUST_BE(n_ends <= MAX_ENDS && seg);
	e->owner = p;
	e->server = server;
	e->handle = server ? c->accepted.handle : c->connected.handle;
	e->port = server ? c->accepted.rmt.port : c->connected.lcl.port;
	e->listener = server ? c->accepted.listener_handle : 0;
	e->index = server ? 0 : c->connected.context;
	e->indexed = !server;
	MUST_BE(!fifo_attach(&e->rx, seg, rx, WIRE_2606));
	MUST_BE(!fifo_attach(&e->tx, seg, tx, WIRE_2606));
	pair_up(e);
}

/* A doorbell is of a session that its worker has, and means something. */
static void heard(struct peer *p, const struct ctrl *c)
{
	struct end *e = NULL;
	unsigned i;

	MUST_BE(c->type == WIRE_EV_IO_RX || c->type == WIRE_EV_IO_TX);
	for (i = n_ends; i-- > 0 && !e;)
		if (ends[i].owner == p && ends[i].indexed &&
		    ends[i].index == c->io.session_index)
			e = &ends[i];
	MUST_BE(e);
	e->io[c->type].heard++;
	MUST_BE(c->type == WIRE_EV_IO_TX || e->closed || fifo_used(&e->rx) > 0);
}

/* Of its end an application is told once, and no more after CLEANUP 1. */
static void told(struct peer *p, const struct ctrl *c)
{
	struct end *e;

	if (c->type != WIRE_EV_CLEANUP && c->type != WIRE_EV_DISCONNECTED &&
	    c->type != WIRE_EV_RESET)
		return;
	e = end_ours(p, c->type == WIRE_EV_CLEANUP ? c->cleanup.handle
						   : c->close.handle);
	MUST_BE(e && !e->cleanups[1]);
	if (c->type == WIRE_EV_CLEANUP)
		MUST_BE(c->cleanup.type < 2 &&
			!e->cleanups[c->cleanup.type]++ && e->cleanups[0]);
	else
		MUST_BE(!(c->type == WIRE_EV_RESET ? e->resets++ : e->ends++));
}

static void pump(struct peer *p)
{
	struct ctrl c;

	while (raw_recv(&p->raw, &c, 0)) {
		if (c.type < WIRE_EV_FIRST_CTRL) {
			heard(p, &c);
			continue;
		}
		MUST_BE(p->n < MAX_PENDING);
		p->pending[p->n++] = c;
		told(p, &c);
		if (c.type == WIRE_EV_ACCEPTED ||
		    (c.type == WIRE_EV_CONNECTED && !c.connected.retval))
			new_end(p, &c);
	}
}

static void pump_all(void)
{
	unsigned i;

	for (i = 0; i < n_peers; i++)
		if (!peers[i].closed)
			pump(&peers[i]);
}

/* sapid has read all that this one has sent. */
static void settle(struct peer *p)
{
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	int tries;

	c.attr.client_index = p->raw.handle;
	c.attr.handle = WIRE_INVALID_HANDLE;
	c.attr.is_get = 1;
	raw_send(&p->raw, &c);
	for (tries = 0; tries < 50000; tries++) {
		pump(p);
		if (p->n &&
		    p->pending[p->n - 1].type == WIRE_EV_TRANSPORT_ATTR_REPLY &&
		    p->pending[p->n - 1].attr.handle == WIRE_INVALID_HANDLE)
			break;
		usleep(20);
	}
	MUST_BE(tries < 50000);
	p->n--;
	pump_all();
}

static void take_out(struct peer *p, unsigned i)
{
	memmove(&p->pending[i], &p->pending[i + 1],
		(--p->n - i) * sizeof(p->pending[0]));
}

/* Does the recording have it further down? */
static bool is_coming(const struct end *e, uint8_t type, uint8_t cleanup)
{
	struct replay_line *l;
	struct ctrl c;

	if (!e->named)
		return false;
	for (l = cap.line; l < cap.line + cap.n; l++) {
		if (l->done || !l->m.to_app || !replay_on_queue(l) ||
		    l->m.bytes[0] != type)
			continue;
		replay_ctrl(l, &c);
		if (peer_of(l) != e->owner)
			continue;
		if (type == WIRE_EV_CLEANUP ? c.cleanup.handle == e->recorded &&
						      c.cleanup.type == cleanup
					    : c.close.handle == e->recorded)
			return true;
	}
	return false;
}

enum place { WRONG, LATER, NOWHERE };

static enum place place_of_cleanup(struct peer *p, const struct ctrl *c)
{
	struct end *e = end_ours(p, c->cleanup.handle);

	MUST_BE(e);
	if (is_coming(e, c->type, c->cleanup.type))
		return WRONG;
	/* for who closed alone: VCL reads no more when it has one */
	if (!e->closed)
		return WRONG;
	by_rule(LAST_BREATH);
	return NOWHERE;
}

static enum place place_of_end(struct peer *p, const struct ctrl *c)
{
	struct end *e = end_ours(p, c->close.handle);

	MUST_BE(e && e->other);
	if (is_coming(e, c->type, 0)) {
		if (!e->other->owner->hung_up)
			return WRONG;
		by_rule(LEAVE_ORDER);
		return LATER;
	}
	if (c->type == WIRE_EV_DISCONNECTED && e->half)
		by_rule(HALF_CLOSE);
	else if (c->type == WIRE_EV_RESET && e->other->dropped)
		by_rule(BACKLOG);
	else if (c->type == WIRE_EV_DISCONNECTED && e->closed &&
		 e->other->closed)
		by_rule(CROSSED);
	else if (e->other->owner->hung_up)
		by_rule(LAST_BREATH);
	else
		return WRONG;
	return NOWHERE;
}

/* Its application left before the server had answered. */
static enum place place_of_early(struct peer *p, const struct ctrl *c)
{
	struct end *e = end_ours(p, c->connected.handle);

	if (!e->other || e->other->replied)
		return WRONG;
	by_rule(AT_ONCE);
	return NOWHERE;
}

/* Where has the recording what is not next in it? */
static enum place place_of(struct peer *p, const struct ctrl *c)
{
	switch (c->type) {
	case WIRE_EV_BOUND:
		return is_listed(c->type, c->bound.context, SILENT,
				 c->bound.retval)
			       ? NOWHERE
			       : WRONG;
	case WIRE_EV_CONNECTED:
		if (!c->connected.retval)
			return place_of_early(p, c);
		return is_listed(c->type, c->connected.context, SILENT,
				 c->connected.retval)
			       ? NOWHERE
			       : WRONG;
	case WIRE_EV_CLEANUP:
		return place_of_cleanup(p, c);
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		return place_of_end(p, c);
	default:
		return WRONG;
	}
}

static bool is_same(const struct ctrl *a, const struct ctrl *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case WIRE_EV_BOUND:
		return a->bound.context == b->bound.context;
	case WIRE_EV_UNLISTEN_REPLY:
		return a->unlisten_reply.handle == b->unlisten_reply.handle;
	case WIRE_EV_ACCEPTED:
		return a->accepted.listener_handle ==
		       b->accepted.listener_handle;
	case WIRE_EV_CONNECTED:
		return a->connected.context == b->connected.context;
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		return a->close.handle == b->close.handle;
	case WIRE_EV_CLEANUP:
		return a->cleanup.handle == b->cleanup.handle &&
		       a->cleanup.type == b->cleanup.type;
	default:
		return true;
	}
}

/* sapid's counterpart of a recorded message, which already has our names. */
static struct ctrl take(struct peer *p, const struct ctrl *rec)
{
	enum place place;
	struct ctrl got;
	unsigned i;

	pump(p);
	for (i = 0; i < p->n;) {
		if (is_same(rec, &p->pending[i])) {
			got = p->pending[i];
			take_out(p, i);
			return got;
		}
		place = place_of(p, &p->pending[i]);
		if (place == WRONG)
			printf("# sapid says %s\n",
			       ctrl_name(p->pending[i].type));
		MUST_BE(place != WRONG);
		if (place == NOWHERE)
			take_out(p, i);
		else
			i++;
	}
	MUST_BE(false && "said by sapid");
	return *rec;
}

/* Equal byte by byte, but for what is listed. */
static void compare(const struct peer *p, struct ctrl *rec,
		    const struct ctrl *got)
{
	uint8_t want[WIRE_CTRL_ELT], is[WIRE_CTRL_ELT];
	struct difference *f;
	ssize_t len;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(differences); i++) {
		f = &differences[i];
		if (f->type != got->type ||
		    !memcmp((char *)rec + f->off, (char *)got + f->off,
			    f->size))
			continue;
		if (f->ok && !f->ok(p, got))
			printf("# %s\n", f->name);
		MUST_BE(!f->ok || f->ok(p, got));
		memcpy((char *)rec + f->off, (char *)got + f->off, f->size);
		f->used++;
	}
	len = ctrl_encode(WIRE_2606, rec, want);
	MUST_BE(len > 0 && ctrl_encode(WIRE_2606, got, is) == len);
	for (i = 0; i < (size_t)len; i++)
		if (want[i] != is[i])
			printf("# byte %zu: %02x, recorded %02x\n", i, is[i],
			       want[i]);
	MUST_BE(!memcmp(want, is, (size_t)len));
	n_compared++;
}

static bool is_other_retval(uint8_t type, uint32_t context, int32_t rec,
			    int32_t got)
{
	return rec != got && is_listed(type, context, rec, got);
}

static void expect_bound(struct peer *p, struct ctrl *rec)
{
	struct ctrl got = take(p, rec);
	struct known_listener *l;

	if (is_other_retval(rec->type, rec->bound.context, rec->bound.retval,
			    got.bound.retval))
		return;
	replay_address(rec->bound.lcl.ip);
	if (!rec->bound.retval && !rec->bound.lcl.port) {
		by_rule(PORT_0);
		MUST_BE(ntohs(got.bound.lcl.port) >= 32768);
		rec->bound.lcl.port = got.bound.lcl.port;
	}
	if (!rec->bound.retval) {
		MUST_BE(n_listeners < MAX_LISTENERS);
		l = &listeners[n_listeners++];
		l->recorded = rec->bound.handle;
		l->handle = got.bound.handle;
		l->app = p->app;
		l->port = got.bound.lcl.port;
		rec->bound.handle = got.bound.handle;
	}
	compare(p, rec, &got);
}

static void expect_accepted(struct peer *p, struct ctrl *rec)
{
	struct known_listener *l =
		listener_named(rec->accepted.listener_handle);
	struct ctrl got;
	struct end *e;

	MUST_BE(l && rec->accepted.context == p->app);
	rec->accepted.listener_handle = l->handle;
	rec->accepted.context = p->raw.app_index;
	got = take(p, rec);
	e = end_ours(p, got.accepted.handle);
	e->recorded = rec->accepted.handle;
	e->named = true;
	rec->accepted.handle = got.accepted.handle;
	compare(p, rec, &got);
}

static void expect_end(struct peer *p, struct ctrl *rec);

/* It was connected; now it must end, and its application agrees. */
static void expect_refused(struct peer *p, const struct ctrl *got)
{
	struct ctrl c = { .type = WIRE_EV_DISCONNECTED };
	struct end *e = end_ours(p, got->connected.handle);

	by_rule(AT_ONCE);
	if (e->other && e->other->dropped) {
		by_rule(BACKLOG);
		c.type = WIRE_EV_RESET;
	}
	c.close.handle = e->handle;
	take(p, &c);
	raw_end_reply(&p->raw,
		      c.type == WIRE_EV_RESET ? WIRE_EV_RESET_REPLY
					      : WIRE_EV_DISCONNECTED_REPLY,
		      e->handle);
	settle(p);
	e->closed = e->gone = true;
	c = (struct ctrl){ .type = WIRE_EV_CLEANUP };
	c.cleanup.handle = e->handle;
	take(p, &c);
	c.cleanup.type = 1;
	take(p, &c);
}

static void expect_connected(struct peer *p, struct ctrl *rec)
{
	struct ctrl got = take(p, rec);
	struct end *e;

	if (rec->connected.retval == WIRE_E_REFUSED && !got.connected.retval) {
		expect_refused(p, &got);
		return;
	}
	if (is_other_retval(rec->type, rec->connected.context,
			    rec->connected.retval, got.connected.retval))
		return;
	if (!rec->connected.retval && !got.connected.retval) {
		e = end_ours(p, got.connected.handle);
		e->recorded = rec->connected.handle;
		e->named = true;
		rec->connected.handle = got.connected.handle;
	}
	compare(p, rec, &got);
}

static void expect_end(struct peer *p, struct ctrl *rec)
{
	struct end *e = end_named(rec->close.handle);
	struct ctrl got;

	MUST_BE(e && rec->close.context == p->handle);
	if (e->dropped) {
		by_rule(BACKLOG);
		return;
	}
	rec->close.context = p->raw.handle;
	rec->close.handle = e->handle;
	got = take(p, rec);
	compare(p, rec, &got);
}

static void expect_cleanup(struct peer *p, struct ctrl *rec)
{
	struct end *e = end_named(rec->cleanup.handle);
	struct ctrl got;

	MUST_BE(e);
	if (rec->cleanup.type)
		e->gone = true;
	if (e->dropped) {
		by_rule(BACKLOG);
		return;
	}
	rec->cleanup.handle = e->handle;
	got = take(p, rec);
	compare(p, rec, &got);
}

/* A recorded doorbell: compared at the end. */
static void expect_io(struct peer *p, const struct ctrl *rec)
{
	unsigned i;

	for (i = n_ends; i-- > 0;) {
		if (ends[i].owner != p || !ends[i].named || !ends[i].indexed ||
		    ends[i].index != rec->io.session_index)
			continue;
		ends[i].io[rec->type].recorded++;
		n_compared++;
		return;
	}
	MUST_BE(false && "a session that is known");
}

static void expect_other(struct peer *p, struct ctrl *rec)
{
	struct end *e;
	struct ctrl got;

	if (rec->type == WIRE_EV_UNLISTEN_REPLY) {
		rec->unlisten_reply.handle =
			listener_name(rec->unlisten_reply.handle);
	} else if (rec->type == WIRE_EV_TRANSPORT_ATTR_REPLY) {
		e = end_named(rec->attr.handle);
		MUST_BE(e);
		rec->attr.handle = e->handle;
	} else {
		MUST_BE(rec->type == WIRE_EV_APP_WRK_RPC);
	}
	got = take(p, rec);
	if (rec->type == WIRE_EV_TRANSPORT_ATTR_REPLY &&
	    is_other_retval(rec->type, 0, rec->attr.retval, got.attr.retval))
		return;
	compare(p, rec, &got);
}

static void expect(struct replay_line *l)
{
	struct peer *p = peer_of(l);
	struct ctrl rec;

	if (l->done)
		return;
	l->done = true;
	line = l;
	MUST_BE(p);
	replay_ctrl(l, &rec);
	switch (rec.type) {
	case WIRE_EV_IO_RX:
	case WIRE_EV_IO_TX:
		expect_io(p, &rec);
		break;
	case WIRE_EV_BOUND:
		expect_bound(p, &rec);
		break;
	case WIRE_EV_ACCEPTED:
		expect_accepted(p, &rec);
		break;
	case WIRE_EV_CONNECTED:
		expect_connected(p, &rec);
		break;
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		expect_end(p, &rec);
		break;
	case WIRE_EV_CLEANUP:
		expect_cleanup(p, &rec);
		break;
	case WIRE_EV_APP_ADD_SEGMENT: /* new_end() needs its own */
	case WIRE_EV_APP_DEL_SEGMENT:
		break;
	default:
		expect_other(p, &rec);
	}
}

/* The snooper saw the answer before what it answers: read on in that queue. */
static struct end *catch_up(uint64_t recorded, uint64_t mask)
{
	struct replay_line *at = line, *l, *end = cap.line + cap.n;
	struct replay_line *first;
	struct peer *p;
	uint64_t name;
	struct ctrl c;

	for (l = at; l < end; l++) {
		if (l->done || !l->m.to_app ||
		    !(replay_is(l, "ACCEPTED") || replay_is(l, "CONNECTED")))
			continue;
		replay_ctrl(l, &c);
		name = c.type == WIRE_EV_ACCEPTED ? c.accepted.handle
						  : c.connected.handle;
		if (!((name ^ recorded) & mask))
			break;
	}
	MUST_BE(l < end);
	p = peer_of(l);
	for (first = at; first <= l; first++)
		if (first->m.to_app && replay_on_queue(first) &&
		    peer_of(first) == p)
			expect(first);
	line = at;
	return end_masked(recorded, mask);
}

/* Who was rung for must hear of it, and nobody else; what one left behind may
 * ring once more. */
static void check_doorbells(void)
{
	unsigned i, j;

	for (i = 0; i < n_ends; i++)
		for (j = 0; j < 2; j++) {
			MUST_BE(ends[i].io[j].heard <= ends[i].io[j].rung + 1);
			MUST_BE(!ends[i].io[j].rung || ends[i].io[j].heard);
			MUST_BE(!ends[i].io[j].recorded ||
				ends[i].io[j].heard || ends[i].dropped);
		}
}

#endif /* TESTS_REPLAY_EXPECT_H */
