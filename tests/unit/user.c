/* SPDX-License-Identifier: Apache-2.0 */
/* user.c - addresses that are none, and those that are */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/user.h"
#include "tests/unit/tap.h"

TEST(what_nobody_can_have)
{
	char c;

	CHECK(user_ok(&c, 1) && user_ok(&c, 1u << 30));
	CHECK(!user_ok(NULL, 1) && !user_ok((void *)8, 0));
	CHECK(!user_ok((void *)-1, 1) && !user_ok(&c, SIZE_MAX));
	CHECK(user_never((void *)-1) && !user_never((void *)8));
}

TEST(bytes_before_a_hole_are_read_and_those_in_it_are_not)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char to[16] = "";

	CHECK(p != MAP_FAILED && !munmap(p + 4096, 4096));
	memset(p, 'a', 4096);
	CHECK(user_get(to, p + 4096 - 3, 3) == 0 && !memcmp(to, "aaa", 4));
	CHECK(user_get(to, p + 4096 - 15, 15) == 0);
	CHECK(user_get(to, p + 4096 - 3, 4) == -EFAULT);
	CHECK(user_get(to, p + 4096, 1) == -EFAULT);
	CHECK(user_get(to, NULL, 1) == -EFAULT);
	CHECK(user_get(to, NULL, 0) == 0);
	CHECK(!mprotect(p, 4096, PROT_READ) && user_get(to, p, 16) == 0);
	CHECK(!mprotect(p, 4096, PROT_NONE) && user_get(to, p, 16) == -EFAULT);
}
