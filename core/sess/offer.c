/* SPDX-License-Identifier: Apache-2.0 */
/* offer.c - offers, grants and what goes with them, on the attach socket */
#include "core/sess/offer.h"

#include <errno.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fdbox.h"
#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sess/app.h"
#include "core/sess/offer_seg.h"
#include "core/wire/offer.h"

/* How long a message that must not be lost may wait for a daemon that does
 * not read; after that the daemon counts as stuck for a while. */
#define STUCK_WAIT_MS 20
#define STUCK_FOR_MS 1000

const struct offer_hooks *offer_hooks;
static uint64_t stuck_until; /* app.lock */

/* --- which attachment --- */

static bool grants(struct app *app)
{
	return app->attached && app->links;
}

static struct app *able(void)
{
	unsigned i;

	for (i = 0; i < APP_N; i++)
		if (grants(app_nth(i)))
			return app_nth(i);
	return NULL;
}

bool offer_able(void)
{
	return able() != NULL;
}

bool offer_attach(void)
{
	struct app *app;

	app_look();
	if (able())
		return true;
	app = app_get(CONF_AUTO);
	if (app)
		app_put(app);
	return able() != NULL;
}

bool offer_networks(void)
{
	struct app *app = able();

	return app && app->networks;
}

bool offer_unixes(void)
{
	struct app *app = able();

	return app && app->unixes;
}

bool offer_udps(void)
{
	struct app *app = able();

	return app && app->udps;
}

bool offer_is_orphan(const struct offer_grant *g)
{
	struct app *app = able();

	return !app || app->links_epoch != g->epoch;
}

unsigned offer_epoch(void)
{
	return app_epoch;
}

/* The attachment with its lock, or NULL. */
static struct app *get(void)
{
	struct app *app = able();

	if (!app)
		return NULL;
	mutex_lock(&app->lock);
	if (app->state == APP_ATTACHED && app->links)
		return app;
	mutex_unlock(&app->lock);
	return NULL;
}

/* --- the page --- */

static const struct wire_page *page(void)
{
	struct app *app = able();

	return app ? app->page : NULL;
}

bool offer_listener_at(uint16_t port)
{
	const struct wire_page *p = page();

	return p && p->listeners[port / 64] >> (port % 64) & 1;
}

bool offer_waiting(uint16_t slot)
{
	const struct wire_page *p = page();

	return p && p->offers[slot];
}

uint16_t offer_slot(uint16_t a, uint16_t b)
{
	return wire_page_slot(a, b);
}

uint16_t offer_slot_udp(uint16_t from, uint16_t to)
{
	return wire_page_slot_udp(from, to);
}

uint16_t offer_slot_inode(uint64_t inode)
{
	return wire_page_inode(inode);
}

/* --- sending --- */

static int send_now(struct app *app, const struct wire_sapi_ext *msg,
		    const struct fdbox *box)
{
	ssize_t n;

	do {
		n = fdbox_send(app->sock, msg, sizeof(*msg), box, MSG_DONTWAIT);
	} while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

/* What must arrive, lest the daemon keep something for ever: it reads, or is
 * stuck, and then it must not cost every close of a connection a wait. */
static int send_surely(struct app *app, const struct wire_sapi_ext *msg)
{
	struct timespec ts = { .tv_nsec = STUCK_WAIT_MS * 1000000 };
	struct pollfd pfd = { .fd = app->sock, .events = POLLOUT };
	int err = send_now(app, msg, NULL);

	if (err != -EAGAIN || app_now_ms() < stuck_until)
		return err;
	if (k_ppoll(&pfd, 1, &ts, NULL) > 0)
		err = send_now(app, msg, NULL);
	if (err == -EAGAIN)
		stuck_until = app_now_ms() + STUCK_FOR_MS;
	return err;
}

int offer_listen(uint16_t port, bool on)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_LISTEN };
	struct app *app = get();
	int err, cancel;

	if (!app)
		return -ENOTCONN;
	msg.listen.port = htons(port);
	msg.listen.on = on;
	cancel = cancel_off();
	err = send_surely(app, &msg);
	cancel_back(cancel);
	mutex_unlock(&app->lock);
	return err;
}

/* The daemon asks the kernel by a socket of our network, once. */
static int send_diag(struct app *app)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_DIAG };
	struct fdbox box;
	int fd, err;

	fd = k_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd;
	fdbox_init(&box);
	err = fdbox_put(&box, fd);
	if (!err)
		err = send_now(app, &msg, &box);
	fdbox_close(&box);
	if (!err)
		app->diag = false;
	return err;
}

static void put_ends(struct wire_offer *w, const struct offer *o)
{
	if (o->inode) {
		memcpy(w->lcl, &o->inode, sizeof(o->inode));
		w->lcl_port = htons(o->name);
		w->is_unix = 1;
		return;
	}
	memcpy(w->lcl, o->lcl.ip, sizeof(w->lcl));
	memcpy(w->rmt, o->rmt.ip, sizeof(w->rmt));
	w->lcl_port = o->lcl.port;
	w->rmt_port = o->rmt.port;
	w->is_ip4 = o->lcl.is_ip4;
	w->udp = o->udp;
}

