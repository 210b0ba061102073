/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_syscall.c - syscall(2): the same calls by their numbers */
#include <limits.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/base/user.h"
#include "core/sock/sock.h"
#include "preload/fresh.h"
#include "preload/real.h"

/*
 * DOC: libuv closes by number, others accept or wait so.  What is not about
 * sockets, and every number that is not known here, goes through as it came.
 * A raw system call tells the time that is left, as the ppoll of libc does not,
 * and has masks of the kernel's size.
 */
#define PASS LONG_MIN /* the next one's to do; no call's result */
#define KERNEL_MASK 8

/* Calls that the core is asked about whatever the descriptor is. */
static long always(long nr, const long *a)
{
	switch (nr) {
	case SYS_listen:
		return sock_listen((int)a[0], (int)a[1]);
	case SYS_connect:
		return sock_connect((int)a[0], (void *)a[1], (socklen_t)a[2]);
#ifdef SYS_accept
	case SYS_accept:
		return sock_accepts((int)a[0])
			       ? sock_accept4((int)a[0], (void *)a[1],
					      (void *)a[2], 0)
			       : PASS;
#endif
	case SYS_accept4:
		return sock_accepts((int)a[0])
			       ? sock_accept4((int)a[0], (void *)a[1],
					      (void *)a[2], (int)a[3])
			       : PASS;
	case SYS_epoll_ctl:
		return sock_epoll_ctl((int)a[0], (int)a[1], (int)a[2],
				      (void *)a[3]);
#ifdef SYS_io_uring_setup
	case SYS_io_uring_setup:
		return sock_io_uring() ? PASS : -ENOSYS;
#endif
	default:
		return PASS;
	}
}

/* Before the kernel makes another program, or less, of this process. */
static void before(long nr, const long *a)
{
	switch (nr) {
	case SYS_execve:
	case SYS_execveat:
		sock_exec();
		break;
	case SYS_prctl:
		if (a[0] == PR_SET_SECCOMP)
			sock_sandbox();
		break;
	case SYS_seccomp:
		if (a[0] == SECCOMP_SET_MODE_STRICT ||
		    a[0] == SECCOMP_SET_MODE_FILTER)
			sock_sandbox();
		break;
	default:
		break;
	}
}

/* Bytes of a descriptor that is ours. */
static long bytes(long nr, int fd, const long *a)
{
	switch (nr) {
	case SYS_read:
		return sock_read(fd, (void *)a[1], (size_t)a[2]);
	case SYS_readv:
		return sock_readv(fd, (void *)a[1], (int)a[2]);
	case SYS_recvfrom:
		return sock_recvfrom(fd, (void *)a[1], (size_t)a[2], (int)a[3],
				     (void *)a[4], (void *)a[5]);
	case SYS_recvmsg:
		return sock_recvmsg(fd, (void *)a[1], (int)a[2]);
	case SYS_recvmmsg:
		return sock_recvmmsg(fd, (void *)a[1], (unsigned)a[2],
				     (int)a[3], (void *)a[4]);
	case SYS_preadv2:
		return sock_preadv2(fd, (void *)a[1], (int)a[2], a[3],
				    (int)a[5]);
	case SYS_write:
		return sock_write(fd, (void *)a[1], (size_t)a[2]);
	case SYS_writev:
		return sock_writev(fd, (void *)a[1], (int)a[2]);
	case SYS_sendto:
		return sock_sendto(fd, (void *)a[1], (size_t)a[2], (int)a[3],
				   (void *)a[4], (socklen_t)a[5]);
	case SYS_sendmsg:
		return sock_sendmsg(fd, (void *)a[1], (int)a[2]);
	case SYS_sendmmsg:
		return sock_sendmmsg(fd, (void *)a[1], (unsigned)a[2],
				     (int)a[3]);
	case SYS_pwritev2:
		return sock_pwritev2(fd, (void *)a[1], (int)a[2], a[3],
				     (int)a[5]);
	case SYS_sendfile:
		return sock_sendfile(fd, (int)a[1], (void *)a[2], (size_t)a[3]);
	default:
		return PASS;
	}
}

