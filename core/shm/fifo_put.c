/* SPDX-License-Identifier: Apache-2.0 */
/* fifo_put.c - the byte FIFO's producer: find its place, grow, put */
#include "core/shm/fifo_list.h"

#define FIND_TRIES \
	1000 /* an honest consumer moves on once or twice meanwhile */

/* Append the chunk at @new behind @last, which it replaces. */
static void append(struct fifo *f, struct place *last, const struct place *new)
{
	struct wire_chunk *c = new->chunk;

	/* relaxed: the release below publishes them to the consumer */
	atomic_store_explicit(&c->start_byte, new->start, memory_order_relaxed);
	c->enq_rb_index = 0;
	c->deq_rb_index = 0;
	store64(&c->next, 0);
	/* release: a producer that takes over finds a numbered chunk */
	atomic_store_explicit(f->end_chunk, new->off, memory_order_release);
	/* release: pairs with the acquire in place_next() */
	atomic_store_explicit(&last->chunk->next, new->off,
			      memory_order_release);
	*last = *new;
}

/* Append chunks for @bytes behind @last.  @at_end: tail is at its end. */
static int grow(struct fifo *f, struct place *last, uint32_t bytes, bool at_end)
{
	uint64_t off, next, n = bytes / WIRE_CHUNK_MIN + 2;
	struct place new;
	int ret;

	ret = seg_chunk_alloc(f->seg, f->slice, bytes, &off);
	if (ret < 0)
		return ret;
	for (; off && n; n--, off = next) {
		if (!place_at(f, off, &new))
			return -EPROTO;
		next = load64(&new.chunk->next);
		new.start = last->start + last->len;
		append(f, last, &new);
		if (at_end)
			store64(f->tail_chunk, off);
		at_end = false;
	}
	return 0;
}

/*
 * Find the chunk that contains @tail by walking the list, and repair the link
 * that a dead producer may have left out.  The consumer may be freeing: what
 * was walked is true if start_chunk still stands where it stood, since the
 * consumer moves it before it frees (and only a producer, we, could bring the
 * same chunk back).
 */
static int find_tail(struct fifo *f, uint32_t tail, struct place *p)
{
	struct place end;
	uint64_t start, n;
	unsigned try;
	bool found;

	for (try = 0; try < FIND_TRIES; try++) {
		/* acquire: pairs with the release in free_consumed() */
		start = atomic_load_explicit(f->start_chunk,
					     memory_order_acquire);
		n = max_chunks(f);
		found = place_at(f, start, p);
		while (found && !place_has(p, tail) && place_next(p) && --n)
			found = place_step(f, p);
		/* acquired links: if one was of a freed chunk, the move of
		 * start_chunk before that is visible here */
		if (load64(f->start_chunk) != start)
			continue;
		if (!found || !n)
			return -EPROTO;
		if (place_has(p, tail))
			return 0;
		if (!place_at(f, load64(f->end_chunk), &end) ||
		    end.start != p->start + p->len || !place_has(&end, tail))
			return -EPROTO;
		atomic_store_explicit(&p->chunk->next, end.off,
				      memory_order_release);
		*p = end;
		return 0;
	}
	return -EPROTO;
}

/* See to it that the list leads from @p to @last: the link to the last chunk
 * may have been left out by a dead producer. */
static int join(struct fifo *f, struct place p, const struct place *last)
{
	uint64_t n;

	for (n = max_chunks(f); n && p.off != last->off; n--) {
		if (!place_next(&p)) {
			if (last->start != p.start + p.len)
				return -EPROTO;
			/* release: as in append() */
			atomic_store_explicit(&p.chunk->next, last->off,
					      memory_order_release);
		}
		if (!place_step(f, &p))
			return -EPROTO;
	}
	return n ? 0 : -EPROTO;
}

/* Copy @len bytes to @tail on, from @p; sets tail_chunk.  There is room. */
static int put_bytes(struct fifo *f, struct place *p, uint32_t tail,
		     uint32_t len, struct cursor *cur)
{
	uint32_t at = tail - p->start, n;
	bool crossed = false;

	for (;;) {
		n = MIN(len, p->len - at);
		copy(cur, p->chunk->data + at, n, true);
		len -= n;
		if (at + n < p->len)
			break;
		crossed = true;
		if (!len && !place_next(p)) {
			p->off = 0; /* at the end of the last */
			break;
		}
		if (!place_step(f, p))
			return -EPROTO;
		at = 0;
	}
	if (crossed)
		store64(f->tail_chunk, p->off);
	return 0;
}

