/* SPDX-License-Identifier: Apache-2.0 */
/* drain.c - the end of a connection by VPP's TLS, which must not come too early
 */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/sess/session_priv.h"

/*
 * DOC: VPP's TCP sends what lies in the FIFO before it closes.  Its TLS takes
 * one burst more, some 48 KB, and forgets the rest; and once it is told of a
 * half close it reads nothing more either, and tells us at once that the peer
 * has ended (26.06, openssl).  So:
 *
 * - The end is told when VPP has taken all.  Until then the session is a
 *   zombie, which VPP is asked to wake us for; and a process that ends waits.
 * - A server's half close is told then, too: what it had to say has been said.
 *   A client's is not, as an answer will come: the peer hears of it by the
 *   close.
 *
 * And a process that ends waits till VPP has read its last words.
 */
#define LINGER_MS 10000
#define HEARD_MS 100

static bool taken(const struct session *s)
{
	return s->state != SESSION_OPEN ||
	       session_flags(s) &
		       (SESSION_RESET | SESSION_GONE | SESSION_BROKEN) ||
	       fifo_room(&s->tx) >= fifo_size(&s->tx);
}

bool session_drain(struct session *s, enum session_drain what)
{
	bool on_list = s->drain;

	if (!s->tls || (!on_list && taken(s)))
		return false;
	s->drain = what;
	if (!on_list)
		session_watch(s);
	session_want_room(s, fifo_size(&s->tx));
	return true;
}

bool session_drained(struct session *s)
{
	enum session_drain what = s->drain;

	if (!taken(s))
		return false;
	s->drain = DRAIN_NONE;
	if (what == DRAIN_CLOSE && s->handle == WIRE_INVALID_HANDLE)
		session_free(s);
	else if (what == DRAIN_CLOSE)
		session_send_end(s, false);
	else if (s->handle != WIRE_INVALID_HANDLE &&
		 session_send_close(s, WIRE_EV_SHUTDOWN))
		log_debug("session %u: half close not sent", s->index);
	return true;
}

int session_shutdown_tls(struct session *s)
{
	int err = 0;

	if (!s->accepted)
		return 0;
	mutex_lock(&s->app->lock);
	if (!session_drain(s, DRAIN_SHUT))
		err = session_send_close(s, WIRE_EV_SHUTDOWN);
	mutex_unlock(&s->app->lock);
	return err;
}

/* Is there any that VPP has not taken all of, or not been told the end of? */
static bool any_left(struct app *app)
{
	struct session *s;
	unsigned i;

	for (s = app->zombies; s; s = s->next)
		if (s->drain)
			return true;
	for (i = 0; i < app->n_blocks * APP_SESSION_BLOCK; i++) {
		s = session_by_index(app, i);
		if (s->tls && s->state == SESSION_OPEN && session_claimed(s) &&
		    !taken(s))
			return true;
	}
	return false;
}

/* VPP is to have read what we have said last before it sees us go: an answer to
 * ACCEPTED of an application that is no more takes VPP with it (docs/vpp.md).
 * What comes meanwhile is left alone, as it would be answered. */
static void until_heard(struct app *app)
{
	static const struct timespec ts = { .tv_nsec = 500000 };
	uint64_t end = app_now_ms() + HEARD_MS;
	struct mq_mark mark[APP_MAX_MQS];
	unsigned i;

	for (i = 0; i < app->n_mqs; i++)
		mq_mark(&app->mqs[i], &mark[i]);
	for (i = 0; i < app->n_mqs; i++)
		while (!mq_passed(&app->mqs[i], &mark[i]) && app_now_ms() < end)
			k_ppoll(NULL, 0, &ts, NULL);
}

/* Others of the family may still use what is left; and whoever is in the
 * middle of something, as a signal's handler is, is not waited for. */
void session_linger(struct app *app)
{
	uint64_t end = app_now_ms() + LINGER_MS;

	if (!app->attached || mutex_trylock(&app->lock))
		return;
	while (app->state == APP_ATTACHED && any_left(app) &&
	       app_now_ms() < end)
		app_rest(app);
	if (app->state == APP_ATTACHED && !app->sapid)
		until_heard(app);
	mutex_unlock(&app->lock);
}
