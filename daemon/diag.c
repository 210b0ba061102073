/* SPDX-License-Identifier: Apache-2.0 */
/*
 * diag.c - asking the kernel whose a socket is
 *
 * DOC: Socket diagnostics by addresses and ports, or of a Unix socket by its
 * inode, one socket a question. The kernel answers while we send (inet_diag has
 * no queue for this), so the reply is read at once and nothing is waited for. A
 * question for an IPv4 address finds IPv6 sockets with mapped addresses too;
 * the answer then is AF_INET6.
 *
 * Of UDP the kernel is asked by the look-up that delivers a datagram, from rmt
 * to lcl, by the loopback device, which all that stays on this host goes by.
 * It answers with the socket that would get it: so what it says of one that is
 * connected, of several that share a port, or of one that is bound to an
 * address and one that is not, is what happens. Who is bound to no address is
 * asked for by that of the other end: both are this host's.
 *
 * We ask in our own network namespace. A client elsewhere lends a socket that
 * it made there; one is kept for a namespace and a user, the newest, while a
 * client of theirs lives. It stays the client's too, so what can be read from
 * it may be an answer to somebody else: only what comes from the kernel, with
 * a number that nobody could guess, and tells of just the socket that was
 * asked for, is an answer. A client can make its socket useless, for programs
 * of its user; it can't make it lie.
 */
#include "daemon/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/wire/offer.h"
#include "daemon/sys.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#ifndef UDIAG_SHOW_UID
#define UDIAG_SHOW_UID 0x40
#endif
#define DIAG_UID 7 /* UNIX_DIAG_UID: an enumerator, since Linux 5.3 */

#define LOOPBACK_IF 1	   /* in every network */
#define READS_MAX 16	   /* replies to others, before we give up */
#define OVERFLOW_UID 65534 /* whoever has no number where one asks */

struct diag {
	struct list on_all;
	uint64_t netns;
	uid_t uid;
	int fd;
	unsigned refs; /* connections */
};

struct question {
	struct nlmsghdr head;
	union {
		struct inet_diag_req_v2 req;
		struct unix_diag_req local;
	};
};

/* What the kernel says, of either family. */
struct told {
	bool established;
	uint32_t uid;
};

union answer {
	struct nlmsghdr head;
	struct {
		struct nlmsghdr head_;
		struct nlmsgerr error;
	};
	struct {
		struct nlmsghdr head__;
		struct inet_diag_msg msg;
	};
	struct {
		struct nlmsghdr head___;
		struct unix_diag_msg local;
	};
	char bytes[2048];
};

static struct list all = { &all, &all };
static int own_fd = -1;
static bool has_unix, has_udp;

static void put_ip(__be32 out[4], const struct addr *a)
{
	memset(out, 0, 16);
	if (a->is_ip4)
		memcpy(out, a->ip + 12, 4);
	else
		memcpy(out, a->ip, 16);
}

static void question_begin(struct question *q, size_t len)
{
	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = (uint32_t)(sizeof(q->head) + len);
	q->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q->head.nlmsg_flags = NLM_F_REQUEST; /* no NLM_F_DUMP: one socket */
	sys_random(&q->head.nlmsg_seq, sizeof(q->head.nlmsg_seq));
}

static void question_set_inet(struct question *q, uint8_t protocol,
			      const struct addr *src, const struct addr *dst,
			      uint64_t cookie)
{
	question_begin(q, sizeof(q->req));
	q->req.sdiag_family = src->is_ip4 ? AF_INET : AF_INET6;
	q->req.sdiag_protocol = protocol;
	q->req.idiag_states = ~0u;
	q->req.id.idiag_sport = src->port;
	q->req.id.idiag_dport = dst->port;
	put_ip(q->req.id.idiag_src, src);
	put_ip(q->req.id.idiag_dst, dst);
	q->req.id.idiag_cookie[0] = (uint32_t)cookie;
	q->req.id.idiag_cookie[1] = (uint32_t)(cookie >> 32);
}

