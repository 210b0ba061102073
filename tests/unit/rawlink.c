/* SPDX-License-Identifier: Apache-2.0 */
/* rawlink.c - a raw client that offers connections and is granted links */
#include "tests/unit/rawlink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUST(cond)                                                          \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stdout);                                     \
			abort();                                            \
		}                                                           \
	} while (0)

void raw_start_patient(struct raw_daemon *d, const char *conf)
{
	char text[512];

	snprintf(text, sizeof(text), "[sapid]\noffer-timeout-ms = 60000\n%s",
		 conf ? conf : "");
	raw_start_conf(d, text);
}

/* --- connections --- */

union any {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t any_set(union any *a, enum raw_family family, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (family == RAW_V4) {
		a->in.sin_family = AF_INET;
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->in.sin_port = port;
		return sizeof(a->in);
	}
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = port;
	MUST(inet_pton(AF_INET6, family == RAW_V6 ? "::1" : "::ffff:127.0.0.1",
		       &a->in6.sin6_addr) == 1);
	return sizeof(a->in6);
}

/* An address of this process alone: raw_tcp_again() wants the same port, which
 * on 127.0.0.1 others share by then, if only in TIME-WAIT. */
static void bind_own(int fd)
{
	uint32_t pid = (uint32_t)getpid();
	struct sockaddr_in sin = { .sin_family = AF_INET };

	sin.sin_addr.s_addr = htonl(0x7f400000u | (pid & 0x3fffffu));
	MUST(!bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
}

static void open_tcp(struct raw_tcp *t, enum raw_family server,
		     enum raw_family client)
{
	union any a;
	socklen_t len = any_set(&a, server, 0);
	uint16_t port;

	t->listener = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(t->listener >= 0 && !bind(t->listener, &a.sa, len));
	MUST(!listen(t->listener, 4));
	MUST(!getsockname(t->listener, &a.sa, &len));
	port = server == RAW_V4 ? a.in.sin_port : a.in6.sin6_port;
	len = any_set(&a, client, port);
	t->fd[0] = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(t->fd[0] >= 0);
	if (client == RAW_V4)
		bind_own(t->fd[0]);
	MUST(!connect(t->fd[0], &a.sa, len));
	t->fd[1] = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(t->fd[1] >= 0);
}

void raw_tcp(struct raw_tcp *t, enum raw_family family)
{
	if (family == RAW_DUAL)
		open_tcp(t, RAW_MAPPED, RAW_V4);
	else
		open_tcp(t, family, family);
}

void raw_tcp_again(struct raw_tcp *t)
{
	const struct linger reset = { .l_onoff = 1 };
	const int on = 1;
	union any lcl, rmt;
	socklen_t len = sizeof(lcl), rmt_len = sizeof(rmt);

	MUST(!getsockname(t->fd[0], &lcl.sa, &len));
	MUST(!getpeername(t->fd[0], &rmt.sa, &rmt_len));
	MUST(!setsockopt(t->fd[0], SOL_SOCKET, SO_LINGER, &reset,
			 sizeof(reset)));
	close(t->fd[0]);
	close(t->fd[1]);
	t->fd[0] = socket(lcl.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(!setsockopt(t->fd[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	MUST(!bind(t->fd[0], &lcl.sa, len));
	MUST(!connect(t->fd[0], &rmt.sa, rmt_len));
	t->fd[1] = accept4(t->listener, NULL, NULL, SOCK_CLOEXEC);
	MUST(t->fd[1] >= 0);
}

int raw_connect_to(int fd, int listener)
{
	union any a;
	socklen_t len = sizeof(a);

	MUST(!getsockname(listener, &a.sa, &len));
	return connect(fd, &a.sa, len);
}

void raw_tcp_close(struct raw_tcp *t)
{
	close(t->fd[0]);
	close(t->fd[1]);
	close(t->listener);
}

static uint16_t put_any(const union any *a, uint8_t ip[16], uint8_t *is_ip4)
{
	memset(ip, 0, 16);
	if (a->sa.sa_family == AF_INET) {
		memcpy(ip + 12, &a->in.sin_addr, 4);
		*is_ip4 = 1;
		return a->in.sin_port;
	}
	*is_ip4 = IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr);
	if (*is_ip4)
		memcpy(ip + 12, &a->in6.sin6_addr.s6_addr[12], 4);
	else
		memcpy(ip, &a->in6.sin6_addr, 16);
	return a->in6.sin6_port;
}

/* --- messages --- */

void raw_claim(int fd, uint64_t context, struct wire_offer *o)
{
	socklen_t len = sizeof(union any), n = sizeof(uint64_t);
	uint64_t cookie;
	union any a;

	memset(o, 0, sizeof(*o));
	o->context = context;
	o->ring = 65536;
	MUST(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &n));
	o->cookie = cookie;
	MUST(!getsockname(fd, &a.sa, &len));
	o->lcl_port = put_any(&a, o->lcl, &o->is_ip4);
	len = sizeof(a);
	MUST(!getpeername(fd, &a.sa, &len));
	o->rmt_port = put_any(&a, o->rmt, &o->is_ip4);
}

void raw_send_ext(struct raw *r, const struct wire_sapi_ext *msg,
		  const struct fdbox *box)
{
	MUST(fdbox_send(r->sock, msg, sizeof(*msg), box, 0) == sizeof(*msg));
}

void raw_send_offer(struct raw *r, const struct wire_offer *o, int bell)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER, .offer = *o };
	struct fdbox box;

	fdbox_init(&box);
	if (bell >= 0)
		MUST(!fdbox_put(&box, bell));
	raw_send_ext(r, &msg, &box);
}

int raw_bell(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	MUST(fd >= 0);
	return fd;
}

void raw_send_bell(struct raw *r)
{
	struct wire_offer o = { .context = 4711, .has_bell = 1 };
	int bell = raw_bell();

	raw_send_offer(r, &o, bell);
	close(bell);
	raw_get_refuse(r, 4711, WIRE_REFUSED_PROOF);
	r->has_bell = true;
}

void raw_offer(struct raw *r, int fd, uint64_t context)
{
	struct wire_offer o;
	int bell = -1;

	raw_claim(fd, context, &o);
	if (!r->has_bell) {
		bell = raw_bell();
		o.has_bell = 1;
		r->has_bell = true;
	}
	raw_send_offer(r, &o, bell);
	if (bell >= 0)
		close(bell);
}

void raw_listen_port(struct raw *r, uint16_t port, bool on)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_LISTEN };

