/* SPDX-License-Identifier: Apache-2.0 */
/* hand.c - a connection goes to another program, or through a message */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

extern char **environ;

/* What forgets FD_CLOEXEC, and runs something. */
void by_spawn(struct ep *ep)
{
	char *const args[] = { (char[]){ "true" }, NULL };
	int pid, status;

	if (fcntl(ep->fd, F_SETFD, 0) ||
	    posix_spawnp(&pid, "true", NULL, NULL, args, environ))
		die(ep, "posix_spawn: %s", strerror(errno));
	fcntl(ep->fd, F_SETFD, FD_CLOEXEC);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die(ep, "waitpid: %s", strerror(errno));
}

union control {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static struct msghdr message(union control *control)
{
	static char byte[1];
	static struct iovec iov = { byte, 1 };

	return (struct msghdr){ .msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = control->buf,
				.msg_controllen = sizeof(control->buf) };
}

static void send_fd(struct ep *ep, int to)
{
	union control control = { .buf = { 0 } };
	struct msghdr msg = message(&control);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &ep->fd, sizeof(int));
	if (sendmsg(to, &msg, 0) != 1)
		die(ep, "SCM_RIGHTS: %s", strerror(errno));
}

static int receive_fd(struct ep *ep, int from)
{
	union control control;
	struct msghdr msg = message(&control);
	int fd;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		die(ep, "SCM_RIGHTS: %s", strerror(errno));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

void by_rights(struct ep *ep)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		die(ep, "socketpair: %s", strerror(errno));
	send_fd(ep, fds[0]);
	close(ep->fd);
	ep->fd = receive_fd(ep, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

/* --- another program goes on --- */

struct state {
	struct ep ep;
	bool tolerant, polls;
};

void become_another(struct ep *ep, bool polls)
{
	struct state st = { .ep = *ep, .tolerant = tolerant, .polls = polls };
	int fd = memfd_create("state", 0);
	char text[16], self[64];

	if (fd < 0 || pwrite(fd, &st, sizeof(st), 0) != sizeof(st))
		die(ep, "memfd: %s", strerror(errno));
	snprintf(text, sizeof(text), "%d", fd);
	/* it may be under the library, or not */
	if (one_in(&ep->rng, 2) && !getenv("ASAN_OPTIONS"))
		unsetenv("LD_PRELOAD");
	fcntl(ep->fd, F_SETFD, 0);
	snprintf(self, sizeof(self), "/proc/%d/exe", (int)getpid());
	execl(self, "stress", "continue", text, (char *)NULL);
	die(ep, "exec: %s", strerror(errno));
}

int go_on(int state_fd)
{
	struct state st;
	struct ep *ep, *was = &st.ep;
	uint8_t *in, *out;

	signal(SIGPIPE, SIG_IGN);
	watchdog(60);
	if (pread(state_fd, &st, sizeof(st), 0) != sizeof(st))
		die(NULL, "no state: %s", strerror(errno));
	close(state_fd);
	tolerant = st.tolerant;
	ep = ep_new(was->seed, was->id, was->side, was->fd);
	in = ep->in;
	out = ep->out;
	memcpy(ep, was, sizeof(*ep));
	ep->in = in;
	ep->out = out;
	ep->file = -1;
	ep->child = -1;
	ep->mode = st.polls ? "poll, program" : "block, program";
	drive_on(ep, st.polls);
	if (one_in(&ep->rng, 2))
		close(ep->fd);
	exit(0);
}
