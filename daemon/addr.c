/* SPDX-License-Identifier: Apache-2.0 */
/* addr.c - endpoints as the wire has them, in one canonical form */
#include "daemon/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/kernel.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
static const uint8_t v6_loopback[16] = { [15] = 1 };

/**
 * addr_set() - Bring an address from the wire into canonical form
 * @a:		out
 * @ip:		ip46; its first 12 bytes are ignored for IPv4 (garbage there is
 *		normal in some messages)
 * @is_ip4:	which
 * @port:	network order
 */
void addr_set(struct addr *a, const uint8_t ip[16], bool is_ip4, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->port = port;
	a->is_ip4 = is_ip4 || !memcmp(ip, mapped, sizeof(mapped));
	if (a->is_ip4)
		memcpy(a->ip + 12, ip + 12, 4);
	else
		memcpy(a->ip, ip, 16);
}

/** addr_set_inode() - A Unix socket */
void addr_set_inode(struct addr *a, uint64_t inode)
{
	memset(a, 0, sizeof(*a));
	a->is_unix = true;
	memcpy(a->ip, &inode, sizeof(inode));
}

/** addr_inode() - ... and which */
uint64_t addr_inode(const struct addr *a)
{
	uint64_t inode;

	memcpy(&inode, a->ip, sizeof(inode));
	return inode;
}

/** addr_is_any() - The wildcard of either family */
bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->ip, zero, sizeof(zero));
}

/** addr_is_loopback() - 127/8 or ::1 */
bool addr_is_loopback(const struct addr *a)
{
	if (a->is_ip4)
		return a->ip[12] == 127;
	return !memcmp(a->ip, v6_loopback, sizeof(v6_loopback));
}

/** addr_is_link_local() - 169.254/16 or fe80::/10 */
bool addr_is_link_local(const struct addr *a)
{
	if (a->is_ip4)
		return a->ip[12] == 169 && a->ip[13] == 254;
	return a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

/** addr_same_ip() - Same family, same address */
bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	return a->is_ip4 == b->is_ip4 && a->is_unix == b->is_unix &&
	       !memcmp(a->ip, b->ip, sizeof(a->ip));
}

/** addr_set_loopback() - The loopback address of the family it has */
void addr_set_loopback(struct addr *a)
{
	memset(a->ip, 0, sizeof(a->ip));
	if (a->is_ip4)
		a->ip[12] = 127;
	a->ip[15] = 1;
}

/**
 * addr_is_host() - Ask the kernel whether the address is ours
 * @a:		address
 *
 * A datagram socket binds to an address of this host only, takes no port from
 * anybody and sends nothing. Nothing is cached: addresses come and go.
 */
bool addr_is_host(const struct addr *a)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd, ret;

	fd = k_socket(a->is_ip4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC,
		      0);
	if (fd < 0)
		return false;
	memcpy(&sin.sin_addr, a->ip + 12, 4);
	memcpy(&sin6.sin6_addr, a->ip, 16);
	if (a->is_ip4)
		ret = k_bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	else
		ret = k_bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
	k_close(fd);
	return ret == 0;
}

/** addr_to_ctrl() - Into the form of a control message */
void addr_to_ctrl(const struct addr *a, struct ctrl_addr *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->ip, a->ip, sizeof(out->ip));
	out->port = a->port;
	out->is_ip4 = a->is_ip4;
	out->sw_if_index = WIRE_INVALID_INDEX;
}

/**
 * addr_text() - "127.0.0.1:80", "[::1]:80", "unix:12345"
 *
 * Return: @buf
 */
const char *addr_text(const struct addr *a, char buf[ADDR_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->is_unix) {
		snprintf(buf, ADDR_TEXT, "unix:%llu",
			 (unsigned long long)addr_inode(a));
		return buf;
	}
	inet_ntop(a->is_ip4 ? AF_INET : AF_INET6, a->ip + (a->is_ip4 ? 12 : 0),
		  ip, sizeof(ip));
	if (a->is_ip4)
		snprintf(buf, ADDR_TEXT, "%s:%u", ip, ntohs(a->port));
	else
		snprintf(buf, ADDR_TEXT, "[%s]:%u", ip, ntohs(a->port));
	return buf;
}
