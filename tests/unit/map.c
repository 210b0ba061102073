/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - segments: what is refused, and that nothing leaks */
#include "core/shm/map.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "core/wire/seg.h"
#include "tests/unit/kernel_fault.h"
#include "tests/unit/tap.h"

/* Mappings of memfds in this process. */
static int mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "/memfd:"))
			n++;
	fclose(f);
	return n;
}

TEST(offsets_outside_are_refused)
{
	struct map m = { 0 };

	CHECK(map_create(&m, "t", 10000) == 0);
	CHECK(m.fsh == m.base + 8192 && m.fsh_len == m.size - 8192);
	CHECK(m.fsh_len >= 10000);
	CHECK(map_at(&m, 0, 0) == m.fsh);
	CHECK(map_at(&m, 0, m.fsh_len) == m.fsh);
	CHECK(map_at(&m, 1, m.fsh_len) == NULL);
	CHECK(map_at(&m, m.fsh_len, 0) == m.fsh + m.fsh_len);
	CHECK(map_at(&m, m.fsh_len, 1) == NULL);
	CHECK(map_at(&m, m.fsh_len + 1, 0) == NULL);
	CHECK(map_at(&m, UINT64_MAX, 1) == NULL);
	CHECK(map_at(&m, UINT64_MAX, SIZE_MAX) == NULL);
	CHECK(map_at(&m, 1, SIZE_MAX) == NULL);
	CHECK(map_at(&m, UINT64_C(1) << 63, SIZE_MAX / 2 + 1) == NULL);
	map_close(&m);
	CHECK(m.base == NULL && m.fd == -1);
	map_close(&m);
}

TEST(a_zeroed_map_closes_nothing)
{
	struct map m = { 0 };

	map_close(&m);
	CHECK(fcntl(0, F_GETFD) >= 0);
}

