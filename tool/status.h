/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - the daemon's status document */
#ifndef TOOL_STATUS_H
#define TOOL_STATUS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Namespaces to show; none: all. */
struct status_filter {
	const char **ns;
	unsigned n;
};

/* Print it: 0, or -ENOMEM. */
int status_show(const cJSON *status, const struct status_filter *filter);

#endif /* TOOL_STATUS_H */
