/* SPDX-License-Identifier: Apache-2.0 */
/* vudp_peer.c - by which session to and from whom, of a UDP socket that is not
 * connected */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"
#include "core/sock/vudp.h"

/*
 * DOC: A peer in the same VPP comes as a session of its own, without an
 * address.  Its address is that which it sends to, as on this host it would be,
 * and its port what it says of itself (core/sock/vudp.c reserves one), if
 * nobody else has said the same; else one that is made up.
 *
 * What comes from the network does by the listener's own FIFOs, and so does the
 * answer.  VPP takes the answer's source address from us: it is the one that
 * the peer has sent to, which is remembered for those who were heard last.
 */
#define SETS 256
#define WAYS 4
#define NO_WAY_MS 1000	/* so long VPP is not asked again */
#define MADE_UP_FIRST 1 /* ports that no program is given */
#define MADE_UP_LAST 1023

struct vudp_heard {
	struct {
		struct ctrl_addr rmt, lcl;
	} of[SETS][WAYS];
	uint8_t next[SETS];
};

/* --- who was heard --- */

static unsigned set_of(const struct ctrl_addr *a)
{
	uint32_t word[4], key;

	memcpy(word, a->ip, sizeof(word));
	key = (word[0] ^ word[1] ^ word[2] ^ word[3] ^ a->port) * 0x9e3779b1u;
	return key >> 24;
}

static struct ctrl_addr *heard_at(struct vudp_heard *h,
				  const struct ctrl_addr *rmt)
{
	unsigned set = set_of(rmt), i;

	for (i = 0; i < WAYS; i++)
		if (h->of[set][i].rmt.port &&
		    addr_is_same(&h->of[set][i].rmt, rmt))
			return &h->of[set][i].lcl;
	return NULL;
}

static void hear(struct vudp_heard *h, const struct ctrl_addr *rmt,
		 const struct ctrl_addr *at)
{
	struct ctrl_addr *lcl = heard_at(h, rmt);
	unsigned set = set_of(rmt), i;

	if (!lcl) {
		i = h->next[set]++ % WAYS;
		h->of[set][i].rmt = *rmt;
		lcl = &h->of[set][i].lcl;
	}
	*lcl = *at;
}

/* Who came by the kernel is answered by it, whatever the rules say of others
 * that are sent to. */
void vudp_heard_by_kernel(struct vudp *v, const struct sockaddr *sa,
			  socklen_t len)
{
	static const struct ctrl_addr kernels; /* without a port */
	struct ctrl_addr from;

	if (!v->heard || addr_to_ctrl(sa, len, &from) || !from.port)
		return;
	mutex_lock(&v->lock);
	hear(v->heard, &from, &kernels);
	mutex_unlock(&v->lock);
}

bool vudp_is_kernels(struct vudp *v, const struct ctrl_addr *to)
{
	const struct ctrl_addr *lcl;
	bool is;

	if (!v->heard)
		return false;
	mutex_lock(&v->lock);
	lcl = heard_at(v->heard, to);
	is = lcl && !lcl->port;
	mutex_unlock(&v->lock);
	return is;
}

/* --- the table --- */

int vudp_make_peers(struct vudp *v)
{
	struct vudp_peer *peer;
	struct vudp_heard *h;

	if (v->peer)
		return 0;
	peer = mem_zalloc(VUDP_PEERS, sizeof(*peer));
	h = mem_zalloc(1, sizeof(*h));
	if (!peer || !h) {
		mem_free(peer);
		mem_free(h);
		return -ENOMEM;
	}
	mutex_lock(&v->lock);
	if (!v->peer) { /* another thread may have been faster */
		v->heard = h;
		v->peer = peer;
		peer = NULL;
		h = NULL;
	}
	mutex_unlock(&v->lock);
	mem_free(peer);
	mem_free(h);
	return 0;
}

