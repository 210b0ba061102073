/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - numbers and socks, while threads open, copy, look up and close */
#include "core/sock/table.h"

#include <sys/epoll.h>

#include "core/sock/sock.h"
#include "tests/unit/tap.h"

#define ROUNDS 3000

/* A sock without a session: an instance. */
static int fresh(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	CHECK(fd >= 0);
	sock_fresh(fd);
	sock_epoll_created(fd);
	return fd;
}

TEST(set_get_take)
{
	int fd = fresh(), copy;
	struct sock *s = sock_get(fd);

	CHECK(s && s->kind == SOCK_EPOLL && s->refs == 2);
	CHECK(sock_is(fd) && table_next(0) == fd && table_entries == 1);
	CHECK(table_add(fd, s) == -EEXIST && s->refs == 2);
	CHECK(table_set(fd, s) == 0 && s->refs == 2 && table_entries == 1);
	copy = sock_dup(fd);
	CHECK(copy > fd && s->refs == 3 && table_next(fd + 1) == copy);
	CHECK(!sock_close(fd) && !sock_get(fd) && s->refs == 2);
	CHECK(sock_get(copy) == s);
	sock_put(s);
	CHECK(!sock_close(copy) && s->refs == 1);
	CHECK(s->kind == SOCK_EPOLL); /* a call is still in flight */
	sock_put(s);
	CHECK(s->kind == SOCK_NONE && !table_entries && table_next(0) < 0);
}

TEST(odd_numbers)
{
	CHECK(!sock_get(-1) && !sock_get(INT32_MAX) && !sock_get(1 << 20));
	CHECK(!table_take(-1) && !table_take((1 << 20) - 1));
	CHECK(table_set(1 << 20, NULL) == -EMFILE);
	CHECK(table_set(-1, NULL) == -EMFILE);
	CHECK(!sock_is(-1) && table_next(-1) == -1);
}

TEST(a_number_closed_behind_our_back)
{
	int fd = fresh();

	CHECK(!close(fd) && sock_is(fd));
	CHECK(fresh() == fd && table_entries == 1);
	CHECK(!sock_close(fd) && !table_entries);
}

static _Atomic bool stop;

static void *opens(void *arg)
{
	int i, fd, copy;

	for (i = 0; i < ROUNDS; i++) {
		fd = fresh();
		copy = sock_dup(fd);
		CHECK(copy >= 0);
		CHECK(sock_dup2(copy, 200 + *(int *)arg) >= 0);
		CHECK(!sock_close(fd) && !sock_close(copy));
	}
	CHECK(!sock_close(200 + *(int *)arg));
	return NULL;
}

static void *looks(void *arg)
{
	struct sock *s;
	int fd;

	(void)arg;
	for (fd = 0; !stop; fd = (fd + 1) % 210) {
		s = sock_get(fd);
		if (!s)
			continue;
		CHECK(s->kind == SOCK_EPOLL && s->refs);
		sock_put(s);
	}
	return NULL;
}

TEST(threads)
{
	pthread_t t[4];
	int i, n[4];

	for (i = 0; i < 4; i++) {
		n[i] = i;
		CHECK(!pthread_create(&t[i], NULL, i < 2 ? opens : looks,
				      &n[i]));
	}
	CHECK(!pthread_join(t[0], NULL) && !pthread_join(t[1], NULL));
	stop = true;
	CHECK(!pthread_join(t[2], NULL) && !pthread_join(t[3], NULL));
	CHECK(!table_entries && table_next(0) == -1);
}
