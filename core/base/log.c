/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - the one place that writes a log line */
#include "core/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/kernel.h"

#define LINE_MAX_LEN 512

enum log_level log_level = LOG_NONE;
int log_fd = 2;
const char *log_name = "sapi";

static const char *const level_name[] = { "none", "error", "warn", "info",
					  "debug" };

/* vsnprintf() of glibc neither allocates nor locks for what our formats use:
 * integers and strings. */
void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_LEN];
	int saved = errno, head, len;
	va_list ap;

	head = snprintf(line, sizeof(line), "%s[%d.%d]: %s: ", log_name,
			(int)getpid(), (int)gettid(), level_name[level]);
	va_start(ap, fmt);
	len = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, fmt, ap);
	va_end(ap);
	len = len < 0 ? head : head + len;
	len = MIN(len, LINE_MAX_LEN - 2);
	line[len++] = '\n';
	if (k_write(log_fd, line, (size_t)len) < 0) {
		/* nowhere to say that the log can't be written */
	}
	errno = saved;
}

static int level_of(const char *name, size_t len)
{
	size_t i;

	if (len == 5 && !memcmp(name, "trace", 5))
		return LOG_DEBUG;
	for (i = 0; i < ARRAY_SIZE(level_name); i++)
		if (strlen(level_name[i]) == len &&
		    !memcmp(level_name[i], name, len))
			return (int)i;
	return -EINVAL;
}

/**
 * log_open() - Set level and destination
 * @spec:	"level" or "level:file"
 *
 * The file's descriptor is moved high and is close-on-exec, so that it is
 * out of the program's way (DESIGN.md 4).
 */
int log_open(const char *spec)
{
	const char *colon = strchr(spec, ':');
	int level, fd, high;

	level = level_of(spec, colon ? (size_t)(colon - spec) : strlen(spec));
	if (level < 0)
		return level;
	if (colon) {
		fd = k_open(colon + 1,
			    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return fd;
		high = k_fcntl(fd, F_DUPFD_CLOEXEC, 900);
		if (high >= 0)
			k_close(fd);
		log_fd = high >= 0 ? high : fd;
	}
	log_level = (enum log_level)level;
	return 0;
}
