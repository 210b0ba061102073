/* SPDX-License-Identifier: Apache-2.0 */
/* replay_client.c - what a real VPP said to stock VCL, said to our client */
/*
 * DOC: the other side of replay_daemon.c
 *
 * A capture is played to our client in the place of one recorded process.
 * What VPP said is said as its recorded bytes, in the order of that process'
 * queue; only our names for sessions are put in (they are indices that the
 * client chose), and where FIFOs lie.  VPP's names stay: the client must use
 * whatever it is given.  Where the recorded process said something, the client
 * is made to do by its internal calls what leads to it, and must have sent the
 * same message, byte by byte, and nothing else, but for differences[].  Ends
 * that no stock program came to were a probe's: half close, reset, refusals.
 *
 * A cut-through has its data in one pair of FIFOs and its signals in another,
 * as recorded: each doorbell of the recording comes with bytes in the data and
 * must find a reader; each one of ours must have found the signal clear.
 *
 * Not proved here: several workers, what the socket layer above makes of it,
 * and what VCL asks of transports (TRANSPORT_ATTR: session.c).
 */
#include <fnmatch.h>
#include <inttypes.h>

#include "tests/unit/replay_said.h"

/* --- what is different on purpose --- */

/* Beside these fields, and those of ATTACH in check_request(): we hang up where
 * VCL says APP_DETACH before; IO_TX is all that we say where LDP prefers
 * IO_TX_FLUSH (alike: ABI.md 12.5); and TRANSPORT_ATTR is asked for only if the
 * program wants to know (session.c).  Before SHUTDOWN a doorbell tells of the
 * end that we write into the FIFO, as VPP's cut-through does not pass it on. */

#define FIELD(files, type, member, recorded, ours, why)                        \
	{                                                                      \
		files, type, #member, offsetof(struct ctrl, member),           \
			sizeof(((struct ctrl *)NULL)->member), recorded, ours, \
			why                                                    \
	}
#define OUR_NAME UINT64_MAX /* what we call the session */

static const struct {
	const char *files;
	uint8_t type;
	const char *name;
	size_t off, size;
	uint64_t recorded, ours;
	const char *why;
} differences[] = {
	FIELD("stock_*", WIRE_EV_CONNECT, connect.flags, WIRE_CFG_CONNECTED, 0,
	      "VCL always says so; it is of UDP, and this is TCP"),
	FIELD("stock_*", WIRE_EV_UNLISTEN, unlisten.context, 0, OUR_NAME,
	      "VCL names no listener, we do"),
	FIELD("probe_*", WIRE_EV_UNLISTEN, unlisten.context, 77, OUR_NAME,
	      "the probe has a number for it, we name the listener"),
};

/* --- what the process did, and our client does --- */

/* One of differences[], if it is seen: just as it stands there. */
static void differ(size_t i, struct ctrl *rec, const struct ctrl *got,
		   const struct session *of)
{
	uint64_t r = 0, g = 0, ours = differences[i].ours;
	char *at = (char *)rec + differences[i].off;

	memcpy(&r, at, differences[i].size);
	memcpy(&g, (char *)got + differences[i].off, differences[i].size);
	if (ours == OUR_NAME)
		ours = of->index;
	MUST_BE(r == differences[i].recorded && g == ours);
	memcpy(at, &g, differences[i].size);
	printf("# %s is %" PRIu64 ", recorded %" PRIu64 ": %s\n",
	       differences[i].name, g, r, differences[i].why);
}

