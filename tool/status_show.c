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
 * shown to the full.  A list inside of the objects is a table of its own,
 * and its lines begin with what names the object.
 */

#define COLUMNS_MAX 32
#define DEPTH_MAX 3

struct columns {
	const char *name[COLUMNS_MAX];
	unsigned n;
};

static bool is_table(const cJSON *item)
{
	return cJSON_IsArray(item) && cJSON_IsObject(item->child);
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
	else if (is_table(item))
		snprintf(buf, size, "%d", cJSON_GetArraySize(item));
	else if (cJSON_IsArray(item) || cJSON_IsObject(item))
		cJSON_ArrayForEach(i, item)
		{
			char one[64];

			put_item(i, one, sizeof(one));
			if (len >= size)
				break;
			len += (size_t)snprintf(buf + len, size - len,
						"%s%s%s%s", len ? " " : "",
						i->string ? i->string : "",
						i->string ? "=" : "", one);
		}
}

static void add_column(struct columns *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (!strcmp(c->name[i], name))
			return;
	if (c->n < COLUMNS_MAX)
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

/* What the lines of an object's own lists begin with. */
static void name_of(const cJSON *object, const char *above, char *buf,
		    size_t size)
{
	const cJSON *pid = cJSON_GetObjectItem(object, "pid");
	const char *name = text_of(object, "name");
	int len;

	len = snprintf(buf, size, "%s%s%s", above, *above ? "/" : "",
		       name ? name : "?");
	if (cJSON_IsNumber(pid) && len > 0 && (size_t)len < size)
		snprintf(buf + len, size - (size_t)len, "[%.0f]",
			 pid->valuedouble);
}

/* One table of several lists, each with the name of its owner. */
struct list {
	const cJSON *array;
	char owner[96];
};

struct lists {
	const char *title;
	struct list *list;
	unsigned n;
	bool owned;
};

static struct libscols_table *begin(const struct columns *c, bool owned,
				    const bool *right)
{
	char text[COLUMNS_MAX + 1][48];
	const char *heading[COLUMNS_MAX + 1];
	unsigned i, k, n = 0;

	if (owned) {
		strcpy(text[n], "OF");
		heading[n] = text[n];
		n++;
	}
	for (i = 0; i < c->n; i++, n++) {
		snprintf(text[n], sizeof(text[n]), "%s%s", right[i] ? ">" : "",
			 c->name[i]);
		for (k = 0; text[n][k]; k++)
			if (text[n][k] == '_')
				text[n][k] = '-';
			else if (text[n][k] >= 'a' && text[n][k] <= 'z')
				text[n][k] = (char)(text[n][k] - 'a' + 'A');
		heading[n] = text[n];
	}
	return table_new(heading, n);
}

static void find_columns(const struct lists *l,
			 const struct status_filter *filter, struct columns *c,
			 bool *right)
{
	const cJSON *object, *field;
	unsigned i, k;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < l->n; i++)
		cJSON_ArrayForEach(
			object, l->list[i].array) if (is_shown(object, l->title,
							       filter))
			cJSON_ArrayForEach(field, object)
				add_column(c, field->string);
	for (k = 0; k < c->n; k++) {
		object = l->list[0].array->child;
		field = cJSON_GetObjectItemCaseSensitive(object, c->name[k]);
		right[k] = cJSON_IsNumber(field) || is_table(field);
	}
}

static void fill(struct libscols_table *table, const struct lists *l,
		 const struct status_filter *filter, const struct columns *c)
{
	const cJSON *object, *field;
	struct libscols_line *line;
	char text[256];
	unsigned i, k;

	for (i = 0; i < l->n; i++) {
		cJSON_ArrayForEach(object, l->list[i].array)
		{
			if (!is_shown(object, l->title, filter))
				continue;
			line = table_line(table);
			if (l->owned)
				table_put(line, 0, "%s", l->list[i].owner);
			for (k = 0; k < c->n; k++) {
				field = cJSON_GetObjectItemCaseSensitive(
					object, c->name[k]);
				put_item(field, text, sizeof(text));
				table_put(line, k + l->owned, "%s", text);
			}
		}
	}
}

static int show_lists(const struct lists *l, const struct status_filter *filter,
		      unsigned depth);

/* The lists of one name in all objects of @l. */
static int show_inner(const struct lists *l, const char *name,
		      const struct status_filter *filter, unsigned depth)
{
	struct lists inner = { .title = name, .owned = true };
	const cJSON *object, *array;
	unsigned i;
	int ret;

	for (i = 0; i < l->n; i++) {
		cJSON_ArrayForEach(object, l->list[i].array)
		{
			struct list *more;

			array = cJSON_GetObjectItemCaseSensitive(object, name);
			if (!is_table(array) ||
			    !is_shown(object, l->title, filter))
				continue;
			more = reallocarray(inner.list, inner.n + 1,
					    sizeof(*more));
			if (!more) {
				free(inner.list);
				return -ENOMEM;
			}
			inner.list = more;
			inner.list[inner.n].array = array;
			name_of(object, l->list[i].owner,
				inner.list[inner.n].owner,
				sizeof(inner.list[0].owner));
			inner.n++;
		}
	}
	ret = inner.n ? show_lists(&inner, filter, depth + 1) : 0;
	free(inner.list);
	return ret;
}

static int show_lists(const struct lists *l, const struct status_filter *filter,
		      unsigned depth)
{
	struct libscols_table *table;
	struct columns c;
	bool right[COLUMNS_MAX];
	unsigned k;
	int ret = 0;

	find_columns(l, filter, &c, right);
	if (!c.n)
		return 0;
	printf("\n%s\n", l->title);
	table = begin(&c, l->owned, right);
	fill(table, l, filter, &c);
	ret = table_end(table);
	for (k = 0; ret == 0 && k < c.n && depth < DEPTH_MAX; k++)
		ret = show_inner(l, c.name[k], filter, depth);
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

	cJSON_ArrayForEach(item, status)
	{
		if (cJSON_IsArray(item))
			continue;
		put_item(item, text, sizeof(text));
		printf("%-12s %s\n", item->string, text);
	}
	cJSON_ArrayForEach(item, status)
	{
		struct list list = { .array = item };
		struct lists lists = { .title = item->string,
				       .list = &list,
				       .n = 1 };

		if (ret == 0 && is_table(item))
			ret = show_lists(&lists, filter, 0);
	}
	return ret;
}
