/* SPDX-License-Identifier: Apache-2.0 */
/* conf_tls.c - what a rule says of TLS */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sess/conf_parse.h"
#include "core/wire/crypto.h"

/*
 * DOC: a rule that says tls and is wrong
 *
 * A wrong line is skipped, and what it was about is then another rule's, or
 * the kernel's.  Of a line that says tls that would be plain text where
 * somebody wanted none, for a slip of the pen.  So such a rule is complained
 * about and stays, marked wrong, and what it is about fails.
 */

static const struct {
	const char *name;
	enum wire_engine engine;
} engine_name[] = {
	{ "openssl", WIRE_ENGINE_OPENSSL },
	{ "picotls", WIRE_ENGINE_PICOTLS },
	{ "mbedtls", WIRE_ENGINE_MBEDTLS },
	{ "vpp", WIRE_ENGINE_VPP },
};

/* VPP uses the number as an index and does not look whether it is one. */
static int engine_of(const char *word, struct conf_tls *tls)
{
	const char *end;
	uint64_t v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(engine_name); i++)
		if (!strcmp(word, engine_name[i].name)) {
			tls->engine = engine_name[i].engine;
			return 0;
		}
	if (conf_number(word, CONF_ENGINE_MAX, &v, &end) < 0 || *end || !v)
		return -EINVAL;
	tls->engine = (uint8_t)v;
	tls->engine_as_is = true;
	return 0;
}

static const char *engine_text(const struct conf_tls *tls)
{
	static const char digit[][2] = { "0", "1", "2", "3", "4" };
	size_t i;

	for (i = 0; !tls->engine_as_is && i < ARRAY_SIZE(engine_name); i++)
		if (engine_name[i].engine == tls->engine)
			return engine_name[i].name;
	return digit[MIN(tls->engine, (uint8_t)CONF_ENGINE_MAX)];
}

/* The last word counts, as with other options. */
static int take(char **to, char *from)
{
	if (!from)
		return -ENOMEM;
	free(*to);
	*to = from;
	return 0;
}

/* As with include: relative to the folder of the file that says so. */
static char *path_of(const struct conf_input *in, const char *path)
{
	const char *slash = strrchr(in->file, '/');
	char *full;

	if (*path == '/' || !slash)
		return strdup(path);
	return asprintf(&full, "%.*s/%s", (int)(slash - in->file), in->file,
			path) < 0
		       ? NULL
		       : full;
}

/**
 * conf_tls_option() - One option of a rule
 * @in:		where we are
 * @word:	of the rule
 * @tls:	changed
 *
 * Return: 0, -ENOENT if it is of something else, -EINVAL if it is wrong.
 */
int conf_tls_option(const struct conf_input *in, const char *word,
		    struct conf_tls *tls)
{
	const char *value = strchr(word, '=');

	if (strncmp(word, "tls", 3))
		return -ENOENT;
	tls->meant = true;
	if (!strcmp(word, "tls")) {
		tls->on = true;
		return 0;
	}
	if (!strcmp(word, "tls-verify")) {
		tls->verify = true;
		return 0;
	}
	if (!value || !*++value)
		return -EINVAL;
	if (!strncmp(word, "tls-cert=", 9))
		return take(&tls->cert, path_of(in, value));
	if (!strncmp(word, "tls-key=", 8))
		return take(&tls->key, path_of(in, value));
	if (!strncmp(word, "tls-engine=", 11))
		return engine_of(value, tls);
	if (!strncmp(word, "tls-host=", 9) && strlen(value) < WIRE_HOSTNAME_LEN)
		return take(&tls->host, strdup(value));
	return -EINVAL;
}

/**
 * conf_tls_check() - Does what the options say go together?
 * @in:		whom to complain to
 * @rule:	with all its options
 *
 * Return: false if not.
 */
bool conf_tls_check(struct conf_input *in, const struct conf_rule *rule)
{
	const struct conf_tls *tls = &rule->tls;
	const char *what = NULL;

	if (!tls->meant)
		return true;
	if (!tls->on)
		what = "options for tls without tls";
	else if (rule->use != CONF_VPP)
		what = "tls is for vpp";
	else if (rule->roles & (UDP_ROLES | UNIX_ROLES))
		what = "tls is for tcp_*";
	else if (!tls->cert != !tls->key)
		what = "tls-cert and tls-key go together";
	else if (rule->roles & 1u << CONF_TCP_SERVER && !tls->cert)
		what = "tls for tcp_server wants tls-cert and tls-key";
	else if (tls->host && !(rule->roles & 1u << CONF_TCP_CLIENT))
		what = "tls-host is for tcp_client";
	if (what)
		conf_wrong(in, "use: %s", what);
	return !what;
}

/**
 * conf_tls_free() - Free what conf_tls_option() allocated
 */
void conf_tls_free(struct conf_tls *tls)
{
	free(tls->cert);
	free(tls->key);
	free(tls->host);
}

/**
 * conf_tls_show() - As text, with a blank behind each word
 * @tls:	what a rule says
 * @buf:	filled, cut off if need be
 * @size:	of @buf
 */
void conf_tls_show(const struct conf_tls *tls, char *buf, size_t size)
{
	*buf = '\0';
	if (!tls->meant)
		return;
	snprintf(buf, size, "%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s",
		 tls->wrong ? "(wrong, so nothing works) " : "",
		 tls->on ? "tls " : "", tls->cert ? "tls-cert=" : "",
		 tls->cert ? tls->cert : "", tls->cert ? " " : "",
		 tls->key ? "tls-key=" : "", tls->key ? tls->key : "",
		 tls->key ? " " : "", tls->engine ? "tls-engine=" : "",
		 tls->engine ? engine_text(tls) : "", tls->engine ? " " : "",
		 tls->host ? "tls-host=" : "", tls->host ? tls->host : "",
		 tls->host ? " " : "", tls->verify ? "tls-verify " : "");
}
