/* SPDX-License-Identifier: Apache-2.0 */
/* lookup.c - what looking up a descriptor costs: ns, best of many slices */
#include "core/sock/table.h"

#include <stdio.h>
#include <time.h>

#define ROUNDS 1000

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double peek(int fd)
{
	double began = now();
	struct sock *s;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		s = table_peek(fd);
		__asm__ volatile("" : "+r"(fd) : "r"(s) : "memory");
	}
	return (now() - began) / ROUNDS;
}

static double get_and_put(int fd)
{
	double began = now();
	struct sock *s;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		s = sock_get(fd);
		if (s)
			sock_put(s);
	}
	return (now() - began) / ROUNDS;
}

int main(void)
{
	double best[3] = { 1e18, 1e18, 1e18 };
	struct sock *s = sock_new(SOCK_SESSION);
	int i, k;

	if (!s || table_set(100, s))
		return 1;
	for (i = 0; i < 3000; i++) {
		const double t[] = { peek(101), peek(100), get_and_put(100) };

		for (k = 0; k < 3; k++)
			best[k] = MIN(best[k], t[k]);
	}
	printf("# a descriptor in the table: ns, best\n");
	printf("not ours\tours\t+reference\n%.1f\t%.1f\t%.1f\n", best[0],
	       best[1], best[2]);
	return 0;
}
