/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - sockets over exec, spawn and SCM_RIGHTS */
#include <spawn.h>
#include <sys/syscall.h>

#include "tests/peer/peer.h"

extern char **environ;

/* not in "topics": what the exec'ed half does with PEER_FD */
TOPIC(continued)
{
	int fd = atoi(getenv("PEER_FD"));
	char buf[10];

	TRY(fcntl(fd, F_GETFD));
	TRY(send(fd, "from the new program", 20, 0));
	TRY(recv(fd, buf, 3, MSG_WAITALL));
	TRY(close(fd));
}

static void become_continued(int fd)
{
	char text[20];

	snprintf(text, sizeof(text), "%d", fd);
	setenv("PEER_FD", text, 1);
	execl("/proc/self/exe", "exec", "continued", (char *)NULL);
	die("exec: %s", errname(errno));
}

/* a child execs with an inherited connection */
TOPIC(inherited)
{
	char buf[10];
	pid_t pid;

	far_open();
	pid = child_start();
	if (!pid)
		become_continued(near_fd);
	TRY(far_do(act_read, 20, MSG_WAITALL));
	TRY(far_text("abc"));
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	TRY(far_text("def"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "ghi", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
}

/* the parent gives it away for good, with bytes on the way */
TOPIC(given_away)
{
	pid_t pid;

	far_open();
	TRY(send(near_fd, "before", 6, 0));
	TRY(far_text("a"));
	pid = child_start();
	if (!pid)
		become_continued(near_fd);
	TRY(close(near_fd));
	TRY(far_do(act_read, 26, MSG_WAITALL));
	TRY(far_text("bc"));
	say("child %d", child_end(pid));
	TRY(far_do(act_read, 1, 0));
}

/* we become another program */
TOPIC(replaced)
{
	int fds[2];
	char buf[30];
	pid_t pid;

	sock_pair(fds);
	pid = child_start();
	if (!pid) {
		close(fds[1]);
		become_continued(fds[0]);
	}
	close(fds[0]);
	TRY(recv(fds[1], buf, 20, MSG_WAITALL));
	TRY(send(fds[1], "abc", 3, 0));
	TRY(recv(fds[1], buf, 1, 0));
	say("child %d", child_end(pid));
}

/* into a program without the library: the kernel must have the stream */
static void goes_to_cat(bool by_number)
{
	static const char *const args[] = { "cat", NULL };
	char buf[20];
	pid_t pid;

	far_open();
	TRY(far_text("early "));
	pid = child_start();
	if (!pid) {
		unsetenv("LD_PRELOAD");
		dup2(near_fd, 0);
		dup2(near_fd, 1);
		if (by_number)
			syscall(SYS_execve, "/bin/cat", args, environ);
		else
			execl("/bin/cat", "cat", (char *)NULL);
		_exit(1);
	}
	TRY(far_text("late"));
	TRY(far_do(act_read, 10, MSG_WAITALL));
	TRY(send(near_fd, "parent", 6, 0));
	TRY(far_do(act_read, 6, MSG_WAITALL));
	TRY(far_text("more"));
	TRY(far_do(act_read, 4, MSG_WAITALL));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	say("cat %d", child_end(pid));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, 0));
}

TOPIC(unsuspecting)
{
	goes_to_cat(false);
}

TOPIC(number)
{
	goes_to_cat(true);
}

