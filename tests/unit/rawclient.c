/* SPDX-License-Identifier: Apache-2.0 */
/* rawclient.c - a client of sapid that speaks socket and queues by hand */
#include "tests/unit/rawclient.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fdbox.h"

/*
 * DOC: All that a test says to sapid, or reads of what it answers, a call each,
 * in the order of a client's life: the daemon's process, the attach socket, the
 * queues, messages, sessions and their FIFOs.  They share the reading of a
 * queue, which is why they stand together in a file that is long.
 */

#define MUST(cond)                                                          \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
			fflush(stdout);                                     \
			abort();                                            \
		}                                                           \
	} while (0)

const struct raw_options raw_default = {
	.flags = WIRE_OPT_F_LOCAL_SCOPE | WIRE_OPT_F_MQ_EVENTFD,
	.queue = 256,
	.rx = 65536,
	.tx = 65536,
	.add_segment = 4 << 20,
	.ext = true,
	.dialect = WIRE_2606,
};

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- the daemon --- */

uid_t raw_daemon_uid;

void raw_start(struct raw_daemon *d, const char *const *args)
{
	const char *argv[32] = { getenv("SAPID"),
				 "--run-dir",
				 d->dir,
				 "--log",
				 getenv("SAPID_LOG") ?: "error",
				 "--ready-fd",
				 "3",
				 "-c",
				 "/dev/null" };
	int ready[2], low, exe, n = 9;
	char byte;

	if (!argv[0])
		argv[0] = "daemon/sapid";
	strcpy(d->dir, "/tmp/sapid-test-XXXXXX");
	MUST(mkdtemp(d->dir));
	MUST(!raw_daemon_uid || !chown(d->dir, raw_daemon_uid, (gid_t)-1));
	snprintf(d->sock, sizeof(d->sock), "%s/app_ns_sockets/default", d->dir);
	snprintf(d->status, sizeof(d->status), "%s/status", d->dir);
	while (args && *args)
		argv[n++] = *args++;
	/* Its user need not be able to look where it stands */
	low = open(argv[0], O_RDONLY | O_CLOEXEC);
	exe = fcntl(low, F_DUPFD_CLOEXEC, 10);
	MUST(exe >= 0);
	close(low);
	MUST(!pipe(ready));
	d->pid = fork();
	MUST(d->pid >= 0);
	if (!d->pid) {
		if (raw_daemon_uid && setuid(raw_daemon_uid))
			_exit(126);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* no test leaves one */
		close(ready[0]);
		if (ready[1] != 3) {
			dup2(ready[1], 3);
			close(ready[1]);
		}
		fexecve(exe, (char **)argv, environ);
		_exit(127);
	}
	close(exe);
	close(ready[1]);
	MUST(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
}

void raw_start_conf(struct raw_daemon *d, const char *conf)
{
	char path[] = "/tmp/sapid-test-conf-XXXXXX";
	const char *const args[] = { "-c", path, NULL };
	int fd = mkstemp(path);

	MUST(fd >= 0);
	MUST(write(fd, conf, strlen(conf)) == (ssize_t)strlen(conf));
	MUST(!fchmod(fd, 0644)); /* the daemon may be another user's */
	close(fd);
	raw_start(d, args);
	unlink(path);
}

void raw_stop(struct raw_daemon *d)
{
	char path[128];
	int status;

	MUST(!kill(d->pid, SIGTERM));
	MUST(waitpid(d->pid, &status, 0) == d->pid);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	MUST(access(d->sock, F_OK) < 0);
	snprintf(path, sizeof(path), "%s/app_ns_sockets", d->dir);
	MUST(!rmdir(path));
	snprintf(path, sizeof(path), "%s/lock", d->dir);
	MUST(!unlink(path));
	MUST(!rmdir(d->dir));
}

int raw_count_fds(const struct raw_daemon *d)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)d->pid);
	dir = opendir(path);
	MUST(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

bool raw_fds_are(const struct raw_daemon *d, int n)
{
	long end = now_ms() + RAW_WAIT_MS;
	int is;

	while ((is = raw_count_fds(d)) != n && now_ms() < end)
		usleep(1000);
	if (is != n)
		printf("# %d descriptors, not %d\n", is, n);
	return is == n;
}

char *raw_status_text(const struct raw_daemon *d)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = 0, size = 1 << 20;
	char *text = malloc(size);
	ssize_t n;
	int fd;

	strcpy(sun.sun_path, d->status);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	MUST(text && fd >= 0);
	MUST(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	while ((n = read(fd, text + len, size - len - 1)) > 0)
		len += (size_t)n;
	MUST(!n);
	text[len] = '\0';
	close(fd);
	return text;
}

long raw_status(const struct raw_daemon *d, const char *key)
{
	char *text = raw_status_text(d), *at = text, quoted[64];
	long n = -1;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	while ((at = strstr(at, quoted))) {
		at += strlen(quoted);
		n = atol(at);
	}
	free(text);
	return n;
}

bool raw_status_is(const struct raw_daemon *d, const char *key, long n)
{
	long end = now_ms() + RAW_WAIT_MS, is;

	while ((is = raw_status(d, key)) != n && now_ms() < end)
		usleep(1000);
	if (is != n)
		printf("# %s is %ld, not %ld\n", key, is, n);
	return is == n;
}

int raw_dial(const struct raw_daemon *d)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, d->sock);
	MUST(fd >= 0);
	MUST(!connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

/* --- attach --- */

/* The next packet of the socket, within the time that it may take. */
static ssize_t packet(struct raw *r, void *buf, size_t len, struct fdbox *box)
{
	struct pollfd p = { .fd = r->sock, .events = POLLIN };
	bool more;

	MUST(poll(&p, 1, RAW_WAIT_MS) == 1);
	return fdbox_recv(r->sock, buf, len, box, 0, &more);
}

static ssize_t ask(struct raw *r, const struct wire_sapi *msg,
		   struct wire_ext_reply *reply, struct fdbox *box)
{
	ssize_t len;

	MUST(send(r->sock, msg, sizeof(*msg), 0) == sizeof(*msg));
	memset(reply, 0, sizeof(*reply));
	len = packet(r, reply, sizeof(*reply), box);
	MUST(len == sizeof(*msg) || len == sizeof(*reply));
	if (len == sizeof(*reply))
		r->hello = reply->hello;
	return len;
}

static void map_queue(struct raw *r, int fd, int evfd, uint64_t off)
{
	MUST(!seg_attach(&r->seg, fd));
	r->evfd = evfd;
	MUST(!mq_attach(&r->from, &r->seg, off, evfd));
}

/* Links come with one descriptor more, the last, which is not counted. */
static void take_page(struct raw *r, struct fdbox *box, unsigned n_fds)
{
	bool links = r->hello.features & WIRE_EXT_LINKS;

	MUST(box->n == n_fds + links);
	if (links)
		r->page_fd = fdbox_take(box, box->n - 1);
}

int raw_attach_as(struct raw *r, const struct raw_daemon *d,
		  enum wire_dialect dialect, const struct wire_sapi *msg,
		  struct wire_sapi *answer)
{
	const struct wire_attach_reply *a;
	struct wire_ext_reply reply;
	struct fdbox box;
	unsigned i = 0;
	uint64_t off;
	int seg_fd;

	memset(r, 0, sizeof(*r));
	r->evfd = r->vpp_evfd = r->page_fd = -1;
	r->dialect = dialect;
	r->sock = raw_dial(d);
	ask(r, msg, &reply, &box);
	if (answer)
		*answer = reply.sapi;
	a = &reply.sapi.attach_reply;
	MUST(reply.sapi.type == WIRE_SAPI_ATTACH_REPLY);
	take_page(r, &box, a->n_fds);
	if (a->retval)
		return a->retval;
	r->app_index = a->app_index;
	r->handle = a->api_client_handle;
	r->fd_flags = a->fd_flags;
	r->n_fds = a->n_fds;
	MUST(!seg_attach(&r->mq_seg, fdbox_take(&box, i++)));
	seg_fd = fdbox_take(&box, i++);
	map_queue(r, seg_fd,
		  a->fd_flags & WIRE_FD_MQ_EVENTFD ? fdbox_take(&box, i++) : -1,
		  a->app_mq);
	MUST(a->fd_flags & WIRE_FD_VPP_MQ_EVENTFD);
	r->vpp_evfd = fdbox_take(&box, i++);
	MUST(r->mq_seg.fsh->n_mqs == 1 && i == a->n_fds);
	MUST(!mq_discover(&r->mq_seg, a->vpp_ctrl_mq_thread, &off));
	MUST(off == a->vpp_ctrl_mq);
	MUST(!mq_attach(&r->own, &r->mq_seg, off, r->vpp_evfd));
	r->to = &r->own;
	return 0;
}

int raw_attach(struct raw *r, const struct raw_daemon *d,
	       const struct raw_options *o)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_ATTACH };

	strcpy(msg.attach.name, "raw");
	msg.attach.options[WIRE_OPT_FLAGS] = o->flags;
	msg.attach.options[WIRE_OPT_EVT_QUEUE_SIZE] = o->queue;
	msg.attach.options[WIRE_OPT_ADD_SEGMENT_SIZE] = o->add_segment;
	msg.attach.options[WIRE_OPT_RX_FIFO_SIZE] = o->rx;
	msg.attach.options[WIRE_OPT_TX_FIFO_SIZE] = o->tx;
	msg.attach.options[WIRE_OPT_PREALLOC_PAIRS] = o->pairs;
	msg.attach.options[WIRE_OPT_PREALLOC_HDRS] = o->headers;
	msg.attach.options[WIRE_OPT_EXT] = o->ext ? WIRE_EXT_MAGIC : 0;
	return raw_attach_as(r, d, o->dialect, &msg, NULL);
}

