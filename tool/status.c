/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - sapi status: ask the daemon what it serves */
#include "tool/status.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/base/kernel.h"
#include "tool/tool.h"

#define STATUS_MAX (64u << 20)
#define WAIT_S 10

static const char help[] =
	"usage: sapi status [--json] [-n NAMESPACE]... [--run-dir DIR]\n\n"
	"  -j, --json            the daemon's document as it is\n"
	"  -n, --namespace NAME  these namespaces only; may be repeated\n"
	"      --run-dir DIR     where the daemon has its files\n"
	"  -h, --help\n\n"
	"The exit code is 1 if no daemon answers.\n";

struct options {
	bool json;
	const char *dir;
	struct status_filter filter;
};

static int options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "namespace", required_argument, NULL, 'n' },
		{ "run-dir", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "jn:h", longs, NULL)) >= 0) {
		if (c == 'j')
			o->json = true;
		if (c == 'n')
			o->filter.ns[o->filter.n++] = optarg;
		if (c == 'd')
			o->dir = optarg;
		if (c == 'h') {
			fputs(help, stdout);
			return -1;
		}
		if (c == '?')
			break;
	}
	if (c < 0 && optind == argc)
		return 0;
	fputs(help, stderr);
	return EXIT_USAGE;
}

static int dial(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = WAIT_S };
	int fd, ret;

	if (strlen(path) >= sizeof(un.sun_path))
		return -ENAMETOOLONG;
	strcpy(un.sun_path, path);
	fd = k_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ret = k_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (ret == 0)
		ret = k_connect(fd, (struct sockaddr *)&un, sizeof(un));
	if (ret == 0)
		return fd;
	k_close(fd);
	return ret;
}

/* All that comes until the daemon closes. */
static int fetch(int fd, char **text)
{
	size_t len = 0, size = 0;
	ssize_t got;
	char *more;

	*text = NULL;
	do {
		if (len + 4096 > size) {
			size = size ? size * 2 : 65536;
			more = size > STATUS_MAX ? NULL : realloc(*text, size);
			if (!more)
				return -ENOMEM;
			*text = more;
		}
		got = k_read(fd, *text + len, size - len - 1);
		if (got < 0 && got != -EINTR)
			return (int)got;
		len += got > 0 ? (size_t)got : 0;
	} while (got);
	(*text)[len] = '\0';
	return len ? 0 : -EPROTO;
}

static int show(const char *text, const struct options *o)
{
	cJSON *status;
	int ret;

	if (o->json) {
		fputs(text, stdout);
		if (text[strlen(text) - 1] != '\n')
			putchar('\n');
		return 0;
	}
	status = cJSON_Parse(text);
	if (!cJSON_IsObject(status)) {
		cJSON_Delete(status);
		return -EPROTO;
	}
	ret = status_show(status, &o->filter);
	cJSON_Delete(status);
	return ret;
}

static int status_at(const char *dir, const struct options *o)
{
	char path[PATH_MAX + 16], *text;
	int fd, ret;

	snprintf(path, sizeof(path), "%s/status", dir);
	fd = dial(path);
	if (fd < 0) {
		say("no daemon answers at %s: %s", path, strerror(-fd));
		return 1;
	}
	ret = fetch(fd, &text);
	k_close(fd);
	if (ret == 0)
		ret = show(text, o);
	free(text);
	if (ret < 0)
		say("%s: %s", path,
		    ret == -EPROTO ? "this is no status" : strerror(-ret));
	return ret < 0;
}

/* The daemon of a program that runs here and now. */
static int default_dir(char dir[PATH_MAX])
{
	struct conf conf;
	int ret = load_as(&conf, "sapi", NULL);

	if (ret < 0)
		return ret;
	conf_free(&conf);
	return daemon_dir(&conf, dir);
}

/**
 * cmd_status() - sapi status
 * @argc:	number of words
 * @argv:	words
 *
 * Return: the exit code.
 */
int cmd_status(int argc, char **argv)
{
	struct options o = { 0 };
	char dir[PATH_MAX];
	int ret;

	o.filter.ns = calloc((size_t)argc, sizeof(*o.filter.ns));
	if (!o.filter.ns)
		return 1;
	ret = options(&o, argc, argv);
	if (ret == 0 && !o.dir) {
		ret = default_dir(dir);
		if (ret < 0)
			say("where is the daemon?  --run-dir tells");
		ret = ret < 0;
		o.dir = dir;
	}
	if (ret == 0)
		ret = status_at(o.dir, &o);
	free(o.filter.ns);
	return MAX(ret, 0);
}
