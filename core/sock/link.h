/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - kernel connections whose bytes may move to shared memory
 *
 * DOC: A SOCK_LINK begins as a connection of the kernel that somebody who
 * might be ours is at the other end of.  While sock.link is NULL every call is
 * the kernel's; all that is done is to count exchanges.  When it has proved
 * worth it, an offer is made (upgrade.c), and if both ends offer, the daemon
 * grants a link and sock.link is set for the rest of the socket's life.
 *
 * Each direction then leaves the kernel by itself:
 *
 *	receiving: HOLD_RX_KERNEL -> READY, when no thread of ours is in a call
 *	of the kernel's any more that would not look at the ring (k_rx); by this
 *	the peer may switch.  -> DRAIN, when we see that it has: there are
 *	rx_switch - rx_kernel bytes to be had from the kernel.  -> RING.
 *	sending: when both ends are READY and no call of ours is sending by the
 *	kernel (k_tx), with tx_lock: switch_at is published, and what follows
 *	goes to the ring.
 *
 * Either direction may go back to the kernel, for good (back.c; the protocol is
 * in core/shm/link.h): HOLD_RX_BACK, HOLD_TX_BACK.  Before that, what comes
 *back from the ring may have to wait for room in the kernel (HOLD_TX_FLUSH),
 *and what was read from the ring already be skipped (rx_skip).
 *
 * The kernel's connection stays: whatever the end of the stream, an error or a
 * hang-up is, it is the kernel that says so, once the ring is empty.
 *
 * Locks: link.rx_lock and link.tx_lock guard the hold's half of a direction
 * among threads, those of the hold among the processes that share it.  They
 * are held for the length of a copy and of calls that do not block.  Neither
 * is taken with any other lock held.
 */
#ifndef SOCK_LINK_H
#define SOCK_LINK_H

#include <errno.h>

#include "core/base/kernel.h"
#include "core/sess/offer.h"
#include "core/sock/table.h"

struct link_lock {
	pthread_mutex_t mine; /* this process's threads */
	bool both;	      /* the family's is held, too */
};

struct link {
	struct link_end end;
	struct offer_grant grant;
	struct bell *bell; /* ours, that the peer rings; referenced */
	uint32_t serial;   /* no two links of a process have the same */
	struct link_lock rx_lock, tx_lock;
	_Atomic bool settled; /* consented and switched: nothing left to do */
	_Atomic bool ended;   /* the kernel's connection had something to say */
	_Atomic bool over;    /* ... that there is an end, or an error */
	_Atomic bool dead; /* the peer went without a word: link_see_death() */
	_Atomic bool spread; /* the ring took more memory than it needs now */
	int orphan; /* private number, while a call goes on after close(2); -1
		     */
	_Atomic uint32_t
		back_tail;	/* at HOLD_RX_BACK, by the ring; 0: unknown */
	_Atomic unsigned looks; /* since the kernel was asked */
	unsigned empties;  /* empty reads since the kernel was asked; rx_lock */
	unsigned failures; /* attempts to leave the kernel */
	struct link *next, **prev; /* of the process; link.c */
	struct sock *sock;
	struct link *untidy_next, **untidy_prev;
};

/* --- port.c: listeners and what they accept --- */
/* @fd listens in the kernel: it may get links.  */
void port_listens(int fd, int domain, const struct sockaddr *sa, socklen_t len,
		  const struct conf_choice *choice);
/* The daemon that there is now may be another one, which has not heard of the
 * port. */
void port_look(struct sock *port);
int port_accept(struct sock *port, int fd, struct sockaddr *addr,
		socklen_t *len, int flags);
void port_release(struct sock *s);
/* Is there a daemon, and a program of ours that listens on the port of @sa?
 * Then a connection will get a link, but for limits. */