int raw_add_worker_as(struct raw *r, const struct raw_daemon *d,
		      const struct raw *parent, const struct wire_sapi *msg,
		      struct wire_sapi *answer)
{
	const struct wire_worker_reply *a;
	struct wire_ext_reply reply;
	struct fdbox box;
	int fd;

	memset(r, 0, sizeof(*r));
	r->evfd = r->vpp_evfd = r->page_fd = -1;
	r->is_worker = true;
	r->dialect = parent->dialect;
	r->app_index = parent->app_index;
	r->sock = raw_dial(d);
	ask(r, msg, &reply, &box);
	if (answer)
		*answer = reply.sapi;
	a = &reply.sapi.worker_reply;
	MUST(reply.sapi.type == WIRE_SAPI_WORKER_REPLY && a->is_add == 1);
	take_page(r, &box, a->n_fds);
	if (a->retval)
		return a->retval;
	r->wrk_index = a->wrk_index;
	r->handle = a->api_client_handle;
	r->fd_flags = a->fd_flags;
	fd = fdbox_take(&box, 0);
	map_queue(r, fd,
		  a->fd_flags & WIRE_FD_MQ_EVENTFD ? fdbox_take(&box, 1) : -1,
		  a->app_event_queue_address);
	r->to = parent->to;
	return 0;
}

