/* SPDX-License-Identifier: Apache-2.0 */
/* splice.c - between a connection and a pipe, as proxies do */
#include <sys/stat.h>

#include "tests/peer/peer.h"

#define MANY 3000000L

static int pipes[2];

static void open_pipe(int flags)
{
	MUST(pipe2(pipes, flags));
}

/* One with a name. */
static void open_fifo(void)
{
	char dir[] = "/tmp/peer-splice.XXXXXX", path[64];

	if (!mkdtemp(dir))
		die("mkdtemp");
	snprintf(path, sizeof(path), "%s/fifo", dir);
	MUST(mkfifo(path, 0600));
	pipes[0] = (int)MUST(open(path, O_RDONLY | O_NONBLOCK));
	pipes[1] = (int)MUST(open(path, O_WRONLY));
	MUST(fcntl(pipes[0], F_SETFL, 0));
	unlink(path);
	rmdir(dir);
}

static void say_piped(void)
{
	int n = -1;

	MUST(ioctl(pipes[0], FIONREAD, &n));
	say("  in the pipe: %d", n);
}

static void fill_pipe(void)
{
	static char page[4096];
	int i, size = (int)MUST(fcntl(pipes[1], F_GETPIPE_SZ));

	for (i = 0; i < size; i += 4096)
		MUST(write(pipes[1], page, sizeof(page)));
}

static void millis(int name, int ms)
{
	struct timeval tv = { 0, ms * 1000 };

	MUST(setsockopt(near_fd, SOL_SOCKET, name, &tv, sizeof(tv)));
}

/* --- a proxy --- */

struct sink {
	int fd;
	long n;
	uint64_t sum;
};

static void *drain(void *arg)
{
	struct sink *sink = arg;

	if (act_pull(sink->fd, sink->n, 0) != sink->n)
		die("act_pull");
	sink->sum = act_sum;
	return NULL;
}

/* Wait only where the proxy says so. */
static long piece(int in, int out, long n, unsigned flags, bool waits)
{
	for (;;) {
		long got = splice(in, NULL, out, NULL, (size_t)n, flags);

		if (got >= 0 || errno != EAGAIN || waits)
			return got;
		struct pollfd fds[2] = { { in, POLLIN, 0 },
					 { out, POLLOUT, 0 } };
		MUST(poll(&fds[0], 1, 1000));
		MUST(poll(&fds[1], 1, 1000));
		errno = ERRNO_UNTOUCHED;
	}
}

static void proxy(int flags, bool waits)
{
	long done = 0, in, out;
	struct sink sink = { .n = MANY };
	pthread_t thread;
	int fds[2];

	sock_pair(fds);
	sink.fd = fds[1];
	set_nonblock(near_fd, !waits);
	set_nonblock(fds[0], !waits);
	if (pthread_create(&thread, NULL, drain, &sink))
		die("pthread_create");
	far_go(act_push, MANY, 7);
	while (done < MANY) {
		in = MUST(piece(near_fd, pipes[1], 300000, (unsigned)flags,
				waits));
		if (!in)
			die("ended after %ld", done);
		while (in) {
			out = MUST(piece(pipes[0], fds[0], in, (unsigned)flags,
					 waits));
			in -= out;
			done += out;
		}
	}
	TRY(far_end());
	pthread_join(thread, NULL);
	say("went through: %ld, sum %016llx", done,
	    (unsigned long long)sink.sum);
	TRY(far_do(act_close, 0, 0));
	TRY(piece(near_fd, pipes[1], 5, (unsigned)flags, waits));
}

TOPIC(proxy)
{
	far_open();
	open_pipe(0);
	proxy(0, true);
	say_piped();
}

TOPIC(proxy_fifo)
{
	far_open();
	open_fifo();
	proxy(0, true);
	say_piped();
}

TOPIC(proxy_nonblock)
{
	far_open();
	open_pipe(0);
	proxy(SPLICE_F_NONBLOCK | SPLICE_F_MOVE | SPLICE_F_MORE, false);
	say_piped();
}

TOPIC(proxy_nonblock_pipe)
{
	far_open();
	open_pipe(O_NONBLOCK);
	proxy(0, false);
	say_piped();
}

