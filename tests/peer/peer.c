/* SPDX-License-Identifier: Apache-2.0 */
/* peer.c - main, printing and waiting for the differential programs */
#include "tests/peer/peer.h"

#include <linux/sockios.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/personality.h>

struct mode mode;
void *volatile nowhere = (void *)8;

extern const struct topic __start_peer_topics[], __stop_peer_topics[];

static void put_line(char *line, size_t size, int n)
{
	size_t len = n < 0 ? 0 : (size_t)n, done = 0;

	if (len > size - 2)
		len = size - 2;
	line[len++] = '\n';
	while (done < len) {
		ssize_t wrote = write(1, line + done, len - done);

		if (wrote < 0)
			_exit(98);
		done += (size_t)wrote;
	}
}

void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	put_line(line, sizeof(line),
		 vsnprintf(line, sizeof(line) - 1, fmt, ap));
	va_end(ap);
}

void die(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(line), "DIED ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, fmt, ap);
	va_end(ap);
	put_line(line, sizeof(line), n);
	_exit(97);
}

const char *errname(int err)
{
	const char *name = strerrorname_np(err);

	return name ? name : "unknown errno";
}

const char *mask(unsigned events)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{ POLLIN, "IN" },
		{ POLLPRI, "PRI" },
		{ POLLOUT, "OUT" },
		{ POLLERR, "ERR" },
		{ POLLHUP, "HUP" },
		{ POLLNVAL, "NVAL" },
		{ POLLRDNORM, "RDNORM" },
		{ POLLRDBAND, "RDBAND" },
		{ POLLWRNORM, "WRNORM" },
		{ POLLWRBAND, "WRBAND" },
		{ POLLRDHUP, "RDHUP" },
		{ (unsigned)EPOLLET, "ET" },
		{ EPOLLONESHOT, "ONESHOT" },
	};
	static char ring[4][128];
	static unsigned next;
	char *out = ring[next++ % 4];
	size_t i, n = 0;

	out[0] = 0;
	for (i = 0; i < COUNT(names); i++)
		if (events & names[i].bit)
			n += (size_t)sprintf(out + n, "%s%s", n ? "|" : "",
					     names[i].name);
	return n ? out : "0";
}

void said(const char *what, long ret, int err)
{
	if (ret < 0)
		say("%s = %ld %s", what, ret, errname(err));
	else
		say("%s = %ld%s", what, ret,
		    err == ERRNO_UNTOUCHED ? "" : ", errno touched");
}

void said_fd(const char *what, long ret, int err)
{
	if (ret < 0)
		said(what, ret, err);
	else
		say("%s = fd%s", what,
		    err == ERRNO_UNTOUCHED ? "" : ", errno touched");
}

static uint64_t fnv(uint64_t sum, const unsigned char *p, size_t n)
{
	while (n--)
		sum = (sum ^ *p++) * 0x100000001b3;
	return sum;
}

#define FNV_START 0xcbf29ce484222325

void say_data(const void *buf, long n)
{
	const unsigned char *p = buf;
	char text[4 * 64 + 1];
	size_t len = 0;
	long i;

	if (n > 64) {
		say("  data %ld bytes, sum %016llx", n,
		    (unsigned long long)fnv(FNV_START, p, (size_t)n));
		return;
	}
	for (i = 0; i < n; i++)
		len += (size_t)sprintf(
			text + len,
			p[i] >= ' ' && p[i] < 127 ? "%c" : "\\x%02x", p[i]);
	text[len] = 0;
	say("  data \"%s\"", text);
}

void say_poll(const char *who, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events, .revents = -1 };
	int ret = poll(&p, 1, 0);

	say("poll %s for %s = %d, %s", who, mask((unsigned short)events), ret,
	    mask((unsigned short)p.revents));
}

void say_error(const char *who, int fd)
{
	socklen_t len = sizeof(int);
	int err = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		say("SO_ERROR of %s fails: %s", who, errname(errno));
	else
		say("SO_ERROR of %s is %s", who, errname(err));
}

