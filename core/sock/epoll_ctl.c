/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_ctl.c - epoll instances: registrations, and sockets that come and go */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/epoll.h"
#include "core/sock/sock.h"

/*
 * DOC: A registration is the kernel's (a note, without a sock), ours (an item),
 * or a kept one (epoll_move.c).  It goes from one to the other while other
 * threads change it and are told of its events, so what is not found where it
 * should be is looked for again where it may have gone.  The three kinds of
 * change stand together here, which makes this file long.
 */

/* what may come with EPOLLEXCLUSIVE (epoll_ctl(2)) */
#define EXCLUSIVE_OK                                                        \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | \
	 EPOLLEXCLUSIVE)

struct epoll *epoll_instances;

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

struct item **item_slot(struct epoll *ep, int fd)
{
	return &ep->bucket[(unsigned)fd & (ep->n_buckets - 1)];
}

/* The registration of @fd for this sock (NULL: the kernel's). */
struct item *item_find(struct epoll *ep, int fd, const struct sock *s)
{
	struct item *it;

	for (it = *item_slot(ep, fd); it; it = it->next)
		if (it->fd == fd && it->sock == s)
			return it;
	return NULL;
}

static void grow(struct epoll *ep)
{
	unsigned n = ep->n_buckets * 4, i;
	struct item **wide = mem_zalloc(n, sizeof(*wide)), **old = ep->bucket;
	struct item *it, *next;

	if (!wide)
		return; /* longer chains are slower, not wrong */
	ep->bucket = wide;
	i = ep->n_buckets;
	ep->n_buckets = n;
	while (i-- > 0)
		for (it = old[i]; it; it = next) {
			next = it->next;
			it->next = *item_slot(ep, it->fd);
			*item_slot(ep, it->fd) = it;
		}
	mem_free(old);
}

static struct item *item_new(struct epoll *ep, int fd)
{
	struct item *it = mem_zalloc(1, sizeof(*it));

	if (!it)
		return NULL;
	if (ep->n_notes >= ep->n_buckets * 2)
		grow(ep);
	it->ep = ep;
	it->fd = fd;
	it->next = *item_slot(ep, fd);
	*item_slot(ep, fd) = it;
	ep->n_notes++;
	return it;
}

/* A UDP socket that has no links yet is the kernel's alone. */
void item_count(struct epoll *ep, struct item *it, int by)
{
	const struct sock *s = it->sock;

	if (by > 0 ? s->kind == SOCK_UDP && !s->dgram->live : !it->counted)
		return;
	it->counted = by > 0;
	ep->n_items += (unsigned)by;
	if (s->kind == SOCK_LINK || (s->kind == SOCK_UDP && !s->dgram->vpp))
		ep->n_links += (unsigned)by;
	if (s->kind != SOCK_LINK && s->kind != SOCK_SESSION)
		ep->n_hybrids += (unsigned)by;
	if (s->kind == SOCK_EPOLL)
		ep->n_nested += (unsigned)by;
}

/* The watch must be gone, or be going with the sock. */
void item_free(struct epoll *ep, struct item *it)
{
	struct item **p = item_slot(ep, it->fd);

	while (*p != it)
		p = &(*p)->next;
	*p = it->next;
	item_cold(ep, it);
	if (it->sock)
		item_count(ep, it, -1);
	ep->n_notes--;
	mem_free(it);
}

/* --- waking --- */

/* watch.fire: something happened to the item's sock; watch_lock held */
void item_fire(struct watch *w)
{
	struct item *it = container_of(w, struct item, watch);
	struct epoll *ep = it->ep;

	mutex_lock(&ep->lock);
	if (!it->gone)
		item_hot(ep, it);
	mutex_unlock(&ep->lock);
	if (it->gone)
		return;
	/* threads that sleep in it, and instances that it is in */
	watch_fire(ep->sock);
}

