/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - upgraded connections: the memory that both ends share, and the
 * page that every client reads
 *
 * DOC: A link is two rings and a header in a segment that only two processes
 * (and the daemon) have.  Side 0 sends into ring 0, side 1 into ring 1.  A
 * block holds one link:
 *
 *	| ............ ring 0 | header | ring 1 ............ |
 *	                  [ one page ]
 *
 * and producers begin, whenever their ring is empty, at the place that lies in
 * the header's page (WIRE_LINK_HOME): so a link that is idle, or that carries
 * small messages only, touches a single page of memory.
 *
 * What an end writes stands in its own struct wire_link_side, a line each: what
 * the other end spins for, what is written before and after a sleep only (so
 * that a peer which looks at it after every message costs nothing), counters,
 * and what moves with every take but is looked at seldom.
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include "core/wire/types.h"

/* --- a link's header --- */

#define WIRE_LINK_RX_READY (1u << 0) /* I look at the ring: you may switch */
#define WIRE_LINK_SWITCHED \
	(1u << 1)		   /* switch_at is valid: I send by the ring */
#define WIRE_LINK_FIN (1u << 2)	   /* I have shut down sending */
#define WIRE_LINK_CLOSED (1u << 3) /* I have closed: nobody reads any more */
#define WIRE_LINK_RESET (1u << 4)  /* ... and with bytes unread, or aborting */
/* The way back to the kernel: core/shm/link.h.  LEFT alone is set by the other
 * end: one word tells which of the two came first. */
#define WIRE_LINK_LEFT (1u << 5) /* who reads what I send has left the ring */
#define WIRE_LINK_BACK (1u << 6) /* back_at is valid: I have left it, too */

struct wire_link_side {
	/* what I send: the low half counts bytes since the switch (tail), the
	 * high half is where the ring begins for them (base): byte n lies at
	 * (n + base) & (size - 1) */
	_Atomic uint64_t tail;
	_Atomic uint32_t flags; /* WIRE_LINK_*; they only grow */
	_Atomic uint32_t
		back_at; /* the ring's byte that the kernel goes on at */
	_Atomic uint64_t switch_at; /* kernel stream bytes before the ring's */
	uint8_t pad1[40];
	_Atomic uint32_t armed_rx;    /* ring me when bytes or an end come */
	_Atomic uint32_t armed_tx;    /* ring me when room is made */
	_Atomic uint32_t room_wanted; /* ... so much of it at least */
	uint8_t pad2[52];
	/* counters, for `sapi status`: never trusted, only shown */
	_Atomic uint64_t tx_bytes, tx_msgs, rx_msgs;
	_Atomic uint64_t wakeups; /* sent */
	_Atomic uint64_t sleeps;
	_Atomic uint64_t spins_won, spins_lost;
	_Atomic uint64_t
		upgrade_us; /* from connect() or accept() to the grant */
	/* what I have taken of what you send: not beside tail, for which you
	 * may be spinning */
	_Atomic uint32_t head;
	uint8_t pad3[60];
};
WIRE_SIZE(struct wire_link_side, 256);
WIRE_AT(struct wire_link_side, tail, 0);
WIRE_AT(struct wire_link_side, flags, 8);
WIRE_AT(struct wire_link_side, back_at, 12);
WIRE_AT(struct wire_link_side, switch_at, 16);
WIRE_AT(struct wire_link_side, armed_rx, 64);
WIRE_AT(struct wire_link_side, armed_tx, 68);
WIRE_AT(struct wire_link_side, room_wanted, 72);
WIRE_AT(struct wire_link_side, tx_bytes, 128);
WIRE_AT(struct wire_link_side, head, 192);

struct wire_link {
	struct wire_link_side side[2];
};
WIRE_SIZE(struct wire_link, 512);

#define WIRE_LINK_PAGE 4096u
#define WIRE_LINK_EDGE 1792u /* bytes of each ring in the header's page */
#define WIRE_LINK_RING_MIN 4096u
#define WIRE_LINK_RING_MAX (64u << 20) /* both powers of two */
/* from the block's start: ring 0, the header, ring 1 */
#define WIRE_LINK_RING0(ring) WIRE_LINK_EDGE
#define WIRE_LINK_HEADER(ring) ((uint64_t)WIRE_LINK_EDGE + (ring))
#define WIRE_LINK_RING1(ring) \
	(WIRE_LINK_HEADER(ring) + sizeof(struct wire_link))
