/* SPDX-License-Identifier: Apache-2.0 */
/* app.c - attachments: draining, sending, sleeping */
#include "core/sess/app.h"

#include <errno.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/sess/offer.h"
#include "core/sess/release.h"

#define RETRY_MS 1000 /* after a failed attach: the kernel meanwhile */
#define LOOK_MS 100
#define SEND_WAIT_MS 1
#define MUCH 16		 /* a control ring has room for that many at least */
#define SEND_MAX_MS 2000 /* of a full queue: the session layer is stuck */

static struct app apps[APP_N] = {
	{ .lock = PTHREAD_MUTEX_INITIALIZER,
	  .sock = -1,
	  .app_evfd = -1,
	  .mail = &attach_no_mail },
	{ .lock = PTHREAD_MUTEX_INITIALIZER,
	  .sock = -1,
	  .app_evfd = -1,
	  .mail = &attach_no_mail },
};
static struct wire_stats before_attach; /* counted until there is a place */
_Atomic unsigned app_epoch;

uint64_t app_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct app *app_nth(unsigned i)
{
	return &apps[i];
}

bool app_any(void)
{
	return apps[0].attached || apps[1].attached;
}

void app_count_kernel(enum wire_ext_why why)
{
	struct app *app = apps[0].attached ? &apps[0] : &apps[1];

	app_stat_add(app->attached ? &app->stats->kernel[why]
				   : &before_attach.kernel[why],
		     1);
}

/* What was counted before there was an attachment. */
static void carry_counters(struct app *app)
{
	unsigned i;

	for (i = 0; i < WIRE_N_WHY; i++)
		app_stat_add(&app->stats->kernel[i],
			     atomic_exchange(&before_attach.kernel[i], 0));
}

static void attached(struct app *app, bool on)
{
	app->state = on ? APP_ATTACHED : APP_NONE;
	app->attached = on;
	app_epoch++;
}

/* Lock held: nothing of this attachment will work again. */
static void give_up(struct app *app)
{
	unsigned i;

	if (app->links)
		offer_left();
	attached(app, false);
	session_layer_gone(app);
	attach_undo(app);
	/* at its place it stays mapped (attach.c); elsewhere by this count */
	if (app->queue_seg && app->queue_seg->seg.map.stays)
		app_seg_put(app, app->queue_seg);
	app->queue_seg = NULL;
	/* handles may mean something else to the next session layer */
	for (i = 0; i < app->n_segs; i++)
		if (app->segs[i] && !app->segs[i]->retired)
			app_seg_retire(app, app->segs[i]);
	app->retry_at = app_now_ms() + RETRY_MS;
}

/* The first process of the family has gone before any other was a worker (a
 * daemon's parent does), and the application with it: we are a new one, and
 * claim what it listened on. */
static int attach_child(struct app *app)
{
	int err = attach_worker(app);

	if (err != -ECONNREFUSED)
		return err;
	give_up(app);
	return attach_dial(app);
}

/* Lock held: bring @app to APP_ATTACHED, or say why not. */
static int attach(struct app *app)
{
	int err, cancel;

	if (app->state == APP_ATTACHED)
		return 0;
	if (app_now_ms() < app->retry_at)
		return -EAGAIN;
	app->queue_seg = NULL;
	cancel = cancel_off();
	err = app->state == APP_INHERITED ? attach_child(app)
					  : attach_dial(app);
	if (!err)
		err = release_find(app);
	cancel_back(cancel);
	if (err) {
		log_info("%s: not attached: %s", app->path,
			 strerrorname_np(-err));
		if (app->state != APP_INHERITED)
			seg_close(&app->mq_seg);
		give_up(app);
		return err;
	}
	attached(app, true);
	carry_counters(app);
	log_info("%s: attached as app %u worker %u", app->path, app->app_index,
		 app->wrk_index);
	session_relisten(app);
	return 0;
}

static struct app *get(struct app *app, const char *path)
{
	if (!path[0])
		return NULL;
	mutex_lock(&app->lock);
	app->path = path;
	if (!attach(app))
		return app;
	mutex_unlock(&app->lock);
	return NULL;
}

