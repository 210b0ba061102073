/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - lines of a file against what they must come to */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>

#include "core/base/log.h"
#include "tests/unit/conf_help.h"

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

TEST(io_uring_is_refused_but_for_a_program_that_a_line_is_for)
{
	struct conf conf;

	parse_right(&conf, "");
	CHECK(!conf.io_uring);
	conf_free(&conf);
	parse_right(&conf, "sapi { io-uring pass }\n");
	CHECK(conf.io_uring);
	conf_free(&conf);
	parse_right(&conf, "sapi {\n application-id nobody *\n"
			   "io-uring pass\n}\n");
	CHECK(!conf.io_uring);
	conf_free(&conf);
}

typedef bool question(const struct conf *conf);

static bool says(question *asked, const char *text)
{
	struct seen seen = { 0 };
	struct conf conf;
	bool yes;

	conf_init(&conf);
	CHECK(!conf_parse(&conf, "t", text, note, &seen));
	yes = asked(&conf);
	conf_free(&conf);
	return yes;
}

static bool any_udp(const char *text)
{
	return says(conf_any_udp, text);
}

TEST(udp_sockets_are_looked_at_only_where_a_rule_may_want_them)
{
	CHECK(!any_udp("sapi { }"));
	CHECK(!any_udp("sapi { default shm }"));
	CHECK(!any_udp("sapi { use auto tcp_* *:* }"));
	CHECK(!any_udp("sapi { use shm udp_* *:*; use vpp udp_* *:* }"));
	CHECK(!any_udp("sapi { application-id nobody *\n use auto any *:* }"));
	CHECK(any_udp("sapi { use auto udp_* *:* }"));
	CHECK(any_udp("sapi { use auto any *:* }"));
	CHECK(any_udp("sapi { use os udp_* *:1; use auto udp_sender *:2 }"));
}

static bool kernel_first(const char *text)
{
	return says(conf_kernel_first, text);
}

