/* SPDX-License-Identifier: MIT */
/*
 * bits.c - words of bits and exact division, against the obvious way.
 */
#include "../suite.h"

#include "bits.h"

static unsigned count_slowly(uint64_t x)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 64; i++)
		n += (unsigned)(x >> i & 1);
	return n;
}

START_TEST(counts_and_positions)
{
	uint64_t seed = 1;

	for (int i = 0; i < 100000; i++) {
		uint64_t r = suite_random(&seed) & suite_random(&seed);
		mpp_bits x = (mpp_bits)r;

		ck_assert_uint_eq(mpp_popcount(x), count_slowly(x));
		if (x == 0)
			continue;
		ck_assert(x >> mpp_lowest(x) & 1);
		ck_assert_uint_eq(x & (((mpp_bits)1 << mpp_lowest(x)) - 1), 0);
	}
	for (unsigned i = 0; i < 8 * sizeof(size_t); i++)
		ck_assert_uint_eq(mpp_width((size_t)1 << i), i + 1);
	ck_assert_uint_eq(mpp_width(4095), 12);
}
END_TEST

START_TEST(low_and_first)
{
	uint64_t seed = 2;

	ck_assert_uint_eq(mpp_low_bits(0), 0);
	ck_assert_uint_eq(mpp_low_bits(1), 1);
	ck_assert_uint_eq(mpp_low_bits(MPP_BITS), ~(mpp_bits)0);
	ck_assert(mpp_low_bits64(64) == UINT64_MAX);
	for (int i = 0; i < 20000; i++) {
		mpp_bits x = (mpp_bits)suite_random(&seed);
		unsigned n = (unsigned)(suite_random(&seed) % (MPP_BITS + 2));
		mpp_bits first = mpp_first_bits(x, n);

		ck_assert_uint_eq(first & ~x, 0);
		ck_assert_uint_eq(mpp_popcount(first), mpp_min(n, mpp_popcount(x)));
		if ((x & ~first) != 0 && first != 0)
			ck_assert(mpp_width(first) <= mpp_lowest(x & ~first));
	}
}
END_TEST

static int find_run_slowly(uint64_t x, unsigned n)
{
	for (unsigned at = 0; at + n <= 64; at++)
		if ((x >> at & mpp_low_bits64(n)) == mpp_low_bits64(n))
			return (int)at;
	return -1;
}

START_TEST(runs)
{
	uint64_t seed = 3;

	ck_assert_int_eq(mpp_find_run(0, 1), -1);
	ck_assert_int_eq(mpp_find_run(UINT64_MAX, 64), 0);
	ck_assert_int_eq(mpp_find_run(UINT64_MAX - 1, 64), -1);
	for (int i = 0; i < 100000; i++) {
		uint64_t x = suite_random(&seed) | suite_random(&seed);
		unsigned n = 1 + (unsigned)(suite_random(&seed) % 64);

		ck_assert_int_eq(mpp_find_run(x, n), find_run_slowly(x, n));
	}
}
END_TEST

/* "quotient below count" must be "a multiple below count * d", nothing else. */
static void try_division(uint32_t d, uint32_t n)
{
	uint32_t q = mpp_quotient(n, mpp_divisor(d));

	if (n % d == 0)
		ck_assert_uint_eq(q, n / d);
	else
		ck_assert(q > UINT32_MAX / d);
}

START_TEST(division)
{
	uint64_t seed = 4;

	for (uint32_t d = 8; d <= 4096; d += 8)
		for (uint32_t n = 0; n < 3 * d; n += 4)
			try_division(d, n);
	for (int i = 0; i < 100000; i++) {
		uint32_t d = 1 + (uint32_t)(suite_random(&seed) >> 40);
		uint32_t n = (uint32_t)suite_random(&seed);

		try_division(d, n);
		try_division(d, n - n % d);
		try_division(8 * (d & 0xfffff) + 8, (uint32_t)0 - n % 4096);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, counts_and_positions);
	tcase_add_test(tc, low_and_first);
	tcase_add_test(tc, runs);
	tcase_add_test(tc, division);
}

int main(void)
{
	return suite_run("bits", add);
}
