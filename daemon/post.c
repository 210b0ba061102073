/* SPDX-License-Identifier: Apache-2.0 */
/*
 * post.c - messages to a worker: in order, never waiting for it
 *
 * DOC: A worker's queue may be full, because it is slow, stopped or hostile.
 * Control messages then wait in a list, in order, up to a limit; the I/O
 * events of a session are merged into two bits of the session (of a worker
 * that only subscribes: into an array of its own), so they need no memory and
 * can't be too many. I/O events never overtake control messages, or one would
 * come for a session that the application has not heard of, and be ignored.
 * Control messages may overtake I/O events: those only say "look there".
 *
 * An announcement of a segment is two things, a descriptor over the socket
 * and a message; either may find no room. Its place in the list keeps both in
 * order with what refers to the segment, and holds a reference to it.
 *
 * While somebody is congested the loop comes back after 1 ms, and if nothing
 * moves after 2, 4, ... 64: a stopped client costs next to nothing.
 */
#include "daemon/post.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "core/base/log.h"
#include "daemon/alloc.h"
#include "daemon/client.h"
#include "daemon/loop.h"
#include "daemon/worker.h"

#define RETRY_MAX_MS 64

struct waiting {
	struct list on_worker;
	struct ctrl ctrl;
	struct segment *segment; /* to be sent first; NULL: has been, or none */
};

struct sub_io {
	uint64_t session;
	uint32_t app_index;
	unsigned io;
};

static unsigned retry_ms; /* 0: nobody is congested */
static uint64_t retry_at;

static enum wire_dialect dialect_of(const struct worker *w)
{
	return w->app->ns->conf.dialect;
}

static void congest(struct worker *w)
{
	if (!list_empty(&w->on_congested))
		return;
	list_add(&sapid.congested, &w->on_congested);
	if (!retry_ms) {
		retry_ms = 1;
		retry_at = loop_now_ms() + retry_ms;
	}
}

/* 0, -EAGAIN; a worker whose queue is broken is doomed and takes anything. */
static int put(struct worker *w, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len = ctrl_encode(dialect_of(w), c, elt);
	int ret;

	if (len < 0)
		return 0; /* this release has no such message */
	ret = mq_send(&w->mq, ctrl_ring(c->type), elt, (size_t)len);
	if (ret && ret != -EAGAIN) {
		worker_doom(w, "broke its queue");
		ret = 0;
	}
	return ret;
}

static int put_io(struct worker *w, uint32_t app_index, unsigned *io)
{
	struct ctrl c = { .io.session_index = app_index };
	int ret;

	while (*io) {
		c.type = *io & IO_RX ? WIRE_EV_IO_RX : WIRE_EV_IO_TX;
		ret = put(w, &c);
		if (ret)
			return ret;
		sapid.count.doorbells++;
		*io &= ~(*io & IO_RX ? IO_RX : IO_TX);
	}
	return 0;
}

/* Hand the segment's descriptor over: 0 or -EAGAIN. */
static int send_segment(struct worker *w, struct segment *segment)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_SEND_FDS };
	struct fdbox box;
	ssize_t ret;

	fdbox_init(&box);
	box.fd[box.n++] = segment->seg.map.fd; /* lent: not closed below */
	ret = fdbox_send(w->conn->fd, &msg, sizeof(msg), &box, MSG_DONTWAIT);
	if (ret == -EAGAIN)
		return -EAGAIN;
	if (ret < 0)
		worker_doom(w, "takes no descriptor");
	return 0;
}

static void waiting_free(struct worker *w, struct waiting *m)
{
	list_del(&m->on_worker);
	w->n_pending--;
	if (m->segment)
		segment_unref(m->segment);
	free(m);
}

static void wait_for_room(struct worker *w, const struct ctrl *c,
			  struct segment *segment)
{
	struct waiting *m;

	if (w->n_pending >= w->app->ns->conf.limits.pending) {
		worker_doom(w, "does not read its messages");
		return;
	}
	m = malloc(sizeof(*m));
	if (!m) {
		worker_doom(w, "no memory for its messages");
		return;
	}
	m->ctrl = *c;
	m->segment = segment;
	if (segment)
		segment_ref(segment);
	list_add(&w->pending, &m->on_worker);
	w->n_pending++;
	congest(w);
}

/**
 * post() - A control message to a worker
 * @w:		to whom
 * @c:		what
 */
void post(struct worker *w, const struct ctrl *c)
{
	if (w->conn->doomed)
		return;
	if (!list_empty(&w->pending) || put(w, c))
		wait_for_room(w, c, NULL);
}

