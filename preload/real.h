/* SPDX-License-Identifier: Apache-2.0 */
/*
 * real.h - the functions behind ours in the link order
 *
 * DOC: binding
 * A wrapper may run before our constructor: the constructors of libraries
 * that were loaded after us come first, and so does the start of a malloc of
 * the program's own.  So REAL() looks whether its slot is bound, which costs
 * a test of the pointer that it must load anyway, and binds that one slot if
 * not.  The constructor binds the rest, so that no signal handler ever meets
 * dlsym().  Any thread may bind any slot at any time without a lock, because
 * all of them find the same address: an allocator that dlsym() calls and that
 * calls our read() in turn just binds another slot, or the same once more.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <errno.h>
#include <stdatomic.h>

#include "core/base/base.h"
#include "preload/calls.h"

#define HIDDEN __attribute__((visibility("hidden")))

enum real_call {
#define X(name, ...) REAL_##name,
	PRELOAD_CALLS(X) PRELOAD_CHECKED(X)
#undef X
		REAL_COUNT
};

/* NULL until bound.  The orders may be the strongest: on a load they cost
 * nothing on x86 and next to nothing elsewhere, and nobody has to argue. */
extern HIDDEN _Atomic(void *) real_slot[REAL_COUNT];

void *real_bind(enum real_call call);
void real_bind_all(void);

#define REAL(name)                                                    \
	((__typeof__(&name))({                                        \
		void *real_ptr = real_slot[REAL_##name];              \
		likely(real_ptr) ? real_ptr : real_bind(REAL_##name); \
	}))

#define X(name, type, params) type name params;
PRELOAD_CHECKED(X)
#undef X
#define X(name, target) __typeof__(target) name;
PRELOAD_ALIASES(X)
#undef X

#if __has_attribute(copy)
#define COPY(target) , copy(target)
#else
#define COPY(target)
#endif
/* Export the wrapper @target, of the same file, under the name @name too. */
#define ALIAS(name, target)            \
	EXPORT __typeof__(target) name \
		__attribute__((alias(#target) COPY(target)))

/* The one place that writes errno. */
static inline ssize_t ret(ssize_t r)
{
	if (likely(r >= 0))
		return r;
	errno = (int)-r;
	return -1;
}

#endif /* PRELOAD_REAL_H */
