/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - what the session layer says of sessions */
#include <errno.h>
#include <string.h>

#include "core/base/log.h"
#include "core/sess/session_priv.h"

static void notify(struct session *s)
{
	/* the waiter of a session that a parent made is not in this process */
	if (s->ctl && session_claimed(s))
		waiter_ring(s->ctl);
	if (s->notify)
		s->notify(s);
}

static void flag(struct session *s, unsigned flags)
{
	atomic_fetch_or(&s->flags, flags);
	if (s->hold)
		atomic_fetch_or(&s->hold->ended, flags & ~SESSION_BROKEN);
	notify(s);
}

static void fail(struct session *s, int error, int32_t retval)
{
	log_debug("session %u: %s (%d)", s->index, strerrorname_np(-error),
		  retval);
	s->error = error;
	s->retval = retval;
	session_state(s, SESSION_FAILED);
	notify(s);
}

/* the session layer's words in errno's */
static int retval_to_errno(int32_t retval)
{
	switch (retval) {
	case WIRE_E_REFUSED:
		return -ECONNREFUSED;
	case WIRE_E_TIMEDOUT:
		return -ETIMEDOUT;
	case WIRE_E_NOROUTE:
	case WIRE_E_NOINTF:
	case WIRE_E_NOIP:
		return -EHOSTUNREACH;
	case WIRE_E_NOPORT:
	case WIRE_E_INVALID_RMT_IP:
		return -EADDRNOTAVAIL;
	case WIRE_E_PORTINUSE:
	case WIRE_E_IPINUSE:
	case WIRE_E_ALREADY_LISTENING:
		return -EADDRINUSE;
	case WIRE_E_INVALID_NS:
		return -EADDRNOTAVAIL;
	case WIRE_E_SCOPE:
		return -ENETUNREACH;
	case WIRE_E_FILTERED:
		return -EACCES;
	case WIRE_E_NOSUPPORT:
		return -EOPNOTSUPP;
	case WIRE_E_TLS_HANDSHAKE:
		return -EPROTO;
	case WIRE_E_NOCRYPTOENG:
		return -EPROTONOSUPPORT;
	case WIRE_E_NOCRYPTOCKP:
		return -EKEYREJECTED;
	default:
		return -ENOBUFS;
	}
}

static int take_fifos(struct session *s, uint64_t handle, uint64_t rx,
		      uint64_t tx)
{
	struct app_seg *seg = app_seg(s->app, handle);
	int err;

	if (!seg)
		return -EPROTO;
	err = fifo_attach(&s->rx, &seg->seg, rx, s->app->dialect);
	if (!err)
		err = fifo_attach(&s->tx, &seg->seg, tx, s->app->dialect);
	if (err)
		return err;
	if (!s->app->sapid && !s->datagrams) {
		fifo_use_end(&s->rx, s->app->dialect);
		fifo_use_end(&s->tx, s->app->dialect);
	}
	seg->sessions++;
	s->seg = seg;
	return 0;
}

/* Closed before the session layer answered (session_close())? */
static bool given_up(const struct session *s)
{
	return s->state == SESSION_CLOSING && s->handle == WIRE_INVALID_HANDLE;
}

/* A listener of UDP's has FIFOs (ABI.md 12.9); who has come back with VPP, has
 * others now.  Whoever uses the old ones looks at the state with a lock of its
 * own, which it is given the time to leave by being told. */
static int bound_fifos(struct session *s, const struct ctrl *c)
{
	int err;

	if (!s->datagrams)
		return 0;
	notify(s->dual ? s->dual : s);
	if (s->seg)
		app_seg_put(s->app, s->seg);
	s->seg = NULL;
	s->main_index = (uint32_t)c->bound.cl_sh_handle;
	s->mq_index = c->bound.mq_index;
	if (s->mq_index >= s->app->n_mqs)
		return -EPROTO;
	err = take_fifos(s, c->bound.segment_handle, c->bound.rx_fifo,
			 c->bound.tx_fifo);
	if (!err && s->app->dialect == WIRE_2510)
		err = fifo_read_index(&s->seg->seg, c->bound.rx_fifo,
				      &s->main_index);
	return err;
}

