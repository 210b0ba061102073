/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.c - epoll instances with sockets of ours in them: waiting */
#include "core/sock/epoll.h"

#include <errno.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: The program's instance stays the kernel's, and its kernel members stay
 * as the program registered them.  A socket that the session layer carries is
 * not a member: it has an item here.  A listener and another instance are
 * both, since something may happen to them on either side.
 *
 * Items are hot or cold.  A hot one is looked at by every epoll_wait(), which
 * needs no event and so no syscall of the peer.  Before a thread sleeps, the
 * hot ones are armed (sock_arm()) and become cold; an event makes an item hot
 * again (item_fire()).  The ready list is thus a list of suspects: readiness
 * is always read from the FIFO itself.
 *
 * A thread sleeps in poll(2), on the instance and on what wakes it for ours
 * (app_wait()).  While an instance has no item, a thread sleeps in the
 * kernel's epoll_wait(): an item that appears meanwhile kicks it out
 * (epoll_kick()).
 *
 * Busy, spinning, asleep, or in the kernel's own wait: all share the look at
 * both halves, so they stand together.
 */

#define LOOK_NS 30000	 /* a busy loop asks the kernel so often */
#define SPIN_LOOK 256	 /* spins between two looks at it */
#define SCAN_ITEMS 256	 /* so many cold items are looked at before a sleep */
#define IDLE_NS 20000000 /* a hot item that was silent so long becomes cold */

/* --- our part --- */

static void oneshot(struct epoll *ep, struct item *it)
{
	struct epoll_event none = { .data = it->data };

	it->disabled = true;
	/* the kernel's half of a listener must not fire either */
	if (!sock_is_stream(it->sock) &&
	    k_epoll_ctl(ep->sock->fd, EPOLL_CTL_MOD, it->fd, &none) < 0)
		log_debug("epoll %d: %d left it", ep->sock->fd, it->fd);
}

/* The kernel's half fired, which says of itself nothing but the data. */
static void oneshot_fired(struct epoll *ep, uint64_t data)
{
	struct item *it;
	unsigned i;

	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next)
			if (it->sock && !sock_is_stream(it->sock) &&
			    it->events & EPOLLONESHOT && it->data.u64 == data &&
			    !it->disabled) {
				it->disabled = true;
				goto out;
			}
out:
	mutex_unlock(&ep->lock);
}

/* Among thousands that are silent, those that talk must not wait.  The clock
 * is that of the last look at the kernel: exact enough, and for nothing. */
static void retire(struct epoll *ep, struct item *it)
{
	if (!it->idle_ns)
		it->idle_ns = ep->looked_ns;
	if (ep->looked_ns - it->idle_ns < IDLE_NS)
		return;
	it->idle_ns = 0;
	if (item_arm(it))
		item_cold(ep, it);
}

/* Fill @evs from the hot items; they go to the back of the list, so that a
 * small @n is fair.  ep->lock held */
static int collect_locked(struct epoll *ep, struct epoll_event *evs, int n)
{
	struct item *it, *last = ep->hot ? ep->hot->hot_prev : NULL;
	unsigned ready;
	int got = 0;

	while (last && got < n) {
		it = ep->hot;
		ep->hot = it->hot_next; /* circular: it is now the last */
		ready = item_ready(it);
		if (ready)
			it->idle_ns = 0;
		else if (it->sock->kind == SOCK_LINK ||
			 it->sock->kind == SOCK_UDP)
			retire(ep, it);
		if (ready) {
			evs[got].events = ready;
			evs[got++].data = it->data;
			if (it->events & EPOLLONESHOT)
				oneshot(ep, it);
		}
		if (it == last || !ep->hot)
			break;
	}
	return got;
}

/* Ours, behind @have events of the kernel's.  What was added meanwhile, by
 * another thread, may be one that the kernel has reported just before it was
 * moved: the program must not be told of it twice in one call. */
static int collect_behind(struct epoll *ep, struct epoll_event *evs, int have,
			  int n, unsigned added)
{
	int got = 0;

	if (!ep->hot)
		return have;
	mutex_lock(&ep->lock);
	if (!have || ep->added == added)
		got = collect_locked(ep, evs + have, n - have);
	mutex_unlock(&ep->lock);
	return have + got;
}

static int collect(struct epoll *ep, struct epoll_event *evs, int n)
{
	return collect_behind(ep, evs, 0, n, 0);
}

/* What poll(2) would say of our part of the instance. */
unsigned epoll_ready(struct epoll *ep)
{
	struct item *it;
	bool ready = false;

	mutex_lock(&ep->lock);
	it = ep->hot;
	if (it) {
		do {
			ready = item_pending(it);
			it = it->hot_next;
		} while (!ready && it != ep->hot);
	}
	mutex_unlock(&ep->lock);
	return ready ? POLLIN | POLLRDNORM : 0;
}

