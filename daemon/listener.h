/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - endpoints that applications listen on */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include "daemon/state.h"

/* What a LISTEN asks for. */
struct endpoint {
	struct addr addr;
	uint64_t netns;
	bool v6only, reuseport;
};

/* Join or make the listener of @w's application: 0 or a WIRE_E_. */
int listener_join(struct worker *w, const struct endpoint *e,
		  struct listener **l) MUST_CHECK;
/* @w listens there no more, if it did; @l is gone with its last member. */
void listener_leave(struct listener *l, struct worker *w);
/* @w listens but does not accept while others do: 0 or a WIRE_E_. */
int listener_relieve(struct listener *l, struct worker *w) MUST_CHECK;
/* Members that accept, or would if somebody came. */
unsigned listener_workers(const struct listener *l);
/* The listener whose turn it is for a connection of @client to @to, and its
 * worker: 0 or a WIRE_E_. @local: the address is one of this host. */
int listener_find(const struct app *client, const struct addr *to, bool local,
		  struct listener **l, struct worker **w) MUST_CHECK;
/* Is anybody there for whom the address would have to be local? */
bool listener_any(const struct app *client, const struct addr *to);
/* A port nobody listens on, network order; 0 if there is none. */
uint16_t listener_port(struct ns *ns, const struct endpoint *e);

#endif /* DAEMON_LISTENER_H */
