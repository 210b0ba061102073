/* SPDX-License-Identifier: Apache-2.0 */
/* opt.c - socket options: the kernel's, but for those that change data flow */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/base/kernel.h"
#include "core/base/log.h"
#include "core/base/user.h"
#include "core/sock/dgram.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

#define LOOPBACK_MSS 65483
#define SO_ORIGINAL_DST 80 /* linux/netfilter_ipv4.h clashes with libc's */

/* As the kernel gives the option @like, of @size bytes, for it judges where
 * to; but our value. */
static int give(int fd, int level, int like, const void *val, socklen_t size,
		void *out, socklen_t *len)
{
	int err = k_getsockopt(fd, level, like, out, len);

	if (!err)
		memcpy(out, val, MIN(size, *len));
	return err;
}

static int give_int(int fd, int val, void *out, socklen_t *len)
{
	return give(fd, SOL_SOCKET, SO_TYPE, &val, sizeof(val), out, len);
}

/* SO_ERROR.  What is taken is told: so first the kernel says whether it can be
 * given there. */
static int give_error(struct sock *s, int fd, int (*take)(struct sock *s),
		      void *out, socklen_t *len)
{
	int ret = give_int(fd, 0, out, len);

	return ret ? ret : give_int(fd, take(s), out, len);
}

static int stored_error(struct sock *s)
{
	return atomic_exchange(&s->opts->error, 0);
}

int sock_pending_error(struct sock *s)
{
	int err = stored_error(s);

	if (err)
		return err;
	if (sock_was_told(s, HOLD_RESET_TOLD))
		return 0;
	if (s->sess->state == SESSION_FAILED) {
		sock_told(s, HOLD_RESET_TOLD);
		return -s->sess->error;
	}
	if (session_flags(s->sess) & (SESSION_RESET | SESSION_BROKEN)) {
		sock_told(s, HOLD_RESET_TOLD);
		/* after a FIN the kernel calls the same thing EPIPE */
		return session_flags(s->sess) & SESSION_PEER_SHUT ? EPIPE
								  : ECONNRESET;
	}
	return 0;
}

static uint8_t tcp_state(struct sock *s)
{
	app_poll();
	if (s->sess->state == SESSION_CONNECTING)
		return TCP_SYN_SENT;
	if (sock_closed(s))
		return TCP_CLOSE;
	if (s->hold->flags & HOLD_WR_SHUT)
		return TCP_FIN_WAIT2;
	return session_flags(s->sess) & SESSION_PEER_SHUT ? TCP_CLOSE_WAIT
							  : TCP_ESTABLISHED;
}

/* Of VPP's transport, else the loopback's. */
static uint32_t mss_of(struct sock *s)
{
	struct app *app = s->sess->app;
	uint32_t mss;
	int err;

	mutex_lock(&app->lock);
	err = session_mss(s->sess, &mss);
	mutex_unlock(&app->lock);
	return err ? LOOPBACK_MSS : mss;
}

static int give_mss(struct sock *s, int fd, void *out, socklen_t *len)
{
	int mss = (int)mss_of(s);

	return give(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, sizeof(mss), out, len);
}

static bool is_maxseg(const struct sock *s, int level, int name)
{
	return level == IPPROTO_TCP && name == TCP_MAXSEG &&
	       s->sess->state == SESSION_OPEN;
}

/* VPP sends no more at once from now on.  A cut-through has no segments. */
static void limit_mss(struct sock *s, const void *val)
{
	struct app *app = s->sess->app;
	int mss, err;

	memcpy(&mss, val, sizeof(mss));
	if (mss <= 0)
		return;
	mutex_lock(&app->lock);
	err = session_set_mss(s->sess, (uint16_t)mss);
	mutex_unlock(&app->lock);
	if (err)
		log_debug("TCP_MAXSEG is the kernel's alone: %s",
			  strerrorname_np(-err));
}

/* SO_ORIGINAL_DST: of VPP's NAT; it is of IPv4 alone, as netfilter's. */
static int give_original(struct sock *s, int fd, void *out, socklen_t *len)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET,
				   .sin_port = s->sess->original_port };
	socklen_t room;

	_Static_assert(sizeof(in4) == sizeof(struct timeval), "given like one");
	in4.sin_addr.s_addr = s->sess->original_ip4;
	if (user_get(&room, len, sizeof(room)))
		return -EFAULT;
	if (room < sizeof(in4))
		return -EINVAL;
	return give(fd, SOL_SOCKET, SO_RCVTIMEO, &in4, sizeof(in4), out, len);
}

