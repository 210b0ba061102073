/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bell.h - eventfds by which peers wake this process
 *
 * DOC: A bell belongs to a thread or to an epoll instance, whoever offers a
 * connection first; the link that comes of it is rung there for its life.
 * Nobody reads a bell: whoever waits has it in an epoll instance of its own,
 * edge-triggered, so every ring wakes everybody who listens, in forked
 * processes too, and nobody can take it from another.
 */
#ifndef SESS_BELL_H
#define SESS_BELL_H

#include <stdatomic.h>

#include "core/base/base.h"

struct bell {
	int evfd;	 /* private */
	unsigned number; /* what offers call it: below WIRE_BELLS_MAX */
	unsigned serial; /* no two bells of a process have the same */
	unsigned forks;	 /* in which life of the process it got its number */
	_Atomic unsigned refs;
	_Atomic unsigned given; /* the attachment (app.links_epoch) that has
				   its descriptor */
};

/* One more, with a reference; NULL: no descriptor or no number left. */
struct bell *bell_new(void);
struct bell *bell_hold(struct bell *b);
/* Also NULL. */
void bell_put(struct bell *b);
/* Write a bell of a peer's. */
void bell_ring(int evfd);
/* In a child: numbers start anew, as it offers as another client. */
void bells_forked(void);

#endif /* SESS_BELL_H */
