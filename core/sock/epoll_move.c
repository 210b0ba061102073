/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_move.c - sockets that leave the kernel's instance for ours, and end */
#include <errno.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/sock/dgram.h"
#include "core/sock/epoll.h"
#include "core/sock/sock.h"

/*
 * DOC: When a connection gets a link, its registration moves from the kernel's
 * instance to ours.  Whether the kernel has reported an edge it does not say;
 * but if nothing at all is ready in its instance, it has (was_told()).  Else
 * what there is is reported again, which a program must expect.  A one-shot
 * registration that has fired must not fire again, though, and nobody can ask
 * the kernel whether it has.  So it is kept there, and the peer from switching
 * (sock.k_rx), until the program arms it the next time.
 */

/* ep->lock held */
static int watch_locked(struct epoll *ep, int fd, struct epoll_event *ev,
			const struct bell *bell)
{
	struct epoll_event rung = { .events = EPOLLIN | EPOLLET };
	int err = 0;

	if (ep->inner < 0)
		ep->inner = private_fd(k_epoll_create1(EPOLL_CLOEXEC));
	if (ep->inner < 0)
		return ep->inner;
	if (ev)
		err = k_epoll_ctl(ep->inner, EPOLL_CTL_ADD, fd, ev);
	if ((!err || err == -EEXIST) && ep->listens != bell->serial) {
		err = k_epoll_ctl(ep->inner, EPOLL_CTL_ADD, bell->evfd, &rung);
		if (!err || err == -EEXIST)
			ep->listens = bell->serial;
	}
	return err == -EEXIST ? 0 : err;
}

/* The bell alone, if there is no @ev. */
static int watch(struct epoll *ep, int fd, struct epoll_event *ev,
		 const struct bell *bell)
{
	int cancel = cancel_off(), err;
	bool fresh;

	mutex_lock(&ep->lock);
	fresh = ep->inner < 0;
	err = watch_locked(ep, fd, ev, bell);
	if (err)
		ep->blind = true;
	mutex_unlock(&ep->lock);
	if (fresh) /* who sleeps meanwhile does so without it */
		sock_notify(ep->sock);
	cancel_back(cancel);
	return err;
}

/**
 * epoll_watch_link() - Let the kernel's part of a link, and its bell, wake us
 *
 * Edge-triggered, in an instance of our own, where it stays while the socket
 * is open: the program's epoll_ctl() is then no system call.
 */
void epoll_watch_link(struct epoll *ep, struct sock *s, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP |
					    EPOLLET,
				  .data.ptr = s };
	int err = watch(ep, fd, &ev, s->link->bell);

	if (err)
		log_info("epoll %d: no bell for %d: %s", ep->sock->fd, fd,
			 strerrorname_np(-err));
}

void epoll_watch_bell(struct epoll *ep, struct bell *bell)
{
	if (!bell) /* VPP's */
		return;
	watch(ep, -1, NULL, bell);
}

/* The same, unless another thread has closed @fd: it may mean another
 * connection, which would not be heard then. */
void epoll_watch_still(struct epoll *ep, struct sock *s, int fd)
{
	mutex_lock(&table_lock);
	if (table_peek(fd) == s)
		epoll_watch_link(ep, s, fd);
	mutex_unlock(&table_lock);
}

void epoll_sock_leaves(struct sock *s, int fd)
{
	struct watch *w;
	struct item *it;

	mutex_lock(&watch_lock);
	for (w = s->watches; w; w = w->next) {
		if (w->fire != item_fire)
			continue;
		it = container_of(w, struct item, watch);
		if (it->ep->inner >= 0)
			k_epoll_ctl(it->ep->inner, EPOLL_CTL_DEL, fd, NULL);
	}
	mutex_unlock(&watch_lock);
}

/* With ep->lock held: any registration of this number. */
static bool has(struct epoll *ep, int fd)
{
	struct item *it;

	for (it = *item_slot(ep, fd); it; it = it->next)
		if (it->fd == fd)
			return true;
	return false;
}

struct bell *epoll_bell(int fd)
{
	struct bell *b = NULL;
	struct epoll *ep;

	mutex_lock(&table_lock);
	for (ep = epoll_instances; ep && !b; ep = ep->next) {
		mutex_lock(&ep->lock);
		if (has(ep, fd)) {
			if (!ep->bell)
				ep->bell = bell_new();
			b = bell_hold(ep->bell);
		}
		mutex_unlock(&ep->lock);
	}
	mutex_unlock(&table_lock);
	return b;
}

/* Was @fd really registered?  The note may be older than the descriptor. */
static bool kernel_has(struct epoll *ep, struct item *it, struct sock *s)
{
	struct epoll_event ev = { .events = it->events, .data = it->data };

	/* an exclusive one can't be modified, which says that it is there */
	if (s->kind == SOCK_LISTENER)
		return k_epoll_ctl(ep->sock->fd, EPOLL_CTL_MOD, it->fd, &ev) !=
		       -ENOENT;
	return !k_epoll_ctl(ep->sock->fd, EPOLL_CTL_DEL, it->fd, NULL);
}

