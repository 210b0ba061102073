/* SPDX-License-Identifier: Apache-2.0 */
/* play.c - what is done for a seed, and what must have arrived before more is
 */
#include <string.h>
#include <sys/socket.h>

#include "tests/differ/differ.h"

/*
 * DOC: The generator keeps a model of the connections, for two reasons: to
 * draw what makes sense, and to know what to wait for.  A model that were
 * wrong would only wait in vain: the texts are compared, not the model.  Each
 * call is drawn from that model and changes it, so that they stand in one file,
 * which is long.
 */

#define MOST_FLYING 24000 /* unread bytes: no buffer is full by that */
#define MOST 3000
#define WARM 24

enum what { FREE, END, EPOLL, OTHERS };

struct place {
	enum what what;
	int conn;
};

/* Of the two sides: a process, and its child if it has one. */
struct conn {
	bool used;
	int refs[2];	 /* descriptors of each side that mean it */
	long sent[2];	 /* by each side, ever */
	long flying[2];	 /* ... and not read yet */
	bool fin[2];	 /* each has shut down, or closed */
	bool rd[2];	 /* each will read no more */
	bool linger0[2]; /* closing resets */
	bool endless[2]; /* has had its time-out taken away */
	bool reset;
};

/* What the thread of a process is in, if it is @on.  It holds the connection,
 * whatever becomes of the descriptor. */
struct blocked {
	bool on;
	enum block kind;
	struct place place; /* of its slot */
	int slot;
};

static struct place places[PROCESSES][SLOTS];
static struct conn conns[CONNS];
static struct blocked blocked[2];
static bool lives[PROCESSES];
static bool threads, children; /* are there any in this play? */
static uint64_t state;
static FILE *out;
static int step;

static uint64_t draw(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static long below(long n)
{
	return (long)(draw() % (uint64_t)n);
}

static int pick(int who, enum what what)
{
	int from = (int)below(SLOTS), i;

	for (i = 0; i < SLOTS; i++)
		if (places[who][(from + i) % SLOTS].what == what)
			return (from + i) % SLOTS;
	return -1;
}

static int side_of(int who)
{
	return who % 2;
}

static int place_of(int who, int conn)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (places[who][i].what == END && places[who][i].conn == conn)
			return i;
	return -1;
}

static void tell(int who, const struct order *o, const struct answer *a)
{
	fprintf(out, "%d %c%d %s\n", step, 'A' + who, o->slot, a->text);
}

/* --- waiting for what is under way --- */

static void await(int who, int conn, long bytes, long m)
{
	struct order o = { .call = CALL_SETTLE,
			   .slot = place_of(who, conn),
			   .n = bytes,
			   .m = m };
	struct answer a;

	if (o.slot < 0)
		return;
	have(who, &o, &a);
	if (a.text[0])
		tell(who, &o, &a);
}

/* Either of a side's processes sees the same. */
static void await_side(int side, int conn, long bytes, long m)
{
	int who = place_of(side, conn) >= 0 ? side : side + 2;

	await(who, conn, bytes, m);
}

static void settle(int conn);

static void released(int side, int conn)
{
	struct conn *c = &conns[conn];

	if (--c->refs[side])
		return;
	if (c->flying[!side] || c->linger0[side])
		c->reset = true;
	c->fin[side] = true;
	if (!c->refs[!side])
		c->used = false;
}

static void unblocked(int side, long ret)
{
	struct blocked *b = &blocked[side];

	b->on = false;
	if (b->kind == BLOCK_EPOLL)
		return;
	if ((b->kind == BLOCK_RECV || b->kind == BLOCK_READ) && ret > 0)
		conns[b->place.conn].flying[!side] -= ret;
	released(side, b->place.conn);
	settle(b->place.conn);
}

/* Is its thread done? */
static void look_at_blocked(int side)
{
	struct blocked *b = &blocked[side];
	struct conn *c = &conns[b->place.conn];
	struct order o = { .call = CALL_UNBLOCK, .slot = -1, .other = -1 };
	struct answer a;

	if (!b->on)
		return;
	if (b->kind == BLOCK_EPOLL) {
		o.slot = places[side][b->slot].what == EPOLL ? b->slot : -1;
	} else {
		o.other = place_of(side, b->place.conn);
		o.n = c->flying[!side];
		o.m = c->reset ? WANT_ERROR : c->fin[!side] ? WANT_END : 0;
	}
	have(side, &o, &a);
	if (!a.text[0])
		return;
	tell(side, &o, &a);
	unblocked(side, a.ret);
}

static bool has_reader(int side, int conn)
{
	const struct blocked *b = &blocked[side];

	return b->on && b->place.conn == conn &&
	       (b->kind == BLOCK_RECV || b->kind == BLOCK_READ);
}

