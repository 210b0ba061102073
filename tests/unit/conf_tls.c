/* SPDX-License-Identifier: Apache-2.0 */
/* conf_tls.c - rules that say tls: right ones, and wrong ones that still hold
 */
#include "core/wire/crypto.h"
#include "tests/unit/conf_help.h"

static struct conf conf;
static struct seen seen;

static struct conf_choice rule(const char *text, const char *role,
			       const char *addr)
{
	memset(&seen, 0, sizeof(seen));
	conf_init(&conf);
	CHECK(conf_parse(&conf, "/etc/sapi/t.conf", text, note, &seen) ==
	      (int)seen.n);
	return choose(&conf, role, addr, NULL);
}

static bool is(const char *a, const char *b)
{
	return a && !strcmp(a, b);
}

TEST(every_option_is_taken)
{
	struct conf_choice c;

	c = rule("use vpp tcp_* *:443 tls tls-cert=/etc/c.pem tls-key=/etc/k "
		 "tls-engine=picotls tls-host=example.org tls-verify spin-us=3",
		 "tcp_server", "1.2.3.4:443");
	CHECK(!seen.n && conf.tls && c.tls && c.tls->on && !c.tls->wrong);
	CHECK(is(c.tls->cert, "/etc/c.pem") && is(c.tls->key, "/etc/k"));
	CHECK(is(c.tls->host, "example.org") && c.tls->verify);
	CHECK(c.tls->engine == WIRE_ENGINE_PICOTLS && !c.tls->engine_as_is);
	CHECK(c.spin_us == 3 && c.use == CONF_VPP);
	/* never by the kernel */
	CHECK(c.require && !c.hybrid);
	c = choose(&conf, "tcp_server", "1.2.3.4:80", NULL);
	CHECK(!c.tls && !c.require && c.hybrid);
	conf_free(&conf);
}

TEST(a_client_needs_no_certificate)
{
	struct conf_choice c = rule("use vpp tcp_client *:443 tls",
				    "tcp_client", "1.2.3.4:443");

	CHECK(!seen.n && c.tls && !c.tls->wrong && !c.tls->cert && c.require);
	CHECK(!c.tls->engine && !c.tls->verify && !c.tls->host);
	conf_free(&conf);
}

TEST(files_are_where_the_rule_is)
{
	struct conf_choice c = rule("use vpp tcp_server *:1 tls tls-cert=c "
				    "tls-key=tls/k tls-key=d/k",
				    "tcp_server", "1.2.3.4:1");

	CHECK(!seen.n && is(c.tls->cert, "/etc/sapi/c"));
	CHECK(is(c.tls->key, "/etc/sapi/d/k")); /* the last one counts */
	conf_free(&conf);
}

TEST(an_engine_may_be_a_number)
{
	struct conf_choice c = rule("use vpp tcp_client *:1 tls tls-engine=4",
				    "tcp_client", "1.2.3.4:1");

	CHECK(!seen.n && c.tls->engine == 4 && c.tls->engine_as_is);
	conf_free(&conf);
	c = rule("use vpp tcp_client *:1 tls tls-engine=mbedtls", "tcp_client",
		 "1.2.3.4:1");
	CHECK(!seen.n && c.tls->engine == WIRE_ENGINE_MBEDTLS);
	CHECK(!c.tls->engine_as_is);
	conf_free(&conf);
}

static const struct {
	const char *rule, *what;
} wrong[] = {
	{ "vpp tcp_server *:1 tls", "wants tls-cert" },
	{ "vpp tcp_* *:1 tls", "wants tls-cert" },
	{ "vpp tcp_server *:1 tls tls-cert=c", "go together" },
	{ "vpp tcp_client *:1 tls tls-key=k", "go together" },
	{ "vpp tcp_server *:1 tls-cert=c tls-key=k", "without tls" },
	{ "vpp tcp_client *:1 tls tls-cert= tls-key=k", "tls-cert=" },
	{ "vpp tcp_client *:1 tls tls-crt=c", "tls-crt=c" },
	{ "vpp tcp_client *:1 tls quickly", "quickly" },
	{ "vpp tcp_client *:1 quickly tls", "quickly" },
	{ "vpp tcp_client *:1 tlsv1", "tlsv1" },
	{ "vpp any *:1 tls", "tcp_*" },
	{ "os tcp_client *:1 tls", "for vpp" },
	{ "auto tcp_client *:1 tls", "for vpp" },
	{ "vpp tcp_client *:1 tls tls-engine=gnutls", "gnutls" },
	{ "vpp tcp_client *:1 tls tls-engine=0", "tls-engine=0" },
	{ "vpp tcp_client *:1 tls tls-engine=5", "tls-engine=5" },
	{ "vpp tcp_server *:1 tls tls-cert=c tls-key=k tls-host=h",
	  "tcp_client" },
};

