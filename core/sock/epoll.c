/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.c - epoll instances with sockets of ours in them: waiting */
#include "core/sock/epoll.h"

#include <errno.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"

/*
 * DOC: The program's instance stays the kernel's.  Its kernel members stay as
 * the program registered them.  A socket that the session layer carries is
 * not a member; it has an item here, and the instance has two or three members
 * of ours in its stead, edge-triggered: our eventfd, the app's queue, the
 * app's socket.  Their data points into struct epoll, which no data of the
 * program can; they are taken out of what the kernel reports.
 *
 * Items are hot or cold.  A hot one is looked at by every epoll_wait(), which
 * needs no event and so no syscall of the peer.  Before a thread sleeps, the
 * hot ones are armed (sock_arm()) and become cold; an event makes an item hot
 * again (item_fire()).  The ready list is thus a list of suspects: readiness
 * is always read from the FIFO itself.
 */

#define KERNEL_LOOK 16 /* busy returns between two looks at the kernel */
#define SPIN_LOOK 256  /* spins between them */
#define REAP_MS 100    /* as app.c: while a family shares closed sockets */

/* Does @data belong to one of our own members? */
static bool is_tag(const struct epoll *ep, const struct epoll_event *ev)
{
	uintptr_t p = (uintptr_t)ev->data.ptr;

	return p >= (uintptr_t)ep && p < (uintptr_t)(ep + 1);
}

/* --- our part --- */

/* Is there anything new about an item since it was last reported? */
static bool is_fresh(const struct item *it, unsigned ready)
{
	return it->edge || ready & ~it->seen ||
	       (ready & EPOLLIN && sock_tail(it->sock) != it->seen_tail) ||
	       (ready & EPOLLOUT && it->sock->full != it->seen_full);
}

static void was_seen(struct item *it, unsigned ready, bool reported)
{
	it->seen = ready;
	if (!reported)
		return;
	it->edge = false;
	it->seen_full = it->sock->full;
}

/* POLL* and EPOLL* are the same bits on Linux. */
static unsigned interest(const struct item *it)
{
	return it->events & 0xffff;
}

static unsigned item_ready(struct item *it)
{
	uint32_t tail;
	unsigned ready;
	bool fresh;

	if (it->disabled)
		return 0;
	/* the position before the readiness: what comes in between is
	 * reported once more rather than not at all */
	tail = sock_tail(it->sock);
	ready = sock_ready(it->sock, interest(it));
	if (!(it->events & EPOLLET))
		return ready;
	fresh = is_fresh(it, ready);
	was_seen(it, ready, fresh);
	/* also if it is not to be reported (too few bytes, or nobody asked for
	 * input): else item_arm() would call these bytes new for ever */
	it->seen_tail = tail;
	return fresh ? ready : 0;
}

static void oneshot(struct epoll *ep, struct item *it)
{
	struct epoll_event none = { .data = it->data };

	it->disabled = true;
	/* the kernel's half of a listener must not fire either */
	if (it->sock->kind == SOCK_LISTENER &&
	    k_epoll_ctl(ep->fd, EPOLL_CTL_MOD, it->fd, &none) < 0)
		it->disabled = true;
}

/* Fill @evs from the hot items; they go to the back of the list, so that a
 * small @n is fair. */
static int collect(struct epoll *ep, struct epoll_event *evs, int n)
{
	struct item *it, *last;
	unsigned ready;
	int got = 0;

	if (!ep->hot)
		return 0;
	pthread_mutex_lock(&ep->lock);
	last = ep->hot ? ep->hot->hot_prev : NULL;
	while (last && got < n) {
		it = ep->hot;
		ep->hot = it->hot_next; /* circular: it is now the last */
		ready = item_ready(it);
		if (ready) {
			evs[got].events = ready;
			evs[got++].data = it->data;
			if (it->events & EPOLLONESHOT)
				oneshot(ep, it);
		}
		if (it == last)
			break;
	}
	pthread_mutex_unlock(&ep->lock);
	return got;
}

unsigned epoll_ready(struct epoll *ep)
{
	struct item *it;
	unsigned ready = 0;

	pthread_mutex_lock(&ep->lock);
	it = ep->hot;
	if (it) {
		do {
			if (!it->disabled && !(it->events & EPOLLET))
				ready = sock_ready(it->sock, interest(it));
			it = it->hot_next;
		} while (!ready && it != ep->hot);
	}
	pthread_mutex_unlock(&ep->lock);
	return ready ? POLLIN | POLLRDNORM : 0;
}

/* Armed, and nothing to report: this item may be forgotten until it fires. */
static bool item_arm(struct item *it)
{
	bool et = it->events & EPOLLET;

	if (it->disabled)
		return true;
	if (sock_arm(it->sock, interest(it), et ? &it->seen_tail : NULL))
		return false;
	return !et || !is_fresh(it, sock_ready(it->sock, interest(it)));
}

/* Before sleeping: every hot item becomes cold; true if one is ready. */
static bool arm(struct epoll *ep)
{
	bool ready = false;

	pthread_mutex_lock(&ep->lock);
	while (ep->hot && !ready) {
		if (item_arm(ep->hot))
			item_cold(ep, ep->hot);
		else
			ready = true;
	}
	pthread_mutex_unlock(&ep->lock);
	return ready;
}

/* --- the kernel's part --- */

