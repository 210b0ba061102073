/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - one line, one write, safe anywhere
 *
 * Silent until log_open() or log_level is set.  A line is at most 512 bytes
 * and built on the stack; errno is kept; no stdio, no malloc, so a call from
 * a signal handler or a forked child is fine.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "core/base/base.h"

enum log_level { LOG_NONE, LOG_ERR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_level; /* what is written: this and below */
extern int log_fd;		 /* where to; 2 until log_open() */
extern const char *log_name;	 /* how a line begins; "sapi" */

/* @spec: "level[:file]", as in SAPI_LOG; 0 or -EINVAL, or open()'s error */
int log_open(const char *spec);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

/* The level is looked at before the arguments are evaluated. */
#define log_at(level, ...)                              \
	do {                                            \
		if (unlikely((level) <= log_level))     \
			log_line((level), __VA_ARGS__); \
	} while (0)
#define log_err(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif /* BASE_LOG_H */
