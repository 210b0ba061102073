/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - create, check and map memory segments */
#include "core/shm/map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "core/base/kernel.h"
#include "core/wire/seg.h"

#define MAP_PAGE 4096u /* what segment sizes are rounded to */
#define MAP_PLAIN_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Whoever looks there meanwhile sees the old pages or the new ones: mmap(2)
 * with MAP_FIXED holds page faults up until it is done. */
static int map_over(struct map_place *place, size_t size, int prot, int fd)
{
	void *at = place->at;
	bool fits = at && place->size == size;
	int ret;

	ret = k_mmap(&at, size, prot, MAP_SHARED | (fits ? MAP_FIXED : 0), fd,
		     0);
	/* what failed may have unmapped what was there, so that the addresses
	 * are somebody else's next */
	*place = ret ? (struct map_place){ 0 } : (struct map_place){ at, size };
	return ret;
}

/* Map @m->fd; its first @size bytes hold the fsh, or what offsets count from,
 * at @fsh_off. */
static int map_pages(struct map *m, size_t size, size_t fsh_off,
		     struct map_place *place)
{
	struct map_place anywhere = { 0 }, *at = place ? place : &anywhere;
	int ret = map_over(at, size, PROT_READ | PROT_WRITE, m->fd);

	if (ret < 0)
		return ret;
	m->stays = place;
	m->base = at->at;
	m->size = size;
	m->fsh = m->base + fsh_off;
	m->fsh_len = size - fsh_off;
	return 0;
}

/**
 * map_create() - make a new segment, ours
 * @m:		set on success
 * @name:	of the memfd, for /proc/PID/maps
 * @size:	bytes behind the fsh at least
 *
 * Return: 0, -EINVAL for an impossible size, or the kernel's error.
 */
int map_create(struct map *m, const char *name, size_t size)
{
	struct wire_ssvm *ssvm;
	struct map new;
	int ret;

	if (size > PTRDIFF_MAX - WIRE_FSH_OFFSET - MAP_PAGE)
		return -EINVAL;
	size = (size + WIRE_FSH_OFFSET + MAP_PAGE - 1) / MAP_PAGE * MAP_PAGE;

	new.fd = k_memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (new.fd < 0)
		return new.fd;
	ret = k_ftruncate(new.fd, (off_t)size);
	if (ret < 0)
		goto undo_fd;
	/* a peer that could shrink the file could raise SIGBUS in us */
	ret = k_fcntl(new.fd, F_ADD_SEALS, F_SEAL_SHRINK);
	if (ret < 0)
		goto undo_fd;
	ret = map_pages(&new, size, WIRE_FSH_OFFSET, NULL);
	if (ret < 0)
		goto undo_fd;

	/* nobody else has it yet; what is not set is zero, as in the file */
	ssvm = (void *)new.base;
	ssvm->ssvm_size = size;
	ssvm->server_pid = (uint32_t)getpid();
	ssvm->opaque[0] = WIRE_FSH_OFFSET;
	ssvm->type = WIRE_SSVM_MEMFD;
	ssvm->ready = 1;
	*m = new;
	return 0;
undo_fd:
	k_close(new.fd);
	return ret;
}

/* Is this a header that can be true of a file of @file_size bytes? */
static bool ssvm_is_sane(const struct wire_ssvm *h, uint64_t file_size)
{
	uint64_t fsh_off = h->opaque[0];

	return h->ssvm_va == 0 && h->ssvm_size <= file_size &&
	       fsh_off >= sizeof(*h) && fsh_off % WIRE_CACHE_LINE == 0 &&
	       fsh_off <= h->ssvm_size &&
	       h->ssvm_size - fsh_off >= sizeof(struct wire_fsh);
}

/**
 * map_attach_at() - map a segment that came from elsewhere
 * @m:		set on success
 * @fd:		the memfd; closed on error
 * @place:	where, or NULL
 *
 * The header is read with pread(), so what is checked is a copy which nobody
 * changes in between, and one mapping is enough.  VPP's mq segment has an
 * ssvm_size that is not page-rounded and smaller than the file: the bytes
 * behind it are of no meaning and stay outside of what map_at() gives.
 *
 * Return: 0, -EPROTO, or the kernel's error.
 */
