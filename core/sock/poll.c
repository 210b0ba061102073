/* SPDX-License-Identifier: Apache-2.0 */
/* poll.c - poll(2) over ours and the kernel's descriptors */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/mem.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/poll.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

#define STACK_FDS 64
#define MANY_FDS 4096
#define LOOKS_MAX 256	  /* at what is ready, and then the kernel is asked */
#define KERNEL_LOOK_US 50 /* a spinning thread asks the kernel so often */

/*
 * DOC: One set holds three kinds of descriptor.  The kernel's are polled by
 * the kernel.  A session's are not: its number stands for an unconnected
 * socket there.  A listener and an epoll instance are both.  Of a link the
 * kernel tells the end only.
 *
 * A connection that may get a link is the kernel's here; while somebody polls
 * it so, the peer must not leave the kernel's stream (sock.k_rx).  It is kept
 * in watches[].sock, where socks[] has NULL.
 */
#define KEPT 4

struct pollset {
	struct pollfd *fds;  /* the program's */
	struct pollfd *kfds; /* what the kernel is given, and our wake-ups */
	struct sock **socks; /* referenced; NULL: the kernel's alone */
	struct watch *watches;
	nfds_t n;
	unsigned n_socks, n_kernel; /* n_kernel: that only the kernel knows */
	unsigned n_epolls;	    /* instances among n_socks */
	struct waiter *waiter;	    /* NULL: has not slept */
	struct sock *kept[KEPT];    /* closed since, until poll(2) is over */
	unsigned n_kept;
	void *heap; /* where the arrays are, if they are large */
};

static void ring_waiter(struct watch *w)
{
	waiter_ring(w->waiter);
}

static void set_put(struct pollset *set)
{
	nfds_t i;

	while (set->n_kept)
		sock_put(set->kept[--set->n_kept]);
	for (i = 0; i < set->n; i++) {
		if (set->socks[i]) {
			sock_put(set->socks[i]);
		} else if (set->watches[i].sock) {
			--set->watches[i].sock->k_rx;
			sock_put(set->watches[i].sock);
		}
	}
}

/* What takes part in this poll for us; NULL: it is the kernel's. */
static struct sock *part_of(struct pollset *set, nfds_t i)
{
	struct sock *s = sock_get_claimed(set->fds[i].fd);

	if (s && s->kind == SOCK_UDP && dgram_enter_kernel(s)) {
		set->watches[i].sock = s;
		return NULL;
	}
	if (!s || (s->kind != SOCK_PORT && s->kind != SOCK_LINK) ||
	    sock_is_stream(s))
		return s;
	if (s->kind == SOCK_LINK) {
		++s->k_rx; /* as link_enter_kernel() */
		if (s->link) {
			--s->k_rx;
			return s;
		}
		set->watches[i].sock = s;
	} else {
		sock_put(s);
	}
	return NULL;
}

static short liveness(struct pollset *set, nfds_t i)
{
	struct sock *s = set->socks[i];

	return (short)link_liveness(s, s->link,
				    (unsigned short)set->fds[i].events);
}

/* A UDP socket with links, which need not ask the kernel if something is in a
 * ring; beside others it must, or what came there might wait for ever. */
static bool is_alone(const struct pollset *set, struct sock *s)
{
	if (!s || s->kind != SOCK_UDP)
		return false;
	dgram_consent(s);
	return set->n == 1;
}

static void set_fill(struct pollset *set)
{
	nfds_t i;

	set->n_socks = set->n_kernel = set->n_epolls = 0;
	for (i = 0; i < set->n; i++) {
		struct sock *s = set->fds[i].fd >= 0 ? part_of(set, i) : NULL;

		if (s && s->kind == SOCK_LISTENER)
			hold_accept(s->hold);
		set->socks[i] = s;
		set->n_socks += s != NULL;
		set->n_epolls += s && s->kind == SOCK_EPOLL;
		set->kfds[i] = set->fds[i];
		if (s && s->kind == SOCK_UDP)
			set->kfds[i].events = (short)dgram_kernel_events(
				s, (unsigned short)set->fds[i].events);
		if (s &&
		    (s->kind == SOCK_SESSION ||
		     (s->kind == SOCK_UDP && dgram_is_vpps_alone(s->dgram))))
			set->kfds[i].fd = -1;
		else if (s && s->kind == SOCK_LINK)
			set->kfds[i].events = liveness(set, i);
		else if (set->fds[i].fd >= 0)
			set->n_kernel += !is_alone(set, s);
	}
}

