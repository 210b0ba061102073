/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - certificates, and what LISTEN and CONNECT say of TLS */
#ifndef SESS_TLS_H
#define SESS_TLS_H

#include "core/sess/app.h"

/* With app.lock held: put what @tls says where VPP looks for it: *ext_config,
 * which goes with LISTEN (@server) or CONNECT and is then VPP's to free. */
int tls_config(struct app *app, const struct conf_tls *tls, bool server,
	       uint64_t *ext_config) MUST_CHECK;
/* The message did not go. */
void tls_config_drop(struct app *app, uint64_t ext_config);

#endif /* SESS_TLS_H */
