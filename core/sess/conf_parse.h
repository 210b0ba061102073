/* SPDX-License-Identifier: Apache-2.0 */
/* conf_parse.h - what the files of conf.c share; private to them */
#ifndef SESS_CONF_PARSE_H
#define SESS_CONF_PARSE_H

#include "core/sess/conf.h"

#define WORDS_MAX 64
#define LINE_LEN 1024
#define PORTS_MAX 8
#define NAME_LEN 64

#define TCP_ROLES (1u << CONF_TCP_SERVER | 1u << CONF_TCP_CLIENT)
#define UDP_ROLES                                          \
	(1u << CONF_UDP_SENDER | 1u << CONF_UDP_RECEIVER | \
	 1u << CONF_UDP_CONNECT)

#define UNIX_ROLES (1u << CONF_UNIX_SERVER | 1u << CONF_UNIX_CLIENT)
#define ANY_ROLES (TCP_ROLES | UDP_ROLES | UNIX_ROLES)

/* One end of a rule: an address prefix and ports. */
struct conf_match {
	int family; /* AF_INET, AF_INET6, or 0: any */
	unsigned bits;
	uint8_t addr[16];
	struct {
		uint16_t low, high;
	} port[PORTS_MAX];
	unsigned ports; /* 0: any */
};

/* `application-id`: which processes the rules after it are for */
struct conf_filter {
	char program[NAME_LEN], id[NAME_LEN]; /* globs; "" is no filter */
	bool has_uid;
	uint32_t uid;
	bool applies;
};

struct conf_rule {
	struct conf_rule *next;
	struct conf_filter filter;
	enum conf_use use;
	unsigned roles; /* bit 1 << enum conf_role */
	struct conf_match first, second;
	bool has_second;
	bool require, hybrid;
	bool has_spin, has_scope, local, global;
	uint32_t spin_us;
	uint32_t fifo_size; /* 0: as the process has it */
	struct conf_tls tls;
	const char *file;
	unsigned line;
};

/* What is being read, and where we are in it. */
struct conf_input {
	struct conf *conf;
	conf_complain *complain;
	void *arg;
	const char *file;
	unsigned line;
	unsigned depth; /* of include */
	unsigned files; /* so far; bounds files that include each other */
	int wrong;
	struct conf_filter filter;
	struct conf_rule **tail; /* where the next rule goes */
};

/* The words of a line, NUL-terminated; '{', '}' and ';' are words. */
struct conf_words {
	char text[2 * LINE_LEN];
	char *word[WORDS_MAX];
	unsigned n;
};

void conf_wrong(struct conf_input *in, const char *fmt, ...) PRINTF(2, 3);

/* A number, decimal or 0x, at most @max; *end is behind it. */
int conf_number(const char *s, uint64_t max, uint64_t *value,
		const char **end) MUST_CHECK;
/* ... with K, M or G behind it: *suffix tells whether there was one. */
int conf_size(const char *s, uint64_t max, uint64_t *value,
	      bool *suffix) MUST_CHECK;

/* conf_vcl.c: one option of the vcl stanza; how many words it took, at least
 * one */
unsigned conf_vcl_option(struct conf_input *in, char **word, unsigned n);

/* conf_rule.c: one statement of the sapi stanza's rules (`use`,
 * `application-id`); -ENOENT: it is none */
int conf_rule_statement(struct conf_input *in, char **word,
			unsigned n) MUST_CHECK;

/* NULL: there are not that many */
const struct conf_rule *conf_rule_at(const struct conf *conf, unsigned index);
const char *conf_role_name(enum conf_role role);

/* conf_stanza.c: read all of @text, a file's or a variable's */
void conf_text(struct conf_input *in, const char *text, bool rules_only);

/* conf_tls.c */
int conf_tls_option(const struct conf_input *in, const char *word,
		    struct conf_tls *tls) MUST_CHECK;
bool conf_tls_check(struct conf_input *in,
		    const struct conf_rule *rule) MUST_CHECK;
void conf_tls_free(struct conf_tls *tls);
void conf_tls_show(const struct conf_tls *tls, char *buf, size_t size);

#endif /* SESS_CONF_PARSE_H */
