/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - files and variables against what they must come to */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "core/base/log.h"
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

static void parse_right(struct conf *conf, const char *text)
{
	struct seen seen = { 0 };

	conf_init(conf);
	strcpy(conf->program, "nginx");
	strcpy(conf->app_name, "front");
	if (conf_parse(conf, "t", text, note, &seen))
		printf("# %s:%u: %s\n", seen.file[0], seen.line[0],
		       seen.what[0]);
	CHECK(seen.n == 0);
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

static const struct {
	const char *rules, *role, *addr, *local;
	enum conf_use use;
	unsigned line;
} table[] = {
	/* what holds without a file */
	{ "", "tcp_server", "0.0.0.0:80", NULL, CONF_AUTO, 0 },
	{ "", "tcp_client", "127.0.0.1:80", NULL, CONF_AUTO, 0 },
	{ "", "tcp_client", "127.0.0.1:53", NULL, CONF_OS, 0 },
	{ "", "tcp_server", "[::]:22", NULL, CONF_OS, 0 },
	{ "", "udp_connect", "10.0.0.1:80", NULL, CONF_OS, 0 },
	{ "", "udp_sender", "10.0.0.1:80", NULL, CONF_OS, 0 },
	{ "", "udp_receiver", "10.0.0.1:80", NULL, CONF_OS, 0 },
	/* a rule beats what holds without one */
	{ "use shm any *:*", "tcp_server", "0.0.0.0:22", NULL, CONF_SHM, 1 },
	{ "use vpp udp_* *:*", "udp_sender", "1.2.3.4:5", NULL, CONF_VPP, 1 },
	{ "use vpp tcp_* *:*", "udp_sender", "1.2.3.4:5", NULL, CONF_OS, 0 },
	{ "use vma tcp_server *:22", "tcp_server", "1.2.3.4:22", NULL,
	  CONF_AUTO, 1 },
	/* the first match wins */
	{ "use os tcp_client *:80\nuse shm tcp_client *:80", "tcp_client",
	  "1.2.3.4:80", NULL, CONF_OS, 1 },
	{ "use os tcp_server *:80\nuse shm tcp_client *:80", "tcp_client",
	  "1.2.3.4:80", NULL, CONF_SHM, 2 },
	{ "use os tcp_server,tcp_client *:80", "tcp_client", "1.2.3.4:80", NULL,
	  CONF_OS, 1 },
	/* ports */
	{ "use os tcp_client *:80-90", "tcp_client", "1.2.3.4:80", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client *:80-90", "tcp_client", "1.2.3.4:90", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client *:80-90", "tcp_client", "1.2.3.4:91", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_client *:80-90", "tcp_client", "1.2.3.4:79", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_client *:80,443,8000-8010", "tcp_client", "1.2.3.4:8005",
	  NULL, CONF_OS, 1 },
	{ "use os tcp_client *:80,443", "tcp_client", "1.2.3.4:81", NULL,
	  CONF_AUTO, 0 },
	/* prefixes */
	{ "use os tcp_client 10.0.0.0/8:*", "tcp_client", "10.255.0.1:1", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client 10.0.0.0/8:*", "tcp_client", "11.0.0.1:1", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_client 10.0.0.128/25:*", "tcp_client", "10.0.0.127:1",
	  NULL, CONF_AUTO, 0 },
	{ "use os tcp_client 10.0.0.128/25:*", "tcp_client", "10.0.0.129:1",
	  NULL, CONF_OS, 1 },
	{ "use os tcp_client 10.0.0.1:*", "tcp_client", "10.0.0.1:1", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client 10.0.0.1:*", "tcp_client", "10.0.0.2:1", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_client 0.0.0.0/0:*", "tcp_client", "10.0.0.2:1", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client 0.0.0.0/0:*", "tcp_client", "[::1]:1", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_client [fe80::]/10:*", "tcp_client", "[fe81::1]:1", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client [fe80::/10]:*", "tcp_client", "[fe81::1]:1", NULL,
	  CONF_OS, 1 },
	{ "use os tcp_client [fe80::]/10:*", "tcp_client", "[2001::1]:1", NULL,
	  CONF_AUTO, 0 },
	{ "use os tcp_server [::]:6379", "tcp_server", "[::]:6379", NULL,
	  CONF_OS, 1 },
	/* IPv4-mapped is IPv4 */
	{ "use os tcp_client 10.0.0.0/8:*", "tcp_client", "[::ffff:10.1.2.3]:1",
	  NULL, CONF_OS, 1 },
	{ "use os tcp_client [::]/0:*", "tcp_client", "[::ffff:10.1.2.3]:1",
	  NULL, CONF_AUTO, 0 },
	/* remote first, then local */
	{ "use os tcp_client 192.168.1.0/24:*:*:*", "tcp_client",
	  "192.168.1.7:9", NULL, CONF_OS, 1 },
	{ "use os tcp_client *:80:10.0.0.1:1000-2000", "tcp_client",
	  "1.2.3.4:80", "10.0.0.1:1500", CONF_OS, 1 },
	{ "use os tcp_client *:80:10.0.0.1:1000-2000", "tcp_client",
	  "1.2.3.4:80", "10.0.0.1:2500", CONF_AUTO, 0 },
	{ "use os tcp_client *:80:10.0.0.1:*", "tcp_client", "1.2.3.4:80", NULL,
	  CONF_AUTO, 0 },
	/* application-id holds for what follows it */
	{ "application-id redis* *\nuse os any *:*\n"
	  "application-id ng* *\nuse shm any *:*",
	  "tcp_client", "1.2.3.4:80", NULL, CONF_SHM, 4 },
	{ "application-id * back\nuse os any *:*\n"
	  "application-id * front\nuse shm any *:*",
	  "tcp_client", "1.2.3.4:80", NULL, CONF_SHM, 4 },
	{ "application-id * * uid=4294967290\nuse os any *:*", "tcp_client",
	  "1.2.3.4:80", NULL, CONF_AUTO, 0 },
	/* the default */
	{ "default os", "tcp_client", "1.2.3.4:80", NULL, CONF_OS, 0 },
	{ "default vpp", "tcp_client", "1.2.3.4:80", NULL, CONF_VPP, 0 },
	{ "sapi {\n default shm\n}\n", "tcp_client", "1.2.3.4:80", NULL,
	  CONF_SHM, 0 },
	{ "sapi { default os; use shm any *:80; }", "tcp_client", "1.2.3.4:80",
	  NULL, CONF_SHM, 1 },
};

TEST(rules_choose)
{
	struct conf_choice choice;
	struct conf conf;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		parse_right(&conf, table[i].rules);
		choice = choose(&conf, table[i].role, table[i].addr,
				table[i].local);
		if (choice.use != table[i].use || choice.line != table[i].line)
			printf("# %s | %s %s: %s by %s:%u\n", table[i].rules,
			       table[i].role, table[i].addr,
			       conf_use_name(choice.use), choice.file,
			       choice.line);
		CHECK(choice.use == table[i].use);
		CHECK(choice.line == table[i].line);
		CHECK(!strcmp(choice.file, choice.line ? "t" : "default"));
		conf_free(&conf);
	}
}

