/* SPDX-License-Identifier: Apache-2.0 */
/* open.c - listen, accept, shutdown, names */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/signal.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"
#include "core/sock/vudp.h"

/* --- becoming ours --- */

int sock_int_opt(int fd, int level, int name, int *val)
{
	socklen_t len = sizeof(*val);

	*val = 0;
	return k_getsockopt(fd, level, name, val, &len);
}

/* A TCP socket of the kernel: its domain, or an error. */
int sock_tcp_domain(int fd)
{
	int proto, domain, err;

	err = sock_int_opt(fd, SOL_SOCKET, SO_PROTOCOL, &proto);
	if (err)
		return err;
	if (proto != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	err = sock_int_opt(fd, SOL_SOCKET, SO_DOMAIN, &domain);
	if (err)
		return err;
	return domain == AF_INET || domain == AF_INET6 ? domain : -EAFNOSUPPORT;
}

/* What the program set while the socket was still the kernel's. */
void sock_take_options(int fd, struct sock *s)
{
	struct timeval tv;
	struct linger lg;
	socklen_t len = sizeof(tv);
	int lowat;

	if (!k_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len))
		s->opts->rcvtimeo_ms = sock_millis(&tv);
	len = sizeof(tv);
	if (!k_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len))
		s->opts->sndtimeo_ms = sock_millis(&tv);
	len = sizeof(lg);
	if (!k_getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len) && lg.l_onoff)
		s->opts->linger = lg.l_linger;
	if (!sock_int_opt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat) && lowat > 0)
		s->opts->rcvlowat = lowat;
}

/**
 * sock_adopt() - Make a descriptor mean a session; app.lock held
 * @fd:		Without an entry
 * @out:	The sock, with no reference for the caller; may be NULL
 */
int sock_adopt(int fd, struct session *sess, int domain, bool nonblock,
	       const struct conf_choice *choice, struct sock **out)
{
	bool listener = sess->state == SESSION_LISTENING;
	struct sock *s = sock_new(listener ? SOCK_LISTENER : SOCK_SESSION);
	int err;

	if (!s)
		return -ENOMEM;
	s->domain = domain;
	s->fd = fd;
	s->sess = sess;
	s->hold = sess->hold;
	s->spin_us = choice->spin_us;
	s->require = choice->require;
	s->hold->flags = nonblock ? HOLD_NONBLOCK : 0;
	err = table_add(fd, s);
	if (err) {
		s->refs = 0; /* never seen by anybody; the block keeps it */
		return err;
	}
	sess->user = s;
	sess->notify = sock_session_event;
	epoll_sock_appears(fd, s);
	copy_adopt(fd, s);
	s->refs--; /* the entry's remains */
	if (out)
		*out = s;
	return 0;
}

/* --- listen --- */

static uint8_t listen_flags(int fd, int domain)
{
	uint8_t flags = 0;
	int val;

	if (domain == AF_INET6 &&
	    !sock_int_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &val) && val)
		flags |= WIRE_LISTEN_V6ONLY;
	if (!sock_int_opt(fd, SOL_SOCKET, SO_REUSEPORT, &val) && val)
		flags |= WIRE_LISTEN_REUSEPORT;
	return flags;
}

