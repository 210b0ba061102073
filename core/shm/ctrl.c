/* SPDX-License-Identifier: Apache-2.0 */
/* ctrl.c - control messages of each release to and from struct ctrl */
/*
 * DOC: a message is a list of fields
 *
 * Every field has the same bytes on the wire and in struct ctrl: only the
 * places differ, and they differ by release.  So a message is a table of
 * (place there, place here, length), and both directions are one loop over
 * it: what decodes, encodes back, and a field cannot be forgotten on one side.
 *
 * Two things need a word.  A field may be narrower on the wire (the flags of
 * ACCEPTED up to 25.10): the low bytes travel, which for our little-endian
 * integers are the first.  And a field may not exist in a dialect: decoding
 * makes it all-ones, our invalid index and invalid handle, because zero is a
 * good one.  Padding is no field: written as zero, never read.
 *
 * Nothing here trusts a byte: all that is read is below the length asked for,
 * and what the numbers mean is for those above to judge.
 */
#include "core/shm/ctrl.h"

#include <errno.h>
#include <string.h>

#include "core/wire/ctrl.h"
#include "core/wire/types.h"

#define HEAD offsetof(struct wire_event, data)
#define ABSENT UINT8_MAX

/* one field: @wire is from the payload, ABSENT if the dialect has it not */
struct field {
	uint8_t wire;
	uint8_t native;
	uint8_t len;
};

struct layout {
	const struct field *fields;
	uint8_t n_fields;
	uint8_t size; /* of the payload */
};

#define LEN_OF(type, member) sizeof(((type *)NULL)->member)

