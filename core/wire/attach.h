/* SPDX-License-Identifier: Apache-2.0 */
/* attach.h - the messages of the attach socket: 209 bytes, one a packet */
#ifndef WIRE_ATTACH_H
#define WIRE_ATTACH_H

#include "core/wire/types.h"

enum wire_sapi_type {
	WIRE_SAPI_NONE,
	WIRE_SAPI_ATTACH,
	WIRE_SAPI_ATTACH_REPLY,
	WIRE_SAPI_WORKER,
	WIRE_SAPI_WORKER_REPLY,
	WIRE_SAPI_SEND_FDS,
	WIRE_SAPI_CERT,
	WIRE_SAPI_CERT_REPLY,
};

/* indices of wire_attach.options (ABI.md 4.1) */
enum wire_option {
	WIRE_OPT_FLAGS,
	WIRE_OPT_EVT_QUEUE_SIZE,
	WIRE_OPT_SEGMENT_SIZE,
	WIRE_OPT_ADD_SEGMENT_SIZE,
	WIRE_OPT_MAX_FIFO_MEMORY,
	WIRE_OPT_RX_FIFO_SIZE,
	WIRE_OPT_TX_FIFO_SIZE,
	WIRE_OPT_PREALLOC_PAIRS,
	WIRE_OPT_PREALLOC_HDRS,
	WIRE_OPT_NAMESPACE,
	WIRE_OPT_NAMESPACE_SECRET,
	WIRE_OPT_PROXY_TRANSPORT,
	WIRE_OPT_EXT, /* unused by VPP: WIRE_EXT_MAGIC says "libsapi" (ext.h) */
	WIRE_OPT_TLS_ENGINE,
	WIRE_OPT_MAX_FIFO_SIZE,
	WIRE_OPT_HIGH_WATERMARK,
	WIRE_OPT_LOW_WATERMARK,
	WIRE_OPT_PCT_FIRST_ALLOC,
	WIRE_N_OPTIONS
};

#define WIRE_OPT_F_ACCEPT_REDIRECT (1u << 0)
#define WIRE_OPT_F_ADD_SEGMENT (1u << 1)
#define WIRE_OPT_F_IS_BUILTIN (1u << 2)
#define WIRE_OPT_F_IS_TRANSPORT_APP (1u << 3)
#define WIRE_OPT_F_IS_PROXY (1u << 4)
#define WIRE_OPT_F_GLOBAL_SCOPE (1u << 5)
#define WIRE_OPT_F_LOCAL_SCOPE (1u << 6)
#define WIRE_OPT_F_MQ_EVENTFD (1u << 7)
#define WIRE_OPT_F_MEMFD_FOR_BUILTIN (1u << 8)
#define WIRE_OPT_F_HUGE_PAGE (1u << 9)
#define WIRE_OPT_F_ORIGINAL_DST (1u << 10)
#define WIRE_OPT_F_EVT_COLLECTOR (1u << 11)
#define WIRE_OPT_F_NO_DUMP (1u << 12)

/* fd_flags of replies, in the order in which the descriptors follow */
#define WIRE_FD_VPP_MQ_SEGMENT 1u
#define WIRE_FD_MEMFD_SEGMENT 2u
#define WIRE_FD_MQ_EVENTFD 4u
#define WIRE_FD_VPP_MQ_EVENTFD 8u

/* mirrors app_sapi_attach_msg_t, session/application_interface.h (ABI.md 4.1)
 */
struct wire_attach {
	char name[64];
	uint64_t options[WIRE_N_OPTIONS];
} WIRE_PACKED;
WIRE_SIZE(struct wire_attach, 208);
WIRE_AT(struct wire_attach, options, 64);