/**
 * app_get() - The attachment for a use, attached, locked
 * @use:	CONF_SHM, CONF_VPP or CONF_AUTO
 *
 * An app-socket-api in the program's vcl.conf is what its user chose; sapid
 * may stand behind it as well as VPP.
 *
 * Return: NULL if it can't be had
 */
struct app *app_get(enum conf_use use)
{
	const struct conf *conf = conf_get();
	struct app *app = NULL;

	if (use != CONF_SHM)
		app = get(&apps[1], conf->vpp_socket);
	if (!app && use != CONF_VPP)
		app = get(&apps[0], conf->shm_socket);
	return app;
}

static int attach_now(struct app *app, const char *path)
{
	int err;

	if (!path[0])
		return -EDESTADDRREQ;
	mutex_lock(&app->lock);
	app->path = path;
	app->retry_at = 0;
	err = attach(app);
	mutex_unlock(&app->lock);
	return err;
}

/**
 * app_attach() - Attach now, whatever happened a moment ago
 * @use:	as of app_get()
 *
 * Return: 0, -EDESTADDRREQ if no session layer is configured, or why not.
 */
int app_attach(enum conf_use use)
{
	const struct conf *conf = conf_get();
	int err = -EDESTADDRREQ;

	if (use != CONF_SHM)
		err = attach_now(&apps[1], conf->vpp_socket);
	if (err && use != CONF_VPP)
		err = attach_now(&apps[0], conf->shm_socket);
	return err;
}

/**
 * app_leave() - Leave every session layer, as the process's end would
 *
 * The next app_get() attaches anew.
 */
void app_leave(void)
{
	unsigned i;

	app_at_exit();
	for (i = 0; i < APP_N; i++) {
		mutex_lock(&apps[i].lock);
		if (apps[i].state == APP_ATTACHED) {
			app_drain(&apps[i]);
			give_up(&apps[i]);
			apps[i].retry_at = 0;
		}
		session_forget_lost(&apps[i]);
		mutex_unlock(&apps[i].lock);
	}
}

void app_put(struct app *app)
{
	mutex_unlock(&app->lock);
}

int app_claim(struct session **sp)
{
	struct app *app = (*sp)->app;
	int err;

	mutex_lock(&app->lock);
	err = attach(app);
	if (!err)
		err = session_claim(sp);
	mutex_unlock(&app->lock);
	return err;
}

/* --- the queue --- */

static void gone(struct app *app)
{
	if (app->state != APP_ATTACHED)
		return;
	log_info("%s: session layer gone", app->path);
	give_up(app);
}

/**
 * app_drain() - Handle everything on the app's queue; lock held
 */
void app_drain(struct app *app)
{
	int cancel = cancel_off(), got, n = 0;
	struct mq_msg msg;
	struct ctrl c;

	while (app->state == APP_ATTACHED) {
		got = mq_recv(&app->app_mq, &msg);
		if (!got)
			break;
		if (got < 0) {
			log_warn("%s: bad message queue", app->path);
			gone(app);
			break;
		}
		if (++n == MUCH)
			app->full_ms = app_now_ms();
		if (!ctrl_decode(app->dialect, msg.data, msg.len, &c))
			session_event(app, &c);
		else
			log_debug("%s: unknown message %u", app->path,
				  msg.data[0]);
	}
	if (unlikely(app->n_zombies))
		session_reap(app);
	cancel_back(cancel);
}

/* Listeners come back with the session layer, which nobody announces. */
static void look_for(struct app *app)
{
	if (app_now_ms() < app->retry_at)
		return;
	mutex_lock(&app->lock);
	if (attach(app))
		log_debug("%s: still gone", app->path);
	mutex_unlock(&app->lock);
}

void app_poll(void)
{
	unsigned i;

	if (unlikely(offer_mail()))
		offer_poll();

	for (i = 0; i < APP_N; i++) {
		if (unlikely(!apps[i].attached && apps[i].n_lost))
			look_for(&apps[i]);
		if (!apps[i].attached ||
		    (mq_empty(&apps[i].app_mq) && !apps[i].n_zombies))
			continue;
		mutex_lock(&apps[i].lock);
		app_drain(&apps[i]);
		mutex_unlock(&apps[i].lock);
	}
}

