/* SPDX-License-Identifier: Apache-2.0 */
/* hold.c - records that a family of forked processes shares */
#include "core/sess/hold.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"
#include "core/sess/waiter.h"

#define SLAB_HOLDS 512
#define SLABS_MAX 1024

/* A fork that failed, or whose child died at once, leaves a slot STARTING. */
#define START_MS 10000
#define NO_SLOT HOLD_SLOTS
#define NO_OWNER UINT32_MAX

enum slot_state { SLOT_FREE, SLOT_ALIVE, SLOT_STARTING /* + 4 * when */ };

struct slot {
	_Atomic uint64_t state;
	_Atomic uint64_t since; /* forks in the family until then */
};

struct family {
	_Atomic uint64_t forks;
	struct slot slots[HOLD_SLOTS];
};

static struct family *family;
static int life_fd = -1; /* byte i is locked by the process of slot i */
static unsigned self, next_child;
static uint64_t next_state;
static struct hold *slabs[SLABS_MAX];
static unsigned n_slabs, cursor;
static pthread_mutex_t alloc_lock = PTHREAD_MUTEX_INITIALIZER;

static int share(void **addr, size_t len)
{
	return k_mmap(addr, len, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void robust_init(pthread_mutex_t *m)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &attr);
	pthread_mutexattr_destroy(&attr);
}

bool hold_lock(pthread_mutex_t *lock)
{
	if (likely(mutex_lock(lock) != EOWNERDEAD))
		return false;
	pthread_mutex_consistent(lock);
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int life_lock(unsigned i)
{
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = i,
			    .l_len = 1 };

	return k_fcntl(life_fd, F_SETLK, (long)&fl);
}

/* If the kernel can't say, it lives: a session that is closed late is better
 * than one that is closed early. */
static bool life_is_locked(unsigned i)
{
	struct flock fl = { .l_type = F_WRLCK,
			    .l_whence = SEEK_SET,
			    .l_start = i,
			    .l_len = 1 };

	return k_fcntl(life_fd, F_GETLK, (long)&fl) < 0 || fl.l_type != F_UNLCK;
}

/* Is there no process (any more) that has slot @i, which was seen in @state? */
static bool slot_dead(unsigned i, uint64_t state)
{
	if (i == self)
		return false;
	if (state == SLOT_FREE)
		return true;
	if (state == SLOT_ALIVE)
		return !life_is_locked(i);
	return now_ms() - state / 4 > START_MS;
}

static int family_init(void)
{
	struct family *f;
	int err;

	life_fd = private_fd(k_memfd_create("sapi-family", MFD_CLOEXEC));
	if (life_fd < 0)
		return life_fd;
	err = life_lock(0);
	if (!err)
		err = share((void **)&f, sizeof(*f));
	if (err) {
		private_close(life_fd);
		life_fd = -1;
		return err;
	}
	f->slots[0].state = SLOT_ALIVE;
	self = 0;
	family = f;
	return 0;
}

static int slab_new(void)
{
	int err;

	if (n_slabs == SLABS_MAX)
		return -ENOMEM;
	err = share((void **)&slabs[n_slabs], sizeof(struct hold) * SLAB_HOLDS);
	if (err)
		return err;
	cursor = n_slabs++ * SLAB_HOLDS;
	return 0;
}

static void bit_set(_Atomic uint64_t *map, unsigned i)
{
	atomic_fetch_or(&map[i / 64], UINT64_C(1) << (i % 64));
}

static void bit_clear(_Atomic uint64_t *map, unsigned i)
{
	atomic_fetch_and(&map[i / 64], ~(UINT64_C(1) << (i % 64)));
}

static bool bit_get(const _Atomic uint64_t *map, unsigned i)
{
	return map[i / 64] >> (i % 64) & 1;
}

/* Does the bit of another process's slot still mean a living holder? */
static bool holder_lives(const struct hold *h, unsigned slot)
{
	struct slot *s = &family->slots[slot];

	return h->marked >= s->since && !slot_dead(slot, s->state);
}