/* mirrors app_sapi_attach_reply_msg_t (ABI.md 4.2) */
struct wire_attach_reply {
	int32_t retval;
	uint32_t app_index;
	uint64_t app_mq;
	uint64_t vpp_ctrl_mq;
	uint64_t segment_handle;
	uint32_t api_client_handle;
	uint8_t vpp_ctrl_mq_thread;
	uint8_t n_fds;
	uint8_t fd_flags;
} WIRE_PACKED;
WIRE_SIZE(struct wire_attach_reply, 39);
WIRE_AT(struct wire_attach_reply, app_index, 4);
WIRE_AT(struct wire_attach_reply, app_mq, 8);
WIRE_AT(struct wire_attach_reply, vpp_ctrl_mq, 16);
WIRE_AT(struct wire_attach_reply, segment_handle, 24);
WIRE_AT(struct wire_attach_reply, api_client_handle, 32);
WIRE_AT(struct wire_attach_reply, vpp_ctrl_mq_thread, 36);
WIRE_AT(struct wire_attach_reply, n_fds, 37);
WIRE_AT(struct wire_attach_reply, fd_flags, 38);

/* mirrors app_sapi_worker_add_del_msg_t (ABI.md 4.3) */
struct wire_worker {
	uint32_t app_index;
	uint32_t wrk_index;
	uint8_t is_add;
} WIRE_PACKED;
WIRE_SIZE(struct wire_worker, 9);
WIRE_AT(struct wire_worker, wrk_index, 4);
WIRE_AT(struct wire_worker, is_add, 8);

/* mirrors app_sapi_worker_add_del_reply_msg_t (ABI.md 4.4) */
struct wire_worker_reply {
	int32_t retval;
	uint32_t wrk_index;
	uint64_t app_event_queue_address;
	uint64_t segment_handle;
	uint32_t api_client_handle;
	uint8_t n_fds;
	uint8_t fd_flags;
	uint8_t is_add;
} WIRE_PACKED;
WIRE_SIZE(struct wire_worker_reply, 31);
WIRE_AT(struct wire_worker_reply, wrk_index, 4);
WIRE_AT(struct wire_worker_reply, app_event_queue_address, 8);
WIRE_AT(struct wire_worker_reply, segment_handle, 16);
WIRE_AT(struct wire_worker_reply, api_client_handle, 24);
WIRE_AT(struct wire_worker_reply, n_fds, 28);
WIRE_AT(struct wire_worker_reply, fd_flags, 29);
WIRE_AT(struct wire_worker_reply, is_add, 30);

/* mirrors app_sapi_cert_key_add_del_msg_t (ABI.md 4.6) */
struct wire_cert {
	uint32_t context;
	uint32_t index;
	uint16_t cert_len;
	uint16_t certkey_len;
	uint8_t is_add;
} WIRE_PACKED;
WIRE_SIZE(struct wire_cert, 13);
WIRE_AT(struct wire_cert, index, 4);
WIRE_AT(struct wire_cert, cert_len, 8);
WIRE_AT(struct wire_cert, certkey_len, 10);
WIRE_AT(struct wire_cert, is_add, 12);

/* mirrors app_sapi_cert_key_add_del_reply_msg_t (ABI.md 4.6) */
struct wire_cert_reply {
	uint32_t context;
	int32_t retval;
	uint32_t index;
} WIRE_PACKED;
WIRE_SIZE(struct wire_cert_reply, 12);
WIRE_AT(struct wire_cert_reply, retval, 4);
WIRE_AT(struct wire_cert_reply, index, 8);

/* mirrors app_sapi_msg_t (ABI.md 3.3) */
struct wire_sapi {
	uint8_t type; /* enum wire_sapi_type */
	union {
		uint8_t pad[208];
		struct wire_attach attach;
		struct wire_attach_reply attach_reply;
		struct wire_worker worker;
		struct wire_worker_reply worker_reply;
		struct wire_cert cert;
		struct wire_cert_reply cert_reply;
	};
} WIRE_PACKED;
WIRE_SIZE(struct wire_sapi, 209);
WIRE_AT(struct wire_sapi, attach, 1);
WIRE_AT(struct wire_sapi, attach_reply, 1);
WIRE_AT(struct wire_sapi, worker, 1);

#endif /* WIRE_ATTACH_H */
