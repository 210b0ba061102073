/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - the page that every client of libsapi reads */
#ifndef DAEMON_PAGE_H
#define DAEMON_PAGE_H

#include <stdint.h>

#include "core/base/base.h"

/* -errno if the kernel can't make one that only we write. */
int page_open(void) MUST_CHECK;
void page_close(void);
/* To be lent to clients; -1: there is none. */
int page_fd(void);

/* One worker more, or less, listens on a port (host order). */
void page_listen(uint16_t port);
void page_unlisten(uint16_t port);
/* One offer more, or less, waits in a slot. */
void page_offer(uint16_t slot);
void page_unoffer(uint16_t slot);

#endif /* DAEMON_PAGE_H */
