/* SPDX-License-Identifier: Apache-2.0 */
/* sock.c - sockets, acts and the far end for the differential programs */
#include <sys/prctl.h>

#include "tests/peer/peer.h"

#define WARM_ROUNDS 64
#define WARM_NAPS 20 /* in which the daemon gets its turn, if it is busy */
#define WARM_SIZE 1024

int near_fd = -1;
__thread uint64_t act_sum;

/* What is told and what is answered; both ends are the same program image,
 * so a function's address means the same in a child. */
struct order {
	act *what;
	long a, b;
};

struct answer {
	long ret;
	int err;
	uint64_t sum;
};

static int orders[2], answers[2];
static __thread int far_fd = -1; /* the actor's */
static uint64_t last_sum;

int family_server(void)
{
	if (mode.local)
		return AF_UNIX;
	return mode.v6 || mode.dual ? AF_INET6 : AF_INET;
}

int family_client(void)
{
	if (mode.local)
		return AF_UNIX;
	return mode.v6 ? AF_INET6 : AF_INET;
}

socklen_t addr_any(struct sockaddr_storage *addr, int family)
{
	memset(addr, 0, sizeof(*addr));
	addr->ss_family = (sa_family_t)family;
	if (family == AF_UNIX)
		return sizeof(sa_family_t); /* the kernel's choice */
	return family == AF_INET ? sizeof(struct sockaddr_in)
				 : sizeof(struct sockaddr_in6);
}

socklen_t addr_loop(struct sockaddr_storage *addr, int family, int port)
{
	struct sockaddr_in6 *in6 = (void *)addr;
	struct sockaddr_in *in = (void *)addr;
	struct sockaddr_un *un = (void *)addr;
	socklen_t len = addr_any(addr, family);

	if (family == AF_UNIX) /* abstract, five digits: unix(7) */
		return port ? len + 1 +
				       (socklen_t)sprintf(un->sun_path + 1,
							  "%05x", port)
			    : len;
	if (family == AF_INET) {
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in->sin_port = htons((uint16_t)port);
	} else {
		in6->sin6_addr = in6addr_loopback;
		in6->sin6_port = htons((uint16_t)port);
	}
	return len;
}

int addr_port(const struct sockaddr_storage *addr)
{
	const struct sockaddr_un *un = (const void *)addr;
	unsigned number;

	if (addr->ss_family == AF_UNIX)
		return sscanf(un->sun_path + 1, "%5x", &number) == 1
			       ? (int)number
			       : 0;
	if (addr->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)addr)->sin_port);
	if (addr->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)addr)->sin6_port);
	return 0;
}

int local_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	MUST(getsockname(fd, (struct sockaddr *)&addr, &len));
	return addr_port(&addr);
}

int sock_tcp(int family)
{
	return (int)MUST(socket(family, SOCK_STREAM, 0));
}

void set_int(int fd, int level, int name, int val)
{
	MUST(setsockopt(fd, level, name, &val, sizeof(val)));
}

void set_nonblock(int fd, bool on)
{
	int flags = (int)MUST(fcntl(fd, F_GETFL));

	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	MUST(fcntl(fd, F_SETFL, flags));
}

int sock_listener(int backlog, int *port)
{
	struct sockaddr_storage addr;
	int fd = sock_tcp(family_server());
	socklen_t len;

	if (mode.dual) {
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
		len = addr_any(&addr, AF_INET6);
	} else {
		len = addr_loop(&addr, family_server(), 0);
	}
	MUST(bind(fd, (struct sockaddr *)&addr, len));
	MUST(listen(fd, backlog));
	*port = local_port(fd);
	return fd;
}

int sock_dial(int port)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), port);
	int fd = sock_tcp(family_client());

	MUST(connect(fd, (struct sockaddr *)&addr, len));
	return fd;
}

int sock_accept(int listener)
{
	return (int)MUST(accept(listener, NULL, NULL));
}

/* ---- acts ---- */

long act_text(int fd, long text, long flags)
{
	const char *s = (const char *)text;

	return send(fd, s, strlen(s), (int)flags | MSG_NOSIGNAL);
}

