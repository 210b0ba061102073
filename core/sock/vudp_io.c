/* SPDX-License-Identifier: Apache-2.0 */
/* vudp_io.c - datagrams by VPP */
#include <errno.h>
#include <limits.h>
#include <netinet/udp.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sock/cursor.h"
#include "core/sock/vudp.h"

#define NO_SESSION (-ENOTCONN) /* none that anything would arrive by */

/* What was left behind by the network, or by the other end: told once, and
 * before anything is sent or received. */
static int pending_error(struct sock *s)
{
	return unlikely(s->opts->error) ? -atomic_exchange(&s->opts->error, 0)
					: 0;
}

/* When a call gives up; SOCK_NEVER_NS: it does not. */
static uint64_t end_of(int timeout_ms)
{
	return timeout_ms ? sock_now_ns() + (uint64_t)timeout_ms * 1000000u
			  : SOCK_NEVER_NS;
}

static int wait_for(struct sock *s, unsigned events, uint64_t end)
{
	uint64_t now;

	if (end == SOCK_NEVER_NS)
		return sock_wait(s, events, -1);
	now = sock_now_ns();
	return now < end ? sock_wait(s, events,
				     (int)((end - now + 999999) / 1000000))
			 : -EAGAIN;
}

/* --- sending --- */

/* VPP has no word for nothing, and cuts what is too long for its wire. */
static int fits(const struct session *sess, size_t len)
{
	if (sess->cut)
		return 0;
	return len > (sess->rmt.is_ip4 ? VUDP_MAX_IP4 : VUDP_MAX_IP6)
		       ? -EMSGSIZE
		       : 0;
}

static int put(struct vudp *v, struct session *sess, const struct msghdr *msg,
	       size_t len)
{
	struct packet p = { .len = (uint32_t)len,
			    .lcl = sess->lcl,
			    .rmt = sess->rmt };
	int err = fits(sess, len);

	if (err || (!len && !sess->cut))
		return err;
	if (sess->cut)
		p.lcl.port = v->port;
	err = packet_put(&sess->tx, &p, msg->msg_iov, (int)msg->msg_iovlen);
	if (!err && fifo_ring(&sess->tx))
		session_ring_tx(sess);
	return err;
}

/* 0: it has been sent */
static int send_once(struct vudp *v, const struct msghdr *msg, size_t len)
{
	struct session *sess;
	int err;

	pthread_mutex_lock(&v->lock);
	sess = v->conn;
	if (vudp_ended(sess))
		err = NO_SESSION;
	else if (sess->state == SESSION_CONNECTING)
		err = -EAGAIN;
	else
		err = put(v, sess, msg, len);
	if (unlikely(err == -EPROTO)) {
		session_break(sess);
		err = NO_SESSION;
	}
	pthread_mutex_unlock(&v->lock);
	return err;
}

static int wait_room(struct sock *s, int err, int flags, uint64_t end)
{
	sock_was_full(s);
	if (flags & MSG_DONTWAIT || sock_nonblock(s))
		return -EAGAIN;
	if (err == -ENOBUFS) /* others give back and don't tell */
		return sock_nap(end, NULL);
	return wait_for(s, POLLOUT, end);
}

/* There was a session, and there will not be another: who sends hears of it the
 * next time, as if the kernel's answer had come by then. */
static void refused(struct sock *s)
{
	s->opts->error = ECONNREFUSED;
	s->errors++;
	sock_notify(s);
}

static ssize_t send_loop(struct sock *s, const struct msghdr *msg, int flags,
			 size_t len)
{
	struct vudp *v = s->dgram->vpp;
	uint64_t end = end_of(s->opts->sndtimeo_ms);
	bool again = false;
	int err;

	for (;;) {
		app_poll(); /* is anybody still there? */
		err = pending_error(s);
		if (err)
			return err;
		if (v->wr_shut)
			return -EPIPE;
		err = send_once(v, msg, len);
		if (likely(!err))
			return (ssize_t)len;
		if (err == NO_SESSION) {
			err = again ? -ECONNREFUSED : vudp_again(s);
			again = true;
			if (err == 1)
				return k_sendmsg(s->fd, msg, flags);
			if (err == -ECONNREFUSED || err == -EHOSTUNREACH) {
				refused(s);
				return (ssize_t)len;
			}
		} else if (err == -EAGAIN || err == -ENOBUFS) {
			err = wait_room(s, err, flags, end);
		}
		if (err)
			return err;
	}
}

/* Segmentation, which the program would have to be told of. */
static bool is_cut_by(const struct msghdr *msg)
{
	const struct cmsghdr *c;

	if (likely(!msg->msg_controllen))
		return false;
	if (!user_ok(msg->msg_control, msg->msg_controllen))
		return true;
	for (c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR((struct msghdr *)msg, (struct cmsghdr *)c))
		if (c->cmsg_level == SOL_UDP)
			return true;
	return false;
}

