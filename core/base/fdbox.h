/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fdbox.h - descriptors over a unix socket, each with exactly one owner
 *
 * A box owns what is in it: fdbox_take() hands one over and empties its slot,
 * fdbox_close() closes the rest.  The only file that touches a cmsghdr.
 */
#ifndef BASE_FDBOX_H
#define BASE_FDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "core/base/base.h"

#define FDBOX_MAX 32

struct fdbox {
	int fd[FDBOX_MAX]; /* -1: empty slot */
	unsigned n;	   /* slots used, counted from 0 */
};

void fdbox_init(struct fdbox *box);
/* Put @fd into the next slot (box owns it from then on); -ENOSPC if full. */
int fdbox_put(struct fdbox *box, int fd) MUST_CHECK;
/* Take slot @i: the descriptor, or -EPROTO if there is none. */
int fdbox_take(struct fdbox *box, unsigned i) MUST_CHECK;
void fdbox_close(struct fdbox *box);

/*
 * Send @len bytes and the box's descriptors as one packet; the box keeps its
 * descriptors.  @flags: as sendmsg(2), MSG_NOSIGNAL is added.
 */
ssize_t fdbox_send(int sock, const void *buf, size_t len,
		   const struct fdbox *box, int flags) MUST_CHECK;
/*
 * Receive one packet of at most @len bytes.  The box holds what the kernel
 * really delivered, close-on-exec.  *more: the packet was longer than @len
 * (a trailer that we do not know is no error).  -EPROTO if descriptors were
 * lost (MSG_CTRUNC); on any error the box is empty and nothing leaks.
 */
ssize_t fdbox_recv(int sock, void *buf, size_t len, struct fdbox *box,
		   int flags, bool *more) MUST_CHECK;

/* Of somebody else's message: the @i-th descriptor that it is to carry, or -1.
 */
int fdbox_nth(const struct msghdr *msg, unsigned i);

#endif /* BASE_FDBOX_H */
