/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c - what a VPP that the test plays is told of TLS */
#include "core/sess/tls.h"

#include "core/shm/crypto.h"
#include "tests/unit/live.h"
#include "tests/unit/played.h"

/*
 * DOC: From a rule's words to the bytes of the messages, and back with what was
 * answered: one list of what is asked of VPP, by one played VPP, in the order
 * of a listener's and a connection's life, which makes this file long.
 */

/* --- the record --- */

TEST(the_record_of_every_release)
{
	const struct crypto c = { .ckpair = 0x01020304,
				  .engine = WIRE_ENGINE_PICOTLS };
	static const struct {
		uint32_t release;
		size_t len, engine_at;
		uint8_t engine;
	} is[] = {
		{ 2310, 264, 4, 4 },  { 2502, 264, 4, 4 },
		{ 2506, 268, 8, 4 },  { 2510, 276, 12, 4 },
		{ 2602, 276, 12, 2 }, { 2606, 284, 20, 2 },
		{ 2610, 284, 20, 2 },
	};
	struct wire_ext_config out;
	const uint8_t *body = (const uint8_t *)&out + 4;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(is); i++) {
		memset(&out, 0xee, sizeof(out));
		CHECK(crypto_encode(is[i].release, &c, &out) ==
		      (ssize_t)is[i].len + 4);
		CHECK(out.type == 1 && out.len == is[i].len);
		CHECK(body[0] == 4 && body[3] == 1);
		CHECK(body[is[i].engine_at] == is[i].engine);
		for (k = 4; k < is[i].len; k++)
			CHECK(k == is[i].engine_at ||
			      body[k] ==
				      (is[i].release >= 2606 && k >= 8 && k < 16
					       ? 0xff
					       : 0));
	}
}

TEST(an_engine_as_its_release_numbers_it)
{
	struct crypto c = { .engine = 2, .engine_as_is = true };
	struct wire_ext_config out;

	CHECK(crypto_encode(2510, &c, &out) > 0);
	CHECK(out.crypto_2510.crypto_engine == 2);
	c.engine_as_is = false;
	c.engine = WIRE_ENGINE_MBEDTLS;
	CHECK(crypto_encode(2510, &c, &out) > 0);
	CHECK(out.crypto_2510.crypto_engine == 2);
}

TEST(what_a_release_cannot_verify_is_not_asked_of_it)
{
	struct crypto host = { .host = "example.org" },
		      verify = { .verify = WIRE_VERIFY_PEER }, both = host;
	struct wire_ext_config out;
	char longest[300];

	CHECK(crypto_encode(2506, &host, &out) == -ENOTSUP);
	CHECK(crypto_encode(2502, &verify, &out) == -ENOTSUP);
	both.verify = WIRE_VERIFY_PEER | WIRE_VERIFY_HOSTNAME;
	CHECK(crypto_encode(2510, &both, &out) == -ENOTSUP);
	CHECK(crypto_encode(2602, &both, &out) == 280);
	CHECK(!strcmp(out.crypto_2510.hostname, "example.org"));
	CHECK(out.crypto_2510.verify_cfg == 10);
	CHECK(crypto_encode(2606, &both, &out) == 288);
	CHECK(!strcmp(out.crypto.hostname, "example.org"));
	CHECK(out.crypto.verify_cfg == 10);
	memset(longest, 'x', sizeof(longest));
	longest[255] = 0;
	host.host = longest;
	CHECK(crypto_encode(2606, &host, &out) == 288);
	longest[255] = 'x';
	longest[256] = 0;
	CHECK(crypto_encode(2606, &host, &out) == -ENAMETOOLONG);
}

/* --- the messages --- */

static struct played p;
static char example[] = "example.org";
static struct app *app;
static char dir[] = "/tmp/sapi-tls-XXXXXX", cert[64], key[64];
static struct conf_tls tls = { .on = true, .cert = cert, .key = key };

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

