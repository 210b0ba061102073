/* SPDX-License-Identifier: Apache-2.0 */
/* session_io.c - bytes of a session: blocking, flags, partial results */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/sock/cursor.h"
#include "core/sock/fault.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/* The first piece of a cursor if it was cut, so that the vector functions
 * see whole pieces: bytes moved, or the error. */
static ssize_t take_some(struct fifo *f, const struct cursor *c)
{
	if (!c->skip)
		return c->n == 1
			       ? fifo_take(f, c->iov->iov_base, c->iov->iov_len)
			       : fifo_takev(f, c->iov, c->n);
	return fifo_take(f, (char *)c->iov->iov_base + c->skip,
			 c->iov->iov_len - c->skip);
}

static ssize_t put_some(struct fifo *f, const struct cursor *c)
{
	if (!c->skip)
		return c->n == 1
			       ? fifo_put(f, c->iov->iov_base, c->iov->iov_len)
			       : fifo_putv(f, c->iov, c->n);
	return fifo_put(f, (char *)c->iov->iov_base + c->skip,
			c->iov->iov_len - c->skip);
}

static ssize_t peek_some(struct fifo *f, const struct cursor *c)
{
	size_t done = 0;
	ssize_t n;
	int i;

	for (i = 0; i < c->n; i++) {
		n = fifo_peek(f, done, c->iov[i].iov_base, c->iov[i].iov_len);
		if (n < 0)
			return n;
		done += (size_t)n;
		if ((size_t)n < c->iov[i].iov_len)
			break;
	}
	return done ? (ssize_t)done : -EAGAIN;
}

/* --- receiving --- */

/* One attempt: bytes, -EAGAIN, -EPROTO. */
static ssize_t recv_once(struct sock *s, const struct cursor *c, size_t want,
			 int flags)
{
	struct session *sess = s->sess;
	bool ring = false;
	ssize_t n;

	hold_lock(&s->hold->rx_lock);
	if (flags & MSG_TRUNC && flags & MSG_PEEK) { /* count, don't copy */
		n = (ssize_t)MIN(want, (size_t)fifo_used(&sess->rx));
		n = n ? n : -EAGAIN;
	} else if (flags & MSG_PEEK) {
		n = peek_some(&sess->rx, c);
	} else if (flags & MSG_TRUNC) { /* TCP: drop, don't copy */
		n = fifo_drop(&sess->rx, want);
	} else {
		n = take_some(&sess->rx, c);
	}
	if (n > 0 && !(flags & MSG_PEEK))
		ring = fifo_took(&sess->rx, (uint32_t)n);
	hold_unlock(&s->hold->rx_lock);
	if (unlikely(ring))
		session_ring_rx(sess);
	return n;
}

/* Will there be no more input than what is in the FIFO? */
static bool recv_over(struct sock *s)
{
	return session_flags(s->sess) & (SESSION_PEER_SHUT | SESSION_RESET |
					 SESSION_GONE | SESSION_BROKEN) ||
	       s->hold->flags & HOLD_RD_SHUT;
}

/* What the end of input looks like: 0, or the reset, once. */
static ssize_t recv_end(struct sock *s)
{
	unsigned flags = session_flags(s->sess);
	int err;

	/* after a FIN the kernel says 0 whatever comes later */
	if (!(flags & SESSION_RESET) || flags & SESSION_PEER_SHUT ||
	    sock_was_told(s, HOLD_RESET_TOLD))
		return 0;
	sock_told(s, HOLD_RESET_TOLD);
	err = atomic_exchange(&s->opts->error, 0);
	return err ? -err : -ECONNRESET;
}

/* A socket that has no data yet, or never will. */
static int not_open(struct sock *s)
{
	int err;

	switch (session_now(s->sess)) {
	case SESSION_OPEN:
		if (likely(!(s->sess->flags & SESSION_BROKEN)))
			return 0;
		err = sock_was_told(s, HOLD_RESET_TOLD) ? 0 : ECONNRESET;
		sock_told(s, HOLD_RESET_TOLD);
		return err ? -err : -EPIPE;
	case SESSION_CONNECTING:
		return -EAGAIN;
	case SESSION_FAILED:
		err = s->opts->error ? atomic_exchange(&s->opts->error, 0)
				     : (sock_was_told(s, HOLD_RESET_TOLD)
						? 0
						: -s->sess->error);
		sock_told(s, HOLD_RESET_TOLD);
		if (err)
			return -err;
		/* as after a connection, until connect(2) has told, too */
		return s->connect_told ? -ENOTCONN : -EPIPE;
	default:
		return -ENOTCONN;
	}
}

