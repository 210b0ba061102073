/* SPDX-License-Identifier: Apache-2.0 */
/* addr.c - addresses as programs write them and as messages carry them */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/sock/table.h"

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(ip, prefix, sizeof(prefix));
}

int addr_to_ctrl(const struct sockaddr *sa, socklen_t len, struct ctrl_addr *a)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET && len >= sizeof(in4)) {
		memcpy(&in4, sa, sizeof(in4));
		a->is_ip4 = 1;
		a->port = in4.sin_port;
		memcpy(a->ip + 12, &in4.sin_addr, 4);
		return 0;
	}
	if (sa->sa_family == AF_INET6 &&
	    len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memset(&in6, 0, sizeof(in6));
		memcpy(&in6, sa, MIN((size_t)len, sizeof(in6)));
		a->port = in6.sin6_port;
		memcpy(a->ip, &in6.sin6_addr, 16);
		if (is_mapped(a->ip)) {
			a->is_ip4 = 1;
			memset(a->ip, 0, 12);
		}
		return 0;
	}
	return -EAFNOSUPPORT;
}

/**
 * addr_from_ctrl() - An address as a socket of a domain shows it
 * @len:	In: room in @out; out: what there is, as getsockname(2)
 */
void addr_from_ctrl(const struct ctrl_addr *a, int domain, struct sockaddr *out,
		    socklen_t *len)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = a->port };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = a->port };

	if (domain == AF_INET) {
		memcpy(&in4.sin_addr, a->ip + 12, 4);
		memcpy(out, &in4, MIN((size_t)*len, sizeof(in4)));
		*len = sizeof(in4);
		return;
	}
	memcpy(&in6.sin6_addr, a->ip, 16);
	if (a->is_ip4) {
		in6.sin6_addr.s6_addr[10] = 0xff;
		in6.sin6_addr.s6_addr[11] = 0xff;
	}
	memcpy(out, &in6, MIN((size_t)*len, sizeof(in6)));
	*len = sizeof(in6);
}

bool addr_is_any(const struct ctrl_addr *a)
{
	static const uint8_t any[16];

	return !memcmp(a->ip, any, sizeof(any));
}

bool addr_is_same(const struct ctrl_addr *a, const struct ctrl_addr *b)
{
	return a->port == b->port && a->is_ip4 == b->is_ip4 &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

void addr_any_is_here(struct ctrl_addr *a)
{
	if (!addr_is_any(a))
		return;
	a->ip[12] = a->is_ip4 ? 127 : 0;
	a->ip[15] = 1;
}

bool addr_is_loopback(const struct ctrl_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->is_ip4 ? a->ip[12] == 127 : !memcmp(a->ip, one, 16);
}

/* An address that a socket can be bound to is one of this host. */
bool addr_is_local(const struct ctrl_addr *a)
{
	struct ctrl_addr host = *a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int domain = a->is_ip4 ? AF_INET : AF_INET6, fd, err;

	if (addr_is_any(a) || addr_is_loopback(a))
		return true;
	host.port = 0;
	addr_from_ctrl(&host, domain, (struct sockaddr *)&ss, &len);
	fd = k_socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	err = k_bind(fd, (struct sockaddr *)&ss, len);
	k_close(fd);
	return !err;
}