/*
 * The event that heats a cold item comes a moment after the peer's bytes.  A
 * program that knows of the bytes expects them here, as with the kernel.
 */
void epoll_scan_cold(struct epoll *ep)
{
	struct item *it;
	unsigned i;

	if (ep->n_items > SCAN_ITEMS)
		return;
	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next)
			if (it->sock && !it->gone && !it->hot_next &&
			    item_pending(it))
				item_hot(ep, it);
	mutex_unlock(&ep->lock);
}

/* Before sleeping: every hot item becomes cold; true if one is ready. */
bool epoll_arm(struct epoll *ep)
{
	bool ready = false;

	mutex_lock(&ep->lock);
	while (ep->hot && !ready) {
		if (item_arm(ep->hot))
			item_cold(ep, ep->hot);
		else
			ready = true;
	}
	mutex_unlock(&ep->lock);
	return ready;
}

/* --- the kernel's part --- */

/* Drop the kick; join what both halves of a listener report. */
static int filter(struct epoll *ep, struct epoll_event *evs, int have, int got)
{
	int i, k, out = have;

	for (i = have; i < have + got; i++) {
		if (evs[i].data.ptr == ep)
			continue;
		if (unlikely(ep->oneshot_hybrids))
			oneshot_fired(ep, evs[i].data.u64);
		for (k = 0; k < have; k++)
			if (evs[k].data.u64 == evs[i].data.u64)
				break;
		if (ep->n_hybrids && k < have)
			evs[k].events |= evs[i].events;
		else
			evs[out++] = evs[i];
	}
	return out;
}

/* What comes of that: members that move from the kernel to us, for one. */
static void hear(struct epoll *ep)
{
	ep->looked_ns = sock_now_ns();
	if (ep->n_links)
		epoll_look_inner(ep);
	epoll_hear_nested(ep);
}

/* @fd, unless the program has closed it, or another, meanwhile. */
static int number(const struct epoll *ep, int fd)
{
	int kept = ep->kept_fd;

	return likely(kept < 0) ? fd : kept;
}

/* The kernel's members, without sleeping, behind @have events of ours. */
static int ask_kernel(struct epoll *ep, int fd, struct epoll_event *evs,
		      int have, int n)
{
	int got, cancel;

	if (have == n)
		return have;
	cancel = cancel_off(); /* only a sleep is prepared for it */
	got = k_epoll_pwait(number(ep, fd), evs + have, n - have, 0, NULL);
	cancel_back(cancel);
	ep->spoke = got > 0;
	if (got < 0)
		return have ? have : got;
	return filter(ep, evs, have, got);
}

static int look(struct epoll *ep, int fd, struct epoll_event *evs, int n)
{
	hear(ep);
	return ask_kernel(ep, fd, evs, 0, n);
}

/* Both; whose turn it is comes first, so that a small @n starves nobody. */
static int look_both(struct epoll *ep, int fd, struct epoll_event *evs, int n)
{
	unsigned added;
	int got;

	/* first: between the two looks nothing is to move */
	hear(ep);
	ep->turn = !ep->turn;
	if (ep->turn || ep->n_hybrids)
		return ask_kernel(ep, fd, evs, collect(ep, evs, n), n);
	added = ep->added; /* before the kernel is asked */
	got = ask_kernel(ep, fd, evs, 0, n);
	return got < 0 ? got : collect_behind(ep, evs, got, n, added);
}

/* --- waiting --- */

/* Ours, and the kernel's if it has not been asked for a while, or had something
 * then: a busy socket must not starve the program's other descriptors.  Who has
 * time to spin finds theirs later, and need not ask if they had nothing the
 * last time. */
static int look_busy(struct epoll *ep, int fd, struct epoll_event *evs, int n,
		     bool zero)
{
	if (!ep->spoke && sock_now_ns() - ep->looked_ns <= LOOK_NS)
		return collect(ep, evs, n);
	if (zero || ep->spoke || epoll_ready(ep))
		return look_both(ep, fd, evs, n);
	return 0;
}

static int spin(struct epoll *ep, int fd, struct epoll_event *evs, int n,
		struct spin *sp)
{
	int got = 0;

	spin_start(sp, ep->spin_us);
	while (!got && spin_again(sp)) {
		app_poll();
		got = collect(ep, evs, n);
		if (!got && sp->rounds % SPIN_LOOK == 0)
			got = look(ep, fd, evs, n);
	}
	return got;
}

