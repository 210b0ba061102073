/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - applications and their workers: how they come and go */
#include "daemon/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "daemon/alloc.h"
#include "daemon/bell.h"
#include "daemon/client.h"
#include "daemon/ext.h"
#include "daemon/loop.h"
#include "daemon/match.h"
#include "daemon/post.h"
#include "daemon/session.h"

#define QUEUE_DEFAULT 128u
#define QUEUE_MIN 32u
#define QUEUE_MAX 65536u
/* Left behind the queue to us, where clients allocate the chunks of extended
 * configurations (ABI.md 14.1). */
#define MQ_SEGMENT_SPARE (256u << 10)
#define SEGMENT_DEFAULT (64ull << 20)
/* Handles of first segments: another range than alloc.c's, whose ids count
 * from 1; below the worker's bits. */
#define FIRST_SEGMENT (1ull << 40)

static uint32_t last_handle;

static uint32_t new_handle(void)
{
	if (++last_handle == WIRE_INVALID_INDEX)
		last_handle = 1;
	return last_handle;
}

/** worker_segment_handle() - The handle of its first segment */
uint64_t worker_segment_handle(const struct worker *w)
{
	return FIRST_SEGMENT | w->handle;
}

/** app_client() - By api_client_handle, from the wire */
struct worker *app_client(const struct app *app, uint32_t handle)
{
	unsigned i, seen = 0;

	for (i = 0; i < MAX_WORKERS && seen < app->n_workers; i++) {
		if (!app->workers[i])
			continue;
		if (app->workers[i]->handle == handle)
			return app->workers[i];
		seen++;
	}
	return NULL;
}

/** app_worker() - By worker map index, from the wire */
struct worker *app_worker(const struct app *app, uint32_t index)
{
	return index < MAX_WORKERS ? app->workers[index] : NULL;
}

/* A queue in a fresh segment, which is its first content. */
static int queue_open(struct seg *seg, const char *name,
		      const struct mq_geometry *g, size_t spare, uint64_t *off)
{
	size_t bytes = mq_bytes(g);
	int ret;

	ret = seg_create(seg, name, bytes + spare);
	if (ret < 0)
		return ret;
	ret = seg_carve(seg, bytes, 8, off);
	if (!ret)
		ret = mq_create(seg, *off, g);
	if (ret < 0)
		seg_close(seg);
	else
		seg->fsh->n_reserved_bytes += (uint32_t)bytes;
	return ret;
}

