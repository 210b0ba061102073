/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer.h - what the differential programs share
 *
 * DOC: A program holds topics, TOPIC(name) { ... }, and is run as
 * "program topic mode...".  It prints what it observes, and nothing that may
 * differ between two runs: the same program runs bare and preloaded and the
 * outputs must be equal, so the kernel says what is right.
 *
 * Two ends of a connection: near_fd belongs to the topic; the far end belongs
 * to an actor, a thread or a child process that does what it is told
 * (far_do(), or far_go() and far_end() for what blocks) and answers with
 * result and errno.  So every step has an order and only the topic prints.
 * Topics that need more connections make them with sock_pair().
 *
 * What the kernel does by and by (the arrival of data, of a FIN) is waited for
 * with until_*(), which end the program when their time is up; never by sleep.
 *
 * Modes: v4 v6 dual unix; cold warm (a warm connection has exchanged enough to
 * have left the kernel); child thread plain (the actor, plain is a child
 * without the library); client server (what we are).
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct topic {
	const char *name;
	void (*run)(void);
} __attribute__((aligned(16)));

#define TOPIC(name)                                                     \
	static void run_##name(void);                                   \
	static const struct topic topic_##name __attribute__((          \
		used, section("peer_topics"))) = { #name, run_##name }; \
	static void run_##name(void)

/* An address that is none, and that the compiler does not see through. */
extern void *volatile nowhere;

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct mode {
	bool v6, dual, local, warm, thread, plain, server;
};
extern struct mode mode;

/* ---- saying ---- */
/* One line, one write(2). */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* End the program, saying why. */
void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
const char *errname(int err);
const char *mask(unsigned events); /* poll's and epoll's bits by name */
void said(const char *what, long ret, int err);
void said_fd(const char *what, long ret, int err);

#define ERRNO_UNTOUCHED 4095
/* Do it, print the call as written with what came of it. */
#define TRY(call)                         \
	({                                \
		long ret_;                \
		errno = ERRNO_UNTOUCHED;  \
		ret_ = (long)(call);      \
		said(#call, ret_, errno); \
		ret_;                     \
	})
/* The same when the result is a descriptor, whose number is not said. */
#define TRY_FD(call)                         \
	({                                   \
		long ret_;                   \
		errno = ERRNO_UNTOUCHED;     \
		ret_ = (long)(call);         \
		said_fd(#call, ret_, errno); \
		(int)ret_;                   \
	})
/* For what must work if the machine does. */
#define MUST(call)                                            \
	({                                                    \
		long must_ = (long)(call);                    \
		if (must_ < 0)                                \
			die("%s: %s", #call, errname(errno)); \
		must_;                                        \
	})

void say_data(const void *buf, long n); /* escaped; a sum if long */
void say_poll(const char *who, int fd, short events); /* poll, timeout 0 */
void say_error(const char *who, int fd);	      /* SO_ERROR */
/* Family, address, "port P" if @port, else whether there is one. */
void say_addr(const char *what, const struct sockaddr_storage *addr,
	      socklen_t len, int port);

/* ---- waiting ---- */
#define DEADLINE_MS 8000
int64_t now_ms(void);
#define UNTIL(cond)                                         \
	do {                                                \
		int64_t end_ = now_ms() + DEADLINE_MS;      \
		while (!(cond)) {                           \
			if (now_ms() > end_)                \
				die("deadline: %s", #cond); \
			poll(NULL, 0, 1);                   \
		}                                           \
	} while (0)
void until_input(int fd, int n);     /* FIONREAD says @n at least */
void until_poll(int fd, int events); /* all of @events at once */
void until_sent(int fd);	     /* SIOCOUTQ says 0 */
void until_closed(int fd);	     /* ENOTCONN by now, or soon given up */
void until_asleep(pid_t tid);	     /* a thread or child waits in the kernel */

/* ---- sockets ---- */
int family_server(void), family_client(void);
/* The wildcard or loopback address of @family, port 0. */
socklen_t addr_any(struct sockaddr_storage *addr, int family);
socklen_t addr_loop(struct sockaddr_storage *addr, int family, int port);
int addr_port(const struct sockaddr_storage *addr);
int local_port(int fd);
int sock_tcp(int family);
int sock_listener(int backlog, int *port); /* in the mode's family */
int sock_dial(int port);
int sock_accept(int listener);
/* Connected, and warm if the mode is: fds[0] the client's end, fds[1] ours. */
void sock_pair(int fds[2]);
/* Warm, whatever the mode is. */
void sock_warm(const int fds[2]);
void set_nonblock(int fd, bool on);
void set_int(int fd, int level, int name, int val);

/* ---- children ---- */
/* As fork(), for a short life; what the child says comes out later. */
pid_t child_start(void);
/* Wait for it, print what it said; its exit status, or 1000 and its signal. */
int child_end(pid_t pid);
/* A call that a process may not survive. */
#define TRY_IN_CHILD(call)                            \
	do {                                          \
		pid_t pid_ = child_start();           \
		if (!pid_) {                          \
			TRY(call);                    \
			_exit(0);                     \
		}                                     \
		say("  = child %d", child_end(pid_)); \
	} while (0)

/* ---- acts: what either end can be told ---- */
typedef long act(int fd, long a, long b);
extern __thread uint64_t act_sum; /* FNV-1a of what act_pull() read last */
long act_text(int fd, long text, long flags); /* send a string; flags too */
long act_push(int fd, long n, long seed);     /* send @n bytes of a stream */
long act_pull(int fd, long n, long max); /* read @n or to the end, by @max */
long act_fill(int fd, long unused, long unused2); /* to the brim */
long act_read(int fd, long n, long flags);
long act_shutdown(int fd, long how, long unused);
long act_close(int fd, long unused, long unused2);
long act_reset(int fd, long unused, long unused2); /* close with a RST */
long act_until_input(int fd, long n, long unused);
long act_until_poll(int fd, long events, long unused);
long act_until_closed(int fd, long unused, long unused2);

/* ---- the far end ---- */
extern int near_fd;
void far_open(void);		/* start the actor, connect, warm up */
void far_actor(void);		/* only the actor, no connection */
void far_plain(const char *fds) /* main() of the actor in a plain child */
	__attribute__((noreturn));
long far_do(act *what, long a, long b);
void far_go(act *what, long a, long b);
long far_end(void);	/* errno is the far end's */
uint64_t far_sum(void); /* act_sum at the last answer */
#define far_text(s) far_do(act_text, (long)(s), 0)

#endif /* TESTS_PEER_H */