TEST(header_is_as_the_abi_says)
{
	struct map m;
	struct wire_ssvm *h;
	size_t i;

	CHECK(map_create(&m, "t", 1) == 0);
	h = (void *)m.base;
	CHECK(h->ssvm_size == m.size && h->ssvm_va == 0);
	CHECK(h->opaque[0] == 8192 && h->ready == 1 && h->type == 1);
	CHECK(h->server_pid == (uint32_t)getpid() && h->client_pid == 0);
	for (i = 0; i < m.fsh_len; i++)
		CHECK(m.fsh[i] == 0);
	CHECK(fcntl(m.fd, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(m.fd, F_GET_SEALS) & F_SEAL_SHRINK);
	CHECK(ftruncate(m.fd, 4096) < 0);
	map_close(&m);
}

TEST(impossible_sizes_are_refused)
{
	struct map m;

	CHECK(map_create(&m, "t", SIZE_MAX) == -EINVAL);
	CHECK(map_create(&m, "t", PTRDIFF_MAX) == -EINVAL);
	CHECK(map_create(&m, "t", PTRDIFF_MAX - 3 * 8192) < 0);
}

TEST(both_mappings_show_the_same_bytes)
{
	struct map a, b;

	CHECK(map_create(&a, "t", 10000) == 0);
	CHECK(map_attach(&b, dup(a.fd)) == 0);
	CHECK(a.base != b.base && a.size == b.size && a.fsh_len == b.fsh_len);
	a.fsh[77] = 123;
	CHECK(b.fsh[77] == 123);
	CHECK(((struct wire_ssvm *)(void *)a.base)->client_pid ==
	      (uint32_t)getpid());
	map_close(&a);
	b.fsh[b.fsh_len - 1] = 1;
	map_close(&b);
	CHECK(mappings() == 0);
}

/* A memfd of @file bytes with the header @h, sealed as @seals says. */
static int make_fd(const struct wire_ssvm *h, off_t file, int seals)
{
	int fd = memfd_create("hostile", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	CHECK(fd >= 0 && ftruncate(fd, file) == 0);
	if (h)
		CHECK(pwrite(fd, h, sizeof(*h), 0) == sizeof(*h));
	CHECK(!seals || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

static struct wire_ssvm good_header(void)
{
	return (struct wire_ssvm){
		.ssvm_size = 16384, .opaque = { 8192 }, .ready = 1, .type = 1
	};
}

static int attach(struct wire_ssvm h, off_t file)
{
	struct map m;
	int ret = map_attach(&m, make_fd(&h, file, F_SEAL_SHRINK));

	if (ret == 0)
		map_close(&m);
	CHECK(mappings() == 0);
	return ret;
}

TEST(hostile_headers_are_refused)
{
	static const uint64_t sizes[] = { 0,
					  1,
					  119,
					  120,
					  8192,
					  8192 + 127,
					  16385,
					  1 << 20,
					  UINT64_C(1) << 63,
					  UINT64_MAX,
					  UINT64_MAX - 4095 };
	static const uint64_t fshs[] = { 0,
					 1,
					 64,
					 119,
					 8191,
					 8193,
					 8200,
					 16384 - 64,
					 16384,
					 16448,
					 UINT64_C(1) << 32,
					 UINT64_MAX,
					 UINT64_MAX - 63 };
	struct wire_ssvm h;
	size_t i;

	CHECK(attach(good_header(), 16384) == 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		h = good_header();
		h.ssvm_size = sizes[i];
		CHECK(attach(h, 16384) == -EPROTO);
	}
	for (i = 0; i < ARRAY_SIZE(fshs); i++) {
		h = good_header();
		h.opaque[0] = fshs[i];
		CHECK(attach(h, 16384) == -EPROTO);
	}
	h = good_header();
	h.ssvm_va = 4096;
	CHECK(attach(h, 16384) == -EPROTO);
	/* what a client does not look at (ABI.md 6.1) */
	h = good_header();
	h.ready = 0;
	h.type = 7;
	h.heap = UINT64_MAX;
	h.name = UINT64_MAX;
	CHECK(attach(h, 16384) == 0);
}

TEST(size_need_not_be_page_rounded)
{
	struct wire_ssvm h = good_header();
	struct map m;

	/* VPP's mq segment as it was seen live */
	h.ssvm_size = 1364128;
	CHECK(map_attach(&m, make_fd(&h, 1368064, F_SEAL_SHRINK)) == 0);
	CHECK(m.size == 1364128 && m.fsh_len == 1364128 - 8192);
	CHECK(map_at(&m, 1364128 - 8192, 1) == NULL);
	m.fsh[m.fsh_len - 1] = 1;
	map_close(&m);
}

TEST(only_a_sealed_memfd_will_do)
{
	struct wire_ssvm h = good_header();
	int p[2], fd;
	struct map m;

	CHECK(map_attach(&m, make_fd(&h, 16384, 0)) == -EPROTO);
	CHECK(map_attach(&m, make_fd(&h, 16384, F_SEAL_GROW)) == -EPROTO);
	CHECK(map_attach(&m, make_fd(&h, 16384,
				     F_SEAL_SHRINK | F_SEAL_WRITE)) == -EPROTO);
	CHECK(map_attach(&m, make_fd(NULL, 0, F_SEAL_SHRINK)) == -EPROTO);
	CHECK(map_attach(&m, make_fd(NULL, 100, F_SEAL_SHRINK)) == -EPROTO);
	CHECK(map_attach(&m, make_fd(NULL, 8192, F_SEAL_SHRINK)) == -EPROTO);
	CHECK(pipe(p) == 0);
	CHECK(map_attach(&m, p[0]) == -EPROTO);
	close(p[1]);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && map_attach(&m, fd) == -EPROTO);
	CHECK(map_attach(&m, -1) == -EBADF);
}

TEST(create_leaks_nothing_whatever_fails)
{
	int fds = tap_open_fds(), n, ret = -1;
	struct map m;

	for (n = 1; ret < 0; n++) {
		CHECK(n < 10);
		kernel_fault_in = n;
		ret = map_create(&m, "t", 4096);
		kernel_fault_in = 0;
		if (ret == 0)
			map_close(&m);
		CHECK(tap_open_fds() == fds && mappings() == 0);
	}
	CHECK(n > 4); /* memfd, size, seal, map: each failed once */
}

TEST(attach_leaks_nothing_whatever_fails)
{
	int fds, n, ret = -1;
	struct map a, b;

	CHECK(map_create(&a, "t", 4096) == 0);
	fds = tap_open_fds();
	for (n = 1; ret < 0; n++) {
		CHECK(n < 10);
		kernel_fault_in = n;
		ret = map_attach(&b, dup(a.fd));
		kernel_fault_in = 0;
		if (ret == 0)
			map_close(&b);
		CHECK(tap_open_fds() == fds && mappings() == 1);
	}
	CHECK(n > 4);
	map_close(&a);
}

TEST(the_next_mapping_takes_the_place)
{
	struct map_place place = { 0 };
	struct map a, b, c, larger;
	uint8_t *first;
	int n = 1;

	CHECK(map_create(&a, "t", 4096) == 0 && map_create(&b, "t", 4096) == 0);
	CHECK(map_create(&larger, "t", 8192) == 0);
	a.fsh[5] = 1;
	b.fsh[5] = 2;
	CHECK(map_attach_at(&c, dup(a.fd), &place) == 0);
	first = c.fsh;
	CHECK(first[5] == 1);
	map_close(&c);
	CHECK(first[5] == 1); /* who is late may look */
	CHECK(map_attach_at(&c, dup(b.fd), &place) == 0 && c.fsh == first);
	CHECK(first[5] == 2);
	map_close(&c);
	CHECK(map_attach_at(&c, dup(larger.fd), &place) == 0);
	CHECK(c.fsh != first && first[5] == 2 && place.at == c.base);
	map_close(&c);
	CHECK(mappings() == 5); /* three of ours, the place, the one before */
	kernel_fault_in = 1;
	while (map_attach_at(&c, dup(larger.fd), &place) < 0 && place.at)
		kernel_fault_in = ++n;
	kernel_fault_in = 0;
	CHECK(n > 1 && !place.at); /* mmap(2) failed: it may have unmapped */
	map_close(&a);
	map_close(&b);
	map_close(&larger);
}

TEST(a_page_takes_the_place)
{
	struct map_place place = { 0 };
	const char *first;
	int fd[2], i;

	for (i = 0; i < 2; i++) {
		fd[i] = make_fd(NULL, 8192, F_SEAL_SHRINK);
		CHECK(pwrite(fd[i], &"ab"[i], 1, 0) == 1);
	}
	CHECK(map_page(fd[0], 8192, &place) == 0);
	first = place.at;
	CHECK(first[0] == 'a');
	CHECK(map_page(fd[1], 8192, &place) == 0 && place.at == first);
	CHECK(first[0] == 'b');
	CHECK(map_page(make_fd(NULL, 4096, F_SEAL_SHRINK), 8192, &place) ==
	      -EPROTO);
	CHECK(first[0] == 'b');
}