static const struct timespec *left(uint64_t end, struct timespec *ts)
{
	uint64_t now;

	if (end == SOCK_NEVER_NS)
		return NULL;
	now = sock_now_ns();
	now = now < end ? end - now : 0;
	ts->tv_sec = (time_t)(now / 1000000000u);
	ts->tv_nsec = (long)(now % 1000000000u);
	return ts;
}

static void ring_waiter(struct watch *w)
{
	waiter_ring(w->waiter);
}

void epoll_heat_all(struct epoll *ep)
{
	struct item *it;
	unsigned i;

	mutex_lock(&ep->lock);
	for (i = 0; i < ep->n_buckets; i++)
		for (it = ep->bucket[i]; it; it = it->next)
			if (it->sock && !it->gone)
				item_hot(ep, it);
	mutex_unlock(&ep->lock);
}

/* There was no descriptor for what could wake us. */
static int sleep_blind(struct epoll *ep, struct waiter *w, struct pollfd *fds,
		       uint64_t end, const sigset_t *mask)
{
	uint64_t soon = sock_now_ns() + 1000000;
	struct timespec ts;
	int got;

	got = app_wait(w, fds, 2, left(MIN(end, soon), &ts), mask);
	epoll_heat_all(ep);
	return got;
}

/* @fds: who ended it, of the kernel and of the links. */
static int sleep_once(struct epoll *ep, struct pollfd *fds, struct waiter *w,
		      uint64_t end, const sigset_t *mask)
{
	struct timespec ts;
	int err, got;

	link_tidy();
	fds[1] = (struct pollfd){ .fd = ep->inner, .events = POLLIN };
	fds[0].revents = 0;
	err = epoll_listen_nested(ep, w);
	/* everything that is ready was reported before, so whoever fires
	 * from here on finds this thread's watch and rings it */
	if (epoll_arm(ep))
		return 0;
	if (unlikely(ep->blind || err))
		return sleep_blind(ep, w, fds, end, mask);
	got = app_wait(w, fds, 2, left(end, &ts), mask);
	ep->looked_ns = sock_now_ns();
	return got;
}

struct sleeper {
	struct watch watch;
	struct sock *es;
};

/* The thread was cancelled in its sleep: the call's reference goes too. */
static void cancelled(void *arg)
{
	struct sleeper *sl = arg;

	watch_del(&sl->watch);
	sl->es->epoll->sleepers--;
	sl->es->epoll->waiting--;
	sock_put(sl->es);
}

/* A sleep asks the kernel, and says for whom to ask again. */
static int sleep_rounds(struct sleeper *sl, int fd, struct epoll_event *evs,
			int n, uint64_t end, const sigset_t *mask)
{
	struct pollfd fds[2 + APP_WAIT_EXTRA] = { { .events = POLLIN } };
	struct epoll *ep = sl->es->epoll;
	bool over = false;
	int got;

	do {
		waiter_reset(sl->watch.waiter);
		app_poll();
		/* also with no link left: the bell is heard till it is looked
		 * at */
		if (fds[1].revents)
			epoll_look_inner(ep);
		epoll_hear_nested(ep);
		epoll_scan_cold(ep);
		fds[0].fd = number(ep, fd);
		over = end != SOCK_NEVER_NS && sock_now_ns() >= end;
		got = fds[0].revents || over ? look_both(ep, fd, evs, n)
					     : collect(ep, evs, n);
		if (got || over)
			break;
		got = sleep_once(ep, fds, sl->watch.waiter, end, mask);
		/* also without an item: the next one rings this thread */
	} while (got >= 0);
	return got;
}

/* Not even a descriptor for this thread's waiter. */
static int look_on(struct epoll *ep, int fd, struct epoll_event *evs, int n,
		   uint64_t end, const sigset_t *mask)
{
	int got;

	do {
		app_poll();
		epoll_heat_all(ep);
		got = look_both(ep, fd, evs, n);
		if (got)
			return got;
		got = sock_nap(end, mask);
	} while (!got);
	return got == -EAGAIN ? 0 : got;
}

static int wait_loop(struct sock *es, int fd, struct epoll_event *evs, int n,
		     uint64_t end, const sigset_t *mask)
{
	struct sleeper sl = { .es = es };
	int got;

	got = waiter_get(&sl.watch.waiter);
	if (got)
		return look_on(es->epoll, fd, evs, n, end, mask);
	es->epoll->sleepers++; /* before the last look: ctl_link() */
	watch_add(&sl.watch, es, ring_waiter);
	pthread_cleanup_push(cancelled, &sl);
	got = sleep_rounds(&sl, fd, evs, n, end, mask);
	pthread_cleanup_pop(0);
	watch_del(&sl.watch);
	es->epoll->sleepers--;
	return got;
}

