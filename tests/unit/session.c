/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - what the session layer says, in good, bad and odd order */
#include "tests/unit/played.h"

/*
 * DOC: Every message that a session layer sends, and each state in which it may
 * come, by one played layer that is sapid or VPP: a list, which is long as the
 * protocol is.
 */

static struct played p;
static struct app *app;

static void start(void)
{
	played_open(&p);
	app = played_attach(&p);
	CHECK(app);
	played_segment(&p, app, &p.data, PLAYED_DATA);
	CHECK(app_seg(app, PLAYED_DATA));
}

static void finish(void)
{
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	private_close(private_next(0)); /* the family's */
	CHECK(private_next(0) < 0);
	played_close(&p);
}

static struct ctrl_addr addr(uint16_t port)
{
	return (struct ctrl_addr){ .ip = { [12] = 127, [15] = 1 },
				   .port = port,
				   .is_ip4 = 1 };
}

/* Has it been asked to listen for @l? */
static bool is_listen(const struct session *l)
{
	struct ctrl c = played_heard(&p);

	return c.type == WIRE_EV_LISTEN && c.listen.context == l->index;
}

static void bound(const struct session *l, uint64_t handle, int32_t retval)
{
	struct ctrl c = { .type = WIRE_EV_BOUND };

	c.bound.context = l->index;
	c.bound.handle = handle;
	c.bound.retval = retval;
	played_say(&p, app, &c);
}

static struct session *listener(uint64_t handle)
{
	struct ctrl_addr a = addr(80);
	struct session *l;

	CHECK(!session_listen(app, &a, 0, NULL, &l));
	CHECK(is_listen(l));
	bound(l, handle, 0);
	CHECK(l->state == SESSION_LISTENING && l->handle == handle);
	return l;
}

static void fifos(struct seg *seg, uint64_t *rx, uint64_t *tx)
{
	CHECK(!seg_fifo_create(seg, 0, 65536, rx));
	CHECK(!seg_fifo_create(seg, 0, 65536, tx));
}

static struct ctrl accepted(uint64_t listener_handle, uint64_t handle)
{
	struct ctrl c = { .type = WIRE_EV_ACCEPTED };

	c.accepted.listener_handle = listener_handle;
	c.accepted.handle = handle;
	c.accepted.segment_handle = PLAYED_DATA;
	fifos(&p.data, &c.accepted.rx_fifo, &c.accepted.tx_fifo);
	return c;
}

static struct ctrl connected(struct session *s, uint64_t handle)
{
	struct ctrl c = { .type = WIRE_EV_CONNECTED };

	c.connected.context = s->index;
	c.connected.handle = handle;
	c.connected.segment_handle = PLAYED_DATA;
	fifos(&p.data, &c.connected.rx_fifo, &c.connected.tx_fifo);
	return c;
}

static struct session *connecting(void)
{
	struct ctrl_addr a = addr(80);
	struct session *s;
	struct ctrl c;

	CHECK(!session_connect(app, &a, NULL, NULL, &s));
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_CONNECT && c.connect.context == s->index);
	return s;
}

static struct session *open_one(uint64_t handle)
{
	struct session *s = connecting();
	struct ctrl c = connected(s, handle);

	played_say(&p, app, &c);
	CHECK(s->state == SESSION_OPEN && played_quiet(&p));
	return s;
}

static void close_said(uint8_t type, uint64_t handle)
{
	struct ctrl c = { .type = type };

	c.close.handle = handle;
	played_say(&p, app, &c);
}

static void cleanup(uint64_t handle, uint8_t what)
{
	struct ctrl c = { .type = WIRE_EV_CLEANUP };

	c.cleanup.handle = handle;
	c.cleanup.type = what;
	played_say(&p, app, &c);
}

