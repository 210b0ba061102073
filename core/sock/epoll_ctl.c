/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl.c - epoll instances: registrations, and sockets that come and go */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sock/epoll.h"
#include "core/sock/sock.h"

static struct epoll *instances; /* table_lock */

/* --- items; ep->lock held --- */

void item_hot(struct epoll *ep, struct item *it)
{
	if (it->hot_next)
		return;
	if (!ep->hot) {
		it->hot_next = it->hot_prev = it;
		ep->hot = it;
		return;
	}
	it->hot_next = ep->hot;
	it->hot_prev = ep->hot->hot_prev;
	it->hot_prev->hot_next = it;
	ep->hot->hot_prev = it;
}

void item_cold(struct epoll *ep, struct item *it)
{
	if (!it->hot_next)
		return;
	if (it->hot_next == it) {
		ep->hot = NULL;
	} else {
		it->hot_prev->hot_next = it->hot_next;
		it->hot_next->hot_prev = it->hot_prev;
		if (ep->hot == it)
			ep->hot = it->hot_next;
	}
	it->hot_next = it->hot_prev = NULL;
}

static struct item **slot_of(struct epoll *ep, int fd)
{
	return &ep->bucket[(unsigned)fd & (ep->n_buckets - 1)];
}

/* The registration of @fd for this sock (NULL: the kernel's). */
static struct item *find(struct epoll *ep, int fd, const struct sock *s)
{
	struct item *it;

	for (it = *slot_of(ep, fd); it; it = it->next)
		if (it->fd == fd && it->sock == s)
			return it;
	return NULL;
}

static void grow(struct epoll *ep)
{
	unsigned n = ep->n_buckets * 4, i;
	struct item **wide = calloc(n, sizeof(*wide)), **old = ep->bucket;
	struct item *it, *next;

	if (!wide)
		return; /* longer chains are slower, not wrong */
	ep->bucket = wide;
	i = ep->n_buckets;
	ep->n_buckets = n;
	while (i-- > 0)
		for (it = old[i]; it; it = next) {
			next = it->next;
			it->next = *slot_of(ep, it->fd);
			*slot_of(ep, it->fd) = it;
		}
	free(old);
}

static struct item *item_new(struct epoll *ep, int fd)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	if (ep->n_notes >= ep->n_buckets * 2)
		grow(ep);
	it->ep = ep;
	it->fd = fd;
	it->next = *slot_of(ep, fd);
	*slot_of(ep, fd) = it;
	ep->n_notes++;
	return it;
}

static void count_sock(struct epoll *ep, const struct sock *s, int by)
{
	ep->n_items += (unsigned)by;
	if (s->kind == SOCK_LISTENER)
		ep->n_listeners += (unsigned)by;
}

/* The watch must be gone, or be going with the sock. */
static void item_free(struct epoll *ep, struct item *it)
{
	struct item **p = slot_of(ep, it->fd);

	while (*p != it)
		p = &(*p)->next;
	*p = it->next;
	item_cold(ep, it);
	if (it->sock)
		count_sock(ep, it->sock, -1);
	ep->n_notes--;
	free(it);
}

/* --- waking --- */

void epoll_ring(struct epoll *ep)
{
	static const uint64_t one = 1;

	if (ep->evfd >= 0 && k_write(ep->evfd, &one, sizeof(one)) < 0) {
		/* the counter is full, which is readable too */
	}
}

/* watch.fire: something happened to the item's sock; watch_lock held */
static void item_fire(struct watch *w)
{
	struct item *it = container_of(w, struct item, watch);
	struct epoll *ep = it->ep;

	pthread_mutex_lock(&ep->lock);
	item_hot(ep, it);
	pthread_mutex_unlock(&ep->lock);
	/* after the item is hot: pairs with the sleeper, which announces
	 * itself before its last look (wait_loop()) */
	if (ep->sleepers || ep->foreign)
		epoll_ring(ep);
}

static void add_member(struct epoll *ep, int fd, uint32_t events, char *tag)
{
	struct epoll_event ev = { .events = events | EPOLLET, .data.ptr = tag };
	int err = k_epoll_ctl(ep->fd, EPOLL_CTL_ADD, fd, &ev);

	if (err && err != -EEXIST)
		log_debug("epoll %d: can't watch %d: %s", ep->fd, fd,
			  strerrorname_np(-err));
}

