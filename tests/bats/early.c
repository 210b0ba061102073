/* SPDX-License-Identifier: Apache-2.0 */
/*
 * early.c - a library whose constructor runs before the interposer's, and an
 * allocator that reads before it allocates
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef ALLOCATOR
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t n, size_t len);

void *malloc(size_t len)
{
	(void)!read(-1, NULL, 0);
	return __libc_malloc(len);
}

void *calloc(size_t n, size_t len)
{
	close(-1);
	return __libc_calloc(n, len);
}
#endif

__attribute__((constructor)) static void early(void)
{
	struct pollfd p;
	char buf[6] = "";
	int sv[2], to;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv))
		return;
	to = dup(sv[1]);
	p.fd = sv[0];
	p.events = POLLIN;
	if (write(to, "early", 5) == 5 && poll(&p, 1, -1) == 1 &&
	    read(sv[0], buf, 5) == 5)
		printf("%s\n", buf);
	listen(sv[0], 1);
	close(to);
	close(sv[0]);
	close(sv[1]);
}
