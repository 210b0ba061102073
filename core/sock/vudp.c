/* SPDX-License-Identifier: Apache-2.0 */
/* vudp.c - the life of a UDP socket that VPP carries */
#include "core/sock/vudp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/signal.h"

#define PORT_TRIES 100 /* a millisecond each */

/* --- sessions --- */

/* Has the network, or VPP, let it down? That a cut-through's peer has not read
 * all is nothing that UDP would know. */
static bool is_refused(const struct session *sess)
{
	return sess->state == SESSION_FAILED ||
	       (session_flags(sess) & SESSION_RESET &&
		(!sess->cut || !sess->app->attached));
}

/* session.notify, with app.lock held */
void vudp_event(struct session *sess)
{
	struct sock *s = sess->user;
	struct vudp *v = s->dgram->vpp;

	mutex_lock(&v->lock);
	if (sess == v->conn && is_refused(sess) && !v->refused_told) {
		v->refused_told = true;
		s->opts->error = ECONNREFUSED;
		s->errors++;
	}
	mutex_unlock(&v->lock);
	vudp_adopt(v);
	vudp_sweep(v);
	sock_notify(s);
}

static void watch(struct vudp *v, struct session *sess)
{
	if (!sess)
		return;
	sess->user = v->sock;
	sess->notify = vudp_event;
}

/* With app.lock: another one, or NULL, takes the place of what is there. */
static void put_in(struct vudp *v, struct session **place, struct session *sess)
{
	struct session *old;

	watch(v, sess);
	mutex_lock(&v->lock);
	old = *place;
	if (vudp_usable(old))
		v->tails += fifo_tail(&old->rx);
	if (old && old->ip4 && vudp_usable(old->ip4))
		v->tails += fifo_tail(&old->ip4->rx);
	v->sticky = NULL;
	*place = sess;
	mutex_unlock(&v->lock);
	if (old)
		session_close(old, false);
}

static void set_conn(struct vudp *v, struct session *sess)
{
	put_in(v, &v->conn, sess);
	v->refused_told = false;
}

int vudp_answer(struct app *app, struct session *sess)
{
	int err = app_wait_ctl(app, sess, VUDP_ANSWER_MS);

	return !err && sess->state == SESSION_FAILED ? sess->error : err;
}

static int ask_once(struct app *app, struct vudp *v,
		    const struct ctrl_addr *rmt, struct session **sess)
{
	bool own = v->own.port || !addr_is_any(&v->own);
	int err =
		session_connect_udp(app, rmt, own ? &v->own : NULL, true, sess);

	if (err)
		return err;
	err = vudp_answer(app, *sess);
	if (err == -ETIMEDOUT)
		return 0;
	if (err)
		session_close(*sess, false);
	return err;
}

/*
 * With app.lock, which is given up meanwhile: a session to @rmt, which may
 * still be without an answer.  VPP takes a while to let go of a port that the
 * one so far has had.
 */
static int ask(struct app *app, struct vudp *v, const struct ctrl_addr *rmt,
	       struct session **sess)
{
	int err, i;

	for (i = 0;; i++) {
		err = ask_once(app, v, rmt, sess);
		if (err != -EADDRINUSE || !v->own.port || i == PORT_TRIES)
			return err;
		set_conn(v, NULL);
		app_rest(app);
	}
}

/* What the program has bound it to: one that the kernel or we have chosen is no
 * wish. */
void vudp_note_own(struct vudp *v, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!v->sock->dgram->bound)
		return;
	if (k_getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    addr_to_ctrl((struct sockaddr *)&ss, len, &v->own))
		memset(&v->own, 0, sizeof(v->own));
}

/* The name of this end of a cut-through: what it is bound to, or a port of this
 * host's that nobody else has. */
