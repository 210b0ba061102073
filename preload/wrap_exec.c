/* SPDX-License-Identifier: Apache-2.0 */
/* wrap_exec.c - other programs, which get some of our descriptors; the end */
#include <alloca.h>
#include <stdarg.h>
#include <stdint.h>

#include "core/sock/sock.h"
#include "preload/real.h"

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	sock_exec();
	return REAL(execve)(path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
	sock_exec();
	return REAL(execv)(path, argv);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	sock_exec();
	return REAL(execvp)(file, argv);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	sock_exec();
	return REAL(execvpe)(file, argv, envp);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	sock_exec();
	return REAL(fexecve)(fd, argv, envp);
}

EXPORT int execveat(int dir, const char *path, char *const argv[],
		    char *const envp[], int flags)
{
	sock_exec();
	return REAL(execveat)(dir, path, argv, envp, flags);
}

/* How many places the arguments take, the last one for NULL. */
static size_t places(const char *arg, va_list ap)
{
	size_t n = 1;

	if (!arg)
		return n;
	while (va_arg(ap, char *))
		n++;
	return n + 1;
}

enum how {
	BY_PATH,
	BY_SEARCH,
	WITH_ENVIRONMENT, /* it comes behind the NULL */
};

/* The arguments as an array, on the stack: a child of vfork() has no heap of
 * its own. */
static int exec_list(enum how how, const char *path, const char *arg,
		     va_list ap)
{
	va_list first;
	char **argv;
	size_t i, n;

	va_copy(first, ap);
	n = places(arg, first);
	va_end(first);
	argv = alloca(n * sizeof(*argv));
	argv[0] = (char *)(uintptr_t)arg;
	for (i = 1; i < n; i++)
		argv[i] = va_arg(ap, char *);
	sock_exec();
	if (how == BY_PATH)
		return REAL(execv)(path, argv);
	if (how == BY_SEARCH)
		return REAL(execvp)(path, argv);
	return REAL(execve)(path, argv, va_arg(ap, char *const *));
}

EXPORT int execl(const char *path, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_list(BY_PATH, path, arg, ap);
	va_end(ap);
	return r;
}

EXPORT int execlp(const char *file, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_list(BY_SEARCH, file, arg, ap);
	va_end(ap);
	return r;
}

EXPORT int execle(const char *path, const char *arg, ...)
{
	va_list ap;
	int r;

	va_start(ap, arg);
	r = exec_list(WITH_ENVIRONMENT, path, arg, ap);
	va_end(ap);
	return r;
}

/* exit(3) calls init.c instead. */
EXPORT void _exit(int status)
{
	sock_at_exit();
	REAL(_exit)(status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	sock_at_exit();
	REAL(_Exit)(status);
	__builtin_unreachable();
}

/* --- children that libc makes --- */

EXPORT int posix_spawn(pid_t *pid, const char *path,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const argv[],
		       char *const envp[])
{
	sock_spawn(actions);
	return REAL(posix_spawn)(pid, path, actions, attr, argv, envp);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file,
			const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[],
			char *const envp[])
{
	sock_spawn(actions);
	return REAL(posix_spawnp)(pid, file, actions, attr, argv, envp);
}

EXPORT FILE *popen(const char *command, const char *mode)
{
	sock_spawn(NULL);
	return REAL(popen)(command, mode);
}

EXPORT int system(const char *command)
{
	if (command)
		sock_spawn(NULL);
	return REAL(system)(command);
}

/* --- what posix_spawn() is to do with descriptors --- */

EXPORT int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
	sock_spawn_begin(actions);
	return REAL(posix_spawn_file_actions_init)(actions);
}

EXPORT int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
	sock_spawn_end(actions);
	return REAL(posix_spawn_file_actions_destroy)(actions);
}

EXPORT int
posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
	sock_spawn_add(actions, SOCK_SPAWN_CLOSE, fd, -1);
	return REAL(posix_spawn_file_actions_addclose)(actions, fd);
}

EXPORT int
posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions,
					 int fd)
{
	sock_spawn_add(actions, SOCK_SPAWN_CLOSE_FROM, fd, -1);
	return REAL(posix_spawn_file_actions_addclosefrom_np)(actions, fd);
}

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions,
					    int fd, int to)
{
	sock_spawn_add(actions, SOCK_SPAWN_DUP2, fd, to);
	return REAL(posix_spawn_file_actions_adddup2)(actions, fd, to);
}

EXPORT int posix_spawn_file_actions_addopen(posix_spawn_file_actions_t *actions,
					    int fd, const char *path, int flags,
					    mode_t mode)
{
	sock_spawn_add(actions, SOCK_SPAWN_OPEN, -1, fd);
	return REAL(posix_spawn_file_actions_addopen)(actions, fd, path, flags,
						      mode);
}