int raw_add_worker(struct raw *r, const struct raw_daemon *d,
		   const struct raw *parent)
{
	struct wire_sapi msg = { .type = WIRE_SAPI_WORKER };

	msg.worker.app_index = parent->app_index;
	msg.worker.is_add = 1;
	return raw_add_worker_as(r, d, parent, &msg, NULL);
}

void raw_close(struct raw *r)
{
	unsigned i;

	for (i = 0; i < r->n_segments; i++) {
		seg_close(r->segments[i].seg);
		free(r->segments[i].seg);
	}
	seg_close(&r->seg);
	if (!r->is_worker)
		seg_close(&r->mq_seg);
	if (r->evfd >= 0)
		close(r->evfd);
	if (r->vpp_evfd >= 0)
		close(r->vpp_evfd);
	if (r->page_fd >= 0)
		close(r->page_fd);
	close(r->sock);
	memset(r, 0, sizeof(*r));
	r->sock = r->evfd = r->vpp_evfd = r->page_fd = -1;
}

/* --- messages --- */

void raw_send_bytes(struct raw *r, const uint8_t *elt, size_t len)
{
	long end = now_ms() + RAW_WAIT_MS;
	int ret;

	do {
		ret = mq_send(r->to, ctrl_ring(elt[0]), elt, len);
		if (ret == -EAGAIN)
			usleep(100); /* the daemon drains it */
	} while (ret == -EAGAIN && now_ms() < end);
	MUST(!ret);
}