static void settle(int conn)
{
	struct conn *c = &conns[conn];
	int i;

	for (i = 0; i < 2; i++)
		if (has_reader(i, conn))
			look_at_blocked(i);
	for (i = 0; i < 2 && !c->reset; i++)
		await_side(i, conn, c->flying[!i], c->fin[!i] ? WANT_END : 0);
	for (i = 0; i < 2 && c->reset; i++)
		await_side(i, conn, 0, WANT_ERROR);
}

/* @who sent to an end that is not there any more, or that has shut down both
 * ways: the answer is a reset. */
static void sent(int who, int conn, long n)
{
	struct conn *c = &conns[conn];
	int side = side_of(who);

	if (n <= 0)
		return;
	c->sent[side] += n;
	if (!c->refs[!side] || (c->fin[!side] && c->rd[!side]))
		c->reset = true;
	if (c->refs[!side])
		c->flying[side] += n;
}

static void closed(int who, int conn)
{
	released(side_of(who), conn);
}

/* --- what is drawn --- */

static struct answer run(int who, struct order *o)
{
	struct answer a;

	o->how = draw();
	have(who, o, &a);
	tell(who, o, &a);
	return a;
}

static void do_send(int who, int slot)
{
	int conn = places[who][slot].conn;
	struct conn *c = &conns[conn];
	struct order o = { .call = CALL_SEND,
			   .slot = slot,
			   .n = below(8) ? below(200) : below(MOST),
			   .m = c->sent[side_of(who)] };

	o.n++;
	if (c->flying[side_of(who)] > MOST_FLYING)
		return;
	sent(who, conn, run(who, &o).ret);
	settle(conn);
}

static void do_recv(int who, int slot)
{
	int conn = places[who][slot].conn, side = side_of(who);
	struct conn *c = &conns[conn];
	struct order o = { .call = CALL_RECV,
			   .slot = slot,
			   .n = below(6) ? below(400) : below(MOST * 3),
			   .m = !below(40) };
	long n;

	o.m |= c->flying[!side] > o.n && !below(2);
	o.m &= !c->endless[side];
	o.other = c->endless[side];
	n = run(who, &o).ret;
	if (n > 0)
		c->flying[!side] -= n;
	settle(conn);
}

static void do_shutdown(int who, int slot)
{
	int conn = places[who][slot].conn;
	struct conn *c = &conns[conn];
	struct order o = { .call = CALL_SHUTDOWN, .slot = slot, .n = below(3) };

	if (run(who, &o).ret == 0) {
		if (o.n != SHUT_RD)
			c->fin[side_of(who)] = true;
		if (o.n != SHUT_WR)
			c->rd[side_of(who)] = true;
	}
	settle(conn);
}

/* While another process of its side lives, what is closed stays registered in
 * the kernel's instances, and in ours not (docs/decisions.md): bits of those
 * that it is taken out of before. */
static long epolls_of(int who)
{
	long bits = 0;
	int i;

	if (!lives[(who + 2) % PROCESSES])
		return 0;
	for (i = 0; i < SLOTS; i++)
		if (places[who][i].what == EPOLL)
			bits |= 1L << i;
	return bits;
}

static void do_interrupt(int who)
{
	struct order o = { .call = CALL_INTERRUPT };

	unblocked(who, run(who, &o).ret);
}

/* Another thread's poll(2) or select(2) goes on waiting for what the number
 * meant, and each time that something comes there it asks what it means now.
 * We ask once (poll.c, moved()). */
static void number_gone(int who, int slot)
{
	struct blocked *b = &blocked[side_of(who)];

	if (who < 2 && b->on && b->slot == slot &&
	    (b->kind == BLOCK_POLL || b->kind == BLOCK_SELECT))
		do_interrupt(who);
}

static void do_close(int who, int slot)
{
	struct place p = places[who][slot];
	struct order o = { .call = CALL_CLOSE,
			   .slot = slot,
			   .n = below(3),
			   .m = epolls_of(who) };

	run(who, &o);
	places[who][slot].what = FREE;
	number_gone(who, slot);
	if (p.what == END) {
		closed(who, p.conn);
		settle(p.conn);
	}
}

static void do_dup(int who, int slot)
{
	struct order o = { .call = CALL_DUP,
			   .slot = slot,
			   .other = pick(who, FREE),
			   .n = below(2) };

	if (o.other < 0)
		return;
	run(who, &o);
	places[who][o.other] = places[who][slot];
	conns[places[who][slot].conn].refs[side_of(who)]++;
}

