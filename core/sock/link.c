/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - an upgraded connection: readiness, sleeping, its end */
#include "core/sock/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/base/log.h"
#include "core/sess/app.h"
#include "core/sock/sock.h"

/*
 * DOC: What a call has to know of a link and can't do to it: how far each
 * direction is, what is ready, what to wait for, and what the kernel says of
 * the end.  It is long since these look at the same few words, and one that
 * changed without the others would be a lost wake-up.
 */

#define POLL_INPUT (POLLIN | POLLRDNORM)
#define POLL_OUTPUT (POLLOUT | POLLWRNORM)
#define LOOKS_MAX 256 /* until the kernel is asked */
#define PEER_OVER (WIRE_LINK_FIN | WIRE_LINK_CLOSED | WIRE_LINK_RESET)
#define PEER_NEWS (PEER_OVER | WIRE_LINK_BACK)
#define OUR_NEWS (WIRE_LINK_FIN | WIRE_LINK_LEFT | WIRE_LINK_BACK)

/* --- receiving side --- */

uint64_t link_kernel_left(struct sock *s)
{
	struct hold_link *h = &s->hold->link;

	if (link_is_local(s))
		return local_queued(s->fd);
	return h->rx_switch - MIN(h->rx_switch, h->rx_kernel);
}

static void see_drained(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	bool drained = !link_kernel_left(s);

	/* after the look at what is left: see there */
	if (link_is_local(s) && local_skips_ring(l)) {
		h->rx_mode = HOLD_RX_BACK;
		return;
	}
	if (!drained)
		return;
	if (link_is_local(s)) /* nobody counted: it is when all is read */
		h->rx_switch = h->rx_kernel;
	h->rx_mode = HOLD_RX_RING;
}

/* Counted where the kernel does not: before the link these were not. */
void link_read_late(struct sock *s, size_t n)
{
	struct link *l = s->link;

	if (!link_is_local(s))
		return;
	link_lock_rx(s, l);
	s->hold->link.rx_kernel += n;
	link_unlock_rx(s, l);
}

void link_see_switch(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint64_t at;

	if (h->rx_mode == HOLD_RX_READY && link_peer_switched(&l->end, &at)) {
		h->rx_switch = at;
		h->rx_mode = HOLD_RX_DRAIN;
		back_overtaken(s, l);
	}
	if (h->rx_mode == HOLD_RX_DRAIN)
		see_drained(s, l);
}

/* Does all that comes from now on come by the ring? */
static bool rx_by_ring(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;

	if (likely(h->rx_mode == HOLD_RX_RING))
		return true;
	if (h->rx_mode == HOLD_RX_KERNEL ||
	    !(link_peer_flags(&l->end) & WIRE_LINK_SWITCHED))
		return false;
	link_lock_rx(s, l);
	link_see_switch(s, l);
	link_unlock_rx(s, l);
	return h->rx_mode == HOLD_RX_RING;
}

/* Bytes to be read, @by_rx by the ring alone: before that, up to the switch,
 * some are the kernel's and the others behind them in the ring: out of reach
 * while the kernel's are on their way. */
static ssize_t rx_used(struct sock *s, struct link *l, bool by_rx)
{
	ssize_t ring;
	int kernel;

	if (likely(by_rx))
		return ring_used(&l->end.rx);
	if (s->hold->link.rx_mode != HOLD_RX_DRAIN)
		return 0;
	ring = ring_used(&l->end.rx);
	if (ring <= 0 || k_ioctl(s->fd, SIOCINQ, &kernel) < 0)
		return ring;
	/* or another thread has read the last of them just now */
	return kernel || s->hold->link.rx_mode == HOLD_RX_RING ? ring + kernel
							       : 0;
}

/* To ask whether one can write is as good as writing: a program that waits for
 * that first would wait for ever once the peer has left the kernel's stream. */
static bool tx_by_ring(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	int cancel;

	if (likely(h->tx_ring))
		return true;
	if (!(link_peer_flags(&l->end) & WIRE_LINK_RX_READY))
		return false;
	cancel = cancel_off();
	link_lock_tx(s, l);
	upgrade_switch(s, s->fd, l);
	link_unlock_tx(s, l);
	cancel_back(cancel);
	return h->tx_ring;
}

