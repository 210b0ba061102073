/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.c - attach a byte FIFO; how its two ends call each other */
#include "core/shm/fifo.h"

#include <errno.h>

#include "core/shm/fifo_list.h"

/*
 * DOC: who calls whom (ABI.md 8.5, 8.6)
 *
 * Two questions of the same shape, each with one fence on either side.
 *
 * Bytes:  the producer stores tail, fence, looks at has_event.
 *         the consumer clears has_event, fence, looks at tail.
 * Room:   the consumer stores head, fence, looks at want_deq_ntf.
 *         the producer sets want_deq_ntf, fence, looks at head.
 *
 * The fences are sequentially consistent, so one of them comes first, and the
 * side whose fence is second sees what the other stored.  So either the
 * looker sees the bytes (the room) and does not sleep, or the doer sees that
 * it is waited for and calls.  Without them, each could read the other's word
 * before its own store left the store buffer, and a wake-up were lost.
 *
 * Where a read-modify-write on the asked word is due anyway it is the fence.
 * Where it is not, adding 0 to our own position is: the line is ours already,
 * while an exchange would pull the line of the signals, which both sides
 * read, forth and back with each message.
 */

/* used and size, which a bad peer may make nonsense: signed, clamped. */
static uint32_t free_bytes(uint32_t size, uint32_t used)
{
	return used < size ? size - used : 0;
}

#define SIGNALS(f, h)                                     \
	do {                                              \
		(f)->has_event = &(h)->has_event;         \
		(f)->want_deq_ntf = &(h)->want_deq_ntf;   \
		(f)->has_deq_ntf = &(h)->has_deq_ntf;     \
		(f)->deq_thresh = &(h)->deq_thresh;       \
		(f)->n_subscribers = &(h)->n_subscribers; \
		(f)->subscribers = (h)->subscribers;      \
	} while (0)

#define DATA(f, h)                                                       \
	do {                                                             \
		(f)->start_chunk = &(h)->start_chunk;                    \
		(f)->end_chunk = &(h)->end_chunk;                        \
		(f)->head_chunk = &(h)->head_chunk;                      \
		(f)->tail_chunk = &(h)->tail_chunk;                      \
		(f)->head = &(h)->head;                                  \
		(f)->tail = &(h)->tail;                                  \
		(f)->size = &(h)->size;                                  \
		(f)->min_alloc = &(h)->min_alloc;                        \
		(f)->slice = atomic_load_explicit(&(h)->slice_index,     \
						  memory_order_relaxed); \
	} while (0)

static void *header_at(const struct seg *seg, uint64_t off)
{
	if (!off || off % WIRE_CACHE_LINE)
		return NULL;
	return map_at(&seg->map, off, sizeof(struct wire_fifo));
}

/**
 * fifo_attach() - point at the words of a FIFO
 * @f:		set on success
 * @seg:	the segment; must outlive @f
 * @off:	of the header
 * @dialect:	what the header looks like
 *
 * Return: 0 or -EPROTO.
 */
int fifo_attach(struct fifo *f, struct seg *seg, uint64_t off,
		enum wire_dialect dialect)
{
	struct fifo new = { .seg = seg, .off = off };
	void *p = header_at(seg, off);
	uint32_t size, len;

	if (!p)
		return -EPROTO;
	if (dialect == WIRE_2510) {
		DATA(&new, (struct wire_fifo_2510 *)p);
		SIGNALS(&new, (struct wire_fifo_2510 *)p);
	} else {
		DATA(&new, (struct wire_fifo *)p);
		SIGNALS(&new, (struct wire_fifo *)p);
	}
	size = load32(new.size);
	if (new.slice >= seg->n_slices || !size || size > INT32_MAX ||
	    !seg_chunk(
		    seg,
		    atomic_load_explicit(new.start_chunk, memory_order_relaxed),
		    &len) ||
	    !seg_chunk(
		    seg,
		    atomic_load_explicit(new.end_chunk, memory_order_relaxed),
		    &len))
		return -EPROTO;
	*f = new;
	return 0;
}