static void on_bound(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_index(app, c->bound.context);
	int err;

	if (s && given_up(s)) {
		session_rename(s, c->bound.handle);
		if (c->bound.retval || session_unlisten(s))
			session_free(s);
		return;
	}
	if (!s || s->state != SESSION_BINDING)
		return;
	if (c->bound.retval) {
		/* VPP's word for a certificate or key that its engine does not
		 * take is none of its words */
		fail(s,
		     s->tls && c->bound.retval == WIRE_E_UNKNOWN
			     ? -EKEYREJECTED
			     : retval_to_errno(c->bound.retval),
		     c->bound.retval);
		return;
	}
	session_rename(s, c->bound.handle);
	s->mq_index = app->ctrl_mq;
	err = bound_fifos(s, c);
	if (err) {
		if (session_unlisten(s))
			log_debug("session %u: unlisten not sent", s->index);
		session_rename(s, WIRE_INVALID_HANDLE);
		fail(s, err, WIRE_E_UNKNOWN);
		return;
	}
	session_state(s, SESSION_LISTENING);
	app_count(app, listens, 1);
	notify(s);
}

static bool is_any(const struct ctrl_addr *a)
{
	static const uint8_t any[sizeof(a->ip)];

	return !memcmp(a->ip, any, sizeof(any));
}

static void set_loopback(struct ctrl_addr *a, uint8_t is_ip4)
{
	a->is_ip4 = is_ip4;
	a->ip[12] = is_ip4 ? 127 : 0;
	a->ip[15] = 1;
}

/* VPP gives the ends of a cut-through no addresses (ABI.md 11.4, 11.7).  Both
 * are of this host; the connecting one's own is, as with the kernel, its
 * peer's. */
static void name_accepted(struct session *s, const struct session *l)
{
	uint16_t port = s->lcl.port;

	if (s->rmt.port || !is_any(&s->rmt))
		return;
	s->tls = NULL;
	set_loopback(&s->rmt, l->lcl.is_ip4);
	s->lcl = l->lcl;
	s->lcl.port = port;
	if (is_any(&s->lcl))
		set_loopback(&s->lcl, l->lcl.is_ip4);
}

static void name_connected(struct session *s)
{
	if (s->lcl.port || !is_any(&s->lcl))
		return;
	s->lcl = s->rmt;
	s->lcl.port = 0;
}

/* A peer of UDP's that waits in its connect(2) for somebody to answer: at
 * once. */
static void accept_datagrams(struct session *s, const struct session *l)
{
	if (!l->datagrams)
		return;
	s->datagrams = s->cut = true;
	s->notify = l->notify;
	s->user = l->user;
	if (session_accept(s))
		log_debug("session %u: not accepted", s->index);
}

static void on_accepted(struct app *app, const struct ctrl *c)
{
	struct session *at =
		session_by_handle(app, c->accepted.listener_handle);
	struct session *l = at && at->dual ? at->dual : at;
	struct session *s = session_new(app, SESSION_PENDING);
	int err = -ENOMEM;

	if (!s)
		return;
	session_rename(s, c->accepted.handle);
	s->listener_handle = c->accepted.listener_handle;
	s->tls = at ? at->tls : NULL;
	s->accepted = true;
	s->mq_index = c->accepted.mq_index;
	s->lcl = c->accepted.lcl;
	s->rmt = c->accepted.rmt;
	if (s->mq_index >= app->n_mqs)
		err = -EPROTO;
	else
		err = take_fifos(s, c->accepted.segment_handle,
				 c->accepted.rx_fifo, c->accepted.tx_fifo);
	if (err || !l || l->state != SESSION_LISTENING) {
		if (s->mq_index < app->n_mqs)
			session_refuse(s);
		else
			session_free(s);
		return;
	}
	name_accepted(s, at);
	s->original_ip4 = c->accepted.original_dst_ip4;
	s->original_port = c->accepted.original_dst_port;
	accept_datagrams(s, l);
	session_answer_early(s);
	*l->pending_tail = s;
	l->pending_tail = &s->next;
	l->n_pending++;
	l->arrived++;
	notify(l);
}

static int connected_fifos(struct session *s, const struct ctrl *c)
{
	struct app_seg *sig;
	int err;

	s->cut = c->connected.ct_rx_fifo != 0;
	if (!s->cut)
		return take_fifos(s, c->connected.segment_handle,
				  c->connected.rx_fifo, c->connected.tx_fifo);
	/* VPP's cut-through: data of one pair, signals of another (12.6), and
	 * no TLS */
	s->tls = NULL;
	err = take_fifos(s, c->connected.ct_segment_handle,
			 c->connected.ct_rx_fifo, c->connected.ct_tx_fifo);
	sig = app_seg(s->app, c->connected.segment_handle);
	if (!err && !sig)
		err = -EPROTO;
	if (!err) {
		sig->sessions++;
		s->sig = sig;
	}
	if (!err)
		err = fifo_attach_signals(&s->rx, &sig->seg,
					  c->connected.rx_fifo,
					  s->app->dialect);
	if (!err)
		err = fifo_attach_signals(&s->tx, &sig->seg,
					  c->connected.tx_fifo,
					  s->app->dialect);
	return err;
}