long act_push(int fd, long n, long seed)
{
	static __thread unsigned char buf[65536];
	uint64_t x = (uint64_t)seed * 2 + 1;
	long done = 0;

	while (done < n) {
		size_t i, some = sizeof(buf), off = 0;

		if ((long)some > n - done)
			some = (size_t)(n - done);
		for (i = 0; i < some; i++) {
			x = x * 6364136223846793005 + 1442695040888963407;
			buf[i] = (unsigned char)(x >> 56);
		}
		while (off < some) {
			ssize_t ret =
				send(fd, buf + off, some - off, MSG_NOSIGNAL);

			if (ret < 0)
				return -1;
			off += (size_t)ret;
		}
		done += (long)some;
	}
	return done;
}

long act_pull(int fd, long n, long max)
{
	static __thread unsigned char buf[65536];
	uint64_t sum = 0xcbf29ce484222325;
	long done = 0;

	if (max <= 0 || max > (long)sizeof(buf))
		max = sizeof(buf);
	while (done < n) {
		long some = n - done < max ? n - done : max, i;
		ssize_t ret = recv(fd, buf, (size_t)some, 0);

		if (ret < 0)
			return -1;
		if (!ret)
			break;
		for (i = 0; i < ret; i++)
			sum = (sum ^ buf[i]) * 0x100000001b3;
		done += ret;
	}
	act_sum = sum;
	return done;
}

