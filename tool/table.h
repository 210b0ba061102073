/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - a table on stdout */
#ifndef TOOL_TABLE_H
#define TOOL_TABLE_H

#include "core/base/base.h"

/* of libsmartcols */
struct libscols_table;
struct libscols_line;

/* Columns by their headings; one that begins with '>' is a number.  NULL if
 * there is no memory; then the others do nothing. */
struct libscols_table *table_new(const char *const *heading, size_t columns);
/* Begin a line; NULL as above. */
struct libscols_line *table_line(struct libscols_table *table);
void table_put(struct libscols_line *line, size_t column, const char *fmt, ...)
	PRINTF(3, 4);
/* Print it and free it: 0 or -ENOMEM */
int table_end(struct libscols_table *table) MUST_CHECK;

#endif /* TOOL_TABLE_H */
