/* SPDX-License-Identifier: Apache-2.0 */
/* fifo.c - VPP's byte FIFO: attach, and move bytes */
#include "core/shm/fifo.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/*
 * DOC: the byte FIFO (ABI.md 8)
 *
 * Not a ring: a list of chunks over an ever-increasing 32-bit position.  The
 * producer appends chunks, the consumer returns the ones it has finished.
 *
 *	start_chunk ... head_chunk ... tail_chunk ... end_chunk
 *
 * Who writes: start_chunk, head_chunk, head are the consumer's; tail_chunk,
 * tail, end_chunk and the link out of end_chunk the producer's.  A position
 * is published by a release store and read by an acquire load on the other
 * side; that is all that orders the bytes and the links.
 *
 * Several processes may be the producer in turn (fork), and one may die at
 * any instruction; the next one goes on from what stands in the memory:
 *
 * - The producer writes bytes, then tail_chunk, then tail.  Dead in between:
 *   tail_chunk does not contain tail; find_tail() searches the list.
 * - The producer appends one chunk at a time: end_chunk first, then the link
 *   to it, then tail_chunk.  While the link is missing the old last chunk has
 *   no next, so that the consumer does not free it, and whoever comes upon
 *   it knows that what end_chunk names comes next.  (With the link first the
 *   consumer could free the chunk that end_chunk still names.)
 * - The consumer writes head_chunk, then head, and only then frees.  Dead
 *   before head: the bytes are read again.  Dead after: the next dequeue
 *   frees more.  (ABI.md 8.4 frees first, as VPP does, and then a death before
 *   head loses bytes.  The other side can't tell: it looks at neither
 *   start_chunk nor what is before head.)  Each chunk is unlinked, then
 *   freed; dead in between, one chunk is lost until the segment goes.
 *
 * Nothing of this is cached in struct fifo.  Each word is read once, and a
 * chunk is used after seg_chunk() has found it inside and of a length that
 * can be; so every step of a walk advances by 4096 at least, and walks are
 * bounded by what the segment can hold.
 */

/* Where we are in the list. */
struct place {
	uint64_t off;
	struct wire_chunk *chunk;
	uint32_t start; /* position of its first byte */
	uint32_t len;
};

/* Where caller's bytes are; iov NULL: bytes that nobody wants. */
struct cursor {
	const struct iovec *iov;
	int n;
	size_t done; /* of iov[0] */
};

#define MAX_USED ((uint32_t)INT32_MAX)
#define FIND_TRIES 1000

