/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - one end of a link: header words, arming and ringing
 *
 * DOC: Everything the other end writes is hostile: it can spoil its own
 * connection.  Words of the header are read once, by the functions below,
 * each of which names its partner.
 *
 * Waking: a waiter that is about to sleep arms its direction with the number
 * of its bell, then looks once more.  Who has put bytes (or taken some, or
 * changed a flag) looks at the other end's word and, if it is armed, takes
 * the bell's number by an exchange, marks the link in the segment's ready
 * word and writes the bell.  The full fences between "arm" and "look", and
 * between "publish" and "look at armed", see to it that one of the two sees
 * the other: see link.c.
 */
/*
 * DOC: the way back
 *
 * A direction returns to the kernel's stream for good when one of its ends is
 * about to be somebody who does not know the ring: the writer, the reader, or
 * both at once; or when its writer sees that the reader sends no more.  None of
 * them waits for the other.
 *
 *	writer:	looks how far the reader is, writes that down (back_at), sets
 *		BACK in its own flags, and sends what is between that and its
 *		tail by the kernel: it takes back what was not read.
 *	reader:	reads no more, so that its head stands still, and sets LEFT in
 *		the writer's flags.  The writer answers as above, and there
 *		back_at is just that head.
 *
 * A reader that stays finds BACK when its ring is empty.  What it has read
 * beyond back_at comes by the kernel once more: it skips so many bytes, and
 * goes on there.  (back_at may be the tail: nothing was taken back.)
 *
 * Both set their bit in one word, by an exchange.  Whose is second sees the
 * first: a writer that finds LEFT takes back from the head, which is final; a
 * reader that finds BACK skips before it goes.
 *
 * Bytes that the writer puts while the reader leaves: the writer stores tail,
 * fence, looks at its flags; the reader sets LEFT, fence, looks at tail.  So
 * the writer finds LEFT and takes them back at once, or the reader finds them
 * and knows that the writer has not heard yet: it rings it, asleep or not.
 */
#ifndef SHM_LINK_H
#define SHM_LINK_H

#include "core/shm/map.h"
#include "core/shm/ring.h"

struct link_end {
	struct wire_link_side *mine, *peer; /* NULL: no link */
	struct wire_link_seg *seg;
	unsigned index, side; /* of the block; mine */
	struct ring tx, rx;
};

/* --- segments --- */
/* Daemon: a segment of @n empty links, sealed, mapped whole. */
int link_seg_create(struct map *map, unsigned n, uint32_t ring) MUST_CHECK;
/* Client: map one of exactly this shape; takes @fd over, also on error, and
 * does not keep it.  -EPROTO if it is not of this shape or not sealed. */
int link_seg_attach(struct map *map, int fd, unsigned n,
		    uint32_t ring) MUST_CHECK;
/* Daemon: block @index is as new again, its memory given back. */
void link_seg_wipe(struct map *map, unsigned index, uint32_t ring);
/* Daemon: nobody is, or will be, at that end of the link. */
void link_leave_for(struct wire_link *link, unsigned side);
/* Does the shape make sense?  ring a power of two in range, 1 <= n <= MAX. */
bool link_shape_ok(unsigned n, uint32_t ring);

/* --- one end --- */
/* Fill @end for block @index of the segment; @tx, @rx: its own words, zeroed
 * by the caller at the link's beginning, not when a forked process comes to
 * it.  -EPROTO if the block is not inside. */
int link_end_init(struct link_end *end, const struct map *map, unsigned index,
		  unsigned side, uint32_t ring, struct ring_own *tx,
		  struct ring_own *rx) MUST_CHECK;

/* Flags: ours only grow. */
uint32_t link_peer_flags(const struct link_end *end);
uint32_t link_flags(const struct link_end *end);
/* Returns what they were. */
uint32_t link_set_flags(struct link_end *end, uint32_t flags);
/* Leave the kernel's stream at byte @at: what is put from now on comes after
 * it. */
void link_switch(struct link_end *end, uint64_t at);
/* Has the peer left it?  *at is valid if so. */
bool link_peer_switched(const struct link_end *end, uint64_t *at);

/* --- the way back --- */
/* Writer: nothing is put any more; the kernel goes on at byte @at of the ring.
 * True if the reader had left before: then it goes on at its head. */
bool link_stop_tx(struct link_end *end, uint32_t at);
/* Reader: nothing is taken any more.  The writer's flags as they were: with
 * BACK it had stopped before, see link_peer_back(); with FIN it can't send any
 * more, and what is in the ring stays there. */
uint32_t link_stop_rx(struct link_end *end);
/* Writer: has the reader left?  After that ring_unread() is final. */
bool link_reader_left(const struct link_end *end);
/* Reader: has the writer stopped?  *at is what it said, if so. */
bool link_peer_back(const struct link_end *end, uint32_t *at);
/* Does the other end wait for room?  After link_set_flags(). */
bool link_writer_waits(const struct link_end *end);
/* Mark the link for the other end, asleep or not: its bell is to be rung. */
void link_rouse(struct link_end *end);

/* --- sleeping and waking --- */
/* About to sleep: ring bell @bell when something comes; then look again. */
void link_arm_rx(struct link_end *end, unsigned bell);
/* ... when there is room for @room bytes or more; of two that wait the lesser
 * counts. */
void link_arm_tx(struct link_end *end, unsigned bell, uint32_t room);
/* It is awake anyhow: no need to ring. */
void link_disarm(struct link_end *end);
bool link_is_armed_rx(const struct link_end *end);
bool link_is_armed_tx(const struct link_end *end);
/* After ring_put(), link_set_flags() or link_switch(): the bell to ring, or
 * -1.  The link is marked in ready. */
int link_wake_reader(struct link_end *end);
/* After ring_take(): likewise, if it waits for room and there is enough. */
int link_wake_writer(struct link_end *end);
/* Both, after an end of the connection. */

/* Add to a counter of ours, which only we write (with the direction's lock). */
static inline void link_tally(_Atomic uint64_t *counter, uint64_t n)
{
	/* relaxed: a number to look at, which orders nothing */
	uint64_t was = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, was + n, memory_order_relaxed);
}

/* Those of the links @mine, a bit each, of which I am @side, that were rung;
 * takes them.  (Of others in the same segment the peer may be that side.) */
uint64_t link_seg_rung(struct wire_link_seg *seg, unsigned side, uint64_t mine);
/* ... and the CPU of who rang last, or -1. */
int link_seg_rung_from(const struct wire_link_seg *seg, unsigned side);
/* Is there any? One load. */
bool link_seg_any_rung(const struct wire_link_seg *seg, unsigned side,
		       uint64_t mine);

#endif /* SHM_LINK_H */
