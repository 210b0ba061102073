/* SPDX-License-Identifier: Apache-2.0 */
/* watch.c - who is told when a sock's readiness may have changed */
#include "core/base/signal.h"
#include "core/sock/table.h"

pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;

void watch_link(struct watch *w, struct sock *s,
		void (*fire)(struct watch *watch))
{
	w->sock = s;
	w->fire = fire;
	w->next = s->watches;
	w->prev = &s->watches;
	if (w->next)
		w->next->prev = &w->next;
	s->watches = w;
}

void watch_unlink(struct watch *w)
{
	if (!w->prev)
		return;
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->prev = NULL;
}

void watch_add(struct watch *w, struct sock *s,
	       void (*fire)(struct watch *watch))
{
	mutex_lock(&watch_lock);
	watch_link(w, s, fire);
	mutex_unlock(&watch_lock);
}

void watch_del(struct watch *w)
{
	mutex_lock(&watch_lock);
	watch_unlink(w);
	mutex_unlock(&watch_lock);
}

void watch_fire(struct sock *s)
{
	struct watch *w;

	for (w = s->watches; w; w = w->next)
		w->fire(w);
}

void sock_notify(struct sock *s)
{
	mutex_lock(&watch_lock);
	watch_fire(s);
	mutex_unlock(&watch_lock);
}

void sock_session_event(struct session *sess)
{
	struct sock *s = sess->user;

	if (s)
		sock_notify(s);
}
