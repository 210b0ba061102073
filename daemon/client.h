/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - connections on the attach sockets */
#ifndef DAEMON_CLIENT_H
#define DAEMON_CLIENT_H

#include "daemon/state.h"

/* Install the handlers of LOOP_CONN. */
void client_init(void);
/* Accept what waits on the socket of a namespace. */
void client_accept(struct ns *ns);
/* It is to be closed, and its worker with it, at the end of this round. The
 * reason is logged; NULL: it left by itself. */
void client_doom(struct conn *conn, const char *why);
/* Bury the doomed; connections that have not attached in time are. */
void client_reap(void);
/* Milliseconds until the next one is late; -1 for never. */
int client_deadline(void);
/* At the end: nothing is left. */
void client_close(void);

#endif /* DAEMON_CLIENT_H */
