/* SPDX-License-Identifier: Apache-2.0 */
/* select.c - select(2), by poll(2) */
#include <errno.h>
#include <sys/select.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sess/app.h"
#include "core/sock/poll.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

#define SEL_RD (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SEL_WR (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SEL_EX POLLPRI

static bool in_set(const fd_set *set, int fd)
{
	return set && FD_ISSET(fd, set);
}

/* FD_SET() of glibc aborts above FD_SETSIZE; programs do pass larger sets. */
static nfds_t to_poll(int n, const fd_set *rd, const fd_set *wr,
		      const fd_set *ex, struct pollfd *fds)
{
	nfds_t k = 0;
	short ev;
	int fd;

	for (fd = 0; fd < n; fd++) {
		ev = (short)((in_set(rd, fd) ? POLLIN | POLLRDNORM : 0) |
			     (in_set(wr, fd) ? POLLOUT | POLLWRNORM : 0) |
			     (in_set(ex, fd) ? POLLPRI : 0));
		if (ev)
			fds[k++] = (struct pollfd){ .fd = fd, .events = ev };
	}
	return k;
}

static int put_back(fd_set *set, const struct pollfd *p, short asked, int bits)
{
	if (!(p->events & asked))
		return 0;
	if (p->revents & bits)
		return 1;
	FD_CLR(p->fd, set);
	return 0;
}

static int from_poll(const struct pollfd *fds, nfds_t k, fd_set *rd, fd_set *wr,
		     fd_set *ex)
{
	int count = 0;
	nfds_t i;

	for (i = 0; i < k; i++) {
		count += put_back(rd, &fds[i], POLLIN, SEL_RD);
		count += put_back(wr, &fds[i], POLLOUT, SEL_WR);
		count += put_back(ex, &fds[i], POLLPRI, SEL_EX);
	}
	return count;
}

/* Not open: an error; but closed while one waits is ready, for all. */
static int check_closed(struct pollfd *fds, nfds_t k, bool waited)
{
	nfds_t i;

	for (i = 0; i < k; i++) {
		if (likely(!(fds[i].revents & POLLNVAL)))
			continue;
		if (!waited)
			return -EBADF;
		fds[i].revents = SEL_RD | SEL_WR | SEL_EX;
	}
	return 0;
}

/* Is there anything that select(2) shows? */
static bool shown(const struct pollfd *p)
{
	int bits = POLLNVAL;

	bits |= p->events & POLLIN ? SEL_RD : 0;
	bits |= p->events & POLLOUT ? SEL_WR : 0;
	bits |= p->events & POLLPRI ? SEL_EX : 0;
	return p->revents & bits;
}

/* poll(2) also ends for a hang-up that nobody asked for: that descriptor will
 * show nothing more, so it is left out, under a negative number. */
static int select_loop(struct pollfd *fds, nfds_t k,
		       const struct timespec *timeout, const sigset_t *mask)
{
	uint64_t end = sock_end_ns(timeout);
	struct timespec ts;
	bool any = false;
	nfds_t i;
	int ret;

	do {
		ret = sock_ppoll(fds, k, poll_left(end, &ts), mask);
		for (i = 0; ret > 0 && i < k; i++) {
			if (shown(&fds[i]))
				any = true;
			else if (fds[i].fd >= 0 && fds[i].revents)
				fds[i].fd = ~fds[i].fd;
		}
	} while (ret > 0 && !any);
	for (i = 0; i < k; i++)
		if (fds[i].fd < 0)
			fds[i].fd = ~fds[i].fd;
	return ret;
}

/* glibc's sets, up to the word that has the last descriptor. */
static bool sets_ok(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	size_t len =
		(size_t)(n + __NFDBITS - 1) / __NFDBITS * sizeof(__fd_mask);

	return n <= 0 ||
	       ((!rd || user_ok(rd, len)) && (!wr || user_ok(wr, len)) &&
		(!ex || user_ok(ex, len)));
}

int sock_pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex,
		 const struct timespec *timeout, const sigset_t *mask)
{
	static const struct timespec zero;
	struct pollfd fds[FD_SETSIZE];
	bool waits;
	nfds_t k;
	int ret;

	if (n > FD_SETSIZE || !sets_ok(n, rd, wr, ex) ||
	    (timeout && !user_ok(timeout, sizeof(*timeout))))
		return k_pselect(n, rd, wr, ex, timeout, mask);
	if (n < 0 || (timeout && !timespec_ok(timeout)))
		return -EINVAL;
	k = to_poll(n, rd, wr, ex, fds);
	if (!poll_any_ours(fds, k) && !app_zombies())
		return k_pselect(n, rd, wr, ex, timeout, mask);
	ret = select_loop(fds, k, &zero, mask);
	waits = !ret && (!timeout || timeout->tv_sec || timeout->tv_nsec);
	if (waits)
		ret = select_loop(fds, k, timeout, mask);
	if (ret >= 0)
		ret = check_closed(fds, k, waits);
	return ret < 0 ? ret : from_poll(fds, k, rd, wr, ex);
}