static uint32_t load32(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static uint64_t load64(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static void store64(_Atomic uint64_t *word, uint64_t val)
{
	atomic_store_explicit(word, val, memory_order_relaxed);
}

/* No chain in this segment is longer. */
static uint64_t max_chunks(const struct fifo *f)
{
	return f->seg->limit / WIRE_CHUNK_MIN;
}

static bool place_at(const struct fifo *f, uint64_t off, struct place *p)
{
	p->off = off;
	p->chunk = seg_chunk(f->seg, off, &p->len);
	if (unlikely(!p->chunk))
		return false;
	p->start = load32(&p->chunk->start_byte);
	return true;
}

static bool place_has(const struct place *p, uint32_t pos)
{
	return pos - p->start < p->len;
}

static uint64_t place_next(const struct place *p)
{
	/* acquire: pairs with the release in append(), for the new chunk's
	 * header; the bytes in it come with tail */
	return atomic_load_explicit(&p->chunk->next, memory_order_acquire);
}

/* Go to the next chunk, which must begin where this one ends. */
static bool place_step(const struct fifo *f, struct place *p)
{
	uint32_t end = p->start + p->len;

	return place_at(f, place_next(p), p) && p->start == end;
}

/* Copy @n bytes between the caller and @data, and go on by as much. */
static inline void copy(struct cursor *cur, uint8_t *data, size_t n, bool in)
{
	uint8_t *user;
	size_t part;

	if (!cur->iov)
		return;
	while (n) {
		part = cur->iov->iov_len - cur->done;
		if (!part) {
			cur->iov++;
			cur->done = 0;
			continue;
		}
		part = MIN(part, n);
		user = (uint8_t *)cur->iov->iov_base + cur->done;
		if (in)
			memcpy(data, user, part);
		else
			memcpy(user, data, part);
		cur->done += part;
		data += part;
		n -= part;
	}
}

/* Bytes of @iov, but no more than a FIFO can ever hold. */
static size_t iov_bytes(const struct iovec *iov, int n)
{
	size_t sum = 0;

	for (; n > 0; n--, iov++)
		sum += MIN(iov->iov_len, (size_t)MAX_USED);
	return sum;
}

/* --- producer --- */

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

/* Copy @len bytes to @tail on, from @p; sets tail_chunk.  There is room. */
static int put_bytes(struct fifo *f, struct place *p, uint32_t tail,
		     uint32_t len, struct cursor *cur)
{
	uint32_t at = tail - p->start, n;
	bool crossed = false;
	struct place end;

	for (;;) {
		n = MIN(len, p->len - at);
		copy(cur, p->chunk->data + at, n, true);
		len -= n;
		if (at + n < p->len)
			break;
		crossed = true;
		if (!place_next(p)) {
			/* either the last, or a dead producer's loose end */
			if (!place_at(f, load64(f->end_chunk), &end))
				return -EPROTO;
			if (end.off == p->off) {
				store64(f->tail_chunk, 0);
				return len ? -EPROTO : 0;
			}
			if (end.start != p->start + p->len)
				return -EPROTO;
			atomic_store_explicit(&p->chunk->next, end.off,
					      memory_order_release);
		}
		if (!place_step(f, p))
			return -EPROTO;
		at = 0;
		if (!len)
			break;
	}
	if (crossed)
		store64(f->tail_chunk, p->off);
	return 0;
}

/*
 * Make room for up to @want bytes behind @tail: the room, or an error.  If
 * memory is short, less is better than nothing: a writer of large pieces would
 * get nowhere while one of small pieces does.
 */
static ssize_t make_room(struct fifo *f, uint32_t tail, uint32_t want,
			 uint32_t free, struct place *last)
{
	uint32_t room, more;
	int ret;

	if (!place_at(f, load64(f->end_chunk), last))
		return -EPROTO;
	room = last->start + last->len - tail;
	if (unlikely(room > MAX_USED))
		return -EPROTO;
	if (likely(room >= want))
		return want;
	more = MAX(MIN(load32(f->min_alloc), free), want - room);
	do {
		ret = grow(f, last, more, room == 0);
		more /= 2;
	} while (ret == -ENOMEM && more >= WIRE_CHUNK_MIN);
	if (ret < 0 && ret != -ENOMEM)
		return ret;
	room = last->start + last->len - tail;
	return room ? (ssize_t)MIN(room, want) : -ENOBUFS;
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
	uint64_t at;
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
	n = make_room(f, tail, (uint32_t)len, size - used, &p);
	if (unlikely(n < 0))
		return n;
	if (unlikely(all && (size_t)n < len))
		return -ENOBUFS;
	at = load64(f->tail_chunk); /* mostly the last, which p is */
	if ((at != p.off && !place_at(f, at, &p)) || !place_has(&p, tail)) {
		ret = find_tail(f, tail, &p);
		if (ret < 0)
			return ret;
	}
	ret = put_bytes(f, &p, tail, (uint32_t)n, cur);
	if (unlikely(ret < 0))
		return ret;
	/* release: pairs with the acquire of tail in take(), peek, view */
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

/* --- consumer --- */

/* Find the chunk that contains @pos, which is before tail. */
static int find_head(const struct fifo *f, uint32_t pos, uint64_t from,
		     struct place *p)
{
	uint64_t n;

	if (likely(place_at(f, from, p) && place_has(p, pos)))
		return 0;
	/* 0, or a dead consumer's: start_chunk is only ours to move */
	if (!place_at(f, load64(f->start_chunk), p))
		return -EPROTO;
	for (n = max_chunks(f); n && !place_has(p, pos); n--)
		if (!place_step(f, p))
			return -EPROTO;
	return n ? 0 : -EPROTO;
}

/* Bytes to read at head, or -EPROTO. */
static ssize_t readable(const struct fifo *f, uint32_t head)
{
	/* acquire: pairs with the release in put(), for bytes and links */
	uint32_t tail = atomic_load_explicit(f->tail, memory_order_acquire);
	uint32_t used = tail - head;

	return unlikely(used > MAX_USED) ? -EPROTO : (ssize_t)used;
}

/* Copy @len bytes from @pos on; p is left at the chunk that contains what
 * follows, or, if that is not there yet, p->off is 0. */
static int get_bytes(struct fifo *f, struct place *p, uint32_t pos,
		     uint32_t len, struct cursor *cur)
{
	uint32_t at = pos - p->start, n;

	for (;;) {
		n = MIN(len, p->len - at);
		copy(cur, p->chunk->data + at, n, false);
		len -= n;
		if (at + n < p->len)
			return 0;
		if (!len) {
			p->off = place_next(p);
			return 0;
		}
		if (!place_step(f, p))
			return -EPROTO;
		at = 0;
	}
}

/* Give back the chunks before @head, but never the last. */
static void free_consumed(struct fifo *f, uint32_t head)
{
	uint64_t off = load64(f->start_chunk), next;
	uint64_t n = max_chunks(f);
	struct place p;

	for (; n && place_at(f, off, &p); n--, off = next) {
		if ((int32_t)(head - (p.start + p.len)) < 0)
			return;
		next = place_next(&p);
		if (!next)
			return;
		/* release: pairs with the acquire in find_tail(); and so does
		 * the link that seg_chunk_free() then writes */
		atomic_store_explicit(f->start_chunk, next,
				      memory_order_release);
		seg_chunk_free(f->seg, f->slice, off);
	}
}

static ssize_t take(struct fifo *f, struct cursor *cur, size_t len)
{
	uint32_t head = load32(f->head); /* only consumers write it */
	ssize_t used = readable(f, head);
	uint64_t at = load64(f->head_chunk);
	struct place p;
	int ret;

	if (used <= 0)
		return used ? used : -EAGAIN;
	len = MIN(len, (size_t)used);
	if (!len)
		return 0;
	ret = find_head(f, head, at, &p);
	if (unlikely(ret < 0))
		return ret;
	ret = get_bytes(f, &p, head, (uint32_t)len, cur);
	if (unlikely(ret < 0))
		return ret;
	if (p.off != at)
		store64(f->head_chunk, p.off);
	head += (uint32_t)len;
	/* release: pairs with the acquire in put(); we have read the bytes */
	atomic_store_explicit(f->head, head, memory_order_release);
	if (unlikely(load64(f->start_chunk) != p.off))
		free_consumed(f, head);
	return (ssize_t)len;
}

/**
 * fifo_take() - take bytes
 * @f:		the FIFO
 * @buf:	to where
 * @len:	how many at most
 *
 * Return: how many, -EAGAIN or -EPROTO.
 */
ssize_t fifo_take(struct fifo *f, void *buf, size_t len)
{
	const struct iovec iov = { buf, len };

	return take(f, &(struct cursor){ &iov, 1, 0 }, len);
}

/**
 * fifo_takev() - the same into several buffers
 * @f:		the FIFO
 * @iov:	the buffers
 * @n:		how many
 *
 * Return: as fifo_take().
 */
ssize_t fifo_takev(struct fifo *f, const struct iovec *iov, int n)
{
	return take(f, &(struct cursor){ iov, n, 0 }, iov_bytes(iov, n));
}

/**
 * fifo_drop() - take without copying
 * @f:		the FIFO
 * @len:	how many at most
 *
 * Return: as fifo_take().
 */
ssize_t fifo_drop(struct fifo *f, size_t len)
{
	return take(f, &(struct cursor){ NULL, 0, 0 }, len);
}

/**
 * fifo_peek() - copy without taking
 * @f:		the FIFO
 * @skip:	bytes to leave out first
 * @buf:	to where
 * @len:	how many at most
 *
 * Return: how many, 0 if there is nothing, or -EPROTO.
 */
ssize_t fifo_peek(struct fifo *f, size_t skip, void *buf, size_t len)
{
	const struct iovec iov = { buf, len };
	uint32_t head = load32(f->head);
	ssize_t used = readable(f, head);
	struct place p;
	int ret;

	if (used < 0)
		return used;
	if (skip >= (size_t)used || !len)
		return 0;
	len = MIN(len, (size_t)used - skip);
	ret = find_head(f, head, load64(f->head_chunk), &p);
	head += (uint32_t)skip;
	/* bounded: skip is less than used, and a step is 4096 at least */
	while (!ret && !place_has(&p, head))
		if (!place_step(f, &p))
			ret = -EPROTO;
	if (!ret)
		ret = get_bytes(f, &p, head, (uint32_t)len,
				&(struct cursor){ &iov, 1, 0 });
	return ret < 0 ? ret : (ssize_t)len;
}

/**
 * fifo_view() - the bytes where they lie
 * @f:		the FIFO
 * @iov:	filled
 * @n:		pieces that fit, then pieces filled
 *
 * Return: the bytes in the pieces, 0 if there are none, or -EPROTO.
 */
ssize_t fifo_view(struct fifo *f, struct iovec *iov, int *n)
{
	uint32_t head = load32(f->head), at;
	ssize_t left = readable(f, head), sum = 0;
	int max = *n, i;
	struct place p;

	*n = 0;
	if (left <= 0 || max <= 0)
		return left < 0 ? left : 0;
	if (find_head(f, head, load64(f->head_chunk), &p) < 0)
		return -EPROTO;
	for (i = 0, at = head - p.start; i < max; i++, at = 0) {
		iov[i].iov_base = p.chunk->data + at;
		iov[i].iov_len = MIN((size_t)left, (size_t)(p.len - at));
		sum += (ssize_t)iov[i].iov_len;
		left -= (ssize_t)iov[i].iov_len;
		*n = i + 1;
		if (!left)
			break;
		if (i + 1 < max && !place_step(f, &p))
			return -EPROTO;
	}
	return sum;
}