/* Announce a socket that listens in the kernel; app.lock held. */
static int announce(struct app *app, int fd, int domain,
		    const struct sockaddr *sa, socklen_t len,
		    const struct conf_choice *choice)
{
	struct session *sess;
	struct ctrl_addr addr;
	struct sock *s;
	int err, flags;

	err = addr_to_ctrl(sa, len, &addr);
	if (err)
		return err;
	flags = k_fcntl(fd, F_GETFL, 0);
	if (flags < 0)
		return flags;
	err = session_listen(app, &addr, listen_flags(fd, domain), choice->tls,
			     &sess);
	if (err)
		return err;
	err = app_wait_ctl(app, sess, LOCAL_ANSWER_MS);
	if (!err && sess->state == SESSION_FAILED)
		err = sess->error;
	if (!err)
		err = sock_adopt(fd, sess, domain, flags & O_NONBLOCK, choice,
				 &s);
	if (err) {
		session_close(sess, false);
		return err;
	}
	sock_take_options(fd, s);
	/* accept() must see both back-logs, so it never sleeps in the
	 * kernel's; the program's own O_NONBLOCK is in the hold */
	return k_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/*
 * By upgraded connections, or by a session layer's sessions?  What the
 * program's vcl.conf names beside sapid is VPP, which knows no links.
 */
bool sock_upgrades(const struct conf_choice *choice)
{
	if (choice->use != CONF_AUTO)
		return false;
	offer_hooks = &upgrade_hooks;
	return !conf_get()->vpp_socket[0] || offer_attach();
}

static int listen_session(int fd, int domain, const struct sockaddr *sa,
			  socklen_t len, const struct conf_choice *choice)
{
	struct app *app;
	int err;

	sock_init();
	app = app_get(choice->use);
	if (!app)
		return -ENETDOWN;
	err = announce(app, fd, domain, sa, len, choice);
	app_put(app);
	if (!err && !choice->hybrid) {
		err = choice->tls ? 0 : deaf_begin(fd);
		if (!err)
			err = deaf_keep(fd);
		if (err)
			log_warn("listener %d serves the kernel, too: %s", fd,
				 strerrorname_np(-err));
		return 0;
	}
	if (err) {
		log_info("listener %d stays with the kernel: %s", fd,
			 strerrorname_np(-err));
		app_count_kernel(WIRE_WHY_REFUSED);
	}
	return err;
}

/* It listens in the kernel, deaf if a rule wants TLS: what else? */
static int listens(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct conf_choice choice;
	int domain = sock_tcp_domain(fd), err;

	if (sock_sandboxed)
		return 0;
	if (domain < 0) {
		local_listens(fd, &choice);
		return 0;
	}
	conf_choose(conf_get(), CONF_TCP_SERVER, sa, NULL, &choice);
	if (choice.use == CONF_OS) {
		app_count_kernel(WIRE_WHY_RULE);
		return 0;
	}
	if (sock_upgrades(&choice)) {
		port_listens(fd, domain, sa, len, &choice);
		return choice.require && !offer_able() ? -ENETDOWN : 0;
	}
	err = listen_session(fd, domain, sa, len, &choice);
	return choice.require ? err : 0;
}

/* A rule may be about the port that the kernel has only now chosen, so the
 * filter comes before listen(2) and, where that was too early, after it.  Two
 * threads that come here would take each other's for somebody else's. */
static int listen_tls(int fd, const struct sockaddr *sa, socklen_t len)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	int err = 0;

	mutex_lock(&one);
	if (!table_peek(fd)) {
		err = deaf_begin(fd);
		if (!err && (sock_sandboxed || sock_tcp_domain(fd) < 0))
			err = -EPROTONOSUPPORT;
		if (!err)
			err = listens(fd, sa, len);
		if (err)
			deaf_end(fd);
	}
	mutex_unlock(&one);
	return err;
}

static int listen_kernel(int fd, int backlog)
{
	struct sockaddr_storage ss;
	struct sockaddr *sa = (struct sockaddr *)&ss;
	socklen_t len = sizeof(ss);
	bool deaf = false;
	int err;

	if (unlikely(conf_get()->tls) && !k_getsockname(fd, sa, &len) &&
	    sock_tls_only(fd, CONF_TCP_SERVER, sa)) {
		err = deaf_begin(fd);
		if (err)
			return err;
		deaf = true;
	}
	err = k_listen(fd, backlog);
	if (err && deaf)
		deaf_end(fd);
	len = sizeof(ss);
	if (err || conf_get()->disabled ||
	    (sock_sandboxed && !conf_get()->tls) || k_getsockname(fd, sa, &len))
		return err;
	return sock_tls_only(fd, CONF_TCP_SERVER, sa) ? listen_tls(fd, sa, len)
						      : listens(fd, sa, len);
}

int sock_listen(int fd, int backlog)
{
	struct sock *s = sock_get(fd);
	int err;

	if (!s)
		return listen_kernel(fd, backlog);
	err = sock_is_stream(s) ? -EINVAL : k_listen(fd, backlog);
	sock_put(s);
	return err;
}

