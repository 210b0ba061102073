/* SPDX-License-Identifier: Apache-2.0 */
/* fifo_take.c - the byte FIFO's consumer: take, drop, peek, view */
#include "core/shm/fifo_list.h"

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