static void on_connected(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_index(app, c->connected.context);
	int err = 0;

	if (!s)
		return;
	if (given_up(s)) { /* it must be closed (12.4.6) */
		session_rename(s, c->connected.handle);
		s->mq_index = c->connected.mq_index;
		if (c->connected.retval ||
		    session_send_close(s, WIRE_EV_DISCONNECT))
			session_free(s);
		return;
	}
	if (s->state != SESSION_CONNECTING)
		return;
	if (c->connected.retval) {
		fail(s, retval_to_errno(c->connected.retval),
		     c->connected.retval);
		return;
	}
	session_rename(s, c->connected.handle);
	s->mq_index = c->connected.mq_index;
	s->lcl = c->connected.lcl;
	name_connected(s);
	if (s->mq_index >= app->n_mqs)
		err = -EPROTO;
	else
		err = connected_fifos(s, c);
	if (err) {
		if (s->mq_index < app->n_mqs &&
		    session_send_close(s, WIRE_EV_DISCONNECT))
			log_debug("session %u: close not sent", s->index);
		session_rename(s, WIRE_INVALID_HANDLE);
		fail(s, err, WIRE_E_UNKNOWN);
		return;
	}
	hold_own(s->hold, app->wrk_index);
	session_state(s, SESSION_OPEN);
	app_count(app, connects, 1);
	notify(s);
}

static void on_add_segment(struct app *app, const struct ctrl *c)
{
	int fd, err;

	if (!(c->add_segment.fd_flags & WIRE_FD_MEMFD_SEGMENT))
		return;
	err = attach_recv_segment(app, &fd);
	if (!err)
		err = app_add_segment(app, c->add_segment.segment_handle, fd,
				      NULL);
	if (err)
		log_warn("%s: segment %#llx not mapped: %s", app->path,
			 (unsigned long long)c->add_segment.segment_handle,
			 strerrorname_np(-err));
	session_unpark(app, false);
}

static void on_del_segment(struct app *app, uint64_t handle)
{
	struct app_seg *seg = app_seg(app, handle);

	if (seg)
		app_seg_retire(app, seg);
}

static void on_cleanup(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_handle(app, c->cleanup.handle);

	if (!s)
		return;
	if (c->cleanup.type == 0) {
		flag(s, SESSION_GONE);
	} else if (s->state == SESSION_CLOSING) {
		session_free(s);
	} else {
		/* gone under our feet: the memory is not ours to touch */
		session_rename(s, WIRE_INVALID_HANDLE);
		flag(s, SESSION_GONE | SESSION_BROKEN);
	}
}

/* The owner closed it and asks us, who use it too, to go on. */
static void on_req_worker_update(struct app *app, uint64_t handle)
{
	struct session *s = session_by_handle(app, handle);
	struct ctrl c = { .type = WIRE_EV_WORKER_UPDATE };

	if (!s || s->state != SESSION_OPEN)
		return;
	c.worker_update.client_index = app->client;
	c.worker_update.wrk_index = (uint16_t)app->wrk_index;
	c.worker_update.req_wrk_index = (uint16_t)app->wrk_index;
	c.worker_update.handle = handle;
	if (!app_send(app, s->mq_index, &c) && s->hold)
		hold_own(s->hold, app->wrk_index);
}

static void on_io(struct app *app, uint32_t index)
{
	struct session *s = session_by_index(app, index);

	if (!s || (s->state != SESSION_OPEN &&
		   !(s->datagrams && s->state == SESSION_LISTENING)))
		return;
	session_give_room(s);
	notify(s->dual ? s->dual : s);
}

static void on_flag(struct app *app, uint64_t handle, unsigned flags)
{
	struct session *s = session_by_handle(app, handle);

	if (s)
		flag(s, flags);
}

static void on_migrated(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_handle(app, c->migrated.handle);

	if (!s || c->migrated.vpp_thread_index >= app->n_mqs)
		return;
	log_debug("session %u: migrated to thread %u", s->index,
		  c->migrated.vpp_thread_index);
	session_rename(s, c->migrated.new_handle);
	s->mq_index = c->migrated.vpp_thread_index;
	session_ring_tx(s);
}

/* To sapid a child may have said that it relieves us (ext.h): what we were
 * offered until now has been offered to others. */
static void on_unlisten_reply(struct app *app, const struct ctrl *c)
{
	struct session *s = session_by_handle(app, c->unlisten_reply.handle);
	struct session *p;

	if (!s)
		return;
	if (s->state == SESSION_CLOSING) {
		session_free(s);
		return;
	}
	if (s->state != SESSION_LISTENING || !app->sapid ||
	    c->unlisten_reply.retval)
		return;
	while ((p = session_pop(s)))
		session_free(p);
}

