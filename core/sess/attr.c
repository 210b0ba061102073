/* SPDX-License-Identifier: Apache-2.0 */
/* attr.c - what VPP knows of a session's transport */
#include <errno.h>
#include <string.h>

#include "core/sess/session_priv.h"
#include "core/wire/ctrl.h"

#define ANSWER_MS 100
#define NONE (-1)
#define FIRST_RELEASE 2502 /* the message had another length before */

static bool has_attrs(const struct session *s)
{
	const struct app *app = s->app;

	if (app->sapid || s->cut || s->datagrams ||
	    s->handle == WIRE_INVALID_HANDLE)
		return false;
	return app->release ? app->release >= FIRST_RELEASE
			    : app->dialect == WIRE_2606;
}

/* The lock is given up while waiting, and others may ask, too. */
static int32_t ask_mss(struct session *s)
{
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	int ms;

	c.attr.client_index = s->app->client;
	c.attr.handle = s->handle;
	c.attr.attr_type = WIRE_ATTR_MSS;
	c.attr.is_get = 1;
	if (app_send(s->app, s->mq_index, &c))
		return NONE;
	for (ms = 0; ms < ANSWER_MS && !s->mss; ms++) {
		if (s->state != SESSION_OPEN)
			return NONE;
		app_rest(s->app);
	}
	return s->mss ? s->mss : NONE;
}

/**
 * session_mss() - How much the transport sends at once
 * @s:		the app's lock held, but given up while waiting
 * @mss:	out: bytes
 *
 * Asked once: a program may want TCP_INFO with each request.
 *
 * Return: 0; -EOPNOTSUPP if it is no transport of VPP's that has one (a
 * cut-through), if VPP is older than that, or does not say.
 */
int session_mss(struct session *s, uint32_t *mss)
{
	if (!s->mss)
		s->mss = has_attrs(s) ? ask_mss(s) : NONE;
	if (s->mss == NONE)
		return -EOPNOTSUPP;
	*mss = (uint32_t)s->mss;
	return 0;
}

void session_attr_reply(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_handle(app, c->attr.handle);
	int32_t mss;

	if (!s || c->attr.attr_type != WIRE_ATTR_MSS || !c->attr.is_get)
		return;
	memcpy(&mss, c->attr.attr_value, sizeof(mss));
	s->mss = c->attr.retval || mss <= 0 ? NONE : mss;
}
