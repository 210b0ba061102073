/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp.h - two UDP sockets, for programs of datagrams
 *
 * The topic has near_fd, the actor sockets of its own, by number.  A warm pair
 * has exchanged enough to be linked both ways.
 */
#ifndef TESTS_PEER_UDP_H
#define TESTS_PEER_UDP_H

#include "tests/peer/peer.h"

#define FARS 4

/* Where to: the actor's sockets, as the topic's family has it. */
extern struct sockaddr_storage far_addr[FARS];
extern socklen_t far_len[FARS];
extern int near_port;

enum udp_ends {
	UDP_NEAR_CONNECTED = 1,
	UDP_FAR_CONNECTED = 2,
};
/* One socket here, @n there; warm if the mode is. */
void udp_open(int n, int ends);
/* Another one here, in near_fd's place or not: returns it */
int udp_near(int *port);
void udp_warm(int i);

/* acts: @i is the actor's socket */
long udp_send(int fd, long text, long i); /* its text to us */
long udp_send_n(int fd, long n, long i);  /* so many bytes */
long udp_read(int fd, long n, long i);	  /* up to so many: the length */
long udp_shut(int fd, long i, long unused);
long udp_count(int fd, long n, long i); /* numbers 0 .. n-1, 4 bytes each */
long udp_numbers(int fd, long rounds, long i); /* leaving its link each time */

/* Receive and say what, and from which of the actor's sockets. */
void udp_get(const char *what, size_t room, int flags);
#define udp_text(s) far_do(udp_send, (long)(s), 0)

#endif /* TESTS_PEER_UDP_H */
