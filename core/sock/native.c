/* SPDX-License-Identifier: Apache-2.0 */
/* native.c - attaching on purpose, and receiving without a copy */
#include "core/sock/native.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/**
 * sock_attach() - Attach this process before its first socket
 * @o:	what the program wants; may be NULL
 *
 * Return: 0; -EALREADY if options come after the configuration was read,
 * -EINVAL if a rule is wrong (the others hold), -ENAMETOOLONG, -EOPNOTSUPP if
 * all is to be left to the kernel, -EDESTADDRREQ if there is no place to
 * attach to, else why the session layer can't be had.
 */
int sock_attach(const struct sock_options *o)
{
	struct conf_preset preset = { 0 };
	const struct conf *conf;
	int rc;

	if (o) {
		preset.name = o->name;
		preset.socket_path = o->socket_path;
		preset.rules = o->rules;
		if (o->socket_path && strlen(o->socket_path) >= CONF_PATH)
			return -ENAMETOOLONG;
		rc = conf_preset(&preset);
		if (rc)
			return rc;
	}
	conf = conf_get();
	if (conf->disabled || (conf->use == CONF_OS && !conf->rules))
		return -EOPNOTSUPP;
	rc = app_attach(conf->use == CONF_OS ? CONF_AUTO : conf->use);
	return !rc && preset.wrong ? -EINVAL : rc;
}

/**
 * sock_detach() - Leave the session layers
 *
 * Return: 0, -EBUSY while any descriptor is ours.
 */
int sock_detach(void)
{
	if (table_entries && app_any())
		return -EBUSY;
	app_leave();
	return 0;
}

bool sock_is_shared(int fd)
{
	struct sock *s = sock_get(fd);
	bool is = s && (s->kind == SOCK_LISTENER || sock_is_stream(s));

	if (s)
		sock_put(s);
	return is;
}

static ssize_t view_session(struct sock *s, struct iovec *iov, int *n)
{
	ssize_t len;

	hold_lock(&s->hold->rx_lock);
	len = fifo_view(&s->sess->rx, iov, n);
	hold_unlock(&s->hold->rx_lock);
	if (len < 0) {
		session_break(s->sess);
		len = -ECONNRESET;
	}
	return len;
}

/* The bytes that are there: their number, 0 if another thread took them,
 * -EOPNOTSUPP if they are not in shared memory, -ECONNRESET if it is spoilt. */
static ssize_t view(int fd, struct iovec *iov, int *n)
{
	struct sock *s = sock_get_claimed(fd);
	ssize_t len = -EOPNOTSUPP;

	if (s && s->kind == SOCK_SESSION)
		len = view_session(s, iov, n);
	else if (s && s->kind == SOCK_LINK && s->link)
		len = link_view(s, fd, s->link, iov, n);
	if (s)
		sock_put(s);
	return len;
}

/**
 * sock_recv_view() - Where the bytes are that can be received
 * @fd:		the socket
 * @iov:	filled
 * @n:		in: its length; out: pieces filled
 *
 * Waiting, the end and errors are sock_recvfrom()'s, which is asked for one
 * byte first.
 *
 * Return: as native.h says.
 */
ssize_t sock_recv_view(int fd, struct iovec *iov, int *n)
{
	int room = *n;
	ssize_t len;
	char first;

	do {
		*n = 0;
		if (!sock_is_shared(fd))
			return -EOPNOTSUPP;
		len = sock_recvfrom(fd, &first, 1, MSG_PEEK, NULL, NULL);
		if (len <= 0)
			return len;
		*n = room;
		len = view(fd, iov, n);
	} while (len == 0);
	if (len < 0)
		*n = 0;
	return len;
}

static bool is_local(int fd)
{
	struct sock *s = sock_get(fd);
	bool local = s && link_is_local(s);

	if (s)
		sock_put(s);
	return local;
}

/* A Unix socket knows no MSG_TRUNC. */
static ssize_t drop(int fd, size_t len)
{
	char bin[4096];
	size_t done = 0;
	ssize_t n;

	if (!is_local(fd))
		return sock_recvfrom(fd, NULL, len, MSG_TRUNC | MSG_DONTWAIT,
				     NULL, NULL);
	do {
		n = sock_recvfrom(fd, bin, MIN(sizeof(bin), len - done),
				  MSG_DONTWAIT, NULL, NULL);
		if (n <= 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	} while (done < len);
	return (ssize_t)done;
}

/**
 * sock_recv_done() - Take bytes that were seen
 * @fd:		the socket
 * @len:	how many
 *
 * Return: 0, -EINVAL if there were not so many, or the socket's error.
 */
int sock_recv_done(int fd, size_t len)
{
	ssize_t n;

	if (!len)
		return 0;
	if (!sock_is_shared(fd))
		return -EOPNOTSUPP;
	n = drop(fd, len);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	return n == (ssize_t)len ? 0 : -EINVAL;
}
