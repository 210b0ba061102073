/* SPDX-License-Identifier: Apache-2.0 */
/* conf_rule.c - rules in libvma's words: read, shown, and applied */
#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sess/conf_parse.h"

static const char *const role_name[] = {
	[CONF_TCP_SERVER] = "tcp_server",
	[CONF_TCP_CLIENT] = "tcp_client",
	[CONF_UDP_SENDER] = "udp_sender",
	[CONF_UDP_RECEIVER] = "udp_receiver",
	[CONF_UDP_CONNECT] = "udp_connect",
	[CONF_UNIX_SERVER] = "unix_server",
	[CONF_UNIX_CLIENT] = "unix_client",
};

static const char *const use_name[] = {
	[CONF_AUTO] = "auto",
	[CONF_SHM] = "shm",
	[CONF_VPP] = "vpp",
	[CONF_OS] = "os",
};

/* What holds when no file says otherwise; behind all other rules. */
#define BUILTIN(what, from, to)                                           \
	{                                                                 \
		.filter.applies = true, .use = CONF_OS, .roles = (what),  \
		.hybrid = true, .file = "default",                        \
		.first = { .port[0] = { from, to }, .ports = (to) != 0 }, \
	}
static const struct conf_rule builtin[] = {
	BUILTIN(ANY_ROLES, 53, 53),
	BUILTIN(ANY_ROLES, 22, 22),
	BUILTIN(UDP_ROLES, 0, 0),
	BUILTIN(UNIX_ROLES, 0, 0),
};

/**
 * conf_role_of() - The role of a name
 * @name:	"tcp_server", "tcp_client", "udp_sender" and so on
 *
 * Return: enum conf_role, or -EINVAL.
 */
int conf_role_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(role_name); i++)
		if (!strcmp(name, role_name[i]))
			return (int)i;
	return -EINVAL;
}

/**
 * conf_role_name() - The name of a role
 * @role:	a role
 */
const char *conf_role_name(enum conf_role role)
{
	return role_name[role];
}

/**
 * conf_use_name() - What a rule calls it
 * @use:	a target
 */
const char *conf_use_name(enum conf_use use)
{
	return use_name[use];
}

static int use_of(const char *name)
{
	size_t i;

	if (!strcmp(name, "vma") || !strcmp(name, "xlio"))
		return CONF_AUTO;
	for (i = 0; i < ARRAY_SIZE(use_name); i++)
		if (!strcmp(name, use_name[i]))
			return (int)i;
	return -EINVAL;
}

/* Roles with commas in between; "any", "tcp_*" and so on are several. */
static int roles_of(const char *list, unsigned *roles)
{
	char name[16];
	size_t len;
	int role;

	for (*roles = 0;; list += len + 1) {
		len = strcspn(list, ",");
		if (len >= sizeof(name))
			return -EINVAL;
		memcpy(name, list, len);
		name[len] = '\0';
		role = conf_role_of(name);
		if (!strcmp(name, "any") || !strcmp(name, "*"))
			*roles |= ANY_ROLES;
		else if (!strcmp(name, "tcp_*"))
			*roles |= TCP_ROLES;
		else if (!strcmp(name, "udp_*"))
			*roles |= UDP_ROLES;
		else if (!strcmp(name, "unix_*"))
			*roles |= UNIX_ROLES;
		else if (role >= 0)
			*roles |= 1u << role;
		else
			return -EINVAL;
		if (!list[len])
			return 0;
	}
}

/* "/24", or nothing, which is all bits */
static int bits_of(const char **p, unsigned all, unsigned *bits)
{
	uint64_t v = all;
	int ret = 0;

	if (**p == '/')
		ret = conf_number(*p + 1, all, &v, p);
	*bits = (unsigned)v;
	return ret;
}

static int address_of(const char **p, struct conf_match *m)
{
	bool v6 = **p == '[';
	char text[INET6_ADDRSTRLEN];
	size_t len;
	int ret;

	if (**p == '*') {
		++*p;
		return 0;
	}
	*p += v6;
	len = strcspn(*p, v6 ? "]/" : ":/");
	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, *p, len);
	text[len] = '\0';
	*p += len;
	m->family = v6 ? AF_INET6 : AF_INET;
	if (inet_pton(m->family, text, m->addr) != 1)
		return -EINVAL;
	ret = bits_of(p, v6 ? 128 : 32, &m->bits);
	if (ret < 0 || !v6)
		return ret;
	if (*(*p)++ != ']')
		return -EINVAL;
	/* the length may also stand behind the bracket, if not inside */
	return m->bits == 128 ? bits_of(p, 128, &m->bits) : 0;
}