/* Drop the bits of the dead; is there one left but ours? */
static bool any_holder(struct hold *h)
{
	uint64_t word;
	unsigned i, slot;
	bool any = false;

	for (i = 0; i < HOLD_SLOTS / 64; i++) {
		word = h->holders[i];
		while (word) {
			slot = i * 64 + (unsigned)__builtin_ctzll(word);
			word &= word - 1;
			if (slot == self)
				continue;
			if (holder_lives(h, slot))
				any = true;
			else
				bit_clear(h->holders, slot);
		}
	}
	return any;
}

static bool is_empty(const struct hold *h)
{
	unsigned i;

	for (i = 0; i < HOLD_SLOTS / 64; i++)
		if (h->holders[i])
			return false;
	return true;
}

/* Records of processes that ended without closing: before memory grows.  One
 * without any bit is being made or let go just now. */
static bool reclaim(void)
{
	unsigned i, n = n_slabs * SLAB_HOLDS;
	bool any = false;
	struct hold *h;
	uint32_t used;

	for (i = 0; i < n; i++) {
		h = &slabs[i / SLAB_HOLDS][i % SLAB_HOLDS];
		used = h->used;
		if (!(used & 1) || is_empty(h) || bit_get(h->holders, self) ||
		    any_holder(h))
			continue;
		any |= atomic_compare_exchange_strong(&h->used, &used,
						      used + 1);
	}
	return any;
}

/* A record that nobody uses, found round-robin; the family shares slabs that
 * are older than the fork, hence the compare-and-swap. */
static struct hold *record_get(void)
{
	unsigned i, n = n_slabs * SLAB_HOLDS;
	struct hold *h;
	uint32_t used;

	for (i = 0; i < n; i++) {
		cursor = cursor + 1 < n ? cursor + 1 : 0;
		h = &slabs[cursor / SLAB_HOLDS][cursor % SLAB_HOLDS];
		used = h->used;
		if (!(used & 1) &&
		    atomic_compare_exchange_strong(&h->used, &used, used + 1))
			return h;
	}
	return NULL;
}

static struct hold *record_get_or_grow(void)
{
	struct hold *h = record_get();

	if (!h && reclaim())
		h = record_get();
	if (!h && !slab_new())
		h = record_get();
	return h;
}

static int hold_new_locked(struct hold **out)
{
	struct hold *h;
	unsigned i;
	int err;

	if (self == NO_SLOT)
		return -EAGAIN;
	if (!family) {
		err = family_init();
		if (err)
			return err;
	}
	h = record_get_or_grow();
	if (!h)
		return -ENOMEM;
	robust_init(&h->rx_lock);
	robust_init(&h->tx_lock);
	for (i = 0; i < HOLD_SLOTS / 64; i++) {
		h->holders[i] = 0;
		h->accepting[i] = 0;
	}
	h->flags = 0;
	h->owner_wrk = 0;
	h->ended = 0;
	h->owner = self;
	h->marked = family->forks;
	memset(&h->link, 0, sizeof(h->link));
	bit_set(h->holders, self);
	*out = h;
	return 0;
}

int hold_new(struct hold **out)
{
	int err;

	mutex_lock(&alloc_lock);
	err = hold_new_locked(out);
	mutex_unlock(&alloc_lock);
	return err;
}

void hold_opts_init(struct hold_opts *o)
{
	o->error = 0;
	o->shuts = o->lowats = 0;
	o->rcvlowat = 1;
	o->linger = -1;
	o->rcvtimeo_ms = o->sndtimeo_ms = 0;
}

bool hold_others(const struct hold *h)
{
	unsigned i;
	uint64_t mine;

	for (i = 0; i < HOLD_SLOTS / 64; i++) {
		mine = self / 64 == i ? UINT64_C(1) << (self % 64) : 0;
		if (h->holders[i] & ~mine)
			return true;
	}
	return false;
}

bool hold_shared(struct hold *h)
{
	return hold_others(h) && any_holder(h);
}

