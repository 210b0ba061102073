/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c - the messages of the attach socket */
#include "daemon/attach.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/wire/ext.h"
#include "daemon/client.h"
#include "daemon/diag.h"
#include "daemon/ext.h"
#include "daemon/page.h"
#include "daemon/worker.h"

#define ATTACHED(conn) ((conn)->worker != NULL)

static uint32_t features(const struct conn *conn)
{
	uint32_t f = WIRE_EXT_STATS | WIRE_EXT_KEPT;

	if (conn->ns->conf.dialect == WIRE_2510)
		f |= WIRE_EXT_2510;
	if (!ext_has_links())
		return f;
	return f | WIRE_EXT_LINKS | WIRE_EXT_WITHDRAW |
	       (conn->netns == sapid.netns ? 0 : WIRE_EXT_DIAG) |
	       (diag_has_unix() ? WIRE_EXT_UNIX : 0) |
	       (diag_has_udp() ? WIRE_EXT_UDP : 0) |
	       (conn->ns->conf.any_netns ? WIRE_EXT_NETWORKS : 0);
}

/* A worker of libsapi gets the trailer too; @w is NULL in an error. */
static void reply(struct conn *conn, const struct wire_sapi *msg,
		  const struct fdbox *box, const struct worker *w)
{
	struct wire_ext_reply out = { .sapi = *msg };
	size_t len = sizeof(out.sapi);
	ssize_t ret;

	if (w && w->app->ext) {
		out.hello.magic = WIRE_EXT_MAGIC;
		out.hello.size = sizeof(out.hello);
		out.hello.features = features(conn);
		out.hello.stats_off = w->stats_off;
		out.hello.netns = conn->netns;
		out.hello.mail_off = w->mail_off;
		out.hello.kept_off = w->kept_off;
		len = sizeof(out);
	}
	ret = fdbox_send(conn->fd, &out, len, box, MSG_DONTWAIT);
	if (ret < 0)
		client_doom(conn, "takes no reply");
}

/* The descriptor stays ours: the box is never closed. */
static void lend(struct fdbox *box, int fd)
{
	box->fd[box->n++] = fd;
}

/* Behind what VPP's reply counts: a stock client does not get it. */
static void lend_page(struct fdbox *box, const struct worker *w)
{
	if (w->app->ext && ext_has_links())
		lend(box, page_fd());
}

/* Nobody is given these again: a forked worker inherits the mapping, and
 * others get segments of their own. */
static void give_up(struct seg *seg)
{
	k_close(seg->map.fd);
	seg->map.fd = -1;
}

static void attach_reply(struct conn *conn, int retval)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_ATTACH_REPLY };
	struct wire_attach_reply *r = &msg.attach_reply;
	struct worker *w = conn->worker;
	struct fdbox box;

	fdbox_init(&box);
	r->retval = retval;
	if (!retval) {
		r->app_index = w->app->index;
		r->app_mq = w->mq_off;
		r->vpp_ctrl_mq = w->app->mq_off;
		r->segment_handle = worker_segment_handle(w);
		r->api_client_handle = w->handle;
		r->fd_flags = WIRE_FD_VPP_MQ_SEGMENT | WIRE_FD_MEMFD_SEGMENT |
			      WIRE_FD_VPP_MQ_EVENTFD;
		lend(&box, w->app->mq_seg.map.fd);
		lend(&box, w->seg.map.fd);
		if (w->app->mq_eventfd) {
			r->fd_flags |= WIRE_FD_MQ_EVENTFD;
			lend(&box, w->evfd);
		}
		lend(&box, w->app->evfd);
		r->n_fds = (uint8_t)box.n;
		lend_page(&box, w);
	}
	reply(conn, &msg, &box, retval ? NULL : w);
	if (!retval) {
		give_up(&w->app->mq_seg);
		give_up(&w->seg);
	}
}

