/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dialect.h - which dialect a release of VPP speaks, and how to tell
 *
 * Nothing on the wire says it (ABI.md 15.4).  To attach, and to listen without
 * TLS, is the same for every release; the answer is not.
 */
#ifndef SHM_DIALECT_H
#define SHM_DIALECT_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/base.h"
#include "core/wire/types.h"

#define DIALECT_RELEASES "23.10 to 26.06"

/* @release, "26.06" as 2606: -EPROTONOSUPPORT if it is none that we know. */
int dialect_of_release(uint32_t release, enum wire_dialect *dialect) MUST_CHECK;
/* By a BOUND that answers a LISTEN on @port (network order, not 0); -EPROTO:
 * like none. */
int dialect_of_bound(const uint8_t *elt, size_t len, uint16_t port,
		     enum wire_dialect *dialect) MUST_CHECK;

#endif /* SHM_DIALECT_H */
