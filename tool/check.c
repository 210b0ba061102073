/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - sapi check: read the configuration and show its rules */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/table.h"
#include "tool/tool.h"

static const char help[] =
	"usage: sapi check [FILE]\n\n"
	"Reads FILE, or else what a program would read, and the environment.\n"
	"Shows the rules in the order in which they are tried, and where each\n"
	"of them stands.  The exit code is 1 if a line is wrong.\n";

static int show_rules(const struct conf *conf)
{
	static const char *const heading[] = { "ORIGIN",  "APPLICATION",
					       "USE",	  "ROLE",
					       "ADDRESS", "OPTIONS" };
	struct libscols_table *table = table_new(heading, ARRAY_SIZE(heading));
	struct conf_rule_text rule;
	struct libscols_line *line;
	unsigned i;

	for (i = 0; conf_rule_text(conf, i, &rule); i++) {
		line = table_line(table);
		if (rule.line)
			table_put(line, 0, "%s:%u", rule.file, rule.line);
		else
			table_put(line, 0, "%s", rule.file);
		table_put(line, 1, "%s", rule.filter);
		table_put(line, 2, "%s", rule.use);
		table_put(line, 3, "%s", rule.role);
		table_put(line, 4, "%s", rule.match);
		table_put(line, 5, "%s", rule.options);
	}
	line = table_line(table);
	table_put(line, 0, "default");
	table_put(line, 2, "%s", conf_use_name(conf->use));
	table_put(line, 3, "any");
	table_put(line, 4, "*:*");
	table_put(line, 5, "%s", conf->require ? "require" : "");
	return table_end(table);
}

/**
 * cmd_check() - sapi check
 * @argc:	number of words
 * @argv:	words
 *
 * Return: the exit code.
 */
int cmd_check(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c = getopt_long(argc, argv, "h", longs, NULL), wrong;
	struct conf conf;
	const char *file;

	if (c == 'h') {
		fputs(help, stdout);
		return 0;
	}
	if (c >= 0 || argc - optind > 1) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	file = optind < argc ? argv[optind] : NULL;
	wrong = load_as(&conf, "sapi", file);
	if (wrong < 0) {
		say("%s: %s", file ? file : "sapi.conf", strerror(-wrong));
		return 1;
	}
	printf("file      %s\n", conf.source[0] ? conf.source : "none");
	printf("daemon    %s (%s)\n", conf.shm_socket,
	       daemon_answers(conf.shm_socket) ? "answers" : "does not answer");
	printf("vpp       %s\n\n",
	       conf.vpp_socket[0] ? conf.vpp_socket : "none");
	if (show_rules(&conf) < 0)
		wrong = 1;
	conf_free(&conf);
	return wrong > 0;
}
