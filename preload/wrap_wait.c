/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_wait.c - readiness: poll, select, epoll */
#include <limits.h>
#include <time.h>

#include "core/base/user.h"
#include "core/sock/sock.h"
#include "preload/fresh.h"
#include "preload/real.h"

#define MS 1000000L
#define SEC 1000000000L

/* Milliseconds as poll() has them, negative for ever, in the core's form. */
static const struct timespec *from_ms(int ms, struct timespec *ts)
{
	if (ms < 0)
		return NULL;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * MS;
	return ts;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec ts;

	if (likely(!sock_any()))
		return REAL(poll)(fds, n, ms);
	return (int)ret(sock_ppoll(fds, n, from_ms(ms, &ts), NULL));
}
ALIAS(__poll, poll);

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		 const sigset_t *mask)
{
	if (likely(!sock_any()))
		return REAL(ppoll)(fds, n, timeout, mask);
	return (int)ret(sock_ppoll(fds, n, timeout, mask));
}

/* The fortified forms: libc's own is the one that complains and aborts. */
EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
	struct timespec ts;

	if (likely(!sock_any()) || room / sizeof(*fds) < n)
		return REAL(__poll_chk)(fds, n, ms, room);
	return (int)ret(sock_ppoll(fds, n, from_ms(ms, &ts), NULL));
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n,
		       const struct timespec *timeout, const sigset_t *mask,
		       size_t room)
{
	if (likely(!sock_any()) || room / sizeof(*fds) < n)
		return REAL(__ppoll_chk)(fds, n, timeout, mask, room);
	return (int)ret(sock_ppoll(fds, n, timeout, mask));
}

/*
 * @tv as a timespec, normalised as libc does it (microseconds may be a second
 * or more), and the time when it is over.  False if @tv is negative.
 */
static bool from_tv(const struct timeval *tv, struct timespec *ts,
		    struct timespec *end)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0)
		return false;
	clock_gettime(CLOCK_MONOTONIC, end);
	/* so far off that nobody will see it, but no overflow below */
	ts->tv_sec = MIN(tv->tv_sec, (time_t)INT_MAX);
	ts->tv_sec += MIN(tv->tv_usec / 1000000, (time_t)INT_MAX);
	ts->tv_nsec = tv->tv_usec % 1000000 * 1000;
	end->tv_sec += ts->tv_sec;
	end->tv_nsec += ts->tv_nsec;
	return true;
}

/* What is left until @end, or nothing: Linux' select() tells its caller. */
static void time_left(const struct timespec *end, struct timeval *tv)
{
	struct timespec now;
	long long left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = (end->tv_sec - now.tv_sec) * (long long)SEC + end->tv_nsec -
	       now.tv_nsec;
	left = MAX(left, 0LL);
	tv->tv_sec = left / SEC;
	tv->tv_usec = left % SEC / 1000;
}

EXPORT int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *tv)
{
	struct timespec ts, end;
	int r;

	if (likely(!sock_any()) || (tv && !user_ok(tv, sizeof(*tv))))
		return REAL(select)(n, rd, wr, ex, tv);
	if (tv && !from_tv(tv, &ts, &end))
		return (int)ret(-EINVAL);
	r = sock_pselect(n, rd, wr, ex, tv ? &ts : NULL, NULL);
	if (tv)
		time_left(&end, tv);
	return (int)ret(r);
}
ALIAS(__select, select);

EXPORT int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex,
		   const struct timespec *timeout, const sigset_t *mask)
{
	if (likely(!sock_any()))
		return REAL(pselect)(n, rd, wr, ex, timeout, mask);
	return (int)ret(sock_pselect(n, rd, wr, ex, timeout, mask));
}

/* Threads may sleep in an instance before a socket of ours comes into it, so
 * the core knows every instance from the start. */
static int created(int ep)
{
	fresh(ep);
	sock_epoll_created(ep);
	return ep;
}

EXPORT int epoll_create(int size)
{
	return created(REAL(epoll_create)(size));
}

EXPORT int epoll_create1(int flags)
{
	return created(REAL(epoll_create1)(flags));
}

/* Always the core: it remembers registrations (core/sock/sock.h). */
EXPORT int epoll_ctl(int ep, int op, int fd, struct epoll_event *ev)
{
	return (int)ret(sock_epoll_ctl(ep, op, fd, ev));
}

EXPORT int epoll_wait(int ep, struct epoll_event *evs, int n, int ms)
{
	struct timespec ts;

	if (likely(!sock_is(ep)))
		return REAL(epoll_wait)(ep, evs, n, ms);
	return (int)ret(sock_epoll_pwait2(ep, evs, n, from_ms(ms, &ts), NULL));
}

EXPORT int epoll_pwait(int ep, struct epoll_event *evs, int n, int ms,
		       const sigset_t *mask)
{
	struct timespec ts;

	if (likely(!sock_is(ep)))
		return REAL(epoll_pwait)(ep, evs, n, ms, mask);
	return (int)ret(sock_epoll_pwait2(ep, evs, n, from_ms(ms, &ts), mask));
}

EXPORT int epoll_pwait2(int ep, struct epoll_event *evs, int n,
			const struct timespec *timeout, const sigset_t *mask)
{
	if (likely(!sock_is(ep)))
		return REAL(epoll_pwait2)(ep, evs, n, timeout, mask);
	return (int)ret(sock_epoll_pwait2(ep, evs, n, timeout, mask));
}
