/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - connections on the attach sockets
 *
 * DOC: A connection belongs to a worker or has not attached yet. Those are
 * limited in number and time, since anybody who may open the socket can make
 * them (VPP keeps them for ever: ABI.md 3.4). A packet is 209 bytes, or the
 * payload announced by a certificate message; a shorter one ends the worker,
 * as in VPP. Descriptors that come along, and that the message does not call
 * for, are closed by their box.
 */
#include "daemon/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/base/fdbox.h"
#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/wire/attach.h"
#include "daemon/attach.h"
#include "daemon/diag.h"
#include "daemon/ext.h"
#include "daemon/loop.h"
#include "daemon/worker.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Room for a certificate and its key (ABI.md 4.6), so that their length is
 * known and the next message is not mistaken for them. */
#define PACKET_MAX 20001

static int spare_fd = -1; /* given up to refuse a client when none are left */

static int conn_slot(uint32_t *index)
{
	struct conn **bigger;
	uint32_t i, n;

	for (i = 0; i < sapid.max_conns; i++)
		if (!sapid.conns[i]) {
			*index = i;
			return 0;
		}
	n = sapid.max_conns ? 2 * sapid.max_conns : 64;
	bigger = realloc(sapid.conns, n * sizeof(*bigger));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + i, 0, (n - i) * sizeof(*bigger));
	sapid.conns = bigger;
	sapid.max_conns = n;
	*index = i;
	return 0;
}

static int conn_who(struct conn *conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int ret;

	ret = k_getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	if (ret < 0)
		return ret;
	conn->uid = cred.uid;
	conn->pid = cred.pid;
	len = sizeof(conn->netns);
	/* An accepted unix socket carries the client's namespace. Kernels
	 * before 5.14 do not tell; then there is one namespace: 0. */
	if (k_getsockopt(conn->fd, SOL_SOCKET, SO_NETNS_COOKIE, &conn->netns,
			 &len) < 0)
		conn->netns = 0;
	return 0;
}

static void conn_free(struct conn *conn)
{
	loop_del(conn->fd);
	k_close(conn->fd);
	diag_forget(conn);
	list_del(&conn->on_ns);
	list_del(&conn->on_doomed);
	conn->ns->n_conns--;
	if (conn->deadline)
		conn->ns->n_unattached--;
	sapid.conns[conn->index] = NULL;
	free(conn);
}

/* The connection owns @fd from here on. */
static void conn_open(struct ns *ns, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn || conn_slot(&conn->index)) {
		log_warn("refused namespace=%s reason=memory", ns->conf.name);
		k_close(fd);
		free(conn);
		return;
	}
	conn->fd = fd;
	conn->ns = ns;
	conn->deadline = loop_now_ms() + ns->conf.limits.attach_ms;
	list_init(&conn->on_doomed);
	list_add(&ns->conns, &conn->on_ns);
	ns->n_conns++;
	ns->n_unattached++;
	sapid.conns[conn->index] = conn;
	if (conn_who(conn) || !conf_admits(&ns->conf, conn->uid)) {
		log_info("refused namespace=%s uid=%u pid=%d reason=user",
			 ns->conf.name, conn->uid, conn->pid);
		sapid.count.rejects++;
		conn_free(conn);
	} else if (ns->n_unattached > ns->conf.limits.unattached ||
		   loop_add(fd, LOOP_CONN, conn->index, EPOLLIN)) {
		log_info("refused namespace=%s uid=%u pid=%d reason=limit",
			 ns->conf.name, conn->uid, conn->pid);
		sapid.count.rejects++;
		conn_free(conn);
	}
}

/* Out of descriptors: take the client and close it, or the listening socket
 * would wake us for ever. */
