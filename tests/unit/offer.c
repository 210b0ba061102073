/* SPDX-License-Identifier: Apache-2.0 */
/* offer.c - offers and their answers, the right ones and every wrong one */
#include "tests/unit/played_link.h"

static struct played p;
static struct played_links pl;

/* --- what the library would do with the answers --- */

static uint64_t granted_to, refused_to;
static enum offer_refusal why;
static struct offer_grant grant;
static int take; /* what granted() says */
static void *rung_user;

static int on_granted(uint64_t context, const struct offer_grant *g)
{
	granted_to = context;
	grant = *g;
	return take;
}

static void on_refused(uint64_t context, enum offer_refusal reason)
{
	refused_to = context;
	why = reason;
}

static bool on_rung(void *user)
{
	return user != NULL;
}

static void on_heard(void *user)
{
	rung_user = user;
}

static const struct offer_hooks hooks = { on_granted, on_refused, on_rung,
					  on_heard };

/* --- --- */

static void start_with(uint32_t features)
{
	struct app *app;

	played_open(&p);
	played_links_open(&p, &pl);
	p.reply.hello.features |= features;
	offer_hooks = &hooks;
	app = played_attach(&p);
	CHECK(app && app->links);
	app_put(app);
	CHECK(offer_able());
}

static void start(void)
{
	start_with(0);
}

static void stop(void)
{
	played_hang_up(&p);
	app_serve(true);
	CHECK(!offer_able() && !offer_mail());
	/* segments of a daemon that has gone go with the last link */
	played_links_close(&p, &pl);
	played_close(&p);
}

static int bell_fd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	CHECK(fd >= 0);
	return fd;
}

static void give(struct wire_sapi_ext *msg, int bell)
{
	int fd[2];
	unsigned n = 0;

	if (msg->grant.has_seg)
		fd[n++] = pl.seg.fd;
	if (msg->grant.has_bell)
		fd[n++] = bell;
	played_mail(&p, &pl, msg, fd, n);
	granted_to = refused_to = 0;
	offer_poll();
	CHECK(!offer_mail());
}

/* It is not used: the daemon hears so, and whoever offered. */
static void no_use(const char *what, struct wire_sapi_ext *msg, int bell)
{
	int fds = tap_open_fds();
	struct wire_sapi_ext said;

	give(msg, bell);
	said = played_ext(&p, NULL);
	if (granted_to || refused_to != msg->grant.context ||
	    why != OFFER_MEMORY || said.type != WIRE_SAPI_DONE ||
	    said.done.link != msg->grant.link || !said.done.forget_seg ||
	    tap_open_fds() != fds) {
		printf("# %s: granted %d refused %d type %#x\n", what,
		       (int)granted_to, (int)refused_to, said.type);
		CHECK(0);
	}
}

static int link_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, "sapi-links") != NULL;
	fclose(f);
	return n - 1; /* the test's own */
}

TEST(offers_say_what_they_are_for)
{
	struct offer o = { .context = 5, .cookie = 6, .ring = 7 };
	struct wire_sapi_ext msg;
	struct bell *bell;
	int fd;

	start();
	bell = bell_new();
	CHECK(bell);
	o.bell = bell;
	o.lcl.port = 0x1234;
	o.lcl.is_ip4 = 1;
	o.lcl.ip[12] = 127;
	o.rmt.ip[15] = 9;
	CHECK(!offer_make(&o));
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_OFFER && msg.offer.context == 5);
	CHECK(msg.offer.cookie == 6 && msg.offer.ring == 7);
	CHECK(msg.offer.lcl_port == 0x1234 && msg.offer.is_ip4 == 1);
	CHECK(msg.offer.lcl[12] == 127 && msg.offer.rmt[15] == 9);
	CHECK(msg.offer.bell == bell->number && msg.offer.has_bell && fd >= 0);
	/* it is the bell's */
	bell_ring(bell->evfd);
	CHECK(eventfd_read(fd, &(eventfd_t){ 0 }) == 0);
	close(fd);
	/* which travels once */
	CHECK(!offer_make(&o));
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_OFFER && !msg.offer.has_bell && fd < 0);
	CHECK(!offer_listen(80, true));
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_LISTEN && msg.listen.on);
	CHECK(msg.listen.port == htons(80));
	bell_put(bell);
	stop();
	CHECK(offer_make(&o) == -ENOTCONN);
	CHECK(offer_listen(80, false) == -ENOTCONN);
}

TEST(the_page_tells_who_listens_and_who_waits)
{
	start();
	CHECK(!offer_listener_at(777) &&
	      !offer_waiting(offer_slot(777, 40000)));
	pl.page->listeners[777 / 64] |= 1ull << (777 % 64);
	pl.page->offers[wire_page_slot(40000, 777)] = 1;
	CHECK(offer_listener_at(777) && offer_waiting(offer_slot(777, 40000)));
	stop();
	CHECK(!offer_listener_at(777) &&
	      !offer_waiting(offer_slot(777, 40000)));
}

