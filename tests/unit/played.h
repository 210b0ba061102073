/* SPDX-License-Identifier: Apache-2.0 */
/*
 * played.h - a session layer played by the test, in its own process
 *
 * A thread answers one attach as it is told to; after that the test itself
 * reads what the application sends and says what it likes.  It calls libc, not
 * k_*(), so that calls can be made to fail under the library alone.
 */
#ifndef TESTS_PLAYED_H
#define TESTS_PLAYED_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/sess/app.h"
#include "tests/unit/tap.h"

#define PLAYED_WRK 0x100000001ull  /* handle of the worker's segment */
#define PLAYED_DATA 0x100000002ull /* of the first with FIFOs */
#define PLAYED_QUESTION 0x77ull	   /* what the question listens by */

struct played {
	int listen, conn;
	_Atomic bool accepted;
	char dir[32], path[64];
	struct seg mq_seg, wrk_seg, data;
	int mq_evfd, app_evfd;
	struct mq in, out; /* from the application, to it */
	/* the answer */
	struct wire_ext_reply reply;
	size_t len;
	int fd[8];
	unsigned n_fds;
	bool silent;
	struct wire_sapi asked; /* what it answers */
	enum wire_dialect dialect;
	bool mute;	      /* says nothing to the question for it */
	struct ctrl question; /* which it was, and what is answered */
	int32_t answer;
	void *(*then)(void *arg); /* what else to do when attaching */
	void *then_arg;
	pthread_t thread;
};

static inline void played_queue(struct seg *seg, struct mq *q, int *evfd,
				uint64_t *off)
{
	struct mq_geometry g = { .slots = 64, .n_ctrl = 64 };

	CHECK(!seg_create(seg, "played", mq_bytes(&g) + 4096));
	CHECK(!seg_carve(seg, mq_bytes(&g), 8, off));
	CHECK(!mq_create(seg, *off, &g));
	seg->fsh->n_reserved_bytes += (uint32_t)mq_bytes(&g);
	*evfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(!mq_attach(q, seg, *off, *evfd));
}

/* The right answer. */
static inline void played_right(struct played *p, uint64_t app_mq)
{
	struct wire_attach_reply *r = &p->reply.sapi.attach_reply;

	memset(&p->reply, 0, sizeof(p->reply));
	p->reply.sapi.type = WIRE_SAPI_ATTACH_REPLY;
	r->app_mq = app_mq;
	r->segment_handle = PLAYED_WRK;
	r->n_fds = 4;
	r->fd_flags = 15;
	p->reply.hello.magic = WIRE_EXT_MAGIC;
	p->reply.hello.size = sizeof(p->reply.hello);
	p->len = sizeof(p->reply);
	p->fd[0] = p->mq_seg.map.fd;
	p->fd[1] = p->wrk_seg.map.fd;
	p->fd[2] = p->app_evfd;
	p->fd[3] = p->mq_evfd;
	p->n_fds = 4;
	p->silent = false;
}

static inline void played_open(struct played *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint64_t off;

	memset(p, 0, sizeof(*p));
	strcpy(p->dir, "/tmp/played-XXXXXX");
	CHECK(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/sock", p->dir);
	strcpy(sun.sun_path, p->path);
	p->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK(!bind(p->listen, (struct sockaddr *)&sun, sizeof(sun)));
	CHECK(!listen(p->listen, 8));
	p->conn = -1;
	p->dialect = WIRE_2606;
	p->answer = WIRE_E_INVALID_NS;
	played_queue(&p->mq_seg, &p->in, &p->mq_evfd, &off);
	p->mq_seg.fsh->n_mqs = 1;
	played_queue(&p->wrk_seg, &p->out, &p->app_evfd, &off);
	played_right(p, off);
	CHECK(!seg_create(&p->data, "played-data", 1 << 22));
	setenv("SAPI_SOCKET", p->path, 1);
	setenv("SAPI_CONFIG", "/dev/null", 1);
	unsetenv("SAPI_LOG");
}

static inline void played_send(int sock, const void *buf, size_t len,
			       const int *fd, unsigned n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(c), fd, sizeof(int) * n);
	}
	sendmsg(sock, &msg, MSG_NOSIGNAL);
}

static inline void played_post(struct played *p, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len = ctrl_encode(p->dialect, c, elt);

	CHECK(len > 0);
	CHECK(!mq_send(&p->out, ctrl_ring(c->type), elt, (size_t)len));
}

/* A VPP, which has no trailer, is asked which it is (core/sess/release.c),
 * unless its libraries say so. */
