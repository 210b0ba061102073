/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c - dial the session layer, attach, add a worker */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fdbox.h"
#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sess/app.h"
#include "core/sess/offer.h"

/* A session layer that does not answer must not hold up the program. */
#define DIAL_TIMEOUT_MS 2000

static struct wire_stats nobody_reads; /* counters of a stock VPP's app */
const struct wire_mail attach_no_mail; /* no message ever */

static int make_address(const char *path, struct sockaddr_un *sun,
			socklen_t *len)
{
	static const char abstract[] = "abstract:";
	size_t n;

	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (!strncmp(path, abstract, sizeof(abstract) - 1)) {
		path += sizeof(abstract) - 1;
		n = strlen(path);
		if (n + 1 > sizeof(sun->sun_path))
			return -ENAMETOOLONG;
		memcpy(sun->sun_path + 1, path, n);
		n++;
	} else {
		n = strlen(path);
		if (n + 1 > sizeof(sun->sun_path))
			return -ENAMETOOLONG;
		memcpy(sun->sun_path, path, n);
	}
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static int dial(struct app *app)
{
	struct timeval tv = { .tv_sec = DIAL_TIMEOUT_MS / 1000 };
	uint64_t end = app_now_ms() + DIAL_TIMEOUT_MS;
	struct sockaddr_un sun;
	socklen_t len;
	int fd, err;

	err = make_address(app->path, &sun, &len);
	if (err)
		return err;
	fd = k_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	fd = private_fd(fd);
	/* a full back-log blocks connect(2): the send time-out bounds it */
	err = k_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (!err)
		err = k_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv,
				   sizeof(tv));
	while (!err &&
	       (err = k_connect(fd, (struct sockaddr *)&sun, len)) == -EINTR &&
	       app_now_ms() < end)
		err = 0;
	if (err) {
		private_close(fd);
		return err;
	}
	app->sock = fd;
	return 0;
}

/* A program's signals must not part a message from its descriptors, nor make
 * a socket the kernel's. */
static ssize_t recv_msg(struct app *app, void *buf, size_t len,
			struct fdbox *box)
{
	uint64_t end = app_now_ms() + DIAL_TIMEOUT_MS;
	ssize_t n;

	do {
		n = fdbox_recv(app->sock, buf, len, box, 0, NULL);
	} while (n == -EINTR && app_now_ms() < end);
	return n;
}

/* One request, one reply: the reply's type must be @type. */
static int converse(struct app *app, const struct wire_sapi *req, uint8_t type,
		    struct wire_ext_reply *reply, struct fdbox *box)
{
	ssize_t n;

	fdbox_init(box);
	do {
		n = fdbox_send(app->sock, req, sizeof(*req), NULL, 0);
	} while (n == -EINTR);
	if (n != sizeof(*req))
		return n < 0 ? (int)n : -EPROTO;
	memset(reply, 0, sizeof(*reply));
	n = recv_msg(app, reply, sizeof(*reply), box);
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(reply->sapi) || reply->sapi.type != type) {
		fdbox_close(box);
		return n ? -EPROTO : -ECONNRESET;
	}
	app->sapid = n >= (ssize_t)sizeof(*reply) &&
		     reply->hello.magic == WIRE_EXT_MAGIC;
	if (app->sapid) {
		app->dialect = reply->hello.features & WIRE_EXT_2510
				       ? WIRE_2510
				       : WIRE_2606;
		app->dialect_known = true;
	}
	return 0;
}

/* Take slot *@i of the box as a segment; its descriptor is not kept. */
static int take_segment(struct fdbox *box, unsigned *i, struct seg *seg,
			struct map_place *place)
{
	int fd = fdbox_take(box, (*i)++), err;

	if (fd < 0)
		return fd;
	err = seg_attach_at(seg, fd, place);
	if (err)
		return err;
	k_close(seg->map.fd);
	seg->map.fd = -1;
	return 0;
}

