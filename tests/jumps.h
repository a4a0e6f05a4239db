/* SPDX-License-Identifier: MIT */
/*
 * jumps.h - an error handler that leaves by longjmp, and what has to hold after it.
 *
 * Include after suite.h, in one file of a program.
 */
#ifndef TESTS_JUMPS_H
#define TESTS_JUMPS_H

#include <setjmp.h>

static jmp_buf jump_out;
static volatile unsigned reports;
static volatile enum mp_error_kind kind;

static enum mp_error_action jump(const struct mp_error *e, void *arg)
{
	(void)arg;
	reports++;
	kind = e->kind;
	longjmp(jump_out, 1);
}

/* One report of this kind, to the handler that is set, and the call does not return. */
#define JUMPS_NOW(what, call)                                                            \
	do {                                                                             \
		reports = 0;                                                             \
		if (setjmp(jump_out) == 0) {                                             \
			call;                                                            \
			ck_abort_msg("it returned");                                     \
		}                                                                        \
		ck_assert_uint_eq(reports, 1);                                           \
		ck_assert_int_eq(kind, what);                                            \
	} while (0)

/* The same with a handler for this call, the reports of later ones being counted in tally. */
#define JUMPS_OUT_OF(handler, tally, what, call)                                         \
	do {                                                                             \
		mp_set_error_handler(handler, NULL);                                     \
		JUMPS_NOW(what, call);                                                   \
		tally_start(tally);                                                      \
	} while (0)

/* So many are live and leaked, and all adds up. */
static inline void check_counts(struct mp_cache *c, size_t live, size_t leaked)
{
	struct mp_cache_stats s = stats_of(c);

	ck_assert_uint_eq(s.live, live);
	ck_assert_uint_eq(s.leaked, leaked);
	ck_assert_uint_eq(s.live + s.cached + s.free + s.leaked, s.capacity);
}

#endif /* TESTS_JUMPS_H */
