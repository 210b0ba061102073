/* SPDX-License-Identifier: Apache-2.0 */
/* preload_double.c - core/sock that only notes how it was called */
#include "tests/unit/preload_double.h"

#include <string.h>

#include "core/sock/sock.h"

struct noted noted;
int double_ours = -1;
long double_answer;
int double_created = -2;
int double_copy[2] = { -2, -2 };
_Atomic bool sock_used = true;

#define ARG(x) ((long)(x))
#define NOTE(...)                                                 \
	do {                                                      \
		const long note_args[6] = { __VA_ARGS__ };        \
                                                                  \
		noted.name = __func__;                            \
		memcpy(noted.args, note_args, sizeof(note_args)); \
	} while (0)

static void note_timeout(const struct timespec *timeout)
{
	noted.forever = !timeout;
	if (timeout)
		noted.timeout = *timeout;
}

bool sock_lookup(int fd)
{
	return fd == double_ours && fd >= 0;
}

bool sock_any(void)
{
	return double_ours >= 0;
}

bool sock_accepts(int fd)
{
	return sock_lookup(fd);
}

bool sock_refuses(int fd, const struct sockaddr *addr, socklen_t len)
{
	(void)fd, (void)addr, (void)len;
	return false;
}

void sock_fresh(int fd)
{
	NOTE(fd);
}

int sock_opened(int fd, int domain, int type, int protocol)
{
	(void)domain, (void)type, (void)protocol;
	return fd;
}

void sock_epoll_created(int fd)
{
	double_created = fd;
}

void sock_note_copy(int from, int to)
{
	double_copy[0] = from;
	double_copy[1] = to;
}

void sock_exec(void)
{
	NOTE(0);
}

void sock_spawn(const void *actions)
{
	NOTE(ARG(actions));
}

void sock_rights(const struct msghdr *msg)
{
	NOTE(ARG(msg));
}

void sock_at_exit(void)
{
}

void sock_spawn_begin(const void *actions)
{
	NOTE(ARG(actions));
}

void sock_spawn_add(const void *actions, enum sock_spawn_do what, int fd,
		    int to)
{
	NOTE(ARG(actions), what, fd, to);
}

void sock_spawn_end(const void *actions)
{
	NOTE(ARG(actions));
}

/* ANSWER(type, name, parameters, arguments as longs) */
#define ANSWER(type, name, params, ...)     \
	type name params                    \
	{                                   \
		NOTE(__VA_ARGS__);          \
		return (type)double_answer; \
	}

ANSWER(int, sock_bind, (int fd, const struct sockaddr *addr, socklen_t len), fd,
       ARG(addr), len)
ANSWER(int, sock_listen, (int fd, int backlog), fd, backlog)
ANSWER(int, sock_accept4,
       (int fd, struct sockaddr *addr, socklen_t *len, int flags), fd,
       ARG(addr), ARG(len), flags)
ANSWER(int, sock_connect, (int fd, const struct sockaddr *addr, socklen_t len),
       fd, ARG(addr), len)
ANSWER(int, sock_shutdown, (int fd, int how), fd, how)
ANSWER(int, sock_getsockname, (int fd, struct sockaddr *addr, socklen_t *len),
       fd, ARG(addr), ARG(len))
ANSWER(int, sock_getpeername, (int fd, struct sockaddr *addr, socklen_t *len),
       fd, ARG(addr), ARG(len))
ANSWER(ssize_t, sock_read, (int fd, void *buf, size_t len), fd, ARG(buf),
       ARG(len))
ANSWER(ssize_t, sock_readv, (int fd, const struct iovec *iov, int n), fd,
       ARG(iov), n)
ANSWER(ssize_t, sock_preadv2,
       (int fd, const struct iovec *iov, int n, off_t off, int flags), fd,
       ARG(iov), n, off, flags)
ANSWER(ssize_t, sock_recvfrom,
       (int fd, void *buf, size_t len, int flags, struct sockaddr *addr,
	socklen_t *alen),
       fd, ARG(buf), ARG(len), flags, ARG(addr), ARG(alen))
ANSWER(ssize_t, sock_recvmsg, (int fd, struct msghdr *msg, int flags), fd,
       ARG(msg), flags)
ANSWER(int, sock_recvmmsg,
       (int fd, struct mmsghdr *msgs, unsigned n, int flags,
	struct timespec *timeout),
       fd, ARG(msgs), n, flags, ARG(timeout))
ANSWER(ssize_t, sock_write, (int fd, const void *buf, size_t len), fd, ARG(buf),
       ARG(len))
ANSWER(ssize_t, sock_writev, (int fd, const struct iovec *iov, int n), fd,
       ARG(iov), n)
ANSWER(ssize_t, sock_pwritev2,
       (int fd, const struct iovec *iov, int n, off_t off, int flags), fd,
       ARG(iov), n, off, flags)
ANSWER(ssize_t, sock_sendto,
       (int fd, const void *buf, size_t len, int flags,
	const struct sockaddr *addr, socklen_t alen),
       fd, ARG(buf), ARG(len), flags, ARG(addr), alen)
ANSWER(ssize_t, sock_sendmsg, (int fd, const struct msghdr *msg, int flags), fd,
       ARG(msg), flags)
ANSWER(int, sock_sendmmsg,
       (int fd, struct mmsghdr *msgs, unsigned n, int flags), fd, ARG(msgs), n,
       flags)
ANSWER(ssize_t, sock_sendfile, (int out, int in, off_t *off, size_t len), out,
       in, ARG(off), ARG(len))
ANSWER(ssize_t, sock_splice,
       (int in, off_t *in_off, int out, off_t *out_off, size_t len,
	unsigned flags),
       in, ARG(in_off), out, ARG(out_off), ARG(len), flags)
ANSWER(int, sock_close, (int fd), fd)
ANSWER(int, sock_dup, (int fd), fd)
ANSWER(int, sock_dup2, (int fd, int to), fd, to)
ANSWER(int, sock_dup3, (int fd, int to, int flags), fd, to, flags)
ANSWER(int, sock_close_range, (unsigned first, unsigned last, unsigned flags),
       first, last, flags)
ANSWER(int, sock_fcntl, (int fd, int cmd, long arg), fd, cmd, arg)
ANSWER(int, sock_ioctl, (int fd, unsigned long req, void *arg), fd, ARG(req),
       ARG(arg))
ANSWER(int, sock_getsockopt,
       (int fd, int level, int name, void *val, socklen_t *len), fd, level,
       name, ARG(val), ARG(len))
ANSWER(int, sock_setsockopt,
       (int fd, int level, int name, const void *val, socklen_t len), fd, level,
       name, ARG(val), len)
ANSWER(int, sock_epoll_ctl, (int ep, int op, int fd, struct epoll_event *ev),
       ep, op, fd, ARG(ev))

int sock_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	       const sigset_t *mask)
{
	note_timeout(timeout);
	NOTE(ARG(fds), ARG(n), ARG(mask));
	return (int)double_answer;
}

int sock_pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex,
		 const struct timespec *timeout, const sigset_t *mask)
{
	note_timeout(timeout);
	NOTE(n, ARG(rd), ARG(wr), ARG(ex), ARG(mask));
	return (int)double_answer;
}

int sock_epoll_pwait2(int ep, struct epoll_event *evs, int n,
		      const struct timespec *timeout, const sigset_t *mask)
{
	note_timeout(timeout);
	NOTE(ep, ARG(evs), n, ARG(mask));
	return (int)double_answer;
}
