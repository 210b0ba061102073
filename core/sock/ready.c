/* SPDX-License-Identifier: Apache-2.0 */
/* ready.c - what poll(2) says of a sock, and waiting for it */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "core/base/signal.h"
#include "core/sock/dgram.h"
#include "core/sock/table.h"

#define FIRST_LIBC_SIGNAL 32 /* up to SIGRTMIN are glibc's own */
#define TIGHT_LOOKS 100
#define SPIN_LOST_NS 100000 /* away for so long: the CPU is somebody else's */
#define SPIN_NEAR_NS 2000   /* pause only; then give the CPU away in between */
#define SPIN_WAKE_NS 50000  /* what waking a thread takes, on a bad day */
#define SPIN_SHARED_NS 1000 /* a yield that takes longer: others ran */
#define SPIN_SLOW_NS 4000   /* one that surely is, on the slowest machine */
#define DGRAM_SPIN_LOOK 64  /* spins between two looks at the kernel */
#define SPIN_ALONE 256	    /* waits between two looks for somebody else */

uint64_t sock_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sock_end_ns(const struct timespec *timeout)
{
	uint64_t now = sock_now_ns();

	if (!timeout || (uint64_t)timeout->tv_sec >=
				(SOCK_NEVER_NS - now) / 1000000000u - 1)
		return SOCK_NEVER_NS;
	return now + (uint64_t)timeout->tv_sec * 1000000000u +
	       (uint64_t)timeout->tv_nsec;
}

bool sock_nonblock(struct sock *s)
{
	if (unlikely(s->kind == SOCK_UDP))
		return dgram_nonblock(s);
	return s->hold && s->hold->flags & HOLD_NONBLOCK;
}

/* The kernel calls a stream writable when a third of the buffer is free.  (A
 * peer that spoils the size must not make us think that nothing is room.) */
static bool writable(const struct fifo *f)
{
	uint32_t room = fifo_room(f);

	return room && room >= fifo_size(f) / 3;
}

/* SO_RCVLOWAT, which the kernel caps by the buffer as well. */
static uint32_t lowat(const struct sock *s)
{
	uint32_t low = (uint32_t)s->opts->rcvlowat;

	return likely(low <= 1) ? 1
				: MIN(low, MAX(1u, fifo_size(&s->sess->rx)));
}

/* As tcp_poll() of Linux: end of input is readable, no more output is
 * writable, both is a hang-up. */
static unsigned ready_session(struct sock *s, unsigned want)
{
	struct session *sess = s->sess;
	unsigned flags = session_flags(sess), shut = s->hold->flags;
	bool rd_end, wr_end;
	unsigned ev = 0;

	if (sess->state == SESSION_CONNECTING)
		return 0;
	if (sess->state != SESSION_OPEN)
		flags |= SESSION_BROKEN;
	if (flags & (SESSION_RESET | SESSION_BROKEN)) {
		ev = POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLHUP |
		     POLLRDHUP;
		return sock_was_told(s, HOLD_RESET_TOLD) ? ev : ev | POLLERR;
	}
	rd_end = flags & SESSION_PEER_SHUT || shut & HOLD_RD_SHUT;
	wr_end = shut & HOLD_WR_SHUT || sock_was_told(s, HOLD_GONE_TOLD);
	if (rd_end)
		ev |= POLLIN | POLLRDNORM | POLLRDHUP;
	else if (want & (POLLIN | POLLRDNORM) &&
		 fifo_used(&sess->rx) >= lowat(s))
		ev |= POLLIN | POLLRDNORM;
	if (want & SOCK_ANY_INPUT && (rd_end || fifo_used(&sess->rx)))
		ev |= SOCK_ANY_INPUT;
	if (wr_end || (want & (POLLOUT | POLLWRNORM) && writable(&sess->tx)))
		ev |= POLLOUT | POLLWRNORM;
	if (rd_end && wr_end)
		ev |= POLLHUP;
	if (s->opts->error)
		ev |= POLLERR;
	return ev;
}

