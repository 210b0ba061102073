/* SPDX-License-Identifier: Apache-2.0 */
/* private.c - the library's own descriptors: high, marked, out of the way */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

#include "core/base/kernel.h"
#include "core/sess/waiter.h"

/*
 * DOC: A program may close every number it does not know (closefrom loops,
 * daemonisation).  Ours are remembered in a bitmap, and close(), dup2() and
 * close_range() step around them.  Numbers above the map are not marked: a
 * process with so many descriptors does not loop over them.
 */
#define PRIVATE_BASE 960
#define PRIVATE_MAX 65536

static _Atomic uint64_t map[PRIVATE_MAX / 64];

/**
 * private_fd() - Take a fresh descriptor into private use
 * @fd:		Descriptor, owned; closed if it could be moved
 *
 * Not higher than needed: the kernel's table of a process grows with its
 * highest number, and every fork copies it.
 */
int private_fd(int fd)
{
	struct rlimit lim;
	int min = PRIVATE_BASE, high;

	if (fd < 0)
		return fd;
	if (!getrlimit(RLIMIT_NOFILE, &lim) && lim.rlim_cur < 1024)
		min = (int)(lim.rlim_cur > 64 ? lim.rlim_cur - 64 : 3);
	high = k_fcntl(fd, F_DUPFD_CLOEXEC, min);
	if (high >= 0) {
		k_close(fd);
		fd = high;
	}
	if (fd < PRIVATE_MAX)
		map[fd / 64] |= UINT64_C(1) << (fd % 64);
	return fd;
}

void private_close(int fd)
{
	if (fd < 0)
		return;
	if (fd < PRIVATE_MAX)
		map[fd / 64] &= ~(UINT64_C(1) << (fd % 64));
	k_close(fd);
}

bool private_is(int fd)
{
	return fd >= 0 && fd < PRIVATE_MAX && map[fd / 64] >> (fd % 64) & 1;
}

int private_next(int from)
{
	uint64_t word;
	int i;

	if (from < 0 || from >= PRIVATE_MAX)
		return -1;
	i = from / 64;
	word = map[i] & (UINT64_MAX << (from % 64));
	while (!word) {
		if (++i == PRIVATE_MAX / 64)
			return -1;
		word = map[i];
	}
	return i * 64 + __builtin_ctzll(word);
}
