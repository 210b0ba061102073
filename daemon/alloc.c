/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc.c - the segments that connections live in, and their FIFOs
 *
 * DOC: A segment is shared by exactly two applications, the server and the
 * client of its connections, so nobody else's data is in their reach, and what
 * either of them spoils is the other's and its own. It is a sparse memfd: its
 * size is address space, memory comes as FIFOs grow. A pair of FIFOs takes
 * the first segment of its two applications with room, else a new one. Room is
 * what was promised, not what is in use, and twice of it: freed chunks of one
 * size don't serve another, and a writer that finds no chunk would not be told
 * when there is one. The client pays for it: it decided to connect.
 *
 * Segments are announced to the workers that use them (post_segment()), each
 * under a handle of its own, because a VCL with several workers in a process
 * keeps all of them in one table. An empty segment is kept for the next
 * connection of the two if it is their only one and takes little memory;
 * otherwise it is withdrawn and freed.
 */
#include "daemon/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "daemon/ns.h"
#include "daemon/post.h"

#define KEEP_EMPTY (1ull << 20) /* bytes that an idle segment may hold */
#define HANDLE_WORKER_SHIFT 48	/* far from the top: ABI.md 6.2 */

static uint64_t last_id;

/** segment_handle() - Unique for the segment and the worker */
uint64_t segment_handle(const struct segment *segment, const struct worker *w)
{
	return segment->id | (uint64_t)w->index << HANDLE_WORKER_SHIFT;
}

/** segment_ref() - Hold a segment */
void segment_ref(struct segment *segment)
{
	segment->refs++;
}

/** segment_unref() - Let go of it */
void segment_unref(struct segment *segment)
{
	if (--segment->refs)
		return;
	seg_close(&segment->seg);
	free(segment);
}

