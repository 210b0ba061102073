/* SPDX-License-Identifier: Apache-2.0 */
/* release.c - which VPP is behind an attachment: by its libraries, by its
 * answer */
#include <arpa/inet.h>
#include <sys/mman.h>

#include "core/sess/release.h"
#include "core/shm/dialect.h"
#include "tests/unit/played.h"

static struct played p;

/* --- what the answer looks like --- */

static const uint16_t port = 0x5000;

static ssize_t bound(enum wire_dialect d, int32_t retval, uint8_t *elt)
{
	struct ctrl c = { .type = WIRE_EV_BOUND };

	c.bound.context = 7;
	c.bound.retval = retval;
	if (!retval) {
		c.bound.handle = 0x100000005;
		c.bound.lcl.port = port;
		memset(c.bound.lcl.ip, 0xfd, sizeof(c.bound.lcl.ip));
		c.bound.vpp_evt_q = 0x123400;
	}
	return ctrl_encode(d, &c, elt);
}

TEST(each_bound_is_told_apart)
{
	enum wire_dialect d, got;
	uint8_t elt[WIRE_CTRL_ELT];
	int32_t retval;
	ssize_t len;

	for (d = WIRE_2510; d <= WIRE_2606; d++)
		for (retval = 0; retval > -45; retval--) {
			len = bound(d, retval, elt);
			CHECK(len > 0);
			CHECK(!dialect_of_bound(elt, (size_t)len, port, &got));
			CHECK(got == d);
		}
	/* an address that has the port where the old ones have it */
	len = bound(WIRE_2606, 0, elt);
	memset(elt + 2 + 20, 0, 4);
	memcpy(elt + 2 + 33, &port, sizeof(port));
	CHECK(!dialect_of_bound(elt, (size_t)len, port, &got));
	CHECK(got == WIRE_2606);
	/* a whole element, as VPP sends it */
	bound(WIRE_2510, 0, elt);
	CHECK(!dialect_of_bound(elt, sizeof(elt), port, &got));
	CHECK(got == WIRE_2510);
}

TEST(other_bytes_are_nobodys)
{
	uint8_t elt[WIRE_CTRL_ELT] = { [0] = WIRE_EV_BOUND };
	enum wire_dialect got;

	CHECK(dialect_of_bound(elt, sizeof(elt), port, &got) == -EPROTO);
	memset(elt + 2, 0xff, sizeof(elt) - 2);
	elt[2 + 12] = elt[2 + 20] = 0x7f;
	elt[2 + 15] = elt[2 + 23] = 0x80; /* no error is so far below zero */
	CHECK(dialect_of_bound(elt, sizeof(elt), port, &got) == -EPROTO);
	CHECK(dialect_of_bound(elt, 1, port, &got) == -EPROTO);
}

TEST(releases)
{
	enum wire_dialect d;

	CHECK(!dialect_of_release(2310, &d) && d == WIRE_2510);
	CHECK(!dialect_of_release(2510, &d) && d == WIRE_2510);
	CHECK(!dialect_of_release(2602, &d) && d == WIRE_2606);
	CHECK(!dialect_of_release(2606, &d) && d == WIRE_2606);
	CHECK(dialect_of_release(2306, &d) == -EPROTONOSUPPORT);
	CHECK(dialect_of_release(2603, &d) == -EPROTONOSUPPORT);
	CHECK(dialect_of_release(2610, &d) == -EPROTONOSUPPORT);
	CHECK(dialect_of_release(0, &d) == -EPROTONOSUPPORT);
}

/* --- by an attachment --- */

static void start(void)
{
	played_open(&p);
	p.len = sizeof(p.reply.sapi); /* no trailer: VPP */
}

static void vpp_goes(struct app *app)
{
	app_put(app);
	played_hang_up(&p);
	app_serve(true);
}

static void finish(void)
{
	private_close(private_next(0)); /* the family's */
	played_close(&p);
}

static void answered(enum wire_dialect d, int32_t answer)
{
	struct app *app;
	struct ctrl c;

	p.dialect = d;
	p.answer = answer;
	app = played_attach(&p);
	CHECK(app && app->dialect == d && !app->release);
	CHECK(p.question.listen.proto == WIRE_PROTO_TCP);
	CHECK(p.question.listen.wrk_index == app->wrk_index);
	CHECK(!p.question.listen.ext_config);
	if (!answer) { /* nobody listens there any more */
		c = played_heard(&p);
		CHECK(c.type == WIRE_EV_UNLISTEN);
		CHECK(c.unlisten.handle == PLAYED_QUESTION);
	}
	CHECK(played_quiet(&p));
	/* a record for TLS is as of the release, or there is none */
	CHECK(!release_for_tls(app, true));
	CHECK(release_for_tls(app, false) == (d == WIRE_2606 ? 2606 : 0));
	vpp_goes(app);
}

/* One after the other, each of another release: the next one is asked anew. */
TEST(by_the_answer)
{
	start();
	answered(WIRE_2510, 0);
	answered(WIRE_2606, 0);
	answered(WIRE_2510, WIRE_E_PORTINUSE);
	answered(WIRE_2606, WIRE_E_PORTINUSE);
	finish();
}

TEST(an_answer_of_no_release)
{
	int fds;

	start();
	fds = tap_open_fds();
	p.answer = -5000;
	CHECK(!played_attach(&p));
	CHECK(!app_any());
	played_hang_up(&p);
	CHECK(tap_open_fds() == fds);
	played_close(&p);
}

static void *hang_up(void *arg)
{
	played_hang_up(arg);
	return NULL;
}

TEST(no_answer)
{
	uint64_t start_ms;

	start();
	p.mute = true;
	start_ms = app_now_ms();
	CHECK(!played_attach(&p) && !app_any());
	CHECK(app_now_ms() - start_ms < 5000);
	played_hang_up(&p);
	/* one that goes is not waited for */
	p.then = hang_up;
	p.then_arg = &p;
	CHECK(!played_attach(&p) && !app_any());
	played_close(&p);
}

/* What VPP has mapped; it is our own process that plays it. */
static void *library(const char *release, char *path, size_t size)
{
	void *at;
	int fd;

	snprintf(path, size, "%s/libvnet.so.%s", p.dir, release);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && !ftruncate(fd, 4096));
	at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(at != MAP_FAILED);
	close(fd);
	return at;
}

static void mapped(const char *release, uint32_t number, enum wire_dialect d)
{
	struct app *app;
	char path[128];
	void *at;

	at = library(release, path, sizeof(path));
	app = played_attach(&p);
	CHECK(!app == !number);
	CHECK(played_quiet(&p) && !p.question.type);
	if (app) {
		CHECK(app->release == number && app->dialect == d);
		CHECK(release_for_tls(app, true) == number);
		vpp_goes(app);
	} else {
		played_hang_up(&p);
	}
	munmap(at, 4096);
	unlink(path);
}

TEST(by_its_libraries)
{
	start();
	p.mute = true;
	mapped("25.10", 2510, WIRE_2510);
	mapped("24.02", 2402, WIRE_2510);
	mapped("26.02", 2602, WIRE_2606);
	mapped("26.06.0", 2606, WIRE_2606);
	mapped("27.02", 0, WIRE_2606);
	mapped("26.10-rc0", 0, WIRE_2606);
	finish();
}
