/* SPDX-License-Identifier: Apache-2.0 */
/* replay_daemon.c - what applications said to a real VPP, said to sapid */
/*
 * DOC: the same conversation with another partner
 *
 * Each capture below is played to a fresh sapid, line by line: what the
 * recorded applications sent is sent as its recorded bytes, over a socket and
 * a queue for each recorded worker, with only its names replaced (handles,
 * indices, VPP's address).  Whatever VPP then told which worker, sapid must
 * have told it too, in the order of that worker's queue: the message is
 * decoded, the recorded one gets our names, and both must encode to the same
 * bytes.  What is different on purpose stands with its reason in differences[]
 * (a field), retvals[] and rules[] (a message), and nowhere else; a difference
 * that no capture shows any more fails as well.  Nothing else may come, and
 * sapid may reject nothing.
 *
 * sapid is asked something harmless after each message, so what it answers is
 * there when we look, and order between two applications is VPP's.
 *
 * Doorbells are merged by both sides as they like.  Whoever was rung for must
 * have been rung, with bytes in the FIFO, and nobody else.  The captures have
 * no data: an IO_TX puts some bytes, and whether they had been read when an
 * end closed is told by what VPP told the other end, RESET or DISCONNECTED.
 *
 * Not proved here: the FIFOs' layout (live_mem.c), timing, what comes when a
 * queue is full, and anything of TLS, UDP or a wire, which sapid has not.
 */
#include <arpa/inet.h>
#include <fnmatch.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/replay.h"

#define MAX_PEERS 16
#define MAX_ENDS 64
#define MAX_LISTENERS 32
#define MAX_PENDING 256

/* A recorded worker, and who plays it. */
struct peer {
	char who[32];
	uint32_t app, wrk, handle; /* as recorded */
	bool closed, hung_up, eof_seen;
	struct raw raw;
	uint64_t mq; /* of its queue to sapid */
	struct ctrl pending[MAX_PENDING];
	unsigned n;
};

/* An end of a connection that sapid announced. */
struct end {
	struct peer *owner;
	struct end *other;
	uint64_t recorded, handle, listener;
	bool server, named, indexed, replied;
	bool closed;  /* by its application */
	bool gone;    /* CLEANUP 1 was recorded */
	bool half;    /* the other end said SHUTDOWN */
	bool dropped; /* with its listener */
	uint32_t index;
	uint16_t port; /* of the client: what the two have in common */
	struct fifo rx, tx;
	struct {
		unsigned rung, heard, recorded;
	} io[2]; /* IO_RX, IO_TX */
};

struct known_listener {
	uint64_t recorded, handle;
	uint32_t app;
	uint16_t port;
};

static struct raw_daemon d;
static struct replay cap;
static struct replay_line *line; /* where we are */
static struct peer peers[MAX_PEERS];
static struct end ends[MAX_ENDS];
static struct known_listener listeners[MAX_LISTENERS];
static unsigned n_peers, n_ends, n_listeners, n_sent, n_compared, n_rejects;

#define MUST_BE(cond) REPLAY_CHECK(&cap, line, cond)

/* --- what is different on purpose --- */

enum rule {
	LAST_BREATH,
	AT_ONCE,
	HALF_CLOSE,
	BACKLOG,
	CROSSED,
	PORT_0,
	LEAVE_ORDER,
	N_RULES
};

static const struct {
	const char *files, *why;
} rules[N_RULES] = {
	[LAST_BREATH] = { "*", "VPP had not got to it, or the worker had not "
			       "looked, when the worker left or the capture "
			       "ended" },
	[AT_ONCE] = { "probe_ct_close*",
		      "a client is connected at once, as the kernel's is in "
		      "the back-log, and a refusal then ends it" },
	[HALF_CLOSE] = { "probe_ct_close*",
			 "SHUTDOWN is told to the other end; in VPP's "
			 "cut-through it has no effect" },
	[BACKLOG] = { "probe_ct_close*",
		      "with a listener goes what it has not accepted, as in "
		      "the kernel; VPP lets it be accepted" },
	[CROSSED] = { "stock_ldp_prefork*",
		      "both close at once: sapid had told the one of the "
		      "other, VPP heard both first" },
	[PORT_0] = { "probe_listen*",
		     "whoever listens on port 0 gets one; VPP leaves it at 0" },
	[LEAVE_ORDER] = { "probe_workers*",
			  "sessions of a worker that left end in no order" },
};
static unsigned used_rules[N_RULES];

