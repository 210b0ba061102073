/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.c - one end of a connection: how far it is, and is it right? */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define MAGIC 0x5341504973747265u
#define EPS_MAX 8192
#define CONNS_MAX 32 /* of a client: client() */

bool tolerant;
_Atomic int n_active;
static struct ep *_Atomic eps[EPS_MAX];

static void say_state(const struct ep *ep)
{
	const char *where = ep->where;

	dprintf(2,
		"stress[%d]: conn %llx %s fd %d %s%s ending %d ender %d: sent "
		"%llu of %llu (may %llu), received %llu of %llu%s%s in %s\n",
		(int)getpid(), (unsigned long long)ep->id,
		ep->side == CLIENT ? "client" : "server", ep->fd,
		ep->mode ? ep->mode : "?", ep->plan.duplex ? " duplex" : "",
		ep->plan.ending, ep->plan.ender, (unsigned long long)ep->sent,
		(unsigned long long)ep->plan.total[ep->side],
		(unsigned long long)ep->may_send, (unsigned long long)ep->rcvd,
		(unsigned long long)ep->plan.total[!ep->side],
		ep->eof ? ", EOF" : "", ep->shut ? ", shut" : "",
		where ? where : "?");
}

void die(struct ep *ep, const char *format, ...)
{
	char what[256];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	dprintf(2, "stress[%d]: FAILED: %s\n", (int)getpid(), what);
	if (ep)
		say_state(ep);
	if (getenv("STRESS_ABORT"))
		abort();
	_exit(1);
}

static void barks(int sig)
{
	int i;

	(void)sig;
	dprintf(2, "stress[%d]: FAILED: time is up; %d active\n", (int)getpid(),
		(int)n_active);
	for (i = 0; i < EPS_MAX; i++)
		if (eps[i])
			say_state(eps[i]);
	if (getenv("STRESS_STOP"))
		raise(SIGSTOP);
	_exit(7);
}

void watchdog(unsigned seconds)
{
	signal(SIGALRM, barks);
	alarm(seconds);
}

static void plan_known(struct ep *ep)
{
	struct plan *p = &ep->plan;

	plan_make(p, ep->seed, ep->id);
	ep->may_send = p->duplex	    ? p->total[ep->side]
		       : ep->side == CLIENT ? plan_msg(p, CLIENT, 0)
					    : 0;
	ep->peer_next =
		p->duplex ? p->total[!ep->side] : plan_msg(p, !ep->side, 0);
}

struct ep *ep_new(uint64_t seed, uint64_t id, int side, int fd)
{
	struct ep *ep = calloc(1, sizeof(*ep));
	struct ep *none;
	int i, one = 1;

	ep->seed = seed;
	ep->id = id;
	ep->side = side;
	ep->fd = fd;
	ep->file = -1;
	/* time is for races, not for delayed acknowledgements */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ep->in = malloc(2 * MSG_MAX);
	ep->out = ep->in + MSG_MAX;
	ep->rng.state = mix(seed ^ id, (uint64_t)(side + fd));
	if (side == CLIENT) {
		ep->header = (struct header){ MAGIC, id };
		plan_known(ep);
	}
	n_active++;
	for (i = 0; i < EPS_MAX; i++) {
		none = NULL;
		if (!eps[i] &&
		    atomic_compare_exchange_strong(&eps[i], &none, ep))
			break;
	}
	return ep;
}

void ep_free(struct ep *ep)
{
	struct ep *me;
	int i;

	for (i = 0; i < EPS_MAX; i++) {
		me = ep;
		if (eps[i] == ep &&
		    atomic_compare_exchange_strong(&eps[i], &me, NULL))
			break;
	}
	if (ep->file >= 0)
		close(ep->file);
	free(ep->in);
	free(ep);
	n_active--;
}

/* May the connection end before all is said? */
static bool may_break(const struct ep *ep)
{
	return tolerant || ep->header_done < sizeof(ep->header) ||
	       (ep->plan.ending >= END_ABORT && ep->plan.ender != ep->side);
}

