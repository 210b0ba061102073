/* SPDX-License-Identifier: Apache-2.0 */
/* abi.h - how the lists of abi_layouts.h and abi_consts.h are written */
#ifndef TESTS_ABI_H
#define TESTS_ABI_H

#include <limits.h>
#include <pthread.h>
#include <stddef.h>

#include "core/base/base.h"
#include "core/wire/attach.h"
#include "core/wire/crypto.h"
#include "core/wire/ctrl.h"
#include "core/wire/event.h"
#include "core/wire/fifo.h"
#include "core/wire/mq.h"
#include "core/wire/seg.h"
#include "core/wire/types.h"

/* releases as numbers: 2310 is 23.10 */
#define NOW INT_MAX
#define ALL 2310, NOW

/* one struct, or one field of the struct opened last */
struct row {
	const char *type;  /* VPP's name, in the row that opens a struct */
	const char *field; /* VPP's name; "." the whole */
	size_t off, size;
	int from, to;	    /* releases; 0: those of the struct */
	const char *reason; /* why we do not have it */
};

#define SIZE_OF(ours, member) sizeof(((struct wire_##ours *)NULL)->member)
#define MQ_AT(member) \
	(offsetof(struct wire_mq, member) - offsetof(struct wire_mq, mutex))
#define FIFO_AT(member)                       \
	(offsetof(struct wire_fifo, member) - \
	 offsetof(struct wire_fifo, has_event))

#define LAYOUT_LEN(theirs, len, ...)                    \
	{                                               \
#theirs, ".", 0, len, __VA_ARGS__, NULL \
	}
#define LAYOUT(theirs, ours, ...) \
	LAYOUT_LEN(theirs, sizeof(struct wire_##ours), __VA_ARGS__)
#define MEMBER(theirs, off, size)                    \
	{                                            \
		NULL, #theirs, off, size, 0, 0, NULL \
	}
#define AS(ours, member, theirs)                             \
	MEMBER(theirs, offsetof(struct wire_##ours, member), \
	       SIZE_OF(ours, member))
#define F(ours, member) AS(ours, member, member)
#define F_SINCE(from, ours, member)                                  \
	{                                                            \
		NULL, #member, offsetof(struct wire_##ours, member), \
			SIZE_OF(ours, member), from, NOW, NULL       \
	}
/* an array of unknown length: measured as zero bytes */
#define ARRAY(ours, member) \
	MEMBER(member, offsetof(struct wire_##ours, member), 0)
#define NOT(theirs, why)                       \
	{                                      \
		NULL, #theirs, 0, 0, 0, 0, why \
	}
#define NOT_OURS(theirs, ...) NOT_OURS_(theirs, __VA_ARGS__)
#define NOT_OURS_(theirs, from, to, why)           \
	{                                          \
#theirs, NULL, 0, 0, from, to, why \
	}

/* one constant; a name ending in * is a family that we do not have */
struct value {
	const char *name;
	long long value;
	int from, to;
	const char *reason;
};

#define C_IN(theirs, ours, ...)                               \
	{                                                     \
#theirs, (long long)(ours), __VA_ARGS__, NULL \
	}
#define C(theirs, ours) C_IN(theirs, ours, ALL)
#define NO(theirs, why)             \
	{                           \
		theirs, 0, ALL, why \
	}

#endif /* TESTS_ABI_H */
