/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.c - call everything that the interposer wraps, and say what came back
 *
 * Nothing here is for the core: pipes, files, and two sockets that are
 * connected to each other.  preload.bats compares what it says with and
 * without the interposer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* what headers do not declare */
int __close(int fd);
int __connect(int fd, const struct sockaddr *addr, socklen_t len);
int __dup2(int fd, int to);
int __fcntl(int fd, int cmd, ...);
int __poll(struct pollfd *fds, nfds_t n, int ms);
ssize_t __read(int fd, void *buf, size_t len);
int __select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *tv);
ssize_t __send(int fd, const void *buf, size_t len, int flags);
ssize_t __write(int fd, const void *buf, size_t len);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask, size_t room);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
		       struct sockaddr *addr, socklen_t *alen);

/* errno shall be left alone by what succeeds */
#define SAY(call)                                                        \
	do {                                                             \
		long said_r;                                             \
                                                                         \
		errno = EXDEV;                                           \
		said_r = (long)(call);                                   \
		printf("%s: %ld, %s\n", #call, said_r, strerror(errno)); \
	} while (0)

static char buf[64];
static struct iovec iov = { buf, 8 };

static void sockets(int sv[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr *addr = (struct sockaddr *)&sin;
	socklen_t len = sizeof(sin);
	int no[2], one = 1, s, c;

	s = socket(AF_INET, SOCK_STREAM, 0);
	SAY(socket(AF_INET, -1, 0));
	SAY(bind(s, addr, len));
	SAY(listen(s, 4));
	SAY(listen(-1, 4));
	SAY(getsockname(s, addr, &len));
	SAY(getpeername(s, addr, &len));
	for (int i = 0; i < 2; i++) {
		c = socket(AF_INET, SOCK_STREAM, 0);
		SAY(i ? __connect(c, addr, len) : connect(c, addr, len));
		SAY(connect(c, addr, len));
		SAY(i ? accept4(s, NULL, NULL, SOCK_CLOEXEC)
		      : accept(s, NULL, NULL));
	}
	SAY(accept4(s, NULL, NULL, -1));
	SAY(accept(-1, NULL, NULL));
	SAY(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	len = sizeof(one);
	SAY(getsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &one, &len));
	SAY(getsockopt(c, SOL_SOCKET, -1, &one, &len));
	SAY(shutdown(c, SHUT_WR));
	SAY(shutdown(0, SHUT_WR));
	SAY(close(c));
	SAY(__close(s));
	SAY(close(c));
	SAY(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SAY(socketpair(AF_INET, SOCK_STREAM, 0, no));
}

static void data(const int sv[2])
{
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr msgs[2] = { { .msg_hdr = msg }, { .msg_hdr = msg } };
	off_t off = 1;
	int f = open("/proc/self/exe", O_RDONLY);

	SAY(write(sv[0], "abcdefgh", 8));
	SAY(__write(sv[0], "abcdefgh", 8));
	SAY(writev(sv[0], &iov, 1));
	SAY(send(sv[0], "abcdefgh", 8, MSG_NOSIGNAL));
#if defined(__x86_64__) /* elsewhere it is for programs of old alone */
	SAY(__send(sv[0], "abcdefgh", 8, 0));
#endif
	SAY(sendto(sv[0], "abcdefgh", 8, 0, NULL, 0));
	SAY(sendmsg(sv[0], &msg, 0));
	SAY(sendmmsg(sv[0], msgs, 2, 0));
	SAY(sendfile(sv[0], f, &off, 8));
	SAY(sendfile64(sv[0], f, &off, 8));
	SAY(off);
	SAY(splice(sv[0], NULL, sv[1], NULL, 8, 0));
	SAY(read(sv[1], buf, 8));
	SAY(__read(sv[1], buf, 8));
	SAY(__read_chk(sv[1], buf, 8, sizeof(buf)));
	SAY(readv(sv[1], &iov, 1));
	SAY(recv(sv[1], buf, 8, MSG_PEEK));
	SAY(__recv_chk(sv[1], buf, 8, sizeof(buf), 0));
	SAY(recvfrom(sv[1], buf, 8, 0, NULL, NULL));
	SAY(__recvfrom_chk(sv[1], buf, 8, sizeof(buf), 0, NULL, NULL));
	SAY(recvmsg(sv[1], &msg, 0));
	SAY(recvmmsg(sv[1], msgs, 2, 0, NULL));
	SAY(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
	SAY(recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
	SAY(read(-1, buf, 1));
	SAY(sendfile(-1, f, NULL, 1));
	close(f);
}

static int __attribute__((format(printf, 3, 4)))
print(int fd, bool checked, const char *format, ...)
{
	va_list ap;
	int r;

	va_start(ap, format);
	r = checked ? __vdprintf_chk(fd, 1, format, ap)
		    : vdprintf(fd, format, ap);
	va_end(ap);
	return r;
}

static void rare(const int sv[2])
{
	SAY(dprintf(sv[0], "%d", 17));
	SAY(__dprintf_chk(sv[0], 1, "%d", 17));
	SAY(print(sv[0], false, "%d", 17));
	SAY(print(sv[0], true, "%d", 17));
	SAY(dprintf(-1, "x"));
	SAY(preadv2(sv[1], &iov, 1, -1, RWF_NOWAIT));
	SAY(preadv64v2(sv[1], &iov, 1, -1, RWF_NOWAIT));
	SAY(pwritev2(sv[1], &iov, 1, -1, 0));
	SAY(pwritev64v2(sv[1], &iov, 1, 5, 0));
	SAY(syscall(SYS_read, sv[0], buf, 8));
	SAY(syscall(SYS_write, sv[0], "abc", 3));
	SAY(syscall(SYS_recvfrom, sv[1], buf, 8, 0, NULL, NULL));
	SAY(syscall(SYS_close, syscall(SYS_dup, sv[0])));
	SAY(syscall(SYS_getpid) == getpid());
	SAY(syscall(SYS_close, -1));
	SAY(syscall(99999));
}

static void descriptors(const int sv[2])
{
	struct rlimit top = { 64, 64 };
	int n = 0;

	setrlimit(RLIMIT_NOFILE, &top);
	SAY(dup(sv[0]));
	SAY(dup(-1));
	SAY(dup2(sv[0], 40));
	SAY(__dup2(sv[0], 41));
	SAY(dup3(sv[0], 42, O_CLOEXEC));
	SAY(dup3(sv[0], sv[0], 0));
	SAY(fcntl(sv[0], F_DUPFD, 43));
	SAY(fcntl(sv[0], F_DUPFD, 64));
	SAY(fcntl64(sv[0], F_DUPFD_CLOEXEC, 44));
	SAY(__fcntl(44, F_GETFD));
	SAY(fcntl(44, F_SETFD, 0));
	SAY(fcntl(44, F_GETFL));
	SAY(fcntl(44, F_SETFL, O_NONBLOCK));
	SAY(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	SAY(fcntl(44, F_SETLK, NULL));
	SAY(fcntl(44, 12345, 1));
	SAY(write(sv[1], "abc", 3));
	SAY(ioctl(sv[0], FIONREAD, &n));
	SAY(n);
	SAY(ioctl(-1, FIONREAD, &n));
	SAY(close_range(40, 41, 0));
	SAY(close_range(41, 40, 0));
	SAY(close_range(42, UINT_MAX, CLOSE_RANGE_CLOEXEC));
	SAY(fcntl(43, F_GETFD));
	closefrom(40);
	SAY(fcntl(43, F_GETFD));
}

static void waits(const int sv[2])
{
	struct pollfd p = { .fd = sv[0], .events = POLLIN };
	struct timespec none = { 0, 0 };
	struct timeval tv = { 5, 1999999 }, bad = { -1, 0 }, zero = { 0, 1 };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = ~0ULL };
	sigset_t mask;
	fd_set set;
	int ep;

	sigemptyset(&mask);
	SAY(poll(&p, 1, -1));
	SAY(__poll(&p, 1, 0));
	SAY(ppoll(&p, 1, &none, &mask));
	SAY(__poll_chk(&p, 1, 0, sizeof(p)));
	SAY(__ppoll_chk(&p, 1, &none, &mask, sizeof(p)));
	SAY(p.revents);
	FD_ZERO(&set);
	FD_SET(sv[0], &set);
	SAY(select(sv[0] + 1, &set, NULL, NULL, &tv));
	SAY(tv.tv_sec);
	SAY(select(0, NULL, NULL, NULL, &bad));
	SAY(__select(0, NULL, NULL, NULL, &zero));
	SAY(zero.tv_usec);
	SAY(pselect(sv[0] + 1, &set, NULL, NULL, &none, &mask));
	SAY(epoll_create(0));
	SAY(close(epoll_create(1)));
	SAY(epoll_create1(-1));
	ep = epoll_create1(EPOLL_CLOEXEC);
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, sv[0], &ev));
	SAY(epoll_ctl(ep, EPOLL_CTL_ADD, sv[0], &ev));
	memset(&ev, 0, sizeof(ev));
	SAY(epoll_wait(ep, &ev, 1, -1));
	SAY(ev.data.u64);
	SAY(epoll_pwait(ep, &ev, 1, 0, &mask));
	SAY(epoll_pwait2(ep, &ev, 1, &none, &mask));
	SAY(epoll_wait(sv[0], &ev, 1, 0));
	SAY(close(ep));
}

static void overflow(int which)
{
	struct pollfd p = { .fd = 0 };
	struct timespec none = { 0, 0 };

	switch (which) {
	case 0:
		__read_chk(0, buf, 65, sizeof(buf));
		break;
	case 1:
		__recv_chk(0, buf, 65, sizeof(buf), 0);
		break;
	case 2:
		__recvfrom_chk(0, buf, 65, sizeof(buf), 0, NULL, NULL);
		break;
	case 3:
		__poll_chk(&p, 1, 0, sizeof(p) - 1);
		break;
	case 4:
		__ppoll_chk(&p, 1, &none, NULL, sizeof(p) - 1);
		break;
	}
}

int main(void)
{
	struct rlimit no_core = { 0, 0 };
	int sv[2], status;

	alarm(20); /* nothing here waits */
	setvbuf(stdout, NULL, _IOLBF, 0);
	setrlimit(RLIMIT_CORE, &no_core);
	sockets(sv);
	data(sv);
	rare(sv);
	descriptors(sv);
	waits(sv);
	for (int i = 0; i < 5; i++) {
		if (!fork()) {
			close(2); /* libc says so; never mind */
			overflow(i);
			_exit(0);
		}
		wait(&status);
		SAY(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	}
	return 0;
}
