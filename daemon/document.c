/* SPDX-License-Identifier: Apache-2.0 */
/* document.c - the daemon's state as JSON */
#include <cjson/cJSON.h>
#include <string.h>
#include <unistd.h>

#include "daemon/alloc.h"
#include "daemon/diag.h"
#include "daemon/grant.h"
#include "daemon/listener.h"
#include "daemon/loop.h"
#include "daemon/session.h"
#include "daemon/state.h"
#include "daemon/status.h"

#define SESSIONS_SHOWN 1000
#define LINKS_SHOWN 1000
#define KEPT_ASKED 1000 /* a question to the kernel each */

static const char *const why_name[WIRE_N_WHY] = {
	[WIRE_WHY_RULE] = "rule",
	[WIRE_WHY_NO_LISTEN] = "no-listener",
	[WIRE_WHY_REMOTE] = "remote",
	[WIRE_WHY_REFUSED] = "refused",
	[WIRE_WHY_NO_MEMORY] = "no-memory",
	[WIRE_WHY_PROTOCOL] = "protocol",
	[WIRE_WHY_KIND] = "kind",
	[WIRE_WHY_PEER] = "peer",
	[WIRE_WHY_SHARED] = "shared",
};

static const char *const refusal_name[WIRE_N_REFUSED] = {
	[WIRE_REFUSED_EXPIRED] = "expired", [WIRE_REFUSED_PROOF] = "proof",
	[WIRE_REFUSED_USER] = "user",	    [WIRE_REFUSED_LIMIT] = "limit",
	[WIRE_REFUSED_MEMORY] = "memory",
};

/* How many more are shown: a document has an end. */
struct left {
	unsigned sessions, links;
};

/* A cJSON call that finds no memory adds nothing: the document is shorter. */
static void num(cJSON *o, const char *name, double v)
{
	cJSON_AddNumberToObject(o, name, v);
}

static void put_addr(cJSON *o, const char *name, const struct addr *a)
{
	char text[ADDR_TEXT];

	cJSON_AddStringToObject(o, name, addr_text(a, text));
}

static cJSON *add_to(cJSON *array)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(array, o);
	return o;
}

static void put_namespaces(cJSON *doc)
{
	cJSON *array = cJSON_AddArrayToObject(doc, "namespaces"), *o;
	const struct ns *ns;
	unsigned i;

	for (i = 0; i < CONF_MAX_NS; i++) {
		ns = sapid.ns[i];
		if (!ns)
			continue;
		o = add_to(array);
		cJSON_AddStringToObject(o, "name", ns->conf.name);
		cJSON_AddStringToObject(o, "socket", ns->path);
		num(o, "apps", ns->n_apps);
		num(o, "connections", ns->n_conns);
		num(o, "unattached", ns->n_unattached);
	}
}

/* The counters are the clients' own: shown, never believed. */
static void put_stats(cJSON *o, const struct app *app)
{
	static const char *const name[] = { "connects", "accepts",   "listens",
					    "tx_bytes", "rx_bytes",  "tx_calls",
					    "rx_calls", "doorbells", "sleeps",
					    "spins_won" };
	uint64_t sum[ARRAY_SIZE(name)] = { 0 }, kernel[WIRE_N_WHY] = { 0 };
	cJSON *stats = cJSON_AddObjectToObject(o, "stats");
	cJSON *why = cJSON_AddObjectToObject(o, "kernel");
	struct wire_stats *s;
	unsigned i, k;

	for (i = 0; i < MAX_WORKERS; i++) {
		if (!app->workers[i])
			continue;
		s = map_at(&app->workers[i]->seg.map,
			   app->workers[i]->stats_off, sizeof(*s));
		for (k = 0; k < ARRAY_SIZE(name); k++)
			sum[k] += (&s->connects)[k];
		for (k = 0; k < WIRE_N_WHY; k++)
			kernel[k] += s->kernel[k];
	}
	for (k = 0; k < ARRAY_SIZE(name); k++)
		num(stats, name[k], (double)sum[k]);
	for (k = 0; k < WIRE_N_WHY; k++)
		num(why, why_name[k], (double)kernel[k]);
}

static void put_listeners(cJSON *o, const struct app *app)
{
	cJSON *array = cJSON_AddArrayToObject(o, "listeners"), *item;
	const struct listener *l;

	list_each (l, &app->listeners, const struct listener, on_app) {
		item = add_to(array);
		put_addr(item, "address", &l->addr);
		num(item, "workers", listener_workers(l));
		num(item, "pending", l->n_accepting);
	}
}

static const char *state_name(const struct session *s)
{
	if (s->state == SESSION_ACCEPTING)
		return "accepting";
	if (!s->peer)
		return "peer-gone";
	if (s->flags & SESSION_FIN_SENT)
		return s->flags & SESSION_FIN_TOLD ? "closing" : "write-closed";
	return s->flags & SESSION_FIN_TOLD ? "read-closed" : "open";
}

