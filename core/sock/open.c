/* SPDX-License-Identifier: Apache-2.0 */
/* open.c - listen, accept, connect, shutdown, names */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/* sapid answers at once; a stopped one must not hold up the program */
#define LOCAL_ANSWER_MS 1000

/* --- addresses --- */

static bool is_mapped(const uint8_t ip[16])
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return !memcmp(ip, prefix, sizeof(prefix));
}

static int addr_to_ctrl(const struct sockaddr *sa, socklen_t len,
			struct ctrl_addr *a)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in4;

	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET && len >= sizeof(in4)) {
		memcpy(&in4, sa, sizeof(in4));
		a->is_ip4 = 1;
		a->port = in4.sin_port;
		memcpy(a->ip + 12, &in4.sin_addr, 4);
		return 0;
	}
	if (sa->sa_family == AF_INET6 &&
	    len >= offsetof(struct sockaddr_in6, sin6_scope_id)) {
		memset(&in6, 0, sizeof(in6));
		memcpy(&in6, sa, MIN((size_t)len, sizeof(in6)));
		a->port = in6.sin6_port;
		memcpy(a->ip, &in6.sin6_addr, 16);
		if (is_mapped(a->ip)) {
			a->is_ip4 = 1;
			memset(a->ip, 0, 12);
		}
		return 0;
	}
	return -EAFNOSUPPORT;
}

/**
 * addr_from_ctrl() - An address as a socket of a domain shows it
 * @len:	In: room in @out; out: what there is, as getsockname(2)
 */
void addr_from_ctrl(const struct ctrl_addr *a, int domain, struct sockaddr *out,
		    socklen_t *len)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = a->port };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = a->port };

	if (domain == AF_INET) {
		memcpy(&in4.sin_addr, a->ip + 12, 4);
		memcpy(out, &in4, MIN((size_t)*len, sizeof(in4)));
		*len = sizeof(in4);
		return;
	}
	memcpy(&in6.sin6_addr, a->ip, 16);
	if (a->is_ip4) {
		in6.sin6_addr.s6_addr[10] = 0xff;
		in6.sin6_addr.s6_addr[11] = 0xff;
	}
	memcpy(out, &in6, MIN((size_t)*len, sizeof(in6)));
	*len = sizeof(in6);
}

static bool is_any(const struct ctrl_addr *a)
{
	static const uint8_t any[16];

	return !memcmp(a->ip, any, sizeof(any));
}

static bool is_loopback(const struct ctrl_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->is_ip4 ? a->ip[12] == 127 : !memcmp(a->ip, one, 16);
}

/* An address that a socket can be bound to is one of this host. */
static bool is_local(const struct ctrl_addr *a)
{
	struct ctrl_addr host = *a;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int domain = a->is_ip4 ? AF_INET : AF_INET6, fd, err;

	if (is_any(a) || is_loopback(a))
		return true;
	host.port = 0;
	addr_from_ctrl(&host, domain, (struct sockaddr *)&ss, &len);
	fd = k_socket(domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	err = k_bind(fd, (struct sockaddr *)&ss, len);
	k_close(fd);
	return !err;
}

/* --- becoming ours --- */

static int int_opt(int fd, int level, int name, int *val)
{
	socklen_t len = sizeof(*val);

	*val = 0;
	return k_getsockopt(fd, level, name, val, &len);
}

/* A TCP socket of the kernel: its domain, or an error. */
static int tcp_domain(int fd)
{
	int proto, domain, err;

	err = int_opt(fd, SOL_SOCKET, SO_PROTOCOL, &proto);
	if (err)
		return err;
	if (proto != IPPROTO_TCP)
		return -EPROTONOSUPPORT;
	err = int_opt(fd, SOL_SOCKET, SO_DOMAIN, &domain);
	if (err)
		return err;
	return domain == AF_INET || domain == AF_INET6 ? domain : -EAFNOSUPPORT;
}

/* What the program set while the socket was still the kernel's. */
static void take_options(int fd, struct sock *s)
{
	struct timeval tv;
	struct linger lg;
	socklen_t len = sizeof(tv);
	int lowat;

	if (!k_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len))
		s->rcvtimeo_ms = sock_millis(&tv);
	len = sizeof(tv);
	if (!k_getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len))
		s->sndtimeo_ms = sock_millis(&tv);
	len = sizeof(lg);
	if (!k_getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len) && lg.l_onoff)
		s->linger = lg.l_linger;
	if (!int_opt(fd, SOL_SOCKET, SO_RCVLOWAT, &lowat) && lowat > 0)
		s->rcvlowat = lowat;
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
	    !int_opt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &val) && val)
		flags |= WIRE_LISTEN_V6ONLY;
	if (!int_opt(fd, SOL_SOCKET, SO_REUSEPORT, &val) && val)
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
	err = session_listen(app, &addr, listen_flags(fd, domain), &sess);
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
	take_options(fd, s);
	/* accept() must see both back-logs, so it never sleeps in the
	 * kernel's; the program's own O_NONBLOCK is in the hold */
	return k_fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int sock_listen(int fd, int backlog)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct conf_choice choice;
	struct app *app;
	struct sock *s;
	int err, domain;

	s = sock_get(fd);
	if (s) {
		err = s->kind == SOCK_SESSION ? -EINVAL : k_listen(fd, backlog);
		sock_put(s);
		return err;
	}
	err = k_listen(fd, backlog);
	if (err || conf_get()->disabled)
		return err;
	domain = tcp_domain(fd);
	if (domain < 0)
		return 0;
	err = k_getsockname(fd, (struct sockaddr *)&ss, &len);
	if (err)
		return 0;
	conf_choose(conf_get(), CONF_TCP_SERVER, (struct sockaddr *)&ss, NULL,
		    &choice);
	if (choice.use == CONF_OS) {
		app_count_kernel(WIRE_WHY_RULE);
		return 0;
	}
	sock_init();
	app = app_get(choice.use);
	if (!app)
		return choice.require ? -ENETDOWN : 0;
	err = announce(app, fd, domain, (struct sockaddr *)&ss, len, &choice);
	app_put(app);
	if (err) {
		log_info("listener %d stays with the kernel: %s", fd,
			 strerrorname_np(-err));
		app_count_kernel(WIRE_WHY_REFUSED);
	}
	return err && choice.require ? err : 0;
}

