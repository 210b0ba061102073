/* SPDX-License-Identifier: Apache-2.0 */
/* stay.c - why a connection stays with the kernel, for `sapi status` */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: What is decided of a connection that has proved worth a link, and comes
 * to nothing, is counted and noted in a small table that the daemon shows.  A
 * connection that was too short for that is not, and so costs nothing.  The
 * note goes when the connection does, or when it gets its link after all.
 */

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

int stay_cookie(int fd, uint64_t *cookie)
{
	socklen_t len = sizeof(*cookie);

	return k_getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &len);
}

int stay_addresses(int fd, struct offer *o)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int err;

	err = k_getsockname(fd, (struct sockaddr *)&ss, &len);
	if (!err && ss.ss_family == AF_UNIX)
		return local_inode(fd, &o->inode);
	if (!err)
		err = addr_to_ctrl((struct sockaddr *)&ss, len, &o->lcl);
	if (err)
		return err;
	len = sizeof(ss);
	err = k_getpeername(fd, (struct sockaddr *)&ss, &len);
	return err ? err : addr_to_ctrl((struct sockaddr *)&ss, len, &o->rmt);
}

bool stay_same_host(const struct offer *o)
{
	return o->inode ||
	       (o->lcl.is_ip4 == o->rmt.is_ip4 &&
		!memcmp(o->lcl.ip, o->rmt.ip, sizeof(o->lcl.ip))) ||
	       addr_is_local(&o->rmt);
}

/* Who is on another host would not be heard of, whoever it is. */
static bool is_far(const struct offer *o, enum wire_ext_why why)
{
	return (why == WIRE_WHY_NO_LISTEN || why == WIRE_WHY_PEER) &&
	       !offer_networks() && !stay_same_host(o);
}

static bool identify(int fd, struct offer *o)
{
	return !stay_addresses(fd, o) && !stay_cookie(fd, &o->cookie);
}

void stay(struct sock *s, int fd, enum wire_ext_why why)
{
	struct offer o = { 0 };

	if (identify(fd, &o)) {
		if (is_far(&o, why))
			why = WIRE_WHY_REMOTE;
		s->noted = o.cookie;
		offer_keep(&o, why, OFFER_N_REFUSALS);
	}
	app_count_kernel(why);
}

/* Those that are asked again are not counted: they may get it yet. */
void stay_refused(struct sock *s, int fd, enum offer_refusal why)
{
	struct offer o = { 0 };

	if (s->upgrade == UPGRADE_NEVER)
		app_count_kernel(WIRE_WHY_REFUSED);
	if (!identify(fd, &o))
		return;
	s->noted = o.cookie;
	offer_keep(&o, WIRE_WHY_REFUSED, why);
}

void stay_over(struct sock *s)
{
	if (likely(!s->noted))
		return;
	offer_keep_over(s->noted);
	s->noted = 0;
}

/* A link that comes at this moment takes the note back. */
static void note_kind(struct sock *s, int fd)
{
	if (!s->link && s->upgrade != UPGRADE_NEVER)
		stay(s, fd, WIRE_WHY_KIND);
}

void stay_for_good(struct sock *s, int fd)
{
	if (s->kind != SOCK_LINK)
		return;
	note_kind(s, fd);
	back_leave(s, fd, true);
}

void stay_sending(struct sock *s, int fd)
{
	if (s->kind != SOCK_LINK)
		return;
	note_kind(s, fd);
	back_leave_sending(s, fd);
}