TEST(bound_and_not)
{
	struct ctrl_addr a = addr(80);
	struct session *l, *bad;
	struct ctrl c = { .type = WIRE_EV_BOUND };

	start();
	l = listener(7);
	c.bound.context = l->index; /* once more, with another handle */
	c.bound.handle = 8;
	played_say(&p, app, &c);
	CHECK(l->handle == 7);
	c.bound.context = UINT32_MAX;
	played_say(&p, app, &c);
	CHECK(!session_listen(app, &a, 0, NULL, &bad));
	played_heard(&p);
	c.bound.context = bad->index;
	c.bound.retval = WIRE_E_PORTINUSE;
	played_say(&p, app, &c);
	CHECK(bad->state == SESSION_FAILED && bad->error == -EADDRINUSE);
	session_close(bad, false);
	CHECK(bad->state == SESSION_FREE && played_quiet(&p));
	session_close(l, false);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN);
	CHECK(l->state == SESSION_CLOSING);
	c = (struct ctrl){ .type = WIRE_EV_UNLISTEN_REPLY };
	c.unlisten_reply.handle = 7;
	played_say(&p, app, &c);
	CHECK(l->state == SESSION_FREE);
	finish();
}

TEST(late_answers_find_nobody_else)
{
	struct ctrl_addr a = addr(80);
	struct session *s, *t, *l;
	struct ctrl c;

	start();
	s = connecting();
	session_close(s, false);
	t = connecting();
	CHECK(t != s); /* the answer to s is still to come */
	c = connected(s, 10);
	played_say(&p, app, &c);
	CHECK(t->state == SESSION_CONNECTING);
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_DISCONNECT && c.close.handle == 10);
	cleanup(10, 1);
	CHECK(s->state == SESSION_FREE);
	session_close(t, false);
	c = connected(t, 0);
	c.connected.retval = WIRE_E_REFUSED;
	played_say(&p, app, &c);
	CHECK(t->state == SESSION_FREE && played_quiet(&p));

	CHECK(!session_listen(app, &a, 0, NULL, &l));
	played_heard(&p);
	session_close(l, false);
	c = (struct ctrl){ .type = WIRE_EV_BOUND };
	c.bound.context = l->index;
	c.bound.handle = 20;
	played_say(&p, app, &c);
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_UNLISTEN && c.unlisten.handle == 20);
	finish();
}

TEST(accepted_good_and_bad)
{
	struct session *l, *s;
	struct ctrl c;
	int i;

	start();
	l = listener(7);
	c = accepted(7, 100);
	played_say(&p, app, &c);
	CHECK(l->n_pending == 1 && l->arrived == 1);
	for (i = 0; i < 4; i++) {
		c = accepted(7, 101);
		if (i == 0)
			c.accepted.segment_handle = 4711;
		else if (i == 1)
			c.accepted.rx_fifo = 1ull << 40;
		else if (i == 2)
			c.accepted.tx_fifo += 8;
		else
			c.accepted.listener_handle = 4711;
		played_say(&p, app, &c);
		CHECK(l->n_pending == 1);
		c = played_heard(&p);
		CHECK(c.type == WIRE_EV_ACCEPTED_REPLY &&
		      c.accepted_reply.retval &&
		      c.accepted_reply.handle == 101);
	}
	c = accepted(7, 102);
	c.accepted.mq_index = 5; /* nowhere to answer to */
	played_say(&p, app, &c);
	CHECK(l->n_pending == 1 && played_quiet(&p));
	s = session_pop(l);
	CHECK(s && !session_pop(l) && !session_accept(s));
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_ACCEPTED_REPLY && !c.accepted_reply.retval &&
	      c.accepted_reply.app_session_index == s->index);
	session_close(s, false);
	CHECK(played_heard(&p).type == WIRE_EV_DISCONNECT);
	/* the back-log goes with the listener */
	c = accepted(7, 103);
	played_say(&p, app, &c);
	session_close(l, false);
	CHECK(played_heard(&p).accepted_reply.retval);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN);
	CHECK(app_seg(app, PLAYED_DATA)->sessions == 1); /* 100, closing */
	cleanup(100, 1);
	CHECK(app_seg(app, PLAYED_DATA)->sessions == 0);
	finish();
}

