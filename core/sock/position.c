/* SPDX-License-Identifier: Apache-2.0 */
/* position.c - how far the kernel's stream is, in each direction */
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/base/kernel.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: Stream positions are the kernel's own (TCP_INFO), read when a direction
 * leaves it.  Counting what passes through our calls would miss what libc or
 * a raw syscall moved, and sockets whose beginning we did not see.  Of the
 * kernel's counters, bytes_acked includes the SYN of an active open and
 * bytes_received the peer's FIN: so none is read after a FIN, and what was
 * sent is taken from two of them that must agree.
 *
 * Of a Unix socket nobody counts, and nobody has to (local.c): it is left at a
 * position that is never reached, and what was read counts from the link's
 * beginning, for the sake of edges.
 */

#define TRIES 4 /* for a stable reading of a moving counter */
#define NEVER_REACHED INT64_MAX

static int info_of(int fd, struct tcp_info *ti)
{
	socklen_t len = sizeof(*ti);

	memset(ti, 0, sizeof(*ti));
	return k_getsockopt(fd, IPPROTO_TCP, TCP_INFO, ti, &len);
}

/* <netinet/tcp.h> and <linux/tcp.h> can't meet */
#define TCP_IS_ESTABLISHED 1
#define TCP_IS_FIN_WAIT1 4
#define TCP_IS_FIN_WAIT2 5
#define TCP_IS_CLOSE_WAIT 8
#define TCP_IS_LAST_ACK 9
#define TCP_IS_CLOSING 11

bool position_has_fin(const struct sock *s, int fd)
{
	struct tcp_info ti;

	if (link_is_local(s))
		return local_has_end(fd);
	if (info_of(fd, &ti))
		return false;
	return ti.tcpi_state == TCP_IS_CLOSE_WAIT ||
	       ti.tcpi_state == TCP_IS_LAST_ACK ||
	       ti.tcpi_state == TCP_IS_CLOSING;
}

bool position_received(int fd, uint64_t *bytes)
{
	struct tcp_info ti;

	if (info_of(fd, &ti)) {
		*bytes = 0;
		return true;
	}
	*bytes = ti.tcpi_bytes_received;
	return ti.tcpi_state != TCP_IS_ESTABLISHED &&
	       ti.tcpi_state != TCP_IS_FIN_WAIT1 &&
	       ti.tcpi_state != TCP_IS_FIN_WAIT2;
}

static int position_local(const struct sock *s, int fd)
{
	if (!local_is_open(fd))
		return -ENOTCONN;
	return upgrade_is_still(s, fd) ? 0 : -EAGAIN;
}

int position_read(const struct sock *s, int fd, uint64_t *at)
{
	struct tcp_info ti;
	int i, before, after, err;

	if (link_is_local(s)) {
		*at = s->hold->link.rx_kernel;
		return position_local(s, fd);
	}
	for (i = 0; i < TRIES; i++) {
		err = k_ioctl(fd, SIOCINQ, &before);
		if (!err)
			err = info_of(fd, &ti);
		if (!err)
			err = k_ioctl(fd, SIOCINQ, &after);
		if (err)
			return err;
		if (ti.tcpi_state != TCP_IS_ESTABLISHED)
			return -ENOTCONN;
		if (before != after)
			continue; /* more has come in between */
		*at = ti.tcpi_bytes_received - (uint64_t)before;
		return upgrade_is_still(s, fd) ? 0 : -EAGAIN;
	}
	return -EAGAIN;
}

int position_written(const struct sock *s, int fd, uint64_t *at)
{
	struct tcp_info ti;
	uint64_t sent, acked;
	int i, err, queued;

	if (link_is_local(s)) {
		*at = NEVER_REACHED;
		return position_local(s, fd);
	}
	for (i = 0; i < TRIES; i++) {
		err = info_of(fd, &ti);
		if (!err)
			err = k_ioctl(fd, SIOCOUTQ, &queued);
		if (err)
			return err;
		if (ti.tcpi_state != TCP_IS_ESTABLISHED)
			return -ENOTCONN;
		sent = ti.tcpi_bytes_sent - ti.tcpi_bytes_retrans +
		       ti.tcpi_notsent_bytes;
		acked = ti.tcpi_bytes_acked + (uint64_t)queued;
		/* acknowledgements may have come between the two calls, so
		 * acked may be short; it counts the SYN of who connected */
		if (sent == acked || sent + 1 == acked) {
			*at = sent;
			return upgrade_is_still(s, fd) ? 0 : -EAGAIN;
		}
	}
	return -EAGAIN;
}
