/* SPDX-License-Identifier: Apache-2.0 */
/* roles.c - the processes: servers and clients of all kinds */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#define CHILDREN 64

static uint64_t the_seed;
static int listener;

static void *driver(void *ep)
{
	drive(ep);
	return NULL;
}

static void drive_by_thread(struct ep *ep)
{
	pthread_t t;

	if (pthread_create(&t, NULL, driver, ep))
		die(ep, "no thread");
	pthread_detach(t);
}

static void wait_active(void)
{
	while (n_active)
		usleep(1000);
}

static void *runner(void *loop)
{
	loop_run(loop);
	return NULL;
}

/* As many threads as it bears. */
static void run_loop(struct loop *l, struct rng *r)
{
	unsigned i, n = loop_is_shared(l) ? 1 + below(r, 3) : 1;
	pthread_t t[3];

	for (i = 1; i < n; i++)
		if (pthread_create(&t[i], NULL, runner, l))
			die(NULL, "no thread");
	loop_run(l);
	for (i = 1; i < n; i++)
		pthread_join(t[i], NULL);
}

static void check_child(int status)
{
	if (status)
		die(NULL, "a child's status is %x", (unsigned)status);
}

static void reap_all(void)
{
	int status;

	while (wait(&status) > 0 || errno == EINTR)
		check_child(status);
}

/* --- server --- */

/* By a Unix socket: at an abstract name of five hexadecimal digits, unix(7). */
static bool by_unix(void)
{
	return getenv("STRESS_UNIX");
}

static int listen_unix(int *port)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);
	unsigned name;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un.sun_family)) ||
	    listen(fd, 128) || getsockname(fd, (struct sockaddr *)&un, &len) ||
	    sscanf(un.sun_path + 1, "%5x", &name) != 1)
		die(NULL, "listen: %s", strerror(errno));
	*port = (int)name;
	return fd;
}

static int connect_unix(int port)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    n = sprintf(un.sun_path + 1, "%05x", (unsigned)port);
	socklen_t len = (socklen_t)sizeof(un.sun_family) + 1 + (socklen_t)n;

	if (fd >= 0 && connect(fd, (struct sockaddr *)&un, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* 127.0.0.1, ::1, or IPv4 by a socket of IPv6 */
static int listen_somewhere(struct rng *r, int *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	bool six = one_in(r, 3);
	socklen_t len = six ? sizeof(any) : sizeof(sin);
	struct sockaddr *sa = six ? (void *)&any : (void *)&sin;
	int fd;

	if (by_unix())
		return listen_unix(port);
	fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, sa, len) || listen(fd, 128) ||
	    getsockname(fd, sa, &len))
		die(NULL, "listen: %s", strerror(errno));
	*port = ntohs(six ? any.sin6_port : sin.sin_port);
	return fd;
}

/* shutdown(2) of a Unix socket that listens wakes nobody: so each who accepts
 * gets a connection that tells it to stop. */
#define ACCEPTORS_MAX 32
static _Atomic bool *stopping; /* shared with children */

static void wake_acceptors(void)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	int i, fd;

	*stopping = true;
	if (getsockname(listener, (struct sockaddr *)&un, &len))
		die(NULL, "getsockname: %s", strerror(errno));
	for (i = 0; i < ACCEPTORS_MAX; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
			    0);
		if (fd >= 0)
			connect(fd, (struct sockaddr *)&un, len);
		close(fd);
	}
}

int accept_one(int flags)
{
	int fd = accept4(listener, NULL, NULL, flags);

	if (fd < 0 || !*stopping)
		return fd;
	close(fd);
	errno = EINVAL;
	return -1;
}

/* The listener's end is the server's. */
static void *stopper(void *arg)
{
	sem_t *runs = arg;
	sigset_t set;
	int sig;

	sem_post(runs);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigwait(&set, &sig);
	if (by_unix())
		wake_acceptors();
	shutdown(listener, SHUT_RD);
	return NULL;
}

static int take_one(void)
{
	int fd;

	do {
		fd = accept_one(0);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0 && errno != EINVAL)
		die(NULL, "accept: %s", strerror(errno));
	return fd;
}

static void by_threads(void)
{
	int fd;

	while ((fd = take_one()) >= 0)
		drive_by_thread(ep_new(the_seed, 0, SERVER, fd));
	wait_active();
}

static void by_loop(struct rng *r)
{
	struct loop *l = loop_new(the_seed, r);

	loop_listen(l, listener);
	run_loop(l, r);
	loop_free(l);
}

