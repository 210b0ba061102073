/* SPDX-License-Identifier: Apache-2.0 */
/* orphan.c - has a peer died that had shut down sending? */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: After a FIN the kernel tells nothing of a death but by a reset, which
 * the peer has prepared if it could (reset_on_death()), and says so in its
 * flags.  It can't while the kernel has something to deliver.  If it dies
 * before that is over, who waits for room in the ring would do so for ever,
 * where TCP would have reset the connection for the bytes that are unread.  So
 * whoever has something unread behind a FIN asks the kernel's socket
 * diagnostics, some times a second, whether the peer's socket still has an
 * owner.  That takes both in one network namespace: elsewhere it is not found;
 * and a sandbox may forbid the question.  A peer that lies in its flags makes
 * us ask in vain, or not ask: then what it loses is its own connection.
 */

#define ASK_NS (APP_REAP_MS * UINT64_C(1000000))

/* As in orphans and in sockets of TIME_WAIT and the like */
#define NO_INODE 0

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

struct answer {
	struct nlmsghdr head;
	struct inet_diag_msg msg;
	char more[512];
};

/* One end's address; IPv6 with an IPv4 address in it is IPv4. */
static bool put_end(const struct sockaddr_storage *ss, __be32 ip[4],
		    __be16 *port, __u8 *family)
{
	const struct sockaddr_in6 *six = (const void *)ss;
	const struct sockaddr_in *four = (const void *)ss;

	*family = AF_INET;
	if (ss->ss_family == AF_INET) {
		*port = four->sin_port;
		ip[0] = four->sin_addr.s_addr;
		return true;
	}
	if (ss->ss_family != AF_INET6)
		return false;
	*port = six->sin6_port;
	if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memcpy(ip, six->sin6_addr.s6_addr + 12, 4);
		return true;
	}
	*family = AF_INET6;
	memcpy(ip, &six->sin6_addr, 16);
	return true;
}

/* Of the socket at the other end: what is remote here is local there. */
static int question_set(struct question *q, int fd)
{
	struct sockaddr_storage lcl, rmt;
	socklen_t len = sizeof(lcl);
	struct inet_diag_sockid *id = &q->req.id;
	int err;

	err = k_getsockname(fd, (struct sockaddr *)&lcl, &len);
	len = sizeof(rmt);
	if (!err)
		err = k_getpeername(fd, (struct sockaddr *)&rmt, &len);
	if (err)
		return err;
	*q = (struct question){
		.head = { .nlmsg_len = sizeof(*q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0u },
	};
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (!put_end(&rmt, id->idiag_src, &id->idiag_sport,
		     &q->req.sdiag_family) ||
	    !put_end(&lcl, id->idiag_dst, &id->idiag_dport,
		     &q->req.sdiag_family))
		return -EAFNOSUPPORT;
	return 0;
}

static bool is_orphan(int fd)
{
	struct question q;
	struct answer a;

	return !question_set(&q, fd) &&
	       sock_diag_ask(&q.head, &a.head, sizeof(a),
			     offsetof(struct answer, more)) >= 0 &&
	       a.msg.idiag_inode == NO_INODE;
}

bool link_doubt(struct sock *s, struct link *l)
{
	uint64_t now = sock_now_ns();

	if (link_is_local(s) || sock_sandboxed)
		return false; /* that is always told; or must not be asked */
	if (!atomic_exchange(&l->doubted, true))
		app_doubt(1);
	if (now - atomic_load(&l->asked_ns) < ASK_NS)
		return false;
	l->asked_ns = now;
	if (!is_orphan(s->fd))
		return false;
	link_is_dead(s, l);
	return true;
}

void link_doubt_over(struct link *l)
{
	if (l->doubted && atomic_exchange(&l->doubted, false))
		app_doubt(-1);
}
