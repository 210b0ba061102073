/* SPDX-License-Identifier: Apache-2.0 */
/* preload.c - each wrapper calls the right function of the core, rightly */
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"
#include "preload/real.h"
#include "tests/unit/preload_double.h"
#include "tests/unit/tap.h"

#define OURS 100
#define ARG(x) ((long)(x))

/* Nobody looks behind these; volatile keeps the compiler from it, too. */
static char *volatile buf = (char *)16;
static struct sockaddr *volatile addr = (struct sockaddr *)32;
static socklen_t *volatile alen = (socklen_t *)48;
static struct iovec *volatile iov = (struct iovec *)64;
static struct msghdr *volatile msg = (struct msghdr *)80;
static struct mmsghdr *volatile msgs = (struct mmsghdr *)96;

/*
 * @call comes to @core with these arguments, its answer goes to the program,
 * and an error to errno.
 */
#define GOES(call, core, ...)                                             \
	do {                                                              \
		const long goes_args[6] = { __VA_ARGS__ };                \
                                                                          \
		memset(&noted, 0, sizeof(noted));                         \
		double_answer = 7;                                        \
		errno = EXDEV;                                            \
		CHECK((call) == 7 && errno == EXDEV);                     \
		CHECK(noted.name && !strcmp(noted.name, core));           \
		CHECK(!memcmp(noted.args, goes_args, sizeof(goes_args))); \
		double_answer = -ENOTUNIQ;                                \
		CHECK((call) == -1 && errno == ENOTUNIQ);                 \
		double_answer = 7;                                        \
	} while (0)

TEST(sockets)
{
	double_ours = OURS;
	GOES(bind(OURS, addr, 16), "sock_bind", OURS, 32, 16);
	GOES(listen(OURS, 5), "sock_listen", OURS, 5);
	GOES(listen(-1, 5), "sock_listen", -1, 5);
	GOES(connect(OURS, addr, 16), "sock_connect", OURS, 32, 16);
	GOES(connect(-1, addr, 16), "sock_connect", -1, 32, 16);
	GOES(__connect(OURS, addr, 16), "sock_connect", OURS, 32, 16);
	GOES(accept(OURS, addr, alen), "sock_accept4", OURS, 32, 48, 0);
	GOES(accept4(OURS, addr, alen, 3), "sock_accept4", OURS, 32, 48, 3);
	GOES(shutdown(OURS, 2), "sock_shutdown", OURS, 2);
	GOES(getsockname(OURS, addr, alen), "sock_getsockname", OURS, 32, 48);
	GOES(getpeername(OURS, addr, alen), "sock_getpeername", OURS, 32, 48);
	GOES(getsockopt(OURS, 1, 2, buf, alen), "sock_getsockopt", OURS, 1, 2,
	     16, 48);
	GOES(setsockopt(OURS, 1, 2, buf, 4), "sock_setsockopt", OURS, 1, 2, 16,
	     4);
}

TEST(input)
{
	struct timespec ts;

	double_ours = OURS;
	GOES(read(OURS, buf, 9), "sock_read", OURS, 16, 9);
	GOES(__read(OURS, buf, 9), "sock_read", OURS, 16, 9);
	GOES(__read_chk(OURS, buf, 9, 9), "sock_read", OURS, 16, 9);
	GOES(readv(OURS, iov, 2), "sock_readv", OURS, 64, 2);
	GOES(preadv2(OURS, iov, 2, -1, 8), "sock_preadv2", OURS, 64, 2, -1, 8);
	GOES(recv(OURS, buf, 9, 3), "sock_recvfrom", OURS, 16, 9, 3);
	GOES(__recv_chk(OURS, buf, 9, 9, 3), "sock_recvfrom", OURS, 16, 9, 3);
	GOES(recvfrom(OURS, buf, 9, 3, addr, alen), "sock_recvfrom", OURS, 16,
	     9, 3, 32, 48);
	GOES(__recvfrom_chk(OURS, buf, 9, 9, 3, addr, alen), "sock_recvfrom",
	     OURS, 16, 9, 3, 32, 48);
	GOES(recvmsg(OURS, msg, 3), "sock_recvmsg", OURS, 80, 3);
	GOES(recvmmsg(OURS, msgs, 2, 3, &ts), "sock_recvmmsg", OURS, 96, 2, 3,
	     ARG(&ts));
}

