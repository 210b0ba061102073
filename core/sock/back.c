/* SPDX-License-Identifier: Apache-2.0 */
/* back.c - the way back: from the link to the kernel, for good */
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: The protocol is in core/shm/link.h.  Of the two ends, one leaves: its
 * descriptor goes to a program that knows of no link (exec.c).  It is the
 * writer of one direction, the reader of the other, and stops both.  The other
 * end answers when it looks: before and after it sends, when it has nothing to
 * read, when it asks whether it is ready, when it is rung.
 *
 * What it has to send back it sends without waiting.  What the kernel has no
 * room for is still in the ring, and goes first when there is (HOLD_TX_FLUSH);
 * until then the connection can't be written to.
 *
 * And who sends to a peer that has shut down sending goes back, too: if that
 * peer dies, nothing is said until something is sent, and only the kernel can
 * say it then.
 *
 * Some bytes can't come back: of a peer that was killed, or that has shut down
 * sending while the kernel had no room (else it takes back before the FIN).  If
 * this process goes on with the connection it goes on reading them in the ring,
 * and whoever shares it finds the end.  If nobody does, the connection is
 * reset: never shall bytes be missing and nobody be told.
 */

#define FINISH_MS 2000 /* for a peer that does not read, at most */
#define CLOSE_MS 100   /* for what the peer is just sending */
#define NAP_NS 200000

static const struct timespec nap = { .tv_nsec = NAP_NS };

static uint64_t end_in(unsigned ms)
{
	return sock_now_ns() + ms * UINT64_C(1000000);
}

/* A peer that lies: to the program, as if the network had broken. */
static void spoilt(struct link *l, int fd)
{
	k_shutdown(fd, SHUT_RDWR);
	l->ended = true;
}

/* --- sending; with tx_lock --- */

static void flushed(struct sock *s, int fd)
{
	struct hold_link *h = &s->hold->link;

	h->tx_back = HOLD_TX_BACK;
	if (h->tx_fin)
		k_shutdown(fd, SHUT_WR);
}

/* The connection is over.  -EBADF: it is being closed here, and another process
 * may have it. */
static bool is_over(ssize_t n)
{
	return n < 0 && n != -EAGAIN && n != -EINTR && n != -EBADF;
}

/* An EPIPE comes again by itself, unless it is a reset's after a FIN, which is
 * told once. */
static bool has_error(int fd)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = fd };

	return k_ppoll(&pfd, 1, &zero, NULL) > 0 && pfd.revents & POLLERR;
}

/* As much as the kernel has room for. */
static void flush(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	struct iovec view[2];
	struct msghdr msg = { .msg_iov = view };
	int pieces, cancel = cancel_off();
	bool error = has_error(fd);
	ssize_t n = 0;

	while (ring_unsent(&l->end.tx, h->tx_from, view, &pieces) > 0) {
		msg.msg_iovlen = (size_t)pieces;
		n = k_sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break;
		h->tx_from += (uint32_t)n;
	}
	if (n >= 0 || is_over(n))
		flushed(s, fd);
	if (is_over(n) && (n != -EPIPE || error))
		s->opts->error = (int)-n;
	cancel_back(cancel);
}

/* Nothing is put any more; the kernel goes on at @at of the ring. */
static void stop_tx(struct hold_link *h, uint32_t at)
{
	h->tx_from = at;
	h->tx_ring = 0;
	h->tx_back = HOLD_TX_FLUSH;
}

/* Not taken by the reader. */
static uint32_t unread(struct sock *s, int fd, struct link *l)
{
	ssize_t n = s->hold->link.tx_ring ? ring_unread(&l->end.tx) : 0;

	if (n >= 0)
		return (uint32_t)n;
	spoilt(l, fd);
	return 0;
}

/* Will the kernel take @n bytes now?  It counts more than the bytes. */
static bool fits(const struct sock *s, int fd, uint32_t n)
{
	int room, queued;

	return !sock_int_opt(fd, SOL_SOCKET, SO_SNDBUF, &room) &&
	       !k_ioctl(fd, SIOCOUTQ, &queued) && room > queued &&
	       n <= (uint32_t)(room - queued) / 8 * (link_is_local(s) ? 6 : 4);
}

/* Must it all come back, since the peer may read no more of the ring? */
static bool all_or_nothing(const struct sock *s, uint32_t n)
{
	return link_is_local(s) && n == s->hold->link.tx.tail;
}

/* Who has shut down a Unix socket for reading reads what is in the ring, but
 * the kernel takes nothing for it.  (Who has left and then closed has handed it
 * on.) */
