/* SPDX-License-Identifier: Apache-2.0 */
/* hold.c - who holds what across forks, deaths and used slots */
#include "core/sess/hold.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "core/sess/waiter.h"
#include "tests/unit/tap.h"

/* Shared by the processes of a test. */
struct board {
	_Atomic int step, last, up;
};

static struct board *board_new(void)
{
	void *p = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* fork() as core/sock does it, with one hold or none. */
static pid_t fork_with(struct hold *h)
{
	pid_t pid;

	if (!hold_fork_prepare() && h)
		hold_fork_add(h);
	pid = fork();
	if (pid)
		hold_fork_parent();
	else
		hold_fork_child();
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void kill_now(pid_t pid)
{
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
}

static void until(_Atomic int *what, int value)
{
	while (*what < value)
		usleep(100);
}

/* The family's descriptor lives as long as the process. */
static void done(void)
{
	private_close(private_next(0));
}

TEST(alone_it_is_last)
{
	struct hold *h, *again;

	CHECK(!hold_new(&h) && hold_is_owner(h) && !hold_shared(h));
	CHECK(hold_drop(h));
	CHECK(!hold_new(&again) && hold_drop(again));
	done();
}

TEST(last_of_two_closes)
{
	struct hold *h;
	pid_t pid;

	CHECK(!hold_new(&h));
	pid = fork_with(h);
	if (!pid)
		_exit(!hold_shared(h) || hold_is_owner(h) || hold_drop(h));
	reap(pid);
	CHECK(!hold_shared(h) && hold_drop(h));
	done();
}

TEST(child_outlives_parent_hold)
{
	struct board *b = board_new();
	struct hold *h;
	pid_t pid;

	CHECK(!hold_new(&h));
	pid = fork_with(h);
	if (!pid) {
		until(&b->step, 1);
		_exit(!hold_drop(h));
	}
	CHECK(!hold_drop(h));
	b->step = 1;
	reap(pid);
	done();
}

TEST(killed_holder_is_noticed)
{
	struct board *b = board_new();
	struct hold *h;
	pid_t pid;

	CHECK(!hold_new(&h));
	pid = fork_with(h);
	if (!pid) {
		b->step = 1;
		pause();
	}
	CHECK(hold_shared(h));
	until(&b->step, 1); /* before that it is starting, not dead */
	kill_now(pid);
	CHECK(hold_others(h));
	CHECK(!hold_shared(h) && !hold_others(h));
	CHECK(hold_drop(h));
	done();
}

static void *makes_one(void *arg)
{
	CHECK(!hold_new(arg));
	return NULL;
}

TEST(a_thread_ends_not_the_process)
{
	struct hold *h;
	pthread_t t;
	pid_t pid;

	CHECK(!pthread_create(&t, NULL, makes_one, &h));
	CHECK(!pthread_join(t, NULL));
	pid = fork_with(h);
	if (!pid)
		_exit(!hold_shared(h) || hold_drop(h));
	reap(pid);
	CHECK(hold_drop(h));
	done();
}

/* A middle process marks a hold of its own for a child, which is killed; the
 * slot goes to a child of ours, who has nothing to do with that hold. */
TEST(used_slot_means_another)
{
	struct board *b = board_new();
	struct hold *h, *own;
	pid_t mid, pid;

	CHECK(!hold_new(&h));
	mid = fork_with(h);
	if (!mid) {
		CHECK(!hold_new(&own));
		pid = fork_with(own);
		if (!pid) {
			b->up = 1;
			pause();
		}
		until(&b->up, 1);
		kill_now(pid);
		b->step = 1;
		until(&b->step, 2);
		_exit(hold_shared(own) || !hold_drop(own));
	}
	until(&b->step, 1);
	pid = fork_with(h);
	if (!pid) {
		b->up = 2;
		pause();
	}
	until(&b->up, 2); /* killed sooner, it counts as starting for a while */
	b->step = 2;
	reap(mid);
	kill_now(pid);
	CHECK(hold_drop(h));
	done();
}

/* Records that killed children leave behind are found again. */
TEST(records_of_the_dead_come_back)
{
	struct hold *first, *h;
	int round, i;
	pid_t pid;

	CHECK(!hold_new(&first));
	for (round = 0; round < 8; round++) {
		pid = fork_with(first);
		if (!pid) {
			for (i = 0; i < 300; i++)
				CHECK(!hold_new(&h));
			_exit(0);
		}
		reap(pid);
	}
	/* 8 * 300 dead ones; all of the first slab but one is to be had */
	for (i = 0; i < 511; i++) {
		CHECK(!hold_new(&h));
		CHECK((h > first ? h - first : first - h) < 512);
	}
	done();
}

static void forker(struct hold *h, struct board *b)
{
	pid_t pid;
	int i;

	until(&b->step, 1);
	for (i = 0; i < 40; i++) {
		pid = fork_with(h);
		if (!pid)
			_exit(hold_drop(h));
		reap(pid);
	}
}

TEST(forks_at_once_get_slots_of_their_own)
{
	struct board *b = board_new();
	struct hold *h;
	pid_t pid[3];
	int i;

	CHECK(!hold_new(&h));
	for (i = 0; i < 3; i++) {
		pid[i] = fork_with(h);
		if (!pid[i]) {
			forker(h, b);
			_exit(0);
		}
	}
	b->step = 1;
	for (i = 0; i < 3; i++)
		reap(pid[i]);
	CHECK(hold_drop(h));
	done();
}

TEST(of_two_at_once_one_is_last)
{
	struct board *b = board_new();
	struct hold *h;
	pid_t pid;
	int i;

	for (i = 1; i <= 300; i++) {
		CHECK(!hold_new(&h));
		pid = fork_with(h);
		if (!pid) {
			while (b->step < i)
				;
			b->last += hold_drop(h);
			_exit(0);
		}
		b->step = i;
		b->last += hold_drop(h);
		reap(pid);
		CHECK(b->last == i);
	}
	done();
}

TEST(without_a_slot_no_part)
{
	struct hold *h, *other;
	pid_t pid;
	int n = 0;

	CHECK(!hold_new(&h));
	/* forks that fail */
	while (!hold_fork_prepare()) {
		hold_fork_parent();
		n++;
	}
	hold_fork_parent();
	CHECK(n == HOLD_SLOTS - 1);
	pid = fork_with(h);
	if (!pid)
		_exit(hold_is_owner(h) || hold_new(&other) != -EAGAIN ||
		      hold_drop(h));
	reap(pid);
	CHECK(!hold_shared(h) && hold_drop(h));
	done();
}

TEST(lock_of_a_killed_holder)
{
	struct board *b = board_new();
	struct hold *h;
	pid_t pid;

	CHECK(!hold_new(&h));
	pid = fork_with(h);
	if (!pid) {
		hold_lock(&h->rx_lock);
		b->step = 1;
		pause();
	}
	until(&b->step, 1);
	kill_now(pid);
	hold_lock(&h->rx_lock);
	hold_unlock(&h->rx_lock);
	hold_lock(&h->rx_lock);
	hold_unlock(&h->rx_lock);
	CHECK(hold_drop(h));
	done();
}

TEST(owner_and_who_accepts)
{
	struct hold *h;
	pid_t pid;

	CHECK(!hold_new(&h) && !hold_owner_accepts(h));
	hold_accept(h);
	CHECK(hold_owner_accepts(h));
	atomic_fetch_or(&h->flags, HOLD_OWNER_CLOSED);
	pid = fork_with(h);
	if (!pid) {
		hold_own(h, 1);
		_exit(!hold_is_owner(h) || hold_owner_accepts(h) ||
		      h->flags & HOLD_OWNER_CLOSED);
	}
	reap(pid);
	CHECK(!hold_is_owner(h));
	/* the slot goes to a child that owns nothing */
	pid = fork_with(h);
	if (!pid)
		_exit(hold_is_owner(h));
	reap(pid);
	CHECK(hold_drop(h));
	done();
}
