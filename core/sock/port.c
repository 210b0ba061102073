/* SPDX-License-Identifier: Apache-2.0 */
/* port.c - listeners of the kernel, and connections that may get a link */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/user.h"
#include "core/sess/app.h"
#include "core/sock/link.h"
#include "core/sock/sock.h"

/* A Unix socket's name counts as a port: no port has to be known exactly, for
 * it is only a hint. */
static uint16_t port_of(const struct sockaddr *sa, socklen_t len)
{
	in_port_t port = 0;

	if (sa->sa_family == AF_UNIX)
		return local_name(sa, len);

	if (sa->sa_family == AF_INET)
		port = ((const struct sockaddr_in *)(const void *)sa)->sin_port;
	else if (sa->sa_family == AF_INET6)
		port = ((const struct sockaddr_in6 *)(const void *)sa)
			       ->sin6_port;
	return ntohs(port);
}

/* --- listeners --- */

static void announce(struct sock *port)
{
	int err;

	port->offer_epoch = offer_epoch();
	if (!offer_attach())
		return;
	err = offer_listen(port->lcl_port, true);
	port->offer_epoch = offer_epoch();
	if (err)
		log_debug("port %u is not announced: %s", port->lcl_port,
			  strerrorname_np(-err));
}

void port_look(struct sock *port)
{
	if (unlikely(port->offer_epoch != offer_epoch() || !offer_able()))
		announce(port);
}

void port_listens(int fd, int domain, const struct sockaddr *sa, socklen_t len,
		  const struct conf_choice *choice)
{
	struct sock *s;

	if (table_peek(fd))
		return; /* listen(2) again changes the back-log only */
	sock_init();
	s = sock_new(SOCK_PORT);
	if (!s)
		return;
	s->domain = domain;
	s->fd = fd;
	s->lcl_port = port_of(sa, len);
	s->spin_us = choice->spin_us;
	s->ring = choice->fifo_size;
	if (!table_add(fd, s))
		announce(s);
	sock_put(s);
}

void port_release(struct sock *s)
{
	if (s->offer_epoch == offer_epoch() && offer_listen(s->lcl_port, false))
		log_debug("port %u stays announced", s->lcl_port);
}

/* --- connections --- */

static struct sock *candidate(int fd, int domain, uint16_t rmt_port,
			      uint32_t spin_us, uint32_t ring)
{
	struct sock *s = sock_new(SOCK_LINK);

	if (!s)
		return NULL;
	s->fd = fd;
	s->domain = domain;
	s->rmt_port = rmt_port;
	s->spin_us = spin_us;
	s->ring = domain == AF_UNIX ? MIN(ring, LOCAL_RING_MAX) : ring;
	s->since_us = sock_now_ns() / 1000;
	return s;
}

/* An accepted connection: the client's offer will show in the page, at a slot
 * that both know (local.c for what has no ports).  It makes one only while the
 * port is announced, which it is as long as a connection from there is open:
 * many a server closes its listener after one. */
static void accepted(struct sock *port, int fd, const struct sockaddr *sa)
{
	bool local = port->domain == AF_UNIX;
	struct sock *s;

	if (!local && sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return;
	s = candidate(fd, local ? AF_UNIX : sa->sa_family,
		      local ? 0 : port_of(sa, 0), port->spin_us, port->ring);
	if (!s)
		return;
	s->client = false;
	s->lcl_port = port->lcl_port;
	s->slot = local ? s->lcl_port : offer_slot(s->lcl_port, s->rmt_port);
	upgrade_learn(s);
	sock_hold(port);
	s->port = port;
	if (table_set(fd, s))
		log_debug("descriptor %d stays the kernel's", fd);
	sock_put(s);
}

/* The program may want the address or not; we want the port. */
int port_accept(struct sock *port, int lfd, struct sockaddr *addr,
		socklen_t *len, int flags)
{
	struct sockaddr_storage ss;
	socklen_t mine = sizeof(ss), room;
	int fd;

	app_look();
	port_look(port);
	if (addr) {
		room = user_ok(len, sizeof(*len)) ? *len : 0;
		fd = k_accept4(lfd, addr, len, flags);
		if (fd < 0)
			return fd;
		sock_fresh(fd);
		if (room >= sizeof(struct sockaddr_in) ||
		    port->domain == AF_UNIX)
			accepted(port, fd, addr);
		return fd;
	}
	memset(&ss, 0, sizeof(ss));
	fd = k_accept4(lfd, (struct sockaddr *)&ss, &mine, flags);
	if (fd < 0)
		return fd;
	sock_fresh(fd);
	accepted(port, fd, (struct sockaddr *)&ss);
	return fd;
}

bool link_likely(const struct sockaddr *sa, socklen_t len)
{
	return offer_attach() && offer_listener_at(port_of(sa, len));
}

/* The entry goes; the descriptor stays. */
void link_disconnected(struct sock *s, int fd)
{
	struct sock *entry = table_take(fd);

	if (entry != s) {
		if (entry)
			sock_put(entry);
		return;
	}
	link_closing(s, fd);
	sock_put(entry);
}

void link_connected(int fd, const struct sockaddr *sa, socklen_t len,
		    const struct conf_choice *choice)
{
	struct sock *s;

	sock_init();
	s = candidate(fd, sa->sa_family, port_of(sa, len), choice->spin_us,
		      choice->fifo_size);
	if (!s)
		return;
	s->client = true;
	upgrade_learn(s);
	if (table_add(fd, s))
		log_debug("descriptor %d has a meaning already", fd);
	else
		copy_adopt(fd, s);
	sock_put(s);
}
