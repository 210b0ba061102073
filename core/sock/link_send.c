/* SPDX-License-Identifier: Apache-2.0 */
/* link_send.c - bytes into an upgraded connection */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/sock/cursor.h"
#include "core/sock/fault.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/* The kernel sends it: because the switch has not come, or because the peer
 * has gone and the kernel knows what that means for who sends. */
static ssize_t by_kernel(struct sock *s, int fd, const struct cursor *c,
			 int flags)
{
	int err = link_take_error(s);
	struct msghdr msg = { .msg_iov = (void *)c->iov,
			      .msg_iovlen = (size_t)c->n };
	struct iovec iov;
	ssize_t n;

	if (unlikely(err))
		return -err;
	if (c->skip) {
		iov.iov_base = cursor_at(c);
		iov.iov_len = cursor_len(c);
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
	}
	n = k_sendmsg(fd, &msg, flags);
	if (n == -EAGAIN)
		sock_was_full(s);
	return n;
}

static bool kernel_failed(struct sock *s, struct link *l)
{
	return unlikely(l->ended || s->hold->flags & HOLD_ENDED) &&
	       (link_ask_kernel(s, POLLRDHUP) & (POLLERR | POLLHUP) || l->dead);
}

static bool send_over(struct sock *s, struct link *l, uint32_t peer)
{
	return unlikely(peer & WIRE_LINK_CLOSED) ||
	       unlikely(link_flags(&l->end) & WIRE_LINK_FIN) ||
	       kernel_failed(s, l);
}

enum link_way link_way_out(struct sock *s, int fd, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t peer;
	bool over;

	if (likely(h->tx_ring || upgrade_switch(s, fd, l))) {
		/* first: who has left closes after that */
		peer = link_peer_flags(&l->end);
		over = send_over(s, l, peer);
		if (likely(!link_reader_left(&l->end) &&
			   (over || !back_half_closed(s, l, peer))))
			return unlikely(over) ? LINK_BY_KERNEL : LINK_BY_RING;
	}
	if (back_tx(s, fd, l))
		return LINK_NOT_YET;
	return LINK_BY_KERNEL;
}

/* Bytes were put: whom to ring.  If the peer has left meanwhile, they are taken
 * back at once. */
static int was_put(struct sock *s, int fd, struct link *l, size_t n)
{
	int bell = link_wake_reader(&l->end);

	link_tally(&l->end.mine->tx_bytes, n);
	if (unlikely(ring_is_spread(&l->end.tx) && !l->spread))
		link_spread(l);
	if (unlikely(link_reader_left(&l->end)))
		back_tx(s, fd, l);
	return bell;
}

static ssize_t to_ring(struct sock *s, int fd, struct link *l,
		       const struct cursor *c, int *bell)
{
	ssize_t n;

	n = c->n == 1 ? ring_put(&l->end.tx, cursor_at(c), cursor_len(c))
		      : ring_putv(&l->end.tx, c->iov, c->n, c->skip);
	if (likely(n > 0)) {
		*bell = was_put(s, fd, l, (size_t)n);
		link_tally(&l->end.mine->tx_msgs, 1);
	}
	return n;
}

/* One attempt: bytes, or what went wrong; -EAGAIN: *wait says whether it is to
 * be waited for here. */
static ssize_t send_once(struct sock *s, int fd, struct link *l,
			 const struct cursor *c, int flags, bool *wait)
{
	ssize_t n = -EAGAIN;
	enum link_way way;
	int bell = -1;

	link_lock_tx(s, l);
	way = link_way_out(s, fd, l);
	if (likely(way == LINK_BY_RING))
		n = to_ring(s, fd, l, c, &bell);
	else if (way == LINK_BY_KERNEL)
		++s->k_tx; /* before the lock goes: see upgrade_switch() */
	link_unlock_tx(s, l);
	link_ring(l, bell);
	*wait = way != LINK_BY_KERNEL;
	if (likely(*wait))
		return n;
	n = by_kernel(s, fd, c, flags);
	--s->k_tx;
	return n;
}

static ssize_t send_loop(struct sock *s, int fd, struct cursor *c, size_t want,
			 int flags)
{
	bool nonblock = flags & MSG_DONTWAIT || sock_nonblock(s), wait;
	struct link *l = s->link;
	int timeout = s->opts->sndtimeo_ms;
	size_t done = 0;
	ssize_t n;

	while (done < want) {
		fd = s->fd;
		n = send_once(s, fd, l, c, flags, &wait);
		if (likely(n > 0)) {
			done += (size_t)n;
			cursor_advance(c, (size_t)n);
			continue;
		}
		if (n == -EPROTO)
			n = link_broken(s, fd);
		if (n == -EAGAIN && wait) {
			sock_was_full(s);
			n = nonblock
				    ? -EAGAIN
				    : sock_wait(s, POLLOUT | sock_partial(done),
						timeout ? timeout : -1);
		}
		if (n < 0 && n != -EAGAIN && n != -EPIPE)
			link_told(s, n);
		if (n < 0)
			return done ? (ssize_t)done : n;
	}
	return (ssize_t)done;
}

ssize_t link_send(struct sock *s, int fd, const struct iovec *iov, int n,
		  int flags)
{
	struct cursor c = { .iov = iov, .n = n };
	ssize_t total = cursor_total(iov, n);
	struct link *l = s->link;

	if (unlikely(total < 0))
		return total == -EFAULT ? fault_send(s, fd, iov, n, flags)
					: total;
	if (unlikely(!l->settled))
		upgrade_work(s, fd);
	if (unlikely(flags & MSG_OOB && s->hold->link.tx_ring))
		return -EOPNOTSUPP;
	if (unlikely(!total))
		return by_kernel(s, fd, &c, flags);
	cursor_advance(&c, 0); /* past empty pieces */
	return send_loop(s, fd, &c, (size_t)total, flags);
}

int link_filled(struct sock *s, int fd, struct link *l, size_t n)
{
	ring_publish(&l->end.tx, n);
	return was_put(s, fd, l, n);
}
