/* SPDX-License-Identifier: Apache-2.0 */
/* link_sock.c - kernel connections and their way to a link: both ends in this
 * process, the daemon played, calls of the kernel that fail */
#include <arpa/inet.h>

#include "core/base/kernel.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"
#include "tests/unit/kernel_fault.h"
#include "tests/unit/played_link.h"

static struct played p;
static struct played_links pl;

struct ends {
	int l, c, s;
	struct sock *cs, *ss; /* referenced */
	uint64_t c_context, s_context;
};

static int bell = -1; /* this thread's, which came with the first offer */

static void start(void)
{
	struct app *app;

	played_open(&p);
	played_links_open(&p, &pl);
	app = played_attach(&p);
	CHECK(app && app->links);
	app_put(app);
}

static void stop(void)
{
	int fd;

	played_hang_up(&p);
	app_serve(true);
	played_links_close(&p, &pl);
	played_close(&p);
	/* the family's locks (hold.c) are all that may be left */
	fd = private_next(0);
	if (fd >= 0) {
		CHECK(private_next(fd + 1) < 0);
		private_close(fd);
	}
}

static void connect_ends(struct ends *e)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	unsigned port;

	memset(e, 0, sizeof(*e));
	e->l = k_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!k_bind(e->l, (struct sockaddr *)&sin, len));
	CHECK(!sock_listen(e->l, 8));
	CHECK(!k_getsockname(e->l, (struct sockaddr *)&sin, &len));
	port = ntohs(sin.sin_port);
	pl.page->listeners[port / 64] |= 1ull << (port % 64);
	e->c = k_socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!sock_connect(e->c, (struct sockaddr *)&sin, len));
	e->s = sock_accept4(e->l, NULL, NULL, 0);
	CHECK(e->s >= 0);
	e->cs = sock_get(e->c);
	e->ss = sock_get(e->s);
	CHECK(e->cs && e->cs->kind == SOCK_LINK && !e->cs->link);
	CHECK(e->ss && e->ss->kind == SOCK_LINK && !e->ss->link);
}

static void close_ends(struct ends *e)
{
	sock_put(e->cs);
	sock_put(e->ss);
	CHECK(!sock_close(e->c) && !sock_close(e->s) && !sock_close(e->l));
}

/* Bytes that tell if any is lost, doubled or out of order. */
static void talk_one_way(int from, int to)
{
	static unsigned char n;
	unsigned char out[100], in[100];
	size_t i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = n++;
	CHECK(sock_write(from, out, sizeof(out)) == sizeof(out));
	CHECK(sock_recvfrom(to, in, sizeof(in), MSG_WAITALL, NULL, NULL) ==
	      sizeof(in));
	CHECK(!memcmp(in, out, sizeof(in)));
}

static void talk(struct ends *e, int rounds)
{
	while (rounds--) {
		talk_one_way(e->c, e->s);
		talk_one_way(e->s, e->c);
	}
}

/* The next offer, if there is one: its context, or 0. */
static uint64_t hear_offer(void)
{
	struct wire_sapi_ext msg;
	int fd;

	do {
		msg = played_ext(&p, &fd);
	} while (msg.type && msg.type != WIRE_SAPI_OFFER);
	if (fd >= 0 && bell >= 0)
		close(bell);
	if (fd >= 0)
		bell = fd;
	return msg.type ? msg.offer.context : 0;
}

/* Both have offered, and nothing is answered yet. */
static void both_offer(struct ends *e)
{
	memset((void *)pl.page->offers, 0, sizeof(pl.page->offers));
	talk(e, 8);
	e->c_context = hear_offer();
	CHECK(e->c_context && !hear_offer());
	CHECK(e->cs->upgrade == UPGRADE_OFFERED);
	CHECK(e->ss->upgrade == UPGRADE_IDLE);
	memset((void *)pl.page->offers, 1, sizeof(pl.page->offers));
	talk(e, 1);
	e->s_context = hear_offer();
	CHECK(e->s_context && e->ss->upgrade == UPGRADE_OFFERED);
}

