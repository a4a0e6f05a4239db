/* SPDX-License-Identifier: MIT */
/*
 * address_space.c - little address space at start-up, and the end of it reached.
 */
#include "../suite.h"

#include "../spawn.h"

#include <pthread.h>
#include <stdio.h>

#define MIB ((size_t)1 << 20)
#define MAX_OBJECTS 400000

static const char *program;
static void *p[MAX_OBJECTS];

static void need(bool condition, const char *what)
{
	if (!condition) {
		printf("FAILED: %s (errno %d)\n", what, errno);
		fflush(stdout);
		_exit(3);
	}
}

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	return mp_cache_validate(c);
}

static void *in_a_thread(void *arg)
{
	void *q = mp_alloc(100);

	need(q != NULL, "memory in a thread");
	mp_free(q);
	return arg;
}

/* With 256 MiB it starts, and there is room for a program. */
static int small(void)
{
	struct mp_cache *c = mp_cache_create("small", 100, 0, 0, NULL);
	pthread_t t;

	need(c != NULL, "a cache");
	for (unsigned i = 0; i < 100000; i++) {
		p[i] = mp_cache_alloc(c);
		need(p[i] != NULL, "an object");
	}
	mp_cache_free_bulk(c, 100000, p);
	for (size_t i = 0; i < 50; i++) {
		p[i] = mp_alloc(MIB);
		need(p[i] != NULL, "a MiB");
		memset(p[i], 1, MIB);
	}
	for (size_t i = 0; i < 50; i++)
		mp_free(p[i]);
	need(pthread_create(&t, NULL, in_a_thread, NULL) == 0, "a thread");
	need(pthread_join(t, NULL) == 0, "its end");
	need(mp_cache_for_each(validate, NULL) == 0, "validation");
	puts("done");
	return 0;
}

/* Allocate until there is no more; how many. */
static size_t exhaust(struct mp_cache *c, size_t size)
{
	size_t n = 0;

	errno = 0;
	while (n < MAX_OBJECTS) {
		p[n] = c != NULL ? mp_cache_alloc(c) : mp_alloc(size);
		if (p[n] == NULL)
			break;
		*(size_t *)p[n] = n;
		n++;
	}
	need(n < MAX_OBJECTS, "the end of memory");
	need(errno == ENOMEM, "ENOMEM");
	return n;
}

static void check_and_free(size_t n)
{
	for (size_t i = 0; i < n; i++)
		need(*(size_t *)p[i] == i, "contents");
	for (size_t i = 0; i < n; i++)
		mp_free(p[i]);
}

/* The same again, and it must go as far: nothing was lost. */
static void fill_and_empty(const char *what, struct mp_cache *c, size_t size)
{
	size_t first = exhaust(c, size), again;
	void *none[20];

	need(first > 10, what);
	need(mp_cache_for_each(validate, NULL) == 0, "validation when full");
	if (c != NULL)
		need(mp_cache_alloc_bulk(c, 20, none) == -ENOMEM, "-ENOMEM in bulk");
	need(mp_calloc(1, 64 * MIB) == NULL && errno == ENOMEM, "ENOMEM for a large one");
	/* one back makes room for one */
	need(*(size_t *)p[first / 2] == first / 2, "contents");
	mp_free(p[first / 2]);
	p[first / 2] = c != NULL ? mp_cache_alloc(c) : mp_alloc(size);
	need(p[first / 2] != NULL, "room for one");
	*(size_t *)p[first / 2] = first / 2;
	check_and_free(first);
	need(mp_cache_for_each(validate, NULL) == 0, "validation when empty");
	again = exhaust(c, size);
	check_and_free(again);
	if (again + again / 20 < first)
		printf("FAILED: %s: first %zu, then %zu\n", what, first, again);
}

static int end_of_memory(const char *what)
{
	struct mp_cache *c = mp_cache_create("filled", 1000, 0, 0, NULL);
	struct mp_cache *large = mp_cache_create("large objects", 100000, 0, 0, NULL);
	struct mp_stats s = { .struct_size = sizeof(s) };

	need(c != NULL && large != NULL, "caches");
	if (strcmp(what, "objects") == 0)
		fill_and_empty("objects", c, 0);
	else if (strcmp(what, "large objects") == 0)
		fill_and_empty("large objects", large, 0);
	else if (strcmp(what, "blocks") == 0)
		fill_and_empty("blocks", NULL, MP_MAX_FIXED_SIZE);
	else if (strcmp(what, "spans") == 0)
		fill_and_empty("spans", NULL, (size_t)MP_MAX_FIXED_SIZE * 3);
	else
		fill_and_empty("big spans", NULL, 5 * MIB);
	/* and what else comes from slabs works as well */
	for (int i = 0; i < 100; i++) {
		void *q = mp_cache_alloc(c), *r = mp_alloc((size_t)MP_MAX_FIXED_SIZE * (size_t)i / 100);

		need(q != NULL && r != NULL, "small ones afterwards");
		mp_free(q);
		mp_free(r);
	}
	need(mp_cache_destroy(c) == 0 && mp_cache_destroy(large) == 0, "destruction");
	need(mp_get_stats(&s) == 0 && s.faults == 0 && s.large_live == 0, "nothing live");
	puts("done");
	return 0;
}

static void expect_done(const char *argument, size_t bytes)
{
	struct spawn s = { .program = program, .argument = argument, .address_space = bytes };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.out, "done\n");
	ck_assert_str_eq(s.err, "");
}

START_TEST(small_at_start)
{
	expect_done("small", (size_t)262144 * 1024);
}
END_TEST

START_TEST(end_of_objects)
{
	expect_done("objects", 160 * MIB);
}
END_TEST

START_TEST(end_of_large_objects)
{
	expect_done("large objects", 160 * MIB);
}
END_TEST

START_TEST(end_of_blocks)
{
	expect_done("blocks", 160 * MIB);
}
END_TEST

START_TEST(end_of_spans)
{
	expect_done("spans", 160 * MIB);
}
END_TEST

START_TEST(end_of_big_spans)
{
	expect_done("big spans", 160 * MIB);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, small_at_start);
	tcase_add_test(tc, end_of_objects);
	tcase_add_test(tc, end_of_large_objects);
	tcase_add_test(tc, end_of_blocks);
	tcase_add_test(tc, end_of_spans);
	tcase_add_test(tc, end_of_big_spans);
}

int main(int argc, char **argv)
{
	program = argv[0];
	if (argc == 2)
		return strcmp(argv[1], "small") == 0 ? small() : end_of_memory(argv[1]);
	if (SANITIZED) {
		puts("a sanitizer needs more address space than there is here");
		return 77;
	}
	return suite_run("address_space", add);
}
