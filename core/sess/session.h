/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - sessions of the session layer: states, requests and replies
 *
 * DOC: A session is a listener, a connection being made, one that waits in a
 * listener's back-log, or an open one.  Its index in the table is what the
 * session layer puts into events ("app session index").  The table is
 * type-stable: a session is recycled, never unmapped, so a late event finds
 * a session that is not what it was, at worst a spare wake-up.
 *
 * Everything here but flags, fifos and counters is guarded by app.lock.
 * state is written by session_state() alone; flags only grow until the
 * session is freed, and are read without the lock by the data path.
 *
 * The session knows nothing of descriptors: whoever uses it (core/sock) sets
 * @notify, called with app.lock held whenever readiness may have changed.
 */
#ifndef SESS_SESSION_H
#define SESS_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/sess/hold.h"
#include "core/sess/waiter.h"
#include "core/shm/ctrl.h"
#include "core/shm/fifo.h"

struct app;
struct app_seg;
struct conf_tls;

enum session_state {
	SESSION_FREE,	    /* in the pool */
	SESSION_BINDING,    /* LISTEN sent -> LISTENING or FAILED */
	SESSION_LISTENING,  /* BOUND came -> CLOSING by session_close() */
	SESSION_CONNECTING, /* CONNECT sent -> OPEN or FAILED */
	SESSION_PENDING,    /* ACCEPTED came: in a back-log ->
			       OPEN by session_accept(), CLOSING by refusal */
	SESSION_OPEN,	    /* data may flow; fifos valid */
	SESSION_FAILED,	    /* error says why; freed by its user */
	SESSION_LOST,	    /* was LISTENING when the session layer went ->
			       BINDING by session_relisten() */
	SESSION_CLOSING,    /* closed by us, CLEANUP(1) not yet seen; or given
			       up while it was BINDING or CONNECTING: without a
			       handle until the answer comes, so that nobody
			       else's request has the same context */
};

#define SESSION_PEER_SHUT 1u /* DISCONNECTED: peer's FIN, data first */
#define SESSION_GONE 2u	     /* CLEANUP(0) or more: nobody reads any more */
#define SESSION_RESET 4u     /* RESET: data first, then ECONNRESET */
#define SESSION_BROKEN 8u    /* hostile memory, or the session layer is gone */

enum session_drain {
	DRAIN_NONE,
	DRAIN_SHUT,  /* the half close; the session is its user's */
	DRAIN_CLOSE, /* the end; nobody's */
};

#define SESSION_ATTR_SIZE 8

/* attr.c: the question that VPP was asked last */
struct session_attr {
	enum { ATTR_IDLE, ATTR_ASKED, ATTR_TOLD } state;
	uint8_t type;
	bool get;
	int32_t retval;
	uint8_t value[SESSION_ATTR_SIZE];
};

struct session {
	struct app *app;
	uint32_t index;
	_Atomic enum session_state state; /* written with the lock */
	_Atomic unsigned flags;		  /* SESSION_* */
	int error;			  /* FAILED: negative errno */
	int32_t retval; /* FAILED: what the session layer said */
	uint64_t handle;
	uint64_t listener_handle;
	uint32_t mq_index;
	struct fifo rx, tx;
	struct app_seg *seg; /* counted */
	struct app_seg *sig; /* counted: where a cut-through's signals are */
	struct ctrl_addr lcl, rmt;
	struct hold *hold;
	_Atomic uint32_t claimed; /* fork generation that subscribed */
	bool borrowed;		  /* of another process: VPP tells that one */
	struct waiter *ctl;	  /* who waits for BOUND or CONNECTED */
	void (*notify)(struct session *s);
	void *user;
	struct session *same_bucket; /* of app.handles */
	struct session *next;	     /* back-log, pool or zombie list */
	struct session *pending, **pending_tail; /* listener: its back-log */
	_Atomic unsigned n_pending; /* read without the lock by poll() */
	_Atomic uint32_t arrived;   /* listener: connections so far */
	uint8_t listen_flags;	    /* listener: as announced */
	const struct conf_tls *tls; /* NULL: TCP, or a cut-through */
	int32_t mss; /* as answered; 0: not asked, below: there is none */
	struct session_attr attr;
	/* accepted: where its peer meant to connect to, by VPP's NAT, as in a
	 * packet; port 0: NAT had no part in it */
	uint32_t original_ip4;
	uint16_t original_port;
	bool accepted;
	bool answered;	/* PENDING: its peer knows that it is connected */
	bool datagrams; /* UDP: with headers (core/shm/packet.h) */
	bool cut;	/* UDP: a cut-through */
	/* UDP: a listener has FIFOs of its own, which VPP's main thread looks
	 * at, and another index for that */
	uint32_t main_index;
	/* drain.c: what follows when VPP has taken all; it is a zombie then */
	_Atomic enum session_drain drain;
	/* VPP's "::" serves IPv6 alone: a listener for IPv4 beside it */
	struct session *ip4;  /* of the one that a sock uses, or NULL */
	struct session *dual; /* of the other one */
};

