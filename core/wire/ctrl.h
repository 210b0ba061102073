/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctrl.h - every control message, as 26.06 has it and where releases differ
 *
 * DOC: One list of layouts, each with what is asserted of it; it is as long as
 * the dialects are, and is looked up, not read.
 * Offsets are from the payload, which stands behind the two bytes of the
 * element (struct wire_event).  A message that moved keeps its older layout
 * with the last release that had it in the name; what has no such name is the
 * same in all (ABI.md 11, 15.2).  Addresses and ports: network byte order.
 */
#ifndef WIRE_CTRL_H
#define WIRE_CTRL_H

#include "core/wire/types.h"

/* flags of LISTEN and CONNECT */
#define WIRE_CFG_CONNECTED 1u	   /* a UDP session for each peer */
#define WIRE_CFG_UNIDIRECTIONAL 2u /* QUIC streams */

/* flags of ACCEPTED */
#define WIRE_SESSION_UNIDIRECTIONAL 16u
#define WIRE_SESSION_STREAM 2048u /* 26.02+ */

/* type of CLEANUP */
#define WIRE_CLEANUP_TRANSPORT 0
#define WIRE_CLEANUP_SESSION 1

/* mirrors transport_endpoint_t, session/transport_types.h: not packed */
struct wire_endpoint {
	uint8_t ip[16];
	uint16_t port;
	uint8_t is_ip4;
	uint8_t pad;
	uint32_t sw_if_index;
	uint32_t fib_index;
};
WIRE_SIZE(struct wire_endpoint, 28);
WIRE_AT(struct wire_endpoint, port, 16);
WIRE_AT(struct wire_endpoint, is_ip4, 18);
WIRE_AT(struct wire_endpoint, sw_if_index, 20);
WIRE_AT(struct wire_endpoint, fib_index, 24);

/* type of wire_attr; 5..9 are numbered as of 26.06 */
enum wire_attr_type {
	WIRE_ATTR_NEXT_OUTPUT_NODE = 0,
	WIRE_ATTR_MSS = 1,
	WIRE_ATTR_FLAGS = 2,
	WIRE_ATTR_CC_ALGO = 3,
	WIRE_ATTR_EXT_ENDPT = 4, /* 25.02+ */
	WIRE_ATTR_TLS_PEER_CERT = 5,
	WIRE_ATTR_TLS_ALPN = 6,
	WIRE_ATTR_TLS_PROFILE_INFO = 7,
	WIRE_ATTR_NEXT_TRANSPORT = 8,
	WIRE_ATTR_APP_PROTO_ERR_CODE = 9,
};

/* mirrors transport_endpt_attr_t of 25.02 and later, session/transport_types.h
 */
struct wire_attr {
	uint8_t type; /* enum wire_attr_type */
	uint8_t pad[7];
	union {
		uint64_t next_output_node;
		uint16_t mss; /* host order */
		uint8_t flags;
		uint8_t cc_algo;
		struct wire_endpoint ext_endpt;
		uint64_t next_transport;
		uint64_t app_proto_err_code;
		uint8_t value[32];
	};
};
WIRE_SIZE(struct wire_attr, 40);
WIRE_AT(struct wire_attr, next_output_node, 8);
WIRE_AT(struct wire_attr, mss, 8);
WIRE_AT(struct wire_attr, flags, 8);
WIRE_AT(struct wire_attr, cc_algo, 8);
WIRE_AT(struct wire_attr, ext_endpt, 8);
WIRE_AT(struct wire_attr, next_transport, 8);
WIRE_AT(struct wire_attr, app_proto_err_code, 8);
WIRE_AT(struct wire_attr, value, 8);