static bool is_refused(const struct sock *s, struct link *l)
{
	return link_is_local(s) &&
	       link_peer_flags(&l->end) & WIRE_LINK_CLOSED &&
	       !link_reader_left(&l->end);
}

/* Of our own accord: take back what the peer has not read.  If there is no room
 * for that, or we can't send any more, it reads it in the ring. */
static void stop_by_ourselves(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t n = unread(s, fd, l), at;

	if (link_flags(&l->end) & WIRE_LINK_FIN || is_refused(s, l) ||
	    (!fits(s, fd, n) && !all_or_nothing(s, n)))
		n = 0;
	at = h->tx.tail - n;
	if (link_stop_tx(&l->end, at))
		at = h->tx.tail - unread(s, fd, l);
	/* nobody reads any more: what comes would reset us.  But who has left
	 * and then closed has handed it on. */
	if (link_peer_flags(&l->end) & WIRE_LINK_CLOSED &&
	    !link_reader_left(&l->end))
		at = h->tx.tail;
	stop_tx(h, at);
}

bool back_tx(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t at;

	if (!h->tx_back && link_reader_left(&l->end)) {
		at = h->tx.tail - unread(s, fd, l);
		/* it left after our FIN, and knew: it reads the ring if it
		 * can, which local_skips_ring() must not keep it from */
		if (s->hold->flags & HOLD_WR_SHUT)
			at = h->tx.tail;
		link_stop_tx(&l->end, at);
		stop_tx(h, at);
	}
	if (!h->tx_back && back_half_closed(s, l, link_peer_flags(&l->end))) {
		stop_by_ourselves(s, fd, l);
		link_call(l); /* it may sleep on the ring alone */
	}
	if (h->tx_back == HOLD_TX_FLUSH)
		flush(s, fd, l);
	return h->tx_back == HOLD_TX_FLUSH;
}

/*
 * After a FIN nothing can be sent back any more: so what the peer has not read
 * goes by the kernel now, if it may, and is there whoever reads it then.
 */
bool back_before_fin(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t n = h->tx_back ? 0 : unread(s, fd, l);

	if (n && fits(s, fd, n))
		stop_by_ourselves(s, fd, l);
	return back_tx(s, fd, l);
}

void back_finish(struct sock *s, int fd, struct link *l)
{
	struct timespec ts = { .tv_nsec = 10000000 };
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	uint64_t end = end_in(FINISH_MS);
	int cancel = cancel_off();

	while (back_tx(s, fd, l) && sock_now_ns() < end)
		k_ppoll(&pfd, 1, &ts, NULL);
	cancel_back(cancel);
}

/* --- receiving; with rx_lock --- */

