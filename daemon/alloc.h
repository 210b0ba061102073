/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.h - the segments that connections live in, and their FIFOs */
#ifndef DAEMON_ALLOC_H
#define DAEMON_ALLOC_H

#include "daemon/state.h"

/* FIFOs for a connection, in a segment of exactly these two applications: 0
 * or the WIRE_E_ error for the client. */
int pair_open(struct app *server, struct app *client,
	      struct pair **pair) MUST_CHECK;
/* One end less; with the last one the FIFOs go. */
void pair_put(struct pair *pair);

/* The segment's name towards one worker. */
uint64_t segment_handle(const struct segment *segment, const struct worker *w);
void segment_ref(struct segment *segment);
void segment_unref(struct segment *segment);
/* The application is gone: its segments serve the other end alone. */
void segments_leave(struct app *app);
/* The worker is gone, and its index may name another one soon. */
void segments_forget(struct worker *w);
/* Bytes of memory that it really takes. */
uint64_t segment_committed(const struct segment *segment);

#endif /* DAEMON_ALLOC_H */
