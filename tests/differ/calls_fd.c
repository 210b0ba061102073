/* SPDX-License-Identifier: Apache-2.0 */
/* calls_fd.c - descriptors: made, closed, copied, asked */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/differ/differ.h"

#define SHORT_US 15000 /* of calls that block for nothing */

static void *volatile nowhere = (void *)8;

/* No Nagle: what is sent arrives. */
static void set_up(int fd)
{
	struct timeval tv = { 0, SHORT_US };
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

void call_dial(const struct order *o, struct answer *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)peer_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint64_t how = o->how;
	int later = take(&how, 2) ? SOCK_NONBLOCK : 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | later, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	slots[o->slot] = fd;
	put(a, "dial%s", later ? " nonblock" : "");
	DO(a, connect(fd, (void *)&to, sizeof(to)));
	if (later) {
		poll(&p, 1, 1000);
		DO(a, connect(fd, (void *)&to, sizeof(to)));
		a->ret = 0;
	}
	set_up(fd);
}

void call_accept(const struct order *o, struct answer *a)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	uint64_t how = o->how;
	unsigned way = take(&how, 4);

	put(a, "accept/%u", way);
	if (way == 0)
		slots[o->slot] =
			(int)DO(a, accept(listener, (void *)&ss, &len));
	else if (way == 1)
		slots[o->slot] = (int)DO(
			a, accept4(listener, NULL, NULL, SOCK_NONBLOCK));
	else if (way == 2)
		slots[o->slot] = (int)DO(a, syscall(SYS_accept4, listener, &ss,
						    &len, SOCK_CLOEXEC));
	else
		slots[o->slot] = (int)DO(a, accept(listener, NULL, NULL));
	if (slots[o->slot] >= 0)
		set_up(slots[o->slot]);
}

void call_shutdown(const struct order *o, struct answer *a)
{
	put(a, "shutdown %ld", o->n);
	DO(a, shutdown(slots[o->slot], (int)o->n));
}

/* From the instances in the slots @epolls. */
static void unregister(int fd, long epolls)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (epolls & 1L << i)
			epoll_ctl(slots[i], EPOLL_CTL_DEL, fd, NULL);
}

void call_close(const struct order *o, struct answer *a)
{
	unregister(slots[o->slot], o->m);
	put(a, "close");
	if (o->n == 0)
		DO(a, close(slots[o->slot]));
	else if (o->n == 1)
		DO(a, syscall(SYS_close, slots[o->slot]));
	else
		DO(a, close_range((unsigned)slots[o->slot],
				  (unsigned)slots[o->slot], 0));
	slots[o->slot] = -1;
}

void call_dup(const struct order *o, struct answer *a)
{
	put(a, "dup to %d", o->other);
	slots[o->other] =
		(int)(o->n ? DO(a, dup(slots[o->slot]))
			   : DO(a, fcntl(slots[o->slot], F_DUPFD_CLOEXEC, 3)));
}

void call_dup2(const struct order *o, struct answer *a)
{
	unregister(slots[o->other], o->m);
	put(a, "dup2 onto %d", o->other);
	DO(a, dup2(slots[o->slot], slots[o->other]));
}

void call_set(const struct order *o, struct answer *a)
{
	struct timeval tv = { 0, 5000 };
	struct linger lg = { 0, 0 };
	uint64_t how = o->how;
	int fd = slots[o->slot], n;

	switch (take(&how, 6)) {
	case 0:
		tv.tv_usec += (long)take(&how, 10) * 1000;
		put(a, "set RCVTIMEO %ld", tv.tv_usec);
		DO(a, setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
		break;
	case 1:
		n = (int)take(&how, 3) ? 1 : (int)take(&how, 300);
		put(a, "set RCVLOWAT %d", n);
		if (o->m)
			break;
		DO(a, setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)));
		break;
	case 2:
		lg.l_onoff = (int)take(&how, 2);
		put(a, "set LINGER %d 0", lg.l_onoff);
		DO(a, setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
		break;
	case 3:
		n = (int)take(&how, 2);
		put(a, "set KEEPALIVE %d", n);
		DO(a, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &n, sizeof(n)));
		break;
	case 4:
		put(a, "set short");
		DO(a, setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &tv, 2));
		break;
	default:
		put(a, "set unknown");
		DO(a, setsockopt(fd, SOL_SOCKET, 9999, &tv, sizeof(tv)));
		break;
	}
}

