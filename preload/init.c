/* SPDX-License-Identifier: Apache-2.0 */
/*
 * init.c - what happens when the module is loaded, and when the program ends:
 * next to nothing
 *
 * Most programs under the preload never make a socket that could profit, so
 * nothing here opens, attaches, allocates, reads the environment or logs.
 * core/sock does all that at the first listen() or connect().
 */
#include "core/sock/sock.h"
#include "preload/real.h"

__attribute__((constructor)) static void init(void)
{
	real_bind_all();
}

__attribute__((destructor)) static void fini(void)
{
	sock_at_exit();
}