void vudp_reserve_port(struct vudp *v, int fd)
{
	struct sockaddr_storage ss = { .ss_family =
					       (sa_family_t)v->sock->domain };
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len = ss.ss_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	struct ctrl_addr a = v->own;

	if (v->port)
		return;
	/* the kernel may have chosen one already, and says that it is bound */
	if (!a.port && k_bind(fd, sa, len))
		log_debug("UDP socket %d has a port", fd);
	len = sizeof(ss);
	if (!a.port &&
	    (k_getsockname(fd, sa, &len) || addr_to_ctrl(sa, len, &a)))
		a.port = 0;
	v->port = a.port;
}

static void name_end(struct vudp *v, const struct session *sess, int fd)
{
	if (sess->cut || sess->state == SESSION_CONNECTING)
		vudp_reserve_port(v, fd);
}

/* --- becoming VPP's, and the kernel's again --- */

struct vudp *vudp_of(struct sock *s)
{
	struct dgram *d = s->dgram;
	struct vudp *v = d->vpp, *first = NULL;

	if (v)
		return v;
	/* who has had links stays with them: the kernel watches them.  Or
	 * another thread has been faster. */
	if (d->live || sock_sandboxed)
		return d->vpp;
	v = mem_zalloc(1, sizeof(*v));
	if (!v)
		return NULL;
	dgram_leave(s, true);
	v->sock = s;
	pthread_mutex_init(&v->lock, NULL);
	/* of several threads that send their first, one */
	if (!atomic_compare_exchange_strong(&d->vpp, &first, v)) {
		pthread_mutex_destroy(&v->lock);
		mem_free(v);
		v = first;
	}
	d->live = true; /* nobody is to wait in the kernel alone */
	return v;
}

void vudp_begin(struct vudp *v)
{
	v->active = true;
	epoll_dgram_asked(v->sock);
	sock_notify(v->sock);
}

/* With app.lock */
static void drop_all(struct vudp *v)
{
	set_conn(v, NULL);
	put_in(v, &v->listener, NULL);
	vudp_drop_peers(v);
}

/* There is one attachment to VPP. */
static void drop(struct vudp *v)
{
	struct session *any = v->conn	    ? v->conn
			      : v->listener ? v->listener
			      : v->n_peers  ? v->peer[0].sess
					    : NULL;
	struct app *app = any ? any->app : NULL;

	if (!app)
		return;
	mutex_lock(&app->lock);
	drop_all(v);
	mutex_unlock(&app->lock);
}

/* The kernel's half is the whole. */
static void leave(struct vudp *v)
{
	if (!v->active)
		return;
	drop(v);
	v->sock->opts->error = 0;
	v->active = v->connected = false;
	epoll_dgram_asked(v->sock);
	sock_notify(v->sock);
}

/* --- bind(2) --- */

/* With app.lock, which is given up meanwhile. */
static int listen_vpp(struct app *app, struct vudp *v)
{
	struct session *sess;
	int err = session_listen_udp(app, &v->at, v->listen_flags, &sess);

	if (err)
		return err;
	watch(v, sess);
	err = vudp_answer(app, sess);
	if (err) {
		session_close(sess, false);
		return err;
	}
	put_in(v, &v->listener, sess);
	vudp_adopt(v);
	return 0;
}

static int start_listening(struct vudp *v)
{
	struct app *app = app_get(CONF_VPP);
	int err;

	if (!app)
		return -ENETDOWN;
	err = listen_vpp(app, v);
	app_put(app);
	if (!err)
		vudp_begin(v);
	return err;
}

static uint8_t flags_of(const struct sock *s, int fd)
{
	int val;

	return s->domain == AF_INET6 &&
			       !sock_int_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY,
					     &val) &&
			       val
		       ? WIRE_LISTEN_V6ONLY
		       : 0;
}

static int bind_vpp(struct sock *s, int fd, const struct ctrl_addr *at,
		    bool vpps)
{
	struct vudp *v;
	int err;

	sock_init();
	v = vudp_of(s);
	if (!v)
		return -EOPNOTSUPP;
	err = vudp_make_peers(v);
	if (err)
		return err;
	v->at = v->own = *at;
	v->vpps_address = vpps;
	v->listen_flags = flags_of(s, fd);
	err = start_listening(v);
	v->listens = !err;
	return err;
}