/* --- accept --- */

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
	pthread_mutex_lock(&app->lock);
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
		s->rcvtimeo_ms = (int)l->rcvtimeo_ms;
		s->sndtimeo_ms = (int)l->sndtimeo_ms;
		s->rcvlowat = (int)l->rcvlowat;
		s->linger = (int)l->linger;
		s->connect_told = true;
		*out = sess;
	}
	pthread_mutex_unlock(&app->lock);
	if (err)
		k_close(fd);
	return err ? err : fd;
}

static int accept_once(struct sock *l, int lfd, struct sockaddr *addr,
		       socklen_t *len, int flags)
{
	struct session *sess;
	int fd;

	if (l->sess->n_pending) {
		fd = accept_session(l, flags, &sess);
		if (fd >= 0 && addr && (!len || (int)*len < 0)) {
			sock_close(fd); /* Linux: the connection is lost */
			return len ? -EINVAL : -EFAULT;
		}
		if (fd >= 0 && addr)
			addr_from_ctrl(&sess->rmt, l->domain, addr, len);
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

int sock_accept4(int lfd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sock *l = sock_get_claimed(lfd);
	int fd, timeout;

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
		timeout = l->rcvtimeo_ms;
		fd = sock_wait(l, POLLIN, timeout ? timeout : -1);
		if (fd)
			break;
	}
	sock_put(l);
	return fd;
}

/* --- connect --- */

/* connect(2) on what is already ours */
static int connect_again(struct sock *s)
{
	struct session *sess = s->sess;
	int err;

	if (s->kind != SOCK_SESSION)
		return -EISCONN;
	switch (session_now(sess)) {
	case SESSION_CONNECTING:
		if (sock_nonblock(s))
			return -EALREADY;
		err = sock_wait(s, POLLOUT, -1);
		return err ? err : connect_again(s);
	case SESSION_FAILED:
		s->connect_told = true;
		err = atomic_exchange(&s->error, 0);
		return err ? -err : -ECONNABORTED;
	default:
		if (s->connect_told)
			return -EISCONN;
		s->connect_told = true;
		return 0;
	}
}

/* Is the kernel's socket connected, connecting or listening? */
static bool kernel_busy(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	memset(&ti, 0, sizeof(ti));
	return k_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) ||
	       ti.tcpi_state != TCP_CLOSE;
}

/* The client's own address: what it is bound to; from 127/8 the kernel's
 * choice is 127.0.0.1, whatever the target; else the daemon's, which is the
 * target's, as the kernel's. */
static bool own_address(int fd, const struct ctrl_addr *rmt,
			struct ctrl_addr *lcl)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (k_getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    addr_to_ctrl((struct sockaddr *)&ss, len, lcl))
		return false;
	if (is_any(lcl) && rmt->is_ip4 && is_loopback(rmt)) {
		lcl->is_ip4 = 1;
		lcl->ip[12] = 127;
		lcl->ip[15] = 1;
	}
	return lcl->port || !is_any(lcl);
}

/* Why the kernel gets this connection, in the status's words. */
static enum wire_ext_why why_of(int32_t retval)
{
	switch (retval) {
	case WIRE_E_NOROUTE:
		return WIRE_WHY_NO_LISTEN;
	case WIRE_E_SEG_NO_SPACE:
	case WIRE_E_SEG_NO_SPACE2:
	case WIRE_E_SEG_CREATE:
	case WIRE_E_ALLOC:
		return WIRE_WHY_NO_MEMORY;
	default:
		return WIRE_WHY_REFUSED;
	}
}