bool app_was_full(const struct app *app)
{
	return app->full_ms && app_now_ms() - app->full_ms < RETRY_MS;
}

static bool hung_up(struct app *app, int wait_ms)
{
	struct pollfd pfd = { .fd = app->sock };
	struct timespec ts = { .tv_nsec = wait_ms * 1000000 };

	return k_ppoll(&pfd, 1, &ts, NULL) > 0 &&
	       pfd.revents & (POLLHUP | POLLERR);
}

/* Lock held: has the session layer gone?  What it said last counts. */
static void look(struct app *app)
{
	if (app->state != APP_ATTACHED || !hung_up(app, 0))
		return;
	app_drain(app);
	gone(app);
}

/* A full queue is the session layer's to empty: it does, or it is gone and its
 * socket hangs up.  Or it is stopped: then we hang up ourselves, which every
 * sender and every sleeper sees, as app.lock may be held here or not. */
static int wait_room(struct app *app, uint64_t *end)
{
	uint64_t now = app_now_ms();

	if (!*end)
		*end = now + SEND_MAX_MS;
	if (!app->attached || hung_up(app, SEND_WAIT_MS))
		return -EPIPE;
	if (now < *end)
		return 0;
	log_warn("%s: the session layer is stuck: given up", app->path);
	k_shutdown(app->sock, SHUT_RDWR);
	return -EPIPE;
}

static int send_elt(struct app *app, unsigned mq, enum wire_mq_ring ring,
		    const uint8_t *elt, size_t len)
{
	uint64_t end = 0;
	int err;

	if (!app->attached || mq >= app->n_mqs)
		return -EPIPE;
	while ((err = mq_send(&app->mqs[mq], ring, elt, len)) == -EAGAIN) {
		err = wait_room(app, &end);
		if (err)
			return err;
	}
	if (!err)
		app_count(app, doorbells, 1);
	return err;
}

int app_send(struct app *app, unsigned mq, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len;
	int err, cancel;

	len = ctrl_encode(app->dialect, c, elt);
	if (len < 0)
		return (int)len;
	cancel = cancel_off();
	/* before attached is looked at: mq_place() */
	app->sending++;
	err = send_elt(app, mq, ctrl_ring(c->type), elt, (size_t)len);
	app->sending--;
	cancel_back(cancel);
	return err;
}

int app_send_ctrl(struct app *app, const struct ctrl *c)
{
	return app_send(app, app->ctrl_mq, c);
}

/* --- sleeping --- */

/* Let attachments wake @w.  What came before is told at once: the eventfd is
 * read by whom it woke alone. */
static void listen_to_apps(struct waiter *w)
{
	unsigned k, epoch = app_epoch; /* before the numbers */
	int err = 0;

	if (likely(w->epoch == epoch))
		return;
	for (k = 0; k < APP_N && !err; k++) {
		if (!apps[k].attached)
			continue;
		err = waiter_listen_to(w, apps[k].app_evfd, EPOLLIN,
				       WOKEN_BY_APP(2 * k));
		/* no EPOLLIN: a descriptor in flight is no hang-up */
		if (!err)
			err = waiter_listen_to(w, apps[k].sock, 0,
					       WOKEN_BY_APP(2 * k + 1));
	}
	w->deaf = err;
	w->epoch = epoch;
}

/* Look after the attachments that woke us. */
static void serve(uint32_t by)
{
	int cancel = cancel_off();
	unsigned k;

	for (k = 0; k < APP_N; k++) {
		struct app *app = &apps[k];

		if (!app->attached)
			continue;
		mutex_lock(&app->lock);
		if (by & WOKEN_BY_APP(2 * k) && app->state == APP_ATTACHED) {
			mq_reset_event(&app->app_mq);
			app_drain(app);
		}
		if (by & WOKEN_BY_APP(2 * k + 1))
			look(app);
		if (app->n_zombies)
			session_reap(app);
		mutex_unlock(&app->lock);
	}
	cancel_back(cancel);
}