static void files(void)
{
	strcpy(dir, "/tmp/sapi-tls-XXXXXX");
	CHECK(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert", dir);
	snprintf(key, sizeof(key), "%s/key", dir);
	put_file(cert, "a certificate\n");
	put_file(key, "its key\n");
}

static void no_files(void)
{
	unlink(cert);
	unlink(key);
	rmdir(dir);
}

static void attach(void)
{
	app = played_attach(&p);
	CHECK(app && !app->sapid);
	app->release = 2606; /* as its libraries would say */
}

static void start(void)
{
	files();
	played_open(&p);
	p.len = sizeof(p.reply.sapi); /* no trailer: VPP */
	attach();
}

static void finish(void)
{
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	private_close(private_next(0)); /* the family's */
	played_close(&p);
	no_files();
}

/* VPP's answer to a certificate, by a thread of its own */
struct answer {
	pthread_t thread;
	struct wire_sapi got;
	char payload[256];
	ssize_t len;
	int32_t retval;
	uint32_t index;
	bool segment_first, hang_up;
};

static void *answer_thread(void *arg)
{
	struct wire_sapi m = { .type = WIRE_SAPI_SEND_FDS },
			 r = { .type = WIRE_SAPI_CERT_REPLY };
	struct answer *a = arg;

	CHECK(recv(p.conn, &a->got, sizeof(a->got), 0) == sizeof(a->got));
	a->len = recv(p.conn, a->payload, sizeof(a->payload) - 1, 0);
	if (a->segment_first)
		played_send(p.conn, &m, sizeof(m), &p.data.map.fd, 1);
	r.cert_reply.context = a->got.cert.context;
	r.cert_reply.retval = a->retval;
	r.cert_reply.index = a->index;
	if (a->hang_up)
		shutdown(p.conn, SHUT_RDWR);
	else
		played_send(p.conn, &r, sizeof(r), NULL, 0);
	return NULL;
}

static void answer(struct answer *a)
{
	CHECK(!pthread_create(&a->thread, NULL, answer_thread, a));
}

static void answered(struct answer *a)
{
	CHECK(!pthread_join(a->thread, NULL));
}

/* The record that a message names; VPP puts the chunk back. */
static struct wire_ext_config record(uint64_t off)
{
	struct wire_ext_config c;
	struct wire_chunk *chunk;
	uint32_t len;

	chunk = seg_chunk(&p.mq_seg, off, &len);
	CHECK(chunk && len >= sizeof(c));
	memcpy(&c, chunk->data, sizeof(c));
	seg_chunk_free(&p.mq_seg, 0, off);
	return c;
}

static struct session *listen_tls(void)
{
	struct ctrl_addr a = { .ip = { [12] = 10, 10, 1, 1 },
			       .port = 0xe425,
			       .is_ip4 = 1 };
	struct session *l;

	CHECK(!session_listen(app, &a, 0, &tls, &l));
	return l;
}

static struct session *listen_answered(struct answer *a)
{
	struct session *l;

	answer(a);
	l = listen_tls();
	answered(a);
	return l;
}

TEST(a_certificate_goes_as_it_was_seen)
{
	uint8_t live[209], *mine;
	struct answer a = { .index = 7 };
	struct session *l;
	char *line = NULL;
	const char *at;
	size_t n = 0, i;
	struct ctrl c;
	FILE *f;

	start();
	l = listen_answered(&a);
	a.payload[a.len] = 0;
	CHECK(!strcmp(a.payload, "a certificate\nits key\n"));
	f = live_open("probe_cert.txt");
	do
		CHECK(getline(&line, &n, f) > 0);
	while (!strstr(line, "app>vpp socket       ADD_DEL_CERT_KEY"));
	at = strstr(line, "209 ");
	CHECK(live_hex(at + 4, live, sizeof(live)) == sizeof(live));
	/* context and lengths are another's */
	mine = (uint8_t *)&a.got;
	memcpy(mine + 1, live + 1, 4);
	CHECK(a.got.cert.cert_len == 14 && a.got.cert.certkey_len == 22);
	memcpy(mine + 9, live + 9, 4);
	for (i = 0; i < sizeof(live); i++)
		CHECK(mine[i] == live[i]);
	free(line);
	fclose(f);
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_LISTEN && c.listen.context == l->index);
	CHECK(c.listen.proto == WIRE_PROTO_TLS && c.listen.port == 0xe425);
	CHECK(record(c.listen.ext_config).crypto.ckpair_index == 7);
	session_free(l);
	finish();
}