void vudp_free_peers(struct vudp *v)
{
	mem_free(v->peer);
	mem_free(v->heard);
}

static struct vudp_peer *peer_at(struct vudp *v, const struct ctrl_addr *name,
				 bool alive)
{
	unsigned i;

	for (i = 0; i < v->n_peers; i++)
		if (v->peer[i].name.port &&
		    addr_is_same(&v->peer[i].name, name) &&
		    !(alive && vudp_ended(v->peer[i].sess)))
			return &v->peer[i];
	return NULL;
}

/* With the lock: it is the caller's to close. */
static struct session *take_out(struct vudp *v, unsigned i)
{
	struct session *sess = v->peer[i].sess;

	if (vudp_usable(sess))
		v->tails += fifo_tail(&sess->rx);
	if (v->sticky == sess)
		v->sticky = NULL;
	v->peer[i] = v->peer[--v->n_peers];
	return sess;
}

static unsigned longest_unused(const struct vudp *v)
{
	unsigned i, best = 0;

	for (i = 1; i < v->n_peers; i++)
		if (v->peer[i].used < v->peer[best].used)
			best = i;
	return best;
}

/* With app.lock */
static void add(struct vudp *v, struct session *sess,
		const struct ctrl_addr *name)
{
	struct session *old = NULL;

	sess->user = v->sock;
	sess->notify = vudp_event;
	mutex_lock(&v->lock);
	if (v->n_peers == VUDP_PEERS)
		old = take_out(v, longest_unused(v));
	v->peer[v->n_peers++] = (struct vudp_peer){ .sess = sess,
						    .name = *name,
						    .used = ++v->clock };
	mutex_unlock(&v->lock);
	if (old)
		session_close(old, false);
}

void vudp_adopt(struct vudp *v)
{
	struct ctrl_addr name;
	struct session *sess;

	while (v->listener && (sess = session_pop(v->listener))) {
		if (sess->state != SESSION_OPEN || !v->peer) {
			session_close(sess, false);
			continue;
		}
		name = sess->lcl;
		name.is_ip4 = sess->rmt.is_ip4;
		name.port = 0;
		add(v, sess, &name);
	}
}

/* With the lock: one that is over, and read; or NULL */
static struct session *one_over(struct vudp *v)
{
	const struct session *sess;
	unsigned i;

	for (i = 0; i < v->n_peers; i++) {
		sess = v->peer[i].sess;
		if (vudp_ended(sess) &&
		    (!vudp_usable(sess) || !fifo_used(&sess->rx)))
			return take_out(v, i);
	}
	return NULL;
}

void vudp_sweep(struct vudp *v)
{
	struct session *sess;

	do {
		mutex_lock(&v->lock);
		sess = one_over(v);
		mutex_unlock(&v->lock);
		if (sess)
			session_close(sess, false);
	} while (sess);
}

void vudp_drop_peers(struct vudp *v)
{
	struct session *sess;

	do {
		mutex_lock(&v->lock);
		sess = v->n_peers ? take_out(v, v->n_peers - 1) : NULL;
		mutex_unlock(&v->lock);
		if (sess)
			session_close(sess, false);
	} while (sess);
}

/* --- receiving --- */

static void make_up_port(struct vudp *v, struct ctrl_addr *name)
{
	unsigned i;

	for (i = MADE_UP_FIRST; i <= MADE_UP_LAST; i++) {
		v->last_port = v->last_port < MADE_UP_LAST ? v->last_port + 1
							   : MADE_UP_FIRST;
		name->port = htons(v->last_port);
		if (!peer_at(v, name, false))
			return;
	}
}

static void name_peer(struct vudp *v, struct vudp_peer *peer, uint16_t port)
{
	struct ctrl_addr name = peer->name;

	name.port = port;
	if (!port || peer_at(v, &name, false))
		make_up_port(v, &name);
	peer->name = name;
}

