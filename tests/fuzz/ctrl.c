/* SPDX-License-Identifier: Apache-2.0 */
/* ctrl.c - any bytes at the codec: what decodes must encode and decode again */
#include "core/shm/ctrl.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

/* An element of a queue as a hostile peer may write it. */
static void from_wire(enum wire_dialect d, const uint8_t *elt, size_t len)
{
	uint8_t out[WIRE_CTRL_ELT], again[WIRE_CTRL_ELT];
	struct ctrl c, back;
	size_t size, i;

	if (ctrl_decode(d, elt, len, &c)) {
		MUST(!len || !ctrl_size(d, elt[0]) ||
		     len < ctrl_size(d, elt[0]));
		return;
	}
	size = ctrl_size(d, c.type);
	MUST(c.type == elt[0] && size && size <= len);
	MUST(ctrl_encode(d, &c, out) == (ssize_t)size);
	/* a byte is carried, or it is padding and becomes zero */
	for (i = 0; i < size; i++)
		MUST(out[i] == elt[i] || !out[i]);
	MUST(!ctrl_decode(d, out, size, &back));
	MUST(!memcmp(&c, &back, sizeof(c)));
	MUST(ctrl_encode(d, &back, again) == (ssize_t)size);
	MUST(!memcmp(out, again, sizeof(out)));
}

/* Any content of our own struct. */
static void from_native(enum wire_dialect d, const uint8_t *bytes, size_t len)
{
	uint8_t out[WIRE_CTRL_ELT], again[WIRE_CTRL_ELT];
	struct ctrl c;
	ssize_t size;

	memset(&c, 0, sizeof(c));
	memcpy(&c, bytes, MIN(len, sizeof(c)));
	size = ctrl_encode(d, &c, out);
	if (size < 0) {
		MUST(!ctrl_size(d, c.type));
		return;
	}
	MUST((size_t)size == ctrl_size(d, c.type) && size <= WIRE_CTRL_ELT);
	MUST(!ctrl_decode(d, out, (size_t)size, &c));
	MUST(ctrl_encode(d, &c, again) == size);
	MUST(!memcmp(out, again, sizeof(out)));
}

/* The first byte says which dialect, the others are the element. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum wire_dialect d;

	if (!size)
		return 0;
	d = data[0] & 1 ? WIRE_2606 : WIRE_2510;
	from_wire(d, data + 1, size - 1);
	from_native(d, data + 1, size - 1);
	return 0;
}
