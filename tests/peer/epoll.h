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

#endif /* TESTS_PEER_EPOLL_H */
