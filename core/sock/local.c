/* SPDX-License-Identifier: Apache-2.0 */
/* local.c - what is different where a link's connection is a Unix socket */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/base/kernel.h"
#include "core/base/user.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/*
 * DOC: A Unix stream socket has its peer's queue in its hands: what send(2)
 * has taken can be read at once.  So nobody counts bytes: who has left the
 * kernel says so, and when the reader, who knows that, finds the kernel's queue
 * empty, all that comes is in the ring.  And a death is always told, by a
 * hang-up.  What the kernel can't know is that bytes in the ring were not read,
 * for which it would have set ECONNRESET: see local_see_death().
 *
 * It has no addresses.  The daemon asks the kernel who the peer is; the socket
 * goes by its inode.  Whether the listener is ours the page tells by a hash of
 * the name that it was bound to, which both ends can ask for.  Who accepted
 * asks who its peer is, once, when some client of that listener has offered.
 *
 * Descriptors and credentials travel with bytes, which a ring can't carry:
 * before they are sent that direction goes back to the kernel, and where they
 * are asked for the connection does, or they do not leave it.
 */

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_INQ
#define SO_INQ 84
#endif

/* --- which sockets --- */

bool local_is_stream(int fd)
{
	int val;

	return !sock_int_opt(fd, SOL_SOCKET, SO_DOMAIN, &val) &&
	       val == AF_UNIX && !sock_int_opt(fd, SOL_SOCKET, SO_TYPE, &val) &&
	       val == SOCK_STREAM;
}

/* Does the program want to hear, beside bytes, of what only the kernel knows?
 */
bool local_is_kernels(int name, int val)
{
	switch (name) {
	case SO_PASSCRED:
	case SO_PASSSEC:
	case SO_PASSPIDFD:
	case SO_INQ:
		return val;
	case SO_PEEK_OFF:
		return val >= 0;
	default:
		return false;
	}
}

static bool may_link(int fd)
{
	static const int names[] = { SO_PASSCRED, SO_PASSSEC, SO_PASSPIDFD,
				     SO_PEEK_OFF, SO_INQ };
	unsigned i;
	int val;

	if (!local_is_stream(fd))
		return false;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!sock_int_opt(fd, SOL_SOCKET, names[i], &val) &&
		    local_is_kernels(names[i], val))
			return false;
	return true;
}

/* --- names --- */

/* FNV-1a; 0 is none */
uint16_t local_name(const struct sockaddr *sa, socklen_t len)
{
	const struct sockaddr_un *un = (const void *)sa;
	size_t i, n = len -
		      MIN((size_t)len, offsetof(struct sockaddr_un, sun_path));
	uint32_t hash = 0x811c9dc5;

	if (n && un->sun_path[0]) /* else abstract: all of it */
		n = strnlen(un->sun_path, n);
	for (i = 0; i < n; i++)
		hash = (hash ^ (uint8_t)un->sun_path[i]) * 0x01000193;
	hash = (hash ^ hash >> 16) & 0xffff;
	return hash ? (uint16_t)hash : 1;
}

int local_inode(int fd, uint64_t *inode)
{
	struct stat st;
	int err = k_fstat(fd, &st);

	if (!err)
		*inode = st.st_ino;
	return err;
}

/* --- who is at the other end --- */

struct question {
	struct nlmsghdr head;
	struct unix_diag_req req;
};

struct answer {
	struct nlmsghdr head;
	struct unix_diag_msg msg;
	char more[512];
};

static uint32_t peer_in(const struct answer *a, ssize_t len)
{
	const char *at = a->more, *end = (const char *)a + len;
	struct nlattr attr;
	uint32_t inode;

	while (end - at >= (ssize_t)sizeof(attr)) {
		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > end - at)
			break;
		if (attr.nla_type == UNIX_DIAG_PEER &&
		    attr.nla_len == NLA_HDRLEN + sizeof(inode)) {
			memcpy(&inode, at + NLA_HDRLEN, sizeof(inode));
			return inode;
		}
		at += NLA_ALIGN(attr.nla_len);
	}
	return 0;
}