/* Is it for whom the socket is connected to? */
static bool is_peers(const struct vudp *v, const struct msghdr *msg)
{
	struct ctrl_addr a;

	if (likely(!msg->msg_name))
		return true;
	return user_ok(msg->msg_name, msg->msg_namelen) &&
	       !addr_to_ctrl(msg->msg_name, msg->msg_namelen, &a) &&
	       a.port == v->peer.port && a.is_ip4 == v->peer.is_ip4 &&
	       !memcmp(a.ip, v->peer.ip, sizeof(a.ip));
}

ssize_t vudp_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		     int flags)
{
	struct vudp *v = s->dgram->vpp;
	ssize_t len;

	if (!is_peers(v, msg))
		return k_sendmsg(fd, msg, flags);
	if (flags & (MSG_OOB | MSG_MORE))
		return -EOPNOTSUPP;
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (is_cut_by(msg))
		return -EINVAL;
	len = cursor_total(msg->msg_iov, (int)msg->msg_iovlen);
	if (len < 0)
		return len;
	if (len > (v->peer.is_ip4 ? PACKET_MAX_IP4 : PACKET_MAX))
		return -EMSGSIZE;
	len = send_loop(s, msg, flags, (size_t)len);
	if (len >= 0 && v->conn) {
		app_count(v->conn->app, tx_bytes, (uint64_t)len);
		app_count(v->conn->app, tx_calls, 1);
	}
	return len;
}

/* --- receiving --- */

static int take(struct vudp *v, struct msghdr *msg, bool peek, struct packet *p)
{
	struct session *sess = v->conn;
	int err;

	if (!vudp_usable(sess))
		return -EAGAIN;
	err = packet_take(&sess->rx, p, msg->msg_iov, (int)msg->msg_iovlen,
			  peek);
	if (unlikely(err == -EPROTO)) {
		session_break(sess);
		return -EAGAIN;
	}
	if (!err && !peek &&
	    fifo_took(&sess->rx, (uint32_t)PACKET_HEAD + p->len))
		session_ring_rx(sess);
	return err;
}

static int recv_once(struct sock *s, struct msghdr *msg, int flags,
		     struct packet *p)
{
	struct vudp *v = s->dgram->vpp;
	int err;

	pthread_mutex_lock(&v->lock);
	err = take(v, msg, flags & MSG_PEEK, p);
	if (!err && !(flags & MSG_PEEK)) {
		app_count(v->conn->app, rx_bytes, p->len);
		app_count(v->conn->app, rx_calls, 1);
	}
	pthread_mutex_unlock(&v->lock);
	return err;
}

static int recv_loop(struct sock *s, struct msghdr *msg, int flags,
		     struct packet *p)
{
	struct vudp *v = s->dgram->vpp;
	uint64_t end = end_of(s->opts->rcvtimeo_ms);
	int err;

	for (;;) {
		err = pending_error(s);
		if (!err)
			err = recv_once(s, msg, flags, p);
		if (err != -EAGAIN)
			return err;
		app_poll();
		if (s->opts->error)
			continue;
		/* Linux: the end is told to whom waits alone */
		if (flags & MSG_DONTWAIT || sock_nonblock(s))
			return -EAGAIN;
		if (v->rd_shut)
			return -ESHUTDOWN;
		err = wait_for(s, POLLIN, end);
		if (err)
			return err;
	}
}

static bool name_ok(const struct msghdr *msg)
{
	return !msg->msg_name ||
	       ((int)msg->msg_namelen >= 0 &&
		user_ok(msg->msg_name,
			MIN(msg->msg_namelen, sizeof(struct sockaddr_in6))));
}

ssize_t vudp_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	struct vudp *v = s->dgram->vpp;
	struct packet p;
	ssize_t room;
	int err;

	if (flags & MSG_ERRQUEUE)
		return k_recvmsg(fd, msg, flags);
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	room = cursor_total(msg->msg_iov, (int)msg->msg_iovlen);
	if (room < 0 || !name_ok(msg))
		return room < 0 ? room : -EFAULT;
	err = recv_loop(s, msg, flags, &p);
	if (err)
		return err == -ESHUTDOWN ? 0 : err;
	if (msg->msg_name)
		addr_from_ctrl(&v->peer, s->domain, msg->msg_name,
			       &msg->msg_namelen);
	msg->msg_controllen = 0;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC; /* as Linux */
	if (likely(p.len <= (size_t)room))
		return (ssize_t)p.len;
	msg->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? (ssize_t)p.len : room;
}

int vudp_next_len(struct sock *s)
{
	struct vudp *v = s->dgram->vpp;
	struct packet p = { .len = 0 };

	app_poll();
	pthread_mutex_lock(&v->lock);
	if (vudp_usable(v->conn) && packet_next(&v->conn->rx, &p))
		p.len = 0;
	pthread_mutex_unlock(&v->lock);
	return (int)p.len;
}
