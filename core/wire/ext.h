/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext.h - what sapid and libsapi say to each other beside VPP's API
 *
 * The daemon announces itself by a trailer behind the 209 bytes of its attach
 * and worker replies; a stock client reads its fixed size and never sees it.
 * The client says "libsapi" by WIRE_EXT_MAGIC in option 12, which VPP ignores.
 * Neither uses an extension that the other has not announced.
 */
#ifndef WIRE_EXT_H
#define WIRE_EXT_H

#include "core/wire/attach.h"
#include "core/wire/types.h"

#define WIRE_EXT_MAGIC 0x0001495041534c00ull /* "\0LSAPI", version 1 on top */

/* Bits of wire_listen.flags that VPP leaves alone; only libsapi sets them. */
#define WIRE_LISTEN_REUSEPORT \
	(1u << 6)		     /* share the endpoint, as SO_REUSEPORT */
#define WIRE_LISTEN_V6ONLY (1u << 7) /* "::" does not serve IPv4 */

/*
 * Subscribers (ABI.md 8.7): both ends of a connection use the same two FIFO
 * headers with sapid, so a worker of libsapi subscribes only at the FIFO that
 * it reads; the list there holds worker indices of the reading application.
 */

/* features of wire_ext_hello */
#define WIRE_EXT_STATS (1u << 0) /* stats_off is valid */
#define WIRE_EXT_LINKS                                         \
	(1u << 1) /* links are granted; mail_off is valid, and \
		     the page's descriptor is the last one */
#define WIRE_EXT_DIAG                                           \
	(1u << 2) /* ... to who sends WIRE_SAPI_DIAG first: the \
		     client's network is not the daemon's */
#define WIRE_EXT_NETWORKS                                         \
	(1u << 3) /* ... between networks, too: the other end may \
		     have an address that is not this host's */
#define WIRE_EXT_KEPT (1u << 4)	    /* kept_off is valid */
#define WIRE_EXT_UNIX (1u << 5)	    /* links are granted to Unix sockets, too */
#define WIRE_EXT_UDP (1u << 6)	    /* ... and for datagrams of UDP */
#define WIRE_EXT_2510 (1u << 7)	    /* the dialect here is WIRE_2510 */
#define WIRE_EXT_WITHDRAW (1u << 8) /* WIRE_SAPI_WITHDRAW is understood */

struct wire_ext_hello {
	uint64_t magic; /* WIRE_EXT_MAGIC */
	uint32_t size;	/* of this struct: later versions append */
	uint32_t features;
	uint64_t stats_off; /* wire_stats, from the fsh of the worker's segment
			     */
	uint64_t netns;	    /* cookie of the network namespace of this client */
	uint64_t mail_off;  /* wire_mail, likewise */
	uint64_t kept_off;  /* WIRE_KEPT_N wire_kept, likewise */
	uint8_t pad[16];
};
WIRE_SIZE(struct wire_ext_hello, 64);
WIRE_AT(struct wire_ext_hello, size, 8);
WIRE_AT(struct wire_ext_hello, features, 12);
WIRE_AT(struct wire_ext_hello, stats_off, 16);
WIRE_AT(struct wire_ext_hello, netns, 24);
WIRE_AT(struct wire_ext_hello, mail_off, 32);
WIRE_AT(struct wire_ext_hello, kept_off, 40);

/* Written by the daemon: how many extension messages it has sent to this
 * worker, so that a client knows of one without a syscall. */
struct wire_mail {
	_Atomic uint32_t sent;
	uint8_t pad[60];
};
WIRE_SIZE(struct wire_mail, 64);

/* a reply of sapid: what stock clients read, and the trailer */
struct wire_ext_reply {
	struct wire_sapi sapi;
	struct wire_ext_hello hello;
} WIRE_PACKED;
WIRE_SIZE(struct wire_ext_reply, 209 + 64);
WIRE_AT(struct wire_ext_reply, hello, 209);

/* LISTEN.flags, from a libsapi client only (VPP uses bits 0 and 1) */
#define WIRE_LISTEN_REUSEPORT (1u << 6) /* SO_REUSEPORT is set */
#define WIRE_LISTEN_V6ONLY (1u << 7)	/* IPV6_V6ONLY is set */

/* UNLISTEN.context, from a libsapi client only: a forked worker that listens
 * speaks for its parent, which does not accept. The parent is to get no
 * connections while others do, but it has the socket: with the last of them it
 * gets what they left. VPP takes it for an UNLISTEN like any other. */
#define WIRE_UNLISTEN_RELIEVE 0xffffffffu

/* Why a connection or listener stayed with the kernel: index of
 * wire_stats.kernel, names in wire_ext_why_name[] of whoever prints them. */
enum wire_ext_why {
	WIRE_WHY_RULE,	    /* a rule or the default says os */
	WIRE_WHY_NO_LISTEN, /* nobody listens there through the session layer */
	WIRE_WHY_REMOTE,    /* not an address of this host */
	WIRE_WHY_REFUSED,   /* back-log full, limits, other user */
	WIRE_WHY_NO_MEMORY, /* no segment, no descriptor */
	WIRE_WHY_PROTOCOL,  /* the session layer said something wrong */
	WIRE_WHY_KIND,	    /* a socket kind that is not ours */
	WIRE_WHY_PEER,	    /* accepted from a client without the preload */
	WIRE_WHY_SHARED,    /* several processes have the connection */
	WIRE_N_WHY
};

/*
 * Counters of one worker, in its first segment: written by the client alone
 * (relaxed), read by the daemon for its status.  Never trusted, only shown.
 */
struct wire_stats {
	_Atomic uint64_t connects; /* sessions opened by us */
	_Atomic uint64_t accepts;  /* sessions accepted by us */
	_Atomic uint64_t listens;  /* listeners announced */
	_Atomic uint64_t tx_bytes;
	_Atomic uint64_t rx_bytes;
	_Atomic uint64_t tx_calls;
	_Atomic uint64_t rx_calls;
	_Atomic uint64_t doorbells; /* events we sent */
	_Atomic uint64_t sleeps; /* times a thread went to the kernel to wait */
	_Atomic uint64_t spins_won; /* waits that ended before sleeping */
	_Atomic uint64_t kernel[WIRE_N_WHY];
	_Atomic uint64_t pad[13];
};
WIRE_SIZE(struct wire_stats, 256);

/*
 * A connection of this worker that stays with the kernel, and why; likewise
 * written by the client alone and only shown, and only if the kernel knows
 * such a socket. Addresses as in wire_offer; an older sapid ignores is_unix,
 * and finds no such socket.
 */
#define WIRE_KEPT_N 64
struct wire_kept {
	_Atomic uint64_t cookie; /* SO_COOKIE; 0: none. Set last. */
	uint8_t lcl[16], rmt[16];
	uint16_t lcl_port, rmt_port;
	uint8_t is_ip4;
	uint8_t why;	 /* enum wire_ext_why */
	uint8_t refusal; /* WIRE_WHY_REFUSED: enum wire_refusal */
	uint8_t is_unix;
};
WIRE_SIZE(struct wire_kept, 48);
WIRE_AT(struct wire_kept, lcl, 8);
WIRE_AT(struct wire_kept, rmt, 24);
WIRE_AT(struct wire_kept, lcl_port, 40);
WIRE_AT(struct wire_kept, is_ip4, 44);

#endif /* WIRE_EXT_H */