TEST(output)
{
	off_t off;

	double_ours = OURS;
	GOES(write(OURS, buf, 9), "sock_write", OURS, 16, 9);
	GOES(__write(OURS, buf, 9), "sock_write", OURS, 16, 9);
	GOES(pwritev2(OURS, iov, 2, -1, 8), "sock_pwritev2", OURS, 64, 2, -1,
	     8);
	GOES(writev(OURS, iov, 2), "sock_writev", OURS, 64, 2);
	GOES(send(OURS, buf, 9, 3), "sock_sendto", OURS, 16, 9, 3);
	GOES(__send(OURS, buf, 9, 3), "sock_sendto", OURS, 16, 9, 3);
	GOES(sendto(OURS, buf, 9, 3, addr, 16), "sock_sendto", OURS, 16, 9, 3,
	     32, 16);
	GOES(sendmsg(OURS, msg, 3), "sock_sendmsg", OURS, 80, 3);
	GOES(sendmmsg(OURS, msgs, 2, 3), "sock_sendmmsg", OURS, 96, 2, 3);
	GOES(sendfile(OURS, 5, &off, 9), "sock_sendfile", OURS, 5, ARG(&off),
	     9);
	GOES(sendfile64(OURS, 5, &off, 9), "sock_sendfile", OURS, 5, ARG(&off),
	     9);
	GOES(splice(OURS, NULL, 5, &off, 9, 1), "sock_splice", OURS, 0, 5,
	     ARG(&off), 9, 1);
	GOES(splice(5, &off, OURS, NULL, 9, 1), "sock_splice", 5, ARG(&off),
	     OURS, 0, 9, 1);
}

/* Told before, with these arguments; then libc does it. */
#define TELLS(call, core, ...)                                              \
	do {                                                                \
		const long tells_args[6] = { __VA_ARGS__ };                 \
                                                                            \
		memset(&noted, 0, sizeof(noted));                           \
		CHECK(call);                                                \
		CHECK(noted.name && !strcmp(noted.name, core));             \
		CHECK(!memcmp(noted.args, tells_args, sizeof(tells_args))); \
	} while (0)

#define NOWHERE "/nonexistent/program"
#define FAILS(call) (errno = 0, (call) == -1 && errno == ENOENT)

TEST(programs_that_are_not_there)
{
	char *const none[] = { NULL };
	pid_t pid;

	TELLS(FAILS(execve(NOWHERE, none, none)), "sock_exec", 0);
	TELLS(FAILS(execv(NOWHERE, none)), "sock_exec", 0);
	TELLS(FAILS(execvp(NOWHERE, none)), "sock_exec", 0);
	TELLS(FAILS(execvpe(NOWHERE, none, none)), "sock_exec", 0);
	TELLS(FAILS(execveat(-1, NOWHERE, none, none, 0)), "sock_exec", 0);
	TELLS(FAILS(execl(NOWHERE, "a", "b", (char *)NULL)), "sock_exec", 0);
	TELLS(FAILS(execlp(NOWHERE, "a", (char *)NULL)), "sock_exec", 0);
	TELLS(FAILS(execle(NOWHERE, "a", (char *)NULL, none)), "sock_exec", 0);
	TELLS(posix_spawn(&pid, NOWHERE, NULL, NULL, none, none) == ENOENT,
	      "sock_spawn", 0);
	TELLS(posix_spawnp(&pid, NOWHERE, NULL, NULL, none, none) == ENOENT,
	      "sock_spawn", 0);
}