/* mirrors transport_endpt_attr_t up to 24.10 */
struct wire_attr_2410 {
	uint8_t type; /* up to WIRE_ATTR_CC_ALGO */
	uint8_t pad[7];
	union {
		uint64_t next_output_node;
		uint16_t mss;
		uint8_t flags;
		uint8_t cc_algo;
		uint8_t value[8];
	};
};
WIRE_SIZE(struct wire_attr_2410, 16);
WIRE_AT(struct wire_attr_2410, next_output_node, 8);
WIRE_AT(struct wire_attr_2410, mss, 8);
WIRE_AT(struct wire_attr_2410, flags, 8);
WIRE_AT(struct wire_attr_2410, cc_algo, 8);
WIRE_AT(struct wire_attr_2410, value, 8);

/* I/O events: what stands at the payload of an element (ABI.md 10.1) */
struct wire_io {
	uint32_t session_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_io, 4);

/* The messages: session/application_interface.h, in the order of ABI.md 11. */

/* mirrors session_listen_msg_t */
struct wire_listen {
	uint32_t client_index;
	uint32_t context;
	uint32_t wrk_index;
	uint32_t vrf;
	uint16_t port;
	uint8_t proto;
	uint8_t is_ip4;
	uint8_t ip[16];
	uint8_t flags;
	uint64_t ext_config;
	uint8_t dscp; /* 25.10+; older clients leave stale bytes here */
} WIRE_PACKED;
WIRE_SIZE(struct wire_listen, 46);
WIRE_AT(struct wire_listen, context, 4);
WIRE_AT(struct wire_listen, wrk_index, 8);
WIRE_AT(struct wire_listen, vrf, 12);
WIRE_AT(struct wire_listen, port, 16);
WIRE_AT(struct wire_listen, proto, 18);
WIRE_AT(struct wire_listen, is_ip4, 19);
WIRE_AT(struct wire_listen, ip, 20);
WIRE_AT(struct wire_listen, flags, 36);
WIRE_AT(struct wire_listen, ext_config, 37);
WIRE_AT(struct wire_listen, dscp, 45);

/* mirrors session_bound_msg_t */
struct wire_bound {
	uint32_t context;
	uint64_t handle;
	uint64_t cl_sh_handle;
	int32_t retval;
	uint8_t lcl_is_ip4;
	uint8_t lcl_ip[16];
	uint16_t lcl_port;
	uint64_t rx_fifo;
	uint64_t tx_fifo;
	uint64_t vpp_evt_q;
	uint64_t segment_handle;
	uint32_t mq_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_bound, 79);
WIRE_AT(struct wire_bound, handle, 4);
WIRE_AT(struct wire_bound, cl_sh_handle, 12);
WIRE_AT(struct wire_bound, retval, 20);
WIRE_AT(struct wire_bound, lcl_is_ip4, 24);
WIRE_AT(struct wire_bound, lcl_ip, 25);
WIRE_AT(struct wire_bound, lcl_port, 41);
WIRE_AT(struct wire_bound, rx_fifo, 43);
WIRE_AT(struct wire_bound, tx_fifo, 51);
WIRE_AT(struct wire_bound, vpp_evt_q, 59);
WIRE_AT(struct wire_bound, segment_handle, 67);
WIRE_AT(struct wire_bound, mq_index, 75);

/* mirrors session_bound_msg_t up to 25.10 */
struct wire_bound_2510 {
	uint32_t context;
	uint64_t handle;
	int32_t retval;
	uint8_t lcl_is_ip4;
	uint8_t lcl_ip[16];
	uint16_t lcl_port;
	uint64_t rx_fifo;
	uint64_t tx_fifo;
	uint64_t vpp_evt_q;
	uint64_t segment_handle;
	uint32_t mq_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_bound_2510, 71);
WIRE_AT(struct wire_bound_2510, handle, 4);
WIRE_AT(struct wire_bound_2510, retval, 12);
WIRE_AT(struct wire_bound_2510, lcl_is_ip4, 16);
WIRE_AT(struct wire_bound_2510, lcl_ip, 17);
WIRE_AT(struct wire_bound_2510, lcl_port, 33);
WIRE_AT(struct wire_bound_2510, rx_fifo, 35);
WIRE_AT(struct wire_bound_2510, tx_fifo, 43);
WIRE_AT(struct wire_bound_2510, vpp_evt_q, 51);
WIRE_AT(struct wire_bound_2510, segment_handle, 59);
WIRE_AT(struct wire_bound_2510, mq_index, 67);

