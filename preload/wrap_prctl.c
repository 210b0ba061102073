/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_prctl.c - a program says what system calls it will make */
#include <stdarg.h>
#include <sys/prctl.h>

#include "core/sock/sock.h"
#include "preload/real.h"

/* libc's takes four words whatever the option, and so do we. */
EXPORT int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list ap;
	int i;

	va_start(ap, option);
	for (i = 0; i < 4; i++)
		arg[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (option == PR_SET_SECCOMP)
		sock_sandbox();
	return REAL(prctl)(option, arg[0], arg[1], arg[2], arg[3]);
}
