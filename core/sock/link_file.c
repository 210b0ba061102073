/* SPDX-License-Identifier: Apache-2.0 */
/* link_file.c - files into upgraded connections: sendfile(2) */
#include <errno.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

#define FILE_PIECE 65536u

static ssize_t file_by_kernel(struct sock *s, int fd, int in, off_t *off,
			      size_t len)
{
	ssize_t n;
	int err;

	/* the file is looked at before the connection */
	if (unlikely(s->opts->error) && k_lseek(in, 0, SEEK_CUR) == -ESPIPE)
		return -ESPIPE;
	err = link_take_error(s);
	n = err ? -err : k_sendfile(fd, in, off, len);
	if (n == -EAGAIN)
		sock_was_full(s);
	else if (n < 0 && n != -EPIPE)
		link_told(s, n);
	return n;
}

/* From the file straight into the ring: what was read is sent, so nothing is
 * read in vain.  0: the file's end. */
static ssize_t file_to_ring(struct sock *s, int fd, struct link *l, int in,
			    off_t *off, size_t len, int *bell)
{
	struct iovec view[2];
	ssize_t n, room;
	int pieces;

	room = ring_space(&l->end.tx, MIN(len, (size_t)FILE_PIECE), view,
			  &pieces);
	if (room <= 0)
		return room;
	n = k_pread(in, view[0].iov_base, view[0].iov_len, *off);
	if (n > 0) {
		*bell = link_filled(s, fd, l, (size_t)n);
		*off += n;
	}
	return n;
}

/* *wait as for send_once() */
static ssize_t file_once(struct sock *s, int fd, struct link *l, int in,
			 off_t *off, size_t len, bool *wait)
{
	int bell = -1, cancel = cancel_off();
	ssize_t n = -EAGAIN;
	enum link_way way;

	link_lock_tx(s, l);
	way = link_way_out(s, fd, l);
	if (likely(way == LINK_BY_RING))
		n = file_to_ring(s, fd, l, in, off, len, &bell);
	else if (way == LINK_BY_KERNEL)
		++s->k_tx;
	link_unlock_tx(s, l);
	cancel_back(cancel);
	link_ring(l, bell);
	*wait = way != LINK_BY_KERNEL;
	if (likely(*wait))
		return n;
	n = file_by_kernel(s, fd, in, off, len);
	--s->k_tx;
	return n;
}

static ssize_t file_loop(struct sock *s, int fd, int in, off_t *off, size_t len)
{
	int timeout = s->opts->sndtimeo_ms;
	struct link *l = s->link;
	size_t done = 0;
	ssize_t n;
	bool wait;

	while (done < len) {
		fd = s->fd;
		n = file_once(s, fd, l, in, off, len - done, &wait);
		if (n == -EAGAIN && wait) {
			sock_was_full(s);
			n = sock_nonblock(s)
				    ? -EAGAIN
				    : sock_wait(s, POLLOUT | sock_partial(done),
						timeout ? timeout : -1);
			if (!n)
				continue;
		}
		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	}
	link_tally(&l->end.mine->tx_msgs, 1);
	return (ssize_t)done;
}

ssize_t link_sendfile(struct sock *s, int fd, int in, off_t *off, size_t len)
{
	off_t pos = off ? *off : k_lseek(in, 0, SEEK_CUR);
	struct link *l = s->link;
	bool ring;
	ssize_t n;

	if (!l->settled)
		upgrade_work(s, fd);
	link_lock_tx(s, l);
	ring = s->hold->link.tx_ring || upgrade_switch(s, fd, l) ||
	       back_is_due(l);
	if (!ring)
		++s->k_tx;
	link_unlock_tx(s, l);
	if (!ring) {
		n = file_by_kernel(s, fd, in, off, len);
		--s->k_tx;
		return n;
	}
	if (pos < 0)
		return pos == -ESPIPE || off ? -EINVAL : pos;
	n = file_loop(s, fd, in, &pos, MIN(len, (size_t)0x7ffff000));
	if (off)
		*off = pos;
	else if (k_lseek(in, pos, SEEK_SET) < 0)
		return -EIO;
	return n;
}