int vudp_bound(struct sock *s, int fd, bool vpps)
{
	struct sockaddr_storage ss;
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len = sizeof(ss);
	struct conf_choice choice;
	struct ctrl_addr at;
	int err;

	if (k_getsockname(fd, sa, &len) || addr_to_ctrl(sa, len, &at))
		return 0;
	conf_choose(conf_get(), CONF_UDP_RECEIVER, sa, NULL, &choice);
	if (choice.use != CONF_VPP)
		return 0;
	err = bind_vpp(s, fd, &at, vpps);
	if (!err) {
		s->spin_us = choice.spin_us;
		return 0;
	}
	log_info("UDP socket %d stays with the kernel: %s", fd,
		 strerrorname_np(-err));
	return choice.require ? err : 0;
}

/* --- connect(2) --- */

/* VPP lets nobody else have the port of a listener, not even for another
 * address; so that goes, and comes back if it was in vain. */
static int connect_session(struct app *app, struct vudp *v, int fd,
			   const struct ctrl_addr *rmt)
{
	struct session *sess = NULL;
	int err;

	vudp_note_own(v, fd);
	put_in(v, &v->listener, NULL);
	err = ask(app, v, rmt, &sess);
	if (err) {
		if (v->listens && !v->connected && listen_vpp(app, v))
			log_info("UDP socket %d does not listen any more", fd);
		return err;
	}
	name_end(v, sess, fd);
	vudp_drop_peers(v);
	set_conn(v, sess);
	v->to = *rmt;
	return 0;
}

static int connect_vpp(struct vudp *v, int fd, const struct ctrl_addr *rmt,
		       const struct conf_choice *choice)
{
	static const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct app *app = app_get(CONF_VPP);
	struct sock *s = v->sock;
	int err;

	if (!app)
		return -ENETDOWN;
	err = connect_session(app, v, fd, rmt);
	if (!err) {
		v->require = choice->require;
		s->spin_us = choice->spin_us;
		s->opts->error = 0;
		v->connected = true;
	}
	app_put(app);
	if (err)
		return err;
	/* what it was connected to by the kernel it is no more */
	if (s->dgram->connected && !k_connect(fd, &none, sizeof(none)))
		s->dgram->connected = false;
	vudp_begin(v);
	return 0;
}

/* Is it VPP's by the rules, and what shall it be connected to? */
static bool wanted(struct sock *s, const struct sockaddr *sa, socklen_t len,
		   struct ctrl_addr *rmt, struct conf_choice *choice)
{
	if (addr_to_ctrl(sa, len, rmt) || !rmt->port ||
	    (s->domain == AF_INET && !rmt->is_ip4))
		return false;
	conf_choose(conf_get(), CONF_UDP_CONNECT, sa, NULL, choice);
	if (choice->use != CONF_VPP)
		return false;
	addr_any_is_here(rmt);
	return true;
}

/* By the kernel, or to nothing, and then it is bound as it was. */
static int connect_kernel(struct vudp *v, int fd, const struct sockaddr *sa,
			  socklen_t len)
{
	int err = k_connect(fd, sa, len);

	if (err) /* and all stays as it is */
		return err;
	leave(v);
	v->sock->dgram->connected =
		len >= sizeof(sa->sa_family) && sa->sa_family != AF_UNSPEC;
	if (v->listens && !v->sock->dgram->connected && start_listening(v))
		log_info("UDP socket %d does not listen any more", fd);
	return 0;
}

/**
 * vudp_connect() - connect(2) of a UDP socket, if it is VPP's or was
 * @ret:	set if so
 */
bool vudp_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len, int *ret)
{
	struct vudp *v = s->dgram->vpp;
	struct conf_choice choice;
	struct ctrl_addr rmt;

	if (!s->dgram->may_vpp)
		return false;
	if (wanted(s, sa, len, &rmt, &choice)) {
		sock_init();
		v = vudp_of(s);
		*ret = v ? connect_vpp(v, fd, &rmt, &choice) : -EOPNOTSUPP;
		if (!*ret)
			return true;
		log_debug("UDP socket %d: not by VPP: %s", fd,
			  strerrorname_np(-*ret));
		if (*ret == -EHOSTUNREACH && addr_is_loopback(&rmt))
			*ret = -ECONNREFUSED; /* nobody listens there */
		if (choice.require)
			return true;
	}
	if (!v || (!v->active && !v->listens))
		return false;
	*ret = connect_kernel(v, fd, sa, len);
	return true;
}

