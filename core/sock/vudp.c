/* SPDX-License-Identifier: Apache-2.0 */
/* vudp.c - the life of a UDP socket that VPP carries */
#include "core/sock/vudp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"

/* VPP answers at once.  A peer in a cut-through does when it looks, and is not
 * waited for for ever: what is sent meanwhile waits. */
#define ANSWER_MS 1000

/* --- sessions --- */

/* session.notify, with app.lock held */
static void on_event(struct session *sess)
{
	struct sock *s = sess->user;
	struct vudp *v = s->dgram->vpp;
	unsigned flags = session_flags(sess);
	bool refused;

	pthread_mutex_lock(&v->lock);
	/* of a cut-through it says that the peer has not read all: UDP does
	 * not */
	refused = flags & SESSION_RESET && (!sess->cut || !sess->app->attached);
	refused |= sess->state == SESSION_FAILED;
	if (sess == v->conn && refused && !v->refused_told) {
		v->refused_told = true;
		s->opts->error = ECONNREFUSED;
		s->errors++;
	}
	pthread_mutex_unlock(&v->lock);
	sock_notify(s);
}

/* With app.lock: another one, or NULL, takes its place. */
static void set_conn(struct vudp *v, struct session *sess)
{
	struct session *old;

	pthread_mutex_lock(&v->lock);
	old = v->conn;
	if (vudp_usable(old))
		v->tails += fifo_tail(&old->rx);
	v->conn = sess;
	v->refused_told = false;
	if (sess) {
		sess->user = v->sock;
		sess->notify = on_event;
	}
	pthread_mutex_unlock(&v->lock);
	if (old)
		session_close(old, false);
}

/* With app.lock, which is given up meanwhile. */
static int ask(struct app *app, struct vudp *v, const struct ctrl_addr *rmt,
	       struct session **sess)
{
	bool own = v->bound.port || !addr_is_any(&v->bound);
	int err = session_connect_udp(app, rmt, own ? &v->bound : NULL, true,
				      sess);

	if (err)
		return err;
	err = app_wait_ctl(app, *sess, ANSWER_MS);
	if (err == -ETIMEDOUT)
		return 0;
	if (!err && (*sess)->state == SESSION_FAILED)
		err = (*sess)->error;
	if (err)
		session_close(*sess, false);
	return err;
}

/* A port of this host's that nobody else has. */
static uint16_t reserve_port(struct sock *s, int fd)
{
	struct sockaddr_storage ss = { .ss_family = (sa_family_t)s->domain };
	struct sockaddr *sa = (struct sockaddr *)&ss;
	struct ctrl_addr a;
	socklen_t len = s->domain == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
	int i;

	for (i = 0; i < 2; i++) {
		socklen_t room = sizeof(ss);

		if (!k_getsockname(fd, sa, &room) &&
		    !addr_to_ctrl(sa, room, &a) && a.port)
			return a.port;
		memset(&ss, 0, sizeof(ss));
		ss.ss_family = (sa_family_t)s->domain;
		if (i || k_bind(fd, sa, len))
			break;
	}
	return 0;
}

static void name_from(struct vudp *v, const struct session *sess, int fd)
{
	if (!v->port && (sess->cut || sess->state == SESSION_CONNECTING))
		v->port = reserve_port(v->sock, fd);
}

/* --- becoming VPP's, and the kernel's again --- */

/* NULL: it can't be */
static struct vudp *vudp_of(struct sock *s)
{
	struct dgram *d = s->dgram;
	struct vudp *v = d->vpp;

	if (v)
		return v;
	/* who has had links stays with them: the kernel watches them */
	if (d->live || sock_sandboxed)
		return NULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->sock = s;
	pthread_mutex_init(&v->lock, NULL);
	dgram_leave(s, true);
	d->vpp = v;
	d->live = true; /* nobody is to wait in the kernel alone */
	return v;
}

static void begin(struct vudp *v)
{
	v->active = true;
	epoll_dgram_asked(v->sock);
	sock_notify(v->sock);
}

/* The kernel's half is the whole. */
static void end(struct vudp *v)
{
	v->active = v->connected = false;
	epoll_dgram_asked(v->sock);
	sock_notify(v->sock);
}

static void drop_conn(struct vudp *v)
{
	struct app *app;

	if (!v->conn)
		return;
	app = v->conn->app;
	pthread_mutex_lock(&app->lock);
	set_conn(v, NULL);
	pthread_mutex_unlock(&app->lock);
}

static void leave(struct vudp *v)
{
	if (!v->active)
		return;
	drop_conn(v);
	v->sock->opts->error = 0;
	end(v);
}

/* --- connect(2) --- */

