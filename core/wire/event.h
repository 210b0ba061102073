/* SPDX-License-Identifier: Apache-2.0 */
/* event.h - the element of a message queue, and its types (ABI.md 10) */
#ifndef WIRE_EVENT_H
#define WIRE_EVENT_H

#include "core/wire/types.h"

enum wire_event_type {
	WIRE_EV_IO_RX = 0,
	WIRE_EV_IO_TX = 1,
	WIRE_EV_IO_TX_FLUSH = 2,
	WIRE_EV_IO_BUILTIN_RX = 3, /* server-internal */
	WIRE_EV_IO_TX_MAIN = 4,
	WIRE_EV_RPC = 5,	/* server-internal */
	WIRE_EV_HALF_CLOSE = 6, /* server-internal */
	WIRE_EV_CLOSE = 7,	/* server-internal */
	WIRE_EV_RESET = 8,
	WIRE_EV_BOUND = 9,
	WIRE_EV_UNLISTEN_REPLY = 10,
	WIRE_EV_ACCEPTED = 11,
	WIRE_EV_ACCEPTED_REPLY = 12,
	WIRE_EV_CONNECTED = 13,
	WIRE_EV_DISCONNECTED = 14,
	WIRE_EV_DISCONNECTED_REPLY = 15,
	WIRE_EV_RESET_REPLY = 16,
	WIRE_EV_REQ_WORKER_UPDATE = 17,
	WIRE_EV_WORKER_UPDATE = 18,
	WIRE_EV_WORKER_UPDATE_REPLY = 19,
	WIRE_EV_SHUTDOWN = 20,
	WIRE_EV_DISCONNECT = 21,
	WIRE_EV_CONNECT = 22,
	WIRE_EV_CONNECT_URI = 23,
	WIRE_EV_LISTEN = 24,
	WIRE_EV_LISTEN_URI = 25,
	WIRE_EV_UNLISTEN = 26,
	WIRE_EV_APP_DETACH = 27,
	WIRE_EV_APP_ADD_SEGMENT = 28,
	WIRE_EV_APP_DEL_SEGMENT = 29,
	WIRE_EV_MIGRATED = 30,
	WIRE_EV_CLEANUP = 31,
	WIRE_EV_APP_WRK_RPC = 32,
	WIRE_EV_TRANSPORT_ATTR = 33,
	WIRE_EV_TRANSPORT_ATTR_REPLY = 34,
	WIRE_EV_TRANSPORT_CLOSED = 35, /* server-internal */
	WIRE_EV_HALF_CLEANUP = 36,     /* server-internal */
	WIRE_EV_CONNECT_STREAM = 37,   /* 26.02+ */
	WIRE_EV_TERMINATE = 38,	       /* 26.02+ */
	WIRE_N_EVENTS
};

/* the first type of the control ring; those before are I/O */
#define WIRE_EV_FIRST_CTRL WIRE_EV_RPC

/* retval of replies (ABI.md 5) */
enum wire_error {
	WIRE_E_NONE = 0,
	WIRE_E_UNKNOWN = -1,
	WIRE_E_REFUSED = -2,
	WIRE_E_TIMEDOUT = -3,
	WIRE_E_ALLOC = -4,
	WIRE_E_OWNER = -5,
	WIRE_E_NOROUTE = -6,
	WIRE_E_NOINTF = -7,
	WIRE_E_NOIP = -8,
	WIRE_E_NOPORT = -9,
	WIRE_E_NOSUPPORT = -10,
	WIRE_E_NOLISTEN = -11,
	WIRE_E_NOSESSION = -12,
	WIRE_E_NOAPP = -13,
	WIRE_E_APP_ATTACHED = -14,
	WIRE_E_PORTINUSE = -15,
	WIRE_E_IPINUSE = -16,
	WIRE_E_ALREADY_LISTENING = -17,
	WIRE_E_ADDR_NOT_IN_USE = -18,
	WIRE_E_INVALID = -19,
	WIRE_E_INVALID_RMT_IP = -20,
	WIRE_E_INVALID_APPWRK = -21,
	WIRE_E_INVALID_NS = -22,
	WIRE_E_SEG_NO_SPACE = -23,
	WIRE_E_SEG_NO_SPACE2 = -24,
	WIRE_E_SEG_CREATE = -25,
	WIRE_E_FILTERED = -26,
	WIRE_E_SCOPE = -27,
	WIRE_E_MQ_MSG_ALLOC = -31,
	WIRE_E_TLS_HANDSHAKE = -32,
	WIRE_E_EVENTFD_ALLOC = -33,
	WIRE_E_NOEXTCFG = -34,
	WIRE_E_NOCRYPTOENG = -35,
	WIRE_E_NOCRYPTOCKP = -36,
	WIRE_E_SYSCALL = -39,
	WIRE_E_TRANSPORT_NO_REG = -40,
	WIRE_E_MAX_STREAMS_HIT = -41, /* 25.10+ */
};

enum wire_proto {
	WIRE_PROTO_TCP = 0,
	WIRE_PROTO_UDP = 1,
	WIRE_PROTO_TLS = 3,
	WIRE_PROTO_QUIC = 4,
	WIRE_PROTO_DTLS = 5,
	WIRE_PROTO_SRTP = 6,
	WIRE_PROTO_HTTP = 7,
};

/* mirrors session_event_t, session/session_types.h (ABI.md 10.1) */
struct wire_event {
	uint8_t event_type;
	uint8_t postponed;
	union {
		uint32_t session_index;
		uint64_t session_handle;
		uint64_t rpc_args[2];
		uint8_t data[16];
	} WIRE_PACKED;
} WIRE_PACKED;
WIRE_SIZE(struct wire_event, 18);
WIRE_AT(struct wire_event, session_index, 2);
WIRE_AT(struct wire_event, session_handle, 2);
WIRE_AT(struct wire_event, data, 2);

#endif /* WIRE_EVENT_H */
