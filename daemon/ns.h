/* SPDX-License-Identifier: Apache-2.0 */
/* ns.h - namespaces: a socket each, and who may use it */
#ifndef DAEMON_NS_H
#define DAEMON_NS_H

#include "daemon/state.h"

/* Make the run folder ours. -EBUSY: another daemon has it. */
int ns_init(void) MUST_CHECK;
/* Bring the namespaces in line with @conf: open, change, close. -errno of the
 * first that could not be opened; the others are. */
int ns_apply(const struct conf *conf) MUST_CHECK;
/* Free those that are left by all. */
void ns_reap(void);
/* Close all and give the run folder back. */
void ns_close_all(void);

/* Ports for clients that did not bind, host order; 0: none left. */
uint16_t ns_take_port(struct ns *ns);
void ns_put_port(struct ns *ns, uint16_t port);

#endif /* DAEMON_NS_H */