/* No item of ours yet: the kernel's own wait, unless it is kicked. */
static void left_bare(struct epoll *ep, int fd)
{
	if (atomic_fetch_sub(&ep->bare, 1) == 1 && ep->kicked)
		epoll_unkick(ep, fd);
}

struct bare {
	struct sock *es;
	int fd;
};

static void cancelled_bare(void *arg)
{
	struct bare *b = arg;

	left_bare(b->es->epoll, b->fd);
	b->es->epoll->waiting--;
	sock_put(b->es);
}

static int wait_bare(struct sock *es, int fd, struct epoll_event *evs, int n,
		     const struct timespec *timeout, const sigset_t *mask)
{
	struct epoll *ep = es->epoll;
	struct bare b = { .es = es, .fd = number(ep, fd) };
	int got;

	ep->bare++;
	pthread_cleanup_push(cancelled_bare, &b);
	got = ep->n_items ? 0 : waiter_epoll(b.fd, evs, n, timeout, mask);
	pthread_cleanup_pop(0);
	left_bare(ep, b.fd);
	return got > 0 ? filter(ep, evs, 0, got) : got;
}

/* The kernel does not tell of deaths in the family (close.c of core/sess). */
static const struct timespec *reap_soon(const struct timespec *timeout)
{
	static const struct timespec reap = { .tv_nsec =
						      APP_REAP_MS * 1000000 };

	if (likely(!app_zombies()) ||
	    (timeout && !timeout->tv_sec && timeout->tv_nsec < reap.tv_nsec))
		return timeout;
	return &reap;
}

static bool is_zero(const struct timespec *ts)
{
	return ts && !ts->tv_sec && !ts->tv_nsec;
}

/* From here on the instance is kept for this thread: epoll_closing(). */
static void count_in(struct epoll *ep, bool *counted)
{
	if (!*counted)
		ep->waiting++;
	*counted = true;
}

static int wait_steps(struct sock *es, int fd, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask,
		      bool *counted)
{
	struct epoll *ep = es->epoll;
	bool zero = is_zero(timeout);
	uint64_t end = zero ? 0 : sock_end_ns(timeout);
	const struct timespec *next = timeout;
	struct timespec ts;
	struct spin sp;
	int got;

	while (!ep->n_items) {
		if (unlikely(app_zombies()))
			app_poll();
		count_in(ep, counted);
		got = wait_bare(es, fd, evs, n, reap_soon(next), mask);
		if (got || zero ||
		    (end != SOCK_NEVER_NS && sock_now_ns() >= end))
			return got;
		next = left(end, &ts);
	}
	app_poll();
	got = look_busy(ep, fd, evs, n, zero);
	if (got)
		return got;
	if (zero) {
		epoll_hear_nested(ep);
		epoll_scan_cold(ep);
		return look_both(ep, fd, evs, n);
	}
	count_in(ep, counted);
	got = spin(ep, fd, evs, n, &sp);
	if (!got)
		got = wait_loop(es, fd, evs, n, end, mask);
	spin_end(&sp);
	return got;
}

static int ep_wait(struct sock *es, int fd, struct epoll_event *evs, int n,
		   const struct timespec *timeout, const sigset_t *mask)
{
	bool counted = false;
	int got = wait_steps(es, fd, evs, n, timeout, mask, &counted);

	if (counted)
		es->epoll->waiting--;
	return got;
}

/* No event is lost by it: the kernel puts back what it could not tell. */
static int nowhere_to_tell(int fd, const struct epoll_event *evs,
			   const struct timespec *timeout, const sigset_t *mask)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ret = user_never(evs) ? 1 : sock_ppoll(&p, 1, timeout, mask);

	return ret > 0 ? -EFAULT : ret;
}

int sock_epoll_pwait2(int fd, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask)
{
	struct sock *s;
	int got;

	if (timeout && !user_ok(timeout, sizeof(*timeout)))
		return -EFAULT;
	if (timeout && !timespec_ok(timeout))
		return -EINVAL;
	s = sock_get(fd);
	if (!s || s->kind != SOCK_EPOLL || n <= 0 || n > EP_MAX_EVENTS) {
		if (s)
			sock_put(s);
		return waiter_epoll(fd, evs, n, timeout, mask);
	}
	if (unlikely(!s->epoll->waited))
		s->epoll->waited = true;
	sock_claim(s);
	if (unlikely(!user_ok(evs, sizeof(*evs)))) {
		sock_put(s);
		return nowhere_to_tell(fd, evs, timeout, mask);
	}
	got = ep_wait(s, fd, evs, n, timeout, mask);
	sock_put(s);
	return got;
}
