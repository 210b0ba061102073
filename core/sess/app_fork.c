/* SPDX-License-Identifier: Apache-2.0 */
/* app_fork.c - attachments and forks: the child has none */
#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sess/offer.h"

void app_fork_prepare(void)
{
	unsigned i;

	for (i = 0; i < APP_N; i++)
		mutex_lock(&app_nth(i)->lock);
	offer_fork_prepare();
}

void app_fork_parent(void)
{
	unsigned i;

	offer_fork_parent();
	for (i = 0; i < APP_N; i++)
		mutex_unlock(&app_nth(i)->lock);
}

/* The parent's socket must go at once: while we hold it, the session layer
 * does not see the parent die.  Its queue's eventfd is not ours to read.  The
 * eventfds of the session layer's queues are the family's and stay. */
static void inherit(struct app *app)
{
	private_close(app->sock);
	private_close(app->app_evfd);
	app->sock = app->app_evfd = -1;
	attach_drop_early(app);
	app->state = APP_INHERITED;
	app->attached = false;
	app->links = false;
	app->mail = &attach_no_mail;
	app->retry_at = 0;
	app->sending = 0; /* no thread of the parent's is here */
}

void app_fork_child(void)
{
	struct app *app;
	unsigned i;

	offer_fork_child();
	for (i = 0; i < APP_N; i++) {
		app = app_nth(i);
		if (app->state == APP_ATTACHED)
			inherit(app);
		session_disown(app); /* the parent's, as these are */
		app->n_lost = app->n_borrowed = 0;
		session_unpark(app, true);
		app->generation++;
		app_epoch++;
		mutex_unlock(&app->lock);
	}
	waiter_forked();
}