void raw_send(struct raw *r, const struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT];
	ssize_t len = ctrl_encode(r->dialect, c, elt);

	MUST(len > 0);
	raw_send_bytes(r, elt, (size_t)len);
}

static void add_segment(struct raw *r, const struct ctrl *c)
{
	struct wire_sapi msg;
	struct fdbox box;
	struct seg *seg = calloc(1, sizeof(*seg));

	MUST(seg && r->n_segments < RAW_SEGMENTS);
	MUST(c->add_segment.fd_flags == WIRE_FD_MEMFD_SEGMENT);
	MUST(packet(r, &msg, sizeof(msg), &box) == sizeof(msg));
	MUST(msg.type == WIRE_SAPI_SEND_FDS && box.n == 1);
	MUST(!seg_attach(seg, fdbox_take(&box, 0)));
	r->segments[r->n_segments].handle = c->add_segment.segment_handle;
	r->segments[r->n_segments++].seg = seg;
}

static void del_segment(struct raw *r, uint64_t handle)
{
	unsigned i;

	for (i = 0; i < r->n_segments; i++) {
		if (r->segments[i].handle != handle)
			continue;
		seg_close(r->segments[i].seg);
		free(r->segments[i].seg);
		r->segments[i] = r->segments[--r->n_segments];
		return;
	}
	MUST(!"segment known");
}

struct seg *raw_segment(struct raw *r, uint64_t handle)
{
	unsigned i;

	for (i = 0; i < r->n_segments; i++)
		if (r->segments[i].handle == handle)
			return r->segments[i].seg;
	return NULL;
}

/* The mutex mode has no descriptor to sleep on. */
static void wait_event(struct raw *r, int ms)
{
	struct pollfd p = { .fd = r->evfd, .events = POLLIN };

	if (r->evfd < 0)
		usleep(200);
	else if (poll(&p, 1, ms) == 1)
		mq_reset_event(&r->from);
}

bool raw_recv(struct raw *r, struct ctrl *c, int ms)
{
	long end = now_ms() + ms;
	struct mq_msg msg;
	int ret;

	for (;;) {
		ret = mq_recv(&r->from, &msg);
		MUST(ret >= 0);
		if (!ret && now_ms() >= end)
			return false;
		if (!ret) {
			wait_event(r, (int)MAX(end - now_ms(), 0l));
			continue;
		}
		MUST(!ctrl_decode(r->dialect, msg.data, msg.len, c));
		if (c->type == WIRE_EV_APP_ADD_SEGMENT)
			add_segment(r, c);
		else if (c->type == WIRE_EV_APP_DEL_SEGMENT)
			del_segment(r, c->del_segment.segment_handle);
		else
			return true;
	}
}

/* Doorbells may come late: they only say that there was something. */
static bool recv_other(struct raw *r, uint8_t type, struct ctrl *c)
{
	do {
		if (!raw_recv(r, c, RAW_WAIT_MS))
			return false;
	} while (c->type < WIRE_EV_FIRST_CTRL && type >= WIRE_EV_FIRST_CTRL);
	return true;
}

void raw_expect(struct raw *r, uint8_t type, struct ctrl *c)
{
	if (!recv_other(r, type, c)) {
		printf("# waited for %s in vain\n", ctrl_name(type));
		MUST(!"a message");
	}
	if (c->type != type) {
		printf("# %s, not %s\n", ctrl_name(c->type), ctrl_name(type));
		MUST(c->type == type);
	}
}