/* What bells have to say to the instances in the set. */
static void hear(struct pollset *set)
{
	nfds_t i;

	for (i = 0; set->n_epolls && i < set->n; i++)
		if (set->socks[i] && set->socks[i]->kind == SOCK_EPOLL)
			epoll_hear(set->socks[i]->epoll);
}

static bool is_moved(const struct pollset *set, nfds_t i)
{
	struct sock *s = sock_get(set->fds[i].fd);
	bool moved = s != set->socks[i];

	if (s)
		sock_put(s);
	return moved;
}

/*
 * Another thread closed the number, and perhaps opened it again, while we
 * slept. The kernel goes on waiting for what it was, and looks it up again when
 * something comes: then it may be ready or closed.  If it is not, here nobody
 * waits for it any more; but the connection stays until poll(2) is over.
 */
static unsigned moved(struct pollset *set, nfds_t i)
{
	static const struct timespec zero;
	struct pollfd now = { .fd = set->fds[i].fd,
			      .events = set->fds[i].events };

	watch_del(&set->watches[i]);
	set->watches[i].sock = NULL; /* else set_put() took it for a count */
	if (set->n_kept < KEPT)
		set->kept[set->n_kept++] = set->socks[i];
	else
		sock_put(set->socks[i]);
	set->socks[i] = NULL;
	set->kfds[i].fd = -1;
	return sock_ppoll(&now, 1, &zero, NULL) > 0
		       ? (unsigned short)now.revents
		       : 0;
}

/* What a link has for it; @told: by the kernel, of its number. */
static unsigned link_part(struct pollset *set, nfds_t i, unsigned told)
{
	struct sock *s = set->socks[i];
	unsigned got;

	/* of another, or of none */
	if (unlikely(told) && set->waiter && is_moved(set, i) &&
	    set->kfds[i].fd == set->fds[i].fd) {
		if (s->fd == set->fds[i].fd)
			return moved(set, i);
		set->kfds[i].fd = s->fd; /* link_closing_unless() */
		told = 0;
	}
	link_alive(s, s->link, told);
	got = sock_ready(s, (unsigned short)set->fds[i].events);
	if (likely(!got || !set->waiter) || likely(!is_moved(set, i)))
		return got;
	return moved(set, i);
}

/* Our part of the answer; @kernel: the kernel's part is in kfds. */
static int set_collect(struct pollset *set, bool kernel)
{
	unsigned want, got;
	int ready = 0;
	nfds_t i;

	if (kernel)
		hear(set);
	for (i = 0; i < set->n; i++) {
		struct pollfd *p = &set->fds[i];

		got = kernel && set->kfds[i].fd >= 0
			      ? (unsigned short)set->kfds[i].revents
			      : 0;
		want = (unsigned short)p->events;
		if (set->socks[i] && set->socks[i]->kind == SOCK_LINK) {
			got = link_part(set, i, got);
		} else if (set->socks[i]) {
			got |= sock_ready(set->socks[i], want);
		}
		p->revents = (short)got;
		ready += got != 0;
	}
	return ready;
}

/* What the kernel is asked comes last: to arm is to look, and what is seen may
 * be that the peer has come back to the kernel. */
static bool set_arm(struct pollset *set)
{
	bool ready = false;
	nfds_t i;

	for (i = 0; i < set->n && !ready; i++)
		if (set->socks[i])
			ready = sock_arm(set->socks[i],
					 (unsigned short)set->fds[i].events,
					 NULL);
	for (i = 0; i < set->n; i++)
		if (set->socks[i] && set->socks[i]->kind == SOCK_LINK)
			set->kfds[i].events = liveness(set, i);
	return ready;
}

static int ask_kernel(struct pollset *set)
{
	static const struct timespec zero;
	int cancel = cancel_off(), ret; /* only a sleep is prepared for it */

	ret = k_ppoll(set->kfds, set->n, &zero, NULL);
	cancel_back(cancel);
	return ret < 0 ? ret : set_collect(set, true);
}

