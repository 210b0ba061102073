/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext.c - what workers of libsapi hear and say beside VPP's messages
 *
 * DOC: Messages to a worker that does not read wait in a list, in order, up to
 * the namespace's max-pending. What carries descriptors does not wait: a link
 * is refused then, which is the kernel's connection as before.
 */
#include "daemon/ext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/log.h"
#include "daemon/client.h"
#include "daemon/diag.h"
#include "daemon/grant.h"
#include "daemon/loop.h"
#include "daemon/offer.h"
#include "daemon/page.h"
#include "daemon/peer.h"
#include "daemon/port.h"
#include "daemon/worker.h"

struct letter {
	struct list on_worker;
	struct wire_sapi_ext msg;
};

/** ext_open() - Before the first client */
void ext_open(void)
{
	int ret;

	grant_init();
	offer_init();
	ret = diag_open();
	if (ret) {
		log_warn("no-links reason=\"no socket diagnostics: %s\"",
			 strerror(-ret));
		return;
	}
	ret = page_open();
	if (ret)
		log_warn("no-links reason=\"no page: %s\"", strerror(-ret));
}

/** ext_close() - At the end, when no connection is left */
void ext_close(void)
{
	peer_close_all();
	page_close();
	diag_close();
}

/** ext_has_links() - Can links be granted here? */
bool ext_has_links(void)
{
	return page_fd() >= 0;
}

/* LISTEN and the like mean nothing before links were announced. */
static struct worker *worker_of(const struct conn *conn)
{
	struct worker *w = conn->worker;

	return w && w->app->ext && ext_has_links() ? w : NULL;
}

static void adopt(struct conn *conn, struct fdbox *box)
{
	int fd = box->n == 1 ? fdbox_take(box, 0) : -1;

	if (fd >= 0)
		diag_adopt(conn, fd);
	else
		sapid.count.rejects++;
}

/**
 * ext_message() - One message of a client, if it is of ours
 * @conn:	from whom
 * @msg:	hostile
 * @box:	what came along; what is left there is the caller's
 *
 * Return: false if somebody else has to see to it
 */
bool ext_message(struct conn *conn, const struct wire_sapi *msg,
		 struct fdbox *box)
{
	struct worker *w = worker_of(conn);
	struct wire_sapi_ext ext;

	if (!w)
		return false;
	memcpy(&ext, msg, sizeof(ext));
	switch (ext.type) {
	case WIRE_SAPI_LISTEN:
		port_message(w, &ext.listen);
		return true;
	case WIRE_SAPI_OFFER:
		offer_message(w, &ext.offer, box);
		return true;
	case WIRE_SAPI_DONE:
		grant_message(w, &ext.done);
		return true;
	case WIRE_SAPI_WITHDRAW:
		offer_withdraw(w, &ext.withdraw);
		return true;
	case WIRE_SAPI_DIAG:
		adopt(conn, box);
		return true;
	default:
		return false;
	}
}

/* The client sees without a call that there is something. */
static void count_mail(struct worker *w)
{
	struct wire_mail *mail =
		map_at(&w->seg.map, w->mail_off, sizeof(*mail));

	mail->sent = ++w->n_mails;
}

static int send_now(struct worker *w, const struct wire_sapi_ext *msg,
		    const struct fdbox *box)
{
	ssize_t ret;

	do {
		ret = fdbox_send(w->conn->fd, msg, sizeof(*msg), box,
				 MSG_DONTWAIT);
	} while (ret == -EINTR);
	if (ret == -EAGAIN)
		return -EAGAIN;
	if (ret < 0) {
		/* it has left, or we have no memory */
		client_doom(w->conn, ret == -EPIPE || ret == -ECONNRESET
					     ? NULL
					     : "takes no message");
		return (int)ret;
	}
	count_mail(w);
	return 0;
}

/** ext_send() - Send a message now or not at all */
int ext_send(struct worker *w, const struct wire_sapi_ext *msg,
	     const struct fdbox *box)
{
	if (w->conn->doomed)
		return -EPIPE;
	return ext_is_waiting(w) ? -EAGAIN : send_now(w, msg, box);
}

/** ext_is_waiting() - Does the worker read nothing? */
bool ext_is_waiting(const struct worker *w)
{
	return w->n_letters != 0;
}

static void watch(struct worker *w, uint32_t events)
{
	if (loop_change(w->conn->fd, LOOP_CONN, w->conn->index, events))
		worker_doom(w, "can't be watched");
}

static void letter_free(struct worker *w, struct letter *l)
{
	list_del(&l->on_worker);
	w->n_letters--;
	free(l);
}

static void keep(struct worker *w, const struct wire_sapi_ext *msg)
{
	struct letter *l;

	l = w->n_letters < w->app->ns->conf.limits.pending ? malloc(sizeof(*l))
							   : NULL;
	if (!l) {
		worker_doom(w, "lets too many messages wait");
		return;
	}
	l->msg = *msg;
	list_add(&w->letters, &l->on_worker);
	if (!w->n_letters++)
		watch(w, EPOLLIN | EPOLLOUT);
}

/** ext_post() - Send a message, later if need be */
void ext_post(struct worker *w, const struct wire_sapi_ext *msg)
{
	if (w->conn->doomed)
		return;
	if (ext_send(w, msg, NULL) == -EAGAIN)
		keep(w, msg);
}

/** ext_flush() - Send what waits, as far as it goes */
void ext_flush(struct worker *w)
{
	struct letter *l;

	if (!w->n_letters)
		return;
	while (w->n_letters && !w->conn->doomed) {
		l = list_first(&w->letters, struct letter, on_worker);
		if (send_now(w, &l->msg, NULL))
			return;
		letter_free(w, l);
	}
	watch(w, EPOLLIN);
}

/** ext_leave() - The worker is gone */
void ext_leave(struct worker *w)
{
	port_leave(w);
	peer_leave(w);
	while (w->n_letters)
		letter_free(w,
			    list_first(&w->letters, struct letter, on_worker));
}
