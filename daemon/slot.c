/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot.c - handles: one number space for sessions and listeners
 *
 * DOC: An application keeps session and listener handles in one table, and
 * sends the low half alone in I/O events (ABI.md 10.4), so both kinds come
 * from one array and never collide. The generation grows with each use of a
 * slot; a handle that has been freed therefore names nothing, however soon
 * its slot is taken again. Freed slots queue up and are reused oldest first:
 * an I/O event in flight for a dead session seldom finds the next one.
 */
#include "daemon/slot.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define GENERATION_MAX 0x7ffffffeu /* no handle is all ones */

struct slot {
	void *owner;
	uint32_t generation;
	uint32_t next_free;
	enum slot_kind kind;
};

static struct slot *slots;
static uint32_t n_slots, first_free = NONE, last_free = NONE;

static void put_free(uint32_t i)
{
	slots[i].next_free = NONE;
	if (first_free == NONE)
		first_free = i;
	else
		slots[last_free].next_free = i;
	last_free = i;
}

static int grow(void)
{
	uint32_t i, n = n_slots ? n_slots * 2 : 256;
	struct slot *bigger;

	if (n_slots > NONE / 4)
		return -ENOMEM;
	bigger = realloc(slots, n * sizeof(*slots));
	if (!bigger)
		return -ENOMEM;
	slots = bigger;
	for (i = n_slots; i < n; i++) {
		slots[i] = (struct slot){ .kind = SLOT_FREE };
		put_free(i);
	}
	n_slots = n;
	return 0;
}

/**
 * slot_alloc() - A new handle
 * @kind:	what it names
 * @owner:	the object
 * @handle:	out
 *
 * Return: 0 or -ENOMEM
 */
int slot_alloc(enum slot_kind kind, void *owner, uint64_t *handle)
{
	uint32_t i;

	if (first_free == NONE && grow())
		return -ENOMEM;
	i = first_free;
	first_free = slots[i].next_free;
	slots[i].kind = kind;
	slots[i].owner = owner;
	if (slots[i].generation++ >= GENERATION_MAX)
		slots[i].generation = 1;
	*handle = (uint64_t)slots[i].generation << 32 | i;
	return 0;
}

/** slot_free() - The handle names nothing from now on */
void slot_free(uint64_t handle)
{
	uint32_t i = (uint32_t)handle;

	slots[i].kind = SLOT_FREE;
	slots[i].owner = NULL;
	put_free(i);
}

/** slot_get() - What a handle from the wire names; NULL if nothing */
void *slot_get(uint64_t handle, enum slot_kind kind)
{
	uint32_t i = (uint32_t)handle;

	if (i >= n_slots || slots[i].kind != kind ||
	    slots[i].generation != handle >> 32)
		return NULL;
	return slots[i].owner;
}

/** slot_at() - What an index from the wire names; NULL if nothing */
void *slot_at(uint32_t index, enum slot_kind kind)
{
	if (index >= n_slots || slots[index].kind != kind)
		return NULL;
	return slots[index].owner;
}

/** slot_close() - At the end, when nothing has a handle any more */
void slot_close(void)
{
	free(slots);
	slots = NULL;
	n_slots = 0;
	first_free = last_free = NONE;
}
