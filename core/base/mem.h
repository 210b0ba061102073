/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - memory, but not in a signal handler
 *
 * A handler may have interrupted the program's malloc(), in which it would wait
 * for itself.  There is no memory in a handler, as if none were left, and what
 * is freed in one is kept until somebody frees outside.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "core/base/base.h"

/* NULL: there is none, or this is a handler */
void *mem_alloc(size_t size) MUST_CHECK;
/* zeroed */
void *mem_zalloc(size_t n, size_t size) MUST_CHECK;
/* @p came from one of these, or malloc(), or is NULL. */
void mem_free(void *p);

#endif /* BASE_MEM_H */