/**
 * fifo_attach_signals() - be called through another header (cut-through)
 * @f:		attached to its data
 * @seg:	the segment of the other header
 * @off:	the other header
 * @dialect:	up to 25.10 only the doorbell is another's, and a consumer
 *		clears both
 *
 * Return: 0 or -EPROTO.
 */
int fifo_attach_signals(struct fifo *f, struct seg *seg, uint64_t off,
			enum wire_dialect dialect)
{
	void *p = header_at(seg, off);

	if (!p)
		return -EPROTO;
	if (dialect == WIRE_2510) {
		f->has_event_too = f->has_event;
		f->has_event = &((struct wire_fifo_2510 *)p)->has_event;
	} else {
		SIGNALS(f, (struct wire_fifo *)p);
	}
	return 0;
}

/**
 * fifo_use_end() - see and say the end of the stream in the header
 * @f:		attached
 * @dialect:	what the header looks like
 */
void fifo_use_end(struct fifo *f, enum wire_dialect dialect)
{
	void *p = header_at(f->seg, f->off);

	if (p)
		f->end = dialect == WIRE_2510
				 ? &((struct wire_fifo_2510 *)p)->next
				 : &((struct wire_fifo *)p)->next;
}

/**
 * fifo_write_index() - tell an old server our index for the session
 * @seg:	the segment
 * @off:	the header
 * @dialect:	26.02 and later carry it in messages: nothing is written
 * @app_index:	our index
 *
 * Return: 0 or -EPROTO.
 */
int fifo_write_index(struct seg *seg, uint64_t off, enum wire_dialect dialect,
		     uint32_t app_index)
{
	struct wire_fifo_2510 *h = header_at(seg, off);

	if (!h)
		return -EPROTO;
	if (dialect == WIRE_2510)
		atomic_store_explicit(&h->client_session_index, app_index,
				      memory_order_release);
	return 0;
}

/**
 * fifo_read_index() - an old server's index for what the FIFO belongs to
 * @seg:	the segment
 * @off:	the header
 * @index:	out
 *
 * Return: 0 or -EPROTO.
 */
int fifo_read_index(const struct seg *seg, uint64_t off, uint32_t *index)
{
	const struct wire_fifo_2510 *h = header_at(seg, off);

	if (!h)
		return -EPROTO;
	*index = atomic_load_explicit(&h->master_session_index,
				      memory_order_acquire);
	return 0;
}

/**
 * fifo_size() - the capacity
 * @f:	the FIFO
 *
 * Return: bytes; the server may change it at any time.
 */
uint32_t fifo_size(const struct fifo *f)
{
	return MIN(load32(f->size), (uint32_t)INT32_MAX);
}

/* --- producer --- */

/**
 * fifo_room() - bytes that can be put
 * @f:	the FIFO
 *
 * Return: bytes; 1 if the positions are impossible, so that a put is tried
 * and says -EPROTO.
 */
uint32_t fifo_room(const struct fifo *f)
{
	/* seq_cst: the producer's look after fifo_want_room() */
	uint32_t head = atomic_load_explicit(f->head, memory_order_seq_cst);
	uint32_t used = load32(f->tail) - head, size = load32(f->size);

	if (unlikely(used > INT32_MAX || size > INT32_MAX))
		return 1;
	return free_bytes(size, used);
}

/**
 * fifo_end() - no more will be put
 * @f:	the FIFO
 */
void fifo_end(struct fifo *f)
{
	/* seq_cst: as tail, before the look at has_event in fifo_ring(); and
	 * after tail, for whoever asks fifo_ended() before fifo_used() */
	if (f->end)
		atomic_store_explicit(f->end, WIRE_FIFO_END,
				      memory_order_seq_cst);
}

/**
 * fifo_ring() - after a put: has the consumer to be called?
 * @f:	the FIFO
 *
 * Return: true if the caller must send the event.
 */
