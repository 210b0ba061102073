/* SPDX-License-Identifier: Apache-2.0 */
/* preload_double.h - core/sock that only notes how it was called */
#ifndef TESTS_PRELOAD_DOUBLE_H
#define TESTS_PRELOAD_DOUBLE_H

#include <stdbool.h>
#include <time.h>

struct noted {
	const char *name; /* of the last sock_*() called; NULL: none */
	long args[6];	  /* pointers, too; a timeout only below */
	bool forever;
	struct timespec timeout;
};

extern struct noted noted;
extern int double_ours;	   /* the one descriptor that is ours */
extern long double_answer; /* what every call returns */
extern int double_created; /* the last epoll instance, or -1 */
extern int double_copy[2]; /* the last copy, from and to */

#endif /* TESTS_PRELOAD_DOUBLE_H */
