/* SPDX-License-Identifier: Apache-2.0 */
/* splice.c - between a connection and a pipe */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: One copy, between the pipe and the shared memory, with the direction's
 * lock: nothing is taken from the pipe that there is no room for, and nothing
 * from the connection that the pipe did not take.  So the pipe must never be
 * waited for then.  Reading, vmsplice(2) sees to that, whatever O_NONBLOCK says
 * (of a pipe's read end it copies).  Writing there is no such call: a pipe that
 * the kernel has once spliced to refuses RWF_NOWAIT.  So a pipe without
 * O_NONBLOCK is asked first, and gets no more than it has room for.  If others
 * write to the same pipe meanwhile, we may wait for its reader after all.
 *
 * As in the kernel, SPLICE_F_NONBLOCK and the pipe's O_NONBLOCK are about the
 * pipe, O_NONBLOCK and the time-outs of the socket about the socket; and of a
 * connection that is read, the pipe's state comes first.
 */

#define PIECE 65536u	   /* with the lock, at a time */
#define KERNEL_PIECE 16384 /* on the stack */
#define SESSION_PIECE 16384
#define VIEWS 8
#define SPLICE_ALL \
	(SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

struct pipe {
	int fd;
	unsigned flags; /* of splice(2) */
	bool nonblock;	/* does not wait for it */
	bool blocks;	/* write(2) may wait */
	size_t room;	/* if it blocks: what it will not wait with */
};

/* Is @fd the end of a pipe that can be written to, or read? */
static bool pipe_init(struct pipe *p, int fd, int mode, unsigned flags)
{
	struct stat st;
	int fl;

	if (k_fstat(fd, &st) || !S_ISFIFO(st.st_mode))
		return false;
	fl = k_fcntl(fd, F_GETFL, 0);
	if (fl < 0 || ((fl & O_ACCMODE) != mode && (fl & O_ACCMODE) != O_RDWR))
		return false;
	*p = (struct pipe){ .fd = fd, .flags = flags };
	p->blocks = !(fl & O_NONBLOCK);
	p->nonblock = flags & SPLICE_F_NONBLOCK || !p->blocks;
	return true;
}

/* What the pipe has to say of @events: POLL*, -EAGAIN, -EINTR.  Waits for it,
 * unless there is no @wait. */
static int pipe_ask(const struct pipe *p, short events, bool wait)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = p->fd, .events = events };
	int n;

	do
		n = k_ppoll(&pfd, 1, wait && !p->nonblock ? NULL : &zero, NULL);
	while (n == -EINTR && sock_restarts());
	if (n <= 0)
		return n ? n : -EAGAIN;
	return pfd.revents & POLLNVAL ? -EBADF : (unsigned short)pfd.revents;
}

/* Something can be written: how much?  A pipe counts in pages; if any is taken,
 * nobody tells how many are. */
static size_t pipe_measure(const struct pipe *p)
{
	int used, size;

	if (!p->blocks)
		return PIECE;
	size = k_fcntl(p->fd, F_GETPIPE_SZ, 0);
	if (size <= 0 || k_ioctl(p->fd, FIONREAD, &used) || used)
		return PIPE_BUF;
	return (size_t)size;
}

/* Room in the pipe, before anything is asked of the socket: 0 or the error. */
static int pipe_room(struct pipe *p)
{
	int got = pipe_ask(p, POLLOUT, true);

	if (got < 0)
		return got;
	if (got & POLLERR) { /* nobody reads it */
		raise(SIGPIPE);
		return -EPIPE;
	}
	p->room = pipe_measure(p);
	return 0;
}

/* Is there something in the pipe, to wait for room in the socket with?  1, 0 if
 * it has ended, -EAGAIN, -EINTR. */
static int pipe_has(const struct pipe *p, bool wait)
{
	int got = pipe_ask(p, POLLIN, wait);

	return got < 0 ? got : !!(got & POLLIN);
}