static void by_forks(void)
{
	int fd, status;

	while ((fd = take_one()) >= 0) {
		if (!fork()) {
			watchdog(60);
			close(listener);
			drive(ep_new(the_seed, 0, SERVER, fd));
			_exit(0);
		}
		close(fd);
		while (waitpid(-1, &status, WNOHANG) > 0)
			check_child(status);
	}
	reap_all();
}

static void by_workers(struct rng *r, bool loops)
{
	unsigned i, n = 2 + below(r, 3);

	for (i = 0; i < n; i++) {
		rnd(r);
		if (fork())
			continue;
		watchdog(60);
		if (loops)
			by_loop(r);
		else
			by_threads();
		_exit(0);
	}
	reap_all();
}

int serve(uint64_t seed, int report_fd)
{
	struct rng r = { mix(seed, 0x5e14e) };
	sigset_t set;
	pthread_t t;
	sem_t runs;
	int port;

	the_seed = seed;
	watchdog(60);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	stopping = mmap(NULL, sizeof(*stopping), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stopping == MAP_FAILED)
		die(NULL, "no memory");
	listener = listen_somewhere(&r, &port);
	sem_init(&runs, 0, 0);
	if (pthread_create(&t, NULL, stopper, &runs))
		die(NULL, "no thread");
	/* a fork while a thread begins is too much for a sanitizer's runtime:
	 * FORKS_AMONG_THREADS */
	while (sem_wait(&runs))
		;
	if (write(report_fd, &port, sizeof(port)) != sizeof(port))
		die(NULL, "nobody to report to");
	close(report_fd);
	switch (below(&r, 6)) {
	case 0:
		by_forks();
		break;
	case 1:
		by_workers(&r, true);
		break;
	case 2:
		by_workers(&r, false);
		break;
	case 3:
		by_threads();
		break;
	default:
		by_loop(&r);
	}
	return 0;
}

/* --- client --- */

static unsigned conns_left, next_conn;
static unsigned my_number;
static int to_port;
static pthread_mutex_t next_lock = PTHREAD_MUTEX_INITIALIZER;

static int connect_tcp(int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		return -1;
	}
	return fd;
}

static struct ep *connect_one(uint64_t id)
{
	int fd = by_unix() ? connect_unix(to_port) : connect_tcp(to_port);

	if (fd < 0) {
		if (tolerant)
			_exit(0);
		die(NULL, "connect: %s", strerror(errno));
	}
	return ep_new(the_seed, id, CLIENT, fd);
}

/* The next one's id, or 0. */
static uint64_t next_id(void)
{
	uint64_t id = 0;

	pthread_mutex_lock(&next_lock);
	if (conns_left) {
		conns_left--;
		id = ((uint64_t)my_number + 1) << 32 | next_conn++;
	}
	pthread_mutex_unlock(&next_lock);
	return id;
}

static void *connector(void *arg)
{
	uint64_t id;

	(void)arg;
	while ((id = next_id()))
		drive(connect_one(id));
	return NULL;
}

static void by_connectors(struct rng *r)
{
	unsigned i, n = 1 + below(r, 6);
	pthread_t t[6];

	for (i = 0; i < n; i++)
		if (pthread_create(&t[i], NULL, connector, NULL))
			die(NULL, "no thread");
	for (i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

static void by_one_loop(struct rng *r)
{
	struct loop *l;
	uint64_t id;
	unsigned n;

	while (conns_left) {
		l = loop_new(the_seed, r);
		for (n = 1 + below(r, 8); n && (id = next_id()); n--)
			loop_add(l, connect_one(id));
		run_loop(l, r);
		loop_free(l);
	}
}

/* Connected here, used there. */
static void by_children(struct rng *r)
{
	struct ep *ep;
	uint64_t id;
	unsigned n;

	while (conns_left) {
		for (n = 1 + below(r, 6); n && (id = next_id()); n--) {
			ep = connect_one(id);
			if (one_in(r, 2)) /* it may have a link then */
				ep_send(ep, false);
			if (!fork()) {
				watchdog(60);
				drive(ep);
				_exit(0);
			}
			close(ep->fd);
			ep_free(ep);
		}
		reap_all();
	}
}

int client(uint64_t seed, unsigned number, int port)
{
	struct rng r = { mix(seed, 0xc11e47 + number) };

	the_seed = seed;
	my_number = number;
	to_port = port;
	conns_left = 4 + below(&r, 24);
	watchdog(60);
	switch (below(&r, 4)) {
	case 0:
		by_children(&r);
		break;
	case 1:
		by_one_loop(&r);
		break;
	default:
		by_connectors(&r);
	}
	return 0;
}
