/* SPDX-License-Identifier: MIT */
/*
 * driver.c - runs a death program in every way, see death.h.
 */
#include "death.h"

#include "../portable.h"
#include "../spawn.h"

#include <mempool.h>

#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

static const char *program;
static char expected[8192];	/* all of expect() */
static char told[8192];		/* all that the handler was told */

/* ---- for the fault */

static void give_up(const char *why)
{
	printf("FAILED: %s\n", why);
	fflush(stdout);
	_exit(4);
}

void expect(const char *format, ...)
{
	size_t n = strlen(expected);
	va_list args;

	va_start(args, format);
	portable_vsnprintf(expected + n, sizeof(expected) - n, format, args);
	va_end(args);
	fputs(expected + n, stdout);
	fflush(stdout); /* before the abort */
}

static struct mp_cache_stats stats_of(struct mp_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	if (mp_cache_get_stats(c, &s) != 0)
		give_up("no statistics");
	return s;
}

unsigned id_of(struct mp_cache *c)
{
	return stats_of(c).id;
}

const char *place_of(const void *p)
{
	static char line[200];
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct mp_cache_stats s;

	if (mp_object_info(p, &info) != 0 || info.cache == NULL)
		give_up("not in an object");
	s = stats_of(info.cache);
	if (s.slabs != 1)
		give_up("more than one slab");
	portable_snprintf(line, sizeof(line),
		 "mempool:   object %p, index %zu of slab %p, offset %zu, size %zu, "
		 "not free %zu of %zu\n",
		 info.object, info.index, info.slab, info.offset, info.object_size,
		 s.capacity - s.free, s.capacity);
	return line;
}

struct mp_cache *orders(size_t size)
{
	struct mp_cache *c = mp_cache_create("orders", size, 0, 0, NULL);

	if (c == NULL)
		give_up("no cache");
	return c;
}

struct mp_cache *largest_class(void)
{
	char name[32];

	snprintf(name, sizeof(name), "mp-%d", MP_MAX_FIXED_SIZE);
	return checked(mp_cache_find(name));
}

void free_hidden(void *p)
{
	mp_free(p);
}

void *checked(const void *p)
{
	void *volatile v = (void *)(uintptr_t)p;

	if (v == NULL)
		give_up("no memory");
	return v;
}

/* ---- in the program that is run */

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	if (mp_cache_validate(c) != 0)
		give_up("a cache does not validate");
	return 0;
}

/* Everything still works. */
static void carry_on(void)
{
	enum { N = 300 };
	unsigned char *p[N];

	for (unsigned i = 0; i < N; i++) {
		p[i] = checked(mp_alloc(1 + i * 37));
		memset(p[i], (int)(i & 0xff), 1 + i * 37);
	}
	for (unsigned i = 0; i < N; i++) {
		for (unsigned k = 0; k < 1 + i * 37; k++)
			if (p[i][k] != (i & 0xff))
				give_up("an object is not what it was");
		mp_free(p[i]);
	}
	if (!death.damaged && mp_cache_for_each(validate, NULL) != 0)
		give_up("the walk stopped");
}

static enum mp_error_action carrying_on(const struct mp_error *e, void *arg)
{
	(void)arg;
	if (e->struct_size != sizeof(*e) || e->kind != death.kind)
		give_up("another kind of fault");
	strncat(told, e->message, sizeof(told) - strlen(told) - 1);
	return MP_ERROR_CONTINUE;
}

static int run(const char *mode)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	if (strcmp(mode, "handler") == 0)
		mp_set_error_handler(carrying_on, NULL);
	if (strcmp(mode, "twin") == 0)
		death.twin();
	else
		death.fault();
	if (strcmp(mode, "handler") == 0 && strcmp(told, expected) != 0)
		give_up(told);
	mp_set_error_handler(NULL, NULL);
	carry_on();
	if (mp_get_stats(&s) != 0 || (s.faults == 0) != (strcmp(mode, "twin") == 0))
		give_up("the number of faults");
	return 0;
}

/* ---- in the program that runs it */

START_TEST(dies)
{
	struct spawn s = { .program = program, .argument = "fault" };

	spawn(&s);
	spawn_expect_signal(&s, SIGABRT);
	ck_assert_uint_gt(strlen(s.out), 0);
	ck_assert_str_eq(s.err, s.out);
}
END_TEST

START_TEST(dies_silently)
{
	struct spawn s = { .program = program, .argument = "fault", .close_errors = true };

	spawn(&s);
	spawn_expect_signal(&s, SIGABRT);
	ck_assert_str_eq(s.err, "");
}
END_TEST

START_TEST(reports_and_goes_on)
{
	struct spawn s = { .program = program, .argument = "fault",
			   .setting = "MEMPOOL_ON_ERROR=report" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_uint_gt(strlen(s.out), 0);
	ck_assert_str_eq(s.err, s.out);
}
END_TEST

START_TEST(handler_carries_on)
{
	struct spawn s = { .program = program, .argument = "handler" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, "");
}
END_TEST

START_TEST(twin_is_silent)
{
	struct spawn s = { .program = program, .argument = "twin" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, "");
	ck_assert_str_eq(s.out, "");
}
END_TEST

static int check_all(const char *name)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("misuse");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, dies);
	tcase_add_test(tc, dies_silently);
	if (death.kind != 0) {
		tcase_add_test(tc, reports_and_goes_on);
		tcase_add_test(tc, handler_carries_on);
	}
	tcase_add_test(tc, twin_is_silent);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	program = argv[0];
	return argc == 2 ? run(argv[1]) : check_all(slash != NULL ? slash + 1 : argv[0]);
}