#define NO_SCOPES "sapid is all local: there are no scopes"
#define SILENT (-1000) /* VPP does not answer */

static const struct {
	const char *files;
	uint8_t type;
	uint32_t context;
	int32_t recorded, ours;
	const char *why;
} retvals[] = {
	{ "stock_ldp_iperf3*", WIRE_EV_TRANSPORT_ATTR_REPLY, 0, WIRE_E_UNKNOWN,
	  0, "a cut-through has no transport to ask; we know a segment size" },
	{ "probe_listen*", WIRE_EV_BOUND, 0xe, WIRE_E_INVALID_NS, 0,
	  "whose an address is was asked of the kernel, by bind(2)" },
	{ "probe_listen*", WIRE_EV_BOUND, 0x14, SILENT, WIRE_E_NOAPP,
	  "nobody waits in vain" },
	{ "probe_listen*", WIRE_EV_BOUND, 0x17, WIRE_E_TRANSPORT_NO_REG,
	  WIRE_E_NOEXTCFG,
	  "sapid knows QUIC by name, VPP's plugin was not loaded" },
	{ "probe_listen*", WIRE_EV_CONNECTED, 0x19, WIRE_E_INVALID_RMT_IP,
	  WIRE_E_NOROUTE,
	  "a connection to 0.0.0.0 is one to 127.0.0.1, as in Linux" },
	{ "probe_listen*", WIRE_EV_CONNECTED, 0x1a, SILENT, WIRE_E_NOROUTE,
	  "nobody waits in vain" },
	{ "probe_listen*", WIRE_EV_CONNECTED, 0x1b, WIRE_E_NOINTF,
	  WIRE_E_NOROUTE, "sapid has no interfaces: nobody listens there" },
	{ "probe_local*", WIRE_EV_CONNECTED, 1, WIRE_E_SCOPE, WIRE_E_NOROUTE,
	  NO_SCOPES },
	{ "probe_local*", WIRE_EV_CONNECTED, 3, WIRE_E_SCOPE, WIRE_E_NOROUTE,
	  NO_SCOPES },
	{ "probe_local*", WIRE_EV_BOUND, 4, WIRE_E_ALLOC, 0, NO_SCOPES },
	{ "probe_local*", WIRE_EV_BOUND, 6, WIRE_E_INVALID_NS, 0,
	  "whose an address is was asked of the kernel, by bind(2)" },
};
static unsigned used_retvals[ARRAY_SIZE(retvals)];

static bool is_mq(const struct peer *p, const struct ctrl *got)
{
	return p->mq == (got->type == WIRE_EV_ACCEPTED
				 ? got->accepted.vpp_evt_q
				 : got->connected.vpp_evt_q);
}

static bool is_mq_0(const struct peer *p, const struct ctrl *got)
{
	(void)p;
	return !(got->type == WIRE_EV_ACCEPTED ? got->accepted.mq_index
					       : got->connected.mq_index);
}

static bool is_here(const struct ctrl_addr *a)
{
	static const uint8_t here[16] = { [12] = 127, 0, 0, 1 };

	return a->is_ip4 == 1 && a->port && !memcmp(a->ip, here, 16) &&
	       a->sw_if_index == WIRE_INVALID_INDEX && !a->fib_index;
}

static bool is_accepted_here(const struct peer *p, const struct ctrl *got)
{
	unsigned i;

	for (i = n_listeners; i-- > 0;)
		if (listeners[i].handle == got->accepted.listener_handle)
			return listeners[i].app == p->app &&
			       got->accepted.lcl.port == listeners[i].port &&
			       is_here(&got->accepted.lcl) &&
			       is_here(&got->accepted.rmt);
	return false;
}

static bool is_connected_here(const struct peer *p, const struct ctrl *got)
{
	(void)p;
	return is_here(&got->connected.lcl);
}

