/* SPDX-License-Identifier: Apache-2.0 */
/*
 * offer.h - how a kernel connection comes by a link: offers and grants
 *
 * DOC: This is the client's half of core/wire/offer.h.  It knows connections
 * by their addresses (those of Unix sockets by inode, and by a number made of
 * their listener's name) and links by where they lie; what becomes of the
 * socket is core/sock's, which sets offer_hooks once.  All that is received is
 * handled by whichever thread looks next (offer_poll()); nothing here waits
 * for the daemon, and a link does not need it any more.
 *
 * Lock: app.lock of the attachment; for the list of segments a lock of its
 * own, which comes after app.lock.
 */
#ifndef SESS_OFFER_H
#define SESS_OFFER_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/base/base.h"
#include "core/sess/bell.h"
#include "core/sess/conf.h"
#include "core/shm/ctrl.h"
#include "core/shm/link.h"
#include "core/wire/ext.h"

/* Segments that this process has mapped, one client at the other end each. */
struct offer_seg;
struct offer_bell;

struct offer {
	uint64_t context; /* comes back */
	uint64_t cookie;
	struct ctrl_addr lcl, rmt;
	uint64_t inode; /* of a Unix socket, which has no addresses; 0 */
	uint16_t name;	/* ... and its listener's */
	uint8_t udp;	/* OFFER_UDP_...; then lcl may be the wildcard */
	uint32_t ring;
	struct bell *bell;
};

#define OFFER_UDP_SENDER 1   /* as enum wire_udp */
#define OFFER_UDP_RECEIVER 2 /* an answer to a sender's */

struct offer_grant {
	uint64_t link;
	struct offer_seg *seg; /* referenced: offer_release() */
	unsigned index, side;
	uint32_t ring;
	unsigned epoch;
	struct offer_bell *bell; /* of the peer, referenced likewise */
	int bell_fd;
};

enum offer_refusal {
	OFFER_EXPIRED,
	OFFER_PROOF,
	OFFER_USER,
	OFFER_LIMIT,
	OFFER_MEMORY,
	OFFER_N_REFUSALS
};

struct offer_hooks {
	/* A link for the connection of that context: 0 if it is taken, and
	 * then released by offer_release().  Else nothing of it may have been
	 * touched: it is another's if the offer was withdrawn.  No lock is
	 * held. */
	int (*granted)(uint64_t context, const struct offer_grant *g);
	void (*refused)(uint64_t context, enum offer_refusal why);
	/* The end that @user stands for was rung: false if it is not to be told
	 * (the segments' lock is held).  And then, without it. */
	bool (*rung)(void *user);
	void (*heard)(void *user);
};
extern const struct offer_hooks *offer_hooks;

/* Is there an attachment that grants links now?  Without the lock. */
bool offer_able(void);
/* The same, after a look whether it is still there, and after trying to attach
 * if there is none. */
bool offer_attach(void);
/* ... also for connections to addresses that are not this host's? */
bool offer_networks(void);
/* ... for Unix sockets? */
bool offer_unixes(void);
/* ... for datagrams? */
bool offer_udps(void);
/* Grows when attachments come or go: what was announced is announced again. */
unsigned offer_epoch(void);
/* Does a preloaded program listen on this port (host order)?  A hint. */
bool offer_listener_at(uint16_t port);
/* Does an end of a connection wait for the other?  A hint: by the slot of its
 * two ports, or of a Unix socket's inode; or by its name, then it is one of all
 * that have it. */
bool offer_waiting(uint16_t slot);
uint16_t offer_slot(uint16_t a, uint16_t b);
uint16_t offer_slot_inode(uint64_t inode);
uint16_t offer_slot_udp(uint16_t from, uint16_t to);

/* Announce, or no more, that this process listens on @port (host order). */
int offer_listen(uint16_t port, bool on) MUST_CHECK;
/* 0 if it is under way; -EAGAIN if not now; else why not. */
int offer_make(const struct offer *o) MUST_CHECK;
/* Its socket is closed: no grant will be taken, and perhaps none read. */
void offer_withdraw(uint64_t context);

/* For `sapi status`: the connection stays with the kernel, and why (@refusal
 * where it was refused); until the other one, or for good.  Bounded: of many
 * connections the last ones are remembered. */
void offer_keep(const struct offer *o, enum wire_ext_why why,
		enum offer_refusal refusal);
void offer_keep_over(uint64_t cookie);

/* Has the daemon sent something?  One load. */
bool offer_mail(void);
/* Handle what it has sent. */
void offer_poll(void);
struct app;
/* app.lock held: an extension message that somebody else received. */
struct fdbox;
struct wire_sapi;
void offer_message(struct app *app, const struct wire_sapi *msg,
		   struct fdbox *box);

/* --- segments --- */
/* Who is told when the granted end is rung; NULL before it is released. */
void offer_set_user(const struct offer_grant *g, void *user);
const struct map *offer_map(const struct offer_seg *seg);
/* Will nobody say any more what becomes of the other end? As the daemon said,
 * or because it is lost itself: then it is an orphan as well. */
bool offer_is_gone(const struct offer_grant *g);
bool offer_is_orphan(const struct offer_grant *g);
/* This end is done with the link. */
void offer_release(const struct offer_grant *g);
/* The attachment has gone, and with it whoever it named. */
void offer_left(void);
/* Give up the link without a word, in a process that only inherited it. */
void offer_abandon(const struct offer_grant *g);
/* Look at what was rung and tell; cheap if nothing was.  True if something.
 * @bell: one has been heard */
bool offer_look(bool bell);
/* Where the last one ran that rang us, as far as this thread saw since it
 * asked: a CPU, or -1. */
int offer_rung_from(void);

/* fork: after app.lock, before the locks of core/sock */
void offer_fork_prepare(void);
void offer_fork_parent(void);
void offer_fork_child(void);

#endif /* SESS_OFFER_H */
