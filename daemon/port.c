/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.c - kernel ports that workers listen on, for the page
 *
 * DOC: A worker has a set of ports with a count each: so many of its sockets
 * listen there. The page counts workers. A worker's list is short, and is
 * searched as it is; the namespace's max-listeners bounds it.
 */
#include "daemon/port.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "daemon/page.h"

struct port {
	uint16_t port; /* host order */
	uint32_t n;
};

static struct port *find(const struct worker *w, uint16_t port)
{
	unsigned i;

	for (i = 0; i < w->n_ports; i++)
		if (w->ports[i].port == port)
			return &w->ports[i];
	return NULL;
}

/* One more element; NULL: limit or memory. */
static struct port *grow(struct worker *w)
{
	struct port *more;

	if (w->n_ports >= w->app->ns->conf.limits.listeners)
		return NULL;
	more = reallocarray(w->ports, w->n_ports + 1, sizeof(*more));
	if (!more)
		return NULL;
	w->ports = more;
	return &w->ports[w->n_ports++];
}

static bool port_on(struct worker *w, uint16_t port)
{
	struct port *p = find(w, port);

	if (p) {
		p->n += p->n < UINT32_MAX;
		return true;
	}
	p = grow(w);
	if (!p)
		return false;
	p->port = port;
	p->n = 1;
	page_listen(port);
	return true;
}

static bool port_off(struct worker *w, uint16_t port)
{
	struct port *p = find(w, port);

	if (!p)
		return false;
	if (--p->n)
		return true;
	*p = w->ports[--w->n_ports];
	page_unlisten(port);
	return true;
}

/**
 * port_message() - LISTEN: one more or less of its sockets listens on a port
 * @w:		from whom
 * @msg:	hostile
 *
 * A hint has no answer. One that is not taken, for a limit, leaves the
 * connections to that port in the kernel.
 */
void port_message(struct worker *w, const struct wire_listen_port *msg)
{
	uint16_t port = ntohs(msg->port);
	bool ok = false;

	if (port && msg->on <= 1)
		ok = msg->on ? port_on(w, port) : port_off(w, port);
	if (!ok)
		sapid.count.rejects++;
}

/** port_leave() - The worker is gone */
void port_leave(struct worker *w)
{
	while (w->n_ports)
		page_unlisten(w->ports[--w->n_ports].port);
	free(w->ports);
	w->ports = NULL;
}
