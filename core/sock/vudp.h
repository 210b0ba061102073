/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vudp.h - UDP sockets that VPP carries
 *
 * DOC: A SOCK_UDP (dgram.h) becomes VPP's when it is connected to where a rule
 * says so: it has a session then, through whose FIFOs go whole datagrams
 * (core/shm/packet.h), and never a link.  The kernel's socket below is not
 * connected; it keeps the number, the options and, where VPP gives a
 * cut-through no port, a port to be called by.
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

struct vudp {
	struct sock *sock;
	pthread_mutex_t lock;
	_Atomic bool active; /* VPP's; else the kernel's again */
	_Atomic bool connected;
	_Atomic bool rd_shut, wr_shut; /* by shutdown(2) */
	bool require;
	struct ctrl_addr peer; /* connected: to whom, as the program calls it */
	struct ctrl_addr
		bound; /* ... from where; without a port: from anywhere */
	uint16_t port; /* a cut-through's, network order: the kernel's choice */
	struct session *conn; /* connected: by which; NULL: there is none now */
	bool refused_told;    /* that it was reset */
	uint32_t tails;	      /* of sessions that have gone */
};

/* The largest that VPP sends as one: it cuts what is larger into several. */
#define VUDP_MAX_IP4 1472u
#define VUDP_MAX_IP6 1452u

/* --- vudp.c: the life of one --- */
/* connect(2): false if it is the kernel's to do, and has no more to do with
 * VPP. */
bool vudp_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len, int *ret);
int vudp_shutdown(struct sock *s, int fd, int how);
int vudp_name(struct sock *s, struct ctrl_addr *a, bool peer);
/* Who sends has found no session, or one that has ended: 0 if there is another;
 * 1 if the socket is the kernel's from now on; or why it is lost. */
int vudp_again(struct sock *s);
/* In a forked child. */
void vudp_claim(struct sock *s);
void vudp_release(struct vudp *v);
void vudp_fork_prepare(struct vudp *v);
void vudp_fork_parent(struct vudp *v);
void vudp_fork_child(struct vudp *v);

/* --- vudp_io.c --- */
ssize_t vudp_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		     int flags);
ssize_t vudp_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
/* FIONREAD */
int vudp_next_len(struct sock *s);

/* --- vudp_ready.c --- */
unsigned vudp_ready(struct sock *s, unsigned want);
uint32_t vudp_tail(struct sock *s);
bool vudp_arm(struct sock *s, unsigned events, const uint32_t *tail);

/* May its FIFOs be looked at?  With the lock. */
static inline bool vudp_usable(const struct session *sess)
{
	return sess && sess->state == SESSION_OPEN &&
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

#endif /* SOCK_VUDP_H */