TEST(diag_goes_first_where_it_is_asked_for)
{
	struct wire_sapi_ext msg;
	struct offer o = { .context = 5 };
	int fd;

	played_open(&p);
	played_links_open(&p, &pl);
	p.reply.hello.features |= WIRE_EXT_DIAG;
	offer_hooks = &hooks;
	app_put(played_attach(&p));
	o.bell = bell_new();
	CHECK(!offer_make(&o) && !offer_make(&o));
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_DIAG && fd >= 0);
	close(fd);
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_OFFER && fd >= 0);
	close(fd);
	msg = played_ext(&p, &fd);
	CHECK(msg.type == WIRE_SAPI_OFFER && fd < 0);
	bell_put(o.bell);
	stop();
}

TEST(what_stays_is_noted_within_bounds)
{
	struct offer o = { .cookie = 1, .lcl.is_ip4 = 1, .rmt.is_ip4 = 1 };
	struct wire_kept *kept;
	uint64_t off;
	unsigned i;

	played_open(&p);
	played_links_open(&p, &pl);
	CHECK(!seg_carve(&p.wrk_seg, WIRE_KEPT_N * sizeof(*kept), 64, &off));
	kept = map_at(&p.wrk_seg.map, off, WIRE_KEPT_N * sizeof(*kept));
	memset(kept, 0, WIRE_KEPT_N * sizeof(*kept));
	offer_keep(&o, WIRE_WHY_PEER, OFFER_N_REFUSALS); /* not attached */
	p.reply.hello.features |= WIRE_EXT_KEPT;
	p.reply.hello.kept_off = off;
	app_put(played_attach(&p));
	o.lcl.port = htons(80);
	o.rmt.ip[15] = 7;
	offer_keep(&o, WIRE_WHY_PEER, OFFER_N_REFUSALS);
	CHECK(kept[0].cookie == 1 && kept[0].why == WIRE_WHY_PEER);
	CHECK(kept[0].lcl_port == htons(80) && kept[0].rmt[15] == 7);
	offer_keep(&o, WIRE_WHY_REFUSED, OFFER_EXPIRED); /* the same again */
	CHECK(kept[0].why == WIRE_WHY_REFUSED && !kept[1].cookie);
	CHECK(kept[0].refusal == WIRE_REFUSED_EXPIRED && kept[0].is_ip4);
	for (i = 2; i <= 1000; i++) {
		o.cookie = i;
		offer_keep(&o, WIRE_WHY_PEER, OFFER_N_REFUSALS);
	}
	for (i = 0; i < WIRE_KEPT_N; i++)
		CHECK(kept[i].cookie > 1000 - WIRE_KEPT_N - 1);
	offer_keep_over(1000);
	offer_keep_over(1); /* has gone */
	for (i = 0; i < WIRE_KEPT_N; i++)
		CHECK(kept[i].cookie != 1000);
	stop();
	offer_keep_over(999);
}

TEST(refusals_reach_who_offered)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };
	unsigned i;

	start();
	for (i = 0; i < 256; i++) {
		msg.refuse.context = i + 1;
		msg.refuse.why = (uint8_t)i;
		played_mail(&p, &pl, &msg, NULL, 0);
		CHECK(offer_mail());
		offer_poll();
		CHECK(refused_to == i + 1 && !granted_to);
		CHECK(why == (i < OFFER_N_REFUSALS ? i : OFFER_PROOF));
	}
	/* what is no message of ours is none */
	refused_to = 0;
	msg.type = 0xee;
	played_mail(&p, &pl, &msg, NULL, 0);
	played_send(p.conn, &msg, 5, NULL, 0);
	pl.mail->sent++;
	offer_poll();
	CHECK(!refused_to && !granted_to && !offer_mail());
	CHECK(played_ext(&p, NULL).type == 0);
	stop();
}

