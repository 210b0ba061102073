/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ctrl.h - one native form of every control and I/O message of any release
 *
 * ctrl_encode() and ctrl_decode() are the only functions that know in which
 * release a message looks how (ABI.md 11, 15).  Above them nobody does.
 * Addresses and ports are in network byte order, as on the wire.  Padding and
 * the header's "postponed" are no part of a message: written as zero, not
 * read.  A field that the dialect lacks is all-ones when decoded
 * (bound.cl_sh_handle, accepted_reply.app_session_index of WIRE_2510), and
 * dropped when encoded; so are the upper eight of accepted.flags there.
 * Attributes are those of 25.02 and later: 24.10's are not spoken.
 */
#ifndef SHM_CTRL_H
#define SHM_CTRL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/base.h"
#include "core/wire/event.h"
#include "core/wire/mq.h"

/* ip46: IPv4 in bytes 12..15, the rest zero */
struct ctrl_addr {
	uint8_t ip[16];
	uint16_t port;
	uint8_t is_ip4;
	uint32_t sw_if_index;
	uint32_t fib_index;
};

struct ctrl {
	uint8_t type; /* enum wire_event_type */
	union {
		struct {
			uint32_t session_index;
		} io; /* IO_RX, IO_TX, IO_TX_FLUSH, IO_TX_MAIN */
		struct {
			uint32_t client_index, context, wrk_index, vrf;
			uint16_t port;
			uint8_t proto, is_ip4, ip[16], flags, dscp;
			uint64_t ext_config;
		} listen;
		struct {
			uint32_t context;
			uint64_t handle, cl_sh_handle;
			int32_t retval;
			struct ctrl_addr lcl; /* ip, port, is_ip4 */
			uint64_t rx_fifo, tx_fifo, vpp_evt_q, segment_handle;
			uint32_t mq_index;
		} bound;
		struct {
			uint32_t client_index, context, wrk_index;
			uint64_t handle;
		} unlisten;
		struct {
			uint32_t context;
			uint64_t handle;
			int32_t retval;
		} unlisten_reply;
		struct {
			uint32_t context;
			uint64_t listener_handle, handle;
			uint64_t rx_fifo, tx_fifo, segment_handle, vpp_evt_q;
			uint32_t mq_index;
			struct ctrl_addr lcl, rmt;
			uint16_t flags;
			uint32_t original_dst_ip4;
			uint16_t original_dst_port;
		} accepted;
		struct {
			uint32_t context;
			int32_t retval;
			uint64_t handle;
			uint32_t app_session_index; /* 26.02+ */
		} accepted_reply;
		struct {
			uint32_t client_index, context, wrk_index, vrf;
			uint16_t port, lcl_port;
			uint8_t proto, is_ip4, ip[16], lcl_ip[16];
			uint64_t parent_handle;
			uint32_t ckpair_index;
			uint8_t crypto_engine, flags, dscp;
			uint64_t ext_config;
		} connect; /* CONNECT, CONNECT_STREAM */
		struct {
			uint32_t context;
			int32_t retval;
			uint64_t handle;
			uint64_t rx_fifo, tx_fifo, segment_handle;
			uint64_t ct_rx_fifo, ct_tx_fifo, ct_segment_handle;
			uint64_t vpp_evt_q;
			struct ctrl_addr lcl;
			uint32_t mq_index;
		} connected;
		struct {
			uint32_t client_index, context;
			uint64_t handle;
		} close; /* SHUTDOWN DISCONNECT TERMINATE DISCONNECTED RESET */
		struct {
			uint32_t context;
			int32_t retval;
			uint64_t handle;
		} close_reply; /* DISCONNECTED_REPLY, RESET_REPLY */
		struct {
			uint64_t handle;
			uint8_t type; /* 0 transport gone, 1 session gone */
		} cleanup;
		struct {
			uint32_t client_index, context;
			uint8_t fd_flags;
			uint32_t segment_size;
			char segment_name[128];
			uint64_t segment_handle;
		} add_segment;
		struct {
			uint32_t client_index, context;
			uint64_t segment_handle;
		} del_segment;
		struct {
			uint64_t vpp_evt_q, handle, new_handle, segment_handle;
			uint32_t vpp_thread_index;
		} migrated;
		struct {
			uint64_t handle;
		} req_worker_update;
		struct {
			uint32_t client_index;
			uint16_t wrk_index, req_wrk_index;
			uint64_t handle;
		} worker_update;
		struct {
			uint64_t handle, rx_fifo, tx_fifo, segment_handle;
		} worker_update_reply;
		struct {
			uint32_t client_index, wrk_index;
			uint8_t data[64];
		} wrk_rpc;
		struct {
			uint32_t client_index; /* TRANSPORT_ATTR */
			int32_t retval;	       /* TRANSPORT_ATTR_REPLY */
			uint64_t handle;
			uint8_t attr_type;
			uint8_t attr_value[32];
			uint8_t is_get;
		} attr;
		struct {
			uint32_t client_index, context;
		} detach;
		struct {
			uint32_t client_index, context;
			char uri[56];
		} uri; /* LISTEN_URI, CONNECT_URI */
	};
};

/* Which ring a message of this type travels in. */
static inline enum wire_mq_ring ctrl_ring(uint8_t type)
{
	return type >= WIRE_EV_FIRST_CTRL ? WIRE_RING_CTRL : WIRE_RING_IO;
}

/* Bytes of the element (header included), or -ENOTSUP if this dialect has no
 * such message. @elt is zeroed behind the message. */
ssize_t ctrl_encode(enum wire_dialect dialect, const struct ctrl *c,
		    uint8_t elt[WIRE_CTRL_ELT]) MUST_CHECK;
/* 0; -EPROTO for a type that must not travel, or @len too short for it.
 * Bytes behind the message are stale and not looked at. */
int ctrl_decode(enum wire_dialect dialect, const uint8_t *elt, size_t len,
		struct ctrl *c) MUST_CHECK;
/* Bytes of a message of @type in this dialect, header included; 0: none. */
size_t ctrl_size(enum wire_dialect dialect, uint8_t type);
const char *ctrl_name(uint8_t type);

#endif /* SHM_CTRL_H */
