/* SPDX-License-Identifier: Apache-2.0 */
/* connect.c - connect: by the session layer if it can, else by the kernel */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

#define NO_WAY_MS 5
#define BUSY_MS 100
#define BUSY_HERE_MS 1000
#define CONGESTED_MS 20 /* of was_congested() */
#define CONGESTED_HERE_MS 5000
#define CONGESTED_TRIES 300 /* more than VPP counts down: docs/vpp.md */

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
		err = sock_pending_error(s);
		return err ? -err : -ECONNABORTED;
	default:
		if (s->connect_told)
			return -EISCONN;
		s->connect_told = true;
		return 0;
	}
}

/* TCP_CLOSE, or whatever the kernel's socket does; negative if it is not TCP */
static int kernel_state(int fd)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);
	int err;

	memset(&ti, 0, sizeof(ti));
	err = k_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len);
	return err ? err : ti.tcpi_state;
}

/* The client's own address: what it is bound to; from 127/8 the kernel's
 * choice is 127.0.0.1, whatever the target; else the daemon's, which is the
 * target's, as the kernel's.  VPP has addresses of its own to choose from. */
static bool own_address(int fd, const struct ctrl_addr *rmt, bool sapid,
			struct ctrl_addr *lcl)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (k_getsockname(fd, (struct sockaddr *)&ss, &len) ||
	    addr_to_ctrl((struct sockaddr *)&ss, len, lcl))
		return false;
	if (sapid && addr_is_any(lcl) && rmt->is_ip4 && addr_is_loopback(rmt)) {
		lcl->is_ip4 = 1;
		lcl->ip[12] = 127;
		lcl->ip[15] = 1;
	}
	return lcl->port || !addr_is_any(lcl);
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

/* Wait for the answer with nobody else in the way.  sapid, a neighbour, gives
 * it at once; so does VPP if it knows no way, and then the connection is the
 * kernel's, or if it was busy (was_congested()).  A remote peer's may take its
 * time, which await_peer() gives it. */
static int await_answer(struct app *app, struct session *sess, bool nonblock)
{
	if (app->sapid)
		return app_wait_ctl(app, sess, LOCAL_ANSWER_MS);
	if (nonblock)
		return app_wait_ctl(app, sess, NO_WAY_MS);
	return app_wait_connect(app, sess,
				addr_is_loopback(&sess->rmt) ? BUSY_HERE_MS
							     : BUSY_MS);
}

/*
 * Has VPP had no room in our queue, or in the server's (ABI.md 9.5), or have
 * its threads been in each other's way there?  It refuses then what it would
 * else connect.  A refusal by a host far away takes longer than CONGESTED_MS; a
 * loopback is never far away, and a busy machine may be slow.  But who does not
 * block must not wait for that.
 */
static bool was_congested(const struct session *s, uint64_t since_ms,
			  unsigned tries, bool nonblock)
{
	uint64_t patient_ms = addr_is_loopback(&s->rmt) && !nonblock
				      ? CONGESTED_HERE_MS
				      : CONGESTED_MS;

	if (s->app->sapid || s->state != SESSION_FAILED ||
	    tries == CONGESTED_TRIES || app_now_ms() - since_ms > patient_ms)
		return false;
	return s->retval == WIRE_E_ALLOC ||
	       (s->retval == WIRE_E_REFUSED &&
		(app_was_full(s->app) || s->app->n_mqs > 2));
}

/* app.lock held, but given up while waiting: the answer */
static int ask(struct app *app, int fd, const struct ctrl_addr *rmt,
	       const struct conf_tls *tls, bool nonblock, struct session **sess)
{
	struct ctrl_addr lcl;
	bool own = own_address(fd, rmt, app->sapid, &lcl);
	uint64_t since_ms = app_now_ms();
	unsigned tries;
	int err;

	for (tries = 1;; tries++) {
		err = session_connect(app, rmt, own ? &lcl : NULL, tls, sess);
		if (err)
			return err;
		err = await_answer(app, *sess, nonblock);
		if (err || !was_congested(*sess, since_ms, tries, nonblock))
			return err;
		session_close(*sess, false);
		*sess = NULL;
		app_rest(app);
	}
}

/* Did VPP reach who answered so, or waited in vain for an answer?  The kernel
 * is for whom VPP knows no way to. */
static bool is_final(const struct conf_choice *choice, int err)
{
	return choice->require || (choice->use == CONF_VPP &&
				   (err == -ECONNREFUSED || err == -ETIMEDOUT ||
				    err == -ECONNRESET));
}

