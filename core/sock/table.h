/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - which descriptor is what, and what a socket is
 *
 * DOC: The table maps the program's descriptors, which are kernel descriptors,
 * to struct sock: one for what the kernel calls an open file description, so
 * dup'ed numbers share one.  A number without an entry is the kernel's alone.
 *
 * Look-up takes no lock: levels of the table are only added, entries are
 * replaced by a store, and struct socks are recycled but never unmapped.
 * sock_get() takes a reference if the count is not yet zero and looks again
 * whether the number still means this sock; so a reference is held for the
 * length of a call, and whoever drops the last one closes the session.
 *
 * Locks, in this order:
 *   app.lock       sessions and segments (core/sess/app.h)
 *   table_lock     changes of the table, the pools, the list of instances
 *   watch_lock     every sock's watches, and a listener's announcements
 *   epoll.lock     one instance's registrations and ready list
 * The FIFO locks of a hold are taken with none of these held.
 */
#ifndef SOCK_TABLE_H
#define SOCK_TABLE_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/base.h"
#include "core/sess/app.h"

#define TABLE_BITS 10
#define TABLE_LEVELS 1024 /* of 1 << TABLE_BITS numbers each */

enum sock_kind {
	SOCK_NONE,
	SOCK_LISTENER, /* listens in the kernel and with the session layer */
	SOCK_SESSION,  /* a connection of the session layer */
	SOCK_EPOLL,    /* an epoll instance that has seen epoll_ctl() */
	SOCK_PORT,     /* listens in the kernel; what it accepts may become a
			  link */
	SOCK_LINK,     /* a kernel connection that has a link or may get one */
	SOCK_UDP,      /* a UDP socket of the kernel's that may have links */
};

struct epoll;
struct sock;
struct link;
struct dgram;

/* How far a kernel connection has come on its way to a link. */
enum sock_upgrade {
	UPGRADE_IDLE,	 /* has not proved worth it */
	UPGRADE_OFFERED, /* an answer will come */
	UPGRADE_LINKED,	 /* sock.link is set */
	UPGRADE_NEVER,	 /* the kernel's for good */
};

/* Who wants to be told that a sock's readiness may have changed. */
struct watch {
	struct watch *next, **prev; /* watch_lock */
	struct sock *sock;
	void (*fire)(struct watch *watch); /* with watch_lock held */
	struct waiter *waiter;
};

struct sock {
	_Atomic uint32_t refs; /* table entries and calls in flight */
	enum sock_kind kind;
	int domain;
	struct session *sess;	/* LISTENER, SESSION */
	struct hold *hold;	/* LISTENER, SESSION: = sess->hold */
	struct epoll *epoll;	/* EPOLL */
	struct dgram *dgram;	/* UDP */
	_Atomic bool unclaimed; /* EPOLL: with items that this process has not
				 * waited for yet, a parent's or its own; UDP:
				 * VPP's, by a parent */
	struct watch *watches;
	_Atomic int fd;	   /* all but SESSION: a number for it */
	bool connect_told; /* connect() has said 0 or EISCONN since it is open
			    */
	bool require;
	uint32_t spin_us;
	struct hold_opts *_Atomic opts; /* own_opts, or of a link the hold's */
	struct hold_opts own_opts;
	_Atomic uint32_t full;	  /* times a send found no room */
	struct sock *next;	  /* pool */
	_Atomic uint32_t entries; /* numbers that mean it */
	/* PORT and LINK: see link.h */
	struct link *_Atomic link;
	uint32_t lost;	 /* references of calls that a fork left behind */
	uint32_t gen;	 /* of all socks that there were, which one it is */
	uint64_t cookie; /* OFFERED, LINKED: of the kernel's connection */
	_Atomic uint64_t context; /* of the offer that has no answer yet; 0 */
	_Atomic enum sock_upgrade upgrade;
	_Atomic int k_rx, k_tx; /* calls that are in the kernel, or go there */
	_Atomic unsigned kept;	/* registrations that stay the kernel's */
	_Atomic uint32_t turns,
		need_turns; /* exchanges: so far, till an offer */
	_Atomic uint64_t moved, need_bytes; /* likewise */
	_Atomic uint32_t offer_epoch;
	struct bell *bell; /* OFFERED: the one that was; referenced */
	struct sock *port; /* LINK, accepted: by which PORT; referenced */
	bool client, sent_last;
	bool named; /* Unix: the kernel was asked who is at the other end */
	_Atomic uint16_t slot; /* accepted: where the client's offer shows */
	bool unheard;	       /* nobody was there when it was worth an offer */
	_Atomic uint64_t noted; /* the cookie by which stay.c noted it; 0 */
	_Atomic bool hold_left; /* this process let go */
	bool hold_shared;	/* ... and others hold it */
	_Atomic bool rd_shut;	/* by shutdown(2), before there was a link */
	uint16_t lcl_port, rmt_port; /* host order; lcl_port 0: not known yet;
					Unix: numbers of names */
	uint32_t ring;		     /* bytes a direction wanted */
	uint64_t since_us;
	/* edges that readiness does not show: it was shut down here; an error
	 * came that a call told */
	_Atomic uint32_t shuts, errors;
};

