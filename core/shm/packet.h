/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet.h - whole datagrams in VPP's byte FIFO
 *
 * Before each stands a header with both addresses (struct wire_dgram).  Header
 * and bytes are put as one, or not at all: VPP would take what comes next for
 * the rest of half a datagram.  What the other end wrote is read once and
 * checked: -EPROTO means that it lies, and nothing behind it can be trusted.
 * The caller serialises as for fifo.h.
 */
#ifndef SHM_PACKET_H
#define SHM_PACKET_H

#include "core/shm/ctrl.h"
#include "core/shm/fifo.h"
#include "core/wire/ctrl.h"

#define PACKET_HEAD sizeof(struct wire_dgram)
#define PACKET_MAX 65527u /* bytes of UDP's payload, without jumbograms */
#define PACKET_MAX_IP4 65507u

struct packet {
	uint32_t len;
	/* As in the header.  In what VPP has received the remote one is the
	 * sender's.  A cut-through's peer writes what it would to VPP: there
	 * the local one is, if it is any. */
	struct ctrl_addr lcl, rmt;
};

/* 0, -EAGAIN if there is no room for all of it, -ENOBUFS, -EPROTO; -EMSGSIZE
 * if there never will be.  p->len is that of @iov. */
int packet_put(struct fifo *f, const struct packet *p, const struct iovec *iov,
	       int n) MUST_CHECK;
/* What would be taken: 0, -EAGAIN if there is nothing, -EPROTO. */
int packet_next(struct fifo *f, struct packet *p) MUST_CHECK;
/* The same; as much as there is room for is copied, and unless @peek it is
 * taken. */
int packet_take(struct fifo *f, struct packet *p, const struct iovec *iov,
		int n, bool peek) MUST_CHECK;

#endif /* SHM_PACKET_H */
