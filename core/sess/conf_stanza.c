/* SPDX-License-Identifier: Apache-2.0 */
/* conf_stanza.c - lines, words, stanzas, include, and the sapi stanza's keys */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sess/conf_parse.h"

/*
 * DOC: one file for stock VCL and for us
 *
 * Stock VCL reads from the line "vcl {" to the first line "}".  It drops the
 * rest of the "vcl {" line, we take it, so that a file of one line works.
 * Words matter here, not columns: a stanza's "{" and "}" may stand anywhere.
 * Within vcl a line is one option and the rest of the line is ignored as in
 * VCL, except a "}" (and but for the line with "vcl {", where every word
 * counts).  Within sapi a line, or what is between two ';', is one statement.
 * Outside of any stanza we take what a libvma.conf may say.
 */

#define DEPTH_MAX 4
#define FILES_MAX 32

enum stanza { OUTSIDE, VCL, SAPI };

/**
 * conf_wrong() - Complain about the current line
 * @in:		where we are
 * @fmt:	what is wrong with it
 */
void conf_wrong(struct conf_input *in, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	in->wrong++;
	if (!in->complain)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	in->complain(in->arg, in->file, in->line, what);
}

/**
 * conf_number() - Read a number, decimal or hexadecimal with 0x
 * @s:		text; leading zeros do not make it octal
 * @max:	the largest that is right
 * @value:	set on success
 * @end:	behind the last digit
 *
 * Return: 0, -EINVAL (no digit) or -ERANGE.
 */