/* The kernel carries it, wholly: nothing of a call is ours. */
static inline bool sock_is_kernels(const struct sock *s)
{
	return s->kind == SOCK_PORT || (s->kind == SOCK_LINK && !s->link);
}
/* Bytes move through shared memory, by a session or by a link. */
static inline bool sock_is_stream(const struct sock *s)
{
	return s->kind == SOCK_SESSION || (s->kind == SOCK_LINK && s->link);
}

extern struct sock *_Atomic *_Atomic table_level[TABLE_LEVELS];
extern pthread_mutex_t table_lock, watch_lock;
extern _Atomic unsigned table_entries;
extern _Atomic int table_pid; /* whose table this is: a vfork child's isn't */
bool sock_vfork_child(void);  /* fd.c */

/* The entry of @fd; no reference, so only to be compared with NULL. */
static inline struct sock *table_peek(int fd)
{
	unsigned n = (unsigned)fd;
	struct sock *_Atomic *level;

	if (unlikely(n >> TABLE_BITS >= TABLE_LEVELS))
		return NULL;
	/* acquire: pairs with the release in table_put(), so that a new level
	 * is seen zeroed */
	level = atomic_load_explicit(&table_level[n >> TABLE_BITS],
				     memory_order_acquire);
	if (!level)
		return NULL;
	/* acquire: pairs with the release in table_put(): the sock's fields
	 * before its entry */
	return atomic_load_explicit(&level[n & ((1u << TABLE_BITS) - 1)],
				    memory_order_acquire);
}

/* A reference to the sock of @fd, or NULL. */
struct sock *sock_get(int fd);
/* The same, claimed for this process if a parent made it. */
struct sock *sock_get_claimed(int fd);
/* ... claimed, of a sock that is referenced */
void sock_claim(struct sock *s);
void sock_hold(struct sock *s);
/* The same if it is not about to be recycled. */
bool sock_try_hold(struct sock *s);
void sock_put(struct sock *s);
/* A fresh sock with one reference; NULL: no memory. */
struct sock *sock_new(enum sock_kind kind);

/* Make @fd mean @s (a reference is taken; NULL: nothing); what it meant
 * before is put.  -ENOMEM, -EMFILE. */
int table_set(int fd, struct sock *s);
/* The same if it means nothing yet; -EEXIST.  Nothing is put, so app.lock may
 * be held. */
int table_add(int fd, struct sock *s);
/* Forget @fd and return what it meant with the entry's reference, or NULL. */
struct sock *table_take(int fd);
/* @fd no longer means @s: if it was its number, another becomes it. */
void table_renumber(struct sock *s, int fd);
/* The first number >= @from with an entry, or -1. */
int table_next(int from);