/* On the loopback VPP's "no way" says that nobody listens. */
static int as_kernels(int err, const struct conf_choice *choice,
		      const struct ctrl_addr *rmt)
{
	return choice->require && err == -EHOSTUNREACH && addr_is_loopback(rmt)
		       ? -ECONNREFUSED
		       : err;
}

/* app.lock held: 0 connected; -EINPROGRESS or, by a signal, -EINTR: it goes
 * on; or why not */
static int connect_session(struct app *app, int fd, int domain,
			   const struct ctrl_addr *rmt,
			   const struct conf_choice *choice, bool nonblock)
{
	struct session *sess = NULL;
	struct sock *s;
	int err, later = nonblock ? -EINPROGRESS : 0;

	err = ask(app, fd, rmt, choice->tls, nonblock, &sess);
	if (!sess)
		return err;
	if (!err && sess->state == SESSION_FAILED) {
		sess->error = as_kernels(sess->error, choice, rmt);
		/* the kernel, too, tells it later to who does not block */
		if (!nonblock || !is_final(choice, sess->error))
			err = sess->error;
	} else if (err && !app->sapid) {
		later = err == -EINTR ? -EINTR : -EINPROGRESS;
		err = 0;
	}
	if (err)
		app_count_kernel(sess->state == SESSION_FAILED
					 ? why_of(sess->retval)
					 : WIRE_WHY_PROTOCOL);
	if (!err)
		err = sock_adopt(fd, sess, domain, nonblock, choice, &s);
	if (err) {
		session_close(sess, false);
		return err;
	}
	sock_take_options(fd, s);
	s->connect_told = !later;
	return later;
}

/* A program that blocks waits as with the kernel, as long as SO_SNDTIMEO has
 * it: interrupted or out of time, it is connected by and by.  @interrupted:
 * a signal's handler has run already. */
static int await_peer(struct sock *s, bool interrupted)
{
	uint64_t end = app_now_ms() + conf_get()->session_timeout_ms, now;
	int limit = (int)s->opts->sndtimeo_ms, err = interrupted ? -EINTR : 0;

	for (;;) {
		if (err == -EINTR && (limit || !sock_restarts()))
			return -EINTR;
		now = app_now_ms();
		if (now >= end)
			return -ETIMEDOUT;
		err = sock_wait(s, POLLOUT,
				limit && (uint64_t)limit < end - now
					? limit
					: (int)(end - now));
		if (!err)
			return connect_again(s);
		if (err == -EAGAIN && limit)
			return -EINPROGRESS;
		if (err != -EINTR && err != -EAGAIN)
			return err;
	}
}

/* connect(2) to nothing: the connection is reset, the socket is the kernel's
 * again and may be connected anew. */
static int disconnect(struct sock *s, int fd)
{
	struct sock *entry = table_peek(fd) == s ? table_take(fd) : NULL;

	s->opts->linger = 0;
	if (entry)
		sock_put(entry);
	return 0;
}

/* Who is told that it failed may try the kernel, or anew. */
static int await_connection(int fd, bool interrupted)
{
	struct sock *s = sock_get(fd);
	int err;

	if (!s)
		return -ECONNABORTED; /* closed by another thread */
	err = s->kind == SOCK_SESSION ? await_peer(s, interrupted)
				      : -ECONNABORTED;
	if (err && err != -EINPROGRESS && err != -EINTR) {
		if (s->kind == SOCK_SESSION)
			app_count_kernel(why_of(s->sess->retval));
		disconnect(s, fd);
	}
	sock_put(s);
	return err;
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
	if ((err == -EINPROGRESS || err == -EINTR) && !(flags & O_NONBLOCK))
		return as_kernels(await_connection(fd, err == -EINTR), choice,
				  rmt);
	return err;
}

/* Shall the session layer be asked at all? */
static bool wanted(int fd, const struct sockaddr *sa, socklen_t len,
		   struct ctrl_addr *rmt, int *domain,
		   struct conf_choice *choice)
{
	if (!sa || addr_to_ctrl(sa, len, rmt) || !rmt->port)
		return false;
	*domain = sock_tcp_domain(fd);
	if (*domain < 0 || (*domain == AF_INET && !rmt->is_ip4) ||
	    kernel_state(fd) != TCP_CLOSE)
		return false;
	conf_choose(conf_get(), CONF_TCP_CLIENT, sa, NULL, choice);
	if (choice->use == CONF_OS) {
		app_count_kernel(WIRE_WHY_RULE);
		return false;
	}
	addr_any_is_here(rmt);
	if (choice->use != CONF_VPP && !addr_is_local(rmt)) {
		app_count_kernel(WIRE_WHY_REMOTE);
		return false;
	}
	return true;
}