/**
 * app_look() - Is the session layer still there?
 *
 * Who sleeps by app_wait() is told.  A server that waits in the kernel's own
 * epoll_wait(2) is not, nor is a program that never sleeps; and what is left of
 * a daemon, its page, looks as it did.  Whoever has the lock meanwhile is busy
 * with it, perhaps for as long as a stopped daemon takes to answer: an
 * accept(2) does not wait for that.
 */
void app_look(void)
{
	static _Atomic uint64_t looked_ms; /* pairs with nothing: two threads
					      may look at once */
	uint64_t now = app_now_ms();
	int cancel;
	unsigned k;

	if (now - looked_ms < LOOK_MS || !app_any())
		return;
	looked_ms = now;
	cancel = cancel_off();
	for (k = 0; k < APP_N; k++) {
		if (!apps[k].attached || mutex_trylock(&apps[k].lock))
			continue;
		look(&apps[k]);
		mutex_unlock(&apps[k].lock);
	}
	cancel_back(cancel);
}

void app_serve(bool hup)
{
	unsigned k;
	uint32_t by = 0;

	for (k = 0; k < APP_N; k++)
		by |= WOKEN_BY_APP(2 * k) | (hup ? WOKEN_BY_APP(2 * k + 1) : 0);
	serve(by);
}

bool app_zombies(void)
{
	return apps[0].n_zombies || apps[1].n_zombies;
}

/* Sleep on @n descriptors and on what wakes @w. */
static int64_t sleep_both(struct waiter *w, struct pollfd *fds, nfds_t n,
			  const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec zero;
	int64_t by = 0;
	int ret, cancel;

	fds[n] = (struct pollfd){ .fd = w->inner, .events = POLLIN };
	ret = k_ppoll(fds, n + 1, timeout, mask);
	if (ret <= 0 || !fds[n].revents)
		return ret < 0 ? ret : 0;
	cancel = cancel_off();
	by = waiter_sleep(w, &zero, NULL);
	cancel_back(cancel);
	return by < 0 ? 0 : by;
}

/* Does a listener wait for a session layer? */
static bool any_lost(void)
{
	return apps[0].n_lost || apps[1].n_lost;
}

/* Nobody may tell us of it (session_want_room()). */
static bool wants_room(void)
{
	uint64_t last = MAX(apps[0].wanted_ms, apps[1].wanted_ms);

	return unlikely(last) && app_now_ms() - last < RETRY_MS;
}

static bool any_borrowed(void)
{
	return apps[0].n_borrowed || apps[1].n_borrowed;
}

static bool timespec_less(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec ||
	       (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* How long, if something must be looked at now and then. */
static const struct timespec *at_most(const struct waiter *w,
				      const struct timespec *timeout)
{
	static const struct timespec reap = { .tv_nsec =
						      APP_REAP_MS * 1000000 },
				     soon = { .tv_nsec = 1000000 },
				     retry = { .tv_sec = RETRY_MS / 1000 };
	const struct timespec *most = w->deaf || any_borrowed()	      ? &soon
				      : app_zombies() || wants_room() ? &reap
				      : any_lost()		      ? &retry
								      : NULL;

	if (most && timeout && timespec_less(timeout, most))
		return timeout;
	return most ? most : timeout;
}

int app_wait(struct waiter *w, struct pollfd *fds, nfds_t n,
	     const struct timespec *timeout, const sigset_t *mask)
{
	int64_t by;
	nfds_t i;
	int ready = 0;

	listen_to_apps(w);
	w->revents = 0;
	timeout = at_most(w, timeout);
	by = n ? sleep_both(w, fds, n, timeout, mask)
	       : waiter_sleep(w, timeout, mask);
	if (by < 0)
		return (int)by;
	if (by & ~(WOKEN_BY_OTHERS | WOKEN_BY_CONNECTION) || app_zombies())
		serve((uint32_t)by);
	for (i = 0; i < n; i++)
		ready += fds[i].revents != 0;
	return ready;
}

void app_at_exit(void)
{
	unsigned i;

	for (i = 0; i < APP_N; i++)
		session_linger(&apps[i]);
}
