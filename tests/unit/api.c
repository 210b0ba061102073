/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api.c - <sapi.h>, function by function
 *
 * Run as it is there is no daemon and every byte goes through the kernel;
 * native.bats runs it again with a daemon, and API_SHM=session, where every
 * byte goes through shared memory, or API_SHM=link, where bytes do sooner or
 * later.  But for where the bytes are, no test may see a difference.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "core/sapi.h"
#include "tests/unit/tap.h"

/* A test in a process of its own, for what the library keeps open. */
#define API_TEST(name)                                              \
	static void name##_body(void);                              \
	TEST(name)                                                  \
	{                                                           \
		int status;                                         \
		pid_t pid = fork();                                 \
                                                                    \
		if (!pid) {                                         \
			alarm(25);                                  \
			name##_body();                              \
			exit(0);                                    \
		}                                                   \
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);  \
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) \
			_exit(77);                                  \
		CHECK(status == 0);                                 \
	}                                                           \
	static void name##_body(void)

static bool shm(void)
{
	return getenv("API_SHM") != NULL;
}

static bool links(void)
{
	return shm() && !strcmp(getenv("API_SHM"), "link");
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr =
					     htonl(INADDR_LOOPBACK) };
}

static int listen_any(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int s;

	*addr = loopback(0);
	s = sapi_listen((struct sockaddr *)addr, sizeof(*addr), 8);
	CHECK(s >= 0);
	CHECK(sapi_getsockname(s, (struct sockaddr *)addr, &len) == 0);
	CHECK(len == sizeof(*addr) && addr->sin_port != 0);
	return s;
}

struct pair {
	int listener, client, server;
	struct sockaddr_in addr;
};

static void *connect_one(void *arg)
{
	struct pair *p = arg;

	p->client = sapi_connect((struct sockaddr *)&p->addr, sizeof(p->addr));
	return NULL;
}

/* Two ends of a connection in this process. */
static struct pair pair_open(void)
{
	struct pair p;
	pthread_t thread;

	p.listener = listen_any(&p.addr);
	CHECK(!pthread_create(&thread, NULL, connect_one, &p));
	p.server = sapi_accept(p.listener, NULL, NULL, 0);
	pthread_join(thread, NULL);
	CHECK(p.server >= 0 && p.client >= 0);
	return p;
}

static void pair_close(struct pair *p)
{
	CHECK(sapi_close(p->client) == 0);
	CHECK(sapi_close(p->server) == 0);
	CHECK(sapi_close(p->listener) == 0);
}

static enum sapi_transport transport(int s)
{
	struct sapi_info info = { .size = sizeof(info) };

	CHECK(sapi_getinfo(s, &info) == 0);
	return info.transport;
}

static void echo_once(struct pair *p)
{
	char c;

	CHECK(sapi_send(p->client, "x", 1, 0) == 1);
	CHECK(sapi_recv(p->server, &c, 1, 0) == 1);
	CHECK(sapi_send(p->server, "x", 1, 0) == 1);
	CHECK(sapi_recv(p->client, &c, 1, 0) == 1);
}

/* Where the bytes are, having gone there if they can. */
static bool carried_right(struct pair *p)
{
	int i;

	for (i = 0; links() && i < 20000 && transport(p->client) != SAPI_SHM;
	     i++)
		echo_once(p);
	if (links()) /* and both ends have left the kernel */
		echo_once(p);
	return transport(p->client) == (shm() ? SAPI_SHM : SAPI_KERNEL) &&
	       transport(p->server) == transport(p->client);
}