/* Of UDP, source and destination are those of a datagram to it. */
static void question_set(struct question *q, const struct claim *claim)
{
	struct addr to = claim->lcl;

	if (!claim->udp) {
		question_set_inet(q, IPPROTO_TCP, &claim->lcl, &claim->rmt,
				  claim->cookie);
		return;
	}
	if (addr_is_any(&to)) {
		to = claim->rmt;
		to.port = claim->lcl.port;
	}
	question_set_inet(q, IPPROTO_UDP, &claim->rmt, &to, claim->cookie);
	q->req.id.idiag_if = LOOPBACK_IF;
}

static void question_set_unix(struct question *q, const struct claim *claim)
{
	question_begin(q, sizeof(q->local));
	q->local.sdiag_family = AF_UNIX;
	q->local.udiag_states = ~0u;
	q->local.udiag_ino = (uint32_t)addr_inode(&claim->lcl);
	q->local.udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_UID;
	q->local.udiag_cookie[0] = (uint32_t)claim->cookie;
	q->local.udiag_cookie[1] = (uint32_t)(claim->cookie >> 32);
}

static bool same_end(const struct inet_diag_msg *m, const __be32 ip[4],
		     __be16 port, const struct addr *a)
{
	uint8_t bytes[16] = { 0 };
	struct addr told;

	if (m->idiag_family == AF_INET)
		memcpy(bytes + 12, ip, 4);
	else
		memcpy(bytes, ip, 16);
	addr_set(&told, bytes, m->idiag_family == AF_INET, port);
	return told.port == a->port && addr_same_ip(&told, a);
}

/* Does the answer tell of this socket? */
static bool is_of(const struct inet_diag_msg *m, const struct claim *claim)
{
	const struct inet_diag_sockid *id = &m->id;
	uint64_t cookie =
		(uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0];

	if (claim->udp) /* of one that is not connected only this is told */
		return cookie == claim->cookie &&
		       id->idiag_sport == claim->lcl.port;
	return cookie == claim->cookie &&
	       same_end(m, id->idiag_src, id->idiag_sport, &claim->lcl) &&
	       same_end(m, id->idiag_dst, id->idiag_dport, &claim->rmt);
}

/* 1: an answer to our question; 0: something else; -errno: no more. */
static int read_one(int fd, uint32_t seq, union answer *a)
{
	struct sockaddr_nl from = { 0 };
	socklen_t len = sizeof(from);
	ssize_t n;

	n = k_recvfrom(fd, a, sizeof(*a), MSG_DONTWAIT,
		       (struct sockaddr *)&from, &len);
	if (n == -EINTR || n == -ENOBUFS)
		return 0;
	if (n < 0)
		return (int)n;
	return len == sizeof(from) && from.nl_family == AF_NETLINK &&
	       from.nl_pid == 0 && (size_t)n >= sizeof(a->head) &&
	       a->head.nlmsg_len <= (size_t)n && a->head.nlmsg_seq == seq;
}

/* The kernel's answer, if it is one, of @len bytes at least. */
static int converse(int fd, const struct question *q, union answer *a,
		    size_t len)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	unsigned reads = 0;
	ssize_t n;
	int ret;

	n = k_sendto(fd, q, q->head.nlmsg_len, MSG_DONTWAIT | MSG_NOSIGNAL,
		     (struct sockaddr *)&kernel, sizeof(kernel));
	if (n != (ssize_t)q->head.nlmsg_len)
		return n < 0 ? (int)n : -EIO;
	do {
		ret = read_one(fd, q->head.nlmsg_seq, a);
	} while (!ret && ++reads < READS_MAX);
	if (ret <= 0)
		return ret ? ret : -EBUSY;
	if (a->head.nlmsg_type == NLMSG_ERROR &&
	    a->head.nlmsg_len >= NLMSG_HDRLEN + sizeof(a->error))
		return a->error.error < 0 ? a->error.error : -EPROTO;
	if (a->head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    a->head.nlmsg_len < NLMSG_HDRLEN + len)
		return -EPROTO;
	return 0;
}

/* What the kernel knows of the claimed socket. */
static int ask(int fd, const struct claim *claim, struct inet_diag_msg *out)
{
	struct question q;
	union answer a;
	int ret;

	question_set(&q, claim);
	ret = converse(fd, &q, &a, sizeof(a.msg));
	if (ret)
		return ret;
	if (!is_of(&a.msg, claim))
		return -EPROTO;
	*out = a.msg;
	return 0;
}

