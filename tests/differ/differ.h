/* SPDX-License-Identifier: Apache-2.0 */
/*
 * differ.h - random calls, said in the same words bare and preloaded
 *
 * DOC: Two processes with connections between them do what a generator draws
 * from a seed, one call at a time: the first draws, and does it or has the
 * second one do it (play.c); what came of each call is a line (calls_*.c).
 * Each may have a child, which has its descriptors, too, and a thread that is
 * blocked in a call while the others go on (calls_block.c).
 * Before the next call, what the kernel does by and by is waited for: bytes and
 * ends that must arrive (settle()), and the thread, until it sleeps or is done.
 * So for the kernel there is one right text for a seed, and run compares it
 * with the preload's.
 */
#ifndef TESTS_DIFFER_H
#define TESTS_DIFFER_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define SLOTS 10 /* places for descriptors, in each process */
#define CONNS 4
#define PROCESSES 4 /* two, and a child of each, two further on */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum call {
	CALL_DIAL,
	CALL_ACCEPT,
	CALL_SEND,
	CALL_RECV,
	CALL_SHUTDOWN,
	CALL_CLOSE,
	CALL_DUP,
	CALL_DUP2,
	CALL_SET,
	CALL_GET,
	CALL_FLAGS,
	CALL_IOCTL,
	CALL_NAMES,
	CALL_ODD,
	CALL_FAULT,
	CALL_POLL,
	CALL_SELECT,
	CALL_EP_NEW,
	CALL_EP_CTL, /* @other is an instance, too, if @n */
	CALL_EP_WAIT,
	CALL_LOOK,
	CALL_SETTLE,
	CALL_FORK,
	CALL_REAP,	/* the child: killed if @n, else by _exit if @m */
	CALL_BLOCK,	/* have the thread do what may block, of kind @n */
	CALL_UNBLOCK,	/* is it done?  @n and @m as CALL_SETTLE, of @other */
	CALL_INTERRUPT, /* by a signal */
	CALL_RESET,	/* close all, and be as new */
	CALL_KINDS,
};

enum block {
	BLOCK_RECV,
	BLOCK_READ,
	BLOCK_POLL,
	BLOCK_SELECT,
	BLOCK_EPOLL, /* @slot is one */
	BLOCK_KINDS,
};

/* What to do; what @how, @n and @m mean is the call's affair. */
struct order {
	enum call call;
	int slot, other;
	uint64_t how;
	long n, m;
};

struct answer {
	long ret;
	int err;
	char text[480];
};

/* calls.c: this process's descriptors, and how to speak of them */
extern int slots[SLOTS];
extern int listener, listener_port, peer_port;
void put(struct answer *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void result(struct answer *a, long ret, int err);
const char *bits(unsigned events);
/* Bits of a random number, from the lowest. */
static inline unsigned take(uint64_t *how, unsigned below)
{
	unsigned got = (unsigned)(*how % below);

	*how /= below;
	return got;
}
extern volatile int pipes; /* SIGPIPE */
#define ERRNO_UNTOUCHED 4095
#define DO(a, call)                      \
	({                               \
		long ret_;               \
		errno = ERRNO_UNTOUCHED; \
		ret_ = (long)(call);     \
		result(a, ret_, errno);  \
		ret_;                    \
	})

typedef void call_fn(const struct order *o, struct answer *a);
void calls_do(const struct order *o, struct answer *a);
call_fn call_send, call_recv;				  /* calls_io.c */
call_fn call_poll, call_select, call_ep_new, call_ep_ctl, /* calls_wait.c */
	call_ep_wait, call_look, call_settle;
bool settled(const struct order *o);
unsigned ready(int fd);
call_fn call_block, call_unblock, call_interrupt; /* calls_block.c */
void block_start(void);
void block_forked(void);      /* in a child: it has no thread */
call_fn call_fork, call_reap; /* differ.c */
call_fn call_dial, call_accept, call_shutdown, call_close, /* calls_fd.c */
	call_dup, call_dup2, call_set, call_get, call_flags, call_ioctl,
	call_names, call_odd, call_fault, call_reset;

#define WANT_END 1 /* CALL_SETTLE: @n bytes of input, and @m of these */
#define WANT_ERROR 2

/* play.c */
void play(uint64_t seed, FILE *out);
/* differ.c: have process @who do it. 0 and 1; 2 and 3 are their children. */
void have(int who, const struct order *o, struct answer *a);

#endif /* TESTS_DIFFER_H */
