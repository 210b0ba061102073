/* SPDX-License-Identifier: Apache-2.0 */
/* app_seg.c - the segments of an attachment, mapped while something uses them
 */
#include <errno.h>
#include <stdlib.h>

#include "core/base/kernel.h"
#include "core/base/mem.h"
#include "core/sess/app.h"

struct app_seg *app_seg(struct app *app, uint64_t handle)
{
	unsigned i;

	for (i = 0; i < app->n_segs; i++)
		if (app->segs[i] && !app->segs[i]->retired &&
		    app->segs[i]->handle == handle)
			return app->segs[i];
	return NULL;
}

bool app_seg_is_at(const struct app *app, const void *base)
{
	unsigned i;

	for (i = 0; i < app->n_segs; i++)
		if (app->segs[i] && app->segs[i]->seg.map.base == base)
			return true;
	return false;
}

/**
 * app_add_segment() - Map a segment under a handle
 * @fd:		Taken over
 * @place:	Where, or NULL
 *
 * A worker of a family may be sent what it has inherited: that is kept.  But
 * when the process that it was inherited from has ended, its handles are given
 * anew; nobody has told us that they were over, since they were not ours.
 */
int app_add_segment(struct app *app, uint64_t handle, int fd,
		    struct map_place *place)
{
	struct app_seg *seg, *old = app_seg(app, handle);
	unsigned i;
	int err;

	if (old && map_is_of(&old->seg.map, fd)) {
		k_close(fd);
		return 0;
	}
	for (i = 0; i < app->n_segs && app->segs[i]; i++)
		;
	seg = i < APP_MAX_SEGS ? mem_zalloc(1, sizeof(*seg)) : NULL;
	if (!seg) {
		k_close(fd);
		return -ENOMEM;
	}
	err = seg_attach_at(&seg->seg, fd, place);
	if (err) {
		mem_free(seg);
		return err;
	}
	k_close(seg->seg.map.fd);
	seg->seg.map.fd = -1;
	seg->handle = handle;
	app->segs[i] = seg;
	if (i == app->n_segs)
		app->n_segs++;
	if (old)
		app_seg_retire(app, old);
	return 0;
}

/* One session less in @seg; the last one of a retired segment unmaps it. */
void app_seg_put(struct app *app, struct app_seg *seg)
{
	unsigned i;

	if (--seg->sessions || !seg->retired)
		return;
	for (i = 0; i < app->n_segs; i++)
		if (app->segs[i] == seg)
			app->segs[i] = NULL;
	seg_close(&seg->seg);
	mem_free(seg);
}

void app_seg_retire(struct app *app, struct app_seg *seg)
{
	seg->sessions++;
	seg->retired = true;
	app_seg_put(app, seg);
}