/* To switch on: clang switches on no atomic enum. */
static inline enum session_state session_now(const struct session *s)
{
	return s->state;
}

/* --- with app.lock held --- */
/* What LISTEN says beside the address; ext.h has the bits. */
int session_listen(struct app *app, const struct ctrl_addr *addr, uint8_t flags,
		   const struct conf_tls *tls, struct session **s) MUST_CHECK;
/* Ask for a connection; @lcl and @tls may be NULL. */
int session_connect(struct app *app, const struct ctrl_addr *rmt,
		    const struct ctrl_addr *lcl, const struct conf_tls *tls,
		    struct session **s) MUST_CHECK;
/* The same by UDP.  What a cut-through's peers send comes by sessions of their
 * own: they are answered at once, and are in the back-log, open. */
int session_listen_udp(struct app *app, const struct ctrl_addr *addr,
		       uint8_t flags, struct session **s) MUST_CHECK;
/* @connected: of a socket that is; else VPP answers at once. */
int session_connect_udp(struct app *app, const struct ctrl_addr *rmt,
			const struct ctrl_addr *lcl, bool connected,
			struct session **s) MUST_CHECK;
/* Take the first session of the listener's back-log, or NULL. */
struct session *session_pop(struct session *listener);
/* Answer ACCEPTED, if that was not done: the session is open from here. */
int session_accept(struct session *s) MUST_CHECK;
/* A peer that is connected already sees a reset. */
void session_refuse(struct session *s);
/* What VPP's transport sends at once; waits for the answer the first time. */
int session_mss(struct session *s, uint32_t *mss) MUST_CHECK;
int session_set_mss(struct session *s, uint16_t mss) MUST_CHECK;
/* Any attribute (enum wire_attr_type) of up to SESSION_ATTR_SIZE bytes; waits
 * for the answer. */
int session_attr(struct session *s, bool get, uint8_t type, void *value,
		 size_t size) MUST_CHECK;
/* A message came on the app's queue. */
void session_event(struct app *app, const struct ctrl *c);
/* A segment has come that messages may have waited for, or (@drop) none will */
void session_unpark(struct app *app, bool drop);
/* The session layer is gone: every session breaks. */
void session_layer_gone(struct app *app);
/* There is another one: announce what listened with the last one. */
void session_relisten(struct app *app);
/* ... that will not be. */
void session_forget_lost(struct app *app);
/* This process's program is done with it: orderly, or aborting (RST). */
void session_close(struct session *s, bool abort);
/* A session made in the parent is used here first: be notified too. */
int session_claim(struct session **s) MUST_CHECK;
/* Closed here but held by another process of the family: look again. */
void session_reap(struct app *app);
/* In a forked child: what the parent waits for is the parent's. */
void session_disown(struct app *app);
/* What it holds is let go as well. */
void session_free(struct session *s);
int session_unlisten(struct session *s) MUST_CHECK;
/* The process ends: what TLS has not taken would be lost (drain.c). */
void session_linger(struct app *app);

/* --- without the lock --- */
/* Sent half: after everything that was put. */
int session_shutdown(struct session *s) MUST_CHECK;
/* The peer must look (after fifo_ring()), or may send again (fifo_took()). */
void session_ring_tx(struct session *s);
void session_ring_rx(struct session *s);
/* The peer may have asked for room after the last bytes were taken. */
void session_give_room(struct session *s);
/* Ask for a notification when there is so much room to send; then look. */
void session_want_room(struct session *s, uint32_t thresh);
/* Mark as broken and wake everybody; the caller saw -EPROTO in its memory. */
void session_break(struct session *s);

/* What this process or another of its family has been told of the end. */
static inline unsigned session_flags(const struct session *s)
{
	unsigned end = unlikely(fifo_ended(&s->rx)) ? SESSION_PEER_SHUT : 0;

	return s->flags | end | (s->hold ? s->hold->ended : 0);
}

#endif /* SESS_SESSION_H */
