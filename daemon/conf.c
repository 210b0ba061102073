/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - what sapid.conf says */
#include "daemon/conf.h"

#include <errno.h>
#include <grp.h>
#include <ini.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/shm/dialect.h"
#include "daemon/state.h"
#include "daemon/sys.h"

static const struct limit_key {
	const char *name;
	size_t off;
	uint64_t value, max;
} limit_keys[] = {
#define LIMIT(name, member, value, max)                           \
	{                                                         \
		name, offsetof(struct limits, member), value, max \
	}
	LIMIT("max-apps", apps, 4096, 1u << 20),
	LIMIT("max-unattached", unattached, 64, 1u << 16),
	LIMIT("attach-timeout-ms", attach_ms, 10000, 3600000),
	LIMIT("max-workers", workers, 64, MAX_WORKERS),
	LIMIT("max-sessions", sessions, 65536, 1u << 24),
	LIMIT("max-listeners", listeners, 1024, 1u << 20),
	LIMIT("max-backlog", backlog, 4096, 1u << 20),
	LIMIT("max-segments", segments, 4096, 1u << 20),
	LIMIT("max-segment-bytes", segment_bytes, 4ull << 30, 1ull << 46),
	LIMIT("max-pending", pending, 4096, 1u << 20),
	LIMIT("max-fifo-size", fifo_size, 16u << 20, 1u << 30),
	LIMIT("max-links", links, 65536, 1u << 24),
	LIMIT("max-link-bytes", link_bytes, 1ull << 38, 1ull << 46),
	LIMIT("offer-timeout-ms", offer_ms, 2000, 3600000),
};

struct parse {
	struct conf *conf;
	const char *wrong; /* the first mistake */
};

static uint64_t *limit_at(struct limits *limits, const struct limit_key *key)
{
	return (uint64_t *)(void *)((char *)limits + key->off);
}

/** conf_init() - Defaults, no namespace */
void conf_init(struct conf *conf)
{
	size_t i;

	memset(conf, 0, sizeof(*conf));
	conf->dialect = WIRE_2606;
	for (i = 0; i < ARRAY_SIZE(limit_keys); i++)
		*limit_at(&conf->limits, &limit_keys[i]) = limit_keys[i].value;
}

/* It becomes a file name. */
static bool is_name(const char *name)
{
	return *name && strlen(name) < CONF_NAME && !strchr(name, '/') &&
	       strcmp(name, ".") && strcmp(name, "..");
}

/** conf_ns() - The namespace of that name, made if there is none */
struct ns_conf *conf_ns(struct conf *conf, const char *name)
{
	struct ns_conf *ns;
	unsigned i;

	for (i = 0; i < conf->n_ns; i++)
		if (!strcmp(conf->ns[i].name, name))
			return &conf->ns[i];
	if (!is_name(name) || conf->n_ns == CONF_MAX_NS)
		return NULL;
	ns = &conf->ns[conf->n_ns++];
	memset(ns, 0, sizeof(*ns));
	strcpy(ns->name, name);
	ns->mode = 0600;
	ns->dialect = conf->dialect;
	ns->limits = conf->limits;
	return ns;
}

/** conf_admits() - May a program of this user attach? */
bool conf_admits(const struct ns_conf *ns, uid_t uid)
{
	unsigned i;

	if (ns->users_any)
		return true;
	for (i = 0; i < ns->n_users; i++)
		if (ns->users[i] == uid)
			return true;
	return !ns->n_users && (uid == 0 || uid == geteuid());
}

/** conf_may_link() - Programs of one user, unless more are named */
bool conf_may_link(const struct ns_conf *ns, uid_t a, uid_t b)
{
	return ns->users_any || ns->n_users || a == b;
}

/** conf_dialect() - Which dialect a release of VPP speaks */
int conf_dialect(const char *text, enum wire_dialect *dialect)
{
	unsigned year, month;
	char end;

	if (sscanf(text, "%2u.%2u%c", &year, &month, &end) != 2)
		return -EINVAL;
	return dialect_of_release(year * 100 + month, dialect);
}