	msg.listen.port = htons(port);
	msg.listen.on = on;
	raw_send_ext(r, &msg, NULL);
}

void raw_done(struct raw *r, uint64_t link, bool forget)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_DONE };

	msg.done.link = link;
	msg.done.forget_seg = forget;
	raw_send_ext(r, &msg, NULL);
}

void raw_withdraw(struct raw *r, uint64_t context, uint64_t link)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_WITHDRAW };

	msg.withdraw.context = context;
	msg.withdraw.link = link;
	raw_send_ext(r, &msg, NULL);
}

uint8_t raw_recv_ext(struct raw *r, struct wire_sapi_ext *msg,
		     struct fdbox *box, int ms)
{
	struct pollfd p = { .fd = r->sock, .events = POLLIN };
	ssize_t n;

	fdbox_init(box);
	if (poll(&p, 1, ms) != 1)
		return 0;
	n = fdbox_recv(r->sock, msg, sizeof(*msg), box, 0, NULL);
	if (n <= 0)
		return 0; /* it hung up */
	MUST(n == sizeof(*msg) && msg->type);
	return msg->type;
}

void raw_get_refuse(struct raw *r, uint64_t context, enum wire_refusal why)
{
	struct wire_sapi_ext msg;
	struct fdbox box;
	uint8_t type = raw_recv_ext(r, &msg, &box, RAW_WAIT_MS);

	if (type != WIRE_SAPI_REFUSE || msg.refuse.why != why)
		printf("# type %#x why %u\n", type, msg.refuse.why);
	MUST(type == WIRE_SAPI_REFUSE && box.n == 0);
	MUST(msg.refuse.context == context && msg.refuse.why == why);
}

struct raw_grant *raw_get_grant(struct raw *r, uint64_t context)
{
	static struct raw_grant grant, *g = &grant;
	struct wire_sapi_ext msg;
	struct fdbox box;
	uint8_t type;

	do {
		type = raw_recv_ext(r, &msg, &box, RAW_WAIT_MS);
	} while (type == WIRE_SAPI_PEER_GONE); /* of tests before */
	if (type != WIRE_SAPI_GRANT)
		printf("# type %#x why %u\n", type, msg.refuse.why);
	MUST(type == WIRE_SAPI_GRANT);
	g->g = msg.grant;
	MUST(g->g.context == context && g->g.link && g->g.side <= 1);
	MUST(g->g.has_seg <= 1 && g->g.has_bell <= 1);
	MUST(box.n == (unsigned)g->g.has_seg + g->g.has_bell);
	MUST(link_shape_ok(g->g.n_links, g->g.ring));
	MUST(g->g.index < g->g.n_links);
	g->seg = g->g.has_seg ? fdbox_take(&box, 0) : -1;
	g->bell = g->g.has_bell ? fdbox_take(&box, g->g.has_seg) : -1;
	return g;
}

void raw_drop_grant(struct raw_grant *g)
{
	if (g->seg >= 0)
		close(g->seg);
	if (g->bell >= 0)
		close(g->bell);
	g->seg = g->bell = -1;
}

uint64_t raw_link(struct raw *a, struct raw *b, const struct raw_tcp *t,
		  uint64_t context)
{
	struct raw_grant ga, gb;

	raw_offer(a, t->fd[0], context);
	raw_offer(b, t->fd[1], context + 1);
	ga = *raw_get_grant(a, context);
	gb = *raw_get_grant(b, context + 1);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	MUST(ga.g.link == gb.g.link && ga.g.seg == gb.g.seg);
	MUST(ga.g.index == gb.g.index && ga.g.ring == gb.g.ring);
	MUST(ga.g.n_links == gb.g.n_links && ga.g.side != gb.g.side);
	MUST((ga.g.peer != gb.g.peer) == (a != b));
	return ga.g.link;
}

/* A certificate is answered with a refusal, over the same socket. */
bool raw_ext_is_quiet(struct raw *r)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_CERT };
	struct wire_sapi_ext got;
	struct fdbox box;
	uint8_t type;

	MUST(send(r->sock, &msg, sizeof(msg), 0) == sizeof(msg));
	type = raw_recv_ext(r, &got, &box, RAW_WAIT_MS);
	fdbox_close(&box);
	if (type != WIRE_SAPI_CERT_REPLY)
		printf("# not quiet: %#x\n", type);
	return type == WIRE_SAPI_CERT_REPLY;
}

const struct wire_page *raw_page(const struct raw *r)
{
	void *at = mmap(NULL, sizeof(struct wire_page), PROT_READ, MAP_SHARED,
			r->page_fd, 0);

	MUST(at != MAP_FAILED);
	return at;
}

void raw_page_close(const struct wire_page *page)
{
	munmap((void *)page, sizeof(*page));
}

struct wire_mail *raw_mail(const struct raw *r)
{
	return map_at(&r->seg.map, r->hello.mail_off, sizeof(struct wire_mail));
}
