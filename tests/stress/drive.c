/* SPDX-License-Identifier: Apache-2.0 */
/* drive.c - a connection with a thread of its own, or two; and mischief */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

static void nap(struct ep *ep)
{
	struct timespec ts = { .tv_nsec = below(&ep->rng, 3000000) };

	if (one_in(&ep->rng, 200)) /* a peer that does not call for long */
		ts.tv_nsec = 100000000;
	nanosleep(&ts, NULL);
}

static void set_block(struct ep *ep, bool block)
{
	int flags = fcntl(ep->fd, F_GETFL);

	if (flags < 0 ||
	    fcntl(ep->fd, F_SETFL,
		  block ? flags & ~O_NONBLOCK : flags | O_NONBLOCK))
		die(ep, "O_NONBLOCK: %s", strerror(errno));
}

static void wait_ready(struct ep *ep)
{
	bool out = ep_wants_send(ep), in = !ep->eof;
	struct pollfd pfd = { .fd = ep->fd };
	fd_set rd, wr;

	if (ep->fd < FD_SETSIZE && one_in(&ep->rng, 2)) {
		FD_ZERO(&rd);
		FD_ZERO(&wr);
		if (in)
			FD_SET(ep->fd, &rd);
		if (out)
			FD_SET(ep->fd, &wr);
		ep->where = "select";
		if (select(ep->fd + 1, &rd, &wr, NULL, NULL) < 0 &&
		    errno != EINTR)
			die(ep, "select: %s", strerror(errno));
		return;
	}
	pfd.events = (short)((in ? POLLIN : 0) | (out ? POLLOUT : 0));
	ep->where = "poll";
	if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
		die(ep, "poll: %s", strerror(errno));
	if (pfd.revents & POLLNVAL)
		die(ep, "poll: POLLNVAL");
}

/* --- mischief --- */

static void by_dup(struct ep *ep)
{
	int fd = dup(ep->fd);

	if (fd < 0)
		die(ep, "dup: %s", strerror(errno));
	close(ep->fd);
	ep->fd = fd;
}

static void by_dup2(struct ep *ep)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || dup2(ep->fd, fd) != fd)
		die(ep, "dup2: %s", strerror(errno));
	close(ep->fd);
	ep->fd = fd;
}

