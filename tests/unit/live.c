/* SPDX-License-Identifier: Apache-2.0 */
/* live.c - every message that a real VPP and its clients were seen to send */
/*
 * DOC: an independent witness
 *
 * The captures print each message twice: as bytes, and field by field with
 * names and values by whoever took them.  Here the bytes go through our
 * structs and the codec and must come back the same, and each printed field
 * must be what we decoded.  A field that we do not know fails, and so does
 * another number of messages than the captures hold.
 */
#include "tests/unit/live.h"

#include <arpa/inet.h>

#include "core/shm/ctrl.h"
#include "core/wire/attach.h"
#include "core/wire/ctrl.h"

/* where a printed field ends up; @group: a member of struct ctrl or wire_sapi
 */
struct place {
	const char *group, *name;
	size_t off, size;
};

#define PLACE(type, group, printed, path)              \
	{                                              \
#group, printed, offsetof(type, path), \
			sizeof(((type *)NULL)->path)   \
	}
#define Q_AS(group, printed, path) \
	PLACE(struct ctrl, group, printed, group.path)
#define Q(group, member) Q_AS(group, #member, member)
#define Q_END(group, end)                                                     \
	Q_AS(group, #end ".ip", end.ip), Q_AS(group, #end ".port", end.port), \
		Q_AS(group, #end ".is_ip4", end.is_ip4),                      \
		Q_AS(group, #end ".sw_if_index", end.sw_if_index),            \
		Q_AS(group, #end ".fib_index", end.fib_index)
#define S(group, member) PLACE(struct wire_sapi, group, #member, group.member)

static const struct place places[] = {
	Q(listen, client_index),
	Q(listen, context),
	Q(listen, wrk_index),
	Q(listen, vrf),
	Q(listen, port),
	Q(listen, proto),
	Q(listen, is_ip4),
	Q(listen, ip),
	Q(listen, flags),
	Q(listen, ext_config),
	Q(listen, dscp),
	Q(bound, context),
	Q(bound, handle),
	Q(bound, cl_sh_handle),
	Q(bound, retval),
	Q_AS(bound, "lcl_is_ip4", lcl.is_ip4),
	Q_AS(bound, "lcl_ip", lcl.ip),
	Q_AS(bound, "lcl_port", lcl.port),
	Q(bound, rx_fifo),
	Q(bound, tx_fifo),
	Q(bound, vpp_evt_q),
	Q(bound, segment_handle),
	Q(bound, mq_index),
	Q(unlisten, client_index),
	Q(unlisten, context),
	Q(unlisten, wrk_index),
	Q(unlisten, handle),
	Q(unlisten_reply, context),
	Q(unlisten_reply, handle),
	Q(unlisten_reply, retval),
	Q(accepted, context),
	Q(accepted, listener_handle),
	Q(accepted, handle),
	Q_AS(accepted, "server_rx_fifo", rx_fifo),
	Q_AS(accepted, "server_tx_fifo", tx_fifo),
	Q(accepted, segment_handle),
	Q_AS(accepted, "vpp_event_queue_address", vpp_evt_q),
	Q(accepted, mq_index),
	Q_END(accepted, lcl),
	Q_END(accepted, rmt),
	Q(accepted, flags),
	Q(accepted, original_dst_ip4),
	Q(accepted, original_dst_port),
	Q(accepted_reply, context),
	Q(accepted_reply, retval),
	Q(accepted_reply, handle),
	Q(accepted_reply, app_session_index),
	Q(connect, client_index),
	Q(connect, context),
	Q(connect, wrk_index),
	Q(connect, vrf),
	Q(connect, port),
	Q(connect, lcl_port),
	Q(connect, proto),
	Q(connect, is_ip4),
	Q(connect, ip),
	Q(connect, lcl_ip),
	Q(connect, parent_handle),
	Q(connect, ckpair_index),
	Q(connect, crypto_engine),
	Q(connect, flags),
	Q(connect, dscp),
	Q(connect, ext_config),
	Q(connected, context),
	Q(connected, retval),
	Q(connected, handle),
	Q_AS(connected, "server_rx_fifo", rx_fifo),
	Q_AS(connected, "server_tx_fifo", tx_fifo),
	Q(connected, segment_handle),
	Q(connected, ct_rx_fifo),
	Q(connected, ct_tx_fifo),
	Q(connected, ct_segment_handle),
	Q_AS(connected, "vpp_event_queue_address", vpp_evt_q),
	Q_END(connected, lcl),
	Q(connected, mq_index),
	Q(close, client_index),
	Q(close, context),
	Q(close, handle),
	Q(close_reply, context),
	Q(close_reply, retval),
	Q(close_reply, handle),
	Q(cleanup, handle),
	Q(cleanup, type),
	Q(add_segment, client_index),
	Q(add_segment, context),
	Q(add_segment, fd_flags),
	Q(add_segment, segment_size),
	Q(add_segment, segment_name),
	Q(add_segment, segment_handle),
	Q(del_segment, client_index),
	Q(del_segment, context),
	Q(del_segment, segment_handle),
	Q(wrk_rpc, client_index),
	Q(wrk_rpc, wrk_index),
	Q(wrk_rpc, data),
	Q(attr, client_index),
	Q(attr, retval),
	Q(attr, handle),
	Q(attr, is_get),
	Q(detach, client_index),
	Q(detach, context),

	S(attach, name),
	S(attach, options),
	S(attach_reply, retval),
	S(attach_reply, app_index),
	S(attach_reply, app_mq),
	S(attach_reply, vpp_ctrl_mq),
	S(attach_reply, segment_handle),
	S(attach_reply, api_client_handle),
	S(attach_reply, vpp_ctrl_mq_thread),
	S(attach_reply, n_fds),
	S(attach_reply, fd_flags),
	S(worker, app_index),
	S(worker, wrk_index),
	S(worker, is_add),
	S(worker_reply, retval),
	S(worker_reply, wrk_index),
	S(worker_reply, app_event_queue_address),
	S(worker_reply, segment_handle),
	S(worker_reply, api_client_handle),
	S(worker_reply, n_fds),
	S(worker_reply, fd_flags),
	S(worker_reply, is_add),
	S(cert, context),
	S(cert, index),
	S(cert, cert_len),
	S(cert, certkey_len),
	S(cert, is_add),
	S(cert_reply, context),
	S(cert_reply, retval),
	S(cert_reply, index),
};

/* what the captures hold, and which member of struct ctrl has it */
static const struct {
	const char *group;
	unsigned seen, fields;
} queue_types[WIRE_N_EVENTS] = {
	[WIRE_EV_IO_RX] = { "io", 586, 0 },
	[WIRE_EV_IO_TX] = { "io", 423, 0 },
	[WIRE_EV_IO_TX_FLUSH] = { "io", 33, 0 },
	[WIRE_EV_IO_TX_MAIN] = { "io", 3, 0 },
	[WIRE_EV_RPC] = { "rpc", 54, 0 },
	[WIRE_EV_RESET] = { "close", 11, 3 },
	[WIRE_EV_BOUND] = { "bound", 72, 12 },
	[WIRE_EV_UNLISTEN_REPLY] = { "unlisten_reply", 66, 3 },
	[WIRE_EV_ACCEPTED] = { "accepted", 81, 21 },
	[WIRE_EV_ACCEPTED_REPLY] = { "accepted_reply", 77, 4 },
	[WIRE_EV_CONNECTED] = { "connected", 88, 16 },
	[WIRE_EV_DISCONNECTED] = { "close", 54, 3 },
	[WIRE_EV_DISCONNECTED_REPLY] = { "close_reply", 23, 3 },
	[WIRE_EV_RESET_REPLY] = { "close_reply", 13, 3 },
	[WIRE_EV_SHUTDOWN] = { "close", 7, 3 },
	[WIRE_EV_DISCONNECT] = { "close", 46, 3 },
	[WIRE_EV_CONNECT] = { "connect", 96, 16 },
	[WIRE_EV_LISTEN] = { "listen", 73, 11 },
	[WIRE_EV_UNLISTEN] = { "unlisten", 66, 4 },
	[WIRE_EV_APP_DETACH] = { "detach", 14, 2 },
	[WIRE_EV_APP_ADD_SEGMENT] = { "add_segment", 101, 6 },
	[WIRE_EV_APP_DEL_SEGMENT] = { "del_segment", 45, 3 },
	[WIRE_EV_CLEANUP] = { "cleanup", 168, 2 },
	[WIRE_EV_APP_WRK_RPC] = { "wrk_rpc", 6, 3 },
	[WIRE_EV_TRANSPORT_ATTR] = { "attr", 45, 4 },
	[WIRE_EV_TRANSPORT_ATTR_REPLY] = { "attr", 45, 4 },
	[WIRE_EV_TERMINATE] = { "close", 9, 3 },
};

static const struct {
	const char *name, *group;
	unsigned seen;
} socket_types[] = {
	[WIRE_SAPI_ATTACH] = { "ATTACH", "attach", 82 },
	[WIRE_SAPI_ATTACH_REPLY] = { "ATTACH_REPLY", "attach_reply", 83 },
	[WIRE_SAPI_WORKER] = { "ADD_DEL_WORKER", "worker", 15 },
	[WIRE_SAPI_WORKER_REPLY] = { "ADD_DEL_WORKER_REPLY", "worker_reply",
				     9 },
	[WIRE_SAPI_SEND_FDS] = { "SEND_FDS", "none", 101 },
	[WIRE_SAPI_CERT] = { "ADD_DEL_CERT_KEY", "cert", 3 },
	[WIRE_SAPI_CERT_REPLY] = { "ADD_DEL_CERT_KEY_REPLY", "cert_reply", 3 },
};

static unsigned seen_queue[WIRE_N_EVENTS];
static unsigned seen_socket[ARRAY_SIZE(socket_types)];
static unsigned seen_odd; /* what the probe sent to see an error, and EOF */

/* a printed field of a message */
struct printed {
	unsigned off, size;
	char name[48];
	const char *value; /* hex digits, "text"; a type: decimal */
};

static const struct place *find_place(const char *group, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (!strcmp(places[i].group, group) &&
		    !strcmp(places[i].name, name))
			return &places[i];
	return NULL;
}

/* The next field of the indented line; where to go on, or NULL. */
static const char *next_field(const char *at, struct printed *p)
{
	int end;

	at = strchr(at, '@');
	if (!at)
		return NULL;
	CHECK(sscanf(at, "@%u:%u %47[^=@]%n", &p->off, &p->size, p->name,
		     &end) == 3);
	CHECK(at[end] == '=');
	p->value = at + end + 1;
	return p->value;
}

static uint64_t little_endian(const uint8_t *bytes, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, bytes, size);
	return v;
}

/* What stands in brackets behind the hex: a number or an address. */
static void check_meaning(const struct printed *p, const uint8_t *mine)
{
	const char *open = p->value + 2 * (size_t)p->size;
	uint8_t ip4[4];
	char text[64], *end;
	uint64_t v;

	if (sscanf(open, "(%63[^)])", text) != 1) {
		CHECK(p->size >= 40); /* attr, data: not in words */
		return;
	}
	if (p->size == 16) {
		CHECK(inet_pton(AF_INET, text, ip4) == 1);
		CHECK(!memcmp(ip4, mine + 12, 4));
		return;
	}
	v = strtoull(text, &end, 0);
	CHECK(!*end && p->size <= 8);
	if (strlen(p->name) >= 4 && !strcmp(strchr(p->name, '\0') - 4, "port"))
		v = htons((uint16_t)v);
	if (p->size < 8)
		v &= (1ull << (8 * p->size)) - 1;
	CHECK(v == little_endian(mine, p->size));
}

/* @mine, what we decoded, is what the capture printed. */
static void check_field(const struct printed *p, const uint8_t *mine,
			size_t size)
{
	uint8_t value[256];
	char text[129];

	CHECK(p->size == size && size <= sizeof(value));
	if (*p->value == '"') {
		CHECK(sscanf(p->value, "\"%128[^\"]\" then zeros", text) == 1);
		memset(value, 0, sizeof(value));
		memcpy(value, text, strlen(text));
	} else {
		CHECK(live_hex(p->value, value, sizeof(value)) == size);
		check_meaning(p, mine);
	}
	CHECK(!memcmp(mine, value, size));
}

static void check_queue_field(const struct printed *p, const struct ctrl *c)
{
	const struct place *place;
	uint8_t attr[sizeof(struct wire_attr)];

	if (!strcmp(p->name, "event_type")) {
		CHECK(p->off == 0 && strtoul(p->value, NULL, 10) == c->type);
		return;
	}
	if (!strcmp(p->name, "attr")) {
		CHECK(live_hex(p->value, attr, sizeof(attr)) == sizeof(attr));
		CHECK(attr[0] == c->attr.attr_type);
		CHECK(!memcmp(attr + offsetof(struct wire_attr, value),
			      c->attr.attr_value, 32));
		return;
	}
	place = find_place(queue_types[c->type].group, p->name);
	CHECK(place);
	check_field(p, (const uint8_t *)c + place->off, place->size);
}

static void check_queue_message(const struct live_message *m, const char *more)
{
	uint8_t out[WIRE_CTRL_ELT], want[WIRE_CTRL_ELT], type = m->bytes[0];
	struct printed p;
	struct ctrl c;
	unsigned n;

	CHECK(type < WIRE_N_EVENTS && !strcmp(ctrl_name(type), m->type));
	seen_queue[type]++;
	if (type == WIRE_EV_RPC) { /* VPP's own, on its own queue */
		CHECK(m->len == sizeof(struct wire_event));
		CHECK(ctrl_decode(WIRE_2606, m->bytes, m->len, &c) == -EPROTO);
		return;
	}
	CHECK(m->len == ctrl_size(WIRE_2606, type) && m->len < sizeof(want));
	CHECK(!ctrl_decode(WIRE_2606, m->bytes, m->len, &c));
	CHECK(ctrl_encode(WIRE_2606, &c, out) == (ssize_t)m->len);
	memcpy(want, m->bytes, m->len);
	if (type == WIRE_EV_TRANSPORT_ATTR) /* VCL's has an old pointer there */
		memset(want + offsetof(struct wire_event, data) +
			       offsetof(struct wire_transport_attr, attr.pad),
		       0, sizeof(((struct wire_attr *)NULL)->pad));
	CHECK(!memcmp(out, want, m->len));
	CHECK(ctrl_decode(WIRE_2606, m->bytes, m->len - 1, &c) == -EPROTO);
	CHECK(!ctrl_decode(WIRE_2606, m->bytes, m->len, &c));
	if (ctrl_ring(type) == WIRE_RING_IO) {
		CHECK(little_endian(m->bytes + 2, 4) == c.io.session_index);
		return;
	}
	for (n = 0; (more = next_field(more, &p)); n++)
		if (strcmp(p.name, "postponed"))
			check_queue_field(&p, &c);
	/* event_type and postponed come on top */
	CHECK(n == queue_types[type].fields + 2);
}

/* A reply has descriptors, or it says why not. */
static void check_descriptors(const struct live_message *m,
			      const struct wire_sapi *s)
{
	CHECK(m->has_fds);
	switch (s->type) {
	case WIRE_SAPI_ATTACH_REPLY:
		CHECK(m->fds == s->attach_reply.n_fds);
		if (s->attach_reply.retval) {
			CHECK(!m->fds && !s->attach_reply.fd_flags);
			break;
		}
		CHECK((s->attach_reply.fd_flags & 3) ==
		      (WIRE_FD_VPP_MQ_SEGMENT | WIRE_FD_MEMFD_SEGMENT));
		CHECK(m->fds >= 2 && s->attach_reply.app_mq);
		break;
	case WIRE_SAPI_WORKER_REPLY:
		CHECK(m->fds == s->worker_reply.n_fds);
		CHECK(!!m->fds == !s->worker_reply.retval);
		break;
	default:
		CHECK(m->fds == (s->type == WIRE_SAPI_SEND_FDS));
	}
}

static void check_socket_message(const struct live_message *m, const char *more)
{
	const struct place *place;
	struct wire_sapi in, out;
	const char *group;
	struct printed p;
	size_t i;

	CHECK(m->len == sizeof(in));
	memcpy(&in, m->bytes, sizeof(in));
	CHECK(in.type < ARRAY_SIZE(socket_types) && in.type);
	CHECK(!strcmp(m->type, socket_types[in.type].name));
	seen_socket[in.type]++;
	group = socket_types[in.type].group;
	/* member by member: nothing of a packet is behind or between them */
	memset(&out, 0, sizeof(out));
	out.type = in.type;
	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (!strcmp(places[i].group, group))
			memcpy((uint8_t *)&out + places[i].off,
			       (uint8_t *)&in + places[i].off, places[i].size);
	CHECK(!memcmp(&in, &out, sizeof(in)));
	check_descriptors(m, &in);
	if (in.type == WIRE_SAPI_SEND_FDS)
		return;
	while ((more = next_field(more, &p))) {
		if (!strcmp(p.name, "type")) {
			CHECK(strtoul(p.value, NULL, 10) == in.type);
		} else if (sscanf(p.name, "options[%zu", &i) == 1) {
			CHECK(i < WIRE_N_OPTIONS);
			check_field(&p, (uint8_t *)&in.attach.options[i], 8);
		} else {
			place = find_place(group, p.name);
			CHECK(place);
			check_field(&p, (uint8_t *)&in + place->off,
				    place->size);
		}
	}
}

static void check_line(char *line, char *more)
{
	struct live_message m;

	if (!live_parse(line, &m))
		return;
	if (strcmp(m.channel, "socket"))
		check_queue_message(&m, more);
	else if (m.len == sizeof(struct wire_sapi) && strcmp(m.type, "?"))
		check_socket_message(&m, more);
	else
		seen_odd++;
}

TEST(every_message_is_read_and_written_back)
{
	size_t i;

	CHECK(live_each(check_line) == 42);
	for (i = 0; i < WIRE_N_EVENTS; i++) {
		if (seen_queue[i] != queue_types[i].seen)
			printf("# %s: %u\n", ctrl_name((uint8_t)i),
			       seen_queue[i]);
		CHECK(seen_queue[i] == queue_types[i].seen);
	}
	for (i = 0; i < ARRAY_SIZE(socket_types); i++)
		CHECK(seen_socket[i] == socket_types[i].seen);
	/* 11 EOF, a 100 and a 300 byte ATTACH, a type 99, a certificate */
	CHECK(seen_odd == 15);
}
