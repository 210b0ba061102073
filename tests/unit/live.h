/* SPDX-License-Identifier: Apache-2.0 */
/* live.h - reading the captures of a real VPP in tests/data/live-26.06 */
#ifndef TESTS_LIVE_H
#define TESTS_LIVE_H

#include <ctype.h>
#include <glob.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/base.h"
#include "tests/unit/tap.h"

#define LIVE_DIR "tests/data/live-26.06"

static inline FILE *live_open(const char *name)
{
	const char *top = getenv("top_srcdir");
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" LIVE_DIR "/%s", top ? top : ".",
		 name);
	f = fopen(path, "re");
	CHECK(f);
	return f;
}

/* Call @line for each line of each capture (not the dumps); @more is the line
 * behind it, where a message has its fields. */
static inline size_t live_each(void (*line)(char *line, char *more))
{
	static const char *const patterns[] = { "probe_*.txt", "stock_*.txt" };
	const char *top = getenv("top_srcdir");
	char path[512], *a = NULL, *b = NULL, *swap;
	size_t i, j, n = 0, na = 0, nb = 0, nswap;
	glob_t g;
	FILE *f;

	for (i = 0; i < ARRAY_SIZE(patterns); i++) {
		snprintf(path, sizeof(path), "%s/" LIVE_DIR "/%s",
			 top ? top : ".", patterns[i]);
		CHECK(!glob(path, 0, NULL, &g));
		for (j = 0; j < g.gl_pathc; j++, n++) {
			f = fopen(g.gl_pathv[j], "re");
			CHECK(f);
			CHECK(getline(&a, &na, f) > 0);
			while (getline(&b, &nb, f) > 0) {
				if (*a != '#')
					line(a, b);
				swap = a, a = b, b = swap;
				nswap = na, na = nb, nb = nswap;
			}
			line(a, strcpy(b, ""));
			fclose(f);
		}
		globfree(&g);
	}
	free(a);
	free(b);
	return n;
}

/* Hex digits at @text to at most @max bytes; how many. */
static inline size_t live_hex(const char *text, uint8_t *to, size_t max)
{
	unsigned byte;
	size_t n;

	for (n = 0; n < max; n++, text += 2) {
		if (!isxdigit((unsigned char)text[0]) ||
		    !isxdigit((unsigned char)text[1]) ||
		    sscanf(text, "%2x", &byte) != 1)
			break;
		to[n] = (uint8_t)byte;
	}
	return n;
}

/* The number behind " key=" in @line. */
static inline uint64_t live_number(const char *line, const char *key, int base)
{
	char word[64];
	const char *at;

	snprintf(word, sizeof(word), " %s=", key);
	at = strstr(line, word);
	CHECK(at);
	return strtoull(at + strlen(word), NULL, base);
}

/* A line with a message: who, which way, in what, and the bytes. */
struct live_message {
	char who[32], channel[32], type[32];
	bool to_app;
	size_t len;
	uint8_t bytes[512];
	bool has_fds; /* of the socket */
	unsigned fds;
};

/* False for a line that is none. */
static inline bool live_parse(const char *line, struct live_message *m)
{
	char way[16];
	const char *at;
	int end = 0;

	memset(m, 0, sizeof(*m));
	if (sscanf(line, " %*f %31s %15[apv>] %31s %31s %zu %n", m->who, way,
		   m->channel, m->type, &m->len, &end) != 5)
		return false;
	CHECK(!strcmp(way, "vpp>app") || !strcmp(way, "app>vpp"));
	m->to_app = *way == 'v';
	m->has_fds = (at = strstr(line, " fds=")) != NULL;
	if (m->has_fds)
		m->fds = (unsigned)strtoul(at + 5, NULL, 10);
	CHECK(live_hex(line + end, m->bytes, sizeof(m->bytes)) == m->len ||
	      line[end] == '-');
	return true;
}

#endif /* TESTS_LIVE_H */
