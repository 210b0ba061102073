/* SPDX-License-Identifier: Apache-2.0 */
/* vudp_ready.c - what poll(2) says of a UDP socket of VPP's, and sleeping */
#include "core/base/signal.h"
#include "core/sock/vudp.h"

#define POLL_INPUT (POLLIN | POLLRDNORM)
#define POLL_OUTPUT (POLLOUT | POLLWRNORM)

bool vudp_is_active(const struct vudp *v)
{
	return v->active;
}

/* Room for any datagram, and a third of all, as a stream has it: who is told so
 * can send. */
static uint32_t enough(const struct fifo *f)
{
	uint32_t size = fifo_size(f);

	return MIN(size, MAX(size / 3, (uint32_t)PACKET_HEAD + PACKET_MAX));
}

/* With the lock.  To whom nothing can be sent any more one can say so at once.
 */
static bool has_room(const struct session *sess)
{
	return !vudp_usable(sess) || fifo_room(&sess->tx) >= enough(&sess->tx);
}

/* Of several sessions the listener's is asked for: who does not read is in
 * nobody's way (vudp_send.c). */
static bool writable(const struct vudp *v)
{
	if (v->connected)
		return !(v->conn && v->conn->state == SESSION_CONNECTING) &&
		       has_room(v->conn);
	return !v->listener ||
	       (has_room(v->listener) && has_room(v->listener->ip4));
}

static bool readable(const struct vudp *v)
{
	const struct session *sess;
	unsigned i;

	for (i = 0; i < vudp_sources(v); i++) {
		sess = vudp_source(v, i);
		if (vudp_usable(sess) && fifo_used(&sess->rx))
			return true;
	}
	return false;
}

/* As datagram_poll() of Linux. */
unsigned vudp_ready(struct sock *s, unsigned want)
{
	struct vudp *v = s->dgram->vpp;
	unsigned ev = 0;

	mutex_lock(&v->lock);
	if (v->rd_shut)
		ev |= POLL_INPUT | POLLRDHUP | SOCK_ANY_INPUT;
	else if (want & (POLL_INPUT | SOCK_ANY_INPUT) && readable(v))
		ev |= POLL_INPUT | SOCK_ANY_INPUT;
	if (want & POLL_OUTPUT && writable(v))
		ev |= POLL_OUTPUT;
	mutex_unlock(&v->lock);
	if (v->rd_shut && v->wr_shut)
		ev |= POLLHUP;
	if (s->opts->error)
		ev |= POLLERR;
	return ev;
}

/* With the lock */
static uint32_t tail_of(const struct vudp *v)
{
	const struct session *sess;
	uint32_t sum = v->tails;
	unsigned i;

	for (i = 0; i < vudp_sources(v); i++) {
		sess = vudp_source(v, i);
		if (vudp_usable(sess))
			sum += fifo_tail(&sess->rx);
	}
	return sum;
}

uint32_t vudp_tail(struct sock *s)
{
	struct vudp *v = s->dgram->vpp;
	uint32_t tail;

	mutex_lock(&v->lock);
	tail = tail_of(v);
	mutex_unlock(&v->lock);
	return tail;
}

/* Behind what is there, which the caller knows or asks for. */
static void arm_input(struct session *sess)
{
	if (!vudp_usable(sess))
		return;
	while (fifo_arm_since(&sess->rx, fifo_tail(&sess->rx)))
		;
	session_give_room(sess); /* a later wish rings what is armed */
}

/* True: there was none, and now there is. */
static bool arm_output(struct session *sess)
{
	if (has_room(sess))
		return false;
	session_want_room(sess, enough(&sess->tx));
	return has_room(sess);
}

bool vudp_arm(struct sock *s, unsigned events, const uint32_t *tail)
{
	struct vudp *v = s->dgram->vpp;
	bool fresh = false;
	unsigned i;

	mutex_lock(&v->lock);
	if (events & (POLL_INPUT | POLLRDHUP | SOCK_ANY_INPUT))
		for (i = 0; i < vudp_sources(v); i++)
			arm_input(vudp_source(v, i));
	if (events & POLL_OUTPUT)
		for (i = 0; i < VUDP_FIRST_PEER; i++)
			fresh |= arm_output(vudp_source(v, i));
	fresh |= tail && tail_of(v) != *tail;
	mutex_unlock(&v->lock);
	return fresh || (!tail && sock_ready(s, events));
}