static uint32_t peer_of(int fd)
{
	struct question q = {
		.head = { .nlmsg_len = sizeof(q),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_family = AF_UNIX,
			 .udiag_states = ~0u,
			 .udiag_show = UDIAG_SHOW_PEER,
			 .udiag_cookie = { ~0u, ~0u } },
	};
	struct answer a;
	uint64_t inode;
	ssize_t n;

	if (local_inode(fd, &inode))
		return 0;
	q.req.udiag_ino = (uint32_t)inode;
	n = sock_diag_ask(&q.head, &a.head, sizeof(a),
			  offsetof(struct answer, more));
	return n < 0 ? 0 : peer_in(&a, n);
}

/* A client may have used another path to the socket than the one that it was
 * bound to, which the kernel knows. */
static void look_for_listener(struct sock *s, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	s->named = true;
	if (!k_getpeername(fd, (struct sockaddr *)&ss, &len) &&
	    len <= sizeof(ss))
		s->rmt_port = local_name((struct sockaddr *)&ss, len);
}

bool local_is_awaited(struct sock *s, int fd)
{
	uint32_t peer;

	if (!offer_unixes())
		return false;
	if (s->client) {
		if (!s->named)
			look_for_listener(s, fd);
		return offer_listener_at(s->rmt_port);
	}
	if (!offer_waiting(s->slot))
		return false;
	if (s->named)
		return true;
	/* some client of that listener waits: ours? */
	s->named = true;
	peer = peer_of(fd);
	if (peer)
		s->slot = offer_slot_inode(peer);
	return offer_waiting(s->slot);
}

int local_identify(struct sock *s, int fd, struct offer *o)
{
	if (!may_link(fd))
		return -EOPNOTSUPP;
	o->name = s->client ? s->rmt_port : s->lcl_port;
	return local_inode(fd, &o->inode);
}

/* --- connecting and listening --- */

/* Nobody attaches to VPP for the sake of a Unix socket. */
static bool upgrades(const struct conf_choice *choice)
{
	return choice->use == CONF_AUTO &&
	       (!conf_get()->vpp_socket[0] || offer_able()) &&
	       sock_upgrades(choice);
}

void local_connected(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct conf_choice choice;

	if (!sock_seems_local(fd))
		return;
	conf_choose(conf_get(), CONF_UNIX_CLIENT, sa, NULL, &choice);
	if (upgrades(&choice))
		link_connected(fd, sa, len, &choice);
}

bool local_listens(int fd, struct conf_choice *choice)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!local_is_stream(fd) ||
	    k_getsockname(fd, (struct sockaddr *)&ss, &len))
		return false;
	conf_choose(conf_get(), CONF_UNIX_SERVER, (struct sockaddr *)&ss, NULL,
		    choice);
	if (!upgrades(choice))
		return false;
	port_listens(fd, AF_UNIX, (struct sockaddr *)&ss, len, choice);
	return true;
}

/* --- the kernel's queue, and its end --- */

uint32_t local_queued(int fd)
{
	int n;

	return k_ioctl(fd, SIOCINQ, &n) || n < 0 ? 0 : (uint32_t)n;
}

/*
 * Who leaves the kernel while the peer has read all that came there can't leave
 * it in doubt about what is in the ring: see local_skips_ring().  Who sends
 * without a pause, to a peer that is slower, stays with the kernel for that.
 */
bool local_lies_there(int fd)
{
	int n;

	return !k_ioctl(fd, SIOCOUTQ, &n) && n;
}

static unsigned end_of(int fd)
{
	static const struct timespec zero;
	struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };
	int cancel = cancel_off(), n;

	n = k_ppoll(&pfd, 1, &zero, NULL);
	cancel_back(cancel);
	return n > 0 ? (unsigned short)pfd.revents : 0;
}

bool local_is_open(int fd)
{
	return !end_of(fd);
}

bool local_has_end(int fd)
{
	return end_of(fd) & (POLLRDHUP | POLLHUP);
}