static void attach(struct conn *conn, const struct wire_attach *msg)
{
	struct wire_attach copy = *msg;
	int ret;

	if (ATTACHED(conn)) {
		/* The reply to a second attach says nothing of the first */
		attach_reply(conn, WIRE_E_APP_ATTACHED);
		return;
	}
	copy.name[sizeof(copy.name) - 1] = '\0';
	if (copy.options[WIRE_OPT_PREALLOC_PAIRS] &&
	    copy.options[WIRE_OPT_PREALLOC_HDRS])
		ret = WIRE_E_NOSUPPORT;
	else
		ret = app_open(conn, &copy);
	attach_reply(conn, ret);
	if (ret)
		log_info("attach-failed namespace=%s uid=%u pid=%d retval=%d",
			 conn->ns->conf.name, conn->uid, conn->pid, ret);
}

static void worker_reply(struct conn *conn, int retval)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_WORKER_REPLY };
	struct wire_worker_reply *r = &msg.worker_reply;
	struct worker *w = conn->worker;
	struct fdbox box;

	fdbox_init(&box);
	r->retval = retval;
	r->is_add = 1;
	if (!retval) {
		r->wrk_index = w->index;
		r->app_event_queue_address = w->mq_off;
		r->segment_handle = worker_segment_handle(w);
		r->api_client_handle = w->handle;
		r->fd_flags = WIRE_FD_MEMFD_SEGMENT;
		lend(&box, w->seg.map.fd);
		if (w->app->mq_eventfd) {
			r->fd_flags |= WIRE_FD_MQ_EVENTFD;
			lend(&box, w->evfd);
		}
		r->n_fds = (uint8_t)box.n;
		lend_page(&box, w);
	}
	reply(conn, &msg, &box, retval ? NULL : w);
	if (!retval)
		give_up(&w->seg);
}

/* An application's workers are its own: the same user, the same namespace
 * (VPP lets anybody add one: ABI.md trap 29). */
static void worker_add(struct conn *conn, const struct wire_worker *msg)
{
	struct app *app;
	int ret;

	app = msg->app_index < sapid.max_apps ? sapid.apps[msg->app_index]
					      : NULL;
	if (!app || app->ns != conn->ns || app->uid != conn->uid ||
	    app->netns != conn->netns)
		ret = WIRE_E_INVALID; /* first, as in VPP */
	else if (ATTACHED(conn))
		ret = WIRE_E_APP_ATTACHED;
	else
		ret = worker_open(app, conn);
	worker_reply(conn, ret);
}

/* No answer either way, as in VPP. */
static void worker_del(struct conn *conn, const struct wire_worker *msg)
{
	struct worker *w = NULL;

	if (ATTACHED(conn) && msg->app_index == conn->worker->app->index &&
	    msg->wrk_index < MAX_WORKERS)
		w = conn->worker->app->workers[msg->wrk_index];
	if (w)
		client_doom(w->conn, NULL);
	else
		sapid.count.rejects++;
}

/* There is no TLS here: refuse, and expect the payload that follows. */
static void cert(struct conn *conn, const struct wire_cert *msg)
{
	struct wire_sapi out = { .type = WIRE_SAPI_CERT_REPLY };
	struct fdbox box;

	fdbox_init(&box);
	if (msg->is_add)
		conn->skip_bytes = msg->certkey_len;
	out.cert_reply.context = msg->context;
	out.cert_reply.retval = WIRE_E_NOSUPPORT;
	reply(conn, &out, &box, NULL);
}

/**
 * attach_message() - One message of the attach socket
 * @conn:	from whom
 * @msg:	what; hostile
 * @box:	what came along
 */
void attach_message(struct conn *conn, const struct wire_sapi *msg,
		    struct fdbox *box)
{
	switch (msg->type) {
	case WIRE_SAPI_ATTACH:
		attach(conn, &msg->attach);
		break;
	case WIRE_SAPI_WORKER:
		if (msg->worker.is_add)
			worker_add(conn, &msg->worker);
		else
			worker_del(conn, &msg->worker);
		break;
	case WIRE_SAPI_CERT:
		cert(conn, &msg->cert);
		break;
	default:
		if (ext_message(conn, msg, box))
			break;
		/* ignored, as in VPP: there is no error message */
		sapid.count.rejects++;
		log_debug("unknown-message type=%u pid=%d", msg->type,
			  conn->pid);
	}
}
