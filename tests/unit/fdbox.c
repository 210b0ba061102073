/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/fdbox.h"

#include "core/base/kernel.h"
#include "tests/unit/tap.h"

TEST(descriptors_travel_and_have_one_owner)
{
	struct fdbox out, in;
	char buf[4];
	bool more;
	int sv[2], fd, i;

	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv));
	fdbox_init(&out);
	for (i = 0; i < FDBOX_MAX; i++)
		CHECK(!fdbox_put(&out, k_fcntl(1, 0 /* F_DUPFD */, 3)));
	CHECK(fdbox_put(&out, 99) == -ENOSPC);
	CHECK(fdbox_send(sv[0], "abcdef", 6, &out, 0) == 6);
	fdbox_close(&out);
	CHECK(fdbox_recv(sv[1], buf, sizeof(buf), &in, 0, &more) == 4);
	CHECK(more && in.n == FDBOX_MAX);
	fd = fdbox_take(&in, 31);
	CHECK(fd >= 0 && k_fcntl(fd, 1 /* F_GETFD */, 0) == 1 /* CLOEXEC */);
	CHECK(fdbox_take(&in, 31) == -EPROTO);
	CHECK(fdbox_take(&in, 32) == -EPROTO);
	k_close(fd);
	fdbox_close(&in);
	k_close(sv[0]);
	k_close(sv[1]);
}