bool raw_is_quiet(struct raw *r)
{
	struct ctrl c = { .type = WIRE_EV_TRANSPORT_ATTR };

	c.attr.client_index = r->handle;
	c.attr.handle = WIRE_INVALID_HANDLE;
	c.attr.is_get = 1;
	raw_send(r, &c);
	MUST(recv_other(r, WIRE_EV_TRANSPORT_ATTR_REPLY, &c));
	if (c.type != WIRE_EV_TRANSPORT_ATTR_REPLY)
		printf("# not quiet: %s\n", ctrl_name(c.type));
	return c.type == WIRE_EV_TRANSPORT_ATTR_REPLY;
}

/* --- connections --- */

static uint8_t parse_ip(const char *text, uint8_t ip[16])
{
	memset(ip, 0, 16);
	if (inet_pton(AF_INET, text, ip + 12) == 1)
		return 1;
	MUST(inet_pton(AF_INET6, text, ip) == 1);
	return 0;
}

int raw_listen(struct raw *r, const char *ip, uint16_t port, uint8_t flags,
	       uint64_t *handle)
{
	struct ctrl c = { .type = WIRE_EV_LISTEN };

	c.listen.client_index = r->handle;
	c.listen.context = 77;
	c.listen.wrk_index = r->wrk_index;
	c.listen.port = htons(port);
	c.listen.is_ip4 = parse_ip(ip, c.listen.ip);
	c.listen.flags = flags;
	raw_send(r, &c);
	raw_expect(r, WIRE_EV_BOUND, &c);
	MUST(c.bound.context == 77);
	if (handle)
		*handle = c.bound.handle;
	return c.bound.retval;
}

int raw_unlisten(struct raw *r, uint64_t handle)
{
	struct ctrl c = { .type = WIRE_EV_UNLISTEN };

	c.unlisten.client_index = r->handle;
	c.unlisten.context = 78;
	c.unlisten.wrk_index = r->wrk_index;
	c.unlisten.handle = handle;
	raw_send(r, &c);
	raw_expect(r, WIRE_EV_UNLISTEN_REPLY, &c);
	MUST(c.unlisten_reply.context == 78);
	return c.unlisten_reply.retval;
}

void raw_send_connect(struct raw *r, const char *ip, uint16_t port,
		      uint32_t context)
{
	struct ctrl c = { .type = WIRE_EV_CONNECT };

	c.connect.client_index = r->handle;
	c.connect.context = context;
	c.connect.wrk_index = r->wrk_index;
	c.connect.port = htons(port);
	c.connect.is_ip4 = parse_ip(ip, c.connect.ip);
	c.connect.parent_handle = WIRE_INVALID_HANDLE;
	c.connect.flags = 1; /* as VCL */
	raw_send(r, &c);
}

static void map_fifos(struct raw *r, struct raw_session *s, uint64_t rx,
		      uint64_t tx)
{
	struct seg *seg = raw_segment(r, s->segment);

	MUST(seg);
	MUST(!fifo_attach(&s->rx, seg, rx, r->dialect));
	MUST(!fifo_attach(&s->tx, seg, tx, r->dialect));
	MUST(!fifo_write_index(seg, rx, r->dialect, s->index));
	MUST(!fifo_write_index(seg, tx, r->dialect, s->index));
}

int raw_connect(struct raw *r, const char *ip, uint16_t port, uint32_t context,
		struct raw_session *s)
{
	struct ctrl c;

	raw_send_connect(r, ip, port, context);
	raw_expect(r, WIRE_EV_CONNECTED, &c);
	MUST(c.connected.context == context);
	if (c.connected.retval || !s)
		return c.connected.retval;
	MUST(!c.connected.ct_rx_fifo && !c.connected.ct_tx_fifo);
	s->handle = c.connected.handle;
	s->index = context;
	s->segment = c.connected.segment_handle;
	map_fifos(r, s, c.connected.rx_fifo, c.connected.tx_fifo);
	return 0;
}