static int take_eventfd(struct fdbox *box, unsigned *i, int *evfd)
{
	int fd = fdbox_take(box, (*i)++), flags;

	if (fd < 0)
		return fd;
	*evfd = private_fd(fd);
	flags = k_fcntl(*evfd, F_GETFL, 0);
	if (flags < 0)
		return flags;
	return k_fcntl(*evfd, F_SETFL, flags | O_NONBLOCK);
}

/*
 * DOC: Queues, mail and page of a session layer are looked at without a lock,
 * so when it has gone nobody knows when the last look is over.  They stay
 * mapped, and the next session layer's go over them (struct map_place): a late
 * look sees its queue, and a late count is counted there.  But not where
 * something is in use that must not change under its user: a queue that a
 * thread is sending to, or FIFOs that a session has in the worker's segment.
 * Those stay what they are, and other addresses are the place.
 */
static struct map_place *mq_place(struct app *app)
{
	/* pairs with the increment in app_send(): attached was false before */
	if (app->sending)
		app->mq_place = (struct map_place){ 0 };
	return &app->mq_place;
}

static struct map_place *worker_place(struct app *app)
{
	if (app_seg_is_at(app, app->worker_place.at))
		app->worker_place = (struct map_place){ 0 };
	return &app->worker_place;
}

/* The worker's first segment with its queue, and where the counters are. */
static int take_worker(struct app *app, const struct wire_ext_reply *reply,
		       struct fdbox *box, unsigned *i, uint8_t fd_flags,
		       uint64_t handle, uint64_t queue)
{
	struct app_seg *seg;
	void *stats;
	int err, fd;

	app->app_evfd = -1;
	if (!(fd_flags & WIRE_FD_MEMFD_SEGMENT) ||
	    !(fd_flags & WIRE_FD_MQ_EVENTFD))
		return -EPROTO;
	fd = fdbox_take(box, (*i)++);
	if (fd < 0)
		return fd;
	err = app_add_segment(app, handle, fd, worker_place(app));
	if (err)
		return err;
	seg = app_seg(app, handle);
	if (!seg)
		return -EPROTO;
	seg->sessions++; /* the queue itself */
	app->queue_seg = seg;
	err = take_eventfd(box, i, &app->app_evfd);
	if (err)
		return err;
	app->stats = &nobody_reads;
	if (app->sapid && reply->hello.features & WIRE_EXT_STATS) {
		stats = map_at(&seg->seg.map, reply->hello.stats_off,
			       sizeof(struct wire_stats));
		if (stats && !(reply->hello.stats_off % 8))
			app->stats = stats;
	}
	return mq_attach(&app->app_mq, &seg->seg, queue, app->app_evfd);
}

static void attach_no_links(struct app *app)
{
	app->links = false;
	app->page = NULL;
	app->mail = &attach_no_mail;
}

/* Where to say what stays with the kernel; an older sapid does not ask. */
static void take_kept(struct app *app, const struct wire_ext_reply *reply)
{
	app->n_kept = 0;
	app->kept = NULL;
	if (reply->hello.features & WIRE_EXT_KEPT &&
	    !(reply->hello.kept_off % 64))
		app->kept =
			map_at(&app->queue_seg->seg.map, reply->hello.kept_off,
			       WIRE_KEPT_N * sizeof(*app->kept));
}

/* The page and the mail, without which there are no links: no failure. */
static void take_links(struct app *app, const struct wire_ext_reply *reply,
		       struct fdbox *box)
{
	const struct wire_page *page;
	const struct wire_mail *mail;
	int fd;