/* Bells of a thread have one number, so one descriptor serves both. */
static void grant_side(uint64_t context, unsigned side)
{
	struct wire_sapi_ext msg = played_grant(context);

	msg.grant.side = (uint8_t)side;
	msg.grant.link = 100 + side;
	played_mail(&p, &pl, &msg, (int[]){ pl.seg.fd, bell }, 2);
}

static void grant_both(struct ends *e)
{
	grant_side(e->c_context, 0);
	grant_side(e->s_context, 1);
}

static int dones(void)
{
	struct wire_sapi_ext msg;
	int n = 0;

	do {
		msg = played_ext(&p, NULL);
		n += msg.type == WIRE_SAPI_DONE;
	} while (msg.type);
	return n;
}

static void forget_peer(void)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_PEER_GONE };

	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	link_seg_wipe(&pl.seg, 1, PLAYED_RING);
}

static bool moved(const struct sock *s)
{
	return s->link && s->link->settled && s->hold->link.tx_ring &&
	       s->hold->link.rx_mode == HOLD_RX_RING;
}

/* Close what the thread has open. */
static void end_thread(void)
{
	struct waiter *w;

	CHECK(!waiter_get(&w));
	bell_put(w->bell);
	waiter_forked();
	if (bell >= 0)
		close(bell);
}

static void warm_thread(void)
{
	struct waiter *w;

	CHECK(!waiter_get(&w) && waiter_bell());
}

TEST(both_directions_move_and_nothing_is_lost)
{
	struct ends e;

	start();
	connect_ends(&e);
	both_offer(&e);
	grant_both(&e);
	talk(&e, 4);
	CHECK(moved(e.cs) && moved(e.ss));
	CHECK(e.cs->link->end.mine->tx_bytes >= 100);
	CHECK(e.ss->link->end.mine->tx_bytes >= 100);
	CHECK(!dones());
	close_ends(&e);
	CHECK(dones() == 2);
	forget_peer();
	end_thread();
	stop();
}

static ssize_t fill(int fd)
{
	static const char buf[4096];
	ssize_t n, sum = 0;

	while ((n = sock_sendto(fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, 0)) >
	       0)
		sum += n;
	CHECK(n == -EAGAIN);
	return sum;
}

/* The server has shut down sending and dies, by a close that libsapi does not
 * see, before it could see to a reset. */
TEST(a_death_behind_a_fin)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct link *l;
	struct ends e;
	char c;

	start();
	connect_ends(&e);
	both_offer(&e);
	grant_both(&e);
	talk(&e, 4);
	l = e.cs->link;
	link_set_flags(&e.ss->link->end, WIRE_LINK_FIN);
	CHECK(!k_shutdown(e.s, SHUT_WR));
	CHECK(sock_recvfrom(e.c, &c, 1, 0, NULL, NULL) == 0);
	CHECK(fill(e.c) == PLAYED_RING);
	CHECK(!sock_ready(e.cs, POLLOUT));
	CHECK(l->doubted && !l->dead && app_zombies());
	l->asked_ns = 0;
	CHECK(!sock_ready(e.cs, POLLOUT) && !l->dead);
	CHECK(dup2(null, e.s) == e.s && !close(null));
	/* not so soon again */
	CHECK(!sock_ready(e.cs, POLLOUT));
	l->asked_ns = 0;
	CHECK(sock_ready(e.cs, POLLOUT) & POLLOUT);
	CHECK(l->dead && !l->doubted && !app_zombies());
	CHECK(sock_sendto(e.c, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) ==
	      -ECONNRESET);
	close_ends(&e);
	forget_peer();
	end_thread();
	stop();
}

/* A call that is in the kernel reads what comes there, so the peer must go on
 * sending it there. */
TEST(no_consent_while_a_call_is_in_the_kernel)
{
	struct ends e;

	start();
	connect_ends(&e);
	both_offer(&e);
	e.ss->k_rx++;
	grant_both(&e);
	talk(&e, 4);
	CHECK(e.ss->link && e.ss->hold->link.rx_mode == HOLD_RX_KERNEL);
	CHECK(!e.cs->hold->link.tx_ring && e.ss->hold->link.tx_ring);
	e.ss->k_rx--;
	talk(&e, 4);
	CHECK(moved(e.cs) && moved(e.ss));
	close_ends(&e);
	forget_peer();
	end_thread();
	stop();
}