void session_event(struct app *app, const struct ctrl *c)
{
	if (session_park(app, c))
		return;
	switch (c->type) {
	case WIRE_EV_IO_RX:
	case WIRE_EV_IO_TX:
		on_io(app, c->io.session_index);
		break;
	case WIRE_EV_BOUND:
		on_bound(app, c);
		break;
	case WIRE_EV_UNLISTEN_REPLY:
		on_unlisten_reply(app, c);
		break;
	case WIRE_EV_ACCEPTED:
		on_accepted(app, c);
		break;
	case WIRE_EV_CONNECTED:
		on_connected(app, c);
		break;
	case WIRE_EV_DISCONNECTED:
		on_flag(app, c->close.handle, SESSION_PEER_SHUT);
		break;
	case WIRE_EV_RESET:
		on_flag(app, c->close.handle, SESSION_RESET | SESSION_GONE);
		break;
	case WIRE_EV_CLEANUP:
		on_cleanup(app, c);
		break;
	case WIRE_EV_APP_ADD_SEGMENT:
		on_add_segment(app, c);
		break;
	case WIRE_EV_APP_DEL_SEGMENT:
		on_del_segment(app, c->del_segment.segment_handle);
		break;
	case WIRE_EV_REQ_WORKER_UPDATE:
		on_req_worker_update(app, c->req_worker_update.handle);
		break;
	case WIRE_EV_MIGRATED:
		on_migrated(app, c);
		break;
	case WIRE_EV_TRANSPORT_ATTR_REPLY:
		session_attr_reply(app, c);
		break;
	default: /* replies that nobody waits for */
		log_debug("%s ignored", ctrl_name(c->type));
	}
}

/* It listens again with the next session layer: at once, or, if this process
 * has not claimed it, when it does.  So may its brothers, who are other
 * applications then.  The kernel has seen to it that nobody else listens
 * there. */
static void listener_orphaned(struct session *s)
{
	s->listen_flags |= WIRE_LISTEN_REUSEPORT;
	if (session_claimed(s))
		session_state(s, SESSION_LOST);
}

void session_relisten(struct app *app)
{
	struct session *s;
	unsigned i;

	for (i = 0; i < app->n_blocks * APP_SESSION_BLOCK && app->n_lost; i++) {
		s = session_by_index(app, i);
		if (s->state != SESSION_LOST || !session_claimed(s))
			continue;
		session_state(s, SESSION_BINDING);
		if (session_send_listen(s)) /* with the next one, perhaps */
			session_state(s, SESSION_LOST);
	}
}

void session_forget_lost(struct app *app)
{
	struct session *s;
	unsigned i;

	for (i = 0; i < app->n_blocks * APP_SESSION_BLOCK; i++) {
		s = session_by_index(app, i);
		if (s->state == SESSION_LOST)
			fail(s, -ECONNRESET, WIRE_E_UNKNOWN);
	}
}

/* It is not over for the others if this process could not become a worker. */
static void open_orphaned(struct session *s)
{
	if (session_claimed(s))
		flag(s, SESSION_RESET | SESSION_GONE);
	else
		atomic_fetch_or(&s->flags, SESSION_RESET | SESSION_GONE);
}

/* Sessions of a dead session layer: what lies in the FIFOs stays readable,
 * and then the program sees what a reset connection shows. */
void session_layer_gone(struct app *app)
{
	struct session *s, *p;
	unsigned i, k;

	session_unpark(app, true);
	while ((s = app->zombies)) {
		app->zombies = s->next;
		s->next = NULL;
		if (s->drain == DRAIN_SHUT) /* its user's */
			s->drain = DRAIN_NONE;
		else
			session_free(s);
	}
	app->n_zombies = 0;
	for (i = 0; i < app->n_blocks; i++)
		for (k = 0; k < APP_SESSION_BLOCK; k++) {
			s = &app->blocks[i][k];
			/* the next session layer knows nothing of these */
			while (s->state == SESSION_LISTENING &&
			       (p = session_pop(s)))
				session_free(p);
			session_rename(s, WIRE_INVALID_HANDLE);
			switch (session_now(s)) {
			case SESSION_BINDING:
				/* again, if it is a sock's already */
				if (s->user || (s->dual && s->dual->user)) {
					listener_orphaned(s);
					break;
				}
				fail(s, -ECONNRESET, WIRE_E_UNKNOWN);
				break;
			case SESSION_CONNECTING:
				fail(s, -ECONNRESET, WIRE_E_UNKNOWN);
				break;
			case SESSION_LISTENING:
				listener_orphaned(s);
				break;
			case SESSION_OPEN:
				open_orphaned(s);
				break;
			case SESSION_CLOSING:
				session_free(s);
				break;
			default:
				break;
			}
		}
}
