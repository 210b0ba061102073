/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.h - an epoll instance and its registrations, for two files */
#ifndef SOCK_EPOLL_H
#define SOCK_EPOLL_H

#include <limits.h>
#include <sys/epoll.h>

#include "core/sock/table.h"

#define EP_MAX_EVENTS (INT_MAX / (int)sizeof(struct epoll_event))

/* One registration: of a socket of ours, or a note of what the kernel has
 * (@sock NULL), because that socket may become ours later. */
struct item {
	struct watch watch; /* of @sock */
	struct epoll *ep;
	struct sock *sock; /* no reference: epoll_sock_gone() comes first */
	int fd;
	uint32_t events;
	epoll_data_t data;
	bool disabled; /* one-shot, and it fired */
	bool edge;     /* registered or modified: report what there is */
	unsigned seen; /* edge-triggered: as last reported */
	uint32_t seen_tail, seen_full;
	struct item *hot_next, *hot_prev; /* circular; NULL: cold */
	struct item *next;		  /* same bucket */
};

#define EP_BUCKETS 64 /* grows by powers of two */

struct epoll {
	char tag_event, tag_queue, tag_sock; /* addresses are data of ours */
	pthread_mutex_t lock;
	int fd;	  /* the instance; of one of its numbers */
	int evfd; /* wakes a thread that sleeps in it; -1: none yet */
	_Atomic int sleepers;
	_Atomic bool foreign; /* polled, or in another instance */
	unsigned epoch;	      /* of the attachments it watches */
	uint32_t spin_us;
	struct spin slept;
	unsigned since_kernel;
	unsigned n_items; /* with a sock */
	unsigned n_listeners;
	unsigned n_notes; /* all items */
	struct item *hot;
	struct item **bucket;
	unsigned n_buckets;
	struct epoll *next; /* table_lock */
};

/* with ep->lock held */
void item_hot(struct epoll *ep, struct item *it);
void item_cold(struct epoll *ep, struct item *it);
/* Renew the members of ours if attachments came or went. */
void epoll_sync(struct epoll *ep);
/* Make the instance readable for whoever waits on it. */
void epoll_ring(struct epoll *ep);

#endif /* SOCK_EPOLL_H */