/* descriptors that close on exec do so, and the parent's go on */
TOPIC(cloexec)
{
	char text[64], buf[10];
	pid_t pid;

	far_open();
	TRY(fcntl(near_fd, F_SETFD, FD_CLOEXEC));
	snprintf(text, sizeof(text), "[ ! -e /proc/$$/fd/%d ]", near_fd);
	pid = child_start();
	if (!pid) {
		execl("/bin/sh", "sh", "-c", text, (char *)NULL);
		_exit(1);
	}
	say("not there %d", child_end(pid) == 0);
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
	TRY(far_text("abc"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(send(near_fd, "def", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
}

static void still_works(void)
{
	char buf[10];

	TRY(send(near_fd, "abc", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	TRY(far_text("def"));
	TRY(recv(near_fd, buf, sizeof(buf), 0));
	TRY(far_do(act_read, 1, MSG_DONTWAIT));
}

/* children by every way that libc knows, while a connection is open */
TOPIC(spawn)
{
	char *const args[] = { (char[]){ "true" }, NULL };
	posix_spawn_file_actions_t actions;
	char line[20];
	pid_t pid;
	FILE *f;

	far_open();
	pid = vfork();
	if (!pid) {
		execv("/bin/true", args);
		_exit(1);
	}
	say("vfork %d", child_end(pid));
	still_works();
	pid = vfork();
	if (!pid) {
		close(near_fd); /* the child's descriptor only */
		_exit(3);
	}
	say("vfork %d", child_end(pid));
	still_works();
	TRY(posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ));
	say("posix_spawn %d", child_end(pid));
	still_works();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, near_fd);
	TRY(posix_spawnp(&pid, "true", &actions, NULL, args, environ));
	posix_spawn_file_actions_destroy(&actions);
	say("posix_spawnp %d", child_end(pid));
	still_works();
	say("system %d", system("exit 5") >> 8);
	still_works();
	f = popen("echo popen", "r");
	say("popen %s", fgets(line, sizeof(line), f) ? line : "fails");
	say("pclose %d", pclose(f));
	still_works();
}

/* the socket as a child's standard input and output */
TOPIC(spawn_stdio)
{
	char *const args[] = { (char[]){ "head" }, (char[]){ "-c" },
			       (char[]){ "5" }, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	far_open();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, near_fd, 0);
	posix_spawn_file_actions_adddup2(&actions, near_fd, 1);
	TRY(posix_spawnp(&pid, "head", &actions, NULL, args, environ));
	posix_spawn_file_actions_destroy(&actions);
	TRY(far_text("12345"));
	TRY(far_do(act_read, 5, MSG_WAITALL));
	say("head %d", child_end(pid));
	still_works();
}

/* the child of vfork() gives it another number before it becomes cat, and the
 * parent goes on sending: if a link began then, cat would be left out */
TOPIC(vfork_stdio)
{
	char *const args[] = { (char[]){ "cat" }, NULL };
	pid_t pid;
	int i;

	far_open();
	TRY(fcntl(near_fd, F_SETFD, FD_CLOEXEC));
	pid = vfork();
	if (!pid) {
		dup2(near_fd, 0);
		dup2(near_fd, 1);
		close(near_fd);
		execv("/bin/cat", args);
		_exit(1);
	}
	for (i = 0; i < 200; i++)
		MUST(send(near_fd, "parent", 6, 0));
	TRY(far_do(act_read, 1200, MSG_WAITALL));
	TRY(far_text("late"));
	TRY(far_do(act_read, 4, MSG_WAITALL));
	TRY(close(near_fd));
	TRY(far_text("r"));
	TRY(far_do(act_read, 1, MSG_WAITALL));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	say("cat %d", child_end(pid));
	TRY(far_do(act_read, 1, 0));
}

static void send_fd(int unix_fd, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (char[]){ "f" }, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	TRY(sendmsg(unix_fd, &msg, 0));
}

static int receive_fd(int unix_fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char c;
	struct iovec iov = { &c, 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	int fd = -1;

	TRY(recvmsg(unix_fd, &msg, 0));
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* a connection is handed to another process, that was there before it */
TOPIC(rights)
{
	int unix_fds[2], fd;
	char buf[10];
	pid_t pid;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_fds));
	pid = child_start();
	if (!pid) {
		alarm(20);
		fd = receive_fd(unix_fds[1]);
		TRY(recv(fd, buf, 3, MSG_WAITALL));
		TRY(send(fd, "from afar", 9, 0));
		TRY(recv(fd, buf, 1, 0));
		exit(7);
	}
	far_open();
	TRY(far_text("ab"));
	send_fd(unix_fds[0], near_fd);
	TRY(close(near_fd));
	TRY(far_text("c"));
	TRY(far_do(act_read, 9, MSG_WAITALL));
	TRY(far_do(act_close, 0, 0));
	say("child %d", child_end(pid));
}

/* and to ourselves: another number, the same socket */
TOPIC(rights_self)
{
	int unix_fds[2], fd;
	char buf[10];

	far_open();
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unix_fds));
	send_fd(unix_fds[0], near_fd);
	TRY(close(near_fd));
	TRY(far_do(act_read, 1, MSG_DONTWAIT)); /* in flight is not closed */
	TRY(far_text("abc"));
	fd = receive_fd(unix_fds[1]);
	TRY(recv(fd, buf, 3, MSG_WAITALL));
	TRY(send(fd, "def", 3, 0));
	TRY(far_do(act_read, 3, MSG_WAITALL));
	TRY(close(fd));
	TRY(far_do(act_read, 1, 0));
}
