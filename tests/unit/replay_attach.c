/* SPDX-License-Identifier: Apache-2.0 */
/* replay_attach.c - what a real VPP did with wrong attaches, and what sapid */
/*
 * DOC: The socket messages of probe_attach_errors.txt, as recorded bytes, of
 * whatever length, over connections that change where the recorded ones did;
 * each answer, or the end of the connection, must be the recorded one.  What
 * a reply names, and where things are, is ours (replay_daemon.c looks at it);
 * retval, type and kinds of descriptors are compared, and that an error tells
 * nothing else.  The LISTENs between them only prove to the probe that it is
 * still attached; here sapid's status says so.
 */
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "tests/unit/rawclient.h"
#include "tests/unit/replay.h"

static struct raw_daemon d;
static struct replay cap;
static struct replay_line *line;
static int sock = -1;
static unsigned n_sent, n_compared;

#define MUST_BE(cond) REPLAY_CHECK(&cap, line, cond)

/* 0 at the end of the connection */
static ssize_t receive(struct wire_sapi *s, unsigned *fds)
{
	struct timeval limit = { .tv_sec = 5 };
	struct fdbox box;
	bool more;
	ssize_t n;

	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	n = fdbox_recv(sock, s, sizeof(*s), &box, 0, &more);
	*fds = box.n;
	fdbox_close(&box);
	return n;
}

static void compare_attach(const struct wire_attach_reply *r,
			   const struct wire_attach_reply *g, unsigned fds)
{
	struct wire_attach_reply none = { .retval = r->retval };

	MUST_BE(g->retval == r->retval && g->n_fds == fds);
	if (r->retval) {
		MUST_BE(!memcmp(g, &none, sizeof(none)));
		return;
	}
	/* one more, for the queue to sapid */
	MUST_BE(fds == r->n_fds + 1u);
	MUST_BE(g->fd_flags == (r->fd_flags | WIRE_FD_VPP_MQ_EVENTFD));
	MUST_BE(g->app_mq && g->vpp_ctrl_mq && g->segment_handle);
}

static void expect(void)
{
	struct wire_sapi rec, got;
	unsigned fds;
	ssize_t n = receive(&got, &fds);

	n_compared++;
	if (replay_is(line, "EOF")) {
		MUST_BE(n == 0 || n == -ECONNRESET);
		close(sock);
		sock = raw_dial(&d);
		return;
	}
	rec = replay_sapi(line);
	MUST_BE(n == sizeof(got) && got.type == rec.type);
	if (rec.type == WIRE_SAPI_ATTACH_REPLY) {
		compare_attach(&rec.attach_reply, &got.attach_reply, fds);
		return;
	}
	/* VPP's error has an api_client_handle of all ones, ours 0: no name */
	MUST_BE(rec.type == WIRE_SAPI_WORKER_REPLY && rec.worker_reply.retval);
	MUST_BE(got.worker_reply.retval == rec.worker_reply.retval && !fds);
	MUST_BE(got.worker_reply.is_add == rec.worker_reply.is_add);
	MUST_BE(!got.worker_reply.n_fds && !got.worker_reply.fd_flags);
}

TEST(wrong_attaches_are_answered_as_recorded)
{
	replay_load(&cap, "probe_attach_errors.txt");
	raw_start(&d, NULL);
	sock = raw_dial(&d);
	for (line = cap.line; line < cap.line + cap.n; line++) {
		if (!strncmp(line->note, "minimum options", 15) ||
		    !strncmp(line->note, "connect and leave", 17)) {
			close(sock);
			sock = raw_dial(&d);
		}
		if (replay_is(line, "LISTEN"))
			MUST_BE(raw_status(&d, "apps") == 1);
		if (!*line->m.type || !replay_on_socket(line))
			continue;
		if (line->m.to_app) {
			expect();
			continue;
		}
		n_sent++;
		MUST_BE(send(sock, line->m.bytes, line->m.len, 0) ==
			(ssize_t)line->m.len);
	}
	line = &cap.line[cap.n - 1];
	close(sock);
	MUST_BE(raw_status_is(&d, "apps", 0));
	raw_stop(&d);
	printf("# %s: %u sent, %u compared\n", cap.name, n_sent, n_compared);
	replay_free(&cap);
}
