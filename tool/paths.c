/* SPDX-License-Identifier: Apache-2.0 */
/* paths.c - where the other parts of this installation are */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool/tool.h"

/* @rest below the folder that this program lies in, if it is there. */
static int beside(const char *rest, int mode, char path[PATH_MAX])
{
	char self[PATH_MAX], try[PATH_MAX + 64];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (len < 0)
		return -errno;
	self[len] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	*slash = '\0';
	snprintf(try, sizeof(try), "%s/%s", self, rest);
	if (access(try, mode) < 0 || !realpath(try, path))
		return -errno;
	return 0;
}

static int installed(const char *file, int mode, char path[PATH_MAX])
{
	if (access(file, mode) < 0 || !realpath(file, path))
		return -errno;
	return 0;
}

/**
 * find_preload() - The module for LD_PRELOAD
 * @path:	set
 *
 * Return: 0 or -errno.
 */
int find_preload(char path[PATH_MAX])
{
	if (beside("../preload/.libs/libsapi_preload.so", R_OK, path) == 0 ||
	    installed(LIBDIR "/libsapi/libsapi_preload.so", R_OK, path) == 0)
		return 0;
	return beside("../lib/libsapi/libsapi_preload.so", R_OK, path);
}

/**
 * find_sapid() - The daemon
 * @path:	set
 *
 * Return: 0 or -errno.
 */
int find_sapid(char path[PATH_MAX])
{
	if (beside("../daemon/sapid", X_OK, path) == 0 ||
	    installed(SBINDIR "/sapid", X_OK, path) == 0 ||
	    beside("../sbin/sapid", X_OK, path) == 0 ||
	    beside("sapid", X_OK, path) == 0)
		return 0;
	return program_find("sapid", path);
}
