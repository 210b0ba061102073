/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.h - an epoll instance and its registrations, for two files */
#ifndef SOCK_EPOLL_H
#define SOCK_EPOLL_H

#include <limits.h>
#include <sys/epoll.h>

#include "core/sock/table.h"

#define EP_MAX_EVENTS (INT_MAX / (int)sizeof(struct epoll_event))

/* What a sock counts of that which readiness does not show. */
struct edges {
	uint32_t full, shuts, errors, lowats;
};

static inline struct edges edges_of(const struct sock *s)
{
	return (struct edges){ s->full, s->shuts + s->opts->shuts, s->errors,
			       s->opts->lowats };
}

/* One registration: of a socket of ours, or a note of what the kernel has
 * (@sock NULL), because that socket may become ours later. */
struct item {
	struct watch watch; /* of @sock */
	struct epoll *ep;
	struct sock *sock; /* no reference: epoll_sock_gone() comes first */
	struct sock *kept; /* a link's, whose registration is the kernel's till
			      it is armed again; likewise */
	int fd;
	uint32_t events;
	epoll_data_t data;
	bool disabled;	  /* one-shot, and it fired */
	bool gone;	  /* of a link: taken out by the program, kept for the
			     next time */
	uint64_t idle_ns; /* since when it is looked at in vain; 0: it is not */
	bool counted;	  /* in n_items and so on */
	bool edge;	  /* registered or modified: report what there is */
	unsigned seen;	  /* edge-triggered: as last reported */
	uint32_t seen_tail;
	struct edges last;
	struct item *hot_next, *hot_prev; /* circular; NULL: cold */
	struct item *next;		  /* same bucket */
};

#define EP_BUCKETS 64 /* grows by powers of two */

struct epoll {
	pthread_mutex_t lock;
	struct sock *sock;   /* whose epoll this is: its number, its watches */
	_Atomic int bare;    /* threads in the kernel's own wait */
	int kick_fd;	     /* made them look; -1 */
	_Atomic int kept_fd; /* the instance, once a number of it was closed
				while threads slept in it; -1 */
	_Atomic int inner; /* instance with links' connections and bells; -1 */
	unsigned listens;  /* serial of the bell that was added to it last */
	struct bell *bell; /* of links that are waited for here; NULL */
	_Atomic int sleepers;	  /* threads that watch @sock */
	_Atomic int waiting;	  /* ... that are in a wait, bare or not */
	_Atomic unsigned n_links; /* items of links: inner is to be asked */
	_Atomic bool waited;	  /* by this process */
	_Atomic bool blind;	  /* something has no bell: sleeps are short */
	_Atomic bool kicked;
	_Atomic uint32_t spin_us;
	_Atomic uint64_t looked_ns; /* when the kernel was asked last */
	_Atomic bool spoke;	    /* ... and had something */
	_Atomic bool turn;	  /* who comes first when both have something */
	_Atomic unsigned n_items; /* with a sock */
	_Atomic unsigned added;	  /* items, ever; changed with the lock */
	_Atomic unsigned n_hybrids;   /* listeners and instances */
	_Atomic unsigned n_nested;    /* instances alone */
	_Atomic bool oneshot_hybrids; /* there has been one */
	unsigned n_notes;	      /* all items */
	struct item *_Atomic hot;     /* changed with the lock */
	struct item **bucket;
	unsigned n_buckets;
	struct epoll *next; /* table_lock */
};

extern struct epoll *epoll_instances; /* table_lock */

/* epoll_nest.c */
/* What the links' connections have to say, and who was rung. */
void epoll_look_inner(struct epoll *ep);
/* epoll_hear() and epoll_listen() of the instances in @ep */
void epoll_hear_nested(struct epoll *ep);
int epoll_listen_nested(struct epoll *ep, struct waiter *w) MUST_CHECK;
/* epoll.c: items that are ready, or all, become hot */
void epoll_scan_cold(struct epoll *ep);
void epoll_heat_all(struct epoll *ep);

/* A link has an item now: the kernel's part of it, and its bell. */
void epoll_watch_link(struct epoll *ep, struct sock *s, int fd);
/* ... and its bell alone */
void epoll_watch_bell(struct epoll *ep, struct bell *bell);
void epoll_watch_still(struct epoll *ep, struct sock *s, int fd);
/* A note that the kernel has @fd: it is moved, or kept for a while. */
void epoll_appear_in(struct epoll *ep, int fd, struct sock *s);
int epoll_ctl_kept(struct epoll *ep, int op, int fd, struct sock *s,
		   const struct epoll_event *ev);
/* The kernel's registration is gone; with ep->lock */
void epoll_forget_note(struct epoll *ep, struct item *it);
/* Forget what is kept, of @s or of all; with table_lock */
void epoll_unkeep_all(struct epoll *ep, const struct sock *s);
int epoll_ctl_sock(struct epoll *ep, int op, int fd, struct sock *s,
		   const struct epoll_event *ev);
/* An edge-triggered registration that the kernel had, and all whose edges so
 * far were reported there. */
struct told {
	unsigned seen; /* as in struct item */
	uint32_t seen_tail;
	struct edges last;
};
/* EPOLL_CTL_ADD of one */
int epoll_add_told(struct epoll *ep, int fd, struct sock *s,
		   const struct epoll_event *ev, const struct told *told);
/* watch.fire of items */
void item_fire(struct watch *w);
/* with ep->lock held */
/* The registration of @fd for this sock (NULL: the kernel's). */
struct item *item_find(struct epoll *ep, int fd, const struct sock *s);
struct item **item_slot(struct epoll *ep, int fd);
/* The watch must be gone, or be going with the sock. */
void item_free(struct epoll *ep, struct item *it);
/* epoll_item.c: what is to be reported, which counts as reported then; is
 * there anything?; armed, and there is not: it may be forgotten until it fires
 */
unsigned item_ready(struct item *it);
bool item_pending(struct item *it);
bool item_arm(struct item *it);
void item_hot(struct epoll *ep, struct item *it);
void item_cold(struct epoll *ep, struct item *it);
/* One more or less that is to be looked at. */
void item_count(struct epoll *ep, struct item *it, int by);
/* The first item has come: threads in the kernel's own wait must look. */
void epoll_kick(struct epoll *ep);
void epoll_unkick(struct epoll *ep, int fd);

#endif /* SOCK_EPOLL_H */