	if (!app->sapid || !(reply->hello.features & WIRE_EXT_LINKS))
		return;
	fd = box->n ? fdbox_take(box, box->n - 1) : -1;
	mail = map_at(&app->queue_seg->seg.map, reply->hello.mail_off,
		      sizeof(*mail));
	if (fd < 0 || map_page(fd, sizeof(*page), &app->page_place))
		return;
	page = app->page_place.at;
	if (!mail || reply->hello.mail_off % 64 ||
	    page->magic != WIRE_PAGE_MAGIC)
		return;
	app->diag = reply->hello.features & WIRE_EXT_DIAG;
	take_kept(app, reply);
	app->networks = reply->hello.features & WIRE_EXT_NETWORKS;
	app->unixes = reply->hello.features & WIRE_EXT_UNIX;
	app->udps = reply->hello.features & WIRE_EXT_UDP;
	app->withdraws = reply->hello.features & WIRE_EXT_WITHDRAW;
	app->mail_seen = 0;
	app->mail = mail;
	app->page = page;
	app->links_epoch++;
	app->links = true;
}

static int take_queues(struct app *app, struct fdbox *box, unsigned i,
		       uint8_t fd_flags)
{
	bool evfds = fd_flags & WIRE_FD_VPP_MQ_EVENTFD;
	unsigned n = app->mq_seg.fsh->n_mqs;
	uint64_t off;
	int err;

	if (!n || n > APP_MAX_MQS)
		return -EPROTO;
	for (app->n_mqs = 0; app->n_mqs < n; app->n_mqs++) {
		int *evfd = &app->mq_evfd[app->n_mqs];

		*evfd = -1;
		err = evfds ? take_eventfd(box, &i, evfd) : 0;
		if (!err)
			err = mq_discover(&app->mq_seg, app->n_mqs, &off);
		if (!err)
			err = mq_attach(&app->mqs[app->n_mqs], &app->mq_seg,
					off, *evfd);
		if (err) {
			private_close(*evfd);
			return err;
		}
	}
	return 0;
}

static void fill_attach(struct wire_attach *a)
{
	const struct conf *conf = conf_get();
	uint64_t options[WIRE_N_OPTIONS] = { 0 };

	memcpy(a->name, conf->app_name, sizeof(a->name));
	a->name[sizeof(a->name) - 1] = 0;
	options[WIRE_OPT_FLAGS] = WIRE_OPT_F_ACCEPT_REDIRECT |
				  WIRE_OPT_F_ADD_SEGMENT |
				  WIRE_OPT_F_MQ_EVENTFD;
	if (conf->scope_local)
		options[WIRE_OPT_FLAGS] |= WIRE_OPT_F_LOCAL_SCOPE;
	if (conf->scope_global)
		options[WIRE_OPT_FLAGS] |= WIRE_OPT_F_GLOBAL_SCOPE;
	if (conf->huge_page)
		options[WIRE_OPT_FLAGS] |= WIRE_OPT_F_HUGE_PAGE;
	if (conf->original_dst)
		options[WIRE_OPT_FLAGS] |= WIRE_OPT_F_ORIGINAL_DST;
	options[WIRE_OPT_EVT_QUEUE_SIZE] = conf->event_queue_size;
	options[WIRE_OPT_SEGMENT_SIZE] = conf->segment_size;
	options[WIRE_OPT_ADD_SEGMENT_SIZE] = conf->add_segment_size;
	options[WIRE_OPT_RX_FIFO_SIZE] = conf->rx_fifo_size;
	options[WIRE_OPT_TX_FIFO_SIZE] = conf->tx_fifo_size;
	options[WIRE_OPT_PREALLOC_PAIRS] = conf->prealloc_fifo_pairs;
	options[WIRE_OPT_EXT] = WIRE_EXT_MAGIC;
	options[WIRE_OPT_TLS_ENGINE] = conf->tls_engine;
	memcpy(a->options, options, sizeof(options)); /* packed */
}

static int retval_error(int32_t retval)
{
	log_info("attach refused: retval %d", retval);
	return -ECONNREFUSED;
}

