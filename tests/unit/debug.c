/* SPDX-License-Identifier: MIT */
/*
 * debug.c - poison, and where it was written into.
 */
#include "../suite.h"

#include "debug.h"

START_TEST(untouched)
{
	unsigned char buf[300];

	for (size_t size = 0; size < sizeof(buf); size++) {
		memset(buf, 0, sizeof(buf));
		memset(buf, MPP_POISON_FREE, size);
		ck_assert_uint_eq(mpp_poison_check(buf, size, MPP_POISON_FREE), size);
		ck_assert_uint_eq(buf[size], 0);
	}
}
END_TEST

START_TEST(touched)
{
	unsigned char buf[300];

	for (size_t size = 1; size <= sizeof(buf); size += 13)
		for (size_t at = 0; at < size; at++) {
			memset(buf, MPP_POISON_FREE, size);
			buf[at] = MPP_POISON_FREE ^ 0x80;
			buf[size - 1] ^= at < size - 1 && at % 2 ? 1 : 0;
			ck_assert_uint_eq(mpp_poison_check(buf, size, MPP_POISON_FREE), at);
		}
	memset(buf, 0, sizeof(buf)); /* all equal, but wrong */
	ck_assert_uint_eq(mpp_poison_check(buf, sizeof(buf), MPP_POISON_FREE), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, untouched);
	tcase_add_test(tc, touched);
}

int main(void)
{
	return suite_run("debug", add);
}
