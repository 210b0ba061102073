/* SPDX-License-Identifier: Apache-2.0 */
/*
 * user.h - memory that the program has named in a call
 *
 * DOC: The kernel says EFAULT where an address is none.  Two ways to say it:
 *
 * - For calls that happen at each message user_ok(), two comparisons: it knows
 *   what can't be anybody's, as NULL and what is a bit above it, and what is no
 *   address at all.  Anything else we use as any function of libc would, and
 *   the program gets its SIGSEGV (docs/decisions.md says why).
 * - For calls that are rare the kernel judges: what is to be read by
 *   user_get(), and before something is written, the kernel's own call is made,
 *   which writes as much to the same place.
 */
#ifndef BASE_USER_H
#define BASE_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/base.h"

#define USER_FIRST                                      \
	4096ul /* a page, or the first of a larger one; \
		  vm.mmap_min_addr is that much or more */
#if UINTPTR_MAX > 0xffffffff
#define USER_END (1ul << 56) /* of the most that an architecture has */
#else
#define USER_END UINTPTR_MAX
#endif

/* Can the program have @len bytes at @p? */
static inline bool user_ok(const void *p, size_t len)
{
	uintptr_t at = (uintptr_t)p - USER_FIRST;
	uintptr_t all = USER_END - USER_FIRST;

	return likely(at < all && len <= all - at);
}

/* The kernel refuses these before it does anything else. */
static inline bool user_never(const void *p)
{
	return (intptr_t)p < 0;
}

/* Copy what can be read there, less than a page: 0, or -EFAULT; at the price
 * of a system call or two. */
int user_get(void *to, const void *from, size_t len) MUST_CHECK;

#endif /* BASE_USER_H */
