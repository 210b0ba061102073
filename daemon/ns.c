/* SPDX-License-Identifier: Apache-2.0 */
/* ns.c - namespaces: a socket each, and who may use it */
#include "daemon/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "daemon/client.h"
#include "daemon/loop.h"
#include "daemon/sys.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define BACKLOG 128
#define PORT_FIRST 32768u
#define PORT_LAST 60999u
#define PORT_MIN 1024u
#define FOLDER "app_ns_sockets"

static int lock_fd = -1;

static void ns_event(uint32_t index, uint32_t events)
{
	(void)events;
	if (sapid.ns[index]->fd >= 0)
		client_accept(sapid.ns[index]);
}

static int lock_folder(void)
{
	char path[sizeof(sapid.run_dir) + 8];
	int ret;

	snprintf(path, sizeof(path), "%s/lock", sapid.run_dir);
	lock_fd = k_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0)
		return lock_fd;
	ret = sys_lock(lock_fd);
	return ret == -EWOULDBLOCK ? -EBUSY : ret;
}

/**
 * ns_init() - Make the run folder ours
 *
 * Return: 0, -EBUSY if another daemon has it, -errno
 */
int ns_init(void)
{
	char path[sizeof(sapid.run_dir) + sizeof(FOLDER) + 1];
	mode_t mode = geteuid() ? 0700 : 0755;
	int ret;

	loop_handle(LOOP_NS, ns_event);
	ret = sys_mkdir(sapid.run_dir, mode);
	if (ret < 0)
		return ret;
	ret = lock_folder();
	if (ret < 0)
		return ret;
	snprintf(path, sizeof(path), "%s/" FOLDER, sapid.run_dir);
	return sys_mkdir(path, mode);
}

static int ns_socket(struct ns *ns)
{
	socklen_t len = sizeof(sapid.netns);
	int ret;

	ret = snprintf(ns->path, sizeof(ns->path), "%s/" FOLDER "/%s",
		       sapid.run_dir, ns->conf.name);
	if (ret < 0 || (size_t)ret >= sizeof(ns->path))
		return -ENAMETOOLONG;
	ret = sys_listen_unix(ns->path, SOCK_SEQPACKET, BACKLOG);
	if (ret < 0)
		return ret;
	ns->fd = ret;
	/* Kernels before 5.14 do not tell: then all have cookie 0 */
	if (k_getsockopt(ns->fd, SOL_SOCKET, SO_NETNS_COOKIE, &sapid.netns,
			 &len) < 0)
		sapid.netns = 0;
	return 0;
}

/* The socket was made closed to all others (umask), so it opens here. */
static int ns_access(struct ns *ns)
{
	int ret = 0;

	if (ns->conf.group_set)
		ret = sys_chown_group(ns->path, ns->conf.group);
	if (!ret)
		ret = sys_chmod(ns->path, ns->conf.mode);
	return ret;
}

static void ns_free(struct ns *ns)
{
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++)
		if (sapid.ns[i] == ns)
			sapid.ns[i] = NULL;
	if (ns->fd >= 0)
		k_close(ns->fd);
	free(ns);
}

static int ns_open(const struct ns_conf *conf)
{
	struct ns *ns;
	unsigned i;
	int ret;

	for (i = 0; i < CONF_MAX_NS && sapid.ns[i]; i++)
		continue;
	ns = i < CONF_MAX_NS ? calloc(1, sizeof(*ns)) : NULL;
	if (!ns)
		return -ENOMEM;
	ns->conf = *conf;
	ns->fd = -1;
	list_init(&ns->conns);
	list_init(&ns->apps);
	sapid.ns[i] = ns;
	for (i = 0; i < PORT_HASH; i++)
		list_init(&ns->listeners[i]);
	ret = ns_socket(ns);
	if (ret < 0)
		goto undo_ns;
	ret = ns_access(ns);
	for (i = 0; sapid.ns[i] != ns; i++)
		continue;
	if (!ret)
		ret = loop_add(ns->fd, LOOP_NS, i, EPOLLIN);
	if (ret < 0)
		goto undo_socket;
	log_info("opened namespace=%s socket=%s mode=%o", conf->name, ns->path,
		 conf->mode);
	return 0;

undo_socket:
	sys_unlink(ns->path);
undo_ns:
	log_err("can't open namespace=%s socket=%s error=\"%s\"", conf->name,
		ns->path, strerror(-ret));
	ns_free(ns);
	return ret;
}

