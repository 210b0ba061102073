/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - what the daemon says of itself, to whoever connects */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include "core/base/base.h"

/* Open the status socket of the run folder. */
int status_open(void) MUST_CHECK;
void status_close(void);

/* The document: allocated; NULL if there is no memory for it. */
char *status_document(void);

#endif /* DAEMON_STATUS_H */