/* mirrors session_unlisten_msg_t */
struct wire_unlisten {
	uint32_t client_index;
	uint32_t context;
	uint32_t wrk_index;
	uint64_t handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_unlisten, 20);
WIRE_AT(struct wire_unlisten, context, 4);
WIRE_AT(struct wire_unlisten, wrk_index, 8);
WIRE_AT(struct wire_unlisten, handle, 12);

/* mirrors session_unlisten_reply_msg_t */
struct wire_unlisten_reply {
	uint32_t context;
	uint64_t handle;
	int32_t retval;
} WIRE_PACKED;
WIRE_SIZE(struct wire_unlisten_reply, 16);
WIRE_AT(struct wire_unlisten_reply, handle, 4);
WIRE_AT(struct wire_unlisten_reply, retval, 12);

/* mirrors session_accepted_msg_t */
struct wire_accepted {
	uint32_t context;
	uint64_t listener_handle;
	uint64_t handle;
	uint64_t server_rx_fifo;
	uint64_t server_tx_fifo;
	uint64_t segment_handle;
	uint64_t vpp_event_queue_address;
	uint32_t mq_index;
	struct wire_endpoint lcl;
	struct wire_endpoint rmt;
	uint16_t flags;
	uint32_t original_dst_ip4;
	uint16_t original_dst_port;
} WIRE_PACKED;
WIRE_SIZE(struct wire_accepted, 120);
WIRE_AT(struct wire_accepted, listener_handle, 4);
WIRE_AT(struct wire_accepted, handle, 12);
WIRE_AT(struct wire_accepted, server_rx_fifo, 20);
WIRE_AT(struct wire_accepted, server_tx_fifo, 28);
WIRE_AT(struct wire_accepted, segment_handle, 36);
WIRE_AT(struct wire_accepted, vpp_event_queue_address, 44);
WIRE_AT(struct wire_accepted, mq_index, 52);
WIRE_AT(struct wire_accepted, lcl, 56);
WIRE_AT(struct wire_accepted, rmt, 84);
WIRE_AT(struct wire_accepted, flags, 112);
WIRE_AT(struct wire_accepted, original_dst_ip4, 114);
WIRE_AT(struct wire_accepted, original_dst_port, 118);

/* mirrors session_accepted_msg_t up to 25.10 */
struct wire_accepted_2510 {
	uint32_t context;
	uint64_t listener_handle;
	uint64_t handle;
	uint64_t server_rx_fifo;
	uint64_t server_tx_fifo;
	uint64_t segment_handle;
	uint64_t vpp_event_queue_address;
	uint32_t mq_index;
	struct wire_endpoint lcl;
	struct wire_endpoint rmt;
	uint8_t flags;
	uint32_t original_dst_ip4;
	uint16_t original_dst_port;
} WIRE_PACKED;
WIRE_SIZE(struct wire_accepted_2510, 119);
WIRE_AT(struct wire_accepted_2510, listener_handle, 4);
WIRE_AT(struct wire_accepted_2510, handle, 12);
WIRE_AT(struct wire_accepted_2510, server_rx_fifo, 20);
WIRE_AT(struct wire_accepted_2510, server_tx_fifo, 28);
WIRE_AT(struct wire_accepted_2510, segment_handle, 36);
WIRE_AT(struct wire_accepted_2510, vpp_event_queue_address, 44);
WIRE_AT(struct wire_accepted_2510, mq_index, 52);
WIRE_AT(struct wire_accepted_2510, lcl, 56);
WIRE_AT(struct wire_accepted_2510, rmt, 84);
WIRE_AT(struct wire_accepted_2510, flags, 112);
WIRE_AT(struct wire_accepted_2510, original_dst_ip4, 113);
WIRE_AT(struct wire_accepted_2510, original_dst_port, 117);