bool hold_drop(struct hold *h)
{
	uint32_t used = h->used;

	if (self == NO_SLOT)
		return false;
	bit_clear(h->holders, self);
	if (hold_shared(h))
		return false;
	/* of several who see nobody else, one; a record that is somebody
	 * else's by now has another count */
	return atomic_compare_exchange_strong(&h->used, &used, used + 1);
}

bool hold_leave(struct hold *h)
{
	uint32_t used = h->used;

	if (self == NO_SLOT)
		return false;
	bit_clear(h->holders, self);
	if (hold_shared(h))
		return false;
	/* it stays odd: reclaim() leaves alone what has no bit */
	return atomic_compare_exchange_strong(&h->used, &used, used + 2);
}

void hold_free(struct hold *h)
{
	h->used++;
}

bool hold_is_owner(const struct hold *h)
{
	return h->owner == self;
}

void hold_own(struct hold *h, uint32_t wrk)
{
	h->owner_wrk = wrk;
	h->owner = self;
	atomic_fetch_and(&h->flags, ~HOLD_OWNER_CLOSED);
}

void hold_accept(struct hold *h)
{
	if (self != NO_SLOT && !bit_get(h->accepting, self))
		bit_set(h->accepting, self);
}

bool hold_owner_accepts(const struct hold *h)
{
	return h->owner < HOLD_SLOTS && bit_get(h->accepting, h->owner);
}

/* Take slot @i for a child if its process is gone. */
static bool slot_take(unsigned i)
{
	struct slot *s = &family->slots[i];
	uint64_t state = s->state;

	if (!slot_dead(i, state))
		return false;
	next_state = SLOT_STARTING + 4 * now_ms();
	/* others in the family may be looking for one too */
	if (!atomic_compare_exchange_strong(&s->state, &state, next_state))
		return false;
	/* first nobody's marks are valid, then those set from now on: pairs
	 * with hold_fork_add(), which reads forks before it looks at since */
	s->since = UINT64_MAX;
	s->since = atomic_fetch_add(&family->forks, 1) + 1;
	return true;
}

int hold_fork_prepare(void)
{
	unsigned i;

	mutex_lock(&alloc_lock);
	next_child = NO_SLOT;
	if (!family || self == NO_SLOT)
		return family ? -EAGAIN : 0;
	for (i = 0; i < HOLD_SLOTS; i++)
		if (i != self && slot_take(i)) {
			next_child = i;
			return 0;
		}
	return -EAGAIN;
}

/* Only upwards: two processes of the family may fork at once, and the older
 * count would make the other's child a stranger, and its bit go. */
static void mark(struct hold *h, uint64_t now)
{
	uint64_t was = h->marked;

	while (was < now &&
	       !atomic_compare_exchange_weak(&h->marked, &was, now))
		;
}

/* Stale bits must go before the mark that would make them look fresh. */
void hold_fork_add(struct hold *h)
{
	uint64_t now, word;
	unsigned i, slot;

	if (next_child == NO_SLOT)
		return;
	now = family->forks;
	for (i = 0; i < HOLD_SLOTS / 64; i++) {
		word = h->holders[i] | h->accepting[i];
		while (word) {
			slot = i * 64 + (unsigned)__builtin_ctzll(word);
			word &= word - 1;
			if (h->marked >= family->slots[slot].since)
				continue;
			bit_clear(h->holders, slot);
			bit_clear(h->accepting, slot);
		}
	}
	if (h->owner < HOLD_SLOTS && h->marked < family->slots[h->owner].since)
		h->owner = NO_OWNER;
	mark(h, MAX(now, family->slots[next_child].since));
	bit_set(h->holders, next_child);
}

void hold_fork_parent(void)
{
	mutex_unlock(&alloc_lock);
}

/* Without a slot this process has no part in what it inherited: it may not
 * count as somebody else, least of all as its parent. */
void hold_fork_child(void)
{
	uint64_t state = next_state;

	if (family) {
		self = next_child;
		if (self != NO_SLOT &&
		    (life_lock(self) ||
		     !atomic_compare_exchange_strong(&family->slots[self].state,
						     &state, SLOT_ALIVE)))
			self = NO_SLOT;
	}
	mutex_unlock(&alloc_lock);
}
