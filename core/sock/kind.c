/* SPDX-License-Identifier: Apache-2.0 */
/* kind.c - what kind of socket a number is, without asking the kernel */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

#include "core/base/kernel.h"
#include "core/sess/conf.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: connect() must know what kind a socket is, which two system calls would
 * tell; but most sockets were made by a socket() that we saw.  A number
 * may have come to mean something else where we could not see, so this is a
 * hint: before anything comes of it, the kernel is asked (upgrade.c).
 */
#define KINDS 65536

enum kind { UNKNOWN, TCP, LOCAL, OTHER };

static _Atomic uint8_t kinds[KINDS];

static enum kind kind_of(int domain, int type, int protocol)
{
	if ((type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM)
		return OTHER;
	if (domain == AF_UNIX)
		return LOCAL;
	return (domain == AF_INET || domain == AF_INET6) &&
			       (!protocol || protocol == IPPROTO_TCP)
		       ? TCP
		       : OTHER;
}

static bool is_udp(int domain, int type, int protocol)
{
	return (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_DGRAM &&
	       (domain == AF_INET || domain == AF_INET6) &&
	       (!protocol || protocol == IPPROTO_UDP);
}

int sock_opened(int fd, int domain, int type, int protocol)
{
	if (fd >= 0 && fd < KINDS)
		kinds[fd] = (uint8_t)kind_of(domain, type, protocol);
	if (fd >= 0 && is_udp(domain, type, protocol) && !sock_sandboxed)
		dgram_opened(fd, domain, type);
	return fd;
}

void sock_kind_copied(int from, int to)
{
	if (to >= 0 && to < KINDS)
		kinds[to] = from >= 0 && from < KINDS ? (uint8_t)kinds[from]
						      : UNKNOWN;
}

/* Once for each number that nothing is known of: it may have been inherited. */
bool sock_kind_is_new(int fd)
{
	uint8_t unknown = UNKNOWN;

	return fd >= 0 && fd < KINDS &&
	       atomic_compare_exchange_strong(&kinds[fd], &unknown, OTHER);
}

bool sock_seems_tcp(int fd)
{
	if (fd >= 0 && fd < KINDS && kinds[fd] != UNKNOWN)
		return kinds[fd] == TCP;
	return sock_tcp_domain(fd) >= 0;
}

bool sock_seems_local(int fd)
{
	if (fd >= 0 && fd < KINDS && kinds[fd] != UNKNOWN)
		return kinds[fd] == LOCAL;
	return local_is_stream(fd);
}

bool sock_io_uring(void)
{
	return conf_get()->disabled || conf_get()->io_uring;
}
