/* SPDX-License-Identifier: Apache-2.0 */
/* app_ctl.c - waiting for the session layer's answer */
#include <errno.h>
#include <sched.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/sess/app.h"

/* A session layer on this host answers within some 100 us: worth a look or
 * two before the thread sleeps. */
static bool spin_ctl(struct app *app, struct session *s, enum session_state was)
{
	int i;

	for (i = 0; i < 100 && s->state == was; i++) {
		if (!mq_empty(&app->app_mq))
			app_drain(app);
		else
			sched_yield();
	}
	return s->state != was;
}

static int wait_ctl(struct app *app, struct session *s, int timeout_ms,
		    bool may_interrupt)
{
	uint64_t end = app_now_ms() + (uint64_t)timeout_ms, now;
	enum session_state was = s->state;
	struct timespec ts;
	struct waiter *w;
	int err;

	if (spin_ctl(app, s, was))
		return 0;
	err = waiter_get(&w);
	if (err)
		return err;
	s->ctl = w;
	for (;;) {
		waiter_reset(w);
		app_drain(app);
		now = app_now_ms();
		if (s->state != was || now >= end)
			break;
		ts.tv_sec = (time_t)((end - now) / 1000);
		ts.tv_nsec = (long)((end - now) % 1000) * 1000000;
		mutex_unlock(&app->lock);
		err = app_wait(w, NULL, 0, &ts, NULL);
		mutex_lock(&app->lock);
		if (err < 0 && (err != -EINTR || may_interrupt))
			break;
	}
	s->ctl = NULL;
	if (s->state != was)
		return 0;
	return err == -EINTR && may_interrupt ? -EINTR : -ETIMEDOUT;
}

/* Not to be cancelled, as it is short and has the lock in between. */
int app_wait_ctl(struct app *app, struct session *s, int timeout_ms)
{
	int cancel = cancel_off(), err = wait_ctl(app, s, timeout_ms, false);

	cancel_back(cancel);
	return err;
}

int app_wait_connect(struct app *app, struct session *s, int timeout_ms)
{
	int cancel = cancel_off(), err = wait_ctl(app, s, timeout_ms, true);

	cancel_back(cancel);
	return err;
}

void app_rest(struct app *app)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	int cancel = cancel_off();

	mutex_unlock(&app->lock);
	k_ppoll(NULL, 0, &ts, NULL);
	mutex_lock(&app->lock);
	app_drain(app);
	cancel_back(cancel);
}

/* app_serve() asks each which it is. */
void app_ask_end(void)
{
	static const struct timespec zero;
	struct pollfd pfd = { .events = 0 };
	unsigned i;

	for (i = 0; i < APP_N; i++) {
		if (!app_nth(i)->attached)
			continue;
		pfd.fd = app_nth(i)->sock;
		if (k_ppoll(&pfd, 1, &zero, NULL) > 0 &&
		    pfd.revents & (POLLHUP | POLLERR))
			app_serve(true);
	}
}