/* --- readiness --- */

/* Something has ended, so that the kernel must be asked what; or it has its
 * say again. */
bool link_has_news(const struct sock *s, struct link *l)
{
	return unlikely(link_has_ended(s, l)) ||
	       unlikely(link_peer_flags(&l->end) & PEER_NEWS) ||
	       unlikely(link_flags(&l->end) & OUR_NEWS);
}

/* To a level nothing, to an edge an arrival: the end comes once.  What one's
 * own shutdown(2) looks like is none yet. */
static void heard_end(struct sock *s, struct link *l)
{
	uint64_t bytes;

	l->ended = true;
	if (!l->over && (!(s->hold->flags & HOLD_RD_SHUT) ||
			 upgrade_received(s->fd, &bytes))) {
		l->over = true;
		if (s->hold->flags & HOLD_RD_SHUT)
			s->shuts++; /* no bit is new, but it is an edge */
	}
}

unsigned link_ask_kernel(struct sock *s, unsigned ask)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = s->fd, .events = (short)ask };
	int cancel = cancel_off(), n;

	n = k_ppoll(&pfd, 1, &zero, NULL);
	/* a reset sets the error first, and then the hang-up, with the socket's
	 * lock: which is waited for here */
	if (n > 0 && (pfd.revents & (POLLERR | POLLHUP)) == POLLERR) {
		upgrade_has_fin(s, s->fd);
		n = k_ppoll(&pfd, 1, &zero, NULL);
	}
	cancel_back(cancel);
	if (n <= 0)
		return 0;
	if (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR))
		heard_end(s, s->link);
	if (pfd.revents &
		    (link_is_local(s) ? POLLRDHUP | POLLHUP : POLLRDHUP) &&
	    !s->link->dead)
		link_see_death(s, s->link);
	return (unsigned short)pfd.revents;
}

/* Once the peer is back, more than what is in the ring is not to be waited for
 * there. */
static uint32_t lowat(const struct sock *s, struct link *l)
{
	uint32_t low = (uint32_t)s->opts->rcvlowat;

	/* of a Unix socket poll(2) does not ask for it */
	if (likely(low <= 1) || link_is_local(s) ||
	    link_peer_flags(&l->end) & WIRE_LINK_BACK)
		return 1;
	return MIN(low, l->end.rx.size);
}

/* A third of the buffer, as the kernel has it. */
static bool writable(struct link *l)
{
	ssize_t room = ring_room(&l->end.tx);

	return room < 0 || (size_t)room >= l->end.tx.size / 3;
}

/* What the kernel says of the connection, as far as it may. */
static unsigned from_kernel(struct link *l, unsigned got, bool by_tx)
{
	unsigned ev = got & (POLLHUP | POLLERR | POLLRDHUP | POLLPRI);

	/* after the switch, input is nothing but the end */
	if (got & POLLIN)
		ev |= POLL_INPUT | SOCK_ANY_INPUT;
	/* output is the kernel's again once the peer has gone: send_over() */
	if (got & POLLOUT && (!by_tx || l->dead || got & (POLLHUP | POLLERR) ||
			      link_flags(&l->end) & WIRE_LINK_FIN ||
			      link_peer_flags(&l->end) & WIRE_LINK_CLOSED))
		ev |= POLL_OUTPUT;
	return ev;
}

/* Full, and the peer has shut down: then the kernel will not say any more. */
static bool is_doubtful(struct link *l)
{
	return unlikely(l->over) && !l->dead &&
	       (link_peer_flags(&l->end) & PEER_OVER) == WIRE_LINK_FIN;
}

/* What a peer that is back sends once more is no input: who were told that it
 * is would wait for ever in recv(2). */
