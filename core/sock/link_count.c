/* SPDX-License-Identifier: Apache-2.0 */
/* link_count.c - what SIOCINQ and SIOCOUTQ say of an upgraded connection */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/sock/link.h"

/* Of @kernel bytes to be read there: those that the peer sent after it had come
 * back. */
static uint32_t behind_switch(const struct hold_link *h, uint32_t kernel)
{
	uint64_t before =
		h->rx_mode == HOLD_RX_DRAIN ? h->rx_switch - h->rx_kernel : 0;

	return kernel > before ? kernel - (uint32_t)before : 0;
}

int link_count(struct sock *s, int fd, struct link *l, bool sent)
{
	struct hold_link *h = &s->hold->link;
	uint32_t twice = 0, at;
	ssize_t ring = 0;
	int kernel = 0;

	if (!sent && h->rx_mode != HOLD_RX_RING) {
		link_lock_rx(s, l);
		link_see_switch(s, l);
		link_unlock_rx(s, l);
	}
	if (back_is_due(l))
		back_see(s, l);
	if (k_ioctl(fd, sent ? SIOCOUTQ : SIOCINQ, &kernel) < 0)
		kernel = 0;
	/* a FIN counts there, until it is answered, which takes longer on a
	 * connection that was idle */
	if (sent && kernel == 1 && link_flags(&l->end) & WIRE_LINK_FIN)
		kernel = 0;
	/* what is sent has arrived: it lies in the peer's memory, where TCP
	 * would have acknowledged it */
	if (!sent && h->rx_mode >= HOLD_RX_DRAIN && h->rx_mode != HOLD_RX_BACK)
		ring = ring_used(&l->end.rx);
	/* ... but of a Unix socket that is the sender's until it is read */
	if (sent && link_is_local(s) && h->tx_ring)
		ring = ring_unread(&l->end.tx);
	if (!sent && ring > 0 && link_peer_back(&l->end, &at))
		twice = MIN(ring_tail(&l->end.rx) - at,
			    behind_switch(h, (uint32_t)kernel));
	return kernel - (int)twice + (int)MAX(ring, (ssize_t)0);
}