int map_attach_at(struct map *m, int fd, struct map_place *place)
{
	struct map new = { .fd = fd };
	struct wire_ssvm copy;
	struct stat st;
	ssize_t n;
	int ret;

	ret = k_fstat(fd, &st);
	if (ret < 0)
		goto undo_fd;
	ret = k_fcntl(fd, F_GET_SEALS, 0);
	if (ret < 0 && ret != -EINVAL)
		goto undo_fd;
	/* -EINVAL: a file of a kind that knows no seals */
	if (ret < 0 || !(ret & F_SEAL_SHRINK) || !S_ISREG(st.st_mode))
		goto refuse;
	n = k_pread(fd, &copy, sizeof(copy), 0);
	if (n < 0) {
		ret = (int)n;
		goto undo_fd;
	}
	if (n != sizeof(copy) || !ssvm_is_sane(&copy, (uint64_t)st.st_size))
		goto refuse;
	ret = map_pages(&new, copy.ssvm_size, copy.opaque[0], place);
	if (ret == -EACCES || ret == -EPERM)
		goto refuse; /* opened or sealed read-only */
	if (ret < 0)
		goto undo_fd;
	new.dev = st.st_dev;
	new.ino = st.st_ino;
	((struct wire_ssvm *)(void *)new.base)->client_pid = (uint32_t)getpid();
	*m = new;
	return 0;
refuse:
	ret = -EPROTO;
undo_fd:
	k_close(fd);
	return ret;
}

int map_attach(struct map *m, int fd)
{
	return map_attach_at(m, fd, NULL);
}

/**
 * map_page() - map a page that is somebody else's to write
 * @fd:		closed
 * @size:	bytes
 * @place:	has it on success
 */
int map_page(int fd, size_t size, struct map_place *place)
{
	struct stat st;
	int ret;

	ret = k_fstat(fd, &st);
	if (!ret)
		ret = k_fcntl(fd, F_GET_SEALS, 0);
	if (ret >= 0)
		ret = ret & F_SEAL_SHRINK && (size_t)st.st_size >= size
			      ? map_over(place, size, PROT_READ, fd)
			      : -EPROTO;
	k_close(fd);
	return ret < 0 ? ret : 0;
}

bool map_is_of(const struct map *m, int fd)
{
	struct stat st;

	return !k_fstat(fd, &st) && st.st_dev == m->dev && st.st_ino == m->ino;
}

/**
 * map_close() - unmap, unless it is at a place, and close
 * @m:	a map, a zeroed one or one closed before
 */
void map_close(struct map *m)
{
	if (!m->base)
		return;
	if (!m->stays)
		(void)k_munmap(m->base, m->size);
	if (m->fd >= 0)
		k_close(m->fd);
	*m = (struct map){ .fd = -1 };
}

/**
 * map_plain_create() - make a new segment of nothing but zeroes
 * @m:		set on success
 * @name:	of the memfd, for /proc/PID/maps
 * @size:	bytes
 *
 * Return: 0, or the kernel's error.
 */
int map_plain_create(struct map *m, const char *name, size_t size)
{
	struct map new;
	int ret;

	if (!size || size % MAP_PAGE || size > PTRDIFF_MAX)
		return -EINVAL;
	new.fd = k_memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (new.fd < 0)
		return new.fd;
	ret = k_ftruncate(new.fd, (off_t)size);
	/* the last: or a client could forbid the others to write, and to give
	 * memory back */
	if (ret >= 0)
		ret = k_fcntl(new.fd, F_ADD_SEALS, MAP_PLAIN_SEALS);
	if (ret >= 0)
		ret = map_pages(&new, size, 0, NULL);
	if (ret < 0) {
		k_close(new.fd);
		return ret;
	}
	*m = new;
	return 0;
}

/**
 * map_plain_attach() - map such a segment that came from elsewhere
 * @m:		set on success; does not have the descriptor
 * @fd:		the memfd; closed
 * @size:	what it must have
 *
 * Return: 0, -EPROTO, or the kernel's error.
 */
int map_plain_attach(struct map *m, int fd, size_t size)
{
	struct map new = { .fd = fd };
	struct stat st;
	int ret;

	ret = k_fstat(fd, &st);
	if (ret < 0)
		goto out;
	ret = k_fcntl(fd, F_GET_SEALS, 0);
	/* -EINVAL: a file of a kind that knows no seals */
	if (ret == -EINVAL ||
	    (ret >= 0 && (ret & MAP_PLAIN_SEALS) != MAP_PLAIN_SEALS))
		ret = -EPROTO;
	if (ret < 0)
		goto out;
	ret = -EPROTO;
	if (!S_ISREG(st.st_mode) || !size || size > PTRDIFF_MAX ||
	    st.st_size != (off_t)size)
		goto out;
	ret = map_pages(&new, size, 0, NULL);
	if (ret == -EACCES || ret == -EPERM)
		ret = -EPROTO; /* opened or sealed read-only */
	if (ret < 0)
		goto out;
	*m = new;
	m->fd = -1;
out:
	k_close(fd);
	return ret;
}

/**
 * map_give_back() - free memory of a segment
 * @page:	where a page begins
 * @len:	bytes, rounded up to whole pages
 *
 * Return: 0, or the kernel's error.
 */
int map_give_back(void *page, size_t len)
{
	return k_madvise(page, len, MADV_REMOVE);
}
