/* SPDX-License-Identifier: Apache-2.0 */
/* replay_rules.h - who is who in a replay, and what sapid does otherwise */
/*
 * DOC: For replay_daemon.c alone.  The tables say each difference once, with
 * the captures it may be seen in; by_rule() and is_listed() fail in others.
 */
#ifndef TESTS_REPLAY_RULES_H
#define TESTS_REPLAY_RULES_H

#include <arpa/inet.h>
#include <fnmatch.h>

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
	unsigned ends, resets, cleanups[2]; /* as told */
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

#endif /* TESTS_REPLAY_RULES_H */