/* One pair of FIFOs for both ends */
static bool is_direct(const struct peer *p, const struct ctrl *got)
{
	(void)p;
	return !got->connected.ct_rx_fifo && !got->connected.ct_tx_fifo &&
	       !got->connected.ct_segment_handle;
}

#define FIELD(type, member, ok, why)                                      \
	{                                                                 \
		type, #member, offsetof(struct ctrl, member),             \
			sizeof(((struct ctrl *)NULL)->member), ok, 0, why \
	}
#define OFFSETS "where sapid puts it; it was mapped"
#define ONE_QUEUE "sapid has one queue, a VPP with threads has more"
#define QUEUE "the queue that the application was given"

static struct difference {
	uint8_t type;
	const char *name;
	size_t off, size;
	bool (*ok)(const struct peer *p, const struct ctrl *got);
	unsigned used;
	const char *why;
} differences[] = {
	FIELD(WIRE_EV_ACCEPTED, accepted.rx_fifo, NULL, OFFSETS),
	FIELD(WIRE_EV_ACCEPTED, accepted.tx_fifo, NULL, OFFSETS),
	FIELD(WIRE_EV_ACCEPTED, accepted.segment_handle, NULL, OFFSETS),
	FIELD(WIRE_EV_ACCEPTED, accepted.vpp_evt_q, is_mq, QUEUE),
	FIELD(WIRE_EV_ACCEPTED, accepted.lcl, is_accepted_here,
	      "VPP's cut-through has no addresses, ours are the real ones"),
	FIELD(WIRE_EV_ACCEPTED, accepted.rmt, is_accepted_here,
	      "VPP's cut-through has no addresses, ours are the real ones"),
	FIELD(WIRE_EV_ACCEPTED, accepted.mq_index, is_mq_0, ONE_QUEUE),
	FIELD(WIRE_EV_CONNECTED, connected.mq_index, is_mq_0, ONE_QUEUE),
	FIELD(WIRE_EV_CONNECTED, connected.rx_fifo, NULL, OFFSETS),
	FIELD(WIRE_EV_CONNECTED, connected.tx_fifo, NULL, OFFSETS),
	FIELD(WIRE_EV_CONNECTED, connected.segment_handle, NULL, OFFSETS),
	FIELD(WIRE_EV_CONNECTED, connected.vpp_evt_q, is_mq, QUEUE),
	FIELD(WIRE_EV_CONNECTED, connected.ct_rx_fifo, is_direct,
	      "the two ends share their FIFOs"),
	FIELD(WIRE_EV_CONNECTED, connected.ct_tx_fifo, is_direct,
	      "the two ends share their FIFOs"),
	FIELD(WIRE_EV_CONNECTED, connected.ct_segment_handle, is_direct,
	      "the two ends share their FIFOs"),
	FIELD(WIRE_EV_CONNECTED, connected.lcl, is_connected_here,
	      "VPP's cut-through has no addresses, ours are the real ones"),
};

static void by_rule(enum rule rule)
{
	MUST_BE(!fnmatch(rules[rule].files, cap.name, 0));
	used_rules[rule]++;
}

/* Is this answer listed? */
static bool is_listed(uint8_t type, uint32_t context, int32_t recorded,
		      int32_t ours)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(retvals); i++) {
		if (fnmatch(retvals[i].files, cap.name, 0) ||
		    retvals[i].type != type || retvals[i].context != context ||
		    retvals[i].recorded != recorded || retvals[i].ours != ours)
			continue;
		used_retvals[i]++;
		return true;
	}
	return false;
}

/* --- names --- */

/* The newest with the recorded name, whatever @n_peers of them had it. */
static struct peer *peer_by(uint32_t handle)
{
	unsigned i;

	for (i = n_peers; i-- > 0;)
		if (peers[i].handle == handle)
			return &peers[i];
	return NULL;
}

static struct peer *peer_in_app(uint32_t app, uint32_t wrk)
{
	unsigned i;

	for (i = n_peers; i-- > 0;)
		if (peers[i].app == app && peers[i].wrk == wrk)
			return &peers[i];
	return NULL;
}

/* Whose queue the line is of. */
static struct peer *peer_of(const struct replay_line *l)
{
	uint32_t app, wrk = 0;
	unsigned i;

