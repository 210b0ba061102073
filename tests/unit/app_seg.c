/* SPDX-License-Identifier: Apache-2.0 */
/* app_seg.c - which memory a segment's handle means */
#include "core/sess/app.h"

#include <unistd.h>

#include "tests/unit/tap.h"

#define HANDLE UINT64_C(0x100000000)

static struct app app; /* zeroed: attached to nothing */

/* A session layer's segment, and the descriptor that it sends of it. */
static int made(struct seg *seg, const char *name)
{
	int fd;

	CHECK(seg_create(seg, name, 1 << 20) == 0);
	fd = dup(seg->map.fd);
	CHECK(fd >= 0);
	return fd;
}

static void over(struct seg *theirs)
{
	while (app.n_segs)
		if (app.segs[--app.n_segs])
			app_seg_retire(&app, app.segs[app.n_segs]);
	seg_close(theirs);
}

TEST(a_segment_that_is_sent_twice_is_mapped_once)
{
	struct app_seg *mine;
	struct seg theirs;
	int fd = made(&theirs, "one"), again = dup(fd);

	CHECK(app_add_segment(&app, HANDLE, fd, NULL) == 0);
	mine = app_seg(&app, HANDLE);
	CHECK(mine && app_add_segment(&app, HANDLE, again, NULL) == 0);
	CHECK(app_seg(&app, HANDLE) == mine && app.n_segs == 1);
	over(&theirs);
}

TEST(a_handle_that_is_given_anew_means_the_new_memory)
{
	struct app_seg *old, *new;
	struct seg one, two;

	CHECK(app_add_segment(&app, HANDLE, made(&one, "one"), NULL) == 0);
	old = app_seg(&app, HANDLE);
	CHECK(old);
	old->sessions++; /* one still uses it */
	CHECK(app_add_segment(&app, HANDLE, made(&two, "two"), NULL) == 0);
	new = app_seg(&app, HANDLE);
	CHECK(new &&new != old);
	two.fsh->n_mqs = 7;
	CHECK(new->seg.fsh->n_mqs == 7 && old->seg.fsh->n_mqs == 0);
	app_seg_put(&app, old);
	CHECK(app_seg(&app, HANDLE) == new);
	seg_close(&one);
	over(&two);
}