static void kick(struct epoll *ep)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = ep };
	int fd;

	/* the number first: a member goes by the number it had when added */
	fd = private_fd(k_eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
	if (fd < 0 || k_epoll_ctl(ep->sock->fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		log_warn("epoll %d: a sleeping thread may miss a socket",
			 ep->sock->fd);
	ep->kick_fd = fd;
	ep->kicked = true;
}

void epoll_kick(struct epoll *ep)
{
	int cancel = cancel_off();

	mutex_lock(&ep->lock);
	if (ep->bare && !ep->kicked)
		kick(ep);
	mutex_unlock(&ep->lock);
	/* kicked before bare, as the thread that leaves lowers bare before it
	 * looks at kicked (left_bare()): one of us takes the kick away */
	if (!ep->bare && ep->kicked)
		epoll_unkick(ep, ep->sock->fd);
	cancel_back(cancel);
}

/* The last of the threads is out; closing takes the member away. */
void epoll_unkick(struct epoll *ep, int fd)
{
	mutex_lock(&ep->lock);
	if (ep->kick_fd >= 0) {
		k_epoll_ctl(fd, EPOLL_CTL_DEL, ep->kick_fd, NULL);
		private_close(ep->kick_fd);
	}
	ep->kick_fd = -1;
	ep->kicked = false;
	mutex_unlock(&ep->lock);
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

static struct sock *instance_create(int fd)
{
	struct epoll *ep = mem_zalloc(1, sizeof(*ep));
	struct sock *s = NULL;

	if (!ep)
		return NULL;
	ep->bucket = mem_zalloc(EP_BUCKETS, sizeof(*ep->bucket));
	if (ep->bucket)
		s = sock_new(SOCK_EPOLL);
	if (!s) {
		mem_free(ep->bucket);
		mem_free(ep);
		return NULL;
	}
	ep->n_buckets = EP_BUCKETS;
	pthread_mutex_init(&ep->lock, NULL);
	ep->kick_fd = -1;
	ep->kept_fd = -1;
	ep->inner = -1;
	ep->sock = s;
	s->fd = fd;
	s->epoll = ep;
	if (table_add(fd, s)) {
		sock_put(s); /* frees the instance too */
		return NULL;
	}
	mutex_lock(&table_lock);
	ep->next = epoll_instances;
	epoll_instances = ep;
	mutex_unlock(&table_lock);
	return s;
}

/* Two threads may be the first to use an instance: they must end up with the
 * same one. */
static struct sock *instance_new(int fd)
{
	struct sock *s = instance_create(fd);

	return s ? s : sock_get(fd);
}

/**
 * epoll_closing() - @fd, a number of an instance, is about to be closed
 *
 * Threads that sleep in it are told of its members all the same.  Ours look at
 * the instance by a number again and again, as poll(2) does itself, so there
 * must be one that the program can't have mean another.
 */
void epoll_closing(struct sock *s, int fd)
{
	struct epoll *ep = s->epoll;
	int kept;

	if (likely(!ep->waiting) || ep->kept_fd >= 0)
		return;
	kept = private_fd(k_fcntl(fd, F_DUPFD_CLOEXEC, 0));
	if (kept < 0)
		return;
	ep->kept_fd = kept;
	s->fd = kept;
	sock_notify(s);
}

/**
 * epoll_free() - The last number of an instance is closed
 *
 * Its items' socks may be closed by other threads at the same time: whoever
 * frees an item does so with watch_lock held (epoll_sock_gone()).
 */
void epoll_free(struct epoll *ep)
{
	struct epoll **p;
	struct item *it;
	unsigned i;

	mutex_lock(&table_lock);
	for (p = &epoll_instances; *p && *p != ep; p = &(*p)->next)
		;
	if (*p)
		*p = ep->next;
	epoll_unkeep_all(ep, NULL);
	mutex_unlock(&table_lock);
	mutex_lock(&watch_lock);
	for (i = 0; i < ep->n_buckets; i++)
		while ((it = ep->bucket[i])) {
			watch_unlink(&it->watch);
			item_free(ep, it);
		}
	mutex_unlock(&watch_lock);
	private_close(ep->kick_fd);
	private_close(ep->kept_fd);
	private_close(ep->inner);
	bell_put(ep->bell);
	pthread_mutex_destroy(&ep->lock);
	mem_free(ep->bucket);
	mem_free(ep);
}

/* --- links --- */

/* With ep->lock held, and a reference to the item's sock, which keeps it. */
static int change_link(struct epoll *ep, int op, struct item *it,
		       const struct epoll_event *ev)
{
	bool add = op == EPOLL_CTL_ADD;

	if (it->gone != add)
		return add ? -EEXIST : -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		it->gone = true;
		item_cold(ep, it);
		return 0;
	}
	if (ev->events & EPOLLEXCLUSIVE && (!add || ev->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	if (!add && it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	it->events = ev->events;
	it->data = ev->data;
	it->gone = it->disabled = false;
	it->edge = true;
	item_hot(ep, it);
	return 0;
}

/*
 * A link that the instance knows: no system call, and no lock but the
 * instance's.  -EAGAIN: it does not.
 */
static int ctl_link(struct epoll *ep, int op, int fd, struct sock *s,
		    const struct epoll_event *ev)
{
	struct item *it;
	int err = -EAGAIN;

	if (op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	mutex_lock(&ep->lock);
	it = item_find(ep, fd, s);
	if (it)
		err = change_link(ep, op, it, ev);
	mutex_unlock(&ep->lock);
	/* it may be ready, and a thread asleep: this one's store above and the
	 * sleeper's count before its last look see to it */
	if (!err && op != EPOLL_CTL_DEL && unlikely(ep->sleepers))
		sock_notify(ep->sock);
	return err;
}

/* --- epoll_ctl --- */

/* watch_lock held: a socket of ours joins, if it is not there already. */
static int add_locked(struct epoll *ep, int fd, struct sock *s,
		      const struct epoll_event *ev, const struct told *told)
{
	struct item *it;

	mutex_lock(&ep->lock);
	if (item_find(ep, fd, s)) {
		mutex_unlock(&ep->lock);
		return -EEXIST;
	}
	it = item_new(ep, fd);
	if (it) {
		it->sock = s;
		it->events = ev->events;
		it->data = ev->data;
		it->edge = !told;
		if (told) {
			it->seen = told->seen;
			it->seen_tail = told->seen_tail;
			it->last = told->last;
		}
		item_count(ep, it, 1);
		ep->added++; /* before it is hot: look_both() */
		ep->spin_us = MAX(ep->spin_us, s->spin_us);
	}
	mutex_unlock(&ep->lock);
	if (!it)
		return -ENOMEM;
	epoll_kick(ep);
	watch_link(&it->watch, s, item_fire);
	/* it may be ready already, and a thread may sleep */
	item_fire(&it->watch);
	return 0;
}

/* watch_lock held, which keeps @it, and the other calls, away */
static void change_locked(struct epoll *ep, int op, struct item *it,
			  const struct epoll_event *ev)
{
	if (op == EPOLL_CTL_DEL)
		watch_unlink(&it->watch);
	mutex_lock(&ep->lock);
	if (op == EPOLL_CTL_DEL) {
		item_free(ep, it);
	} else {
		it->events = ev->events;
		it->data = ev->data;
		it->disabled = false;
		it->edge = true;
	}
	mutex_unlock(&ep->lock);
	if (op != EPOLL_CTL_DEL)
		item_fire(&it->watch);
}

static int ctl_locked(struct epoll *ep, int op, int fd, struct sock *s,
		      const struct epoll_event *ev)
{
	struct item *it;

	if (op != EPOLL_CTL_DEL && ev->events & EPOLLEXCLUSIVE &&
	    (op == EPOLL_CTL_MOD || ev->events & ~EXCLUSIVE_OK))
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && ev->events & EPOLLONESHOT &&
	    !sock_is_stream(s))
		ep->oneshot_hybrids = true;
	if (op == EPOLL_CTL_ADD)
		return add_locked(ep, fd, s, ev, NULL);
	if (op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		return -EINVAL;
	mutex_lock(&ep->lock);
	it = item_find(ep, fd, s);
	mutex_unlock(&ep->lock);
	if (!it)
		return -ENOENT;
	if (op == EPOLL_CTL_MOD && it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	change_locked(ep, op, it, ev);
	return 0;
}

/* Items with a sock come and go with watch_lock held. */
int epoll_ctl_sock(struct epoll *ep, int op, int fd, struct sock *s,
		   const struct epoll_event *ev)
{
	int err;

	mutex_lock(&watch_lock);
	err = ctl_locked(ep, op, fd, s, ev);
	mutex_unlock(&watch_lock);
	return err;
}

int epoll_add_told(struct epoll *ep, int fd, struct sock *s,
		   const struct epoll_event *ev, const struct told *told)
{
	int err;

	mutex_lock(&watch_lock);
	err = add_locked(ep, fd, s, ev, told);
	mutex_unlock(&watch_lock);
	return err;
}

/* Note what the kernel has agreed to: the socket may become ours.  ep->lock
 * held. */
static void note_kernel(struct epoll *ep, int op, int fd,
			const struct epoll_event *ev)
{
	struct item *it = item_find(ep, fd, NULL);

	if (op == EPOLL_CTL_DEL) {
		if (it)
			epoll_forget_note(ep, it);
		return;
	}
	/* of a socket that has just been closed, and is not forgotten yet */
	if (op == EPOLL_CTL_ADD && it && it->kept) {
		epoll_forget_note(ep, it);
		it = NULL;
	}
	if (!it)
		it = item_new(ep, fd);
	if (it) {
		it->events = ev->events;
		it->data = ev->data;
	}
}

/* The change and the note at once: in between, the registration might be moved
 * as it was before, or an event be reported, and answered, to which there is
 * no note. */
static int ctl_noted(struct epoll *ep, int epfd, int op, int fd,
		     struct epoll_event *ev)
{
	int err;

	mutex_lock(&ep->lock);
	err = k_epoll_ctl(epfd, op, fd, ev);
	if (!err)
		note_kernel(ep, op, fd, ev);
	mutex_unlock(&ep->lock);
	return err;
}

/* From the first wait on, which pairs with this in sock_epoll_pwait2(). */
static void accepts_by(struct epoll *ep, struct sock *s)
{
	ep->sock->unclaimed = true;
	if (ep->waited)
		hold_accept(s->hold);
}

/* What the kernel has agreed to: a listener and an instance have a half here
 * too; anything else may become ours later. */
static int ctl_kernel(struct epoll *ep, int epfd, int op, int fd,
		      struct sock *s, struct epoll_event *ev)
{
	struct epoll_event half;
	int err;

	if (!s)
		return ctl_noted(ep, epfd, op, fd, ev);
	if (s->kind == SOCK_UDP && op != EPOLL_CTL_DEL) {
		half = *ev;
		half.events = dgram_kernel_events(s, ev->events);
		err = k_epoll_ctl(epfd, op, fd, &half);
	} else {
		err = k_epoll_ctl(epfd, op, fd, ev);
	}
	if (err)
		return err;
	if (s->kind == SOCK_LISTENER && op != EPOLL_CTL_DEL)
		accepts_by(ep, s);
	err = epoll_ctl_sock(ep, op, fd, s, ev);
	if (!err && op == EPOLL_CTL_ADD && unlikely(sock_is_live_dgram(s)))
		epoll_watch_bell(ep, s->dgram->bell);
	return err;
}

static int try_stream(struct epoll *ep, int op, int fd, struct sock *s,
		      const struct epoll_event *ev)
{
	int err = -EAGAIN;

	if (s->kind == SOCK_LINK)
		err = ctl_link(ep, op, fd, s, ev);
	if (err == -EAGAIN && unlikely(s->kept))
		err = epoll_ctl_kept(ep, op, fd, s, ev);
	if (err != -EAGAIN)
		return err;
	err = epoll_ctl_sock(ep, op, fd, s, ev);
	if (!err && op == EPOLL_CTL_ADD && s->kind == SOCK_LINK)
		epoll_watch_still(ep, s, fd);
	return err;
}

/* A link came while the kernel had the registration: it moves, or is kept.
 * With the count of calls raised, so that the peer waits for it. */
static void bring_over(struct epoll *ep, int fd, struct sock *s)
{
	upgrade_lock(); /* take_grant() has it till all has moved */
	mutex_lock(&table_lock);
	/* who was told by what this thread has just registered may have closed
	 * it: the number, and its note, is another connection's then */
	if (table_peek(fd) == s)
		epoll_appear_in(ep, fd, s);
	mutex_unlock(&table_lock);
	upgrade_unlock();
}

/* What is not here may be on its way, or a note of who has just added it. */
static int ctl_stream(struct epoll *ep, int op, int fd, struct sock *s,
		      const struct epoll_event *ev)
{
	int err = try_stream(ep, op, fd, s, ev);

	if (likely(err != -ENOENT) || s->kind != SOCK_LINK)
		return err;
	bring_over(ep, fd, s);
	return try_stream(ep, op, fd, s, ev);
}

/* The kernel's, but not for ever: if it got a link in this moment, the note
 * came too late for epoll_sock_appears().  The peer must not switch before
 * that is put right, which s->k_rx sees to. */
static int ctl_may_link(struct epoll *ep, int epfd, int op, int fd,
			struct sock *s, struct epoll_event *ev)
{
	int err;

	if (!link_enter_kernel(s, fd, &s->k_rx))
		return ctl_stream(ep, op, fd, s, ev);
	err = ctl_kernel(ep, epfd, op, fd, NULL, ev);
	if (unlikely(s->link)) {
		bring_over(ep, fd, s);
		/* it had been moved before */
		if (err == -ENOENT)
			err = ctl_stream(ep, op, fd, s, ev);
	}
	--s->k_rx;
	return err;
}

static int ctl(struct epoll *ep, int epfd, int op, int fd,
	       struct epoll_event *ev)
{
	struct sock *s = sock_get_claimed(fd);
	int err;

	if (s && s->kind == SOCK_PORT)
		err = ctl_kernel(ep, epfd, op, fd, NULL, ev);
	else if (s && sock_is_kernels(s))
		err = ctl_may_link(ep, epfd, op, fd, s, ev);
	else if (!s || !sock_is_stream(s))
		err = ctl_kernel(ep, epfd, op, fd, s, ev);
	else
		err = ctl_stream(ep, op, fd, s, ev);
	if (s)
		sock_put(s);
	return err;
}

void sock_epoll_created(int fd)
{
	struct sock *s = NULL;

	if (fd >= 0 && !sock_sandboxed)
		s = instance_new(fd);
	if (s)
		sock_put(s);
}

int sock_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock *es;
	int err;

	if (op != EPOLL_CTL_DEL && unlikely(!user_ok(ev, sizeof(*ev))))
		return -EFAULT;
	if (private_is(fd) || private_is(epfd))
		return -EBADF;
	es = sock_get(epfd);
	if (!es) {
		/* the kernel says whether this is an instance at all; before
		 * the first ADD there is nothing that another call could mean
		 */
		if (op != EPOLL_CTL_ADD || sock_sandboxed)
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