/* The part of @iov that is not beyond @max bytes: how many pieces. */
static int clip(struct iovec *iov, int n, size_t max)
{
	int i;

	for (i = 0; i < n && max; i++) {
		iov[i].iov_len = MIN(iov[i].iov_len, max);
		max -= iov[i].iov_len;
	}
	return i;
}

/* Without waiting, @iov, which is cut to that. */
static ssize_t pipe_put(struct pipe *p, struct iovec *iov, int n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	ssize_t ret = k_writev(p->fd, iov, clip(iov, n, p->room));

	if (ret > 0 && p->blocks) /* the last page is not to be counted on */
		p->room -= MIN(p->room, ((size_t)ret + page - 1) & ~(page - 1));
	return ret;
}

/* Without waiting: 0 at its end. */
static ssize_t pipe_get(const struct pipe *p, const struct iovec *iov, int n)
{
	return k_vmsplice(p->fd, iov, (size_t)n, SPLICE_F_NONBLOCK);
}

/* --- from the connection --- */

/* These: -EAGAIN if it has nothing, or if the pipe is full. */
static ssize_t ring_to_pipe(struct ring *r, struct pipe *p, size_t len)
{
	struct iovec view[2];
	ssize_t n, dropped;
	int pieces;

	n = ring_view(r, view, &pieces);
	if (n <= 0)
		return -EAGAIN; /* a lie is for await_input() to find */
	pieces = clip(view, pieces, MIN(len, (size_t)PIECE));
	n = pipe_put(p, view, pieces);
	if (n <= 0)
		return n;
	/* fewer: the peer has taken them back, and lies */
	dropped = ring_drop(r, (size_t)n);
	return dropped == n ? n : -EPROTO;
}

/* What the peer sent before its switch.  Nobody else takes it meanwhile: that
 * is what consent means. */
static ssize_t kernel_to_pipe(struct sock *s, struct pipe *p, size_t len)
{
	struct hold_link *h = &s->hold->link;
	char buf[KERNEL_PIECE];
	struct iovec iov = { .iov_base = buf };
	ssize_t n;

	len = MIN(len, sizeof(buf));
	if (h->rx_mode == HOLD_RX_DRAIN)
		len = (size_t)MIN((uint64_t)len, link_kernel_left(s));
	if (h->rx_skip) /* await_input() does */
		return -EAGAIN;
	n = k_recvfrom(s->fd, buf, len, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
	if (n < 0 && n != -EAGAIN && n != -EINTR)
		s->opts->error =
			(int)-n; /* it is told once, even to who peeks */
	if (n <= 0)
		return -EAGAIN; /* the end is for await_input() to find */
	iov.iov_len = (size_t)n;
	n = pipe_put(p, &iov, 1);
	if (n <= 0)
		return n;
	n = k_recvfrom(s->fd, buf, (size_t)n, MSG_DONTWAIT, NULL, NULL);
	if (n > 0)
		h->rx_kernel += (uint64_t)n;
	return n;
}

static ssize_t link_to_pipe(struct sock *s, struct pipe *p, size_t len)
{
	struct link *l = s->link;
	struct hold_link *h = &s->hold->link;
	int bell = -1, cancel = cancel_off();
	ssize_t n;

	link_lock_rx(s, l);
	link_see_switch(s, l);
	if (unlikely(link_peer_flags(&l->end) & WIRE_LINK_BACK))
		back_rx(s, s->fd, l); /* when the ring is empty */
	if (likely(h->rx_mode == HOLD_RX_RING))
		n = ring_to_pipe(&l->end.rx, p, len);
	else
		n = kernel_to_pipe(s, p, len);
	if (n > 0) {
		l->empties = 0;
		bell = link_wake_writer(&l->end);
		link_tally(&l->end.mine->rx_msgs, 1);
		link_took(s, s->fd, l);
	}
	link_unlock_rx(s, l);
	cancel_back(cancel);
	link_ring(l, bell);
	return n == -EPROTO ? link_broken(s, s->fd) : n;
}

static ssize_t session_to_pipe(struct sock *s, struct pipe *p, size_t len)
{
	struct session *sess = s->sess;
	int pieces = VIEWS, cancel = cancel_off();
	struct iovec view[VIEWS];
	bool ring = false;
	ssize_t n;

	hold_lock(&s->hold->rx_lock);
	n = fifo_view(&sess->rx, view, &pieces);
	if (n > 0) {
		pieces = clip(view, pieces, MIN(len, (size_t)PIECE));
		n = pipe_put(p, view, pieces);
	} else {
		n = -EAGAIN;
	}
	if (n > 0) {
		n = fifo_drop(&sess->rx, (size_t)n);
		ring = n > 0 && fifo_took(&sess->rx, (uint32_t)n);
	}
	hold_unlock(&s->hold->rx_lock);
	cancel_back(cancel);
	if (ring)
		session_ring_rx(sess);
	if (n > 0)
		app_count(sess->app, rx_bytes, (uint64_t)n);
	return n == -EPROTO ? -EAGAIN : n; /* recv(2) finds that it is broken */
}

/* Nothing was there: wait for it as recv(2) would.  1, 0 at the end, or the
 * error. */
static ssize_t await_input(struct sock *s)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	return stream_recv(s, s->fd, &iov, 1, MSG_PEEK);
}