	if (replay_snooped(&cap, l->m.channel, &app, &wrk))
		return peer_in_app(app, wrk);
	sscanf(l->m.channel, "app-mq(wrk%u)", &wrk);
	for (i = n_peers; i-- > 0;)
		if (!strcmp(peers[i].who, l->m.who) && !peers[i].closed &&
		    peers[i].wrk == wrk)
			return &peers[i];
	return NULL;
}

/* By a whole handle, or by what doorbells say, its lower half. */
static struct end *end_masked(uint64_t recorded, uint64_t mask)
{
	unsigned i;

	for (i = n_ends; i-- > 0;)
		if (ends[i].named && !ends[i].gone &&
		    !((ends[i].recorded ^ recorded) & mask))
			return &ends[i];
	return NULL;
}

static struct end *end_named(uint64_t recorded)
{
	return end_masked(recorded, UINT64_MAX);
}

static struct end *end_ours(const struct peer *p, uint64_t handle)
{
	unsigned i;

	for (i = n_ends; i-- > 0;)
		if (ends[i].owner == p && ends[i].handle == handle)
			return &ends[i];
	return NULL;
}

static struct known_listener *listener_named(uint64_t recorded)
{
	unsigned i;

	for (i = n_listeners; i-- > 0;)
		if (listeners[i].recorded == recorded)
			return &listeners[i];
	return NULL;
}

/* A name that nobody has is sent as it is. */
static uint64_t listener_name(uint64_t recorded)
{
	struct known_listener *l = listener_named(recorded);

	return l ? l->handle : recorded;
}

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
	if (!c->cleanup.type && e->other && e->other->dropped) {
		by_rule(BACKLOG);
		return NOWHERE;
	}
	/* 1 is for who closed, 0 for whose other end is gone as well */
	if (!e->closed && (c->cleanup.type || !e->other || !e->other->closed))
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
	MUST_BE(!"said by sapid");
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
	MUST_BE(!"a session that is known");
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

/* --- what applications say --- */

static struct end *end_said(uint64_t recorded, uint64_t mask)
{
	struct end *e = end_masked(recorded, mask);

	return e ? e : catch_up(recorded, mask);
}

/* Had it read everything?  If VPP told the other end so. */
static bool left_unread(const struct end *e)
{
	struct replay_line *l;
	struct ctrl c;

	if (!e->other || !e->other->named)
		return false;
	for (l = cap.line; l < cap.line + cap.n; l++) {
		if (l->done || !l->m.to_app ||
		    !(replay_is(l, "RESET") || replay_is(l, "DISCONNECTED")))
			continue;
		replay_ctrl(l, &c);
		if (c.close.handle == e->other->recorded &&
		    peer_of(l) == e->other->owner)
			return c.type == WIRE_EV_RESET;
	}
	return false;
}

static void close_end(struct end *e, bool abort)
{
	ssize_t n;

	if (e->closed)
		return;
	if (e->dropped) { /* its memory is gone */
		e->closed = true;
		return;
	}
	if (left_unread(e)) {
		MUST_BE(abort || fifo_used(&e->rx) > 0);
	} else if (fifo_used(&e->rx)) {
		n = fifo_drop(&e->rx, fifo_used(&e->rx));
		MUST_BE(n > 0);
	}
	e->closed = true;
}

static void leave(struct peer *p)
{
	unsigned i;

	for (i = 0; i < n_ends; i++)
		if (ends[i].owner == p)
			close_end(&ends[i], false);
}

/* sapid hangs up, and nothing comes after it. */
static void await_eof(struct peer *p)
{
	struct pollfd pfd = { .fd = p->raw.sock, .events = POLLIN };
	int tries;
	char byte;

	for (tries = 0; tries < 5000; tries++) {
		pump(p);
		if (poll(&pfd, 1, 1) == 1 &&
		    recv(p->raw.sock, &byte, 1, MSG_PEEK) <= 0)
			break;
	}
	MUST_BE(tries < 5000);
	p->hung_up = true;
	pump_all();
}