/* Nobody carries it but the kernel: who can, if it can get there. */
static int to_kernel(struct sock *s)
{
	struct vudp *v = s->dgram->vpp;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int err;

	if (v->require)
		return -ENETDOWN;
	addr_from_ctrl(&v->to, s->domain, (struct sockaddr *)&ss, &len);
	err = connect_kernel(v, s->fd, (struct sockaddr *)&ss, len);
	return err ? err : 1;
}

int vudp_again(struct sock *s)
{
	struct vudp *v = s->dgram->vpp;
	struct session *sess = NULL;
	struct app *app;
	int err = 0, cancel = cancel_off();

	app = app_get(CONF_VPP);
	if (!app) {
		err = to_kernel(s);
		cancel_back(cancel);
		return err;
	}
	if (vudp_ended(v->conn)) { /* nobody else was faster */
		err = ask(app, v, &v->to, &sess);
		if (!err)
			name_end(v, sess, s->fd);
		set_conn(v, err ? NULL : sess);
	}
	app_put(app);
	cancel_back(cancel);
	return err;
}

/* --- the rest --- */

int vudp_shutdown(struct sock *s, int fd, int how)
{
	struct vudp *v = s->dgram->vpp;
	int err = 0;

	/* Linux: a socket that is not connected is shut, and then told so */
	if (!v->connected)
		err = k_shutdown(fd, how);
	if (how != SHUT_WR)
		v->rd_shut = true;
	if (how != SHUT_RD)
		v->wr_shut = true;
	s->shuts++;
	sock_notify(s);
	return err;
}

void vudp_name(struct sock *s, struct ctrl_addr *a, bool peer)
{
	struct vudp *v = s->dgram->vpp;

	mutex_lock(&v->lock);
	*a = v->to;
	if (!peer && v->conn)
		*a = v->conn->lcl;
	if (!peer && (!v->conn || v->conn->cut))
		a->port = v->port;
	mutex_unlock(&v->lock);
}

void vudp_release(struct vudp *v)
{
	if (!v)
		return;
	drop(v);
	vudp_free_peers(v);
	pthread_mutex_destroy(&v->lock);
	mem_free(v);
}

/* --- fork --- */

void vudp_fork_prepare(struct vudp *v)
{
	if (v)
		mutex_lock(&v->lock);
}

void vudp_fork_parent(struct vudp *v)
{
	if (v)
		mutex_unlock(&v->lock);
}

/* A copy of the parent's: nobody is told that it goes. */
static void forget(struct session *sess)
{
	struct session *p;
	struct app *app;

	if (!sess)
		return;
	app = sess->app;
	mutex_lock(&app->lock);
	while ((p = session_pop(sess))) {
		p->hold = NULL;
		session_free(p);
	}
	if (sess->ip4)
		session_free(sess->ip4);
	sess->hold = NULL;
	session_free(sess);
	mutex_unlock(&app->lock);
}

void vudp_fork_child(struct vudp *v)
{
	if (!v)
		return;
	forget(v->conn);
	forget(v->listener);
	v->conn = v->listener = v->sticky = NULL;
	while (v->n_peers)
		forget(v->peer[--v->n_peers].sess);
	v->sock->unclaimed = v->active;
	mutex_unlock(&v->lock);
}

void vudp_claim(struct sock *s)
{
	struct vudp *v = s->dgram->vpp;
	int err = 0;

	s->unclaimed = false;
	if (v->connected)
		err = vudp_again(s);
	else if (v->listens)
		err = start_listening(v);
	if (err < 0)
		log_info("an inherited UDP socket is not VPP's here: %s",
			 strerrorname_np(-err));
}