/* The other number for a call or two. */
static void by_both(struct ep *ep)
{
	int old = ep->fd, fd = fcntl(old, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		die(ep, "F_DUPFD: %s", strerror(errno));
	ep->fd = fd;
	if (ep_wants_send(ep))
		ep_send(ep, false);
	if (!ep->eof && !ep->over)
		ep_recv(ep, false);
	ep->fd = old;
	close(fd);
}

static void by_timeout(struct ep *ep)
{
	struct timeval tv = { .tv_usec = 1000 + below(&ep->rng, 20000) };

	ep->timeouts = !ep->timeouts;
	if (!ep->timeouts)
		tv.tv_usec = 0;
	setsockopt(ep->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(ep->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static void reap(struct ep *ep)
{
	int status;

	if (ep->child <= 0)
		return;
	ep->where = "waitpid";
	while (waitpid(ep->child, &status, 0) < 0)
		if (errno != EINTR)
			die(ep, "waitpid: %s", strerror(errno));
	if (status && !tolerant)
		die(ep, "child %d: status %x", ep->child, (unsigned)status);
	ep->child = 0;
}

/* The child has it for a while and closes it, or ends with it. */
static void by_child_closes(struct ep *ep)
{
	struct timespec ts = { .tv_nsec = below(&ep->rng, 5000000) };

	reap(ep);
	ep->child = fork();
	if (ep->child < 0)
		die(ep, "fork: %s", strerror(errno));
	if (ep->child)
		return;
	if (one_in(&ep->rng, 2))
		close(ep->fd);
	nanosleep(&ts, NULL);
	_exit(0);
}

static void run(struct ep *ep, bool polls);

/* What other threads had is not the child's: two children that wait for the end
 * of what the other has would wait for ever. */
static void close_others(const struct ep *ep)
{
	struct stat st;
	int fd;

	for (fd = 3; fd < 1024; fd++)
		if (fd != ep->fd && !fstat(fd, &st) && S_ISSOCK(st.st_mode))
			close(fd);
}

/* The child goes on with it, or becomes a program that does; this process
 * closes it, sooner or later. */
static bool by_child(struct ep *ep, bool polls)
{
	bool late = one_in(&ep->rng, 2);

	reap(ep);
	ep->child = fork();
	if (ep->child < 0)
		die(ep, "fork: %s", strerror(errno));
	if (!ep->child) {
		ep->child = -1;
		watchdog(60);
		close_others(ep);
		if (!late)
			nap(ep);
		if (one_in(&ep->rng, 2))
			become_another(ep, polls);
		ep->mode = polls ? "poll, child" : "block, child";
		run(ep, polls);
		if (one_in(&ep->rng, 2))
			close(ep->fd);
		_exit(0);
	}
	if (late)
		nap(ep);
	close(ep->fd);
	reap(ep);
	ep->over = true;
	ep->fd = -1;
	return true;
}

/* The runtime of gcc's AddressSanitizer (12) leaves its allocator's locks taken
 * in the child if another thread is in it: a child there may wait for ever. */
#ifdef __SANITIZE_ADDRESS__
#define FORKS_AMONG_THREADS false
#else
#define FORKS_AMONG_THREADS true
#endif

/* True: somebody else goes on with it. */
static bool mischief(struct ep *ep, bool polls)
{
	if (ep->child < 0 || !one_in(&ep->rng, 16))
		return false;
	ep->where = "mischief";
	switch (below(&ep->rng, 14)) {
	case 12:
		if (FORKS_AMONG_THREADS)
			by_spawn(ep);
		break;
	case 13:
		by_rights(ep);
		break;
	case 0:
		by_dup(ep);
		break;
	case 1:
		by_dup2(ep);
		break;
	case 2:
		by_both(ep);
		break;
	case 3:
		by_timeout(ep);
		break;
	case 4:
		if (!one_in(&ep->rng, 3) || !FORKS_AMONG_THREADS)
			break;
		if (one_in(&ep->rng, 2))
			return by_child(ep, polls);
		by_child_closes(ep);
		break;
	default:
		nap(ep);
	}
	return false;
}

/* --- drivers --- */

/* Without blocking, and by poll() or nothing in between. */
static void step(struct ep *ep, bool polls)
{
	int moved = 0;

	if (ep_wants_send(ep))
		moved |= ep_send(ep, false) > 0;
	if (!ep->eof && !ep->over)
		moved |= ep_recv(ep, false) > 0;
	if (moved || ep->over || ep_finish(ep))
		return;
	if (polls)
		wait_ready(ep);
	else if (one_in(&ep->rng, 4))
		nap(ep);
}

/* One thread that blocks: it must know whose turn it is. */
static void block_step(struct ep *ep)
{
	bool block = true;

	if (one_in(&ep->rng, 16)) {
		block = false;
		set_block(ep, false);
	}
	if (ep_wants_send(ep))
		ep_send(ep, block);
	else if (!ep->eof)
		ep_recv(ep, block);
	if (!block)
		set_block(ep, true);
}

static void run(struct ep *ep, bool polls)
{
	bool spins = polls && one_in(&ep->rng, 4);

	while (!ep_finish(ep)) {
		if (mischief(ep, polls))
			return;
		if (ep_finish(ep)) /* that was the last byte */
			break;
		if (polls)
			step(ep, !spins);
		else
			block_step(ep);
	}
}

void drive_on(struct ep *ep, bool polls)
{
	run(ep, polls);
}

/* --- two threads --- */

static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;

static void *reader(void *arg)
{
	struct ep *ep = arg;
	struct rng r = { ep->rng.state ^ 0x77 };

	while (!ep->eof && !ep->over && !ep_aborts(ep)) {
		if (ep->rcvd == ep->plan.total[!ep->side] &&
		    ep->plan.ending != END_SHUT && ep->plan.ender == ep->side)
			break;
		ep_recv(ep, true);
		pthread_mutex_lock(&turn_lock);
		pthread_cond_broadcast(&turn);
		pthread_mutex_unlock(&turn_lock);
		if (one_in(&r, 64))
			sched_yield();
	}
	if (ep_aborts(ep)) {
		ep->over = true;
		shutdown(ep->fd, SHUT_RDWR);
	}
	pthread_mutex_lock(&turn_lock);
	pthread_cond_broadcast(&turn);
	pthread_mutex_unlock(&turn_lock);
	return NULL;
}

/* The writer's own memory and luck. */
static void two_threads(struct ep *ep)
{
	struct ep *w = malloc(sizeof(*w));
	uint64_t all;
	pthread_t t;

	if (ep->side == SERVER)
		while (ep->header_done < sizeof(ep->header) && !ep->over)
			ep_recv(ep, true);
	else
		while (ep->header_done < sizeof(ep->header) && !ep->over)
			ep_send(ep, true);
	if (ep->over || pthread_create(&t, NULL, reader, ep))
		goto out;
	all = ep->plan.total[ep->side];
	memcpy(w, ep, sizeof(*w));
	w->rng.state ^= 0x99;
	w->file = -1;
	while (w->sent < all && !w->over) {
		pthread_mutex_lock(&turn_lock);
		while (w->sent == ep->may_send && !ep->over && !ep->eof)
			pthread_cond_wait(&turn, &turn_lock);
		pthread_mutex_unlock(&turn_lock);
		w->may_send = ep->may_send;
		if (w->sent == w->may_send)
			break;
		if (ep->over) { /* the reader broke it off */
			w->plan.ending = END_ABORT;
			w->plan.ender = !w->side;
		}
		if (ep->over && ep->plan.ender == ep->side)
			break;
		ep_send(w, true);
		ep->sent = w->sent;
	}
	if (w->sent == all && ep->plan.ending == END_SHUT) {
		shutdown(ep->fd, SHUT_WR);
		ep->shut = true;
	}
	pthread_join(t, NULL);
	if (w->file >= 0)
		close(w->file);
out:
	free(w);
}

void drive(struct ep *ep)
{
	switch (below(&ep->rng, 4)) {
	case 0:
		/* a send may fail because the reader has broken it off */
		if (ep->plan.ending < END_ABORT && ep->side == CLIENT) {
			ep->mode = "threads";
			set_block(ep, true);
			two_threads(ep);
			break;
		}
		/* fall through */
	case 1:
	case 2:
		/* the plan is known to the client only */
		while (ep->side == SERVER && !ep->over &&
		       ep->header_done < sizeof(ep->header))
			ep_recv(ep, true);
		if (ep->over)
			break;
		if (ep->side == SERVER && ep->plan.ending < END_ABORT &&
		    one_in(&ep->rng, 3)) {
			ep->mode = "threads";
			two_threads(ep);
			break;
		}
		if (!ep->plan.duplex) {
			ep->mode = "block";
			run(ep, false);
			break;
		}
		/* fall through */
	default:
		ep->mode = "poll";
		if (one_in(&ep->rng, 2))
			set_block(ep, false);
		run(ep, true);
	}
	if (ep->fd >= 0)
		ep_close(ep);
	ep_free(ep);
}
