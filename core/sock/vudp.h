/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vudp.h - UDP sockets that VPP carries
 *
 * DOC: A SOCK_UDP (dgram.h) becomes VPP's when it is connected to, is bound to,
 * or sends to where a rule says so.  It has sessions then, through whose FIFOs
 * go whole datagrams (core/shm/packet.h), and never a link:
 *
 * - connected: one, and nothing comes by the kernel, whose socket below is not
 *   connected.  That keeps the number, the options and, where VPP gives a
 *   cut-through no port, a port to be called by.
 * - bound: a listener, whose FIFOs carry what comes from the network, and one
 *   session for each peer in the same VPP that is connected to it.  The
 *   socket of the kernel is bound, too: what comes there is received as well.
 * - neither: one for each address that was sent to, and the kernel's socket.
 *
 * A session may end though the socket does not: a peer in the same VPP has
 * closed its own, nobody listens at the other end of a cable (ICMP), VPP is
 * gone.  UDP knows no such thing but ECONNREFUSED, so that is told at most,
 * what has come is still read, and who sends next gets another session. Without
 * VPP the kernel's socket takes its place, if the rules let it.
 *
 * Every use of a session's FIFOs, and every change of which sessions there are,
 * is with the lock, which comes last, also behind app.lock; changes with
 * app.lock as well.
 *
 * A forked child has none of its parent's sessions.  It gets its own when it
 * uses the socket first.
 */
#ifndef SOCK_VUDP_H
#define SOCK_VUDP_H

#include "core/shm/packet.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"

#define VUDP_PEERS 256

/* The largest that VPP sends as one: it cuts what is larger into several. */
#define VUDP_MAX_IP4 1472u
#define VUDP_MAX_IP6 1452u

/* VPP answers at once.  A peer in a cut-through does when it looks, and is not
 * waited for for ever. */
#define VUDP_ANSWER_MS 1000

struct vudp_peer {
	struct session *sess;
	struct ctrl_addr name; /* as the program knows it; without a port: not
				* yet */
	uint64_t used;	       /* when it was sent to, by v->clock */
};

struct vudp_heard;

struct vudp {
	struct sock *sock;
	pthread_mutex_t lock;
	_Atomic bool active; /* VPP's; else the kernel's again */
	_Atomic bool connected;
	_Atomic bool rd_shut, wr_shut; /* by shutdown(2) */
	uint16_t port; /* a cut-through's, network order: the kernel's choice */
	struct ctrl_addr own; /* where the program has bound it to, or zero */
	uint32_t tails;	      /* of sessions that have gone */
	/* connected */
	bool require;
	bool refused_told; /* that it was reset */
	struct ctrl_addr to;
	struct session *conn; /* NULL: there is none now */
	/* bound where a rule says so */
	bool listens;
	bool vpps_address; /* the kernel has it not */
	uint8_t listen_flags;
	struct ctrl_addr at;
	struct session *listener; /* NULL: none now, or it is connected */
	struct vudp_heard *heard; /* from whom, and where to */
	/* not connected */
	struct vudp_peer *peer; /* VUDP_PEERS, or NULL */
	unsigned n_peers;
	uint64_t clock;
	uint16_t last_port; /* that was made up for one; host order */
	/* whom VPP knows no way to, for a while */
	struct ctrl_addr no_way;
	uint64_t no_way_ms;
	/* whose turn it is to be received from */
	unsigned turn;
	unsigned by_vpp;	/* in a row; then the kernel is asked first */
	struct session *sticky; /* what was peeked at comes next */
	bool sticky_kernel;
};

/* --- vudp.c: the life of one --- */
/* connect(2): false if it is the kernel's to do, and has no more to do with
 * VPP. */
bool vudp_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len, int *ret);
/* bind(2) has been done, @vpps: to an address that only VPP has.  0, also if it
 * is the kernel's alone, or what a rule that requires VPP makes of it. */
int vudp_bound(struct sock *s, int fd, bool vpps) MUST_CHECK;
int vudp_shutdown(struct sock *s, int fd, int how);
void vudp_name(struct sock *s, struct ctrl_addr *a, bool peer);
/* Who sends has found no session, or one that has ended: 0 if there is another;
 * 1 if the socket is the kernel's from now on; or why it is lost. */
