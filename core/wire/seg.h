/* SPDX-License-Identifier: Apache-2.0 */
/* seg.h - a memory segment: shared header, FIFO segment header, slices */
#ifndef WIRE_SEG_H
#define WIRE_SEG_H

#include "core/wire/types.h"

/* mirrors ssvm_shared_header_t, svm/ssvm.h (ABI.md 6.1); segment offset 0 */
struct wire_ssvm {
	uint32_t lock;
	uint32_t owner_pid;
	uint32_t recursion_count;
	uint32_t tag;
	uint64_t heap;	  /* server address, never dereferenced */
	uint64_t ssvm_va; /* 0: map anywhere */
	uint64_t ssvm_size;
	uint32_t server_pid;
	uint32_t client_pid;
	uint64_t name;	    /* server address, never dereferenced */
	uint64_t opaque[7]; /* [0]: offset of the FIFO segment header */
	uint32_t ready;
	uint32_t type;
};
WIRE_SIZE(struct wire_ssvm, 120);
WIRE_AT(struct wire_ssvm, heap, 16);
WIRE_AT(struct wire_ssvm, ssvm_va, 24);
WIRE_AT(struct wire_ssvm, ssvm_size, 32);
WIRE_AT(struct wire_ssvm, server_pid, 40);
WIRE_AT(struct wire_ssvm, client_pid, 44);
WIRE_AT(struct wire_ssvm, name, 48);
WIRE_AT(struct wire_ssvm, opaque, 56);
WIRE_AT(struct wire_ssvm, ready, 112);
WIRE_AT(struct wire_ssvm, type, 116);

#define WIRE_SSVM_MEMFD 1
#define WIRE_FSH_OFFSET 8192 /* where a server puts the FIFO segment header */

#define WIRE_CHUNK_CLASSES 11
#define WIRE_CHUNK_MIN 4096u
#define WIRE_CHUNK_MAX (WIRE_CHUNK_MIN << (WIRE_CHUNK_CLASSES - 1))
#define WIRE_CHUNK_BATCH 32

/* mirrors fifo_segment_slice_t, svm/fifo_types.h (ABI.md 7.2) */
struct wire_slice {
	_Atomic uint64_t free_chunks[WIRE_CHUNK_CLASSES]; /* tag:16 | sptr:48 */
	_Atomic uint64_t free_fifos;			  /* server only */
	_Atomic uint64_t n_fl_chunk_bytes;
	uint64_t virtual_mem;
	_Atomic uint32_t num_chunks[WIRE_CHUNK_CLASSES];
	uint8_t pad[36];
};
WIRE_SIZE(struct wire_slice, 192);
WIRE_AT(struct wire_slice, free_fifos, 88);
WIRE_AT(struct wire_slice, n_fl_chunk_bytes, 96);
WIRE_AT(struct wire_slice, virtual_mem, 104);
WIRE_AT(struct wire_slice, num_chunks, 112);

/* mirrors fifo_segment_header_t, svm/fifo_types.h (ABI.md 7.1): "fsh", the
 * origin of every offset in messages and chunk links */
struct wire_fsh {
	_Atomic uint64_t n_cached_bytes;
	uint32_t n_active_fifos;
	uint32_t n_reserved_bytes;
	uint32_t max_log2_fifo_size;
	_Atomic uint8_t n_slices;
	_Atomic uint8_t pct_first_alloc;
	uint8_t n_mqs;
	uint8_t pad0[41];
	_Atomic uint64_t byte_index;
	_Atomic uint64_t max_byte_index;
	uint64_t start_byte_index;
	uint8_t pad1[40];
	struct wire_slice slices[];
};
WIRE_SIZE(struct wire_fsh, 128);
WIRE_AT(struct wire_fsh, n_active_fifos, 8);
WIRE_AT(struct wire_fsh, n_reserved_bytes, 12);
WIRE_AT(struct wire_fsh, max_log2_fifo_size, 16);
WIRE_AT(struct wire_fsh, n_slices, 20);
WIRE_AT(struct wire_fsh, pct_first_alloc, 21);
WIRE_AT(struct wire_fsh, n_mqs, 22);
WIRE_AT(struct wire_fsh, byte_index, 64);
WIRE_AT(struct wire_fsh, max_byte_index, 72);
WIRE_AT(struct wire_fsh, start_byte_index, 80);
WIRE_AT(struct wire_fsh, slices, 128);

/* mirrors svm_fifo_chunk_t, svm/fifo_types.h (ABI.md 7.3) */
struct wire_chunk {
	_Atomic uint32_t start_byte;
	_Atomic uint32_t length;
	_Atomic uint64_t next; /* offset from fsh; 0: end */
	uint32_t enq_rb_index;
	uint32_t deq_rb_index;
	uint8_t data[];
};
WIRE_SIZE(struct wire_chunk, 24);
WIRE_AT(struct wire_chunk, length, 4);
WIRE_AT(struct wire_chunk, next, 8);
WIRE_AT(struct wire_chunk, data, 24);

#endif /* WIRE_SEG_H */