TEST(once_for_each_attachment)
{
	struct answer a = { .index = 7 }, b = { .index = 9 };
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct session *l, *m, *s;
	struct wire_ext_config r;
	struct ctrl c;

	start();
	l = listen_answered(&a);
	r = record(played_heard(&p).listen.ext_config);
	m = listen_tls(); /* nobody would answer another certificate */
	r = record(played_heard(&p).listen.ext_config);
	CHECK(r.crypto.ckpair_index == 7 && !r.crypto.verify_cfg);
	CHECK(r.crypto.tls_profile_index == WIRE_INVALID_INDEX);
	CHECK(r.crypto.owner_app_wrk_index == WIRE_INVALID_INDEX);
	/* as a client, too; and all that a rule may say */
	tls.host = example;
	tls.engine = WIRE_ENGINE_PICOTLS;
	CHECK(!session_connect(app, &addr, NULL, &tls, &s));
	c = played_heard(&p);
	CHECK(c.type == WIRE_EV_CONNECT && c.connect.proto == WIRE_PROTO_TLS);
	r = record(c.connect.ext_config);
	CHECK(r.crypto.ckpair_index == 7 && r.crypto.crypto_engine == 2);
	CHECK(!strcmp(r.crypto.hostname, "example.org"));
	CHECK(r.crypto.verify_cfg == (WIRE_VERIFY_PEER | WIRE_VERIFY_HOSTNAME));
	session_free(l);
	session_free(m);
	session_free(s);
	/* VPP goes; the files, too, and the right to read them */
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	unlink(cert);
	unlink(key);
	attach();
	tls.verify = true;
	l = listen_answered(&b);
	CHECK(b.len == 22 && !memcmp(b.payload, a.payload, 22));
	r = record(played_heard(&p).listen.ext_config);
	CHECK(r.crypto.ckpair_index == 9 && !r.crypto.hostname[0]);
	CHECK(r.crypto.verify_cfg ==
	      (WIRE_VERIFY_PEER | WIRE_VERIFY_PEER_CERT));
	session_free(l);
	finish();
}

/* A listener that VPP's going has orphaned listens by TLS with the next one. */
TEST(it_comes_back_as_tls)
{
	struct answer a = { .index = 7 }, b = { .index = 9 };
	struct ctrl c = { .type = WIRE_EV_BOUND };
	struct session *l;

	start();
	l = listen_answered(&a);
	record(played_heard(&p).listen.ext_config);
	c.bound.context = l->index;
	c.bound.handle = 5;
	played_say(&p, app, &c);
	CHECK(l->state == SESSION_LISTENING);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	CHECK(l->state == SESSION_LOST);
	/* it is asked for while attaching, by whoever attaches */
	p.then = answer_thread;
	p.then_arg = &b;
	attach();
	CHECK(b.len == 22 && l->state == SESSION_BINDING);
	c = played_heard(&p);
	CHECK(c.listen.proto == WIRE_PROTO_TLS);
	CHECK(record(c.listen.ext_config).crypto.ckpair_index == 9);
	p.then = NULL;
	session_close(l, false);
	finish();
}

TEST(a_segment_may_come_before_the_answer)
{
	struct answer a = { .index = 7, .segment_first = true };
	struct ctrl c = { .type = WIRE_EV_APP_ADD_SEGMENT };
	struct session *l;

	start();
	l = listen_answered(&a);
	CHECK(record(played_heard(&p).listen.ext_config).crypto.ckpair_index ==
	      7);
	CHECK(app->n_early == 1 && !app_seg(app, PLAYED_DATA));
	c.add_segment.segment_handle = PLAYED_DATA;
	c.add_segment.fd_flags = WIRE_FD_MEMFD_SEGMENT;
	played_say(&p, app, &c);
	CHECK(!app->n_early && app_seg(app, PLAYED_DATA));
	session_free(l);
	finish();
}

/* Whoever was not taken at his word must not read the rest as something else:
 * the attachment ends.  No descriptor is left (tap.h counts them). */