static int ports_of(const char **p, struct conf_match *m)
{
	uint64_t low, high;

	if (**p == '*') {
		++*p;
		return 0;
	}
	for (;; ++*p) {
		if (conf_number(*p, UINT16_MAX, &low, p) < 0)
			return -EINVAL;
		high = low;
		if (**p == '-') {
			++*p;
			if (conf_number(*p, UINT16_MAX, &high, p) < 0)
				return -EINVAL;
		}
		if (high < low || m->ports == PORTS_MAX)
			return -EINVAL;
		m->port[m->ports].low = (uint16_t)low;
		m->port[m->ports++].high = (uint16_t)high;
		if (**p != ',')
			return 0;
	}
}

static int match_of(const char **p, struct conf_match *m)
{
	if (address_of(p, m) < 0 || *(*p)++ != ':')
		return -EINVAL;
	return ports_of(p, m);
}

static int matches_of(const char *p, struct conf_rule *rule)
{
	if (match_of(&p, &rule->first) < 0)
		return -EINVAL;
	if (!*p)
		return 0;
	if (*p++ != ':' || match_of(&p, &rule->second) < 0 || *p)
		return -EINVAL;
	rule->has_second = true;
	return 0;
}

static int option_of(const struct conf_input *in, const char *word,
		     struct conf_rule *rule)
{
	const char *end, *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	uint64_t v;
	bool suffix;

	if (value)
		value++;
	if (!strcmp(word, "require")) {
		rule->require = true;
	} else if (!strcmp(word, "hybrid")) {
		rule->hybrid = true;
	} else if (!strcmp(word, "no-hybrid")) {
		rule->hybrid = false;
	} else if (value && len == 7 && !memcmp(word, "spin-us", len)) {
		if (conf_number(value, 1000000, &v, &end) < 0 || *end)
			return -EINVAL;
		rule->has_spin = true;
		rule->spin_us = (uint32_t)v;
	} else if (value && len == 4 && !memcmp(word, "fifo", len)) {
		if (conf_size(value, 1u << 30, &v, &suffix) < 0 || !v)
			return -EINVAL;
		rule->fifo_size = (uint32_t)MAX(v, (uint64_t)4096);
	} else if (!strcmp(word, "scope=local")) {
		rule->has_scope = rule->local = true;
	} else if (!strcmp(word, "scope=global")) {
		rule->has_scope = rule->global = true;
	} else if (!strncmp(word, "tls", 3)) {
		return conf_tls_option(in, word, &rule->tls);
	} else {
		return -EINVAL;
	}
	return 0;
}

/* All are looked at, as one may be tls. */
static bool options_of(struct conf_input *in, char **word, unsigned n,
		       struct conf_rule *rule)
{
	const char *wrong = NULL;
	unsigned i;

	for (i = 0; i < n; i++)
		if (option_of(in, word[i], rule) < 0 && !wrong)
			wrong = word[i];
	if (wrong)
		conf_wrong(in, "use: no option \"%s\"", wrong);
	return !wrong && conf_tls_check(in, rule);
}

/* Copy the rule to the heap, its file's name behind it, and append it. */
static int append(struct conf_input *in, const struct conf_rule *from)
{
	size_t len = strlen(in->file) + 1;
	struct conf_rule *rule = malloc(sizeof(*rule) + len);

	if (!rule)
		return -ENOMEM;
	*rule = *from;
	rule->file = memcpy(rule + 1, in->file, len);
	rule->line = in->line;
	rule->next = *in->tail;
	*in->tail = rule;
	in->tail = &rule->next;
	if (rule->tls.on && rule->filter.applies)
		in->conf->tls = true;
	return 0;
}

static void use_statement(struct conf_input *in, char **word, unsigned n)
{
	struct conf_rule rule = { .filter = in->filter, .hybrid = true };
	int use;

	if (n < 4) {
		conf_wrong(in, "use wants a target, a role and an address");
		return;
	}
	use = use_of(word[1]);
	if (use < 0) {
		conf_wrong(in, "use: no target \"%s\"", word[1]);
		return;
	}
	rule.use = (enum conf_use)use;
	if (roles_of(word[2], &rule.roles) < 0) {
		conf_wrong(in, "use: no role \"%s\"", word[2]);
		return;
	}
	if (matches_of(word[3], &rule) < 0) {
		conf_wrong(in, "use: \"%s\" is not ADDRESS:PORTS", word[3]);
		return;
	}
	if (!options_of(in, word + 4, n - 4, &rule)) {
		if (!rule.tls.meant)
			return;
		rule.tls.wrong = rule.tls.on = true; /* see conf_tls.c */
	}
	if (append(in, &rule) < 0) {
		conf_wrong(in, "out of memory");
		conf_tls_free(&rule.tls);
	}
}

