/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - a table on stdout, by libsmartcols */
#include "tool/table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/**
 * table_new() - Begin a table
 * @heading:	one for each column; '>' in front: to the right
 * @columns:	how many
 */
struct libscols_table *table_new(const char *const *heading, size_t columns)
{
	struct libscols_table *table;
	size_t i;

	scols_init_debug(0);
	table = scols_new_table();
	for (i = 0; table && i < columns; i++) {
		bool right = heading[i][0] == '>';

		if (!scols_table_new_column(table, heading[i] + right, 0,
					    right ? SCOLS_FL_RIGHT : 0)) {
			scols_unref_table(table);
			return NULL;
		}
	}
	return table;
}

/**
 * table_line() - Begin a line
 * @table:	the table
 */
struct libscols_line *table_line(struct libscols_table *table)
{
	return table ? scols_table_new_line(table, NULL) : NULL;
}

/**
 * table_put() - Fill a field
 * @line:	of this line
 * @column:	counted from 0
 * @fmt:	its text
 */
void table_put(struct libscols_line *line, size_t column, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	if (!line)
		return;
	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len >= 0 && scols_line_refer_data(line, column, text))
		free(text);
}

/**
 * table_end() - Print and free a table
 * @table:	the table
 */
int table_end(struct libscols_table *table)
{
	int ret = table ? scols_print_table(table) : -ENOMEM;

	scols_unref_table(table);
	return ret;
}
