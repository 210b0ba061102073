/* SPDX-License-Identifier: Apache-2.0 */
/* explain.c - sapi explain: which rule decides for a socket */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool/tool.h"

static const char help[] =
	"usage: sapi explain PROGRAM ROLE ADDRESS:PORT [ADDRESS:PORT]\n\n"
	"Shows which rule decides for a socket of PROGRAM.  ROLE is "
	"tcp_server,\n"
	"tcp_client, udp_sender, udp_receiver, udp_connect, unix_server or\n"
	"unix_client, whose address is *:0.  The address is a\n"
	"server's own, otherwise the peer's, and then perhaps the client's "
	"own.\n"
	"An IPv6 address stands in brackets, and * is any address.\n";

/* "10.0.0.1:80", "[::1]:80", "*:80" */
static int address_of(const char *text, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in4 = (void *)ss;
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2], *end;
	size_t len = colon ? (size_t)(colon - text) : 0;
	unsigned long port;

	memset(ss, 0, sizeof(*ss));
	if (!len || len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port > UINT16_MAX)
		return -EINVAL;
	if (*host == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		ss->ss_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1
			       ? 0
			       : -EINVAL;
	}
	ss->ss_family = AF_INET;
	in4->sin_port = htons((uint16_t)port);
	if (!strcmp(host, "*"))
		return 0;
	return inet_pton(AF_INET, host, &in4->sin_addr) == 1 ? 0 : -EINVAL;
}

static void show(const struct conf *conf, int role,
		 const struct conf_choice *choice)
{
	struct conf_rule_text rule;

	printf("use       %s%s%s\n", conf_use_name(choice->use),
	       choice->require ? ", required" : "",
	       role == CONF_TCP_SERVER && choice->use != CONF_OS &&
			       choice->hybrid
		       ? ", hybrid"
		       : "");
	if (choice->rule < 0 ||
	    !conf_rule_text(conf, (unsigned)choice->rule, &rule)) {
		printf("because   no rule matches, and this is the default\n");
	} else if (!choice->line) {
		printf("because   use %s %s %s, which is built in\n", rule.use,
		       rule.role, rule.match);
	} else {
		printf("because   %s:%u: use %s %s %s%s%s\n", rule.file,
		       rule.line, rule.use, rule.role, rule.match,
		       *rule.options ? " " : "", rule.options);
		if (*rule.filter)
			printf("after     application-id %s\n", rule.filter);
	}
	if (choice->use == CONF_OS)
		return;
	printf("spin      %u us\n", choice->spin_us);
	printf("fifo      %u bytes\n", choice->fifo_size);
	if (choice->use == CONF_VPP)
		printf("vpp       %s\n",
		       conf->vpp_socket[0] ? conf->vpp_socket
					   : "no app-socket-api is given");
	else
		printf("daemon    %s (%s)\n", conf->shm_socket,
		       daemon_answers(conf->shm_socket) ? "answers"
							: "does not answer");
}

static void inspect(const char *program)
{
	char path[PATH_MAX], why[512];

	if (program_find(program, path) == 0 &&
	    program_inspect(path, why, sizeof(why)))
		printf("but       %s can't be accelerated: %s\n", path, why);
}

static int explain(char **word, const char *own)
{
	struct sockaddr_storage addr, local;
	struct conf_choice choice;
	struct conf conf;
	int role = conf_role_of(word[1]);

	if (role < 0) {
		say("no role \"%s\"", word[1]);
		return EXIT_USAGE;
	}
	if (address_of(word[2], &addr) < 0 ||
	    (own && address_of(own, &local) < 0)) {
		say("an address is 192.0.2.1:80, [2001:db8::1]:80 or *:80");
		return EXIT_USAGE;
	}
	if (load_as(&conf, word[0], NULL) < 0)
		return 1;
	conf_choose(&conf, (enum conf_role)role, (void *)&addr,
		    own ? (void *)&local : NULL, &choice);
	show(&conf, role, &choice);
	inspect(word[0]);
	conf_free(&conf);
	return 0;
}

/**
 * cmd_explain() - sapi explain
 * @argc:	number of words
 * @argv:	words
 *
 * Return: the exit code.
 */
int cmd_explain(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c = getopt_long(argc, argv, "+h", longs, NULL);

	if (c == 'h') {
		fputs(help, stdout);
		return 0;
	}
	argc -= optind;
	argv += optind;
	if (c >= 0 || argc < 3 || argc > 4) {
		fputs(help, stderr);
		return EXIT_USAGE;
	}
	return explain(argv, argc == 4 ? argv[3] : NULL);
}
