/* SPDX-License-Identifier: Apache-2.0 */
/* slot.h - handles: one number space for sessions and listeners */
#ifndef DAEMON_SLOT_H
#define DAEMON_SLOT_H

#include <stdint.h>

#include "core/base/base.h"

enum slot_kind { SLOT_FREE, SLOT_SESSION, SLOT_LISTENER };

/* A handle is generation << 32 | index; -ENOMEM. */
int slot_alloc(enum slot_kind kind, void *owner, uint64_t *handle) MUST_CHECK;
void slot_free(uint64_t handle);
/* NULL unless the handle is alive and of that kind. */
void *slot_get(uint64_t handle, enum slot_kind kind);
/* The same by index alone, which is all that an I/O event carries. */
void *slot_at(uint32_t index, enum slot_kind kind);
void slot_close(void);

#endif /* DAEMON_SLOT_H */