/*
 * The user's number from /etc/passwd.  Not getpwnam(): it asks name services
 * through sockets, which would come back here through the preload.
 */
static int uid_of(const char *name, uint32_t *uid)
{
	size_t len = strlen(name);
	char *passwd, *line;
	const char *end, *pass;
	uint64_t v;
	int ret = -ENOENT;

	if (conf_number(name, UINT32_MAX, &v, &end) == 0 && !*end) {
		*uid = (uint32_t)v;
		return 0;
	}
	if (conf_slurp("/etc/passwd", &passwd) < 0)
		return -ENOENT;
	for (line = passwd; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) || line[len] != ':')
			continue;
		pass = strchr(line + len + 1, ':');
		if (pass && !conf_number(pass + 1, UINT32_MAX, &v, &end)) {
			*uid = (uint32_t)v;
			ret = 0;
		}
		break;
	}
	free(passwd);
	return ret;
}

static void application_id(struct conf_input *in, char **word, unsigned n)
{
	struct conf_filter f = { 0 };

	if (n < 3 || n > 4 || (n == 4 && strncmp(word[3], "uid=", 4))) {
		conf_wrong(in, "application-id wants a program, an id, and "
			       "perhaps uid=");
		return;
	}
	if (strlen(word[1]) >= NAME_LEN || strlen(word[2]) >= NAME_LEN) {
		conf_wrong(in, "application-id: the name is too long");
		return;
	}
	if (n == 4) {
		if (uid_of(word[3] + 4, &f.uid) < 0) {
			conf_wrong(in, "application-id: no user \"%s\"",
				   word[3] + 4);
			return;
		}
		f.has_uid = true;
	}
	strcpy(f.program, word[1]);
	strcpy(f.id, word[2]);
	f.applies = !fnmatch(f.program, in->conf->program, 0) &&
		    !fnmatch(f.id, in->conf->app_name, 0) &&
		    (!f.has_uid || f.uid == geteuid());
	in->filter = f;
}

/**
 * conf_rule_statement() - Read `use` or `application-id`
 * @in:		where we are
 * @word:	the statement's words
 * @n:		how many, at least one
 *
 * Return: 0, also if it was wrong and complained about; -ENOENT if it is
 * another statement.
 */
int conf_rule_statement(struct conf_input *in, char **word, unsigned n)
{
	if (!strcmp(word[0], "use"))
		use_statement(in, word, n);
	else if (!strcmp(word[0], "application-id"))
		application_id(in, word, n);
	else
		return -ENOENT;
	return 0;
}

/* An address as rules see it: IPv4-mapped is IPv4.  NULL and what is neither
 * IPv4 nor IPv6 is no address, and only a '*' matches. */
static int family_of(const struct sockaddr *sa, const uint8_t **addr,
		     uint16_t *port)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in4 = (const void *)sa;

	*port = 0;
	if (sa && sa->sa_family == AF_INET) {
		*addr = (const void *)&in4->sin_addr;
		*port = ntohs(in4->sin_port);
		return AF_INET;
	}
	if (!sa || sa->sa_family != AF_INET6)
		return 0;
	*addr = in6->sin6_addr.s6_addr;
	*port = ntohs(in6->sin6_port);
	if (!IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return AF_INET6;
	*addr += 12;
	return AF_INET;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes))
		return false;
	return !rest || !((a[bytes] ^ b[bytes]) >> (8 - rest));
}

static bool is_match(const struct conf_match *m, const struct sockaddr *sa)
{
	const uint8_t *addr = NULL;
	uint16_t port;
	int family = family_of(sa, &addr, &port);
	unsigned i;

	if (m->family &&
	    (m->family != family || !same_bits(m->addr, addr, m->bits)))
		return false;
	if (!m->ports)
		return true;
	for (i = 0; family && i < m->ports; i++)
		if (m->port[i].low <= port && port <= m->port[i].high)
			return true;
	return false;
}