/* the far end by splice as well, and there and back */
static long act_splice_in(int fd, long n, long ignored)
{
	long got, done = 0;
	int own[2];

	MUST(pipe(own));
	while (done < n) {
		got = splice(fd, NULL, own[1], NULL, (size_t)(n - done), 0);
		if (got <= 0)
			return got;
		for (done += got; got;)
			got -= MUST(
				splice(own[0], NULL, fd, NULL, (size_t)got, 0));
	}
	return done;
}

static void *push(void *fd)
{
	if (act_push(*(int *)fd, MANY, 3) != MANY)
		die("act_push");
	return NULL;
}

TOPIC(echo)
{
	pthread_t thread;

	far_open();
	far_go(act_splice_in, MANY, 0);
	if (pthread_create(&thread, NULL, push, &near_fd))
		die("pthread_create");
	TRY(act_pull(near_fd, MANY, 0));
	say("sum %016llx", (unsigned long long)act_sum);
	pthread_join(thread, NULL);
	TRY(far_end());
}

/* what does not go at once is left where it was */
TOPIC(small)
{
	char buf[20];
	long n;

	far_open();
	open_pipe(0);
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 4, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 100, 0));
	n = TRY(read(pipes[0], buf, sizeof(buf)));
	say_data(buf, n);
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 3, 0));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 100, 0));
	TRY(far_do(act_pull, 10, 0));
	say("sum %016llx", (unsigned long long)far_sum());
	MUST(write(pipes[1], "klm", 3));
	TRY(close(pipes[1]));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 100, 0));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 100, 0));
	TRY(far_do(act_read, 10, 0));
}

TOPIC(input_nonblock)
{
	far_open();
	open_pipe(0);
	set_nonblock(near_fd, true);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	set_nonblock(near_fd, false);
	millis(SO_RCVTIMEO, 50);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, SPLICE_F_NONBLOCK));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	fill_pipe();
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, SPLICE_F_NONBLOCK));
	MUST(fcntl(pipes[1], F_SETFL, O_NONBLOCK));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	until_input(near_fd, 10);
	set_int(near_fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	open_pipe(O_NONBLOCK);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 50, 0));
}

TOPIC(output_nonblock)
{
	far_open();
	open_pipe(0);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, SPLICE_F_NONBLOCK));
	MUST(fcntl(pipes[0], F_SETFL, O_NONBLOCK));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	MUST(fcntl(pipes[0], F_SETFL, 0));
	MUST(act_fill(near_fd, 0, 0));
	set_nonblock(near_fd, true);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, SPLICE_F_NONBLOCK));
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	set_nonblock(near_fd, false);
	millis(SO_SNDTIMEO, 50);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, SPLICE_F_NONBLOCK));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	say_piped();
}

TOPIC(input_ends)
{
	far_open();
	open_pipe(0);
	TRY(far_text("0123"));
	TRY(far_do(act_shutdown, SHUT_WR, 0));
	until_poll(near_fd, POLLRDHUP);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, SPLICE_F_NONBLOCK));
	say_piped();
	open_pipe(0);
	fill_pipe();
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, SPLICE_F_NONBLOCK));
	TRY(close(pipes[0]));
	TRY_IN_CHILD(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	signal(SIGPIPE, SIG_IGN);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
}

TOPIC(input_reset)
{
	far_open();
	open_pipe(0);
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLERR);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	MUST(write(pipes[1], "abcdefghij", 10));
	signal(SIGPIPE, SIG_IGN);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	say_piped();
}

TOPIC(input_shut)
{
	far_open();
	open_pipe(0);
	TRY(shutdown(near_fd, SHUT_RD));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 10, 0));
	TRY(far_do(act_read, 10, MSG_WAITALL));
}

TOPIC(output_ends)
{
	far_open();
	open_pipe(0);
	TRY(shutdown(near_fd, SHUT_WR));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, SPLICE_F_NONBLOCK));
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY_IN_CHILD(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	signal(SIGPIPE, SIG_IGN);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	say_piped();
	TRY(far_text("still"));
	until_input(near_fd, 5);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	say_piped();
}

TOPIC(output_reset)
{
	far_open();
	open_pipe(0);
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY(far_do(act_reset, 0, 0));
	until_poll(near_fd, POLLERR);
	signal(SIGPIPE, SIG_IGN);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	say_piped();
}

