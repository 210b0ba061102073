/* SPDX-License-Identifier: Apache-2.0 */
/* link_back_random.c - two threads exchange streams over a link that either of
 * them, or both, leave in the middle; every byte is checked */
#include <time.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "tests/unit/link_ends.h"

#define TOTAL 400000u /* bytes each way */
#define PIECE 20000u
#define STUCK_MS 4000

struct side {
	int fd;
	struct sock *s;
	unsigned me;
	uint32_t random;
	unsigned sent, got;
	unsigned leave_at; /* when it has sent and got so many together */
	bool stays;	   /* then goes on by our calls, or by raw ones */
	bool left, raw;
	_Atomic bool *done; /* of both */
	const struct side *other;
};

static uint32_t next(struct side *e)
{
	e->random = e->random * 1664525u + 1013904223u;
	return e->random >> 8;
}

static unsigned char byte_of(unsigned from, unsigned n)
{
	return (unsigned char)(n * 31 + n / 251 + n / 65521 + from);
}

static bool try_send(struct side *e)
{
	unsigned char buf[PIECE];
	unsigned i, len = 1 + next(e) % PIECE;
	ssize_t n;

	len = MIN(len, TOTAL - e->sent);
	for (i = 0; i < len; i++)
		buf[i] = byte_of(e->me, e->sent + i);
	n = e->raw ? k_sendto(e->fd, buf, len, MSG_DONTWAIT, NULL, 0)
		   : sock_sendto(e->fd, buf, len, MSG_DONTWAIT, NULL, 0);
	CHECK(n > 0 || n == -EAGAIN);
	e->sent += n > 0 ? (unsigned)n : 0;
	return n > 0;
}

static bool try_receive(struct side *e)
{
	unsigned char buf[PIECE];
	unsigned len = 1 + next(e) % PIECE;
	ssize_t i, n;

	n = e->raw ? k_recvfrom(e->fd, buf, len, MSG_DONTWAIT, NULL, NULL)
		   : sock_recvfrom(e->fd, buf, len, MSG_DONTWAIT, NULL, NULL);
	CHECK(n > 0 || n == -EAGAIN);
	for (i = 0; i < n; i++)
		CHECK(buf[i] == byte_of(!e->me, e->got + (unsigned)i));
	e->got += n > 0 ? (unsigned)n : 0;
	return n > 0;
}

/* Before it fails: what this end waits for, and what there is. */
static void explain(const struct side *e, unsigned events)
{
	const struct hold_link *h = e->s->hold ? &e->s->hold->link : NULL;
	int in = -1, out = -1;

	k_ioctl(e->fd, FIONREAD, &in);
	k_ioctl(e->fd, SIOCOUTQ, &out);
	printf("# side %u%s%s%s: sent %u, got %u; the kernel has %d in, %d "
	       "out\n",
	       e->me, e->left ? " left" : "", e->stays ? " stays" : "",
	       e->raw ? " raw" : "", e->sent, e->got, in, out);
	if (h)
		printf("# tx ring %u back %u tail %u from %u; rx mode %u head "
		       "%u "
		       "skip %u kernel %llu switch %llu\n",
		       h->tx_ring, h->tx_back, (unsigned)h->tx.tail, h->tx_from,
		       h->rx_mode, (unsigned)h->rx.head, h->rx_skip,
		       (unsigned long long)h->rx_kernel,
		       (unsigned long long)h->rx_switch);
	if (e->s->link)
		printf("# ring: %zd to read, %zd unread, flags %#x, peer's "
		       "%#x; "
		       "ready %#x of %#x\n",
		       ring_used(&e->s->link->end.rx),
		       ring_unread(&e->s->link->end.tx),
		       link_flags(&e->s->link->end),
		       link_peer_flags(&e->s->link->end),
		       sock_ready(e->s, events), events);
	fflush(stdout);
}

/* For what is still to be done: time up is a wake-up that was lost. */
static void wait_for_it(struct side *e, unsigned ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * 1000000 };
	struct pollfd pfd = { .fd = e->fd };
	int n;

	if (e->got < TOTAL)
		pfd.events |= POLLIN;
	if (e->sent < TOTAL)
		pfd.events |= POLLOUT;
	n = e->raw ? k_ppoll(&pfd, 1, &ts, NULL)
		   : sock_ppoll(&pfd, 1, &ts, NULL);
	if (n <= 0 && ms == STUCK_MS) {
		explain(e, (unsigned)pfd.events);
		explain(e->other, (unsigned)pfd.events);
	}
	CHECK(n > 0 || ms != STUCK_MS);
}

static void leave(struct side *e)
{
	back_leave(e->s, e->fd, e->stays);
	if (next(e) % 2)
		back_await(e->s, sock_now_ns() + 1000000);
	e->left = true;
	e->raw = !e->stays;
}

static bool is_done(const struct side *e)
{
	return e->sent == TOTAL && e->got == TOTAL;
}

/* Whoever is done stays about: the other may have to get something back. */
static void *run(void *arg)
{
	struct side *e = arg;
	bool moved;

	while (!is_done(e)) {
		if (!e->left && e->sent + e->got >= e->leave_at)
			leave(e);
		moved = e->sent < TOTAL && next(e) % 3 && try_send(e);
		if (e->got < TOTAL && next(e) % 3)
			moved |= try_receive(e);
		if (!moved)
			wait_for_it(e, STUCK_MS);
		if (e->left && e->stays && e->s->hold && next(e) % 64 == 0)
			e->raw = !e->raw && !e->s->hold->link.rx_skip &&
				 e->s->hold->link.tx_back == HOLD_TX_BACK;
	}
	e->done[e->me] = true;
	while (!e->done[!e->me])
		wait_for_it(e, 2);
	return NULL;
}

static void exchange(struct ends *ends, unsigned seed)
{
	_Atomic bool done[2] = { false, false };
	struct side sides[2];
	pthread_t threads[2];
	unsigned i;

	for (i = 0; i < 2; i++) {
		sides[i] = (struct side){ .fd = i ? ends->s : ends->c,
					  .s = i ? ends->ss : ends->cs,
					  .me = i,
					  .random = seed * 2 + i,
					  .done = done,
					  .other = &sides[!i] };
		sides[i].leave_at = next(&sides[i]) % (2 * TOTAL);
		sides[i].stays = next(&sides[i]) % 2;
		if (next(&sides[i]) % 4 == 0) /* not at all */
			sides[i].leave_at = UINT32_MAX;
	}
	for (i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, run, &sides[i]));
	for (i = 0; i < 2; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static unsigned first_seed(void)
{
	const char *text = getenv("SAPI_SEED");

	return text ? (unsigned)atoi(text) : (unsigned)time(NULL);
}

TEST(streams_that_go_back_in_the_middle)
{
	uint64_t end = sock_now_ns() + UINT64_C(8000000000);
	unsigned seed = first_seed(), n = 0;
	struct ends e;

	start();
	for (; sock_now_ns() < end && n < 400; n++, seed++) {
		printf("# seed %u\n", seed);
		fflush(stdout);
		connect_ends(&e);
		both_offer(&e);
		grant_both(&e);
		talk(&e, (int)(seed % 5));
		exchange(&e, seed);
		close_ends(&e);
		dones();
		forget_peer();
	}
	CHECK(n > 3);
	end_thread();
	stop();
}
