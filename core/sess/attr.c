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

/* One at a time: another thread's answer comes first. */
static bool is_busy(struct session *s)
{
	int ms;

	for (ms = 0; ms < ANSWER_MS && s->attr.state != ATTR_IDLE; ms++)
		app_rest(s->app);
	return s->attr.state != ATTR_IDLE;
}

static int ask(struct session *s, bool get, uint8_t type, const void *value,
	       size_t size)
{
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };
	int err;

	c.attr.client_index = s->app->client;
	c.attr.handle = s->handle;
	c.attr.attr_type = s->attr.type = type;
	c.attr.is_get = s->attr.get = get;
	if (!get)
		memcpy(c.attr.attr_value, value, size);
	s->attr.state = ATTR_ASKED;
	err = app_send(s->app, s->mq_index, &c);
	if (err)
		s->attr.state = ATTR_IDLE;
	return err;
}

/* The lock is given up while waiting, and the session may be closed then. */
static int await(struct session *s)
{
	bool told;
	int ms;

	for (ms = 0; ms < ANSWER_MS && s->attr.state == ATTR_ASKED; ms++) {
		if (s->state != SESSION_OPEN)
			return -ENOTCONN;
		app_rest(s->app);
	}
	told = s->attr.state == ATTR_TOLD;
	s->attr.state = ATTR_IDLE;
	if (!told)
		return -ETIMEDOUT;
	return s->attr.retval ? -EOPNOTSUPP : 0;
}

/**
 * session_attr() - Ask VPP for an attribute of the transport, or set one
 * @s:		the app's lock held, but given up while waiting
 * @get:	else set
 * @type:	enum wire_attr_type
 * @value:	in or out, host order
 * @size:	its bytes, at most SESSION_ATTR_SIZE
 *
 * Return: 0; -EOPNOTSUPP if VPP has no such thing for it, as for anything of a
 * cut-through; -EBUSY if another thread gets no answer; or what kept VPP from
 * answering.
 */
int session_attr(struct session *s, bool get, uint8_t type, void *value,
		 size_t size)
{
	int err;

	if (!has_attrs(s))
		return -EOPNOTSUPP;
	if (is_busy(s))
		return -EBUSY;
	if (!has_attrs(s) || s->state != SESSION_OPEN)
		return -ENOTCONN; /* the lock was given up */
	err = ask(s, get, type, value, size);
	if (err)
		return err;
	err = await(s);
	if (!err && get)
		memcpy(value, s->attr.value, size);
	return err;
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
	uint16_t val = 0;
	int err;

	if (!s->mss) {
		err = session_attr(s, true, WIRE_ATTR_MSS, &val, sizeof(val));
		s->mss = err || !val ? NONE : val;
	}
	if (s->mss == NONE)
		return -EOPNOTSUPP;
	*mss = (uint32_t)s->mss;
	return 0;
}

/* Not more than @mss from now on; the next session_mss() asks what it is. */
int session_set_mss(struct session *s, uint16_t mss)
{
	int err = session_attr(s, false, WIRE_ATTR_MSS, &mss, sizeof(mss));

	s->mss = 0;
	return err;
}

/* An answer that came too late is not the next question's.  Only one with a
 * value names the type. */
void session_attr_reply(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_handle(app, c->attr.handle);

	if (!s || s->attr.state != ATTR_ASKED ||
	    !!c->attr.is_get != s->attr.get)
		return;
	if (s->attr.get && !c->attr.retval && c->attr.attr_type != s->attr.type)
		return;
	s->attr.retval = c->attr.retval;
	memcpy(s->attr.value, c->attr.attr_value, sizeof(s->attr.value));
	s->attr.state = ATTR_TOLD;
}
