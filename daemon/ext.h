/* SPDX-License-Identifier: Apache-2.0 */
/* ext.h - what workers of libsapi hear and say beside VPP's messages */
#ifndef DAEMON_EXT_H
#define DAEMON_EXT_H

#include "core/base/fdbox.h"
#include "core/wire/offer.h"
#include "daemon/state.h"

/* See whether links can be granted here; if not they are not announced. */
void ext_open(void);
void ext_close(void);
bool ext_has_links(void);

/* A message of these: true. What it needs it takes out of the box. */
bool ext_message(struct conn *conn, const struct wire_sapi *msg,
		 struct fdbox *box);

/* Send now, with what is lent in @box: -EAGAIN if the worker has not read what
 * came before; with other errors it is doomed. */
int ext_send(struct worker *w, const struct wire_sapi_ext *msg,
	     const struct fdbox *box) MUST_CHECK;
/* Send, later if need be; a worker that lets too many wait is doomed. */
void ext_post(struct worker *w, const struct wire_sapi_ext *msg);
/* Has it something to read first? */
bool ext_is_waiting(const struct worker *w);
/* It may have read. */
void ext_flush(struct worker *w);
/* It is gone. */
void ext_leave(struct worker *w);

#endif /* DAEMON_EXT_H */
