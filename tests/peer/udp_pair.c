/* SPDX-License-Identifier: Apache-2.0 */
/* udp_pair.c - two UDP sockets, for programs of datagrams */
#include "tests/peer/udp.h"

#define WARM_ROUNDS 160

struct sockaddr_storage far_addr[FARS];
socklen_t far_len[FARS];
int near_port;

static __thread int ufd[FARS] = { -1, -1, -1, -1 }; /* the actor's */
static __thread int to_port[FARS];

static int udp_socket(int family, bool any, int *port)
{
	struct sockaddr_storage addr;
	socklen_t len =
		any ? addr_any(&addr, family) : addr_loop(&addr, family, 0);
	int fd = (int)MUST(socket(family, SOCK_DGRAM, 0));

	MUST(bind(fd, (struct sockaddr *)&addr, len));
	len = sizeof(addr);
	MUST(getsockname(fd, (struct sockaddr *)&addr, &len));
	*port = addr_port(&addr);
	return fd;
}

int udp_near(int *port)
{
	return udp_socket(family_server(), mode.dual || mode.server, port);
}

static long open_far(int fd, long port, long how)
{
	int i = (int)(how & 0xff), mine;
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), (int)port);

	ufd[i] = udp_socket(family_client(), false, &mine);
	to_port[i] = (int)port;
	if (how & 0x100)
		MUST(connect(ufd[i], (struct sockaddr *)&addr, len));
	return mine;
}

/* By write(2) if it is connected, else by name. */
static ssize_t say_to(int i, const void *buf, size_t n)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (!getpeername(ufd[i], (struct sockaddr *)&addr, &len))
		return write(ufd[i], buf, n);
	len = addr_loop(&addr, family_client(), to_port[i]);
	return sendto(ufd[i], buf, n, 0, (struct sockaddr *)&addr, len);
}

long udp_send(int fd, long text, long i)
{
	const char *s = (const char *)text;

	return say_to((int)i, s, strlen(s));
}

long udp_send_n(int fd, long n, long i)
{
	static char buf[70000];
	long k;

	for (k = 0; k < n; k++)
		buf[k] = (char)(k * 7 + n);
	return say_to((int)i, buf, (size_t)n);
}

long udp_count(int fd, long n, long i)
{
	uint32_t k;

	for (k = 0; k < (uint32_t)n; k++)
		if (say_to((int)i, &k, sizeof(k)) != sizeof(k))
			return -1;
	return n;
}

#define NUMBERS 20 /* a round */

/* Each connect(2) ends the link, and the way to it begins anew. */
long udp_numbers(int fd, long rounds, long i)
{
	struct sockaddr_storage addr;
	socklen_t len = addr_loop(&addr, family_client(), to_port[i]);
	uint32_t n = 1;
	long r, k;

	for (r = 0; r < rounds; r++) {
		MUST(connect(ufd[i], (struct sockaddr *)&addr, len));
		for (k = 0; k < NUMBERS; k++, n++) {
			MUST(send(ufd[i], &n, sizeof(n), 0));
			if (r % 2 && k % 5 == 0)
				poll(NULL, 0, 1);
		}
	}
	for (k = 0; k < 400; k++) { /* one at least arrives */
		n = 0;
		MUST(send(ufd[i], &n, sizeof(n), 0));
		if (k % 4 == 0)
			poll(NULL, 0, 1);
	}
	return rounds * NUMBERS;
}

long udp_read(int fd, long n, long i)
{
	static char buf[70000];

	return recv(ufd[i], buf, (size_t)n, 0);
}

long udp_shut(int fd, long i, long unused)
{
	int was = ufd[i];

	ufd[i] = -1;
	return close(was);
}

static void warm_round(int i, int round)
{
	char buf[16];

	if (far_do(udp_send, (long)"warm", i) != 4)
		die("warm: %s", errname(errno));
	MUST(recv(near_fd, buf, sizeof(buf), 0));
	MUST(sendto(near_fd, buf, 4, 0, (void *)&far_addr[i], far_len[i]));
	if (far_do(udp_read, sizeof(buf), i) != 4)
		die("warm: %s", errname(errno));
	if (round % 8 == 0)
		poll(NULL, 0, 1); /* the daemon gets its turn */
}

void udp_warm(int i)
{
	int round;

	for (round = 0; round < WARM_ROUNDS; round++)
		warm_round(i, round);
}

void udp_open(int n, int ends)
{
	int i, port;

	far_actor();
	near_fd = udp_near(&near_port);
	for (i = 0; i < n; i++) {
		port = (int)far_do(open_far, near_port,
				   i | (ends & UDP_FAR_CONNECTED ? 0x100 : 0));
		far_len[i] = addr_loop(&far_addr[i], family_client(), port);
		if (!mode.dual)
			continue;
		/* as a socket of IPv6 calls it */
		struct sockaddr_in6 *in6 = (void *)&far_addr[i];
		far_len[i] = addr_loop(&far_addr[i], AF_INET6, port);
		memset(&in6->sin6_addr, 0, sizeof(in6->sin6_addr));
		in6->sin6_addr.s6_addr[10] = in6->sin6_addr.s6_addr[11] = 0xff;
		in6->sin6_addr.s6_addr[12] = 127;
		in6->sin6_addr.s6_addr[15] = 1;
	}
	if (ends & UDP_NEAR_CONNECTED)
		MUST(connect(near_fd, (void *)&far_addr[0], far_len[0]));
	for (i = 0; mode.warm && i < n; i++)
		udp_warm(i);
}

static int which(const struct sockaddr_storage *addr)
{
	int i;

	for (i = 0; i < FARS; i++)
		if (far_len[i] && addr_port(addr) == addr_port(&far_addr[i]))
			return i;
	return -1;
}

void udp_get(const char *what, size_t room, int flags)
{
	static char buf[70000];
	struct sockaddr_storage addr;
	struct iovec iov = { buf, room };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_name = &addr,
			      .msg_namelen = sizeof(addr),
			      .msg_flags = 0x4711 };
	ssize_t n;

	memset(&addr, 0, sizeof(addr));
	memset(buf, 0, sizeof(buf));
	errno = ERRNO_UNTOUCHED;
	n = recvmsg(near_fd, &msg, flags);
	said(what, n, errno);
	if (n < 0)
		return;
	say_data(buf, n > (long)room ? (long)room : n);
	say_addr("  from", &addr, msg.msg_namelen, 0);
	say("  socket %d, flags %#x, control %zu", which(&addr), msg.msg_flags,
	    msg.msg_controllen);
}