static void compare_to(struct ctrl *rec, const struct session *of,
		       const struct mq_msg *msg)
{
	uint8_t want[WIRE_CTRL_ELT];
	struct ctrl got;
	ssize_t len;
	size_t i;

	MUST_BE(!ctrl_decode(WIRE_2606, msg->data, msg->len, &got));
	if (got.type != rec->type)
		printf("# we say %s\n", ctrl_name(got.type));
	MUST_BE(got.type == rec->type);
	for (i = 0; i < ARRAY_SIZE(differences); i++)
		if (differences[i].type == got.type &&
		    !fnmatch(differences[i].files, cap.name, 0))
			differ(i, rec, &got, of);
	len = ctrl_encode(WIRE_2606, rec, want);
	MUST_BE(len > 0 && msg->len >= (size_t)len);
	for (i = 0; i < (size_t)len; i++)
		if (want[i] != msg->data[i])
			printf("# byte %zu: %02x, recorded %02x\n", i,
			       msg->data[i], want[i]);
	MUST_BE(!memcmp(want, msg->data, (size_t)len));
	MUST_BE(played_quiet(&p));
	n_compared++;
}

static void compare(struct ctrl *rec, const struct session *of)
{
	struct mq_msg msg;

	MUST_BE(mq_recv(&p.in, &msg) == 1);
	compare_to(rec, of, &msg);
}

static struct session *do_listen(struct ctrl *c)
{
	struct ctrl_addr a = { .port = c->listen.port,
			       .is_ip4 = c->listen.is_ip4 };
	struct session *s;
	struct mine *m;

	memcpy(a.ip, c->listen.ip, sizeof(a.ip));
	MUST_BE(!session_listen(app, &a, c->listen.flags, NULL, &s));
	m = new_mine(s);
	m->listens = true;
	m->index = c->listen.context;
	c->listen.context = s->index;
	return s;
}

static struct session *do_connect(struct ctrl *c)
{
	struct ctrl_addr a = { .port = c->connect.port,
			       .is_ip4 = c->connect.is_ip4 };
	struct session *s;

	memcpy(a.ip, c->connect.ip, sizeof(a.ip));
	MUST_BE(!session_connect(app, &a, NULL, NULL, &s));
	new_mine(s)->index = c->connect.context;
	c->connect.context = s->index;
	return s;
}

static void do_accept(struct ctrl *c)
{
	struct mine *m = known(c->accepted_reply.handle, UINT64_MAX);

	m->index = c->accepted_reply.app_session_index;
	if (c->accepted_reply.retval)
		m->freed = true;
	else
		MUST_BE(!session_accept(m->s));
	c->accepted_reply.app_session_index = m->s->index;
	compare_to(c, m->s, &m->reply);
}

static struct session *do_close(const struct ctrl *c)
{
	uint64_t h = c->type == WIRE_EV_UNLISTEN ? c->unlisten.handle
		     : c->type == WIRE_EV_DISCONNECTED_REPLY ||
				     c->type == WIRE_EV_RESET_REPLY
			     ? c->close_reply.handle
			     : c->close.handle;
	struct mine *m = known(h, UINT64_MAX);
	struct ctrl ring;

	if (c->type == WIRE_EV_SHUTDOWN) {
		MUST_BE(!session_shutdown(m->s));
		ring = played_heard(&p);
		MUST_BE(ring.type == WIRE_EV_IO_TX &&
			ring.io.session_index == (uint32_t)m->s->handle);
		atomic_store(m->s->tx.has_event, 0);
		return m->s;
	}
	session_close(m->s, c->type == WIRE_EV_TERMINATE);
	MUST_BE(m->s->state == SESSION_CLOSING);
	return m->s;
}

/* VPP clears the signal when it hears of it. */
static struct session *do_io(struct ctrl *c)
{
	struct mine *m = known(c->io.session_index, UINT32_MAX);
	char buf[8];

	MUST_BE(fifo_put(&m->s->tx, "recorded", 8) == 8);
	MUST_BE(fifo_ring(&m->s->tx));
	session_ring_tx(m->s);
	MUST_BE(fifo_take(&m->tx, buf, 8) == 8);
	atomic_store(m->s->tx.has_event, 0);
	c->type = WIRE_EV_IO_TX; /* LDP says IO_TX_FLUSH; alike, ABI.md 12.5 */
	return m->s;
}

