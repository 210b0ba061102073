/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.h - extension messages of the attach socket: how links come about
 *
 * In the envelope of struct wire_sapi: 209 bytes, the type first.  Ports and
 * addresses are in network order, IPv4 in bytes 12..15 with is_ip4 set, also
 * where the socket is IPv6 and the address mapped.
 *
 *	client					daemon
 *	LISTEN (a port, or a name's)	->	sets or clears the page's bit
 *	OFFER (4-tuple, cookie, bell)	->	asks the kernel; counts in the
 *page
 *					<-	REFUSE (why), or when both ends
 *					<-	GRANT (where) to each
 *	DONE (link)			->	frees it when both have said so
 *	WITHDRAW (an offer)		->	forgets it, or frees its grant
 *					<-	PEER_GONE
 *
 * A Unix socket has no address of its own: it goes by its inode, in lcl, and
 *the kernel tells the daemon that of its peer.  What its listener is bound to
 *is hashed into a number, which is announced, and waited by, as if it were a
 *port.
 *
 * UDP has no connections: a link goes one way, from a socket that sends to one
 * address to the socket that is bound there.  Who receives knows the sender's
 * address, who sends the receiver's; the kernel says which socket a datagram
 * would reach, either way.
 *
 * A bell is an eventfd of a client that its peers write to wake it; it has a
 * number from 0 that is the client's choice.  A descriptor travels once: to
 * the daemon with the first offer that names the bell, to a peer with the
 * first grant that does.
 */
#ifndef WIRE_OFFER_H
#define WIRE_OFFER_H

#include "core/wire/attach.h"

enum wire_offer_type {
	WIRE_SAPI_LISTEN = 0x81,    /* client: wire_listen_port */
	WIRE_SAPI_OFFER = 0x82,	    /* client: wire_offer [+ bell] */
	WIRE_SAPI_DONE = 0x83,	    /* client: wire_done */
	WIRE_SAPI_DIAG = 0x84,	    /* client: + a NETLINK_SOCK_DIAG socket */
	WIRE_SAPI_WITHDRAW = 0x85,  /* client: wire_withdraw */
	WIRE_SAPI_GRANT = 0x91,	    /* daemon: wire_grant [+ seg] [+ bell] */
	WIRE_SAPI_REFUSE = 0x92,    /* daemon: wire_refuse */
	WIRE_SAPI_PEER_GONE = 0x93, /* daemon: wire_peer_gone */
};

#define WIRE_BELLS_MAX 256

struct wire_listen_port {
	uint16_t port;
	uint8_t on; /* 1 or 0; counted, and undone when the client leaves */
} WIRE_PACKED;
WIRE_SIZE(struct wire_listen_port, 3);

struct wire_offer {
	uint64_t context; /* comes back in the answer */
	uint64_t cookie;  /* SO_COOKIE of the socket */
	uint8_t lcl[16], rmt[16];
	uint16_t lcl_port, rmt_port;
	uint32_t ring; /* bytes a direction wanted; the larger counts */
	uint16_t bell; /* that this end's waiters listen to */
	uint8_t is_ip4;
	uint8_t has_bell; /* its descriptor follows */
	uint8_t is_unix;  /* inode in lcl, number of the name in lcl_port */
	uint8_t udp;	  /* enum wire_udp */
} WIRE_PACKED;
WIRE_SIZE(struct wire_offer, 62);

/* Datagrams: which way they go, as seen from who offers.  lcl may be the
 * wildcard, for then its end does not know what the other one sees. */
enum wire_udp {
	WIRE_UDP_NONE,
	WIRE_UDP_SENDER,   /* to rmt; counts in the page */
	WIRE_UDP_RECEIVER, /* from rmt; the answer to one that counts there */
};

/* Nothing of this is hostile: the daemon says it.  It is checked all the same.
 */
struct wire_grant {
	uint64_t context; /* of the offer */
	uint64_t link;	  /* for DONE; never 0 */
	uint32_t seg;	  /* number of the segment, this daemon's */
	uint32_t index;	  /* of the block in it */
	uint32_t n_links; /* that it holds */
	uint32_t ring;	  /* bytes a direction */
	uint32_t peer;	  /* number of the other client, this daemon's */
	uint16_t peer_bell;
	uint8_t side;	 /* 0 or 1 */
	uint8_t has_seg; /* descriptors that follow, in this order */
	uint8_t has_bell;
} WIRE_PACKED;
WIRE_SIZE(struct wire_grant, 41);

enum wire_refusal {
	WIRE_REFUSED_EXPIRED, /* no other end offered in time */
	WIRE_REFUSED_PROOF,   /* the kernel knows no such connection of yours */
	WIRE_REFUSED_USER,    /* the other end is another user's */
	WIRE_REFUSED_LIMIT,   /* you, or it, have enough of something */
	WIRE_REFUSED_MEMORY,
	WIRE_N_REFUSED
};

struct wire_refuse {
	uint64_t context;
	uint8_t why; /* enum wire_refusal */
} WIRE_PACKED;
WIRE_SIZE(struct wire_refuse, 9);

struct wire_done {
	uint64_t link;
	uint8_t forget_seg; /* I have no such segment, nor perhaps your bells */
} WIRE_PACKED;
WIRE_SIZE(struct wire_done, 9);

/* The offer's socket is closed, or its grant is of no use.  Who closes does not
 * know of a grant that has been sent, and may not read it for ever: so that one
 * is done as well, and if it is read after all, to say it again is no fault. */
struct wire_withdraw {
	uint64_t context; /* of the offer */
	uint64_t link;	  /* that was granted to it; 0: the last, if any */
	uint8_t forget_seg;
} WIRE_PACKED;
WIRE_SIZE(struct wire_withdraw, 17);

/* Its segments and bells will not be named again. */
struct wire_peer_gone {
	uint32_t peer;
} WIRE_PACKED;
WIRE_SIZE(struct wire_peer_gone, 4);

/* struct wire_sapi with what it has of ours */
struct wire_sapi_ext {
	uint8_t type;
	union {
		uint8_t pad[208];
		struct wire_listen_port listen;
		struct wire_offer offer;
		struct wire_done done;
		struct wire_withdraw withdraw;
		struct wire_grant grant;
		struct wire_refuse refuse;
		struct wire_peer_gone peer_gone;
	};
} WIRE_PACKED;
WIRE_SIZE(struct wire_sapi_ext, sizeof(struct wire_sapi));

#endif /* WIRE_OFFER_H */