/* What is asked and told of a descriptor that is ours. */
static long control(long nr, int fd, const long *a)
{
	switch (nr) {
	case SYS_close:
		return sock_close(fd);
	case SYS_dup:
		return sock_dup(fd);
	case SYS_fcntl:
		return sock_fcntl(fd, (int)a[1], a[2]);
	case SYS_ioctl:
		return sock_ioctl(fd, (unsigned)a[1], (void *)a[2]);
	case SYS_shutdown:
		return sock_shutdown(fd, (int)a[1]);
	case SYS_getsockname:
		return sock_getsockname(fd, (void *)a[1], (void *)a[2]);
	case SYS_getpeername:
		return sock_getpeername(fd, (void *)a[1], (void *)a[2]);
	case SYS_getsockopt:
		return sock_getsockopt(fd, (int)a[1], (int)a[2], (void *)a[3],
				       (void *)a[4]);
	case SYS_setsockopt:
		return sock_setsockopt(fd, (int)a[1], (int)a[2], (void *)a[3],
				       (socklen_t)a[4]);
	default:
		return bytes(nr, fd, a);
	}
}

/* Two descriptors, of which one is ours, or a range of them. */
static long several(long nr, const long *a)
{
	switch (nr) {
#ifdef SYS_dup2
	case SYS_dup2:
		return sock_is((int)a[0]) || sock_is((int)a[1])
			       ? sock_dup2((int)a[0], (int)a[1])
			       : PASS;
#endif
	case SYS_dup3:
		return sock_is((int)a[0]) || sock_is((int)a[1])
			       ? sock_dup3((int)a[0], (int)a[1], (int)a[2])
			       : PASS;
	case SYS_splice:
		return sock_is((int)a[0]) || sock_is((int)a[2])
			       ? sock_splice((int)a[0], (void *)a[1], (int)a[2],
					     (void *)a[3], (size_t)a[4],
					     (unsigned)a[5])
			       : PASS;
	case SYS_close_range:
		return sock_close_range((unsigned)a[0], (unsigned)a[1],
					(unsigned)a[2]);
	default:
		return PASS;
	}
}

/* --- waiting --- */

/* The kernel's mask as libc's, which is longer; false: the kernel shall say
 * what is wrong with it. */
static bool from_mask(const void *mask, size_t size, sigset_t *out)
{
	if (!mask)
		return true;
	if (size != KERNEL_MASK || !user_ok(mask, size))
		return false;
	memset(out, 0, sizeof(*out));
	memcpy(out, mask, size);
	return true;
}

/* How long, and how long it was. */
struct wait_time {
	struct timespec ts, end;
};

static void begin(struct wait_time *w, long sec, long nsec)
{
	w->ts = (struct timespec){ sec, nsec };
	clock_gettime(CLOCK_MONOTONIC, &w->end);
	w->end.tv_sec += MIN(sec, (long)INT_MAX);
	w->end.tv_nsec += nsec;
}

