/* SPDX-License-Identifier: Apache-2.0 */
/* abi.c - our layouts and numbers against those measured in every release */
/*
 * DOC: both ways
 *
 * tests/data/vpp-<release>.tsv was measured from that release's own headers.
 * What we have must stand there with the same place and size, and what stands
 * there must be ours or be named in our list with a reason.  So the list of a
 * new release, put into releases[], is red until someone has read it.
 */
#include "tests/unit/abi.h"

#include <stdbool.h>

#include "tests/unit/abi_consts.h"
#include "tests/unit/abi_layouts.h"
#include "tests/unit/tap.h"

static const int releases[] = { 2310, 2402, 2406, 2410, 2502,
				2506, 2510, 2602, 2606 };

/* one line of a list */
struct measured {
	char type[48], name[48];
	long long a, b; /* offset and size; the value of a CONST */
	bool known;
};

static struct measured list[1024];
static size_t n_list;
static int n_wrong;
static bool used_row[ARRAY_SIZE(rows)], used_value[ARRAY_SIZE(values)];

static void read_list(int release)
{
	const char *top = getenv("top_srcdir");
	char path[256], line[256];
	struct measured *m;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/data/vpp-%02d.%02d.tsv",
		 top ? top : ".", release / 100, release % 100);
	f = fopen(path, "re");
	CHECK(f);
	n_list = 0;
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#')
			continue;
		CHECK(n_list < ARRAY_SIZE(list));
		m = &list[n_list++];
		memset(m, 0, sizeof(*m));
		CHECK(sscanf(line, "%47s %47s %lld %lld", m->type, m->name,
			     &m->a,
			     &m->b) == (strncmp(line, "CONST\t", 6) ? 4 : 3));
	}
	fclose(f);
	CHECK(n_list > 600);
}

static void wrong(int release, char side, const char *type, const char *name,
		  long long a, long long b)
{
	printf("# %d %c %s\t%s\t%lld\t%lld\n", release, side, type, name, a, b);
	n_wrong++;
}

static struct measured *find(const char *type, const char *name)
{
	size_t i;

	for (i = 0; i < n_list; i++)
		if (!strcmp(list[i].type, type) && !strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

/* VPP's @type is not ours: all its lines are explained. */
static void skip_type(const char *type, bool *used)
{
	size_t i;

	for (i = 0; i < n_list; i++)
		if (!strcmp(list[i].type, type))
			*used = list[i].known = true;
}

static void check_row(int release, const char *type, const struct row *r,
		      bool *used)
{
	struct measured *m = find(type, r->field);

	if (r->reason) {
		if (m)
			*used = m->known = true;
		return;
	}
	*used = true;
	if (!m || m->a != (long long)r->off || m->b != (long long)r->size) {
		wrong(release, '+', type, r->field, (long long)r->off,
		      (long long)r->size);
		return;
	}
	m->known = true;
}

static void check_rows(int release)
{
	const char *type = NULL;
	int from = 0, to = 0;
	const struct row *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		r = &rows[i];
		if (r->type) {
			type = r->type;
			from = r->from;
			to = r->to;
		}
		if (release < (r->from ? r->from : from) ||
		    release > (r->from ? r->to : to))
			continue;
		if (r->field)
			check_row(release, type, r, &used_row[i]);
		else
			skip_type(type, &used_row[i]);
	}
}

static bool matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	if (n && pattern[n - 1] == '*')
		return !strncmp(pattern, name, n - 1);
	return !strcmp(pattern, name);
}

/* Each measured constant is the first of our values that names it. */
static void check_value(int release, struct measured *m)
{
	const struct value *v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		v = &values[i];
		if (release < v->from || release > v->to ||
		    !matches(v->name, m->name))
			continue;
		used_value[i] = true;
		m->known = v->reason || v->value == m->a;
		if (!m->known)
			wrong(release, '+', "CONST", v->name, v->value, 0);
		return;
	}
}

static void check_values(int release)
{
	size_t i;

	for (i = 0; i < n_list; i++)
		if (!strcmp(list[i].type, "CONST"))
			check_value(release, &list[i]);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (!values[i].reason && release >= values[i].from &&
		    release <= values[i].to && !find("CONST", values[i].name))
			wrong(release, '+', "CONST", values[i].name,
			      values[i].value, 0);
}

static void check_release(int release)
{
	size_t i;

	read_list(release);
	check_rows(release);
	check_values(release);
	for (i = 0; i < n_list; i++)
		if (!list[i].known)
			wrong(release, '-', list[i].type, list[i].name,
			      list[i].a, list[i].b);
}

TEST(layouts_and_numbers_are_those_of_every_release)
{
	size_t i;

	if (WIRE_MQ_GROWS)
		SKIP("the lists were measured on x86-64");
	for (i = 0; i < ARRAY_SIZE(releases); i++)
		check_release(releases[i]);
	CHECK(!n_wrong);
	/* a line of ours that no release needs is a mistake of ours */
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (!used_row[i])
			wrong(0, '?', "row", rows[i].field, (long long)i, 0);
	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (!used_value[i])
			wrong(0, '?', "value", values[i].name, (long long)i, 0);
	CHECK(!n_wrong);
}

TEST(a_list_of_an_unread_release_is_red)
{
	struct measured *m;

	if (WIRE_MQ_GROWS)
		SKIP("as above");
	read_list(2606);
	m = find("session_bound_msg_t", "mq_index");
	CHECK(m);
	m->a++;
	check_rows(2606);
	CHECK(n_wrong == 1 && !m->known);
	m = find("CONST", "SESSION_E_NOROUTE");
	CHECK(m);
	m->a--;
	check_values(2606);
	CHECK(n_wrong == 2 && !m->known);
	strcpy(m->name, "SESSION_E_NEW");
	check_values(2606);
	CHECK(n_wrong == 3 && !m->known);
}