static inline void played_question(struct played *p)
{
	struct ctrl c = { .type = WIRE_EV_BOUND };
	struct pollfd pfd[] = { { .fd = p->mq_evfd, .events = POLLIN },
				{ .fd = p->conn, .events = POLLIN } };
	struct mq_msg msg;
	uint64_t n;

	/* an eventfd may tell of what was heard before */
	while (!mq_recv(&p->in, &msg)) {
		if (poll(pfd, 2, 1000) <= 0 || pfd[1].revents)
			return;
		CHECK(read(p->mq_evfd, &n, sizeof(n)) == sizeof(n));
	}
	CHECK(!ctrl_decode(p->dialect, msg.data, msg.len, &p->question));
	CHECK(p->question.type == WIRE_EV_LISTEN);
	if (p->mute)
		return;
	c.bound.context = p->question.listen.context;
	c.bound.retval = p->answer;
	if (!c.bound.retval) {
		c.bound.handle = PLAYED_QUESTION;
		c.bound.lcl.port = p->question.listen.port;
		c.bound.lcl.is_ip4 = 1;
	}
	played_post(p, &c);
}

static inline void *played_thread(void *arg)
{
	struct played *p = arg;
	char buf[512] = { 0 };

	p->conn = accept(p->listen, NULL, NULL);
	p->accepted = true;
	if (recv(p->conn, buf, sizeof(buf), 0) <= 0)
		return NULL;
	memcpy(&p->asked, buf, sizeof(p->asked));
	if (p->silent) /* until they give up */
		return recv(p->conn, buf, sizeof(buf), 0) ? p : NULL;
	if (p->len)
		played_send(p->conn, &p->reply, p->len, p->fd, p->n_fds);
	else
		shutdown(p->conn, SHUT_RDWR);
	if (p->len == sizeof(p->reply.sapi))
		played_question(p);
	if (p->then)
		p->then(p->then_arg);
	return NULL;
}

/* Attach as the answer says: the app, locked, or NULL. */
static inline struct app *played_attach(struct played *p)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct app *app;
	int fd;

	p->accepted = false;
	app_nth(0)->retry_at = 0;
	CHECK(!pthread_create(&p->thread, NULL, played_thread, p));
	app = app_get(CONF_SHM);
	if (!p->accepted) { /* they did not come: somebody must */
		strcpy(sun.sun_path, p->path);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		connect(fd, (struct sockaddr *)&sun, sizeof(sun));
		close(fd);
	}
	CHECK(!pthread_join(p->thread, NULL));
	/* if they came at the last moment, ours is still in the back-log */
	fcntl(p->listen, F_SETFL, O_NONBLOCK);
	while ((fd = accept(p->listen, NULL, NULL)) >= 0)
		close(fd);
	fcntl(p->listen, F_SETFL, 0);
	return app;
}

static inline void played_hang_up(struct played *p)
{
	close(p->conn);
	p->conn = -1;
}

static inline void played_close(struct played *p)
{
	if (p->conn >= 0)
		played_hang_up(p);
	close(p->listen);
	close(p->mq_evfd);
	close(p->app_evfd);
	seg_close(&p->mq_seg);
	seg_close(&p->wrk_seg);
	seg_close(&p->data);
	unlink(p->path);
	rmdir(p->dir);
}

/* --- after it; the app's lock held --- */

/* The next message of the application, which there must be. */
static inline struct ctrl played_heard(struct played *p)
{
	struct mq_msg msg;
	struct ctrl c;

	CHECK(mq_recv(&p->in, &msg) == 1);
	CHECK(!ctrl_decode(p->dialect, msg.data, msg.len, &c));
	return c;
}

static inline bool played_quiet(struct played *p)
{
	return mq_empty(&p->in);
}

static inline void played_say(struct played *p, struct app *app,
			      const struct ctrl *c)
{
	played_post(p, c);
	app_drain(app);
}

static inline void played_segment(struct played *p, struct app *app,
				  struct seg *seg, uint64_t handle)
{
	struct wire_sapi m = { .type = WIRE_SAPI_SEND_FDS };
	struct ctrl c = { .type = WIRE_EV_APP_ADD_SEGMENT };

	played_send(p->conn, &m, sizeof(m), &seg->map.fd, 1);
	c.add_segment.segment_handle = handle;
	c.add_segment.fd_flags = WIRE_FD_MEMFD_SEGMENT;
	played_say(p, app, &c);
}

/* --- leaks --- */

static inline int played_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, "played") != NULL;
	fclose(f);
	return n;
}

#endif /* TESTS_PLAYED_H */