/* An attempt failed and the program knows: the next one is a new one. */
static bool failed_before(struct sock *s)
{
	return s->kind == SOCK_SESSION && s->sess->state == SESSION_FAILED &&
	       s->connect_told && !s->opts->error;
}

/* Is it links or sessions that the rules want for there?  The kernel's
 * connect() comes first then, and whatever it says goes. */
static bool by_links(const struct sockaddr *sa, socklen_t len,
		     struct conf_choice *choice)
{
	struct ctrl_addr rmt;

	if (!sa || addr_to_ctrl(sa, len, &rmt))
		return false;
	conf_choose(conf_get(), CONF_TCP_CLIENT, sa, NULL, choice);
	return sock_upgrades(choice);
}

/* connect(2) again on what the kernel carries: to hear of the outcome, or to
 * nothing, and then it is another connection that may come. */
static int connect_link(struct sock *s, int fd, const struct sockaddr *sa,
			socklen_t len)
{
	int err = k_connect(fd, sa, len);

	if (!err && sa && len >= sizeof(sa->sa_family) &&
	    sa->sa_family == AF_UNSPEC) {
		s->opts->linger = 0;
		link_disconnected(s, fd);
	}
	return err;
}

/* Not by a session layer: then by the kernel, if the rules let it. */
static int connect_plain(int fd, const struct sockaddr *sa, socklen_t len)
{
	int state;

	if (likely(!conf_get()->tls))
		return k_connect(fd, sa, len);
	/* what it does already is the kernel's to speak of */
	state = kernel_state(fd);
	if ((state < 0 || state == TCP_CLOSE) &&
	    sock_tls_only(fd, CONF_TCP_CLIENT, sa))
		return -EPROTONOSUPPORT;
	return k_connect(fd, sa, len);
}

/* The rules want nothing done before the kernel's connect(), and what it
 * connects may move later.  The kernel reads @sa, and who comes back from there
 * may read it, too, with no system call that asks. */
static int connect_first(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct conf_choice choice;
	int err = k_connect(fd, sa, len);

	if ((err && err != -EINPROGRESS) || len < sizeof(sa->sa_family) ||
	    sock_sandboxed || conf_get()->disabled)
		return err;
	if (sa->sa_family == AF_UNIX) {
		if (!err)
			local_connected(fd, sa, len);
	} else if (sock_seems_tcp(fd)) {
		if (by_links(sa, len, &choice))
			link_connected(fd, sa, len, &choice);
		else if (sa->sa_family != AF_UNSPEC)
			app_count_kernel(WIRE_WHY_RULE);
	}
	return err;
}

int sock_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_storage ss;
	struct conf_choice choice;
	struct ctrl_addr rmt;
	struct sock *s;
	int domain, err;

	s = sock_get_claimed(fd);
	if (s && s->kind == SOCK_LINK) { /* the kernel has read @sa by then */
		err = connect_link(s, fd, sa, len);
		sock_put(s);
		return err;
	}
	if (!s && conf_kernel_first(conf_get()))
		return connect_first(fd, sa, len);
	if (len > sizeof(ss) || user_get(&ss, sa, len)) {
		if (s)
			sock_put(s);
		return k_connect(fd, sa, len); /* which says what is wrong */
	}
	if (s && s->kind == SOCK_UDP) {
		err = dgram_connect(s, fd, sa, len);
		sock_put(s);
		return err;
	}
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
	if (sock_sandboxed)
		return connect_plain(fd, sa, len);
	if (sa && len >= sizeof(sa->sa_family) && sa->sa_family == AF_UNIX)
		return connect_first(fd, sa, len);
	if (!conf_get()->disabled && by_links(sa, len, &choice))
		return choice.require && !link_likely(sa, len)
			       ? -ENETDOWN
			       : connect_first(fd, sa, len);
	if (conf_get()->disabled ||
	    !wanted(fd, sa, len, &rmt, &domain, &choice))
		return connect_plain(fd, sa, len);
	err = connect_ours(fd, domain, &rmt, &choice);
	if (err == -EEXIST) /* another thread connected it meanwhile */
		return sock_connect(fd, sa, len);
	if (!err || err == -EINPROGRESS || err == -EINTR ||
	    is_final(&choice, err))
		return err;
	log_debug("connection %d stays with the kernel: %s", fd,
		  strerrorname_np(-err));
	return k_connect(fd, sa, len);
}