/* A child listens for us: what we had is others' by now, what comes is ours. */
TEST(relieved)
{
	struct ctrl reply = { .type = WIRE_EV_UNLISTEN_REPLY }, c;
	struct session *l;

	start();
	app->sapid = true;
	reply.unlisten_reply.handle = 7;
	l = listener(7);
	c = accepted(7, 100);
	played_say(&p, app, &c);
	reply.unlisten_reply.retval = WIRE_E_NOLISTEN; /* there is no other */
	played_say(&p, app, &reply);
	CHECK(l->n_pending == 1);
	reply.unlisten_reply.retval = 0;
	played_say(&p, app, &reply);
	CHECK(l->n_pending == 0 && l->state == SESSION_LISTENING);
	CHECK(app_seg(app, PLAYED_DATA)->sessions == 0 && played_quiet(&p));
	c = accepted(7, 101);
	played_say(&p, app, &c);
	CHECK(l->n_pending == 1);
	finish();
}

TEST(connected_bad)
{
	struct session *s;
	struct ctrl c;
	int i;

	start();
	for (i = 0; i < 6; i++) {
		s = connecting();
		c = connected(s, 50);
		if (i == 0)
			c.connected.retval = WIRE_E_REFUSED;
		else if (i == 1)
			c.connected.segment_handle = 1;
		else if (i == 2)
			c.connected.rx_fifo = UINT64_MAX;
		else if (i == 3)
			c.connected.mq_index = UINT32_MAX;
		else
			c.connected.ct_rx_fifo = 4096;
		if (i == 5)
			c.connected.ct_segment_handle = PLAYED_DATA;
		played_say(&p, app, &c);
		CHECK(s->state == SESSION_FAILED && s->error < 0);
		CHECK(i || s->error == -ECONNREFUSED);
		if (i == 0 || i == 3)
			CHECK(played_quiet(&p));
		else
			CHECK(played_heard(&p).type == WIRE_EV_DISCONNECT);
		session_close(s, false);
		CHECK(s->state == SESSION_FREE);
	}
	CHECK(!app_seg(app, PLAYED_DATA)->sessions);
	finish();
}

TEST(ends)
{
	static const struct {
		uint8_t said, answer;
		unsigned flags;
		bool abort;
	} end[] = {
		{ 0, WIRE_EV_DISCONNECT, 0, false },
		{ 0, WIRE_EV_TERMINATE, 0, true },
		{ WIRE_EV_DISCONNECTED, WIRE_EV_DISCONNECTED_REPLY,
		  SESSION_PEER_SHUT, false },
		{ WIRE_EV_RESET, WIRE_EV_RESET_REPLY,
		  SESSION_RESET | SESSION_GONE, false },
	};
	struct session *s;
	unsigned i;

	start();
	for (i = 0; i < ARRAY_SIZE(end); i++) {
		s = open_one(60 + i);
		close_said(WIRE_EV_DISCONNECTED, 4711);
		CHECK(!s->flags);
		if (end[i].said) {
			close_said(end[i].said, 60 + i);
			close_said(end[i].said, 60 + i);
		}
		CHECK(s->flags == end[i].flags);
		session_close(s, end[i].abort);
		CHECK(played_heard(&p).type == end[i].answer);
		CHECK(played_quiet(&p) && s->state == SESSION_CLOSING);
		cleanup(60 + i, 0);
		CHECK(s->state == SESSION_CLOSING);
		cleanup(60 + i, 1);
		CHECK(s->state == SESSION_FREE);
		cleanup(60 + i, 1);
	}
	/* its memory goes under our feet */
	s = open_one(70);
	cleanup(70, 0);
	CHECK(s->flags == SESSION_GONE);
	cleanup(70, 1);
	CHECK(s->flags & SESSION_BROKEN && s->handle == WIRE_INVALID_HANDLE);
	session_close(s, false);
	CHECK(s->state == SESSION_FREE && played_quiet(&p));
	finish();
}