#define WIRE_LINK_BLOCK(ring) (2 * (uint64_t)(ring) + WIRE_LINK_PAGE)
/* offset in ring 0 or 1 at which an empty ring begins */
#define WIRE_LINK_HOME(side, ring) ((side) ? 0u : (ring)-WIRE_LINK_EDGE)
static_assert(2 * WIRE_LINK_EDGE + sizeof(struct wire_link) == WIRE_LINK_PAGE,
	      "the header's page");

/* --- datagrams --- */

/* In the ring of one that carries datagrams, before each; the next one begins
 * at a multiple of WIRE_FRAME_ALIGN. */
struct wire_frame {
	uint32_t len; /* at most WIRE_FRAME_MAX; 0 is a datagram as well */
	uint32_t pad;
};
WIRE_SIZE(struct wire_frame, 8);
#define WIRE_FRAME_ALIGN 8u
#define WIRE_FRAME_MAX 65527u /* what IPv6 takes; IPv4: 65507 */

/* --- a segment of links --- */

#define WIRE_LINK_MAGIC 0x316b6e696c415300ull /* "\0SAlink1" */
#define WIRE_LINKS_MAX 64 /* of a segment: a bit each in ready */

/* The first page of a segment; block i begins at WIRE_LINK_PAGE + i * BLOCK.
 * The file is sealed against shrinking and growing. */
struct wire_link_seg {
	uint64_t magic;
	uint32_t ring; /* bytes a direction: for people who look; clients use
			  what the grant says */
	uint32_t n_links;
	uint8_t pad0[48];
	/* per side: links whose armed end was rung; set by the other side,
	 * taken by an exchange before the memory is looked at */
	struct {
		_Atomic uint64_t ready;
		_Atomic uint32_t cpu; /* + 1: where the last to ring ran */
		uint8_t pad[52];
	} side[2];
};
WIRE_SIZE(struct wire_link_seg, 192);
WIRE_AT(struct wire_link_seg, side, 64);
#define WIRE_LINK_SEG_SIZE(n, ring) \
	(WIRE_LINK_PAGE + (uint64_t)(n)*WIRE_LINK_BLOCK(ring))

/* --- the page: one file a daemon, which only the daemon can write --- */

#define WIRE_PAGE_MAGIC 0x3165676170415300ull /* "\0SApage1" */

struct wire_page {
	uint64_t magic;
	uint32_t size;
	uint8_t pad[4096 - 12];
	/* bit p: a preloaded program listens on TCP port p somewhere, receives
	 * datagrams at UDP port p, or listens on a Unix socket whose name has
	 * that number */
	_Atomic uint64_t listeners[65536 / 64];
	/* offers that wait for their other end, by wire_page_slot(); those of
	 * Unix sockets by wire_page_inode(), and by the number of the name;
	 * those for datagrams by wire_page_slot_udp(); stays at 255 once
	 * there */
	_Atomic uint8_t offers[65536];
};
WIRE_SIZE(struct wire_page, 4096 + 8192 + 65536);
WIRE_AT(struct wire_page, listeners, 4096);
WIRE_AT(struct wire_page, offers, 12288);

/* Where a connection between two ports counts; the same from both ends. Ports
 * in host order, as in listeners. */
static inline uint16_t wire_page_slot(uint16_t a, uint16_t b)
{
	uint32_t lo = a < b ? a : b, hi = a < b ? b : a;

	return (uint16_t)(lo * 0x9e37u + hi);
}

/* Where datagrams from one port to another do: not where the answers do. */
static inline uint16_t wire_page_slot_udp(uint16_t from, uint16_t to)
{
	return (uint16_t)(from * 0x9e37u + to * 0x79b9u + 0x3c6eu);
}

/* Where a Unix socket counts, by its own inode: the other end knows it. */
static inline uint16_t wire_page_inode(uint64_t inode)
{
	return (uint16_t)(inode * 0x9e3779b97f4a7c15ull >> 48);
}

#endif /* WIRE_LINK_H */
