/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dgram.h - UDP sockets whose datagrams may go through shared memory
 *
 * DOC: A SOCK_UDP is a UDP socket of the kernel's, from socket(2) on if a
 * rule names UDP at all.  What it sends to an address, and what it receives
 * from one, are ways of their own: each may get a link, which is one-way.  The
 * kernel carries the first datagrams.  When a way has proved worth it, the
 * sender offers it, if the page says that a program of ours receives at that
 * port; the receiver, which sees in the page that somebody waits, answers; the
 * daemon asks the kernel whether these two are what a datagram goes from and
 * to, and grants the link (dgram_link.c).
 *
 * From its first offer as a receiver on a socket is live: nobody waits for it
 * in the kernel alone any more.  When the last call that did has returned
 * (k_rx) it consents (RX_READY), and the sender may put its datagrams into the
 * ring. Order: a sender's datagrams are in the kernel's queue when its call
 * returns, so whoever sees the first one in the ring reads that queue until it
 * is empty, and then the ring.  A sender that goes back to the kernel leaves
 * the ring first; so before a datagram is taken from the kernel it is looked up
 * whether its sender's ring is empty (dgram_recv.c).  And if it leaves before
 * the receiver has come to the ring, of which each tells the other by a bit in
 * one word (LEFT and BACK, as in core/shm/link.h), it sends again by the kernel
 * what is in there, and the receiver does not look at it.
 *
 * A full ring loses what is put, as the kernel does.  Nothing of the kernel
 * tells of the other end's death: the daemon does, and if the daemon is lost
 * its links end.  They also end if the socket is shared with another process,
 * is connected anew, or is to do what only the kernel can: whoever sends learns
 * it from the link (CLOSED), and what is in the ring is still read.
 *
 * Locks: tx_lock and rx_lock, of this process's threads alone, for no link is
 * shared by two.  They are taken last, one at a time, but for a fork.
 */
#ifndef SOCK_DGRAM_H
#define SOCK_DGRAM_H

#include <netinet/in.h>

#include "core/sock/link.h"

#define DGRAM_DESTS 16	 /* addresses that a socket sends to by links */
#define DGRAM_SOURCES 64 /* ... and receives from */
#define DGRAM_RING_MIN 262144u

struct vudp;

/* A link, of which we use one ring. */
struct dlink {
	struct link_end end;
	struct ring_own tx, rx;
	struct offer_grant grant;
	struct dlink *next; /* of those that are to be released */
};

/* Zero where it means nothing, so that memcmp() compares. */
struct dgram_name {
	socklen_t len; /* 0: none */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

enum dgram_state {
	DGRAM_IDLE,
	DGRAM_OFFERED, /* an answer will come */
	DGRAM_LINKED,
};

/* Whom we send to, or receive from. */
struct dgram_way {
	struct dgram_name name;
	enum dgram_state state;
	bool never;	 /* the kernel's for good */
	uint32_t serial; /* of the offer: answers to others are not for it */
	unsigned epoch;	 /* of the attachment that has it */
	uint64_t count, due;
	uint64_t bytes, due_bytes;
	struct dlink *link;
	/* sending */
	bool wanted, switched; /* by the rules; some was put into the ring */
	/* receiving */
	bool ready, seen, by_ring; /* consented; in the ring is something; the
				    * kernel has no more of before */
	bool back;		   /* who sends has left before that */
	uint32_t drain;		   /* datagrams that may still be before it */
	uint64_t left_ms;	   /* when we said that we leave; 0 */
};

struct dgram {
	struct sock *sock;
	uint32_t id;
	struct dgram *next, **prev; /* of the process */
	struct bell
		*_Atomic bell;	  /* of all its links; NULL: none was offered */
	struct vudp *_Atomic vpp; /* NULL: it was never VPP's (vudp.h) */
	int orphan; /* private number, while a call goes on after close(2) */
	pthread_mutex_t tx_lock, rx_lock;
	_Atomic bool never_tx, never_rx; /* the kernel's for good */
	_Atomic bool live, closed, nonblock;
	bool bound;	      /* by the program, where a rule may say so */
	bool may_vpp;	      /* a rule says so of some address */
	_Atomic bool shut;    /* by shutdown(2) */
	_Atomic bool reap;    /* links that are over may be let go of */
	_Atomic bool unready; /* there may be links without consent */
	_Atomic unsigned n_tx, n_rx, n_offered;
	struct dgram_name peer; /* connected to; tx_lock */
	_Atomic bool connected;
	_Atomic uint32_t serials;
	/* tx_lock */
	struct dgram_way dest[DGRAM_DESTS];
	unsigned last; /* that was sent to */
	uint32_t sends;
	/* rx_lock */
	struct dgram_way source[DGRAM_SOURCES];
	struct dgram_way *rx[DGRAM_SOURCES]; /* n_rx of them, with links */
	unsigned turn;			     /* whose it is, among these */
	unsigned by_rings;	  /* datagrams since the kernel was looked at */
	struct dgram_way *sticky; /* what was peeked at comes next */
	bool sticky_kernel;
	uint32_t tails; /* of links that have gone */
	_Atomic uint32_t drain_max;
	_Atomic uint64_t heard, heard_due;
	/* the port that is announced, host order; 0: none */
	_Atomic uint16_t port;
	unsigned port_epoch;
	_Atomic uint32_t ring;
	_Atomic uint64_t lost; /* rings that were full */
};

/* --- dgram.c: the life of one --- */
/* @fd is a UDP socket that a program has just made: ours if a rule may say so.
 */
void dgram_opened(int fd, int domain, int type);
int dgram_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len);
/* An option has been set. */
void dgram_option(struct sock *s, int level, int name, const void *val,
		  socklen_t len);
