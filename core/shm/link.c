/* SPDX-License-Identifier: Apache-2.0 */
/* link.c - segments of links, the header words of one, arming and ringing */
#include "core/shm/link.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "core/wire/offer.h"

/*
 * DOC: who sleeps and who rings
 *
 * Two questions of one shape, with a full fence on either side.
 *
 * Bytes:  the producer stores tail (or a flag), fence, looks at armed_rx.
 *         the consumer stores armed_rx, fence, looks at tail and flags.
 * Room:   the consumer stores head, fence, looks at armed_tx, room_wanted.
 *         the producer stores armed_tx, room_wanted, fence, looks at head.
 *
 * One of the two fences comes first, and the side whose fence is second sees
 * what the other stored before its own.  So the sleeper finds on its second
 * look what came, and does not sleep; or the waker finds the armed word.  Both
 * may happen: then it is rung for nothing.
 *
 * The waker takes the bell's number by an exchange, so that of several wakers
 * one rings, and one time a sleep.  Then it marks the link in ready, then the
 * caller writes the bell: who hears the bell, and takes ready by an exchange,
 * finds the mark, and behind it the bytes.  A waker that is killed between the
 * exchange and the bell leaves a sleeper to its next event: which is the end of
 * the connection, unless another process has inherited this end.
 *
 * A peer that writes nonsense gets its own links marked in vain, or bells of
 * its own rung that the other end's number would not have rung: numbers of
 * bells are bounded here, and looked up by the caller among those that the
 * daemon gave it.
 */