static int send_offer(struct app *app, const struct offer *o)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_OFFER };
	struct bell *bell = o->bell;
	struct fdbox box;
	int err;

	msg.offer.context = o->context;
	msg.offer.cookie = o->cookie;
	put_ends(&msg.offer, o);
	msg.offer.ring = o->ring;
	msg.offer.bell = (uint16_t)bell->number;
	fdbox_init(&box);
	if (bell->given != app->links_epoch) {
		msg.offer.has_bell = 1;
		box.fd[box.n++] = bell->evfd; /* lent */
	}
	err = send_now(app, &msg, &box);
	if (!err)
		bell->given = app->links_epoch;
	return err;
}

int offer_make(const struct offer *o)
{
	struct app *app = get();
	int err = 0, cancel;

	if (!app)
		return -ENOTCONN;
	cancel = cancel_off();
	if (app->diag)
		err = send_diag(app);
	if (!err)
		err = send_offer(app, o);
	cancel_back(cancel);
	mutex_unlock(&app->lock);
	return err;
}

static void send_withdraw(struct app *app, uint64_t context, uint64_t link,
			  bool forget)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_WITHDRAW };

	msg.withdraw.context = context;
	msg.withdraw.link = link;
	msg.withdraw.forget_seg = forget;
	if (send_surely(app, &msg))
		log_info("the daemon was not told of a withdrawn offer");
}

void offer_withdraw(uint64_t context)
{
	struct app *app = get();
	int cancel;

	if (!app)
		return;
	cancel = cancel_off();
	if (app->withdraws)
		send_withdraw(app, context, 0, false);
	cancel_back(cancel);
	mutex_unlock(&app->lock);
}

static void send_done(struct app *app, uint64_t link, bool forget)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_DONE };

	msg.done.link = link;
	msg.done.forget_seg = forget;
	if (send_surely(app, &msg))
		log_info("the daemon was not told of a closed link");
}

/* A grant that is not taken.  By its offer, as that may be withdrawn already:
 * then the link is another's, or its other half may be ours. */
static void decline(struct app *app, uint64_t context, uint64_t link,
		    bool forget)
{
	if (app->withdraws)
		send_withdraw(app, context, link, forget);
	else
		send_done(app, link, forget);
}

/* Links of an attachment that has gone are nobody's to free but ours.
 * @context: of the offer, if the grant was not taken; 0 */
static void give_back(const struct offer_grant *g, uint64_t context)
{
	struct app *app = get();
	int cancel = cancel_off();

	if (app && app->links_epoch == g->epoch && context)
		decline(app, context, g->link, false);
	else if (app && app->links_epoch == g->epoch)
		send_done(app, g->link, false);
	seg_put(g);
	cancel_back(cancel);
	if (app)
		mutex_unlock(&app->lock);
}

void offer_release(const struct offer_grant *g)
{
	give_back(g, 0);
}

void offer_left(void)
{
	seg_peer_gone(0, 0);
}

void offer_abandon(const struct offer_grant *g)
{
	seg_put(g);
}

/* --- what stays --- */

/* The socket's own entry, a free one, or the oldest. */
static struct wire_kept *kept_slot(struct app *app, uint64_t cookie)
{
	struct wire_kept *k, *unused = NULL;
	unsigned i;

	for (i = 0; i < WIRE_KEPT_N; i++) {
		k = &app->kept[i];
		if (k->cookie == cookie)
			return k;
		if (!k->cookie && !unused)
			unused = k;
	}
	return unused ? unused : &app->kept[app->n_kept % WIRE_KEPT_N];
}

void offer_keep(const struct offer *o, enum wire_ext_why why,
		enum offer_refusal refusal)
{
	struct app *app = get();
	int cancel = cancel_off();
	struct wire_kept *k;

	if (app && app->kept) {
		/* the daemon asks the kernel before it shows it */
		if (app->diag && send_diag(app))
			log_debug("the daemon can't ask for our sockets");
		k = kept_slot(app, o->cookie);
		app->n_kept++;
		k->cookie = 0; /* nobody reads the half of it */
		memcpy(k->lcl, o->lcl.ip, sizeof(k->lcl));
		if (o->inode)
			memcpy(k->lcl, &o->inode, sizeof(o->inode));
		memcpy(k->rmt, o->rmt.ip, sizeof(k->rmt));
		k->lcl_port = o->lcl.port;
		k->rmt_port = o->rmt.port;
		k->is_ip4 = o->lcl.is_ip4;
		k->is_unix = o->inode != 0;
		k->why = (uint8_t)why;
		k->refusal = (uint8_t)refusal;
		k->cookie = o->cookie;
	}
	cancel_back(cancel);
	if (app)
		mutex_unlock(&app->lock);
}

void offer_keep_over(uint64_t cookie)
{
	struct app *app = get();
	unsigned i;

	if (!app)
		return;
	for (i = 0; app->kept && i < WIRE_KEPT_N; i++)
		if (app->kept[i].cookie == cookie)
			app->kept[i].cookie = 0;
	mutex_unlock(&app->lock);
}

