/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_send.c - datagrams, by the kernel or into a ring */
#include <errno.h>
#include <limits.h>
#include <sched.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sess/app.h"
#include "core/shm/frame.h"
#include "core/sock/cursor.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/vudp.h"

#define MAX_IP4 65507
#define ASK_SENDS 64  /* whether the daemon is still there */
#define FULL_TRIES 50 /* for room, before what is sent is lost */

#define PLAIN_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CONFIRM)

static bool is_plain(const struct msghdr *msg, int flags)
{
	return !(flags & ~PLAIN_FLAGS) && !msg->msg_controllen;
}

/* Whom it is for, if that can have a link: with tx_lock. */
static bool name_of(struct dgram *d, const struct msghdr *msg,
		    struct dgram_name *name)
{
	if (!msg->msg_name || !msg->msg_namelen) {
		*name = d->peer;
		return name->len;
	}
	return user_ok(msg->msg_name, msg->msg_namelen) &&
	       dgram_name_set(name, msg->msg_name, msg->msg_namelen);
}

/* May it be sent by the link, or is that over? */
enum usable { USE, NOT_YET, OVER };

static enum usable usable(struct dgram *d, struct dgram_way *w)
{
	uint32_t flags = link_peer_flags(&w->link->end);

	if (unlikely(flags & (WIRE_LINK_CLOSED | WIRE_LINK_FIN) ||
		     offer_is_gone(&w->link->grant)))
		return OVER;
	return likely(flags & WIRE_LINK_RX_READY) ? USE : NOT_YET;
}

/* A moment for who reads: it may be about to. */
static int put(struct dlink *l, const struct msghdr *msg, size_t len)
{
	int i, err;

	for (i = 0; i < FULL_TRIES; i++) {
		err = frame_put(&l->end.tx, msg->msg_iov, (int)msg->msg_iovlen,
				len);
		if (likely(err != -EAGAIN))
			return err;
		sched_yield();
	}
	return err;
}

/* With tx_lock.  False: the kernel is to do it. */
static bool by_ring(struct dgram *d, struct dgram_way *w,
		    const struct msghdr *msg, size_t len)
{
	struct dlink *l = w->link;
	int err, bell;

	if (unlikely(!w->switched)) {
		link_switch(&l->end, 0);
		w->switched = true;
	}
	err = put(l, msg, len);
	if (unlikely(err == -EPROTO))
		return false;
	bell = link_wake_reader(&l->end);
	if (unlikely(bell >= 0))
		bell_ring(l->grant.bell_fd);
	if (unlikely(err)) {
		d->lost++;
		return true;
	}
	link_tally(&l->end.mine->tx_msgs, 1);
	link_tally(&l->end.mine->tx_bytes, len);
	return true;
}

/* Look for a link and send by it: false if the kernel is to. */
static bool by_link(struct sock *s, const struct msghdr *msg, size_t len)
{
	struct dgram *d = s->dgram;
	struct dlink *dead = NULL;
	struct dgram_name name;
	struct dgram_way *w;
	bool done = false;
	int cancel;

	mutex_lock(&d->tx_lock);
	w = name_of(d, msg, &name) ? dgram_find(d->dest, DGRAM_DESTS, &name)
				   : NULL;
	if (w && w->link) {
		switch (usable(d, w)) {
		case USE:
			/* IPv6 may take more, or not: the kernel knows */
			if (likely(len <= MAX_IP4))
				done = by_ring(d, w, msg, len);
			if (likely(done))
				break;
			/* fall through */
		case OVER:
			dgram_drop_tx(d, s->fd, w, &dead);
			break;
		case NOT_YET:
			break;
		}
	}
	mutex_unlock(&d->tx_lock);
	if (unlikely(dead != NULL)) {
		cancel = cancel_off();
		dgram_bury(dead);
		cancel_back(cancel);
	}
	return done;
}

static bool try_link(struct sock *s, const struct msghdr *msg, int flags,
		     ssize_t *ret)
{
	struct dgram *d = s->dgram;
	ssize_t len;
	int cancel;

	dgram_work(s);
	if (!d->n_tx)
		return false;
	if (unlikely(!is_plain(msg, flags) || d->never_tx)) {
		dgram_stop_sending(s);
		return false;
	}
	if (unlikely(++d->sends % ASK_SENDS == 0)) {
		cancel = cancel_off();
		app_ask_end();
		cancel_back(cancel);
	}
	len = msg->msg_iovlen > IOV_MAX
		      ? -EMSGSIZE
		      : cursor_total(msg->msg_iov, (int)msg->msg_iovlen);
	/* what is wrong, or too long, the kernel refuses */
	if (len < 0 || (len > MAX_IP4 && s->domain == AF_INET))
		return false;
	*ret = len;
	return by_link(s, msg, (size_t)len);
}

static void count_sent(struct sock *s, int fd, const struct msghdr *msg,
		       uint64_t n, uint64_t bytes)
{
	struct dgram *d = s->dgram;
	struct dgram_name name;
	bool named;

	mutex_lock(&d->tx_lock);
	named = name_of(d, msg, &name);
	mutex_unlock(&d->tx_lock);
	if (!named || d->never_tx)
		return;
	dgram_sent(s, fd, &name, n, bytes);
}

ssize_t dgram_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		      int flags)
{
	struct dgram *d = s->dgram;
	ssize_t ret;

	if (unlikely(d->may_vpp) && vudp_sendmsg(s, msg, flags, &ret))
		return ret;
	if ((d->n_tx || d->n_offered) && try_link(s, msg, flags, &ret))
		return ret;
	ret = k_sendmsg(fd, msg, flags);
	if (ret < 0 || d->never_tx)
		return ret;
	if (unlikely(!is_plain(msg, flags)))
		dgram_stop_sending(s);
	else
		count_sent(s, fd, msg, 1, (uint64_t)ret);
	return ret;
}

bool dgram_sendmmsg(struct sock *s, int fd, struct mmsghdr *msgs, unsigned n,
		    int flags, int *ret)
{
	uint64_t bytes = 0;
	int i;

	if (s->dgram->n_tx || s->dgram->n_offered || !n || s->dgram->may_vpp)
		return false;
	*ret = k_sendmmsg(fd, msgs, n, flags);
	if (*ret <= 0 || s->dgram->never_tx)
		return true;
	for (i = 0; i < *ret; i++)
		bytes += msgs[i].msg_len;
	if (unlikely(!is_plain(&msgs[0].msg_hdr, flags)))
		dgram_stop_sending(s);
	else
		count_sent(s, fd, &msgs[0].msg_hdr, (uint64_t)*ret, bytes);
	return true;
}