static ssize_t to_pipe(struct sock *s, struct pipe *p, size_t len)
{
	size_t done = 0;
	ssize_t n = 0;

	while (done < len && (!done || p->room)) {
		if (!done)
			n = pipe_room(p);
		if (n < 0)
			break;
		n = s->kind == SOCK_LINK ? link_to_pipe(s, p, len - done)
					 : session_to_pipe(s, p, len - done);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EAGAIN || done)
			break;
		n = await_input(s);
		if (n <= 0)
			break;
	}
	return done ? (ssize_t)done : n;
}

/* Before consent the kernel has it all, and may wait for both ends. */
static bool link_by_kernel(struct sock *s, struct pipe *p, size_t len,
			   ssize_t *ret)
{
	struct link *l = s->link;
	bool kernel;

	if (!l->settled)
		upgrade_work(s, s->fd);
	if (likely(s->hold->link.rx_mode != HOLD_RX_KERNEL))
		return false;
	link_lock_rx(s, l);
	kernel = s->hold->link.rx_mode == HOLD_RX_KERNEL;
	if (kernel)
		++s->k_rx; /* before the lock goes: see upgrade_consent() */
	link_unlock_rx(s, l);
	if (!kernel)
		return false;
	/* one that we know of already, as recv(2): from_kernel() */
	*ret = -link_take_error(s);
	if (likely(!*ret))
		*ret = k_splice(s->fd, NULL, p->fd, NULL, len, p->flags);
	if (*ret > 0)
		link_read_late(s, (size_t)*ret);
	--s->k_rx;
	return true;
}

static ssize_t from_sock(struct sock *s, int fd, struct pipe *p, size_t len)
{
	ssize_t n;

	if (s->kind == SOCK_LINK && link_enter_kernel(s, fd, &s->k_rx))
		return link_leave_rx(
			s, k_splice(fd, NULL, p->fd, NULL, len, p->flags));
	if (s->kind == SOCK_LINK && link_by_kernel(s, p, len, &n))
		return n;
	return to_pipe(s, p, len);
}

/* --- to the connection --- */

/* Why nothing went. */
enum why {
	NO_BYTES, /* there was nothing in the pipe */
	NO_ROOM,  /* in the shared memory */
	FINAL,	  /* and that is what splice(2) returns, bytes as well */
};

/* The kernel says what becomes of it, as by_kernel() in link_send.c. */
static ssize_t by_kernel(struct sock *s, const struct pipe *p, size_t len,
			 bool wait)
{
	int err = unlikely(s->opts->error) && pipe_has(p, false) > 0
			  ? link_take_error(s)
			  : 0;
	ssize_t n;

	n = err ? -err
		: k_splice(p->fd, NULL, s->fd, NULL, len,
			   p->flags | (wait ? 0 : SPLICE_F_NONBLOCK));
	if (n == -EAGAIN && pipe_has(p, false) > 0)
		sock_was_full(s);
	else if (n < 0 && n != -EPIPE)
		link_told(s, n);
	return n;
}