int vudp_again(struct sock *s);
/* In a forked child. */
void vudp_claim(struct sock *s);
void vudp_release(struct vudp *v);
void vudp_fork_prepare(struct vudp *v);
void vudp_fork_parent(struct vudp *v);
void vudp_fork_child(struct vudp *v);

/* ... for vudp_peer.c */
/* With app.lock, which is given up meanwhile: what a request has come to. */
int vudp_answer(struct app *app, struct session *sess) MUST_CHECK;
/* NULL: it can't be VPP's */
struct vudp *vudp_of(struct sock *s);
void vudp_begin(struct vudp *v);
void vudp_note_own(struct vudp *v, int fd);
void vudp_reserve_port(struct vudp *v, int fd);

/* --- vudp_peer.c: sessions of a socket that is not connected --- */
int vudp_make_peers(struct vudp *v) MUST_CHECK;
void vudp_free_peers(struct vudp *v);
/* With app.lock: what the listener has accepted; those that are over go; all
 * go. */
void vudp_adopt(struct vudp *v);
void vudp_sweep(struct vudp *v);
void vudp_drop_peers(struct vudp *v);
/* session.notify of all of them */
void vudp_event(struct session *sess);
/* With the lock: who sent what came by this one of the sources? */
void vudp_sender_of(struct vudp *v, unsigned which, const struct packet *p,
		    struct ctrl_addr *name);
/* With the lock: by which to @to, and from which address?  NULL: there is none
 * yet. */
struct session *vudp_way_to(struct vudp *v, const struct ctrl_addr *to,
			    struct ctrl_addr *from);
void vudp_heard_by_kernel(struct vudp *v, const struct sockaddr *sa,
			  socklen_t len);
/* Has the kernel brought the last from there? */
bool vudp_is_kernels(struct vudp *v, const struct ctrl_addr *to);
/* With neither: let there be one, if the rules say so.  0; 1 if it is the
 * kernel's to send; or an error. */
int vudp_open_way(struct sock *s, const struct sockaddr *sa,
		  const struct ctrl_addr *to);

/* --- vudp_send.c, vudp_recv.c --- */
/* False: it is the kernel's to send. */
bool vudp_sendmsg(struct sock *s, const struct msghdr *msg, int flags,
		  ssize_t *ret);
ssize_t vudp_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
/* FIONREAD */
int vudp_next_len(struct sock *s, int fd, int *len);
/* What was left behind by the network, or by the other end: told once, and
 * before anything is sent or received. */
int vudp_error(struct sock *s);
/* When a call gives up; SOCK_NEVER_NS: it does not. */
uint64_t vudp_end(int timeout_ms);
int vudp_wait(struct sock *s, unsigned events, uint64_t end);

/* --- vudp_ready.c --- */
unsigned vudp_ready(struct sock *s, unsigned want);
uint32_t vudp_tail(struct sock *s);
bool vudp_arm(struct sock *s, unsigned events, const uint32_t *tail);

/* May its FIFOs be looked at?  With the lock. */
static inline bool vudp_usable(const struct session *sess)
{
	return sess &&
	       (sess->state == SESSION_OPEN ||
		sess->state == SESSION_LISTENING) &&
	       !(sess->flags & SESSION_BROKEN);
}

/* Will nothing that is sent by it arrive? */
static inline bool vudp_ended(const struct session *sess)
{
	return !sess ||
	       (sess->state != SESSION_OPEN &&
		sess->state != SESSION_CONNECTING) ||
	       sess->flags & (SESSION_PEER_SHUT | SESSION_RESET | SESSION_GONE |
			      SESSION_BROKEN);
}

/* What it receives from, one after the other: 0 .. vudp_sources() - 1; NULL if
 * there is no such one.  With the lock. */
#define VUDP_FIRST_PEER 3
static inline unsigned vudp_sources(const struct vudp *v)
{
	return VUDP_FIRST_PEER + v->n_peers;
}
static inline struct session *vudp_source(const struct vudp *v, unsigned i)
{
	switch (i) {
	case 0:
		return v->conn;
	case 1:
		return v->listener;
	case 2:
		return v->listener ? v->listener->ip4 : NULL;
	default:
		return v->peer[i - VUDP_FIRST_PEER].sess;
	}
}

#endif /* SOCK_VUDP_H */