TEST(a_grant_gives_a_link_and_its_release_says_done)
{
	struct wire_sapi_ext msg = played_grant(8), said;
	int bell = bell_fd(), fds;
	struct link_end end;
	struct ring_own tx = { 0 }, rx = { 0 };

	start();
	fds = tap_open_fds();
	give(&msg, bell);
	CHECK(granted_to == 8 && !refused_to && link_maps() == 1);
	CHECK(grant.link == 1008 && grant.index == 1 && grant.side == 0);
	CHECK(!link_end_init(&end, offer_map(grant.seg), grant.index,
			     grant.side, grant.ring, &tx, &rx));
	CHECK(grant.bell_fd >= 0 && tap_open_fds() == fds + 1);
	bell_ring(grant.bell_fd);
	CHECK(eventfd_read(bell, &(eventfd_t){ 0 }) == 0);
	offer_release(&grant);
	said = played_ext(&p, NULL);
	CHECK(said.type == WIRE_SAPI_DONE && said.done.link == 1008);
	CHECK(!said.done.forget_seg);
	/* a later one needs no descriptors; if nobody takes it, the same */
	msg = played_grant(9);
	msg.grant.has_seg = msg.grant.has_bell = 0;
	take = -ENOENT;
	give(&msg, -1);
	CHECK(granted_to == 9);
	said = played_ext(&p, NULL);
	CHECK(said.type == WIRE_SAPI_DONE && said.done.link == 1009);
	CHECK(link_maps() == 1);
	offer_withdraw(9); /* not to a daemon that has never heard of it */
	msg.type = WIRE_SAPI_PEER_GONE;
	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	CHECK(link_maps() == 0 && tap_open_fds() == fds);
	close(bell);
	stop();
}

TEST(wrong_grants_are_of_no_use)
{
	struct wire_sapi_ext msg;
	int bell = bell_fd();
	unsigned i;

	start();
	msg = played_grant(8);
	msg.grant.has_seg = msg.grant.has_bell = 0;
	no_use("nothing known", &msg, bell);
	msg = played_grant(8);
	msg.grant.peer_bell = WIRE_BELLS_MAX;
	no_use("bell number", &msg, bell);
	msg = played_grant(8);
	msg.grant.has_bell = 0;
	no_use("no bell", &msg, bell);
	for (i = 0; i < 6; i++) {
		msg = played_grant(8 + i);
		msg.grant.ring = i == 0 ? PLAYED_RING * 2 : msg.grant.ring;
		msg.grant.ring = i == 1 ? PLAYED_RING + 1 : msg.grant.ring;
		msg.grant.n_links = i == 2 ? PLAYED_LINKS + 1 : PLAYED_LINKS;
		msg.grant.n_links = i == 3 ? 0 : msg.grant.n_links;
		msg.grant.index = i == 4 ? PLAYED_LINKS : 1;
		msg.grant.side = i == 5 ? 2 : 0;
		if (i) /* else the bell of the ones before is closed */
			msg.grant.has_bell = 0;
		if (i == 5)
			msg.grant.has_seg = 0; /* i == 4 brought it */
		if (!i) { /* the number now has a descriptor, which counts */
			give(&msg, bell);
			CHECK(refused_to == 8 &&
			      played_ext(&p, NULL).done.forget_seg);
		} else if (i == 4) {
			give(&msg, bell);
			CHECK(refused_to == 12 && link_maps() == 1 &&
			      played_ext(&p, NULL).done.forget_seg);
		} else {
			no_use("shape", &msg, bell);
		}
	}
	msg = played_grant(20);
	msg.grant.has_seg = msg.grant.has_bell = 0;
	msg.grant.ring = PLAYED_RING * 2;
	no_use("another ring", &msg, bell);
	/* it is as good as ever */
	msg = played_grant(21);
	msg.grant.has_seg = msg.grant.has_bell = 0;
	give(&msg, bell);
	CHECK(granted_to == 21);
	offer_release(&grant);
	msg.type = WIRE_SAPI_PEER_GONE;
	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	CHECK(link_maps() == 0);
	close(bell);
	stop();
}

TEST(a_memfd_that_is_no_segment)
{
	struct wire_sapi_ext msg;
	struct map odd;
	int bell = bell_fd(), seg;

	start();
	seg = pl.seg.fd;
	CHECK(!map_plain_create(&odd, "odd",
				WIRE_LINK_SEG_SIZE(PLAYED_LINKS, PLAYED_RING)));
	pl.seg.fd = odd.fd;
	msg = played_grant(8);
	give(&msg, bell); /* the bell stays */
	CHECK(refused_to == 8 && played_ext(&p, NULL).done.forget_seg);
	pl.seg.fd = bell;
	msg.grant.has_bell = 0;
	no_use("an eventfd", &msg, bell);
	pl.seg.fd = seg;
	give(&msg, bell);
	CHECK(granted_to == 8);
	map_close(&odd);
	offer_release(&grant);
	CHECK(played_ext(&p, NULL).type == WIRE_SAPI_DONE);
	close(bell);
	msg.type = WIRE_SAPI_PEER_GONE;
	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	stop();
}

/* Every grant comes with the bell that its link is to ring: a number may mean
 * another one by then. */