void epoll_sync(struct epoll *ep)
{
	int fd[APP_WAIT_EXTRA - 1];
	uint32_t events[APP_WAIT_EXTRA - 1];
	unsigned i, n;

	if (!ep->n_items || (ep->evfd >= 0 && ep->epoch == app_epoch))
		return;
	ep->epoch = app_epoch;
	if (ep->evfd < 0) {
		ep->evfd = private_fd(k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		if (ep->evfd >= 0)
			add_member(ep, ep->evfd, EPOLLIN, &ep->tag_event);
	}
	n = app_wait_fds(fd, events);
	for (i = 0; i < n; i++)
		add_member(ep, fd[i], events[i] ? EPOLLIN : 0,
			   events[i] ? &ep->tag_queue : &ep->tag_sock);
}

/* --- instances --- */

/* Only an instance can be waited in.  An event that this wait takes from an
 * edge-triggered member would be lost, but there is no member yet that the
 * program registered through us. */
static bool is_instance(int fd)
{
	struct epoll_event ev;

	return k_epoll_pwait(fd, &ev, 1, 0, NULL) >= 0;
}

static struct sock *instance_new(int fd)
{
	struct epoll *ep = calloc(1, sizeof(*ep));
	struct sock *s = NULL;

	if (!ep)
		return NULL;
	ep->bucket = calloc(EP_BUCKETS, sizeof(*ep->bucket));
	if (ep->bucket)
		s = sock_new(SOCK_EPOLL);
	if (!s) {
		free(ep->bucket);
		free(ep);
		return NULL;
	}
	ep->n_buckets = EP_BUCKETS;
	pthread_mutex_init(&ep->lock, NULL);
	ep->fd = fd;
	ep->evfd = -1;
	s->epoll = ep;
	if (table_set(fd, s)) {
		sock_put(s); /* frees the instance too */
		return NULL;
	}
	pthread_mutex_lock(&table_lock);
	ep->next = instances;
	instances = ep;
	pthread_mutex_unlock(&table_lock);
	return s;
}

void epoll_free(struct epoll *ep)
{
	struct epoll **p;
	struct item *it;
	unsigned i;

	pthread_mutex_lock(&table_lock);
	for (p = &instances; *p && *p != ep; p = &(*p)->next)
		;
	if (*p)
		*p = ep->next;
	pthread_mutex_unlock(&table_lock);
	for (i = 0; i < ep->n_buckets; i++)
		while ((it = ep->bucket[i])) {
			if (it->sock)
				watch_del(&it->watch);
			item_free(ep, it);
		}
	private_close(ep->evfd);
	pthread_mutex_destroy(&ep->lock);
	free(ep->bucket);
	free(ep);
}

/* --- epoll_ctl --- */

/* A socket of ours joins; the caller has looked for an older item. */
static int add_sock(struct epoll *ep, int fd, struct sock *s,
		    const struct epoll_event *ev)
{
	struct item *it;

	pthread_mutex_lock(&ep->lock);
	it = item_new(ep, fd);
	if (it) {
		it->sock = s;
		it->events = ev->events;
		it->data = ev->data;
		it->edge = true;
		count_sock(ep, s, 1);
		ep->spin_us = MAX(ep->spin_us, s->spin_us);
	}
	pthread_mutex_unlock(&ep->lock);
	if (!it)
		return -ENOMEM;
	epoll_sync(ep);
	watch_add(&it->watch, s, item_fire);
	/* it may be ready already, and a thread may sleep */
	pthread_mutex_lock(&watch_lock);
	item_fire(&it->watch);
	pthread_mutex_unlock(&watch_lock);
	return 0;
}

static int mod_sock(struct epoll *ep, struct item *it,
		    const struct epoll_event *ev)
{
	pthread_mutex_lock(&ep->lock);
	it->events = ev->events;
	it->data = ev->data;
	it->disabled = false;
	it->edge = true;
	pthread_mutex_unlock(&ep->lock);
	pthread_mutex_lock(&watch_lock);
	item_fire(&it->watch);
	pthread_mutex_unlock(&watch_lock);
	return 0;
}

static void del_sock(struct epoll *ep, struct item *it)
{
	watch_del(&it->watch);
	pthread_mutex_lock(&ep->lock);
	item_free(ep, it);
	pthread_mutex_unlock(&ep->lock);
}

static int ctl_sock(struct epoll *ep, int op, int fd, struct sock *s,
		    const struct epoll_event *ev)
{
	struct item *it;

	pthread_mutex_lock(&ep->lock);
	it = find(ep, fd, s);
	pthread_mutex_unlock(&ep->lock);
	switch (op) {
	case EPOLL_CTL_ADD:
		return it ? -EEXIST : add_sock(ep, fd, s, ev);
	case EPOLL_CTL_MOD:
		if (it && (it->events | ev->events) & EPOLLEXCLUSIVE)
			return -EINVAL;
		return it ? mod_sock(ep, it, ev) : -ENOENT;
	case EPOLL_CTL_DEL:
		if (it)
			del_sock(ep, it);
		return it ? 0 : -ENOENT;
	default:
		return -EINVAL;
	}
}

/* Note what the kernel has agreed to: the socket may become ours. */
static void note_kernel(struct epoll *ep, int op, int fd,
			const struct epoll_event *ev)
{
	struct item *it;

	pthread_mutex_lock(&ep->lock);
	it = find(ep, fd, NULL);
	if (op == EPOLL_CTL_DEL) {
		if (it)
			item_free(ep, it);
	} else {
		if (!it)
			it = item_new(ep, fd);
		if (it) {
			it->events = ev->events;
			it->data = ev->data;
		}
	}
	pthread_mutex_unlock(&ep->lock);
}

static int ctl(struct epoll *ep, int epfd, int op, int fd,
	       struct epoll_event *ev)
{
	struct sock *s = sock_get_claimed(fd);
	int err;

	if (s && s->kind == SOCK_SESSION) {
		err = ev || op == EPOLL_CTL_DEL ? ctl_sock(ep, op, fd, s, ev)
						: -EFAULT;
	} else {
		err = k_epoll_ctl(epfd, op, fd, ev);
		if (!err && s && s->kind == SOCK_LISTENER) {
			hold_accept(s->hold);
			err = ctl_sock(ep, op, fd, s, ev);
		} else if (!err) {
			note_kernel(ep, op, fd, ev);
		}
		if (!err && s && s->kind == SOCK_EPOLL)
			s->epoll->foreign = true;
	}
	if (s)
		sock_put(s);
	return err;
}

int sock_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock *es;
	int err;

	if (private_is(fd) || private_is(epfd))
		return -EBADF;
	es = sock_get(epfd);
	if (!es) {
		/* the kernel says whether this is an instance at all; before
		 * the first ADD there is nothing that another call could mean
		 */
		if (op != EPOLL_CTL_ADD || conf_get()->disabled)
			return k_epoll_ctl(epfd, op, fd, ev);
		es = is_instance(epfd) ? instance_new(epfd) : NULL;
		if (!es)
			return k_epoll_ctl(epfd, op, fd, ev);
	}
	if (es->kind != SOCK_EPOLL) {
		sock_put(es);
		return k_epoll_ctl(epfd, op, fd, ev);
	}
	err = ctl(es->epoll, epfd, op, fd, ev);
	sock_put(es);
	return err;
}