/*
 * Find the place of @tail and make room for @want bytes: the room, or an
 * error.  If memory is short, less is better than nothing (a writer of large
 * pieces would get nowhere where one of small pieces does), but not if @all.
 */
static ssize_t make_room(struct fifo *f, uint32_t tail, uint32_t want,
			 uint32_t free, bool all, struct place *p)
{
	uint64_t at = load64(f->tail_chunk);
	uint32_t room, more;
	struct place last;
	int ret = 0;

	if (!place_at(f, load64(f->end_chunk), &last))
		return -EPROTO;
	*p = last;
	room = last.start + last.len - tail;
	if (unlikely(room > MAX_USED))
		return -EPROTO;
	/* without room it is at the end of the last, whatever tail_chunk says
	 */
	if (room &&
	    ((at != last.off && !place_at(f, at, p)) || !place_has(p, tail)))
		ret = find_tail(f, tail, p);
	if (!ret && p->off != last.off && p->start + p->len - tail <= want)
		ret = join(f, *p, &last);
	if (ret < 0 || likely(room >= want))
		return ret < 0 ? ret : (ssize_t)want;

	more = MAX(MIN(load32(f->min_alloc), free), want - room);
	do {
		ret = grow(f, &last, more, room == 0);
		more /= 2;
	} while (ret == -ENOMEM && more >= WIRE_CHUNK_MIN && !all);
	if (ret < 0 && ret != -ENOMEM)
		return ret;
	if (!room && !ret && !place_at(f, load64(f->tail_chunk), p))
		return -EPROTO;
	room = last.start + last.len - tail;
	return room && (room >= want || !all) ? (ssize_t)MIN(room, want)
					      : -ENOBUFS;
}

/* Put @len bytes, or as many as fit unless @all. */
static ssize_t put(struct fifo *f, struct cursor *cur, size_t len, bool all)
{
	/* acquire: pairs with the release in take(); what we overwrite has
	 * been read */
	uint32_t head = atomic_load_explicit(f->head, memory_order_acquire);
	uint32_t tail = load32(f->tail); /* only producers write it */
	uint32_t size = load32(f->size), used = tail - head;
	struct place p;
	ssize_t n;
	int ret;

	if (unlikely(used > MAX_USED || size > MAX_USED))
		return -EPROTO;
	if (all && len > size)
		return -EMSGSIZE;
	if (used >= size || (all && len > size - used))
		return -EAGAIN;
	if (!len)
		return 0;
	len = MIN(len, size - used);
	n = make_room(f, tail, (uint32_t)len, size - used, all, &p);
	if (unlikely(n < 0))
		return n;
	if (unlikely(!place_has(&p, tail)))
		return -EPROTO;
	ret = put_bytes(f, &p, tail, (uint32_t)n, cur);
	if (unlikely(ret < 0))
		return ret;
	/* release: pairs with the acquire of tail in readable() */
	atomic_store_explicit(f->tail, tail + (uint32_t)n,
			      memory_order_release);
	return n;
}

/**
 * fifo_put() - put bytes
 * @f:		the FIFO
 * @buf:	from where
 * @len:	how many at most
 *
 * Return: how many, -EAGAIN, -ENOBUFS or -EPROTO.
 */
ssize_t fifo_put(struct fifo *f, const void *buf, size_t len)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	return put(f, &(struct cursor){ &iov, 1, 0 }, len, false);
}

/**
 * fifo_putv() - the same from several buffers
 * @f:		the FIFO
 * @iov:	the buffers
 * @n:		how many
 *
 * Return: as fifo_put().
 */
ssize_t fifo_putv(struct fifo *f, const struct iovec *iov, int n)
{
	return put(f, &(struct cursor){ iov, n, 0 }, iov_bytes(iov, n), false);
}

/**
 * fifo_put_all() - put a datagram, header and all, as one
 * @f:		the FIFO
 * @iov:	the buffers
 * @n:		how many
 *
 * Return: the sum, -EAGAIN, -ENOBUFS, -EMSGSIZE or -EPROTO.
 */
ssize_t fifo_put_all(struct fifo *f, const struct iovec *iov, int n)
{
	return put(f, &(struct cursor){ iov, n, 0 }, iov_bytes(iov, n), true);
}
