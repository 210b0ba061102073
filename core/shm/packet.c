/* SPDX-License-Identifier: Apache-2.0 */
/* packet.c - whole datagrams in VPP's byte FIFO */
#include "core/shm/packet.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/wire/ctrl.h"

static void put_addr(uint8_t ip[16], uint16_t *port, const struct ctrl_addr *a)
{
	memcpy(ip, a->ip, sizeof(a->ip));
	*port = a->port;
}

/* VPP leaves anything before an IPv4 address (ABI.md 12.9). */
static void get_addr(struct ctrl_addr *a, const uint8_t ip[16], uint16_t port,
		     uint8_t is_ip4)
{
	memset(a, 0, sizeof(*a));
	a->is_ip4 = is_ip4 != 0;
	a->port = port;
	if (is_ip4)
		memcpy(a->ip + 12, ip + 12, 4);
	else
		memcpy(a->ip, ip, sizeof(a->ip));
}

/**
 * packet_put() - put a datagram
 * @f:		the FIFO
 * @p:		how long it is, and the addresses
 * @iov:	where it is
 * @n:		in so many pieces, IOV_MAX at most
 *
 * Return: 0, -EAGAIN, -ENOBUFS, -EMSGSIZE or -EPROTO.
 */
int packet_put(struct fifo *f, const struct packet *p, const struct iovec *iov,
	       int n)
{
	struct wire_dgram head = { .data_length = p->len,
				   .is_ip4 = p->rmt.is_ip4 };
	struct iovec all[IOV_MAX + 1];
	uint16_t port;
	ssize_t ret;

	put_addr(head.rmt_ip, &port, &p->rmt);
	head.rmt_port = port;
	put_addr(head.lcl_ip, &port, &p->lcl);
	head.lcl_port = port;
	all[0] = (struct iovec){ &head, sizeof(head) };
	memcpy(all + 1, iov, (size_t)n * sizeof(*iov));
	ret = fifo_put_all(f, all, n + 1);
	return ret < 0 ? (int)ret : 0;
}

/* Bytes before what is to be read, and with it: 0, or an error. */
static int look(struct fifo *f, struct packet *p, size_t *skip, size_t *all)
{
	struct wire_dgram head;
	uint32_t used = fifo_used(f);
	ssize_t n;

	if (!used)
		return -EAGAIN;
	n = fifo_peek(f, 0, &head, sizeof(head));
	if (n != (ssize_t)sizeof(head))
		return -EPROTO;
	if (head.data_length > PACKET_MAX ||
	    head.data_offset > head.data_length ||
	    used - sizeof(head) < head.data_length)
		return -EPROTO;
	p->len = head.data_length - head.data_offset;
	get_addr(&p->rmt, head.rmt_ip, head.rmt_port, head.is_ip4);
	get_addr(&p->lcl, head.lcl_ip, head.lcl_port, head.is_ip4);
	*skip = sizeof(head) + head.data_offset;
	*all = sizeof(head) + head.data_length;
	return 0;
}

/**
 * packet_next() - what would be taken?
 * @f:	the FIFO
 * @p:	set
 *
 * Return: 0, -EAGAIN or -EPROTO.
 */
int packet_next(struct fifo *f, struct packet *p)
{
	size_t skip, all;

	return look(f, p, &skip, &all);
}

/**
 * packet_take() - take a datagram, or look at it
 * @f:		the FIFO
 * @p:		set; its length may be more than was copied
 * @iov:	to where
 * @n:		so many pieces
 * @peek:	leave it there
 *
 * Return: 0, -EAGAIN or -EPROTO.
 */
int packet_take(struct fifo *f, struct packet *p, const struct iovec *iov,
		int n, bool peek)
{
	size_t skip, all, left, part;
	ssize_t got;
	int err = look(f, p, &skip, &all);

	if (err)
		return err;
	for (left = p->len; n && left; n--, iov++) {
		part = MIN(iov->iov_len, left);
		if (!part)
			continue;
		got = fifo_peek(f, skip, iov->iov_base, part);
		if (got != (ssize_t)part)
			return -EPROTO;
		skip += part;
		left -= part;
	}
	if (peek)
		return 0;
	/* it was all there a moment ago */
	return fifo_drop(f, all) == (ssize_t)all ? 0 : -EPROTO;
}
