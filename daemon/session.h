/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - both ends of a connection, from the pair to the last CLEANUP */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include "daemon/state.h"

/* A connection to be: 0 or a WIRE_E_ for the client. */
struct session_plan {
	struct app *app[2];    /* by side */
	struct addr lcl, rmt;  /* as the client sees them */
	uint16_t port;	       /* ours, host order; 0: the client's own */
	uint32_t app_index;    /* what the client calls it */
	struct worker *worker; /* the client's */
};
int session_open(const struct session_plan *plan,
		 struct session *ends[2]) MUST_CHECK;
/* Announce the server's end to a worker of the listener; again: to another
 * worker, under a new handle. */
void session_offer(struct session *s, struct listener *l, struct worker *w);
void session_offer_again(struct session *s, struct worker *w);

/* The client's end is announced, with the server's offer or with its reply. */
void session_connect(struct session *s);

/* The session of @app that @handle names; NULL. */
struct session *session_of(const struct app *app, uint64_t handle);
void session_accepted(struct session *s, int32_t retval, uint32_t app_index);
/* It will write no more; the peer sees an end of file. */
void session_shutdown(struct session *s);
/* The application is done with it: it is gone after this. */
void session_close(struct session *s, bool abort);
/* Without telling the application: it refused, or can't be told. */
void session_drop(struct session *s, bool abort);
/* A doorbell for the session of that index. */
void session_io(struct app *app, uint8_t type, uint32_t index);
/* Its events go to another worker of the application from now on. */
void session_move(struct session *s, struct worker *to);
/* The worker is gone. */
void session_close_all(struct worker *w);

struct fifo *session_rx(const struct session *s);
struct fifo *session_tx(const struct session *s);

#endif /* DAEMON_SESSION_H */
