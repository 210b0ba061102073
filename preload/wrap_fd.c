/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_fd.c - descriptors: close, copy, control */
#include <limits.h>
#include <stdarg.h>

#include "core/sock/sock.h"
#include "preload/fresh.h"
#include "preload/real.h"

EXPORT int close(int fd)
{
	if (likely(!sock_is(fd)))
		return REAL(close)(fd);
	return (int)ret(sock_close(fd));
}
ALIAS(__close, close);

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (likely(!sock_used))
		return REAL(close_range)(first, last, flags);
	return (int)ret(sock_close_range(first, last, (unsigned)flags));
}

EXPORT void closefrom(int first)
{
	if (likely(!sock_used))
		REAL(closefrom)(first);
	else
		(void)sock_close_range((unsigned)MAX(first, 0), UINT_MAX, 0);
}

static int copied(int from, int to)
{
	sock_note_copy(from, to);
	return to;
}

EXPORT int dup(int fd)
{
	if (likely(!sock_is(fd)))
		return copied(fd, fresh(REAL(dup)(fd)));
	return (int)ret(sock_dup(fd));
}

/* The target may be ours, too: then it is closed. */
EXPORT int dup2(int fd, int to)
{
	if (likely(!sock_is(fd) && !sock_is(to)))
		return copied(fd, REAL(dup2)(fd, to));
	return (int)ret(sock_dup2(fd, to));
}
ALIAS(__dup2, dup2);

EXPORT int dup3(int fd, int to, int flags)
{
	if (likely(!sock_is(fd) && !sock_is(to)))
		return copied(fd, REAL(dup3)(fd, to, flags));
	return (int)ret(sock_dup3(fd, to, flags));
}

/*
 * How fcntl's argument was passed.  libc takes a pointer-sized word in every
 * case and lets the kernel pick; the core wants the value that was meant, and
 * half of such a word is noise if the caller gave an int.
 */
static long fcntl_arg(int cmd, va_list ap)
{
	switch (cmd) {
	case F_GETFD:
	case F_GETFL:
	case F_GETOWN:
	case F_GETSIG:
	case F_GETLEASE:
	case F_GETPIPE_SZ:
		return 0;
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_SETFD:
	case F_SETFL:
	case F_SETOWN:
	case F_SETSIG:
	case F_SETLEASE:
	case F_NOTIFY:
	case F_SETPIPE_SZ:
	case F_ADD_SEALS:
		return va_arg(ap, int);
	default:
		return va_arg(ap, long);
	}
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;
	int r;

	va_start(ap, cmd);
	arg = fcntl_arg(cmd, ap);
	va_end(ap);
	if (unlikely(sock_is(fd)))
		return (int)ret(sock_fcntl(fd, cmd, arg));
	r = REAL(fcntl)(fd, cmd, arg);
	if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
		return copied(fd, fresh(r));
	return r;
}
ALIAS(__fcntl, fcntl);
ALIAS(fcntl64, fcntl);

EXPORT int ioctl(int fd, unsigned long req, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (likely(!sock_is(fd)))
		return REAL(ioctl)(fd, req, arg);
	return (int)ret(sock_ioctl(fd, req, arg));
}
