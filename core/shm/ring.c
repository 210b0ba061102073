/* SPDX-License-Identifier: Apache-2.0 */
/* ring.c - the byte ring of a link: put, take, and rewind when empty */
#include "core/shm/ring.h"

#include <errno.h>
#include <string.h>

#include "core/shm/map.h"

/*
 * DOC: the byte ring
 *
 * The producer publishes tail and base in one word, by a release store that
 * the consumer's acquire load pairs with; the consumer publishes head, by a
 * release store that the producer's acquire load pairs with.  That is all
 * that orders the bytes.  Each end goes by its own copy of what it published;
 * from the other's words it learns only how much there is.
 *
 * A look at the other end's line may cost a trip to another CPU.  The consumer
 * can't do without: one a take.  The producer looks when it comes to own.limit:
 * the end of what it knows to be free, of the home page, or, outside of that,
 * of another few KiB.  If the ring is empty then, it rewinds: with a new base
 * the next byte lies at home again.  The consumer has nothing left to find by
 * the old base, and gets the new one with the bytes.
 *
 * Much is copied in pieces, published one by one, so that both ends copy at a
 * time: a stream of 1 MiB puts is many times as fast as with one piece.
 *
 * A process may die at any instruction, and another of the same end go on with
 * the same struct ring_own.  So first the bytes are copied, then own is
 * written, then the word that the other end sees:
 *
 * - Dead before own: it has not happened.
 * - Dead between own and the word: ring_repair() publishes it, or the next put
 *   or take.  The bytes are all there.  (In the other order the successor
 *   would put its bytes over published ones, or take what is overwritten.)
 * - A new base is in own before the bytes are copied, in a ring that is empty,
 *   and not seen before the next tail.  own.limit is only a promise of room:
 *   whether bytes wrap is looked at each time.
 *
 * A killed process stops between two instructions, and what it stored before
 * is seen in the order of the program: it takes the compiler only to keep the
 * order, hence signal fences.
 */

#define PIECE_MAX 131072u /* published at a time; measured */
#define PIECE_MIN 4096u
#define STRIDE 4096u /* looks outside of the home page are that far apart */

/* Where caller's bytes are. */
struct cursor {
	const struct iovec *iov;
	size_t done; /* of iov[0] */
};

