/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - children whose words come out in order */
#include <sys/mman.h>
#include <sys/prctl.h>

#include "tests/peer/peer.h"

#define MAX_CHILDREN 16

static struct {
	pid_t pid;
	int words; /* a memfd that is the child's standard output */
} children[MAX_CHILDREN];

pid_t child_start(void)
{
	int low, words, i = 0;
	pid_t pid;

	/* out of the way of topics that count on low numbers */
	low = (int)MUST(memfd_create("words", MFD_CLOEXEC));
	words = (int)MUST(fcntl(low, F_DUPFD_CLOEXEC, 500));
	close(low);
	pid = (pid_t)MUST(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20);
		dup2(words, 1);
		close(words);
		return 0;
	}
	while (children[i].pid)
		if (++i == MAX_CHILDREN)
			die("too many children");
	children[i].pid = pid;
	children[i].words = words;
	return pid;
}

static void print_words(int fd)
{
	char buf[4096], *line, *next;
	ssize_t n;

	n = pread(fd, buf, sizeof(buf) - 1, 0);
	buf[n < 0 ? 0 : n] = 0;
	for (line = buf; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = 0;
		say("    child: %s", line);
	}
}

int child_end(pid_t pid)
{
	int status, i;

	MUST(waitpid(pid, &status, 0));
	for (i = 0; i < MAX_CHILDREN; i++)
		if (children[i].pid == pid) {
			print_words(children[i].words);
			close(children[i].words);
			children[i].pid = 0;
		}
	return WIFEXITED(status) ? WEXITSTATUS(status)
				 : 1000 + WTERMSIG(status);
}
