/* SPDX-License-Identifier: Apache-2.0 */
/* link_end.c - shutdown(2), close(2) and death of an upgraded connection */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "core/base/mem.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

void link_is_dead(struct sock *s, struct link *l)
{
	if (atomic_exchange(&l->dead, true))
		return;
	/* the error is told once, to whichever process asks first */
	if (atomic_fetch_or(&s->hold->flags, HOLD_DEAD) & HOLD_DEAD)
		return;
	if (s->hold->link.tx_ring && ring_unread(&l->end.tx)) {
		s->opts->error = ECONNRESET;
		k_shutdown(s->fd, SHUT_RDWR);
	}
}

/*
 * Who closes or shuts down says so in the link before the kernel does (FIN).
 * Who is killed, or just exits, does not: then nobody will take what is in the
 * ring, or read any more.  TCP would have reset the connection if something
 * was left unread, which the kernel does not know: so we do it here.
 */
bool link_see_death(struct sock *s, struct link *l)
{
	if (link_is_local(s))
		return local_see_death(s, l);
	/* who has left the link says it in the kernel alone */
	if (likely(link_peer_flags(&l->end) & WIRE_LINK_FIN ||
		   link_reader_left(&l->end)))
		return false;
	/* the kernel's word before the flag: they were given in the other
	 * order */
	if (!position_has_fin(s, s->fd) ||
	    link_peer_flags(&l->end) & WIRE_LINK_FIN ||
	    link_reader_left(&l->end))
		return l->dead;
	link_is_dead(s, l);
	return true;
}

static int shut_sending(struct sock *s, int fd, struct link *l, int how)
{
	bool later = back_before_fin(s, fd, l);
	uint32_t flags = WIRE_LINK_FIN;
	int err;

	/* at once, or the peer sends by the kernel what we have not read, and
	 * is reset for it: back_half_closed() */
	if (how == SHUT_RDWR || s->hold->flags & HOLD_RD_SHUT)
		flags |= WIRE_LINK_CLOSED;
	/* the peer leaves in this moment, and had us down as one that sends */
	if (unlikely(link_set_flags(&l->end, flags) & WIRE_LINK_LEFT))
		later = back_tx(s, fd, l);
	/* who waits for room sends by the kernel from here on */
	if (!link_is_local(s) && link_writer_waits(&l->end))
		link_call(l);
	if (unlikely(later)) { /* the kernel's FIN comes when it has all */
		s->hold->link.tx_fin = 1;
		return how == SHUT_RDWR ? k_shutdown(fd, SHUT_RD) : 0;
	}
	err = k_shutdown(fd, how);
	if (link_is_local(s))
		atomic_fetch_or(&s->hold->flags, HOLD_WR_SHUT);
	return err;
}

/* Bytes that nobody will read: then TCP resets, as it does for its own. */
static bool has_unread(struct sock *s, struct link *l)
{
	uint32_t mode = s->hold->link.rx_mode;

	return mode != HOLD_RX_KERNEL && mode != HOLD_RX_BACK &&
	       ring_used(&l->end.rx) > 0;
}

static void linger(int fd, int seconds)
{
	struct linger lg = { .l_onoff = seconds >= 0,
			     .l_linger = MAX(seconds, 0) };

	k_setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
}

/*
 * When we have shut down both ways the peer can't send us by the kernel any
 * more what is in the ring.  If we are killed before that is read, TCP would
 * reset; so we are to as well, until it is read.  With rx_lock, or who has just
 * read the last of it would leave us with the reset.
 */
static void reset_if_killed(struct sock *s, int fd, struct link *l)
{
	if (link_is_local(s))
		return;
	link_lock_rx(s, l);
	if (has_unread(s, l)) {
		atomic_fetch_or(&s->hold->flags, HOLD_RESETS);
		linger(fd, 0);
	}
	link_unlock_rx(s, l);
}

void link_has_read(struct sock *s, int fd, struct link *l)
{
	if (has_unread(s, l) ||
	    !(atomic_fetch_and(&s->hold->flags, ~HOLD_RESETS) & HOLD_RESETS))
		return;
	linger(fd, s->opts->linger);
}

/* Shut down both ways, in whatever order: what the peer sends from here on TCP
 * answers by a reset, so it is to be sent by the kernel. */
static void shut_wholly(struct sock *s, int fd, struct link *l)
{
	if (!(s->hold->flags & HOLD_RD_SHUT) ||
	    !(link_flags(&l->end) & WIRE_LINK_FIN))
		return;
	link_set_flags(&l->end, WIRE_LINK_CLOSED);
	link_ring(l, link_wake_writer(&l->end));
	reset_if_killed(s, fd, l);
}