static void do_dup2(int who, int slot)
{
	struct order o = { .call = CALL_DUP2,
			   .slot = slot,
			   .other = pick(who, below(4) ? END : EPOLL),
			   .m = epolls_of(who) };
	struct place old;

	if (o.other < 0)
		return;
	run(who, &o);
	old = places[who][o.other];
	places[who][o.other] = places[who][slot];
	conns[places[who][slot].conn].refs[side_of(who)]++;
	number_gone(who, o.other);
	if (old.what == END) {
		closed(who, old.conn);
		settle(old.conn);
	}
}

/* The kernel does not wake who sleeps in recv(2) for less than an SO_RCVLOWAT
 * that was set after it; we do. */
static void do_set(int who, int slot)
{
	struct order o = { .call = CALL_SET,
			   .slot = slot,
			   .m = has_reader(side_of(who),
					   places[who][slot].conn) };
	struct answer a = run(who, &o);

	if (a.ret == 0 && strstr(a.text, "LINGER"))
		conns[places[who][slot].conn].linger0[side_of(who)] =
			strstr(a.text, "LINGER 1") != NULL;
}

static void simple(int who, int slot, enum call call)
{
	struct order o = { .call = call, .slot = slot };

	run(who, &o);
	settle(places[who][slot].conn);
}

static void do_ep_new(int who)
{
	struct order o = { .call = CALL_EP_NEW, .slot = pick(who, FREE) };

	if (o.slot < 0)
		return;
	run(who, &o);
	places[who][o.slot].what = EPOLL;
}

static void do_ep_ctl(int who, int slot)
{
	struct order o = { .call = CALL_EP_CTL,
			   .slot = pick(who, EPOLL),
			   .other = slot,
			   .m = step };

	if (!below(12))
		o.other = pick(who, EPOLL); /* nested, or itself */
	o.n = o.other >= 0 && places[who][o.other].what == EPOLL;
	if (o.slot >= 0 && o.other >= 0)
		run(who, &o);
}

static void do_ep_wait(int who)
{
	struct order o = { .call = CALL_EP_WAIT, .slot = pick(who, EPOLL) };

	if (o.slot >= 0)
		run(who, &o);
}

/* An exchange or a few, so that it leaves the kernel. */
static void warm(int conn)
{
	struct conn *c = &conns[conn];
	struct answer a;
	int i;

	for (i = 0; i < 2 * WARM; i++) {
		int who = i % 2;
		struct order o = { .call = CALL_SEND,
				   .slot = place_of(who, conn),
				   .n = 50,
				   .m = c->sent[who],
				   .how = 11 };

		have(who, &o, &a);
		sent(who, conn, a.ret);
		settle(conn);
		o.call = CALL_RECV;
		o.slot = place_of(!who, conn);
		o.m = 0;
		have(!who, &o, &a);
		c->flying[who] -= a.ret;
	}
}

static void do_connect(void)
{
	int who = (int)below(2), conn = 0, slot[2], i;
	struct order o = { .call = CALL_DIAL };
	bool is_warm = below(3);

	while (conns[conn].used)
		if (++conn == CONNS)
			return;
	for (i = 0; i < 2; i++) {
		slot[i] = pick(i, FREE);
		if (slot[i] < 0)
			return;
	}
	memset(&conns[conn], 0, sizeof(conns[conn]));
	conns[conn].used = true;
	o.slot = slot[who];
	run(who, &o);
	o.call = CALL_ACCEPT;
	o.slot = slot[!who];
	run(!who, &o);
	for (i = 0; i < 2; i++) {
		places[i][slot[i]] = (struct place){ END, conn };
		conns[conn].refs[i] = 1;
	}
	if (is_warm)
		warm(conn);
}

/* Both ends of one connection, as they are now. */
static void look(int conn)
{
	struct order o = { .call = CALL_LOOK };
	int i;

	for (i = 0; i < PROCESSES; i++) {
		o.slot = place_of(i, conn);
		if (o.slot >= 0)
			run(i, &o);
	}
}

/* --- threads and children --- */

static void do_block(int who, int slot)
{
	struct order o = { .call = CALL_BLOCK,
			   .slot = slot,
			   .n = below(BLOCK_KINDS),
			   .m = 1 + below(1000) };
	struct blocked *b = &blocked[who];

	if (o.n == BLOCK_EPOLL)
		o.slot = pick(who, EPOLL);
	if (o.slot < 0)
		return;
	*b = (struct blocked){ .on = true,
			       .kind = (enum block)o.n,
			       .place = places[who][o.slot],
			       .slot = o.slot };
	if (o.n != BLOCK_EPOLL)
		conns[b->place.conn].refs[who]++;
	if (o.n == BLOCK_RECV || o.n == BLOCK_READ)
		conns[b->place.conn].endless[who] = true;
	run(who, &o);
	look_at_blocked(who);
}