static void set_watch(struct pollset *set, bool on)
{
	nfds_t i;

	for (i = 0; i < set->n; i++) {
		if (!set->socks[i])
			continue;
		if (!on) {
			watch_del(&set->watches[i]);
			continue;
		}
		set->watches[i].waiter = set->waiter;
		watch_add(&set->watches[i], set->socks[i], ring_waiter);
	}
}

/* Of a peer that was killed perhaps nothing but the kernel tells: who always
 * finds something ready, and never sleeps or reads, is to hear of it, too. Two
 * who look at once may count as one. */
static bool looks_long(struct pollset *set)
{
	bool is_long = false;
	struct link *l;
	unsigned n;
	nfds_t i;

	for (i = 0; i < set->n; i++) {
		if (!set->socks[i] || set->socks[i]->kind != SOCK_LINK)
			continue;
		l = set->socks[i]->link;
		n = atomic_load_explicit(&l->looks, memory_order_relaxed) + 1;
		atomic_store_explicit(&l->looks, n % LOOKS_MAX,
				      memory_order_relaxed);
		is_long |= n == LOOKS_MAX;
	}
	return is_long;
}

/* Ours alone are looked at without a syscall. Others are asked for even if
 * ours are ready: poll(2) names all that are, and a program may know of one,
 * as of a connection that it has just made itself. */
static int look(struct pollset *set)
{
	int ret = set_collect(set, false);

	return ret && !set->n_kernel && !looks_long(set) ? ret
							 : ask_kernel(set);
}

static int listen_to_bells(struct pollset *set)
{
	int err = 0;
	nfds_t i;

	for (i = 0; i < set->n && !err; i++) {
		if (set->socks[i] && set->socks[i]->kind == SOCK_LINK)
			err = waiter_listen(set->waiter,
					    set->socks[i]->link->bell);
		else if (set->socks[i] && sock_is_live_dgram(set->socks[i]) &&
			 set->socks[i]->dgram->bell)
			err = waiter_listen(set->waiter,
					    set->socks[i]->dgram->bell);
	}
	return err;
}

/* Each time, for others may have come to be in them. */
static int listen_to_instances(struct pollset *set)
{
	int err = 0;
	nfds_t i;

	for (i = 0; set->n_epolls && i < set->n && !err; i++)
		if (set->socks[i] && set->socks[i]->kind == SOCK_EPOLL)
			err = epoll_listen(set->socks[i]->epoll, set->waiter);
	return err;
}

static int set_spin(struct pollset *set, struct spin *spin)
{
	uint32_t us = 0;
	nfds_t i;
	int ret;

	for (i = 0; i < set->n; i++)
		if (set->socks[i])
			us = MAX(us, set->socks[i]->spin_us);
	spin_start(spin, us);
	while (spin_again(spin)) {
		app_poll();
		ret = set_collect(set, false);
		if (ret)
			return ret;
		if (spin->rounds % (KERNEL_LOOK_US * 8) == 0) {
			ret = ask_kernel(set);
			if (ret)
				return ret;
		}
	}
	return 0;
}

struct timespec *poll_left(uint64_t end, struct timespec *ts)
{
	uint64_t ns;

	if (end == SOCK_NEVER_NS)
		return NULL;
	ns = sock_now_ns();
	ns = ns < end ? end - ns : 0;
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
	return ts;
}

static int set_sleep(struct pollset *set, uint64_t end, const sigset_t *mask)
{
	struct timespec ts, *tsp;
	int ret;

	for (;;) {
		waiter_reset(set->waiter);
		app_poll();
		ret = listen_to_instances(set);
		if (ret)
			return ret;
		tsp = poll_left(end, &ts);
		/* what made it ready may be another thread's by now: then
		 * there is nothing to return yet */
		ret = set_arm(set) ? ask_kernel(set)
				   : app_wait(set->waiter, set->kfds, set->n,
					      tsp, mask);
		if (ret < 0)
			return ret;
		ret = set_collect(set, true);
		if (ret || (tsp && !tsp->tv_sec && !tsp->tv_nsec))
			return ret;
		offer_look(false); /* it was for another connection */
	}
}

