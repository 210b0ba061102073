/* SPDX-License-Identifier: Apache-2.0 */
/* attr.c - what VPP knows of a session's transport */
#include <errno.h>
#include <string.h>

#include "core/sess/session_priv.h"
#include "core/wire/ctrl.h"

#define ANSWER_MS 100
#define FIRST_RELEASE 2502 /* the message had another length before */

/**
 * session_mss() - How much the transport sends at once
 * @s:		the app's lock held, but given up while waiting
 * @mss:	out: bytes
 *
 * Return: 0; -EOPNOTSUPP if it is no transport of VPP's that has one (a
 * cut-through), or VPP is older than that; -ETIMEDOUT.
 */
int session_mss(struct session *s, uint32_t *mss)
{
	struct app *app = s->app;
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	int err, ms;

	if (app->sapid || s->cut || s->datagrams ||
	    (app->release ? app->release < FIRST_RELEASE
			  : app->dialect == WIRE_2510))
		return -EOPNOTSUPP;
	c.attr.client_index = app->client;
	c.attr.handle = s->handle;
	c.attr.attr_type = WIRE_ATTR_MSS;
	c.attr.is_get = 1;
	s->mss = 0;
	err = app_send(app, s->mq_index, &c);
	for (ms = 0; !err && !s->mss && s->state == SESSION_OPEN; ms++) {
		if (ms == ANSWER_MS)
			err = -ETIMEDOUT;
		else
			app_rest(app);
	}
	if (err || s->mss <= 0)
		return err ? err : -EOPNOTSUPP;
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
	s->mss = c->attr.retval || mss <= 0 ? -1 : mss;
}
