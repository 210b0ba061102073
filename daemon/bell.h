/* SPDX-License-Identifier: Apache-2.0 */
/* bell.h - waking a client that waits on a condition variable */
#ifndef DAEMON_BELL_H
#define DAEMON_BELL_H

#include <stdint.h>

#include "core/shm/seg.h"

struct bell;

/* A ringer for the queue at @off of @seg. *evfd, which the bell owns, is to be
 * written when the queue stops being empty. */
int bell_open(const struct seg *seg, uint64_t off, struct bell **bell,
	      int *evfd) MUST_CHECK;
/* Also NULL. */
void bell_close(struct bell *bell);

/* The ringer itself, in a process of its own: main() goes here if it was
 * started so, and comes back only if it was not. */
void bell_main(int argc, char **argv);

#endif /* DAEMON_BELL_H */