int dgram_shutdown(struct sock *s, int fd, int how);
/* The links end; @for_good: the kernel's from now on. */
void dgram_leave(struct sock *s, bool for_good);
/* ... for good, if it is one of these: what only the kernel can do */
void dgram_odd(struct sock *s);
void dgram_stop_sending(struct sock *s);
/* The last number is about to be closed, as @fd; more than @refs: a call goes
 * on. */
void dgram_closing_unless(struct sock *s, int fd, uint32_t refs);
void dgram_release(struct sock *s);
bool dgram_nonblock(const struct sock *s);
void dgram_set_nonblock(struct sock *s, bool on);
void dgram_fork_prepare(void);
void dgram_fork_parent(void);
void dgram_fork_child(void);
/* A reference to its sock, or NULL. */
struct dgram *dgram_by_id(uint32_t id);

bool dgram_name_set(struct dgram_name *name, const struct sockaddr *sa,
		    socklen_t len);
struct dgram_way *dgram_find(struct dgram_way *ways, unsigned n,
			     const struct dgram_name *name);
/* The same, or one that is new. */
struct dgram_way *dgram_way_to(struct dgram_way *ways, unsigned n,
			       const struct dgram_name *name);

/* --- dgram_offer.c: what is worth it, is offered, and is refused --- */
/* A datagram has gone, or come, by the kernel. */
void dgram_sent(struct sock *s, int fd, const struct dgram_name *to, uint64_t n,
		uint64_t bytes);
void dgram_heard(struct sock *s, int fd, const struct sockaddr *from,
		 socklen_t len);
/* Not announced any more. */
void dgram_unlisten(struct dgram *d);
void dgram_refused(uint64_t context, enum offer_refusal why);

/* --- dgram_link.c: grants, and their end --- */
/* Of what an offer calls a way: is it one of these, and which way? */
bool dgram_is_context(uint64_t context);
bool dgram_context_is_rx(uint64_t context);
uint64_t dgram_context_of(const struct dgram *d, const struct dgram_way *w,
			  bool rx);
/* The one that was offered so, with its lock; else NULL. */
struct dgram_way *dgram_way_of(struct dgram *d, uint64_t context);
int dgram_granted(uint64_t context, const struct offer_grant *g);
/* Nobody of ours waits in the kernel alone: let the senders know. */
void dgram_consent(struct sock *s);
/* With tx_lock: the way has no link any more, which goes to the list.  @fd: by
 * which may be sent again; -1: nothing more is sent. */
void dgram_drop_tx(struct dgram *d, int fd, struct dgram_way *w,
		   struct dlink **dead);
/* ... what happens to the link alone */
void dgram_leave_ring(struct dgram *d, int fd, struct dgram_way *w);
/* With rx_lock, likewise */
void dgram_drop_rx(struct dgram *d, struct dgram_way *w, struct dlink **dead);
/* With neither. */
void dgram_bury(struct dlink *dead);
/* Let go of links that nobody sends by any more, and that are empty. */
void dgram_reap(struct dgram *d);

/* --- dgram_send.c, dgram_recv.c --- */
/* Answers and news of deaths; what a call begins with if there may be any. */
void dgram_work(struct sock *s);
ssize_t dgram_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		      int flags);
ssize_t dgram_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
ssize_t dgram_recvfrom(struct sock *s, int fd, void *buf, size_t len, int flags,
		       struct sockaddr *addr, socklen_t *alen);
/* Is all of a call on several the kernel's? Then it has been made. */
bool dgram_recvmmsg(struct sock *s, int fd, struct mmsghdr *msgs, unsigned n,
		    int flags, struct timespec *timeout, int *ret);
bool dgram_sendmmsg(struct sock *s, int fd, struct mmsghdr *msgs, unsigned n,
		    int flags, int *ret);
/* FIONREAD */
int dgram_next_len(struct sock *s, int fd, int *len);

/* --- dgram_ready.c: rings alone; the kernel's part is asked by others --- */
unsigned dgram_ready(struct sock *s, unsigned want);
bool dgram_any(struct sock *s);
uint32_t dgram_tail(struct sock *s);
bool dgram_arm(struct sock *s, unsigned events, const uint32_t *tail);
void dgram_disarm(struct sock *s);
/* The kernel has something, or the thread has spun for a while: look. */
bool dgram_kernel_ready(struct sock *s);
int dgram_listen(struct sock *s, unsigned events, struct waiter *w);
void dgram_count(struct sock *s, bool slept, bool won);

/* Does VPP carry it? */
bool vudp_is_active(const struct vudp *v);
static inline bool dgram_is_vpps(const struct dgram *d)
{
	return unlikely(d->vpp) && vudp_is_active(d->vpp);
}
/* ... and the kernel nothing? */
bool dgram_is_vpps_alone(const struct dgram *d);
/* What the kernel's half of an instance, or poll(2), is to be asked. */
unsigned dgram_kernel_events(const struct sock *s, unsigned events);

static inline bool sock_is_live_dgram(const struct sock *s)
{
	return s->kind == SOCK_UDP && s->dgram->live;
}

/* As link_enter_kernel(), of receiving and of waiting. */
static inline bool dgram_enter_kernel(struct sock *s)
{
	const struct dgram *d = s->dgram;

	if (d->live) /* but if there are no more links, and will be none */
		return d->never_rx && !d->n_rx && !(dgram_is_vpps(d)) &&
		       ++s->k_rx;
	++s->k_rx;
	if (!s->dgram->live)
		return true;
	--s->k_rx;
	return false;
}

#endif /* SOCK_DGRAM_H */
