/* SPDX-License-Identifier: Apache-2.0 */
/* calls_wait.c - readiness */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#define LONG_MS 4000

static short some_events(uint64_t *how)
{
	static const short set[] = { POLLIN,  POLLOUT,	  POLLRDHUP,
				     POLLPRI, POLLRDNORM, POLLWRNORM };
	short ev = 0;
	size_t i;

	for (i = 0; i < COUNT(set); i++)
		if (take(how, 2))
			ev = (short)(ev | set[i]);
	return ev;
}

void call_poll(const struct order *o, struct answer *a)
{
	static const struct timespec zero;
	uint64_t how = o->how;
	unsigned way = take(&how, 3);
	struct pollfd p[SLOTS];
	int i;

	put(a, "poll/%u", way);
	for (i = 0; i < SLOTS; i++) {
		p[i] = (struct pollfd){ .fd = slots[i],
					.events = some_events(&how),
					.revents = -1 };
		if (!take(&how, 3) || o->m >> i & 1)
			p[i].fd = -1;
		if (i == 5)
			how = o->how * 0x9e3779b97f4a7c15;
	}
	if (way == 0)
		DO(a, poll(p, SLOTS, 0));
	else if (way == 1)
		DO(a, ppoll(p, SLOTS, &zero, NULL));
	else
#ifdef SYS_poll
		DO(a, syscall(SYS_poll, p, SLOTS, 0));
#else
		DO(a, syscall(SYS_ppoll, p, SLOTS, &zero, NULL, 8));
#endif
	for (i = 0; i < SLOTS; i++)
		if (p[i].fd >= 0)
			put(a, " %d:%s", i, bits((unsigned short)p[i].revents));
}

void call_select(const struct order *o, struct answer *a)
{
	struct timeval zero = { 0, 0 };
	uint64_t how = o->how;
	fd_set set[3];
	int i, k, top = 0;

	put(a, "select");
	for (k = 0; k < 3; k++)
		FD_ZERO(&set[k]);
	for (i = 0; i < SLOTS; i++)
		for (k = 0; k < 3; k++)
			if (slots[i] >= 0 && take(&how, 2) &&
			    !(o->m >> i & 1)) {
				FD_SET(slots[i], &set[k]);
				top = slots[i] >= top ? slots[i] + 1 : top;
			}
	DO(a, select(top, &set[0], &set[1], take(&how, 2) ? &set[2] : NULL,
		     &zero));
	for (i = 0; i < SLOTS; i++)
		if (slots[i] >= 0)
			put(a, " %d:%s%s%s", i,
			    FD_ISSET(slots[i], &set[0]) ? "r" : "",
			    FD_ISSET(slots[i], &set[1]) ? "w" : "",
			    FD_ISSET(slots[i], &set[2]) ? "x" : "");
}

void call_ep_new(const struct order *o, struct answer *a)
{
	put(a, "epoll_create");
	slots[o->slot] = (int)DO(a, epoll_create1(EPOLL_CLOEXEC));
}

void call_ep_ctl(const struct order *o, struct answer *a)
{
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD,
				   EPOLL_CTL_MOD, EPOLL_CTL_DEL, 77 };
	uint64_t how = o->how;
	int op = ops[take(&how, 50) ? take(&how, 5) : 5];
	struct epoll_event ev;

	ev.events = (unsigned short)some_events(&how);
	ev.events |= take(&how, 3) ? 0 : EPOLLET;
	ev.events |= take(&how, 5) ? 0 : EPOLLONESHOT;
	/* in another one an instance is told of by the kernel for EPOLLIN
	 * alone; by us for EPOLLRDNORM, too */
	ev.events |= o->n && ev.events & EPOLLRDNORM ? EPOLLIN : 0;
	ev.data.u64 = (uint64_t)o->other << 32 | (unsigned)o->m;
	put(a, "epoll_ctl %s %d %s",
	    op == EPOLL_CTL_ADD	  ? "add"
	    : op == EPOLL_CTL_MOD ? "mod"
	    : op == EPOLL_CTL_DEL ? "del"
				  : "?",
	    o->other, bits(ev.events));
	DO(a, epoll_ctl(slots[o->slot], op, slots[o->other], &ev));
}

static int by_data(const void *x, const void *y)
{
	const struct epoll_event *p = x, *q = y;

	return p->data.u64 < q->data.u64 ? -1 : p->data.u64 > q->data.u64;
}

/* In which order they come is nobody's promise. */
void call_ep_wait(const struct order *o, struct answer *a)
{
	struct epoll_event ev[2 * SLOTS];
	uint64_t how = o->how;
	int n, i;

	put(a, "epoll_wait");
	if (take(&how, 4))
		n = (int)DO(a, epoll_wait(slots[o->slot], ev, COUNT(ev), 0));
	else
		n = (int)DO(a, syscall(SYS_epoll_pwait, slots[o->slot], ev,
				       (int)COUNT(ev), 0, NULL, 8));
	if (n > 0)
		qsort(ev, (size_t)n, sizeof(ev[0]), by_data);
	for (i = 0; i < n; i++)
		put(a, " %d.%u:%s", (int)(ev[i].data.u64 >> 32),
		    (unsigned)ev[i].data.u64, bits(ev[i].events));
}

static int input_of(int fd)
{
	int n = -1;

	return ioctl(fd, FIONREAD, &n) ? -1 : n;
}

unsigned ready(int fd)
{
	struct pollfd p = { .fd = fd,
			    .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

	return poll(&p, 1, 0) < 0 ? 0xffff : (unsigned short)p.revents;
}

void call_look(const struct order *o, struct answer *a)
{
	int fd = slots[o->slot];

	put(a, "look %d bytes %s", input_of(fd), bits(ready(fd)));
}

/* Our FIN has no answer yet.  When that comes depends on what else there is to
 * answer, and it is an edge. */
static bool is_ending(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	return !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) &&
	       ti.tcpi_state == TCP_FIN_WAIT1;
}

bool settled(const struct order *o)
{
	unsigned ev = ready(slots[o->slot]);

	if (ev & (POLLERR | POLLNVAL))
		return true;
	if (o->m & WANT_ERROR)
		return ev & POLLHUP;
	if (is_ending(slots[o->slot]))
		return false;
	return input_of(slots[o->slot]) >= o->n &&
	       (!(o->m & WANT_END) || ev & POLLRDHUP);
}

/* What was sent is there by now, or soon. */
void call_settle(const struct order *o, struct answer *a)
{
	struct timespec ts;
	int ms;

	for (ms = 0; !settled(o); ms++) {
		if (ms == LONG_MS) {
			put(a, "UNSETTLED %d bytes %s, not %ld %ld",
			    input_of(slots[o->slot]),
			    bits(ready(slots[o->slot])), o->n, o->m);
			return;
		}
		ts = (struct timespec){ 0, ms < 5 ? 50000 : 1000000 };
		nanosleep(&ts, NULL);
	}
}
