/* SPDX-License-Identifier: Apache-2.0 */
/* mq.c - message queue: slots that name the elements of two rings */
/*
 * DOC: who writes what, and who waits for whom
 *
 * Producers, under the lock, write ring.tail, the element, the slot, tail and
 * then add 1 to cursize: that publishes.  The one consumer takes no lock; it
 * writes head and ring.head and subtracts from cursize and ring.cursize.  So
 * every word has one side that writes it, but for the two counters, which are
 * changed by atomic addition only.
 *
 * The producer here fills element and slot before it allocates them, which
 * the lock allows: whoever dies, dies between four stores,
 *
 *	ring.tail  ring.cursize  tail  cursize
 *
 * in this order, which is stock VPP's order too.  The next producer gets
 * EOWNERDEAD and repairs: if tail was reached the message is whole and gets
 * published; if not, the element is taken back.  Both are told from words
 * that the consumer may be changing; see settled().
 *
 * Mutex mode uses glibc's robust mutex and its condition variable, which are
 * part of the treaty (ABI.md 9.2).  Their memory is the peer's to spoil, and
 * libc trusts it; a condition variable isn't robust either: who dies inside
 * it may leave it locked, while somebody waits.  So a queue in mutex mode is
 * only as good as the processes that map it.  Ours are in eventfd mode, where
 * the lock is between processes of one family, and the daemon takes none.
 *
 * Repair has to know each store of a producer, so it stands beside them: that
 * makes this file long.
 */
#include "core/shm/mq.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/signal.h"

/* Tries to see the consumer between two messages, before a repair believes
 * what it sees. */
#define SETTLE_TRIES 64

/* With fewer, was_added() could take full for empty; VPP has 16 and more. */
#define MIN_ITEMS 4

/* A word with one writer: whole, once, and ordered by a counter beside it. */
static uint32_t word(uint32_t *p)
{
	return atomic_load_explicit((_Atomic uint32_t *)p,
				    memory_order_relaxed);
}

static void set_word(uint32_t *p, uint32_t v)
{
	atomic_store_explicit((_Atomic uint32_t *)p, v, memory_order_relaxed);
}

/* @i < @n */
static uint32_t next(uint32_t i, uint32_t n)
{
	return i + 1 == n ? 0 : i + 1;
}

static uint32_t prev(uint32_t i, uint32_t n)
{
	return i == 0 ? n - 1 : i - 1;
}

/* The distance from @b to @a on a circle of @n; both < @n. */
static uint32_t ahead(uint32_t a, uint32_t b, uint32_t n)
{
	return a >= b ? a - b : a + n - b;
}

static uint8_t *element(const struct mq_ring *r, uint32_t i)
{
	return r->hdr->data + (size_t)i * r->elsize;
}

/* Where a ring of @n elements that starts at @off ends. */
static uint64_t ring_end(uint64_t off, uint32_t n, uint32_t elsize)
{
	return off + sizeof(struct wire_mq_ring_hdr) + (uint64_t)n * elsize;
}

static uint64_t slots_end(uint32_t n)
{
	return sizeof(struct wire_mq) +
	       (uint64_t)n * sizeof(struct wire_mq_slot);
}

/**
 * mq_bytes() - the memory that a queue takes
 * @g: its geometry
 *
 * Return: bytes, rounded up to a multiple of 8, so that queues carved one
 * after the other are where mq_discover() looks for them.
 */
size_t mq_bytes(const struct mq_geometry *g)
{
	uint64_t end = slots_end(g->slots);

	end = ring_end(end, g->slots, WIRE_IO_ELT);
	end = ring_end(end, g->n_ctrl, WIRE_CTRL_ELT);
	return (end + 7) & ~(uint64_t)7;
}

static void ring_create(struct wire_mq *m, uint64_t off, uint32_t n,
			uint32_t elsize)
{
	struct wire_mq_ring_hdr *r = (void *)((uint8_t *)m + off);

	r->nitems = n;
	r->elsize = elsize;
}

