/* SPDX-License-Identifier: Apache-2.0 */
/*
 * played_vpp.c - a VPP that knows UDP alone, and no network
 *
 *	played_vpp SOCKET
 *
 * says "ready" and serves applications till it is killed.  Those that connect
 * to a listener of another reach it: by a cut-through, as VPP does, if its
 * address is a loopback's, else as over a wire, where 10.10.0.1 is theirs and
 * port 7 of anybody else answers with what it got, port 9 with ICMP, and port 1
 * refuses a session.  What it does not do right is right in VPP, not here: it
 * is for tests where there is no VPP.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/shm/mq.h"
#include "core/shm/packet.h"
#include "core/wire/attach.h"

#define APPS 16
#define SLOTS 4096
#define FIFO_BYTES (256u << 10)
#define WRK_HANDLE 0x100000000ull
#define DATA_HANDLE 0x200000000ull /* of an application's FIFOs */
#define CT_HANDLE 0x300000000ull

#define MUST(x)                                                            \
	do {                                                               \
		if (!(x)) {                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#x);                                       \
			exit(1);                                           \
		}                                                          \
	} while (0)

struct fapp {
	int conn; /* 0: none */
	int evfd;
	uint32_t index;
	uint32_t serial; /* nobody's segments are called as another's */
	struct seg wrk, data;
	struct mq out;
};

struct slot {
	enum { FREE, LISTENER, WIRE, CT_SERVER, CT_CLIENT } kind;
	struct fapp *app;
	uint32_t index; /* the application's */
	bool waits;	/* for its answer */
	struct fifo rx, tx;
	uint64_t rx_off, tx_off; /* CT_SERVER: of the pair of data */
	struct ctrl_addr lcl, rmt;
	struct slot *peer; /* of a cut-through */
	struct seg ct;	   /* CT_SERVER */
	uint64_t ct_handle;
};

static struct fapp apps[APPS];
static struct slot slots[SLOTS];
static struct seg mq_seg;
static struct mq in;
static int in_evfd;
static uint64_t next_ct = CT_HANDLE;

static void queue(struct seg *seg, struct mq *q, int *evfd, uint64_t *off)
{
	struct mq_geometry g = { .slots = 512, .n_ctrl = 512 };

	MUST(!seg_create(seg, "played", mq_bytes(&g) + 8192));
	MUST(!seg_carve(seg, mq_bytes(&g), 8, off));
	MUST(!mq_create(seg, *off, &g));
	seg->fsh->n_reserved_bytes += (uint32_t)mq_bytes(&g);
	*evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	MUST(!mq_attach(q, seg, *off, *evfd));
}

