/* SPDX-License-Identifier: Apache-2.0 */
/* link_recv.c - bytes from an upgraded connection */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/cursor.h"
#include "core/sock/fault.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: The stream of a direction comes from the kernel up to the switch, then
 * from the ring.  Its end is the kernel's to tell, and only once the ring is
 * empty: the kernel's FIN may overtake bytes of the ring that were put before
 * it, so the ring is looked at again after the kernel was asked.  If the peer
 * goes back to the kernel (back.c), its bytes come there behind the ring's.
 */

#define EMPTIES_MAX 256 /* non-blocking reads until the kernel is asked */
#define CLIP_PIECES                                               \
	64 /* of a vector that the kernel fills before the switch \
	    */

static uint64_t end_of(int timeout_ms)
{
	return timeout_ms ? app_now_ms() + (uint64_t)timeout_ms : UINT64_MAX;
}

void link_told(struct sock *s, ssize_t ret)
{
	if (ret != -ECONNRESET && ret != -EPIPE && ret != -ETIMEDOUT &&
	    ret != -EHOSTUNREACH && ret != -ENETUNREACH)
		return;
	s->errors++;
	sock_notify(s);
}

/* --- with rx_lock --- */

static ssize_t ring_peekv(struct ring *r, struct cursor c)
{
	size_t done = 0, len;
	ssize_t got;

	while (c.n) {
		len = cursor_len(&c);
		got = ring_peek(r, done, cursor_at(&c), len);
		if (got < 0)
			return done ? (ssize_t)done : got;
		done += (size_t)got;
		if ((size_t)got < len)
			break;
		cursor_advance(&c, len);
	}
	return done ? (ssize_t)done : -EAGAIN;
}

static ssize_t ring_get(struct ring *r, const struct cursor *c, size_t want,
			int flags)
{
	ssize_t n;

	if (likely(!(flags & (MSG_PEEK | MSG_TRUNC))))
		return c->n == 1 ? ring_take(r, cursor_at(c), cursor_len(c))
				 : ring_takev(r, c->iov, c->n, c->skip);
	if (!(flags & MSG_PEEK)) /* TCP: drop, don't copy */
		return ring_drop(r, want);
	if (flags & MSG_TRUNC) { /* count, don't copy */
		n = ring_used(r);
		return n > 0 ? (ssize_t)MIN(want, (size_t)n) : n ? n : -EAGAIN;
	}
	return ring_peekv(r, *c);
}

/* The pieces of @c, but not beyond @max bytes. */
static int clip(const struct cursor *c, uint64_t max, struct iovec *iov)
{
	struct cursor at = *c;
	int n = 0;

	for (; at.n && max && n < CLIP_PIECES; n++) {
		iov[n].iov_base = cursor_at(&at);
		iov[n].iov_len = (size_t)MIN((uint64_t)cursor_len(&at), max);
		max -= iov[n].iov_len;
		cursor_advance(&at, cursor_len(&at));
	}
	return n;
}

/* Once: the read ends with it, as in the kernel. */
static void take_beside(struct beside *b, const struct msghdr *msg)
{
	if (!msg->msg_controllen && !(msg->msg_flags & MSG_CTRUNC))
		return;
	b->got = true;
	b->msg->msg_controllen = msg->msg_controllen;
	b->msg->msg_flags = msg->msg_flags;
}