/* The same, without a change to what is there. */
static bool kernel_has_still(struct epoll *ep, struct item *it)
{
	struct epoll_event ev = { .events = EPOLLONESHOT, .data = it->data };

	if (k_epoll_ctl(ep->sock->fd, EPOLL_CTL_ADD, it->fd, &ev) == -EEXIST)
		return true;
	k_epoll_ctl(ep->sock->fd, EPOLL_CTL_DEL, it->fd, NULL);
	return false;
}

static void keep(struct item *it, struct sock *s)
{
	it->kept = s;
	s->kept++;
	s->k_rx++;
}

/* ep->lock held.  The count of calls is lowered by the caller, later. */
static void unkeep(struct epoll *ep, struct item *it)
{
	it->kept->kept--;
	item_free(ep, it);
}

void epoll_forget_note(struct epoll *ep, struct item *it)
{
	struct sock *kept = it->kept;

	if (!kept) {
		item_free(ep, it);
		return;
	}
	unkeep(ep, it);
	--kept->k_rx;
}

/* With ep->lock held: to be moved, as *@ev says. */
static bool take_out(struct epoll *ep, int fd, struct sock *s,
		     struct epoll_event *ev)
{
	struct item *it = item_find(ep, fd, NULL);
	bool live;

	if (!it || it->kept)
		return false;
	ev->events = it->events;
	ev->data = it->data;
	if (s->kind == SOCK_LINK && it->events & EPOLLONESHOT &&
	    kernel_has_still(ep, it)) {
		keep(it, s);
		return false;
	}
	live = kernel_has(ep, it, s);
	item_free(ep, it);
	return live;
}

/*
 * Has all that is ready been reported?  An edge that is to be is in the
 * kernel's list, where poll(2) of the instance sees it.  What is there now is
 * read before: what comes after that is new, even if the kernel reports it,
 * too.  sock_tail() has waited for the socket's lock, so whoever brought what
 * we read has put it into that list by then.
 */
static bool was_told(struct epoll *ep, const struct item *it, struct sock *s,
		     struct told *told)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = ep->sock->fd, .events = POLLIN };
	int cancel, n;

	if (s->kind != SOCK_LINK || !it || !(it->events & EPOLLET))
		return false;
	cancel = cancel_off();
	told->last = edges_of(s);
	/* the kernel's word: the ring may have room already, which is news */
	told->seen =
		link_ask_kernel(s, (it->events & 0xffff) | POLLIN | POLLRDHUP);
	told->seen_tail = sock_tail(s);
	n = k_ppoll(&pfd, 1, &zero, NULL);
	cancel_back(cancel);
	return !n;
}

void epoll_appear_in(struct epoll *ep, int fd, struct sock *s)
{
	struct epoll_event ev;
	struct told told;
	bool live, was;
	int err;

	mutex_lock(&ep->lock);
	was = was_told(ep, item_find(ep, fd, NULL), s, &told);
	live = take_out(ep, fd, s, &ev);
	mutex_unlock(&ep->lock);
	if (!live)
		return;
	err = was ? epoll_add_told(ep, fd, s, &ev, &told)
		  : epoll_ctl_sock(ep, EPOLL_CTL_ADD, fd, s, &ev);
	if (err == -ENOMEM)
		log_warn("epoll %d: lost %d: no memory", ep->sock->fd, fd);
	else if (s->kind == SOCK_LINK)
		epoll_watch_link(ep, s, fd);
}

/* With table_lock, which keeps the instances (another thread may be closing
 * one) and the number: who closes it takes the entry first. */
static void appear(int fd, struct sock *s)
{
	struct epoll *ep;

	for (ep = epoll_instances; ep; ep = ep->next)
		epoll_appear_in(ep, fd, s);
}

/**
 * epoll_sock_appears() - A socket has become ours
 *
 * Where one of its numbers was a member of the kernel's instance it becomes an
 * item of ours.
 */
void epoll_sock_appears(int fd, struct sock *s)
{
	mutex_lock(&table_lock);
	if (likely(s->entries == 1 && table_peek(fd) == s)) {
		appear(fd, s);
	} else {
		for (fd = table_next(0); fd >= 0; fd = table_next(fd + 1))
			if (table_peek(fd) == s)
				appear(fd, s);
	}
	mutex_unlock(&table_lock);
}

/**
 * epoll_ctl_kept() - epoll_ctl() of a link that was kept in the kernel's
 *
 * Return: -EAGAIN if it was not
 */