TEST(a_refusal_ends_the_attachment)
{
	struct answer a = { .retval = WIRE_E_INVALID, .segment_first = true };
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct session *l;

	start();
	answer(&a);
	CHECK(session_listen(app, &addr, 0, &tls, &l) == -EPROTO);
	answered(&a);
	CHECK(played_quiet(&p) && app->n_early == 1);
	app_put(app);
	app_serve(true);
	CHECK(!app_any() && !app->n_early);
	played_hang_up(&p);
	attach();
	finish();
}

TEST(so_does_silence_in_the_middle)
{
	struct answer a = { .hang_up = true };
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct session *l;

	start();
	answer(&a);
	CHECK(session_listen(app, &addr, 0, &tls, &l) == -ECONNRESET);
	answered(&a);
	app_put(app);
	app_serve(true);
	CHECK(!app_any());
	played_hang_up(&p);
	attach();
	finish();
}

TEST(what_cannot_be_is_not_asked_for)
{
	struct conf_tls bad = { .on = true, .wrong = true },
			none = { .on = true, .cert = cert, .key = dir };
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	char large[10002];
	struct session *s;

	start();
	CHECK(session_connect(app, &addr, NULL, &bad, &s) == -EINVAL);
	CHECK(session_listen(app, &addr, 0, &bad, &s) == -EINVAL);
	/* a folder for a key */
	CHECK(session_listen(app, &addr, 0, &none, &s) == -EINVAL);
	unlink(key);
	CHECK(session_listen(app, &addr, 0, &tls, &s) == -ENOENT);
	put_file(key, "");
	CHECK(session_listen(app, &addr, 0, &tls, &s) == -EINVAL);
	memset(large, 'x', sizeof(large));
	large[sizeof(large) - 1] = 0;
	put_file(key, large);
	CHECK(session_listen(app, &addr, 0, &tls, &s) == -EFBIG);
	app->sapid = true;
	CHECK(session_listen(app, &addr, 0, &tls, &s) == -EPROTONOSUPPORT);
	app->sapid = false;
	CHECK(played_quiet(&p));
	finish();
}

TEST(a_record_that_did_not_go_is_free_again)
{
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct conf_tls client = { .on = true };
	uint64_t before;
	struct session *s;
	int i;

	start();
	CHECK(!session_connect(app, &addr, NULL, &client, &s));
	record(played_heard(&p).connect.ext_config);
	session_free(s);
	before = p.mq_seg.fsh->slices[0].n_fl_chunk_bytes;
	app->n_mqs = 0;
	for (i = 0; i < 100; i++)
		CHECK(session_connect(app, &addr, NULL, &client, &s) == -EPIPE);
	CHECK(p.mq_seg.fsh->slices[0].n_fl_chunk_bytes == before);
	app->n_mqs = 1;
	finish();
}

TEST(a_failed_handshake_has_an_errno)
{
	static const struct {
		int32_t retval;
		int error;
	} is[] = { { WIRE_E_TLS_HANDSHAKE, -EPROTO },
		   { WIRE_E_NOCRYPTOENG, -EPROTONOSUPPORT },
		   { WIRE_E_NOCRYPTOCKP, -EKEYREJECTED },
		   { WIRE_E_REFUSED, -ECONNREFUSED } };
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct conf_tls client = { .on = true };
	struct ctrl c = { .type = WIRE_EV_CONNECTED };
	struct session *s;
	size_t i;

	start();
	for (i = 0; i < ARRAY_SIZE(is); i++) {
		CHECK(!session_connect(app, &addr, NULL, &client, &s));
		record(played_heard(&p).connect.ext_config);
		c.connected.context = s->index;
		c.connected.retval = is[i].retval;
		played_say(&p, app, &c);
		CHECK(s->state == SESSION_FAILED && s->error == is[i].error);
		session_close(s, false);
	}
	finish();
}

TEST(a_rejected_key_has_one_too)
{
	struct answer a = { .index = 7 };
	struct ctrl c = { .type = WIRE_EV_BOUND };
	struct session *l;

	start();
	l = listen_answered(&a);
	record(played_heard(&p).listen.ext_config);
	c.bound.context = l->index;
	c.bound.retval = WIRE_E_UNKNOWN;
	played_say(&p, app, &c);
	CHECK(l->state == SESSION_FAILED && l->error == -EKEYREJECTED);
	session_close(l, false);
	finish();
}