unsigned sock_ready(struct sock *s, unsigned want)
{
	unsigned ready = 0;

	want |= POLLERR | POLLHUP;
	if (s->kind == SOCK_LINK && s->link)
		ready = link_ready(s, s->link, want);
	else if (s->kind == SOCK_SESSION)
		ready = ready_session(s, want);
	else if (s->kind == SOCK_LISTENER)
		ready = s->sess->n_pending ? POLLIN | POLLRDNORM : 0;
	else if (s->kind == SOCK_EPOLL)
		ready = epoll_ready(s->epoll);
	else if (s->kind == SOCK_UDP)
		ready = dgram_ready(s, want);
	return ready & want;
}

uint32_t sock_tail(struct sock *s)
{
	if (s->kind == SOCK_LINK)
		return s->link ? link_rx_tail(s, s->link) : 0;
	if (s->kind == SOCK_LISTENER)
		return s->sess->arrived;
	if (s->kind == SOCK_UDP)
		return dgram_tail(s);
	if (s->kind != SOCK_SESSION || s->sess->state != SESSION_OPEN ||
	    s->sess->flags & SESSION_BROKEN)
		return 0;
	return fifo_tail(&s->sess->rx);
}

void sock_was_full(struct sock *s)
{
	/* before the look here, as item_pending() looks before it loads
	 * the count: a thread that saw the room, and that it was nothing new,
	 * saw it before this, so that we see it, too */
	s->full++;
	if (sock_ready(s, POLLOUT))
		sock_notify(s);
}

/* Level-triggered: bytes that are too few or that nobody asked for are no
 * reason to stay awake, so the FIFO is armed behind what is there. */
static bool arm_input(struct sock *s, unsigned events, const uint32_t *tail)
{
	struct fifo *rx = &s->sess->rx;
	uint32_t known;

	if (tail && fifo_arm_since(rx, *tail))
		return true;
	if (!tail)
		do {
			known = fifo_tail(rx);
			if (sock_ready(s, events))
				return true;
		} while (fifo_arm_since(rx, known));
	session_give_room(s->sess); /* a later wish rings what is armed */
	return false;
}

bool sock_arm(struct sock *s, unsigned events, const uint32_t *tail)
{
	struct session *sess = s->sess;

	if (s->kind == SOCK_LINK)
		return s->link && link_arm(s, s->link, events, tail);
	if (s->kind == SOCK_EPOLL)
		return epoll_arm(s->epoll);
	if (s->kind == SOCK_UDP)
		return dgram_arm(s, events, tail);
	if (s->kind != SOCK_SESSION)
		return sock_ready(s, events);
	if (sess->state == SESSION_CONNECTING)
		return false;
	if (sess->state != SESSION_OPEN || sess->flags & SESSION_BROKEN)
		return !tail;
	if (events & (POLLIN | POLLRDNORM | POLLRDHUP | SOCK_ANY_INPUT) &&
	    arm_input(s, events, tail))
		return true;
	if (events & (POLLOUT | POLLWRNORM) && !writable(&sess->tx)) {
		session_want_room(sess, fifo_size(&sess->tx) / 3);
		if (writable(&sess->tx))
			return true;
	}
	return !tail && sock_ready(s, events);
}

/* --- spinning --- */

static __thread uint64_t budget_ns __attribute__((tls_model("initial-exec"))) =
	SOCK_NEVER_NS;
/* Others run on this CPU: perhaps who is waited for.  So it is given away at
 * once; with pauses first, two processes on one CPU are no faster than by the
 * kernel. */
static __thread bool crowded __attribute__((tls_model("initial-exec")));
static __thread unsigned waits __attribute__((tls_model("initial-exec")));

/* How long somebody else had the CPU.  The system call alone takes 0.2 us on
 * one machine and 1 us on another, which the fastest one so far tells. */
