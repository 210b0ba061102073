/* SPDX-License-Identifier: Apache-2.0 */
/* epoll_item.c - is there anything to report of a registration? */
#include <sys/epoll.h>

#include "core/sock/epoll.h"
#include "core/sock/link.h"

/* For an SO_RCVLOWAT above 1.  Who has shut down reading always has input. */
static bool is_enough(struct sock *s, unsigned ready)
{
	if (!(ready & EPOLLIN))
		return false;
	return s->kind != SOCK_LINK || !s->link || link_is_local(s) ||
	       !(s->hold->flags & HOLD_RD_SHUT) || link_has_enough(s, s->link);
}

/* Input that comes is an edge to whoever asks for input of any kind, if it is
 * enough, and is reported with all that is ready then: also if it has been read
 * meanwhile. What was enough for a new SO_RCVLOWAT was counted as it was set.
 */
static bool hears_arrivals(const struct item *it, unsigned ready, uint32_t tail,
			   const struct edges *now)
{
	if (!(it->events & (EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI)))
		return false;
	return now->lowats != it->last.lowats ||
	       (tail != it->seen_tail &&
		(it->sock->opts->rcvlowat <= 1 || is_enough(it->sock, ready)));
}

/* Is there anything new about an item since it was last reported? */
static bool is_fresh(const struct item *it, unsigned ready, uint32_t tail,
		     const struct edges *now)
{
	return it->edge || ready & ~it->seen || now->shuts != it->last.shuts ||
	       (now->errors != it->last.errors && !(it->seen & EPOLLERR)) ||
	       hears_arrivals(it, ready, tail, now) ||
	       (ready & (EPOLLOUT | EPOLLWRNORM) && now->full != it->last.full);
}

static void was_seen(struct item *it, unsigned ready, const struct edges *now,
		     bool reported)
{
	it->last.errors = now->errors;
	it->last.lowats = now->lowats;
	it->seen = ready;
	if (!reported)
		return;
	it->edge = false;
	it->last = *now;
}

/* POLL* and EPOLL* are the same bits on Linux. */
static unsigned interest(const struct item *it)
{
	return it->events & 0xffff;
}

/* What it is looked at for.  An edge is reported with all that is of interest:
 * arrivals are one to whoever asks for urgent data only, and an end to all. */
static unsigned watched(const struct item *it)
{
	unsigned want = interest(it);

	if (!(it->events & EPOLLET))
		return want;
	if (want & (EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI))
		want |= EPOLLIN;
	return want | EPOLLRDHUP;
}

static unsigned of_interest(const struct item *it, unsigned ready)
{
	return ready & (interest(it) | EPOLLERR | EPOLLHUP);
}

unsigned item_ready(struct item *it)
{
	bool et = it->events & EPOLLET, fresh;
	uint32_t tail = 0;
	struct edges now;
	unsigned ready;

	if (it->disabled)
		return 0;
	/* the position before the readiness: what comes in between is
	 * reported once more rather than not at all */
	if (et)
		tail = sock_tail(it->sock);
	ready = sock_ready(it->sock, watched(it));
	if (!et)
		return ready;
	/* most often nothing more has come when we look again: then one
	 * arrival is one edge */
	if (ready && sock_tail(it->sock) != tail) {
		tail = sock_tail(it->sock);
		ready = sock_ready(it->sock, watched(it));
	}
	/* behind the look, which may count an end; once, or what is counted
	 * between the question and the note of it were lost */
	now = edges_of(it->sock);
	fresh = is_fresh(it, ready, tail, &now);
	was_seen(it, ready, &now, fresh);
	/* also if it is not to be reported (too few bytes, or nobody asked for
	 * input): else item_arm() would call these bytes new for ever */
	it->seen_tail = tail;
	return fresh ? of_interest(it, ready) : 0;
}

bool item_pending(struct item *it)
{
	struct edges now;
	unsigned ready;

	if (it->disabled)
		return false;
	ready = sock_ready(it->sock, watched(it));
	if (!(it->events & EPOLLET))
		return ready;
	now = edges_of(it->sock);
	return of_interest(it, ready) &&
	       is_fresh(it, ready, sock_tail(it->sock), &now);
}

/* Armed, and nothing to report: this item may be forgotten until it fires. */
bool item_arm(struct item *it)
{
	bool et = it->events & EPOLLET;

	if (it->disabled)
		return true;
	if (sock_arm(it->sock, watched(it), et ? &it->seen_tail : NULL))
		return false;
	return !et || !item_pending(it);
}