int conf_number(const char *s, uint64_t max, uint64_t *value, const char **end)
{
	unsigned base = 10, digit;
	const char *from;
	uint64_t v = 0;
	bool over = false;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
		base = 16;
		s += 2;
	}
	for (from = s;; s++) {
		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (base == 16 && (*s | 32) >= 'a' && (*s | 32) <= 'f')
			digit = (unsigned)((*s | 32) - 'a' + 10);
		else
			break;
		if (v > (UINT64_MAX - digit) / base)
			over = true;
		else
			v = v * base + digit;
	}
	*end = s;
	if (s == from)
		return -EINVAL;
	if (over || v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

/**
 * conf_size() - Read bytes, with K, M or G (also KB, KiB) behind the number
 * @s:		text; anything else behind the number is ignored
 * @max:	the largest that is right
 * @value:	set on success
 * @suffix:	whether there was a K, M or G
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int conf_size(const char *s, uint64_t max, uint64_t *value, bool *suffix)
{
	const char *end;
	unsigned shift;
	uint64_t v;
	int ret = conf_number(s, max, &v, &end);

	if (ret < 0)
		return ret;
	shift = (*end | 32) == 'k' ? 10 : (*end | 32) == 'm' ? 20 : 0;
	if ((*end | 32) == 'g')
		shift = 30;
	if (shift) {
		end++;
		end += *end == 'i';
		end += *end == 'B' || *end == 'b';
		if (*end)
			shift = 0;
	}
	*suffix = shift != 0;
	if (v > max >> shift)
		return -ERANGE;
	*value = v << shift;
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static int add_word(struct conf_words *w, char **to, const char *s, size_t len)
{
	if (w->n == WORDS_MAX)
		return -E2BIG;
	w->word[w->n++] = *to;
	memcpy(*to, s, len);
	(*to)[len] = '\0';
	*to += len + 1;
	return 0;
}

/* Cut a line into words; a '#' that begins a word begins a comment.  Each
 * word costs its length and a NUL: @text of twice LINE_LEN holds any. */
static int cut_line(const char *s, const char *eol, struct conf_words *w)
{
	char *to = w->text;
	const char *from;
	int ret = 0;

	w->n = 0;
	while (ret == 0) {
		while (s < eol && is_blank(*s))
			s++;
		if (s == eol || *s == '#')
			return 0;
		if (eol - s >= LINE_LEN)
			return -E2BIG;
		from = s;
		if (strchr("{};", *s))
			s++;
		else
			while (s < eol && !is_blank(*s) && !strchr("{};", *s))
				s++;
		ret = add_word(w, &to, from, (size_t)(s - from));
	}
	return ret;
}

static void include(struct conf_input *in, const char *path)
{
	const char *slash = strrchr(in->file, '/');
	struct conf_input sub = *in;
	char full[512];
	char *text;
	int ret;

	if (*path == '/' || !slash)
		ret = snprintf(full, sizeof(full), "%s", path);
	else
		ret = snprintf(full, sizeof(full), "%.*s/%s",
			       (int)(slash - in->file), in->file, path);
	if (ret < 0 || (size_t)ret >= sizeof(full)) {
		conf_wrong(in, "include: the path is too long");
		return;
	}
	if (in->depth >= DEPTH_MAX || in->files >= FILES_MAX) {
		conf_wrong(in, "include %s: too many files", path);
		return;
	}
	ret = conf_slurp(full, &text);
	if (ret < 0) {
		conf_wrong(in, "include %s: %s", path, strerror(-ret));
		return;
	}
	sub.file = full;
	sub.depth++;
	sub.files++;
	conf_text(&sub, text, false);
	free(text);
	in->wrong = sub.wrong;
	in->files = sub.files;
	in->tail = sub.tail;
}

static int set_default(struct conf *conf, const char *word)
{
	static const struct {
		const char *name;
		enum conf_use use;
		bool require;
	} def[] = {
		{ "auto", CONF_AUTO, false },	{ "os", CONF_OS, false },
		{ "shm", CONF_SHM, false },	{ "vpp", CONF_VPP, false },
		{ "require", CONF_AUTO, true },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(def); i++) {
		if (strcmp(word, def[i].name))
			continue;
		conf->use = def[i].use;
		conf->require = def[i].require;
		return 0;
	}
	return -EINVAL;
}

static int set_path(struct conf *conf, const char *word)
{
	if (strlen(word) >= sizeof(conf->shm_socket))
		return -ENAMETOOLONG;
	strcpy(conf->shm_socket, word);
	return 0;
}

int conf_release(const char *word, uint32_t *release, const char **end)
{
	uint64_t year, month;

	if (conf_number(word, 99, &year, end) < 0 || *(*end)++ != '.' ||
	    conf_number(*end, 12, &month, end) < 0 || !month)
		return -EINVAL;
	*release = (uint32_t)(year * 100 + month);
	return 0;
}

static int set_release(struct conf *conf, const char *word)
{
	const char *end;

	if (!strcmp(word, "auto")) {
		conf->vpp_release = 0;
		return 0;
	}
	return conf_release(word, &conf->vpp_release, &end) || *end ? -EINVAL
								    : 0;
}

/* Digits and nothing else. */
static int whole_number(const char *word, uint32_t max, uint32_t *value)
{
	uint64_t v;
	const char *end;
	int ret = conf_number(word, max, &v, &end);

	if (*end)
		return -EINVAL;
	if (ret == 0)
		*value = (uint32_t)v;
	return ret;
}

static int set_spin(struct conf *conf, const char *word)
{
	return whole_number(word, 1000000, &conf->spin_us);
}

static int set_upgrade(struct conf *conf, const char *word)
{
	return whole_number(word, 1000000, &conf->upgrade_turns);
}

static int set_upgrade_bytes(struct conf *conf, const char *word)
{
	bool suffix;
	uint64_t v;
	int ret = conf_size(word, UINT32_MAX, &v, &suffix);

	if (ret == 0)
		conf->upgrade_bytes = (uint32_t)v;
	return ret;
}

static int set_stats(struct conf *conf, const char *word)
{
	if (strcmp(word, "on") && strcmp(word, "off"))
		return -EINVAL;
	conf->stats = !strcmp(word, "on");
	return 0;
}

static int set_fifo(struct conf *conf, const char *word)
{
	bool suffix;
	uint64_t v;
	int ret = conf_size(word, 1u << 30, &v, &suffix);

	if (ret == 0)
		conf->fifo_size = (uint32_t)(v ? MAX(v, (uint64_t)4096) : 0);
	return ret;
}

static const struct {
	const char *name;
	int (*set)(struct conf *conf, const char *word);
} sapi_key[] = {
	{ "daemon", set_path },
	{ "vpp-release", set_release },
	{ "default", set_default },
	{ "spin-us", set_spin },
	{ "stats", set_stats },
	{ "fifo-size", set_fifo },
	{ "upgrade-after", set_upgrade },
	{ "upgrade-bytes", set_upgrade_bytes },
};

/* For the programs of the application-id before it. */
static void set_io_uring(struct conf_input *in, char **word, unsigned n)
{
	if (n != 2 || (strcmp(word[1], "pass") && strcmp(word[1], "refuse")))
		conf_wrong(in, "io-uring takes pass or refuse");
	else if (in->filter.applies)
		in->conf->io_uring = !strcmp(word[1], "pass");
}

static void sapi_statement(struct conf_input *in, char **word, unsigned n)
{
	size_t i;

	if (conf_rule_statement(in, word, n) != -ENOENT)
		return;
	if (!strcmp(word[0], "include")) {
		if (n == 2)
			include(in, word[1]);
		else
			conf_wrong(in, "include takes one file");
		return;
	}
	if (!strcmp(word[0], "io-uring")) {
		set_io_uring(in, word, n);
		return;
	}
	/* a libvma.conf may have "log-level" and its like */
	if (!strncmp(word[0], "log", 3))
		return;
	for (i = 0; i < ARRAY_SIZE(sapi_key); i++)
		if (!strcmp(word[0], sapi_key[i].name))
			break;
	if (i == ARRAY_SIZE(sapi_key))
		conf_wrong(in, "unknown word \"%s\"", word[0]);
	else if (n != 2)
		conf_wrong(in, "%s takes one value", word[0]);
	else if (sapi_key[i].set(in->conf, word[1]) < 0)
		conf_wrong(in, "%s: \"%s\" is no such value", word[0], word[1]);
}

/* The first word at or after @i that is @what, else the number of words. */
static unsigned find_word(const struct conf_words *w, unsigned i,
			  const char *what)
{
	while (i < w->n && strcmp(w->word[i], what))
		i++;
	return i;
}

static unsigned vcl_line(struct conf_input *in, struct conf_words *w,
			 unsigned i, bool every_word)
{
	unsigned end = find_word(w, i, "}");

	while (i < end) {
		i += conf_vcl_option(in, w->word + i, end - i);
		if (!every_word)
			break;
	}
	return end;
}

/* One statement from word @i on: up to a ';', or the '}' of a stanza. */
static unsigned sapi_line(struct conf_input *in, struct conf_words *w,
			  unsigned i, bool in_stanza)
{
	unsigned end = find_word(w, i, ";"), brace = find_word(w, i, "}");

	if (in_stanza && brace < end)
		end = brace;
	if (i < end)
		sapi_statement(in, w->word + i, end - i);
	return end < w->n && !strcmp(w->word[end], ";") ? end + 1 : end;
}

static bool opens(const struct conf_words *w, unsigned i, const char *name)
{
	return i + 1 < w->n && !strcmp(w->word[i], name) &&
	       !strcmp(w->word[i + 1], "{");
}

struct reader {
	enum stanza stanza;
	bool seen_vcl; /* VCL reads the first stanza only */
	bool skip;     /* this is not the first: nobody reads it */
	bool rules_only;
};

static void read_line(struct conf_input *in, struct reader *r,
		      struct conf_words *w)
{
	bool opened = false;
	unsigned i = 0;

	while (i < w->n) {
		if (r->stanza != OUTSIDE && !strcmp(w->word[i], "}")) {
			r->stanza = OUTSIDE;
			i++;
		} else if (r->stanza == VCL) {
			i = r->skip ? find_word(w, i, "}")
				    : vcl_line(in, w, i, opened);
		} else if (r->stanza == SAPI) {
			i = sapi_line(in, w, i, true);
		} else if (!r->rules_only && opens(w, i, "vcl")) {
			r->skip = r->seen_vcl;
			if (r->skip)
				conf_wrong(in, "a second vcl stanza");
			r->seen_vcl = opened = true;
			r->stanza = VCL;
			i += 2;
		} else if (!r->rules_only && opens(w, i, "sapi")) {
			r->stanza = SAPI;
			i += 2;
		} else {
			i = sapi_line(in, w, i, false);
		}
	}
}

/**
 * conf_text() - Read a file's text
 * @in:		where its rules go, and whom to complain to
 * @text:	all of it
 * @rules_only:	it is a list of statements without stanzas
 */
void conf_text(struct conf_input *in, const char *text, bool rules_only)
{
	struct reader r = { .rules_only = rules_only };
	struct conf_words words;
	const char *eol;

	for (in->line = 1;; in->line++) {
		eol = strchrnul(text, '\n');
		if (cut_line(text, eol, &words) < 0)
			conf_wrong(in, "the line is too long");
		else
			read_line(in, &r, &words);
		if (!*eol)
			break;
		text = eol + 1;
	}
	if (r.stanza != OUTSIDE)
		conf_wrong(in, "the stanza has no end");
}