static ssize_t pipe_to_ring(struct sock *s, struct link *l,
			    const struct pipe *p, size_t len, enum why *why,
			    int *bell)
{
	struct iovec view[2];
	ssize_t n;
	int pieces;

	n = ring_space(&l->end.tx, MIN(len, (size_t)PIECE), view, &pieces);
	*why = n == -EAGAIN ? NO_ROOM : NO_BYTES;
	if (n <= 0)
		return n;
	n = pipe_get(p, view, pieces);
	if (n > 0) {
		*bell = link_filled(s, s->fd, l, (size_t)n);
		link_tally(&l->end.mine->tx_msgs, 1);
	}
	return n;
}

static ssize_t pipe_to_link(struct sock *s, const struct pipe *p, size_t len,
			    bool wait, enum why *why)
{
	int bell = -1, cancel = cancel_off();
	struct link *l = s->link;
	ssize_t n = -EAGAIN;
	enum link_way way;

	*why = NO_ROOM;
	link_lock_tx(s, l);
	way = link_way_out(s, s->fd, l);
	if (likely(way == LINK_BY_RING))
		n = pipe_to_ring(s, l, p, len, why, &bell);
	else if (way == LINK_BY_KERNEL)
		++s->k_tx; /* before the lock goes: as in send_once() */
	link_unlock_tx(s, l);
	cancel_back(cancel);
	link_ring(l, bell);
	if (unlikely(way == LINK_BY_KERNEL)) {
		*why = FINAL;
		n = by_kernel(s, p, len, wait);
		--s->k_tx;
	}
	return n == -EPROTO ? link_broken(s, s->fd) : n;
}

/* They have been taken from the pipe, and there was room, but no memory for it:
 * nobody tells when there is. */
static void put_rest(struct sock *s, char *buf, size_t len)
{
	static const struct timespec ts = { .tv_nsec = 1000000 };
	struct iovec iov;
	ssize_t n;

	while (len) {
		iov = (struct iovec){ .iov_base = buf, .iov_len = len };
		n = stream_send(s, s->fd, &iov, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && n != -EAGAIN)
			return; /* as what is in the FIFO: nobody gets it */
		if (n < 0)
			k_ppoll(NULL, 0, &ts, NULL);
		n = MAX(n, (ssize_t)0);
		buf += n;
		len -= (size_t)n;
	}
}

static ssize_t pipe_to_fifo(struct sock *s, const struct pipe *p, char *buf,
			    size_t len, ssize_t *put)
{
	struct iovec iov = { .iov_base = buf };
	struct session *sess = s->sess;
	bool ring = false;
	ssize_t n = 0;

	*put = -EAGAIN;
	hold_lock(&s->hold->tx_lock);
	iov.iov_len = MIN(len, (size_t)fifo_room(&sess->tx));
	if (iov.iov_len) {
		*put = 0;
		n = pipe_get(p, &iov, 1);
	}
	if (n > 0) {
		*put = fifo_put(&sess->tx, buf, (size_t)n);
		ring = *put > 0 && fifo_ring(&sess->tx);
	}
	hold_unlock(&s->hold->tx_lock);
	if (ring)
		session_ring_tx(sess);
	return n;
}

static ssize_t pipe_to_session(struct sock *s, const struct pipe *p, size_t len,
			       bool wait, enum why *why)
{
	char buf[SESSION_PIECE];
	struct iovec iov = { .iov_base = buf };
	ssize_t n, put;
	int cancel;

	*why = FINAL;
	n = pipe_has(p, wait); /* first, as in the kernel */
	if (n <= 0)
		return n;
	len = iov.iov_len = MIN(len, sizeof(buf));
	n = session_send_begin(s, len);
	if (n < 0)
		return n;
	if (n) /* into the void, as the kernel's first ones */
		return pipe_get(p, &iov, 1);
	cancel = cancel_off();
	n = pipe_to_fifo(s, p, buf, len, &put);
	if (n > 0 && unlikely(put < n))
		put_rest(s, buf + MAX(put, (ssize_t)0),
			 (size_t)(n - MAX(put, (ssize_t)0)));
	cancel_back(cancel);
	if (n > 0)
		app_count(s->sess->app, tx_bytes, (uint64_t)n);
	*why = n ? NO_BYTES : NO_ROOM;
	return n || put != -EAGAIN ? n : -EAGAIN;
}

