/* SPDX-License-Identifier: Apache-2.0 */
/* match.h - who listens where, and who connects to whom */
#ifndef DAEMON_MATCH_H
#define DAEMON_MATCH_H

#include "daemon/state.h"

/* Each answers the application. */
void match_listen(struct app *app, const struct ctrl *c);
void match_unlisten(struct app *app, const struct ctrl *c);
void match_connect(struct app *app, const struct ctrl *c);
/* The worker is gone: it listens nowhere. */
void match_leave_all(struct worker *w);
/* Who is to be told about a request that names its worker wrongly. */
struct worker *match_answer_to(struct app *app, uint32_t client_index,
			       uint32_t wrk_index);

#endif /* DAEMON_MATCH_H */
