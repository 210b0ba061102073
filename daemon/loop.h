/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - the epoll loop: typed events, no pointers */
#ifndef DAEMON_LOOP_H
#define DAEMON_LOOP_H

#include <stdint.h>

#include "core/base/base.h"

/* What a descriptor in the loop is: its event carries this and the index of
 * the object (passt's idea), never a pointer. Objects are freed only between
 * two rounds (state_reap()), so that no event of a round is stale. */
enum loop_type {
	LOOP_SIGNAL,
	LOOP_NS,     /* a namespace's listening socket */
	LOOP_CONN,   /* a client's attach socket */
	LOOP_APP,    /* the eventfd of an application's queue */
	LOOP_STATUS, /* the status socket */
	LOOP_STATUS_CLIENT,
	LOOP_N_TYPES
};

typedef void loop_handler(uint32_t index, uint32_t events);

int loop_open(void) MUST_CHECK;
void loop_close(void);
void loop_handle(enum loop_type type, loop_handler *handler);
int loop_add(int fd, enum loop_type type, uint32_t index,
	     uint32_t events) MUST_CHECK;
/* ... for these events from now on */
int loop_change(int fd, enum loop_type type, uint32_t index,
		uint32_t events) MUST_CHECK;
/* Always before the close: the description may live on in another process. */
void loop_del(int fd);
/* Wait once, at most @ms (-1: for ever), and call the handlers. */
int loop_once(int ms) MUST_CHECK;
uint64_t loop_now_ms(void);

#endif /* DAEMON_LOOP_H */
