/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.c - connections that one end has offered, and the other not yet
 *
 * DOC: An offer is proved when it comes, and again when its other end does:
 * the socket may have been closed meanwhile, and its addresses used again.
 * Then two sockets are established at the same time, in one network, each with
 * the other's addresses, and belong to the users who say so: these are the two
 * ends of a connection.
 *
 * In two networks they need not be: both networks may have neighbours with the
 * same addresses, and nothing that the kernel tells of a socket names the one
 * at the other end. So that takes somebody's word that no address is used
 * twice, any-netns, and addresses that are not a network's own by nature.
 *
 * Offers wait by the slot of their ports, which is what the page counts too.
 * They wait in the order in which they expire, too.
 *
 * Datagrams go one way, and neither end need know its own address: each end
 * says what it sees of the other (udp_meet()). What is proved in the end is
 * that a datagram from the one would reach the other, and one back the first.
 *
 * Unix sockets have no addresses. The kernel tells of each which inode its peer
 * has, once that was accepted: two that name each other are the two ends. Their
 * offers wait by their own inode, and count by the name of the listener as
 * well, as a hint to accepted ones, for which it is worth asking who their peer
 * is.
 */
#include "daemon/offer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/wire/link.h"
#include "daemon/client.h"
#include "daemon/ext.h"
#include "daemon/grant.h"
#include "daemon/loop.h"
#include "daemon/page.h"

#define OFFERS_MAX 1024 /* of a worker */
#define SLOTS 4096

static struct list by_slot[SLOTS];
static struct list by_time = { &by_time, &by_time };

/** offer_init() - Before the first client */
void offer_init(void)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++)
		list_init(&by_slot[i]);
}

static uint16_t ports_slot(const struct claim *c)
{
	return wire_page_slot(ntohs(c->lcl.port), ntohs(c->rmt.port));
}

static uint16_t udp_slot(const struct claim *c)
{
	uint16_t lcl = ntohs(c->lcl.port), rmt = ntohs(c->rmt.port);

	return c->udp == WIRE_UDP_SENDER ? wire_page_slot_udp(lcl, rmt)
					 : wire_page_slot_udp(rmt, lcl);
}

static uint16_t own_slot(const struct claim *c)
{
	if (c->udp)
		return udp_slot(c);
	return c->lcl.is_unix ? wire_page_inode(addr_inode(&c->lcl))
			      : ports_slot(c);
}

/* Where offers like this wait, and where the other end's would. */
static struct list *slot_of(const struct claim *c)
{
	return &by_slot[own_slot(c) % SLOTS];
}

static struct list *mirror_slot_of(const struct claim *c)
{
	return &by_slot[(c->lcl.is_unix ? wire_page_inode(addr_inode(&c->rmt))
					: own_slot(c)) %
			SLOTS];
}

static void show(const struct claim *c)
{
	if (c->udp == WIRE_UDP_RECEIVER)
		return; /* it is an answer, and wants none */
	page_offer(own_slot(c));
	if (c->lcl.is_unix)
		page_offer(c->name);
}

static void unshow(const struct claim *c)
{
	if (c->udp == WIRE_UDP_RECEIVER)
		return;
	page_unoffer(own_slot(c));
	if (c->lcl.is_unix)
		page_unoffer(c->name);
}

static const struct conn *conn_of(const struct offer *o)
{
	return o->peer->worker->conn;
}

/** offer_refuse() - Tell the end that offered */
void offer_refuse(const struct offer *o, enum wire_refusal why)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_REFUSE };

	msg.refuse.context = o->context;
	msg.refuse.why = (uint8_t)why;
	sapid.count.refused[why]++;
	ext_post(o->peer->worker, &msg);
}

/* From the end: but for other namespaces' settings it is the last. */
static void queue_by_time(struct offer *o)
{
	struct list *at = by_time.prev;

	while (at != &by_time &&
	       list_entry(at, struct offer, on_time)->deadline > o->deadline)
		at = at->prev;
	list_add(at->next, &o->on_time);
}

static void offer_wait(const struct offer *o)
{
	struct offer *copy;

	copy = o->peer->n_offers < OFFERS_MAX ? malloc(sizeof(*copy)) : NULL;
	if (!copy) {
		offer_refuse(o, o->peer->n_offers < OFFERS_MAX
					? WIRE_REFUSED_MEMORY
					: WIRE_REFUSED_LIMIT);
		return;
	}
	*copy = *o;
	copy->deadline = loop_now_ms() + conn_of(o)->ns->conf.limits.offer_ms;
	list_add(slot_of(&o->claim), &copy->on_slot);
	list_add(&o->peer->offers, &copy->on_peer);
	queue_by_time(copy);
	o->peer->n_offers++;
	show(&o->claim);
}

/* It waits no more; who hears of that finds the page without it. */
static void unlink_offer(struct offer *o)
{
	unshow(&o->claim);
	list_del(&o->on_slot);
	list_del(&o->on_peer);
	list_del(&o->on_time);
	o->peer->n_offers--;
}

static void offer_end(struct offer *o)
{
	unlink_offer(o);
	free(o);
}