/* Without what could wake the thread. */
static int set_look_on(struct pollset *set, uint64_t end, const sigset_t *mask)
{
	int ret;

	do {
		app_poll();
		ret = ask_kernel(set);
		if (ret)
			return ret;
		ret = sock_nap(end, mask);
	} while (!ret);
	return ret == -EAGAIN ? 0 : ret;
}

/* The thread was cancelled in its sleep. */
static void cancelled(void *arg)
{
	struct pollset *set = arg;

	set_watch(set, false);
	set_put(set);
	mem_free(set->heap);
}

/* In a frame of its own: what a cancellation jumps back over is not changed
 * there, as gcc for arm64 asks for. */
static int set_doze(struct pollset *set, uint64_t end, const sigset_t *mask)
{
	int ret;

	link_tidy();
	set_watch(set, true);
	pthread_cleanup_push(cancelled, set);
	ret = set_sleep(set, end, mask);
	pthread_cleanup_pop(0);
	set_watch(set, false);
	return ret;
}

static int set_poll(struct pollset *set, const struct timespec *timeout,
		    const sigset_t *mask)
{
	uint64_t end = sock_end_ns(timeout);
	struct spin spin;
	int ret;

	app_poll();
	set_fill(set);
	if (!set->n_socks && !app_zombies()) {
		pthread_cleanup_push(cancelled, set);
		ret = k_ppoll(set->fds, set->n, timeout, mask);
		pthread_cleanup_pop(0);
		return ret;
	}
	ret = look(set);
	if (ret || (timeout && !timeout->tv_sec && !timeout->tv_nsec))
		return ret;
	ret = set_spin(set, &spin);
	if (!ret)
		ret = waiter_get(&set->waiter);
	if (!ret)
		ret = listen_to_bells(set);
	if (!ret)
		ret = set_doze(set, end, mask);
	if (unlikely(sock_no_bell(ret)))
		ret = set_look_on(set, end, mask);
	spin_end(&spin); /* the sleep belongs to the wait */
	return ret;
}

bool poll_any_ours(const struct pollfd *fds, nfds_t k)
{
	nfds_t i;

	for (i = 0; i < k; i++)
		if (table_peek(fds[i].fd))
			return true;
	return false;
}

/* Whether a very large set is there at all, and not too large, the kernel may
 * say, which costs little beside such a set. */
static bool bad_args(struct pollfd *fds, nfds_t n,
		     const struct timespec *timeout)
{
	static const struct timespec zero;

	if (timeout && !user_ok(timeout, sizeof(*timeout)))
		return true;
	if (n <= MANY_FDS)
		return n && !user_ok(fds, n * sizeof(*fds));
	return k_ppoll(fds, n, &zero, NULL) < 0;
}

int sock_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	       const sigset_t *mask)
{
	struct pollfd kfds[STACK_FDS + APP_WAIT_EXTRA];
	struct sock *socks[STACK_FDS];
	struct watch watches[STACK_FDS];
	struct pollset set = { .fds = fds,
			       .kfds = kfds,
			       .socks = socks,
			       .watches = watches,
			       .n = n };
	int ret;

	if (unlikely(bad_args(fds, n, timeout)))
		return k_ppoll(fds, n, timeout, mask);
	if (timeout && !timespec_ok(timeout))
		return -EINVAL;
	if ((!table_entries || !poll_any_ours(fds, n)) && !app_zombies())
		return k_ppoll(fds, n, timeout, mask);
	if (n > STACK_FDS) {
		set.heap = mem_zalloc(1, (n + APP_WAIT_EXTRA) * sizeof(*kfds) +
						 n * sizeof(*socks) +
						 n * sizeof(*watches));
		if (!set.heap)
			return -ENOMEM;
		set.watches = set.heap;
		set.socks = (void *)(set.watches + n);
		set.kfds = (void *)(set.socks + n);
	} else {
		memset(watches, 0, n * sizeof(*watches));
	}
	ret = set_poll(&set, timeout, mask);
	set_put(&set);
	mem_free(set.heap);
	return ret;
}

/* --- select --- */
