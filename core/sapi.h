/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sapi.h - stream sockets over shared memory, for programs that ask for them
 *
 * A socket here is a descriptor of the kernel's: it counts as one, is
 * inherited as one and is closed with the process.  Its bytes go through
 * shared memory where both ends can, and through the kernel's TCP where not;
 * the calls are the same, and a call on any other descriptor is the kernel's.
 *
 * Results:   a count or 0, or a negative errno value; errno is not used.
 *            What a call can fail with is what the call it is named after
 *            can, unless it says otherwise.
 * Units:     bytes and milliseconds; a time of -1 is without end.
 * Ownership: nothing that a pointer points to is kept after the call, but
 *            for the pieces of a view.  A descriptor that is returned is the
 *            caller's, close-on-exec, to be closed by sapi_close().
 * Threads:   every function may be called by any thread at any time.  Bytes
 *            of one call stay together only if one thread sends at a time.
 * Signals:   none is raised; a blocking call ends with -EINTR as usual.
 *
 * A descriptor that such a call has returned or taken is to be used with
 * these functions only: read(2) and its kin don't see the shared memory.
 * See sapi(3) and libsapi(7).
 */
#ifndef SAPI_H
#define SAPI_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- the process and the daemon: sapi_attach(3) --- */

/* All-zero but for size means: as sapi.conf(5) and the environment say. */
struct sapi_options {
	size_t size;		 /* sizeof(struct sapi_options) */
	const char *name;	 /* of the application; NULL: the program's */
	const char *socket_path; /* the daemon's; NULL: look for it */
	const char *rules;	 /* of sapi.conf(5), looked at before its own */
};

/* Attach now instead of at the first socket.  NULL: no options.  Options are
 * taken until anything has used the configuration, then it is -EALREADY.  If
 * there is no daemon the error says so, and sockets are the kernel's. */
int sapi_attach(const struct sapi_options *options);
/* Leave the daemon: -EBUSY while a socket of it is open. */
int sapi_detach(void);
/* "0.1.0", of the library that is loaded */
const char *sapi_version(void);

/* --- sockets: sapi_connect(3) --- */

/* A socket that listens, with SO_REUSEADDR. */
int sapi_listen(const struct sockaddr *addr, socklen_t len, int backlog);
/* A socket that is connected, when that has taken as long as it takes. */
int sapi_connect(const struct sockaddr *addr, socklen_t len);
/* The same with a socket of yours, bound, non-blocking or with options as
 * you like; it stays yours when the call fails. */
int sapi_listen_fd(int s, int backlog);
int sapi_connect_fd(int s, const struct sockaddr *addr, socklen_t len);
/* The next connection.  addr and len may be NULL; flags: SOCK_NONBLOCK. */
int sapi_accept(int s, struct sockaddr *addr, socklen_t *len, int flags);
int sapi_shutdown(int s, int how);
int sapi_close(int s);

/* --- bytes: sapi_send(3) --- */

/* flags: MSG_DONTWAIT, MSG_MORE; MSG_NOSIGNAL is implied */
ssize_t sapi_send(int s, const void *buf, size_t len, int flags);
ssize_t sapi_sendv(int s, const struct iovec *iov, int n, int flags);
/* flags: MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL; 0 is the end of the stream */
ssize_t sapi_recv(int s, void *buf, size_t len, int flags);
ssize_t sapi_recvv(int s, const struct iovec *iov, int n, int flags);

/* --- bytes where they lie: sapi_recv_view(3) --- */

/*
 * Fill up to *n pieces with what can be received, set *n, and return their
 * bytes; waits as sapi_recv() does, 0 is the end of the stream.  The pieces
 * are valid until sapi_recv_done() or any other receive on this socket; they
 * are shared memory, so who sent them may still change them: copy what you
 * check.  -EOPNOTSUPP: this socket's bytes are in the kernel now, receive
 * them by sapi_recv().
 */
ssize_t sapi_recv_view(int s, struct iovec *iov, int *n);
/* Take the first len bytes of the view, which ends by it. */
int sapi_recv_done(int s, size_t len);

/* --- waiting: sapi_poll(3) --- */

/* poll(2), over these and all other descriptors */
int sapi_poll(struct pollfd *fds, nfds_t n, int timeout);
/* epoll_ctl(2) and epoll_wait(2), with an instance of epoll_create1(2) to be
 * closed by sapi_close() */
int sapi_epoll_ctl(int ep, int op, int fd, struct epoll_event *event);
int sapi_epoll_wait(int ep, struct epoll_event *events, int n, int timeout);

/* --- one socket: sapi_getinfo(3) --- */

enum sapi_transport {
	SAPI_KERNEL = 0, /* the kernel's, or nothing of ours */
	SAPI_SHM = 1,	 /* shared memory */
};

struct sapi_info {
	size_t size; /* in: sizeof(struct sapi_info) */
	enum sapi_transport transport;
	uint32_t rx_queued; /* bytes that can be received now */
	uint32_t tx_queued; /* bytes sent that the peer has not received */
};

int sapi_getinfo(int s, struct sapi_info *info);
/* on: 0 or 1; what it was before */
int sapi_nonblock(int s, int on);
int sapi_getsockname(int s, struct sockaddr *addr, socklen_t *len);
int sapi_getpeername(int s, struct sockaddr *addr, socklen_t *len);
int sapi_getsockopt(int s, int level, int name, void *val, socklen_t *len);
int sapi_setsockopt(int s, int level, int name, const void *val, socklen_t len);

#ifdef __cplusplus
}
#endif

#endif /* SAPI_H */
