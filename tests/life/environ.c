/* SPDX-License-Identifier: MIT */
/*
 * environ.c - MEMPOOL_* variables, sound and malformed: what is said, what is done.
 */
#include "../suite.h"

#include "../portable.h"
#include "../spawn.h"

#include <signal.h>
#include <stdio.h>

static const char *program;

/* Works, tells what is in force, and does so without a fault. */
static int report(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	unsigned char *p = launder(mp_alloc(50));
	unsigned char *q = launder(mp_cache_alloc(mp_cache_create("own", 50, 0, 0, NULL)));

	if (p == NULL || q == NULL || mp_get_stats(&s) != 0)
		return 3;
	wrong_free(p); /* lawful, but looked at below */
	wrong_free(q);
	printf("limit %zu%s%s\n", s.limit, is_filled(p, 50, 0xcc) ? " poisoned" : "",
	       is_filled(q, 50, 0xcc) ? " own-poisoned" : "");
	return 0;
}

static int misuse(void)
{
	mp_free(launder(&program));
	puts("went on");
	return 0;
}

/* One variable: what it makes the library say and be. */
static void expect(const char *setting, const char *err, const char *out)
{
	struct spawn s = { .program = program, .argument = "report", .setting = setting };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, err);
	ck_assert_str_eq(s.out, out);
}

#define PLAIN "limit 0\n"

START_TEST(nothing_set)
{
	expect(NULL, "", PLAIN);
	expect("MEMPOOL_DEBUG=", "", PLAIN);
	expect("MEMPOOL_UNHEARD_OF=1", "", PLAIN);
}
END_TEST

START_TEST(debug)
{
	expect("MEMPOOL_DEBUG=P", "", "limit 0 poisoned own-poisoned\n");
	expect("MEMPOOL_DEBUG=P,own", "", "limit 0 own-poisoned\n");
	expect("MEMPOOL_DEBUG=P,mp-*", "", "limit 0 poisoned\n");
	expect("MEMPOOL_DEBUG=-", "", PLAIN);
	expect("MEMPOOL_DEBUG=FZUH", "", PLAIN);
	expect("MEMPOOL_DEBUG=-,own;P", "", "limit 0 poisoned\n");
	expect("MEMPOOL_DEBUG=Pq",
	       "mempool: MEMPOOL_DEBUG: \"q\" is no letter of it, ignored\n",
	       "limit 0 poisoned own-poisoned\n");
	expect("MEMPOOL_DEBUG=%n\n",
	       "mempool: MEMPOOL_DEBUG: \"%\" is no letter of it, ignored\n"
	       "mempool: MEMPOOL_DEBUG: \"n\" is no letter of it, ignored\n"
	       "mempool: MEMPOOL_DEBUG: \"\n\" is no letter of it, ignored\n",
	       PLAIN);
}
END_TEST

START_TEST(limit)
{
	expect("MEMPOOL_LIMIT=64M", "", "limit 67108864\n");
	expect("MEMPOOL_LIMIT=", "mempool: MEMPOOL_LIMIT: \"\" is no number of bytes, ignored\n",
	       PLAIN);
	expect("MEMPOOL_LIMIT=12 MB",
	       "mempool: MEMPOOL_LIMIT: \"12 MB\" is no number of bytes, ignored\n", PLAIN);
	expect("MEMPOOL_LIMIT=99999999999999999999999",
	       "mempool: MEMPOOL_LIMIT: \"99999999999999999999999\" is no number of bytes, ignored\n",
	       PLAIN);
	expect("MEMPOOL_PURGE=2s",
	       "mempool: MEMPOOL_PURGE: \"2s\" is no number of milliseconds, ignored\n", PLAIN);
	expect("MEMPOOL_LIMIT=-5", "mempool: MEMPOOL_LIMIT: \"-5\" is no number of bytes, ignored\n",
	       PLAIN);
}
END_TEST

START_TEST(other_words)
{
	expect("MEMPOOL_GUARD=often", "mempool: MEMPOOL_GUARD: \"often\" is no rate, ignored\n",
	       PLAIN);
	expect("MEMPOOL_GUARD=2000000000", "", PLAIN);
	expect("MEMPOOL_LEAKS=yes",
	       "mempool: MEMPOOL_LEAKS: \"yes\" is neither report nor error, ignored\n", PLAIN);
	expect("MEMPOOL_FAIL=3",
	       "mempool: MEMPOOL_FAIL: \"3\" is not nth=N, every=N or one-in=N:SEED, ignored\n",
	       PLAIN);
}
END_TEST

START_TEST(stats)
{
	expect("MEMPOOL_STATS=never", "mempool: MEMPOOL_STATS: \"never\" is not exit, ignored\n",
	       PLAIN);
	expect("MEMPOOL_STATS=exit:no/such/directory/file", "", PLAIN);
}
END_TEST

START_TEST(very_long_values)
{
	static const char *const names[] = { "MEMPOOL_DEBUG=P,", "MEMPOOL_LIMIT=", "MEMPOOL_STATS=",
					     "MEMPOOL_STATS=exit:", "MEMPOOL_ON_ERROR=",
					     "MEMPOOL_GUARD=" };
	static char value[PORTABLE_LONGEST];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct spawn s = { .program = program, .argument = "report", .setting = value };
		size_t n = strlen(names[i]);

		memset(value, 'x', sizeof(value) - 1);
		memcpy(value, names[i], n);
		spawn(&s);
		spawn_expect_exit(&s, 0);
		ck_assert_str_eq(s.out, PLAIN);
		ck_assert_int_eq(strncmp(s.err, "mempool: MEMPOOL_", 17), 0);
		ck_assert_ptr_eq(strchr(s.err, '\n'), s.err + strlen(s.err) - 1); /* once */
		ck_assert_uint_lt(strlen(s.err), 200);
	}
}
END_TEST

START_TEST(on_error)
{
	struct spawn s = { .program = program, .argument = "misuse",
			   .setting = "MEMPOOL_ON_ERROR=report" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.out, "went on\n");
	ck_assert_int_eq(strncmp(s.err, "mempool: bad-free: ", 19), 0);
	s.setting = "MEMPOOL_ON_ERROR=abort";
	spawn(&s);
	spawn_expect_signal(&s, SIGABRT);
	s.setting = "MEMPOOL_ON_ERROR=explode";
	spawn(&s);
	spawn_expect_signal(&s, SIGABRT);
	ck_assert_ptr_eq(strstr(s.err, "mempool: MEMPOOL_ON_ERROR: \"explode\" is neither abort "
				       "nor report, ignored\nmempool: bad-free: "), s.err);
}
END_TEST

/* Nothing at all: not even PATH. */
START_TEST(empty_environment)
{
	struct spawn s = { .program = program, .argument = "report", .no_environment = true };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, "");
	ck_assert_str_eq(s.out, PLAIN);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nothing_set);
	tcase_add_test(tc, debug);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, other_words);
	tcase_add_test(tc, stats);
	tcase_add_test(tc, very_long_values);
	tcase_add_test(tc, on_error);
	tcase_add_test(tc, empty_environment);
}

int main(int argc, char **argv)
{
	program = argv[0];
	if (argc == 2)
		return strcmp(argv[1], "misuse") == 0 ? misuse() : report();
	return suite_run("environ", add);
}