static uint64_t yield(uint64_t now)
{
	static __thread uint64_t fastest
		__attribute__((tls_model("initial-exec"))) = SPIN_SLOW_NS;
	uint64_t away;

	sched_yield();
	away = sock_now_ns() - now;
	fastest = MIN(fastest, away);
	crowded = away > MIN(MAX(3 * fastest, (uint64_t)SPIN_SHARED_NS),
			     (uint64_t)SPIN_SLOW_NS);
	return away;
}

/* Two that answer each other at once never make a system call, and would have
 * two CPUs for whole time slices, while others do an exchange in each. */
static void yield_seldom(void)
{
	if (unlikely(++waits % SPIN_ALONE == 0))
		yield(sock_now_ns());
}

void spin_start(struct spin *spin, uint32_t us)
{
	uint64_t max = (uint64_t)us * 1000;

	spin->rounds = 0;
	spin->max_ns = max;
	spin->cpu = -1;
	if (!max)
		return;
	yield_seldom();
	spin->start_ns = sock_now_ns();
	spin->end_ns = spin->start_ns + (budget_ns < max ? budget_ns : max);
}

static bool give_up(struct spin *spin)
{
	spin->cpu = sched_getcpu();
	offer_rung_from(); /* what was rung before says nothing of the sleep */
	return false;
}

bool spin_again(struct spin *spin)
{
	uint64_t now;

	if (!spin->max_ns)
		return false;
	if (++spin->rounds % 8 && !crowded) {
		cpu_relax();
		return true;
	}
	now = sock_now_ns();
	if (now >= spin->end_ns)
		return give_up(spin);
	/* others need the CPU, and have it for a whole slice: whoever sleeps
	 * is woken sooner than who waits for its turn */
	if ((crowded || now - spin->start_ns > SPIN_NEAR_NS) &&
	    yield(now) > SPIN_LOST_NS) {
		spin->end_ns = 0;
		budget_ns /= 2;
		return give_up(spin);
	}
	return true;
}

/*
 * The whole wait decides, sleep included (DESIGN.md 3): adapting to spins that
 * won alone sticks at the bottom.  Of a wait that was slept, the last part was
 * the waking, which a spin would have saved: so one that was a bit too long is
 * tried once, but not again soon if all of the spin was in vain.
 */
static bool worth_spinning(const struct spin *spin, uint64_t waited)
{
	static __thread unsigned in_vain
		__attribute__((tls_model("initial-exec")));

	if (waited <= spin->max_ns)
		return true;
	if (waited > spin->max_ns + SPIN_WAKE_NS)
		return false;
	if (budget_ns >= spin->max_ns)
		in_vain = SPIN_ALONE;
	if (!in_vain)
		return true;
	in_vain--;
	return false;
}

void spin_end(struct spin *spin)
{
	uint64_t waited;

	if (!spin->max_ns)
		return;
	waited = sock_now_ns() - spin->start_ns;
	/* Who woke us had waited for the CPU that we were spinning on, which a
	 * yield gave to nobody: sched_yield(2) does not leave a cgroup or a
	 * session's autogroup. */
	if (spin->cpu >= 0 && offer_rung_from() == spin->cpu)
		budget_ns = 0;
	else if (!worth_spinning(spin, waited))
		budget_ns = MIN(budget_ns, spin->max_ns) / 2;
	else if (budget_ns < spin->max_ns)
		budget_ns = MIN(spin->max_ns, budget_ns * 2 + 1000);
	else
		budget_ns = spin->max_ns;
}

/* --- waiting --- */

static void ring_waiter(struct watch *w)
{
	waiter_ring(w->waiter);
}

/* Which handler ran is not to be known; only if every handler of the program
 * asks for restarts do we restart.  What the thread itself causes can't
 * interrupt its sleep; crash handlers seldom ask for restarts. */
bool sock_restarts(void)
{
	struct sigaction sa;
	int sig;

	for (sig = 1; sig < SIGRTMAX; sig++) {
		if ((sig >= FIRST_LIBC_SIGNAL && sig < SIGRTMIN) ||
		    sig_is_fault(sig) || k_sigaction(sig, NULL, &sa) ||
		    sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN)
			continue;
		if (!(sa.sa_flags & SA_RESTART))
			return false;
	}
	return true;
}