/* What comes before in the program is in memory if what follows is. */
static inline void in_order(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* What is published at a time: both ends have some of a ring to work on. */
static inline uint32_t piece(const struct ring *r)
{
	uint32_t n = r->size / 4;

	return n > PIECE_MAX ? PIECE_MAX : n < PIECE_MIN ? PIECE_MIN : n;
}

/* Offset of position @pos in a ring that begins at @base. */
static inline uint32_t at(const struct ring *r, uint32_t pos, uint32_t base)
{
	return (pos + base) & (r->size - 1);
}

/* The word of the producer, and what is to be taken by it: not checked */
static inline uint32_t look(const struct ring *r, uint32_t *base)
{
	/* acquire: pairs with the release in ring_publish() */
	uint64_t word = atomic_load_explicit(r->tail, memory_order_acquire);

	*base = (uint32_t)(word >> 32);
	return (uint32_t)word - r->own->head;
}

static inline void publish_head(struct ring *r, uint32_t head)
{
	in_order();
	r->own->head = head;
	in_order();
	/* release: pairs with the acquire in look_at_head(); what lay there
	 * has been copied and may be overwritten */
	atomic_store_explicit(r->head, head, memory_order_release);
}

/* Copy @n bytes between the ring, from @from on, and the caller. */
static void copy(const struct ring *r, uint32_t from, struct cursor *cur,
		 size_t n, bool in)
{
	uint8_t *user;
	size_t part;

	while (n) {
		part = cur->iov->iov_len - cur->done;
		if (!part) {
			cur->iov++;
			cur->done = 0;
			continue;
		}
		part = MIN(part, n);
		part = MIN(part, (size_t)(r->size - from));
		user = (uint8_t *)cur->iov->iov_base + cur->done;
		if (in)
			memcpy(r->data + from, user, part);
		else
			memcpy(user, r->data + from, part);
		cur->done += part;
		from = (from + (uint32_t)part) & (r->size - 1);
		n -= part;
	}
}

/* Go forward by @skip; the bytes behind it, but no more than a ring holds. */
static size_t cursor_init(struct cursor *cur, const struct iovec *iov, int n,
			  size_t skip)
{
	size_t sum = 0;

	for (; n > 0 && skip >= iov->iov_len; n--, iov++)
		skip -= iov->iov_len;
	*cur = (struct cursor){ iov, skip };
	if (n <= 0)
		return 0;
	sum = MIN(iov->iov_len - skip, (size_t)INT32_MAX);
	for (n--, iov++; n > 0 && sum < INT32_MAX; n--, iov++)
		sum += MIN(iov->iov_len, (size_t)INT32_MAX);
	return sum;
}

/* One or two pieces of memory. */
static int pieces(const struct ring *r, uint32_t from, size_t len,
		  struct iovec view[2])
{
	size_t first = MIN(len, (size_t)(r->size - from));

	view[0] = (struct iovec){ r->data + from, first };
	view[1] = (struct iovec){ r->data, len - first };
	return !!first + (first < len);
}

/* --- consumer --- */

/**
 * ring_used() - bytes to take now
 * @r:	the ring
 *
 * Return: how many, or -EPROTO.
 */
ssize_t ring_used(const struct ring *r)
{
	uint32_t base, used;

	/* where the next byte will lie, unless the producer rewinds: the trips
	 * for it and for the word that tells of it go at the same time, which
	 * makes a ping-pong a quarter faster */
	__builtin_prefetch(r->data + at(r, r->own->head, r->own->base));
	used = look(r, &base);
	return unlikely(used > r->size) ? -EPROTO : (ssize_t)used;
}

/**
 * ring_tail() - where the producer is
 * @r:	the ring
 *
 * Return: a number that changes with each arrival.
 */
uint32_t ring_tail(const struct ring *r)
{
	/* acquire: who finds that it moved may look at what came */
	return (uint32_t)atomic_load_explicit(r->tail, memory_order_acquire);
}

/* What has arrived is taken, and so is what arrives meanwhile. */
static ssize_t take(struct ring *r, struct cursor *cur, size_t len)
{
	uint32_t used, base;
	size_t done = 0, n;

	do {
		used = look(r, &base);
		if (unlikely(used > r->size))
			return done ? (ssize_t)done : -EPROTO;
		if (!used)
			return done ? (ssize_t)done : -EAGAIN;
		used = MIN(used, piece(r));
		n = MIN(len - done, (size_t)used);
		copy(r, at(r, r->own->head, base), cur, n, false);
		publish_head(r, r->own->head + (uint32_t)n);
		done += n;
	} while (done < len);
	return (ssize_t)done;
}

/* Not inlined: ring_take() does without its stack. */
static __attribute__((noinline)) ssize_t take_slow(struct ring *r, void *buf,
						   size_t len)
{
	const struct iovec iov = { buf, len };

	return take(r, &(struct cursor){ &iov, 0 }, len);
}

/**
 * ring_take() - take bytes
 * @r:		the ring
 * @buf:	to where
 * @len:	how many at most
 *
 * Return: how many, -EAGAIN or -EPROTO.
 */
ssize_t ring_take(struct ring *r, void *buf, size_t len)
{
	uint32_t base, used = look(r, &base), head = r->own->head;
	uint32_t from = at(r, head, base);
	size_t n;

	/* empty, or a lie */
	if (unlikely(used - 1 >= r->size))
		return used ? -EPROTO : -EAGAIN;
	r->own->base = base;
	n = MIN(len, (size_t)used); /* or 0 */
	if (likely(n - 1 < PIECE_MIN && n <= r->size - from)) {
		memcpy(buf, r->data + from, n);
		publish_head(r, head + (uint32_t)n);
		return (ssize_t)n;
	}
	return take_slow(r, buf, len);
}

/**
 * ring_takev() - the same into several buffers
 * @r:		the ring
 * @iov:	the buffers
 * @n:		how many
 * @skip:	bytes of them that are full already
 *
 * Return: as ring_take().
 */
ssize_t ring_takev(struct ring *r, const struct iovec *iov, int n, size_t skip)
{
	struct cursor cur;
	size_t len = cursor_init(&cur, iov, n, skip);

	return take(r, &cur, len);
}

/**
 * ring_peek() - copy without taking
 * @r:		the ring
 * @off:	bytes to leave out first
 * @buf:	to where
 * @len:	how many at most
 *
 * Return: how many, -EAGAIN if there is nothing from @off on, or -EPROTO.
 */
ssize_t ring_peek(const struct ring *r, size_t off, void *buf, size_t len)
{
	uint32_t base, used = look(r, &base);
	const struct iovec iov = { buf, len };
	uint32_t from;

	if (unlikely(used > r->size))
		return -EPROTO;
	if (off >= used)
		return -EAGAIN;
	len = MIN(len, (size_t)used - off);
	from = at(r, r->own->head + (uint32_t)off, base);
	copy(r, from, &(struct cursor){ &iov, 0 }, len, false);
	return (ssize_t)len;
}

/**
 * ring_drop() - take without copying
 * @r:		the ring
 * @len:	how many at most
 *
 * Return: as ring_take().
 */
ssize_t ring_drop(struct ring *r, size_t len)
{
	uint32_t base, used = look(r, &base);

	if (unlikely(used > r->size))
		return -EPROTO;
	if (!used)
		return -EAGAIN;
	len = MIN(len, (size_t)used);
	publish_head(r, r->own->head + (uint32_t)len);
	return (ssize_t)len;
}

/**
 * ring_view() - the bytes where they lie
 * @r:		the ring
 * @view:	filled
 * @n:		set to the number of pieces, 1 or 2; 0 on error
 *
 * They stay there until they are taken.  The producer, if it is hostile, can
 * change them meanwhile.
 *
 * Return: how many bytes, -EAGAIN or -EPROTO.
 */
ssize_t ring_view(const struct ring *r, struct iovec view[2], int *n)
{
	uint32_t base, used = look(r, &base);

	*n = 0;
	if (unlikely(used > r->size))
		return -EPROTO;
	if (!used)
		return -EAGAIN;
	*n = pieces(r, at(r, r->own->head, base), used, view);
	return (ssize_t)used;
}

/* --- producer --- */

/* What we have published: also for who has not got the lock. */
static uint32_t published(const struct ring *r)
{
	/* relaxed: our own word; behind an acquired head it is not older than
	 * what the consumer took, which it saw there.  A hostile peer can write
	 * it, too: the sums are bounded, and the stream it spoils is its own */
	return (uint32_t)atomic_load_explicit(r->tail, memory_order_relaxed);
}

static uint32_t seen(const struct ring *r)
{
	/* relaxed: head only grows, an old one is as true */
	return atomic_load_explicit(&r->own->seen, memory_order_relaxed);
}

/* Bytes not taken yet, by a fresh look. */
static ssize_t look_at_head(const struct ring *r, uint32_t *head)
{
	uint32_t used;

	/* acquire: pairs with the release in publish_head(); what is
	 * overwritten has been read */
	*head = atomic_load_explicit(r->head, memory_order_acquire);
	used = published(r) - *head;
	return unlikely(used > r->size) ? -EPROTO : (ssize_t)used;
}

/* The next byte would lie @from home; @n may be put before the next look. */
static void touch(struct ring *r, uint32_t from, uint32_t n)
{
	uint32_t high = from + MIN(n, r->size - from);

	/* relaxed: only producers write it; ring_is_spread() is a guess */
	if (high > atomic_load_explicit(&r->own->high, memory_order_relaxed))
		atomic_store_explicit(&r->own->high, high,
				      memory_order_relaxed);
	in_order();
	r->own->limit = r->own->tail + n;
}

/*
 * See to it that up to @want bytes, at least one, can be put at own.tail: how
 * many, 0 if it is full, or -EPROTO.  The place to rewind.
 */
static ssize_t make_room(struct ring *r, size_t want)
{
	struct ring_own *own = r->own;
	uint32_t room, from, step, head;
	ssize_t used;

	if (likely(want <= own->limit - own->tail))
		return (ssize_t)want;
	/* the consumer can't be ahead: what was empty is empty */
	if (seen(r) == own->tail) {
		used = 0;
	} else {
		used = look_at_head(r, &head);
		if (unlikely(used < 0))
			return used;
		/* relaxed: as in seen() */
		atomic_store_explicit(&own->seen, head, memory_order_relaxed);
	}
	if (!used)
		own->base = r->home - own->tail;
	room = r->size - (uint32_t)used;
	from = at(r, own->tail, own->base - r->home);
	step = from < WIRE_LINK_EDGE ? WIRE_LINK_EDGE - from : STRIDE;
	want = MIN(want, (size_t)room);
	step = MAX(step, (uint32_t)want);
	touch(r, from, MIN(room, step));
	return (ssize_t)want;
}

/**
 * ring_room() - bytes that could be put now
 * @r:	the ring
 *
 * Like ring_unread() it may be asked without the producer's lock.
 *
 * Return: how many, or -EPROTO.
 */
ssize_t ring_room(const struct ring *r)
{
	ssize_t used = ring_unread(r);

	return unlikely(used < 0) ? used : (ssize_t)r->size - used;
}

/**
 * ring_unread() - bytes that the consumer has not taken
 * @r:	the ring
 *
 * Return: how many, or -EPROTO.
 */
ssize_t ring_unread(const struct ring *r)
{
	uint32_t head;

	return seen(r) == published(r) ? 0 : look_at_head(r, &head);
}

/**
 * ring_publish() - let the consumer see what was put
 * @r:		the ring
 * @len:	bytes, no more than ring_space() gave
 */
void ring_publish(struct ring *r, size_t len)
{
	struct ring_own *own = r->own;
	uint32_t tail = own->tail + (uint32_t)len;

	in_order();
	own->tail = tail;
	in_order();
	/* release: pairs with the acquire in look(), for the bytes */
	atomic_store_explicit(r->tail, (uint64_t)own->base << 32 | tail,
			      memory_order_release);
}

static ssize_t put(struct ring *r, struct cursor *cur, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = make_room(r, MIN(len - done, (size_t)piece(r)));
		if (n <= 0)
			return done ? (ssize_t)done : n ? n : -EAGAIN;
		copy(r, at(r, r->own->tail, r->own->base), cur, (size_t)n,
		     true);
		ring_publish(r, (size_t)n);
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Not inlined: ring_put() does without its stack. */
static __attribute__((noinline)) ssize_t put_slow(struct ring *r,
						  const void *buf, size_t len)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	return put(r, &(struct cursor){ &iov, 0 }, len);
}

/**
 * ring_put() - put bytes and publish them
 * @r:		the ring
 * @buf:	from where
 * @len:	how many at most
 *
 * Return: how many, -EAGAIN or -EPROTO.
 */
ssize_t ring_put(struct ring *r, const void *buf, size_t len)
{
	uint32_t from = at(r, r->own->tail, r->own->base);

	/* and not 0 */
	if (likely(len - 1 < r->own->limit - r->own->tail &&
		   len <= r->size - from)) {
		memcpy(r->data + from, buf, len);
		ring_publish(r, len);
		return (ssize_t)len;
	}
	return put_slow(r, buf, len);
}

/**
 * ring_putv() - the same from several buffers
 * @r:		the ring
 * @iov:	the buffers
 * @n:		how many
 * @skip:	bytes of them that were put already
 *
 * Return: as ring_put().
 */
ssize_t ring_putv(struct ring *r, const struct iovec *iov, int n, size_t skip)
{
	struct cursor cur;
	size_t len = cursor_init(&cur, iov, n, skip);

	return put(r, &cur, len);
}

/**
 * ring_space() - room to fill in place
 * @r:		the ring
 * @want:	bytes at most
 * @view:	filled
 * @n:		set to the number of pieces, 1 or 2; 0 on error
 *
 * Return: bytes of room, up to @want, -EAGAIN or -EPROTO.
 */
ssize_t ring_space(struct ring *r, size_t want, struct iovec view[2], int *n)
{
	ssize_t room = make_room(r, MAX(want, (size_t)1));

	*n = 0;
	if (unlikely(room <= 0))
		return room ? room : -EAGAIN;
	*n = pieces(r, at(r, r->own->tail, r->own->base), (size_t)room, view);
	return room;
}

/**
 * ring_unsent() - what the producer has put, for itself
 * @r:		the ring
 * @from:	from where on
 * @view:	filled
 * @n:		set to the number of pieces, 1 or 2; 0 on error
 *
 * What is not taken yet was put since the last rewind, so the base is right.
 *
 * Return: how many bytes, or -EAGAIN.
 */
ssize_t ring_unsent(const struct ring *r, uint32_t from, struct iovec view[2],
		    int *n)
{
	uint32_t len = r->own->tail - from;

	*n = 0;
	if (!len || len > r->size)
		return -EAGAIN;
	*n = pieces(r, at(r, from, r->own->base), len, view);
	return (ssize_t)len;
}

/**
 * ring_give_back() - free the memory of an empty ring
 * @r:	the ring
 *
 * A consumer that looks meanwhile finds nothing to read, and one that has just
 * read is done: its head says so.
 *
 * Return: whether there was something to free and it has been freed.
 */
bool ring_give_back(struct ring *r)
{
	uint32_t high =
		atomic_load_explicit(&r->own->high, memory_order_relaxed);
	uint8_t *from;

	if (high <= WIRE_LINK_EDGE || ring_unread(r) != 0)
		return false;
	/* the whole pages of this ring; around ring 0's begin lies padding */
	from = r->home ? r->data - WIRE_LINK_EDGE : r->data + WIRE_LINK_EDGE;
	/* the next put looks where it is, and rewinds */
	r->own->limit = r->own->tail;
	atomic_store_explicit(&r->own->high, 0, memory_order_relaxed);
	return map_give_back(from, MIN(high, r->size)) == 0;
}

/**
 * ring_repair() - go on after a process that died
 * @r:		the ring
 * @producer:	whether it was this, or the consumer
 */
void ring_repair(struct ring *r, bool producer)
{
	if (producer)
		ring_publish(r, 0);
	else
		publish_head(r, r->own->head);
}
