/* SPDX-License-Identifier: Apache-2.0 */
/* post.h - messages to a worker: in order, never waiting for it */
#ifndef DAEMON_POST_H
#define DAEMON_POST_H

#include "daemon/state.h"

/* Control messages are never lost: what does not fit waits. A worker that
 * lets too many wait is doomed. */
void post(struct worker *w, const struct ctrl *c);
/* An I/O event for a session of @w's application: those that do not fit are
 * merged, and come after the control messages that wait. */
void post_io(struct worker *w, struct session *s, unsigned io);
/* Give the worker a segment, unless it has it: always before its first use. */
void post_segment(struct worker *w, struct segment *seg, enum side side);
/* The session is gone: nothing may come for it any more. */
void post_forget(struct session *s);
/* The worker is gone. */
void post_drop(struct worker *w);
/* Try the congested again; milliseconds until the next try, -1 for never. */
int post_retry(void);

#endif /* DAEMON_POST_H */
