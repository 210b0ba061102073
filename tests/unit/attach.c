/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c - answers to an attach: the right one, and every wrong one */
#include <sys/mman.h>

#include "core/base/kernel.h"
#include "tests/unit/kernel_fault.h"
#include "tests/unit/played.h"

static struct played p;

static void refused_once(const char *what)
{
	uint64_t start = app_now_ms();

	if (played_attach(&p)) {
		printf("# attached in spite of: %s\n", what);
		CHECK(0);
	}
	played_hang_up(&p);
	CHECK(app_now_ms() - start < 5000);
	CHECK(!app_any());
}

/* Refused in bounded time, and nothing of it is left, but for what the next one
 * is mapped over (map.h): two segments and a page. */
static void refused(const char *what)
{
	int fds = tap_open_fds(), maps = played_maps();

	refused_once(what);
	CHECK(played_maps() <= maps + 3);
	maps = played_maps();
	refused_once(what);
	if (played_maps() != maps || tap_open_fds() != fds) {
		printf("# %s: %d mappings, %d descriptors more\n", what,
		       played_maps() - maps, tap_open_fds() - fds);
		CHECK(0);
	}
}

static void start(void)
{
	played_open(&p);
	CHECK(tap_open_fds() > 0);
}

TEST(right_answer)
{
	struct app *app;

	start();
	app = played_attach(&p);
	CHECK(app && app->state == APP_ATTACHED && app->sapid);
	CHECK(app->n_mqs == 1 && app->stats && app_any());
	app_put(app);
	CHECK(app_get(CONF_SHM) == app);
	app_put(app);
	/* the session layer goes, and comes back */
	played_hang_up(&p);
	app_serve(true);
	CHECK(!app_any() && !app_get(CONF_SHM));
	app = played_attach(&p);
	CHECK(app && app->n_mqs == 1);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	played_close(&p);
}

TEST(stock_answer_without_trailer)
{
	struct app *app;

	start();
	p.len = sizeof(p.reply.sapi);
	app = played_attach(&p);
	CHECK(app && !app->sapid);
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
	played_close(&p);
}

TEST(wrong_words)
{
	struct wire_attach_reply *r;
	uint64_t off;
	unsigned i;
	size_t len;

	start();
	r = &p.reply.sapi.attach_reply;
	off = r->app_mq;
	r->retval = -1;
	refused("retval");
	played_right(&p, off);
	p.reply.sapi.type = WIRE_SAPI_WORKER_REPLY;
	refused("type");
	for (len = 0; len < sizeof(p.reply.sapi); len += 52) {
		played_right(&p, off);
		p.len = len;
		refused("length");
	}
	for (i = 0; i < 4; i++) {
		played_right(&p, off);
		r->fd_flags &= (uint8_t) ~(1u << i);
		if (i != 3) /* then the last descriptor is one too many */
			refused("flags");
	}
	for (i = 0; i < 4; i++) {
		played_right(&p, off);
		p.n_fds = i;
		refused("too few descriptors");
	}
	played_right(&p, off);
	r->vpp_ctrl_mq_thread = 1;
	refused("control queue");
	for (i = 1; i < 64; i += 3) {
		played_right(&p, off);
		r->app_mq = off + (1ull << i);
		refused("queue offset");
	}
	played_close(&p);
}

TEST(wrong_descriptors)
{
	uint64_t off;
	int bare = memfd_create("bare", MFD_CLOEXEC);
	unsigned i, k;

	start();
	CHECK(bare >= 0 && !ftruncate(bare, 1 << 20));
	off = p.reply.sapi.attach_reply.app_mq;
	for (i = 0; i < 2; i++) {
		played_right(&p, off);
		p.fd[i] = bare;
		refused("segment that can shrink");
		p.fd[i] = p.app_evfd;
		refused("eventfd for a segment");
	}
	for (i = 0; i < 256; i += 51) {
		played_right(&p, off);
		p.mq_seg.fsh->n_mqs = (uint8_t)i;
		if (i != 1)
			refused("number of queues");
		p.mq_seg.fsh->n_mqs = 1;
	}
	for (k = 0; k < 2; k++) {
		played_right(&p, off);
		p.fd[k] = p.fd[!k];
		if (k == 0)
			refused("one segment twice");
	}
	close(bare);
	played_close(&p);
}

TEST(extra_descriptors_are_closed)
{
	int fds, i;
	struct app *app;

	start();
	for (i = 4; i < 8; i++)
		p.fd[i] = p.app_evfd;
	p.n_fds = 8;
	fds = tap_open_fds();
	app = played_attach(&p);
	CHECK(app);
	app_put(app);
	/* theirs and ours of the connection, two eventfds */
	CHECK(tap_open_fds() == fds + 4);
	played_hang_up(&p);
	app_serve(true);
	CHECK(tap_open_fds() == fds);
	played_close(&p);
}

TEST(silence_is_bounded)
{
	start();
	p.silent = true;
	refused("silence");
	played_close(&p);
}

TEST(nobody_there)
{
	start();
	close(p.listen);
	p.listen = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	app_nth(0)->retry_at = 0;
	CHECK(!app_get(CONF_SHM));
	/* not asked again at once */
	CHECK(app_nth(0)->retry_at > app_now_ms());
	played_close(&p);
}

TEST(each_call_fails_once)
{
	int n, fds, failed = 0, left, first;
	struct app *app;

	start();
	first = played_maps();
	for (n = 1;; n++) {
		fds = tap_open_fds();
		kernel_fault_in = n;
		app = played_attach(&p);
		left = kernel_fault_in;
		kernel_fault_in = 0;
		if (app) {
			app_put(app);
			played_hang_up(&p);
			app_serve(true);
		} else {
			failed++;
			played_hang_up(&p);
		}
		CHECK(!app_any() && tap_open_fds() == fds);
		if (left)
			break;
	}
	/* two segments stay (map.h), each once more as mmap(2) failed there */
	CHECK(played_maps() <= first + 4);
	printf("# %d of %d failed\n", failed, n);
	CHECK(failed > 15 && n > failed);
	played_close(&p);
}