void say_addr(const char *what, const struct sockaddr_storage *addr,
	      socklen_t len, int port)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;
	const struct sockaddr_in *in = (const void *)addr;
	char text[INET6_ADDRSTRLEN] = "?";
	const char *which;
	int p = addr_port(addr);

	if (addr->ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	else if (addr->ss_family == AF_INET6)
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	if (port)
		which = p == port ? "as expected" : "another";
	else
		which = p ? "some" : "none";
	say("%s: family %d, %s, port %s, length %u", what, addr->ss_family,
	    text, which, len);
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

void until_input(int fd, int n)
{
	int have, saved = errno;

	UNTIL(ioctl(fd, FIONREAD, &have) == 0 && have >= n);
	errno = saved;
}

void until_poll(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int saved = errno;

	UNTIL(poll(&p, 1, 0) == 1 && (p.revents & events) == events);
	errno = saved;
}

void until_sent(int fd)
{
	int have, saved = errno;

	UNTIL(ioctl(fd, SIOCOUTQ, &have) == 0 && have == 0);
	errno = saved;
}

/* What a closed connection knows no more; the topic sees whether it does. */
void until_closed(int fd)
{
	struct sockaddr_storage addr;
	int saved = errno, tries = 200;
	socklen_t len;

	while (tries-- && (len = sizeof(addr),
			   !getpeername(fd, (struct sockaddr *)&addr, &len)))
		poll(NULL, 0, 1);
	errno = saved;
}

/* 'S' alone is not enough: a futex is slept on as well, before the call that
 * is meant begins; but then it sleeps again only in that call. */
void until_asleep(pid_t tid)
{
	int seen = 0, saved = errno;
	char path[64], line[512];
	int64_t end = now_ms() + DEADLINE_MS;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	while (seen < 20) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
		char *state;

		if (fd >= 0)
			close(fd);
		if (n < 0 || now_ms() > end)
			die("task does not sleep");
		line[n] = 0;
		state = strrchr(line, ')');
		seen = state && state[2] == 'S' ? seen + 1 : 0;
		poll(NULL, 0, 1);
	}
	errno = saved;
}

static void set_mode(const char *word)
{
	if (!strcmp(word, "v6"))
		mode.v6 = true;
	else if (!strcmp(word, "dual"))
		mode.dual = true;
	else if (!strcmp(word, "unix"))
		mode.local = true;
	else if (!strcmp(word, "warm"))
		mode.warm = true;
	else if (!strcmp(word, "thread"))
		mode.thread = true;
	else if (!strcmp(word, "plain"))
		mode.plain = true;
	else if (!strcmp(word, "server"))
		mode.server = true;
	else if (strcmp(word, "v4") && strcmp(word, "cold") &&
		 strcmp(word, "child") && strcmp(word, "client"))
		die("no mode %s", word);
}

/* A plain child is told addresses of functions: it must have the same. */
static void fixed_addresses(char **argv)
{
	int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned)now | ADDR_NO_RANDOMIZE) < 0)
		die("personality: %s", errname(errno));
	execv("/proc/self/exe", argv);
	die("exec: %s", errname(errno));
}

int main(int argc, char **argv)
{
	const struct topic *t;
	int i;

	if (argc == 3 && !strcmp(argv[1], "actor"))
		far_plain(argv[2]);
	if (argc < 2) {
		for (t = __start_peer_topics; t < __stop_peer_topics; t++)
			say("%s", t->name);
		return 0;
	}
	for (i = 2; i < argc; i++)
		set_mode(argv[i]);
	if (mode.plain)
		fixed_addresses(argv);
	alarm(20);
	for (t = __start_peer_topics; t < __stop_peer_topics; t++) {
		if (strcmp(t->name, argv[1]))
			continue;
		t->run();
		say("end");
		return 0;
	}
	die("no topic %s", argv[1]);
}
