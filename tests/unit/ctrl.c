/* SPDX-License-Identifier: Apache-2.0 */
/* ctrl.c - the codec: every byte of every message, both dialects */
#include "core/shm/ctrl.h"

#include "core/wire/ctrl.h"
#include "core/wire/types.h"
#include "tests/unit/tap.h"

#define HEAD offsetof(struct wire_event, data)

static const enum wire_dialect dialects[] = { WIRE_2510, WIRE_2606 };

/* a fixed sequence: a failure repeats itself */
static uint8_t next_byte(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint8_t)(state >> 56);
}

/* Is this byte of an element one that carries nothing? */
static bool is_padding(uint8_t type, size_t at)
{
	static const struct {
		uint8_t type;
		size_t from, n;
	} pads[] = {
		{ WIRE_EV_ACCEPTED,
		  offsetof(struct wire_accepted, lcl) +
			  offsetof(struct wire_endpoint, pad),
		  1 },
		{ WIRE_EV_ACCEPTED,
		  offsetof(struct wire_accepted, rmt) +
			  offsetof(struct wire_endpoint, pad),
		  1 },
		{ WIRE_EV_CONNECTED,
		  offsetof(struct wire_connected, lcl) +
			  offsetof(struct wire_endpoint, pad),
		  1 },
		{ WIRE_EV_APP_ADD_SEGMENT,
		  offsetof(struct wire_add_segment, pad), 3 },
		{ WIRE_EV_TRANSPORT_ATTR,
		  offsetof(struct wire_transport_attr, attr.pad), 7 },
		{ WIRE_EV_TRANSPORT_ATTR_REPLY,
		  offsetof(struct wire_transport_attr_reply, attr.pad), 7 },
	};
	size_t i;

	if (at == offsetof(struct wire_event, postponed))
		return true;
	for (i = 0; i < ARRAY_SIZE(pads); i++)
		if (pads[i].type == type && at >= HEAD + pads[i].from &&
		    at < HEAD + pads[i].from + pads[i].n)
			return true;
	return false;
}

static void fill(uint8_t elt[WIRE_CTRL_ELT], uint8_t type)
{
	size_t i;

	for (i = 0; i < WIRE_CTRL_ELT; i++)
		elt[i] = next_byte();
	elt[0] = type;
}

static void round_trip(enum wire_dialect d, uint8_t type)
{
	uint8_t in[WIRE_CTRL_ELT], out[WIRE_CTRL_ELT];
	size_t size = ctrl_size(d, type), i;
	struct ctrl c, again;

	fill(in, type);
	fill(out, type);
	CHECK(!ctrl_decode(d, in, size, &c));
	CHECK(c.type == type);
	CHECK(ctrl_encode(d, &c, out) == (ssize_t)size);
	for (i = 0; i < size; i++)
		CHECK(out[i] == (is_padding(type, i) ? 0 : in[i]));
	for (; i < WIRE_CTRL_ELT; i++)
		CHECK(out[i] == 0);
	CHECK(!ctrl_decode(d, out, size, &again));
	CHECK(!memcmp(&c, &again, sizeof(c)));
}

/* Each byte of a message says something, and padding says nothing. */
static void bytes_matter(enum wire_dialect d, uint8_t type)
{
	size_t size = ctrl_size(d, type), i;
	uint8_t elt[WIRE_CTRL_ELT];
	struct ctrl c, other;

	fill(elt, type);
	CHECK(!ctrl_decode(d, elt, sizeof(elt), &c));
	for (i = 1; i < WIRE_CTRL_ELT; i++) {
		elt[i] ^= 0x40;
		CHECK(!ctrl_decode(d, elt, sizeof(elt), &other));
		CHECK(!memcmp(&c, &other, sizeof(c)) ==
		      (i >= size || is_padding(type, i)));
		elt[i] ^= 0x40;
	}
}

