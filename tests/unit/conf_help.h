/* SPDX-License-Identifier: Apache-2.0 */
/* conf_help.h - parse, note complaints, choose: for the tests of conf.h */
#ifndef TESTS_CONF_HELP_H
#define TESTS_CONF_HELP_H

#include <arpa/inet.h>

#include "core/sess/conf.h"
#include "tests/unit/tap.h"

struct seen {
	unsigned n;
	unsigned line[64];
	char file[64][128];
	char what[64][128];
};

static void note(void *arg, const char *file, unsigned line, const char *what)
{
	struct seen *seen = arg;

	if (seen->n == ARRAY_SIZE(seen->line))
		return;
	snprintf(seen->file[seen->n], sizeof(seen->file[0]), "%s", file);
	snprintf(seen->what[seen->n], sizeof(seen->what[0]), "%s", what);
	seen->line[seen->n++] = line;
}

/* "10.0.0.1:80" or "[::1]:80" */
static void address(const char *text, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in4 = (void *)ss;
	const char *colon = strrchr(text, ':');
	char host[64];
	bool v6 = *text == '[';

	memset(ss, 0, sizeof(*ss));
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * v6,
		 text + v6);
	ss->ss_family = v6 ? AF_INET6 : AF_INET;
	if (v6)
		in6->sin6_port = htons((uint16_t)atoi(colon + 1));
	else
		in4->sin_port = htons((uint16_t)atoi(colon + 1));
	CHECK(inet_pton(ss->ss_family, host,
			v6 ? (void *)&in6->sin6_addr
			   : (void *)&in4->sin_addr) == 1);
}

static struct conf_choice choose(const struct conf *conf, const char *role,
				 const char *addr, const char *local)
{
	struct sockaddr_storage a, l;
	struct conf_choice choice;
	int r = conf_role_of(role);

	CHECK(r >= 0);
	address(addr, &a);
	if (local)
		address(local, &l);
	conf_choose(conf, (enum conf_role)r, (void *)&a,
		    local ? (void *)&l : NULL, &choice);
	return choice;
}

#endif /* TESTS_CONF_HELP_H */
