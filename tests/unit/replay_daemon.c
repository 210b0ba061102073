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
 * bytes.  What is different on purpose stands with its reason in
 * replay_rules.h: differences[] (a field), retvals[] and rules[] (a message),
 * and nowhere else; a difference that no capture shows any more fails as well.
 * Nothing else may come, and sapid may reject nothing but replies to what went
 * with a listener.  Segments are sapid's own: one must have been announced
 * before what lies in it, and none is left at the end.
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
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/replay_expect.h"

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
	MUST_BE(client->n == 2 &&
		client->pending[1].type == WIRE_EV_DISCONNECTED);
	raw_end_reply(&client->raw, WIRE_EV_DISCONNECTED_REPLY,
		      client->pending[1].close.handle);
	settle(client);
	MUST_BE(client->n == 4);
	client->n = 0;
	n_ends = 0;
	memset(ends, 0, sizeof(ends));
}

static void say_ip(uint8_t *bytes, size_t member, uint8_t ip[16])
{
	replay_address(ip);
	memcpy(bytes + offsetof(struct wire_event, data) + member, ip, 16);
}

static struct peer *say_connect(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->connect.client_index);

	MUST_BE(p && c->connect.wrk_index == p->wrk);
	if (!n_ends && !fnmatch("probe_workers*", cap.name, 0))
		pass_turn(p, c);
	REPLAY_NAME(bytes, struct wire_connect, client_index, p->raw.handle);
	say_ip(bytes, offsetof(struct wire_connect, ip), c->connect.ip);
	say_ip(bytes, offsetof(struct wire_connect, lcl_ip), c->connect.lcl_ip);
	return p;
}

/* One that VPP does not know is none of ours either. */
static struct peer *say_listen(struct ctrl *c, uint8_t *bytes)
{
	struct peer *p = peer_by(c->listen.client_index);

	say_ip(bytes, offsetof(struct wire_listen, ip), c->listen.ip);
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
	MUST_BE(raw_status_is(&d, "segments", 0));
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
	"probe_attach.txt",
	"probe_attach_evfd.txt",
	"probe_attach_prv0.txt",
	"probe_attach_prv1.txt",

	"probe_flood.txt",
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
