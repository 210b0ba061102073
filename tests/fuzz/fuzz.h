/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz.h - a target: LLVMFuzzerTestOneInput() and nothing else to write
 *
 * Each target is built twice: with --enable-fuzz as tests/fuzz/fuzz_NAME for
 * libFuzzer, and always as tests/fuzz/replay_NAME, which "make check" runs
 * over tests/fuzz/corpus/NAME.txt (hex, one input a line).  A finding becomes
 * a line there.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold for any input; a sanitizer finds the rest. */
#define MUST(cond)                                                         \
	do {                                                               \
		if (!(cond)) {                                             \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
				#cond);                                    \
			abort();                                           \
		}                                                          \
	} while (0)

#endif /* TESTS_FUZZ_H */