static void put_sessions(cJSON *o, const struct app *app, unsigned *left)
{
	cJSON *array = cJSON_AddArrayToObject(o, "sessions"), *item;
	const struct session *s;
	unsigned i;

	for (i = 0; i < MAX_WORKERS; i++) {
		if (!app->workers[i])
			continue;
		list_each (s, &app->workers[i]->sessions, const struct session,
			   on_worker) {
			if (!*left)
				return;
			--*left;
			item = add_to(array);
			put_addr(item, "local", &s->lcl);
			put_addr(item, "remote", &s->rmt);
			cJSON_AddStringToObject(item, "peer",
						s->peer ? s->peer->app->name
							: "");
			cJSON_AddStringToObject(item, "state", state_name(s));
			num(item, "worker", i);
			num(item, "rx_bytes", fifo_used(session_rx(s)));
			num(item, "tx_bytes", fifo_used(session_tx(s)));
		}
	}
}

static uint64_t put_segments(cJSON *o, const struct app *app)
{
	cJSON *array = cJSON_AddArrayToObject(o, "segments"), *item;
	const struct segment *segment;
	uint64_t committed, sum = 0;
	const struct app *server;

	list_each (segment, &app->segments[SIDE_CLIENT], const struct segment,
		   on_app[SIDE_CLIENT]) {
		server = segment->app[SIDE_SERVER];
		committed = segment_committed(segment);
		sum += committed;
		item = add_to(array);
		cJSON_AddStringToObject(item, "server",
					server ? server->name : "");
		num(item, "connections", segment->n_pairs);
		num(item, "size_bytes", (double)segment->bytes);
		num(item, "committed_bytes", (double)committed);
	}
	return sum;
}

/* By what both ends say; "kernel" until somebody has left it. */
static const char *link_state(uint32_t mine, uint32_t peers, bool peer_done)
{
	if (peer_done)
		return "peer-gone";
	if ((mine | peers) & (WIRE_LINK_CLOSED | WIRE_LINK_FIN))
		return "closing";
	if (mine & peers & WIRE_LINK_SWITCHED)
		return "link";
	if (mine & WIRE_LINK_SWITCHED)
		return "sends";
	return peers & WIRE_LINK_SWITCHED ? "receives" : "kernel";
}

static void put_link(cJSON *array, const struct half *h, unsigned worker)
{
	const struct grant *g = h->grant;
	const unsigned side = (unsigned)(h - g->half);
	const struct half *other = &g->half[!side];
	const struct wire_link *link = trunk_link(g->trunk, g->index);
	const struct wire_link_side *s = &link->side[side];
	cJSON *item = add_to(array);

	put_addr(item, "local", &h->lcl);
	put_addr(item, "remote", &other->lcl);
	cJSON_AddStringToObject(item, "peer", h->peer_name);
	if (h->udp)
		cJSON_AddStringToObject(item, "protocol", "udp");
	cJSON_AddStringToObject(
		item, "state",
		link_state(s->flags, link->side[!side].flags, other->done));
	num(item, "worker", worker);
	num(item, "ring_bytes", g->trunk->ring);
	num(item, "tx_bytes", (double)s->tx_bytes);
	num(item, "tx_msgs", (double)s->tx_msgs);
	num(item, "rx_msgs", (double)s->rx_msgs);
	num(item, "wakeups", (double)s->wakeups);
	num(item, "sleeps", (double)s->sleeps);
	num(item, "spins_won", (double)s->spins_won);
	num(item, "spins_lost", (double)s->spins_lost);
	num(item, "upgrade_us", (double)s->upgrade_us);
}

static void put_offer(cJSON *array, const struct offer *o, unsigned worker)
{
	cJSON *item = add_to(array);

	put_addr(item, "local", &o->claim.lcl);
	put_addr(item, "remote", &o->claim.rmt);
	cJSON_AddStringToObject(item, "peer", "");
	cJSON_AddStringToObject(item, "state", "offered");
	num(item, "worker", worker);
	num(item, "ring_bytes", o->ring);
}

static void put_links(cJSON *o, const struct app *app, unsigned *left)
{
	cJSON *array = cJSON_AddArrayToObject(o, "links");
	const struct offer *offer;
	const struct peer *p;
	const struct half *h;
	unsigned i;

	for (i = 0; i < MAX_WORKERS; i++) {
		p = app->workers[i] ? app->workers[i]->peer : NULL;
		if (!p)
			continue;
		list_each (h, &p->grants, const struct half, on_peer) {
			if (!*left)
				return;
			--*left;
			put_link(array, h, i);
		}
		list_each (offer, &p->offers, const struct offer, on_peer) {
			if (!*left)
				return;
			--*left;
			put_offer(array, offer, i);
		}
	}
}

static uint64_t put_app(cJSON *array, const struct app *app, struct left *left)
{
	cJSON *o = add_to(array);
	uint64_t committed;

	cJSON_AddStringToObject(o, "name", app->name);
	num(o, "pid", app->pid);
	cJSON_AddStringToObject(o, "namespace", app->ns->conf.name);
	num(o, "uid", app->uid);
	num(o, "netns", (double)app->netns);
	cJSON_AddBoolToObject(o, "libsapi", app->ext);
	num(o, "workers", app->n_workers);
	num(o, "n_sessions", app->n_sessions);
	num(o, "n_links", app->n_links);
	put_stats(o, app);
	put_listeners(o, app);
	put_sessions(o, app, &left->sessions);
	put_links(o, app, &left->links);
	committed = put_segments(o, app);
	return committed;
}