/* Nothing more is to be said about it. */
static void hear_crossed(const struct ctrl *closed)
{
	struct ctrl c;

	replay_ctrl(crossed, &c);
	crossed = NULL;
	MUST_BE(c.close.handle == closed->close.handle);
	played_say(&p, app, &c);
	MUST_BE(played_quiet(&p));
}

static void done(void)
{
	struct session *of;
	struct ctrl c;

	replay_ctrl(line, &c);
	if (!is_mine(line, &c))
		return;
	switch (c.type) {
	case WIRE_EV_LISTEN:
		of = do_listen(&c);
		break;
	case WIRE_EV_CONNECT:
		of = do_connect(&c);
		break;
	case WIRE_EV_ACCEPTED_REPLY:
		do_accept(&c);
		return;
	case WIRE_EV_UNLISTEN:
	case WIRE_EV_SHUTDOWN:
	case WIRE_EV_DISCONNECT:
	case WIRE_EV_TERMINATE:
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		of = do_close(&c);
		break;
	case WIRE_EV_IO_TX:
	case WIRE_EV_IO_TX_FLUSH:
		of = do_io(&c);
		break;
	default: /* we hang up instead; and do not ask */
		MUST_BE(c.type == WIRE_EV_APP_DETACH ||
			c.type == WIRE_EV_TRANSPORT_ATTR);
		return;
	}
	compare(&c, of);
	if (crossed && c.type == WIRE_EV_DISCONNECT)
		hear_crossed(&c);
}

/* --- a capture --- */

/* What we ask for is what VCL asked for, as we are configured like it; but we
 * say who we are, which VPP does not read, and always want eventfds.  Its name
 * is each program's own. */
static void check_request(const struct wire_sapi *recorded)
{
	struct wire_sapi rec = *recorded;

	MUST_BE(*p.asked.attach.name);
	memcpy(rec.attach.name, p.asked.attach.name, sizeof(rec.attach.name));
	MUST_BE(!rec.attach.options[WIRE_OPT_EXT]);
	rec.attach.options[WIRE_OPT_EXT] = WIRE_EXT_MAGIC;
	rec.attach.options[WIRE_OPT_FLAGS] |= WIRE_OPT_F_MQ_EVENTFD;
	MUST_BE(!memcmp(&rec, &p.asked, sizeof(rec)));
	n_compared++;
}

/* The recorded program's, as its request shows it. */
static void configure(const struct wire_sapi *recorded)
{
	char path[] = "/tmp/replay-client-XXXXXX";
	uint64_t o[WIRE_N_OPTIONS];
	int fd = mkstemp(path);

	MUST_BE(fd >= 0);
	memcpy(o, recorded->attach.options, sizeof(o));
	dprintf(fd,
		"vcl {\n"
		"  segment-size %" PRIu64 "\n"
		"  add-segment-size %" PRIu64 "\n"
		"  preallocated-fifo-pairs %" PRIu64 "\n"
		"  rx-fifo-size %" PRIu64 "\n"
		"  tx-fifo-size %" PRIu64 "\n"
		"  event-queue-size %" PRIu64 "\n"
		"  tls-engine %" PRIu64 "\n%s%s}\n",
		o[WIRE_OPT_SEGMENT_SIZE], o[WIRE_OPT_ADD_SEGMENT_SIZE],
		o[WIRE_OPT_PREALLOC_PAIRS], o[WIRE_OPT_RX_FIFO_SIZE],
		o[WIRE_OPT_TX_FIFO_SIZE], o[WIRE_OPT_EVT_QUEUE_SIZE],
		o[WIRE_OPT_TLS_ENGINE],
		o[WIRE_OPT_FLAGS] & WIRE_OPT_F_LOCAL_SCOPE
			? "  app-scope-local\n"
			: "",
		o[WIRE_OPT_FLAGS] & WIRE_OPT_F_GLOBAL_SCOPE
			? "  app-scope-global\n"
			: "");
	close(fd);
	setenv("SAPI_CONFIG", path, 1);
	conf_get();
	unlink(path);
}