static void say_io(struct ctrl *c, uint8_t *bytes)
{
	struct end *e = end_said(c->io.session_index, UINT32_MAX);
	bool rx = c->type == WIRE_EV_IO_RX;

	if (!rx) {
		MUST_BE(fifo_put(&e->tx, "recorded", 8) == 8);
		(void)fifo_ring(&e->tx);
	}
	if (e->other && !e->other->closed && !e->other->dropped)
		e->other->io[rx ? WIRE_EV_IO_TX : WIRE_EV_IO_RX].rung++;
	c->io.session_index = (uint32_t)e->handle;
	memcpy(bytes + offsetof(struct wire_event, session_index),
	       &c->io.session_index, 4);
	raw_send_bytes(&e->owner->raw, bytes, line->m.len);
	settle(e->owner);
}

static struct end *say_reply(struct ctrl *c, uint8_t *bytes)
{
	struct end *e = end_said(c->accepted_reply.handle, UINT64_MAX);

	if (!e->server || e->replied)
		e = catch_up(c->accepted_reply.handle, UINT64_MAX);
	MUST_BE(c->accepted_reply.context == e->owner->app);
	e->replied = e->indexed = true;
	e->index = c->accepted_reply.app_session_index;
	if (c->accepted_reply.retval)
		e->closed = e->gone = true;
	n_rejects += e->dropped;
	REPLAY_NAME(bytes, struct wire_accepted_reply, context,
		    e->owner->raw.app_index);
	REPLAY_NAME(bytes, struct wire_accepted_reply, handle, e->handle);
	return e;
}

static struct end *say_close_reply(struct ctrl *c, uint8_t *bytes)
{
	struct end *e = end_said(c->close_reply.handle, UINT64_MAX);

	MUST_BE(c->close_reply.context == e->owner->handle);
	close_end(e, false);
	n_rejects += e->dropped;
	REPLAY_NAME(bytes, struct wire_close_reply, context,
		    e->owner->raw.handle);
	REPLAY_NAME(bytes, struct wire_close_reply, handle, e->handle);
	return e;
}

static struct peer *say_close(struct ctrl *c, uint8_t *bytes)
{
	struct end *e = end_said(c->close.handle, UINT64_MAX);

	MUST_BE(c->close.client_index == e->owner->handle);
	if (c->type != WIRE_EV_SHUTDOWN)
		close_end(e, c->type == WIRE_EV_TERMINATE);
	else if (e->other)
		e->other->half = true;
	n_rejects += e->dropped;
	REPLAY_NAME(bytes, struct wire_close, client_index,
		    e->owner->raw.handle);
	REPLAY_NAME(bytes, struct wire_close, handle, e->handle);
	return e->owner;
}

/* The recorded turn may be another worker's than ours: pass one on. */
static void pass_turn(struct peer *client, const struct ctrl *connect)
{
	struct raw_session s;
	struct ctrl c;
	unsigned i;

	raw_send_connect(&client->raw, "127.0.0.1",
			 ntohs(connect->connect.port), 0xffff);
	settle(client);
	for (i = 0; i < n_peers; i++) {
		if (!peers[i].n || peers[i].pending[0].type != WIRE_EV_ACCEPTED)
			continue;
		c = peers[i].pending[0];
		peers[i].n = 0;
		raw_accept_reply(&peers[i].raw, &c, WIRE_E_REFUSED, 0xffff, &s);
		settle(&peers[i]);
	}
	MUST_BE(client->n == 3 &&
		client->pending[1].type == WIRE_EV_DISCONNECTED);
	raw_end_reply(&client->raw, WIRE_EV_DISCONNECTED_REPLY,
		      client->pending[1].close.handle);
	settle(client);
	MUST_BE(client->n == 4);
	client->n = 0;
	n_ends = 0;
	memset(ends, 0, sizeof(ends));
}

static struct peer *say_connect(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->connect.client_index);

	MUST_BE(p && c->connect.wrk_index == p->wrk);
	if (!n_ends && !fnmatch("probe_workers*", cap.name, 0))
		pass_turn(p, c);
	replay_address(c->connect.ip);
	replay_address(c->connect.lcl_ip);
	REPLAY_NAME(bytes, struct wire_connect, client_index, p->raw.handle);
	memcpy(bytes + offsetof(struct wire_event, data) +
		       offsetof(struct wire_connect, ip),
	       c->connect.ip, 16);
	memcpy(bytes + offsetof(struct wire_event, data) +
		       offsetof(struct wire_connect, lcl_ip),
	       c->connect.lcl_ip, 16);
	return p;
}

