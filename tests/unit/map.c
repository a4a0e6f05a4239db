/* SPDX-License-Identifier: MIT */
/*
 * map.c - which address is whose.  Nothing need be mapped at these addresses.
 */
#include "../suite.h"

#include "map.h"
#include "os.h"

#include <limits.h>

/* Somewhere that no system maps anything. */
#define FAR_AWAY ((uintptr_t)(sizeof(void *) > 4 ? UINT64_C(0x123400000000) : 0x10000000))

static void *granule(size_t n)
{
	return address(FAR_AWAY + n * MP_CHUNK_SIZE);
}

/* Each granule of a region with a number has its code, and leads to the region. */
START_TEST(numbered)
{
	char *base = (char *)(((uintptr_t)granule(0) + 2 * MPP_REGION_SIZE) &
			      ~(uintptr_t)(MPP_REGION_SIZE - 1));
	size_t n = MPP_REGION_SIZE / MP_CHUNK_SIZE;
	unsigned code = MPP_CODE_SPANS + 77;
	void *head;

	ck_assert(mpp_map_publish(base, n, code));
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(mpp_map_get(base + i * MP_CHUNK_SIZE + 5), code);
		ck_assert_uint_eq(mpp_map_find(base + i * MP_CHUNK_SIZE + 5, &head),
				  MPP_CODE_LARGE);
		ck_assert_ptr_eq(head, base);
	}
	mpp_map_withdraw(base, n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(mpp_map_get(base + i * MP_CHUNK_SIZE), 0);
}
END_TEST

START_TEST(not_ours)
{
	static const uint64_t wild[] = { 0, 1, 4095, 0x7fffffffffff, 0x800000000000,
					 0xffff800000000000, UINT64_MAX, 0x5555555555555555 };
	void *head;
	int local;

	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		ck_assert_uint_eq(mpp_map_get(address((uintptr_t)wild[i])), 0);
		ck_assert_uint_eq(mpp_map_find(address((uintptr_t)wild[i]), &head), 0);
	}
	ck_assert_uint_eq(mpp_map_get(launder(&local)), 0);
}
END_TEST

START_TEST(one_granule)
{
	void *head;

	ck_assert(mpp_map_publish(granule(0), 1, 77));
	ck_assert_uint_eq(mpp_map_get(granule(0)), 77);
	ck_assert_uint_eq(mpp_map_get(mpp_at(granule(1), (size_t)-1)), 77);
	ck_assert_uint_eq(mpp_map_get(granule(1)), 0);
	ck_assert_uint_eq(mpp_map_get(mpp_at(granule(0), (size_t)-1)), 0);
	ck_assert_uint_eq(mpp_map_find(mpp_at(granule(0), 99), &head), 77);
	ck_assert_ptr_eq(head, granule(0));
	mpp_map_withdraw(granule(0), 1);
	ck_assert_uint_eq(mpp_map_get(granule(0)), 0);
}
END_TEST

/* Over several leaves and further than one entry can say. */
START_TEST(many_granules)
{
	size_t n = 3 * (size_t)MPP_INSIDE_MAX + 17, from = MPP_LEAF_SIZE - 100;
	void *head;

	if (sizeof(void *) <= 4)
		n = 300, from = 0;
	ck_assert(mpp_map_publish(granule(from), n, MPP_CODE_LARGE));
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			ck_assert_uint_gt(mpp_map_get(granule(from + i)), MPP_CODE_INSIDE);
		ck_assert_uint_eq(mpp_map_find(mpp_at(granule(from + i), 5), &head),
				  MPP_CODE_LARGE);
		ck_assert_ptr_eq(head, granule(from));
	}
	ck_assert_uint_eq(mpp_map_get(granule(from + n)), 0);
	mpp_map_withdraw(granule(from), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(mpp_map_get(granule(from + i)), 0);
}
END_TEST

START_TEST(highest_id)
{
	void *head;

	ck_assert(mpp_map_publish(granule(5), 2, MPP_ID_MAX));
	ck_assert_uint_eq(mpp_map_find(granule(5), &head), MPP_ID_MAX);
	ck_assert_uint_eq(mpp_map_find(granule(6), &head), MPP_ID_MAX);
	ck_assert_ptr_eq(head, granule(5));
	mpp_map_withdraw(granule(5), 2);
}
END_TEST

START_TEST(refused)
{
	size_t last = (size_t)1 << (MPP_ADDRESS_BITS - MPP_CHUNK_SHIFT - 1);

	if (sizeof(void *) <= 4)
		return; /* one leaf, which is always there; every address is in range */
	/* past the addresses told apart */
	ck_assert(!mpp_map_publish(address((uintptr_t)(UINT64_C(1) << 48)), 1, 7));
	ck_assert(!mpp_map_publish(address((uintptr_t)last << MPP_CHUNK_SHIFT),
				   2 * last, 7));
	ck_assert_uint_eq(mpp_map_get(address((uintptr_t)last << MPP_CHUNK_SHIFT)), 0);
	/* without memory for leaves nothing is published; sooner or later there is none */
	mpp_os_inject(1, LONG_MAX);
	for (uintptr_t root = 0;; root++) {
		uintptr_t a = (uintptr_t)((UINT64_C(0x3000) + root)
					<< (MPP_LEAF_BITS + MPP_CHUNK_SHIFT));

		a &= (uintptr_t)((UINT64_C(1) << 47) - 1);
		ck_assert_uint_lt(root, 64);
		if (!mpp_map_publish(address(a), 1, 9)) {
			ck_assert_uint_eq(mpp_map_get(address(a)), 0);
			break;
		}
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, numbered);
	tcase_add_test(tc, one_granule);
	tcase_add_test(tc, many_granules);
	tcase_add_test(tc, highest_id);
	tcase_add_test(tc, refused);
}

int main(void)
{
	return suite_run("map", add);
}
