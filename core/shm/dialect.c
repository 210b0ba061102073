/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.c - which dialect a release of VPP speaks, and how to tell */
#include "core/shm/dialect.h"

#include <errno.h>

#include "core/shm/ctrl.h"

/**
 * dialect_of_release() - What that release speaks
 *
 * One that is newer than those may have other layouts, which nothing on the
 * wire would tell: guessed wrong, it is memory that others write to.
 */
int dialect_of_release(uint32_t release, enum wire_dialect *dialect)
{
	static const uint16_t known[] = { 2310, 2402, 2406, 2410, 2502,
					  2506, 2510, 2602, 2606 };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == release) {
			*dialect = release < 2602 ? WIRE_2510 : WIRE_2606;
			return 0;
		}
	return -EPROTONOSUPPORT;
}

/* Read so, does it make sense?  A failure has nothing but its number. */
static bool bound_fits(const uint8_t *elt, size_t len, uint16_t port,
		       enum wire_dialect dialect)
{
	struct ctrl c;

	if (ctrl_decode(dialect, elt, len, &c))
		return false;
	return c.bound.retval ? c.bound.retval < 0 && c.bound.retval > -1000
			      : c.bound.lcl.port == port;
}

/**
 * dialect_of_bound() - By the place of the port, or of the error
 *
 * From 26.02 on both are 8 bytes further.  Where the new ones have the port,
 * the old ones have the highest bytes of an offset, which are zero: so the new
 * ones come first.  Where the old ones have it, the new ones have the middle
 * of an address, which may look like it in IPv6.
 */
int dialect_of_bound(const uint8_t *elt, size_t len, uint16_t port,
		     enum wire_dialect *dialect)
{
	if (bound_fits(elt, len, port, WIRE_2606))
		*dialect = WIRE_2606;
	else if (bound_fits(elt, len, port, WIRE_2510))
		*dialect = WIRE_2510;
	else
		return -EPROTO;
	return 0;
}
