/* SPDX-License-Identifier: Apache-2.0 */
/* replay.h - a capture of live.h in memory, and what a message of it names */
#ifndef TESTS_REPLAY_H
#define TESTS_REPLAY_H

#include "core/shm/ctrl.h"
#include "core/wire/attach.h"
#include "core/wire/ctrl.h"
#include "tests/unit/live.h"

/* A message, or what the probe noted (then m.type is empty). */
struct replay_line {
	struct live_message m;
	char note[80];
	unsigned nr;
	bool done;
};

struct replay {
	const char *name;
	struct replay_line *line;
	size_t n;
};

/* Fails the test with the line of the capture. */
#define REPLAY_CHECK(r, l, cond)                                               \
	do {                                                                   \
		bool is_ = (cond);                                             \
		if (!is_)                                                      \
			printf("# %s:%u %s %s: %s\n", (r)->name, (l)->nr,      \
			       (l)->m.channel,                                 \
			       *(l)->m.type ? (l)->m.type : (l)->note, #cond); \
		CHECK(is_);                                                    \
	} while (0)

static inline void replay_load(struct replay *r, const char *name)
{
	FILE *f = live_open(name);
	struct replay_line *l;
	char *text = NULL;
	unsigned nr = 0;
	size_t size = 0;

	memset(r, 0, sizeof(*r));
	r->name = name;
	while (getline(&text, &size, f) > 0) {
		nr++;
		r->line = realloc(r->line, (r->n + 1) * sizeof(*r->line));
		CHECK(r->line);
		l = &r->line[r->n];
		memset(l, 0, sizeof(*l));
		l->nr = nr;
		if (live_parse(text, &l->m) ||
		    sscanf(text, " %*f %31s ; NOTE %79[^\n]", l->m.who,
			   l->note) == 2 ||
		    sscanf(text, " %*f %31s == NOTE -- %79[^\n]", l->m.who,
			   l->note) == 2)
			r->n++;
	}
	CHECK(r->n);
	free(text);
	fclose(f);
}

static inline void replay_free(struct replay *r)
{
	free(r->line);
	memset(r, 0, sizeof(*r));
}

static inline bool replay_is(const struct replay_line *l, const char *type)
{
	return !strcmp(l->m.type, type);
}

static inline bool replay_on_socket(const struct replay_line *l)
{
	return !strcmp(l->m.channel, "socket");
}

/* Of a queue; not what VPP's threads tell each other. */
static inline bool replay_on_queue(const struct replay_line *l)
{
	return *l->m.type && !replay_on_socket(l) && !replay_is(l, "RPC");
}

static inline void replay_ctrl(const struct replay_line *l, struct ctrl *c)
{
	CHECK(!ctrl_decode(WIRE_2606, l->m.bytes, l->m.len, c));
}

static inline struct wire_sapi replay_sapi(const struct replay_line *l)
{
	struct wire_sapi s;

	CHECK(l->m.len == sizeof(s));
	memcpy(&s, l->m.bytes, sizeof(s));
	return s;
}

/* Overwrite a name in the bytes of a message. */
#define REPLAY_NAME(bytes, type, member, value)                      \
	do {                                                         \
		__typeof__(((type *)NULL)->member) name_ =           \
			(__typeof__(name_))(value);                  \
		memcpy((bytes) + offsetof(struct wire_event, data) + \
			       offsetof(type, member),               \
		       &name_, sizeof(name_));                       \
	} while (0)

/* VPP's address in the captures is this host's here. */
static inline void replay_address(uint8_t ip[16])
{
	static const uint8_t vpp[4] = { 10, 10, 1, 1 };
	static const uint8_t here[4] = { 127, 0, 0, 1 };

	if (!memcmp(ip + 12, vpp, 4))
		memcpy(ip + 12, here, 4);
}

/* A snooper names queues by segments, app-mq[seg-APP-WORKER-NR]: the
 * application of the queue, and which of its workers, in order of age. */
static inline bool replay_snooped(const struct replay *r, const char *channel,
				  uint32_t *app, uint32_t *worker)
{
	unsigned a, w, nr, other;
	char seen[16][32];
	size_t i, j, n = 0;

	if (sscanf(channel, "app-mq[seg-%u-%u-%u]", &a, &w, &nr) != 3)
		return false;
	*app = a;
	*worker = 0;
	for (i = 0; i < r->n; i++) {
		if (sscanf(r->line[i].m.channel, "app-mq[seg-%u-%u-%u]", &a, &w,
			   &other) != 3 ||
		    a != *app || other >= nr)
			continue;
		for (j = 0; j < n; j++)
			if (!strcmp(seen[j], r->line[i].m.channel))
				break;
		if (j < n)
			continue;
		CHECK(n < ARRAY_SIZE(seen));
		strcpy(seen[n++], r->line[i].m.channel);
		++*worker;
	}
	return true;
}

#endif /* TESTS_REPLAY_H */
