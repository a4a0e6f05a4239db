/* SPDX-License-Identifier: MIT */
/*
 * base.c - the arithmetic of base.h.
 */
#include "../suite.h"

#include "base.h"

START_TEST(powers_of_two)
{
	ck_assert(!mpp_is_pow2(0));
	for (unsigned i = 0; i < 8 * sizeof(size_t); i++) {
		size_t n = (size_t)1 << i;

		ck_assert(mpp_is_pow2(n));
		if (n > 2)
			ck_assert(!mpp_is_pow2(n - 1));
		if (i > 0)
			ck_assert(!mpp_is_pow2(n + 1));
	}
}
END_TEST

START_TEST(rounding)
{
	for (size_t a = 1; a <= 4096; a *= 2)
		for (size_t n = 0; n < 3 * a; n++) {
			size_t r = mpp_round_up(n, a);

			ck_assert(r % a == 0 && r >= n && r - n < a);
		}
	ck_assert_uint_eq(mpp_round_up(SIZE_MAX, 16), 0); /* wraps, as it says */
}
END_TEST

START_TEST(logarithms)
{
	ck_assert_int_eq(MPP_LOG2(1), 0);
	ck_assert_int_eq(MPP_LOG2(2), 1);
	ck_assert_int_eq(MPP_LOG2(8), 3);
	ck_assert_int_eq(MPP_LOG2(16), 4);
	ck_assert_int_eq(MPP_LOG2(4096), 12);
	ck_assert_int_eq(MPP_LOG2(65536), 16);
	ck_assert_int_eq(MPP_LOG2(1048576), 20);
	ck_assert_uint_eq((size_t)1 << MPP_CHUNK_SHIFT, MP_CHUNK_SIZE);
	ck_assert_uint_eq((size_t)1 << MPP_MIN_SHIFT, MP_MIN_BLOCK_SIZE);
	ck_assert_uint_eq((size_t)MP_MIN_BLOCK_SIZE << (MPP_CLASSES - 1), MP_MAX_FIXED_SIZE);
}
END_TEST

START_TEST(smaller_and_larger)
{
	ck_assert_uint_eq(mpp_min(3, 4), 3);
	ck_assert_uint_eq(mpp_min(4, 3), 3);
	ck_assert_uint_eq(mpp_max(3, 4), 4);
	ck_assert_uint_eq(mpp_max(4, 3), 4);
	ck_assert_ptr_eq(mpp_at(address(100), 28), address(128));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, powers_of_two);
	tcase_add_test(tc, rounding);
	tcase_add_test(tc, logarithms);
	tcase_add_test(tc, smaller_and_larger);
}

int main(void)
{
	return suite_run("base", add);
}
