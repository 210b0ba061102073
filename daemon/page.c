/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page.c - the page that every client of libsapi reads
 *
 * DOC: One file for all, of hints only: who believes them asks, and is told.
 * We keep the mapping that was made before F_SEAL_FUTURE_WRITE; after it there
 * is no other that can be written, whoever has the descriptor. What is counted
 * is counted in memory of our own, and the page shows it as far as it can.
 */
#include "daemon/page.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>

#include "core/base/kernel.h"
#include "core/wire/link.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static struct wire_page *page;
static int fd = -1;
static uint32_t n_listeners[65536]; /* workers, by port */
static uint32_t n_offers[65536];    /* by slot */

/** page_open() - Make the page */
int page_open(void)
{
	void *at;
	int ret;

	fd = k_memfd_create("sapid-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	ret = k_ftruncate(fd, sizeof(*page));
	if (!ret)
		ret = k_mmap(&at, sizeof(*page), PROT_READ | PROT_WRITE,
			     MAP_SHARED, fd, 0);
	if (!ret) {
		page = at;
		page->magic = WIRE_PAGE_MAGIC;
		page->size = sizeof(*page);
		ret = k_fcntl(fd, F_ADD_SEALS, SEALS);
	}
	if (ret)
		page_close();
	return ret;
}

/** page_close() - At the end; clients keep what they have mapped */
void page_close(void)
{
	if (page)
		(void)k_munmap(page, sizeof(*page));
	if (fd >= 0)
		k_close(fd);
	page = NULL;
	fd = -1;
}

/** page_fd() - The descriptor for clients */
int page_fd(void)
{
	return fd;
}

/** page_listen() - One more worker listens there */
void page_listen(uint16_t port)
{
	if (!n_listeners[port]++ && page)
		page->listeners[port / 64] |= 1ull << (port % 64);
}

/** page_unlisten() - One less */
void page_unlisten(uint16_t port)
{
	assert(n_listeners[port]);
	if (!--n_listeners[port] && page)
		page->listeners[port / 64] &= ~(1ull << (port % 64));
}

static void show_offers(uint16_t slot)
{
	if (page)
		page->offers[slot] = (uint8_t)MIN(n_offers[slot], 255u);
}

/** page_offer() - One more offer waits */
void page_offer(uint16_t slot)
{
	n_offers[slot]++;
	show_offers(slot);
}

/** page_unoffer() - One less */
void page_unoffer(uint16_t slot)
{
	assert(n_offers[slot]);
	n_offers[slot]--;
	show_offers(slot);
}
