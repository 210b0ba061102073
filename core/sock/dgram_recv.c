/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_recv.c - datagrams, from the kernel or from a ring */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sess/app.h"
#include "core/shm/frame.h"
#include "core/sock/cursor.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/vudp.h"

/*
 * DOC: A socket that is not live receives by the kernel's own call, and all
 * that is added is to look at who sent.  A live one looks at its rings and at
 * the kernel in turns, never blocking in either, and sleeps on both.
 *
 * What comes next is decided with rx_lock, and taken with it.  Peeking, or
 * asking how long the next one is, decides too: that one is taken next.
 */

#define BY_RINGS_MAX 63 /* datagrams, and then the kernel is looked at */

void dgram_work(struct sock *s)
{
	struct dgram *d = s->dgram;
	int cancel;

	if (unlikely(offer_mail())) {
		cancel = cancel_off();
		offer_poll();
		cancel_back(cancel);
	}
	if (unlikely(d->reap))
		dgram_reap(d);
}

/* The sender's name to the program, as recvmsg(2). */
static void give_name(struct msghdr *msg, const void *name, socklen_t len)
{
	if (!msg->msg_name)
		return;
	memcpy(msg->msg_name, name, MIN(len, msg->msg_namelen));
	msg->msg_namelen = len;
}

static bool name_ok(const struct msghdr *msg)
{
	return !msg->msg_name ||
	       ((int)msg->msg_namelen >= 0 &&
		user_ok(msg->msg_name,
			MIN(msg->msg_namelen, sizeof(struct sockaddr_in6))));
}

/* Who sent what the kernel gave; looked at when no lock is held. */
struct from {
	struct sockaddr_storage ss;
	socklen_t len; /* 0: nobody */
};

static ssize_t from_kernel(struct sock *s, int fd, struct msghdr *msg,
			   int flags, struct from *from)
{
	struct msghdr m = *msg;
	ssize_t n;

	from->len = 0;
	if (s->dgram->never_rx || !name_ok(msg))
		return k_recvmsg(fd, msg, flags);
	m.msg_name = &from->ss;
	m.msg_namelen = sizeof(from->ss);
	n = k_recvmsg(fd, &m, flags);
	if (n < 0)
		return n;
	msg->msg_controllen = m.msg_controllen;
	msg->msg_flags = m.msg_flags;
	give_name(msg, &from->ss, m.msg_namelen);
	if (!(flags & MSG_PEEK))
		from->len = m.msg_namelen;
	return n;
}

/* --- whose turn it is; with rx_lock --- */

enum turn { TURN_RING, TURN_KERNEL };

static bool has_input(const struct dgram_way *w)
{
	return ring_used(&w->link->end.rx) != 0;
}

/* What came before it is in the kernel's queue by now. */
static void see_first(struct dgram *d)
{
	struct dgram_way *w;
	unsigned i;

	for (i = 0; i < d->n_rx; i++) {
		w = d->rx[i];
		if (likely(w->by_ring) || w->seen || !has_input(w))
			continue;
		w->seen = true;
		w->drain = d->drain_max;
	}
}

static void come_to_ring(struct dgram *d, struct dgram_way *w)
{
	w->back = link_stop_rx(&w->link->end) & WIRE_LINK_BACK;
	w->by_ring = !w->back;
	if (w->back)
		d->reap = true;
}

/* It has been looked at: @emptied, or one datagram has been taken. */
static void kernel_seen(struct dgram *d, bool emptied)
{
	struct dgram_way *w;
	unsigned i;

	d->by_rings = 0;
	for (i = 0; i < d->n_rx; i++) {
		w = d->rx[i];
		if (w->seen && !w->by_ring && (emptied || !w->drain--))
			come_to_ring(d, w);
	}
}

static struct dgram_way *next_ring(struct dgram *d)
{
	struct dgram_way *w;
	unsigned i, n = d->n_rx;

	for (i = 0; i < n; i++) {
		w = d->rx[(d->turn + i) % n];
		if (has_input(w)) {
			if (likely(w->by_ring))
				return w;
		} else if (unlikely(w->left_ms ||
				    link_peer_flags(&w->link->end) &
					    WIRE_LINK_FIN ||
				    offer_is_gone(&w->link->grant))) {
			d->reap = true;
		}
	}
	return NULL;
}