TEST(what_decodes_encodes_back)
{
	size_t d, n[2] = { 0 };
	int type, i;

	for (d = 0; d < ARRAY_SIZE(dialects); d++)
		for (type = 0; type <= UINT8_MAX; type++) {
			if (!ctrl_size(dialects[d], (uint8_t)type))
				continue;
			for (i = 0; i < 50; i++)
				round_trip(dialects[d], (uint8_t)type);
			bytes_matter(dialects[d], (uint8_t)type);
			n[d]++;
		}
	CHECK(n[WIRE_2510] == 31 && n[WIRE_2606] == 33);
}

TEST(no_byte_is_read_behind_the_length)
{
	size_t d, len, size;
	uint8_t elt[WIRE_CTRL_ELT], *exact;
	struct ctrl c;
	int type;

	for (d = 0; d < ARRAY_SIZE(dialects); d++)
		for (type = 0; type <= UINT8_MAX; type++) {
			size = ctrl_size(dialects[d], (uint8_t)type);
			fill(elt, (uint8_t)type);
			for (len = 0; len <= WIRE_CTRL_ELT; len++) {
				/* malloc: a sanitizer sees its end */
				exact = malloc(len ? len : 1);
				CHECK(exact);
				memcpy(exact, elt, len);
				CHECK(ctrl_decode(dialects[d], exact, len,
						  &c) ==
				      (size && len >= size ? 0 : -EPROTO));
				free(exact);
			}
		}
}

TEST(internal_types_do_not_travel)
{
	static const uint8_t internal[] = { 3, 5, 6, 7, 35, 36, 39, 40, 255 };
	uint8_t elt[WIRE_CTRL_ELT] = { 0 };
	struct ctrl c = { 0 };
	size_t d, i;

	for (d = 0; d < ARRAY_SIZE(dialects); d++)
		for (i = 0; i < ARRAY_SIZE(internal); i++) {
			elt[0] = c.type = internal[i];
			CHECK(!ctrl_size(dialects[d], internal[i]));
			CHECK(ctrl_encode(dialects[d], &c, elt) == -ENOTSUP);
			CHECK(ctrl_decode(dialects[d], elt, sizeof(elt), &c) ==
			      -EPROTO);
		}
	c.type = WIRE_EV_IO_RX;
	CHECK(ctrl_encode((enum wire_dialect)2, &c, elt) == -ENOTSUP);
}

TEST(old_releases_have_fewer_fields)
{
	uint8_t elt[WIRE_CTRL_ELT];
	struct ctrl c = { .type = WIRE_EV_BOUND };
	struct wire_bound_2510 bound;
	struct wire_accepted_2510 accepted;

	c.bound.handle = 0x1122334455667788;
	c.bound.cl_sh_handle = 7;
	c.bound.retval = WIRE_E_PORTINUSE;
	c.bound.mq_index = 9;
	CHECK(ctrl_encode(WIRE_2510, &c, elt) == 2 + 71);
	memcpy(&bound, elt + HEAD, sizeof(bound));
	CHECK(bound.handle == 0x1122334455667788 && bound.retval == -15);
	CHECK(bound.mq_index == 9);
	CHECK(!ctrl_decode(WIRE_2510, elt, sizeof(elt), &c));
	CHECK(c.bound.cl_sh_handle == WIRE_INVALID_HANDLE);

	memset(&c, 0, sizeof(c));
	c.type = WIRE_EV_ACCEPTED;
	c.accepted.flags = WIRE_SESSION_UNIDIRECTIONAL | WIRE_SESSION_STREAM;
	c.accepted.original_dst_port = 0x1234;
	CHECK(ctrl_encode(WIRE_2510, &c, elt) == 2 + 119);
	memcpy(&accepted, elt + HEAD, sizeof(accepted));
	CHECK(accepted.flags == WIRE_SESSION_UNIDIRECTIONAL);
	CHECK(accepted.original_dst_ip4 == 0);
	CHECK(accepted.original_dst_port == 0x1234);

	memset(&c, 0, sizeof(c));
	c.type = WIRE_EV_ACCEPTED_REPLY;
	CHECK(ctrl_encode(WIRE_2510, &c, elt) == 2 + 16);
	CHECK(!ctrl_decode(WIRE_2510, elt, 2 + 16, &c));
	CHECK(c.accepted_reply.app_session_index == WIRE_INVALID_INDEX);

	c.type = WIRE_EV_TERMINATE;
	CHECK(ctrl_encode(WIRE_2510, &c, elt) == -ENOTSUP);
	c.type = WIRE_EV_CONNECT_STREAM;
	CHECK(ctrl_encode(WIRE_2510, &c, elt) == -ENOTSUP);
}

