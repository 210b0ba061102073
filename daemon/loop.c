/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c - the epoll loop: typed events, no pointers */
#include "daemon/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "core/base/kernel.h"

#define BATCH 64

static int epfd = -1;
static loop_handler *handlers[LOOP_N_TYPES];

/** loop_open() - Make the epoll instance */
int loop_open(void)
{
	epfd = k_epoll_create1(EPOLL_CLOEXEC);
	return epfd < 0 ? epfd : 0;
}

/** loop_close() - At the end */
void loop_close(void)
{
	if (epfd >= 0)
		k_close(epfd);
	epfd = -1;
}

/** loop_handle() - Who is called for events of @type */
void loop_handle(enum loop_type type, loop_handler *handler)
{
	handlers[type] = handler;
}

static int control(int op, int fd, enum loop_type type, uint32_t index,
		   uint32_t events)
{
	struct epoll_event ev = {
		.events = events,
		.data.u64 = (uint64_t)type << 32 | index,
	};

	return k_epoll_ctl(epfd, op, fd, &ev);
}

/**
 * loop_add() - Watch a descriptor, level-triggered
 * @fd:		the descriptor
 * @type:	what it is
 * @index:	which one
 * @events:	EPOLLIN, EPOLLOUT
 */
int loop_add(int fd, enum loop_type type, uint32_t index, uint32_t events)
{
	return control(EPOLL_CTL_ADD, fd, type, index, events);
}

/** loop_change() - Watch it for other events */
int loop_change(int fd, enum loop_type type, uint32_t index, uint32_t events)
{
	return control(EPOLL_CTL_MOD, fd, type, index, events);
}

/** loop_del() - Stop watching */
void loop_del(int fd)
{
	/* Fails only for a descriptor that was never added: nothing to undo */
	(void)!k_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
}

/**
 * loop_once() - One round
 * @ms:		how long to wait at most; -1 for ever
 *
 * Return: 0, also when a signal came, or -errno
 */
int loop_once(int ms)
{
	struct epoll_event ev[BATCH];
	int i, n;

	n = k_epoll_pwait(epfd, ev, BATCH, ms, NULL);
	if (n < 0)
		return n == -EINTR ? 0 : n;
	for (i = 0; i < n; i++)
		handlers[ev[i].data.u64 >> 32]((uint32_t)ev[i].data.u64,
					       ev[i].events);
	return 0;
}

/** loop_now_ms() - Monotonic milliseconds */
uint64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}