/* One that VPP does not know is none of ours either. */
static struct peer *say_listen(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->listen.client_index);

	replay_address(c->listen.ip);
	memcpy(bytes + offsetof(struct wire_event, data) +
		       offsetof(struct wire_listen, ip),
	       c->listen.ip, 16);
	if (!p)
		return &peers[0];
	MUST_BE(c->listen.wrk_index == p->wrk);
	REPLAY_NAME(bytes, struct wire_listen, client_index, p->raw.handle);
	return p;
}

static struct peer *say_unlisten(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->unlisten.client_index);
	uint64_t handle = listener_name(c->unlisten.handle);
	unsigned i;

	MUST_BE(p);
	for (i = 0; i < n_ends; i++)
		if (ends[i].server && ends[i].owner == p && !ends[i].replied &&
		    ends[i].listener == handle)
			ends[i].dropped = true;
	REPLAY_NAME(bytes, struct wire_unlisten, client_index, p->raw.handle);
	REPLAY_NAME(bytes, struct wire_unlisten, handle, handle);
	return p;
}

static struct peer *say_attr(struct ctrl *c, uint8_t *bytes)
{
	struct end *e = end_said(c->attr.handle, UINT64_MAX);

	MUST_BE(c->attr.client_index == e->owner->handle);
	REPLAY_NAME(bytes, struct wire_transport_attr, client_index,
		    e->owner->raw.handle);
	REPLAY_NAME(bytes, struct wire_transport_attr, handle, e->handle);
	return e->owner;
}

static struct peer *say_rpc(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->wrk_rpc.client_index);

	MUST_BE(p);
	REPLAY_NAME(bytes, struct wire_wrk_rpc, client_index, p->raw.handle);
	return p;
}

static void say_detach(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->detach.client_index);

	MUST_BE(p);
	leave(p);
	REPLAY_NAME(bytes, struct wire_detach, client_index, p->raw.handle);
	raw_send_bytes(&p->raw, bytes, line->m.len);
	await_eof(p);
}

static struct peer *say_named(struct ctrl *c, uint8_t *bytes)
{
	switch (c->type) {
	case WIRE_EV_LISTEN:
		return say_listen(c, bytes);
	case WIRE_EV_UNLISTEN:
		return say_unlisten(c, bytes);
	case WIRE_EV_CONNECT:
		return say_connect(c, bytes);
	case WIRE_EV_ACCEPTED_REPLY:
		return say_reply(c, bytes)->owner;
	case WIRE_EV_SHUTDOWN:
	case WIRE_EV_DISCONNECT:
	case WIRE_EV_TERMINATE:
		return say_close(c, bytes);
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		return say_close_reply(c, bytes)->owner;
	case WIRE_EV_TRANSPORT_ATTR:
		return say_attr(c, bytes);
	default:
		MUST_BE(c->type == WIRE_EV_APP_WRK_RPC);
		return say_rpc(c, bytes);
	}
}

static void say(void)
{
	uint8_t bytes[WIRE_CTRL_ELT];
	struct peer *p;
	struct ctrl c;

	replay_ctrl(line, &c);
	memcpy(bytes, line->m.bytes, line->m.len);
	n_sent++;
	if (c.type < WIRE_EV_FIRST_CTRL) {
		say_io(&c, bytes);
	} else if (c.type == WIRE_EV_APP_DETACH) {
		say_detach(&c, bytes);
	} else {
		p = say_named(&c, bytes);
		raw_send_bytes(&p->raw, bytes, line->m.len);
		settle(p);
	}
}

/* --- the socket --- */

static struct replay_line *answer_to(const char *type)
{
	struct replay_line *l;

	for (l = line + 1; l < cap.line + cap.n; l++)
		if (!l->done && !strcmp(l->m.who, line->m.who) &&
		    replay_on_socket(l) && replay_is(l, type))
			break;
	MUST_BE(l < cap.line + cap.n);
	l->done = true;
	return l;
}

static struct peer *new_peer(void)
{
	struct peer *p = &peers[n_peers++];

