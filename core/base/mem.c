/* SPDX-License-Identifier: Apache-2.0 */
/* mem.c - memory, but not in a signal handler */
#include "core/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/signal.h"

/* Freed in handlers: the first word of each leads to the next. */
struct left {
	struct left *next;
};

static _Atomic(struct left *) lefts;

void *mem_alloc(size_t size)
{
	return sig_in_handler() ? NULL : malloc(MAX(size, sizeof(struct left)));
}

void *mem_zalloc(size_t n, size_t size)
{
	return sig_in_handler() ? NULL
				: calloc(n, MAX(size, sizeof(struct left)));
}

/* Whoever takes takes all, so that nobody meets one that was put back. */
static void free_lefts(void)
{
	struct left *l = atomic_exchange(&lefts, NULL), *next;

	for (; l; l = next) {
		next = l->next;
		free(l);
	}
}

void mem_free(void *p)
{
	struct left *l = p;

	if (likely(!sig_in_handler())) {
		free(p);
		if (unlikely(lefts))
			free_lefts();
	} else if (l) {
		l->next = lefts;
		while (!atomic_compare_exchange_weak(&lefts, &l->next, l)) {
		}
	}
}