void raw_get_accept(struct raw *r, struct ctrl *accepted)
{
	raw_expect(r, WIRE_EV_ACCEPTED, accepted);
	MUST(accepted->accepted.context == r->app_index);
}

void raw_accept_reply(struct raw *r, const struct ctrl *accepted, int retval,
		      uint32_t index, struct raw_session *s)
{
	struct ctrl c = { .type = WIRE_EV_ACCEPTED_REPLY };

	if (s) {
		s->handle = accepted->accepted.handle;
		s->index = index;
		s->segment = accepted->accepted.segment_handle;
		map_fifos(r, s, accepted->accepted.rx_fifo,
			  accepted->accepted.tx_fifo);
	}
	c.accepted_reply.context = accepted->accepted.context;
	c.accepted_reply.retval = retval;
	c.accepted_reply.handle = accepted->accepted.handle;
	c.accepted_reply.app_session_index = index;
	raw_send(r, &c);
}

void raw_accept(struct raw *r, uint32_t index, struct raw_session *s)
{
	struct ctrl c;

	raw_get_accept(r, &c);
	raw_accept_reply(r, &c, 0, index, s);
}

void raw_pair(struct raw *server, struct raw *client, uint16_t port,
	      struct raw_session *s, struct raw_session *c)
{
	static uint32_t index = 1000;

	MUST(!raw_connect(client, "127.0.0.1", port, ++index, c));
	raw_accept(server, ++index, s);
}

void raw_end(struct raw *r, uint8_t type, uint64_t handle)
{
	struct ctrl c = { .type = type };

	c.close.client_index = r->handle;
	c.close.handle = handle;
	raw_send(r, &c);
}

void raw_end_reply(struct raw *r, uint8_t type, uint64_t handle)
{
	struct ctrl c = { .type = type };

	c.close_reply.context = r->handle;
	c.close_reply.handle = handle;
	raw_send(r, &c);
}

void raw_expect_cleanup(struct raw *r, uint64_t handle, bool both)
{
	struct ctrl c;

	if (both) {
		raw_expect(r, WIRE_EV_CLEANUP, &c);
		MUST(c.cleanup.handle == handle && c.cleanup.type == 0);
	}
	raw_expect(r, WIRE_EV_CLEANUP, &c);
	MUST(c.cleanup.handle == handle && c.cleanup.type == 1);
}

void raw_io(struct raw *r, uint8_t type, uint64_t handle)
{
	struct ctrl c = { .type = type };

	c.io.session_index = (uint32_t)handle;
	raw_send(r, &c);
}

uint64_t raw_io_name(const struct raw *r, const struct raw_session *s,
		     uint8_t type)
{
	const struct fifo *f = type == WIRE_EV_IO_RX ? &s->rx : &s->tx;
	const struct wire_fifo_2510 *h;

	if (r->dialect == WIRE_2606)
		return s->handle;
	h = map_at(&f->seg->map, f->off, sizeof(*h));
	return h->master_session_index;
}

void raw_write(struct raw *r, struct raw_session *s, const char *text)
{
	size_t len = strlen(text);

	MUST(fifo_put(&s->tx, text, len) == (ssize_t)len);
	if (fifo_ring(&s->tx))
		raw_io(r, WIRE_EV_IO_TX, raw_io_name(r, s, WIRE_EV_IO_TX));
}

void raw_read(struct raw *r, struct raw_session *s, const char *text)
{
	size_t len = strlen(text), got = 0;
	char buf[4096];
	struct ctrl c;
	ssize_t n;

	MUST(len <= sizeof(buf));
	while (got < len) {
		n = fifo_take(&s->rx, buf + got, len - got);
		MUST(n > 0 || n == -EAGAIN);
		if (n > 0)
			got += (size_t)n;
		else if (!fifo_arm(&s->rx)) {
			raw_expect(r, WIRE_EV_IO_RX, &c);
			MUST(c.io.session_index == s->index);
		}
	}
	MUST(!memcmp(buf, text, len));
	if (fifo_used(&s->rx) == 0)
		(void)fifo_arm(&s->rx);
}
