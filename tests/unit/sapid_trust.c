/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_trust.c - users and network namespaces: who may link with whom */
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "tests/unit/rawclient.h"
#include "tests/unit/tap.h"

#define NOBODY 65534

static struct raw_daemon d;
static struct raw server;

static void begin(const char *conf, uid_t daemon_uid)
{
	if (geteuid())
		SKIP("needs root");
	raw_daemon_uid = daemon_uid;
	if (conf)
		raw_start_conf(&d, conf);
	else
		raw_start(&d, NULL);
	CHECK(!chmod(d.dir, 0755));
	CHECK(!raw_attach(&server, &d, &raw_default));
	CHECK(!raw_listen(&server, "127.0.0.1", 80, 0, NULL));
	CHECK(!raw_listen(&server, "0.0.0.0", 81, WIRE_LISTEN_REUSEPORT, NULL));
}

static void end(void)
{
	raw_close(&server);
	raw_stop(&d);
}

/* What @run finds in a child, which is somebody or somewhere else. */
static int elsewhere(bool other_user, bool other_netns, int (*run)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		if (other_netns && unshare(CLONE_NEWNET))
			_exit(77);
		if (other_user && setuid(NOBODY))
			_exit(78);
		_exit(-run());
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		SKIP("no network namespaces here");
	return -WEXITSTATUS(status);
}

static int try_connect(void)
{
	struct raw r;

	if (raw_attach(&r, &d, &raw_default))
		return -99;
	return raw_connect(&r, "127.0.0.1", 80, 1, NULL);
}

static int try_listen(void)
{
	struct raw r;

	if (raw_attach(&r, &d, &raw_default))
		return -99;
	return raw_listen(&r, "0.0.0.0", 81, WIRE_LISTEN_REUSEPORT, NULL);
}

static int try_worker(void)
{
	struct raw r;

	return raw_add_worker(&r, &d, &server);
}

/* 0 if the daemon hung up on us */
static int try_attach(void)
{
	struct pollfd p = { .events = POLLIN };
	char byte;

	p.fd = raw_dial(&d);
	if (poll(&p, 1, RAW_WAIT_MS) != 1)
		return -98;
	return recv(p.fd, &byte, 1, 0) <= 0 ? 0 : -97;
}

TEST(users_who_are_not_named_do_not_attach)
{
	begin("[namespace default]\nmode = 0666\n", 0);
	CHECK(elsewhere(true, false, try_attach) == 0);
	end();
}

TEST(users_who_are_named_link_with_each_other)
{
	begin("[namespace default]\nmode = 0666\nusers = any\n", 0);
	CHECK(elsewhere(true, false, try_connect) == 0);
	CHECK(elsewhere(true, false, try_listen) == WIRE_E_ALREADY_LISTENING);
	CHECK(elsewhere(true, false, try_worker) == WIRE_E_INVALID);
	CHECK(elsewhere(false, false, try_worker) == 0);
	CHECK(elsewhere(false, false, try_listen) == 0);
	end();
}

/* root may attach to anybody's daemon, and still is another user */
TEST(one_users_programs_link_and_others_do_not)
{
	begin(NULL, NOBODY);
	CHECK(elsewhere(true, false, try_connect) == WIRE_E_REFUSED);
	CHECK(elsewhere(false, false, try_connect) == 0);
	end();
}

TEST(another_network_namespace_is_another_host)
{
	begin(NULL, 0);
	CHECK(elsewhere(false, true, try_connect) == WIRE_E_NOROUTE);
	CHECK(elsewhere(false, true, try_listen) == 0);
	end();
	begin("[namespace default]\nany-netns = yes\n", 0);
	CHECK(elsewhere(false, true, try_connect) == 0);
	end();
}
