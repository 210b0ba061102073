/* SPDX-License-Identifier: Apache-2.0 */
/* addr.h - endpoints as the wire has them, in one canonical form */
#ifndef DAEMON_ADDR_H
#define DAEMON_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/shm/ctrl.h"

/* Canonical: IPv4 in bytes 12..15 with the rest zero and is_ip4 set, also if
 * it came as an IPv4-mapped IPv6 address. Network byte order. A Unix socket's
 * is its inode, in the first eight bytes; all zero: not known. */
struct addr {
	uint8_t ip[16];
	uint16_t port;
	bool is_ip4, is_unix;
};

#define ADDR_TEXT 64

void addr_set(struct addr *a, const uint8_t ip[16], bool is_ip4, uint16_t port);
void addr_set_inode(struct addr *a, uint64_t inode);
uint64_t addr_inode(const struct addr *a);
bool addr_is_any(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_link_local(const struct addr *a);
/* Same family and address; the port is not looked at. */
bool addr_same_ip(const struct addr *a, const struct addr *b);
void addr_set_loopback(struct addr *a);
/* Does this host, in the daemon's network namespace, own the address? */
bool addr_is_host(const struct addr *a);
void addr_to_ctrl(const struct addr *a, struct ctrl_addr *out);
const char *addr_text(const struct addr *a, char buf[ADDR_TEXT]);

#endif /* DAEMON_ADDR_H */
