/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h - the messages of applications' queues */
#ifndef DAEMON_DISPATCH_H
#define DAEMON_DISPATCH_H

#include "daemon/state.h"

void dispatch_init(void);
/* A bounded number of messages of each application that has some; true if
 * there are more, and the loop is not to sleep. */
bool dispatch_run(void);

#endif /* DAEMON_DISPATCH_H */
