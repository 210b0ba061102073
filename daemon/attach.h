/* SPDX-License-Identifier: Apache-2.0 */
/* attach.h - the messages of the attach socket */
#ifndef DAEMON_ATTACH_H
#define DAEMON_ATTACH_H

#include "core/base/fdbox.h"
#include "core/wire/attach.h"
#include "daemon/state.h"

/* Handle one, and answer it. What is left in @box is the caller's. */
void attach_message(struct conn *conn, const struct wire_sapi *msg,
		    struct fdbox *box);

#endif /* DAEMON_ATTACH_H */