static int new_eventfd(void)
{
	return k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void worker_free(struct worker *w)
{
	if (w->bell)
		bell_close(w->bell); /* it owns the eventfd */
	else if (w->evfd >= 0)
		k_close(w->evfd);
	seg_close(&w->seg);
	free(w);
}

static int worker_memory(struct worker *w)
{
	struct mq_geometry g = {
		.slots = w->app->evt_queue_size,
		.n_ctrl = MAX(16u, w->app->evt_queue_size / 32 * 2),
	};
	int ret;

	ret = queue_open(&w->seg, "sapid-worker", &g,
			 sizeof(struct wire_stats) + sizeof(struct wire_mail) +
				 WIRE_KEPT_N * sizeof(struct wire_kept) + 4096,
			 &w->mq_off);
	if (ret < 0)
		return WIRE_E_SEG_CREATE;
	ret = seg_carve(&w->seg, sizeof(struct wire_stats), 64, &w->stats_off);
	if (!ret)
		ret = seg_carve(&w->seg, sizeof(struct wire_mail), 64,
				&w->mail_off);
	if (!ret)
		ret = seg_carve(&w->seg, WIRE_KEPT_N * sizeof(struct wire_kept),
				64, &w->kept_off);
	if (ret < 0)
		return WIRE_E_SEG_CREATE;
	if (w->app->mq_eventfd)
		ret = w->evfd = new_eventfd();
	else
		ret = bell_open(&w->seg, w->mq_off, &w->bell, &w->evfd);
	if (ret < 0)
		return WIRE_E_EVENTFD_ALLOC;
	if (mq_attach(&w->mq, &w->seg, w->mq_off, w->evfd) < 0)
		return WIRE_E_SEG_CREATE;
	w->mq.lock = false; /* we are the only producer, on one thread */
	return 0;
}

/**
 * worker_open() - Give an application one more worker
 * @app:	whose
 * @conn:	its connection, which has not attached
 *
 * Return: 0 or a WIRE_E_ error
 */
int worker_open(struct app *app, struct conn *conn)
{
	struct worker *w;
	unsigned i;
	int ret;

	for (i = 0; i < MAX_WORKERS && app->workers[i]; i++)
		continue;
	if (i == MAX_WORKERS || app->n_workers >= app->ns->conf.limits.workers)
		return WIRE_E_ALLOC;
	w = calloc(1, sizeof(*w));
	if (!w)
		return WIRE_E_ALLOC;
	w->app = app;
	w->conn = conn;
	w->index = i;
	w->handle = new_handle();
	w->evfd = -1;
	list_init(&w->on_congested);
	list_init(&w->sessions);
	list_init(&w->pending);
	list_init(&w->pending_io);
	list_init(&w->letters);
	ret = worker_memory(w);
	if (ret) {
		worker_free(w);
		return ret;
	}
	app->workers[i] = w;
	app->n_workers++;
	conn->worker = w;
	conn->deadline = 0;
	conn->ns->n_unattached--;
	log_info(
		"attached namespace=%s app=%s index=%u worker=%u uid=%u pid=%d",
		app->ns->conf.name, app->name, app->index, i, conn->uid,
		conn->pid);
	return 0;
}

static int app_slot(uint32_t *index)
{
	static uint32_t next;
	struct app **bigger;
	uint32_t i, n;

	/* in turn: a child that comes after its application has gone must not
	 * find another one's under the index */
	for (n = 0; n < sapid.max_apps; n++) {
		i = (next + n) % sapid.max_apps;
		if (sapid.apps[i])
			continue;
		*index = i;
		next = i + 1;
		return 0;
	}
	i = sapid.max_apps;
	n = i ? 2 * i : 4096;
	bigger = realloc(sapid.apps, n * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + i, 0, (n - i) * sizeof(*bigger));
	sapid.apps = bigger;
	sapid.max_apps = n;
	*index = i;
	next = i + 1;
	return 0;
}

static uint32_t fifo_bytes(const struct limits *max, uint64_t asked)
{
	return (uint32_t)MIN(MAX(asked, WIRE_FIFO_MIN + 0ull), max->fifo_size);
}

/* It goes into logs and the status. */
static void app_name(struct app *app, const char *name)
{
	size_t i;

	for (i = 0; name[i]; i++)
		app->name[i] = name[i] > ' ' && name[i] < 127 && name[i] != '"'
				       ? name[i]
				       : '?';
}

/* Sizes are clamped, not refused: a client can't know our limits. */
static void app_options(struct app *app, const struct wire_attach *msg)
{
	const struct limits *max = &app->ns->conf.limits;
	uint64_t q = msg->options[WIRE_OPT_EVT_QUEUE_SIZE];
	uint64_t add = msg->options[WIRE_OPT_ADD_SEGMENT_SIZE];

	q = q ? MIN(MAX(q, QUEUE_MIN + 0ull), QUEUE_MAX + 0ull) : QUEUE_DEFAULT;
	app->evt_queue_size = (uint32_t)(q + 1) & ~1u;
	app->mq_eventfd = msg->options[WIRE_OPT_FLAGS] & WIRE_OPT_F_MQ_EVENTFD;
	app->ext = msg->options[WIRE_OPT_EXT] == WIRE_EXT_MAGIC;
	app->add_segment_size =
		add ? MIN(add, SEGMENT_DEFAULT) : SEGMENT_DEFAULT;
	app->rx_size = fifo_bytes(max, msg->options[WIRE_OPT_RX_FIFO_SIZE]);
	app->tx_size = fifo_bytes(max, msg->options[WIRE_OPT_TX_FIFO_SIZE]);
	app_name(app, msg->name);
}

/* Its queue to us, with an eventfd: then no client but this one can spoil it,
 * and we sleep in epoll (ABI.md 14.5). */
static int app_memory(struct app *app)
{
	struct mq_geometry g = { .slots = MAX(app->evt_queue_size, 128u) };
	int ret;

	g.n_ctrl = (g.slots / 2 + 1) & ~1u;
	ret = queue_open(&app->mq_seg, "sapid-mq", &g, MQ_SEGMENT_SPARE,
			 &app->mq_off);
	if (ret < 0)
		return WIRE_E_SEG_CREATE;
	app->mq_seg.fsh->n_mqs = 1;
	app->evfd = new_eventfd();
	if (app->evfd < 0)
		return WIRE_E_EVENTFD_ALLOC;
	if (mq_attach(&app->mq, &app->mq_seg, app->mq_off, app->evfd) < 0)
		return WIRE_E_SEG_CREATE;
	if (loop_add(app->evfd, LOOP_APP, app->index, EPOLLIN) < 0)
		return WIRE_E_ALLOC;
	return 0;
}

static void app_free(struct app *app)
{
	if (app->evfd >= 0) {
		loop_del(app->evfd);
		k_close(app->evfd);
	}
	seg_close(&app->mq_seg);
	list_del(&app->on_ready);
	list_del(&app->on_ns);
	app->ns->n_apps--;
	sapid.apps[app->index] = NULL;
	free(app);
}

/**
 * app_open() - A new application
 * @conn:	the connection of its first worker
 * @msg:	its name and options; the name ends
 *
 * Return: 0 or a WIRE_E_ error
 */
int app_open(struct conn *conn, const struct wire_attach *msg)
{
	struct app *app;
	int ret;

	if (conn->ns->n_apps >= conn->ns->conf.limits.apps)
		return WIRE_E_ALLOC;
	app = calloc(1, sizeof(*app));
	if (!app || app_slot(&app->index)) {
		free(app);
		return WIRE_E_ALLOC;
	}
	app->ns = conn->ns;
	app->uid = conn->uid;
	app->pid = conn->pid;
	app->netns = conn->netns;
	app->evfd = -1;
	list_init(&app->on_ready);
	list_init(&app->listeners);
	list_init(&app->segments[SIDE_SERVER]);
	list_init(&app->segments[SIDE_CLIENT]);
	list_add(&app->ns->apps, &app->on_ns);
	app->ns->n_apps++;
	sapid.apps[app->index] = app;
	app_options(app, msg);
	ret = app_memory(app);
	if (!ret)
		ret = worker_open(app, conn);
	if (ret)
		app_free(app);
	return ret;
}

static void app_close(struct app *app)
{
	segments_leave(app);
	log_info("detached namespace=%s app=%s index=%u uid=%u pid=%d",
		 app->ns->conf.name, app->name, app->index, app->uid, app->pid);
	app_free(app);
}

/** worker_doom() - A worker did what it may not */
void worker_doom(struct worker *w, const char *why)
{
	client_doom(w->conn, why);
}

/**
 * worker_close() - A worker is gone
 * @w:		it; its connection is closed by the caller
 *
 * What it announced and nobody took is offered to others, what it shared goes
 * to who shares it, the rest is closed towards the peers.
 */
void worker_close(struct worker *w)
{
	struct app *app = w->app;

	match_leave_all(w);
	session_close_all(w);
	segments_forget(w);
	post_drop(w);
	ext_leave(w);
	w->conn->worker = NULL;
	app->workers[w->index] = NULL;
	app->n_workers--;
	worker_free(w);
	if (!app->n_workers)
		app_close(app);
}