/* --- the end --- */

static struct conf_tls client = { .on = true };
static struct fifo theirs; /* what VPP takes */

static uint64_t fifos(uint64_t *rx)
{
	uint64_t tx;

	CHECK(!seg_fifo_create(&p.data, 0, 65536, rx));
	CHECK(!seg_fifo_create(&p.data, 0, 65536, &tx));
	CHECK(!fifo_attach(&theirs, &p.data, tx, WIRE_2606));
	return tx;
}

static struct session *connected(uint64_t handle)
{
	struct ctrl_addr addr = { .port = 1, .is_ip4 = 1 };
	struct ctrl c = { .type = WIRE_EV_CONNECTED };
	struct session *s;

	CHECK(!session_connect(app, &addr, NULL, &client, &s));
	record(played_heard(&p).connect.ext_config);
	c.connected.context = s->index;
	c.connected.handle = handle;
	c.connected.segment_handle = PLAYED_DATA;
	c.connected.tx_fifo = fifos(&c.connected.rx_fifo);
	c.connected.lcl.port = 5;
	played_say(&p, app, &c);
	CHECK(s->state == SESSION_OPEN && s->tls == &client);
	return s;
}

static struct session *accepted(uint64_t handle, uint16_t port)
{
	struct answer a = { .index = 7 };
	struct ctrl b = { .type = WIRE_EV_BOUND },
		    c = { .type = WIRE_EV_ACCEPTED };
	static bool known;
	struct session *l, *s;

	if (!known)
		answer(&a);
	l = listen_tls();
	if (!known)
		answered(&a);
	known = true;
	record(played_heard(&p).listen.ext_config);
	b.bound.context = l->index;
	b.bound.handle = 5;
	played_say(&p, app, &b);
	c.accepted.listener_handle = 5;
	c.accepted.handle = handle;
	c.accepted.segment_handle = PLAYED_DATA;
	c.accepted.tx_fifo = fifos(&c.accepted.rx_fifo);
	c.accepted.rmt.port = port;
	played_say(&p, app, &c);
	s = session_pop(l);
	CHECK(s && !session_accept(s));
	CHECK(played_heard(&p).type == WIRE_EV_ACCEPTED_REPLY);
	return s;
}

static void starts(void)
{
	start();
	played_segment(&p, app, &p.data, PLAYED_DATA);
}

static void sent(struct session *s, size_t n)
{
	static char bytes[65536];

	CHECK(fifo_put(&s->tx, bytes, n) == (ssize_t)n);
	if (fifo_ring(&s->tx)) {
		session_ring_tx(s);
		CHECK(played_heard(&p).type == WIRE_EV_IO_TX);
	}
}

/* VPP takes @n bytes and says so, if it was asked to. */
static bool took(const struct session *s, size_t n)
{
	struct ctrl c = { .type = WIRE_EV_IO_TX };
	bool told;

	CHECK(fifo_drop(&theirs, n) == (ssize_t)n);
	told = fifo_took(&theirs, (uint32_t)n);
	c.io.session_index = s->index;
	if (told)
		played_say(&p, app, &c);
	return told;
}

static bool told(uint8_t type, uint64_t handle)
{
	struct ctrl c = played_heard(&p);

	return c.type == type && c.close.handle == handle && played_quiet(&p);
}

TEST(the_end_is_told_when_all_is_taken)
{
	struct session *s;

	starts();
	s = connected(100);
	sent(s, 60000);
	session_close(s, false);
	CHECK(played_quiet(&p) && s->state == SESSION_OPEN && app->n_zombies);
	CHECK(!took(s, 59999));
	app_drain(app);
	CHECK(played_quiet(&p));
	CHECK(took(s, 1));
	CHECK(told(WIRE_EV_DISCONNECT, 100) && s->state == SESSION_CLOSING);
	CHECK(!app->n_zombies);
	/* with nothing to say it is told at once, and an abort anyhow */
	s = connected(101);
	session_close(s, false);
	CHECK(told(WIRE_EV_DISCONNECT, 101));
	s = connected(102);
	sent(s, 10);
	session_close(s, true);
	CHECK(told(WIRE_EV_TERMINATE, 102));
	finish();
}