TEST(every_type_has_a_name_and_a_ring)
{
	int type;

	for (type = 0; type < WIRE_N_EVENTS; type++)
		CHECK(*ctrl_name((uint8_t)type) &&
		      strcmp(ctrl_name((uint8_t)type), "UNKNOWN"));
	CHECK(!strcmp(ctrl_name(WIRE_N_EVENTS), "UNKNOWN"));
	CHECK(!strcmp(ctrl_name(255), "UNKNOWN"));
	CHECK(ctrl_ring(WIRE_EV_IO_TX_MAIN) == WIRE_RING_IO);
	CHECK(ctrl_ring(WIRE_EV_RESET) == WIRE_RING_CTRL);
}

static void decode(uint8_t type, const void *payload, size_t len,
		   struct ctrl *c)
{
	uint8_t elt[WIRE_CTRL_ELT] = { type };

	memcpy(elt + HEAD, payload, len);
	CHECK(ctrl_size(WIRE_2606, type) == HEAD + len);
	CHECK(!ctrl_decode(WIRE_2606, elt, HEAD + len, c));
}

/* live.c sees the others, field by field. */
TEST(messages_that_no_capture_has_are_read)
{
	const struct wire_migrated migrated = { 1, 2, 3, 4, 5 };
	const struct wire_req_worker_update req = { 6 };
	const struct wire_worker_update update = { 1, 2, 3, 4 };
	const struct wire_worker_update_reply reply = { 1, 2, 3, 4 };
	const struct wire_uri uri = { 1, 2, "tcp://1.2.3.4/80" };
	const struct wire_connect stream = { .context = 1, .parent_handle = 2 };
	struct ctrl c;

	decode(WIRE_EV_MIGRATED, &migrated, sizeof(migrated), &c);
	CHECK(c.migrated.vpp_evt_q == 1 && c.migrated.handle == 2);
	CHECK(c.migrated.new_handle == 3 && c.migrated.segment_handle == 4);
	CHECK(c.migrated.vpp_thread_index == 5);
	decode(WIRE_EV_REQ_WORKER_UPDATE, &req, sizeof(req), &c);
	CHECK(c.req_worker_update.handle == 6);
	decode(WIRE_EV_WORKER_UPDATE, &update, sizeof(update), &c);
	CHECK(c.worker_update.client_index == 1);
	CHECK(c.worker_update.wrk_index == 2);
	CHECK(c.worker_update.req_wrk_index == 3);
	CHECK(c.worker_update.handle == 4);
	decode(WIRE_EV_WORKER_UPDATE_REPLY, &reply, sizeof(reply), &c);
	CHECK(c.worker_update_reply.handle == 1);
	CHECK(c.worker_update_reply.rx_fifo == 2);
	CHECK(c.worker_update_reply.tx_fifo == 3);
	CHECK(c.worker_update_reply.segment_handle == 4);
	decode(WIRE_EV_LISTEN_URI, &uri, sizeof(uri), &c);
	CHECK(c.uri.client_index == 1 && c.uri.context == 2);
	CHECK(!strcmp(c.uri.uri, "tcp://1.2.3.4/80"));
	decode(WIRE_EV_CONNECT_URI, &uri, sizeof(uri), &c);
	CHECK(!strcmp(c.uri.uri, "tcp://1.2.3.4/80"));
	decode(WIRE_EV_CONNECT_STREAM, &stream, sizeof(stream), &c);
	CHECK(c.connect.context == 1 && c.connect.parent_handle == 2);
}