/* What has been reported of a connection's end, to any of its holders. */
static inline void sock_told(struct sock *s, unsigned what)
{
	atomic_fetch_or(&s->hold->flags, what);
}
static inline bool sock_was_told(const struct sock *s, unsigned what)
{
	return s->hold->flags & what;
}

/* watch.c */
void watch_add(struct watch *w, struct sock *s,
	       void (*fire)(struct watch *watch));
void watch_del(struct watch *w);
/* with watch_lock held */
void watch_link(struct watch *w, struct sock *s,
		void (*fire)(struct watch *watch));
void watch_unlink(struct watch *w);
/* Tell everybody who watches @s; the second with watch_lock held. */
void sock_notify(struct sock *s);
void watch_fire(struct sock *s);
/* session.notify of every session a sock uses */
void sock_session_event(struct session *sess);

/* ready.c: what poll(2) would say if asked for @want, errors and hang-up
 * included; POLL* bits */
unsigned sock_ready(struct sock *s, unsigned want);
/* For a reader: any byte, or the end, whatever SO_RCVLOWAT says.  Above what
 * poll(2) can ask for. */
#define SOCK_ANY_INPUT (1u << 16)
/*
 * Before sleeping on @s for @events: ask for the event that will end the
 * sleep; true if there is no need to sleep.  @tail: with level triggering
 * NULL, else the position up to which input has been reported.
 */
bool sock_arm(struct sock *s, unsigned events, const uint32_t *tail);
/* Wait until ready for one of @events; @timeout_ms < 0: for ever.
 * 0, -EAGAIN when the time is up, -EINTR. */
int sock_wait(struct sock *s, unsigned events, int timeout_ms);
/* The same look at a UDP socket's rings, before the kernel is asked. */
bool sock_dgram_at_once(struct sock *s);
/* Is a call that a signal interrupts to be begun anew, by all handlers? */
bool sock_restarts(void);
/* in @events: bytes have moved already, so a signal ends the call */
#define SOCK_NO_RESTART (1u << 31)
static inline unsigned sock_partial(size_t done)
{
	return done ? SOCK_NO_RESTART : 0;
}
/* Spin before sleeping: false when the budget is used up. */
struct spin {
	uint64_t start_ns, end_ns, max_ns;
	unsigned rounds;
	int cpu; /* where it was given up, or -1 */
};
void spin_start(struct spin *spin, uint32_t us);
bool spin_again(struct spin *spin);
void spin_end(struct spin *spin);
bool sock_nonblock(struct sock *s);
/* Grows with every arrival of input or of a connection. */
uint32_t sock_tail(struct sock *s);
/* A call found no room, whether there is some by now or not: that there is some
 * again is an edge. */
void sock_was_full(struct sock *s);
uint64_t sock_now_ns(void);
/* When a wait of @timeout ends; NULL or beyond the clock: never. */
#define SOCK_NEVER_NS UINT64_MAX
uint64_t sock_end_ns(const struct timespec *timeout);
/* Where there is no descriptor for a bell: sleep for a moment, not beyond the
 * end (-EAGAIN), or until a signal. */
bool sock_no_bell(int err);
int sock_nap(uint64_t end_ns, const sigset_t *mask);
static inline bool timespec_ok(const struct timespec *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < 1000000000;
}

/* io.c: by a session or by a link, as recvmsg(2) and sendmsg(2) */
ssize_t stream_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		    int flags);
ssize_t stream_send(struct sock *s, int fd, const struct iovec *iov, int n,
		    int flags);
/* session_io.c: ... by a session */
ssize_t session_recv(struct sock *s, const struct iovec *iov, int n, int flags);
ssize_t session_send(struct sock *s, const struct iovec *iov, int n, int flags);
/* Before bytes for a session are taken from elsewhere, @want of them: 0 if it
 * may be sent, else what send(2) says, which may be that they went nowhere. */
ssize_t session_send_begin(struct sock *s, size_t want);