API_TEST(bytes_go_both_ways)
{
	struct pair p = pair_open();
	struct iovec out[2] = { { .iov_base = (char *)"abc", .iov_len = 3 },
				{ .iov_base = (char *)"defg", .iov_len = 4 } };
	char a[4], b[8];
	struct iovec in[2] = { { .iov_base = a, .iov_len = sizeof(a) },
			       { .iov_base = b, .iov_len = sizeof(b) } };

	CHECK(sapi_send(p.client, "hello", 5, 0) == 5);
	CHECK(sapi_recv(p.server, b, sizeof(b), MSG_PEEK) == 5);
	CHECK(sapi_recv(p.server, b, 5, MSG_WAITALL) == 5);
	CHECK(!memcmp(b, "hello", 5));
	CHECK(sapi_sendv(p.server, out, 2, 0) == 7);
	CHECK(sapi_recvv(p.client, in, 2, 0) == 7);
	CHECK(!memcmp(a, "abcd", 4) && !memcmp(b, "efg", 3));
	CHECK(carried_right(&p));
	CHECK(sapi_send(p.client, "hello", 5, 0) == 5);
	CHECK(sapi_recv(p.server, b, 5, MSG_WAITALL) == 5);
	CHECK(!memcmp(b, "hello", 5));
	CHECK(sapi_shutdown(p.client, SHUT_WR) == 0);
	CHECK(sapi_recv(p.server, b, sizeof(b), 0) == 0);
	CHECK(sapi_send(p.server, "late", 4, 0) == 4);
	CHECK(sapi_recv(p.client, b, sizeof(b), 0) == 4);
	pair_close(&p);
}

API_TEST(names_are_those_of_the_connection)
{
	struct pair p = pair_open();
	struct sockaddr_in local, peer;
	socklen_t len = sizeof(local);

	CHECK(sapi_getsockname(p.client, (struct sockaddr *)&local, &len) == 0);
	len = sizeof(peer);
	CHECK(sapi_getpeername(p.server, (struct sockaddr *)&peer, &len) == 0);
	CHECK(local.sin_port == peer.sin_port && local.sin_port != 0);
	len = sizeof(peer);
	CHECK(sapi_getpeername(p.client, (struct sockaddr *)&peer, &len) == 0);
	CHECK(peer.sin_port == p.addr.sin_port);
	CHECK(peer.sin_addr.s_addr == p.addr.sin_addr.s_addr);
	pair_close(&p);
}

API_TEST(info_counts_what_is_under_way)
{
	struct sapi_info info = { .size = sizeof(info) };
	struct pair p = pair_open();
	char buf[5];

	CHECK(sapi_getinfo(p.server, &info) == 0 && info.rx_queued == 0);
	CHECK(sapi_send(p.client, "12345", 5, 0) == 5);
	CHECK(sapi_recv(p.server, buf, 5, MSG_PEEK) == 5);
	CHECK(sapi_getinfo(p.server, &info) == 0 && info.rx_queued == 5);
	CHECK(sapi_recv(p.server, buf, 5, 0) == 5);
	CHECK(sapi_getinfo(p.server, &info) == 0 && info.rx_queued == 0);
	CHECK(sapi_getinfo(p.client, &info) == 0 && info.tx_queued == 0);
	/* a caller that knows fewer members, and one that knows none */
	info = (struct sapi_info){
		.size = offsetof(struct sapi_info, tx_queued), .tx_queued = 77
	};
	CHECK(sapi_getinfo(p.client, &info) == 0 && info.tx_queued == 77);
	info.size = 1;
	CHECK(sapi_getinfo(p.client, &info) == -EINVAL);
	info.size = sizeof(info);
	CHECK(sapi_getinfo(-1, &info) == -EBADF);
	pair_close(&p);
}

API_TEST(errors_are_the_kernels_and_no_signal_comes)
{
	struct sockaddr_in addr;
	int s = listen_any(&addr), i;
	struct pair p;
	char c;
	ssize_t n;

	CHECK(sapi_close(s) == 0);
	CHECK(sapi_connect((struct sockaddr *)&addr, sizeof(addr)) ==
	      -ECONNREFUSED);
	CHECK(sapi_connect((struct sockaddr *)&addr, 1) == -EINVAL);
	CHECK(sapi_close(s) == -EBADF);
	CHECK(sapi_recv(s, &c, 1, 0) == -EBADF);
	p = pair_open();
	CHECK(sapi_listen((struct sockaddr *)&p.addr, sizeof(p.addr), 1) ==
	      -EADDRINUSE);
	CHECK(sapi_recv(p.client, &c, 1, MSG_DONTWAIT) == -EAGAIN);
	CHECK(sapi_sendv(p.client, NULL, -1, 0) == -EINVAL);
	CHECK(sapi_close(p.server) == 0);
	/* by a session it is the daemon that says so, when it has its turn */
	for (i = 0, n = 1; i < 10000 && n > 0; i++) {
		n = sapi_send(p.client, "x", 1, 0);
		poll(NULL, 0, 1);
	}
	CHECK(n == -EPIPE || n == -ECONNRESET);
	CHECK(sapi_send(p.client, "x", 1, 0) == -EPIPE);
	CHECK(sapi_close(p.client) == 0 && sapi_close(p.listener) == 0);
}

