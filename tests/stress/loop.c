/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - many connections in one epoll instance, of one thread or several */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stress.h"

#define EVENTS 16

enum style { LEVEL, EDGE, ONESHOT, N_STYLES };

struct loop {
	int fd;
	enum style style;
	struct rng rng;
	_Atomic int listener; /* -1: no more will come */
	int done;	      /* eventfd */
	uint64_t seed;
};

static __thread struct rng luck;

static const char *const names[] = { "level", "edge", "oneshot" };

struct loop *loop_new(uint64_t seed, struct rng *r)
{
	struct loop *l = calloc(1, sizeof(*l));
	struct epoll_event ev = { .events = EPOLLIN };

	l->fd = epoll_create1(EPOLL_CLOEXEC);
	l->style = (enum style)below(r, N_STYLES);
	l->rng.state = rnd(r);
	l->listener = -1;
	l->seed = seed;
	l->done = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epoll_ctl(l->fd, EPOLL_CTL_ADD, l->done, &ev))
		die(NULL, "epoll_ctl: %s", strerror(errno));
	return l;
}

void loop_free(struct loop *l)
{
	close(l->fd);
	close(l->done);
	free(l);
}

/* May several threads wait in it? */
bool loop_is_shared(const struct loop *l)
{
	return l->style == ONESHOT;
}

static uint32_t wanted(const struct loop *l, const struct ep *ep)
{
	uint32_t out = ep_wants_send(ep) ? EPOLLOUT : 0;

	if (l->style == EDGE)
		return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
	return (ep->eof ? 0 : EPOLLIN) | out |
	       (l->style == ONESHOT ? EPOLLONESHOT : 0);
}

static void ctl(struct loop *l, int op, struct ep *ep)
{
	struct epoll_event ev = { .events = ep->events, .data.ptr = ep };

	if (epoll_ctl(l->fd, op, ep->fd, &ev))
		die(ep, "epoll_ctl %d: %s", op, strerror(errno));
}

void loop_add(struct loop *l, struct ep *ep)
{
	int flags = fcntl(ep->fd, F_GETFL);

	if (one_in(&ep->rng, 2))
		fcntl(ep->fd, F_SETFL, flags | O_NONBLOCK);
	ep->mode = names[l->style];
	ep->events = wanted(l, ep);
	ep->where = "epoll_wait";
	ctl(l, EPOLL_CTL_ADD, ep);
}

void loop_listen(struct loop *l, int listener)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };

	fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK);
	l->listener = listener;
	if (epoll_ctl(l->fd, EPOLL_CTL_ADD, listener, &ev))
		die(NULL, "epoll_ctl: %s", strerror(errno));
}

static bool is_done(struct loop *l)
{
	return l->listener < 0 && !n_active;
}

/* Whoever sees that all is done tells those who sleep. */
static void tell_done(struct loop *l)
{
	static const uint64_t one = 1;

	if (is_done(l) && write(l->done, &one, sizeof(one)) < 0)
		die(NULL, "eventfd: %s", strerror(errno));
}

/* The server has been told to stop if the listener is shut down. */
static void take_more(struct loop *l)
{
	struct ep *ep;
	int fd;

	fd = accept_one(one_in(&luck, 2) ? SOCK_NONBLOCK : 0);
	if (fd >= 0) {
		ep = ep_new(l->seed, 0, SERVER, fd);
		loop_add(l, ep);
	} else if (errno == EINVAL) {
		epoll_ctl(l->fd, EPOLL_CTL_DEL, l->listener, NULL);
		l->listener = -1;
		tell_done(l);
	}
}

/* Everything that goes now, or some of it. */
static bool work(struct loop *l, struct ep *ep)
{
	int budget = l->style == EDGE ? 1 << 30 : 1 + (int)below(&ep->rng, 4);
	bool moved = true;

	while (moved && budget-- > 0) {
		if (ep_finish(ep))
			return true;
		moved = false;
		if (ep_wants_send(ep))
			moved |= ep_send(ep, false) > 0;
		if (!ep->eof && !ep->over)
			moved |= ep_recv(ep, false) > 0;
	}
	return ep_finish(ep);
}

static void again(struct loop *l, struct ep *ep)
{
	uint32_t events = wanted(l, ep);

	if (l->style == LEVEL && one_in(&ep->rng, 32)) {
		ctl(l, EPOLL_CTL_DEL, ep);
		ep->events = events;
		ctl(l, EPOLL_CTL_ADD, ep);
	} else if (l->style == ONESHOT ||
		   (l->style == LEVEL && events != ep->events)) {
		ep->events = events;
		ep->busy = 0; /* others may have it at once */
		ctl(l, EPOLL_CTL_MOD, ep);
	}
}

static void handle(struct loop *l, struct ep *ep)
{
	if (atomic_exchange(&ep->busy, 1))
		die(ep, "two threads were told of one connection");
	if (work(l, ep)) {
		ep_close(ep);
		ep_free(ep);
		tell_done(l);
		return;
	}
	ep->where = "epoll_wait";
	if (l->style != ONESHOT)
		ep->busy = 0;
	again(l, ep);
}

void loop_run(struct loop *l)
{
	struct epoll_event evs[EVENTS];
	int i, n;

	luck.state = mix(rnd(&l->rng), (uint64_t)(uintptr_t)&n);
	tell_done(l);
	while (!is_done(l)) {
		n = epoll_wait(l->fd, evs, 1 + (int)below(&luck, EVENTS), -1);
		if (n < 0 && errno != EINTR)
			die(NULL, "epoll_wait: %s", strerror(errno));
		for (i = 0; i < n; i++)
			if (evs[i].data.ptr == l)
				take_more(l);
			else if (evs[i].data.ptr)
				handle(l, evs[i].data.ptr);
	}
}
