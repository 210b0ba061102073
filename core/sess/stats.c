/* SPDX-License-Identifier: Apache-2.0 */
/* stats.c - counters that only `sapi status` reads */
#include "core/sess/app.h"

/* relaxed: a number to look at, which orders nothing */
void app_stat_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