/* Its clients are detached; it goes when the last of them is buried. */
static void ns_close(struct ns *ns)
{
	struct conn *conn;

	if (ns->leaving)
		return;
	ns->leaving = true;
	log_info("closed namespace=%s", ns->conf.name);
	sys_unlink(ns->path);
	loop_del(ns->fd);
	k_close(ns->fd);
	ns->fd = -1;
	list_each (conn, &ns->conns, struct conn, on_ns)
		client_doom(conn, NULL);
}

static struct ns *ns_find(const char *name)
{
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++)
		if (sapid.ns[i] && !sapid.ns[i]->leaving &&
		    !strcmp(sapid.ns[i]->conf.name, name))
			return sapid.ns[i];
	return NULL;
}

/* What attached clients live with can't change under them. */
static int ns_change(struct ns *ns, const struct ns_conf *conf)
{
	if (ns->conf.dialect != conf->dialect) {
		ns_close(ns);
		return ns_open(conf);
	}
	ns->conf = *conf;
	return ns_access(ns);
}

static bool is_wanted(const struct ns *ns, const struct conf *conf)
{
	unsigned i;

	for (i = 0; i < conf->n_ns; i++)
		if (!strcmp(conf->ns[i].name, ns->conf.name))
			return true;
	return false;
}

/**
 * ns_apply() - Bring the namespaces in line with a configuration
 * @conf:	what shall be
 *
 * Return: 0, or what went wrong with one of them
 */
int ns_apply(const struct conf *conf)
{
	int ret, first = 0;
	struct ns *ns;
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++)
		if (sapid.ns[i] && !is_wanted(sapid.ns[i], conf))
			ns_close(sapid.ns[i]);
	for (i = 0; i < conf->n_ns; i++) {
		ns = ns_find(conf->ns[i].name);
		ret = ns ? ns_change(ns, &conf->ns[i]) : ns_open(&conf->ns[i]);
		if (ret < 0 && !first)
			first = ret;
	}
	return first;
}

/** ns_reap() - Free those that are left by all */
void ns_reap(void)
{
	struct ns *ns;
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++) {
		ns = sapid.ns[i];
		if (ns && ns->leaving && !ns->n_conns && !ns->n_apps)
			ns_free(ns);
	}
}

/** ns_close_all() - At the end */
void ns_close_all(void)
{
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++)
		if (sapid.ns[i])
			ns_close(sapid.ns[i]);
	client_reap();
	ns_reap();
	if (lock_fd >= 0)
		k_close(lock_fd);
	lock_fd = -1;
}

/**
 * ns_take_port() - A port for a client that did not bind
 * @ns:		in whose sessions it is to be unique
 *
 * The usual range first.
 *
 * Return: in host order; 0 if none is left
 */
uint16_t ns_take_port(struct ns *ns)
{
	uint32_t i, n, port = ns->next_port;

	for (n = 0; n < 2 * 65536; n++, port++) {
		uint32_t first = n < 65536 ? PORT_FIRST : PORT_MIN;
		uint32_t last = n < 65536 ? PORT_LAST : 65535;

		if (port < first || port > last)
			port = first;
		i = port / 8;
		if (ns->ports[i] >> (port % 8) & 1)
			continue;
		ns->ports[i] |= (uint8_t)(1u << (port % 8));
		ns->next_port = (uint16_t)(port + 1);
		return (uint16_t)port;
	}
	return 0;
}

/** ns_put_port() - Its connection is gone */
void ns_put_port(struct ns *ns, uint16_t port)
{
	ns->ports[port / 8] &= (uint8_t) ~(1u << (port % 8));
}