/* --- receiving --- */

/*
 * What has been received but not handed on: the hooks may close sockets, which
 * needs app.lock, so they are called without it.  Order among messages for
 * one connection does not matter: there is but one answer to an offer.
 */
struct answer {
	struct answer *next;
	uint64_t context;
	bool granted;
	enum offer_refusal why;
	struct offer_grant grant;
};

static struct answer *answers;
static pthread_mutex_t answers_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool answered;

static bool answer_add(const struct answer *a)
{
	struct answer *copy = mem_alloc(sizeof(*copy));

	if (!copy)
		return false;
	*copy = *a;
	mutex_lock(&answers_lock);
	copy->next = answers;
	answers = copy;
	answered = true;
	mutex_unlock(&answers_lock);
	return true;
}

static struct answer *answer_take(void)
{
	struct answer *a;

	mutex_lock(&answers_lock);
	a = answers;
	if (a)
		answers = a->next;
	answered = answers != NULL;
	mutex_unlock(&answers_lock);
	return a;
}

static void on_grant(struct app *app, const struct wire_grant *w,
		     struct fdbox *box)
{
	struct answer a = { .context = w->context, .granted = true };
	int seg_fd = -1, bell_fd = -1, err;

	if (w->has_seg)
		seg_fd = fdbox_take(box, 0);
	if (w->has_bell)
		bell_fd = fdbox_take(box, w->has_seg ? 1 : 0);
	a.grant.link = w->link;
	a.grant.index = w->index;
	a.grant.side = w->side;
	a.grant.ring = w->ring;
	a.grant.epoch = app->links_epoch;
	err = seg_get(app->links_epoch, w, seg_fd, bell_fd, &a.grant);
	if (!err && answer_add(&a))
		return;
	if (!err) {
		seg_put(&a.grant);
		err = -ENOMEM;
	}
	log_debug("a link can't be used: %s", strerrorname_np(-err));
	decline(app, w->context, w->link, true);
	a.granted = false;
	a.why = OFFER_MEMORY;
	answer_add(&a);
}

void offer_message(struct app *app, const struct wire_sapi *msg,
		   struct fdbox *box)
{
	struct answer a = { 0 };
	struct wire_sapi_ext ext;

	memcpy(&ext, msg, sizeof(ext));
	switch (ext.type) {
	case WIRE_SAPI_GRANT:
		on_grant(app, &ext.grant, box);
		break;
	case WIRE_SAPI_REFUSE:
		a.context = ext.refuse.context;
		a.why = ext.refuse.why < OFFER_N_REFUSALS
				? (enum offer_refusal)ext.refuse.why
				: OFFER_PROOF;
		answer_add(&a);
		break;
	case WIRE_SAPI_PEER_GONE:
		seg_peer_gone(app->links_epoch, ext.peer_gone.peer);
		break;
	default:
		log_debug("unknown message %u", ext.type);
	}
}

bool offer_mail(void)
{
	unsigned i;
	struct app *app;

	for (i = 0; i < APP_N; i++) {
		app = app_nth(i);
		if (app->links && app->mail->sent != app->mail_seen)
			return true;
	}
	return answered;
}

/* Messages for others do not come between ours: a SEND_FDS is waited for with
 * the lock held, right after what announces it. */
static void receive(struct app *app)
{
	struct wire_sapi msg;
	struct fdbox box;
	uint32_t sent;
	ssize_t n;

	sent = app->mail->sent;
	while (app->mail_seen != sent) {
		msg.type = 0;
		n = fdbox_recv(app->sock, &msg, sizeof(msg), &box, MSG_DONTWAIT,
			       NULL);
		if (n == -EINTR)
			continue;
		if (n == 0 || (n < 0 && n != -EPROTO))
			break; /* it is there the next time */
		app->mail_seen++;
		/* -EPROTO: descriptors were lost, which is for who wants them
		 * to complain of */
		if ((n == sizeof(msg) || n == -EPROTO) && msg.type >= 0x80)
			offer_message(app, &msg, &box);
		fdbox_close(&box);
	}
}

static void hand_on(const struct answer *a)
{
	int err;

	if (!offer_hooks)
		return;
	if (!a->granted) {
		offer_hooks->refused(a->context, a->why);
		return;
	}
	err = offer_hooks->granted(a->context, &a->grant);
	if (err) {
		log_debug("a link is not taken: %s", strerrorname_np(-err));
		give_back(&a->grant, a->context);
	}
}

void offer_poll(void)
{
	struct answer *a;
	struct app *app;
	int cancel;

	/* to take a link takes memory */
	if (likely(!offer_mail()) || sig_in_handler())
		return;
	cancel = cancel_off();
	app = get();
	if (app) {
		receive(app);
		mutex_unlock(&app->lock);
	}
	while ((a = answer_take())) {
		hand_on(a);
		mem_free(a);
	}
	cancel_back(cancel);
}

void offer_fork_child(void)
{
	answers = NULL; /* the parent's */
	answered = false;
	pthread_mutex_init(&answers_lock, NULL);
	seg_fork_child();
}
