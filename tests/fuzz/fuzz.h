/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what the fuzz programs share: an input that is read byte by byte,
 * checks, and a count of the calls made.
 *
 * A program NAME.c defines fz_name, fz_leaves_behind and LLVMFuzzerTestOneInput().  With driver.c it is
 * a test that makes inputs of its own, with libFuzzer one that is led by coverage.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char fz_name[];
extern const bool fz_leaves_behind;	/* each input uses some of the process up */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls into the library so far; fz_call(x) is x, counted. */
extern uint64_t fz_calls;
#define fz_call(x) (fz_calls++, (x))

/* A failed check ends the process by abort(). */
_Noreturn void fz_fail(const char *file, int line, const char *what);
#define fz_check(cond) ((void)((cond) || (fz_fail(__FILE__, __LINE__, #cond), 0)))

/* ---- the input */

struct fz_input {
	const uint8_t *data;
	size_t size;
	size_t at;
};

bool fz_more(const struct fz_input *in);
/* The next bytes as a number; zeroes behind the end. */
unsigned fz_byte(struct fz_input *in);
size_t fz_word(struct fz_input *in);
/* From 0 to n - 1; n is 1 or more. */
size_t fz_below(struct fz_input *in, size_t n);
/* From 1 to most, about as likely in each doubling. */
size_t fz_log(struct fz_input *in, size_t most);

#endif /* FUZZ_H */
