/* SPDX-License-Identifier: Apache-2.0 */
/* real.c - bind what stands behind us, and k_*() over it */
#include "preload/real.h"

#include <dlfcn.h>

#include "core/base/kernel.h"

_Atomic(void *) real_slot[REAL_COUNT];

/* k_*() has slots of its own: it also needs calls that we do not wrap, and
 * must not meet the wrapper of a library in front of us. */
enum kernel_call {
#define X(type, name, params, args) K_##name,
	K_CALLS(X)
#undef X
		K_close,
	K_COUNT
};
static _Atomic(void *) kernel_slot[K_COUNT];

static const char *const real_names[] = {
#define X(name, ...) #name,
	PRELOAD_CALLS(X) PRELOAD_CHECKED(X)
#undef X
};
static const char *const kernel_names[] = {
#define X(type, name, params, args) #name,
	K_CALLS(X)
#undef X
		"close",
};

/* In the place of what libc does not have: what a kernel without it says. */
static long missing(void)
{
	return ret(-ENOSYS);
}

static void *find(const char *name)
{
	void *ptr = dlsym(RTLD_NEXT, name);

	if (ptr)
		return ptr;
	(void)dlerror(); /* the program shall not find our failure there */
	return (void *)missing;
}

/**
 * real_bind() - find the function behind one of ours
 * @call: which
 *
 * Return: it, never NULL; its slot has it from now on, too.
 */
void *real_bind(enum real_call call)
{
	void *ptr = find(real_names[call]);

	real_slot[call] = ptr;
	return ptr;
}

static void *kernel_bind(enum kernel_call call)
{
	void *ptr = find(kernel_names[call]);

	kernel_slot[call] = ptr;
	return ptr;
}

/**
 * real_bind_all() - bind what is not bound yet
 *
 * From here on no call of ours needs the dynamic linker, whose lock may be
 * held by the code that a signal handler interrupted.
 */
void real_bind_all(void)
{
	for (int i = 0; i < REAL_COUNT; i++)
		if (!real_slot[i])
			real_bind((enum real_call)i);
	for (int i = 0; i < K_COUNT; i++)
		if (!kernel_slot[i])
			kernel_bind((enum kernel_call)i);
}

static inline void *kernel_find(enum kernel_call call)
{
	void *ptr = kernel_slot[call];

	return likely(ptr) ? ptr : kernel_bind(call);
}

#define K_FN(name) ((__typeof__(&name))kernel_find(K_##name))

#include "core/base/kernel_impl.inc"