/* An attribute of @size bytes behind the message. */
static bool attribute(const union answer *a, unsigned type, void *out,
		      size_t size)
{
	size_t at = NLMSG_LENGTH(sizeof(a->local)), end = a->head.nlmsg_len;
	struct nlattr attr;

	while (at + sizeof(attr) <= end) {
		memcpy(&attr, a->bytes + at, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > end - at)
			return false;
		if (attr.nla_type == type &&
		    attr.nla_len == NLA_HDRLEN + size) {
			memcpy(out, a->bytes + at + NLA_HDRLEN, size);
			return true;
		}
		at += NLA_ALIGN(attr.nla_len);
	}
	return false;
}

static int ask_unix(int fd, struct claim *claim, struct told *told)
{
	uint32_t peer = 0;
	uint8_t shut = 0;
	struct question q;
	union answer a;
	int ret;

	if (addr_inode(&claim->lcl) > UINT32_MAX)
		return -ENOENT;
	question_set_unix(&q, claim);
	ret = converse(fd, &q, &a, sizeof(a.local));
	if (ret)
		return ret;
	if (a.local.udiag_family != AF_UNIX ||
	    a.local.udiag_type != SOCK_STREAM ||
	    a.local.udiag_ino != q.local.udiag_ino ||
	    memcmp(a.local.udiag_cookie, q.local.udiag_cookie,
		   sizeof(q.local.udiag_cookie)) ||
	    !attribute(&a, DIAG_UID, &told->uid, sizeof(told->uid)))
		return -EPROTO;
	attribute(&a, UNIX_DIAG_PEER, &peer, sizeof(peer));
	attribute(&a, UNIX_DIAG_SHUTDOWN, &shut, sizeof(shut));
	addr_set_inode(&claim->rmt, peer);
	/* a Unix socket stays in that state when it is shut down */
	told->established = a.local.udiag_state == TCP_ESTABLISHED && !shut;
	return 0;
}

static int ask_any(int fd, struct claim *claim, struct told *told)
{
	struct inet_diag_msg m;
	int ret;

	if (claim->lcl.is_unix)
		return ask_unix(fd, claim, told);
	ret = ask(fd, claim, &m);
	if (ret)
		return ret;
	told->established = claim->udp || m.idiag_state == TCP_ESTABLISHED;
	told->uid = m.idiag_uid;
	return 0;
}

/**
 * diag_prove() - Is it as the client says?
 * @conn:	whose claim it is
 * @claim:	checked for form only; a Unix socket's peer is set
 *
 * Return: 0, -EPERM if it is another user's, or what the kernel said
 */
int diag_prove(const struct conn *conn, struct claim *claim)
{
	struct told told;
	int fd, ret;

	if (conn->netns == sapid.netns)
		fd = own_fd;
	else
		fd = conn->diag ? conn->diag->fd : -1;
	if (fd < 0)
		return -ENOTCONN;
	ret = ask_any(fd, claim, &told);
	if (ret)
		return ret;
	if (!told.established)
		return -ENOTCONN;
	/* A lent socket may have been made where users have other numbers:
	 * then they differ, but for those who have none. */
	if (told.uid != conn->uid ||
	    (fd != own_fd && conn->uid == OVERFLOW_UID))
		return -EPERM;
	return 0;
}

static int int_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	if (k_getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0)
		return -1;
	return value;
}

static bool is_of_netns(int fd, uint64_t netns)
{
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie = 0;
	int type;

	if (int_option(fd, SO_DOMAIN) != AF_NETLINK ||
	    int_option(fd, SO_PROTOCOL) != NETLINK_SOCK_DIAG)
		return false;
	type = int_option(fd, SO_TYPE);
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return false;
	return !k_getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) &&
	       cookie == netns;
}

static struct diag *diag_get(const struct conn *conn)
{
	struct diag *d;

	list_each (d, &all, struct diag, on_all)
		if (d->netns == conn->netns && d->uid == conn->uid)
			return d;
	d = calloc(1, sizeof(*d));
	if (!d)
		return NULL;
	d->netns = conn->netns;
	d->uid = conn->uid;
	d->fd = -1;
	list_add(&all, &d->on_all);
	return d;
}