/* mirrors session_accepted_reply_msg_t */
struct wire_accepted_reply {
	uint32_t context;
	int32_t retval;
	uint64_t handle;
	uint32_t app_session_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_accepted_reply, 20);
WIRE_AT(struct wire_accepted_reply, retval, 4);
WIRE_AT(struct wire_accepted_reply, handle, 8);
WIRE_AT(struct wire_accepted_reply, app_session_index, 16);

/* mirrors session_accepted_reply_msg_t up to 25.10 */
struct wire_accepted_reply_2510 {
	uint32_t context;
	int32_t retval;
	uint64_t handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_accepted_reply_2510, 16);
WIRE_AT(struct wire_accepted_reply_2510, retval, 4);
WIRE_AT(struct wire_accepted_reply_2510, handle, 8);

/* mirrors session_connect_msg_t; CONNECT_STREAM has the same */
struct wire_connect {
	uint32_t client_index;
	uint32_t context;
	uint32_t wrk_index;
	uint32_t vrf;
	uint16_t port;
	uint16_t lcl_port;
	uint8_t proto;
	uint8_t is_ip4;
	uint8_t ip[16];
	uint8_t lcl_ip[16];
	uint64_t parent_handle;
	uint32_t ckpair_index;
	uint8_t crypto_engine;
	uint8_t flags;
	uint8_t dscp;
	uint64_t ext_config;
} WIRE_PACKED;
WIRE_SIZE(struct wire_connect, 77);
WIRE_AT(struct wire_connect, context, 4);
WIRE_AT(struct wire_connect, wrk_index, 8);
WIRE_AT(struct wire_connect, vrf, 12);
WIRE_AT(struct wire_connect, port, 16);
WIRE_AT(struct wire_connect, lcl_port, 18);
WIRE_AT(struct wire_connect, proto, 20);
WIRE_AT(struct wire_connect, is_ip4, 21);
WIRE_AT(struct wire_connect, ip, 22);
WIRE_AT(struct wire_connect, lcl_ip, 38);
WIRE_AT(struct wire_connect, parent_handle, 54);
WIRE_AT(struct wire_connect, ckpair_index, 62);
WIRE_AT(struct wire_connect, crypto_engine, 66);
WIRE_AT(struct wire_connect, flags, 67);
WIRE_AT(struct wire_connect, dscp, 68);
WIRE_AT(struct wire_connect, ext_config, 69);

/* mirrors session_connected_msg_t */
struct wire_connected {
	uint32_t context;
	int32_t retval;
	uint64_t handle;
	uint64_t server_rx_fifo;
	uint64_t server_tx_fifo;
	uint64_t segment_handle;
	uint64_t ct_rx_fifo;
	uint64_t ct_tx_fifo;
	uint64_t ct_segment_handle;
	uint64_t vpp_event_queue_address;
	struct wire_endpoint lcl;
	uint32_t mq_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_connected, 104);
WIRE_AT(struct wire_connected, retval, 4);
WIRE_AT(struct wire_connected, handle, 8);
WIRE_AT(struct wire_connected, server_rx_fifo, 16);
WIRE_AT(struct wire_connected, server_tx_fifo, 24);
WIRE_AT(struct wire_connected, segment_handle, 32);
WIRE_AT(struct wire_connected, ct_rx_fifo, 40);
WIRE_AT(struct wire_connected, ct_tx_fifo, 48);
WIRE_AT(struct wire_connected, ct_segment_handle, 56);
WIRE_AT(struct wire_connected, vpp_event_queue_address, 64);
WIRE_AT(struct wire_connected, lcl, 72);
WIRE_AT(struct wire_connected, mq_index, 100);

/* mirrors session_shutdown_msg_t, session_disconnect_msg_t,
 * session_terminate_msg_t, session_disconnected_msg_t, session_reset_msg_t */
struct wire_close {
	uint32_t client_index;
	uint32_t context;
	uint64_t handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_close, 16);