static int set_mode(struct ns_conf *ns, const char *value)
{
	unsigned mode;
	char end;

	if (sscanf(value, "%o%c", &mode, &end) != 1 || mode > 0777)
		return -EINVAL;
	ns->mode = mode;
	return 0;
}

static int set_group(struct ns_conf *ns, const char *value)
{
	struct group *group = getgrnam(value);
	unsigned long long n;

	if (group)
		ns->group = group->gr_gid;
	else if (!sys_number(value, UINT32_MAX - 1, &n))
		ns->group = (gid_t)n;
	else
		return -EINVAL;
	ns->group_set = true;
	return 0;
}

static int set_users(struct ns_conf *ns, const char *value)
{
	char copy[512], *name, *rest = copy;
	struct passwd *user;
	unsigned long long n;

	if (strlen(value) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, value);
	ns->n_users = 0;
	ns->users_any = !strcmp(value, "any");
	while (!ns->users_any && (name = strsep(&rest, " \t,"))) {
		if (!*name)
			continue;
		if (ns->n_users == CONF_MAX_USERS)
			return -EINVAL;
		user = getpwnam(name);
		if (user)
			n = user->pw_uid;
		else if (sys_number(name, UINT32_MAX - 1, &n))
			return -EINVAL;
		ns->users[ns->n_users++] = (uid_t)n;
	}
	return ns->users_any || ns->n_users ? 0 : -EINVAL;
}

static int set_bool(bool *out, const char *value)
{
	*out = !strcmp(value, "yes");
	return *out || !strcmp(value, "no") ? 0 : -EINVAL;
}

static const char *set_limit(struct limits *limits, const char *key,
			     const char *value)
{
	unsigned long long n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(limit_keys); i++) {
		if (strcmp(limit_keys[i].name, key))
			continue;
		if (sys_number(value, limit_keys[i].max, &n) || !n)
			return "not a number in range";
		*limit_at(limits, &limit_keys[i]) = n;
		return NULL;
	}
	return "unknown key";
}

static const char *set_default(struct conf *conf, const char *key,
			       const char *value)
{
	if (!strcmp(key, "vpp-release"))
		return conf_dialect(value, &conf->dialect) ? "wrong value"
							   : NULL;
	return set_limit(&conf->limits, key, value);
}

static const char *set_ns(struct ns_conf *ns, const char *key,
			  const char *value)
{
	int ret;

	if (!ns)
		return "not a namespace's name, or too many";
	if (!strcmp(key, "mode"))
		ret = set_mode(ns, value);
	else if (!strcmp(key, "group"))
		ret = set_group(ns, value);
	else if (!strcmp(key, "users"))
		ret = set_users(ns, value);
	else if (!strcmp(key, "any-netns"))
		ret = set_bool(&ns->any_netns, value);
	else if (!strcmp(key, "vpp-release"))
		ret = conf_dialect(value, &ns->dialect);
	else
		return set_limit(&ns->limits, key, value);
	return ret ? "wrong value" : NULL;
}

/* inih: 1 is good; its INI_CALL_HANDLER_ON_NEW_SECTION is not built in, so a
 * namespace has at least one key. */
static int on_key(void *arg, const char *section, const char *key,
		  const char *value)
{
	static const char prefix[] = "namespace ";
	struct parse *p = arg;
	const char *wrong;

	if (!strcmp(section, "sapid"))
		wrong = set_default(p->conf, key, value);
	else if (!strncmp(section, prefix, sizeof(prefix) - 1))
		wrong = set_ns(conf_ns(p->conf, section + sizeof(prefix) - 1),
			       key, value);
	else
		wrong = "unknown section";
	if (wrong && !p->wrong)
		p->wrong = wrong;
	return !wrong;
}

/**
 * conf_load() - Read a configuration file
 * @conf:	what it adds to
 * @path:	the file
 *
 * Return: 0, -ENOENT, or -EINVAL after logging where it is wrong
 */
int conf_load(struct conf *conf, const char *path)
{
	struct parse p = { .conf = conf };
	int line = ini_parse(path, on_key, &p);

	if (!line)
		return 0;
	if (line < 0)
		return -ENOENT;
	log_err("configuration file=%s line=%d error=\"%s\"", path, line,
		p.wrong ? p.wrong : "not understood");
	return -EINVAL;
}
