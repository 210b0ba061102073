/* SPDX-License-Identifier: Apache-2.0 */
/* sapid_unix.c - Unix sockets that are offered: proofs, matches, refusals */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit/rawlink.h"
#include "tests/unit/tap.h"

#define NOBODY 65534
#define NAME 4711 /* number of the listener's name: a hint that we choose */

static struct raw_daemon d;
static struct raw a, b;
static int listener, ends[2];

static void attach(struct raw *r)
{
	CHECK(!raw_attach(r, &d, &raw_default));
	if (!(r->hello.features & WIRE_EXT_UNIX))
		SKIP("no diagnostics of Unix sockets here");
}

static int dial(void)
{
	struct sockaddr_un un;
	socklen_t len = sizeof(un);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(!getsockname(listener, (struct sockaddr *)&un, &len));
	CHECK(!connect(fd, (struct sockaddr *)&un, len));
	return fd;
}

static int take(void)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static void begin(const char *conf)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	raw_start_patient(&d, conf);
	attach(&a);
	attach(&b);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(!bind(listener, (struct sockaddr *)&un, sizeof(un.sun_family)));
	CHECK(!listen(listener, 8));
	ends[0] = dial();
	ends[1] = take();
	raw_send_bell(&a);
	raw_send_bell(&b);
}

static void end(void)
{
	close(ends[0]);
	close(ends[1]);
	close(listener);
	raw_close(&a);
	raw_close(&b);
	raw_stop(&d);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	CHECK(!fstat(fd, &st));
	return st.st_ino;
}

static void claim(int fd, uint64_t context, struct wire_offer *o)
{
	uint64_t inode = inode_of(fd), cookie;
	socklen_t len = sizeof(cookie);

	memset(o, 0, sizeof(*o));
	CHECK(!getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	o->context = context;
	o->cookie = cookie;
	o->ring = 65536;
	o->lcl_port = htons(NAME);
	o->is_unix = 1;
	memcpy(o->lcl, &inode, sizeof(inode));
}

static void offer(struct raw *r, int fd, uint64_t context)
{
	struct wire_offer o;

	claim(fd, context, &o);
	raw_send_offer(r, &o, -1);
}

static void get_both(void)
{
	struct raw_grant ga, gb;

	ga = *raw_get_grant(&a, 1);
	gb = *raw_get_grant(&b, 2);
	raw_drop_grant(&ga);
	raw_drop_grant(&gb);
	CHECK(ga.g.link == gb.g.link && ga.g.side != gb.g.side);
}

static void refused(struct raw *r, const struct wire_offer *o)
{
	raw_send_offer(r, o, -1);
	raw_get_refuse(r, o->context, WIRE_REFUSED_PROOF);
}

TEST(both_ends_offer_and_the_page_shows_who_waits)
{
	const struct wire_page *page;
	uint16_t slot;

	begin(NULL);
	page = raw_page(&a);
	slot = wire_page_inode(inode_of(ends[0]));
	CHECK(!page->offers[slot] && !page->offers[NAME]);
	offer(&a, ends[0], 1);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(page->offers[slot] == 1 && page->offers[NAME] == 1);
	offer(&b, ends[1], 2);
	get_both();
	CHECK(!page->offers[slot] && !page->offers[NAME]);
	raw_page_close(page);
	end();
}

TEST(the_server_may_be_the_first)
{
	begin(NULL);
	offer(&b, ends[1], 2);
	CHECK(raw_ext_is_quiet(&b));
	offer(&a, ends[0], 1);
	get_both();
	end();
}

TEST(a_client_offers_before_it_is_accepted)
{
	int fds[2];

	begin(NULL);
	fds[0] = dial();
	offer(&a, fds[0], 1);
	CHECK(raw_ext_is_quiet(&a));
	fds[1] = take();
	offer(&b, fds[1], 2);
	get_both();
	close(fds[0]);
	close(fds[1]);
	end();
}

TEST(two_that_are_not_each_others_peer_do_not_meet)
{
	int fds[2];

	begin("[sapid]\noffer-timeout-ms = 300\n");
	fds[0] = dial();
	fds[1] = take();
	offer(&a, ends[0], 1);
	offer(&b, fds[1], 2);
	raw_get_refuse(&a, 1, WIRE_REFUSED_EXPIRED);
	raw_get_refuse(&b, 2, WIRE_REFUSED_EXPIRED);
	close(fds[0]);
	close(fds[1]);
	end();
}

TEST(what_the_kernel_does_not_confirm_is_refused)
{
	struct wire_offer good, o;
	uint64_t inode;

	begin(NULL);
	claim(ends[0], 1, &good);
	o = good;
	o.cookie++;
	refused(&a, &o);
	o = good;
	o.cookie = ~0ull; /* the kernel's "any" */
	refused(&a, &o);
	o = good;
	o.is_ip4 = 1;
	refused(&a, &o);
	o = good;
	o.is_unix = 2;
	refused(&a, &o);
	o = good;
	o.is_unix = 0;
	refused(&a, &o);
	o = good;
	inode = 0;
	memcpy(o.lcl, &inode, sizeof(inode));
	refused(&a, &o);
	inode = inode_of(ends[0]) + (1ull << 32);
	memcpy(o.lcl, &inode, sizeof(inode));
	refused(&a, &o);
	claim(listener, 1, &o);
	refused(&a, &o);
	/* and the good one still is */
	raw_send_offer(&a, &good, -1);
	offer(&b, ends[1], 2);
	get_both();
	end();
}

TEST(what_is_shut_down_or_no_stream_is_refused)
{
	struct wire_offer o;
	int fds[2];

	begin(NULL);
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds));
	claim(fds[0], 1, &o);
	refused(&a, &o);
	close(fds[0]);
	close(fds[1]);
	offer(&a, ends[0], 1);
	CHECK(raw_ext_is_quiet(&a));
	CHECK(!shutdown(ends[0], SHUT_WR));
	/* what waits is proved again when its other end comes, which itself
	 * has heard of the end */
	claim(ends[1], 2, &o);
	refused(&b, &o);
	end();
}

static void claims_roots(void)
{
	struct wire_offer o;
	struct raw n;

	attach(&n);
	raw_send_bell(&n);
	claim(ends[0], 1, &o);
	refused(&n, &o);
}

TEST(another_users_socket_is_no_proof)
{
	int status;
	pid_t pid;

	if (geteuid())
		SKIP("needs root");
	begin("[namespace default]\nmode = 0666\nusers = any\n");
	CHECK(!chmod(d.dir, 0755));
	pid = fork();
	if (!pid) {
		CHECK(!setgid(NOBODY) && !setuid(NOBODY));
		claims_roots();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	end();
}