/* Until it is full and stays so: the kernel moves bytes on by and by. */
long act_fill(int fd, long unused, long unused2)
{
	static __thread char buf[65536];
	long total = 0, some;
	ssize_t ret;

	do {
		some = 0;
		while ((ret = send(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			some += ret;
		if (errno != EAGAIN)
			return -1;
		total += some;
		poll(NULL, 0, 50);
	} while (some);
	return total;
}

long act_read(int fd, long n, long flags)
{
	unsigned char buf[4096];

	if (n > (long)sizeof(buf))
		n = sizeof(buf);
	return recv(fd, buf, (size_t)n, (int)flags);
}

long act_shutdown(int fd, long how, long unused)
{
	return shutdown(fd, (int)how);
}

long act_close(int fd, long unused, long unused2)
{
	return close(fd);
}

long act_reset(int fd, long unused, long unused2)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	MUST(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	return close(fd);
}

long act_until_input(int fd, long n, long unused)
{
	until_input(fd, (int)n);
	return 0;
}

long act_until_poll(int fd, long events, long unused)
{
	until_poll(fd, (int)events);
	return 0;
}

long act_until_closed(int fd, long unused, long unused2)
{
	until_closed(fd);
	return 0;
}

/* ---- the actor ---- */

static void move(int fd, void *buf, size_t len, bool out)
{
	char *p = buf;

	while (len) {
		ssize_t n = out ? write(fd, p, len) : read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0 && !out)
			_exit(0); /* the other process is gone */
		if (n < 0)
			die("pipe: %s", errname(errno));
		p += n;
		len -= (size_t)n;
	}
}

static void __attribute__((noreturn)) serve(void)
{
	struct answer answer;
	struct order order;

	for (;;) {
		move(orders[0], &order, sizeof(order), false);
		memset(&answer, 0, sizeof(answer));
		errno = ERRNO_UNTOUCHED;
		answer.ret = order.what(far_fd, order.a, order.b);
		answer.err = errno;
		answer.sum = act_sum;
		move(answers[1], &answer, sizeof(answer), true);
	}
}

static void *actor(void *unused)
{
	serve();
}

void far_plain(const char *fds)
{
	int local;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(20);
	if (sscanf(fds, "%d,%d,%d", &orders[0], &answers[1], &local) != 3)
		die("actor %s", fds);
	mode.local = local;
	fcntl(orders[0], F_SETFD, FD_CLOEXEC);
	fcntl(answers[1], F_SETFD, FD_CLOEXEC);
	serve();
}

static void __attribute__((noreturn)) become_plain(void)
{
	char fds[48];

	snprintf(fds, sizeof(fds), "%d,%d,%d", orders[0], answers[1],
		 mode.local);
	fcntl(orders[0], F_SETFD, 0);
	fcntl(answers[1], F_SETFD, 0);
	unsetenv("LD_PRELOAD");
	execl("/proc/self/exe", "actor", "actor", fds, (char *)NULL);
	die("exec: %s", errname(errno));
}

void far_actor(void)
{
	pthread_t thread;
	sigset_t all, old;

	MUST(pipe2(orders, O_CLOEXEC));
	MUST(pipe2(answers, O_CLOEXEC));
	if (mode.thread) {
		sigfillset(&all); /* signals are for the topic */
		pthread_sigmask(SIG_BLOCK, &all, &old);
		if (pthread_create(&thread, NULL, actor, NULL))
			die("pthread_create");
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return;
	}
	if (MUST(fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(20);
		close(orders[1]);
		close(answers[0]);
		if (mode.plain)
			become_plain();
		serve();
	}
	close(orders[0]);
	close(answers[1]);
}

void far_go(act *what, long a, long b)
{
	struct order order = { what, a, b };

	move(orders[1], &order, sizeof(order), true);
}

long far_end(void)
{
	struct answer answer;

	move(answers[0], &answer, sizeof(answer), false);
	last_sum = answer.sum;
	errno = answer.err;
	return answer.ret;
}

long far_do(act *what, long a, long b)
{
	far_go(what, a, b);
	return far_end();
}

uint64_t far_sum(void)
{
	return last_sum;
}

/* ---- connecting the two ---- */

static __thread int far_listener = -1;

static long act_listen(int fd, long unused, long unused2)
{
	int port;

	far_listener = sock_listener(8, &port);
	return port;
}

static long act_accept(int fd, long unused, long unused2)
{
	far_fd = sock_accept(far_listener);
	close(far_listener);
	return 0;
}

static long act_dial(int fd, long port, long unused)
{
	far_fd = sock_dial((int)port);
	return 0;
}

static void whole(int fd, char *buf, bool out)
{
	size_t done = 0;

	while (done < WARM_SIZE) {
		ssize_t n = out ? send(fd, buf + done, WARM_SIZE - done, 0)
				: recv(fd, buf + done, WARM_SIZE - done, 0);

		if (n <= 0)
			die("warming up: %zd %s", n, errname(errno));
		done += (size_t)n;
	}
}

/* Echo until a message says that it is the last one. */
static long act_echo_warm(int fd, long unused, long unused2)
{
	char buf[WARM_SIZE];

	do {
		whole(fd, buf, false);
		whole(fd, buf, true);
	} while (buf[0] != 'z');
	return 0;
}

static void warm_message(char *buf, int round)
{
	bool last = round >= WARM_ROUNDS + WARM_NAPS;

	if (round > WARM_ROUNDS)
		poll(NULL, 0, 1);
	memset(buf, last ? 'z' : 'a', WARM_SIZE);
}

static void far_warm(void)
{
	char buf[WARM_SIZE];
	int round = 0;

	far_go(act_echo_warm, 0, 0);
	do {
		warm_message(buf, round++);
		whole(near_fd, buf, true);
		whole(near_fd, buf, false);
	} while (buf[0] != 'z');
	far_end();
}

void far_open(void)
{
	int listener, port;

	far_actor();
	if (mode.server) {
		listener = sock_listener(8, &port);
		far_go(act_dial, port, 0);
		near_fd = sock_accept(listener);
		far_end();
		close(listener);
	} else {
		near_fd = sock_dial((int)far_do(act_listen, 0, 0));
		far_do(act_accept, 0, 0);
	}
	if (mode.warm)
		far_warm();
}

void sock_warm(const int fds[2])
{
	char buf[WARM_SIZE];
	int round = 0;

	do {
		warm_message(buf, round++);
		whole(fds[0], buf, true);
		whole(fds[1], buf, false);
		whole(fds[1], buf, true);
		whole(fds[0], buf, false);
	} while (buf[0] != 'z');
}

void sock_pair(int fds[2])
{
	int listener, port;

	listener = sock_listener(8, &port);
	fds[0] = sock_dial(port);
	fds[1] = sock_accept(listener);
	close(listener);
	if (mode.warm)
		sock_warm(fds);
}