static int broke(struct ep *ep, const char *what, int error)
{
	if (!may_break(ep) || (error != ECONNRESET && error != EPIPE))
		die(ep, "%s: %s", what, strerror(error));
	ep->over = true;
	return -1;
}

static void heard_message(struct ep *ep)
{
	const struct plan *p = &ep->plan;

	while (!p->duplex && ep->peer_msgs < p->turns &&
	       ep->rcvd >= ep->peer_next) {
		ep->peer_msgs++;
		ep->peer_next += ep->peer_msgs < p->turns
					 ? plan_msg(p, !ep->side, ep->peer_msgs)
					 : 0;
		if (ep->side == SERVER)
			ep->may_send += plan_msg(p, SERVER, ep->peer_msgs - 1);
		else if (ep->peer_msgs < p->turns)
			ep->may_send += plan_msg(p, CLIENT, ep->peer_msgs);
	}
}

static int recv_header(struct ep *ep, bool block)
{
	char *at = (char *)&ep->header + ep->header_done;
	ssize_t n = recv(ep->fd, at, sizeof(ep->header) - ep->header_done,
			 block ? 0 : MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		ep->over = true;
		return n && !tolerant ? broke(ep, "header", errno) : -1;
	}
	ep->header_done += (size_t)n;
	if (ep->header_done < sizeof(ep->header))
		return 1;
	if (ep->header.magic != MAGIC)
		die(ep, "header: magic %llx",
		    (unsigned long long)ep->header.magic);
	ep->id = ep->header.id;
	plan_known(ep);
	return 1;
}

static int recv_end(struct ep *ep)
{
	uint64_t all = ep->plan.total[!ep->side];

	ep->eof = true;
	if (ep->rcvd < all && !may_break(ep))
		die(ep, "end of file too early");
	if (ep->rcvd < all)
		ep->over = true;
	return -1;
}

/* Where do eight bytes of @buf, or of what follows it, come from?  Words of the
 * plan lie at multiples of eight: so eight places to look. */
static bool is_from(const struct plan *p, int side, const uint8_t *buf,
		    int *shift, unsigned long long *pos)
{
	uint8_t word[8];

	for (*pos = 0; *pos + 8 <= p->total[side]; *pos += 8) {
		plan_fill(p, side, *pos, word, sizeof(word));
		for (*shift = 0; *shift < 8; ++*shift)
			if (!memcmp(buf + *shift, word, sizeof(word)))
				return true;
	}
	return false;
}

/* Say where what came instead belongs: all connections are searched. */
static __attribute__((noreturn)) void wrong(struct ep *ep, size_t bad, size_t n)
{
	unsigned long long at = ep->rcvd + bad, pos, id;
	int side, shift;
	struct plan p;

	for (id = 0; n - bad >= 16 && id < 4 * CONNS_MAX; id++)
		for (side = 0; side < 2; side++) {
			unsigned long long who =
				id < CONNS_MAX ? ep->id
					       : (id / CONNS_MAX) << 32 |
							 id % CONNS_MAX;

			plan_make(&p, ep->seed, who);
			if (is_from(&p, side, ep->in + bad, &shift, &pos))
				die(ep,
				    "byte %zu of %zu, position %llu: %d bytes "
				    "on it is from %llu of side %d of %llx",
				    bad, n, at, shift, pos, side, who);
		}
	die(ep, "byte %zu of %zu, position %llu: %02x %02x", bad, n, at,
	    ep->in[bad], ep->in[bad + 1]);
}