static unsigned ask_past_skip(struct sock *s, struct link *l, unsigned ask)
{
	struct hold_link *h = &s->hold->link;
	unsigned got = link_ask_kernel(s, ask);

	if (likely(!(got & POLLIN) ||
		   !(link_peer_flags(&l->end) & WIRE_LINK_BACK)) ||
	    (h->rx_mode != HOLD_RX_RING && !h->rx_skip))
		return got;
	back_see(s, l);
	return h->rx_mode == HOLD_RX_RING || h->rx_skip
		       ? got & ~(unsigned)POLLIN
		       : link_ask_kernel(s, ask);
}

/* Who only ever looks, and never sleeps or reads, is to hear of the end, too:
 * of a peer that was killed perhaps nothing but the kernel tells.  Two who look
 * at once may count as one. */
static bool looks_long(struct link *l)
{
	unsigned n = atomic_load_explicit(&l->looks, memory_order_relaxed) + 1;

	atomic_store_explicit(&l->looks, n % LOOKS_MAX, memory_order_relaxed);
	return n == LOOKS_MAX;
}

unsigned link_ready(struct sock *s, struct link *l, unsigned want)
{
	bool by_rx, by_tx = true, over = link_has_news(s, l);
	unsigned ev = 0, ask = over ? POLLIN | POLLRDHUP | POLLOUT : 0;
	ssize_t used;

	if (over && back_is_due(l))
		back_see(s, l);
	by_rx = rx_by_ring(s, l);
	if (want & (POLL_INPUT | SOCK_ANY_INPUT | POLLRDHUP)) {
		used = rx_used(s, l, by_rx);
		if (unlikely(used < 0))
			return POLL_INPUT | SOCK_ANY_INPUT | POLL_OUTPUT |
			       POLLERR | POLLHUP;
		if (used > 0)
			ev |= SOCK_ANY_INPUT;
		if ((size_t)used >= lowat(s, l))
			ev |= POLL_INPUT;
		if (!by_rx)
			ask |= POLLIN | POLLRDHUP;
		else if (unlikely(looks_long(l)) &&
			 link_ask_kernel(s, POLLRDHUP) && link_has_news(s, l))
			return link_ready(s, l, want);
	}
	if (unlikely(want & POLLPRI) &&
	    link_peer_flags(&l->end) & WIRE_LINK_BACK)
		ask |= POLLPRI; /* for which it has come back */
	if (want & POLL_OUTPUT) {
		by_tx = tx_by_ring(s, l);
		if (!by_tx)
			ask |= POLLOUT;
		else if (writable(l))
			ev |= POLL_OUTPUT;
	}
	if (unlikely(ask))
		ev |= from_kernel(l, ask_past_skip(s, l, ask), by_tx);
	if (want & ~ev & POLLOUT && by_tx && is_doubtful(l) && link_doubt(s, l))
		return link_ready(s, l, want);
	if (unlikely(s->opts->error))
		ev |= POLLERR;
	if (link_is_local(s) && ev & POLLOUT)
		ev |= POLLWRBAND; /* as the kernel says of those */
	return ev;
}

/* After the way back: as it was by the ring, so that nothing arrives by this
 * alone.  An end counted there, as a FIN does here, but not a reset. */
static uint32_t not_before(struct link *l, uint32_t bytes)
{
	uint32_t tail = ring_tail(&l->end.rx);

	if (l->back_tail && (int32_t)(bytes + tail - l->back_tail) < 0)
		return l->back_tail - tail;
	return bytes;
}

/* What the kernel has received, but not more than the peer sent by it, so that
 * it is rx_switch in the end; and whether there is an end. */
static uint32_t from_kernel_so_far(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint64_t bytes, at;
	bool over = l->over; /* before the bytes, for its FIN is one of them */

	if (link_is_local(s)) {
		bytes = local_so_far(s, l);
		return h->rx_mode == HOLD_RX_BACK
			       ? not_before(l, (uint32_t)bytes)
			       : (uint32_t)bytes;
	}
	if (upgrade_received(s->fd, &bytes)) {
		heard_end(s, l);
		over = true;
	}
	if (h->rx_mode == HOLD_RX_BACK)
		return not_before(l, (uint32_t)bytes - h->rx_twice);
	if (link_peer_switched(&l->end, &at) && bytes > at)
		bytes = at;
	return (uint32_t)bytes + over;
}

