/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - data calls with a buffer that can't be: cursor_total() said so */
#ifndef SOCK_FAULT_H
#define SOCK_FAULT_H

#include "core/sock/table.h"

ssize_t fault_recv(struct sock *s, int fd, const struct iovec *iov, int n,
		   int flags);
ssize_t fault_send(struct sock *s, int fd, const struct iovec *iov, int n,
		   int flags);

#endif /* SOCK_FAULT_H */