static void count_sleep(struct sock *s)
{
	if (s->kind == SOCK_LINK)
		link_tally(&s->link->end.mine->sleeps, 1);
	else if (s->kind == SOCK_UDP)
		dgram_count(s, true, false);
	else
		app_count(s->sess->app, sleeps, 1);
}

static void count_spin(struct sock *s, bool won)
{
	struct link *l = s->link;

	if (s->kind == SOCK_LINK)
		link_tally(won ? &l->end.mine->spins_won
			       : &l->end.mine->spins_lost,
			   1);
	else if (s->kind == SOCK_UDP)
		dgram_count(s, false, won);
	else if (won)
		app_count(s->sess->app, spins_won, 1);
}

struct wait_state {
	struct watch watch;
	struct sock *sock;
};

/* The thread was cancelled in its sleep: the call's reference goes too. */
static void cancelled(void *arg)
{
	struct wait_state *ws = arg;

	watch_del(&ws->watch);
	sock_put(ws->sock);
}

static struct timespec *left(uint64_t end_ns, struct timespec *ts)
{
	uint64_t now;

	if (end_ns == SOCK_NEVER_NS)
		return NULL;
	now = sock_now_ns();
	now = now < end_ns ? end_ns - now : 0;
	ts->tv_sec = (time_t)(now / 1000000000u);
	ts->tv_nsec = (long)(now % 1000000000u);
	return ts;
}

/* What the kernel is to watch while a thread sleeps on @s. */
static int listen_to(struct sock *s, unsigned events, struct waiter *w)
{
	int err;

	if (s->kind == SOCK_UDP)
		return dgram_listen(s, events, w);
	if (s->kind != SOCK_LINK)
		return 0;
	err = waiter_listen(w, s->link->bell);
	return err ? err
		   : waiter_follow(w, s->fd, link_liveness(s, s->link, events),
				   s->link->serial);
}

static int sleep_on(struct sock *s, unsigned events, uint64_t end_ns,
		    struct waiter *w)
{
	struct pollfd fds[1 + APP_WAIT_EXTRA];
	nfds_t n = s->kind == SOCK_LISTENER;
	struct timespec ts;
	bool woken = false;
	int ret;

	for (;;) {
		waiter_reset(w);
		app_poll();
		if (sock_ready(s, events))
			return 0;
		if (woken && (s->kind == SOCK_LINK || s->kind == SOCK_UDP))
			offer_look(false); /* for another connection */
		if (sock_arm(s, events, NULL))
			return 0;
		if (end_ns != SOCK_NEVER_NS && sock_now_ns() >= end_ns)
			return -EAGAIN;
		ret = listen_to(s, events, w);
		if (ret)
			return ret;
		fds[0] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
		count_sleep(s);
		ret = app_wait(w, fds, n, left(end_ns, &ts), NULL);
		woken = true;
		if (ret > 0)
			return 0; /* the kernel's part of a listener */
		if (s->kind == SOCK_LINK)
			link_alive(s, s->link, w->revents);
		else if (s->kind == SOCK_UDP && w->revents)
			return 0;
		if (ret == -EINTR &&
		    (end_ns != SOCK_NEVER_NS || events & SOCK_NO_RESTART ||
		     !sock_restarts()))
			return ret;
		if (ret < 0 && ret != -EINTR)
			return ret;
	}
}

/* It did not come to sleeping, or something else has woken us: then the peer
 * need not ring, unless for somebody else who waits for the same link. */
static void stop_ringing(struct sock *s, const struct watch *mine)
{
	mutex_lock(&watch_lock);
	if (s->watches != mine || mine->next)
		;
	else if (s->kind == SOCK_UDP)
		dgram_disarm(s);
	else if (!hold_others(s->hold))
		link_disarm(&s->link->end);
	mutex_unlock(&watch_lock);
}