TEST(segments_stay_while_used)
{
	struct ctrl del = { .type = WIRE_EV_APP_DEL_SEGMENT }, c;
	struct session *s;
	struct seg sig;
	int maps;

	start();
	CHECK(!seg_create(&sig, "played-sig", 1 << 20));
	maps = played_maps();
	played_segment(&p, app, &sig, 99);
	played_segment(&p, app, &sig, 99); /* twice: the first is kept */
	CHECK(played_maps() == maps + 1);
	/* data in one, signals in the other */
	s = connecting();
	c = connected(s, 80);
	c.connected.ct_rx_fifo = c.connected.rx_fifo;
	c.connected.ct_tx_fifo = c.connected.tx_fifo;
	c.connected.ct_segment_handle = PLAYED_DATA;
	c.connected.segment_handle = 99;
	fifos(&sig, &c.connected.rx_fifo, &c.connected.tx_fifo);
	played_say(&p, app, &c);
	CHECK(s->state == SESSION_OPEN);
	del.del_segment.segment_handle = 99;
	played_say(&p, app, &del);
	del.del_segment.segment_handle = PLAYED_DATA;
	played_say(&p, app, &del);
	played_say(&p, app, &del);
	CHECK(!app_seg(app, 99) && played_maps() == maps + 1);
	CHECK(!fifo_arm(&s->rx) && fifo_ring(&s->tx));
	session_close(s, false);
	cleanup(80, 1);
	CHECK(played_maps() == maps - 1);
	seg_close(&sig);
	finish();
}

TEST(session_layer_dies)
{
	struct session *l, *s, *c1, *closing;
	struct ctrl c;

	start();
	l = listener(7);
	s = open_one(90);
	c1 = connecting();
	closing = open_one(91);
	session_close(closing, false);
	c = accepted(7, 92);
	played_say(&p, app, &c);
	CHECK(l->n_pending == 1);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(!app_any() && l->state == SESSION_LOST && !l->n_pending);
	CHECK(s->state == SESSION_OPEN && s->flags & SESSION_RESET);
	CHECK(c1->state == SESSION_FAILED && closing->state == SESSION_FREE);
	CHECK(fifo_room(&s->tx) && !fifo_used(&s->rx)); /* still mapped */
	/* the next one knows nothing of them and hears of the listener alone */
	while (!mq_empty(&p.in))
		played_heard(&p);
	app = played_attach(&p);
	CHECK(app);
	CHECK(is_listen(l) && played_quiet(&p));
	CHECK(l->state == SESSION_BINDING && !app->n_lost);
	bound(l, 8, 0);
	CHECK(l->state == SESSION_LISTENING && l->handle == 8);
	session_close(l, false);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN);
	session_close(s, false);
	session_close(c1, false);
	CHECK(played_quiet(&p) && !app_seg(app, PLAYED_DATA));
	finish();
}

/* ... which may be gone before it has answered, or refuse, or the program may
 * have closed the listener meanwhile. */
TEST(session_layer_dies_again)
{
	static int user;
	struct session *l, *closed;

	start();
	l = listener(7);
	closed = listener(8);
	l->user = closed->user = &user; /* both are some sock's */
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(app->n_lost == 2);
	pthread_mutex_lock(&app->lock);
	session_close(closed, false);
	pthread_mutex_unlock(&app->lock);
	CHECK(closed->state == SESSION_FREE && app->n_lost == 1);
	CHECK(played_quiet(&p));
	app = played_attach(&p);
	CHECK(app && is_listen(l));
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(l->state == SESSION_LOST && app->n_lost == 1);
	app = played_attach(&p);
	CHECK(app && is_listen(l));
	bound(l, 9, WIRE_E_ALREADY_LISTENING);
	CHECK(l->state == SESSION_FAILED && !app->n_lost);
	session_close(l, false);
	CHECK(played_quiet(&p));
	finish();
}

/* Whoever leaves by its own will does not come back for it. */
TEST(left_for_good)
{
	struct session *l;

	start();
	l = listener(7);
	app_put(app);
	app_leave();
	CHECK(l->state == SESSION_FAILED && !app->n_lost);
	played_hang_up(&p);
	app = played_attach(&p);
	CHECK(app && played_quiet(&p));
	session_close(l, false);
	finish();
}

/* VPP's: no trailer behind its answer. */
static void start_vpp(void)
{
	played_open(&p);
	p.len = sizeof(p.reply.sapi);
	app = played_attach(&p);
	CHECK(app && !app->sapid);
}