/** segment_committed() - Bytes of memory behind a segment */
uint64_t segment_committed(const struct segment *segment)
{
	struct stat st;

	if (k_fstat(segment->seg.map.fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

static int segment_open(struct app *server, struct app *client, size_t size,
			struct segment **out)
{
	const struct limits *max = &client->ns->conf.limits;
	struct segment *segment;
	int ret;

	if (client->n_segments >= max->segments ||
	    client->segment_bytes + size > max->segment_bytes)
		return -ENOSPC;
	segment = calloc(1, sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	ret = seg_create(&segment->seg, "sapid-fifos", size);
	if (ret < 0) {
		free(segment);
		return ret;
	}
	segment->seg.dialect = client->ns->conf.dialect;
	segment->id = ++last_id;
	segment->refs = 1;
	segment->bytes = size;
	segment->app[SIDE_SERVER] = server;
	segment->app[SIDE_CLIENT] = client;
	list_add(&server->segments[SIDE_SERVER], &segment->on_app[SIDE_SERVER]);
	list_add(&client->segments[SIDE_CLIENT], &segment->on_app[SIDE_CLIENT]);
	client->n_segments++;
	client->segment_bytes += size;
	sapid.n_segments++;
	*out = segment;
	return 0;
}

/* Tell the workers of one end that have it. */
static void withdraw(struct segment *segment, enum side side)
{
	struct ctrl c = { .type = WIRE_EV_APP_DEL_SEGMENT };
	struct app *app = segment->app[side];
	unsigned i;

	for (i = 0; i < MAX_WORKERS; i++) {
		if (!(segment->known[side][i / 64] >> (i % 64) & 1))
			continue;
		if (!app->workers[i])
			continue;
		c.del_segment.segment_handle =
			segment_handle(segment, app->workers[i]);
		post(app->workers[i], &c);
	}
}

static void segment_leave(struct segment *segment, enum side side)
{
	struct app *app = segment->app[side];

	if (!app)
		return;
	if (side == SIDE_CLIENT) {
		app->n_segments--;
		app->segment_bytes -= segment->bytes;
	}
	list_del(&segment->on_app[side]);
	segment->app[side] = NULL;
}

static void segment_retire(struct segment *segment)
{
	if (segment->app[SIDE_SERVER])
		withdraw(segment, SIDE_SERVER);
	if (segment->app[SIDE_CLIENT])
		withdraw(segment, SIDE_CLIENT);
	segment_leave(segment, SIDE_SERVER);
	segment_leave(segment, SIDE_CLIENT);
	sapid.n_segments--;
	segment_unref(segment);
}

/* Is it the only one that serves these two? */
static bool is_only(const struct segment *segment)
{
	struct app *client = segment->app[SIDE_CLIENT];
	struct segment *other;

	list_each (other, &client->segments[SIDE_CLIENT], struct segment,
		   on_app[SIDE_CLIENT])
		if (other != segment &&
		    other->app[SIDE_SERVER] == segment->app[SIDE_SERVER])
			return false;
	return true;
}

static void segment_emptied(struct segment *segment)
{
	if (segment->app[SIDE_SERVER] && segment->app[SIDE_CLIENT] &&
	    is_only(segment) && segment_committed(segment) <= KEEP_EMPTY)
		return;
	segment_retire(segment);
}

/** segments_leave() - The application is gone */
void segments_leave(struct app *app)
{
	struct segment *segment;
	enum side side;

	for (side = SIDE_SERVER; side <= SIDE_CLIENT; side++)
		while (!list_empty(&app->segments[side])) {
			segment = list_first(&app->segments[side],
					     struct segment, on_app[side]);
			segment_leave(segment, side);
			if (!segment->n_pairs)
				segment_retire(segment);
		}
}

/** segments_forget() - The worker is gone */
void segments_forget(struct worker *w)
{
	uint64_t mask = ~(1ull << (w->index % 64));
	struct segment *segment;
	enum side side;

	for (side = SIDE_SERVER; side <= SIDE_CLIENT; side++)
		list_each (segment, &w->app->segments[side], struct segment,
			   on_app[side])
			segment->known[side][w->index / 64] &= mask;
}

/* Both FIFOs or none. */
static int carve(struct segment *segment, uint32_t rx, uint32_t tx,
		 struct pair *pair)
{
	struct seg *seg = &segment->seg;
	enum wire_dialect dialect = pair->ns->conf.dialect;
	uint64_t to_server, to_client;
	int ret;

	ret = seg_fifo_create(seg, 0, rx, &to_server);
	if (ret < 0)
		return ret;
	ret = seg_fifo_create(seg, 0, tx, &to_client);
	if (ret < 0)
		goto undo_to_server;
	ret = fifo_attach(&pair->to_server, seg, to_server, dialect);
	if (!ret)
		ret = fifo_attach(&pair->to_client, seg, to_client, dialect);
	if (ret < 0)
		goto undo_to_client;
	pair->segment = segment;
	segment->n_pairs++;
	return 0;

undo_to_client:
	seg_fifo_free(seg, to_client);
undo_to_server:
	seg_fifo_free(seg, to_server);
	return ret;
}

static int carve_somewhere(struct app *server, struct app *client,
			   struct pair *pair)
{
	uint64_t fifos = (uint64_t)server->rx_size + server->tx_size;
	struct segment *segment;
	int ret;

	list_each (segment, &client->segments[SIDE_CLIENT], struct segment,
		   on_app[SIDE_CLIENT])
		if (segment->app[SIDE_SERVER] == server &&
		    2 * (segment->n_pairs + 1) * fifos <= segment->bytes &&
		    !carve(segment, server->rx_size, server->tx_size, pair))
			return 0;
	ret = segment_open(server, client,
			   MAX(2 * fifos, server->add_segment_size), &segment);
	if (ret < 0)
		return ret;
	ret = carve(segment, server->rx_size, server->tx_size, pair);
	if (ret < 0)
		segment_retire(segment);
	return ret;
}

/**
 * pair_open() - FIFOs for a connection
 * @server:	whose sizes count
 * @client:	who pays
 * @pair:	out: has two ends
 *
 * Return: 0 or a WIRE_E_ error
 */
int pair_open(struct app *server, struct app *client, struct pair **out)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int ret;

	if (!pair)
		return WIRE_E_ALLOC;
	pair->ns = server->ns;
	pair->ends = 2;
	ret = carve_somewhere(server, client, pair);
	if (ret < 0) {
		free(pair);
		return ret == -ENOSPC ? WIRE_E_SEG_NO_SPACE : WIRE_E_SEG_CREATE;
	}
	*out = pair;
	return 0;
}

/** pair_put() - One end is gone */
void pair_put(struct pair *pair)
{
	struct segment *segment = pair->segment;

	if (--pair->ends)
		return;
	seg_fifo_free(&segment->seg, pair->to_server.off);
	seg_fifo_free(&segment->seg, pair->to_client.off);
	if (pair->port)
		ns_put_port(pair->ns, pair->port);
	free(pair);
	if (!--segment->n_pairs)
		segment_emptied(segment);
}