static void end_refused(struct offer *o, enum wire_refusal why)
{
	unlink_offer(o);
	offer_refuse(o, why);
	free(o);
}

/** offers_leave() - The peer is gone */
void offers_leave(struct peer *p)
{
	while (!list_empty(&p->offers))
		offer_end(list_first(&p->offers, struct offer, on_peer));
}

/** offer_deadline() - Refuse those that waited too long */
int offer_deadline(void)
{
	uint64_t now = loop_now_ms();
	struct offer *o;

	while (!list_empty(&by_time)) {
		o = list_first(&by_time, struct offer, on_time);
		if (o->deadline > now)
			return (int)(o->deadline - now);
		end_refused(o, WIRE_REFUSED_EXPIRED);
	}
	return -1;
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_same_ip(a, b);
}

static bool same_place(const struct offer *a, const struct offer *b)
{
	return conn_of(a)->ns == conn_of(b)->ns &&
	       conn_of(a)->netns == conn_of(b)->netns;
}

static bool is_same(const struct offer *a, const struct offer *b)
{
	return same_place(a, b) && a->claim.udp == b->claim.udp &&
	       same_addr(&a->claim.lcl, &b->claim.lcl) &&
	       (!a->claim.udp || a->claim.cookie == b->claim.cookie) &&
	       (a->claim.lcl.is_unix ||
		same_addr(&a->claim.rmt, &b->claim.rmt));
}

/* Every network has these for itself, or it talks to itself. */
static bool is_inner(const struct claim *c)
{
	return c->lcl.is_unix || addr_is_loopback(&c->lcl) ||
	       addr_is_link_local(&c->lcl) || addr_same_ip(&c->lcl, &c->rmt);
}

static bool may_meet(const struct offer *a, const struct offer *b)
{
	return same_place(a, b) ||
	       (conn_of(a)->ns == conn_of(b)->ns &&
		conn_of(a)->ns->conf.any_netns && !is_inner(&a->claim));
}

/* Does the one name the other as its peer?  One that was not accepted when it
 * was offered names nobody yet. */
static bool may_name(const struct claim *a, const struct claim *b)
{
	return same_addr(&a->rmt, &b->lcl) ||
	       (a->rmt.is_unix && addr_is_any(&a->rmt));
}

static bool is_mirror(const struct offer *a, const struct offer *b)
{
	return may_meet(a, b) && same_addr(&a->claim.lcl, &b->claim.rmt) &&
	       may_name(&a->claim, &b->claim);
}

/* What the one says of itself, or leaves open, is what the other sees. */
static bool udp_seen(const struct addr *lcl, const struct addr *seen)
{
	return lcl->port == seen->port &&
	       (addr_is_any(lcl) || addr_same_ip(lcl, seen));
}

static bool udp_meet(const struct offer *a, const struct offer *b)
{
	return same_place(a, b) && a->claim.udp &&
	       a->claim.udp != b->claim.udp &&
	       udp_seen(&a->claim.lcl, &b->claim.rmt) &&
	       udp_seen(&b->claim.lcl, &a->claim.rmt);
}

/* Of several that might be meant the kernel knows the one. */
static struct offer *find_udp(struct offer *o)
{
	struct claim mine = o->claim, other;
	struct offer *w, *next;

	list_each_safe (w, next, slot_of(&o->claim), struct offer, on_slot) {
		if (!udp_meet(w, o))
			continue;
		if (conn_of(w)->doomed) {
			offer_end(w);
			continue;
		}
		other = w->claim;
		other.lcl = o->claim.rmt;
		mine.lcl = w->claim.rmt;
		if (diag_prove(conn_of(w), &other) ||
		    diag_prove(conn_of(o), &mine))
			continue;
		w->claim.lcl = other.lcl;
		o->claim.lcl = mine.lcl;
		return w;
	}
	return NULL;
}

/* The newer replaces the older: of one socket, of sockets that had these
 * addresses one after the other, or under one context. An older context that
 * is not the newer's has an answer to come. */
static void replace(const struct offer *o)
{
	struct offer *old, *next;

	list_each_safe (old, next, slot_of(&o->claim), struct offer, on_slot) {
		if (!is_same(old, o))
			continue;
		if (old->peer == o->peer && old->context == o->context)
			offer_end(old);
		else
			end_refused(old, WIRE_REFUSED_EXPIRED);
	}
	list_each_safe (old, next, &o->peer->offers, struct offer, on_peer)
		if (old->context == o->context)
			offer_end(old);
}

/* What waits for this one, and is still true. In its own network there is but
 * one; of several elsewhere nobody knows which it is, and it is none. */
static struct offer *find_mirror(const struct offer *o)
{
	struct offer *other, *next, *found = NULL;
	unsigned n = 0;

	list_each_safe (other, next, mirror_slot_of(&o->claim), struct offer,
			on_slot) {
		if (other->claim.udp || !is_mirror(other, o))
			continue;
		if (conn_of(other)->doomed)
			offer_end(other);
		else if (diag_prove(conn_of(other), &other->claim))
			end_refused(other, WIRE_REFUSED_PROOF);
		else if (!same_addr(&other->claim.rmt, &o->claim.lcl))
			continue; /* the kernel has named another */
		else if (same_place(other, o))
			return other;
		else
			found = n++ ? NULL : other;
	}
	return found;
}