int ep_recv(struct ep *ep, bool block)
{
	size_t len = 1 + (one_in(&ep->rng, 4) ? below(&ep->rng, 16)
					      : below(&ep->rng, MSG_MAX));
	ssize_t n, bad;

	if (ep->side == SERVER && ep->header_done < sizeof(ep->header))
		return recv_header(ep, block);
	n = any_recv(ep, len, block);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (block && errno == EAGAIN && !ep->timeouts)
			die(ep, "EAGAIN from a blocking receive");
		return 0;
	}
	if (n < 0)
		return broke(ep, "receive", errno);
	if (!n)
		return recv_end(ep);
	if ((size_t)n > len)
		die(ep, "%zd bytes instead of %zu", n, len);
	bad = plan_check(&ep->plan, !ep->side, ep->rcvd, ep->in, (size_t)n);
	if (bad >= 0)
		wrong(ep, (size_t)bad, (size_t)n);
	ep->rcvd += (uint64_t)n;
	if (ep->rcvd > ep->plan.total[!ep->side])
		die(ep, "bytes behind the last");
	heard_message(ep);
	return 1;
}

static int send_header(struct ep *ep, bool block)
{
	char *at = (char *)&ep->header + ep->header_done;
	ssize_t n = send(ep->fd, at, sizeof(ep->header) - ep->header_done,
			 MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return broke(ep, "header", errno);
	ep->header_done += (size_t)n;
	return 1;
}

bool ep_wants_send(const struct ep *ep)
{
	return (ep->side == CLIENT && ep->header_done < sizeof(ep->header)) ||
	       ep->sent < ep->may_send;
}

int ep_send(struct ep *ep, bool block)
{
	size_t len = ep->may_send - ep->sent;
	ssize_t n;

	if (ep->side == CLIENT && ep->header_done < sizeof(ep->header))
		return send_header(ep, block);
	if (!len)
		return 0;
	if (one_in(&ep->rng, 2))
		len = 1 + rnd(&ep->rng) % (one_in(&ep->rng, 2) ? len : 64);
	if (len > ep->may_send - ep->sent)
		len = ep->may_send - ep->sent;
	if (len > MSG_MAX)
		len = MSG_MAX;
	plan_fill(&ep->plan, ep->side, ep->sent, ep->out, len);
	n = any_send(ep, len, block);
	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (block && errno == EAGAIN && !ep->timeouts)
			die(ep, "EAGAIN from a blocking send");
		return 0;
	}
	if (n < 0)
		return broke(ep, "send", errno);
	if (n == 0)
		die(ep, "nothing was sent");
	if ((size_t)n > len)
		die(ep, "%zd bytes instead of %zu were sent", n, len);
	ep->sent += (uint64_t)n;
	return 1;
}

bool ep_aborts(struct ep *ep)
{
	static const struct linger now = { .l_onoff = 1 };

	if (ep->plan.ending < END_ABORT || ep->plan.ender != ep->side ||
	    ep->header_done < sizeof(ep->header) ||
	    ep->rcvd < ep->plan.abort_at)
		return false;
	if (ep->plan.ending == END_RESET)
		setsockopt(ep->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	return true;
}

void ep_close(struct ep *ep)
{
	int status;

	ep->where = "close";
	if (close(ep->fd))
		die(ep, "close: %s", strerror(errno));
	ep->fd = -1;
	while (ep->child > 0 && waitpid(ep->child, &status, 0) < 0 &&
	       errno == EINTR)
		;
	ep->child = 0;
}

bool ep_finish(struct ep *ep)
{
	const struct plan *p = &ep->plan;
	bool said;

	if (ep->over || ep_aborts(ep))
		return true;
	if (ep->header_done < sizeof(ep->header))
		return false;
	said = ep->sent == p->total[ep->side];
	if (said && !ep->shut && p->ending == END_SHUT) {
		ep->where = "shutdown";
		if (shutdown(ep->fd, SHUT_WR) && !tolerant)
			die(ep, "shutdown: %s", strerror(errno));
		ep->shut = true;
	}
	if (!said || ep->rcvd < p->total[!ep->side])
		return false;
	return ep->eof || (p->ending != END_SHUT && p->ender == ep->side);
}
