/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - seccomp(2): who makes a call that is not listed is killed */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/peer/peer.h"

#define CALLS_MAX 32

/* arm64 has the newer ones alone, by which libc does what the older did */
#ifndef SYS_poll
#define SYS_poll SYS_ppoll
#define SYS_epoll_wait SYS_epoll_pwait
#endif

static bool by_number; /* of seccomp(2), not by prctl(2) */

static void allow_only(const int *calls, size_t n)
{
	struct sock_filter code[2 * CALLS_MAX + 2];
	struct sock_fprog prog = { .filter = code };
	size_t i, k = 0;

	code[k++] = (struct sock_filter)BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < n; i++) {
		code[k++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i], 0, 1);
		code[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
							 SECCOMP_RET_ALLOW);
	}
	code[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						 SECCOMP_RET_KILL_PROCESS);
	prog.len = (unsigned short)k;
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (by_number)
		MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	else
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0));
}

/* What this program itself needs, for its memory and to say something, and
 * then what the topic names. */
#define ALLOW_ONLY(...)                                                      \
	do {                                                                 \
		static const int calls_[] = { SYS_read,	  SYS_write,         \
					      SYS_close,  SYS_exit_group,    \
					      SYS_brk,	  SYS_mmap,          \
					      SYS_munmap, SYS_clock_gettime, \
					      __VA_ARGS__ };                 \
		allow_only(calls_, COUNT(calls_));                           \
	} while (0)

#define ROUNDS 20

/* Answers every letter by the next one; the rounds, or why not. */
static long act_answer(int fd, long rounds, long unused)
{
	char c;
	long i;

	for (i = 0; i < rounds; i++) {
		if (read(fd, &c, 1) != 1)
			return -1;
		c++;
		if (write(fd, &c, 1) != 1)
			return -1;
	}
	return i;
}

static void ask(int fd, int rounds)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char c = 'a';
	int i;

	for (i = 0; i < rounds; i++) {
		MUST(write(fd, &c, 1));
		MUST(poll(&pfd, 1, DEADLINE_MS));
		MUST(read(fd, &c, 1));
	}
	say("%d rounds, the last answer is %c", rounds, c);
}

/* a child of who accepted, or connected: sshd */
static void sandboxed_child(void)
{
	pid_t pid;

	far_open();
	far_go(act_answer, ROUNDS, 0);
	pid = child_start();
	if (!pid) {
		ALLOW_ONLY(SYS_poll);
		ask(near_fd, ROUNDS);
		_exit(7);
	}
	say("child %d", child_end(pid));
	TRY(far_end());
	/* it is the parent's, too */
	far_go(act_answer, ROUNDS, 0);
	ask(near_fd, ROUNDS);
	TRY(far_end());
}

TOPIC(child)
{
	sandboxed_child();
}

TOPIC(number)
{
	by_number = true;
	sandboxed_child();
}

/* the only one who has it, and it has been used */
TOPIC(alone)
{
	pid_t pid = child_start();

	if (!pid) {
		far_open();
		far_go(act_answer, 2 * ROUNDS, 0);
		ask(near_fd, ROUNDS);
		ALLOW_ONLY(SYS_poll);
		ask(near_fd, ROUNDS);
		_exit(7);
	}
	say("child %d", child_end(pid));
}

/* a server: all that it does is on its list */
TOPIC(server)
{
	int listener, port, fd;
	pid_t pid;

	listener = sock_listener(5, &port);
	pid = child_start();
	if (!pid) {
		ALLOW_ONLY(SYS_accept);
		while ((fd = (int)accept(listener, NULL, NULL)) >= 0) {
			act_answer(fd, ROUNDS, 0);
			MUST(close(fd));
		}
		_exit(7);
	}
	for (int i = 0; i < 3; i++) {
		fd = sock_dial(port);
		ask(fd, ROUNDS);
		MUST(close(fd));
	}
	kill(pid, SIGTERM);
	say("child %d", child_end(pid));
}

/* an instance that was there before, a connection that was not */
TOPIC(loop)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int listener, port, fd = -1, ep;
	pid_t pid;

	listener = sock_listener(5, &port);
	pid = child_start();
	if (!pid) {
		ep = (int)MUST(epoll_create1(0));
		ev.data.fd = listener;
		MUST(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev));
		ALLOW_ONLY(SYS_accept, SYS_epoll_wait, SYS_epoll_ctl);
		for (;;) {
			MUST(epoll_wait(ep, &ev, 1, DEADLINE_MS));
			if (ev.data.fd != listener) {
				if (act_answer(ev.data.fd, 1, 0) != 1)
					_exit(7);
				continue;
			}
			fd = (int)MUST(accept(listener, NULL, NULL));
			ev.events = EPOLLIN;
			ev.data.fd = fd;
			MUST(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
		}
	}
	fd = sock_dial(port);
	ask(fd, ROUNDS);
	MUST(close(fd));
	say("child %d", child_end(pid));
}
