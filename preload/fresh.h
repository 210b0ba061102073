/* SPDX-License-Identifier: Apache-2.0 */
/* fresh.h - a call of the kernel's gave out a new descriptor */
#ifndef PRELOAD_FRESH_H
#define PRELOAD_FRESH_H

#include "core/base/base.h"
#include "core/sock/sock.h"

/* If the number is one that we think is ours, libc closed it behind our back:
 * the core must forget it before the program uses it.  Takes -1, too. */
static inline int fresh(int fd)
{
	if (unlikely(sock_is(fd)))
		sock_fresh(fd);
	return fd;
}

#endif /* PRELOAD_FRESH_H */
