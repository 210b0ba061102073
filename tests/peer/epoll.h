/* SPDX-License-Identifier: Apache-2.0 */
/* epoll.h - epoll calls that say what they did */
#ifndef TESTS_PEER_EPOLL_H
#define TESTS_PEER_EPOLL_H

#include <sys/epoll.h>

#include "tests/peer/peer.h"

int ep_new(void);
int ep_ctl(const char *what, int ep, int op, int fd, uint32_t events,
	   uint64_t data);
#define ep_add(ep, fd, events, data) \
	ep_ctl("add " #fd " " #events, ep, EPOLL_CTL_ADD, fd, (events), data)
#define ep_mod(ep, fd, events, data) \
	ep_ctl("mod " #fd " " #events, ep, EPOLL_CTL_MOD, fd, (events), data)
#define ep_del(ep, fd) ep_ctl("del " #fd, ep, EPOLL_CTL_DEL, fd, 0, 0)
/* Wait, say how many and each event with its data. */
int ep_wait(int ep, int max, int ms);
/* The same, ordered by the data: the order is nobody's promise. */
int ep_wait_sorted(int ep, int max, int ms);
/* Wait until every one of @want, bits by data, was told; say what was. It is
 * nobody's promise that one wait tells all. */
void ep_gather(int ep, unsigned want);

/* What a thread does: wait in the instance *@ep for one event, without end; the
 * same, or poll near_fd for input, once it has told @started of itself. */
extern pid_t started;
void *wait_one(void *ep);
void *wait_started(void *ep);
void *poll_near(void *unused);
/* A thread that has told @started of itself, and sleeps. */
pthread_t asleep_in(void *(*fn)(void *), void *arg);
/* What it returned, once it ends. */
void say_waiter(pthread_t thread);

#endif /* TESTS_PEER_EPOLL_H */