/* The kernel's first one comes after what its sender has in a ring. */
static int ask_kernel(struct dgram *d, int fd, struct dgram_way **w)
{
	struct dgram_name name = { 0 };
	struct sockaddr_storage ss;
	struct msghdr msg = { .msg_name = &ss, .msg_namelen = sizeof(ss) };
	ssize_t n = k_recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT);
	struct dgram_way *from;

	if (n == -EAGAIN) {
		kernel_seen(d, true);
		*w = next_ring(d);
		return *w ? TURN_RING : -EAGAIN;
	}
	if (n < 0)
		return (int)n;
	if (!msg.msg_namelen ||
	    !dgram_name_set(&name, (struct sockaddr *)&ss, msg.msg_namelen))
		return TURN_KERNEL;
	from = dgram_find(d->source, DGRAM_SOURCES, &name);
	if (!from || !from->link || !from->by_ring || !has_input(from))
		return TURN_KERNEL;
	*w = from;
	return TURN_RING;
}

/* @patient: if there is nothing in the rings the kernel is not asked yet */
static int whose_turn(struct dgram *d, int fd, bool patient,
		      struct dgram_way **w)
{
	if (!d->n_rx)
		return TURN_KERNEL;
	see_first(d);
	*w = d->sticky;
	if (*w)
		return TURN_RING;
	if (d->sticky_kernel)
		return TURN_KERNEL;
	if (likely(d->by_rings < BY_RINGS_MAX)) {
		*w = next_ring(d);
		if (!*w && patient)
			return -EAGAIN;
	}
	return *w ? TURN_RING : ask_kernel(d, fd, w);
}

static void taken(struct dgram *d, const struct dgram_way *w)
{
	d->sticky = NULL;
	d->sticky_kernel = false;
	if (!w) {
		kernel_seen(d, false);
		return;
	}
	d->by_rings++;
	if (d->n_rx > 1)
		d->turn = (d->turn + 1) % d->n_rx;
}

static ssize_t from_ring(struct dgram *d, struct dgram_way *w,
			 struct msghdr *msg, int flags)
{
	struct link_end *end = &w->link->end;
	ssize_t room = cursor_total(msg->msg_iov, (int)msg->msg_iovlen), n;

	if (unlikely(room < 0))
		return room;
	n = frame_take(&end->rx, msg->msg_iov, (int)msg->msg_iovlen,
		       flags & MSG_PEEK);
	if (unlikely(n < 0))
		return n;
	if (flags & MSG_PEEK) {
		d->sticky = w;
	} else {
		taken(d, w);
		link_tally(&end->mine->rx_msgs, 1);
	}
	give_name(msg, &w->name.sa, w->name.len);
	msg->msg_controllen = 0;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC; /* as Linux */
	if (likely(n <= room))
		return n;
	msg->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? n : room;
}

static ssize_t recv_locked(struct sock *s, int fd, struct msghdr *msg,
			   int flags, bool patient, struct from *from,
			   struct dlink **dead)
{
	struct dgram *d = s->dgram;
	struct dgram_way *w = NULL;
	ssize_t n;
	int turn;

	/* another process may have taken what was peeked at */
	if (unlikely(d->sticky_kernel) && !dgram_kernel_ready(s))
		d->sticky_kernel = false;
	for (;;) {
		turn = whose_turn(d, fd, patient, &w);
		if (turn < 0)
			return turn;
		if (turn == TURN_KERNEL)
			break;
		n = from_ring(d, w, msg, flags);
		if (likely(n != -EPROTO && n != -EAGAIN))
			return n;
		dgram_drop_rx(d, w, dead); /* its sender has spoilt it */
		w = NULL;
	}
	n = from_kernel(s, fd, msg, flags | MSG_DONTWAIT, from);
	if (n >= 0 && flags & MSG_PEEK)
		d->sticky_kernel = true;
	else if (n >= 0)
		taken(d, NULL);
	return n;
}

static ssize_t recv_once(struct sock *s, int fd, struct msghdr *msg, int flags,
			 bool patient)
{
	struct dgram *d = s->dgram;
	struct dlink *dead = NULL;
	struct from from = { .len = 0 };
	int cancel = cancel_off();
	ssize_t n;

	mutex_lock(&d->rx_lock);
	n = recv_locked(s, fd, msg, flags, patient, &from, &dead);
	mutex_unlock(&d->rx_lock);
	if (unlikely(dead != NULL))
		dgram_bury(dead);
	if (from.len && n >= 0)
		dgram_heard(s, fd, (struct sockaddr *)&from.ss, from.len);
	cancel_back(cancel);
	return n;
}

/* Not live any more, in effect: the kernel's own call says what is. */
#define GO_KERNEL (-ERESTART)