/* Take out our own members; drop what we have reported of a listener. */
static int filter(struct epoll *ep, struct epoll_event *evs, int have, int got)
{
	int i, k, out = have;

	for (i = have; i < have + got; i++) {
		if (is_tag(ep, &evs[i])) {
			app_serve(evs[i].data.ptr == &ep->tag_sock);
			continue;
		}
		for (k = 0; ep->n_listeners && k < have; k++)
			if (evs[k].data.u64 == evs[i].data.u64)
				break;
		if (ep->n_listeners && k < have) {
			evs[k].events |= evs[i].events;
			continue;
		}
		evs[out++] = evs[i];
	}
	return out;
}

static int harvest(struct epoll *ep, struct epoll_event *evs, int have, int n,
		   const struct timespec *timeout, const sigset_t *mask)
{
	int got, ms = -1;

	ep->since_kernel = 0;
	if (have == n)
		return have;
	if (timeout && timeout->tv_nsec % 1000000) {
		got = k_epoll_pwait2(ep->fd, evs + have, n - have, timeout,
				     mask);
	} else {
		if (timeout)
			ms = timeout->tv_sec > INT32_MAX / 1000 - 1
				     ? INT32_MAX
				     : (int)(timeout->tv_sec * 1000 +
					     timeout->tv_nsec / 1000000);
		got = k_epoll_pwait(ep->fd, evs + have, n - have, ms, mask);
	}
	if (got < 0)
		return have ? have : got;
	return filter(ep, evs, have, got);
}

static int look(struct epoll *ep, struct epoll_event *evs, int have, int n)
{
	static const struct timespec zero;

	return harvest(ep, evs, have, n, &zero, NULL);
}

/* --- waiting --- */

/* Ours, and every now and then the kernel's: a busy socket must not starve
 * the program's other descriptors. */
static int look_busy(struct epoll *ep, struct epoll_event *evs, int n)
{
	int got = collect(ep, evs, n);

	if (got && ++ep->since_kernel < KERNEL_LOOK)
		return got;
	return got ? look(ep, evs, got, n) : 0;
}

static int spin(struct epoll *ep, struct epoll_event *evs, int n)
{
	struct spin sp;
	int got = 0;

	spin_start(&sp, ep->spin_us);
	while (!got && spin_again(&sp)) {
		app_poll();
		got = collect(ep, evs, n);
		if (!got && sp.rounds % SPIN_LOOK == 0)
			got = look(ep, evs, 0, n);
	}
	if (got)
		spin_end(&sp);
	else
		ep->slept = sp; /* the sleep belongs to the wait */
	return got;
}

static const struct timespec *left(uint64_t end, struct timespec *ts)
{
	uint64_t now, ns = UINT64_MAX;

	if (end != UINT64_MAX) {
		now = sock_now_ns();
		ns = now < end ? end - now : 0;
	}
	if (app_zombies())
		ns = MIN(ns, (uint64_t)REAP_MS * 1000000);
	if (ns == UINT64_MAX)
		return NULL;
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
	return ts;
}

static int wait_loop(struct epoll *ep, struct epoll_event *evs, int n,
		     uint64_t end, const sigset_t *mask)
{
	const struct timespec *tsp;
	struct timespec ts;
	int got;

	for (;;) {
		epoll_sync(ep);
		app_poll();
		got = collect(ep, evs, n);
		if (got)
			return look(ep, evs, got, n);
		/* seq_cst: announced before the last look; item_fire() makes
		 * the item hot before it reads sleepers */
		ep->sleepers++;
		if (arm(ep)) {
			ep->sleepers--;
			got = collect(ep, evs, n);
			if (got)
				return look(ep, evs, got, n);
			continue;
		}
		tsp = left(end, &ts);
		got = harvest(ep, evs, 0, n, tsp, mask);
		ep->sleepers--;
		if (got)
			return got;
		app_poll();
		got = collect(ep, evs, n);
		if (got || (end != UINT64_MAX && sock_now_ns() >= end))
			return got;
	}
}

static int ep_wait(struct epoll *ep, struct epoll_event *evs, int n,
		   const struct timespec *timeout, const sigset_t *mask)
{
	uint64_t end = UINT64_MAX;
	int got;

	if (timeout)
		end = sock_now_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
		      (uint64_t)timeout->tv_nsec;
	if (ep->n_items) {
		app_poll();
		got = look_busy(ep, evs, n);
		if (got)
			return got;
	}
	if (timeout && !timeout->tv_sec && !timeout->tv_nsec)
		return look(ep, evs, 0, n);
	if (ep->n_items) {
		got = spin(ep, evs, n);
		if (got)
			return got;
	}
	got = wait_loop(ep, evs, n, end, mask);
	spin_end(&ep->slept);
	ep->slept.max_ns = 0;
	return got;
}

int sock_epoll_pwait2(int fd, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask)
{
	struct sock *s = sock_get(fd);
	int got;

	if (!s || s->kind != SOCK_EPOLL || n <= 0 || n > EP_MAX_EVENTS) {
		if (s)
			sock_put(s);
		return k_epoll_pwait2(fd, evs, n, timeout, mask);
	}
	got = ep_wait(s->epoll, evs, n, timeout, mask);
	if (s->epoll->foreign && epoll_ready(s->epoll))
		epoll_ring(s->epoll); /* level-triggered for its watchers */
	sock_put(s);
	return got;
}