/** diag_adopt() - DIAG: a client lends a socket; the newest is used */
void diag_adopt(struct conn *conn, int fd)
{
	struct diag *d = conn->diag;

	if (conn->netns == sapid.netns || !is_of_netns(fd, conn->netns) ||
	    (!d && !(d = diag_get(conn)))) {
		sapid.count.rejects++;
		k_close(fd);
		return;
	}
	if (d->fd >= 0)
		k_close(d->fd);
	d->fd = fd;
	d->refs += !conn->diag;
	conn->diag = d;
}

/** diag_forget() - The connection is gone */
void diag_forget(struct conn *conn)
{
	struct diag *d = conn->diag;

	conn->diag = NULL;
	if (!d || --d->refs)
		return;
	k_close(d->fd);
	list_del(&d->on_all);
	free(d);
}

/* A listener of our own, as the kernel should know it: that there is no such
 * module, and that there is no such socket, are one error. */
static int self_test(int fd)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct claim claim = { .lcl.is_ip4 = true, .rmt.is_ip4 = true };
	socklen_t len = sizeof(claim.cookie);
	struct inet_diag_msg m;
	int ret;

	ret = k_bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (!ret)
		ret = k_listen(fd, 0);
	if (!ret)
		ret = k_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &claim.cookie,
				   &len);
	len = sizeof(sin);
	if (!ret)
		ret = k_getsockname(fd, (struct sockaddr *)&sin, &len);
	addr_set_loopback(&claim.lcl);
	claim.lcl.port = sin.sin_port;
	if (!ret)
		ret = ask(own_fd, &claim, &m);
	if (!ret && (m.idiag_state != TCP_LISTEN || m.idiag_uid != geteuid()))
		ret = -EPROTO;
	return ret;
}

/* A Unix socket of our own, likewise. */
static bool unix_works(void)
{
	int fd = k_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct claim claim = { 0 };
	socklen_t len = sizeof(claim.cookie);
	struct told told;
	struct stat st;
	int ret;

	if (fd < 0)
		return false;
	ret = k_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &claim.cookie, &len);
	if (!ret)
		ret = k_fstat(fd, &st);
	if (!ret) {
		addr_set_inode(&claim.lcl, st.st_ino);
		ret = ask_unix(own_fd, &claim, &told);
	}
	k_close(fd);
	return !ret && told.uid == geteuid();
}

/* A UDP socket of our own, and with another cookie it must not be found. */
static bool udp_works(void)
{
	int fd = k_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), ret;
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct claim claim = { .lcl.is_ip4 = true, .udp = WIRE_UDP_SENDER };
	socklen_t len = sizeof(claim.cookie);
	struct inet_diag_msg m;

	if (fd < 0)
		return false;
	ret = k_bind(fd, (struct sockaddr *)&sin, sizeof(sin));
	if (!ret)
		ret = k_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &claim.cookie,
				   &len);
	len = sizeof(sin);
	if (!ret)
		ret = k_getsockname(fd, (struct sockaddr *)&sin, &len);
	addr_set_loopback(&claim.lcl);
	claim.rmt = claim.lcl;
	claim.lcl.port = sin.sin_port;
	claim.rmt.port = htons(9);
	if (!ret)
		ret = ask(own_fd, &claim, &m);
	claim.cookie++;
	if (!ret && (m.idiag_uid != geteuid() || !ask(own_fd, &claim, &m)))
		ret = -EPROTO;
	k_close(fd);
	return !ret;
}

/** diag_has_udp() - Can the kernel be asked for UDP sockets? */
bool diag_has_udp(void)
{
	return has_udp;
}

/** diag_has_unix() - Can the kernel be asked for Unix sockets? */
bool diag_has_unix(void)
{
	return has_unix;
}

/**
 * diag_open() - Before the first client
 *
 * Return: 0, or why the kernel can't be asked
 */
int diag_open(void)
{
	int fd, ret;

	own_fd = k_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_SOCK_DIAG);
	if (own_fd < 0)
		return own_fd;
	fd = k_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ret = fd < 0 ? fd : self_test(fd);
	if (fd >= 0)
		k_close(fd);
	if (ret) {
		diag_close();
	} else {
		has_unix = unix_works();
		has_udp = udp_works();
	}
	return ret;
}

/** diag_close() - At the end, when no connection is left */
void diag_close(void)
{
	if (own_fd >= 0)
		k_close(own_fd);
	own_fd = -1;
}