/* One thread of VPP may use a segment before another has announced it. */
TEST(before_its_segment)
{
	struct session *l, *s;
	struct ctrl c;

	start_vpp();
	l = listener(7);
	s = connecting();
	c = accepted(7, 100);
	played_say(&p, app, &c);
	c = connected(s, 101);
	played_say(&p, app, &c);
	close_said(WIRE_EV_DISCONNECTED, 101);
	CHECK(!l->n_pending && s->state == SESSION_CONNECTING);
	CHECK(played_quiet(&p));
	played_segment(&p, app, &p.data, PLAYED_DATA);
	CHECK(l->n_pending == 1 && s->state == SESSION_OPEN);
	CHECK(s->flags == SESSION_PEER_SHUT && !app->parked);
	session_close(s, false);
	session_close(l, false);
	while (!played_quiet(&p))
		played_heard(&p);
	/* one that never comes goes with VPP */
	l = listener(8);
	c = accepted(8, 102);
	c.accepted.segment_handle = 99;
	played_say(&p, app, &c);
	CHECK(app->parked && !l->n_pending);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(!app->parked);
	pthread_mutex_lock(&app->lock);
	session_close(l, false);
	finish();
}

/* To VPP "::" is IPv6 alone. */
static bool is_taken(uint64_t handle)
{
	struct ctrl c = played_heard(&p);

	return c.type == WIRE_EV_ACCEPTED_REPLY && !c.accepted_reply.retval &&
	       c.accepted_reply.handle == handle;
}

static bool is_reset(uint64_t handle)
{
	struct ctrl c = played_heard(&p);

	return c.type == WIRE_EV_TERMINATE && c.close.handle == handle;
}

TEST(listener_of_both)
{
	struct ctrl_addr any = { .port = 80 };
	struct session *l, *ip4;
	struct ctrl c;

	start_vpp();
	played_segment(&p, app, &p.data, PLAYED_DATA);
	CHECK(!session_listen(app, &any, WIRE_LISTEN_V6ONLY, NULL, &l));
	CHECK(!l->ip4 && is_listen(l) && played_quiet(&p));
	bound(l, 6, 0);
	session_close(l, false);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN);
	CHECK(!session_listen(app, &any, 0, NULL, &l));
	ip4 = l->ip4;
	CHECK(ip4 && ip4->lcl.is_ip4 && ip4->lcl.port == 80);
	CHECK(is_listen(ip4) && is_listen(l) && played_quiet(&p));
	bound(ip4, 7, 0);
	bound(l, 8, 0);
	c = accepted(7, 100);
	played_say(&p, app, &c);
	c = accepted(8, 101);
	played_say(&p, app, &c);
	CHECK(l->n_pending == 2 && !ip4->n_pending);
	/* VPP is answered at once, and whose peer is connected is reset */
	CHECK(is_taken(100) && is_taken(101));
	session_close(l, false);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN); /* of ip4 */
	CHECK(is_reset(100) && is_reset(101));
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN);
	CHECK(played_quiet(&p));
	finish();
}

/* connect(2) is over by then; accept(2) has nothing to say any more. */
TEST(answered_early)
{
	struct session *l, *s;
	struct ctrl c;

	start_vpp();
	played_segment(&p, app, &p.data, PLAYED_DATA);
	l = listener(7);
	c = accepted(7, 100);
	c.accepted.original_dst_ip4 = 0x0100007f;
	c.accepted.original_dst_port = 80;
	played_say(&p, app, &c);
	CHECK(is_taken(100) && l->n_pending == 1);
	close_said(WIRE_EV_RESET, 100); /* before anybody accepts it */
	s = session_pop(l);
	CHECK(s && s->original_ip4 == 0x0100007f && s->original_port == 80);
	CHECK(!session_accept(s) && s->state == SESSION_OPEN);
	CHECK(session_flags(s) & SESSION_RESET && played_quiet(&p));
	session_close(s, false);
	CHECK(played_heard(&p).type == WIRE_EV_RESET_REPLY);
	/* one whose FIFOs can't be used is closed, not refused, after that */
	c = accepted(7, 101);
	played_say(&p, app, &c);
	CHECK(is_taken(101));
	s = session_pop(l);
	session_close(s, true);
	CHECK(is_reset(101) && s->state == SESSION_CLOSING);
	cleanup(101, 1);
	CHECK(s->state == SESSION_FREE);
	/* nobody is told of one that VPP has forgotten: it has no name any more
	 */
	c = accepted(7, 102);
	played_say(&p, app, &c);
	CHECK(is_taken(102));
	cleanup(102, 1);
	session_close(l, false);
	CHECK(played_heard(&p).type == WIRE_EV_UNLISTEN && played_quiet(&p));
	finish();
}