void vudp_sender_of(struct vudp *v, unsigned which, const struct packet *p,
		    struct ctrl_addr *name)
{
	struct vudp_peer *peer;

	if (!which) {
		*name = v->to;
		return;
	}
	if (which < VUDP_FIRST_PEER) {
		*name = p->rmt;
		hear(v->heard, &p->rmt, &p->lcl);
		return;
	}
	peer = &v->peer[which - VUDP_FIRST_PEER];
	if (unlikely(!peer->name.port))
		name_peer(v, peer, p->lcl.port);
	*name = peer->name;
}

/* --- sending --- */

static struct session *by_listener(struct vudp *v, const struct ctrl_addr *to)
{
	struct session *l = v->listener;

	if (to->is_ip4 && l && !l->lcl.is_ip4)
		l = l->ip4;
	return l && l->state == SESSION_LISTENING && l->lcl.is_ip4 == to->is_ip4
		       ? l
		       : NULL;
}

struct session *vudp_way_to(struct vudp *v, const struct ctrl_addr *to,
			    struct ctrl_addr *from)
{
	struct vudp_peer *peer = peer_at(v, to, true);
	struct ctrl_addr *lcl;

	if (peer) {
		peer->used = ++v->clock;
		*from = peer->sess->lcl;
		if (peer->sess->cut)
			from->port = v->port;
		return peer->sess;
	}
	if (!v->listener)
		return NULL;
	lcl = heard_at(v->heard, to);
	if (!lcl && v->vpps_address)
		lcl = &v->at;
	if (!lcl)
		return NULL;
	*from = *lcl;
	return by_listener(v, to);
}

/* With app.lock, which is given up meanwhile. */
static int open_way(struct app *app, struct sock *s, struct vudp *v,
		    const struct ctrl_addr *to)
{
	bool own;
	struct session *sess;
	int err;

	vudp_sweep(v);
	vudp_note_own(v, s->fd);
	/* where it listens already its port is taken */
	own = !v->listener && (v->own.port || !addr_is_any(&v->own));
	err = session_connect_udp(app, to, own ? &v->own : NULL, false, &sess);
	if (err)
		return err;
	err = vudp_answer(app, sess);
	if (err) {
		session_close(sess, false);
		return err;
	}
	if (sess->cut)
		vudp_reserve_port(v, s->fd);
	add(v, sess, to);
	return 0;
}

static bool has_no_way(struct vudp *v, const struct ctrl_addr *to)
{
	return v->no_way_ms && addr_is_same(&v->no_way, to) &&
	       app_now_ms() - v->no_way_ms < NO_WAY_MS;
}

static void note_no_way(struct vudp *v, const struct ctrl_addr *to)
{
	mutex_lock(&v->lock);
	v->no_way = *to;
	v->no_way_ms = app_now_ms();
	mutex_unlock(&v->lock);
}

int vudp_open_way(struct sock *s, const struct sockaddr *sa,
		  const struct ctrl_addr *to)
{
	struct conf_choice choice;
	struct vudp *v;
	struct app *app;
	int err, cancel;

	conf_choose(conf_get(), CONF_UDP_SENDER, sa, NULL, &choice);
	if (choice.use != CONF_VPP || !to->port)
		return 1;
	sock_init();
	v = vudp_of(s);
	if (!v || vudp_make_peers(v))
		return choice.require ? -EOPNOTSUPP : 1;
	if (has_no_way(v, to))
		return choice.require ? -EHOSTUNREACH : 1;
	cancel = cancel_off();
	app = app_get(CONF_VPP);
	err = app ? open_way(app, s, v, to) : -ENETDOWN;
	if (app)
		app_put(app);
	if (err)
		note_no_way(v, to);
	else if (!v->active)
		vudp_begin(v);
	cancel_back(cancel);
	if (!err)
		return 0;
	log_debug("UDP socket %d: not sent by VPP: %s", s->fd,
		  strerrorname_np(-err));
	return choice.require ? err : 1;
}