	MUST_BE(n_peers <= MAX_PEERS);
	strcpy(p->who, line->m.who);
	return p;
}

/* As recorded, but for the names, where things are, and one eventfd: sapid
 * sleeps, so its queue always has one; and it is one where a VPP with threads
 * has more. */
static void attach(void)
{
	struct wire_sapi msg = replay_sapi(line), got;
	struct wire_sapi rec = replay_sapi(answer_to("ATTACH_REPLY"));
	struct wire_attach_reply *r = &rec.attach_reply, *g = &got.attach_reply;
	struct peer *p = new_peer();

	n_sent++;
	MUST_BE(raw_attach_as(&p->raw, &d, WIRE_2606, &msg, &got) == r->retval);
	p->app = r->app_index;
	p->handle = r->api_client_handle;
	p->mq = g->vpp_ctrl_mq;
	MUST_BE(g->app_mq && g->segment_handle && g->vpp_ctrl_mq);
	MUST_BE(g->n_fds == 2 + !!(g->fd_flags & WIRE_FD_MQ_EVENTFD) + 1);
	r->app_index = g->app_index;
	r->app_mq = g->app_mq;
	r->vpp_ctrl_mq = g->vpp_ctrl_mq;
	r->segment_handle = g->segment_handle;
	r->api_client_handle = g->api_client_handle;
	r->vpp_ctrl_mq_thread = 0;
	r->n_fds = g->n_fds;
	r->fd_flags |= WIRE_FD_VPP_MQ_EVENTFD;
	MUST_BE(!memcmp(&rec, &got, sizeof(rec)));
	n_compared++;
}

static void add_worker(struct wire_sapi *msg)
{
	struct wire_sapi rec = replay_sapi(answer_to("ADD_DEL_WORKER_REPLY"));
	struct wire_worker_reply *r = &rec.worker_reply, *g;
	struct peer *parent = peer_in_app(msg->worker.app_index, 0);
	struct wire_sapi got;
	struct peer *p = new_peer();

	MUST_BE(parent);
	p->app = parent->app;
	p->wrk = r->wrk_index;
	p->handle = r->api_client_handle;
	p->mq = parent->mq;
	msg->worker.app_index = parent->raw.app_index;
	MUST_BE(raw_add_worker_as(&p->raw, &d, &parent->raw, msg, &got) ==
		r->retval);
	g = &got.worker_reply;
	MUST_BE(g->app_event_queue_address && g->segment_handle);
	r->app_event_queue_address = g->app_event_queue_address;
	r->segment_handle = g->segment_handle;
	r->api_client_handle = g->api_client_handle;
	MUST_BE(!memcmp(&rec, &got, sizeof(rec)));
	n_compared++;
}

/* No answer, but the end. */
static void del_worker(struct wire_sapi *msg)
{
	struct peer *p =
		peer_in_app(msg->worker.app_index, msg->worker.wrk_index);

	MUST_BE(p && !p->hung_up);
	leave(p);
	msg->worker.app_index = p->raw.app_index;
	MUST_BE(send(p->raw.sock, msg, sizeof(*msg), 0) == sizeof(*msg));
	await_eof(p);
}

static void on_socket(void)
{
	struct wire_sapi msg;
	unsigned i;

	if (replay_is(line, "EOF")) {
		for (i = 0; i < n_peers; i++)
			if (!strcmp(peers[i].who, line->m.who) &&
			    peers[i].hung_up && !peers[i].eof_seen)
				break;
		MUST_BE(i < n_peers);
		peers[i].eof_seen = true;
		n_compared++;
	} else if (replay_is(line, "ATTACH")) {
		attach();
	} else if (replay_is(line, "ADD_DEL_WORKER")) {
		n_sent++;
		msg = replay_sapi(line);
		if (msg.worker.is_add)
			add_worker(&msg);
		else
			del_worker(&msg);
	} else { /* raw_recv() gets it with APP_ADD_SEGMENT */
		MUST_BE(replay_is(line, "SEND_FDS"));
	}
}

/* --- a capture --- */

