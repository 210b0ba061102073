/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rawclient.h - a client of sapid that speaks socket and queues by hand
 *
 * Written from the layouts alone: it shares with the daemon only core/wire and
 * core/shm. raw_start() runs the daemon ($SAPID) in a folder of its own. What
 * fails that should not fails the test, with the line that called.
 */
#ifndef UNIT_RAWCLIENT_H
#define UNIT_RAWCLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/shm/ctrl.h"
#include "core/shm/fifo.h"
#include "core/shm/mq.h"
#include "core/shm/seg.h"
#include "core/wire/attach.h"
#include "core/wire/ext.h"

#define RAW_SEGMENTS 32
#define RAW_WAIT_MS 5000 /* for what must come */

struct raw_daemon {
	pid_t pid;
	char dir[64];
	char sock[108];
	char status[108];
};

/* @args: more of them, NULL at the end; or NULL */
void raw_start(struct raw_daemon *d, const char *const *args);
/* With this configuration file */
void raw_start_conf(struct raw_daemon *d, const char *conf);
/* Who runs the daemon of the next start; 0: we do. Needs root. */
extern uid_t raw_daemon_uid;
/* SIGTERM: it must end well, and leave no socket. */
void raw_stop(struct raw_daemon *d);
int raw_count_fds(const struct raw_daemon *d);
/* Wait until it has so many; false if it does not come to that. */
bool raw_fds_are(const struct raw_daemon *d, int n);
/* The status document, allocated. */
char *raw_status_text(const struct raw_daemon *d);
/* The last "key": N in it; -1 if there is none. */
long raw_status(const struct raw_daemon *d, const char *key);
/* Wait until that number is @n; false if it does not become so. */
bool raw_status_is(const struct raw_daemon *d, const char *key, long n);

struct raw_options {
	uint64_t flags; /* WIRE_OPT_F_... */
	uint64_t queue, rx, tx, add_segment, pairs, headers;
	bool ext;
	enum wire_dialect dialect;
};

/* With eventfd, extensions and 64 KiB FIFOs */
extern const struct raw_options raw_default;

struct raw {
	int sock;
	enum wire_dialect dialect;
	bool is_worker; /* the queue to the daemon is another's */
	uint32_t app_index, wrk_index, handle;
	uint8_t fd_flags, n_fds;
	struct wire_ext_hello hello; /* zero without */
	int page_fd;		     /* -1 without links */
	bool has_bell;		     /* its bell 0 was sent */
	struct seg mq_seg, seg;
	struct mq own, *to, from;
	int evfd, vpp_evfd;
	unsigned n_segments;
	struct {
		uint64_t handle;
		struct seg *seg;
	} segments[RAW_SEGMENTS];
};

int raw_dial(const struct raw_daemon *d);
/* 0 or the reply's retval. */
int raw_attach(struct raw *r, const struct raw_daemon *d,
	       const struct raw_options *o);
int raw_add_worker(struct raw *r, const struct raw_daemon *d,
		   const struct raw *parent);
/* The same with a message as it is; @answer, which may be NULL, as it came. */
int raw_attach_as(struct raw *r, const struct raw_daemon *d,
		  enum wire_dialect dialect, const struct wire_sapi *msg,
		  struct wire_sapi *answer);
int raw_add_worker_as(struct raw *r, const struct raw_daemon *d,
		      const struct raw *parent, const struct wire_sapi *msg,
		      struct wire_sapi *answer);
/* Unmap and close; the daemon sees the worker leave. */
void raw_close(struct raw *r);

void raw_send(struct raw *r, const struct ctrl *c);
/* An element as it stands, type first */
void raw_send_bytes(struct raw *r, const uint8_t *elt, size_t len);
/* The next message: true, or false after @ms. Segments are mapped on the way
 * and not shown. */
bool raw_recv(struct raw *r, struct ctrl *c, int ms);
/* The next message must be of this type. */
void raw_expect(struct raw *r, uint8_t type, struct ctrl *c);
/* Nothing comes: asks the daemon something harmless and gets just its answer.
 */
bool raw_is_quiet(struct raw *r);

struct raw_session {
	uint64_t handle;
	uint32_t index; /* what we call it */
	struct fifo rx, tx;
	uint64_t segment;
};

struct seg *raw_segment(struct raw *r, uint64_t handle);
/* BOUND's retval; @handle may be NULL */
int raw_listen(struct raw *r, const char *ip, uint16_t port, uint8_t flags,
	       uint64_t *handle);
int raw_unlisten(struct raw *r, uint64_t handle);
void raw_send_connect(struct raw *r, const char *ip, uint16_t port,
		      uint32_t context);
/* CONNECTED's retval */
int raw_connect(struct raw *r, const char *ip, uint16_t port, uint32_t context,
		struct raw_session *s);
void raw_get_accept(struct raw *r, struct ctrl *accepted);
void raw_accept_reply(struct raw *r, const struct ctrl *accepted, int retval,
		      uint32_t index, struct raw_session *s);
void raw_accept(struct raw *r, uint32_t index, struct raw_session *s);
/* Both, on 127.0.0.1 */
void raw_pair(struct raw *server, struct raw *client, uint16_t port,
	      struct raw_session *s, struct raw_session *c);
/* SHUTDOWN, DISCONNECT, TERMINATE */
void raw_end(struct raw *r, uint8_t type, uint64_t handle);
/* DISCONNECTED_REPLY, RESET_REPLY */
void raw_end_reply(struct raw *r, uint8_t type, uint64_t handle);
/* CLEANUP 0 (if @both) and 1 of the session */
void raw_expect_cleanup(struct raw *r, uint64_t handle, bool both);
void raw_io(struct raw *r, uint8_t type, uint64_t handle);
/* What to call the session in an I/O event of this type. */
uint64_t raw_io_name(const struct raw *r, const struct raw_session *s,
		     uint8_t type);
/* Put and ring; wait and take. */
void raw_write(struct raw *r, struct raw_session *s, const char *text);
void raw_read(struct raw *r, struct raw_session *s, const char *text);

#endif /* UNIT_RAWCLIENT_H */