/* Both ends are there. */
static void offer_match(struct offer *waiting, const struct offer *o)
{
	enum wire_refusal why = WIRE_REFUSED_MEMORY;
	int ret;

	unlink_offer(waiting);
	if (!conf_may_link(&conn_of(o)->ns->conf, conn_of(waiting)->uid,
			   conn_of(o)->uid))
		ret = -EPERM;
	else
		ret = grant_open(waiting, o);
	if (ret == -EPERM)
		why = WIRE_REFUSED_USER;
	else if (ret == -ENOSPC || ret == -EAGAIN)
		why = WIRE_REFUSED_LIMIT;
	if (ret) {
		offer_refuse(waiting, why);
		offer_refuse(o, why);
	}
	free(waiting);
}

/* Its bell, by this message or an earlier one. */
static int take_bell(struct peer *p, const struct wire_offer *msg,
		     struct fdbox *box)
{
	int fd;

	if (msg->bell >= WIRE_BELLS_MAX || msg->has_bell > 1 ||
	    box->n != msg->has_bell)
		return -EPROTO;
	if (!msg->has_bell)
		return p->bells[msg->bell] < 0 ? -EPROTO : 0;
	fd = fdbox_take(box, 0);
	return fd < 0 ? fd : peer_set_bell(p, msg->bell, fd);
}

static int take_inode(struct claim *claim, const struct wire_offer *msg)
{
	uint64_t inode;

	memcpy(&inode, msg->lcl, sizeof(inode));
	addr_set_inode(&claim->lcl, inode);
	addr_set_inode(&claim->rmt, 0);
	claim->name = ntohs(msg->lcl_port);
	claim->cookie = msg->cookie;
	return inode && !msg->is_ip4 ? 0 : -EPROTO;
}

static int take_claim(struct claim *claim, const struct wire_offer *msg)
{
	if (msg->is_ip4 > 1 || msg->is_unix > 1 ||
	    msg->udp > WIRE_UDP_RECEIVER || (msg->udp && msg->is_unix))
		return -EPROTO;
	if (msg->is_unix)
		return take_inode(claim, msg);
	addr_set(&claim->lcl, msg->lcl, msg->is_ip4, msg->lcl_port);
	addr_set(&claim->rmt, msg->rmt, msg->is_ip4, msg->rmt_port);
	claim->cookie = msg->cookie;
	claim->udp = msg->udp;
	if (claim->udp &&
	    (!claim->lcl.port || !claim->rmt.port || addr_is_any(&claim->rmt)))
		return -EPROTO;
	/* mapped ones are to be sent as IPv4, and both or none are */
	return claim->lcl.is_ip4 == msg->is_ip4 &&
			       claim->rmt.is_ip4 == msg->is_ip4
		       ? 0
		       : -EPROTO;
}

/**
 * offer_message() - OFFER: one end of a connection
 * @w:		whose
 * @msg:	hostile
 * @box:	what came along
 *
 * The bell counts also where the offer is refused: it is not sent again.
 */
void offer_message(struct worker *w, const struct wire_offer *msg,
		   struct fdbox *box)
{
	struct offer o = { .peer = peer_of(w),
			   .context = msg->context,
			   .ring = msg->ring,
			   .bell = msg->bell };
	struct offer *waiting;
	int ret;

	if (!o.peer) {
		client_doom(w->conn, "no memory for it");
		return;
	}
	sapid.count.offers++;
	ret = take_bell(o.peer, msg, box);
	if (!ret)
		ret = take_claim(&o.claim, msg);
	if (!ret)
		ret = diag_prove(w->conn, &o.claim);
	if (ret) {
		log_debug("offer-refused pid=%d error=%d", w->conn->pid, ret);
		offer_refuse(&o, WIRE_REFUSED_PROOF);
		return;
	}
	replace(&o);
	waiting = o.claim.udp ? find_udp(&o) : find_mirror(&o);
	if (waiting)
		offer_match(waiting, &o);
	else
		offer_wait(&o);
}

static struct offer *waits(struct peer *p, uint64_t context)
{
	struct offer *o;

	list_each (o, &p->offers, struct offer, on_peer)
		if (o->context == context)
			return o;
	return NULL;
}

/**
 * offer_withdraw() - WITHDRAW: an offer, or the grant that it was answered with
 * @w:		whose
 * @msg:	hostile
 *
 * If it is neither, it was refused, which the client had not read yet, or
 * withdrawn before, or made to an earlier daemon.
 */
void offer_withdraw(struct worker *w, const struct wire_withdraw *msg)
{
	struct offer *o;

	if (msg->forget_seg > 1)
		sapid.count.rejects++;
	if (!w->peer || msg->forget_seg > 1)
		return;
	o = msg->link ? NULL : waits(w->peer, msg->context);
	if (o)
		offer_end(o);
	else
		grant_withdraw(w->peer, msg);
}
