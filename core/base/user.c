/* SPDX-License-Identifier: Apache-2.0 */
/* user.c - is there memory at an address of the program's? */
#include "core/base/user.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "core/base/kernel.h"

#define WORD 8 /* a signal mask of the kernel's */

/* A call that every sandbox has to allow: the mask is read before it turns out
 * that there is nothing to be done with it. */
static bool readable(uintptr_t at)
{
	at &= ~(uintptr_t)(WORD - 1); /* in the same page */
	return k_syscall(SYS_rt_sigprocmask, ~0l, (long)at, 0, WORD, 0) !=
	       -EFAULT;
}

int user_get(void *to, const void *from, size_t len)
{
	uintptr_t at = (uintptr_t)from;

	if (!len)
		return 0;
	if (!user_ok(from, len) || !readable(at) ||
	    (at / USER_FIRST != (at + len - 1) / USER_FIRST &&
	     !readable(at + len - 1)))
		return -EFAULT;
	memcpy(to, from, len);
	return 0;
}