/* Told with file and line, once; and what it is about is not let go in plain
 * text by the next rule, or by none. */
TEST(a_wrong_rule_is_told_and_holds)
{
	char text[256];
	struct conf_choice c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		snprintf(text, sizeof(text), "\nuse %s\nuse os any *:*",
			 wrong[i].rule);
		c = rule(text,
			 strstr(text, "tcp_server") ? "tcp_server"
						    : "tcp_client",
			 "1.2.3.4:1");
		if (seen.n != 1 || !strstr(seen.what[0], wrong[i].what))
			printf("# %s: %s\n", text, seen.what[0]);
		CHECK(seen.n == 1 && strstr(seen.what[0], wrong[i].what));
		CHECK(seen.line[0] == 2 &&
		      is(seen.file[0], "/etc/sapi/t.conf"));
		CHECK(conf.tls && c.tls && c.tls->on && c.tls->wrong);
		CHECK(c.use == CONF_VPP && c.require && !c.hybrid);
		conf_free(&conf);
	}
}

/* ... but what no address can be read of is about nothing. */
TEST(a_wrong_address_is_nobodys)
{
	struct conf_choice c = rule("use vpp tcp_client here:1 tls",
				    "tcp_client", "1.2.3.4:1");

	CHECK(seen.n == 1 && !c.tls && !conf.tls);
	conf_free(&conf);
}

TEST(a_rule_of_another_program_is_not_ours)
{
	struct conf_choice c = rule("application-id no-such *\n"
				    "use vpp tcp_client *:1 tls",
				    "tcp_client", "1.2.3.4:1");

	CHECK(!seen.n && !c.tls && !conf.tls);
	conf_free(&conf);
}

TEST(shown_as_written)
{
	static const char options[] =
		"tls tls-cert=/c tls-key=/k tls-engine=openssl "
		"tls-host=example.org tls-verify spin-us=3";
	struct conf_rule_text t;
	char text[256];

	snprintf(text, sizeof(text), "use vpp tcp_* *:1 %s", options);
	rule(text, "tcp_client", "1.2.3.4:1");
	CHECK(!seen.n && conf_rule_text(&conf, 0, &t));
	CHECK(is(t.options, options));
	conf_free(&conf);
	rule("use vpp tcp_server *:1 tls require", "tcp_server", "1.2.3.4:1");
	CHECK(conf_rule_text(&conf, 0, &t));
	CHECK(is(t.options, "(wrong, so nothing works) tls require"));
	conf_free(&conf);
}

static void load(const char *vcl_default)
{
	memset(&seen, 0, sizeof(seen));
	clearenv();
	setenv("SAPI_CONFIG", "/no/such/file", 1);
	setenv("LDP_TRANSPARENT_TLS", "1", 1);
	if (vcl_default)
		setenv("SAPI_DEFAULT", vcl_default, 1);
}

TEST(vcl_makes_everything_tls)
{
	struct conf_choice c;

	load(NULL);
	setenv("LDP_TLS_CERT_FILE", "/c", 1);
	setenv("LDP_TLS_KEY_FILE", "/k", 1);
	setenv("SAPI_RULES", "use os tcp_client *:80", 1);
	conf_init(&conf);
	CHECK(!conf_load(&conf, NULL, note, &seen));
	c = choose(&conf, "tcp_server", "1.2.3.4:1", NULL);
	CHECK(c.tls && !c.tls->wrong && is(c.tls->cert, "/c"));
	CHECK(is(c.tls->key, "/k") && c.require);
	c = choose(&conf, "tcp_client", "1.2.3.4:22", NULL);
	CHECK(c.tls && !c.tls->wrong);
	/* a rule of ours comes before it, UDP stays, and so it was */
	CHECK(choose(&conf, "tcp_client", "1.2.3.4:80", NULL).use == CONF_OS);
	CHECK(!choose(&conf, "udp_connect", "1.2.3.4:1", NULL).tls);
	conf_free(&conf);
}

TEST(vcl_without_a_certificate_is_a_client)
{
	struct conf_choice c;

	load(NULL);
	conf_init(&conf);
	CHECK(conf_load(&conf, NULL, note, &seen) == 1);
	CHECK(is(seen.file[0], "LDP_TRANSPARENT_TLS"));
	c = choose(&conf, "tcp_client", "1.2.3.4:1", NULL);
	CHECK(c.tls && !c.tls->wrong);
	c = choose(&conf, "tcp_server", "1.2.3.4:1", NULL);
	CHECK(c.tls && c.tls->wrong);
	conf_free(&conf);
}

TEST(another_default_says_otherwise)
{
	load("os");
	conf_init(&conf);
	CHECK(!conf_load(&conf, NULL, note, &seen));
	CHECK(!conf.tls && !choose(&conf, "tcp_client", "1.2.3.4:1", NULL).tls);
	conf_free(&conf);
}