TEST(links_keep_the_bell_they_were_given)
{
	int first = bell_fd(), second = bell_fd();
	struct offer_grant old;
	struct wire_sapi_ext msg = played_grant(8);
	eventfd_t n;

	start();
	give(&msg, first);
	CHECK(granted_to == 8);
	old = grant;
	msg = played_grant(9);
	msg.grant.index = 2;
	msg.grant.has_seg = 0;
	give(&msg, second);
	CHECK(granted_to == 9 && grant.seg == old.seg);
	bell_ring(old.bell_fd);
	CHECK(eventfd_read(first, &n) == 0 && eventfd_read(second, &n) < 0);
	bell_ring(grant.bell_fd);
	CHECK(eventfd_read(first, &n) < 0 && eventfd_read(second, &n) == 0);
	/* the peer goes first, then the links */
	msg.type = WIRE_SAPI_PEER_GONE;
	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	CHECK(link_maps() == 1);
	offer_release(&old);
	CHECK(link_maps() == 1);
	bell_ring(grant.bell_fd);
	CHECK(eventfd_read(second, &n) == 0);
	offer_release(&grant);
	CHECK(link_maps() == 0);
	close(first);
	close(second);
	stop();
}

TEST(no_room_for_descriptors)
{
	struct wire_sapi_ext msg = played_grant(8), said;
	struct rlimit was, none;
	int bell = bell_fd();

	start();
	CHECK(!getrlimit(RLIMIT_NOFILE, &was));
	none = was;
	none.rlim_cur = 3;
	played_mail(&p, &pl, &msg, (int[]){ pl.seg.fd, bell }, 2);
	CHECK(!setrlimit(RLIMIT_NOFILE, &none));
	offer_poll();
	CHECK(!setrlimit(RLIMIT_NOFILE, &was));
	CHECK(refused_to == 8 && !granted_to && !offer_mail());
	said = played_ext(&p, NULL);
	CHECK(said.type == WIRE_SAPI_DONE && said.done.forget_seg);
	/* the next one brings them again */
	give(&msg, bell);
	CHECK(granted_to == 8);
	offer_release(&grant);
	msg.type = WIRE_SAPI_PEER_GONE;
	msg.peer_gone.peer = 7;
	played_mail(&p, &pl, &msg, NULL, 0);
	offer_poll();
	close(bell);
	stop();
}

/* By its offer: the link may be another's since. */
static void is_withdrawn(uint64_t context, uint64_t link, bool forget)
{
	struct wire_sapi_ext said = played_ext(&p, NULL);

	CHECK(said.type == WIRE_SAPI_WITHDRAW);
	CHECK(said.withdraw.context == context && said.withdraw.link == link);
	CHECK(said.withdraw.forget_seg == forget);
}

TEST(what_is_not_taken_is_withdrawn)
{
	struct wire_sapi_ext msg = played_grant(8);
	int bell = bell_fd();

	start_with(WIRE_EXT_WITHDRAW);
	offer_withdraw(5);
	is_withdrawn(5, 0, false);
	take = -ENOENT;
	give(&msg, bell);
	CHECK(granted_to == 8);
	is_withdrawn(8, 1008, false);
	take = 0;
	msg = played_grant(9);
	msg.grant.seg++; /* which we do not have */
	msg.grant.has_seg = msg.grant.has_bell = 0;
	give(&msg, -1);
	CHECK(refused_to == 9 && !granted_to);
	is_withdrawn(9, 1009, true);
	msg = played_grant(10);
	msg.grant.has_seg = msg.grant.has_bell = 0;
	give(&msg, -1);
	CHECK(granted_to == 10);
	offer_release(&grant);
	CHECK(played_ext(&p, NULL).type == WIRE_SAPI_DONE);
	close(bell);
	stop();
	offer_withdraw(5); /* to nobody */
}

TEST(who_was_rung_hears_it)
{
	struct wire_sapi_ext msg = played_grant(8);
	struct wire_link_seg *seg;
	int bell = bell_fd(), user;

	start();
	give(&msg, bell);
	CHECK(granted_to == 8 && !offer_look(true));
	seg = map_at(&pl.seg, 0, sizeof(*seg));
	seg->side[0].ready = UINT64_MAX; /* a liar's */
	CHECK(!offer_look(true) && !rung_user);
	offer_set_user(&grant, &user);
	seg->side[0].ready = UINT64_MAX;
	CHECK(offer_look(true) && rung_user == &user && !offer_look(true));
	seg->side[1].ready = UINT64_MAX;
	rung_user = NULL;
	CHECK(!offer_look(true) && !rung_user);
	offer_set_user(&grant, NULL);
	/* the daemon goes: the link goes on, and nobody is told of its end */
	played_hang_up(&p);
	app_serve(true);
	CHECK(link_maps() == 1);
	offer_release(&grant);
	CHECK(link_maps() == 0);
	close(bell);
	played_links_close(&p, &pl);
	played_close(&p);
}