static ssize_t recv_live(struct sock *s, struct msghdr *msg, int flags)
{
	bool nonblock = flags & MSG_DONTWAIT || sock_nonblock(s);
	uint64_t end = SOCK_NEVER_NS, now;
	int timeout = s->opts->rcvtimeo_ms, err;
	ssize_t n;

	if (timeout)
		end = sock_now_ns() + (uint64_t)timeout * 1000000u;
	for (;;) {
		dgram_work(s);
		dgram_consent(s);
		n = recv_once(s, s->fd, msg, flags, !nonblock);
		/* the answer to what was just sent is but some cache misses
		 * away */
		if (n == -EAGAIN && !nonblock && !sock_dgram_at_once(s))
			n = recv_once(s, s->fd, msg, flags, false);
		else if (n == -EAGAIN && !nonblock)
			continue;
		if (unlikely(n == -EAGAIN && s->dgram->shut)) {
			dgram_reap(s->dgram);
			if (!s->dgram->n_rx)
				return GO_KERNEL;
		}
		if (n != -EAGAIN || nonblock)
			return n;
		if (timeout) {
			now = sock_now_ns();
			if (now >= end)
				return -EAGAIN;
			timeout = (int)((end - now + 999999) / 1000000);
		}
		err = sock_wait(s, POLLIN, timeout ? timeout : -1);
		if (err)
			return err;
	}
}

ssize_t dgram_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	struct from from;
	ssize_t n;

	if (dgram_is_vpps(s->dgram))
		return vudp_recvmsg(s, fd, msg, flags);
	if (unlikely(flags & MSG_ERRQUEUE) || msg->msg_iovlen > IOV_MAX)
		return k_recvmsg(fd, msg, flags);
	while (!dgram_enter_kernel(s)) {
		n = name_ok(msg) ? recv_live(s, msg, flags) : -EFAULT;
		if (n != GO_KERNEL)
			return n;
	}
	n = from_kernel(s, fd, msg, flags, &from);
	--s->k_rx;
	if (n >= 0 && from.len)
		dgram_heard(s, fd, (struct sockaddr *)&from.ss, from.len);
	return n;
}

ssize_t dgram_recvfrom(struct sock *s, int fd, void *buf, size_t len, int flags,
		       struct sockaddr *addr, socklen_t *alen)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (addr && !user_ok(alen, sizeof(*alen)))
		return k_recvfrom(fd, buf, len, flags, addr, alen);
	if (addr) {
		msg.msg_name = addr;
		msg.msg_namelen = *alen;
	}
	n = dgram_recvmsg(s, fd, &msg, flags);
	if (n >= 0 && addr)
		*alen = msg.msg_namelen;
	return n;
}

/* Of several the first one's sender is looked at. */
bool dgram_recvmmsg(struct sock *s, int fd, struct mmsghdr *msgs, unsigned n,
		    int flags, struct timespec *timeout, int *ret)
{
	struct msghdr *first = &msgs->msg_hdr;
	struct from from = { .len = 0 };
	bool ours = n && !first->msg_name && !s->dgram->never_rx;

	if (dgram_is_vpps(s->dgram))
		return false;
	if (unlikely(flags & MSG_ERRQUEUE)) {
		*ret = k_recvmmsg(fd, msgs, n, flags, timeout);
		return true;
	}
	if (!dgram_enter_kernel(s))
		return false;
	if (ours) {
		first->msg_name = &from.ss;
		first->msg_namelen = sizeof(from.ss);
	}
	*ret = k_recvmmsg(fd, msgs, n, flags, timeout);
	--s->k_rx;
	if (*ret > 0 && first->msg_name && !(flags & MSG_PEEK)) {
		from.len = MIN(first->msg_namelen, sizeof(from.ss));
		if (!ours)
			memcpy(&from.ss, first->msg_name, from.len);
	}
	if (ours) {
		first->msg_name = NULL;
		first->msg_namelen = 0;
	}
	if (from.len)
		dgram_heard(s, fd, (struct sockaddr *)&from.ss, from.len);
	return true;
}

int dgram_next_len(struct sock *s, int fd, int *len)
{
	struct dgram *d = s->dgram;
	struct dgram_way *w = NULL;
	int cancel = cancel_off(), turn;
	ssize_t n = -EAGAIN;

	if (dgram_is_vpps(d)) {
		cancel_back(cancel);
		return vudp_next_len(s, fd, len);
	}
	mutex_lock(&d->rx_lock);
	turn = whose_turn(d, fd, false, &w);
	if (turn == TURN_RING)
		n = frame_next(&w->link->end.rx);
	else if (turn == TURN_KERNEL && d->n_rx)
		d->sticky_kernel = true;
	if (n >= 0) {
		d->sticky = w;
		*len = (int)n;
	}
	mutex_unlock(&d->rx_lock);
	cancel_back(cancel);
	return n >= 0 ? 0 : k_ioctl(fd, FIONREAD, len);
}
