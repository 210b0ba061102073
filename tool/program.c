/* SPDX-License-Identifier: Apache-2.0 */
/* program.c - can a preload reach this program at all? */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "tool/tool.h"

/*
 * DOC: The dynamic linker loads us, or nobody does.  So not: a program
 * without one (static), with one of another libc or word size, one that is
 * run with more privileges than its user has (ld.so(8) then ignores the
 * variable), and one that does not ask libc for its system calls (Go).
 *
 * The file is whatever the user has: nothing in it is believed before it has
 * been compared with what was read.
 */

#define SCRIPT_DEPTH 4
#define PHDR_MAX 256
#define SHDR_MAX 4096

#if defined(__x86_64__)
#define OUR_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define OUR_MACHINE EM_AARCH64
#elif defined(__riscv)
#define OUR_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define OUR_MACHINE EM_PPC64
#elif defined(__s390x__)
#define OUR_MACHINE EM_S390
#else
#define OUR_MACHINE EM_NONE /* any */
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OUR_DATA ELFDATA2LSB
#else
#define OUR_DATA ELFDATA2MSB
#endif

static int try_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

/**
 * program_find() - The file that a shell would run
 * @name:	of the program, or a path
 * @path:	set on success
 *
 * Return: 0, -ENOENT, or -EACCES if there is such a file, but none to run.
 */
int program_find(const char *name, char path[PATH_MAX])
{
	const char *dir = getenv("PATH"), *end;
	int ret, len, best = -ENOENT;

	if (strchr(name, '/')) {
		if (strlen(name) >= PATH_MAX)
			return -ENAMETOOLONG;
		strcpy(path, name);
		return try_file(path);
	}
	if (!*name)
		return -ENOENT;
	if (!dir)
		dir = "/bin:/usr/bin";
	for (;; dir = end + 1) {
		end = strchrnul(dir, ':');
		len = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - dir),
			       dir, end == dir ? "" : "/", name);
		ret = len < PATH_MAX ? try_file(path) : -ENOENT;
		if (ret == 0)
			return 0;
		if (ret == -EACCES)
			best = ret;
		if (!*end)
			return best;
	}
}

/* All of it, or no: a file that ends early is no ELF file. */
static bool read_at(int fd, void *buf, size_t len, uint64_t off)
{
	return off <= INT64_MAX &&
	       k_pread(fd, buf, len, (off_t)off) == (ssize_t)len;
}

static bool has_go_section(int fd, const Elf64_Ehdr *eh)
{
	static const char *const go[] = { ".go.buildinfo", ".note.go.buildid" };
	Elf64_Shdr sh, names;
	char name[20];
	unsigned i;
	size_t k;

	if (!eh->e_shoff || eh->e_shentsize != sizeof(sh) ||
	    eh->e_shnum > SHDR_MAX || eh->e_shstrndx >= eh->e_shnum ||
	    !read_at(fd, &names, sizeof(names),
		     eh->e_shoff + eh->e_shstrndx * sizeof(sh)))
		return false;
	for (i = 0; i < eh->e_shnum; i++) {
		if (!read_at(fd, &sh, sizeof(sh), eh->e_shoff + i * sizeof(sh)))
			return false;
		for (k = 0; k < ARRAY_SIZE(go); k++) {
			size_t len = strlen(go[k]) + 1;

			if (sh.sh_name < names.sh_size &&
			    len <= names.sh_size - sh.sh_name &&
			    read_at(fd, name, len,
				    names.sh_offset + sh.sh_name) &&
			    !memcmp(name, go[k], len))
				return true;
		}
	}
	return false;
}

/* The dynamic linker's path; "" if there is none; -ENOEXEC: a broken file */
static int interpreter_of(int fd, const Elf64_Ehdr *eh, char path[PATH_MAX])
{
	Elf64_Phdr ph;
	unsigned i;

	path[0] = '\0';
	if (eh->e_phentsize != sizeof(ph) || eh->e_phnum > PHDR_MAX)
		return -ENOEXEC;
	for (i = 0; i < eh->e_phnum; i++) {
		if (!read_at(fd, &ph, sizeof(ph), eh->e_phoff + i * sizeof(ph)))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz > PATH_MAX ||
		    !read_at(fd, path, ph.p_filesz, ph.p_offset))
			return -ENOEXEC;
		path[ph.p_filesz - 1] = '\0';
		return 0;
	}
	return 0;
}

static bool is_musl(const char *interpreter)
{
	const char *slash = strrchr(interpreter, '/');

	return !strncmp(slash ? slash + 1 : interpreter, "ld-musl-", 8);
}

static bool is_our_musl(void)
{
#ifdef __GLIBC__
	return false;
#else
	return true;
#endif
}

