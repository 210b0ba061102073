/* SPDX-License-Identifier: Apache-2.0 */
/* release.h - which release of VPP is behind an attachment */
#ifndef SESS_RELEASE_H
#define SESS_RELEASE_H

#include "core/sess/app.h"

/* Lock held, and attached to a degree that one can talk: sets app->dialect and,
 * if it is known, app->release.  -EPROTONOSUPPORT: of a release that we do not
 * know, so the caller gives it up, and sockets stay with the kernel.
 * -ETIMEDOUT, -EPIPE */
int release_find(struct app *app) MUST_CHECK;
/* Whose record of TLS to write, which differs within a dialect, too; 0: better
 * none.  Where it is not known it is 26.06's, but not to @verify: another one
 * would verify nobody, and nobody would notice. */
uint32_t release_for_tls(const struct app *app, bool verify);

#endif /* SESS_RELEASE_H */