static void post_sub_io(struct worker *w, struct session *s, unsigned io)
{
	struct sub_io *bigger;
	unsigned i;

	for (i = 0; i < w->n_sub_io; i++)
		if (w->sub_io[i].session == s->handle)
			break;
	if (i == w->max_sub_io) {
		bigger = realloc(w->sub_io, (2 * i + 8) * sizeof(*bigger));
		if (!bigger) {
			worker_doom(w, "no memory for its events");
			return;
		}
		w->sub_io = bigger;
		w->max_sub_io = 2 * i + 8;
	}
	if (i == w->n_sub_io)
		w->sub_io[w->n_sub_io++] =
			(struct sub_io){ s->handle, s->app_index, 0 };
	w->sub_io[i].io |= io;
}

/**
 * post_io() - I/O events to a worker
 * @w:		to whom
 * @s:		the session, which @w owns or subscribes to
 * @io:		IO_RX, IO_TX
 */
void post_io(struct worker *w, struct session *s, unsigned io)
{
	if (w->conn->doomed)
		return;
	if (list_empty(&w->on_congested) && !put_io(w, s->app_index, &io))
		return;
	congest(w);
	if (w != s->worker) {
		post_sub_io(w, s, io);
		return;
	}
	s->io |= io;
	if (list_empty(&s->on_io))
		list_add(&w->pending_io, &s->on_io);
}

/**
 * post_segment() - Announce a segment to a worker that has not got it
 * @w:		to whom
 * @segment:	what
 * @side:	as which end's worker
 */
void post_segment(struct worker *w, struct segment *segment, enum side side)
{
	uint64_t bit = 1ull << (w->index % 64);
	uint64_t *known = &segment->known[side][w->index / 64];
	struct ctrl c = { .type = WIRE_EV_APP_ADD_SEGMENT };

	if (segment->app[SIDE_SERVER] == segment->app[SIDE_CLIENT])
		known = &segment->known[SIDE_SERVER][w->index / 64];
	if (w->conn->doomed || *known & bit)
		return;
	*known |= bit;
	c.add_segment.fd_flags = WIRE_FD_MEMFD_SEGMENT;
	c.add_segment.segment_size = (uint32_t)segment->seg.map.size;
	c.add_segment.segment_handle = segment_handle(segment, w);
	if (!list_empty(&w->pending) || send_segment(w, segment))
		wait_for_room(w, &c, segment);
	else
		post(w, &c);
}

/** post_forget() - Drop the I/O events of a session */
void post_forget(struct session *s)
{
	list_del(&s->on_io);
	s->io = 0;
}

/** post_drop() - Drop all that waits for a worker */
void post_drop(struct worker *w)
{
	struct session *s, *tmp;

	while (!list_empty(&w->pending))
		waiting_free(
			w, list_first(&w->pending, struct waiting, on_worker));
	list_each_safe (s, tmp, &w->pending_io, struct session, on_io)
		post_forget(s);
	free(w->sub_io);
	w->sub_io = NULL;
	w->n_sub_io = w->max_sub_io = 0;
	list_del(&w->on_congested);
}

static int flush_ctrl(struct worker *w, bool *moved)
{
	struct waiting *m, *tmp;

	list_each_safe (m, tmp, &w->pending, struct waiting, on_worker) {
		if (m->segment && send_segment(w, m->segment))
			return -EAGAIN;
		if (m->segment) {
			segment_unref(m->segment);
			m->segment = NULL;
			*moved = true;
		}
		if (put(w, &m->ctrl))
			return -EAGAIN;
		waiting_free(w, m);
		*moved = true;
		if (w->conn->doomed)
			return 0;
	}
	return 0;
}

static int flush_io(struct worker *w, bool *moved)
{
	struct session *s, *tmp;
	struct sub_io *sub;

	list_each_safe (s, tmp, &w->pending_io, struct session, on_io) {
		if (put_io(w, s->app_index, &s->io))
			return -EAGAIN;
		list_del(&s->on_io);
		*moved = true;
	}
	while (w->n_sub_io) {
		sub = &w->sub_io[w->n_sub_io - 1];
		if (put_io(w, sub->app_index, &sub->io))
			return -EAGAIN;
		w->n_sub_io--;
		*moved = true;
	}
	return 0;
}

/**
 * post_retry() - Flush what waits, if it is time
 *
 * Return: how long the loop may sleep, in ms; -1 if nothing waits
 */
int post_retry(void)
{
	struct worker *w, *tmp;
	bool moved = false;
	uint64_t now;

	if (!retry_ms)
		return -1;
	now = loop_now_ms();
	if (now < retry_at)
		return (int)(retry_at - now);
	list_each_safe (w, tmp, &sapid.congested, struct worker, on_congested) {
		if (w->conn->doomed || flush_ctrl(w, &moved) ||
		    flush_io(w, &moved))
			continue;
		list_del(&w->on_congested);
	}
	if (list_empty(&sapid.congested)) {
		retry_ms = 0;
		return -1;
	}
	retry_ms = moved ? 1 : MIN(2 * retry_ms, RETRY_MAX_MS + 0u);
	retry_at = now + retry_ms;
	return (int)retry_ms;
}
