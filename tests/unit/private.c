/* SPDX-License-Identifier: Apache-2.0 */
/* private.c - the library's own descriptors are marked and out of the way */
#include <fcntl.h>
#include <sys/resource.h>

#include "core/sess/waiter.h"
#include "tests/unit/kernel_fault.h"
#include "tests/unit/tap.h"

static int fresh(void)
{
	int fd = open("/dev/null", O_RDONLY);

	CHECK(fd >= 0);
	return fd;
}

TEST(moves_up_and_marks)
{
	int low = fresh(), fd = private_fd(low);

	CHECK(fd >= 960 && fcntl(low, F_GETFD) < 0);
	CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	CHECK(private_is(fd) && !private_is(low) && !private_is(-1));
	CHECK(private_next(0) == fd && private_next(fd) == fd);
	CHECK(private_next(fd + 1) == -1 && private_next(-5) == -1);
	private_close(fd);
	CHECK(!private_is(fd) && private_next(0) == -1);
	CHECK(fcntl(fd, F_GETFD) < 0);
}

TEST(an_error_stays_an_error)
{
	CHECK(private_fd(-ENFILE) == -ENFILE);
	private_close(-1);
}

TEST(keeps_the_number_if_it_cant_move)
{
	int low = fresh(), fd;

	kernel_fault_in = 1;
	fd = private_fd(low);
	kernel_fault_in = 0;
	CHECK(fd == low && private_is(low));
	private_close(fd);
	CHECK(!private_is(low));
}

TEST(fits_below_a_low_limit)
{
	struct rlimit lim = { .rlim_cur = 128, .rlim_max = 128 };
	int fd;

	CHECK(!setrlimit(RLIMIT_NOFILE, &lim));
	fd = private_fd(fresh());
	CHECK(fd >= 64 && fd < 128 && private_is(fd));
	private_close(fd);
}

TEST(walk_finds_each)
{
	int fd[70], i, at;

	for (i = 0; i < 70; i++)
		fd[i] = private_fd(fresh());
	for (i = 0, at = private_next(0); at >= 0; at = private_next(at + 1))
		CHECK(at == fd[i++]);
	CHECK(i == 70);
	for (i = 0; i < 70; i++)
		private_close(fd[i]);
}
