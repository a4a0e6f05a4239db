/* SPDX-License-Identifier: MIT */
/*
 * suite_run.h - the main() of a Check program, in C or C++, whether it uses the library or not.
 */
#ifndef TESTS_SUITE_RUN_H
#define TESTS_SUITE_RUN_H

#include "portable.h"

#include <check.h>
#include <stdlib.h>

/* Seconds a test may take; the sanitizers make everything slower. */
#define SUITE_SECONDS (SANITIZED ? 600 : 60)

/* Called around each test, in its process; or NULL. */
static void (*suite_before)(void), (*suite_after)(void);

#if defined(_WIN32)
#include "suite_windows.h"
#else
/* Run the tests that add() puts into one case; the program's exit status. */
static inline int suite_run(const char *name, void (*add)(TCase *tc))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, SUITE_SECONDS);
	tcase_add_checked_fixture(tc, suite_before, suite_after);
	add(tc);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif

#endif /* TESTS_SUITE_RUN_H */