TEST(options_of_a_rule_beat_those_of_the_process)
{
	struct conf_choice c;
	struct conf conf;

	parse_right(&conf, "vcl {\n rx-fifo-size 8192\n app-scope-local\n}\n"
			   "sapi {\n spin-us 7\n"
			   "use shm any *:1 require no-hybrid spin-us=0 "
			   "fifo=4M scope=global\n"
			   "use vpp any *:2 hybrid scope=local scope=global\n"
			   "use vpp any *:3\n default require\n}\n");
	c = choose(&conf, "tcp_client", "1.2.3.4:1", NULL);
	CHECK(c.require && !c.hybrid && c.spin_us == 0);
	CHECK(c.fifo_size == 4u << 20 && c.global && !c.local);
	c = choose(&conf, "tcp_client", "1.2.3.4:2", NULL);
	CHECK(!c.require && c.hybrid && c.spin_us == 7);
	CHECK(c.fifo_size == 1u << 20 && c.global && c.local);
	c = choose(&conf, "tcp_client", "1.2.3.4:3", NULL);
	CHECK(!c.require && c.hybrid && c.local && !c.global);
	c = choose(&conf, "tcp_client", "1.2.3.4:4", NULL);
	CHECK(c.require && c.use == CONF_AUTO);
	/* what stays in the kernel by default is not required not to */
	c = choose(&conf, "tcp_client", "1.2.3.4:53", NULL);
	CHECK(!c.require && c.use == CONF_OS);
	conf_free(&conf);
}

TEST(no_address_matches_stars_only)
{
	struct sockaddr un = { .sa_family = AF_UNIX };
	struct conf_choice c;
	struct conf conf;

	parse_right(&conf, "use shm any 0.0.0.0/0:*\nuse shm any *:0-65535\n"
			   "use vpp any *:*\n");
	conf_choose(&conf, CONF_UDP_SENDER, NULL, NULL, &c);
	CHECK(c.use == CONF_VPP && c.line == 3);
	conf_choose(&conf, CONF_UDP_SENDER, &un, NULL, &c);
	CHECK(c.use == CONF_VPP && c.line == 3);
	conf_free(&conf);
}

TEST(each_vcl_option_is_taken)
{
	struct conf conf;

	parse_right(&conf,
		    "vcl {\n heapsize 256M\n max-workers 16\n"
		    " app-socket-api /run/vpp/app_ns_sockets/default\n"
		    " segment-size 268435457\n add-segment-size 0x8000000\n"
		    " preallocated-fifo-pairs 9\n rx-fifo-size 4000000\n"
		    " tx-fifo-size 0x3D0900\n event-queue-size 40000\n"
		    " app-timeout 600.0\n session-timeout 60.5\n"
		    " app-proxy-transport-tcp\n app-proxy-transport-udp\n"
		    " app-scope-local\n app-scope-global\n huge_page\n"
		    " use-mq-eventfd\n tls-engine 1\n multi-thread-workers\n"
		    " app_original_dst\n namespace-id blue\n"
		    " namespace-secret 17\n api-socket-name /x\n uid 0\n"
		    " gid 0\n vpp-api-q-length 3\n api-prefix x\n"
		    " segment-baseva 0x200000000\n listen-queue-size 5\n"
		    " accept-timeout 2.0\n}\n");
	CHECK(!strcmp(conf.vpp_socket, "/run/vpp/app_ns_sockets/default"));
	CHECK(!strcmp(conf.namespace_id, "blue"));
	CHECK(conf.segment_size == 268435457);
	CHECK(conf.add_segment_size == 0x8000000);
	CHECK(conf.rx_fifo_size == 4000000 && conf.tx_fifo_size == 4000000);
	CHECK(conf.event_queue_size == 40000);
	CHECK(conf.prealloc_fifo_pairs == 9);
	CHECK(conf.session_timeout_ms == 60500 && conf.tls_engine == 1);
	CHECK(conf.scope_local && conf.scope_global && conf.use_mq_eventfd);
	CHECK(conf.huge_page && conf.original_dst);
	CHECK(conf.proxy_tcp && conf.proxy_udp);
	conf_free(&conf);
}
