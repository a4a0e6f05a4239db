/* SPDX-License-Identifier: MIT */
/*
 * fuzz.c - what the fuzz programs share, see fuzz.h.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t fz_calls;

void fz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: fuzz-%s: not true: %s\n", file, line, fz_name, what);
	abort();
}

bool fz_more(const struct fz_input *in)
{
	return in->at < in->size;
}

unsigned fz_byte(struct fz_input *in)
{
	return fz_more(in) ? in->data[in->at++] : 0;
}

size_t fz_word(struct fz_input *in)
{
	size_t low = fz_byte(in);

	return low | (size_t)fz_byte(in) << 8;
}

size_t fz_below(struct fz_input *in, size_t n)
{
	return (n <= 256 ? fz_byte(in) : fz_word(in)) % n;
}

size_t fz_log(struct fz_input *in, size_t most)
{
	size_t top = 1, x;

	while (top <= most / 2)
		top *= 2;
	top >>= fz_byte(in) % 24 % ((size_t)__builtin_ctzll(top) + 1);
	x = top + (size_t)((double)top * (double)fz_word(in) / 65536);
	return x > most ? most : x;
}
