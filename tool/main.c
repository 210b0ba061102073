/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - sapi: run programs over shared memory, and see what comes of it */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *words, *what;
} command[] = {
	{ "run", cmd_run, "[OPTION...] [--] PROGRAM [ARGUMENT...]",
	  "run a program over shared memory" },
	{ "status", cmd_status, "[--json] [-n NAMESPACE] [--run-dir DIR]",
	  "show what the daemon serves" },
	{ "check", cmd_check, "[FILE]",
	  "read the configuration, show its rules" },
	{ "explain", cmd_explain, "PROGRAM ROLE ADDRESS:PORT [ADDRESS:PORT]",
	  "show which rule decides" },
};

/**
 * say() - Tell the user
 * @fmt:	what; a newline is added
 */
void say(const char *fmt, ...)
{
	va_list ap;

	fputs("sapi: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/**
 * say_wrong() - Tell the user of a wrong line
 * @arg:	not used
 * @file:	where it stands
 * @line:	in the file
 * @what:	is wrong with it
 */
void say_wrong(void *arg, const char *file, unsigned line, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", file, line, what);
}

/**
 * load_as() - The configuration that a program has
 * @conf:	to fill
 * @program:	its name; a path in front of it is taken off
 * @file:	to read; NULL: the one that the program reads
 *
 * Return: the number of wrong lines, or -errno.
 */
int load_as(struct conf *conf, const char *program, const char *file)
{
	const char *slash = strrchr(program, '/');

	conf_init(conf);
	snprintf(conf->program, sizeof(conf->program), "%s",
		 slash ? slash + 1 : program);
	memcpy(conf->app_name, conf->program, sizeof(conf->program));
	return conf_load(conf, file, say_wrong, NULL);
}

static int usage(FILE *to)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(command); i++)
		fprintf(to, "%s sapi %s %s\n",
			i ? "      " : "usage:", command[i].name,
			command[i].words);
	fputc('\n', to);
	for (i = 0; i < ARRAY_SIZE(command); i++)
		fprintf(to, "  %-8s %s\n", command[i].name, command[i].what);
	fputs("\nsapi COMMAND --help says more, sapi(1) most.\n", to);
	return to == stdout ? 0 : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2)
		return usage(stderr);
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		puts(PACKAGE_STRING);
		return 0;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return usage(stdout);
	if (!strcmp(argv[1], "help") && argc == 2)
		return usage(stdout);
	if (!strcmp(argv[1], "help")) {
		argv[1] = argv[2];
		argv[2] = (char *)"--help";
	}
	for (i = 0; i < ARRAY_SIZE(command); i++)
		if (!strcmp(argv[1], command[i].name))
			return command[i].run(argc - 1, argv + 1);
	say("no command \"%s\"", argv[1]);
	return usage(stderr);
}