WIRE_AT(struct wire_close, context, 4);
WIRE_AT(struct wire_close, handle, 8);

/* mirrors session_disconnected_reply_msg_t, session_reset_reply_msg_t */
struct wire_close_reply {
	uint32_t context;
	int32_t retval;
	uint64_t handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_close_reply, 16);
WIRE_AT(struct wire_close_reply, retval, 4);
WIRE_AT(struct wire_close_reply, handle, 8);

/* mirrors session_cleanup_msg_t */
struct wire_cleanup {
	uint64_t handle;
	uint8_t type; /* WIRE_CLEANUP_* */
} WIRE_PACKED;
WIRE_SIZE(struct wire_cleanup, 9);
WIRE_AT(struct wire_cleanup, type, 8);

/* mirrors session_app_add_segment_msg_t: not packed there */
struct wire_add_segment {
	uint32_t client_index;
	uint32_t context;
	uint8_t fd_flags; /* WIRE_FD_* of attach.h */
	uint8_t pad[3];
	uint32_t segment_size; /* low 32 bits */
	char segment_name[128];
	uint64_t segment_handle;
};
WIRE_SIZE(struct wire_add_segment, 152);
WIRE_AT(struct wire_add_segment, context, 4);
WIRE_AT(struct wire_add_segment, fd_flags, 8);
WIRE_AT(struct wire_add_segment, segment_size, 12);
WIRE_AT(struct wire_add_segment, segment_name, 16);
WIRE_AT(struct wire_add_segment, segment_handle, 144);

/* mirrors session_app_del_segment_msg_t */
struct wire_del_segment {
	uint32_t client_index;
	uint32_t context;
	uint64_t segment_handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_del_segment, 16);
WIRE_AT(struct wire_del_segment, context, 4);
WIRE_AT(struct wire_del_segment, segment_handle, 8);

/* mirrors session_migrated_msg_t */
struct wire_migrated {
	uint64_t vpp_evt_q;
	uint64_t handle;
	uint64_t new_handle;
	uint64_t segment_handle; /* all-ones: the FIFOs stay */
	uint32_t vpp_thread_index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_migrated, 36);
WIRE_AT(struct wire_migrated, handle, 8);
WIRE_AT(struct wire_migrated, new_handle, 16);
WIRE_AT(struct wire_migrated, segment_handle, 24);
WIRE_AT(struct wire_migrated, vpp_thread_index, 32);

/* mirrors session_req_worker_update_msg_t */
struct wire_req_worker_update {
	uint64_t session_handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_req_worker_update, 8);

/* mirrors session_worker_update_msg_t */
struct wire_worker_update {
	uint32_t client_index;
	uint16_t wrk_index;
	uint16_t req_wrk_index;
	uint64_t handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_worker_update, 16);
WIRE_AT(struct wire_worker_update, wrk_index, 4);
WIRE_AT(struct wire_worker_update, req_wrk_index, 6);
WIRE_AT(struct wire_worker_update, handle, 8);

/* mirrors session_worker_update_reply_msg_t */
struct wire_worker_update_reply {
	uint64_t handle;
	uint64_t rx_fifo;
	uint64_t tx_fifo;
	uint64_t segment_handle;
} WIRE_PACKED;
WIRE_SIZE(struct wire_worker_update_reply, 32);
WIRE_AT(struct wire_worker_update_reply, rx_fifo, 8);
WIRE_AT(struct wire_worker_update_reply, tx_fifo, 16);
WIRE_AT(struct wire_worker_update_reply, segment_handle, 24);

/* mirrors session_app_wrk_rpc_msg_t */
struct wire_wrk_rpc {
	uint32_t client_index;
	uint32_t wrk_index;
	uint8_t data[64];
} WIRE_PACKED;
WIRE_SIZE(struct wire_wrk_rpc, 72);
WIRE_AT(struct wire_wrk_rpc, wrk_index, 4);
WIRE_AT(struct wire_wrk_rpc, data, 8);

