/* SPDX-License-Identifier: Apache-2.0 */
/* release.c - which release of VPP is behind an attachment */
/*
 * DOC: VPP does not say (ABI.md 15.4), so this goes by evidence, best first:
 * `vpp-release`; the names of the libraries that the process has mapped, which
 * only its own user and root may read; and what the answer to a LISTEN looks
 * like.  That is asked at once, for to guess would be dangerous later: a record
 * of TLS (crypto.h) that is taken for another release's makes VPP verify
 * nobody, or read past the end of a table.
 */
#include "core/sess/release.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sess/session.h"
#include "core/shm/dialect.h"

#define QUESTION WIRE_INVALID_INDEX /* as context: no session has it */
#define QUESTION_PORT 1
#define NAMELESS UINT32_MAX /* a release by its answer alone */
#define ANSWER_MS 2000
#define NAME_ROOM 64 /* at the end of what was read: the name may be cut */

static uint32_t in_text(const char *text)
{
	static const char library[] = "/libvnet.so.";
	const char *s = strstr(text, library), *end;
	uint32_t release;

	if (!s || conf_release(s + sizeof(library) - 1, &release, &end))
		return 0;
	return *end ? release : 0; /* cut, perhaps amid a number */
}

/* What the process at the other end has mapped; 0: not known */
static uint32_t by_libraries(const struct app *app)
{
	char path[32], text[4096 + 1];
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uint32_t release = 0;
	size_t have = 0;
	ssize_t n;
	int fd;

	if (k_getsockopt(app->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)peer.pid);
	fd = k_open(path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	while (!release &&
	       (n = k_read(fd, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)n;
		text[have] = 0;
		release = in_text(text);
		if (have > NAME_ROOM) {
			memmove(text, text + have - NAME_ROOM, NAME_ROOM);
			have = NAME_ROOM;
		}
	}
	k_close(fd);
	return release;
}

static void found(struct app *app, enum wire_dialect dialect)
{
	app->dialect = dialect;
	app->dialect_known = true;
	log_info("%s: a VPP %s", app->path,
		 dialect == WIRE_2510 ? "up to 25.10" : "from 26.02 on");
}

/* Once for a release, not each second. */
static int refuse(struct app *app, uint32_t release)
{
	char name[16] = "this one";

	if (app->refused == release)
		return -EPROTONOSUPPORT;
	app->refused = release;
	if (release != NAMELESS)
		snprintf(name, sizeof(name), "%u.%02u", release / 100 % 100,
			 release % 100);
	log_warn("%s: VPP %s is not known, only " DIALECT_RELEASES
		 ": its sockets stay with the kernel (vpp-release may name one "
		 "that it is like)",
		 app->path, name);
	return -EPROTONOSUPPORT;
}

/* Not by app_send(), which wants it attached; both dialects have it so. */
static int send_now(struct app *app, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len = ctrl_encode(WIRE_2606, c, elt);

	return len < 0 ? (int)len
		       : mq_send(&app->mqs[app->ctrl_mq], ctrl_ring(c->type),
				 elt, (size_t)len);
}

/* What listens there a moment, if VPP lets us, is nobody's to find. */
static int send_question(struct app *app)
{
	struct ctrl c = { .type = WIRE_EV_LISTEN };

	c.listen.client_index = app->client;
	c.listen.context = QUESTION;
	c.listen.wrk_index = app->wrk_index;
	c.listen.port = htons(QUESTION_PORT);
	c.listen.proto = WIRE_PROTO_TCP;
	c.listen.is_ip4 = 1;
	c.listen.ip[12] = 127;
	c.listen.ip[15] = 1;
	return send_now(app, &c);
}

/* Is it the answer?  If not, it is dealt with: a segment for the listener may
 * come first, which both dialects announce the same way. */
static bool is_answer(struct app *app, const struct mq_msg *msg)
{
	struct ctrl c;

	if (ctrl_decode(WIRE_2606, msg->data, msg->len, &c))
		return false;
	if (c.type == WIRE_EV_BOUND && c.bound.context == QUESTION)
		return true;
	if (c.type == WIRE_EV_APP_ADD_SEGMENT)
		session_event(app, &c);
	return false;
}

static int take_answer(struct app *app, struct mq_msg *msg)
{
	struct pollfd pfd[] = { { .fd = app->app_evfd, .events = POLLIN },
				{ .fd = app->sock, .events = 0 } };
	const struct timespec slice = { .tv_nsec = 10000000 };
	uint64_t end = app_now_ms() + ANSWER_MS;
	int got;

	for (;;) {
		got = mq_recv(&app->app_mq, msg);
		if (got < 0)
			return got;
		if (got && is_answer(app, msg))
			return 0;
		if (got)
			continue;
		if (app_now_ms() > end)
			return -ETIMEDOUT;
		if (k_ppoll(pfd, 2, &slice, NULL) <= 0)
			continue;
		if (pfd[1].revents)
			return -EPIPE;
		/* before the next look, or what comes meanwhile is slept on */
		mq_reset_event(&app->app_mq);
	}
}

static int forget_question(struct app *app, const struct mq_msg *msg)
{
	struct ctrl c;
	uint64_t handle;

	if (ctrl_decode(app->dialect, msg->data, msg->len, &c))
		return -EPROTO;
	if (c.bound.retval)
		return 0;
	handle = c.bound.handle;
	c = (struct ctrl){ .type = WIRE_EV_UNLISTEN };
	c.unlisten.client_index = app->client;
	c.unlisten.context = QUESTION;
	c.unlisten.wrk_index = app->wrk_index;
	c.unlisten.handle = handle;
	return send_now(app, &c);
}

/* Listen, and see what the answer looks like. */
static int ask(struct app *app)
{
	enum wire_dialect dialect;
	struct mq_msg msg;
	int err;

	err = send_question(app);
	if (!err)
		err = take_answer(app, &msg);
	if (err)
		return err;
	if (dialect_of_bound(msg.data, msg.len, htons(QUESTION_PORT), &dialect))
		return refuse(app, NAMELESS);
	found(app, dialect);
	return forget_question(app, &msg);
}

int release_find(struct app *app)
{
	enum wire_dialect dialect;
	uint32_t release;

	/* sapid says so; a worker's is its parent's */
	if (app->dialect_known)
		return 0;
	release = conf_get()->vpp_release;
	if (!release)
		release = by_libraries(app);
	if (!release)
		return ask(app);
	if (dialect_of_release(release, &dialect))
		return refuse(app, release);
	app->release = release;
	found(app, dialect);
	return 0;
}

uint32_t release_for_tls(const struct app *app, bool verify)
{
	if (app->release)
		return app->release;
	return app->dialect == WIRE_2606 && !verify ? 2606 : 0;
}