static int attach_request(struct app *app, struct fdbox *box)
{
	struct wire_sapi req = { .type = WIRE_SAPI_ATTACH };
	struct wire_ext_reply reply;
	const struct wire_attach_reply *r = &reply.sapi.attach_reply;
	unsigned i = 0;
	int err;

	fill_attach(&req.attach);
	err = converse(app, &req, WIRE_SAPI_ATTACH_REPLY, &reply, box);
	if (err)
		return err;
	if (r->retval)
		return retval_error(r->retval);
	if (!(r->fd_flags & WIRE_FD_VPP_MQ_SEGMENT))
		return -EPROTO;
	err = take_segment(box, &i, &app->mq_seg, mq_place(app));
	if (err)
		return err;
	err = take_worker(app, &reply, box, &i, r->fd_flags, r->segment_handle,
			  r->app_mq);
	if (err)
		return err;
	err = take_queues(app, box, i, r->fd_flags);
	if (err)
		return err;
	if (r->vpp_ctrl_mq_thread >= app->n_mqs)
		return -EPROTO;
	app->ctrl_mq = r->vpp_ctrl_mq_thread;
	app->app_index = r->app_index;
	app->client = r->api_client_handle;
	app->wrk_index = 0;
	take_links(app, &reply, box);
	return 0;
}

static int worker_request(struct app *app, struct fdbox *box)
{
	struct wire_sapi req = { .type = WIRE_SAPI_WORKER };
	struct wire_ext_reply reply;
	const struct wire_worker_reply *r = &reply.sapi.worker_reply;
	unsigned i = 0;
	int err;

	req.worker.app_index = app->app_index;
	req.worker.is_add = 1;
	err = converse(app, &req, WIRE_SAPI_WORKER_REPLY, &reply, box);
	if (err)
		return err;
	if (r->retval)
		return retval_error(r->retval);
	/* never sent by VPP; if it ever is, it comes first (ABI.md 4.4) */
	if (r->fd_flags & WIRE_FD_VPP_MQ_SEGMENT)
		i++;
	err = take_worker(app, &reply, box, &i, r->fd_flags, r->segment_handle,
			  r->app_event_queue_address);
	if (err)
		return err;
	app->wrk_index = r->wrk_index;
	app->client = r->api_client_handle;
	take_links(app, &reply, box);
	return 0;
}

static int run(struct app *app, int (*request)(struct app *, struct fdbox *))
{
	struct fdbox box;
	int err;

	err = dial(app);
	if (err)
		return err;
	fdbox_init(&box);
	err = request(app, &box);
	fdbox_close(&box);
	return err;
}

/**
 * attach_dial() - Attach this process as an application
 * @app:	Lock held, not attached
 *
 * On failure the caller undoes by attach_undo().
 */
int attach_dial(struct app *app)
{
	app->stats = &nobody_reads;
	attach_no_links(app);
	memset(&app->mq_seg, 0, sizeof(app->mq_seg));
	app->n_mqs = 0;
	app->dialect_known = false;
	app->release = 0;
	app->attachment++;
	return run(app, attach_request);
}

/**
 * attach_worker() - Attach this forked process as a worker of its parent's app
 * @app:	Lock held, APP_INHERITED
 */
int attach_worker(struct app *app)
{
	bool sapid = app->sapid;
	int err;

	app->parent_wrk = app->wrk_index;
	app->parent_client = app->client;
	err = run(app, worker_request);
	if (!err && sapid && !app->sapid)
		err = -EPROTO;
	return err;
}

/**
 * attach_undo() - Close what a failed or ended attachment has open
 */
void attach_undo(struct app *app)
{
	unsigned i;

	private_close(app->sock);
	private_close(app->app_evfd);
	attach_drop_early(app);
	for (i = 0; i < app->n_mqs; i++) {
		private_close(app->mq_evfd[i]);
		app->mq_evfd[i] = -1;
	}
	app->sock = app->app_evfd = -1;
	app->stats = &nobody_reads;
	attach_no_links(app);
}