/* With the lock, so that no reader has taken bytes and not counted them. */
uint32_t local_so_far(struct sock *s, struct link *l)
{
	struct hold_link *h = &s->hold->link;
	uint32_t bytes;

	if (!l->over)
		link_ask_kernel(s, POLLRDHUP);
	link_lock_rx(s, l);
	bytes = (uint32_t)h->rx_kernel + local_queued(s->fd) - h->rx_skip;
	link_unlock_rx(s, l);
	return bytes + l->over;
}

/*
 * A peer that goes back before the kernel's queue was seen empty sends all that
 * is in the ring again, for nobody has read of it (at 0), behind what is there:
 * where the one ends and the other begins nobody can tell.  So none of it is to
 * be read from the ring.  It says so before it sends: whoever has read such
 * bytes finds that here.
 */
bool local_skips_ring(struct link *l)
{
	uint32_t at;

	return link_peer_back(&l->end, &at) && !at;
}

/*
 * Each end says before the kernel does that it shuts down sending (FIN), or
 * that it reads no more (CLOSED); what the kernel tells and nobody has said is
 * a death.  Where we have shut down ourselves, the kernel's words mean less.
 */
static bool has_died(struct sock *s, struct link *l, unsigned told)
{
	uint32_t peer = link_peer_flags(&l->end);

	if (link_reader_left(&l->end))
		return false; /* it says it in the kernel alone */
	if (!(peer & WIRE_LINK_FIN) && !(s->hold->flags & HOLD_RD_SHUT))
		return told & POLLRDHUP;
	return !(peer & WIRE_LINK_CLOSED) &&
	       !(link_flags(&l->end) & WIRE_LINK_FIN) && told & POLLHUP;
}

bool local_see_death(struct sock *s, struct link *l)
{
	unsigned told;

	if (l->dead)
		return true;
	told = end_of(s->fd); /* before the flags: given in the other order */
	if (!(told & (POLLRDHUP | POLLHUP)))
		return false;
	if (link_peer_flags(&l->end) & WIRE_LINK_RESET) {
		if (!atomic_exchange(&l->dead, true))
			s->opts->error = ECONNRESET;
		return true;
	}
	if (!has_died(s, l, told))
		return false;
	link_is_dead(s, l);
	return true;
}

/* Who shuts down reading keeps the peer from writing: it is to ask the kernel,
 * which will say EPIPE. */
void local_stops_reading(struct link *l)
{
	link_set_flags(&l->end, WIRE_LINK_CLOSED);
	link_ring(l, link_wake_writer(&l->end));
}

/* --- beside the bytes --- */

ssize_t local_sender(int fd, struct sockaddr *addr, socklen_t *alen,
		     ssize_t ret)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss), room;

	if (user_get(&room, alen, sizeof(room)))
		return -EFAULT;
	if (ret == 0 || k_getpeername(fd, (struct sockaddr *)&ss, &len) ||
	    len <= sizeof(ss.ss_family))
		len = 0; /* at the end, or of one that has no name */
	room = MIN(room, len);
	if (room && !user_ok(addr, room))
		return -EFAULT;
	memcpy(addr, &ss, room);
	*alen = len;
	return ret;
}

/* The link has been left for good, or is about to be: bytes of it may still
 * have to go first. */
ssize_t local_sendmsg(struct sock *s, int fd, const struct msghdr *msg,
		      int flags)
{
	bool nonblock = flags & MSG_DONTWAIT || sock_nonblock(s);
	int timeout = s->opts->sndtimeo_ms;
	struct link *l = s->link;
	enum link_way way;
	ssize_t n;

	if (!msg->msg_controllen) /* a name: refused */
		return k_sendmsg(fd, msg, flags);
	for (;;) {
		link_lock_tx(s, l);
		way = link_way_out(s, s->fd, l);
		if (way == LINK_BY_KERNEL)
			++s->k_tx; /* before the lock goes: as in send_once() */
		link_unlock_tx(s, l);
		if (way == LINK_BY_KERNEL)
			break;
		sock_was_full(s);
		if (nonblock)
			return -EAGAIN;
		n = sock_wait(s, POLLOUT, timeout ? timeout : -1);
		if (n < 0)
			return n;
	}
	n = k_sendmsg(s->fd, msg, flags);
	--s->k_tx;
	if (n == -EAGAIN)
		sock_was_full(s);
	return n;
}
