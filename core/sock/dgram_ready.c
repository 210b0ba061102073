/* SPDX-License-Identifier: Apache-2.0 */
/* dgram_ready.c - what there is in the rings of a UDP socket, and sleeping */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/vudp.h"

/*
 * DOC: A live socket is in the program's epoll instance twice, as a listener
 * of the session layer is: the kernel's half says what came there and whether
 * one can write, this half says that there is something in a ring.  As the
 * kernel tells of an arrival together with room, so does this half.
 */

#define POLL_INPUT (POLLIN | POLLRDNORM)
#define POLL_OUTPUT (POLLOUT | POLLWRNORM)
#define SERIAL 0x80000000u /* not one of a link of TCP */

/* With rx_lock */
static bool any(const struct dgram *d)
{
	unsigned i;

	for (i = 0; i < d->n_rx; i++)
		if (ring_used(&d->rx[i]->link->end.rx))
			return true;
	return false;
}

bool dgram_is_vpps_alone(const struct dgram *d)
{
	return dgram_is_vpps(d) && d->vpp->connected;
}

/* One can always write by the kernel, which says nothing of VPP. */
unsigned dgram_kernel_events(const struct sock *s, unsigned events)
{
	if (!dgram_is_vpps(s->dgram))
		return events;
	return events & ~(dgram_is_vpps_alone(s->dgram)
				  ? 0xffffu
				  : (unsigned)(POLL_OUTPUT | POLLWRBAND));
}

bool dgram_any(struct sock *s)
{
	struct dgram *d = s->dgram;
	bool ret;

	if (!d->n_rx)
		return false;
	mutex_lock(&d->rx_lock);
	ret = any(d);
	mutex_unlock(&d->rx_lock);
	return ret;
}

unsigned dgram_ready(struct sock *s, unsigned want)
{
	if (dgram_is_vpps(s->dgram))
		return vudp_ready(s, want);
	if (!(want & (POLL_INPUT | SOCK_ANY_INPUT)) || !dgram_any(s))
		return 0;
	return POLL_INPUT | SOCK_ANY_INPUT | POLL_OUTPUT;
}

/* With rx_lock */
static uint32_t tail_of(const struct dgram *d)
{
	uint32_t sum = d->tails;
	unsigned i;

	for (i = 0; i < d->n_rx; i++)
		sum += ring_tail(&d->rx[i]->link->end.rx);
	return sum;
}

uint32_t dgram_tail(struct sock *s)
{
	struct dgram *d = s->dgram;
	uint32_t sum;

	if (dgram_is_vpps(d))
		return vudp_tail(s);
	mutex_lock(&d->rx_lock);
	sum = tail_of(d);
	mutex_unlock(&d->rx_lock);
	return sum;
}

bool dgram_arm(struct sock *s, unsigned events, const uint32_t *tail)
{
	struct dgram *d = s->dgram;
	bool ready = false;
	unsigned i;

	if (dgram_is_vpps(d))
		return vudp_arm(s, events, tail);
	if (!d->n_rx || !(events & (POLL_INPUT | SOCK_ANY_INPUT)))
		return false;
	mutex_lock(&d->rx_lock);
	for (i = 0; i < d->n_rx; i++)
		link_arm_rx(&d->rx[i]->link->end, d->bell->number);
	ready = tail ? tail_of(d) != *tail : any(d);
	mutex_unlock(&d->rx_lock);
	return ready;
}

void dgram_disarm(struct sock *s)
{
	struct dgram *d = s->dgram;
	unsigned i;

	mutex_lock(&d->rx_lock);
	for (i = 0; i < d->n_rx; i++)
		link_disarm(&d->rx[i]->link->end);
	mutex_unlock(&d->rx_lock);
}

bool dgram_kernel_ready(struct sock *s)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int cancel, n;

	if (dgram_is_vpps_alone(s->dgram))
		return false;
	cancel = cancel_off();
	n = k_ppoll(&pfd, 1, &zero, NULL);
	cancel_back(cancel);
	return n > 0;
}

int dgram_listen(struct sock *s, unsigned events, struct waiter *w)
{
	int err = s->dgram->bell ? waiter_listen(w, s->dgram->bell) : 0;

	if (dgram_is_vpps_alone(s->dgram) ||
	    !(events & (POLL_INPUT | SOCK_ANY_INPUT)))
		return err;
	return err ? err
		   : waiter_follow(w, s->fd, POLLIN, s->dgram->id | SERIAL);
}

/* Shown with the first of its links. */
void dgram_count(struct sock *s, bool slept, bool won)
{
	struct dgram *d = s->dgram;
	struct wire_link_side *mine;

	if (!d->n_rx)
		return;
	mutex_lock(&d->rx_lock);
	if (d->n_rx) {
		mine = d->rx[0]->link->end.mine;
		link_tally(slept ? &mine->sleeps
			   : won ? &mine->spins_won
				 : &mine->spins_lost,
			   1);
	}
	mutex_unlock(&d->rx_lock);
}
