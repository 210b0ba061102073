/* SPDX-License-Identifier: Apache-2.0 */
/* hold.c - records that a family of forked processes shares */
#include "core/sess/hold.h"

#include <errno.h>

#include "core/base/kernel.h"

#define SLAB_HOLDS 512
#define SLABS_MAX 1024

enum slot_state { SLOT_FREE, SLOT_STARTING, SLOT_ALIVE };

struct slot {
	pthread_mutex_t life; /* locked by the process that has the slot */
	_Atomic uint32_t state;
};

struct family {
	struct slot slots[HOLD_SLOTS];
};

static struct family *family;
static unsigned self, next_child;
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

void hold_lock(pthread_mutex_t *lock)
{
	if (unlikely(pthread_mutex_lock(lock) == EOWNERDEAD))
		pthread_mutex_consistent(lock);
}

/* This process takes slot @i: it keeps the mutex until it dies. */
static void slot_live(unsigned i)
{
	hold_lock(&family->slots[i].life);
	atomic_store(&family->slots[i].state, SLOT_ALIVE);
	self = i;
}

/* A slot whose process is gone becomes free. */
static bool slot_dead(unsigned i)
{
	struct slot *s = &family->slots[i];
	int err;

	if (i == self || s->state == SLOT_STARTING)
		return false;
	if (s->state == SLOT_FREE)
		return true;
	err = pthread_mutex_trylock(&s->life);
	if (err == EBUSY)
		return false;
	if (err == EOWNERDEAD)
		pthread_mutex_consistent(&s->life);
	pthread_mutex_unlock(&s->life);
	return true;
}

static int family_init(void)
{
	unsigned i;
	int err;

	err = share((void **)&family, sizeof(*family));
	if (err)
		return err;
	for (i = 0; i < HOLD_SLOTS; i++)
		robust_init(&family->slots[i].life);
	slot_live(0);
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

/* A record that nobody uses, found round-robin; the family shares slabs that
 * are older than the fork, hence the compare-and-swap. */
static struct hold *record_get(void)
{
	unsigned i, n = n_slabs * SLAB_HOLDS;
	struct hold *h;
	uint32_t unused;

	for (i = 0; i < n; i++) {
		cursor = cursor + 1 < n ? cursor + 1 : 0;
		h = &slabs[cursor / SLAB_HOLDS][cursor % SLAB_HOLDS];
		unused = 0;
		if (atomic_compare_exchange_strong(&h->used, &unused, 1))
			return h;
		if (i == SLAB_HOLDS && n_slabs < SLABS_MAX)
			return NULL; /* crowded: a new slab is cheaper */
	}
	return NULL;
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

int hold_new(struct hold **out)
{
	struct hold *h;
	unsigned i;
	int err = 0;

	pthread_mutex_lock(&alloc_lock);
	if (!family)
		err = family_init();
	if (err)
		goto unlock;
	h = n_slabs ? record_get() : NULL;
	if (!h) {
		err = slab_new();
		if (err)
			goto unlock;
		h = record_get();
	}
	if (!h) {
		err = -ENOMEM;
		goto unlock;
	}
	robust_init(&h->rx_lock);
	robust_init(&h->tx_lock);
	for (i = 0; i < HOLD_SLOTS / 64; i++) {
		h->holders[i] = 0;
		h->accepting[i] = 0;
	}
	h->flags = 0;
	h->owner = self;
	bit_set(h->holders, self);
	*out = h;
unlock:
	pthread_mutex_unlock(&alloc_lock);
	return err;
}

bool hold_shared(struct hold *h)
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
			if (slot_dead(slot))
				bit_clear(h->holders, slot);
			else
				any = true;
		}
	}
	return any;
}

bool hold_drop(struct hold *h)
{
	bit_clear(h->holders, self);
	if (hold_shared(h))
		return false;
	atomic_store(&h->used, 0);
	return true;
}

bool hold_is_owner(const struct hold *h)
{
	return h->owner == self;
}

void hold_own(struct hold *h)
{
	h->owner = self;
	atomic_fetch_and(&h->flags, ~HOLD_OWNER_CLOSED);
}

void hold_accept(struct hold *h)
{
	if (!bit_get(h->accepting, self))
		bit_set(h->accepting, self);
}

bool hold_owner_accepts(const struct hold *h)
{
	return bit_get(h->accepting, h->owner);
}

/* Before a dead process's slot is used again its marks must go, or the new
 * process would seem to hold what the old one held. */
static void slot_wipe(unsigned slot)
{
	unsigned i;

	for (i = 0; i < n_slabs * SLAB_HOLDS; i++) {
		struct hold *h = &slabs[i / SLAB_HOLDS][i % SLAB_HOLDS];

		bit_clear(h->holders, slot);
		bit_clear(h->accepting, slot);
	}
}

int hold_fork_prepare(void)
{
	unsigned i;

	pthread_mutex_lock(&alloc_lock);
	next_child = HOLD_SLOTS;
	if (!family)
		return 0;
	for (i = 0; i < HOLD_SLOTS; i++)
		if (i != self && slot_dead(i)) {
			slot_wipe(i);
			atomic_store(&family->slots[i].state, SLOT_STARTING);
			next_child = i;
			return 0;
		}
	return -EAGAIN;
}

void hold_fork_add(struct hold *h)
{
	if (next_child < HOLD_SLOTS)
		bit_set(h->holders, next_child);
}

/* A fork that failed leaves a slot that is STARTING for ever; there are more,
 * and fork() fails seldom. */
void hold_fork_parent(void)
{
	pthread_mutex_unlock(&alloc_lock);
}

void hold_fork_child(void)
{
	if (family && next_child < HOLD_SLOTS)
		slot_live(next_child);
	/* the records of a slab made from now on are not the parent's */
	pthread_mutex_unlock(&alloc_lock);
}
