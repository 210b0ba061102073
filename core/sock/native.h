/* SPDX-License-Identifier: Apache-2.0 */
/* native.h - what the native door has and POSIX has not */
#ifndef SOCK_NATIVE_H
#define SOCK_NATIVE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

/* NULL members: as configured */
struct sock_options {
	const char *name;
	const char *socket_path;
	const char *rules;
};

/*
 * Attach this process: 0 or connect()'s error.  @o may be NULL; else it must
 * come before the configuration was read, or it is -EALREADY.
 */
int sock_attach(const struct sock_options *o);
/* Close the attachments, but for -EBUSY while a descriptor is ours. */
int sock_detach(void);

/* Do its bytes move through shared memory, by now? */
bool sock_is_shared(int fd);

/*
 * The bytes to be received, where they lie: fills up to *n pieces, sets *n,
 * returns their bytes.  Waits as sock_read() does; 0: end.  -EOPNOTSUPP for
 * a descriptor that is not ours (any more), or while the kernel has its bytes.
 */
ssize_t sock_recv_view(int fd, struct iovec *iov, int *n);
/* Take @len bytes of what was seen: 0, -EINVAL if there are not so many. */
int sock_recv_done(int fd, size_t len);

#endif /* SOCK_NATIVE_H */
