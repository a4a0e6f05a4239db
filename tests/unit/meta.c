/* SPDX-License-Identifier: MIT */
/*
 * meta.c - memory for the library's own tables.
 */
#include "../suite.h"

#include "budget.h"
#include "meta.h"
#include "os.h"

#include <limits.h>

START_TEST(zeroed_and_aligned)
{
	size_t used = mpp_meta_used(), budget = mpp_budget_used();

	for (int round = 0; round < 2; round++)
		for (size_t size = 1; size <= 4 * MPP_META_MAX; size = size * 3 / 2 + 1) {
			void *p = mpp_meta_alloc(size);

			ck_assert_ptr_nonnull(p);
			ck_assert(is_aligned(p, MPP_LINE));
			ck_assert(is_filled(p, size, 0));
			ck_assert_uint_ge(mpp_meta_used() - used, size);
			memset(p, 0xee, size);
			mpp_meta_free(p, size);
		}
	ck_assert_uint_eq(mpp_meta_used(), used);
	ck_assert_uint_eq(mpp_budget_used(), budget);
	ck_assert_uint_ge(mpp_meta_mapped(), mpp_meta_used());
}
END_TEST

START_TEST(distinct)
{
	enum { N = 3000 };
	static void *p[N];
	size_t mapped;

	for (unsigned i = 0; i < N; i++) {
		p[i] = mpp_meta_alloc(1 + i % 700);
		ck_assert_ptr_nonnull(p[i]);
		pattern_fill(p[i], 1 + i % 700, i);
	}
	for (unsigned i = 0; i < N; i++) {
		ck_assert(pattern_holds(p[i], 1 + i % 700, i));
		mpp_meta_free(p[i], 1 + i % 700);
	}
	mapped = mpp_meta_mapped();
	for (unsigned i = 0; i < N; i++)
		p[i] = mpp_meta_alloc(1 + i % 700);
	ck_assert_uint_eq(mpp_meta_mapped(), mapped); /* used again */
}
END_TEST

START_TEST(refused)
{
	size_t used = mpp_meta_used(), budget = mpp_budget_used();
	unsigned n = 0;

	ck_assert_ptr_null(mpp_meta_alloc(SIZE_MAX));
	ck_assert_ptr_null(mpp_meta_alloc(SIZE_MAX / 8 * 7));
	mpp_os_inject(1, LONG_MAX);
	ck_assert_ptr_null(mpp_meta_alloc(2 * MPP_META_MAX));
	while (mpp_meta_alloc(MPP_META_MAX) != NULL)
		n++;
	ck_assert_uint_lt(n, 64);
	mpp_os_inject(0, 0);
	ck_assert_uint_eq(mpp_meta_used(), used + n * MPP_META_MAX);
	ck_assert_uint_eq(mpp_budget_used(), budget + n * MPP_META_MAX);
	ck_assert_ptr_nonnull(mpp_meta_alloc(MPP_META_MAX));
	mpp_budget_set_limit(mpp_budget_used() + 100);
	ck_assert_ptr_null(mpp_meta_alloc(1000));
	mpp_meta_free(NULL, 1000);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, zeroed_and_aligned);
	tcase_add_test(tc, distinct);
	tcase_add_test(tc, refused);
}

int main(void)
{
	return suite_run("meta", add);
}
