/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - what the wire takes for granted about this machine */
#include <limits.h>

#include "core/wire/attach.h"
#include "core/wire/ext.h"
#include "core/wire/fifo.h"
#include "core/wire/mq.h"
#include "core/wire/seg.h"
#include "core/wire/types.h"

static_assert(CHAR_BIT == 8, "bytes");
static_assert(sizeof(void *) == 8, "64-bit only");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian only");
static_assert(ATOMIC_INT_LOCK_FREE == 2, "32-bit atomics");
static_assert(ATOMIC_LONG_LOCK_FREE == 2, "64-bit atomics");
static_assert(sizeof(_Atomic uint32_t) == 4, "atomic layout");
static_assert(sizeof(_Atomic uint64_t) == 8, "atomic layout");
#if defined(__GLIBC__)
#if defined(__x86_64__)
static_assert(sizeof(pthread_mutex_t) == 40, "mutex in a shared header");
#elif defined(__aarch64__)
static_assert(sizeof(pthread_mutex_t) == 48, "mutex in a shared header");
#endif
static_assert(sizeof(pthread_cond_t) == 48, "condvar in a shared header");
#endif