/* addr.c: IPv4-mapped addresses are IPv4 in a message */
int addr_to_ctrl(const struct sockaddr *sa, socklen_t len, struct ctrl_addr *a);
void addr_from_ctrl(const struct ctrl_addr *a, int domain, struct sockaddr *out,
		    socklen_t *len);
bool addr_is_any(const struct ctrl_addr *a);
/* ... and the port */
bool addr_is_same(const struct ctrl_addr *a, const struct ctrl_addr *b);
/* Linux: who connects, or sends, to any address means this host. */
void addr_any_is_here(struct ctrl_addr *a);
bool addr_is_loopback(const struct ctrl_addr *a);
/* One of this host's? Asks the kernel. */
bool addr_is_local(const struct ctrl_addr *a);

/* open.c */
/* sapid answers at once; a stopped one must not hold up the program */
#define LOCAL_ANSWER_MS 1000
bool sock_closed(struct sock *s);
int sock_adopt(int fd, struct session *sess, int domain, bool nonblock,
	       const struct conf_choice *choice, struct sock **out);
int sock_int_opt(int fd, int level, int name, int *val);
/* The domain of a TCP socket of the kernel, or an error. */
int sock_tcp_domain(int fd);
/* By links, if the choice is so? */
bool sock_upgrades(const struct conf_choice *choice);
/* deaf.c: of a listener */
int deaf_begin(int fd) MUST_CHECK;
int deaf_keep(int fd) MUST_CHECK;
void deaf_end(int fd);
bool sock_tls_only(int fd, enum conf_role role, const struct sockaddr *sa);
/* What the program set while the socket was the kernel's. */
void sock_take_options(int fd, struct sock *s);

/* kind.c */
bool sock_seems_tcp(int fd);
bool sock_seems_local(int fd); /* a Unix stream socket */
bool sock_kind_is_new(int fd);
void sock_kind_copied(int from, int to);

/* cmsg.c */
bool cmsg_any(const struct msghdr *msg, int level);

/* copy.c */
void copy_adopt(int fd, struct sock *s);

/* opt.c */
int sock_millis(const struct timeval *tv);
/* SO_ERROR of a session, positive; it is told by that. */
int sock_pending_error(struct sock *s);

/* epoll.c */
/* @fd has just become a sock: its registrations follow it. */
void epoll_sock_appears(int fd, struct sock *s);
/* @s is about to be recycled: nothing may refer to it. */
void epoll_sock_gone(struct sock *s);
/* @fd of @s is closed here, but lives on in another process. */
void epoll_sock_leaves(struct sock *s, int fd);
/* @s, a UDP socket, gets links: its items are to be looked at. */
void epoll_dgram_lives(struct sock *s);
/* @s becomes VPP's, or the kernel's again: what the kernel is asked changes. */
void epoll_dgram_asked(struct sock *s);
/* @fd of @s is closed, but what it means stays open. */
void epoll_sock_closed(struct sock *s, int fd);
/* The bell of an instance that has @fd, referenced; NULL. */
struct bell *epoll_bell(int fd);
void epoll_closing(struct sock *s, int fd);
void epoll_free(struct epoll *ep);
void epoll_fork_prepare(void);
void epoll_fork_parent(void);
void epoll_fork_child(void);
/* This process waits in it: its socks are claimed. */
void epoll_claim(struct sock *es);
unsigned epoll_ready(struct epoll *ep);
/* epoll_nest.c: an instance is waited for from outside.  What its bells, and
 * those of instances in it, have to say; with no lock, before epoll_ready(). */
void epoll_hear(struct epoll *ep);
/* ... and let them wake @w: before each sleep, and that before the items are
 * armed; -EMFILE and the like. */
int epoll_listen(struct epoll *ep, struct waiter *w) MUST_CHECK;
/* Before sleeping on the instance: true if there is no need to. */
bool epoll_arm(struct epoll *ep);

#endif /* SOCK_TABLE_H */
