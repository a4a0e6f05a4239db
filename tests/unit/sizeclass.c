/* SPDX-License-Identifier: MIT */
/*
 * sizeclass.c - size to class and back, every size.
 */
#include "../suite.h"

#include "sizeclass.h"

START_TEST(every_size)
{
	for (size_t size = 1; size <= MP_MAX_FIXED_SIZE; size++) {
		unsigned cls = mpp_class_of(size);

		ck_assert(mpp_class_fits(size));
		ck_assert_uint_lt(cls, MPP_CLASSES);
		ck_assert_uint_ge(mpp_class_size(cls), size);
		if (cls > 0)
			ck_assert_uint_lt(mpp_class_size(cls - 1), size);
	}
}
END_TEST

START_TEST(ends)
{
	ck_assert(!mpp_class_fits(0));
	ck_assert(!mpp_class_fits((size_t)MP_MAX_FIXED_SIZE + 1));
	ck_assert(!mpp_class_fits(SIZE_MAX));
	ck_assert_uint_eq(mpp_class_size(0), MP_MIN_BLOCK_SIZE);
	ck_assert_uint_eq(mpp_class_size(MPP_CLASSES - 1), MP_MAX_FIXED_SIZE);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, every_size);
	tcase_add_test(tc, ends);
}

int main(void)
{
	return suite_run("sizeclass", add);
}