static void refuse_one(struct ns *ns)
{
	int fd;

	if (spare_fd < 0)
		return;
	k_close(spare_fd);
	fd = k_accept4(ns->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		k_close(fd);
	spare_fd = k_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
	log_warn("refused namespace=%s reason=descriptors", ns->conf.name);
}

/** client_accept() - The socket of a namespace is readable */
void client_accept(struct ns *ns)
{
	int fd;

	fd = k_accept4(ns->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		conn_open(ns, fd);
	else if (fd == -EMFILE || fd == -ENFILE)
		refuse_one(ns);
}

/**
 * client_doom() - A connection is to end with this round
 * @conn:	which
 * @why:	what it did wrong; NULL if it left
 */
void client_doom(struct conn *conn, const char *why)
{
	if (conn->doomed)
		return;
	conn->doomed = true;
	list_add(&sapid.doomed, &conn->on_doomed);
	if (!why)
		return;
	sapid.count.rejects++;
	log_info("dropped namespace=%s uid=%u pid=%d app=%s reason=\"%s\"",
		 conn->ns->conf.name, conn->uid, conn->pid,
		 conn->worker ? conn->worker->app->name : "-", why);
}

static bool is_out_of_descriptors(void)
{
	int fd = k_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);

	if (fd >= 0)
		k_close(fd);
	return fd == -EMFILE || fd == -ENFILE;
}

static void conn_event(uint32_t index, uint32_t events)
{
	static uint8_t packet[PACKET_MAX];
	struct conn *conn = sapid.conns[index];
	struct wire_sapi msg;
	struct fdbox box;
	ssize_t len;
	bool more;

	if (conn->doomed)
		return;
	if (events & EPOLLOUT && conn->worker)
		ext_flush(conn->worker);
	/* an error or hang-up shows in what recv() says */
	len = fdbox_recv(conn->fd, packet, sizeof(packet), &box, MSG_DONTWAIT,
			 &more);
	if (len == -EAGAIN || len == -EINTR)
		return;
	if (len == 0 || len == -ECONNRESET)
		client_doom(conn, NULL);
	else if (len < 0 && !is_out_of_descriptors())
		client_doom(conn, "sent descriptors in excess");
	else if (len < 0)
		sapid.count.rejects++; /* not its fault: lost, without answer */
	else if (conn->skip_bytes && len == conn->skip_bytes)
		conn->skip_bytes = 0;
	else if ((size_t)len < sizeof(msg))
		client_doom(conn, "sent a short packet");
	else {
		conn->skip_bytes = 0;
		memcpy(&msg, packet, sizeof(msg));
		attach_message(conn, &msg, &box);
	}
	fdbox_close(&box);
}

/** client_reap() - Bury the doomed and the late */
void client_reap(void)
{
	struct conn *conn;

	while (!list_empty(&sapid.doomed)) {
		conn = list_first(&sapid.doomed, struct conn, on_doomed);
		/* May doom others, who come to the end of this list */
		if (conn->worker)
			worker_close(conn->worker);
		conn_free(conn);
	}
}

/**
 * client_deadline() - Doom who has not attached in time
 *
 * Return: ms until the next is late, -1 if nobody can be
 */
int client_deadline(void)
{
	uint64_t now = 0, next = UINT64_MAX;
	struct conn *conn;
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++) {
		if (!sapid.ns[i] || !sapid.ns[i]->n_unattached)
			continue;
		now = loop_now_ms();
		list_each (conn, &sapid.ns[i]->conns, struct conn, on_ns) {
			if (!conn->deadline)
				continue;
			if (conn->deadline <= now)
				client_doom(conn, "did not attach");
			else
				next = MIN(next, conn->deadline);
		}
	}
	return next == UINT64_MAX ? -1 : (int)(next - now);
}

/** client_init() - Before the first namespace opens */
void client_init(void)
{
	loop_handle(LOOP_CONN, conn_event);
	spare_fd = k_open("/dev/null", O_RDONLY | O_CLOEXEC, 0);
}

/** client_close() - After the last connection */
void client_close(void)
{
	if (spare_fd >= 0)
		k_close(spare_fd);
	free(sapid.conns);
}