int epoll_ctl_kept(struct epoll *ep, int op, int fd, struct sock *s,
		   const struct epoll_event *ev)
{
	struct item *it;
	int err = 0;

	mutex_lock(&ep->lock);
	it = item_find(ep, fd, NULL);
	if (!it || it->kept != s)
		err = -EAGAIN;
	else if (op == EPOLL_CTL_ADD)
		err = -EEXIST;
	else if (op == EPOLL_CTL_MOD && ev->events & EPOLLEXCLUSIVE)
		err = -EINVAL;
	if (!err) {
		k_epoll_ctl(ep->sock->fd, EPOLL_CTL_DEL, fd, NULL);
		unkeep(ep, it);
	}
	mutex_unlock(&ep->lock);
	if (err)
		return err;
	if (op == EPOLL_CTL_MOD) {
		err = epoll_ctl_sock(ep, EPOLL_CTL_ADD, fd, s, ev);
		if (!err)
			epoll_watch_still(ep, s, fd);
	}
	--s->k_rx;
	return err;
}

/* With table_lock, of an instance that goes: no sock can go meanwhile. */
void epoll_unkeep_all(struct epoll *ep, const struct sock *s)
{
	struct item *it, *next;
	unsigned i;

	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = next) {
			next = it->next;
			if (it->kept && (!s || it->kept == s))
				epoll_forget_note(ep, it);
		}
	mutex_unlock(&ep->lock);
}

static void forget_kept(const struct sock *s)
{
	struct epoll *ep;

	mutex_lock(&table_lock);
	for (ep = epoll_instances; ep; ep = ep->next)
		epoll_unkeep_all(ep, s);
	mutex_unlock(&table_lock);
}

/* Closing the last number takes a socket out of every instance. */
void epoll_sock_gone(struct sock *s)
{
	struct epoll *ep;
	struct watch *w;
	struct item *it;

	if (unlikely(s->kept))
		forget_kept(s);
	for (;;) {
		mutex_lock(&watch_lock);
		for (w = s->watches; w && w->fire != item_fire; w = w->next)
			;
		if (w) {
			watch_unlink(w);
			it = container_of(w, struct item, watch);
			ep = it->ep;
			mutex_lock(&ep->lock);
			item_free(ep, it);
			mutex_unlock(&ep->lock);
		}
		mutex_unlock(&watch_lock);
		if (!w)
			return;
	}
}

/* --- UDP sockets, which are members of the kernel's instance as well --- */

static bool has_item_of(struct epoll *ep, const struct sock *s)
{
	struct item *it;
	bool found = false;
	unsigned i;

	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets && !found; i++)
		for (it = ep->bucket[i]; it && !found; it = it->next)
			found = it->sock == s;
	mutex_unlock(&ep->lock);
	return found;
}

static void each_item(struct sock *s, void (*fn)(struct item *it, int fd),
		      int fd)
{
	struct watch *w;

	mutex_lock(&watch_lock);
	for (w = s->watches; w; w = w->next)
		if (w->fire == item_fire)
			fn(container_of(w, struct item, watch), fd);
	mutex_unlock(&watch_lock);
}

static void count_item(struct item *it, int fd)
{
	mutex_lock(&it->ep->lock);
	if (!it->counted)
		item_count(it->ep, it, 1);
	mutex_unlock(&it->ep->lock);
	epoll_kick(it->ep);
}

/* With table_lock, which keeps the instances. */
void epoll_dgram_lives(struct sock *s)
{
	struct epoll *ep;

	mutex_lock(&table_lock);
	for (ep = epoll_instances; ep; ep = ep->next)
		if (has_item_of(ep, s))
			epoll_watch_bell(ep, s->dgram->bell);
	each_item(s, count_item, -1);
	mutex_unlock(&table_lock);
}

static void ask_anew(struct item *it, int fd)
{
	struct epoll_event ev = { .data = it->data };

	mutex_lock(&it->ep->lock);
	ev.events = dgram_kernel_events(it->sock, it->events);
	/* an exclusive one can't be changed: the kernel says more than it
	 * should */
	if (!it->disabled &&
	    k_epoll_ctl(it->ep->sock->fd, EPOLL_CTL_MOD, it->fd, &ev))
		log_debug("epoll %d: %d is asked as before", it->ep->sock->fd,
			  it->fd);
	it->edge = true;
	mutex_unlock(&it->ep->lock);
	count_item(it, fd);
}

void epoll_dgram_asked(struct sock *s)
{
	each_item(s, ask_anew, -1);
}

static void take_out_kernels(struct item *it, int fd)
{
	k_epoll_ctl(it->ep->sock->fd, EPOLL_CTL_DEL, fd, NULL);
}

void epoll_sock_closed(struct sock *s, int fd)
{
	each_item(s, take_out_kernels, fd);
	epoll_sock_gone(s);
}
