/* SPDX-License-Identifier: Apache-2.0 */
/* spawn.h - what posix_spawn(3) does to descriptors in the child */
#ifndef SOCK_SPAWN_H
#define SOCK_SPAWN_H

#include <stdbool.h>

/* Will the program that is started by these actions have @fd, by any number?
 * @cloexec: if nothing is done to it, it will not. */
bool spawn_inherits(const void *actions, int fd, bool cloexec);

#endif /* SOCK_SPAWN_H */