static bool is_rule_for(const struct conf_rule *rule, enum conf_role role,
			const struct sockaddr *addr,
			const struct sockaddr *local)
{
	return rule->filter.applies && rule->roles & 1u << role &&
	       is_match(&rule->first, addr) &&
	       (!rule->has_second || is_match(&rule->second, local));
}

/* The first rule that matches, and its place; NULL and -1: none does. */
static const struct conf_rule *
find_rule(const struct conf *conf, enum conf_role role,
	  const struct sockaddr *addr, const struct sockaddr *local, int *place)
{
	const struct conf_rule *rule;
	size_t i;

	*place = 0;
	for (rule = conf->rules; rule; rule = rule->next, ++*place)
		if (is_rule_for(rule, role, addr, local))
			return rule;
	for (i = 0; i < ARRAY_SIZE(builtin); i++, ++*place)
		if (is_rule_for(&builtin[i], role, addr, local))
			return &builtin[i];
	*place = -1;
	return NULL;
}

static bool is_session(enum conf_use use)
{
	return use == CONF_SHM || use == CONF_VPP;
}

static bool any_udp(const struct conf *conf, enum conf_use use)
{
	const struct conf_rule *rule;

	if (conf->disabled)
		return false;
	for (rule = conf->rules; rule; rule = rule->next)
		if (rule->filter.applies && rule->roles & UDP_ROLES &&
		    rule->use == use)
			return true;
	return false;
}

/**
 * conf_any_udp() - Is there a rule by which UDP may have links?
 * @conf:	the process's configuration
 */
bool conf_any_udp(const struct conf *conf)
{
	return any_udp(conf, CONF_AUTO);
}

/**
 * conf_udp_by_vpp() - Is there one by which VPP carries UDP?
 * @conf:	the process's configuration
 */
bool conf_udp_by_vpp(const struct conf *conf)
{
	return any_udp(conf, CONF_VPP);
}

/**
 * conf_kernel_first() - Can connect(2) be made whatever the rules say?
 * @conf:	the process's configuration
 */
bool conf_kernel_first(const struct conf *conf)
{
	const struct conf_rule *rule;

	if (conf->disabled)
		return true;
	if (conf->require || conf->vpp_socket[0] || is_session(conf->use))
		return false;
	for (rule = conf->rules; rule; rule = rule->next)
		if (rule->filter.applies &&
		    rule->roles & 1u << CONF_TCP_CLIENT &&
		    (rule->require || rule->tls.on || is_session(rule->use)))
			return false;
	return true;
}

/**
 * conf_rule_at() - A rule by its place
 * @conf:	a configuration
 * @index:	counted from 0, the built-in rules last
 *
 * Return: the rule, or NULL.
 */
const struct conf_rule *conf_rule_at(const struct conf *conf, unsigned index)
{
	const struct conf_rule *rule = conf->rules;

	for (; rule && index; index--)
		rule = rule->next;
	if (rule)
		return rule;
	return index < ARRAY_SIZE(builtin) ? &builtin[index] : NULL;
}

/**
 * conf_choose() - What to do with a socket
 * @conf:	the process's configuration
 * @role:	what the socket is about to be
 * @addr:	a server's own address, else the peer's
 * @local:	a client's own address, or NULL
 * @choice:	set
 *
 * Neither allocates nor locks.
 */
void conf_choose(const struct conf *conf, enum conf_role role,
		 const struct sockaddr *addr, const struct sockaddr *local,
		 struct conf_choice *choice)
{
	const struct conf_rule *rule;
	int place;

	rule = find_rule(conf, role, addr, local, &place);
	*choice = (struct conf_choice){
		.use = conf->use,
		.require = conf->require,
		.hybrid = true,
		.spin_us = conf->spin_us,
		.fifo_size = conf->fifo_size ? conf->fifo_size
					     : MAX(conf->rx_fifo_size,
						   conf->tx_fifo_size),
		.local = conf->scope_local,
		.global = conf->scope_global,
		.file = "default",
		.rule = place,
	};
	if (!rule)
		return;
	choice->use = rule->use;
	choice->require = rule->require;
	choice->hybrid = rule->hybrid;
	choice->file = rule->file;
	choice->line = rule->line;
	if (rule->has_spin)
		choice->spin_us = rule->spin_us;
	if (rule->fifo_size)
		choice->fifo_size = rule->fifo_size;
	if (rule->tls.on) {
		choice->tls = &rule->tls;
		choice->use = CONF_VPP;
		choice->require = true;
		choice->hybrid = false;
	}
	if (rule->has_scope) {
		choice->local = rule->local;
		choice->global = rule->global;
	}
}