bool link_likely(const struct sockaddr *sa, socklen_t len);
/* @fd was connected, or is being connected, to @sa by the kernel. */
void link_connected(int fd, const struct sockaddr *sa, socklen_t len,
		    const struct conf_choice *choice);

/* It is not connected any more: connect(2) to nothing. */
void link_disconnected(struct sock *s, int fd);

/* --- local.c: Unix sockets --- */
static inline bool link_is_local(const struct sock *s)
{
	return unlikely(s->domain == AF_UNIX);
}
/* What is in a ring is to fit into the kernel's queue, of 208 KiB by default
 * and empty since the switch: so it can always be sent again (back.c). */
#define LOCAL_RING_MAX 131072u
/* A stream socket?  Asks the kernel. */
bool local_is_stream(int fd);
/* Does the option, set to that, keep a connection in the kernel? */
bool local_is_kernels(int name, int val);
/* The number of a name, never 0: where TCP has a port. */
uint16_t local_name(const struct sockaddr *sa, socklen_t len);
int local_inode(int fd, uint64_t *inode);
/* Does the other end know of links, as far as the page says? */
bool local_is_awaited(struct sock *s, int fd);
/* What an offer says of it; -EOPNOTSUPP: it must stay with the kernel. */
int local_identify(struct sock *s, int fd, struct offer *o);
/* @fd was connected to @sa by the kernel. */
void local_connected(int fd, const struct sockaddr *sa, socklen_t len);
/* It listens: true if by port_listens(), and then @choice is set. */
bool local_listens(int fd, struct conf_choice *choice);
/* Bytes that can be read from the kernel. */
uint32_t local_queued(int fd);
/* Better not to switch yet: what was sent was not read. */
bool local_lies_there(int fd);
/* Has nobody shut down anything?  Or no more bytes come? */
bool local_is_open(int fd);
bool local_has_end(int fd);
/* as link.c's from_kernel_so_far() and link_see_death() */
uint32_t local_so_far(struct sock *s, struct link *l);
bool local_see_death(struct sock *s, struct link *l);
/* DRAIN: the kernel has all that was in the ring. */
bool local_skips_ring(struct link *l);
/* shutdown(2) for reading */
void local_stops_reading(struct link *l);
/* recvfrom(2) has read @ret bytes: from whom?  Returns what it returns. */
ssize_t local_sender(int fd, struct sockaddr *addr, socklen_t *alen,
		     ssize_t ret);
/* Of a connection that has been left (stay_for_good()), if there is control
 * data: as sendmsg(2). */
ssize_t local_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		      int flags);

/* --- upgrade.c: from the kernel to the link --- */
extern const struct offer_hooks upgrade_hooks;
/* What is due: answers, an offer, consent, the switch. */
void upgrade_work(struct sock *s, int fd);
bool upgrade_due_offer(struct sock *s);
/* May the other end send by the link from here on? Does so if it can. */
void upgrade_consent(struct sock *s, int fd, struct link *l);
/* May we?  With tx_lock and the hold's; true if what is sent goes there. */
bool upgrade_switch(struct sock *s, int fd, struct link *l);
/* Thresholds, as learned from connections to that port that have ended. */
void upgrade_learn(struct sock *s);
void upgrade_learned(struct sock *s, struct link *l);
/* Grants do not happen meanwhile.  Before all other locks. */
void upgrade_lock(void);
void upgrade_unlock(void);
/* For an offer of @fd: the one that who waits for it listens to; referenced. */
struct bell *upgrade_bell(int fd);
/* Another thread may have closed the number, as one of several that mean @s,
 * and it means another connection already. */
bool upgrade_is_still(const struct sock *s, int fd);

/* --- position.c: how far the kernel's stream is --- */
/* Has the kernel had the peer's FIN? */
bool position_has_fin(const struct sock *s, int fd);
/* Bytes that it has received, a FIN counts as one; true if no more can come.
 * Whoever waits for them has been woken: this waits for the socket's lock. */