/* --- accept --- */

/* As the kernel gives the name of @fd, for it judges where to; but ours. */
static int put_name(int fd, const struct ctrl_addr *a, int domain,
		    struct sockaddr *addr, socklen_t *len)
{
	socklen_t room;
	int err;

	if (user_get(&room, len, sizeof(room)))
		return -EFAULT;
	err = k_getsockname(fd, addr, len);
	if (err)
		return err;
	*len = room;
	addr_from_ctrl(a, domain, addr, len);
	return 0;
}

/* A connection of the session layer under a descriptor of its own: a TCP
 * socket of the kernel that keeps the number, the flags and the options. */
static int accept_session(struct sock *l, int flags, struct session **out)
{
	struct conf_choice choice = { .spin_us = l->spin_us };
	struct app *app = l->sess->app;
	struct session *sess;
	struct sock *s;
	int fd, err;

	fd = k_socket(l->domain, SOCK_STREAM | flags, IPPROTO_TCP);
	if (fd < 0)
		return fd;
	sock_fresh(fd);
	mutex_lock(&app->lock);
	err = -EAGAIN;
	while ((sess = session_pop(l->sess))) {
		err = session_accept(sess);
		if (!err)
			err = sock_adopt(fd, sess, l->domain,
					 flags & SOCK_NONBLOCK, &choice, &s);
		if (!err)
			break;
		log_debug("a connection was lost before accept()");
		session_close(sess, true);
		err = -EAGAIN;
	}
	if (!err) {
		s->opts->rcvtimeo_ms = (int)l->opts->rcvtimeo_ms;
		s->opts->sndtimeo_ms = (int)l->opts->sndtimeo_ms;
		s->opts->rcvlowat = (int)l->opts->rcvlowat;
		s->opts->linger = (int)l->opts->linger;
		s->connect_told = true;
		*out = sess;
	}
	mutex_unlock(&app->lock);
	if (err)
		k_close(fd);
	return err ? err : fd;
}

static int accept_once(struct sock *l, int lfd, struct sockaddr *addr,
		       socklen_t *len, int flags)
{
	struct session *sess;
	int fd, err;

	if (l->sess->n_pending) {
		fd = accept_session(l, flags, &sess);
		err = fd >= 0 && addr
			      ? put_name(fd, &sess->rmt, l->domain, addr, len)
			      : 0;
		if (err) { /* Linux: the connection is lost */
			sock_close(fd);
			return err;
		}
		if (fd != -EAGAIN)
			return fd;
	}
	fd = k_accept4(lfd, addr, len, flags);
	if (fd >= 0) {
		sock_fresh(fd);
		app_count_kernel(WIRE_WHY_PEER);
	}
	return fd;
}

/* It listens already, by another program's doing: inherited by exec, or
 * received. Its connections may get links as well. */
static struct sock *inherited(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conf_choice choice;
	int domain, listens;

	if (conf_get()->disabled)
		return NULL;
	if (sock_int_opt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens) || !listens)
		return NULL;
	domain = sock_tcp_domain(fd);
	if (domain < 0 && local_listens(fd, &choice))
		return sock_get(fd);
	if (domain < 0 || k_getsockname(fd, (struct sockaddr *)&ss, &len))
		return NULL;
	conf_choose(conf_get(), CONF_TCP_SERVER, (struct sockaddr *)&ss, NULL,
		    &choice);
	if (choice.tls) /* or it listens no more */
		return listen_tls(fd, (struct sockaddr *)&ss, len)
			       ? NULL
			       : sock_get(fd);
	if (choice.use == CONF_OS || !sock_upgrades(&choice))
		return NULL;
	port_listens(fd, domain, (struct sockaddr *)&ss, len, &choice);
	return sock_get(fd);
}

bool sock_accepts(int fd)
{
	struct sock *s;

	if (sock_is(fd))
		return true;
	if (sock_sandboxed || !sock_kind_is_new(fd))
		return false;
	s = inherited(fd);
	if (s)
		sock_put(s);
	return s;
}

