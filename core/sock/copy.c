/* SPDX-License-Identifier: Apache-2.0 */
/* copy.c - numbers that were copies of a socket before it became ours */
#include <sys/stat.h>

#include "core/base/kernel.h"
#include "core/sock/sock.h"
#include "core/sock/table.h"

/*
 * DOC: dup() of a socket that is the kernel's leaves no trace in the table,
 * and when the socket connects later, every copy of its number must become
 * ours.  Numbers that ever took part in a dup() are marked; on adoption they
 * are compared with the socket by its inode.  A mark that turns out to be
 * stale, which most are, is wiped then.
 */
#define MARKS 65536

static _Atomic uint64_t marks[MARKS / 64];
static _Atomic bool any;

static void mark(int fd)
{
	if (fd >= 0 && fd < MARKS)
		marks[fd / 64] |= UINT64_C(1) << (fd % 64);
}

void sock_note_copy(int from, int to)
{
	if (to < 0 || from == to)
		return;
	sock_kind_copied(from, to);
	mark(from);
	mark(to);
	any = true;
}

static bool same_socket(int fd, const struct stat *st)
{
	struct stat other;

	if (k_fstat(fd, &other) || !S_ISSOCK(other.st_mode)) {
		marks[fd / 64] &= ~(UINT64_C(1) << (fd % 64));
		return false;
	}
	return other.st_ino == st->st_ino && other.st_dev == st->st_dev;
}

/**
 * copy_adopt() - Let the copies of a number mean the same sock
 * @fd:		Whose socket has just become @s
 */
void copy_adopt(int fd, struct sock *s)
{
	struct stat st;
	uint64_t word;
	int i, n;

	if (likely(!any) || k_fstat(fd, &st))
		return;
	for (i = 0; i < MARKS / 64; i++)
		for (word = marks[i]; word; word &= word - 1) {
			n = i * 64 + __builtin_ctzll(word);
			if (n == fd || table_peek(n) || !same_socket(n, &st))
				continue;
			if (table_add(n, s))
				return;
		}
}
