/* SPDX-License-Identifier: Apache-2.0 */
/* mq.h - a message queue: header, slots, two rings of elements */
#ifndef WIRE_MQ_H
#define WIRE_MQ_H

#include <pthread.h>

#include "core/wire/types.h"

enum wire_mq_ring { WIRE_RING_IO, WIRE_RING_CTRL, WIRE_N_RINGS };

#define WIRE_IO_ELT 18
#define WIRE_CTRL_ELT 256

/* mirrors svm_msg_q_msg_t, svm/message_queue.h (ABI.md 9.1) */
struct wire_mq_slot {
	uint32_t ring_index;
	uint32_t elt_index;
};
WIRE_SIZE(struct wire_mq_slot, 8);

/* glibc's mutex takes 40 bytes on x86-64, for which ABI.md's figures are, and
 * 48 on arm64, where VPP's own struct grows likewise. */
#define WIRE_MQ_GROWS (sizeof(pthread_mutex_t) - 40)

/* mirrors svm_msg_q_shared_t with the queue header in it (ABI.md 9.1) */
struct wire_mq {
	uint32_t n_rings;
	uint32_t pad0;
	pthread_mutex_t mutex;
	pthread_cond_t condvar;
	uint32_t head; /* consumer's */
	uint32_t tail; /* producers' */
	_Atomic uint32_t cursize;
	uint32_t maxsize;
	uint32_t elsize;
	uint32_t pad1;
	struct wire_mq_slot slots[];
};
WIRE_SIZE(struct wire_mq, 120 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, mutex, 8);
WIRE_AT(struct wire_mq, condvar, 48 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, head, 96 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, tail, 100 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, cursize, 104 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, maxsize, 108 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, elsize, 112 + WIRE_MQ_GROWS);
WIRE_AT(struct wire_mq, slots, 120 + WIRE_MQ_GROWS);

/* mirrors svm_msg_q_ring_shared_t (ABI.md 9.1).  A ring stands where the one
 * before ends and may be unaligned to 8, but is always 4-aligned. */
struct wire_mq_ring_hdr {
	_Atomic uint32_t cursize;
	uint32_t nitems;
	uint32_t head;
	uint32_t tail;
	uint32_t elsize;
	uint8_t data[];
};
WIRE_SIZE(struct wire_mq_ring_hdr, 20);
WIRE_AT(struct wire_mq_ring_hdr, nitems, 4);
WIRE_AT(struct wire_mq_ring_hdr, head, 8);
WIRE_AT(struct wire_mq_ring_hdr, tail, 12);
WIRE_AT(struct wire_mq_ring_hdr, elsize, 16);

#endif /* WIRE_MQ_H */