uint32_t link_rx_tail_by_ring(const struct sock *s, const struct link *l)
{
	return ring_tail(&l->end.rx) + (uint32_t)s->hold->link.rx_switch +
	       l->over;
}

/* Grows with what arrives, whoever asks how often. */
uint32_t link_rx_tail(struct sock *s, struct link *l)
{
	if (back_is_due(l))
		back_see(s, l);
	if (unlikely(!rx_by_ring(s, l)))
		return ring_tail(&l->end.rx) + from_kernel_so_far(s, l);
	/* the end counts from when the kernel has it, and is to be in the
	 * position that is read before the readiness */
	if (unlikely(link_peer_flags(&l->end) & PEER_OVER) && !l->over)
		link_ask_kernel(s, POLLRDHUP);
	return link_rx_tail_by_ring(s, l);
}

/* The kernel may have more to say than was asked for. */
static bool wanted(struct sock *s, struct link *l, unsigned events)
{
	return link_ready(s, l, events) & (events | POLLERR | POLLHUP);
}

/* Level-triggered: bytes that are too few or that nobody asked for are no
 * reason to stay awake. */
static bool arm_input(struct sock *s, struct link *l, unsigned events,
		      const uint32_t *tail)
{
	link_arm_rx(&l->end, l->bell->number);
	if (tail)
		return link_rx_tail(s, l) != *tail;
	return wanted(s, l, events);
}

bool link_arm(struct sock *s, struct link *l, unsigned events,
	      const uint32_t *tail)
{
	if (events & (POLL_INPUT | POLLRDHUP | SOCK_ANY_INPUT) &&
	    arm_input(s, l, events, tail))
		return true;
	if (events & POLL_OUTPUT && tx_by_ring(s, l) && !writable(l)) {
		link_arm_tx(&l->end, l->bell->number, l->end.tx.size / 3);
		if (writable(l))
			return true;
	}
	return !tail && wanted(s, l, events);
}

/* A hang-up and an error the kernel tells unasked; the peer's FIN only until
 * it is known, or the sleeper would not sleep any more. */
unsigned link_liveness(struct sock *s, struct link *l, unsigned events)
{
	struct hold_link *h = &s->hold->link;
	unsigned ask = 0;

	/* after the switch, too: the peer may come back */
	if (events & (POLL_INPUT | SOCK_ANY_INPUT) &&
	    (h->rx_mode != HOLD_RX_RING || !l->ended))
		ask |= POLLIN;
	if (!l->ended)
		ask |= POLLRDHUP;
	if ((events & POLL_OUTPUT && !h->tx_ring) ||
	    unlikely(h->tx_back == HOLD_TX_FLUSH))
		ask |= POLLOUT;
	return ask;
}