/* What it inherits of epoll it leaves alone. */
static void do_fork(int who)
{
	struct order o = { .call = CALL_FORK };
	struct place *p = places[who + 2];
	int i;

	run(who, &o);
	lives[who + 2] = true;
	memcpy(p, places[who], sizeof(places[who]));
	for (i = 0; i < SLOTS; i++)
		if (p[i].what == END)
			conns[p[i].conn].refs[who]++;
		else if (p[i].what == EPOLL)
			p[i].what = OTHERS;
}

static void do_reap(int who, long how)
{
	struct order o = { .call = CALL_REAP, .n = how == 0, .m = how == 1 };
	struct place had[SLOTS];
	int i;

	run(who, &o);
	lives[who + 2] = false;
	memcpy(had, places[who + 2], sizeof(had));
	memset(places[who + 2], 0, sizeof(had));
	for (i = 0; i < SLOTS; i++)
		if (had[i].what == END)
			closed(who, had[i].conn);
	for (i = 0; i < SLOTS; i++)
		if (had[i].what == END && conns[had[i].conn].used)
			settle(had[i].conn);
}

static void on_process(int who)
{
	if (threads && !blocked[who].on && below(3))
		do_block(who, pick(who, END));
	else if (blocked[who].on && !below(3))
		do_interrupt(who);
	else if (lives[who + 2])
		do_reap(who, below(3));
	else if (children)
		do_fork(who);
}

static void on_end(int who, int slot, long what)
{
	if (what < 24)
		do_send(who, slot);
	else if (what < 52)
		do_recv(who, slot);
	else if (what < 54)
		do_shutdown(who, slot);
	else if (what < 56)
		do_close(who, slot);
	else if (what < 58)
		do_dup(who, slot);
	else if (what < 59)
		do_dup2(who, slot);
	else if (what < 62)
		do_set(who, slot);
	else if (what < 66)
		simple(who, slot, CALL_GET);
	else if (what < 69)
		simple(who, slot, CALL_FLAGS);
	else if (what < 72)
		simple(who, slot, CALL_IOCTL);
	else if (what < 73)
		simple(who, slot, CALL_NAMES);
	else if (what < 75)
		simple(who, slot, CALL_ODD);
	else if (what < 77)
		simple(who, slot, CALL_FAULT);
	else if (what < 85)
		do_ep_ctl(who, slot);
	else
		look(places[who][slot].conn);
}

/* Bits of slots that are not to be asked. */
static long others_of(int who)
{
	long bits = 0;
	int i;

	for (i = 0; i < SLOTS; i++)
		if (places[who][i].what == OTHERS)
			bits |= 1L << i;
	return bits;
}

static int some_process(void)
{
	int who = (int)below(PROCESSES);

	return lives[who] ? who : side_of(who);
}

static void one_step(void)
{
	int who = some_process(), slot = pick(who, END), conn;
	long what = below(100);
	struct order o = { 0 };

	if (slot < 0 || !below(30)) {
		do_connect();
		return;
	}
	if (what < 10) {
		o.call = what < 6 ? CALL_POLL : CALL_SELECT;
		o.m = others_of(who);
		run(who, &o);
	} else if (what < 12) {
		do_ep_new(who);
	} else if (what < 24) {
		do_ep_wait(who);
	} else if (what < 28 && who < 2) {
		on_process(who);
	} else if (what < 29 && pick(who, EPOLL) >= 0 && !below(3)) {
		do_close(who, pick(who, EPOLL));
	} else {
		conn = places[who][slot].conn;
		on_end(who, slot, below(90));
		if (below(2) && conns[conn].used)
			look(conn);
	}
}

/* As new: who is blocked, and who was born, goes first. */
static void over(void)
{
	struct order o = { .call = CALL_RESET };
	struct answer a;
	int i;

	for (i = 0; i < 2; i++)
		if (blocked[i].on)
			do_interrupt(i);
	for (i = 0; i < 2; i++)
		if (lives[i + 2])
			do_reap(i, 0);
	for (i = 0; i < 2; i++)
		have(i, &o, &a);
}

void play(uint64_t seed, FILE *to)
{
	struct order o = { .call = CALL_RESET };
	struct answer a;
	int i, steps;

	for (i = 0; i < 2; i++)
		lives[i] = true;
	state = seed * 0x2545f4914f6cdd1d + 1;
	out = to;
	memset(conns, 0, sizeof(conns));
	memset(places, 0, sizeof(places));
	threads = below(2);
	children = below(2);
	fprintf(out, "seed %llu\n", (unsigned long long)seed);
	steps = 20 + (int)below(60);
	for (i = 0; i < 2; i++)
		have(i, &o, &a);
	for (step = 1; step <= steps; step++) {
		one_step();
		for (i = 0; i < 2; i++)
			look_at_blocked(i);
	}
	over();
}
