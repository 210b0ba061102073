/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.c - what posix_spawn(3) does to descriptors in the child */
#include "core/sock/spawn.h"

#include <pthread.h>

#include "core/base/base.h"
#include "core/base/signal.h"
#include "core/sock/sock.h"

/*
 * DOC: libc keeps its lists of actions to itself, so what is added to one is
 * noted here, by the list's address.  Room is for a few lists of some actions.
 * Of a list that had none, it is taken that the child gets everything.
 */

#define LISTS 16
#define ACTIONS 48
#define COPIES 16

struct action {
	enum sock_spawn_do what;
	int fd, to;
};

struct list {
	const void *of; /* NULL: free */
	unsigned n;	/* may be more than there is room for */
	unsigned used;	/* when it was made */
	struct action action[ACTIONS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list lists[LISTS];
static unsigned made;

/* With the lock. */
static struct list *find(const void *of)
{
	int i;

	for (i = 0; i < LISTS; i++)
		if (lists[i].of == of)
			return &lists[i];
	return NULL;
}

/* The one of that address, a free one, or the oldest. */
static struct list *slot_for(const void *of)
{
	struct list *l = find(of), *oldest = &lists[0];
	int i;

	if (!l)
		l = find(NULL);
	for (i = 1; i < LISTS; i++)
		if (made - lists[i].used > made - oldest->used)
			oldest = &lists[i];
	return l ? l : oldest;
}

void sock_spawn_begin(const void *actions)
{
	struct list *l;

	mutex_lock(&lock);
	l = slot_for(actions);
	l->of = actions;
	l->n = 0;
	l->used = ++made;
	mutex_unlock(&lock);
}

void sock_spawn_end(const void *actions)
{
	struct list *l;

	mutex_lock(&lock);
	l = find(actions);
	if (l)
		l->of = NULL;
	mutex_unlock(&lock);
}

void sock_spawn_add(const void *actions, enum sock_spawn_do what, int fd,
		    int to)
{
	struct list *l;

	mutex_lock(&lock);
	l = find(actions);
	if (l && l->n < ACTIONS)
		l->action[l->n] = (struct action){ what, fd, to };
	if (l)
		l->n++;
	mutex_unlock(&lock);
}

/* --- one descriptor and its copies --- */

struct copies {
	struct {
		int fd;
		bool cloexec;
	} copy[COPIES];
	unsigned n;
	bool lost; /* there was no room for one */
};

static void add(struct copies *c, int fd, bool cloexec)
{
	if (c->n == COPIES) {
		c->lost = true;
		return;
	}
	c->copy[c->n].fd = fd;
	c->copy[c->n++].cloexec = cloexec;
}

static bool has(const struct copies *c, int fd)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (c->copy[i].fd == fd)
			return true;
	return false;
}

static void drop(struct copies *c, int first, int last)
{
	unsigned i = 0;

	while (i < c->n)
		if (c->copy[i].fd >= first && c->copy[i].fd <= last)
			c->copy[i] = c->copy[--c->n];
		else
			i++;
}

static void act(struct copies *c, const struct action *a)
{
	bool copied = a->what == SOCK_SPAWN_DUP2 && has(c, a->fd);

	if (a->what == SOCK_SPAWN_CLOSE_FROM)
		drop(c, a->fd, INT32_MAX);
	else if (a->what == SOCK_SPAWN_CLOSE)
		drop(c, a->fd, a->fd);
	else
		drop(c, a->to, a->to);
	if (copied) /* onto itself, too: it will not close on exec then */
		add(c, a->to, false);
}

static bool inherits(const struct list *l, int fd, bool cloexec)
{
	struct copies c = { .n = 0 };
	unsigned i;

	add(&c, fd, cloexec);
	for (i = 0; i < l->n; i++)
		act(&c, &l->action[i]);
	for (i = 0; i < c.n; i++)
		if (!c.copy[i].cloexec)
			return true;
	return c.lost;
}

bool spawn_inherits(const void *actions, int fd, bool cloexec)
{
	const struct list *l;
	bool ret;

	mutex_lock(&lock);
	l = find(actions);
	ret = !l || l->n > ACTIONS || inherits(l, fd, cloexec);
	mutex_unlock(&lock);
	return ret;
}