static int status_of(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Arguments that are listed, and an environment behind them. */
TEST(programs)
{
	char *const env[] = { (char[]){ "SEVEN=7" }, NULL };
	FILE *f;
	pid_t pid = fork();

	if (!pid)
		execl("/bin/sh", "sh", "-c", "exit $1", "x", "3", (char *)NULL);
	CHECK(status_of(pid) == 3);
	pid = fork();
	if (!pid)
		execlp("sh", "sh", "-c", "exit 4", (char *)NULL);
	CHECK(status_of(pid) == 4);
	pid = fork();
	if (!pid)
		execle("/bin/sh", "sh", "-c", "exit $SEVEN", (char *)NULL, env);
	CHECK(status_of(pid) == 7);
	TELLS(WEXITSTATUS(system("exit 5")) == 5, "sock_spawn", 0);
	TELLS((f = popen("exit 6", "r")), "sock_spawn", 0);
	CHECK(WEXITSTATUS(pclose(f)) == 6);
}

TEST(what_a_child_does_with_descriptors)
{
	posix_spawn_file_actions_t fa;

	TELLS(!posix_spawn_file_actions_init(&fa), "sock_spawn_begin",
	      ARG(&fa));
	TELLS(!posix_spawn_file_actions_addclose(&fa, 5), "sock_spawn_add",
	      ARG(&fa), SOCK_SPAWN_CLOSE, 5, -1);
	TELLS(!posix_spawn_file_actions_addclosefrom_np(&fa, 6),
	      "sock_spawn_add", ARG(&fa), SOCK_SPAWN_CLOSE_FROM, 6, -1);
	TELLS(!posix_spawn_file_actions_adddup2(&fa, 5, 0), "sock_spawn_add",
	      ARG(&fa), SOCK_SPAWN_DUP2, 5, 0);
	TELLS(!posix_spawn_file_actions_addopen(&fa, 7, "/", 0, 0),
	      "sock_spawn_add", ARG(&fa), SOCK_SPAWN_OPEN, -1, 7);
	TELLS(!posix_spawn_file_actions_destroy(&fa), "sock_spawn_end",
	      ARG(&fa));
}

TEST(descriptors)
{
	double_ours = OURS;
	GOES(close(OURS), "sock_close", OURS);
	GOES(__close(OURS), "sock_close", OURS);
	GOES(close_range(3, 9, 1), "sock_close_range", 3, 9, 1);
	closefrom(3);
	CHECK(noted.args[0] == 3 && noted.args[1] == UINT_MAX);
	closefrom(-5);
	CHECK(noted.args[0] == 0 && noted.args[1] == UINT_MAX);
	GOES(dup(OURS), "sock_dup", OURS);
	GOES(dup2(OURS, 5), "sock_dup2", OURS, 5);
	GOES(__dup2(OURS, 5), "sock_dup2", OURS, 5);
	GOES(dup2(1, OURS), "sock_dup2", 1, OURS);
	GOES(dup3(OURS, 5, 1), "sock_dup3", OURS, 5, 1);
	GOES(dup3(1, OURS, 1), "sock_dup3", 1, OURS, 1);
	GOES(ioctl(OURS, 0x5421, buf), "sock_ioctl", OURS, 0x5421, 16);
}

TEST(fcntl_passes_each_kind_of_argument)
{
	double_ours = OURS;
	GOES(fcntl(OURS, F_GETFL), "sock_fcntl", OURS, F_GETFL, 0);
	GOES(fcntl(OURS, F_GETFD, 99), "sock_fcntl", OURS, F_GETFD, 0);
	GOES(fcntl(OURS, F_SETFL, -2), "sock_fcntl", OURS, F_SETFL, -2);
	GOES(__fcntl(OURS, F_DUPFD, 10), "sock_fcntl", OURS, F_DUPFD, 10);
	GOES(fcntl64(OURS, F_SETLK, buf), "sock_fcntl", OURS, F_SETLK, 16);
	GOES(fcntl(OURS, 12345, LONG_MIN), "sock_fcntl", OURS, 12345, LONG_MIN);
}

static bool timeout_is(time_t sec, long nsec)
{
	return !noted.forever && noted.timeout.tv_sec == sec &&
	       noted.timeout.tv_nsec == nsec;
}

TEST(polling)
{
	struct pollfd p[2];
	struct timespec ts = { 3, 4 };
	sigset_t set;

	double_ours = OURS;
	GOES(poll(p, 2, 1234), "sock_ppoll", ARG(p), 2, 0);
	CHECK(timeout_is(1, 234000000));
	GOES(__poll(p, 2, INT_MAX), "sock_ppoll", ARG(p), 2, 0);
	CHECK(timeout_is(2147483, 647000000));
	GOES(poll(p, 2, 0), "sock_ppoll", ARG(p), 2, 0);
	CHECK(timeout_is(0, 0));
	GOES(poll(p, 2, -7), "sock_ppoll", ARG(p), 2, 0);
	CHECK(noted.forever);
	GOES(__poll_chk(p, 2, 1234, sizeof(p)), "sock_ppoll", ARG(p), 2, 0);
	CHECK(timeout_is(1, 234000000));
	GOES(ppoll(p, 2, &ts, &set), "sock_ppoll", ARG(p), 2, ARG(&set));
	CHECK(timeout_is(3, 4));
	GOES(__ppoll_chk(p, 2, &ts, &set, sizeof(p)), "sock_ppoll", ARG(p), 2,
	     ARG(&set));
	CHECK(timeout_is(3, 4));
}

TEST(selecting)
{
	fd_set r, w, x;
	struct timespec ts = { 3, 4 };
	sigset_t set;

	double_ours = OURS;
	GOES(select(9, &r, &w, &x, NULL), "sock_pselect", 9, ARG(&r), ARG(&w),
	     ARG(&x), 0);
	CHECK(noted.forever);
	GOES(__select(9, &r, &w, &x, NULL), "sock_pselect", 9, ARG(&r), ARG(&w),
	     ARG(&x), 0);
	GOES(pselect(9, &r, &w, &x, &ts, &set), "sock_pselect", 9, ARG(&r),
	     ARG(&w), ARG(&x), ARG(&set));
	CHECK(timeout_is(3, 4));
}

TEST(select_says_what_is_left)
{
	struct timeval tv = { 5, 1999999 }, bad = { -1, 0 },
		       bad_usec = { 0, -1 };
	struct timeval ever = { INT64_MAX, INT64_MAX }, none = { 0, 0 };

	double_ours = OURS;
	double_answer = 1;
	CHECK(select(0, NULL, NULL, NULL, &tv) == 1);
	CHECK(timeout_is(6, 999999000));
	/* no time to speak of has passed, and none was gained */
	CHECK(tv.tv_sec == 6 && tv.tv_usec > 0 && tv.tv_usec <= 999999);
	CHECK(select(0, NULL, NULL, NULL, &none) == 1);
	CHECK(timeout_is(0, 0) && !none.tv_sec && !none.tv_usec);
	CHECK(select(0, NULL, NULL, NULL, &ever) == 1);
	CHECK(noted.timeout.tv_sec >= INT_MAX && ever.tv_sec > 0);
	noted.name = NULL;
	CHECK(select(0, NULL, NULL, NULL, &bad) == -1 && errno == EINVAL);
	CHECK(select(0, NULL, NULL, NULL, &bad_usec) == -1 && errno == EINVAL);
	CHECK(!noted.name && bad.tv_sec == -1);
}

TEST(epoll)
{
	struct epoll_event ev;
	struct timespec ts = { 3, 4 };
	sigset_t set;

	double_ours = OURS;
	GOES(epoll_ctl(5, 1, 6, &ev), "sock_epoll_ctl", 5, 1, 6, ARG(&ev));
	GOES(epoll_wait(OURS, &ev, 1, -1), "sock_epoll_pwait2", OURS, ARG(&ev),
	     1, 0);
	CHECK(noted.forever);
	GOES(epoll_wait(OURS, &ev, 1, 50), "sock_epoll_pwait2", OURS, ARG(&ev),
	     1, 0);
	CHECK(timeout_is(0, 50000000));
	GOES(epoll_pwait(OURS, &ev, 1, 50, &set), "sock_epoll_pwait2", OURS,
	     ARG(&ev), 1, ARG(&set));
	CHECK(timeout_is(0, 50000000));
	GOES(epoll_pwait2(OURS, &ev, 1, &ts, &set), "sock_epoll_pwait2", OURS,
	     ARG(&ev), 1, ARG(&set));
	CHECK(timeout_is(3, 4));
}

/* @call returns @fd, the lowest free number, and the core hears of it */
#define FRESH(call, fd)                                                 \
	do {                                                            \
		noted.name = NULL;                                      \
		double_ours = (fd);                                     \
		CHECK((call) == (fd));                                  \
		CHECK(noted.name && !strcmp(noted.name, "sock_fresh")); \
		CHECK(noted.args[0] == (fd));                           \
		double_ours = -1;                                       \
		close(fd);                                              \
	} while (0)

TEST(a_number_that_comes_back_is_forgotten)
{
	int fd = dup(0), two[2];

	CHECK(fd >= 0 && !close(fd) && !noted.name);
	FRESH(socket(AF_INET, SOCK_STREAM, 0), fd);
	FRESH(dup(0), fd);
	FRESH(fcntl(0, F_DUPFD, 3), fd);
	FRESH(fcntl(0, F_DUPFD_CLOEXEC, 3), fd);
	FRESH(epoll_create(1), fd);
	CHECK(double_created == fd);
	double_created = -2;
	FRESH(epoll_create1(0), fd);
	CHECK(double_created == fd);
	CHECK(epoll_create1(-1) == -1 && errno == EINVAL);
	FRESH(socketpair(AF_UNIX, SOCK_STREAM, 0, two) ? -1 : two[0], fd);
	close(two[1]);
	FRESH(socketpair(AF_UNIX, SOCK_STREAM, 0, two) ? -1 : two[1], fd + 1);
	close(two[0]);
	noted.name = NULL;
	double_ours = fd;
	CHECK(socket(AF_INET, -1, 0) == -1 && !noted.name);
	CHECK(fcntl(0, F_GETFD) == 0 && !noted.name);
}

static bool copy_is(int from, int to)
{
	return double_copy[0] == from && double_copy[1] == to;
}

TEST(the_core_hears_of_copies)
{
	int fd;

	fd = dup(0);
	CHECK(fd > 0 && copy_is(0, fd));
	CHECK(dup2(1, fd) == fd && copy_is(1, fd));
	CHECK(__dup2(0, fd) == fd && copy_is(0, fd));
	CHECK(dup3(1, fd, O_CLOEXEC) == fd && copy_is(1, fd));
	CHECK(dup2(fd, -1) == -1 && copy_is(fd, -1));
	CHECK(!close(fd));
	CHECK(fcntl(1, F_DUPFD, 50) == 50 && copy_is(1, 50) && !close(50));
	CHECK(fcntl64(0, F_DUPFD_CLOEXEC, 50) == 50 && copy_is(0, 50));
	CHECK(!close(50) && !noted.name);
}

TEST(streams)
{
	char line[8];
	FILE *f;

	double_ours = OURS;
	f = fdopen(OURS, "r+");
	CHECK(f && fileno(f) == OURS && !noted.name);
	double_answer = 0;
	CHECK(!fgets(line, sizeof(line), f) && feof(f));
	CHECK(!strcmp(noted.name, "sock_read") && noted.args[0] == OURS);
	rewind(f);
	double_answer = 3;
	CHECK(fputs("abc", f) >= 0 && !fflush(f));
	CHECK(!strcmp(noted.name, "sock_write") && noted.args[2] == 3);
	double_answer = -EPIPE;
	CHECK(fputs("abc", f) >= 0 && fflush(f) == EOF && errno == EPIPE);
	double_answer = 0;
	fclose(f);
	CHECK(!strcmp(noted.name, "sock_close") && noted.args[0] == OURS);
}

TEST(what_is_not_ours_never_comes_to_the_core)
{
	int fds[2];
	char c = 'x';
	struct pollfd p = { .events = POLLIN };

	double_ours = OURS;
	CHECK(!pipe(fds) && write(fds[1], &c, 1) == 1);
	CHECK(read(fds[0], &c, 1) == 1);
	CHECK(recv(fds[0], &c, 1, 0) == -1 && errno == ENOTSOCK);
	CHECK(dup2(fds[0], fds[1]) == fds[1]);
	CHECK(!close(fds[0]) && !close(fds[1]));
	CHECK(close(-1) == -1 && errno == EBADF);
	double_ours = -1;
	CHECK(poll(&p, 1, 0) >= 0);
	CHECK(!noted.name);
	sock_used = false; /* never had any */
	CHECK(close_range(90000, 90001, 0) == 0);
	CHECK(!noted.name);
	sock_used = true;
}

TEST(the_way_to_the_kernel_leaves_errno_alone)
{
	char c;

	errno = EXDEV;
	CHECK(k_read(-1, &c, 1) == -EBADF && errno == EXDEV);
	CHECK(k_close(-1) == -EBADF && errno == EXDEV);
	CHECK(k_listen(-1, 1) == -EBADF && errno == EXDEV);
	CHECK(!noted.name);
}
