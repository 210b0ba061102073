/* SPDX-License-Identifier: Apache-2.0 */
/* vudp_send.c - datagrams to VPP */
#include <errno.h>
#include <limits.h>
#include <netinet/udp.h>
#include <sched.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sock/cursor.h"
#include "core/sock/vudp.h"

#define NO_SESSION (-ENOTCONN) /* none that anything would arrive by */
#define FULL_TRIES                                                 \
	50 /* for room, before what is sent to one of many is lost \
	    */

int vudp_error(struct sock *s)
{
	return unlikely(s->opts->error) ? -atomic_exchange(&s->opts->error, 0)
					: 0;
}

uint64_t vudp_end(int timeout_ms)
{
	return timeout_ms ? sock_now_ns() + (uint64_t)timeout_ms * 1000000u
			  : SOCK_NEVER_NS;
}

int vudp_wait(struct sock *s, unsigned events, uint64_t end)
{
	uint64_t now;

	if (end == SOCK_NEVER_NS)
		return sock_wait(s, events, -1);
	now = sock_now_ns();
	return now < end ? sock_wait(s, events,
				     (int)((end - now + 999999) / 1000000))
			 : -EAGAIN;
}

/* What a call sends. */
struct out {
	const struct msghdr *msg;
	size_t len;
	const struct sockaddr *sa; /* NULL: to whom it is connected */
	struct ctrl_addr to;
	int flags;
};

/* --- one attempt, with the lock --- */

/* VPP cuts what is too long for its wire. */
static bool is_too_long(const struct session *sess, const struct out *o)
{
	return !sess->cut &&
	       o->len > (o->to.is_ip4 ? VUDP_MAX_IP4 : VUDP_MAX_IP6);
}

/* *@ring: who is to be rung then, without the lock: VPP's queue may be full for
 * a while, and who drains ours wants the lock. */
static int put(struct session *sess, const struct out *o,
	       const struct ctrl_addr *from, struct session **ring)
{
	struct packet p = { .len = (uint32_t)o->len,
			    .lcl = *from,
			    .rmt = o->to };
	int err;

	if (is_too_long(sess, o))
		return -EMSGSIZE;
	if (!o->len && !sess->cut)
		return 0; /* which VPP has no word for: lost */
	err = packet_put(&sess->tx, &p, o->msg->msg_iov,
			 (int)o->msg->msg_iovlen);
	if (!err) {
		app_count(sess->app, tx_bytes, o->len);
		app_count(sess->app, tx_calls, 1);
	}
	if (!err && fifo_ring(&sess->tx))
		*ring = sess;
	return err;
}

static struct session *way(struct vudp *v, const struct out *o,
			   struct ctrl_addr *from)
{
	struct session *sess;

	if (o->sa)
		return vudp_way_to(v, &o->to, from);
	sess = v->conn;
	if (vudp_ended(sess))
		return NULL;
	*from = sess->lcl;
	if (sess->cut)
		from->port = v->port;
	return sess;
}

/* 0: it has been sent; *lossy: who does not read is in nobody else's way */
static int send_once(struct vudp *v, const struct out *o, bool *lossy)
{
	struct session *sess, *ring = NULL;
	struct ctrl_addr from;
	int err;

	mutex_lock(&v->lock);
	sess = way(v, o, &from);
	if (!sess)
		err = NO_SESSION;
	else if (sess->state == SESSION_CONNECTING)
		err = -EAGAIN;
	else
		err = put(sess, o, &from, &ring);
	*lossy = sess && sess->cut && o->sa;
	if (unlikely(err == -EPROTO)) {
		session_break(sess);
		err = NO_SESSION;
	}
	mutex_unlock(&v->lock);
	if (ring) /* closed since, it is another one's spare wake-up at worst */
		session_ring_tx(ring);
	return err;
}

/* --- and all --- */

static bool is_nonblock(struct sock *s, const struct out *o)
{
	return o->flags & MSG_DONTWAIT || sock_nonblock(s);
}

/* The room of a session among several is not waited for with poll(2): that says
 * of the listener's. */
static int wait_room(struct sock *s, const struct out *o, int err, uint64_t end)
{
	sock_was_full(s);
	if (is_nonblock(s, o))
		return -EAGAIN;
	if (err == -ENOBUFS || o->sa)
		return sock_nap(end, NULL);
	return vudp_wait(s, POLLOUT, end);
}

