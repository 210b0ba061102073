/* SPDX-License-Identifier: Apache-2.0 */
/* park.c - messages that came before the segment that they speak of */
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/sess/session_priv.h"

/*
 * DOC: A thread of VPP that makes a segment announces it, and another one that
 * uses it may be heard first (ABI.md 12.3, trap 20).  Such a message waits for
 * the announcement, and with it whatever is said of that session later.
 */
#define MANY 1024

struct parked {
	struct parked *next;
	struct ctrl c;
};

static bool lacks_segment(struct app *app, const struct ctrl *c)
{
	if (c->type == WIRE_EV_ACCEPTED)
		return !app_seg(app, c->accepted.segment_handle);
	if (c->type == WIRE_EV_BOUND)
		return !c->bound.retval && c->bound.rx_fifo &&
		       !app_seg(app, c->bound.segment_handle);
	if (c->type != WIRE_EV_CONNECTED || c->connected.retval)
		return false;
	return !app_seg(app, c->connected.segment_handle) ||
	       (c->connected.ct_rx_fifo &&
		!app_seg(app, c->connected.ct_segment_handle));
}

/* What the message is about, if it is a session with FIFOs. */
static uint64_t handle_of(const struct ctrl *c)
{
	switch (c->type) {
	case WIRE_EV_BOUND:
		return c->bound.handle;
	case WIRE_EV_ACCEPTED:
		return c->accepted.handle;
	case WIRE_EV_CONNECTED:
		return c->connected.handle;
	case WIRE_EV_DISCONNECTED:
	case WIRE_EV_RESET:
		return c->close.handle;
	case WIRE_EV_CLEANUP:
		return c->cleanup.handle;
	case WIRE_EV_MIGRATED:
		return c->migrated.handle;
	default:
		return WIRE_INVALID_HANDLE;
	}
}

static bool waits_behind(struct app *app, const struct ctrl *c)
{
	uint64_t handle = handle_of(c);
	const struct parked *p;

	for (p = app->parked; p && handle != WIRE_INVALID_HANDLE; p = p->next)
		if (handle_of(&p->c) == handle)
			return true;
	return false;
}

/* sapid says everything in order: what it speaks of is there or is wrong. */
bool session_park(struct app *app, const struct ctrl *c)
{
	struct parked *p, **end = &app->parked;
	unsigned n = 0;

	if (app->sapid || (!lacks_segment(app, c) && !waits_behind(app, c)))
		return false;
	for (; *end; end = &(*end)->next)
		n++;
	p = n < MANY ? mem_alloc(sizeof(*p)) : NULL;
	if (!p)
		return false;
	p->c = *c;
	p->next = NULL;
	*end = p;
	return true;
}

void session_unpark(struct app *app, bool drop)
{
	struct parked *p = app->parked, *next;

	app->parked = NULL;
	for (; p; p = next) {
		next = p->next;
		if (!drop)
			session_event(app, &p->c);
		mem_free(p);
	}
}