/* A message of the process on its socket. */
static struct wire_sapi on_socket(const char *who, const char *type)
{
	for (line = cap.line; line < cap.line + cap.n; line++)
		if (replay_is(line, type) &&
		    !strncmp(line->m.who, who, strlen(who)))
			return replay_sapi(line);
	CHECK(false && "in the capture");
}

/* VPP's reply, but for where its queues are, and eventfds for both. */
static void attach(const char *who)
{
	struct wire_attach_reply *r = &p.reply.sapi.attach_reply, rec, mq;
	struct wire_sapi request;

	request = on_socket(who, "ATTACH");
	rec = on_socket(who, "ATTACH_REPLY").attach_reply;
	played_open(&p);
	configure(&request);
	mq = *r;
	*r = rec;
	r->app_mq = mq.app_mq;
	r->vpp_ctrl_mq = mq.vpp_ctrl_mq;
	r->segment_handle = mq.segment_handle;
	r->n_fds = mq.n_fds;
	r->fd_flags = mq.fd_flags;
	p.len = sizeof(p.reply.sapi);
	my_app = r->app_index;
	my_handle = r->api_client_handle;
	app = played_attach(&p);
	MUST_BE(app);
	if (fnmatch("probe_*", cap.name, 0)) /* it is no VCL */
		check_request(&request);
	/* the segment that came with it, where the signals are */
	MUST_BE(!seg_create(&segs[0].seg, "played-data", SEGMENT_BYTES));
	segs[n_segs++].handle = rec.segment_handle;
	played_segment(&p, app, &segs[0].seg, rec.segment_handle);
	MUST_BE(played_quiet(&p));
}

static void play(const char *name, const char *who)
{
	unsigned i;

	me = who;
	replay_load(&cap, name);
	attach(who);
	for (line = cap.line; line < cap.line + cap.n; line++) {
		struct replay_line *at = line;

		if (is_my_queue(line))
			said(line);
		else if (replay_on_queue(line) && !line->m.to_app)
			done();
		line = at;
	}
	line = &cap.line[cap.n - 1];
	MUST_BE(played_quiet(&p) && !crossed);
	for (i = 0; i < cap.n; i++)
		MUST_BE(!is_my_queue(&cap.line[i]) || cap.line[i].done);
	printf("# %s, %s: %u said, %u compared\n", name, who, n_said,
	       n_compared);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	private_close(private_next(0)); /* the family's */
	for (i = 0; i < n_segs; i++)
		seg_close(&segs[i].seg);
	played_close(&p);
	replay_free(&cap);
}

TEST(vcl_test_server_with_eventfds)
{
	play("stock_ct_evfd.txt", "srv");
}

TEST(vcl_test_client_with_eventfds)
{
	play("stock_ct_evfd.txt", "cli");
}

TEST(vcl_test_server)
{
	play("stock_ct_cond.txt", "srv");
}

TEST(vcl_test_client)
{
	play("stock_ct_cond.txt", "cli");
}

TEST(iperf3_server)
{
	play("stock_ldp_iperf3.txt", "srv");
}

TEST(iperf3_client)
{
	play("stock_ldp_iperf3.txt", "cli");
}

TEST(client_of_a_server_that_forks)
{
	play("stock_ldp_prefork.txt", "cli");
}

TEST(vcl_test_server_over_tcp)
{
	play("stock_tcp_evfd.txt", "srv");
}

TEST(vcl_test_client_over_tcp)
{
	play("stock_tcp_evfd.txt", "cli");
}

TEST(a_probe_that_connects)
{
	play("probe_ct_evfd.txt", "cli");
}

TEST(a_probe_that_listens)
{
	play("probe_ct_evfd.txt", "srv");
}

TEST(a_probe_that_is_refused)
{
	play("probe_ct_close_evfd.txt", "cli");
}

TEST(a_probe_that_refuses)
{
	play("probe_ct_close_evfd.txt", "srv");
}
