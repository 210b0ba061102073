/* SPDX-License-Identifier: Apache-2.0 */
/* poll.h - what select(2) needs of poll(2) */
#ifndef SOCK_POLL_H
#define SOCK_POLL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Is one of these more than the kernel's? */
bool poll_any_ours(const struct pollfd *fds, nfds_t n);
/* Until @end, in @ts; NULL: for ever. */
struct timespec *poll_left(uint64_t end, struct timespec *ts);

#endif /* SOCK_POLL_H */