/* app.lock held: 0 connected, -EINPROGRESS, or why not */
static int connect_session(struct app *app, int fd, int domain,
			   const struct ctrl_addr *rmt,
			   const struct conf_choice *choice, bool nonblock)
{
	int wait_ms = app->sapid ? LOCAL_ANSWER_MS
				 : (int)conf_get()->session_timeout_ms;
	struct session *sess;
	struct ctrl_addr lcl;
	struct sock *s;
	int err;

	err = session_connect(app, rmt,
			      own_address(fd, rmt, &lcl) ? &lcl : NULL, &sess);
	if (err)
		return err;
	/* a remote peer's answer may take its time: as the kernel, don't wait
	 */
	if (app->sapid || !nonblock) {
		err = app_wait_ctl(app, sess, wait_ms);
		if (!err && sess->state == SESSION_FAILED)
			err = sess->error;
		if (err)
			app_count_kernel(sess->state == SESSION_FAILED
						 ? why_of(sess->retval)
						 : WIRE_WHY_PROTOCOL);
	}
	if (!err)
		err = sock_adopt(fd, sess, domain, nonblock, choice, &s);
	if (err) {
		session_close(sess, false);
		return err;
	}
	take_options(fd, s);
	s->connect_told = !nonblock;
	return nonblock ? -EINPROGRESS : 0;
}

static int connect_ours(int fd, int domain, const struct ctrl_addr *rmt,
			const struct conf_choice *choice)
{
	struct app *app;
	int err, flags;

	flags = k_fcntl(fd, F_GETFL, 0);
	if (flags < 0)
		return flags;
	sock_init();
	app = app_get(choice->use);
	if (!app)
		return -ENETDOWN;
	err = connect_session(app, fd, domain, rmt, choice, flags & O_NONBLOCK);
	app_put(app);
	return err;
}

/* Shall the session layer be asked at all? */
static bool wanted(int fd, const struct sockaddr *sa, socklen_t len,
		   struct ctrl_addr *rmt, int *domain,
		   struct conf_choice *choice)
{
	if (!sa || addr_to_ctrl(sa, len, rmt) || !rmt->port)
		return false;
	*domain = tcp_domain(fd);
	if (*domain < 0 || (*domain == AF_INET && !rmt->is_ip4) ||
	    kernel_busy(fd))
		return false;
	conf_choose(conf_get(), CONF_TCP_CLIENT, sa, NULL, choice);
	if (choice->use == CONF_OS) {
		app_count_kernel(WIRE_WHY_RULE);
		return false;
	}
	if (is_any(rmt)) { /* Linux: this host */
		rmt->ip[12] = rmt->is_ip4 ? 127 : 0;
		rmt->ip[15] = 1;
	}
	if (choice->use != CONF_VPP && !is_local(rmt)) {
		app_count_kernel(WIRE_WHY_REMOTE);
		return false;
	}
	return true;
}

/* connect(2) to nothing: the connection is reset, the socket is the kernel's
 * again and may be connected anew. */
static int disconnect(struct sock *s, int fd)
{
	struct sock *entry = table_take(fd);

	s->linger = 0;
	if (entry)
		sock_put(entry);
	return 0;
}

/* An attempt failed and the program knows: the next one is a new one. */
static bool failed_before(struct sock *s)
{
	return s->kind == SOCK_SESSION && s->sess->state == SESSION_FAILED &&
	       s->connect_told && !s->error;
}

int sock_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct conf_choice choice;
	struct ctrl_addr rmt;
	struct sock *s;
	int domain, err;

	s = sock_get_claimed(fd);
	if (s && failed_before(s)) {
		disconnect(s, fd);
		sock_put(s);
		s = NULL;
	}
	if (s) {
		err = s->kind == SOCK_SESSION && sa &&
				      len >= sizeof(sa->sa_family) &&
				      sa->sa_family == AF_UNSPEC
			      ? disconnect(s, fd)
			      : connect_again(s);
		sock_put(s);
		return err;
	}
	if (conf_get()->disabled ||
	    !wanted(fd, sa, len, &rmt, &domain, &choice))
		return k_connect(fd, sa, len);
	err = connect_ours(fd, domain, &rmt, &choice);
	if (err == -EEXIST) /* another thread connected it meanwhile */
		return sock_connect(fd, sa, len);
	if (!err || err == -EINPROGRESS || err == -EINTR || choice.require)
		return err;
	log_debug("connection %d stays with the kernel: %s", fd,
		  strerrorname_np(-err));
	return k_connect(fd, sa, len);
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
	else
		err = k_shutdown(fd, how);
	sock_put(s);
	return err;
}

static int name_of(int fd, struct sockaddr *addr, socklen_t *len, bool peer)
{
	struct sock *s = sock_get(fd);
	int err = 0;

	if (!s || s->kind != SOCK_SESSION) {
		if (s)
			sock_put(s);
		return peer ? k_getpeername(fd, addr, len)
			    : k_getsockname(fd, addr, len);
	}
	if (!addr || !len)
		err = -EFAULT;
	else if ((int)*len < 0)
		err = -EINVAL;
	else if (peer && (app_poll(), sock_closed(s)))
		err = -ENOTCONN;
	else
		addr_from_ctrl(peer ? &s->sess->rmt : &s->sess->lcl, s->domain,
			       addr, len);
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