int sock_accept4(int lfd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sock *l = sock_get_claimed(lfd);
	int fd, timeout;

	if (l && l->kind == SOCK_PORT) {
		fd = port_accept(l, lfd, addr, len, flags);
		sock_put(l);
		return fd;
	}
	if (!l || l->kind != SOCK_LISTENER) {
		if (l)
			sock_put(l);
		fd = k_accept4(lfd, addr, len, flags);
		if (fd >= 0)
			sock_fresh(fd);
		return fd;
	}
	hold_accept(l->hold);
	for (;;) {
		app_poll();
		fd = accept_once(l, lfd, addr, len, flags);
		if (fd != -EAGAIN || sock_nonblock(l))
			break;
		timeout = l->opts->rcvtimeo_ms;
		fd = sock_wait(l, POLLIN, timeout ? timeout : -1);
		if (fd)
			break;
	}
	sock_put(l);
	return fd;
}

/* --- shutdown, names --- */

/* Closed as far as TCP knows: reset, or a FIN each way. */
bool sock_closed(struct sock *s)
{
	unsigned flags = session_flags(s->sess);

	return s->sess->state != SESSION_OPEN ||
	       sock_was_told(s, HOLD_GONE_TOLD) ||
	       flags & (SESSION_RESET | SESSION_BROKEN) ||
	       (flags & SESSION_PEER_SHUT && s->hold->flags & HOLD_WR_SHUT);
}

static int shutdown_session(struct sock *s, int how)
{
	int err = 0;

	app_poll();
	if (sock_closed(s))
		return -ENOTCONN;
	if (how == SHUT_RD || how == SHUT_RDWR)
		atomic_fetch_or(&s->hold->flags, HOLD_RD_SHUT);
	if ((how == SHUT_WR || how == SHUT_RDWR) &&
	    !(atomic_fetch_or(&s->hold->flags, HOLD_WR_SHUT) & HOLD_WR_SHUT))
		err = session_shutdown(s->sess);
	sock_notify(s); /* blocked threads of this process */
	return err == -EPIPE ? 0 : err;
}

/* Counted as a call that sends, so that nobody switches meanwhile. */
static int shutdown_link(struct sock *s, int fd, int how)
{
	int err;

	if (!link_enter_kernel(s, fd, &s->k_tx))
		return link_shutdown(s, fd, s->link, how);
	if (how != SHUT_WR || link_is_local(s)) {
		s->rd_shut = true;
		if (s->hold)
			atomic_fetch_or(&s->hold->flags, HOLD_RD_SHUT);
	}
	err = k_shutdown(fd, how);
	--s->k_tx;
	return err;
}

int sock_shutdown(int fd, int how)
{
	struct sock *s = sock_get_claimed(fd);
	int err;

	if (!s)
		return k_shutdown(fd, how);
	if (how < SHUT_RD || how > SHUT_RDWR)
		err = -EINVAL;
	else if (s->kind == SOCK_SESSION)
		err = shutdown_session(s, how);
	else if (s->kind == SOCK_LINK)
		err = shutdown_link(s, fd, how);
	else if (s->kind == SOCK_UDP)
		err = dgram_shutdown(s, fd, how);
	else
		err = k_shutdown(fd, how);
	sock_put(s);
	return err;
}

static int name_of(int fd, struct sockaddr *addr, socklen_t *len, bool peer)
{
	struct sock *s = sock_get(fd);
	struct ctrl_addr a;
	int err;

	if (s && s->kind == SOCK_UDP && dgram_is_vpps_alone(s->dgram)) {
		vudp_name(s, &a, peer);
		err = put_name(fd, &a, s->domain, addr, len);
		sock_put(s);
		return err;
	}
	if (!s || s->kind != SOCK_SESSION) {
		if (s)
			sock_put(s);
		return peer ? k_getpeername(fd, addr, len)
			    : k_getsockname(fd, addr, len);
	}
	if (peer && (app_poll(), sock_closed(s)))
		err = -ENOTCONN;
	else
		err = put_name(fd, peer ? &s->sess->rmt : &s->sess->lcl,
			       s->domain, addr, len);
	sock_put(s);
	return err;
}

int sock_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return name_of(fd, addr, len, false);
}

int sock_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	return name_of(fd, addr, len, true);
}
