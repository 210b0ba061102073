/* SPDX-License-Identifier: Apache-2.0 */
/* vudp_recv.c - datagrams from VPP, and from the kernel beside it */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sock/cursor.h"
#include "core/sock/vudp.h"

#define BY_VPP_MAX 63 /* datagrams, and then the kernel is asked first */

#define BY_KERNEL 1 /* it has come, and its length is in from.len */

/* What has come. */
struct in {
	struct packet p;
	struct ctrl_addr name;
	ssize_t len; /* by the kernel */
};

/* --- by VPP, with the lock --- */

/* Who has something, beginning with whose turn it is: false if nobody. */
static bool whose_turn(const struct vudp *v, unsigned *which)
{
	unsigned i, n = vudp_sources(v);
	const struct session *sess;

	for (i = 0; v->sticky && i < n; i++)
		if (vudp_source(v, i) == v->sticky && vudp_usable(v->sticky)) {
			*which = i;
			return true;
		}
	for (i = 0; i < n; i++) {
		*which = (v->turn + i) % n;
		sess = vudp_source(v, *which);
		if (vudp_usable(sess) && fifo_used(&sess->rx))
			return true;
	}
	return false;
}

/* The one to ring, as in vudp_send.c; or NULL */
static struct session *taken(struct vudp *v, unsigned which,
			     struct session *sess, uint32_t len)
{
	v->sticky = NULL;
	v->turn = which + 1;
	v->by_vpp++;
	app_count(sess->app, rx_bytes, len);
	app_count(sess->app, rx_calls, 1);
	return fifo_took(&sess->rx, (uint32_t)PACKET_HEAD + len) ? sess : NULL;
}

static int take(struct vudp *v, struct msghdr *msg, bool peek, struct in *in,
		struct session **ring)
{
	struct session *sess;
	unsigned which;
	int err;

	while (whose_turn(v, &which)) {
		sess = vudp_source(v, which);
		err = packet_take(&sess->rx, &in->p, msg->msg_iov,
				  (int)msg->msg_iovlen, peek);
		if (unlikely(err)) {
			v->sticky = NULL;
			if (err == -EPROTO)
				session_break(sess);
			continue;
		}
		vudp_sender_of(v, which, &in->p, &in->name);
		if (peek)
			v->sticky = sess;
		else
			*ring = taken(v, which, sess, in->p.len);
		return 0;
	}
	return -EAGAIN;
}

static int from_vpp(struct vudp *v, struct msghdr *msg, int flags,
		    struct in *in)
{
	struct session *ring = NULL;
	int err;

	mutex_lock(&v->lock);
	err = take(v, msg, flags & MSG_PEEK, in, &ring);
	mutex_unlock(&v->lock);
	if (ring)
		session_ring_rx(ring);
	return err;
}

/* --- by either --- */

static int from_kernel(struct sock *s, struct msghdr *msg, int flags,
		       struct in *in)
{
	struct vudp *v = s->dgram->vpp;
	struct msghdr m = *msg;

	v->by_vpp = 0;
	v->sticky_kernel = false;
	in->len = k_recvmsg(s->fd, &m, flags | MSG_DONTWAIT);
	if (in->len == -EAGAIN)
		return -EAGAIN;
	if (in->len < 0)
		return (int)in->len;
	v->sticky_kernel = flags & MSG_PEEK;
	if (msg->msg_name && m.msg_namelen <= msg->msg_namelen)
		vudp_heard_by_kernel(v, msg->msg_name, m.msg_namelen);
	msg->msg_namelen = m.msg_namelen;
	msg->msg_controllen = m.msg_controllen;
	msg->msg_flags = m.msg_flags;
	return BY_KERNEL;
}

static int recv_once(struct sock *s, struct msghdr *msg, int flags,
		     struct in *in)
{
	struct vudp *v = s->dgram->vpp;
	bool first = v->sticky_kernel || v->by_vpp >= BY_VPP_MAX;
	int err = -EAGAIN;

	if (v->connected)
		return from_vpp(v, msg, flags, in);
	if (unlikely(first) && !v->sticky)
		err = from_kernel(s, msg, flags, in);
	if (err == -EAGAIN)
		err = from_vpp(v, msg, flags, in);
	if (err == -EAGAIN && !first)
		err = from_kernel(s, msg, flags, in);
	return err;
}

/* 0 by VPP, BY_KERNEL, or an error; -ESHUTDOWN: nothing more is to come */
static int recv_loop(struct sock *s, struct msghdr *msg, int flags,
		     struct in *in)
{
	struct vudp *v = s->dgram->vpp;
	uint64_t end = vudp_end(s->opts->rcvtimeo_ms);
	int err;

	for (;;) {
		err = vudp_error(s);
		if (!err)
			err = recv_once(s, msg, flags, in);
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
		err = vudp_wait(s, POLLIN, end);
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
	struct in in;
	ssize_t room;
	int err;

	if (flags & MSG_ERRQUEUE)
		return k_recvmsg(fd, msg, flags);
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	room = cursor_total(msg->msg_iov, (int)msg->msg_iovlen);
	if (room < 0 || !name_ok(msg))
		return room < 0 ? room : -EFAULT;
	err = recv_loop(s, msg, flags, &in);
	if (err)
		return err == BY_KERNEL ? in.len : err == -ESHUTDOWN ? 0 : err;
	if (msg->msg_name)
		addr_from_ctrl(&in.name, s->domain, msg->msg_name,
			       &msg->msg_namelen);
	msg->msg_controllen = 0;
	msg->msg_flags = flags & MSG_CMSG_CLOEXEC; /* as Linux */
	if (likely(in.p.len <= (size_t)room))
		return (ssize_t)in.p.len;
	msg->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? (ssize_t)in.p.len : room;
}

int vudp_next_len(struct sock *s, int fd, int *len)
{
	struct vudp *v = s->dgram->vpp;
	struct packet p;
	unsigned which;
	bool got;

	app_poll();
	mutex_lock(&v->lock);
	got = !v->sticky_kernel && whose_turn(v, &which) &&
	      !packet_next(&vudp_source(v, which)->rx, &p);
	if (got)
		v->sticky = vudp_source(v, which);
	mutex_unlock(&v->lock);
	*len = got ? (int)p.len : 0;
	return got || v->connected ? 0 : k_ioctl(fd, FIONREAD, len);
}
