/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.h - the shared header of a byte FIFO, in both dialects */
#ifndef WIRE_FIFO_H
#define WIRE_FIFO_H

#include "core/wire/types.h"

#define WIRE_FIFO_MIN 4096u
#define WIRE_MAX_SUBSCRIBERS 7

/* want_deq_ntf bits (ABI.md 8.6) */
#define WIRE_WANT_DEQ_ONCE 1u	  /* when free space reaches deq_thresh */
#define WIRE_WANT_DEQ_IF_FULL 2u  /* each time it stops being full */
#define WIRE_WANT_DEQ_IF_EMPTY 4u /* each time it becomes empty */

/* In next while the FIFO is in use, where VPP leaves 0 (seen in 26.06; it links
 * free headers by it): what libsapi says to libsapi over a cut-through, in
 * which VPP knows no half-close.  No link is above 48 bits. */
#define WIRE_FIFO_END 0x4e49460049504153ull /* "SAPI\0FIN" */

/* mirrors svm_fifo_shared_t of 26.02 and later, svm/fifo_types.h (ABI.md 8.1)
 */
struct wire_fifo {
	_Atomic uint64_t start_chunk; /* consumer's */
	_Atomic uint64_t end_chunk;   /* producer's */
	_Atomic uint32_t min_alloc;
	_Atomic uint32_t size;
	_Atomic uint8_t slice_index;
	uint8_t pad0[7];
	_Atomic uint64_t next;
	_Atomic uint32_t has_event; /* from here 24 bytes: the signals */
	_Atomic uint32_t want_deq_ntf;
	_Atomic uint32_t has_deq_ntf;
	_Atomic uint8_t n_subscribers;
	_Atomic uint8_t subscribers[WIRE_MAX_SUBSCRIBERS];
	_Atomic uint32_t deq_thresh;
	_Atomic uint64_t head_chunk; /* consumer's line */
	_Atomic uint32_t head;
	uint8_t pad1[52];
	_Atomic uint64_t tail_chunk; /* producer's line */
	_Atomic uint32_t tail;
	uint8_t pad2[52];
};
WIRE_SIZE(struct wire_fifo, 192);
WIRE_AT(struct wire_fifo, end_chunk, 8);
WIRE_AT(struct wire_fifo, min_alloc, 16);
WIRE_AT(struct wire_fifo, size, 20);
WIRE_AT(struct wire_fifo, slice_index, 24);
WIRE_AT(struct wire_fifo, next, 32);
WIRE_AT(struct wire_fifo, has_event, 40);
WIRE_AT(struct wire_fifo, want_deq_ntf, 44);
WIRE_AT(struct wire_fifo, has_deq_ntf, 48);
WIRE_AT(struct wire_fifo, n_subscribers, 52);
WIRE_AT(struct wire_fifo, subscribers, 53);
WIRE_AT(struct wire_fifo, deq_thresh, 60);
WIRE_AT(struct wire_fifo, head_chunk, 64);
WIRE_AT(struct wire_fifo, head, 72);
WIRE_AT(struct wire_fifo, tail_chunk, 128);
WIRE_AT(struct wire_fifo, tail, 136);

/* mirrors svm_fifo_shared_t up to 25.10 (ABI.md 15.2) */
struct wire_fifo_2510 {
	_Atomic uint64_t start_chunk;
	_Atomic uint64_t end_chunk;
	_Atomic uint32_t has_event;
	_Atomic uint32_t min_alloc;
	_Atomic uint32_t size;
	_Atomic uint32_t master_session_index; /* the server's */
	_Atomic uint32_t client_session_index; /* the app's */
	_Atomic uint8_t slice_index;
	uint8_t pad0[3];
	_Atomic uint64_t next;
	uint8_t pad1[16];
	_Atomic uint64_t head_chunk;
	_Atomic uint32_t head;
	_Atomic uint32_t want_deq_ntf;
	_Atomic uint32_t has_deq_ntf;
	_Atomic uint32_t deq_thresh;
	uint8_t pad2[40];
	_Atomic uint32_t tail;
	uint8_t pad3[4];
	_Atomic uint64_t tail_chunk;
	_Atomic uint8_t n_subscribers;
	_Atomic uint8_t subscribers[WIRE_MAX_SUBSCRIBERS];
	uint8_t pad4[40];
};
WIRE_SIZE(struct wire_fifo_2510, 192);
WIRE_AT(struct wire_fifo_2510, end_chunk, 8);
WIRE_AT(struct wire_fifo_2510, has_event, 16);
WIRE_AT(struct wire_fifo_2510, min_alloc, 20);
WIRE_AT(struct wire_fifo_2510, size, 24);
WIRE_AT(struct wire_fifo_2510, master_session_index, 28);
WIRE_AT(struct wire_fifo_2510, client_session_index, 32);
WIRE_AT(struct wire_fifo_2510, slice_index, 36);
WIRE_AT(struct wire_fifo_2510, next, 40);
WIRE_AT(struct wire_fifo_2510, head_chunk, 64);
WIRE_AT(struct wire_fifo_2510, head, 72);
WIRE_AT(struct wire_fifo_2510, want_deq_ntf, 76);
WIRE_AT(struct wire_fifo_2510, has_deq_ntf, 80);
WIRE_AT(struct wire_fifo_2510, deq_thresh, 84);
WIRE_AT(struct wire_fifo_2510, tail, 128);
WIRE_AT(struct wire_fifo_2510, tail_chunk, 136);
WIRE_AT(struct wire_fifo_2510, n_subscribers, 144);
WIRE_AT(struct wire_fifo_2510, subscribers, 145);

#endif /* WIRE_FIFO_H */
