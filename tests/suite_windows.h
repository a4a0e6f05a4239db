/* SPDX-License-Identifier: MIT */
/*
 * suite_windows.h - Check without fork(): each test is a process of its own still.
 *
 * The program runs itself once for each test, which SUITE_TEST names, and counts how they end;
 * so tests do not see what others leave behind, and may abort.  For C and C++.
 */
#ifndef TESTS_SUITE_WINDOWS_H
#define TESTS_SUITE_WINDOWS_H

#include "portable.h"

#include <check.h>
#include <process.h>
#include <stdio.h>
#include <string.h>

#define SUITE_TESTS 128

struct suite_test {
	const TTest *test;
	int signal, start, end;
};

static struct suite_test suite_tests[SUITE_TESTS];
static size_t suite_count;

static inline void suite_note(const TTest *test, int signal, int start, int end)
{
	if (suite_count == SUITE_TESTS)
		abort();
	suite_tests[suite_count].test = test;
	suite_tests[suite_count].signal = signal;
	suite_tests[suite_count].start = start;
	suite_tests[suite_count++].end = end;
}

/* tc is not used: each test gets a case of its own. */
#undef tcase_add_test
#undef tcase_add_test_raise_signal
#undef tcase_add_loop_test
#define tcase_add_test(tc, test) ((void)(tc), suite_note((test), 0, 0, 1))
#define tcase_add_test_raise_signal(tc, test, signal) \
	((void)(tc), suite_note((test), (signal), 0, 1))
#define tcase_add_loop_test(tc, test, start, end) \
	((void)(tc), suite_note((test), 0, (start), (end)))

/* In the process of one test: its exit status. */
static inline int suite_run_one(const char *suite_name, const struct suite_test *t)
{
	Suite *suite = suite_create(suite_name);
	TCase *tc = tcase_create(t->test->name);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, suite_before, suite_after);
	_tcase_add_test(tc, t->test, 0, 0, t->start, t->end);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	if (failed != 0)
		srunner_print(runner, CK_NORMAL);
	fflush(stdout);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Each test in a process; the program's exit status. */
static inline int suite_run_each(const char *suite_name)
{
	char program[MAX_PATH], quoted[MAX_PATH + 2];
	const char *argv[] = { quoted, NULL };
	int checks = 0, failures = 0, errors = 0;

	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(quoted, sizeof(quoted), "\"%s\"", program);
	printf("Running suite(s): %s\n", suite_name);
	fflush(stdout);
	for (size_t i = 0; i < suite_count; i++) {
		const struct suite_test *t = &suite_tests[i];
		intptr_t status, expected = t->signal != 0 ? PORTABLE_ABORTED : 0;

		checks += t->end - t->start;
		_putenv_s("SUITE_TEST", t->test->name);
		status = _spawnv(_P_WAIT, program, argv);
		if (status == expected)
			continue;
		printf("%s: exit status %lld\n", t->test->name, (long long)status);
		if (status == EXIT_FAILURE)
			failures++;
		else
			errors++;
	}
	printf("%d%%: Checks: %d, Failures: %d, Errors: %d\n",
	       checks == 0 ? 0 : 100 * (checks - failures - errors) / checks, checks, failures,
	       errors);
	return failures + errors == 0 && checks > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int suite_run(const char *name, void (*add)(TCase *tc))
{
	const char *wanted = getenv("SUITE_TEST");

	add(NULL);
	if (wanted == NULL)
		return suite_run_each(name);
	for (size_t i = 0; i < suite_count; i++)
		if (strcmp(suite_tests[i].test->name, wanted) == 0)
			return suite_run_one(name, &suite_tests[i]);
	return 125;
}

#endif /* TESTS_SUITE_WINDOWS_H */