static int sync_create(struct wire_mq *m)
{
	pthread_mutexattr_t ma;
	pthread_condattr_t ca;
	int rc;

	rc = pthread_mutexattr_init(&ma);
	if (rc)
		return -rc;
	rc = pthread_condattr_init(&ca);
	if (rc)
		goto free_mutexattr;
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	rc = pthread_mutex_init(&m->mutex, &ma);
	if (!rc)
		rc = pthread_cond_init(&m->condvar, &ca);
	pthread_condattr_destroy(&ca);
free_mutexattr:
	pthread_mutexattr_destroy(&ma);
	return -rc;
}

/**
 * mq_create() - initialise a queue in memory of ours
 * @seg: where
 * @off: offset of mq_bytes() bytes that the caller carved
 * @g: even numbers (an odd one would misalign the control ring's header)
 *
 * Slots are filled with a ring that is none, so that a repair can tell one
 * that was never used.
 *
 * Return: 0, -EINVAL.
 */
int mq_create(struct seg *seg, uint64_t off, const struct mq_geometry *g)
{
	struct wire_mq *m;
	uint64_t io = slots_end(g->slots);

	if (g->slots < MIN_ITEMS || g->slots % 2 || g->n_ctrl < MIN_ITEMS ||
	    g->n_ctrl % 2)
		return -EINVAL;
	m = map_at(&seg->map, off, mq_bytes(g));
	if (!m || off % 8)
		return -EINVAL;
	memset(m, 0, mq_bytes(g));
	memset(m->slots, 0xff, io - sizeof(*m));
	m->n_rings = WIRE_N_RINGS;
	m->maxsize = g->slots;
	m->elsize = sizeof(struct wire_mq_slot);
	ring_create(m, io, g->slots, WIRE_IO_ELT);
	ring_create(m, ring_end(io, g->slots, WIRE_IO_ELT), g->n_ctrl,
		    WIRE_CTRL_ELT);
	return sync_create(m);
}

/* Check the ring at *@off, and move *@off behind it. */
static int ring_attach(struct mq_ring *r, struct seg *seg, uint64_t *off)
{
	struct wire_mq_ring_hdr *hdr = map_at(&seg->map, *off, sizeof(*hdr));

	if (!hdr || *off % sizeof(uint32_t))
		return -EPROTO;
	r->hdr = hdr;
	r->nitems = word(&hdr->nitems);
	r->elsize = word(&hdr->elsize);
	if (r->nitems < MIN_ITEMS || r->elsize < WIRE_IO_ELT ||
	    r->elsize > WIRE_CTRL_ELT)
		return -EPROTO;
	if (!map_at(&seg->map, *off, ring_end(0, r->nitems, r->elsize)))
		return -EPROTO;
	*off = ring_end(*off, r->nitems, r->elsize);
	return 0;
}

/* Whoever else holds the eventfd can fill its counter; a write must not wait
 * for that.  Stock VCL does the same to its own. */