/* There was a session, and there will not be another: who sends hears of it the
 * next time, as if the kernel's answer had come by then. */
static void refused(struct sock *s)
{
	s->opts->error = ECONNREFUSED;
	s->errors++;
	sock_notify(s);
}

/* 0: try again; 1: it is the kernel's; 2: it is lost */
static int find_way(struct sock *s, const struct out *o)
{
	int err;

	if (o->sa)
		return vudp_open_way(s, o->sa, &o->to);
	err = vudp_again(s);
	if (err != -ECONNREFUSED && err != -EHOSTUNREACH)
		return err;
	refused(s);
	return 2;
}

/* What is sent, 0 if it is the kernel's (then *kernels), or an error */
static ssize_t send_loop(struct sock *s, const struct out *o, bool *kernels)
{
	struct vudp *v = s->dgram->vpp;
	uint64_t end = vudp_end(s->opts->sndtimeo_ms);
	unsigned full = 0, ways = 0;
	bool lossy;
	int err;

	for (;;) {
		app_poll(); /* is anybody still there? */
		err = vudp_error(s);
		if (err)
			return err;
		if (v->wr_shut)
			return -EPIPE;
		err = send_once(v, o, &lossy);
		if (likely(!err))
			return (ssize_t)o->len;
		if (err == NO_SESSION) {
			err = ways++ ? 2 : find_way(s, o);
			*kernels = err == 1;
			if (err > 0)
				return *kernels ? 0 : (ssize_t)o->len;
		} else if (lossy && err == -EAGAIN && ++full > FULL_TRIES) {
			return (ssize_t)o->len; /* as the kernel's */
		} else if (lossy && err == -EAGAIN) {
			err = sched_yield();
		} else if (err == -EAGAIN || err == -ENOBUFS) {
			err = wait_room(s, o, err, end);
		}
		if (err)
			return err;
	}
}

/* Whom it is for; false: the kernel knows what to say of it. */
static bool address(struct sock *s, struct out *o)
{
	struct vudp *v = s->dgram->vpp;
	bool connected = v && v->active && v->connected;

	if (!o->msg->msg_name || !o->msg->msg_namelen) {
		o->sa = NULL;
		if (connected)
			o->to = v->to;
		return connected;
	}
	if (!user_ok(o->msg->msg_name, o->msg->msg_namelen) ||
	    addr_to_ctrl(o->msg->msg_name, o->msg->msg_namelen, &o->to))
		return false;
	addr_any_is_here(&o->to);
	o->sa = o->msg->msg_name;
	if (!connected)
		return s->domain == AF_INET6 || o->to.is_ip4;
	if (!addr_is_same(&o->to, &v->to))
		return false;
	o->sa = NULL;
	return true;
}

/* The first from a socket that is not VPP's yet. */
static bool becomes_vpps(struct sock *s, const struct out *o, ssize_t *ret)
{
	int err;

	/* the kernel's own connection is to be asked for nothing else */
	if (!o->sa || s->dgram->connected)
		return false;
	err = vudp_open_way(s, o->sa, &o->to);
	*ret = err;
	return err != 1;
}

bool vudp_sendmsg(struct sock *s, const struct msghdr *msg, int flags,
		  ssize_t *ret)
{
	struct vudp *v = s->dgram->vpp;
	struct out o = { .msg = msg, .flags = flags };
	bool kernels = false;
	ssize_t len;

	if (!address(s, &o))
		return false;
	if (!v || !v->active) {
		if (!becomes_vpps(s, &o, ret))
			return false;
		if (*ret)
			return true;
	}
	len = msg->msg_iovlen > IOV_MAX
		      ? -EMSGSIZE
		      : cursor_total(msg->msg_iov, (int)msg->msg_iovlen);
	if (flags & (MSG_OOB | MSG_MORE))
		len = -EOPNOTSUPP;
	else if (cmsg_any(msg, SOL_UDP)) /* segments, and they would be none */
		len = -EINVAL;
	else if (len > (o.to.is_ip4 ? PACKET_MAX_IP4 : PACKET_MAX))
		len = -EMSGSIZE;
	*ret = len;
	if (len < 0)
		return true;
	o.len = (size_t)len;
	if (o.sa && vudp_is_kernels(s->dgram->vpp, &o.to))
		return false;
	*ret = send_loop(s, &o, &kernels);
	return !kernels;
}