TEST(half_closes_of_either_side)
{
	struct session *s;

	starts();
	s = connected(100);
	app_put(app);
	CHECK(!session_shutdown(s)); /* an answer may come */
	pthread_mutex_lock(&app->lock);
	CHECK(played_quiet(&p));
	session_close(s, false);
	CHECK(told(WIRE_EV_DISCONNECT, 100));
	s = accepted(101, 9);
	CHECK(s->tls);
	sent(s, 60000);
	app_put(app);
	CHECK(!session_shutdown(s));
	pthread_mutex_lock(&app->lock);
	CHECK(played_quiet(&p) && took(s, 60000));
	CHECK(told(WIRE_EV_SHUTDOWN, 101) && s->state == SESSION_OPEN);
	CHECK(!app->n_zombies);
	session_close(s, false);
	CHECK(told(WIRE_EV_DISCONNECT, 101));
	/* closed before the half close was told */
	s = accepted(102, 9);
	sent(s, 60000);
	app_put(app);
	CHECK(!session_shutdown(s));
	pthread_mutex_lock(&app->lock);
	session_close(s, false);
	CHECK(played_quiet(&p) && took(s, 60000));
	CHECK(told(WIRE_EV_DISCONNECT, 102) && !app->n_zombies);
	finish();
}

/* VPP gives the ends of a cut-through no port, and its bytes no TLS. */
TEST(a_cut_through_is_no_tls)
{
	struct session *s;

	starts();
	s = accepted(100, 0);
	CHECK(!s->tls);
	sent(s, 10);
	session_close(s, false);
	CHECK(told(WIRE_EV_DISCONNECT, 100));
	finish();
}

TEST(it_goes_while_something_waits)
{
	struct ctrl c = { .type = WIRE_EV_CLEANUP };
	struct session *s, *half;

	starts();
	s = connected(100);
	sent(s, 10);
	session_close(s, false);
	c.cleanup.handle = 100; /* the session alone */
	c.cleanup.type = 1;
	played_say(&p, app, &c);
	CHECK(s->state == SESSION_FREE && !app->n_zombies);
	s = connected(101); /* by a reset: no use to wait */
	sent(s, 10);
	session_close(s, false);
	c.type = WIRE_EV_RESET;
	c.close.handle = 101;
	played_say(&p, app, &c);
	CHECK(played_heard(&p).type == WIRE_EV_RESET_REPLY);
	s = connected(102); /* all of VPP */
	sent(s, 10);
	session_close(s, false);
	half = accepted(103, 9);
	sent(half, 10);
	app_put(app);
	CHECK(!session_shutdown(half));
	played_hang_up(&p);
	app_serve(true);
	CHECK(s->state == SESSION_FREE && half->state == SESSION_OPEN);
	CHECK(!half->drain && !app->n_zombies);
	attach();
	session_close(half, false);
	CHECK(half->state == SESSION_FREE && played_quiet(&p));
	finish();
}

static void *take_later(void *arg)
{
	usleep(300000);
	CHECK(fifo_drop(&theirs, 60000) == 60000);
	return arg;
}

TEST(who_ends_waits)
{
	pthread_t thread;
	struct session *s;
	uint64_t start_ms;

	starts();
	s = connected(100);
	sent(s, 60000);
	CHECK(!pthread_create(&thread, NULL, take_later, NULL));
	start_ms = app_now_ms();
	app_put(app);
	app_at_exit(); /* neither closed nor taken */
	CHECK(app_now_ms() - start_ms >= 290);
	CHECK(!pthread_join(thread, NULL));
	pthread_mutex_lock(&app->lock);
	sent(s, 10);
	session_close(s, false);
	CHECK(fifo_drop(&theirs, 10) == 10); /* and nobody says so */
	start_ms = app_now_ms();
	app_put(app);
	app_at_exit();
	CHECK(app_now_ms() - start_ms < 1000);
	pthread_mutex_lock(&app->lock);
	CHECK(told(WIRE_EV_DISCONNECT, 100));
	/* from a signal's handler, in the middle of something */
	start_ms = app_now_ms();
	app_at_exit();
	CHECK(app_now_ms() - start_ms < 100);
	finish();
}
