/* SPDX-License-Identifier: Apache-2.0 */
/* status_show.c - the daemon's status document as tables */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/status.h"
#include "tool/table.h"

/*
 * DOC: What the daemon tells is what is shown: a list of objects is a table
 * with a column for each field that any of them has, in the order in which
 * they come.  So a daemon of another release, which knows more or less, is
 * shown to the full.  A list or an object inside of the objects is a table of
 * its own, and its lines begin with what names the object around it.  Only
 * "kernel", which counts reasons, has its place in the line.
 */

#define COLUMNS_MAX 32
#define DEPTH_MAX 3

struct columns {
	const char *name[COLUMNS_MAX];
	bool right[COLUMNS_MAX]; /* its first one is a number */
	unsigned n;
};

static bool is_table(const cJSON *item)
{
	return cJSON_IsArray(item) &&
	       (!item->child || cJSON_IsObject(item->child));
}

/* An object that becomes a table of one line for each object around it */
static bool is_part(const cJSON *item)
{
	return cJSON_IsObject(item) && item->string &&
	       strcmp(item->string, "kernel");
}

static bool ends_in(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a >= b && !strcmp(s + a - b, end);
}

/* 1048576 as "1M" where the field's name says that it is bytes */
static void put_number(const char *name, double v, char *buf, size_t size)
{
	static const char unit[] = "KMGTP";
	int i = -1;

	if (ends_in(name, "bytes") || ends_in(name, "size"))
		for (; v >= 1024 && i + 1 < (int)sizeof(unit) - 1; i++)
			v /= 1024;
	if (i < 0)
		snprintf(buf, size, "%.15g", v);
	else
		snprintf(buf, size, "%.*f%c", v < 10 && v != (double)(long)v, v,
			 unit[i]);
}

static void put_item(const cJSON *item, char *buf, size_t size)
{
	const cJSON *i;
	size_t len = 0;

	buf[0] = '\0';
	if (cJSON_IsString(item))
		snprintf(buf, size, "%s", item->valuestring);
	else if (cJSON_IsNumber(item))
		put_number(item->string ? item->string : "", item->valuedouble,
			   buf, size);
	else if (cJSON_IsBool(item))
		snprintf(buf, size, "%s", cJSON_IsTrue(item) ? "yes" : "no");
	else if (cJSON_IsArray(item) || cJSON_IsObject(item))
		cJSON_ArrayForEach (i, item) {
			char one[64];

			put_item(i, one, sizeof(one));
			if (len >= size)
				break;
			/* reasons that nothing stayed for are no news */
			if (i->string && !is_part(item) && !strcmp(one, "0"))
				continue;
			len += (size_t)snprintf(buf + len, size - len,
						"%s%s%s%s", len ? " " : "",
						i->string ? i->string : "",
						i->string ? "=" : "", one);
		}
}

static void add_column(struct columns *c, const char *name, bool right)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (!strcmp(c->name[i], name))
			return;
	if (c->n == COLUMNS_MAX)
		return;
	c->right[c->n] = right;
	c->name[c->n++] = name;
}

static const char *text_of(const cJSON *object, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(object, name));
}

/* An object without a namespace is of none that could be left out. */
static bool is_shown(const cJSON *object, const char *list,
		     const struct status_filter *filter)
{
	const char *ns = text_of(object, "namespace");
	unsigned i;

	if (!ns && !strcmp(list, "namespaces"))
		ns = text_of(object, "name");
	if (!ns || !filter->n)
		return true;
	for (i = 0; i < filter->n; i++)
		if (!strcmp(ns, filter->ns[i]))
			return true;
	return false;
}

/* A line of a table: an object, and what names the one around it. */
struct row {
	const cJSON *object;
	char owner[96];
};

struct rows {
	const char *title;
	struct row *row;
	unsigned n;
	bool owned;
};

