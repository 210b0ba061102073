/* SPDX-License-Identifier: Apache-2.0 */
/* session_priv.h - what session.c, events.c and close.c share; private to them
 */
#ifndef SESS_SESSION_PRIV_H
#define SESS_SESSION_PRIV_H

#include "core/sess/app.h"

/* The only writer of session.state. */
void session_state(struct session *s, enum session_state state);
int session_send_listen(struct session *s) MUST_CHECK;
/* NULL: no memory */
struct session *session_new(struct app *app, enum session_state state);
struct session *session_by_index(struct app *app, uint32_t index);
/* The session layer calls it so from now on; the only writer of
 * session.handle. */
void session_rename(struct session *s, uint64_t handle);
struct session *session_by_handle(struct app *app, uint64_t handle);
/* park.c: true if the message waits for a segment */
bool session_park(struct app *app, const struct ctrl *c) MUST_CHECK;
/* @type: WIRE_EV_SHUTDOWN or WIRE_EV_DISCONNECT */
int session_send_close(struct session *s, uint8_t type) MUST_CHECK;
/* Answer ACCEPTED, if that needs no accept(2). */
void session_answer_early(struct session *s);
/* attr.c */
void session_attr_reply(struct app *app, const struct ctrl *c);
/* close.c: the session is free when VPP answers */
void session_send_end(struct session *s, bool abort);
/* close.c: put it on the list of those that session_reap() looks at */
void session_watch(struct session *s);
/* drain.c: true if @what has to wait, and will be done */
bool session_drain(struct session *s, enum session_drain what) MUST_CHECK;
/* ... true if it has been done, or is not to be any more */
bool session_drained(struct session *s) MUST_CHECK;
int session_shutdown_tls(struct session *s) MUST_CHECK;

#endif /* SESS_SESSION_PRIV_H */
