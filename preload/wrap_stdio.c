/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_stdio.c - streams over sockets of ours */
#include <stdio.h>

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
