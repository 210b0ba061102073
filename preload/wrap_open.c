/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_open.c - the life of a socket: made, connected, asked, shut down */
#include "core/sock/sock.h"
#include "preload/fresh.h"
#include "preload/real.h"

EXPORT int socket(int domain, int type, int proto)
{
	return sock_opened(fresh(REAL(socket)(domain, type, proto)), domain,
			   type, proto);
}

EXPORT int socketpair(int domain, int type, int proto, int fds[2])
{
	int r = REAL(socketpair)(domain, type, proto, fds);

	if (!r) {
		sock_opened(fresh(fds[0]), domain, type, proto);
		sock_opened(fresh(fds[1]), domain, type, proto);
	}
	return r;
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)ret(sock_bind(fd, addr, len));
}

/*
 * Here a socket becomes ours, so these two ask the core every time: it
 * makes the kernel's call itself where there is nothing for it.
 */
EXPORT int listen(int fd, int backlog)
{
	return (int)ret(sock_listen(fd, backlog));
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	return (int)ret(sock_connect(fd, addr, len));
}
ALIAS(__connect, connect);

EXPORT int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	if (!sock_accepts(fd))
		return fresh(REAL(accept4)(fd, addr, len, flags));
	return (int)ret(sock_accept4(fd, addr, len, flags));
}

EXPORT int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (!sock_accepts(fd))
		return fresh(REAL(accept)(fd, addr, len));
	return (int)ret(sock_accept4(fd, addr, len, 0));
}

EXPORT int shutdown(int fd, int how)
{
	if (likely(!sock_is(fd)))
		return REAL(shutdown)(fd, how);
	return (int)ret(sock_shutdown(fd, how));
}

EXPORT int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (likely(!sock_is(fd)))
		return REAL(getsockname)(fd, addr, len);
	return (int)ret(sock_getsockname(fd, addr, len));
}

EXPORT int getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
	if (likely(!sock_is(fd)))
		return REAL(getpeername)(fd, addr, len);
	return (int)ret(sock_getpeername(fd, addr, len));
}

EXPORT int getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	if (likely(!sock_is(fd)))
		return REAL(getsockopt)(fd, level, name, val, len);
	return (int)ret(sock_getsockopt(fd, level, name, val, len));
}

EXPORT int setsockopt(int fd, int level, int name, const void *val,
		      socklen_t len)
{
	if (likely(!sock_is(fd)))
		return REAL(setsockopt)(fd, level, name, val, len);
	return (int)ret(sock_setsockopt(fd, level, name, val, len));
}