static const char *kept_reason(const struct wire_kept *k)
{
	if (k->why == WIRE_WHY_REFUSED && k->refusal < WIRE_N_REFUSED)
		return refusal_name[k->refusal];
	return k->why < WIRE_N_WHY ? why_name[k->why] : "?";
}

/* What the client says of the socket is shown if the kernel agrees: an entry
 * may be one that was closed meanwhile, or half written, or a lie. */
static bool kept_claim(const struct worker *w, const struct wire_kept *k,
		       struct claim *claim)
{
	uint64_t inode;

	*claim = (struct claim){ .cookie = k->cookie };
	if (k->is_ip4 > 1)
		return false;
	if (k->is_unix) {
		memcpy(&inode, k->lcl, sizeof(inode));
		addr_set_inode(&claim->lcl, inode);
	} else {
		addr_set(&claim->lcl, k->lcl, k->is_ip4, k->lcl_port);
		addr_set(&claim->rmt, k->rmt, k->is_ip4, k->rmt_port);
	}
	return !diag_prove(w->conn, claim);
}

static void put_kept(cJSON *array, const struct worker *w, unsigned *left)
{
	const struct wire_kept *all =
		map_at(&w->seg.map, w->kept_off, WIRE_KEPT_N * sizeof(*all));
	struct wire_kept k;
	struct claim claim;
	unsigned i;
	cJSON *o;

	for (i = 0; i < WIRE_KEPT_N && *left; i++) {
		memcpy(&k, &all[i], sizeof(k));
		if (!k.cookie)
			continue;
		--*left;
		if (!kept_claim(w, &k, &claim))
			continue;
		o = add_to(array);
		cJSON_AddStringToObject(o, "app", w->app->name);
		num(o, "pid", w->conn->pid);
		cJSON_AddStringToObject(o, "namespace", w->app->ns->conf.name);
		put_addr(o, "local", &claim.lcl);
		put_addr(o, "remote", &claim.rmt);
		cJSON_AddStringToObject(o, "reason", kept_reason(&k));
	}
}

/* Connections of programs of ours that the kernel carries */
static void put_kernel(cJSON *doc)
{
	cJSON *array = cJSON_AddArrayToObject(doc, "kernel");
	unsigned i, k, left = KEPT_ASKED;
	const struct app *app;

	for (i = 0; i < sapid.max_apps; i++) {
		app = sapid.apps[i];
		if (!app || !app->ext)
			continue;
		for (k = 0; k < MAX_WORKERS; k++)
			if (app->workers[k])
				put_kept(array, app->workers[k], &left);
	}
}

static void put_totals(cJSON *doc, unsigned apps, uint64_t committed)
{
	cJSON *o = cJSON_AddObjectToObject(doc, "totals");

	num(o, "apps", apps);
	num(o, "sessions_now", sapid.n_sessions);
	num(o, "sessions_total", (double)sapid.count.sessions);
	num(o, "segments", sapid.n_segments);
	num(o, "committed_bytes", (double)committed);
	num(o, "doorbells", (double)sapid.count.doorbells);
	num(o, "messages", (double)sapid.count.messages);
	num(o, "rejects", (double)sapid.count.rejects);
	num(o, "offers", (double)sapid.count.offers);
	num(o, "links_now", sapid.n_links);
	num(o, "links_total", (double)sapid.count.links);
	num(o, "link_segments", sapid.n_trunks);
	num(o, "link_bytes_total", (double)grant_bytes());
}

static void put_refusals(cJSON *doc)
{
	cJSON *o = cJSON_AddObjectToObject(doc, "refused");
	unsigned i;

	for (i = 0; i < WIRE_N_REFUSED; i++)
		num(o, refusal_name[i], (double)sapid.count.refused[i]);
}

/** status_document() - The state as JSON, allocated */
char *status_document(void)
{
	cJSON *doc = cJSON_CreateObject(), *apps;
	struct left left = { SESSIONS_SHOWN, LINKS_SHOWN };
	unsigned i, n = 0;
	uint64_t committed = 0;
	char *text;

	cJSON_AddStringToObject(doc, "version", PACKAGE_VERSION);
	num(doc, "pid", getpid());
	num(doc, "uptime_s",
	    (double)((loop_now_ms() - sapid.started_ms) / 1000));
	cJSON_AddStringToObject(doc, "run_dir", sapid.run_dir);
	put_namespaces(doc);
	apps = cJSON_AddArrayToObject(doc, "apps");
	for (i = 0; i < sapid.max_apps; i++)
		if (sapid.apps[i]) {
			committed += put_app(apps, sapid.apps[i], &left);
			n++;
		}
	put_kernel(doc);
	put_totals(doc, n, committed);
	put_refusals(doc);
	text = cJSON_PrintUnformatted(doc);
	cJSON_Delete(doc);
	return text;
}