bool position_received(int fd, uint64_t *bytes);
/* What has been read from the kernel; no thread of ours may be reading. */
int position_read(const struct sock *s, int fd, uint64_t *at);
/* What has been written to the kernel; nobody may be writing. */
int position_written(const struct sock *s, int fd, uint64_t *at);

/* --- back.c: and from the link to the kernel --- */
/* With tx_lock, where one of the two ends has left the ring that we send by, or
 * is to leave it: what the peer will not read there goes by the kernel.  True:
 * not all yet. */
bool back_tx(struct sock *s, int fd, struct link *l);
/* The same; we are about to send a FIN. */
bool back_before_fin(struct sock *s, int fd, struct link *l);
/* We are about to close: what the peer sends twice is not unread. */
void back_before_close(struct sock *s, int fd, struct link *l);
/* back_tx(), until all is sent, but not for ever */
void back_finish(struct sock *s, int fd, struct link *l);
/* With rx_lock: HOLD_RX_BACK, if the peer has left the ring and it is empty. */
/* The switch was seen late. */
void back_overtaken(struct sock *s, struct link *l);
void back_rx(struct sock *s, int fd, struct link *l);
/* Is it to be left, since the peer has shut down sending?  @peer: its flags */
static inline bool back_half_closed(const struct sock *s, const struct link *l,
				    uint32_t peer)
{
	return unlikely((peer & (WIRE_LINK_FIN | WIRE_LINK_CLOSED)) ==
			WIRE_LINK_FIN) &&
	       !link_is_local(s) && !(link_flags(&l->end) & WIRE_LINK_FIN) &&
	       !l->dead;
}
/* Look, without a lock, and do what is due of both. */
void back_see(struct sock *s, struct link *l);
static inline bool back_is_due(struct link *l)
{
	return unlikely(
		(link_peer_flags(&l->end) & (WIRE_LINK_BACK | WIRE_LINK_FIN)) |
		(link_flags(&l->end) & (WIRE_LINK_LEFT | WIRE_LINK_BACK)));
}
/* Somebody who knows of no link is to have @fd, which is @s, and perhaps
 * nobody else (@stays: this process goes on with it). */
void back_leave(struct sock *s, int fd, bool stays);
/* What this process sends is to go by the kernel; what it reads need not. */
void back_leave_sending(struct sock *s, int fd);
/* The peer may still have to take back what we did not read: give it a moment,
 * until @end_ns. */
void back_await(struct sock *s, uint64_t end_ns);
/* The process ends. */
void back_at_exit(void);

/* --- stay.c: what comes of it otherwise --- */
int stay_cookie(int fd, uint64_t *cookie);
int stay_addresses(int fd, struct offer *o);
bool stay_same_host(const struct offer *o);
/* It stays with the kernel, for now or for good: counted, and shown. */
void stay(struct sock *s, int fd, enum wire_ext_why why);
void stay_refused(struct sock *s, int fd, enum offer_refusal why);
/* Not any more. */
void stay_over(struct sock *s);
/* The program wants what only the kernel can do, as urgent data: no link, and
 * the way back from one. */
void stay_for_good(struct sock *s, int fd);
/* The same, of what is sent alone. */
void stay_sending(struct sock *s, int fd);

static inline bool link_work_due(struct sock *s)
{
	struct link *l = s->link;

	if (likely(l))
		return unlikely(!l->settled);
	if (s->upgrade == UPGRADE_NEVER)
		return false;
	return offer_mail() ||
	       (s->upgrade == UPGRADE_IDLE && upgrade_due_offer(s)) ||
	       (s->upgrade == UPGRADE_OFFERED &&
		s->offer_epoch != offer_epoch());
}

/*
 * Enter a call that the kernel is to make: false if the link is to be used
 * instead.  *@count is s->k_rx or s->k_tx, raised until link_leave().
 */