static int set_nonblock(int fd)
{
	int flags = k_fcntl(fd, F_GETFL, 0);

	if (flags < 0)
		return flags;
	if (flags & O_NONBLOCK)
		return 0;
	return k_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/**
 * mq_attach() - use a queue that somebody created
 * @q: filled
 * @seg: where
 * @off: the queue's offset, as a peer said
 * @evfd: borrowed, made non-blocking; -1 for mutex mode
 *
 * The geometry is read here, once, and never again.
 *
 * Return: 0, -EPROTO for a queue that can't be one, fcntl()'s error.
 */
int mq_attach(struct mq *q, struct seg *seg, uint64_t off, int evfd)
{
	struct wire_mq *m = map_at(&seg->map, off, sizeof(*m));
	uint64_t at;
	int i, rc;

	if (!m || off % 8)
		return -EPROTO;
	*q = (struct mq){ .shared = m, .evfd = evfd, .lock = true };
	q->maxsize = word(&m->maxsize);
	if (word(&m->n_rings) != WIRE_N_RINGS || q->maxsize < MIN_ITEMS ||
	    word(&m->elsize) != sizeof(struct wire_mq_slot))
		return -EPROTO;
	if (!map_at(&seg->map, off, slots_end(q->maxsize)))
		return -EPROTO;
	at = off + slots_end(q->maxsize);
	for (i = 0; i < WIRE_N_RINGS; i++) {
		rc = ring_attach(&q->ring[i], seg, &at);
		if (rc)
			return rc;
	}
	return evfd < 0 ? 0 : set_nonblock(evfd);
}

/**
 * mq_discover() - where the i-th queue of an mq segment is
 * @seg: the mq segment
 * @i: counted from 0
 * @off: set
 *
 * Return: 0, -EPROTO if there is no such queue.
 */
int mq_discover(struct seg *seg, unsigned i, uint64_t *off)
{
	struct wire_fsh *fsh = seg->fsh;
	uint32_t end = word(&fsh->n_reserved_bytes);
	uint64_t start =
		atomic_load_explicit((_Atomic uint64_t *)&fsh->start_byte_index,
				     memory_order_relaxed);
	uint8_t n = atomic_load_explicit((_Atomic uint8_t *)&fsh->n_mqs,
					 memory_order_relaxed);
	uint64_t size;

	if (i >= n || end < start)
		return -EPROTO;
	size = (end - start) / n;
	start += i * size;
	if (size < sizeof(struct wire_mq) || start % 8 ||
	    !map_at(&seg->map, start, size))
		return -EPROTO;
	*off = start;
	return 0;
}

/*
 * Has the dead producer added to @cursize what it added to the index beside
 * it?  Then head + cursize is @from + 1, else @from: that is, between two
 * messages of the consumer, who moves head first and subtracts then, so that
 * in between the sum is too high and never too low.  Producers are locked
 * out, so the counter only falls; while it stays the same around the look at
 * head, no subtraction came in between.
 *
 * Seeing @from settles it: not added.  Not seeing it in many tries is taken
 * for added, which is wrong only if the consumer stood still between two
 * instructions all the while and the producer died between two others.
 */
static int was_added(_Atomic uint32_t *cursize, uint32_t *head, uint32_t from,
		     uint32_t n)
{
	uint32_t c, h;
	int i;

	for (i = 0; i < SETTLE_TRIES; i++) {
		if (i)
			sched_yield();
		/* acquire: head is read after; pairs with mq_recv()'s release
		 */
		c = atomic_load_explicit(cursize, memory_order_acquire);
		h = atomic_load_explicit((_Atomic uint32_t *)head,
					 memory_order_acquire);
		if (c > n || h >= n)
			return -EPROTO;
		if (atomic_load_explicit(cursize, memory_order_relaxed) != c)
			continue;
		if (((uint64_t)h + c) % n == from)
			return 0;
		if (c == 0)
			break; /* nothing that the consumer could be amid */
	}
	return 1;
}

static struct wire_mq_slot slot_at(struct mq *q, uint32_t i)
{
	struct wire_mq_slot *s = &q->shared->slots[i];

	return (struct wire_mq_slot){ word(&s->ring_index),
				      word(&s->elt_index) };
}

/*
 * The element of ring @r after the last one that a slot before @tail names.
 * Slots keep their content after they were received, so the last of each
 * ring is found unless a queue of other messages came since; then the ring is
 * empty and it is its head.  The slot at @tail may be half written.  In a
 * queue of VPP's that has not wrapped yet the slots from there on are zero
 * and look like element 0; two of them in a row can't be messages.
 */
static uint32_t ring_next(struct mq *q, unsigned r, uint32_t tail)
{
	uint32_t n = q->maxsize, i = prev(tail, n), k;
	struct wire_mq_slot s, before = slot_at(q, i);

	for (k = 1; k < n; k++, i = prev(i, n)) {
		s = before;
		before = slot_at(q, prev(i, n));
		if (i >= tail && !s.ring_index && !s.elt_index &&
		    !before.ring_index && !before.elt_index)
			break;
		if (s.ring_index == r && s.elt_index < q->ring[r].nitems)
			return next(s.elt_index, q->ring[r].nitems);
	}
	return word(&q->ring[r].hdr->head);
}

/* Take back an element that no slot names. */
static int repair_ring(struct mq *q, unsigned r, uint32_t tail)
{
	struct mq_ring *ring = &q->ring[r];
	uint32_t end = ring_next(q, r, tail);
	uint32_t rtail = word(&ring->hdr->tail);
	int rc;

	if (rtail == end)
		return 0;
	if (end >= ring->nitems || rtail != next(end, ring->nitems))
		return -EPROTO;
	rc = was_added(&ring->hdr->cursize, &ring->hdr->head, end,
		       ring->nitems);
	if (rc < 0)
		return rc;
	set_word(&ring->hdr->tail, end);
	/* release: pairs with the next send's acquire; nobody else looks */
	if (rc)
		atomic_fetch_sub_explicit(&ring->hdr->cursize, 1,
					  memory_order_release);
	return 0;
}

/* The lock's last owner died; we are its owner now. */
static int repair(struct mq *q)
{
	uint32_t tail = word(&q->shared->tail);
	unsigned r;
	int rc;

	if (tail >= q->maxsize)
		return -EPROTO;
	rc = was_added(&q->shared->cursize, &q->shared->head,
		       prev(tail, q->maxsize), q->maxsize);
	if (rc < 0)
		return rc;
	/* release: publishes the dead one's message, see mq_send() */
	if (!rc)
		atomic_fetch_add_explicit(&q->shared->cursize, 1,
					  memory_order_release);
	for (r = 0; r < WIRE_N_RINGS; r++) {
		rc = repair_ring(q, r, tail);
		if (rc)
			return rc;
	}
	return 0;
}

/* Wake the other side; in mutex mode the lock is held. */
static void ring_other(struct mq *q)
{
	static const uint64_t one = 1;

	if (q->evfd < 0)
		pthread_cond_broadcast(&q->shared->condvar);
	else if (k_write(q->evfd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is signalled */
}

/* @rc: pthread_mutex_lock()'s, or of a wait that took the lock again.  0 with
 * the lock held, or -errno without it. */
static int locked(struct mq *q, int rc)
{
	if (likely(!rc))
		return 0;
	if (rc != EOWNERDEAD) {
		sig_release();
		return -rc;
	}
	rc = repair(q);
	/* spoilt or not: the others must not inherit an unusable lock */
	pthread_mutex_consistent(&q->shared->mutex);
	/* the dead one may have published without a signal */
	ring_other(q);
	if (rc)
		mutex_unlock(&q->shared->mutex);
	return rc;
}

static int lock(struct mq *q)
{
	return locked(q, mutex_lock(&q->shared->mutex));
}

static void unlock(struct mq *q)
{
	mutex_unlock(&q->shared->mutex);
}

/* Put one message where it belongs: 1 if the queue was empty, else 0. */
static int put_locked(struct mq *q, enum wire_mq_ring ring, const void *data,
		      size_t len)
{
	struct wire_mq *m = q->shared;
	struct mq_ring *r = &q->ring[ring];
	uint32_t used, elts, elt, tail;
	uint8_t *to;

	/* acquire: what is reused below was read; pairs with mq_recv() */
	used = atomic_load_explicit(&m->cursize, memory_order_acquire);
	elts = atomic_load_explicit(&r->hdr->cursize, memory_order_acquire);
	elt = word(&r->hdr->tail);
	tail = word(&m->tail);
	if (unlikely(used > q->maxsize || elts > r->nitems ||
		     elt >= r->nitems || tail >= q->maxsize))
		return -EPROTO;
	if (used == q->maxsize || elts == r->nitems)
		return -EAGAIN;

	to = element(r, elt);
	memcpy(to, data, len);
	if (len < WIRE_IO_ELT)
		memset(to + len, 0, WIRE_IO_ELT - len);
	set_word(&m->slots[tail].ring_index, ring);
	set_word(&m->slots[tail].elt_index, elt);

	/* release each: a repair after our death sees them in this order */
	atomic_store_explicit((_Atomic uint32_t *)&r->hdr->tail,
			      next(elt, r->nitems), memory_order_release);
	atomic_fetch_add_explicit(&r->hdr->cursize, 1, memory_order_release);
	atomic_store_explicit((_Atomic uint32_t *)&m->tail,
			      next(tail, q->maxsize), memory_order_release);
	/* release: publishes all of it; pairs with mq_recv()'s acquire */
	return atomic_fetch_add_explicit(&m->cursize, 1,
					 memory_order_release) == 0;
}

/**
 * mq_send() - send one message
 * @q: the queue
 * @ring: which kind of element
 * @data: the message
 * @len: its bytes; not more than an element of that ring has
 *
 * Return: 0, -EAGAIN if queue or ring is full, -EMSGSIZE, -EPROTO if the
 * queue is spoilt, -ENOTRECOVERABLE.
 */
int mq_send(struct mq *q, enum wire_mq_ring ring, const void *data, size_t len)
{
	int rc;

	if (len > q->ring[ring].elsize)
		return -EMSGSIZE;
	if (q->lock) {
		rc = lock(q);
		if (rc)
			return rc;
	}
	rc = put_locked(q, ring, data, len);
	if (rc > 0)
		ring_other(q);
	if (q->lock)
		unlock(q);
	return MIN(rc, 0);
}

/* Room appeared in something that was full. */
static int signal_room(struct mq *q)
{
	int rc;

	if (q->evfd >= 0) {
		ring_other(q);
		return 0;
	}
	rc = lock(q);
	if (rc)
		return rc;
	ring_other(q);
	unlock(q);
	return 0;
}

/*
 * Free elements up to and with @elt.  It is the ring's head, or behind
 * elements that a producer took and never sent: those go with it.
 * 1 if the ring was full, else 0.
 */
static int free_element(struct mq_ring *r, uint32_t elt)
{
	uint32_t head = word(&r->hdr->head);
	uint32_t n, used;

	if (head >= r->nitems)
		return -EPROTO;
	n = ahead(elt, head, r->nitems) + 1;
	used = atomic_load_explicit(&r->hdr->cursize, memory_order_relaxed);
	if (n > used || used > r->nitems)
		return -EPROTO;
	set_word(&r->hdr->head, next(elt, r->nitems));
	/* release: the element is read, and head is moved first, as
	 * was_added() expects; pairs with put_locked()'s acquire */
	return atomic_fetch_sub_explicit(&r->hdr->cursize, n,
					 memory_order_release) == r->nitems;
}

/**
 * mq_recv() - receive one message
 * @q: the queue
 * @msg: filled; its bytes behind the message proper are stale
 *
 * Return: 1, 0 if the queue is empty, -EPROTO if it is spoilt, and then it
 * is not to be used again.
 */
int mq_recv(struct mq *q, struct mq_msg *msg)
{
	struct wire_mq *m = q->shared;
	struct wire_mq_slot s;
	struct mq_ring *r;
	uint32_t used, head;
	int was_full, rc;

	/* acquire: slot and element; pairs with put_locked()'s release */
	used = atomic_load_explicit(&m->cursize, memory_order_acquire);
	if (used == 0)
		return 0;
	head = word(&m->head);
	if (unlikely(used > q->maxsize || head >= q->maxsize))
		return -EPROTO;
	s = slot_at(q, head);
	if (unlikely(s.ring_index >= WIRE_N_RINGS ||
		     s.elt_index >= q->ring[s.ring_index].nitems))
		return -EPROTO;
	r = &q->ring[s.ring_index];
	msg->ring = s.ring_index;
	msg->len = r->elsize;
	memcpy(msg->data, element(r, s.elt_index), r->elsize);

	set_word(&m->head, next(head, q->maxsize));
	/* release: the slot is read, and head is moved first; pairs with
	 * put_locked()'s acquire */
	was_full = atomic_fetch_sub_explicit(
			   &m->cursize, 1, memory_order_release) == q->maxsize;
	rc = free_element(r, s.elt_index);
	if (unlikely(rc < 0))
		return rc;
	if (was_full || rc > 0)
		rc = signal_room(q);
	return rc < 0 ? rc : 1;
}

/**
 * mq_empty() - is there nothing to receive?
 * @q: the queue
 *
 * Return: true if so.  A spoilt queue is not empty; mq_recv() says more.
 */
bool mq_empty(const struct mq *q)
{
	/* acquire: for callers who look at what a message announced */
	return !atomic_load_explicit(&q->shared->cursize, memory_order_acquire);
}

void mq_mark(const struct mq *q, struct mq_mark *mark)
{
	/* acquire: head is no older than this, so that nothing is counted as
	 * taken that lay there; pairs with the release of mq_recv() */
	mark->left = MIN(
		atomic_load_explicit(&q->shared->cursize, memory_order_acquire),
		q->maxsize);
	mark->head = word(&q->shared->head);
}

bool mq_passed(const struct mq *q, struct mq_mark *mark)
{
	uint32_t head = word(&q->shared->head), moved;

	if (mq_empty(q) || head >= q->maxsize || mark->head >= q->maxsize)
		return true;
	moved = (head + q->maxsize - mark->head) % q->maxsize;
	if (moved >= mark->left)
		return true;
	mark->left -= moved;
	mark->head = head;
	return false;
}

/* What is left until @abs, not negative; NULL if there is no end. */
static const struct timespec *time_left(const struct timespec *abs,
					struct timespec *left)
{
	if (!abs)
		return NULL;
	clock_gettime(CLOCK_REALTIME, left);
	left->tv_sec = abs->tv_sec - left->tv_sec;
	left->tv_nsec = abs->tv_nsec - left->tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_sec--;
		left->tv_nsec += 1000000000;
	}
	if (left->tv_sec < 0)
		*left = (struct timespec){ 0 };
	return left;
}

static int wait_event(struct mq *q, const struct timespec *abs)
{
	struct pollfd p = { .fd = q->evfd, .events = POLLIN };
	struct timespec left;
	int rc;

	while (mq_empty(q)) {
		rc = k_ppoll(&p, 1, time_left(abs, &left), NULL);
		if (rc == 0)
			return -ETIMEDOUT;
		if (rc < 0 && rc != -EINTR)
			return rc;
		if (rc > 0)
			mq_reset_event(q);
	}
	return 0;
}

/**
 * mq_wait() - wait while the queue is empty
 * @q: the queue
 * @abs: until when, by CLOCK_REALTIME; NULL: for ever
 *
 * Return: 0 if there is a message, -ETIMEDOUT, -EPROTO and -ENOTRECOVERABLE
 * as mq_send(), ppoll()'s error.
 */
int mq_wait(struct mq *q, const struct timespec *abs)
{
	struct wire_mq *m = q->shared;
	int rc, timedout = 0;

	if (q->evfd >= 0)
		return wait_event(q, abs);
	rc = lock(q);
	while (!rc && mq_empty(q) && !timedout) {
		rc = abs ? pthread_cond_timedwait(&m->condvar, &m->mutex, abs)
			 : pthread_cond_wait(&m->condvar, &m->mutex);
		/* the lock is held again, but for ENOTRECOVERABLE */
		timedout = rc == ETIMEDOUT;
		rc = timedout ? 0 : locked(q, rc);
	}
	if (rc)
		return rc;
	unlock(q);
	return mq_empty(q) ? -ETIMEDOUT : 0;
}

/**
 * mq_reset_event() - take the signal, before draining the queue
 * @q: the queue, in eventfd mode
 */
void mq_reset_event(struct mq *q)
{
	uint64_t count;

	if (k_read(q->evfd, &count, sizeof(count)) < 0)
		return; /* there was none */
}