/* What came beyond the recorded is listed. */
static void nothing_more(struct peer *p)
{
	enum place place;

	pump(p);
	for (; p->n; take_out(p, 0)) {
		place = place_of(p, &p->pending[0]);
		if (place != NOWHERE)
			printf("# sapid says %s\n",
			       ctrl_name(p->pending[0].type));
		MUST_BE(place == NOWHERE);
	}
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

static void hang_up(struct peer *p)
{
	nothing_more(p);
	leave(p);
	MUST_BE(!shutdown(p->raw.sock, SHUT_WR));
	await_eof(p);
	p->closed = p->eof_seen = true;
}

static void on_note(void)
{
	unsigned i;

	if (strcmp(line->note, "close attach socket") &&
	    strncmp(line->note, "client crash", 12))
		return;
	for (i = n_peers; i-- > 0;)
		if (!strcmp(peers[i].who, line->m.who) && !peers[i].closed &&
		    !peers[i].hung_up)
			break;
	if (i < n_peers)
		hang_up(&peers[i]);
}

static void on_line(void)
{
	if (line->done)
		return;
	if (!*line->m.type) {
		on_note();
	} else if (replay_on_socket(line)) {
		on_socket();
	} else if (replay_on_queue(line)) {
		if (line->m.to_app)
			expect(line);
		else
			say();
	}
}

/* Nothing recorded was passed over. */
static void everything_was_said(void)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < cap.n; i++)
		if (cap.line[i].m.to_app)
			MUST_BE(!replay_on_queue(&cap.line[i]) ||
				cap.line[i].done);
		else
			n += *cap.line[i].m.type &&
			     !replay_is(&cap.line[i], "RPC");
	MUST_BE(n == n_sent);
}

static void replay(const char *name)
{
	unsigned i;

	memset(peers, 0, sizeof(peers));
	memset(ends, 0, sizeof(ends));
	memset(listeners, 0, sizeof(listeners));
	n_peers = n_ends = n_listeners = n_sent = n_compared = n_rejects = 0;
	replay_load(&cap, name);
	raw_start(&d, NULL);
	for (line = cap.line; line < cap.line + cap.n; line++)
		on_line();
	line = &cap.line[cap.n - 1];
	everything_was_said();
	for (i = 0; i < n_peers; i++)
		if (!peers[i].hung_up && !peers[i].closed)
			settle(&peers[i]);
	for (i = 0; i < n_peers; i++)
		if (!peers[i].closed)
			nothing_more(&peers[i]);
	check_doorbells();
	MUST_BE(raw_status(&d, "rejects") == (long)n_rejects);
	while (n_peers-- > 0)
		raw_close(&peers[n_peers].raw);
	MUST_BE(raw_status_is(&d, "sessions_now", 0));
	raw_stop(&d);
	replay_free(&cap);
	printf("# %s: %u sent, %u compared\n", name, n_sent, n_compared);
}

static const char *const captures[] = {
	"stock_ct_evfd.txt",
	"stock_ct_cond.txt",
	"stock_ldp_iperf3.txt",
	"stock_ldp_prefork.txt",
	"probe_ct.txt",
	"probe_ct_evfd.txt",
	"probe_ct_prv0.txt",
	"probe_ct_prv1.txt",
	"probe_ct_kick.txt",
	"probe_ct_kick_evfd.txt",
	"probe_ct_bp.txt",
	"probe_ct_bp_evfd.txt",
	"probe_ct_bp_prv1.txt",
	"probe_workers.txt",
	"probe_workers_evfd.txt",
	"probe_workers_prv1.txt",
	"probe_ct_close.txt",
	"probe_ct_close_evfd.txt",
	"probe_ct_close_prv1.txt",
	"probe_listen.txt",
	"probe_local.txt",
};

static void is_used(unsigned times, const char *why)
{
	printf("# %3u times: %s\n", times, why);
	CHECK(times);
}

TEST(sapid_answers_as_the_recorded_vpp)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(captures); i++)
		replay(captures[i]);
	for (i = 0; i < ARRAY_SIZE(differences); i++)
		is_used(differences[i].used, differences[i].why);
	for (i = 0; i < N_RULES; i++)
		is_used(used_rules[i], rules[i].why);
	for (i = 0; i < ARRAY_SIZE(retvals); i++)
		is_used(used_retvals[i], retvals[i].why);
}