/* The kernel's socket below is not connected: say what a program looks for. */
static int tcp_info(struct sock *s, int fd, void *out, socklen_t *len)
{
	struct tcp_info ti;
	socklen_t have = sizeof(ti);
	int err;

	memset(&ti, 0, sizeof(ti));
	err = k_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &have);
	if (err)
		return err;
	ti.tcpi_state = tcp_state(s);
	ti.tcpi_snd_mss = ti.tcpi_rcv_mss = mss_of(s);
	ti.tcpi_snd_cwnd = 10;
	return give(fd, IPPROTO_TCP, TCP_INFO, &ti, have, out, len);
}

static int link_error(struct sock *s, int fd, void *val, socklen_t *len)
{
	int err = s->opts->error, ret;

	if (unlikely(err)) {
		ret = give_error(s, fd, stored_error, val, len);
		if (ret)
			return ret;
	} else {
		ret = k_getsockopt(fd, SOL_SOCKET, SO_ERROR, val, len);
		if (!ret && *len == sizeof(err))
			memcpy(&err, val, sizeof(err));
	}
	link_told(s, -err);
	return ret;
}

/* What the kernel does not know of a link; 1: the kernel does. */
static int link_option(struct sock *s, int fd, int name, void *val,
		       socklen_t *len)
{
	struct linger lg = { .l_onoff = s->opts->linger >= 0,
			     .l_linger = s->opts->linger >= 0
						 ? (int)s->opts->linger
						 : 0 };

	if (name == SO_ERROR && s->link)
		return link_error(s, fd, val, len);
	if (name == SO_LINGER && s->link)
		return give(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg), val,
			    len);
	return 1;
}

int sock_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	struct sock *s = sock_get(fd);
	int ret;

	if (!s || s->kind != SOCK_SESSION) {
		ret = 1;
		if (s && s->kind == SOCK_LINK && level == SOL_SOCKET)
			ret = link_option(s, fd, name, val, len);
		else if (s && s->kind == SOCK_UDP && level == SOL_SOCKET &&
			 name == SO_ERROR && dgram_is_vpps(s->dgram))
			ret = give_error(s, fd, stored_error, val, len);
		if (s)
			sock_put(s);
		return ret <= 0 ? ret : k_getsockopt(fd, level, name, val, len);
	}
	if (level == SOL_SOCKET && name == SO_ERROR)
		ret = give_error(s, fd, sock_pending_error, val, len);
	else if (level == IPPROTO_TCP && name == TCP_INFO)
		ret = tcp_info(s, fd, val, len);
	else if (is_maxseg(s, level, name))
		ret = give_mss(s, fd, val, len);
	else if (level == IPPROTO_IP && name == SO_ORIGINAL_DST &&
		 s->sess->original_port)
		ret = give_original(s, fd, val, len);
	else
		ret = k_getsockopt(fd, level, name, val, len);
	sock_put(s);
	return ret;
}

/* A time-out as the kernel has it: 0 is none, and so is what no int can say. */
int sock_millis(const struct timeval *tv)
{
	if (tv->tv_sec < 0 || tv->tv_sec >= INT_MAX / 1000 - 1)
		return 0;
	return (int)(tv->tv_sec * 1000 + (tv->tv_usec + 999) / 1000);
}

/* The kernel has accepted the value: it counts for shared memory too. */
static void remember(struct sock *s, int name, const void *val, socklen_t len)
{
	struct linger lg;
	struct timeval tv;
	int lowat;

	switch (name) {
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		if (len < sizeof(tv))
			return;
		memcpy(&tv, val, sizeof(tv));
		if (name == SO_RCVTIMEO)
			s->opts->rcvtimeo_ms = sock_millis(&tv);
		else
			s->opts->sndtimeo_ms = sock_millis(&tv);
		break;
	case SO_RCVLOWAT:
		if (len < sizeof(lowat))
			return;
		memcpy(&lowat, val, sizeof(lowat));
		s->opts->rcvlowat = lowat > 0 ? lowat : 1;
		if (s->kind == SOCK_LINK && s->link &&
		    link_has_enough(s, s->link)) {
			s->opts->lowats++;
			sock_notify(s);
		}
		break;
	case SO_LINGER:
		if (len < sizeof(lg))
			return;
		memcpy(&lg, val, sizeof(lg));
		s->opts->linger = lg.l_onoff ? lg.l_linger : -1;
		break;
	default:
		break;
	}
}

int sock_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = sock_get(fd);
	int err = k_setsockopt(fd, level, name, val, len);

	if (!s)
		return err;
	if (!err && level == SOL_SOCKET)
		remember(s, name, val, len);
	if (!err && link_is_local(s) && level == SOL_SOCKET &&
	    len >= sizeof(int) && local_is_kernels(name, *(const int *)val))
		stay_for_good(s, fd);
	if (!err && s->kind == SOCK_SESSION && is_maxseg(s, level, name))
		limit_mss(s, val);
	if (!err && s->kind == SOCK_UDP)
		dgram_option(s, level, name, val, len);
	sock_put(s);
	return err;
}