static int inspect_elf(int fd, char *why, size_t size)
{
	char path[PATH_MAX];
	Elf64_Ehdr eh;

	if (!read_at(fd, &eh, sizeof(eh), 0))
		return 0;
	if (eh.e_ident[EI_CLASS] != ELFCLASS64) {
		snprintf(why, size, "it is a 32-bit program");
		return 1;
	}
	if (eh.e_ident[EI_DATA] != OUR_DATA ||
	    (OUR_MACHINE != EM_NONE && eh.e_machine != OUR_MACHINE)) {
		snprintf(why, size, "it is a program for another machine");
		return 1;
	}
	if (interpreter_of(fd, &eh, path) < 0)
		return 0;
	if (has_go_section(fd, &eh)) {
		snprintf(why, size,
			 "it is a Go program, whose runtime makes "
			 "raw system calls instead of libc's");
		return 1;
	}
	if (!path[0]) {
		snprintf(why, size, "it is statically linked");
		return 1;
	}
	if (is_musl(path) != is_our_musl()) {
		snprintf(why, size, "it uses another C library (%s)", path);
		return 1;
	}
	return 0;
}

/* Would the kernel raise its privileges?  (AT_SECURE) */
static int inspect_privileges(int fd, const struct stat *st, char *why,
			      size_t size)
{
	const char *what = NULL;

	if (st->st_mode & S_ISUID && st->st_uid != getuid())
		what = "set-user-ID";
	else if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
		 st->st_gid != getgid())
		what = "set-group-ID";
	else if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		what = "privileged by file capabilities";
	if (!what)
		return 0;
	snprintf(why, size,
		 "it is %s, and the dynamic linker loads nothing "
		 "foreign into such a program",
		 what);
	return 1;
}

/* "#!/path argument": the interpreter, which for env(1) is the argument */
static int script_interpreter(char *line, char path[PATH_MAX])
{
	char *word, *arg, *save, *slash;

	line[strcspn(line, "\n")] = '\0';
	word = strtok_r(line + 2, " \t\r", &save);
	if (!word || strlen(word) >= PATH_MAX)
		return -ENOEXEC;
	arg = strtok_r(NULL, " \t\r", &save);
	if (arg && !strcmp(arg, "-S"))
		arg = strtok_r(NULL, " \t\r", &save);
	slash = strrchr(word, '/');
	if (arg && *arg != '-' && !strchr(arg, '=') && slash &&
	    !strcmp(slash, "/env"))
		return program_find(arg, path);
	strcpy(path, word);
	return 0;
}

static int inspect(const char *path, unsigned depth, char *why, size_t size);

/* What a script can't do its interpreter can't. */
static int inspect_script(const char *path, char *line, unsigned depth,
			  char *why, size_t size)
{
	char interpreter[PATH_MAX], sub[256];

	if (depth >= SCRIPT_DEPTH ||
	    script_interpreter(line, interpreter) < 0 ||
	    !inspect(interpreter, depth + 1, sub, sizeof(sub)))
		return 0;
	snprintf(why, size, "of its interpreter %s: %s", interpreter, sub);
	return 1;
}

static int inspect(const char *path, unsigned depth, char *why, size_t size)
{
	int fd = k_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0), ret = 0;
	char head[256];
	struct stat st;
	ssize_t got;

	if (fd < 0)
		return 0;
	got = k_pread(fd, head, sizeof(head) - 1, 0);
	if (got < 0 || k_fstat(fd, &st) < 0)
		got = 0;
	head[got] = '\0';
	if (got > 2 && head[0] == '#' && head[1] == '!')
		ret = inspect_script(path, head, depth, why, size);
	else if (got > SELFMAG && !memcmp(head, ELFMAG, SELFMAG))
		ret = inspect_privileges(fd, &st, why, size) ||
		      inspect_elf(fd, why, size);
	k_close(fd);
	return ret;
}

/**
 * program_inspect() - Look for a reason why a program can't be accelerated
 * @path:	the file
 * @why:	set to the reason
 * @size:	of @why
 *
 * Return: 1 if there is one; 0 if not, also if the file can't be read.
 */
int program_inspect(const char *path, char *why, size_t size)
{
	return inspect(path, 0, why, size);
}

/**
 * program_is_text() - Could this be a script of sh?
 * @path:	a file that the kernel does not execute
 *
 * Return: true unless there is a NUL in its first bytes.
 */
bool program_is_text(const char *path)
{
	int fd = k_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	char head[128];
	ssize_t got;

	if (fd < 0)
		return false;
	got = k_pread(fd, head, sizeof(head), 0);
	k_close(fd);
	return got >= 0 && !memchr(head, '\0', (size_t)got);
}