/* Registered as a watcher: until it is woken, and off the list again even if
 * the thread is cancelled in its sleep. */
static int sleep_watching(struct sock *s, unsigned events, uint64_t end_ns)
{
	struct wait_state ws = { .sock = s };
	int err;

	err = waiter_get(&ws.watch.waiter);
	if (err)
		return err;
	link_tidy();
	watch_add(&ws.watch, s, ring_waiter);
	pthread_cleanup_push(cancelled, &ws);
	err = sleep_on(s, events, end_ns, ws.watch.waiter);
	pthread_cleanup_pop(0);
	if (s->kind == SOCK_LINK || s->kind == SOCK_UDP)
		stop_ringing(s, &ws.watch);
	watch_del(&ws.watch);
	return err;
}

/* The answer to what was just sent is but some cache misses away: look at
 * nothing else for so long. */
static bool input_at_once(struct sock *s, unsigned events)
{
	const struct link *l = s->link;
	int i;

	if (s->kind != SOCK_LINK || !s->spin_us || crowded ||
	    !(events & SOCK_ANY_INPUT))
		return false;
	yield_seldom();
	for (i = 0; i < TIGHT_LOOKS; i++) {
		if (ring_used(&l->end.rx))
			return s->hold->link.rx_mode == HOLD_RX_RING;
		cpu_relax();
	}
	return false;
}

bool sock_dgram_at_once(struct sock *s)
{
	int i;

	if (!s->spin_us || crowded)
		return false;
	yield_seldom();
	for (i = 0; i < TIGHT_LOOKS; i++) {
		if (dgram_any(s))
			return true;
		cpu_relax();
	}
	return false;
}

/* Is it for want of a descriptor or of memory that a thread can't sleep? */
bool sock_no_bell(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM ||
	       err == -ENOSPC;
}

int sock_nap(uint64_t end_ns, const sigset_t *mask)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	uint64_t now = sock_now_ns();
	int ret;

	if (end_ns != SOCK_NEVER_NS && now >= end_ns)
		return -EAGAIN;
	if (end_ns != SOCK_NEVER_NS && end_ns - now < 1000000)
		ts.tv_nsec = (long)(end_ns - now);
	ret = k_ppoll(NULL, 0, &ts, mask);
	return ret < 0 ? ret : 0;
}

/* Without what could wake the thread: it looks again in a while. */
static int look_on(struct sock *s, unsigned events, uint64_t end_ns)
{
	int err;

	while (!sock_ready(s, events) &&
	       !(s->kind == SOCK_UDP && !(events & POLLOUT) &&
		 dgram_kernel_ready(s))) {
		app_poll();
		if (s->kind == SOCK_LINK) /* the end; else nobody tells */
			link_ask_kernel(s, POLLRDHUP);
		err = sock_nap(end_ns, NULL);
		if (err && (err != -EINTR || end_ns != SOCK_NEVER_NS ||
			    events & SOCK_NO_RESTART || !sock_restarts()))
			return err;
	}
	return 0;
}

int sock_wait(struct sock *s, unsigned events, int timeout_ms)
{
	struct spin spin;
	uint64_t end_ns;
	int err = -EAGAIN;

	if (input_at_once(s, events))
		return 0;
	spin_start(&spin, s->spin_us);
	while (err && spin_again(&spin)) {
		app_poll();
		if (sock_ready(s, events) ||
		    (s->kind == SOCK_UDP &&
		     spin.rounds % DGRAM_SPIN_LOOK == 0 &&
		     !(events & POLLOUT) && dgram_kernel_ready(s)))
			err = 0;
	}
	count_spin(s, !err);
	if (err) {
		end_ns = timeout_ms < 0 ? SOCK_NEVER_NS
					: sock_now_ns() + (uint64_t)timeout_ms *
								  1000000;
		err = sleep_watching(s, events, end_ns);
		if (unlikely(sock_no_bell(err)))
			err = look_on(s, events, end_ns);
	}
	spin_end(&spin);
	return err;
}
