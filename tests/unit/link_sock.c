/* SPDX-License-Identifier: Apache-2.0 */
/* link_sock.c - kernel connections and their way to a link: both ends in this
 * process, the daemon played, calls of the kernel that fail */
#include "tests/unit/kernel_fault.h"
#include "tests/unit/link_ends.h"

TEST(both_directions_move_and_nothing_is_lost)
{
	struct ends e;

	open_moved(&e);
	CHECK(e.cs->link->end.mine->tx_bytes >= 100);
	CHECK(e.ss->link->end.mine->tx_bytes >= 100);
	CHECK(!dones());
	close_ends(&e);
	CHECK(dones() == 2);
	forget_peer();
	end_thread();
	stop();
}

/* The server has shut down sending, and dies by a close that libsapi does not
 * see: the client hears of that when it sends something, as always. */
TEST(a_death_behind_a_fin)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct pollfd pfd = { .events = 0 };
	struct ends e;
	char c;

	open_moved(&e);
	pfd.fd = e.c;
	CHECK(!sock_shutdown(e.s, SHUT_WR));
	CHECK(sock_recvfrom(e.c, &c, 1, 0, NULL, NULL) == 0);
	CHECK(sock_sendto(e.c, "a", 1, 0, NULL, 0) == 1);
	CHECK(e.cs->hold->link.tx_back == HOLD_TX_BACK);
	CHECK(sock_recvfrom(e.s, &c, 1, 0, NULL, NULL) == 1 && c == 'a');
	CHECK(dup2(null, e.s) == e.s && !close(null));
	CHECK(sock_ready(e.cs, POLLOUT) == POLLOUT);
	CHECK(sock_sendto(e.c, "b", 1, 0, NULL, 0) == 1);
	CHECK(k_ppoll(&pfd, 1, NULL, NULL) == 1 && pfd.revents & POLLHUP);
	CHECK(sock_sendto(e.c, &c, 1, MSG_NOSIGNAL, NULL, 0) == -EPIPE);
	close_ends(&e);
	forget_peer();
	end_thread();
	stop();
}

/* A call that is in the kernel reads what comes there, so the peer must go on
 * sending it there. */
TEST(no_consent_while_a_call_is_in_the_kernel)
{
	struct ends e;

	start();
	connect_ends(&e);
	both_offer(&e);
	e.ss->k_rx++;
	grant_both(&e);
	talk(&e, 4);
	CHECK(e.ss->link && e.ss->hold->link.rx_mode == HOLD_RX_KERNEL);
	/* nor is it left alone: link.h */
	CHECK(!e.cs->hold->link.tx_ring && !e.ss->hold->link.tx_ring);
	e.ss->k_rx--;
	talk(&e, 4);
	CHECK(moved(e.cs) && moved(e.ss));
	close_ends(&e);
	forget_peer();
	end_thread();
	stop();
}

/* One end alone has it: the other never consents. */
TEST(one_end_alone_stays_in_the_kernel)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };
	struct ends e;

	start();
	connect_ends(&e);
	both_offer(&e);
	grant_side(e.c_context, 0);
	msg.refuse.context = e.s_context;
	msg.refuse.why = WIRE_REFUSED_MEMORY;
	played_mail(&p, &pl, &msg, NULL, 0);
	memset((void *)pl.page->offers, 0, sizeof(pl.page->offers));
	talk(&e, 20);
	CHECK(e.cs->link && !e.cs->hold->link.tx_ring && !e.ss->link);
	CHECK(e.ss->upgrade == UPGRADE_IDLE);
	close_ends(&e);
	CHECK(dones() == 1);
	forget_peer();
	end_thread();
	stop();
}

TEST(refusals_end_it_or_put_it_off)
{
	static const enum wire_refusal whys[] = {
		WIRE_REFUSED_EXPIRED, WIRE_REFUSED_PROOF, WIRE_REFUSED_USER,
		WIRE_REFUSED_LIMIT, WIRE_REFUSED_MEMORY
	};
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };
	struct ends e;
	bool again;
	unsigned i;

	start();
	for (i = 0; i < ARRAY_SIZE(whys); i++) {
		connect_ends(&e);
		both_offer(&e);
		msg.refuse.context = e.c_context;
		msg.refuse.why = (uint8_t)whys[i];
		played_mail(&p, &pl, &msg, NULL, 0);
		again = whys[i] != WIRE_REFUSED_PROOF &&
			whys[i] != WIRE_REFUSED_USER;
		talk(&e, 1);
		CHECK(e.cs->upgrade == (again ? UPGRADE_IDLE : UPGRADE_NEVER));
		talk(&e, 200);
		CHECK(!hear_offer() == !again);
		close_ends(&e);
	}
	end_thread();
	stop();
}

/* An answer that comes when the number means another connection. */
TEST(an_answer_for_what_was_closed)
{
	struct ends e, other;
	uint64_t context;

	start();
	connect_ends(&e);
	both_offer(&e);
	context = e.c_context;
	close_ends(&e);
	connect_ends(&other);
	CHECK(other.c == e.c);
	grant_side(context, 0);
	talk(&other, 1);
	CHECK(!other.cs->link && dones() == 1);
	close_ends(&other);
	forget_peer();
	end_thread();
	stop();
}

/* An answer that comes when the connection has another number, and its old one
 * means another connection, which waits for an answer, too. */
TEST(an_answer_for_what_was_moved)
{
	struct ends e, other;
	int old;

	start();
	connect_ends(&e);
	both_offer(&e);
	connect_ends(&other);
	both_offer(&other);
	old = e.c;
	e.c = sock_dup(old);
	CHECK(sock_dup2(other.c, old) == old);
	CHECK(!sock_close(other.c));
	other.c = old;
	grant_both(&e);
	talk(&e, 4);
	talk(&other, 4);
	CHECK(moved(e.cs) && moved(e.ss));
	CHECK(!other.cs->link && !other.ss->link);
	close_ends(&e);
	close_ends(&other);
	CHECK(dones() == 2);
	forget_peer();
	end_thread();
	stop();
}

/* Whichever call of the kernel fails on the way, the connection goes on. */
TEST(calls_that_fail_on_the_way)
{
	struct ends e;
	int i, both = 0, left;

	start();
	warm_thread();
	for (i = 1, left = 0; !left && i < 200; i++) {
		connect_ends(&e);
		both_offer(&e);
		grant_both(&e);
		kernel_fault_in = i;
		offer_poll();
		left = kernel_fault_in;
		kernel_fault_in = 0;
		talk(&e, 40);
		both += moved(e.cs) && moved(e.ss);
		close_ends(&e);
		dones();
		forget_peer();
	}
	printf("# %d calls, %d links in spite of one\n", i, both);
	CHECK(left && i > 4 && both > 0);
	end_thread();
	stop();
}