/* A field of the wire that is longer than ours does not compile. */
#define FITS(type, member, mine)                              \
	sizeof(char[LEN_OF(struct wire_##type, member) <=     \
				    LEN_OF(struct ctrl, mine) \
			    ? 1                               \
			    : -1])
#define FIELD_AS(type, member, mine)                         \
	{                                                    \
		offsetof(struct wire_##type, member),        \
			offsetof(struct ctrl, mine),         \
			LEN_OF(struct wire_##type, member) * \
				FITS(type, member, mine),    \
	}
#define FIELD(type, member) FIELD_AS(type, member, type.member)
#define NO_FIELD(mine)                                                         \
	{                                                                      \
		ABSENT, offsetof(struct ctrl, mine), LEN_OF(struct ctrl, mine) \
	}

/* struct wire_endpoint <-> struct ctrl_addr */
#define ENDPOINT(type, end, mine)                                             \
	FIELD_AS(type, end.ip, mine.ip), FIELD_AS(type, end.port, mine.port), \
		FIELD_AS(type, end.is_ip4, mine.is_ip4),                      \
		FIELD_AS(type, end.sw_if_index, mine.sw_if_index),            \
		FIELD_AS(type, end.fib_index, mine.fib_index)

static const struct field io_fields[] = {
	FIELD(io, session_index),
};

static const struct field listen_fields[] = {
	FIELD(listen, client_index), FIELD(listen, context),
	FIELD(listen, wrk_index),    FIELD(listen, vrf),
	FIELD(listen, port),	     FIELD(listen, proto),
	FIELD(listen, is_ip4),	     FIELD(listen, ip),
	FIELD(listen, flags),	     FIELD(listen, ext_config),
	FIELD(listen, dscp),
};

/* what every release has; @type: bound or bound_2510 */
#define BOUND_FIELDS(type)                                            \
	FIELD_AS(type, context, bound.context),                       \
		FIELD_AS(type, handle, bound.handle),                 \
		FIELD_AS(type, retval, bound.retval),                 \
		FIELD_AS(type, lcl_is_ip4, bound.lcl.is_ip4),         \
		FIELD_AS(type, lcl_ip, bound.lcl.ip),                 \
		FIELD_AS(type, lcl_port, bound.lcl.port),             \
		FIELD_AS(type, rx_fifo, bound.rx_fifo),               \
		FIELD_AS(type, tx_fifo, bound.tx_fifo),               \
		FIELD_AS(type, vpp_evt_q, bound.vpp_evt_q),           \
		FIELD_AS(type, segment_handle, bound.segment_handle), \
		FIELD_AS(type, mq_index, bound.mq_index)

static const struct field bound_fields[] = {
	BOUND_FIELDS(bound),
	FIELD(bound, cl_sh_handle),
};

static const struct field bound_2510_fields[] = {
	BOUND_FIELDS(bound_2510),
	NO_FIELD(bound.cl_sh_handle),
};

static const struct field unlisten_fields[] = {
	FIELD(unlisten, client_index),
	FIELD(unlisten, context),
	FIELD(unlisten, wrk_index),
	FIELD(unlisten, handle),
};

static const struct field unlisten_reply_fields[] = {
	FIELD(unlisten_reply, context),
	FIELD(unlisten_reply, handle),
	FIELD(unlisten_reply, retval),
};

/* the same fields in both; only their places and the width of flags differ */
#define ACCEPTED_FIELDS(type)                                                \
	FIELD_AS(type, context, accepted.context),                           \
		FIELD_AS(type, listener_handle, accepted.listener_handle),   \
		FIELD_AS(type, handle, accepted.handle),                     \
		FIELD_AS(type, server_rx_fifo, accepted.rx_fifo),            \
		FIELD_AS(type, server_tx_fifo, accepted.tx_fifo),            \
		FIELD_AS(type, segment_handle, accepted.segment_handle),     \
		FIELD_AS(type, vpp_event_queue_address, accepted.vpp_evt_q), \
		FIELD_AS(type, mq_index, accepted.mq_index),                 \
		ENDPOINT(type, lcl, accepted.lcl),                           \
		ENDPOINT(type, rmt, accepted.rmt),                           \
		FIELD_AS(type, flags, accepted.flags),                       \
		FIELD_AS(type, original_dst_ip4, accepted.original_dst_ip4), \
		FIELD_AS(type, original_dst_port, accepted.original_dst_port)

static const struct field accepted_fields[] = { ACCEPTED_FIELDS(accepted) };
static const struct field accepted_2510_fields[] = { ACCEPTED_FIELDS(
	accepted_2510) };

static const struct field accepted_reply_fields[] = {
	FIELD(accepted_reply, context),
	FIELD(accepted_reply, retval),
	FIELD(accepted_reply, handle),
	FIELD(accepted_reply, app_session_index),
};

static const struct field accepted_reply_2510_fields[] = {
	FIELD_AS(accepted_reply_2510, context, accepted_reply.context),
	FIELD_AS(accepted_reply_2510, retval, accepted_reply.retval),
	FIELD_AS(accepted_reply_2510, handle, accepted_reply.handle),
	NO_FIELD(accepted_reply.app_session_index),
};

static const struct field connect_fields[] = {
	FIELD(connect, client_index),
	FIELD(connect, context),
	FIELD(connect, wrk_index),
	FIELD(connect, vrf),
	FIELD(connect, port),
	FIELD(connect, lcl_port),
	FIELD(connect, proto),
	FIELD(connect, is_ip4),
	FIELD(connect, ip),
	FIELD(connect, lcl_ip),
	FIELD(connect, parent_handle),
	FIELD(connect, ckpair_index),
	FIELD(connect, crypto_engine),
	FIELD(connect, flags),
	FIELD(connect, dscp),
	FIELD(connect, ext_config),
};

static const struct field connected_fields[] = {
	FIELD(connected, context),
	FIELD(connected, retval),
	FIELD(connected, handle),
	FIELD_AS(connected, server_rx_fifo, connected.rx_fifo),
	FIELD_AS(connected, server_tx_fifo, connected.tx_fifo),
	FIELD(connected, segment_handle),
	FIELD(connected, ct_rx_fifo),
	FIELD(connected, ct_tx_fifo),
	FIELD(connected, ct_segment_handle),
	FIELD_AS(connected, vpp_event_queue_address, connected.vpp_evt_q),
	ENDPOINT(connected, lcl, connected.lcl),
	FIELD(connected, mq_index),
};

static const struct field close_fields[] = {
	FIELD(close, client_index),
	FIELD(close, context),
	FIELD(close, handle),
};

static const struct field close_reply_fields[] = {
	FIELD(close_reply, context),
	FIELD(close_reply, retval),
	FIELD(close_reply, handle),
};

static const struct field cleanup_fields[] = {
	FIELD(cleanup, handle),
	FIELD(cleanup, type),
};

static const struct field add_segment_fields[] = {
	FIELD(add_segment, client_index), FIELD(add_segment, context),
	FIELD(add_segment, fd_flags),	  FIELD(add_segment, segment_size),
	FIELD(add_segment, segment_name), FIELD(add_segment, segment_handle),
};

static const struct field del_segment_fields[] = {
	FIELD(del_segment, client_index),
	FIELD(del_segment, context),
	FIELD(del_segment, segment_handle),
};

static const struct field migrated_fields[] = {
	FIELD(migrated, vpp_evt_q),	   FIELD(migrated, handle),
	FIELD(migrated, new_handle),	   FIELD(migrated, segment_handle),
	FIELD(migrated, vpp_thread_index),
};

static const struct field req_worker_update_fields[] = {
	FIELD_AS(req_worker_update, session_handle, req_worker_update.handle),
};

static const struct field worker_update_fields[] = {
	FIELD(worker_update, client_index),
	FIELD(worker_update, wrk_index),
	FIELD(worker_update, req_wrk_index),
	FIELD(worker_update, handle),
};

static const struct field worker_update_reply_fields[] = {
	FIELD(worker_update_reply, handle),
	FIELD(worker_update_reply, rx_fifo),
	FIELD(worker_update_reply, tx_fifo),
	FIELD(worker_update_reply, segment_handle),
};

static const struct field wrk_rpc_fields[] = {
	FIELD(wrk_rpc, client_index),
	FIELD(wrk_rpc, wrk_index),
	FIELD(wrk_rpc, data),
};

static const struct field transport_attr_fields[] = {
	FIELD_AS(transport_attr, client_index, attr.client_index),
	FIELD_AS(transport_attr, handle, attr.handle),
	FIELD_AS(transport_attr, attr.type, attr.attr_type),
	FIELD_AS(transport_attr, attr.value, attr.attr_value),
	FIELD_AS(transport_attr, is_get, attr.is_get),
};

static const struct field transport_attr_reply_fields[] = {
	FIELD_AS(transport_attr_reply, retval, attr.retval),
	FIELD_AS(transport_attr_reply, handle, attr.handle),
	FIELD_AS(transport_attr_reply, attr.type, attr.attr_type),
	FIELD_AS(transport_attr_reply, attr.value, attr.attr_value),
	FIELD_AS(transport_attr_reply, is_get, attr.is_get),
};

static const struct field detach_fields[] = {
	FIELD(detach, client_index),
	FIELD(detach, context),
};

static const struct field uri_fields[] = {
	FIELD(uri, client_index),
	FIELD(uri, context),
	FIELD(uri, uri),
};

#define MSG(type, layout)                                                  \
	[WIRE_EV_##type] = { layout##_fields, ARRAY_SIZE(layout##_fields), \
			     sizeof(struct wire_##layout) }

/* what never changed from 23.10 on; attributes: from 25.02 on */
#define MSG_OF_ALL                                                          \
	MSG(IO_RX, io), MSG(IO_TX, io), MSG(IO_TX_FLUSH, io),               \
		MSG(IO_TX_MAIN, io), MSG(RESET, close),                     \
		MSG(UNLISTEN_REPLY, unlisten_reply),                        \
		MSG(CONNECTED, connected), MSG(DISCONNECTED, close),        \
		MSG(DISCONNECTED_REPLY, close_reply),                       \
		MSG(RESET_REPLY, close_reply),                              \
		MSG(REQ_WORKER_UPDATE, req_worker_update),                  \
		MSG(WORKER_UPDATE, worker_update),                          \
		MSG(WORKER_UPDATE_REPLY, worker_update_reply),              \
		MSG(SHUTDOWN, close), MSG(DISCONNECT, close),               \
		MSG(CONNECT, connect), MSG(CONNECT_URI, uri),               \
		MSG(LISTEN, listen), MSG(LISTEN_URI, uri),                  \
		MSG(UNLISTEN, unlisten), MSG(APP_DETACH, detach),           \
		MSG(APP_ADD_SEGMENT, add_segment),                          \
		MSG(APP_DEL_SEGMENT, del_segment), MSG(MIGRATED, migrated), \
		MSG(CLEANUP, cleanup), MSG(APP_WRK_RPC, wrk_rpc),           \
		MSG(TRANSPORT_ATTR, transport_attr),                        \
		MSG(TRANSPORT_ATTR_REPLY, transport_attr_reply)

/* A type that is not here must not travel. */
static const struct layout layouts[][WIRE_N_EVENTS] = {
	[WIRE_2510] = {
		MSG_OF_ALL,
		MSG(BOUND, bound_2510),
		MSG(ACCEPTED, accepted_2510),
		MSG(ACCEPTED_REPLY, accepted_reply_2510),
	},
	[WIRE_2606] = {
		MSG_OF_ALL,
		MSG(BOUND, bound),
		MSG(ACCEPTED, accepted),
		MSG(ACCEPTED_REPLY, accepted_reply),
		MSG(CONNECT_STREAM, connect),
		MSG(TERMINATE, close),
	},
};

/* with a terminator, so that the longest is still a string */
static const char names[][24] = {
	[WIRE_EV_IO_RX] = "IO_RX",
	[WIRE_EV_IO_TX] = "IO_TX",
	[WIRE_EV_IO_TX_FLUSH] = "IO_TX_FLUSH",
	[WIRE_EV_IO_BUILTIN_RX] = "IO_BUILTIN_RX",
	[WIRE_EV_IO_TX_MAIN] = "IO_TX_MAIN",
	[WIRE_EV_RPC] = "RPC",
	[WIRE_EV_HALF_CLOSE] = "HALF_CLOSE",
	[WIRE_EV_CLOSE] = "CLOSE",
	[WIRE_EV_RESET] = "RESET",
	[WIRE_EV_BOUND] = "BOUND",
	[WIRE_EV_UNLISTEN_REPLY] = "UNLISTEN_REPLY",
	[WIRE_EV_ACCEPTED] = "ACCEPTED",
	[WIRE_EV_ACCEPTED_REPLY] = "ACCEPTED_REPLY",
	[WIRE_EV_CONNECTED] = "CONNECTED",
	[WIRE_EV_DISCONNECTED] = "DISCONNECTED",
	[WIRE_EV_DISCONNECTED_REPLY] = "DISCONNECTED_REPLY",
	[WIRE_EV_RESET_REPLY] = "RESET_REPLY",
	[WIRE_EV_REQ_WORKER_UPDATE] = "REQ_WORKER_UPDATE",
	[WIRE_EV_WORKER_UPDATE] = "WORKER_UPDATE",
	[WIRE_EV_WORKER_UPDATE_REPLY] = "WORKER_UPDATE_REPLY",
	[WIRE_EV_SHUTDOWN] = "SHUTDOWN",
	[WIRE_EV_DISCONNECT] = "DISCONNECT",
	[WIRE_EV_CONNECT] = "CONNECT",
	[WIRE_EV_CONNECT_URI] = "CONNECT_URI",
	[WIRE_EV_LISTEN] = "LISTEN",
	[WIRE_EV_LISTEN_URI] = "LISTEN_URI",
	[WIRE_EV_UNLISTEN] = "UNLISTEN",
	[WIRE_EV_APP_DETACH] = "APP_DETACH",
	[WIRE_EV_APP_ADD_SEGMENT] = "APP_ADD_SEGMENT",
	[WIRE_EV_APP_DEL_SEGMENT] = "APP_DEL_SEGMENT",
	[WIRE_EV_MIGRATED] = "MIGRATED",
	[WIRE_EV_CLEANUP] = "CLEANUP",
	[WIRE_EV_APP_WRK_RPC] = "APP_WRK_RPC",
	[WIRE_EV_TRANSPORT_ATTR] = "TRANSPORT_ATTR",
	[WIRE_EV_TRANSPORT_ATTR_REPLY] = "TRANSPORT_ATTR_REPLY",
	[WIRE_EV_TRANSPORT_CLOSED] = "TRANSPORT_CLOSED",
	[WIRE_EV_HALF_CLEANUP] = "HALF_CLEANUP",
	[WIRE_EV_CONNECT_STREAM] = "CONNECT_STREAM",
	[WIRE_EV_TERMINATE] = "TERMINATE",
};

static_assert(ARRAY_SIZE(names) == WIRE_N_EVENTS, "a name for every type");
static_assert(sizeof(struct ctrl) < ABSENT, "a place is one byte");

/* NULL: no such message in this dialect */
static const struct layout *layout_of(enum wire_dialect dialect, uint8_t type)
{
	const struct layout *l;

	if ((unsigned)dialect >= ARRAY_SIZE(layouts) || type >= WIRE_N_EVENTS)
		return NULL;
	l = &layouts[dialect][type];
	return l->size ? l : NULL;
}

/**
 * ctrl_size() - how long a message is
 * @dialect: of the peer
 * @type: enum wire_event_type, or any byte
 *
 * Return: bytes with the header; 0 if no message of @type travels.
 */
size_t ctrl_size(enum wire_dialect dialect, uint8_t type)
{
	const struct layout *l = layout_of(dialect, type);

	return l ? HEAD + l->size : 0;
}

/**
 * ctrl_name() - a message type for the log
 * @type: enum wire_event_type, or any byte
 *
 * Return: a name as in ABI.md 10.2, never NULL.
 */
const char *ctrl_name(uint8_t type)
{
	return type < ARRAY_SIZE(names) ? names[type] : "UNKNOWN";
}

/**
 * ctrl_encode() - write a message as the peer's release has it
 * @dialect: of the peer
 * @c: the message; what the dialect has no field for is dropped
 * @elt: a whole element; zeroed behind the message
 *
 * Return: bytes of the message with the header, or -ENOTSUP.
 */
ssize_t ctrl_encode(enum wire_dialect dialect, const struct ctrl *c,
		    uint8_t elt[WIRE_CTRL_ELT])
{
	const struct layout *l = layout_of(dialect, c->type);
	const struct field *f;

	if (!l)
		return -ENOTSUP;
	memset(elt, 0, WIRE_CTRL_ELT);
	elt[offsetof(struct wire_event, event_type)] = c->type;
	for (f = l->fields; f < l->fields + l->n_fields; f++) {
		if (f->wire != ABSENT)
			memcpy(elt + HEAD + f->wire,
			       (const uint8_t *)c + f->native, f->len);
	}
	return (ssize_t)(HEAD + l->size);
}

/**
 * ctrl_decode() - read a message of the peer's release
 * @dialect: of the peer
 * @elt: an element, copied out of the shared ring
 * @len: its bytes; no more are read
 * @c: out: the message, zero where it has no field; a field that the dialect
 *     lacks is all-ones
 *
 * Return: 0; -EPROTO if the type must not travel or @len is too short for it.
 */
int ctrl_decode(enum wire_dialect dialect, const uint8_t *elt, size_t len,
		struct ctrl *c)
{
	const struct layout *l;
	const struct field *f;
	uint8_t *native = (uint8_t *)c;

	memset(c, 0, sizeof(*c));
	if (len < HEAD)
		return -EPROTO;
	l = layout_of(dialect, elt[offsetof(struct wire_event, event_type)]);
	if (!l || len < HEAD + l->size)
		return -EPROTO;
	c->type = elt[offsetof(struct wire_event, event_type)];
	for (f = l->fields; f < l->fields + l->n_fields; f++) {
		if (f->wire != ABSENT)
			memcpy(native + f->native, elt + HEAD + f->wire,
			       f->len);
		else
			memset(native + f->native, 0xff, f->len);
	}
	return 0;
}