TOPIC(errors)
{
	int null = (int)MUST(open("/dev/null", O_RDWR)), fds[2], other[2];
	off_t off = 0;

	far_open();
	sock_pair(fds);
	open_pipe(0);
	MUST(pipe(other));
	MUST(write(pipes[1], "abcdefghij", 10));
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	TRY(splice(near_fd, &off, pipes[1], NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], &off, 9, 0));
	TRY(splice(pipes[0], &off, near_fd, NULL, 9, 0));
	TRY(splice(pipes[0], NULL, near_fd, &off, 9, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 0, 0));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 0, 0));
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0x100));
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0x100));
	TRY(splice(near_fd, NULL, fds[0], NULL, 9, 0));
	TRY(splice(near_fd, NULL, near_fd, NULL, 9, 0));
	TRY(splice(near_fd, NULL, null, NULL, 9, 0));
	TRY(splice(null, NULL, near_fd, NULL, 9, 0));
	TRY(splice(near_fd, NULL, pipes[0], NULL, 9, 0));
	TRY(splice(pipes[1], NULL, near_fd, NULL, 9, 0));
	TRY(splice(near_fd, NULL, -1, NULL, 9, 0));
	TRY(splice(-1, NULL, near_fd, NULL, 9, 0));
	TRY(splice(pipes[0], NULL, other[1], NULL, 5, 0));
	say_piped();
	until_input(near_fd, 10);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 10, 0));
	say_piped();
}

/* --- waiting --- */

static pid_t sleeper;
static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

static void *wake_far(void *unused)
{
	until_asleep(sleeper);
	if (far_do(act_text, (long)"awake", 0) != 5)
		die("far_do");
	return NULL;
}

static void *wake_write(void *unused)
{
	until_asleep(sleeper);
	MUST(write(pipes[1], "awake", 5));
	return NULL;
}

static void *wake_read(void *unused)
{
	static char buf[8192];

	until_asleep(sleeper);
	MUST(read(pipes[0], buf, sizeof(buf)));
	return NULL;
}

static void *wake_pull(void *unused)
{
	until_asleep(sleeper);
	far_go(act_pull, 1000000000L, 0);
	return NULL;
}

static void *wake_signal(void *thread)
{
	until_asleep(sleeper);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

static pthread_t this_thread, waker;

/* What is to happen once this thread sleeps in the call that follows. */
static void meanwhile(void *(*what)(void *))
{
	sleeper = getpid();
	this_thread = pthread_self();
	if (pthread_create(&waker, NULL, what, &this_thread))
		die("pthread_create");
}

static void woken(void)
{
	pthread_join(waker, NULL);
}

TOPIC(waits)
{
	far_open();
	open_pipe(0);
	meanwhile(wake_far);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 99, 0));
	woken();
	say_piped();
	TRY(splice(pipes[0], NULL, near_fd, NULL, 5, 0));
	meanwhile(wake_write);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 99, 0));
	woken();
	TRY(far_do(act_read, 10, MSG_WAITALL));
	fill_pipe();
	TRY(far_text("0123456789"));
	until_input(near_fd, 10);
	meanwhile(wake_read);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 99, 0));
	woken();
}

/* a splice that began goes on until all of the pipe went */
TOPIC(waits_for_room)
{
	far_open();
	open_pipe(0);
	MUST(act_fill(near_fd, 0, 0));
	fill_pipe();
	meanwhile(wake_pull);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 16 * 4096, 0));
	woken();
	say_piped();
	TRY(shutdown(near_fd, SHUT_WR));
	MUST(far_end());
}

TOPIC(interrupted)
{
	struct sigaction sa = { .sa_handler = on_signal };

	far_open();
	open_pipe(0);
	MUST(sigaction(SIGUSR1, &sa, NULL));
	meanwhile(wake_signal);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	woken();
	meanwhile(wake_signal);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	woken();
	fill_pipe();
	meanwhile(wake_signal);
	TRY(splice(near_fd, NULL, pipes[1], NULL, 9, 0));
	woken();
	MUST(act_fill(near_fd, 0, 0));
	meanwhile(wake_signal);
	TRY(splice(pipes[0], NULL, near_fd, NULL, 9, 0));
	woken();
	say("signals %d", (int)signals);
	say_piped();
}
