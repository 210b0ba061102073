/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - run a fuzz target over its text corpus, without libFuzzer
 *
 * replay_NAME: each input, and each shorter one that it begins with, as TAP.
 * replay_NAME DIR: write the inputs into DIR as files, for fuzz_NAME DIR.
 */
#include <ctype.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define MAX_INPUT 4096

/* Hex digits of @line, blanks between them, up to a # or the end. */
static size_t parse(const char *line, uint8_t bytes[MAX_INPUT])
{
	unsigned byte;
	size_t n = 0;

	for (; *line && *line != '#'; line++) {
		if (isspace((unsigned char)*line))
			continue;
		if (!isxdigit((unsigned char)line[1]) ||
		    sscanf(line, "%2x", &byte) != 1 || n == MAX_INPUT) {
			fprintf(stderr, "not hex: %s", line);
			exit(99);
		}
		bytes[n++] = (uint8_t)byte;
		line++;
	}
	return n;
}

/* In a block of its own, so that a sanitizer sees its end. */
static void run(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	MUST(exact);
	memcpy(exact, bytes, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void write_out(const char *dir, int n, const uint8_t *bytes, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%03d", dir, n);
	f = fopen(path, "we");
	if (!f || fwrite(bytes, 1, size, f) != size || fclose(f)) {
		perror(path);
		exit(99);
	}
}

int main(int argc, char **argv)
{
	const char *top = getenv("top_srcdir");
	static uint8_t bytes[MAX_INPUT];
	static char line[3 * MAX_INPUT];
	char path[4096];
	const char *label;
	size_t size, len;
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/" TARGET ".txt",
		 top ? top : ".");
	f = fopen(path, "re");
	if (!f) {
		perror(path);
		return 99;
	}
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#' || *line == '\n')
			continue;
		size = parse(line, bytes);
		n++;
		if (argc > 1) {
			write_out(argv[1], n, bytes, size);
			continue;
		}
		for (len = 0; len <= size; len++)
			run(bytes, len);
		label = strchr(line, '#');
		printf("ok %d - %s", n, label ? label + 2 : line);
		fflush(stdout);
	}
	fclose(f);
	if (argc == 1)
		printf("1..%d\n", n);
	return n ? 0 : 99;
}