static int add_row(struct rows *rows, const cJSON *object, const char *owner)
{
	struct row *more = reallocarray(rows->row, rows->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	rows->row = more;
	rows->row[rows->n].object = object;
	snprintf(more[rows->n].owner, sizeof(more->owner), "%s", owner);
	rows->n++;
	return 0;
}

/* @item is a list of objects, or one. */
static int add_rows(struct rows *rows, const cJSON *item, const char *owner,
		    const struct status_filter *filter)
{
	const cJSON *object;
	int ret = 0;

	if (is_part(item))
		return add_row(rows, item, owner);
	if (!is_table(item))
		return 0;
	cJSON_ArrayForEach (object, item) {
		if (ret == 0 && is_shown(object, rows->title, filter))
			ret = add_row(rows, object, owner);
	}
	return ret;
}

/* What the lines of an object's own tables begin with. */
static void name_of(const struct row *row, char *buf, size_t size)
{
	const cJSON *pid = cJSON_GetObjectItem(row->object, "pid");
	const char *name = text_of(row->object, "name");
	int len;

	len = snprintf(buf, size, "%s%s%s", row->owner, *row->owner ? "/" : "",
		       name ? name : "?");
	if (cJSON_IsNumber(pid) && len > 0 && (size_t)len < size)
		snprintf(buf + len, size - (size_t)len, "[%.0f]",
			 pid->valuedouble);
}

static struct libscols_table *begin(const struct columns *c, bool owned)
{
	char text[COLUMNS_MAX + 1][48] = { "OF" };
	const char *heading[COLUMNS_MAX + 1] = { text[0] };
	unsigned i, k, skip, n = owned;

	for (i = 0; i < c->n; i++, n++) {
		/* "n_sessions" counts what another table lists */
		skip = strncmp(c->name[i], "n_", 2) ? 0 : 2;
		snprintf(text[n], sizeof(text[n]), "%s%s",
			 c->right[i] ? ">" : "", c->name[i] + skip);
		for (k = 0; text[n][k]; k++)
			if (text[n][k] == '_')
				text[n][k] = '-';
			else if (text[n][k] >= 'a' && text[n][k] <= 'z')
				text[n][k] = (char)(text[n][k] - 'a' + 'A');
		heading[n] = text[n];
	}
	return table_new(heading, n);
}

/* What is a table of its own is no column. */
static void find_columns(const struct rows *rows, struct columns *c)
{
	const cJSON *field;
	unsigned i;

	c->n = 0;
	for (i = 0; i < rows->n; i++)
		cJSON_ArrayForEach (field, rows->row[i].object) {
			if (field->string && !is_table(field) &&
			    !is_part(field))
				add_column(c, field->string,
					   cJSON_IsNumber(field));
		}
}

static void fill(struct libscols_table *table, const struct rows *rows,
		 const struct columns *c)
{
	struct libscols_line *line;
	char text[256];
	unsigned i, k;

	for (i = 0; i < rows->n; i++) {
		line = table_line(table);
		if (rows->owned)
			table_put(line, 0, "%s", rows->row[i].owner);
		for (k = 0; k < c->n; k++) {
			put_item(cJSON_GetObjectItemCaseSensitive(
					 rows->row[i].object, c->name[k]),
				 text, sizeof(text));
			table_put(line, k + rows->owned, "%s", text);
		}
	}
}

static int show_rows(const struct rows *rows,
		     const struct status_filter *filter, unsigned depth);

/* The tables of one name in all objects of @rows, as one. */
static int show_inner(const struct rows *rows, const char *name,
		      const struct status_filter *filter, unsigned depth)
{
	struct rows inner = { .title = name, .owned = true };
	char owner[sizeof(inner.row->owner)];
	unsigned i;
	int ret = 0;

	for (i = 0; ret == 0 && i < rows->n; i++) {
		name_of(&rows->row[i], owner, sizeof(owner));
		ret = add_rows(&inner,
			       cJSON_GetObjectItemCaseSensitive(
				       rows->row[i].object, name),
			       owner, filter);
	}
	if (ret == 0 && inner.n)
		ret = show_rows(&inner, filter, depth + 1);
	free(inner.row);
	return ret;
}

static int show_all_inner(const struct rows *rows,
			  const struct status_filter *filter, unsigned depth)
{
	struct columns seen = { 0 };
	const cJSON *field;
	unsigned i;
	int ret = 0;

	for (i = 0; i < rows->n; i++)
		cJSON_ArrayForEach (field, rows->row[i].object) {
			if (field->string &&
			    (is_table(field) || is_part(field)))
				add_column(&seen, field->string, false);
		}
	for (i = 0; ret == 0 && i < seen.n; i++)
		ret = show_inner(rows, seen.name[i], filter, depth);
	return ret;
}

static int show_rows(const struct rows *rows,
		     const struct status_filter *filter, unsigned depth)
{
	struct libscols_table *table;
	struct columns c;
	int ret = 0;

	find_columns(rows, &c);
	if (c.n) {
		printf("\n%s\n", rows->title);
		table = begin(&c, rows->owned);
		fill(table, rows, &c);
		ret = table_end(table);
	}
	if (ret == 0 && depth < DEPTH_MAX)
		ret = show_all_inner(rows, filter, depth);
	return ret;
}

/**
 * status_show() - Print a status document
 * @status:	an object
 * @filter:	which namespaces
 *
 * Return: 0 or -ENOMEM.
 */
int status_show(const cJSON *status, const struct status_filter *filter)
{
	const cJSON *item;
	char text[512];
	int ret = 0;

	cJSON_ArrayForEach (item, status) {
		if (cJSON_IsArray(item))
			continue;
		put_item(item, text, sizeof(text));
		printf("%-12s %s\n", item->string, text);
	}
	cJSON_ArrayForEach (item, status) {
		struct rows rows = { .title = item->string };

		if (ret == 0 && is_table(item)) {
			ret = add_rows(&rows, item, "", filter);
			if (ret == 0)
				ret = show_rows(&rows, filter, 0);
		}
		free(rows.row);
	}
	return ret;
}