void link_alive(struct sock *s, struct link *l, unsigned revents)
{
	if (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
		heard_end(s, l);
}

/* --- the end --- */

void link_is_dead(struct sock *s, struct link *l)
{
	if (atomic_exchange(&l->dead, true))
		return;
	link_doubt_over(l);
	if (s->hold->link.tx_ring && ring_unread(&l->end.tx)) {
		s->opts->error = ECONNRESET;
		k_shutdown(s->fd, SHUT_RDWR);
	}
}

/*
 * Who closes or shuts down says so in the link before the kernel does (FIN).
 * Who is killed, or just exits, does not: then nobody will take what is in the
 * ring, or read any more.  TCP would have reset the connection if something
 * was left unread, which the kernel does not know: so we do it here.
 */
bool link_see_death(struct sock *s, struct link *l)
{
	if (link_is_local(s))
		return local_see_death(s, l);
	/* who has left the link says it in the kernel alone */
	if (likely(link_peer_flags(&l->end) & WIRE_LINK_FIN ||
		   link_reader_left(&l->end)))
		return false;
	/* the kernel's word before the flag: they were given in the other
	 * order */
	if (!upgrade_has_fin(s, s->fd) ||
	    link_peer_flags(&l->end) & WIRE_LINK_FIN ||
	    link_reader_left(&l->end))
		return l->dead;
	link_is_dead(s, l);
	return true;
}

/*
 * The kernel does not tell the peer of a death after the FIN.  If it has
 * nothing left to deliver, but for @fin of its own (a FIN, which may wait for a
 * peer that is busy with its socket), let it: a reset ends just what the peer
 * may still write.  link_closing() takes it back.
 */
static bool reset_on_death(struct sock *s, int fd, struct link *l, int fin)
{
	static const struct linger abort = { .l_onoff = 1, .l_linger = 0 };
	struct hold_link *h = &s->hold->link;
	int queued;

	if (link_is_local(s))
		return true; /* that is always told */
	l->resets =
		h->rx_mode != HOLD_RX_KERNEL && h->rx_mode != HOLD_RX_BACK &&
		(h->tx_ring || fin) && !k_ioctl(fd, SIOCOUTQ, &queued) &&
		queued <= fin &&
		!k_setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	return l->resets;
}

bool link_end_is_told(struct sock *s, int fd, struct link *l)
{
	return !(link_flags(&l->end) & WIRE_LINK_FIN) || l->resets ||
	       s->hold->link.rx_mode == HOLD_RX_BACK ||
	       reset_on_death(s, fd, l, 1);
}

void link_no_reset(struct sock *s, int fd, struct link *l)
{
	struct linger lg = { .l_onoff = s->opts->linger >= 0,
			     .l_linger = s->opts->linger >= 0 ? s->opts->linger
							      : 0 };

	if (link_is_local(s))
		return;
	l->resets = false;
	k_setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
}

/* Who is killed after the flag is to be told of by a reset, too: so that comes
 * first, if it can. */
static int shut_sending(struct sock *s, int fd, struct link *l, int how)
{
	bool later = back_before_fin(s, fd, l);
	int err;

	if (!later)
		reset_on_death(s, fd, l, 0);
	/* the peer leaves in this moment, and had us down as one that sends */
	if (unlikely(link_set_flags(&l->end, WIRE_LINK_FIN) & WIRE_LINK_LEFT))
		later = back_tx(s, fd, l);
	if (unlikely(later)) { /* the kernel's FIN comes when it has all */
		s->hold->link.tx_fin = 1;
		return how == SHUT_RDWR ? k_shutdown(fd, SHUT_RD) : 0;
	}
	err = k_shutdown(fd, how);
	if (link_is_local(s))
		atomic_fetch_or(&s->hold->flags, HOLD_WR_SHUT);
	if (err)
		link_no_reset(s, fd, l);
	else if (!link_end_is_told(s, fd, l))
		l->settled = false; /* upgrade.c tries again */
	return err;
}

/* Shut down both ways, in whatever order: what the peer sends from here on TCP
 * answers by a reset, so it is to be sent by the kernel. */
static void shut_wholly(struct sock *s, struct link *l)
{
	if (!(s->hold->flags & HOLD_RD_SHUT) ||
	    !(link_flags(&l->end) & WIRE_LINK_FIN))
		return;
	link_set_flags(&l->end, WIRE_LINK_CLOSED);
	link_ring(l, link_wake_writer(&l->end));
}

int link_shutdown(struct sock *s, int fd, struct link *l, int how)
{
	int err;

	if (how != SHUT_WR && link_is_local(s))
		local_stops_reading(l);
	if (how != SHUT_RD) {
		/* with the lock, so that whoever is sending is done */
		link_lock_tx(s, l);
		err = shut_sending(s, fd, l, how);
		link_unlock_tx(s, l);
	} else {
		err = k_shutdown(fd, how);
	}
	if (!err && how != SHUT_WR)
		atomic_fetch_or(&s->hold->flags, HOLD_RD_SHUT);
	if (!err)
		shut_wholly(s, l);
	/* the kernel wakes the peer, which sleeps on it as well; our own
	 * threads see that the kernel has something to say */
	l->ended = true;
	s->shuts++;
	sock_notify(s);
	return err;
}

/* Bytes that nobody will read: then TCP resets, as it does for its own. */
static bool has_unread(struct sock *s, struct link *l)
{
	uint32_t mode = s->hold->link.rx_mode;

	return mode != HOLD_RX_KERNEL && mode != HOLD_RX_BACK &&
	       ring_used(&l->end.rx) > 0;
}

static void finish_sending(struct sock *s, int fd, struct link *l)
{
	link_lock_tx(s, l);
	if (back_before_fin(s, fd, l))
		back_finish(s, fd, l);
	link_unlock_tx(s, l);
}

/* The last process lets go. */
static void link_over(struct sock *s, int fd, struct link *l)
{
	static const struct linger abort = { .l_onoff = 1, .l_linger = 0 };
	bool shut = link_flags(&l->end) & WIRE_LINK_FIN;

	finish_sending(s, fd, l);
	/* what the peer puts from here on, it sees is in vain; a writer that
	 * waits for room must hear of it: the kernel may not have a word to
	 * say */
	if (unlikely(link_set_flags(&l->end, WIRE_LINK_FIN | WIRE_LINK_CLOSED) &
		     WIRE_LINK_LEFT))
		finish_sending(s, fd, l); /* as shut_sending() */
	link_ring(l, link_wake_writer(&l->end));
	back_before_close(s, fd, l); /* after the fence in there */
	if (link_is_local(s)) {
		if (has_unread(s, l))
			link_set_flags(&l->end, WIRE_LINK_RESET);
	} else if (s->opts->linger == 0 || has_unread(s, l)) {
		link_set_flags(&l->end, WIRE_LINK_RESET);
		k_setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
	} else if (shut) {
		link_no_reset(s, fd, l);
	}
}

static void let_go(struct sock *s, int fd)
{
	if (!s->hold)
		return;
	/* not hold_drop(): threads may still look at the record, in waits, and
	 * must not find another connection's */
	if (!hold_leave(s->hold)) {
		s->hold_shared = true;
		epoll_sock_leaves(s, fd);
	} else if (s->link) {
		link_over(s, fd, s->link);
	}
}

void link_closing(struct sock *s, int fd)
{
	s->hold_left = true; /* before the look: take_grant() */
	stay_over(s);
	if (!s->hold && s->upgrade != UPGRADE_OFFERED)
		return;
	upgrade_lock();
	let_go(s, fd);
	upgrade_unlock();
}

/* As in the kernel, a call that has begun keeps the connection: it goes on with
 * a copy of the number, and closes it in link_release(). */
void link_closing_unless(struct sock *s, int fd, uint32_t refs)
{
	int copy, cancel;

	if (s->link && s->refs - s->lost > refs) {
		cancel = cancel_off();
		copy = private_fd(k_fcntl(fd, F_DUPFD_CLOEXEC, 0));
		cancel_back(cancel);
		if (copy >= 0) {
			s->link->orphan = copy;
			s->fd = copy;
			return;
		}
	}
	link_closing(s, fd);
}

static void link_free(struct link *l)
{
	private_close(l->orphan);
	link_doubt_over(l);
	offer_set_user(&l->grant, NULL);
	link_unlist(l);
	bell_put(l->bell);
	pthread_mutex_destroy(&l->rx_lock.mine);
	pthread_mutex_destroy(&l->tx_lock.mine);
	free(l);
}

static void hold_over(struct sock *s)
{
	if (s->hold && !s->hold_shared)
		hold_free(s->hold);
}

/* The sock is nobody's any more.  Where libc closed the descriptor behind our
 * back, this is the first we hear of it. */
void link_release(struct sock *s)
{
	struct link *l = s->link;
	struct offer_grant g;

	epoll_sock_gone(s);
	if (!s->hold_left)
		link_closing(s, l ? l->orphan : -1);
	bell_put(s->bell);
	if (s->port)
		sock_put(s->port);
	if (!l) {
		hold_over(s);
		return;
	}
	upgrade_learned(s, l);
	g = l->grant;
	link_untidy(s);
	link_free(l);
	hold_over(s);
	/* a process that shares it goes on by the same memory */
	if (s->hold_shared)
		offer_abandon(&g);
	else
		offer_release(&g);
}
