/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - an upgraded connection: readiness, sleeping */
#include "core/sock/link.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"

/*
 * DOC: What a call has to know of a link and can't do to it: how far each
 * direction is, what is ready, what to wait for, and what the kernel says of
 * the end.  They stand together since they look at the same few words, and one
 * that changed without the others would be a lost wake-up.
 */

#define POLL_INPUT (POLLIN | POLLRDNORM)
#define POLL_OUTPUT (POLLOUT | POLLWRNORM)
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

/* An end that is the peer's, and not what one's own shutdown(2) looks like. */
static bool is_peers(struct sock *s, struct link *l)
{
	uint64_t bytes;

	if (!(s->hold->flags & HOLD_RD_SHUT))
		return true;
	return link_is_local(s) ? link_peer_flags(&l->end) & WIRE_LINK_FIN
				: position_received(s->fd, &bytes);
}

/* To a level nothing, to an edge an arrival: the end comes once. */
static void heard_end(struct sock *s, struct link *l)
{
	l->ended = true;
	if (!(s->hold->flags & HOLD_ENDED))
		atomic_fetch_or(&s->hold->flags, HOLD_ENDED);
	if (!l->over && is_peers(s, l)) {
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
		position_has_fin(s, s->fd);
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

/* The peer is back, and sends all of what is in the ring by the kernel. */
static bool comes_again(struct link *l)
{
	uint32_t at;

	return link_peer_back(&l->end, &at) &&
	       (int32_t)(ring_tail(&l->end.rx) -
			 (uint32_t)ring_used(&l->end.rx) - at) >= 0;
}

/* Once the peer is back, more than what is in the ring is not to be waited for
 * there; unless the kernel will have it all, and wakes for enough of it. */
static uint32_t lowat(const struct sock *s, struct link *l)
{
	uint32_t low = (uint32_t)s->opts->rcvlowat;

	/* of a Unix socket poll(2) does not ask for it */
	if (likely(low <= 1) || link_is_local(s) ||
	    (link_peer_flags(&l->end) & WIRE_LINK_BACK && !comes_again(l)))
		return 1;
	return MIN(low, l->end.rx.size);
}

/* Not of a reset, which it is no more once the error was told. */
static bool has_ended_well(struct sock *s)
{
	uint64_t bytes;

	return position_has_fin(s, s->fd) ||
	       (position_received(s->fd, &bytes) && !s->errors &&
		!s->opts->error && !(link_ask_kernel(s, 0) & POLLERR));
}

bool link_has_enough(struct sock *s, struct link *l)
{
	int unread;

	if (link_is_local(s))
		return false;
	unread = link_count(s, s->fd, l, false);
	return (unread > 0 &&
		(uint32_t)unread >=
			MIN((uint32_t)s->opts->rcvlowat, l->end.rx.size)) ||
	       has_ended_well(s);
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

/* What a peer that is back sends once more is no input: who were told that it
 * is would wait for ever in recv(2); but not if there is an end. */
static unsigned ask_past_skip(struct sock *s, struct link *l, unsigned ask)
{
	struct hold_link *h = &s->hold->link;
	unsigned got = link_ask_kernel(s, ask);

	if (likely(!(got & POLLIN) || got & (POLLRDHUP | POLLHUP | POLLERR) ||
		   !(link_peer_flags(&l->end) & WIRE_LINK_BACK)) ||
	    (h->rx_mode != HOLD_RX_RING && !h->rx_skip))
		return got;
	back_see(s, l);
	return h->rx_mode == HOLD_RX_RING || h->rx_skip
		       ? got & ~(unsigned)POLLIN
		       : link_ask_kernel(s, ask);
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
	/* a death that was seen since the kernel was asked: as it says of a
	 * reset */
	if (unlikely(s->opts->error))
		ev |= s->hold->flags & HOLD_DEAD ? POLLERR | POLLHUP | POLLRDHUP
						 : POLLERR;
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
	if (position_received(s->fd, &bytes)) {
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
		/* the latter: partner of link_writer_waits() */
		if (writable(l) ||
		    back_half_closed(s, l, link_peer_flags(&l->end)))
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
	    (h->rx_mode != HOLD_RX_RING || !l->ended ||
	     link_peer_flags(&l->end) & WIRE_LINK_BACK))
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
