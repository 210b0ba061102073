/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.c - find the user's sapid, and start one if there is none */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "tool/tool.h"

#define NS_DIR "/app_ns_sockets/"
#define START_MS 10000
#define READY_FD 3

/**
 * daemon_answers() - Does somebody listen there?
 * @socket_path:	a namespace's socket
 */
bool daemon_answers(const char *socket_path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, ret;

	if (!*socket_path || strlen(socket_path) >= sizeof(un.sun_path))
		return false;
	strcpy(un.sun_path, socket_path);
	/* a daemon with a full backlog is one, too: -EAGAIN */
	fd = k_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		      0);
	if (fd < 0)
		return false;
	ret = k_connect(fd, (struct sockaddr *)&un, sizeof(un));
	k_close(fd);
	return ret == 0 || ret == -EAGAIN;
}

/**
 * daemon_dir() - Where a daemon has its files
 * @conf:	whose shm_socket is that daemon's
 * @dir:	set
 *
 * Return: 0, or -ENOENT if the socket is not where sapid would put it.
 */
int daemon_dir(const struct conf *conf, char dir[PATH_MAX])
{
	const char *end = strrchr(conf->shm_socket, '/');
	size_t len = strlen(NS_DIR) - 1;

	if (!end || (size_t)(end - conf->shm_socket) <= len ||
	    strncmp(end - len, NS_DIR, len + 1))
		return -ENOENT;
	snprintf(dir, PATH_MAX, "%.*s", (int)(end - len - conf->shm_socket),
		 conf->shm_socket);
	return 0;
}

/* Ours alone: nobody else may put a socket into it. */
static int make_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(dir, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() ? 0 : -EPERM;
}

/* In the child of a child: nothing of the terminal, the shell's pipes or the
 * program's environment shall live on in the daemon. */
static void become_daemon(const char *sapid, const char *dir, const char *ns,
			  int ready)
{
	char log[PATH_MAX + 16], fd[16];
	sigset_t none;
	int null, out;

	setsid();
	if (fork())
		_exit(0);
	snprintf(log, sizeof(log), "%s/sapid.log", dir);
	out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
	null = open("/dev/null", O_RDWR);
	if (null < 0 || out < 0 || dup2(ready, READY_FD) < 0 ||
	    dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
	    close_range(READY_FD + 1, ~0u, 0) < 0 || chdir("/") < 0)
		_exit(EXIT_OURS);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	umask(077);
	unsetenv("LD_PRELOAD");
	snprintf(fd, sizeof(fd), "%d", READY_FD);
	if (strcmp(ns, "default"))
		execl(sapid, "sapid", "--run-dir", dir, "--ready-fd", fd,
		      "--namespace", ns, (char *)NULL);
	else
		execl(sapid, "sapid", "--run-dir", dir, "--ready-fd", fd,
		      (char *)NULL);
	_exit(EXIT_OURS);
}

/* A byte: it serves.  The end: it is gone, and its log says why. */
static int wait_ready(int fd)
{
	struct timespec limit = { .tv_sec = START_MS / 1000 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int ret;

	ret = k_ppoll(&p, 1, &limit, NULL);
	if (ret == 0)
		return -ETIMEDOUT;
	if (ret < 0)
		return ret;
	return k_read(fd, &byte, 1) == 1 ? 0 : -ECHILD;
}

static int spawn(const char *sapid, const char *dir, const char *ns)
{
	int ready[2], ret;
	pid_t pid;

	/* above what become_daemon() moves things to */
	if (pipe2(ready, O_CLOEXEC) < 0)
		return -errno;
	ret = k_fcntl(ready[1], F_DUPFD_CLOEXEC, READY_FD + 1);
	k_close(ready[1]);
	if (ret < 0)
		goto close_read;
	ready[1] = ret;
	pid = fork();
	if (pid == 0)
		become_daemon(sapid, dir, ns, ready[1]);
	k_close(ready[1]);
	ret = pid < 0 ? -errno : 0;
	if (pid > 0) {
		waitpid(pid, NULL, 0);
		ret = wait_ready(ready[0]);
	}
close_read:
	k_close(ready[0]);
	return ret;
}

/* Of several that start at once the first starts it, the others find it. */
static int start_locked(struct conf *conf, const char *dir)
{
	char sapid[PATH_MAX], path[PATH_MAX + 16];
	int lock, ret;

	snprintf(path, sizeof(path), "%s/start.lock", dir);
	lock = k_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0) {
		say("%s: %s", path, strerror(-lock));
		return lock;
	}
	while (flock(lock, LOCK_EX) < 0 && errno == EINTR)
		;
	ret = 0;
	if (daemon_answers(conf->shm_socket))
		goto unlock;
	ret = find_sapid(sapid);
	if (ret < 0) {
		say("sapid is not installed");
		goto unlock;
	}
	ret = spawn(sapid, dir, conf->namespace_id);
	if (ret < 0)
		say("%s does not start (%s); see %s/sapid.log", sapid,
		    ret == -ECHILD ? "it ended" : strerror(-ret), dir);
unlock:
	k_close(lock);
	return ret;
}

/**
 * daemon_start() - See to it that there is a daemon
 * @conf:	shm_socket is where it is looked for, and then where it is
 *
 * Return: 0, or -errno after saying what is wrong.
 */
int daemon_start(struct conf *conf)
{
	char dir[PATH_MAX];
	int ret;

	if (daemon_answers(conf->shm_socket))
		return 0;
	/* that of the machine does not serve us: have one of our own */
	if (!conf->shm_socket_given)
		conf_own_socket(conf, conf->shm_socket);
	ret = daemon_dir(conf, dir);
	if (ret < 0) {
		say("nobody answers at %s, and it is no place where sapid "
		    "would",
		    conf->shm_socket);
		return ret;
	}
	ret = make_dir(dir);
	if (ret < 0) {
		say("%s: %s", dir, strerror(-ret));
		return ret;
	}
	return start_locked(conf, dir);
}
