/* SPDX-License-Identifier: Apache-2.0 */
/* run.c - sapi run: set the preload up, see to a daemon, become the program */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/tool.h"

static const char help[] =
	"usage: sapi run [OPTION...] [--] PROGRAM [ARGUMENT...]\n\n"
	"  -c, --config FILE  read FILE instead of sapi.conf\n"
	"  -r, --rule RULE    put RULE before those of the file; may be "
	"repeated\n"
	"      --require      fail rather than run on the kernel's sockets\n"
	"      --no-daemon    do not start sapid if there is none\n"
	"  -h, --help\n\n"
	"The exit code is the program's; 125: sapi run failed, 126: the "
	"program\n"
	"can't be run, 127: there is no such program.\n";

struct run {
	const char *config;
	char *rules; /* with ';' in between; NULL: none */
	bool require, no_daemon;
};

static int add_rule(struct run *run, const char *rule)
{
	struct conf conf;
	char *all;
	int wrong;

	conf_init(&conf);
	wrong = conf_rules(&conf, "--rule", rule, say_wrong, NULL);
	conf_free(&conf);
	if (wrong)
		return -EINVAL;
	if (asprintf(&all, "%s%s%s", run->rules ? run->rules : "",
		     run->rules ? ";" : "", rule) < 0)
		return -ENOMEM;
	free(run->rules);
	run->rules = all;
	return 0;
}

/* The program may change its directory before it reads the file. */
static int set_config(struct run *run, const char *file)
{
	run->config = realpath(file, NULL);
	if (!run->config)
		say("%s: %s", file, strerror(errno));
	return run->config ? 0 : -errno;
}

/* 0: go on; else the exit code, -1 for 0 */
static int options(struct run *run, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "rule", required_argument, NULL, 'r' },
		{ "require", no_argument, NULL, 'R' },
		{ "no-daemon", no_argument, NULL, 'D' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+c:r:h", longs, NULL)) >= 0) {
		if (c == 'h') {
			fputs(help, stdout);
			return -1;
		}
		if ((c == 'c' && set_config(run, optarg) < 0) ||
		    (c == 'r' && add_rule(run, optarg) < 0))
			return EXIT_OURS;
		if (c == 'R')
			run->require = true;
		if (c == 'D')
			run->no_daemon = true;
		if (c == '?') {
			fputs(help, stderr);
			return EXIT_OURS;
		}
	}
	if (optind < argc)
		return 0;
	fputs(help, stderr);
	return EXIT_OURS;
}

/* @value in front of what the variable has, with @sep in between */
static int prepend(const char *name, const char *value, const char *sep)
{
	const char *old = getenv(name);
	char *both;
	int ret;

	if (!old || !*old)
		return setenv(name, value, 1) ? -ENOMEM : 0;
	if (asprintf(&both, "%s%s%s", value, sep, old) < 0)
		return -ENOMEM;
	ret = setenv(name, both, 1) ? -ENOMEM : 0;
	free(both);
	return ret;
}

static int set_preload(void)
{
	const char *preload = getenv("SAPI_PRELOAD");
	const char *old = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	int ret;

	if (!preload || !*preload) {
		ret = find_preload(path);
		if (ret < 0) {
			say("libsapi_preload.so is not installed");
			return ret;
		}
		/* ld.so takes both for the end of a name */
		if (strpbrk(path, " :")) {
			say("%s: LD_PRELOAD can't name such a path", path);
			return -EINVAL;
		}
		preload = path;
	}
	if (old && strstr(old, preload))
		return 0;
	return prepend("LD_PRELOAD", preload, ":");
}

static int set_environment(const struct run *run)
{
	int ret = 0;

	if (run->config && setenv("SAPI_CONFIG", run->config, 1))
		ret = -ENOMEM;
	if (ret == 0 && run->rules)
		ret = prepend("SAPI_RULES", run->rules, ";");
	if (ret == 0 && run->require && setenv("SAPI_DEFAULT", "require", 1))
		ret = -ENOMEM;
	/* a program that has gcc's address sanitizer ends at once if another
	 * library comes before that one; what the user says comes behind */
	if (ret == 0)
		ret = prepend("ASAN_OPTIONS", "verify_asan_link_order=0", ":");
	if (ret < 0)
		say("%s", strerror(-ret));
	return ret;
}

/*
 * The daemon for the program: by now its environment is ours.  Its socket
 * goes into the environment because the program would otherwise look again,
 * and perhaps find another one.
 */
static int see_to_daemon(const struct run *run, const char *program)
{
	struct conf conf;
	int ret;

	ret = load_as(&conf, program, NULL);
	if (ret < 0)
		return ret;
	conf_free(&conf);
	if (conf.disabled)
		return 0;
	if (run->no_daemon)
		ret = daemon_answers(conf.shm_socket) ? 0 : -ECONNREFUSED;
	else
		ret = daemon_start(&conf);
	if (ret < 0) {
		if (run->require)
			say("no daemon answers at %s", conf.shm_socket);
		return ret;
	}
	return setenv("SAPI_SOCKET", conf.shm_socket, 1) ? -ENOMEM : 0;
}

/* As a shell: a text without "#!" is a script of sh. */
static int become(const char *path, char **argv)
{
	char **sh;
	int err, n;

	execv(path, argv);
	err = errno;
	if (err == ENOEXEC && program_is_text(path)) {
		for (n = 0; argv[n]; n++)
			;
		sh = calloc((size_t)n + 2, sizeof(*sh));
		if (sh) {
			sh[0] = (char *)"sh";
			sh[1] = (char *)path;
			memcpy(sh + 2, argv + 1, (size_t)n * sizeof(*sh));
			execv("/bin/sh", sh);
		}
	}
	say("%s: %s", path, strerror(err));
	return err == ENOENT ? EXIT_NOT_FOUND : EXIT_CANT_RUN;
}

/**
 * cmd_run() - sapi run
 * @argc:	number of words
 * @argv:	words
 *
 * What is missing is said and the program runs without it, unless --require.
 *
 * Return: only if the program could not be run.
 */
int cmd_run(int argc, char **argv)
{
	char path[PATH_MAX], why[512];
	struct run run = { 0 };
	int ret;

	ret = options(&run, argc, argv);
	if (ret)
		return ret < 0 ? 0 : ret;
	argv += optind;
	ret = program_find(argv[0], path);
	if (ret < 0) {
		say("%s: %s", argv[0], strerror(-ret));
		return ret == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANT_RUN;
	}
	if (program_inspect(path, why, sizeof(why))) {
		say("%s can't be accelerated: %s", argv[0], why);
		if (run.require)
			return EXIT_OURS;
		return become(path, argv);
	}
	if (set_environment(&run) < 0)
		return EXIT_OURS;
	ret = see_to_daemon(&run, argv[0]);
	if (ret == 0 || !run.require)
		ret = set_preload();
	if (ret < 0 && run.require)
		return EXIT_OURS;
	return become(path, argv);
}
