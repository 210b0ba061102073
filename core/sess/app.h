/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app.h - this process as an application of a session layer
 *
 * DOC: There are at most two attachments: to sapid and to VPP.  Each is one
 * struct app with a lock, which is held while the app's queue is drained,
 * while segments come and go, and while control requests are made; never
 * while anybody sleeps.  Data does not need it: events go out through the
 * session layer's queue, whose own lock serialises producers.
 *
 * Any thread that has to sleep waits for its own eventfd and for those of
 * the attachments (app_wait()).  Whoever is woken by an attachment drains its
 * queue and rings the threads and epoll instances it concerns.
 *
 * A forked child inherits mappings and sessions but not the worker: it closes
 * the parent's socket and eventfds at once and attaches as a worker of its
 * own when it first needs to (APP_INHERITED -> APP_ATTACHED).
 *
 * Lock order: app.lock, then the locks of core/sock (sock.h).
 */
#ifndef SESS_APP_H
#define SESS_APP_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "core/sess/conf.h"
#include "core/sess/session.h"
#include "core/shm/mq.h"
#include "core/wire/ext.h"
#include "core/wire/link.h"

#define APP_REAP_MS 100 /* look for deaths in the family so often */
#define APP_MAX_SEGS 4096
#define APP_MAX_MQS 31
#define APP_EARLY 8
#define APP_SESSION_BLOCK 256
#define APP_SESSION_BLOCKS 4096

enum app_state {
	APP_NONE,      /* not attached; a failure is remembered for a while */
	APP_ATTACHED,  /* all fields valid */
	APP_INHERITED, /* in a forked child: parent's, not yet a worker */
};

struct app_seg {
	struct seg seg;
	uint64_t handle;
	unsigned sessions; /* that point into it */
	bool retired;	   /* its handle is over: unmap with the last one */
};

struct app {
	pthread_mutex_t lock;
	const char *path; /* of the namespace socket */
	enum app_state state;
	_Atomic bool attached;	     /* state == APP_ATTACHED, for app_poll() */
	_Atomic uint64_t retry_at;   /* ms: no attempt before */
	uint64_t full_ms;	     /* when much had come to be drained */
	_Atomic uint64_t wanted_ms;  /* when room was asked for; VPP alone */
	_Atomic unsigned n_lost;     /* sessions that are SESSION_LOST */
	_Atomic unsigned n_borrowed; /* ... that nobody tells us of */
	bool sapid;		     /* announced itself by the trailer */
	bool dialect_known;	     /* release.h */
	enum wire_dialect dialect;
	uint32_t release;    /* of VPP, "26.06" as 2606; 0: not known */
	uint32_t refused;    /* ... that the user has been told of */
	unsigned attachment; /* how many there were; not of a worker */
	int sock;
	int early[APP_EARLY]; /* segments that came before a certificate's
				 answer, to be announced */
	unsigned n_early;
	uint32_t app_index, wrk_index, client;
	uint32_t parent_wrk, parent_client;
	struct map_place mq_place, worker_place, page_place;
	_Atomic unsigned sending; /* threads that are in app_send() */
	struct seg mq_seg;
	struct mq mqs[APP_MAX_MQS];
	unsigned n_mqs, ctrl_mq;
	int mq_evfd[APP_MAX_MQS];
	struct mq app_mq;
	struct app_seg *queue_seg; /* where it is */
	int app_evfd;
	struct wire_stats *stats; /* never NULL */
	bool links;		  /* grants links: page and mail are valid */
	bool diag;		  /* wants WIRE_SAPI_DIAG first */
	struct wire_kept *kept;	  /* WIRE_KEPT_N, or NULL; valid with links */
	unsigned n_kept;	  /* that were written */
	bool networks;		  /* ... also to other networks' addresses */
	bool unixes;		  /* ... to Unix sockets as well */
	bool udps;		  /* ... for datagrams */
	bool withdraws;		  /* hears of offers that are no more */
	unsigned links_epoch;	  /* another number with each attachment */
	_Atomic(const struct wire_page *) page;
	_Atomic(const struct wire_mail *) mail; /* never NULL */
	_Atomic uint32_t mail_seen;
	struct app_seg *segs[APP_MAX_SEGS];
	unsigned n_segs;
	struct session *blocks[APP_SESSION_BLOCKS];
	unsigned n_blocks;
	struct session *free;
	struct session **handles; /* buckets, by handle */
	unsigned n_handles;	  /* of them; a power of two */
	struct session *zombies;
	struct parked *parked; /* park.c */
	_Atomic unsigned n_zombies;
	uint64_t reap_at; /* ms: not earlier for deaths in the family */
	_Atomic uint32_t
		generation; /* forks between the first process and this */
};

