/* SPDX-License-Identifier: Apache-2.0 */
/* port.h - kernel ports that workers listen on, for the page */
#ifndef DAEMON_PORT_H
#define DAEMON_PORT_H

#include "core/wire/offer.h"
#include "daemon/state.h"

/* LISTEN; hostile */
void port_message(struct worker *w, const struct wire_listen_port *msg);
/* It is gone, and listens nowhere. */
void port_leave(struct worker *w);

#endif /* DAEMON_PORT_H */
