/* SPDX-License-Identifier: Apache-2.0 */
/* conf_show.c - rules as text, for `sapi check` */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "core/sess/conf_parse.h"

static void show_match(const struct conf_match *m, char *buf, size_t size)
{
	char addr[INET6_ADDRSTRLEN] = "*";
	unsigned i, full = m->family == AF_INET6 ? 128 : 32;
	size_t len;

	if (m->family)
		inet_ntop(m->family, m->addr, addr, sizeof(addr));
	if (m->family == AF_INET6)
		snprintf(buf, size, "[%s]", addr);
	else
		snprintf(buf, size, "%s", addr);
	len = strlen(buf);
	if (m->family && m->bits != full)
		snprintf(buf + len, size - len, "/%u", m->bits);
	if (!m->ports)
		strncat(buf, ":*", size - strlen(buf) - 1);
	for (i = 0; i < m->ports; i++) {
		len = strlen(buf);
		snprintf(buf + len, size - len, "%c%u", i ? ',' : ':',
			 m->port[i].low);
		len = strlen(buf);
		if (m->port[i].high != m->port[i].low)
			snprintf(buf + len, size - len, "-%u", m->port[i].high);
	}
}

static void add(char *buf, size_t size, const char *text)
{
	strncat(buf, text, size - strlen(buf) - 1);
}

static void add_number(char *buf, size_t size, const char *key, uint32_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%s=%u ", key, v);
	add(buf, size, text);
}

static void show_options(const struct conf_rule *rule, char *buf, size_t size)
{
	size_t len;

	conf_tls_show(&rule->tls, buf, size);
	if (rule->require)
		add(buf, size, "require ");
	if (!rule->hybrid)
		add(buf, size, "no-hybrid ");
	if (rule->has_spin)
		add_number(buf, size, "spin-us", rule->spin_us);
	if (rule->fifo_size)
		add_number(buf, size, "fifo", rule->fifo_size);
	if (rule->local)
		add(buf, size, "scope=local ");
	if (rule->global)
		add(buf, size, "scope=global ");
	len = strlen(buf);
	if (len && buf[len - 1] == ' ')
		buf[len - 1] = '\0';
}

static void show_roles(unsigned roles, char *buf, size_t size)
{
	unsigned role;

	if (roles == ANY_ROLES)
		snprintf(buf, size, "any");
	else if (roles == TCP_ROLES || roles == UDP_ROLES)
		snprintf(buf, size, roles == TCP_ROLES ? "tcp_*" : "udp_*");
	else if (roles == UNIX_ROLES)
		snprintf(buf, size, "unix_*");
	if (*buf)
		return;
	for (role = 0; role <= CONF_UNIX_CLIENT; role++) {
		if (!(roles & 1u << role))
			continue;
		if (*buf)
			strncat(buf, ",", size - strlen(buf) - 1);
		strncat(buf, conf_role_name((enum conf_role)role),
			size - strlen(buf) - 1);
	}
}

static void show_filter(const struct conf_filter *f, char *buf, size_t size)
{
	int len;

	if (!f->program[0])
		return;
	len = snprintf(buf, size, "%s %s", f->program, f->id);
	if (f->has_uid)
		snprintf(buf + len, size - (size_t)len, " uid=%u", f->uid);
}

/**
 * conf_rule_text() - A rule as text
 * @conf:	a configuration
 * @index:	which rule, counted from 0 in the order of matching
 * @text:	set
 *
 * Return: false if there are fewer rules.
 */
bool conf_rule_text(const struct conf *conf, unsigned index,
		    struct conf_rule_text *text)
{
	const struct conf_rule *rule = conf_rule_at(conf, index);
	size_t len;

	memset(text, 0, sizeof(*text));
	if (!rule)
		return false;
	text->file = rule->file;
	text->line = rule->line;
	text->applies = rule->filter.applies;
	show_filter(&rule->filter, text->filter, sizeof(text->filter));
	snprintf(text->use, sizeof(text->use), "%s", conf_use_name(rule->use));
	show_roles(rule->roles, text->role, sizeof(text->role));
	show_match(&rule->first, text->match, sizeof(text->match) / 2);
	if (rule->has_second) {
		len = strlen(text->match);
		text->match[len++] = ':';
		show_match(&rule->second, text->match + len,
			   sizeof(text->match) - len);
	}
	show_options(rule, text->options, sizeof(text->options));
	return true;
}