/* Stores before it are visible to all when loads behind it are made. */
static inline void full_fence(void)
{
#if defined(__x86_64__)
	/* what gcc makes of a fence; clang 14 makes mfence, which is nine
	 * times as slow.  Not at the stack's top, which is soon read again. */
	__asm__ volatile("lock; orl $0, -4(%%rsp)" : : : "memory", "cc");
#else
	atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* --- segments --- */

/**
 * link_shape_ok() - does a segment of this shape make sense?
 * @n:		how many links
 * @ring:	bytes a direction
 */
bool link_shape_ok(unsigned n, uint32_t ring)
{
	return n >= 1 && n <= WIRE_LINKS_MAX && ring >= WIRE_LINK_RING_MIN &&
	       ring <= WIRE_LINK_RING_MAX && (ring & (ring - 1)) == 0;
}

/**
 * link_seg_create() - make a segment of links, for two clients
 * @map:	set on success; has the descriptor
 * @n:		how many links
 * @ring:	bytes a direction
 *
 * Return: 0, -EINVAL for an impossible shape, or the kernel's error.
 */
int link_seg_create(struct map *map, unsigned n, uint32_t ring)
{
	struct wire_link_seg *seg;
	int ret;

	if (!link_shape_ok(n, ring))
		return -EINVAL;
	ret = map_plain_create(map, "sapi-links", WIRE_LINK_SEG_SIZE(n, ring));
	if (ret < 0)
		return ret;
	seg = map_at(map, 0, sizeof(*seg));
	seg->magic = WIRE_LINK_MAGIC;
	seg->ring = ring;
	seg->n_links = n;
	return 0;
}

/**
 * link_seg_attach() - map a segment of links that was granted
 * @map:	set on success; does not have the descriptor
 * @fd:		the memfd; closed
 * @n:		links that it holds
 * @ring:	bytes a direction
 *
 * Return: 0, -EPROTO, or the kernel's error.
 */
int link_seg_attach(struct map *map, int fd, unsigned n, uint32_t ring)
{
	bool ok = link_shape_ok(n, ring);
	const struct wire_link_seg *seg;
	struct map new;
	int ret;

	/* no segment is of size 0: closes it, and says -EPROTO */
	ret = map_plain_attach(&new, fd, ok ? WIRE_LINK_SEG_SIZE(n, ring) : 0);
	if (ret < 0)
		return ret;
	seg = map_at(&new, 0, sizeof(*seg));
	if (!seg || seg->magic != WIRE_LINK_MAGIC) {
		map_close(&new);
		return -EPROTO;
	}
	*map = new;
	return 0;
}

/**
 * link_seg_wipe() - make a block of a segment as new
 * @map:	the segment
 * @index:	of the block
 * @ring:	bytes a direction
 */
void link_seg_wipe(struct map *map, unsigned index, uint32_t ring)
{
	uint64_t off = WIRE_LINK_PAGE + index * WIRE_LINK_BLOCK(ring);
	void *block = map_at(map, off, WIRE_LINK_BLOCK(ring));
	struct wire_link_seg *seg = map_at(map, 0, sizeof(*seg));

	if (!block || index >= WIRE_LINKS_MAX)
		return;
	if (map_give_back(block, WIRE_LINK_BLOCK(ring)) < 0)
		memset((uint8_t *)block + WIRE_LINK_HEADER(ring), 0,
		       sizeof(struct wire_link));
	/* relaxed: whom a wrong mark reaches finds nothing there */
	for (int side = 0; side < 2; side++)
		atomic_fetch_and_explicit(&seg->side[side].ready,
					  ~(UINT64_C(1) << index),
					  memory_order_relaxed);
}

/**
 * link_leave_for() - say for one end that it reads and sends nothing
 * @link:	the header
 * @side:	0 or 1: the end that was never used
 */
void link_leave_for(struct wire_link *link, unsigned side)
{
	/* release: pairs with link_peer_flags(), as link_set_flags() */
	atomic_fetch_or_explicit(&link->side[side].flags,
				 WIRE_LINK_FIN | WIRE_LINK_CLOSED,
				 memory_order_release);
}

/* --- one end --- */

static void end_ring(struct ring *r, uint8_t *block, struct wire_link *link,
		     unsigned side, uint32_t size, struct ring_own *own)
{
	r->data =
		block + (side ? WIRE_LINK_RING1(size) : WIRE_LINK_RING0(size));
	r->size = size;
	r->home = WIRE_LINK_HOME(side, size);
	r->tail = &link->side[side].tail;
	r->head = &link->side[!side].head;
	r->own = own;
}

/**
 * link_end_init() - point @end at its half of a link
 * @end:	filled
 * @map:	the segment
 * @index:	of the block
 * @side:	0 or 1: mine
 * @ring:	bytes a direction
 * @tx:		own words of what is sent
 * @rx:		... and received
 *
 * Return: 0, or -EPROTO if there is no such block.
 */
int link_end_init(struct link_end *end, const struct map *map, unsigned index,
		  unsigned side, uint32_t ring, struct ring_own *tx,
		  struct ring_own *rx)
{
	struct wire_link *link;
	uint8_t *block;

	if (!link_shape_ok(index + 1, ring) || side > 1)
		return -EPROTO;
	block = map_at(map, WIRE_LINK_PAGE + index * WIRE_LINK_BLOCK(ring),
		       WIRE_LINK_BLOCK(ring));
	if (!block)
		return -EPROTO;
	link = (void *)(block + WIRE_LINK_HEADER(ring));
	*end = (struct link_end){
		.mine = &link->side[side],
		.peer = &link->side[!side],
		.seg = map_at(map, 0, sizeof(struct wire_link_seg)),
		.index = index,
		.side = side,
	};
	end_ring(&end->tx, block, link, side, ring, tx);
	end_ring(&end->rx, block, link, !side, ring, rx);
	return 0;
}

/**
 * link_peer_flags() - the other end's flags
 * @end:	this end
 *
 * Return: WIRE_LINK_*, or any bits at all if it is hostile.
 */
uint32_t link_peer_flags(const struct link_end *end)
{
	/* acquire: pairs with the release in link_set_flags(): what was put
	 * before FIN is seen behind it */
	return atomic_load_explicit(&end->peer->flags, memory_order_acquire);
}

/**
 * link_flags() - our own flags
 * @end:	this end
 *
 * Return: WIRE_LINK_*; the other end can write there as well.
 */
uint32_t link_flags(const struct link_end *end)
{
	/* relaxed: we wrote them, but for LEFT, which see */
	return atomic_load_explicit(&end->mine->flags, memory_order_relaxed);
}

/**
 * link_set_flags() - say something to the other end, for good
 * @end:	this end
 * @flags:	WIRE_LINK_*
 *
 * Follow it by link_wake_reader() and, for CLOSED, link_wake_writer().
 *
 * Return: what they were.
 */
uint32_t link_set_flags(struct link_end *end, uint32_t flags)
{
	/* release: pairs with the acquire in link_peer_flags(); acquire: as in
	 * link_reader_left() */
	return atomic_fetch_or_explicit(&end->mine->flags, flags,
					memory_order_acq_rel);
}

/**
 * link_switch() - leave the kernel's stream
 * @end:	this end
 * @at:		bytes that were sent there
 */
void link_switch(struct link_end *end, uint64_t at)
{
	/* relaxed: the flag's release publishes it */
	atomic_store_explicit(&end->mine->switch_at, at, memory_order_relaxed);
	link_set_flags(end, WIRE_LINK_SWITCHED);
}

/**
 * link_peer_switched() - has the other end left the kernel's stream?
 * @end:	this end
 * @at:		set to its length if so
 */
bool link_peer_switched(const struct link_end *end, uint64_t *at)
{
	if (!(link_peer_flags(end) & WIRE_LINK_SWITCHED))
		return false;
	/* relaxed: the flag was acquired */
	*at = atomic_load_explicit(&end->peer->switch_at, memory_order_relaxed);
	return true;
}

/* --- the way back --- */

/**
 * link_stop_tx() - put nothing into the ring any more
 * @end:	this end
 * @at:		byte of the ring that the kernel goes on at
 *
 * Return: whether the reader had left before.
 */
bool link_stop_tx(struct link_end *end, uint32_t at)
{
	/* relaxed: the exchange publishes it */
	atomic_store_explicit(&end->mine->back_at, at, memory_order_relaxed);
	/* release: pairs with link_peer_back(), for back_at and the tail;
	 * acquire: pairs with link_stop_rx(), for the head */
	uint32_t was = atomic_fetch_or_explicit(
		&end->mine->flags, WIRE_LINK_BACK, memory_order_acq_rel);

	/* partner of the one in link_wake_writer(): who closes finds BACK, or
	 * we find CLOSED */
	full_fence();
	return was & WIRE_LINK_LEFT;
}

/**
 * link_stop_rx() - take nothing from the ring any more
 * @end:	this end
 *
 * The caller looks at what is in the ring behind it.
 *
 * Return: the writer's flags as they were.
 */
uint32_t link_stop_rx(struct link_end *end)
{
	/* release: pairs with link_reader_left(), for the head; acquire: as in
	 * link_peer_back() */
	uint32_t was = atomic_fetch_or_explicit(
		&end->peer->flags, WIRE_LINK_LEFT, memory_order_acq_rel);

	/* partner of the one in link_wake_reader() */
	full_fence();
	return was;
}

/**
 * link_reader_left() - does nobody read the ring any more?
 * @end:	this end
 *
 * To be asked before bytes are put, and behind link_wake_reader(), whose fence
 * is the one that matters.
 */
bool link_reader_left(const struct link_end *end)
{
	/* acquire: pairs with link_stop_rx() */
	return atomic_load_explicit(&end->mine->flags, memory_order_acquire) &
	       WIRE_LINK_LEFT;
}

/**
 * link_peer_back() - is the other end back in the kernel's stream?
 * @end:	this end
 * @at:		set to where it goes on if so: any number if it is hostile
 */
bool link_peer_back(const struct link_end *end, uint32_t *at)
{
	if (!(link_peer_flags(end) & WIRE_LINK_BACK))
		return false;
	/* relaxed: the flag was acquired */
	*at = atomic_load_explicit(&end->peer->back_at, memory_order_relaxed);
	return true;
}

/**
 * link_writer_waits() - does the other end wait for room?
 * @end:	this end, which has said something that it is to see
 */
bool link_writer_waits(const struct link_end *end)
{
	/* partner of the one in link_arm_tx() */
	full_fence();
	/* relaxed: who arms after that looks at the flags */
	return atomic_load_explicit(&end->peer->armed_tx,
				    memory_order_relaxed) != 0;
}

/**
 * link_rouse() - mark the link for the other end
 * @end:	this end
 */
void link_rouse(struct link_end *end)
{
	/* release: as in ring_bell() */
	atomic_fetch_or_explicit(&end->seg->side[!end->side].ready,
				 UINT64_C(1) << end->index,
				 memory_order_release);
}

/* --- sleeping and waking --- */

/**
 * link_arm_rx() - about to sleep until something comes
 * @end:	this end
 * @bell:	to be rung then
 *
 * The caller looks once more before it sleeps.
 */
void link_arm_rx(struct link_end *end, unsigned bell)
{
	/* relaxed: the fence, partner of the one in link_wake_reader() */
	atomic_store_explicit(&end->mine->armed_rx, bell + 1,
			      memory_order_relaxed);
	full_fence();
}

/**
 * link_arm_tx() - about to sleep until there is room
 * @end:	this end
 * @bell:	to be rung then
 * @room:	bytes, at least; what is more than the ring means an empty one
 *
 * If two wait, the lesser room counts, until it is rung.  The caller looks
 * once more before it sleeps.
 */
void link_arm_tx(struct link_end *end, unsigned bell, uint32_t room)
{
	uint32_t was;

	/* seq_cst, before room_wanted is looked at: a waker that forgets that
	 * takes armed_tx next, so it rings, or has done so before */
	atomic_exchange_explicit(&end->mine->armed_tx, bell + 1,
				 memory_order_seq_cst);
	room = MAX(MIN(room, end->tx.size), 1u);
	/* relaxed: the fence, partner of the one in link_wake_writer() */
	was = atomic_load_explicit(&end->mine->room_wanted,
				   memory_order_relaxed);
	/* 0: forgotten.  A peer may write nonsense here, but not for ever. */
	while ((!was || was > room) &&
	       !atomic_compare_exchange_weak_explicit(
		       &end->mine->room_wanted, &was, room,
		       memory_order_relaxed, memory_order_relaxed))
		;
	full_fence();
}

/**
 * link_disarm() - not asleep any more
 * @end:	this end
 */
void link_disarm(struct link_end *end)
{
	/* relaxed: who rings all the same rings for nothing */
	if (atomic_load_explicit(&end->mine->armed_rx, memory_order_relaxed))
		atomic_store_explicit(&end->mine->armed_rx, 0,
				      memory_order_relaxed);
	if (atomic_load_explicit(&end->mine->armed_tx, memory_order_relaxed))
		atomic_store_explicit(&end->mine->armed_tx, 0,
				      memory_order_relaxed);
}

/**
 * link_is_armed_rx() - is it still armed, i.e. has nobody rung?
 * @end:	this end
 */
bool link_is_armed_rx(const struct link_end *end)
{
	/* relaxed: if it is not, the caller arms again, with a fence */
	return atomic_load_explicit(&end->mine->armed_rx,
				    memory_order_relaxed) != 0;
}

/**
 * link_is_armed_tx() - does somebody of this end wait for room?
 * @end:	this end
 */
bool link_is_armed_tx(const struct link_end *end)
{
	/* relaxed: as for input */
	return atomic_load_explicit(&end->mine->armed_tx,
				    memory_order_relaxed) != 0;
}

/* Take the bell of the other end from @armed, and mark the link for it. */
static int ring_bell(struct link_end *end, _Atomic uint32_t *armed)
{
	/* release: of room_wanted, see link_wake_writer() */
	uint32_t bell =
		atomic_exchange_explicit(armed, 0, memory_order_release);

	/* taken by another thread, or nonsense */
	if (bell - 1 >= WIRE_BELLS_MAX)
		return -1;
	/* release: pairs with the acquire in link_seg_rung(), for the bytes */
	atomic_fetch_or_explicit(&end->seg->side[!end->side].ready,
				 UINT64_C(1) << end->index,
				 memory_order_release);
	/* relaxed: a hint */
	atomic_store_explicit(&end->seg->side[!end->side].cpu,
			      (uint32_t)sched_getcpu() + 1,
			      memory_order_relaxed);
	/* relaxed: for people who look */
	atomic_fetch_add_explicit(&end->mine->wakeups, 1, memory_order_relaxed);
	return (int)bell - 1;
}

/**
 * link_wake_reader() - something was put or said: does the other end sleep?
 * @end:	this end
 *
 * Return: the bell to ring, or -1.
 */
int link_wake_reader(struct link_end *end)
{
	/* partner of the one in link_arm_rx() */
	full_fence();
	/* relaxed: the exchange follows */
	if (likely(!atomic_load_explicit(&end->peer->armed_rx,
					 memory_order_relaxed)))
		return -1;
	return ring_bell(end, &end->peer->armed_rx);
}

/**
 * link_wake_writer() - bytes were taken: does the other end wait for room?
 * @end:	this end
 *
 * Return: the bell to ring, or -1.
 */
int link_wake_writer(struct link_end *end)
{
	uint32_t used;

	/* partner of the one in link_arm_tx() */
	full_fence();
	/* relaxed: the exchange follows */
	if (likely(!atomic_load_explicit(&end->peer->armed_tx,
					 memory_order_relaxed)))
		return -1;
	used = ring_tail(&end->rx) - end->rx.own->head;
	/* If we have closed, any room is enough: it is to see that.  relaxed:
	 * nonsense makes it sleep, or wake up for nothing. */
	if (!(link_flags(end) & WIRE_LINK_CLOSED) &&
	    (used > end->rx.size ||
	     end->rx.size - used < atomic_load_explicit(&end->peer->room_wanted,
							memory_order_relaxed)))
		return -1;
	/* relaxed: before the exchange, which releases it; who arms in between
	 * is rung, who arms after it finds this */
	atomic_store_explicit(&end->peer->room_wanted, 0, memory_order_relaxed);
	return ring_bell(end, &end->peer->armed_tx);
}

/**
 * link_seg_rung() - the links of @side that were rung
 * @seg:	the segment
 * @side:	mine
 * @mine:	links of which it is: of the others it is the peer's
 *
 * Return: a bit each, by index; they are taken.
 */
uint64_t link_seg_rung(struct wire_link_seg *seg, unsigned side, uint64_t mine)
{
	/* acquire: pairs with the release in ring_bell() */
	return atomic_fetch_and_explicit(&seg->side[side].ready, ~mine,
					 memory_order_acquire) &
	       mine;
}

/**
 * link_seg_rung_from() - where the last to ring one of them ran
 * @seg:	the segment
 * @side:	mine
 *
 * A hint: what the other end says, about some ring or other.
 *
 * Return: its CPU, or -1.
 */
int link_seg_rung_from(const struct wire_link_seg *seg, unsigned side)
{
	/* relaxed: see ring_bell(); any number, if it is hostile */
	return (int)(atomic_load_explicit(&seg->side[side].cpu,
					  memory_order_relaxed) -
		     1);
}

/**
 * link_seg_any_rung() - would link_seg_rung() find any?
 * @seg:	the segment
 * @side:	mine
 * @mine:	as there
 */
bool link_seg_any_rung(const struct wire_link_seg *seg, unsigned side,
		       uint64_t mine)
{
	/* relaxed: link_seg_rung() follows */
	return (atomic_load_explicit(&seg->side[side].ready,
				     memory_order_relaxed) &
		mine) != 0;
}
