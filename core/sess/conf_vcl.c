/* SPDX-License-Identifier: Apache-2.0 */
/* conf_vcl.c - the options of the vcl stanza, as stock VCL takes them */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/sess/conf_parse.h"

/*
 * Stock VCL compares the beginning of a line with each option in turn, and
 * what stands behind the value is not looked at.  So "huge_pages" is
 * "huge_page" and "rx-fifo-size4000" works; we take both, too.
 */
enum kind {
	FLAG,	 /* bool; there is on */
	SIZE64,	 /* bytes; stock takes no K, M, G */
	SIZE32,	 /* ... into 32 bits, at least a page */
	COUNT,	 /* uint32_t */
	ENGINE,	 /* ... that VPP takes as an index without a look */
	SECONDS, /* floating point, kept as milliseconds */
	PATH,	 /* char [CONF_PATH] */
	NAME,	 /* char [NAME_LEN] */
	DEAD,	 /* has a value and no effect here */
	DEAD_FLAG,
};

#define AT(member) offsetof(struct conf, member)

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
} vcl_key[] = {
	{ "heapsize", DEAD, 0 },
	{ "max-workers", DEAD, 0 },
	{ "app-socket-api", PATH, AT(vpp_socket) },
	{ "segment-size", SIZE64, AT(segment_size) },
	{ "add-segment-size", SIZE64, AT(add_segment_size) },
	{ "preallocated-fifo-pairs", COUNT, AT(prealloc_fifo_pairs) },
	{ "rx-fifo-size", SIZE32, AT(rx_fifo_size) },
	{ "tx-fifo-size", SIZE32, AT(tx_fifo_size) },
	{ "event-queue-size", COUNT, AT(event_queue_size) },
	{ "app-timeout", DEAD, 0 },
	{ "session-timeout", SECONDS, AT(session_timeout_ms) },
	{ "app-proxy-transport-tcp", FLAG, AT(proxy_tcp) },
	{ "app-proxy-transport-udp", FLAG, AT(proxy_udp) },
	{ "app-scope-local", FLAG, AT(scope_local) },
	{ "app-scope-global", FLAG, AT(scope_global) },
	{ "huge_page", FLAG, AT(huge_page) },
	{ "use-mq-eventfd", FLAG, AT(use_mq_eventfd) },
	{ "tls-engine", ENGINE, AT(tls_engine) },
	{ "multi-thread-workers", DEAD_FLAG, 0 },
	{ "app_original_dst", FLAG, AT(original_dst) },
	/* in builds with the binary API */
	{ "namespace-id", NAME, AT(namespace_id) },
	{ "namespace-secret", DEAD, 0 },
	{ "api-socket-name", DEAD, 0 },
	{ "uid", DEAD, 0 },
	{ "gid", DEAD, 0 },
	/* in files that people still have */
	{ "vpp-api-q-length", DEAD, 0 },
	{ "api-prefix", DEAD, 0 },
	{ "segment-baseva", DEAD, 0 },
	{ "listen-queue-size", DEAD, 0 },
	{ "accept-timeout", DEAD, 0 },
	{ "event_log_path", DEAD, 0 },
};

/* Decimal or 0x, then K, M or G, then whatever: stock ignores the rest. */
static int vcl_size(struct conf_input *in, const char *name, const char *s,
		    uint64_t max, uint64_t *value)
{
	bool suffix;
	int ret = conf_size(s, max, value, &suffix);

	if (ret == 0 && suffix)
		log_warn("%s:%u: %s %s is taken as %llu bytes; stock VCL "
			 "knows no K, M or G here",
			 in->file, in->line, name, s,
			 (unsigned long long)*value);
	return ret == 0 && !*value ? -ERANGE : ret;
}

static int vcl_seconds(const char *s, uint32_t *ms)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || !(v >= 0))
		return -EINVAL;
	if (v > 4e6)
		return -ERANGE;
	*ms = (uint32_t)(v * 1000);
	return 0;
}

/* A word that is cut off would name something else: refuse it. */
static int vcl_word(const char *s, char *dst, size_t size)
{
	if (strlen(s) >= size)
		return -ENAMETOOLONG;
	strcpy(dst, s);
	return 0;
}

static int vcl_set(struct conf_input *in, unsigned key, const char *s)
{
	char *member = (char *)in->conf + vcl_key[key].at;
	const char *name = vcl_key[key].name, *end;
	uint64_t v = 0;
	int ret = 0;

	switch (vcl_key[key].kind) {
	case SIZE64:
		ret = vcl_size(in, name, s, UINT64_MAX, &v);
		if (ret == 0)
			*(uint64_t *)(void *)member = v;
		return ret;
	case SIZE32:
		ret = vcl_size(in, name, s, 1u << 31, &v);
		if (ret == 0)
			*(uint32_t *)(void *)member =
				(uint32_t)MAX(v, (uint64_t)4096);
		return ret;
	case COUNT:
	case ENGINE:
		ret = conf_number(s,
				  vcl_key[key].kind == ENGINE ? CONF_ENGINE_MAX
							      : UINT32_MAX,
				  &v, &end);
		if (ret == 0)
			*(uint32_t *)(void *)member = (uint32_t)v;
		return ret;
	case SECONDS:
		return vcl_seconds(s, (uint32_t *)(void *)member);
	case PATH:
		return vcl_word(s, member, CONF_PATH);
	case NAME:
		return vcl_word(s, member, NAME_LEN);
	case FLAG:
		*(bool *)(void *)member = true;
		return 0;
	case DEAD:
	case DEAD_FLAG:
		return 0;
	}
	return -EINVAL;
}

/* The option that @word begins with: VCL's order decides, as there. */
static int vcl_find(const char *word, const char **rest)
{
	unsigned i;
	size_t len;

	for (i = 0; i < ARRAY_SIZE(vcl_key); i++) {
		len = strlen(vcl_key[i].name);
		if (strncmp(word, vcl_key[i].name, len))
			continue;
		*rest = word + len;
		return (int)i;
	}
	return -ENOENT;
}

/**
 * conf_vcl_option() - One option and its value
 * @in:		where we are
 * @word:	the words from the option's name on
 * @n:		how many, at least one
 *
 * Return: the words that belong to it.  A wrong one is complained about, and
 * takes all.
 */
unsigned conf_vcl_option(struct conf_input *in, char **word, unsigned n)
{
	const char *value = NULL;
	unsigned used = 1;
	int key, ret;

	key = vcl_find(word[0], &value);
	if (key < 0) {
		conf_wrong(in, "unknown option \"%s\" in vcl", word[0]);
		return n;
	}
	if (vcl_key[key].kind == FLAG || vcl_key[key].kind == DEAD_FLAG)
		return vcl_set(in, (unsigned)key, "") ? n : 1;
	if (!*value) {
		if (n < 2) {
			if (vcl_key[key].kind == DEAD)
				return 1;
			conf_wrong(in, "%s needs a value", vcl_key[key].name);
			return n;
		}
		value = word[1];
		used = 2;
	}
	ret = vcl_set(in, (unsigned)key, value);
	if (ret == 0)
		return used;
	conf_wrong(in, "%s \"%s\": %s", vcl_key[key].name, value,
		   ret == -ERANGE	  ? "out of range"
		   : ret == -ENAMETOOLONG ? "too long"
					  : "not a number");
	return n;
}