/* A session layer that is stopped empties no queue: who has app.lock must not
 * wait for ever, and the next one not at all. */
TEST(stuck_session_layer)
{
	struct ctrl_addr a = addr(80);
	uint64_t start_ms, took;
	struct session *l, *s;
	int n = 0, err;

	start();
	s = open_one(90);
	start_ms = app_now_ms();
	while (!(err = session_listen(app, &a, 0, NULL, &l)))
		CHECK(++n < 1000);
	took = app_now_ms() - start_ms;
	CHECK(n > 0 && err == -EPIPE && took >= 1000 && took < 10000);
	start_ms = app_now_ms();
	session_ring_tx(s);
	session_close(s, false);
	CHECK(app_now_ms() - start_ms < 500);
	app_put(app);
	app_serve(true);
	CHECK(!app_any());
	while (!played_quiet(&p))
		played_heard(&p);
	played_hang_up(&p);
	app = played_attach(&p);
	CHECK(app);
	finish();
}

/* Handles that differ in either half; every one must be found, also when the
 * table has grown and when others have gone. */
static uint64_t nth_handle(unsigned i)
{
	return (uint64_t)(i % 7) << 32 | (i * 256 + 1);
}

#define MANY 3000

TEST(many_handles)
{
	static struct session *l[MANY];
	unsigned i;

	start();
	for (i = 0; i < MANY; i++)
		l[i] = listener(nth_handle(i));
	for (i = 0; i < MANY; i += 3) {
		close_said(WIRE_EV_DISCONNECTED, nth_handle(i));
		cleanup(nth_handle(i), 1); /* it has no handle from here */
		close_said(WIRE_EV_RESET, nth_handle(i));
	}
	for (i = 0; i < MANY; i++)
		CHECK(l[i]->flags == (i % 3 ? 0
					    : SESSION_PEER_SHUT | SESSION_GONE |
						      SESSION_BROKEN));
	for (i = 0; i < MANY; i += 3) {
		session_close(l[i], false);
		while (!played_quiet(&p))
			played_heard(&p);
		session_free(l[i]);
		l[i] = listener(nth_handle(i));
	}
	for (i = 0; i < MANY; i++)
		close_said(WIRE_EV_RESET, nth_handle(i));
	for (i = 0; i < MANY; i++)
		CHECK(l[i]->flags == (SESSION_RESET | SESSION_GONE));
	close_said(WIRE_EV_RESET, WIRE_INVALID_HANDLE);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(app->n_lost == MANY);
	pthread_mutex_lock(&app->lock);
	for (i = 0; i < MANY; i++)
		session_close(l[i], false);
	pthread_mutex_unlock(&app->lock);
	CHECK(!app->n_lost);
	while (!played_quiet(&p))
		played_heard(&p);
	app = played_attach(&p);
	CHECK(app && played_quiet(&p));
	finish();
}

TEST(noise)
{
	unsigned seed = (unsigned)app_now_ms(), i, k;
	struct session *s[64];
	struct ctrl c;

	start();
	for (i = 0; i < 64; i++)
		s[i] = i % 2 ? open_one(1000 + i) : listener(1000 + i);
	printf("# seed %u\n", seed);
	srandom(seed);
	for (i = 0; i < 20000; i++) {
		for (k = 0; k < sizeof(c); k++)
			((uint8_t *)&c)[k] =
				(uint8_t)(random() % 3 ? 0 : random());
		c.type = (uint8_t)(random() % WIRE_N_EVENTS);
		if (c.type == WIRE_EV_APP_ADD_SEGMENT ||
		    c.type == WIRE_EV_APP_DEL_SEGMENT)
			continue; /* without a descriptor it waits for one */
		if (random() % 2)
			c.close.handle = 1000 + (uint64_t)random() % 70;
		if (c.type == WIRE_EV_ACCEPTED)
			c.accepted.listener_handle =
				1000 + (uint64_t)random() % 70;
		session_event(app, &c);
		while (!mq_empty(&p.in))
			played_heard(&p);
	}
	for (i = 0; i < 64; i++) {
		session_close(s[i], false);
		while (!mq_empty(&p.in))
			played_heard(&p);
	}
	finish();
}