/* One end alone has it: the other never consents. */
TEST(one_end_alone_stays_in_the_kernel)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };
	struct ends e;

	start();
	connect_ends(&e);
	both_offer(&e);
	grant_side(e.c_context, 0);
	msg.refuse.context = e.s_context;
	msg.refuse.why = WIRE_REFUSED_MEMORY;
	played_mail(&p, &pl, &msg, NULL, 0);
	memset((void *)pl.page->offers, 0, sizeof(pl.page->offers));
	talk(&e, 20);
	CHECK(e.cs->link && !e.cs->hold->link.tx_ring && !e.ss->link);
	CHECK(e.ss->upgrade == UPGRADE_IDLE);
	close_ends(&e);
	CHECK(dones() == 1);
	forget_peer();
	end_thread();
	stop();
}

TEST(refusals_end_it_or_put_it_off)
{
	static const enum wire_refusal whys[] = {
		WIRE_REFUSED_EXPIRED, WIRE_REFUSED_PROOF, WIRE_REFUSED_USER,
		WIRE_REFUSED_LIMIT, WIRE_REFUSED_MEMORY
	};
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };
	struct ends e;
	bool again;
	unsigned i;

	start();
	for (i = 0; i < ARRAY_SIZE(whys); i++) {
		connect_ends(&e);
		both_offer(&e);
		msg.refuse.context = e.c_context;
		msg.refuse.why = (uint8_t)whys[i];
		played_mail(&p, &pl, &msg, NULL, 0);
		again = whys[i] != WIRE_REFUSED_PROOF &&
			whys[i] != WIRE_REFUSED_USER;
		talk(&e, 1);
		CHECK(e.cs->upgrade == (again ? UPGRADE_IDLE : UPGRADE_NEVER));
		talk(&e, 200);
		CHECK(!hear_offer() == !again);
		close_ends(&e);
	}
	end_thread();
	stop();
}

/* An answer that comes when the number means another connection. */
TEST(an_answer_for_what_was_closed)
{
	struct ends e, other;
	uint64_t context;

	start();
	connect_ends(&e);
	both_offer(&e);
	context = e.c_context;
	close_ends(&e);
	connect_ends(&other);
	CHECK(other.c == e.c);
	grant_side(context, 0);
	talk(&other, 1);
	CHECK(!other.cs->link && dones() == 1);
	close_ends(&other);
	forget_peer();
	end_thread();
	stop();
}

/* An answer that comes when the connection has another number, and its old one
 * means another connection, which waits for an answer, too. */
TEST(an_answer_for_what_was_moved)
{
	struct ends e, other;
	int old;

	start();
	connect_ends(&e);
	both_offer(&e);
	connect_ends(&other);
	both_offer(&other);
	old = e.c;
	e.c = sock_dup(old);
	CHECK(sock_dup2(other.c, old) == old);
	CHECK(!sock_close(other.c));
	other.c = old;
	grant_both(&e);
	talk(&e, 4);
	talk(&other, 4);
	CHECK(moved(e.cs) && moved(e.ss));
	CHECK(!other.cs->link && !other.ss->link);
	close_ends(&e);
	close_ends(&other);
	CHECK(dones() == 2);
	forget_peer();
	end_thread();
	stop();
}

/* Whichever call of the kernel fails on the way, the connection goes on. */
TEST(calls_that_fail_on_the_way)
{
	struct ends e;
	int i, both = 0, left;

	start();
	warm_thread();
	for (i = 1, left = 0; !left && i < 200; i++) {
		connect_ends(&e);
		both_offer(&e);
		grant_both(&e);
		kernel_fault_in = i;
		offer_poll();
		left = kernel_fault_in;
		kernel_fault_in = 0;
		talk(&e, 40);
		both += moved(e.cs) && moved(e.ss);
		close_ends(&e);
		dones();
		forget_peer();
	}
	printf("# %d calls, %d links in spite of one\n", i, both);
	CHECK(left && i > 4 && both > 0);
	end_thread();
	stop();
}