/* mirrors session_transport_attr_msg_t of 25.02 and later */
struct wire_transport_attr {
	uint32_t client_index;
	uint64_t handle;
	struct wire_attr attr;
	uint8_t is_get;
} WIRE_PACKED;
WIRE_SIZE(struct wire_transport_attr, 53);
WIRE_AT(struct wire_transport_attr, handle, 4);
WIRE_AT(struct wire_transport_attr, attr, 12);
WIRE_AT(struct wire_transport_attr, is_get, 52);

/* mirrors session_transport_attr_msg_t up to 24.10 */
struct wire_transport_attr_2410 {
	uint32_t client_index;
	uint64_t handle;
	struct wire_attr_2410 attr;
	uint8_t is_get;
} WIRE_PACKED;
WIRE_SIZE(struct wire_transport_attr_2410, 29);
WIRE_AT(struct wire_transport_attr_2410, handle, 4);
WIRE_AT(struct wire_transport_attr_2410, attr, 12);
WIRE_AT(struct wire_transport_attr_2410, is_get, 28);

/* mirrors session_transport_attr_reply_msg_t of 25.02 and later */
struct wire_transport_attr_reply {
	int32_t retval;
	uint64_t handle;
	struct wire_attr attr;
	uint8_t is_get;
} WIRE_PACKED;
WIRE_SIZE(struct wire_transport_attr_reply, 53);
WIRE_AT(struct wire_transport_attr_reply, handle, 4);
WIRE_AT(struct wire_transport_attr_reply, attr, 12);
WIRE_AT(struct wire_transport_attr_reply, is_get, 52);

/* mirrors session_transport_attr_reply_msg_t up to 24.10 */
struct wire_transport_attr_reply_2410 {
	int32_t retval;
	uint64_t handle;
	struct wire_attr_2410 attr;
	uint8_t is_get;
} WIRE_PACKED;
WIRE_SIZE(struct wire_transport_attr_reply_2410, 29);
WIRE_AT(struct wire_transport_attr_reply_2410, handle, 4);
WIRE_AT(struct wire_transport_attr_reply_2410, attr, 12);
WIRE_AT(struct wire_transport_attr_reply_2410, is_get, 28);

/* mirrors session_app_detach_msg_t */
struct wire_detach {
	uint32_t client_index;
	uint32_t context;
} WIRE_PACKED;
WIRE_SIZE(struct wire_detach, 8);
WIRE_AT(struct wire_detach, context, 4);

/* mirrors session_listen_uri_msg_t, session_connect_uri_msg_t */
struct wire_uri {
	uint32_t client_index;
	uint32_t context;
	char uri[56];
} WIRE_PACKED;
WIRE_SIZE(struct wire_uri, 64);
WIRE_AT(struct wire_uri, context, 4);
WIRE_AT(struct wire_uri, uri, 8);

/* mirrors session_dgram_hdr_t, session/session_types.h (ABI.md 12.9): stands
 * before every datagram in a FIFO.  ip[0..11] of an IPv4 address may hold
 * anything when VPP wrote it. */
struct wire_dgram {
	uint32_t data_length;
	uint32_t data_offset;
	uint8_t rmt_ip[16];
	uint8_t lcl_ip[16];
	uint16_t rmt_port;
	uint16_t lcl_port;
	uint8_t is_ip4;
	uint16_t gso_size;
} WIRE_PACKED;
WIRE_SIZE(struct wire_dgram, 47);
WIRE_AT(struct wire_dgram, data_offset, 4);
WIRE_AT(struct wire_dgram, rmt_ip, 8);
WIRE_AT(struct wire_dgram, lcl_ip, 24);
WIRE_AT(struct wire_dgram, rmt_port, 40);
WIRE_AT(struct wire_dgram, lcl_port, 42);
WIRE_AT(struct wire_dgram, is_ip4, 44);
WIRE_AT(struct wire_dgram, gso_size, 45);

#endif /* WIRE_CTRL_H */