int link_shutdown(struct sock *s, int fd, struct link *l, int how)
{
	uint32_t was = HOLD_RD_SHUT;
	int err;

	if (how != SHUT_WR && link_is_local(s))
		local_stops_reading(l);
	/* before the kernel's, which wakes who sleeps: they took the hang-up
	 * for the peer's end, and that, when it came, for no edge */
	if (how != SHUT_WR)
		was = atomic_fetch_or(&s->hold->flags, HOLD_RD_SHUT);
	if (how != SHUT_RD) {
		/* with the lock, so that whoever is sending is done */
		link_lock_tx(s, l);
		err = shut_sending(s, fd, l, how);
		link_unlock_tx(s, l);
	} else {
		err = k_shutdown(fd, how);
	}
	if (!err)
		shut_wholly(s, fd, l);
	else if (!(was & HOLD_RD_SHUT))
		atomic_fetch_and(&s->hold->flags, ~HOLD_RD_SHUT);
	/* the kernel wakes the peer, which sleeps on it as well; our own
	 * threads see that the kernel has something to say */
	l->ended = true;
	s->opts->shuts++;
	sock_notify(s);
	return err;
}

static void finish_sending(struct sock *s, int fd, struct link *l)
{
	link_lock_tx(s, l);
	if (back_before_fin(s, fd, l))
		back_finish(s, fd, l);
	link_unlock_tx(s, l);
}

/* The last process lets go. */
static void link_over(struct sock *s, int fd, struct link *l)
{
	finish_sending(s, fd, l);
	/* what the peer puts from here on, it sees is in vain; a writer that
	 * waits for room must hear of it: the kernel may not have a word to
	 * say */
	if (unlikely(link_set_flags(&l->end, WIRE_LINK_FIN | WIRE_LINK_CLOSED) &
		     WIRE_LINK_LEFT))
		finish_sending(s, fd, l); /* as shut_sending() */
	link_ring(l, link_wake_writer(&l->end));
	back_before_close(s, fd, l); /* after the fence in there */
	if (link_is_local(s)) {
		if (has_unread(s, l))
			link_set_flags(&l->end, WIRE_LINK_RESET);
	} else if (s->opts->linger == 0 || has_unread(s, l)) {
		link_set_flags(&l->end, WIRE_LINK_RESET);
		linger(fd, 0);
	}
}

static void let_go(struct sock *s, int fd)
{
	if (!s->hold)
		return;
	/* not hold_drop(): threads may still look at the record, in waits, and
	 * must not find another connection's */
	if (!hold_leave(s->hold)) {
		s->hold_shared = true;
		epoll_sock_leaves(s, fd);
	} else if (s->link) {
		link_over(s, fd, s->link);
	}
}

/* An offer is withdrawn: its grant, if that has been sent, would lie unread
 * till this process makes its next call. */
void link_closing(struct sock *s, int fd)
{
	uint64_t context;

	s->hold_left = true; /* before the look: take_grant(), offer_it() */
	stay_over(s);
	if (!s->hold && !s->context)
		return;
	upgrade_lock();
	let_go(s, fd);
	context = atomic_exchange(&s->context, 0);
	upgrade_unlock();
	if (context) /* which has been sent: offer_it() has the lock */
		offer_withdraw(context);
}

/* As in the kernel, a call that has begun keeps the connection: it goes on with
 * a copy of the number, and closes it in link_release(). */
void link_closing_unless(struct sock *s, int fd, uint32_t refs)
{
	int copy, cancel;

	if (s->link && s->refs - s->lost > refs) {
		cancel = cancel_off();
		copy = private_fd(k_fcntl(fd, F_DUPFD_CLOEXEC, 0));
		cancel_back(cancel);
		if (copy >= 0) {
			s->link->orphan = copy;
			s->fd = copy;
			return;
		}
	}
	link_closing(s, fd);
}

static void link_free(struct link *l)
{
	private_close(l->orphan);
	offer_set_user(&l->grant, NULL);
	link_unlist(l);
	bell_put(l->bell);
	pthread_mutex_destroy(&l->rx_lock.mine);
	pthread_mutex_destroy(&l->tx_lock.mine);
	mem_free(l);
}

static void hold_over(struct sock *s)
{
	if (s->hold && !s->hold_shared)
		hold_free(s->hold);
}

/* The sock is nobody's any more.  Where libc closed the descriptor behind our
 * back, this is the first we hear of it. */
void link_release(struct sock *s)
{
	struct link *l = s->link;
	struct offer_grant g;

	epoll_sock_gone(s);
	if (!s->hold_left)
		link_closing(s, l ? l->orphan : -1);
	bell_put(s->bell);
	if (s->port)
		sock_put(s->port);
	if (!l) {
		hold_over(s);
		return;
	}
	upgrade_learned(s, l);
	g = l->grant;
	link_untidy(s);
	link_free(l);
	hold_over(s);
	/* a process that shares it goes on by the same memory */
	if (s->hold_shared)
		offer_abandon(&g);
	else
		offer_release(&g);
}
