/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_stdio.c - streams over sockets of ours */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/sock/sock.h"
#include "preload/real.h"

/*
 * A stream reads and writes by calls inside libc, where no shim can see them.
 * So one over a socket of ours gets functions of its own.
 */
static ssize_t stream_read(void *cookie, char *buf, size_t len)
{
	return ret(sock_read((int)(intptr_t)cookie, buf, len));
}

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
	ssize_t n = ret(sock_write((int)(intptr_t)cookie, buf, len));

	return n < 0 ? 0 : n; /* fopencookie(3): 0 is the error here */
}

static int stream_close(void *cookie)
{
	return (int)ret(sock_close((int)(intptr_t)cookie));
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	static const cookie_io_functions_t functions = { .read = stream_read,
							 .write = stream_write,
							 .close =
								 stream_close };
	FILE *f;

	if (likely(!sock_is(fd)))
		return REAL(fdopen)(fd, mode);
	f = fopencookie((void *)(intptr_t)fd, mode, functions);
	if (f)
		f->_fileno = fd; /* for fileno(3) */
	return f;
}

/* --- dprintf, whose write libc makes inside, too --- */

/* All of it, or what came in between. */
static int write_all(int fd, const char *text, int len)
{
	int done = 0;
	ssize_t n;

	while (done < len) {
		n = sock_write(fd, text + done, (size_t)(len - done));
		if (n < 0)
			return (int)ret(n);
		done += (int)n;
	}
	return len;
}

/* libc's own, which looks at the format for what -D_FORTIFY_SOURCE forbids. */
int __vasprintf_chk(char **out, int flag, const char *format, va_list ap);

static int print(int fd, int flag, const char *format, va_list ap)
{
	char *text;
	int len = __vasprintf_chk(&text, flag, format, ap);

	if (len < 0)
		return len;
	len = write_all(fd, text, len);
	free(text);
	return len;
}

EXPORT int vdprintf(int fd, const char *format, va_list ap)
{
	if (likely(!sock_is(fd)))
		return REAL(vdprintf)(fd, format, ap);
	return print(fd, 0, format, ap);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = likely(!sock_is(fd)) ? REAL(vdprintf)(fd, format, ap)
				   : print(fd, 0, format, ap);
	va_end(ap);
	return len;
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
	if (likely(!sock_is(fd)))
		return REAL(__vdprintf_chk)(fd, flag, format, ap);
	return print(fd, flag, format, ap);
}

EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = likely(!sock_is(fd)) ? REAL(__vdprintf_chk)(fd, flag, format, ap)
				   : print(fd, flag, format, ap);
	va_end(ap);
	return len;
}