bool fifo_ring(struct fifo *f)
{
	if (load32(f->has_event)) {
		/* the fence between our tail and the look */
		atomic_fetch_add_explicit(f->tail, 0, memory_order_seq_cst);
		if (atomic_load_explicit(f->has_event, memory_order_seq_cst))
			return false;
	}
	/* seq_cst: pairs with the exchange in fifo_arm() */
	return !atomic_exchange_explicit(f->has_event, 1, memory_order_seq_cst);
}

/**
 * fifo_want_room() - ask to be called once when there is room
 * @f:		the FIFO
 * @thresh:	bytes; 0: any
 *
 * Then look at fifo_room() again before sleeping.
 */
void fifo_want_room(struct fifo *f, uint32_t thresh)
{
	/* relaxed: the OR releases it */
	atomic_store_explicit(f->deq_thresh, thresh, memory_order_relaxed);
	/* seq_cst: pairs with the fence in fifo_took() */
	atomic_fetch_or_explicit(f->want_deq_ntf, WIRE_WANT_DEQ_ONCE,
				 memory_order_seq_cst);
}

/**
 * fifo_got_room() - the call came; the consumer may call again
 * @f:	the FIFO
 */
void fifo_got_room(struct fifo *f)
{
	/* relaxed: late costs at most one call, which VPP accepts too */
	atomic_store_explicit(f->has_deq_ntf, 0, memory_order_relaxed);
}

/* --- consumer --- */

/**
 * fifo_used() - bytes that can be taken
 * @f:	the FIFO
 *
 * Return: bytes; not 0 if the positions are impossible, so that a take is
 * tried and says -EPROTO.
 */
uint32_t fifo_used(const struct fifo *f)
{
	/* seq_cst: the consumer's look after fifo_arm() */
	uint32_t tail = atomic_load_explicit(f->tail, memory_order_seq_cst);

	return tail - load32(f->head);
}

/**
 * fifo_ended() - has the producer ended it?
 * @f:	the FIFO
 *
 * Return: true if what fifo_used() says from here on is all that is left.
 */
bool fifo_ended(const struct fifo *f)
{
	/* seq_cst: pairs with fifo_end() */
	return f->end && atomic_load_explicit(f->end, memory_order_seq_cst) ==
				 WIRE_FIFO_END;
}

/**
 * fifo_tail() - the producer's position
 * @f:	the FIFO
 *
 * Return: a number that changes when bytes are put, and by the end.
 */
uint32_t fifo_tail(const struct fifo *f)
{
	/* seq_cst: as in fifo_used() */
	return atomic_load_explicit(f->tail, memory_order_seq_cst) +
	       fifo_ended(f);
}

/**
 * fifo_took() - after taking: has the producer to be called?
 * @f:	the FIFO
 * @n:	bytes taken
 *
 * Return: true if the caller must send the notification.
 */
bool fifo_took(struct fifo *f, uint32_t n)
{
	/* the fence between our head and the look; pairs with the OR in
	 * fifo_want_room() */
	uint32_t head =
		atomic_fetch_add_explicit(f->head, 0, memory_order_seq_cst);
	uint32_t want =
		atomic_load_explicit(f->want_deq_ntf, memory_order_seq_cst);
	uint32_t used, size;
	bool call;

	if (likely(!want))
		return false;
	used = atomic_load_explicit(f->tail, memory_order_acquire) - head;
	size = load32(f->size);
	if (want & WIRE_WANT_DEQ_ONCE) {
		/* this bit hides the others (ABI.md 8.6) */
		call = free_bytes(size, used) >= load32(f->deq_thresh);
	} else {
		call = ((want & WIRE_WANT_DEQ_IF_FULL) && used < size &&
			(uint64_t)used + n >= size) ||
		       ((want & WIRE_WANT_DEQ_IF_EMPTY) && !used);
		/* relaxed: see fifo_got_room() */
		call = call && !load32(f->has_deq_ntf);
	}
	if (!call)
		return false;
	if (want & (WIRE_WANT_DEQ_IF_FULL | WIRE_WANT_DEQ_IF_EMPTY))
		atomic_store_explicit(f->has_deq_ntf, 1, memory_order_release);
	if (want & WIRE_WANT_DEQ_ONCE)
		atomic_fetch_and_explicit(f->want_deq_ntf, ~WIRE_WANT_DEQ_ONCE,
					  memory_order_acq_rel);
	return true;
}