/* What was read from the ring comes by the kernel once more. */
static void skip(struct sock *s, int fd)
{
	struct hold_link *h = &s->hold->link;
	int cancel = cancel_off();
	char bin[4096]; /* Unix sockets know no MSG_TRUNC */
	ssize_t n = 1;

	while (h->rx_skip && n > 0) {
		if (link_is_local(s))
			n = k_recvfrom(fd, bin,
				       MIN(sizeof(bin), (size_t)h->rx_skip),
				       MSG_DONTWAIT, NULL, NULL);
		else
			n = k_recvfrom(fd, NULL, h->rx_skip,
				       MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
		if (n > 0)
			h->rx_skip -= (uint32_t)n;
	}
	cancel_back(cancel);
	if (n && !is_over(n))
		return;
	h->rx_skip = 0; /* there is an end instead */
	if (n < 0)
		s->opts->error = (int)-n;
}

/* ... but not for longer than @ms */
static void skip_all(struct sock *s, int fd, unsigned ms)
{
	struct timespec ts = { .tv_nsec = 10000000 };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t end = end_in(ms);

	for (;;) {
		skip(s, fd);
		if (!s->hold->link.rx_skip || sock_now_ns() >= end)
			return;
		k_ppoll(&pfd, 1, &ts, NULL);
	}
}

static void rx_is_back(struct sock *s, struct link *l)
{
	l->back_tail = link_rx_tail_by_ring(s, l);
	s->hold->link.rx_mode = HOLD_RX_BACK;
}

/*
 * We have just read more from the kernel than the peer had sent there before
 * the switch: it has switched, put, and come back, all since we had looked.  As
 * nobody had read of what it put, it has sent all of that again.
 */
void back_overtaken(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t at;

	if (unlikely(h->rx_kernel > h->rx_switch) &&
	    link_peer_back(&l->end, &at))
		rx_is_back(s, l);
}

/* Is all that is in the ring in the kernel again, behind what the kernel has
 * before it?  Then that is as good, and what follows comes with it. */
static bool has_come_again(struct sock *s, int fd, struct link *l, uint32_t at)
{
	struct hold_link *h = &s->hold->link;
	uint64_t left = h->rx_mode == HOLD_RX_DRAIN ? link_kernel_left(s) : 0;
	int queued;

	return (int32_t)(h->rx.head - at) >= 0 &&
	       !k_ioctl(fd, SIOCINQ, &queued) &&
	       (unsigned)queued >= left + (ring_tail(&l->end.rx) - at);
}

/* Is there something that only the ring has, or that nobody has counted? */
static bool needs_ring(struct sock *s, int fd, struct link *l, uint32_t at)
{
	struct hold_link *h = &s->hold->link;

	if (h->rx_mode != HOLD_RX_RING && h->rx_mode != HOLD_RX_DRAIN)
		return false;
	if (link_is_local(s))
		return h->rx_mode == HOLD_RX_DRAIN || ring_used(&l->end.rx);
	return ring_used(&l->end.rx) && !has_come_again(s, fd, l, at);
}

/* What the kernel has twice, as it is skipped or as it is in the ring as well.
 */
static void count_twice(struct sock *s, int fd, struct link *l, uint32_t at)
{
	struct hold_link *h = &s->hold->link;
	uint32_t unread = ring_tail(&l->end.rx) - h->rx.head;

	h->rx_skip = h->rx.head - at;
	if (h->rx_skip > l->end.rx.size || unread > l->end.rx.size) {
		spoilt(l, fd);
		h->rx_skip = unread = 0;
	}
	h->rx_twice = h->rx_skip + unread;
}

void back_rx(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t at;

	if (h->rx_mode != HOLD_RX_BACK) {
		/* back first: who is back had switched before, if ever */
		if (!link_peer_back(&l->end, &at))
			return;
		link_see_switch(s, l);
		if (h->rx_mode == HOLD_RX_BACK || needs_ring(s, fd, l, at))
			return;
		if (h->rx_mode == HOLD_RX_RING || h->rx_mode == HOLD_RX_DRAIN)
			count_twice(s, fd, l, at);
		rx_is_back(s, l);
	}
	if (unlikely(h->rx_skip))
		skip(s, fd);
}

void back_before_close(struct sock *s, int fd, struct link *l)
{
	int cancel;

	if (likely(!(link_peer_flags(&l->end) & WIRE_LINK_BACK)))
		return;
	cancel = cancel_off();
	link_lock_rx(s, l);
	back_rx(s, fd, l);
	skip_all(s, fd, CLOSE_MS);
	link_unlock_rx(s, l);
	cancel_back(cancel);
}

/* --- both --- */

static bool is_due_tx(struct sock *s, struct link *l)
{
	uint32_t back = s->hold->link.tx_back;

	return back == HOLD_TX_FLUSH ||
	       (!back && (link_reader_left(&l->end) ||
			  back_half_closed(s, l, link_peer_flags(&l->end))));
}

/* What calls of the parent's threads keep in a child is not ours, once it was
 * closed here: its number may be anything. */
static bool has_let_go(const struct sock *s)
{
	return unlikely(s->hold_left);
}

void back_see(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;

	if (is_due_tx(s, l)) {
		link_lock_tx(s, l);
		if (!has_let_go(s))
			back_tx(s, s->fd, l);
		link_unlock_tx(s, l);
	}
	if (h->rx_skip || (h->rx_mode != HOLD_RX_BACK &&
			   link_peer_flags(&l->end) & WIRE_LINK_BACK)) {
		link_lock_rx(s, l);
		if (!has_let_go(s))
			back_rx(s, s->fd, l);
		link_unlock_rx(s, l);
	}
}

/* As before a FIN: the kernel sends one, and says nothing of us. */
static void finish_it(struct sock *s, struct link *l)
{
	if (has_let_go(s) || (!is_due_tx(s, l) && hold_shared(s->hold)))
		return;
	link_lock_tx(s, l);
	if (back_before_fin(s, s->fd, l))
		back_finish(s, s->fd, l);
	link_unlock_tx(s, l);
	back_before_close(s, s->fd, l);
}

/* A signal handler may end the process as well. */
void back_at_exit(void)
{
	link_each_idle(finish_it);
}

/* --- leaving --- */

/* Nobody can send it what it has not got: a reset says so, or where there is
 * none, the end. */
static void lost(const struct sock *s, int fd)
{
	static const struct sockaddr none = { .sa_family = AF_UNSPEC };

	if (link_is_local(s))
		k_shutdown(fd, SHUT_RDWR);
	else
		k_connect(fd, &none, sizeof(none));
	log_warn("connection %d: bytes could not be handed over", fd);
}

static bool leave_tx(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	bool all;

	link_lock_tx(s, l);
	if (!h->tx_back)
		stop_by_ourselves(s, fd, l);
	back_finish(s, fd, l);
	all = h->tx_back == HOLD_TX_BACK;
	link_unlock_tx(s, l);
	return all;
}

/* Is there nobody who could send us what is in the ring?  @was: its flags */
static bool is_stranded(struct sock *s, int fd, struct link *l, uint32_t was)
{
	struct hold_link *h = &s->hold->link;
	ssize_t used = h->rx_mode >= HOLD_RX_DRAIN ? ring_used(&l->end.rx) : 0;
	uint32_t at = 0;

	if (used <= 0)
		return false;
	if (was & WIRE_LINK_BACK && link_peer_back(&l->end, &at))
		return (int32_t)(h->rx.head - at) < 0;
	return was & (WIRE_LINK_FIN | WIRE_LINK_CLOSED) ||
	       position_has_fin(s, fd);
}

static bool leave_rx(struct sock *s, int fd, struct link *l, bool stays)
{
	struct hold_link *h = &s->hold->link;
	bool stranded = false;
	uint32_t was, at;

	link_lock_rx(s, l);
	if (h->rx_mode != HOLD_RX_BACK) {
		was = link_stop_rx(&l->end);
		link_see_switch(s, l); /* who switches later finds LEFT */
		stranded = is_stranded(s, fd, l, was);
		if (!stranded && h->rx_mode == HOLD_RX_RING &&
		    was & WIRE_LINK_BACK && link_peer_back(&l->end, &at))
			h->rx_skip = h->rx.head - at;
		if (h->rx_skip > l->end.rx.size)
			h->rx_skip = 0; /* it lies: to whom it knows best */
		h->rx_twice = h->rx_skip;
		if (!stranded || !stays)
			rx_is_back(s, l);
	}
	skip_all(s, fd, FINISH_MS);
	link_took(s, fd, l); /* SO_LINGER is not to go along */
	link_unlock_rx(s, l);
	return !stranded && !h->rx_skip;
}

/* Whoever sleeps on it here, in this process or in one that shares it, and the
 * peer, must look. */
static void tell_all(struct sock *s, struct link *l)
{
	link_call(l);
	sock_notify(s);
	bell_ring(l->bell->evfd);
}

static void never_link(struct sock *s)
{
	s->upgrade = UPGRADE_NEVER;
	if (s->hold) /* a parent's, too */
		atomic_fetch_or(&s->hold->flags, HOLD_KERNELS);
}

static bool is_back(struct sock *s)
{
	struct hold_link *h = &s->hold->link;

	return h->rx_mode == HOLD_RX_BACK && h->tx_back == HOLD_TX_BACK &&
	       !h->rx_skip;
}

/* Its link, or none and never one. */
static struct link *last_link(struct sock *s)
{
	struct link *l;

	upgrade_lock();
	l = s->link;
	if (!l)
		never_link(s);
	upgrade_unlock();
	return l;
}

void back_leave_sending(struct sock *s, int fd)
{
	int cancel = cancel_off();
	struct link *l = last_link(s);

	/* who sends next waits for room, if it may */
	if (l && !s->hold->link.tx_back) {
		link_lock_tx(s, l);
		if (!s->hold->link.tx_back)
			stop_by_ourselves(s, fd, l);
		back_tx(s, fd, l);
		link_unlock_tx(s, l);
		tell_all(s, l);
	}
	cancel_back(cancel);
}

void back_leave(struct sock *s, int fd, bool stays)
{
	int cancel = cancel_off();
	struct link *l = last_link(s);
	bool all;

	if (l && !is_back(s)) {
		stays |= hold_shared(s->hold);
		all = leave_tx(s, fd, l);
		all &= leave_rx(s, fd, l, stays);
		tell_all(s, l);
		if (!all && !stays)
			lost(s, fd);
	}
	cancel_back(cancel);
}

/* Do we wait for the peer?  Not if it has answered, or has nothing to send. */
static bool is_awaited(struct sock *s, struct link *l)
{
	uint32_t at;

	return s->hold->link.rx_mode == HOLD_RX_BACK &&
	       !link_peer_back(&l->end, &at) && ring_used(&l->end.rx) > 0;
}

void back_await(struct sock *s, uint64_t end_ns)
{
	struct link *l = s->link;
	int cancel = cancel_off();

	while (l && is_awaited(s, l) && sock_now_ns() < end_ns)
		k_ppoll(NULL, 0, &nap, NULL);
	cancel_back(cancel);
}