void call_get(const struct order *o, struct answer *a)
{
	static const int names[] = { SO_ERROR,	  SO_ERROR,	 SO_TYPE,
				     SO_RCVLOWAT, SO_RCVTIMEO,	 SO_LINGER,
				     SO_LINGER,	  SO_ACCEPTCONN, SO_DOMAIN };
	static const int lens[] = { 4, 4, 8, 16, 1, 0, 2, -1, 64 };
	uint64_t how = o->how;
	int name = names[take(&how, COUNT(names))], fd = slots[o->slot];
	socklen_t len = (socklen_t)lens[take(&how, COUNT(lens))];
	unsigned char val[64];
	struct tcp_info ti;
	socklen_t i;

	if (!take(&how, 8)) {
		put(a, "get TCP_INFO");
		len = sizeof(ti);
		memset(&ti, 0, sizeof(ti));
		DO(a, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len));
		/* the acknowledgement of a FIN comes when it comes */
		put(a, " state %u",
		    ti.tcpi_state == TCP_FIN_WAIT1 ? TCP_FIN_WAIT2
						   : ti.tcpi_state);
		return;
	}
	put(a, "get %d room %d", name, (int)len);
	memset(val, 0xee, sizeof(val));
	if (DO(a, getsockopt(fd, SOL_SOCKET, name, val, &len)) < 0)
		return;
	put(a, " len %d:", (int)len);
	for (i = 0; i < len && i < 16; i++)
		put(a, "%02x", val[i]);
}

void call_flags(const struct order *o, struct answer *a)
{
	uint64_t how = o->how;
	int fd = slots[o->slot], on;

	switch (take(&how, 5)) {
	case 0:
		put(a, "GETFL");
		on = (int)DO(a, fcntl(fd, F_GETFL));
		put(a, "%s", on >= 0 && on & O_NONBLOCK ? " nonblock" : "");
		break;
	case 1:
		on = (int)take(&how, 2) ? O_RDWR | O_NONBLOCK : O_RDWR;
		put(a, "SETFL %x", (unsigned)on);
		DO(a, fcntl(fd, F_SETFL, on));
		break;
	case 2:
		on = (int)take(&how, 2);
		put(a, "FIONBIO %d", on);
		DO(a, ioctl(fd, FIONBIO, &on));
		break;
	case 3:
		put(a, "GETFD");
		DO(a, fcntl(fd, F_GETFD));
		break;
	default:
		put(a, "SETFD");
		DO(a, fcntl(fd, F_SETFD, (int)take(&how, 2)));
		break;
	}
}

void call_ioctl(const struct order *o, struct answer *a)
{
	/* not SIOCOUTQ: an answer may take its time */
	static const unsigned long names[] = { FIONREAD, SIOCATMARK, 0x12345 };
	uint64_t how = o->how;
	unsigned k = take(&how, COUNT(names));
	int n = -77;

	put(a, "ioctl %u", k);
	DO(a, ioctl(slots[o->slot], names[k], &n));
	put(a, " %d", n);
}

/* Ports differ from one run to the next. */
void call_names(const struct order *o, struct answer *a)
{
	struct sockaddr_storage ss;
	struct sockaddr_in *in = (void *)&ss;
	uint64_t how = o->how;
	unsigned peer = take(&how, 2);
	socklen_t len = take(&how, 3) ? sizeof(ss) : take(&how, 20);

	memset(&ss, 0, sizeof(ss));
	put(a, "%s room %u", peer ? "getpeername" : "getsockname", len);
	if (peer)
		DO(a, getpeername(slots[o->slot], (void *)&ss, &len));
	else
		DO(a, getsockname(slots[o->slot], (void *)&ss, &len));
	put(a, " len %u family %u addr %x", len, in->sin_family,
	    ntohl(in->sin_addr.s_addr));
}