static inline bool link_enter_kernel(struct sock *s, int fd, _Atomic int *count)
{
	if (link_work_due(s))
		upgrade_work(s, fd);
	if (s->link)
		return false;
	/* the count before the second look: pairs with upgrade_consent(),
	 * which sets the link before it looks at the count */
	++*count;
	if (likely(!s->link))
		return true;
	--*count;
	return false;
}

/* The link came while it was in there. */
void link_read_late(struct sock *s, size_t n);

static inline ssize_t link_leave_rx(struct sock *s, ssize_t n)
{
	if (n > 0) {
		if (unlikely(s->link))
			link_read_late(s, (size_t)n);
		s->sent_last = false;
		s->moved += (uint64_t)n;
	}
	--s->k_rx;
	return n;
}

static inline ssize_t link_leave_tx(struct sock *s, ssize_t n)
{
	--s->k_tx;
	if (n > 0) {
		if (!s->sent_last)
			s->turns++;
		s->sent_last = true;
		s->moved += (uint64_t)n;
	} else if (unlikely(n == -EAGAIN && s->link)) {
		sock_was_full(s); /* the link has come meanwhile */
	}
	return n;
}

/* --- link.c: the state of one that is there --- */
void link_list(struct link *l);
void link_unlist(struct link *l);
void link_release(struct sock *s);
/* The last number of @s in this process is about to be closed, as @fd. */
void link_closing(struct sock *s, int fd);
/* The same, unless more than @refs refer to it: a call goes on, by s->fd. */
void link_closing_unless(struct sock *s, int fd, uint32_t refs);
/* Has something ended, or gone back to the kernel?  Without a system call. */
bool link_has_news(const struct sock *s, struct link *l);
/* The kernel was heard to say so, or this end reads no more: by this process or
 * by one that shares it. */
static inline bool link_has_ended(const struct sock *s, const struct link *l)
{
	return l->ended || s->hold->flags & (HOLD_RD_SHUT | HOLD_ENDED);
}
unsigned link_ready(struct sock *s, struct link *l, unsigned want);
bool link_arm(struct sock *s, struct link *l, unsigned events,
	      const uint32_t *tail);
uint32_t link_rx_tail(struct sock *s, struct link *l);
/* ... while all comes by the ring */
uint32_t link_rx_tail_by_ring(const struct sock *s, const struct link *l);
/* poll(2) of the kernel's connection, without waiting. */
unsigned link_ask_kernel(struct sock *s, unsigned ask);
/* What a sleeper asks the kernel about it: POLL* bits. */
unsigned link_liveness(struct sock *s, struct link *l, unsigned events);
/* ... and what it has heard. */
void link_alive(struct sock *s, struct link *l, unsigned revents);
int link_shutdown(struct sock *s, int fd, struct link *l, int how);
/* Something was taken from the ring; with rx_lock. */
void link_has_read(struct sock *s, int fd, struct link *l);
static inline void link_took(struct sock *s, int fd, struct link *l)
{
	if (unlikely(s->hold->flags & HOLD_RESETS))
		link_has_read(s, fd, l);
}
/* The kernel has a FIN that the peer did not announce: true if it is dead. */
bool link_see_death(struct sock *s, struct link *l);
/* It is: what is in the ring will not be taken. */
void link_is_dead(struct sock *s, struct link *l);
/* diag.c: asks the kernel's socket diagnostics. Bytes of the answer, @least at
 * least, or -errno. */
struct nlmsghdr;
ssize_t sock_diag_ask(const struct nlmsghdr *question, struct nlmsghdr *answer,
		      size_t size, size_t least);
/* The error that whoever sends is told, once: 0 or an errno.  That of a Unix
 * socket is for who reads, and EPIPE for who writes. */