/* Not beyond @max bytes, which is what the kernel still has to give. */
static ssize_t kernel_get(struct sock *s, int fd, const struct cursor *c,
			  uint64_t max, int flags)
{
	struct hold_link *h = &s->hold->link;
	int cancel = cancel_off(); /* there is a lock held */
	struct iovec iov[CLIP_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	ssize_t n;

	flags = (flags & (MSG_PEEK | MSG_TRUNC | MSG_CMSG_CLOEXEC)) |
		MSG_DONTWAIT;
	msg.msg_iovlen = (size_t)clip(c, max, iov);
	if (unlikely(c->beside != NULL)) {
		msg.msg_control = c->beside->msg->msg_control;
		msg.msg_controllen = c->beside->msg->msg_controllen;
	}
	n = k_recvmsg(fd, &msg, flags);
	cancel_back(cancel);
	if (n > 0 && !(flags & MSG_PEEK))
		h->rx_kernel += (uint64_t)n;
	if (n > 0 && unlikely(c->beside != NULL))
		take_beside(c->beside, &msg);
	return n;
}

/* For who receives.  EPIPE is a reset's after a FIN: then the kernel gives the
 * end, and keeps the error for who sends, or asks. */
static int take_error(struct sock *s)
{
	int err = s->opts->error;

	return likely(!err) || err == EPIPE
		       ? 0
		       : atomic_exchange(&s->opts->error, 0);
}

/* End of file, but for a peer that died with something unread. */
static ssize_t end_of_dead(struct sock *s, struct link *l)
{
	return link_see_death(s, l) ? -take_error(s) : 0;
}

static ssize_t from_kernel(struct sock *s, int fd, struct link *l,
			   const struct cursor *c, size_t want, int flags);

/* The peer is back in the kernel: what it put before is in the ring by now. */
static ssize_t behind_ring(struct sock *s, int fd, struct link *l,
			   const struct cursor *c, size_t want, int flags)
{
	ssize_t n = ring_get(&l->end.rx, c, want, flags);

	if (n != -EAGAIN)
		return n;
	back_rx(s, fd, l);
	return s->hold->link.rx_mode == HOLD_RX_BACK
		       ? from_kernel(s, fd, l, c, want, flags)
		       : -EAGAIN;
}

/* Who shuts down reading, of a Unix socket, may find there what the peer wrote
 * in that moment; nobody else may. */
static ssize_t too_late(struct sock *s, int fd, struct link *l,
			const struct cursor *c, size_t want, int flags)
{
	ssize_t n = ring_get(&l->end.rx, c, want, flags);

	if (n != -EAGAIN)
		return n;
	return link_is_local(s) && s->hold->flags & HOLD_RD_SHUT
		       ? kernel_get(s, fd, c, UINT64_MAX, flags)
		       : -EPROTO;
}

/* The ring is empty; has the kernel anything to say?  As from recv(2).  Bytes
 * it has only from a peer that has come back in this moment. */
static ssize_t ask_end(struct sock *s, int fd, struct link *l,
		       const struct cursor *c, size_t want, int flags)
{
	int cancel = cancel_off();
	ssize_t n, again;
	char byte;

	n = k_recvfrom(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK, NULL, NULL);
	cancel_back(cancel);
	if (n == -EAGAIN || n == -EINTR)
		return -EAGAIN;
	if (n > 0)
		return link_peer_flags(&l->end) & WIRE_LINK_BACK
			       ? behind_ring(s, fd, l, c, want, flags)
			       : too_late(s, fd, l, c, want, flags);
	again = ring_get(&l->end.rx, c, want, flags);
	if (again == -EAGAIN)
		return n ? n : end_of_dead(s, l);
	/* it was put before the end; an error comes only once */
	if (n < 0)
		s->opts->error = (int)-n;
	return again;
}

static bool may_be_over(const struct sock *s, struct link *l)
{
	if (unlikely(link_has_ended(s, l) || ++l->empties >= EMPTIES_MAX ||
		     link_peer_flags(&l->end) &
			     (WIRE_LINK_FIN | WIRE_LINK_CLOSED))) {
		l->empties = 0;
		return true;
	}
	return false;
}

static ssize_t from_ring(struct sock *s, int fd, struct link *l,
			 const struct cursor *c, size_t want, int flags)
{
	ssize_t n = ring_get(&l->end.rx, c, want, flags);
	int err;

	if (likely(n > 0)) {
		l->empties = 0;
		return n;
	}
	if (n != -EAGAIN)
		return n;
	err = take_error(s);
	if (unlikely(err))
		return -err;
	if (unlikely(link_peer_flags(&l->end) & WIRE_LINK_BACK))
		return behind_ring(s, fd, l, c, want, flags);
	return may_be_over(s, l) ? ask_end(s, fd, l, c, want, flags) : -EAGAIN;
}

/* Before the switch, or up to it; or after the way back. */
static ssize_t from_kernel(struct sock *s, int fd, struct link *l,
			   const struct cursor *c, size_t want, int flags)
{
	struct hold_link *h = &s->hold->link;
	uint64_t max = UINT64_MAX;
	ssize_t n;
	int err;

	if (h->rx_mode == HOLD_RX_DRAIN)
		max = link_kernel_left(s);
	if (unlikely(h->rx_skip))
		back_rx(s, fd, l);
	n = h->rx_skip ? -EAGAIN : kernel_get(s, fd, c, max, flags);
	/* behind the kernel's bytes, which it gives before it tells an error;
	 * a Unix socket's is behind them, too: end_of_dead() */
	err = n <= 0 && h->rx_mode != HOLD_RX_DRAIN && !link_is_local(s)
		      ? take_error(s)
		      : 0;
	if (unlikely(err))
		return -err;
	if (n == 0 && link_is_local(s) &&
	    (h->rx_mode == HOLD_RX_KERNEL || h->rx_mode == HOLD_RX_BACK))
		return end_of_dead(s, l);
	if (n > 0 || n == -EAGAIN || n == -EINTR ||
	    h->rx_mode == HOLD_RX_KERNEL || h->rx_mode == HOLD_RX_BACK)
		return n;
	/* an end; but the peer may have switched before it */
	link_see_switch(s, l);
	if (h->rx_mode != HOLD_RX_RING)
		return n ? n : end_of_dead(s, l);
	if (n < 0)
		s->opts->error = (int)-n;
	return from_ring(s, fd, l, c, want, flags);
}

/* The kernel's last bytes, @n of them, and then the ring's first: one read
 * shows both. */
static ssize_t and_ring(struct sock *s, struct link *l, const struct cursor *c,
			size_t want, int flags, ssize_t n)
{
	struct hold_link *h = &s->hold->link;
	struct cursor rest = *c;
	ssize_t more;

	link_see_switch(s, l);
	if ((size_t)n >= want || (c->beside && c->beside->got) ||
	    (flags & MSG_PEEK ? h->rx_mode != HOLD_RX_DRAIN ||
					(uint64_t)n != link_kernel_left(s)
			      : h->rx_mode != HOLD_RX_RING))
		return n;
	cursor_advance(&rest, (size_t)n);
	more = ring_get(&l->end.rx, &rest, want - (size_t)n, flags);
	return more > 0 ? n + more : n;
}

/* Has the ring ended, but for @n bytes of it that were only looked at? */
static bool ring_is_over(struct sock *s, int fd, struct link *l, int flags,
			 ssize_t n)
{
	struct hold_link *h = &s->hold->link;
	uint32_t at;

	if (flags & MSG_PEEK)
		return link_peer_back(&l->end, &at) &&
		       ring_used(&l->end.rx) == n &&
		       h->rx.head + (uint32_t)n == at;
	back_rx(s, fd, l);
	return h->rx_mode == HOLD_RX_BACK && !h->rx_skip;
}

/* One read does not go over the mark of urgent data. */
static bool is_at_mark(int fd)
{
	int mark;

	return !k_ioctl(fd, SIOCATMARK, &mark) && mark;
}

/* The ring's last bytes, @n of them, and then the kernel's, after the way back.
 */
static ssize_t and_kernel(struct sock *s, int fd, struct link *l,
			  const struct cursor *c, size_t want, int flags,
			  ssize_t n)
{
	struct cursor rest = *c;
	ssize_t more;

	if ((size_t)n >= want || !ring_is_over(s, fd, l, flags, n) ||
	    is_at_mark(fd))
		return n;
	cursor_advance(&rest, (size_t)n);
	more = kernel_get(s, fd, &rest, UINT64_MAX, flags);
	if (more > 0)
		return n + more;
	if (more < 0 && more != -EAGAIN && more != -EINTR)
		s->opts->error = (int)-more; /* for the next call */
	return n;
}

static ssize_t recv_once(struct sock *s, int fd, struct link *l,
			 const struct cursor *c, size_t want, int flags)
{
	struct hold_link *h = &s->hold->link;
	int bell = -1;
	bool back;
	ssize_t n;

	link_lock_rx(s, l);
	back = link_peer_flags(&l->end) & WIRE_LINK_BACK;
	if (unlikely(h->rx_mode != HOLD_RX_RING))
		link_see_switch(s, l);
	if (unlikely(back))
		back_rx(s, fd, l);
	if (likely(h->rx_mode == HOLD_RX_RING)) {
		n = from_ring(s, fd, l, c, want, flags);
		if (unlikely(back) && n > 0 && h->rx_mode == HOLD_RX_RING)
			n = and_kernel(s, fd, l, c, want, flags, n);
		if (likely(n > 0) && !(flags & MSG_PEEK)) {
			bell = link_wake_writer(&l->end);
			link_tally(&l->end.mine->rx_msgs, 1);
			link_took(s, fd, l);
		}
	} else {
		n = from_kernel(s, fd, l, c, want, flags);
		if (n > 0)
			n = and_ring(s, l, c, want, flags, n);
		if (n > 0 && !(flags & MSG_PEEK)) {
			bell = link_wake_writer(&l->end);
			link_took(s, fd, l);
		}
	}
	link_unlock_rx(s, l);
	link_ring(l, bell);
	return n;
}

ssize_t link_broken(struct sock *s, int fd)
{
	k_shutdown(fd, SHUT_RDWR);
	s->link->ended = true;
	sock_notify(s);
	return -ECONNRESET;
}

/* MSG_PEEK | MSG_WAITALL is rare: look again in a while. */
static bool peek_on(struct link *l, size_t got, size_t enough, uint64_t end)
{
	static const struct timespec ts = { .tv_nsec = 1000000 };

	return got < enough && got < l->end.rx.size && app_now_ms() < end &&
	       k_ppoll(NULL, 0, &ts, NULL) >= 0;
}

struct recv_want {
	size_t total, enough;
	int timeout;
	uint64_t end;
	bool nonblock;
	ssize_t why; /* ... what is said if there is nothing: -EAGAIN */
};

static void want_init(struct recv_want *w, struct sock *s, size_t total,
		      int flags)
{
	w->total = total;
	w->nonblock = flags & MSG_DONTWAIT || sock_nonblock(s);
	w->why = -EAGAIN;
	w->enough = flags & MSG_WAITALL
			    ? total
			    : MIN(total, (size_t)MAX(s->opts->rcvlowat, 1));
	w->timeout = s->opts->rcvtimeo_ms;
	w->end = end_of(w->timeout);
}

/* What wakes who reads: any byte, but for SO_RCVLOWAT. */
static unsigned wakes(const struct sock *s)
{
	return s->opts->rcvlowat <= 1 ? SOCK_ANY_INPUT : POLLIN;
}

static ssize_t recv_loop(struct sock *s, int fd, struct cursor *c, int flags,
			 struct recv_want *w)
{
	struct link *l = s->link;
	size_t done = 0;
	ssize_t n;

	for (;;) {
		fd = s->fd; /* another thread may have closed the number */
		if (unlikely(!l->settled))
			upgrade_work(s, fd);
		n = recv_once(s, fd, l, c, w->total - done, flags);
		if (n > 0 && flags & MSG_PEEK) {
			if (w->nonblock ||
			    !peek_on(l, (size_t)n, w->enough, w->end))
				return n;
			continue;
		}
		if (n > 0) {
			done += (size_t)n;
			if (done >= w->enough ||
			    (unlikely(c->beside != NULL) && c->beside->got))
				return (ssize_t)done;
			cursor_advance(c, (size_t)n);
			continue;
		}
		if (n == -EPROTO)
			n = link_broken(s, fd);
		if (n != -EAGAIN && n != -EINTR) {
			link_told(s, n);
			if (done && n < 0)
				s->opts->error =
					(int)-n; /* for the next call */
			return done ? (ssize_t)done : n;
		}
		if (back_is_due(l))
			back_see(s, l);
		if (w->nonblock)
			return done ? (ssize_t)done : w->why;
		/* what is too little for SO_RCVLOWAT does not wake it, but is
		 * taken if it is woken */
		n = sock_wait(s, wakes(s) | sock_partial(done),
			      w->timeout ? w->timeout : -1);
		w->nonblock = n < 0;
		w->why = n;
	}
}

/* recv(2) of nothing takes nothing, but an error that is there.  It waits for
 * something, once: however that ends, it succeeds. */
static ssize_t recv_nothing(struct sock *s, int fd, int flags)
{
	char byte;
	struct iovec one = { &byte, 1 };
	ssize_t n = link_recv(s, fd, &one, 1,
			      (flags & ~MSG_WAITALL) | MSG_PEEK | MSG_DONTWAIT);

	if (n == -EAGAIN && !(flags & MSG_DONTWAIT) && !sock_nonblock(s)) {
		sock_wait(s, SOCK_ANY_INPUT | SOCK_NO_RESTART,
			  s->opts->rcvtimeo_ms ? s->opts->rcvtimeo_ms : -1);
		return 0;
	}
	return n > 0 ? 0 : n;
}

static ssize_t recv_with(struct sock *s, int fd, const struct iovec *iov, int n,
			 int flags, struct beside *beside)
{
	struct msghdr aside = { .msg_iov = (struct iovec *)iov,
				.msg_iovlen = (size_t)n };
	struct cursor c = { .iov = iov, .n = n, .beside = beside };
	struct recv_want w;
	ssize_t total = cursor_total(iov, n);

	if (unlikely(total < 0))
		return total == -EFAULT ? fault_recv(s, fd, iov, n, flags)
					: total;
	if (unlikely(flags & (MSG_OOB | MSG_ERRQUEUE)))
		return k_recvmsg(fd, &aside, flags);
	if (unlikely(!total))
		return recv_nothing(s, fd, flags);
	cursor_advance(&c, 0); /* past empty pieces */
	want_init(&w, s, (size_t)total, flags);
	return recv_loop(s, fd, &c, flags, &w);
}

ssize_t link_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		  int flags)
{
	return recv_with(s, fd, iov, n, flags, NULL);
}

ssize_t link_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	struct beside beside = { .msg = msg };
	ssize_t n;

	n = recv_with(s, fd, msg->msg_iov, (int)msg->msg_iovlen, flags,
		      &beside);
	if (n < 0)
		return n;
	if (!beside.got) {
		msg->msg_controllen = 0;
		msg->msg_flags = 0;
	}
	msg->msg_flags |= flags & MSG_CMSG_CLOEXEC; /* as Linux */
	return n;
}

ssize_t link_view(struct sock *s, int fd, struct link *l, struct iovec *iov,
		  int *n)
{
	struct iovec two[2];
	ssize_t len = -EOPNOTSUPP;
	int pieces = 2, i;

	link_lock_rx(s, l);
	if (s->hold->link.rx_mode == HOLD_RX_RING)
		len = ring_view(&l->end.rx, two, &pieces);
	link_unlock_rx(s, l);
	if (len == -EPROTO)
		return link_broken(s, fd);
	if (len <= 0)
		return len == -EAGAIN ? 0 : len;
	*n = MIN(*n, pieces);
	for (i = 0, len = 0; i < *n; i++) {
		iov[i] = two[i];
		len += (ssize_t)two[i].iov_len;
	}
	return len;
}