static void send_fds(int sock, const void *buf, size_t len, const int *fd,
		     unsigned n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(sizeof(int) * n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fd, sizeof(int) * n);
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static void post(struct fapp *app, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len = ctrl_encode(WIRE_2606, c, elt);

	MUST(len > 0);
	if (app->conn)
		MUST(!mq_send(&app->out, ctrl_ring(c->type), elt, (size_t)len));
}

static void announce(struct fapp *app, struct seg *seg, uint64_t handle)
{
	struct wire_sapi m = { .type = WIRE_SAPI_SEND_FDS };
	struct ctrl c = { .type = WIRE_EV_APP_ADD_SEGMENT };

	send_fds(app->conn, &m, sizeof(m), &seg->map.fd, 1);
	c.add_segment.segment_handle = handle;
	c.add_segment.fd_flags = WIRE_FD_MEMFD_SEGMENT;
	post(app, &c);
}

/* A worker is an application here, but for its number. */
static void attach(struct fapp *app, int conn)
{
	static uint32_t serials;
	struct wire_sapi m = { .type = WIRE_SAPI_ATTACH_REPLY }, asked;
	struct wire_attach_reply *r = &m.attach_reply;
	struct wire_worker_reply *w = &m.worker_reply;
	uint64_t off;
	int fd[4];

	MUST(recv(conn, &asked, sizeof(asked), 0) > 0);
	queue(&app->wrk, &app->out, &app->evfd, &off);
	MUST(!seg_create(&app->data, "played-data", 64u << 20));
	app->conn = conn;
	app->index = (uint32_t)(app - apps);
	app->serial = ++serials;
	if (asked.type == WIRE_SAPI_WORKER) {
		m.type = WIRE_SAPI_WORKER_REPLY;
		w->wrk_index = app->index;
		w->app_event_queue_address = off;
		w->segment_handle = WRK_HANDLE + app->serial;
		w->api_client_handle = app->index + 1;
		w->n_fds = 2;
		w->fd_flags = WIRE_FD_MEMFD_SEGMENT | WIRE_FD_MQ_EVENTFD;
		w->is_add = 1;
		fd[0] = app->wrk.map.fd;
		fd[1] = app->evfd;
		send_fds(conn, &m, sizeof(m), fd, 2);
		announce(app, &app->data, DATA_HANDLE + app->serial);
		return;
	}
	r->app_index = app->index;
	r->app_mq = off;
	r->segment_handle = WRK_HANDLE + app->serial;
	r->api_client_handle = app->index + 1;
	r->n_fds = 4;
	r->fd_flags = 15;
	fd[0] = mq_seg.map.fd;
	fd[1] = app->wrk.map.fd;
	fd[2] = app->evfd;
	fd[3] = in_evfd;
	send_fds(conn, &m, sizeof(m), fd, 4);
	announce(app, &app->data, DATA_HANDLE + app->serial);
}

/* --- sessions --- */

static uint64_t handle_of(const struct slot *s)
{
	return (uint64_t)(s - slots);
}

static struct slot *slot_new(int kind, struct fapp *app, uint32_t index)
{
	struct slot *s = slots + 1;

	while (s->kind != FREE)
		MUST(++s < slots + SLOTS);
	memset(s, 0, sizeof(*s));
	s->kind = kind;
	s->app = app;
	s->index = index;
	return s;
}

static void fifos(struct slot *s, struct seg *seg)
{
	MUST(!seg_fifo_create(seg, 0, FIFO_BYTES, &s->rx_off));
	MUST(!seg_fifo_create(seg, 0, FIFO_BYTES, &s->tx_off));
	MUST(!fifo_attach(&s->rx, seg, s->rx_off, WIRE_2606));
	MUST(!fifo_attach(&s->tx, seg, s->tx_off, WIRE_2606));
}

static bool same(const struct ctrl_addr *a, const struct ctrl_addr *b)
{
	static const uint8_t any[16];

	return a->port == b->port && a->is_ip4 == b->is_ip4 &&
	       (!memcmp(a->ip, b->ip, 16) || !memcmp(a->ip, any, 16));
}

static struct slot *find(int kind, const struct ctrl_addr *lcl)
{
	struct slot *s;

	for (s = slots + 1; s < slots + SLOTS; s++)
		if ((int)s->kind == kind && same(&s->lcl, lcl))
			return s;
	return NULL;
}

static void event(struct slot *s, uint8_t type)
{
	struct ctrl c = { .type = type };

	c.io.session_index = s->index;
	post(s->app, &c);
}

static void close_event(struct slot *s, uint8_t type)
{
	struct ctrl c = { .type = type };

	c.close.handle = handle_of(s);
	post(s->app, &c);
}

static void cleanup(struct slot *s, uint8_t type)
{
	struct ctrl c = { .type = WIRE_EV_CLEANUP };

	c.cleanup.handle = handle_of(s);
	c.cleanup.type = type;
	post(s->app, &c);
}

static void on_listen(struct fapp *app, const struct ctrl *m)
{
	struct ctrl c = { .type = WIRE_EV_BOUND };
	struct slot *s;

	MUST(!m->listen.flags);
	s = slot_new(LISTENER, app, m->listen.context);
	s->lcl.port = m->listen.port;
	s->lcl.is_ip4 = m->listen.is_ip4;
	memcpy(s->lcl.ip, m->listen.ip, 16);
	c.bound.context = m->listen.context;
	c.bound.handle = handle_of(s);
	/* TCP is what core/sess/release.c asks by */
	if (m->listen.proto != WIRE_PROTO_UDP || s->lcl.port == htons(1)) {
		c.bound.retval = WIRE_E_INVALID_NS;
		s->kind = FREE;
		post(app, &c);
		return;
	}
	fifos(s, &app->data);
	c.bound.cl_sh_handle = handle_of(s);
	c.bound.lcl = s->lcl;
	c.bound.rx_fifo = s->rx_off;
	c.bound.tx_fifo = s->tx_off;
	c.bound.segment_handle = DATA_HANDLE + s->app->serial;
	post(app, &c);
}

/* VPP answers its client when the server has answered it. */
static void accept_cut(struct slot *client, struct slot *l)
{
	struct slot *s = slot_new(CT_SERVER, l->app, 0);
	struct ctrl c = { .type = WIRE_EV_ACCEPTED };

	s->peer = client;
	client->peer = s;
	s->waits = true;
	s->ct_handle = next_ct++;
	MUST(!seg_create(&s->ct, "played-ct", 2u << 20));
	announce(l->app, &s->ct, s->ct_handle);
	announce(client->app, &s->ct, s->ct_handle + (1ull << 56));
	fifos(s, &s->ct);
	c.accepted.context = l->app->index;
	c.accepted.listener_handle = handle_of(l);
	c.accepted.handle = handle_of(s);
	c.accepted.segment_handle = s->ct_handle;
	c.accepted.rx_fifo = s->rx_off;
	c.accepted.tx_fifo = s->tx_off;
	c.accepted.lcl.port = l->lcl.port;
	c.accepted.rmt.is_ip4 = client->rmt.is_ip4;
	post(l->app, &c);
}

static void connected(struct slot *s, int32_t retval)
{
	struct ctrl c = { .type = WIRE_EV_CONNECTED };

	c.connected.context = s->index;
	c.connected.retval = retval;
	if (!retval) {
		fifos(s, &s->app->data);
		c.connected.handle = handle_of(s);
		c.connected.rx_fifo = s->rx_off;
		c.connected.tx_fifo = s->tx_off;
		c.connected.segment_handle = DATA_HANDLE + s->app->serial;
		c.connected.lcl = s->lcl;
	} else {
		s->kind = FREE;
	}
	if (!retval && s->peer) {
		c.connected.ct_rx_fifo = s->peer->tx_off;
		c.connected.ct_tx_fifo = s->peer->rx_off;
		c.connected.ct_segment_handle =
			s->peer->ct_handle + (1ull << 56);
	}
	post(s->app, &c);
}

static void on_connect(struct fapp *app, const struct ctrl *m)
{
	struct slot *s = slot_new(WIRE, app, m->connect.context), *l;
	bool loopback;

	MUST(m->connect.proto == WIRE_PROTO_UDP);
	s->rmt.port = m->connect.port;
	s->rmt.is_ip4 = m->connect.is_ip4;
	memcpy(s->rmt.ip, m->connect.ip, 16);
	loopback = s->rmt.is_ip4 ? s->rmt.ip[12] == 127 : s->rmt.ip[0] == 0;
	l = find(LISTENER, &s->rmt);
	if (l && l->app == app)
		l = NULL;
	if (loopback && l) {
		s->kind = CT_CLIENT;
		s->lcl.is_ip4 = 1;
		accept_cut(s, l);
		return;
	}
	s->lcl.is_ip4 = s->rmt.is_ip4;
	s->lcl.port = m->connect.lcl_port
			      ? m->connect.lcl_port
			      : htons((uint16_t)(40000 + handle_of(s)));
	memcpy(s->lcl.ip + 12, "\12\12\0\1", 4);
	if (!s->lcl.is_ip4)
		s->lcl.ip[0] = 0xfd;
	connected(s, loopback		       ? WIRE_E_NOROUTE
		     : s->rmt.port == htons(1) ? WIRE_E_REFUSED
					       : 0);
}

static void on_accepted_reply(const struct ctrl *m)
{
	struct slot *s = &slots[m->accepted_reply.handle % SLOTS];

	MUST(s->kind == CT_SERVER && s->waits && !m->accepted_reply.retval);
	s->waits = false;
	s->index = m->accepted_reply.app_session_index;
	if (!s->peer)
		close_event(s, WIRE_EV_DISCONNECTED);
	else
		connected(s->peer, 0);
}

static void on_close(struct slot *s)
{
	if (s->kind != WIRE && s->kind != CT_CLIENT && s->kind != CT_SERVER)
		return;
	if (s->peer) {
		s->peer->peer = NULL;
		if (!s->peer->waits)
			close_event(s->peer, WIRE_EV_DISCONNECTED);
	}
	cleanup(s, WIRE_CLEANUP_TRANSPORT);
	cleanup(s, WIRE_CLEANUP_SESSION);
	s->kind = FREE;
}

static void on_unlisten(struct fapp *app, const struct ctrl *m)
{
	struct slot *s = &slots[m->unlisten.handle % SLOTS];
	struct ctrl c = { .type = WIRE_EV_UNLISTEN_REPLY };

	if (s->kind == LISTENER)
		s->kind = FREE;
	c.unlisten_reply.handle = m->unlisten.handle;
	c.unlisten_reply.context = m->unlisten.context;
	post(app, &c);
}

/* --- data --- */

static uint8_t bytes[PACKET_MAX];

static void deliver(struct slot *to, const struct ctrl_addr *from,
		    const struct ctrl_addr *at, uint32_t len)
{
	struct packet p = { .len = len, .rmt = *from, .lcl = *at };
	struct iovec iov = { bytes, len };

	/* VPP's garbage */
	if (from->is_ip4) {
		memset(p.rmt.ip, 0xaa, 12);
		memset(p.lcl.ip, 0xbb, 12);
	}
	if (packet_put(&to->rx, &p, &iov, 1))
		return;
	if (fifo_ring(&to->rx))
		event(to, WIRE_EV_IO_RX);
}

static void on_wire(struct slot *s, const struct packet *p)
{
	struct ctrl_addr from = s->lcl;
	const struct ctrl_addr *dest = &s->rmt;
	struct slot *to;

	MUST(p->len && p->len <= (p->rmt.is_ip4 ? 1472 : 1452));
	if (s->kind == LISTENER) {
		memcpy(from.ip, p->lcl.ip, 16);
		from.is_ip4 = p->rmt.is_ip4;
		MUST(memcmp(from.ip, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16));
		dest = &p->rmt;
	}
	to = find(s->kind == LISTENER ? WIRE : LISTENER, dest);
	if (to)
		deliver(to, &from, dest, p->len);
	else if (dest->port == htons(7))
		deliver(s, dest, &from, p->len);
	else if (dest->port == htons(9) && s->kind == WIRE) {
		close_event(s, WIRE_EV_RESET);
		cleanup(s, WIRE_CLEANUP_TRANSPORT);
	}
}

static void drain(struct slot *s)
{
	struct iovec iov = { bytes, sizeof(bytes) };
	struct packet p;
	int err;

	do {
		while (!(err = packet_take(&s->tx, &p, &iov, 1, false))) {
			if (fifo_took(&s->tx, (uint32_t)PACKET_HEAD + p.len))
				event(s, WIRE_EV_IO_TX);
			on_wire(s, &p);
		}
		MUST(err == -11);
	} while (fifo_arm(&s->tx));
}

/* ABI.md 12.6: signals of the one header become those of the other */
static void relay(struct slot *s)
{
	struct fifo *told;

	*s->tx.has_event = 0;
	if (!s->peer)
		return;
	told = &s->peer->rx;
	*told->want_deq_ntf |= *s->tx.want_deq_ntf;
	*told->deq_thresh = *s->tx.deq_thresh;
	if (!*told->has_event) {
		*told->has_event = 1;
		event(s->peer, WIRE_EV_IO_RX);
	}
}

static void on_tx(struct slot *s, bool main)
{
	MUST(main == (s->kind == LISTENER));
	if (s->kind == CT_SERVER || s->kind == CT_CLIENT)
		relay(s);
	else
		drain(s);
}

/* Something was read. */
static void on_rx(struct slot *s)
{
	if (!s->peer)
		return;
	*s->peer->tx.want_deq_ntf &= ~1u;
	event(s->peer, WIRE_EV_IO_TX);
}

static void on_message(const struct ctrl *m)
{
	struct fapp *app = &apps[(m->listen.client_index - 1) % APPS];
	struct slot *s;

	switch (m->type) {
	case WIRE_EV_LISTEN:
		on_listen(app, m);
		break;
	case WIRE_EV_CONNECT:
		on_connect(app, m);
		break;
	case WIRE_EV_UNLISTEN:
		on_unlisten(app, m);
		break;
	case WIRE_EV_ACCEPTED_REPLY:
		on_accepted_reply(m);
		break;
	case WIRE_EV_DISCONNECT:
	case WIRE_EV_TERMINATE:
		on_close(&slots[m->close.handle % SLOTS]);
		break;
	case WIRE_EV_DISCONNECTED_REPLY:
	case WIRE_EV_RESET_REPLY:
		on_close(&slots[m->close_reply.handle % SLOTS]);
		break;
	case WIRE_EV_IO_TX:
	case WIRE_EV_IO_TX_MAIN:
		s = &slots[m->io.session_index % SLOTS];
		if (s->kind != FREE)
			on_tx(s, m->type == WIRE_EV_IO_TX_MAIN);
		break;
	case WIRE_EV_IO_RX:
		s = &slots[m->io.session_index % SLOTS];
		if (s->kind != FREE)
			on_rx(s);
		break;
	default:
		fprintf(stderr, "%s?\n", ctrl_name(m->type));
		exit(1);
	}
}

/* --- applications come and go --- */

static void gone(struct fapp *app)
{
	struct slot *s;

	close(app->conn);
	app->conn = 0;
	for (s = slots + 1; s < slots + SLOTS; s++) {
		if (s->kind == FREE || s->app != app)
			continue;
		if (s->kind == LISTENER)
			s->kind = FREE;
		else
			on_close(s);
	}
}

static void look(int listen_fd)
{
	struct pollfd fds[APPS + 2];
	struct fapp *app;
	int i, fd;

	fds[0] = (struct pollfd){ .fd = listen_fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = in_evfd, .events = POLLIN };
	for (i = 0; i < APPS; i++)
		fds[2 + i] = (struct pollfd){
			.fd = apps[i].conn ? apps[i].conn : -1,
		};
	if (poll(fds, APPS + 2, -1) < 0)
		return;
	mq_reset_event(&in);
	for (i = 0; i < APPS; i++)
		if (fds[2 + i].revents)
			gone(&apps[i]);
	if (!fds[0].revents)
		return;
	fd = accept(listen_fd, NULL, NULL);
	for (app = apps; app->conn;)
		MUST(++app < apps + APPS);
	attach(app, fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct mq_msg msg;
	struct ctrl c;
	uint64_t off;

	MUST(argc == 2 && strlen(argv[1]) < sizeof(sun.sun_path));
	strcpy(sun.sun_path, argv[1]);
	queue(&mq_seg, &in, &in_evfd, &off);
	mq_seg.fsh->n_mqs = 1;
	MUST(!bind(fd, (struct sockaddr *)&sun, sizeof(sun)) && !listen(fd, 8));
	puts("ready");
	fflush(stdout);
	for (;;) {
		look(fd);
		while (mq_recv(&in, &msg) == 1) {
			MUST(!ctrl_decode(WIRE_2606, msg.data, msg.len, &c));
			on_message(&c);
		}
	}
}