API_TEST(nonblock_tells_what_was)
{
	struct pair p = pair_open();
	ssize_t n = -EAGAIN;
	char c;
	int i;

	CHECK(sapi_nonblock(p.client, 1) == 0);
	CHECK(sapi_recv(p.client, &c, 1, 0) == -EAGAIN);
	CHECK(sapi_nonblock(p.client, 1) == 1);
	CHECK(sapi_nonblock(p.client, 0) == 1);
	CHECK(sapi_nonblock(p.client, 0) == 0);
	CHECK(sapi_nonblock(-1, 0) == -EBADF);
	/* the end comes even to a program that never waits */
	CHECK(sapi_nonblock(p.client, 1) == 0);
	CHECK(sapi_shutdown(p.server, SHUT_WR) == 0);
	for (i = 0; i < 100000 && n == -EAGAIN; i++) {
		n = sapi_recv(p.client, &c, 1, 0);
		sched_yield();
	}
	CHECK(n == 0);
	pair_close(&p);
}

API_TEST(sockets_of_the_program)
{
	struct sockaddr_in addr = loopback(0);
	socklen_t len = sizeof(addr);
	int l = socket(AF_INET, SOCK_STREAM, 0), s, c, rc, err = -1;
	struct pollfd p;
	char buf[2];

	CHECK(bind(l, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(sapi_listen_fd(l, 8) == 0);
	CHECK(sapi_getsockname(l, (struct sockaddr *)&addr, &len) == 0);
	c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	rc = sapi_connect_fd(c, (struct sockaddr *)&addr, sizeof(addr));
	CHECK(rc == 0 || rc == -EINPROGRESS);
	s = sapi_accept(l, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK);
	CHECK(s >= 0 && addr.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	p = (struct pollfd){ .fd = c, .events = POLLOUT };
	CHECK(sapi_poll(&p, 1, 5000) == 1 && p.revents == POLLOUT);
	len = sizeof(err);
	CHECK(sapi_getsockopt(c, SOL_SOCKET, SO_ERROR, &err, &len) == 0);
	CHECK(err == 0);
	CHECK(sapi_recv(s, buf, 2, 0) == -EAGAIN); /* as asked of accept */
	CHECK(sapi_send(c, "ok", 2, 0) == 2);
	p = (struct pollfd){ .fd = s, .events = POLLIN };
	CHECK(sapi_poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
	CHECK(sapi_recv(s, buf, 2, 0) == 2 && !memcmp(buf, "ok", 2));
	CHECK(!sapi_close(c) && !sapi_close(s) && !sapi_close(l));
}

/* --- views --- */

#define STREAM 300000u

static char pattern(size_t i)
{
	return (char)(i * 7 + i / 251);
}

static void *send_stream(void *arg)
{
	int s = *(int *)arg;
	static char buf[STREAM];
	size_t i, done = 0;
	ssize_t n;

	for (i = 0; i < STREAM; i++)
		buf[i] = pattern(i);
	while (done < STREAM) {
		n = sapi_send(s, buf + done, STREAM - done, 0);
		CHECK(n > 0);
		done += (size_t)n;
	}
	CHECK(sapi_shutdown(s, SHUT_WR) == 0);
	return NULL;
}

/* Check one view, and take at most @most of it: bytes taken. */
static size_t take_view(int s, size_t at, size_t most)
{
	struct iovec iov[3];
	int n = 3, i;
	size_t k, sum = 0;
	ssize_t len = sapi_recv_view(s, iov, &n);

	CHECK(len >= 0);
	for (i = 0; i < n; i++)
		for (k = 0; k < iov[i].iov_len; k++)
			CHECK(((char *)iov[i].iov_base)[k] ==
			      pattern(at + sum++));
	CHECK(sum == (size_t)len);
	if (sum > most)
		sum = most;
	CHECK(sapi_recv_done(s, sum) == 0);
	return sum;
}

API_TEST(views_show_every_byte_once)
{
	struct pair p = pair_open();
	struct iovec iov;
	size_t got = 0, n, most = 1;
	pthread_t thread;
	int one = 1;

	if (!shm()) {
		CHECK(sapi_recv_view(p.server, &iov, &one) == -EOPNOTSUPP);
		CHECK(sapi_recv_done(p.server, 1) == -EOPNOTSUPP);
		pair_close(&p);
		return;
	}
	CHECK(carried_right(&p));
	CHECK(!pthread_create(&thread, NULL, send_stream, &p.client));
	while ((n = take_view(p.server, got, most)) > 0) {
		got += n;
		most = most * 5 % 9973;
	}
	CHECK(got == STREAM);
	pthread_join(thread, NULL);
	pair_close(&p);
}

API_TEST(view_waits_not_when_it_must_not)
{
	struct pair p = pair_open();
	struct iovec iov;
	int n = 1;

	if (!shm())
		SKIP("no shared memory");
	CHECK(carried_right(&p));
	CHECK(sapi_nonblock(p.server, 1) == 0);
	CHECK(sapi_recv_view(p.server, &iov, &n) == -EAGAIN && n == 0);
	CHECK(sapi_recv_view(p.server, &iov, &n) == -EINVAL);
	CHECK(sapi_send(p.client, "abc", 3, 0) == 3);
	n = 1;
	CHECK(sapi_recv_view(p.server, &iov, &n) == 3 && n == 1);
	CHECK(sapi_recv_done(p.server, 0) == 0);
	CHECK(sapi_recv_done(p.server, 2) == 0);
	CHECK(sapi_recv_view(p.server, &iov, &n) == 1);
	CHECK(*(char *)iov.iov_base == 'c');
	CHECK(sapi_recv_done(p.server, 2) == -EINVAL);
	n = 1;
	CHECK(sapi_recv_view(p.listener, &iov, &n) < 0);
	n = 1;
	CHECK(sapi_recv_view(STDOUT_FILENO, &iov, &n) == -EOPNOTSUPP);
	pair_close(&p);
}

/* --- waiting --- */

API_TEST(poll_mixes_descriptors)
{
	struct pair p = pair_open();
	struct pollfd fds[2];
	int pipes[2];

	CHECK(pipe(pipes) == 0);
	fds[0] = (struct pollfd){ .fd = p.server, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	CHECK(sapi_poll(fds, 2, 0) == 0);
	CHECK(sapi_poll(fds, 2, 10) == 0);
	CHECK(write(pipes[1], "x", 1) == 1);
	CHECK(sapi_poll(fds, 2, -1) == 1 && fds[1].revents == POLLIN);
	CHECK(sapi_send(p.client, "x", 1, 0) == 1);
	fds[1].fd = -1;
	CHECK(sapi_poll(fds, 2, 5000) == 1 && fds[0].revents == POLLIN);
	close(pipes[0]);
	close(pipes[1]);
	pair_close(&p);
}

static void *send_later(void *arg)
{
	usleep(20000); /* so that the other is asleep; it need not be */
	CHECK(sapi_send(*(int *)arg, "x", 1, 0) == 1);
	return NULL;
}

API_TEST(epoll_mixes_descriptors)
{
	struct epoll_event ev = { .events = EPOLLIN }, out[4];
	int ep = epoll_create1(EPOLL_CLOEXEC), pipes[2];
	struct pair p = pair_open();
	pthread_t thread;
	char c;

	CHECK(ep >= 0 && pipe(pipes) == 0);
	ev.data.u64 = 1;
	CHECK(sapi_epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &ev) == 0);
	CHECK(sapi_epoll_ctl(ep, EPOLL_CTL_ADD, p.server, &ev) == -EEXIST);
	ev.data.u64 = 2;
	CHECK(sapi_epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &ev) == 0);
	CHECK(sapi_epoll_wait(ep, out, 4, 0) == 0);
	CHECK(!pthread_create(&thread, NULL, send_later, &p.client));
	CHECK(sapi_epoll_wait(ep, out, 4, 5000) == 1);
	CHECK(out[0].data.u64 == 1 && out[0].events == EPOLLIN);
	pthread_join(thread, NULL);
	CHECK(sapi_recv(p.server, &c, 1, 0) == 1);
	CHECK(sapi_epoll_wait(ep, out, 4, 0) == 0);
	CHECK(write(pipes[1], "x", 1) == 1);
	CHECK(sapi_epoll_wait(ep, out, 4, 5000) == 1 && out[0].data.u64 == 2);
	CHECK(sapi_epoll_ctl(ep, EPOLL_CTL_DEL, p.server, NULL) == 0);
	CHECK(sapi_epoll_ctl(ep, EPOLL_CTL_DEL, p.server, NULL) == -ENOENT);
	CHECK(sapi_close(ep) == 0);
	close(pipes[0]);
	close(pipes[1]);
	pair_close(&p);
}

/* --- attaching --- */

API_TEST(attach_and_detach)
{
	struct sapi_options o = { .size = sizeof(o) };
	struct pair p;
	int rc = sapi_attach(NULL);

	CHECK(shm() ? rc == 0 : rc < 0);
	CHECK(sapi_attach(NULL) == rc);
	CHECK(sapi_attach(&o) == -EALREADY);
	p = pair_open();
	CHECK(carried_right(&p));
	CHECK(sapi_detach() == (shm() ? -EBUSY : 0));
	pair_close(&p);
	CHECK(sapi_detach() == 0);
	CHECK(sapi_detach() == 0);
	p = pair_open(); /* attaches anew */
	CHECK(carried_right(&p));
	pair_close(&p);
}

API_TEST(options_are_checked)
{
	struct {
		struct sapi_options o;
		char more[16];
	} big = { .o = { .size = sizeof(big) } };
	char path[200];

	big.o.size = 4;
	CHECK(sapi_attach(&big.o) == -EINVAL);
	big.o.size = sizeof(big);
	big.more[15] = 1;
	CHECK(sapi_attach(&big.o) == -E2BIG);
	big.o.size = sizeof(big.o);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	big.o.socket_path = path;
	CHECK(sapi_attach(&big.o) == -ENAMETOOLONG);
	big.o.socket_path = NULL;
	big.o.rules = "this is no rule";
	CHECK(sapi_attach(&big.o) < 0);
}

API_TEST(rules_of_the_program_hold)
{
	struct sapi_options o = { .size = sizeof(o),
				  .name = "api-test",
				  .rules = "use os tcp_server *:*; "
					   "use os tcp_client *:*" };
	struct pair p;

	sapi_attach(&o);
	p = pair_open();
	CHECK(transport(p.client) == SAPI_KERNEL);
	pair_close(&p);
}

API_TEST(daemon_of_the_program_is_used)
{
	struct sapi_options o = { .size = sizeof(o),
				  .socket_path = getenv("SAPI_SOCKET") };
	struct pair p;

	if (!shm())
		SKIP("no daemon");
	unsetenv("SAPI_SOCKET");
	CHECK(sapi_attach(&o) == 0);
	p = pair_open();
	CHECK(carried_right(&p));
	pair_close(&p);
}

API_TEST(environment_beats_options)
{
	struct sapi_options o = { .size = sizeof(o),
				  .socket_path = "/nonexistent",
				  .rules = "use auto any *:*" };
	struct pair p;

	if (!shm())
		SKIP("no daemon");
	setenv("SAPI_RULES", "use os tcp_client *:*", 1);
	CHECK(sapi_attach(&o) == 0);
	p = pair_open();
	CHECK(transport(p.client) == SAPI_KERNEL);
	pair_close(&p);
}

TEST(version_is_the_packages)
{
	CHECK(!strcmp(sapi_version(), PACKAGE_VERSION));
}
