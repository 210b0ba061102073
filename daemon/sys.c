/* SPDX-License-Identifier: Apache-2.0 */
/* sys.c - calls that only the daemon needs, -errno like the k_*() */
#include "daemon/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/kernel.h"

static int result(int ret)
{
	return ret < 0 ? -errno : 0;
}

/** sys_mkdir() - Make a directory of just this mode, or find it as it is */
int sys_mkdir(const char *path, mode_t mode)
{
	struct stat st;

	if (!mkdir(path, mode))
		return sys_chmod(path, mode); /* whatever the umask */
	if (errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/** sys_unlink() - Remove a file */
int sys_unlink(const char *path)
{
	return result(unlink(path));
}

/** sys_chmod() - Set its mode */
int sys_chmod(const char *path, mode_t mode)
{
	return result(chmod(path, mode));
}

/** sys_chown_group() - Set its group */
int sys_chown_group(const char *path, gid_t group)
{
	return result(chown(path, (uid_t)-1, group));
}

/** sys_lock() - Lock the file, for as long as it is open */
int sys_lock(int fd)
{
	return result(flock(fd, LOCK_EX | LOCK_NB));
}

/** sys_number() - Parse a decimal number */
int sys_number(const char *text, unsigned long long max,
	       unsigned long long *out)
{
	unsigned long long n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (n > (max - (unsigned)(*text - '0')) / 10)
			return -ERANGE;
		n = n * 10 + (unsigned)(*text - '0');
	}
	*out = n;
	return 0;
}

/** sys_raise_nofile() - Soft limit to the hard one */
void sys_raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0 || rl.rlim_cur == rl.rlim_max)
		return;
	rl.rlim_cur = rl.rlim_max;
	/* With fewer, fewer clients: nothing to stop for */
	(void)!setrlimit(RLIMIT_NOFILE, &rl);
}

/** sys_random() - Fill with what nobody else guesses */
void sys_random(void *buf, size_t len)
{
	/* Up to 256 bytes come whole, but for what no kernel lacks */
	(void)!getrandom(buf, len, 0);
}

/* Does anybody listen there? A wrong type of socket is somebody as well. */
static bool is_live(const struct sockaddr_un *sun, int type)
{
	int fd, ret;

	fd = k_socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return true;
	ret = k_connect(fd, (const struct sockaddr *)sun, sizeof(*sun));
	k_close(fd);
	return ret != -ECONNREFUSED;
}

/**
 * sys_listen_unix() - A listening unix socket
 * @path:	where
 * @type:	SOCK_SEQPACKET, SOCK_STREAM
 * @backlog:	as listen(2)
 *
 * Return: the descriptor, non-blocking, or -errno
 */
int sys_listen_unix(const char *path, int type, int backlog)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	fd = k_socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	ret = k_bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	if (ret == -EADDRINUSE && !is_live(&sun, type)) {
		sys_unlink(path);
		ret = k_bind(fd, (struct sockaddr *)&sun, sizeof(sun));
	}
	if (!ret)
		ret = k_listen(fd, backlog);
	if (ret < 0) {
		k_close(fd);
		return ret;
	}
	return fd;
}
