/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - what sapid.conf and the options say */
#ifndef DAEMON_CONF_H
#define DAEMON_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/base.h"
#include "core/wire/types.h"

#define CONF_MAX_NS 64
#define CONF_MAX_USERS 32
#define CONF_NAME 64
#define CONF_DEFAULT_FILE "/etc/sapi/sapid.conf"

/* What one application may hold, unless it says otherwise. */
struct limits {
	uint64_t apps;	     /* per namespace */
	uint64_t unattached; /* connections that have not attached, same */
	uint64_t attach_ms;  /* how long they may stay so */
	uint64_t workers;
	uint64_t sessions;
	uint64_t listeners;
	uint64_t backlog;  /* not yet accepted, per listener */
	uint64_t segments; /* that its connections needed */
	uint64_t segment_bytes;
	uint64_t pending;   /* messages waiting for one worker */
	uint64_t fifo_size; /* bytes a direction */
	uint64_t links;	    /* ends of them */
	uint64_t link_bytes;
	uint64_t offer_ms; /* how long an offer waits for the other end */
};

struct ns_conf {
	char name[CONF_NAME];
	mode_t mode;
	bool group_set;
	gid_t group;
	bool users_any;
	unsigned n_users; /* 0: the daemon's own user and root */
	uid_t users[CONF_MAX_USERS];
	bool any_netns;
	enum wire_dialect dialect;
	struct limits limits;
};

struct conf {
	struct limits limits;	   /* of namespaces that do not say */
	enum wire_dialect dialect; /* the same */
	unsigned n_ns;
	struct ns_conf ns[CONF_MAX_NS];
};

/* Defaults, no namespace. */
void conf_init(struct conf *conf);
/* Add to @conf what @path says: 0, or -EINVAL after logging file and line. */
int conf_load(struct conf *conf, const char *path) MUST_CHECK;
/* The namespace of that name, made with the defaults if there is none; NULL if
 * the name can't be one, or there are too many. */
struct ns_conf *conf_ns(struct conf *conf, const char *name);
/* May a program of this user attach? */
bool conf_admits(const struct ns_conf *ns, uid_t uid);
/* May programs of these two be connected to each other? */
bool conf_may_link(const struct ns_conf *ns, uid_t a, uid_t b);
/* "26.06": its dialect; -EINVAL, -EPROTONOSUPPORT if VPP's is not known */
int conf_dialect(const char *text, enum wire_dialect *dialect) MUST_CHECK;

#endif /* DAEMON_CONF_H */
