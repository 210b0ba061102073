/* SPDX-License-Identifier: Apache-2.0 */
/* tool.h - what the files of the `sapi` command share */
#ifndef TOOL_TOOL_H
#define TOOL_TOOL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/base.h"
#include "core/sess/conf.h"

enum {
	EXIT_USAGE = 2,
	EXIT_OURS = 125,     /* `sapi run` itself failed */
	EXIT_CANT_RUN = 126, /* as a shell has it */
	EXIT_NOT_FOUND = 127,
};

/* "sapi: ..." on stderr */
void say(const char *fmt, ...) PRINTF(1, 2);
/* A conf_complain that says it on stderr. */
void say_wrong(void *arg, const char *file, unsigned line, const char *what);
/* conf_load() as if we were @program; says what is wrong */
int load_as(struct conf *conf, const char *program, const char *file);

/* Each takes its own words, argv[0] is its name; returns the exit code. */
int cmd_check(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);

/* program.c: the file that a shell would run; 0, -ENOENT, -EACCES */
int program_find(const char *name, char path[PATH_MAX]) MUST_CHECK;
/* Can it be run over shared memory?  1: no, and @why says why not; 0: we see
 * no reason why not. */
int program_inspect(const char *path, char *why, size_t size) MUST_CHECK;
bool program_is_text(const char *path);

/* daemon.c: where the daemon that belongs to @conf has its files; 0 or
 * -ENOENT if its socket is not where sapid puts it */
int daemon_dir(const struct conf *conf, char dir[PATH_MAX]) MUST_CHECK;
bool daemon_answers(const char *socket_path);
/* See to it that one runs.  conf->shm_socket becomes its socket.  0, or
 * -errno after saying what is wrong. */
int daemon_start(struct conf *conf) MUST_CHECK;
/* paths.c: a file of ours: in the build tree, beside us, where it was
 * installed */
int find_preload(char path[PATH_MAX]) MUST_CHECK;
int find_sapid(char path[PATH_MAX]) MUST_CHECK;

#endif /* TOOL_TOOL_H */