/* What a connection refuses. */
void call_odd(const struct order *o, struct answer *a)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(1),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct iovec iov = { &to, 1 };
	int fd = slots[o->slot];
	volatile int many = 2000, none = -1;
	uint64_t how = o->how;
	unsigned k = take(&how, 16);
	off_t off = 0;
	struct stat st;
	char c;

	put(a, "odd %u", k);
	switch (k) {
	case 0:
		DO(a, connect(fd, (void *)&to, sizeof(to)));
		break;
	case 1:
		DO(a, connect(fd, (void *)&to, 3));
		break;
	case 2:
		DO(a, listen(fd, 3));
		break;
	case 3:
		DO(a, accept(fd, NULL, NULL));
		break;
	case 4:
		DO(a, lseek(fd, 0, SEEK_CUR));
		break;
	case 5:
		DO(a, pread(fd, &c, 1, 0));
		break;
	case 6:
		DO(a, fstat(fd, &st));
		put(a, " mode %o", st.st_mode);
		break;
	case 7:
		DO(a, sendfile(fd, fd, &off, 1));
		break;
	case 8:
		DO(a, bind(fd, (void *)&to, sizeof(to)));
		break;
	case 9:
		DO(a, shutdown(fd, 3));
		break;
	case 10:
		DO(a, writev(fd, &iov, none));
		break;
	case 11:
		DO(a, readv(fd, &iov, many));
		break;
	case 12:
		DO(a, fsync(fd));
		break;
	case 13:
		DO(a, preadv2(fd, &iov, 1, 0, 0));
		break;
	case 14:
		DO(a, send(fd, NULL, 0, MSG_DONTWAIT | MSG_NOSIGNAL));
		break;
	default:
		DO(a, recv(fd, NULL, 0, MSG_DONTWAIT));
		break;
	}
}

void call_fault(const struct order *o, struct answer *a)
{
	int fd = slots[o->slot];
	struct msghdr msg = { .msg_iov = nowhere, .msg_iovlen = 1 };
	struct iovec bad = { nowhere, 10 };
	socklen_t len = 16;
	uint64_t how = o->how;
	unsigned k = take(&how, 14);
	void *never = (void *)-4096;
	char c[64];

	put(a, "fault %u", k);
	switch (k) {
	case 0:
		DO(a, recv(fd, nowhere, 10, MSG_DONTWAIT));
		break;
	case 1:
		DO(a, send(fd, nowhere, 10, MSG_DONTWAIT | MSG_NOSIGNAL));
		break;
	case 2:
		DO(a, recv(fd, never, 10, MSG_DONTWAIT));
		break;
	case 3:
		DO(a, send(fd, never, 10, MSG_DONTWAIT | MSG_NOSIGNAL));
		break;
	case 4:
		DO(a, sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
		break;
	case 5:
		DO(a, recvmsg(fd, &msg, MSG_DONTWAIT));
		break;
	case 6:
		DO(a, preadv2(fd, &bad, 1, -1, RWF_NOWAIT));
		break;
	case 7:
		DO(a, getsockname(fd, nowhere, &len));
		break;
	case 8:
		DO(a, getpeername(fd, (void *)c, nowhere));
		break;
	case 9:
		DO(a, getsockopt(fd, SOL_SOCKET, SO_LINGER, nowhere, &len));
		break;
	case 10:
		DO(a, ioctl(fd, FIONREAD, nowhere));
		break;
	case 11:
		DO(a, ioctl(fd, FIONBIO, nowhere));
		break;
	case 12:
		DO(a, poll(nowhere, 3, 0));
		break;
	default:
		DO(a, epoll_ctl(fd, EPOLL_CTL_ADD, fd, nowhere));
		break;
	}
}

void call_reset(const struct order *o, struct answer *a)
{
	int i;

	call_interrupt(o, a);
	for (i = 0; i < SLOTS; i++) {
		if (slots[i] >= 0)
			close(slots[i]);
		slots[i] = -1;
	}
}