/**
 * attach_recv_segment() - Receive the descriptor that APP_ADD_SEGMENT announces
 *
 * The server sends it before it queues the event, so it is there.
 */
int attach_recv_segment(struct app *app, int *fd)
{
	struct wire_sapi msg;
	struct fdbox box;
	ssize_t n;

	if (app->n_early) {
		*fd = app->early[0];
		memmove(app->early, app->early + 1,
			--app->n_early * sizeof(app->early[0]));
		return 0;
	}
	for (;;) {
		msg.type = 0;
		n = recv_msg(app, &msg, sizeof(msg), &box);
		/* -EPROTO: descriptors were lost */
		if (n < 0 && n != -EPROTO)
			return (int)n;
		if ((n >= 0 && n != sizeof(msg)) || msg.type < 0x80)
			break;
		app->mail_seen++; /* an extension's, which came before */
		offer_message(app, &msg, &box);
		fdbox_close(&box);
	}
	*fd = n == sizeof(msg) && msg.type == WIRE_SAPI_SEND_FDS
		      ? fdbox_take(&box, 0)
		      : -EPROTO;
	fdbox_close(&box);
	return *fd < 0 ? *fd : 0;
}

/* --- certificates --- */

void attach_drop_early(struct app *app)
{
	while (app->n_early)
		k_close(app->early[--app->n_early]);
}

/* VPP waits for the second packet only some 100 microseconds: one call. */
static int send_cert(struct app *app, const struct wire_sapi *req,
		     const char *text, size_t len)
{
	struct iovec iov[2] = { { (void *)req, sizeof(*req) },
				{ (void *)text, len } };
	struct mmsghdr msgs[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } }
	};
	int n;

	do {
		n = k_sendmmsg(app->sock, msgs, 2, MSG_NOSIGNAL);
	} while (n == -EINTR);
	return n == 2 ? 0 : n < 0 ? n : -EPROTO;
}

/* The answer; a segment may come before it, whose announcement is read later.
 */
static int recv_cert(struct app *app, struct wire_sapi *msg)
{
	struct fdbox box;
	ssize_t n;
	int fd;

	for (;;) {
		n = recv_msg(app, msg, sizeof(*msg), &box);
		if (n < 0)
			return (int)n;
		fd = fdbox_take(&box, 0);
		fdbox_close(&box);
		if (n != sizeof(*msg))
			break;
		if (msg->type != WIRE_SAPI_SEND_FDS) {
			if (fd >= 0)
				k_close(fd);
			return msg->type == WIRE_SAPI_CERT_REPLY ? 0 : -EPROTO;
		}
		if (fd < 0 || app->n_early == APP_EARLY)
			break;
		app->early[app->n_early++] = fd;
	}
	if (fd >= 0)
		k_close(fd);
	return n ? -EPROTO : -ECONNRESET;
}

/**
 * attach_add_cert() - Give VPP a certificate and its key
 * @app:	Lock held, attached to VPP
 * @index:	What VPP calls the two
 *
 * Whatever goes wrong, VPP reads what is left of it as another message or we
 * do, so that is the end of this attachment; another one follows.
 */
int attach_add_cert(struct app *app, const char *text, size_t cert_len,
		    size_t len, uint32_t *index)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_CERT };
	int err;

	msg.cert.context = app->wrk_index;
	msg.cert.cert_len = (uint16_t)cert_len;
	msg.cert.certkey_len = (uint16_t)len;
	msg.cert.is_add = 1;
	err = send_cert(app, &msg, text, len);
	if (!err)
		err = recv_cert(app, &msg);
	if (!err && msg.cert_reply.retval) {
		log_warn("%s: no certificate: retval %d", app->path,
			 msg.cert_reply.retval);
		err = -EPROTO;
	}
	if (err) {
		k_shutdown(app->sock, SHUT_RDWR);
		return err;
	}
	*index = msg.cert_reply.index;
	log_debug("%s: certificate %u", app->path, *index);
	return 0;
}