/**
 * fifo_arm_since() - before sleeping: ask for an event at the next put
 * @f:		the FIFO
 * @tail:	bytes up to here are known (edge-triggered waiting)
 *
 * Return: true if bytes came after @tail: do not sleep.
 */
bool fifo_arm_since(struct fifo *f, uint32_t tail)
{
	if (f->has_event_too)
		atomic_exchange_explicit(f->has_event_too, 0,
					 memory_order_seq_cst);
	/* seq_cst: pairs with the fence or exchange in fifo_ring() */
	atomic_exchange_explicit(f->has_event, 0, memory_order_seq_cst);
	if (fifo_tail(f) == tail)
		return false;
	/* as if the event had come.  The producer may have seen the 0 and send
	 * one: one too many does no harm */
	atomic_store_explicit(f->has_event, 1, memory_order_release);
	return true;
}

/**
 * fifo_arm() - before sleeping: ask for an event
 * @f:	the FIFO
 *
 * Return: true if there are bytes: do not sleep.
 */
bool fifo_arm(struct fifo *f)
{
	return fifo_arm_since(f, load32(f->head));
}

/**
 * fifo_has_event() - has an event been sent, or nobody asked for one?
 * @f:	the FIFO
 *
 * Return: true or false.
 */
bool fifo_has_event(const struct fifo *f)
{
	return atomic_load_explicit(f->has_event, memory_order_acquire) != 0;
}

/* --- subscribers: relaxed, since the owner's lock or nothing orders them ---
 */

static unsigned count_subscribers(const struct fifo *f)
{
	unsigned n =
		atomic_load_explicit(f->n_subscribers, memory_order_relaxed);

	return MIN(n, (unsigned)WIRE_MAX_SUBSCRIBERS);
}

/**
 * fifo_subscribe() - have a worker notified in addition to the owner
 * @f:		the FIFO
 * @wrk:	its map index
 *
 * Return: 0 (also if it is there already) or -ENOSPC.
 */
int fifo_subscribe(struct fifo *f, uint8_t wrk)
{
	unsigned n = count_subscribers(f), i;

	for (i = 0; i < n; i++)
		if (atomic_load_explicit(&f->subscribers[i],
					 memory_order_relaxed) == wrk)
			return 0;
	if (n == WIRE_MAX_SUBSCRIBERS)
		return -ENOSPC;
	atomic_store_explicit(&f->subscribers[n], wrk, memory_order_relaxed);
	/* release: whoever counts it finds it */
	atomic_store_explicit(f->n_subscribers, (uint8_t)(n + 1),
			      memory_order_release);
	return 0;
}

/**
 * fifo_unsubscribe() - no longer
 * @f:		the FIFO
 * @wrk:	its map index; nothing happens if it is not there
 */
void fifo_unsubscribe(struct fifo *f, uint8_t wrk)
{
	unsigned n = count_subscribers(f), i;
	uint8_t last;

	for (i = 0; i < n; i++) {
		if (atomic_load_explicit(&f->subscribers[i],
					 memory_order_relaxed) != wrk)
			continue;
		last = atomic_load_explicit(&f->subscribers[n - 1],
					    memory_order_relaxed);
		atomic_store_explicit(&f->subscribers[i], last,
				      memory_order_relaxed);
		atomic_store_explicit(f->n_subscribers, (uint8_t)(n - 1),
				      memory_order_release);
		return;
	}
}

/**
 * fifo_subscribers() - copy the subscribers out
 * @f:		the FIFO
 * @wrk:	room for 7
 *
 * Return: how many.
 */
unsigned fifo_subscribers(const struct fifo *f, uint8_t wrk[7])
{
	unsigned n = count_subscribers(f), i;

	for (i = 0; i < n; i++)
		wrk[i] = atomic_load_explicit(&f->subscribers[i],
					      memory_order_relaxed);
	return n;
}