TEST(the_kernel_connects_first_unless_a_rule_may_want_something_else)
{
	CHECK(kernel_first("sapi { }"));
	CHECK(kernel_first("sapi { default os; use auto tcp_client *:1 }"));
	CHECK(kernel_first(
		"sapi { use shm tcp_server *:*; use vpp udp_* *:* }"));
	CHECK(kernel_first(
		"sapi { application-id nobody *\n use shm any *:* }"));
	CHECK(!kernel_first("sapi { default shm }"));
	CHECK(!kernel_first("sapi { default require }"));
	CHECK(!kernel_first("sapi { use os any *:1; use shm tcp_* *:2 }"));
	CHECK(!kernel_first("sapi { use vpp tcp_client *:* tls }"));
	CHECK(!kernel_first("sapi { use auto tcp_client *:* require }"));
	CHECK(!kernel_first("vcl { app-socket-api /run/vpp }"));
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

/* What the log says while @text is read. */
static void logged(const char *text, char *buf, size_t size)
{
	struct conf conf;
	ssize_t len;
	int pipes[2];

	CHECK(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
	log_fd = pipes[1];
	log_level = LOG_WARN;
	parse_right(&conf, text);
	conf_free(&conf);
	log_level = LOG_NONE;
	len = read(pipes[0], buf, size - 1);
	buf[len > 0 ? len : 0] = '\0';
	close(pipes[0]);
	close(pipes[1]);
}

TEST(a_suffix_is_taken_and_warned_of)
{
	struct conf conf;
	char buf[600];

	parse_right(&conf, "vcl {\nrx-fifo-size 4M\ntx-fifo-size 64k\n"
			   "segment-size 1G\nadd-segment-size 0x10M\n}");
	CHECK(conf.rx_fifo_size == 4u << 20 && conf.tx_fifo_size == 65536);
	CHECK(conf.segment_size == 1u << 30);
	CHECK(conf.add_segment_size == 16u << 20);
	logged("vcl {\n\nrx-fifo-size 4M\n}", buf, sizeof(buf));
	CHECK(strstr(buf, "t:3: rx-fifo-size 4M is taken as 4194304 bytes"));
	/* where stock takes a suffix, and where it is ours, nothing is said */
	logged("vcl {\nheapsize 256M\nrx-fifo-size 4000 M\n}\n"
	       "sapi {\nfifo-size 1M\n}",
	       buf, sizeof(buf));
	CHECK(!*buf);
}

TEST(rules_of_the_environment_come_first)
{
	struct seen seen = { 0 };
	struct conf conf;

	parse_right(&conf, "use shm any *:80\nuse vpp any *:81");
	CHECK(conf_rules(&conf, "SAPI_RULES",
			 "use os any *:80; use auto any *:82;bad ;;\n"
			 "use os any *:83",
			 note, &seen) == 1);
	CHECK(seen.n == 1 && seen.line[0] == 1);
	CHECK(!strcmp(seen.file[0], "SAPI_RULES"));
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:80", NULL).use == CONF_OS);
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:81", NULL).use == CONF_VPP);
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:83", NULL).line == 2);
	/* no stanza can be opened there */
	CHECK(conf_rules(&conf, "SAPI_RULES", "vcl { rx-fifo-size 8192 }", note,
			 &seen) > 0);
	CHECK(conf.rx_fifo_size == 1u << 20);
	conf_free(&conf);
}

TEST(rules_are_shown_as_they_are_written)
{
	static const char *const line[] = {
		"os tcp_client 10.0.0.0/8:80-90,443 require spin-us=3",
		"shm any [fe80::]/10:*:10.0.0.1:5 no-hybrid fifo=65536",
		"vpp udp_sender,udp_connect *:* scope=local scope=global",
	};
	char text[512], buf[2400];
	struct conf_rule_text t;
	struct conf conf;
	unsigned i;

	snprintf(text, sizeof(text),
		 "application-id n* * uid=7\nuse %s\nuse %s\nuse %s", line[0],
		 line[1], line[2]);
	parse_right(&conf, text);
	for (i = 0; i < 3; i++) {
		CHECK(conf_rule_text(&conf, i, &t));
		snprintf(buf, sizeof(buf), "%s %s %s %s", t.use, t.role,
			 t.match, t.options);
		CHECK(!strcmp(buf, line[i]));
		CHECK(t.line == i + 2 && !strcmp(t.filter, "n* * uid=7"));
		CHECK(t.applies == (geteuid() == 7));
	}
	CHECK(conf_rule_text(&conf, 3, &t) && !strcmp(t.file, "default"));
	CHECK(!strcmp(t.match, "*:53") && !strcmp(t.role, "any"));
	CHECK(conf_rule_text(&conf, 5, &t) && !strcmp(t.role, "udp_*"));
	CHECK(conf_rule_text(&conf, 6, &t) && !strcmp(t.role, "unix_*"));
	CHECK(!conf_rule_text(&conf, 7, &t));
	conf_free(&conf);
}

static const char *const word[] = {
	"vcl",
	"sapi",
	"{",
	"}",
	";",
	"\n",
	"\n",
	"use",
	"os",
	"auto",
	"tcp_client",
	"any",
	"*:80",
	"[::]:1-2",
	"10.0.0.0/8:*:*:9",
	"application-id",
	"uid=root",
	"rx-fifo-size",
	"4M",
	"0x",
	"heapsize",
	"default",
	"spin-us=3",
	"fifo=",
	"#",
	"include",
	"/dev/null",
	",",
	":",
	"[",
	"/",
	"-",
	"99999999999999999999",
	"session-timeout",
	"nan",
	"app-socket-api",
	"vpp-release",
	"26.06",
	"\t",
	"scope=local",
	"::",
	"]",
	"use-mq-eventfd",
};

/* Words of the grammar and noise, in any order: nothing may crash, and every
 * wrong line has a number that exists. */
static size_t noise(char *text, size_t size, unsigned *seed)
{
	size_t len = 0, i, pick;

	while (len + 32 < size && rand_r(seed) % 200) {
		if (rand_r(seed) % 4 == 0) {
			text[len++] = (char)(1 + rand_r(seed) % 255);
			continue;
		}
		pick = (size_t)rand_r(seed) % ARRAY_SIZE(word);
		for (i = 0; word[pick][i]; i++)
			text[len++] = word[pick][i];
		if (rand_r(seed) % 3)
			text[len++] = ' ';
	}
	text[len] = '\0';
	return len;
}

TEST(random_text_is_no_danger)
{
	unsigned first = (unsigned)time(NULL), seed, i, j, lines;
	struct conf_choice choice;
	struct conf_rule_text t;
	struct seen seen;
	struct conf conf;
	char *text;
	int wrong;

	printf("# seed %u\n", first);
	for (i = 0; i < 3000; i++) {
		seed = first + i;
		text = malloc(4096);
		CHECK(text);
		text = realloc(text, noise(text, 4096, &seed) + 1);
		CHECK(text);
		for (lines = 1, j = 0; text[j]; j++)
			lines += text[j] == '\n';
		memset(&seen, 0, sizeof(seen));
		conf_init(&conf);
		wrong = conf_parse(&conf, "t", text, note, &seen);
		wrong += conf_rules(&conf, "r", text, note, &seen);
		CHECK(wrong >= (int)seen.n);
		for (j = 0; j < seen.n; j++)
			CHECK(seen.line[j] >= 1 && seen.line[j] <= lines);
		CHECK(conf.rx_fifo_size >= 4096 && conf.segment_size > 0);
		choice = choose(&conf, "tcp_client", "10.1.2.3:80", NULL);
		CHECK(choice.use <= CONF_OS);
		for (j = 0; conf_rule_text(&conf, j, &t); j++)
			CHECK(strlen(t.match) > 2);
		conf_free(&conf);
		free(text);
	}
}

TEST(long_lines_are_refused)
{
	struct seen seen = { 0 };
	static char text[1 << 16];
	struct conf conf;
	size_t i;

	memset(text, 'x', sizeof(text) - 1);
	text[0] = '\n';
	conf_init(&conf);
	CHECK(conf_parse(&conf, "t", text, note, &seen) == 1);
	CHECK(seen.line[0] == 2);
	for (i = 1; i < 200; i++)
		text[i] = i % 2 ? ' ' : 'y';
	text[i] = '\0';
	CHECK(conf_parse(&conf, "t", text, note, &seen) == 1);
	CHECK(conf_rules(
		      &conf, "t",
		      "application-id "
		      "nginx-with-a-name-that-is-much-too-long-to-be-kept-in-"
		      "sixty-four-bytes *",
		      note, &seen) == 1);
	text[0] = '\0';
	snprintf(text, sizeof(text), "daemon /%0200d", 7);
	CHECK(conf_parse(&conf, "t", text, note, &seen) == 1);
	CHECK(!conf.shm_socket[0]);
}