/* --- sockets that come and go --- */

/* Was @fd really registered?  The note may be older than the descriptor. */
static bool kernel_has(struct epoll *ep, struct item *it, struct sock *s)
{
	struct epoll_event ev = { .events = it->events, .data = it->data };

	if (s->kind == SOCK_LISTENER)
		return !k_epoll_ctl(ep->fd, EPOLL_CTL_MOD, it->fd, &ev);
	return !k_epoll_ctl(ep->fd, EPOLL_CTL_DEL, it->fd, NULL);
}

static void appear_in(struct epoll *ep, int fd, struct sock *s)
{
	struct epoll_event ev = { 0 };
	struct item *it;
	bool live = false;

	pthread_mutex_lock(&ep->lock);
	it = find(ep, fd, NULL);
	if (it) {
		ev.events = it->events;
		ev.data = it->data;
		live = kernel_has(ep, it, s);
		item_free(ep, it);
	}
	pthread_mutex_unlock(&ep->lock);
	if (live && add_sock(ep, fd, s, &ev))
		log_warn("epoll %d: lost %d: no memory", ep->fd, fd);
}

/**
 * epoll_sock_appears() - A descriptor has become a sock
 *
 * Where it was a member of the kernel's instance it becomes an item of ours.
 * An instance is not freed meanwhile: the program would be closing it while
 * it connects a socket that is in it.
 */
void epoll_sock_appears(int fd, struct sock *s)
{
	struct epoll *ep;

	pthread_mutex_lock(&table_lock);
	ep = instances;
	pthread_mutex_unlock(&table_lock);
	for (; ep; ep = ep->next)
		appear_in(ep, fd, s);
}

/* Closing the last number takes a socket out of every instance. */
void epoll_sock_gone(struct sock *s)
{
	struct epoll *ep;
	struct watch *w;
	struct item *it;

	for (;;) {
		pthread_mutex_lock(&watch_lock);
		for (w = s->watches; w && w->fire != item_fire; w = w->next)
			;
		if (w) {
			*w->prev = w->next;
			if (w->next)
				w->next->prev = w->prev;
			it = container_of(w, struct item, watch);
			ep = it->ep;
			pthread_mutex_lock(&ep->lock);
			item_free(ep, it);
			pthread_mutex_unlock(&ep->lock);
		}
		pthread_mutex_unlock(&watch_lock);
		if (!w)
			return;
	}
}

/* --- fork --- */

void epoll_fork_prepare(void)
{
	struct epoll *ep;

	for (ep = instances; ep; ep = ep->next)
		pthread_mutex_lock(&ep->lock);
}

void epoll_fork_parent(void)
{
	struct epoll *ep;

	for (ep = instances; ep; ep = ep->next)
		pthread_mutex_unlock(&ep->lock);
}

/* The instance is shared with the parent, its members of ours are not: the
 * child's waits need an eventfd and attachments of its own. */
void epoll_fork_child(void)
{
	struct epoll *ep;

	for (ep = instances; ep; ep = ep->next) {
		private_close(ep->evfd);
		ep->evfd = -1;
		ep->sleepers = 0;
		ep->epoch = app_epoch - 1;
		pthread_mutex_unlock(&ep->lock);
	}
}