/* What the program has bound it to; a port that we have reserved is no wish. */
static void note_bound(struct vudp *v, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (v->port)
		return;
	if (k_getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    addr_to_ctrl((struct sockaddr *)&ss, len, &v->bound))
		memset(&v->bound, 0, sizeof(v->bound));
}

static int connect_vpp(struct vudp *v, int fd, const struct ctrl_addr *rmt,
		       const struct conf_choice *choice)
{
	static const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct session *sess = NULL;
	struct app *app = app_get(CONF_VPP);
	int err;

	if (!app)
		return -ENETDOWN;
	note_bound(v, fd);
	err = ask(app, v, rmt, &sess);
	if (err) {
		app_put(app);
		return err;
	}
	v->peer = *rmt;
	v->require = choice->require;
	v->sock->spin_us = choice->spin_us;
	v->sock->opts->error = 0;
	v->connected = true;
	/* what it was connected to by the kernel it is no more */
	if (v->sock->dgram->connected && !k_connect(fd, &none, sizeof(none)))
		v->sock->dgram->connected = false;
	name_from(v, sess, fd);
	set_conn(v, sess);
	app_put(app);
	begin(v);
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
	if (addr_is_any(rmt)) { /* Linux: this host */
		rmt->ip[12] = rmt->is_ip4 ? 127 : 0;
		rmt->ip[15] = 1;
	}
	return true;
}

/**
 * vudp_connect() - connect(2) of a UDP socket, if it is VPP's or was
 * @ret:	set if so
 *
 * Where the kernel refuses the address all stays as it is.
 */
bool vudp_connect(struct sock *s, int fd, const struct sockaddr *sa,
		  socklen_t len, int *ret)
{
	struct vudp *v = s->dgram->vpp;
	struct conf_choice choice;
	struct ctrl_addr rmt;

	if (!v && !conf_udp_by_vpp(conf_get()))
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
	if (!v || !v->active)
		return false;
	*ret = k_connect(fd, sa, len);
	if (*ret)
		return true;
	leave(v);
	s->dgram->connected =
		len >= sizeof(sa->sa_family) && sa->sa_family != AF_UNSPEC;
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
	addr_from_ctrl(&v->peer, s->domain, (struct sockaddr *)&ss, &len);
	err = k_connect(s->fd, (struct sockaddr *)&ss, len);
	if (err)
		return err;
	s->dgram->connected = true;
	leave(v);
	return 1;
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
		err = ask(app, v, &v->peer, &sess);
		set_conn(v, err ? NULL : sess);
		if (!err)
			name_from(v, sess, s->fd);
	}
	app_put(app);
	cancel_back(cancel);
	return err;
}

/* --- the rest --- */

int vudp_shutdown(struct sock *s, int fd, int how)
{
	struct vudp *v = s->dgram->vpp;

	if (!v->connected)
		return k_shutdown(fd, how);
	if (how != SHUT_WR)
		v->rd_shut = true;
	if (how != SHUT_RD)
		v->wr_shut = true;
	s->shuts++;
	sock_notify(s);
	return 0;
}

int vudp_name(struct sock *s, struct ctrl_addr *a, bool peer)
{
	struct vudp *v = s->dgram->vpp;

	if (peer && !v->connected)
		return -ENOTCONN;
	pthread_mutex_lock(&v->lock);
	*a = v->peer;
	if (!peer && v->conn)
		*a = v->conn->lcl;
	if (!peer && (!v->conn || v->conn->cut))
		a->port = v->port;
	pthread_mutex_unlock(&v->lock);
	return 0;
}

void vudp_release(struct vudp *v)
{
	if (!v)
		return;
	drop_conn(v);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* --- fork --- */

void vudp_fork_prepare(struct vudp *v)
{
	if (v)
		pthread_mutex_lock(&v->lock);
}

void vudp_fork_parent(struct vudp *v)
{
	if (v)
		pthread_mutex_unlock(&v->lock);
}

/* A copy of the parent's: nobody is told that it goes. */
static void forget(struct session *sess)
{
	struct app *app;

	if (!sess)
		return;
	app = sess->app;
	pthread_mutex_lock(&app->lock);
	sess->hold = NULL;
	sess->next = NULL;
	session_free(sess);
	pthread_mutex_unlock(&app->lock);
}

void vudp_fork_child(struct vudp *v)
{
	if (!v)
		return;
	forget(v->conn);
	v->conn = NULL;
	v->sock->unclaimed = v->active;
	pthread_mutex_unlock(&v->lock);
}

void vudp_claim(struct sock *s)
{
	int err;

	s->unclaimed = false;
	err = vudp_again(s);
	if (err < 0)
		log_info("an inherited UDP socket is not VPP's here: %s",
			 strerrorname_np(-err));
}