static inline int link_take_error(struct sock *s)
{
	return unlikely(s->opts->error) && !link_is_local(s)
		       ? atomic_exchange(&s->opts->error, 0)
		       : 0;
}
/* Write the peer's bell if @bell says that it is to be. */
static inline void link_ring(struct link *l, int bell)
{
	if (unlikely(bell >= 0))
		bell_ring(l->grant.bell_fd);
}
/* The other end is to look, asleep or not. */
static inline void link_call(struct link *l)
{
	link_rouse(&l->end);
	bell_ring(l->grant.bell_fd);
}
void link_lock(struct sock *s, struct link_lock *lock, pthread_mutex_t *family);
void link_unlock(struct link_lock *lock, pthread_mutex_t *family);
#define link_lock_rx(s, l) link_lock(s, &(l)->rx_lock, &(s)->hold->rx_lock)
#define link_unlock_rx(s, l) link_unlock(&(l)->rx_lock, &(s)->hold->rx_lock)
#define link_lock_tx(s, l) link_lock(s, &(l)->tx_lock, &(s)->hold->tx_lock)
#define link_unlock_tx(s, l) link_unlock(&(l)->tx_lock, &(s)->hold->tx_lock)
/* DRAIN or RING if the peer has switched; rx_lock held */
void link_see_switch(struct sock *s, struct link *l);
/* DRAIN: bytes that the kernel has before the ring's first; likewise. */
uint64_t link_kernel_left(struct sock *s);
/* A burst has gone by the ring; threads that are about to sleep give back what
 * it left; and the link is about to go. */
void link_spread(struct link *l);
void link_tidy(void);
void link_untidy(struct sock *s);

/* Every link of the process that nobody is sending by, this thread neither. */
void link_each_idle(void (*fn)(struct sock *s, struct link *l));
/* Nobody is in the middle of a copy while the process is forked. */
void link_fork_prepare(void);
void link_fork_parent(void);
void link_fork_child(void);

/* --- link_recv.c, link_send.c --- */
/* A call returns @ret: if that is an error that had come by itself, it was an
 * edge. */
void link_told(struct sock *s, ssize_t ret);
ssize_t link_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		  int flags);
/* ... with what comes beside the bytes, of which msg_control, msg_controllen
 * and msg_flags are set */
ssize_t link_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
ssize_t link_send(struct sock *s, int fd, const struct iovec *iov, int n,
		  int flags);
/* What lies in the ring, without copy: bytes, 0 if there are none,
 * -EOPNOTSUPP while the kernel has them, -ECONNRESET if it is spoilt. */
ssize_t link_view(struct sock *s, int fd, struct link *l, struct iovec *iov,
		  int *n);
/* Which way bytes go that are sent now, with tx_lock. */
enum link_way {
	LINK_BY_RING,
	LINK_BY_KERNEL, /* before the switch, or the kernel must say what
			   becomes of them, or after the way back */
	LINK_NOT_YET,	/* the kernel's, when it has room: as a full ring */
};
enum link_way link_way_out(struct sock *s, int fd, struct link *l);
/* @n bytes lie in the ring, in what ring_space() gave: publish them; with
 * tx_lock.  Whom to ring, see link_ring(). */
int link_filled(struct sock *s, int fd, struct link *l, size_t n);
/* The peer wrote nonsense (-EPROTO): to the program, as if the network had
 * broken. */
ssize_t link_broken(struct sock *s, int fd);
/* link_file.c */
ssize_t link_sendfile(struct sock *s, int fd, int in, off_t *off, size_t len);
/* link.c: is a new SO_RCVLOWAT, or what has just come, an edge?  To the kernel
 * it is if so much is unread, or the peer's FIN is there; not by one's own
 * shutdown(2) nor a reset, and never of a Unix socket. */
bool link_has_enough(struct sock *s, struct link *l);
/* link_count.c: bytes to be read, or not yet taken by the peer: FIONREAD,
 * SIOCOUTQ */
int link_count(struct sock *s, int fd, struct link *l, bool sent);

#endif /* SOCK_LINK_H */
