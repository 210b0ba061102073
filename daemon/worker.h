/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - applications and their workers: how they come and go */
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "core/wire/attach.h"
#include "daemon/state.h"

/* An application with its worker 0, on this connection: 0 or a WIRE_E_. */
int app_open(struct conn *conn, const struct wire_attach *msg) MUST_CHECK;
/* One more worker of it: 0 or a WIRE_E_. */
int worker_open(struct app *app, struct conn *conn) MUST_CHECK;
/* At fault: it and its connection end with this round. */
void worker_doom(struct worker *w, const char *why);
/* Only from client_reap(). The last one takes its application along. */
void worker_close(struct worker *w);

uint64_t worker_segment_handle(const struct worker *w);
/* The worker of that api_client_handle; NULL. */
struct worker *app_client(const struct app *app, uint32_t handle);
/* The worker of that worker map index; NULL. */
struct worker *app_worker(const struct app *app, uint32_t index);

#endif /* DAEMON_WORKER_H */
