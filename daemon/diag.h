/* SPDX-License-Identifier: Apache-2.0 */
/* diag.h - asking the kernel whose a socket is */
#ifndef DAEMON_DIAG_H
#define DAEMON_DIAG_H

#include "daemon/state.h"

/* What a client says of a socket. */
struct claim {
	struct addr lcl, rmt;
	uint64_t cookie;
	uint16_t name; /* of a Unix socket, its listener's: a hint */
	uint8_t udp;   /* enum wire_udp; then lcl may be the wildcard */
};

/* -errno: this kernel does not answer. */
int diag_open(void) MUST_CHECK;
/* ... of Unix sockets, too? */
bool diag_has_unix(void);
bool diag_has_udp(void);
void diag_close(void);
/* The client's way to ask in its network namespace: takes @fd over. */
void diag_adopt(struct conn *conn, int fd);
/* The connection is gone. */
void diag_forget(struct conn *conn);
/* 0 if it is established, where the client is, and the client's user's.  Fills
 * in the peer of a Unix socket, which has none before it is accepted.  UDP: it
 * is what a datagram from rmt to lcl would reach. */
int diag_prove(const struct conn *conn, struct claim *claim) MUST_CHECK;

#endif /* DAEMON_DIAG_H */
