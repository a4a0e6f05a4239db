/* SPDX-License-Identifier: MIT */
/*
 * many.c - 60,000 caches at once, and one too many.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>

static struct mp_cache *caches[70000];

START_TEST(sixty_thousand)
{
	unsigned n = 0;
	void *p;

	for (; n < 70000; n++) {
		errno = 0;
		caches[n] = mp_cache_create("one of many", 40, 0, 0, NULL);
		if (caches[n] == NULL)
			break;
	}
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_ge(n, 60000);
	ck_assert_uint_lt(n, 70000);
	ck_assert_uint_ge(stats_of_all().caches, n);
	/* the first, the last and some between work, in a thread's slots near and far */
	for (unsigned i = 0; i < n; i += i + 1 < n ? (n - 1) / 97 : 1) {
		ck_assert_ptr_nonnull(p = mp_cache_alloc(caches[i]));
		memset(p, 1, 40);
		check_cache(caches[i], 1);
		mp_cache_free(caches[i], p);
		ck_assert_ptr_nonnull(p = mp_cache_alloc(caches[i]));
		mp_free(p);
		check_cache(caches[i], 0);
	}
	/* room for one is room for one */
	ck_assert_int_eq(mp_cache_destroy(caches[17]), 0);
	caches[17] = mp_cache_create("again", 48, 0, 0, NULL);
	ck_assert_ptr_nonnull(caches[17]);
	ck_assert_ptr_null(mp_cache_create("too many", 48, 0, 0, NULL));
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_ptr_eq(mp_cache_find("again"), caches[17]);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(mp_cache_destroy(caches[i]), 0);
	ck_assert_ptr_nonnull(mp_cache_create("after", 48, 0, 0, NULL));
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

/* Created, used and destroyed by several threads at once. */
static void *make_and_break(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	char name[32];

	snprintf(name, sizeof(name), "thread %u", me);
	for (unsigned i = 0; i < 1500; i++) {
		size_t size = 16 + i % 500;
		struct mp_cache *mine = mp_cache_create(name, size, 0, 0, NULL);
		void *p[20];

		ck_assert_ptr_nonnull(mine);
		for (int k = 0; k < 20; k++) {
			ck_assert_ptr_nonnull(p[k] = mp_cache_alloc(mine));
			pattern_fill(p[k], size, me + (unsigned)k);
		}
		for (int k = 0; k < 20; k++) {
			ck_assert(pattern_holds(p[k], size, me + (unsigned)k));
			mp_cache_free(mine, p[k]);
		}
		ck_assert_int_eq(mp_cache_validate(mine), 0);
		ck_assert_int_eq(mp_cache_destroy(mine), 0);
	}
	return NULL;
}

START_TEST(made_by_threads)
{
	size_t before = stats_of_all().caches;
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, make_and_break, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(stats_of_all().caches, before);
	ck_assert_uint_eq(stats_of_all().slabs, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, sixty_thousand);
	tcase_add_test(tc, made_by_threads);
}

int main(void)
{
	return suite_run("many", add);
}