static ssize_t broken(struct sock *s)
{
	session_break(s->sess);
	sock_notify(s);
	sock_told(s, HOLD_RESET_TOLD);
	return -ECONNRESET;
}

/* Where nobody tells that it is time to look again. */
static int nap(void)
{
	static const struct timespec ts = { .tv_nsec = 1000000 };

	return MIN(0, k_ppoll(NULL, 0, &ts, NULL));
}

/* Wait for more than the @got bytes that lie there (MSG_PEEK | MSG_WAITALL,
 * which is rare): false if that is all.  The FIFO can't be armed for so many
 * without those who read it being told of fewer. */
static bool peek_on(struct sock *s, size_t got, size_t enough, uint64_t end)
{
	if (got >= enough || got >= fifo_size(&s->sess->rx) ||
	    app_now_ms() >= end || nap() < 0)
		return false;
	app_poll();
	return true;
}

static ssize_t recv_loop(struct sock *s, const struct iovec *iov, int n,
			 size_t want, int flags)
{
	struct cursor c = { .iov = iov, .n = n };
	bool nonblock = flags & MSG_DONTWAIT || sock_nonblock(s);
	size_t enough = flags & MSG_WAITALL
				? want
				: MIN(want, (size_t)MAX(s->opts->rcvlowat, 1)),
	       done = 0;
	int timeout = s->opts->rcvtimeo_ms;
	uint64_t end = timeout ? app_now_ms() + (uint64_t)timeout : UINT64_MAX;
	ssize_t ret;
	bool over;

	for (;;) {
		/* the flag before the bytes: what was put before the peer's
		 * FIN is seen by the attempt that follows */
		over = recv_over(s);
		ret = recv_once(s, &c, want - done, flags);
		if (ret > 0) {
			if (flags & MSG_PEEK) {
				if (nonblock || over ||
				    !peek_on(s, (size_t)ret, enough, end))
					return ret;
				continue;
			}
			done += (size_t)ret;
			if (done >= enough)
				return (ssize_t)done;
			cursor_advance(&c, (size_t)ret);
			continue;
		}
		if (ret == -EPROTO)
			return done ? (ssize_t)done : broken(s);
		if (over)
			return done ? (ssize_t)done : recv_end(s);
		app_poll(); /* the FIN may have come by now */
		if (recv_over(s))
			continue;
		ret = nonblock ? -EAGAIN
			       : sock_wait(s,
					   SOCK_ANY_INPUT | sock_partial(done),
					   timeout ? timeout : -1);
		if (ret < 0)
			return done ? (ssize_t)done : ret;
	}
}

/* As link_recv.c's: an end that is there is told, one that it waited for is
 * not.
 */
static ssize_t recv_nothing(struct sock *s, int flags)
{
	app_poll();
	if (fifo_used(&s->sess->rx))
		return 0;
	if (recv_over(s))
		return recv_end(s);
	if (flags & MSG_DONTWAIT || sock_nonblock(s))
		return -EAGAIN;
	sock_wait(s, SOCK_ANY_INPUT | SOCK_NO_RESTART,
		  s->opts->rcvtimeo_ms ? s->opts->rcvtimeo_ms : -1);
	return 0;
}

ssize_t session_recv(struct sock *s, const struct iovec *iov, int n, int flags)
{
	ssize_t want = cursor_total(iov, n), ret;
	struct app *app = s->sess->app;
	int err;

	if (unlikely(want < 0))
		return want == -EFAULT ? fault_recv(s, s->fd, iov, n, flags)
				       : want;
	if (flags & MSG_OOB)
		return -EINVAL; /* no urgent data: as the kernel when none */
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN; /* always empty */
	while ((err = not_open(s)) == -EAGAIN) {
		if (flags & MSG_DONTWAIT || sock_nonblock(s))
			return err;
		err = sock_wait(s, POLLIN | POLLOUT, -1);
		if (err)
			return err;
	}
	if (err)
		return err == -EPIPE ? 0 : err;
	if (!want)
		return recv_nothing(s, flags);
	ret = recv_loop(s, iov, n, (size_t)want, flags);
	if (ret > 0) {
		app_count(app, rx_bytes, (uint64_t)ret);
		app_count(app, rx_calls, 1);
	}
	return ret;
}

/* --- sending --- */

