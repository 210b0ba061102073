/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress.h - random schedules on TCP connections, checked byte by byte
 *
 * DOC: An ordinary program of plain sockets, which runs bare too: so the
 * kernel says whether what it asserts is true.  Everything follows from a
 * seed: what goes over a connection, in what pieces, by which calls and how
 * it ends.  Every byte is a function of the connection, the direction and its
 * position, so that one which is lost, doubled or out of place is seen at once.
 */
#ifndef STRESS_H
#define STRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- plan.c: what both ends know --- */

struct rng {
	uint64_t state;
};
uint64_t mix(uint64_t a, uint64_t b);
uint64_t rnd(struct rng *r);
unsigned below(struct rng *r, unsigned n);
bool one_in(struct rng *r, unsigned n);

enum ending {
	END_SHUT,  /* each end shuts down, and reads to the end */
	END_CLOSE, /* when all is said one of them closes */
	END_ABORT, /* one closes at any time */
	END_RESET, /* ... by SO_LINGER 0 */
	N_ENDINGS
};

#define CLIENT 0
#define SERVER 1

struct plan {
	uint64_t key;
	unsigned turns;
	bool duplex;	   /* both send as they like; else in turns */
	uint64_t total[2]; /* bytes that each side sends */
	enum ending ending;
	int ender;
	uint64_t abort_at; /* bytes received by the ender */
};

#define MSG_MAX 300000u

void plan_make(struct plan *p, uint64_t seed, uint64_t id);
uint32_t plan_msg(const struct plan *p, int side, unsigned turn);
void plan_fill(const struct plan *p, int side, uint64_t pos, uint8_t *buf,
	       size_t len);
/* The first byte that is wrong, or -1. */
ssize_t plan_check(const struct plan *p, int side, uint64_t pos,
		   const uint8_t *buf, size_t len);

/* --- endpoint.c: one end of a connection --- */

struct header {
	uint64_t magic, id;
};

struct ep {
	struct plan plan;
	struct rng rng;
	uint64_t seed, id;
	int side, fd;
	struct header header;
	size_t header_done; /* sent or received */
	_Atomic uint64_t sent, rcvd;
	_Atomic uint64_t may_send; /* up to there */
	uint64_t peer_next;	   /* where the peer's message ends */
	unsigned peer_msgs;
	_Atomic bool eof, shut, over; /* over: nothing more to do */
	uint8_t *in, *out;	      /* MSG_MAX bytes */
	int file;		      /* for sendfile; -1 */
	off_t file_end;
	bool timeouts; /* EAGAIN is no wonder */
	const char *mode;
	/* --- loops --- */
	_Atomic int busy;
	uint32_t events; /* as registered */
	int child;	 /* to be waited for; 0 */
	const char *_Atomic where;
};

extern bool tolerant; /* ends may be killed */
extern _Atomic int n_active;

struct ep *ep_new(uint64_t seed, uint64_t id, int side, int fd);
void ep_free(struct ep *ep);
/* One call of any kind: 1 something moved, 0 it would block, -1 that was all
 * in this direction. */
int ep_recv(struct ep *ep, bool block);
int ep_send(struct ep *ep, bool block);
bool ep_wants_send(const struct ep *ep);
/* Have both directions been done?  Closes then. */
bool ep_finish(struct ep *ep);
/* Is it time for this end to break it off? */
bool ep_aborts(struct ep *ep);
void ep_close(struct ep *ep);
void die(struct ep *ep, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* After SECONDS say where everybody is, and end. */
void watchdog(unsigned seconds);

/* --- calls.c: which call is made --- */
ssize_t any_recv(struct ep *ep, size_t len, bool block);
ssize_t any_send(struct ep *ep, size_t len, bool block);

/* --- drive.c: one connection, by a thread of its own --- */
void drive(struct ep *ep);

/* The same as @mode says, from where it is. */
void drive_on(struct ep *ep, bool polls);

/* --- hand.c: it goes to another program --- */
/* To one that does nothing, and to ourselves, by another number. */
void by_spawn(struct ep *ep);
void by_rights(struct ep *ep);
/* In a child: become a program that goes on with it. */
void become_another(struct ep *ep, bool polls) __attribute__((noreturn));
int go_on(int state_fd);

/* --- loop.c: many connections in an epoll instance --- */
struct loop;
struct loop *loop_new(uint64_t seed, struct rng *r);
/* May several threads run it? */
bool loop_is_shared(const struct loop *l);
void loop_add(struct loop *l, struct ep *ep);
/* Accept from it, until it is shut down. */
void loop_listen(struct loop *l, int listener);
/* Until nothing is left to do. */
void loop_run(struct loop *l);
void loop_free(struct loop *l);

/* --- roles.c --- */
int serve(uint64_t seed, int report_fd);
/* From the server's listener; EINVAL: it is to stop. */
int accept_one(int flags);
int client(uint64_t seed, unsigned number, int port);

#endif /* STRESS_H */