/* The attachment for @use (SHM: sapid; VPP; AUTO: the one that the program's
 * vcl.conf names, else sapid), attached if need be, with its lock held: NULL
 * if there is none to be had. */
struct app *app_get(enum conf_use use);
void app_put(struct app *app);
/* Without a session: attach now, leave again. */
int app_attach(enum conf_use use) MUST_CHECK;
void app_leave(void);
/* Use a session that the parent made: attaches this process if need be. */
int app_claim(struct session **s) MUST_CHECK;
static inline bool session_claimed(const struct session *s)
{
	return s->claimed == s->app->generation;
}
/* This process ends, by exit or by exec: nothing may be lost of that. */
void app_at_exit(void);
/* Attachments that exist, for those who walk them: 0 .. APP_N - 1 */
#define APP_N 2
struct app *app_nth(unsigned i);
/* Attached in this process?  Without the lock. */
bool app_any(void);

/* After a wait that these may have ended: drain; @hup: an attachment's
 * socket was ready, so it may be gone. */
void app_serve(bool hup);
/* Has it gone?  Looks at most ten times a second; with no lock held. */
void app_look(void);
/* Must a sleep be short because a family shares closed sockets (close.c)? */
bool app_zombies(void);
/* Drain what has come, without a syscall if nothing has. */
void app_poll(void);
/* Have attachments ended? A system call; for who never sleeps, and has to know.
 */
void app_ask_end(void);
/* The same with the lock held. */
void app_drain(struct app *app);
/* Send a control message or event to queue @mq; waits while it is full,
 * but not for ever.  0, -EPIPE if the session layer is gone or stuck, -EPROTO.
 */
int app_send(struct app *app, unsigned mq, const struct ctrl *c) MUST_CHECK;
int app_send_ctrl(struct app *app, const struct ctrl *c) MUST_CHECK;

/*
 * Sleep until @w is rung, one of @n descriptors is ready, or @timeout (NULL:
 * for ever) is over; drains on the way.  The descriptors' revents are set as
 * by poll(2).  >= 0: look again; -EINTR, -ENOMEM.  *expired: time is up.
 * @fds has room for APP_WAIT_EXTRA more behind @n.  What waiter_follow() named
 * is in w->revents.
 */
#define APP_WAIT_EXTRA 1
int app_wait(struct waiter *w, struct pollfd *fds, nfds_t n,
	     const struct timespec *timeout, const sigset_t *mask);
/* Grows when attachments come or go, so that waiters listen to them. */
extern _Atomic unsigned app_epoch;

/* With app.lock held: has VPP lately had little room in our queue? */
bool app_was_full(const struct app *app);
/* Give the lock up for a millisecond, then see what has come. */
void app_rest(struct app *app);
/* Wait, with app.lock held, until @s is neither BINDING nor CONNECTING; the
 * lock is given up while sleeping.  0, or -ETIMEDOUT. */
int app_wait_ctl(struct app *app, struct session *s, int timeout_ms) MUST_CHECK;
/* The same, but a signal ends it: -EINTR. */
int app_wait_connect(struct app *app, struct session *s,
		     int timeout_ms) MUST_CHECK;

struct app_seg *app_seg(struct app *app, uint64_t handle);
void app_seg_put(struct app *app, struct app_seg *seg);
/* The handle means it no more; it goes with the last that points into it. */
void app_seg_retire(struct app *app, struct app_seg *seg);
/* @place: where its mapping stays for good, or NULL */
int app_add_segment(struct app *app, uint64_t handle, int fd,
		    struct map_place *place) MUST_CHECK;
/* Does a session need what is mapped there? */
bool app_seg_is_at(const struct app *app, const void *base);

/* attach.c */
int attach_dial(struct app *app) MUST_CHECK;
int attach_worker(struct app *app) MUST_CHECK;
void attach_undo(struct app *app);
int attach_recv_segment(struct app *app, int *fd) MUST_CHECK;
/* @text: a certificate in PEM of @cert_len bytes, then its key: @len in all */
int attach_add_cert(struct app *app, const char *text, size_t cert_len,
		    size_t len, uint32_t *index) MUST_CHECK;
void attach_drop_early(struct app *app);
extern const struct wire_mail attach_no_mail;

/* fork: handlers for core/sock's pthread_atfork() */
void app_fork_prepare(void);
void app_fork_parent(void);
void app_fork_child(void);

/* Counters for `sapi status`: relaxed, approximate among threads. */
#define app_count(app, field, n) app_stat_add(&(app)->stats->field, (n))
void app_stat_add(_Atomic uint64_t *counter, uint64_t n);
/* A socket stayed with the kernel. */
void app_count_kernel(enum wire_ext_why why);

uint64_t app_now_ms(void);

#endif /* SESS_APP_H */
