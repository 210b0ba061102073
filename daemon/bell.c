/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bell.c - waking a client that waits on a condition variable
 *
 * DOC: A stock client without eventfd sleeps in pthread_cond_wait() on words
 * that it may write. Taking its mutex can last for ever, libc's broadcast too
 * (who was killed in cond_wait is waited for), and libc asserts things about
 * both. None of that may happen to the daemon, so each such worker gets a
 * ringer: a process that maps this one queue, sleeps on an eventfd, and takes
 * the mutex and broadcasts. If the client is hostile, its own ringer hangs or
 * aborts, and it misses its own events. The daemon is the only producer of
 * the queue, so it needs no lock to put messages in.
 *
 * No wake-up is lost: a waiter looks at the queue with the mutex held, and the
 * ringer takes the mutex after the message is in.
 *
 * The daemon kills the ringer with its worker, and collects it only then, so
 * that the process id stays its own; it dies with the daemon as well.
 */
#include "daemon/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/wire/mq.h"
#include "daemon/sys.h"

#define ARGUMENT "--bell"
#define MEMORY_FD 3 /* in the ringer */
#define EVENT_FD 4

struct bell {
	pid_t pid;
	int evfd;
};

static int spawn(struct bell *bell, int memory, uint64_t at)
{
	char off[24], parent[24];
	char *argv[] = { (char *)"sapid-bell", (char *)ARGUMENT, off, parent,
			 NULL };
	posix_spawn_file_actions_t files;
	int ret, high;

	snprintf(off, sizeof(off), "%llu", (unsigned long long)at);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	/* Above the numbers that the two get, so that neither is in the way */
	high = k_fcntl(memory, F_DUPFD_CLOEXEC, EVENT_FD + 1);
	if (high < 0)
		return high;
	ret = -posix_spawn_file_actions_init(&files);
	if (ret)
		goto undo_high;
	ret = -posix_spawn_file_actions_adddup2(&files, bell->evfd, EVENT_FD);
	if (!ret)
		ret = -posix_spawn_file_actions_adddup2(&files, high,
							MEMORY_FD);
	if (!ret)
		ret = -posix_spawn(&bell->pid, "/proc/self/exe", &files, NULL,
				   argv, NULL);
	posix_spawn_file_actions_destroy(&files);
undo_high:
	k_close(high);
	return ret;
}

/**
 * bell_open() - Start a ringer
 * @seg:	the worker's segment, whose descriptor is still there
 * @off:	its queue
 * @out:	the ringer
 * @evfd:	out: to be written, by mq_send() for example
 *
 * Return: 0 or -errno
 */
int bell_open(const struct seg *seg, uint64_t off, struct bell **out, int *evfd)
{
	struct bell *bell = calloc(1, sizeof(*bell));
	int ret;

	if (!bell)
		return -ENOMEM;
	bell->evfd = k_eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = bell->evfd;
	if (ret >= 0)
		ret = spawn(bell, seg->map.fd, off);
	if (ret < 0) {
		if (bell->evfd >= 0)
			k_close(bell->evfd);
		free(bell);
		return ret;
	}
	*evfd = bell->evfd;
	*out = bell;
	return 0;
}

/** bell_close() - End a ringer; NULL is none */
void bell_close(struct bell *bell)
{
	if (!bell)
		return;
	/* Not collected before, so the number can't be another's */
	kill(bell->pid, SIGKILL);
	while (waitpid(bell->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	k_close(bell->evfd);
	free(bell);
}

static int ring(struct wire_mq *q)
{
	int ret = pthread_mutex_lock(&q->mutex);

	if (ret == EOWNERDEAD)
		ret = pthread_mutex_consistent(&q->mutex);
	if (ret)
		return ret;
	pthread_cond_broadcast(&q->condvar);
	return pthread_mutex_unlock(&q->mutex);
}

static int serve(uint64_t off, pid_t parent)
{
	struct pollfd p = { .fd = EVENT_FD, .events = POLLIN };
	struct wire_mq *q;
	struct seg seg;
	uint64_t count;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		return 1; /* it died before we said so */
	k_close_range(EVENT_FD + 1, ~0u, 0);
	if (seg_attach(&seg, MEMORY_FD))
		return 1;
	q = map_at(&seg.map, off, sizeof(*q));
	if (!q || off % 8)
		return 1;
	for (;;) {
		if (k_ppoll(&p, 1, NULL, NULL) < 0)
			continue;
		if (k_read(EVENT_FD, &count, sizeof(count)) > 0 && ring(q))
			return 1;
	}
}

/** bell_main() - Be a ringer, if that is what we were started for */
void bell_main(int argc, char **argv)
{
	unsigned long long off, parent;

	if (argc != 4 || strcmp(argv[1], ARGUMENT))
		return;
	if (sys_number(argv[2], UINT64_MAX, &off) ||
	    sys_number(argv[3], INT32_MAX, &parent))
		exit(2);
	exit(serve(off, (pid_t)parent));
}
