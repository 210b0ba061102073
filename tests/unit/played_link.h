/* SPDX-License-Identifier: Apache-2.0 */
/* played_link.h - a session layer played by the test that grants links */
#ifndef TESTS_PLAYED_LINK_H
#define TESTS_PLAYED_LINK_H

#include <sys/mman.h>
#include <sys/resource.h>

#include "core/base/fdbox.h"
#include "core/sess/offer.h"
#include "core/shm/link.h"
#include "core/wire/offer.h"
#include "tests/unit/played.h"

#define PLAYED_RING 65536u
#define PLAYED_LINKS 4u

struct played_links {
	struct wire_page *page;
	struct wire_mail *mail;
	struct map seg;
};

/* The right answer, with links: before played_attach(). */
static inline void played_links_open(struct played *p, struct played_links *pl)
{
	int fd = memfd_create("played-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t off;

	CHECK(fd >= 0 && !ftruncate(fd, sizeof(*pl->page)));
	CHECK(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	pl->page = mmap(NULL, sizeof(*pl->page), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0);
	CHECK(pl->page != MAP_FAILED);
	pl->page->magic = WIRE_PAGE_MAGIC;
	pl->page->size = sizeof(*pl->page);
	CHECK(!seg_carve(&p->wrk_seg, sizeof(*pl->mail), 64, &off));
	pl->mail = map_at(&p->wrk_seg.map, off, sizeof(*pl->mail));
	pl->mail->sent = 0;
	p->reply.hello.features = WIRE_EXT_LINKS;
	p->reply.hello.mail_off = off;
	p->fd[p->n_fds++] = fd;
	CHECK(!link_seg_create(&pl->seg, PLAYED_LINKS, PLAYED_RING));
}

static inline void played_links_close(struct played *p, struct played_links *pl)
{
	close(p->fd[p->n_fds - 1]);
	munmap(pl->page, sizeof(*pl->page));
	map_close(&pl->seg);
}

/* Say something with descriptors, which stay open. */
static inline void played_mail(struct played *p, struct played_links *pl,
			       const struct wire_sapi_ext *msg, const int *fd,
			       unsigned n)
{
	played_send(p->conn, msg, sizeof(*msg), fd, n);
	pl->mail->sent++;
}

/* What the application has said, with a descriptor or -1; type 0: nothing. */
static inline struct wire_sapi_ext played_ext(struct played *p, int *fd)
{
	struct wire_sapi_ext msg = { 0 };
	struct fdbox box;
	ssize_t n;

	n = fdbox_recv(p->conn, &msg, sizeof(msg), &box, MSG_DONTWAIT, NULL);
	CHECK(n == sizeof(msg) || n == -EAGAIN);
	if (n < 0)
		msg.type = 0;
	if (fd)
		*fd = n > 0 && box.n ? fdbox_take(&box, 0) : -1;
	fdbox_close(&box);
	return msg;
}

/* A right grant of block 1 to side 0, from peer 7 with its bell 2. */
static inline struct wire_sapi_ext played_grant(uint64_t context)
{
	struct wire_sapi_ext msg = { .type = WIRE_SAPI_GRANT };

	msg.grant.context = context;
	msg.grant.link = context + 1000;
	msg.grant.seg = 3;
	msg.grant.index = 1;
	msg.grant.n_links = PLAYED_LINKS;
	msg.grant.ring = PLAYED_RING;
	msg.grant.peer = 7;
	msg.grant.peer_bell = 2;
	msg.grant.has_seg = msg.grant.has_bell = 1;
	return msg;
}

#endif /* TESTS_PLAYED_LINK_H */