static struct timespec left(const struct wait_time *w)
{
	struct timespec now;
	long long ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (w->end.tv_sec - now.tv_sec) * 1000000000LL + w->end.tv_nsec -
	     now.tv_nsec;
	ns = MAX(ns, 0LL);
	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

static const struct timespec *from_ms(long ms, struct timespec *ts)
{
	if ((int)ms < 0)
		return NULL;
	*ts = (struct timespec){ (int)ms / 1000, (int)ms % 1000 * 1000000L };
	return ts;
}

static long sys_ppoll(const long *a)
{
	struct timespec *ts = (void *)a[2];
	struct wait_time w;
	sigset_t mask;
	long r;

	if ((ts && !user_ok(ts, sizeof(*ts))) ||
	    !from_mask((void *)a[3], (size_t)a[4], &mask))
		return PASS;
	if (ts)
		begin(&w, ts->tv_sec, ts->tv_nsec);
	r = sock_ppoll((void *)a[0], (nfds_t)a[1], ts ? &w.ts : NULL,
		       a[3] ? &mask : NULL);
	if (ts && r != -EINVAL)
		*ts = left(&w);
	return r;
}

static long sys_pselect6(const long *a)
{
	const struct {
		const void *mask;
		size_t size;
	} *m = (void *)a[5];
	struct timespec *ts = (void *)a[4];
	struct wait_time w;
	sigset_t mask;
	long r;

	if ((ts && !user_ok(ts, sizeof(*ts))) ||
	    (m &&
	     (!user_ok(m, sizeof(*m)) || !from_mask(m->mask, m->size, &mask))))
		return PASS;
	if (ts)
		begin(&w, ts->tv_sec, ts->tv_nsec);
	r = sock_pselect((int)a[0], (void *)a[1], (void *)a[2], (void *)a[3],
			 ts ? &w.ts : NULL, m && m->mask ? &mask : NULL);
	if (ts && r != -EINVAL)
		*ts = left(&w);
	return r;
}

#ifdef SYS_select
static long sys_select(const long *a)
{
	struct timeval *tv = (void *)a[4];
	struct timespec now;
	struct wait_time w;
	long r;

	if (tv && !user_ok(tv, sizeof(*tv)))
		return PASS;
	if (tv && (tv->tv_sec < 0 || tv->tv_usec < 0))
		return -EINVAL;
	if (tv)
		begin(&w, tv->tv_sec + tv->tv_usec / 1000000,
		      tv->tv_usec % 1000000 * 1000);
	r = sock_pselect((int)a[0], (void *)a[1], (void *)a[2], (void *)a[3],
			 tv ? &w.ts : NULL, NULL);
	if (tv && r != -EINVAL) {
		now = left(&w);
		*tv = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
	}
	return r;
}
#endif

static long epolls(long nr, const long *a)
{
	struct timespec ts;
	sigset_t mask;

	if (nr != SYS_epoll_pwait2 && nr != SYS_epoll_pwait
#ifdef SYS_epoll_wait
	    && nr != SYS_epoll_wait
#endif
	)
		return PASS;
	if (!sock_is((int)a[0]))
		return PASS;
#ifdef SYS_epoll_wait
	if (nr == SYS_epoll_wait)
		return sock_epoll_pwait2((int)a[0], (void *)a[1], (int)a[2],
					 from_ms(a[3], &ts), NULL);
#endif
	if (!from_mask((void *)a[4], (size_t)a[5], &mask))
		return PASS;
	return sock_epoll_pwait2((int)a[0], (void *)a[1], (int)a[2],
				 nr == SYS_epoll_pwait2 ? (void *)a[3]
							: from_ms(a[3], &ts),
				 a[4] ? &mask : NULL);
}

static long waits(long nr, const long *a)
{
	switch (nr) {
#ifdef SYS_poll
	case SYS_poll: {
		struct timespec ts;

		return sock_ppoll((void *)a[0], (nfds_t)a[1],
				  from_ms(a[2], &ts), NULL);
	}
#endif
#ifdef SYS_select
	case SYS_select:
		return sys_select(a);
#endif
	case SYS_ppoll:
		return sys_ppoll(a);
	case SYS_pselect6:
		return sys_pselect6(a);
	default:
		return epolls(nr, a);
	}
}

/* The kernel gave out a number: what it means now. */
static void made(long nr, const long *a, int fd)
{
	switch (nr) {
#ifdef SYS_accept
	case SYS_accept:
#endif
	case SYS_accept4:
		fresh(fd);
		break;
	case SYS_socket:
		sock_opened(fresh(fd), (int)a[0], (int)a[1], (int)a[2]);
		break;
#ifdef SYS_epoll_create
	case SYS_epoll_create:
#endif
	case SYS_epoll_create1:
		sock_epoll_created(fresh(fd));
		break;
	case SYS_fcntl:
		if (a[1] != F_DUPFD && a[1] != F_DUPFD_CLOEXEC)
			break;
		sock_note_copy((int)a[0], fresh(fd));
		break;
	case SYS_dup:
		sock_note_copy((int)a[0], fresh(fd));
		break;
#ifdef SYS_dup2
	case SYS_dup2:
#endif
	case SYS_dup3:
		sock_note_copy((int)a[0], fd);
		break;
	default:
		break;
	}
}

EXPORT long syscall(long nr, ...)
{
	long a[6], r;
	va_list ap;
	int i;

	va_start(ap, nr);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	r = always(nr, a);
	if (r == PASS && sock_any()) {
		r = several(nr, a);
		if (r == PASS)
			r = waits(nr, a);
		if (r == PASS && sock_is((int)a[0]))
			r = control(nr, (int)a[0], a);
	}
	if (r != PASS)
		return ret(r);
	before(nr, a);
	r = REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (r >= 0)
		made(nr, a, (int)r);
	return r;
}
