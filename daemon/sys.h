/* SPDX-License-Identifier: Apache-2.0 */
/* sys.h - calls that only the daemon needs, -errno like the k_*() */
#ifndef DAEMON_SYS_H
#define DAEMON_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/base/base.h"

/* A directory that is there already is no error, and left as it is. */
int sys_mkdir(const char *path, mode_t mode) MUST_CHECK;
int sys_unlink(const char *path);
int sys_chmod(const char *path, mode_t mode) MUST_CHECK;
int sys_chown_group(const char *path, gid_t group) MUST_CHECK;
/* Exclusive; -EWOULDBLOCK if somebody else holds it. */
int sys_lock(int fd) MUST_CHECK;
/* A decimal number, the whole text; -EINVAL, -ERANGE above @max. */
int sys_number(const char *text, unsigned long long max,
	       unsigned long long *out) MUST_CHECK;
/* All the descriptors that the system allows us. */
void sys_raise_nofile(void);
/* Numbers that nobody else guesses. */
void sys_random(void *buf, size_t len);
/* SOCK_SEQPACKET or SOCK_STREAM, listening at @path. A socket that nobody
 * listens on is replaced; -EADDRINUSE if somebody does. */
int sys_listen_unix(const char *path, int type, int backlog) MUST_CHECK;

#endif /* DAEMON_SYS_H */
