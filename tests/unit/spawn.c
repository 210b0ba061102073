/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - which descriptors a program has that posix_spawn(3) starts */
#include "core/sock/spawn.h"

#include "core/sock/sock.h"
#include "tests/unit/tap.h"

#define FD 7

static char here[40]; /* lists are known by their address */

TEST(without_actions)
{
	sock_spawn_begin(here);
	CHECK(spawn_inherits(here, FD, false));
	CHECK(!spawn_inherits(here, FD, true));
}

TEST(closed)
{
	sock_spawn_begin(here);
	sock_spawn_add(here, SOCK_SPAWN_CLOSE, FD, -1);
	CHECK(!spawn_inherits(here, FD, false));
	CHECK(spawn_inherits(here, FD + 1, false));
	sock_spawn_add(here, SOCK_SPAWN_CLOSE_FROM, FD + 1, -1);
	CHECK(!spawn_inherits(here, FD + 1, false));
	CHECK(!spawn_inherits(here, 1000, false));
	CHECK(spawn_inherits(here, FD - 1, false));
}

TEST(copied)
{
	sock_spawn_begin(here);
	sock_spawn_add(here, SOCK_SPAWN_DUP2, FD, 0);
	sock_spawn_add(here, SOCK_SPAWN_CLOSE, FD, -1);
	CHECK(spawn_inherits(here, FD, true));
	CHECK(!spawn_inherits(here, 0, false));
	/* and from there, and something else over that */
	sock_spawn_add(here, SOCK_SPAWN_DUP2, 0, 1);
	sock_spawn_add(here, SOCK_SPAWN_OPEN, -1, 0);
	CHECK(spawn_inherits(here, FD, true));
	sock_spawn_add(here, SOCK_SPAWN_DUP2, 0, 1);
	CHECK(!spawn_inherits(here, FD, true));
}

/* It will not close on exec then. */
TEST(copied_onto_itself)
{
	sock_spawn_begin(here);
	CHECK(!spawn_inherits(here, FD, true));
	sock_spawn_add(here, SOCK_SPAWN_DUP2, FD, FD);
	CHECK(spawn_inherits(here, FD, true));
}

TEST(begun_anew)
{
	sock_spawn_begin(here);
	sock_spawn_add(here, SOCK_SPAWN_CLOSE, FD, -1);
	sock_spawn_begin(here);
	CHECK(spawn_inherits(here, FD, false));
}

/* What is not known may be anything. */
TEST(unknown)
{
	unsigned i;

	CHECK(spawn_inherits(here, FD, true));
	sock_spawn_begin(here);
	sock_spawn_end(here);
	CHECK(spawn_inherits(here, FD, true));
	sock_spawn_begin(here);
	for (i = 0; i < 200; i++)
		sock_spawn_add(here, SOCK_SPAWN_CLOSE, 100, -1);
	CHECK(spawn_inherits(here, FD, true));
}

TEST(of_many_the_oldest_is_forgotten)
{
	unsigned i;

	for (i = 0; i < sizeof(here); i++) {
		sock_spawn_begin(&here[i]);
		sock_spawn_begin(here);
		CHECK(!spawn_inherits(&here[i], FD, true));
		CHECK(!spawn_inherits(here, FD, true));
	}
	CHECK(spawn_inherits(&here[1], FD, true));
}
