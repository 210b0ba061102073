/* SPDX-License-Identifier: Apache-2.0 */
/* types.h - what every layout uses: asserts, dialects, small constants */
#ifndef WIRE_TYPES_H
#define WIRE_TYPES_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_PACKED __attribute__((packed))
#define WIRE_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#define WIRE_AT(type, member, off) \
	static_assert(offsetof(type, member) == (off), #type "." #member)

/*
 * Which release the other side speaks; a field of the attachment.  For plain
 * TCP and UDP there are two dialects: ABI.md 15.3.
 */
enum wire_dialect {
	WIRE_2510, /* 23.10 .. 25.10: old FIFO header, BOUND, ACCEPTED */
	WIRE_2606, /* 26.02 and later */
};

#define WIRE_INVALID_INDEX UINT32_MAX
#define WIRE_INVALID_HANDLE UINT64_MAX
#define WIRE_CACHE_LINE 64

#endif /* WIRE_TYPES_H */
