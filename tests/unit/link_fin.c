/* SPDX-License-Identifier: Apache-2.0 */
/* link_fin.c - connections that go back from the link to the kernel behind a
 * FIN, or because of one */
#include "tests/unit/link_streams.h"

/* What was not read when the FIN came has been sent again before it. */
TEST(behind_a_fin)
{
	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	back_leave(e.cs, e.c, false);
	take_to_end(&to_client, e.c, true);
	put(&to_server, e.c, 100, true);
	take_all(&to_server, e.s, false);
	finish();
}

/* Who sends to a peer that has shut down goes back alone. */
TEST(a_fin_and_nobody_leaves)
{
	unsigned char buf[1000];

	open_moved(&e);
	put(&to_client, e.s, 3000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	CHECK(sock_recvfrom(e.c, buf, 1000, 0, NULL, NULL) == 1000);
	check_off(&to_client, buf, 1000);
	take_to_end(&to_client, e.c, false);
	put(&to_server, e.c, 100, false);
	take_all(&to_server, e.s, false);
	CHECK(!e.cs->hold->link.tx_ring);
	finish();
}

/* Do @n bytes lie in the kernel?  Those on their way are waited for. */
static bool lie_in_kernel(int fd, uint32_t n)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; i < 5000 && local_queued(fd) < n; i++)
		k_ppoll(NULL, 0, &ms, NULL);
	return local_queued(fd) == n;
}

/* ... with what the peer had not read, if there is room for it. */
TEST(a_fin_takes_back_what_was_not_read)
{
	open_moved(&e);
	put(&to_server, e.c, 3000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	take_to_end(&to_client, e.c, false);
	put(&to_server, e.c, 100, false);
	CHECK(e.cs->hold->link.tx_back == HOLD_TX_BACK);
	CHECK(lie_in_kernel(e.s, 3100));
	take_all(&to_server, e.s, false);
	finish();
}

TEST(a_fin_leaves_what_there_is_no_room_for)
{
	small_buffer(true);
	put(&to_server, e.c, 30000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	take_to_end(&to_client, e.c, false);
	put(&to_server, e.c, 100, false);
	CHECK(lie_in_kernel(e.s, 100));
	take_all(&to_server, e.s, false);
	finish();
}

/* Where the kernel had no room before the FIN nobody can send it again: who
 * stays reads it where it is. */
TEST(behind_a_fin_the_ring_is_read)
{
	small_buffer(false);
	put(&to_client, e.s, 30000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	back_leave(e.cs, e.c, true);
	take_to_end(&to_client, e.c, false);
	put(&to_server, e.c, 100, false);
	take_all(&to_server, e.s, false);
	finish();
}

/* ... and if nobody stays, it is no end of file. */
TEST(behind_a_fin_what_is_lost_is_told)
{
	char c;

	small_buffer(false);
	put(&to_client, e.s, 30000, false);
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	back_leave(e.cs, e.c, false);
	CHECK(k_recvfrom(e.c, &c, 1, MSG_DONTWAIT, NULL, NULL) < 0);
	finish();
}