/* Nothing went: wait for whichever of the two it was for.  1 to try again, 0
 * if the pipe has ended, or the error. */
static int await_output(struct sock *s, const struct pipe *p, enum why why,
			bool partial)
{
	int timeout = s->opts->sndtimeo_ms, n;

	if (why == FINAL || (why == NO_BYTES && partial))
		return -EAGAIN;
	n = pipe_has(p, !partial);
	if (n <= 0 || why == NO_BYTES)
		return n;
	sock_was_full(s);
	n = sock_nonblock(s) ? -EAGAIN
			     : sock_wait(s, POLLOUT | sock_partial(partial),
					 timeout ? timeout : -1);
	return n ? n : 1;
}

static ssize_t from_pipe(struct sock *s, const struct pipe *p, size_t len)
{
	enum why why = NO_BYTES;
	size_t done = 0;
	ssize_t n = 0;

	while (done < len) {
		n = s->kind == SOCK_LINK
			    ? pipe_to_link(s, p, len - done, !done, &why)
			    : pipe_to_session(s, p, len - done, !done, &why);
		if (n > 0) {
			done += (size_t)n;
			if (why == FINAL)
				break;
			continue;
		}
		if (n == -EAGAIN)
			n = await_output(s, p, why, done);
		if (n <= 0)
			break;
	}
	return done ? (ssize_t)done : n;
}

static ssize_t to_sock(struct sock *s, int fd, struct pipe *p, size_t len)
{
	if (s->kind == SOCK_LINK && link_enter_kernel(s, fd, &s->k_tx))
		return link_leave_tx(
			s, k_splice(p->fd, NULL, fd, NULL, len, p->flags));
	if (s->kind == SOCK_LINK && !s->link->settled)
		upgrade_work(s, fd);
	return from_pipe(s, p, len);
}

/* The sock of a descriptor whose bytes may be ours to move, else NULL. */
static struct sock *stream_of(int fd)
{
	struct sock *s = table_peek(fd) ? sock_get_claimed(fd) : NULL;

	if (s && s->kind != SOCK_SESSION && s->kind != SOCK_LINK) {
		dgram_odd(s);
		sock_put(s);
		return NULL;
	}
	return s;
}

/**
 * sock_splice() - splice(2)
 * @in:		from where
 * @in_off:	NULL, or the kernel will say that it can't be
 * @out:	to where
 * @out_off:	likewise
 * @len:	bytes at most
 * @flags:	SPLICE_F_*
 *
 * What is not between one of our connections and a pipe, or has an argument
 * that the kernel refuses, is the kernel's.
 *
 * Return: bytes moved, 0 at the end, or -errno.
 */
ssize_t sock_splice(int in, off_t *in_off, int out, off_t *out_off, size_t len,
		    unsigned flags)
{
	bool plain = !in_off && !out_off && len && !(flags & ~SPLICE_ALL);
	struct sock *s = NULL;
	struct pipe p;
	ssize_t ret;

	len = MIN(len, (size_t)0x7ffff000); /* as the kernel's limit */
	if (plain && pipe_init(&p, out, O_WRONLY, flags) && (s = stream_of(in)))
		ret = from_sock(s, in, &p, len);
	else if (plain && pipe_init(&p, in, O_RDONLY, flags) &&
		 (s = stream_of(out)))
		ret = to_sock(s, out, &p, len);
	else
		ret = k_splice(in, in_off, out, out_off, len, flags);
	if (s)
		sock_put(s);
	return ret;
}