static ssize_t pipe_error(struct sock *s, int flags)
{
	int err = atomic_exchange(&s->opts->error, 0);

	if (session_flags(s->sess) & SESSION_RESET &&
	    !sock_was_told(s, HOLD_RESET_TOLD)) {
		sock_told(s, HOLD_RESET_TOLD);
		err = session_flags(s->sess) & SESSION_PEER_SHUT ? EPIPE
								 : ECONNRESET;
	}
	if (err && err != EPIPE)
		return -err;
	if (!(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
	return -EPIPE;
}

static ssize_t send_once(struct sock *s, const struct cursor *c)
{
	struct session *sess = s->sess;
	bool ring = false;
	ssize_t n;

	hold_lock(&s->hold->tx_lock);
	n = put_some(&sess->tx, c);
	if (n > 0)
		ring = fifo_ring(&sess->tx);
	hold_unlock(&s->hold->tx_lock);
	if (ring)
		session_ring_tx(sess);
	return n;
}

/* May the stream take bytes?  The peer's kernel would answer the first
 * segment after it closed by a reset: so much is swallowed, no more. */
static ssize_t send_end(struct sock *s, size_t want, int flags)
{
	unsigned f = session_flags(s->sess);

	if (s->hold->flags & HOLD_WR_SHUT || sock_was_told(s, HOLD_GONE_TOLD) ||
	    f & (SESSION_RESET | SESSION_BROKEN))
		return pipe_error(s, flags);
	sock_told(s, HOLD_GONE_TOLD);
	s->opts->error = EPIPE; /* what the answer, a reset, leaves behind */
	sock_notify(s);
	return (ssize_t)want;
}

static bool send_over(struct sock *s)
{
	return session_flags(s->sess) &
		       (SESSION_RESET | SESSION_GONE | SESSION_BROKEN) ||
	       s->hold->flags & HOLD_WR_SHUT;
}

static ssize_t send_loop(struct sock *s, const struct iovec *iov, int n,
			 size_t want, int flags)
{
	struct cursor c = { .iov = iov, .n = n };
	bool nonblock = flags & MSG_DONTWAIT || sock_nonblock(s);
	int timeout = s->opts->sndtimeo_ms;
	size_t done = 0;
	ssize_t ret;

	app_poll(); /* is the peer still there? */
	while (done < want) {
		if (unlikely(send_over(s))) {
			if (done)
				break;
			return send_end(s, want, flags);
		}
		ret = send_once(s, &c);
		if (ret > 0) {
			done += (size_t)ret;
			cursor_advance(&c, (size_t)ret);
			continue;
		}
		sock_was_full(s);
		if (ret == -EPROTO)
			ret = broken(s);
		else if (nonblock)
			ret = -EAGAIN;
		else if (ret == -ENOBUFS) /* others give back and don't tell */
			ret = nap();
		else
			ret = sock_wait(s, POLLOUT | sock_partial(done),
					timeout ? timeout : -1);
		if (ret < 0)
			return done ? (ssize_t)done : ret;
	}
	return (ssize_t)done;
}

/* Connected, or the error; waits for connect(2). */
static ssize_t send_begin(struct sock *s, int flags)
{
	int err;

	app_poll(); /* who only sends must learn that the peer has left */
	while ((err = not_open(s)) == -EAGAIN) {
		if (flags & MSG_DONTWAIT || sock_nonblock(s))
			return err;
		err = sock_wait(s, POLLOUT, -1);
		if (err)
			return err;
	}
	return err == -EPIPE || err == -ENOTCONN ? pipe_error(s, flags) : err;
}

ssize_t session_send_begin(struct sock *s, size_t want)
{
	ssize_t err = send_begin(s, 0);

	return err || likely(!send_over(s)) ? err : send_end(s, want, 0);
}

ssize_t session_send(struct sock *s, const struct iovec *iov, int n, int flags)
{
	ssize_t want = cursor_total(iov, n), ret;
	struct app *app = s->sess->app;

	if (unlikely(want < 0))
		return want == -EFAULT ? fault_send(s, s->fd, iov, n, flags)
				       : want;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	ret = send_begin(s, flags);
	if (ret)
		return ret;
	if (!want)
		return send_over(s) && s->hold->flags & HOLD_WR_SHUT
			       ? pipe_error(s, flags)
			       : 0;
	ret = send_loop(s, iov, n, (size_t)want, flags);
	if (ret > 0) {
		app_count(app, tx_bytes, (uint64_t)ret);
		app_count(app, tx_calls, 1);
	}
	return ret;
}
