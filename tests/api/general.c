/* SPDX-License-Identifier: MIT */
/*
 * general.c - mp_alloc() and its family, but for mp_realloc().
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>

#define MAX MP_MAX_FIXED_SIZE
#define MIB ((size_t)1 << 20)

static size_t page_size(void)
{
	struct mp_version_info v = { .struct_size = sizeof(v) };

	ck_assert_int_eq(mp_version_info(&v), 0);
	return v.page_size;
}

/* The next power of two, at least the smallest block. */
static size_t class_of(size_t size)
{
	size_t cls = MP_MIN_BLOCK_SIZE;

	while (cls < size)
		cls *= 2;
	return cls;
}

/* The right size, natural alignment, writable to the end. */
static void check_one(void *p, size_t size)
{
	ck_assert_ptr_nonnull(p);
	if (size <= MAX) {
		ck_assert_uint_eq(mp_usable_size(p), class_of(size));
		ck_assert(is_aligned(p, class_of(size)));
	} else {
		ck_assert_uint_ge(mp_usable_size(p), size);
		ck_assert(is_aligned(p, page_size()));
	}
	ck_assert_uint_ge(mp_usable_size(p), mp_good_size(size));
	pattern_fill(p, mp_usable_size(p), (unsigned)size);
}

START_TEST(every_small_size)
{
	static void *p[MAX + 1];

	for (size_t size = 0; size <= MAX; size += 1 + size / 1000)
		check_one(p[size] = mp_alloc(size), size);
	for (size_t size = 0; size <= MAX; size += 1 + size / 1000) {
		ck_assert(pattern_holds(p[size], class_of(size), (unsigned)size));
		mp_free(p[size]);
	}
	for (size_t size = 1; size <= MAX; size++) {
		void *q = mp_alloc(size);

		ck_assert_ptr_nonnull(q);
		mp_free_sized(q, size);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

START_TEST(large_sizes)
{
	for (size_t size = MAX + 1; size <= 40 * MIB; size += size / 3 + 1) {
		void *p = mp_alloc(size);

		check_one(p, size);
		ck_assert_uint_eq(stats_of_all().large_live, 1);
		ck_assert_uint_ge(stats_of_all().bytes_large, size);
		ck_assert(pattern_holds(p, mp_usable_size(p), (unsigned)size));
		mp_free(p);
	}
	for (size_t size = MAX + 1; size <= 40 * MIB; size += size / 3 + 1)
		mp_free_sized(mp_alloc(size), size);
	ck_assert_uint_eq(stats_of_all().faults, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
}
END_TEST

START_TEST(power_of_two_caches)
{
	char name[32];

	for (size_t size = MP_MIN_BLOCK_SIZE; size <= MAX; size *= 2) {
		struct mp_cache *c;
		void *p = mp_alloc(size);

		ck_assert_ptr_nonnull(p);
		snprintf(name, sizeof(name), "mp-%zu", size);
		c = mp_cache_find(name);
		ck_assert_ptr_nonnull(c);
		ck_assert_uint_eq(mp_cache_size(c), size);
		check_cache(c, 1);
		mp_free(p);
		check_cache(c, 0);
	}
	snprintf(name, sizeof(name), "mp-%d", 2 * MAX);
	ck_assert_ptr_null(mp_cache_find(name));
}
END_TEST

START_TEST(size_zero)
{
	void *p[100];

	for (int i = 0; i < 100; i++) {
		p[i] = i % 4 == 0 ? mp_alloc(0) : i % 4 == 1 ? mp_calloc(0, 10) :
		       i % 4 == 2 ? mp_zalloc(0) : mp_aligned_alloc(64, 0);
		ck_assert_ptr_nonnull(p[i]);
		for (int k = 0; k < i; k++)
			ck_assert_ptr_ne(p[i], p[k]);
	}
	for (int i = 0; i < 100; i++)
		mp_free(p[i]);
	ck_assert_uint_eq(mp_usable_size(NULL), 0);
	mp_free_sized(mp_alloc(0), 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

static void check_zeroed(size_t size)
{
	unsigned char *p = mp_zalloc(size), *q = mp_calloc(1 + size / 8, 8);

	ck_assert(p != NULL && q != NULL);
	ck_assert(is_filled(p, size, 0));
	ck_assert(is_filled(q, 8 + size / 8 * 8, 0));
	memset(p, 0xff, mp_usable_size(p)); /* the next one must not see it */
	memset(q, 0xff, mp_usable_size(q));
	mp_free(p);
	mp_free(q);
}

START_TEST(zeroed)
{
	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size <= MAX; size += 1 + size / 50)
			check_zeroed(size);
		for (size_t size = MAX; size <= 12 * MIB; size += size / 2)
			check_zeroed(size);
		if (round == 1)
			(void)mp_reclaim(0);
	}
}
END_TEST

START_TEST(overflow)
{
	static const size_t huge[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4096, SIZE_MAX - 65536,
				       SIZE_MAX / 2 + 1, SIZE_MAX / 2 };
	volatile size_t n = SIZE_MAX / 2 + 2, size = 2;

	errno = 0;
	ck_assert_ptr_null(mp_calloc(n, size)); /* n * size is 2 */
	ck_assert_int_eq(errno, ENOMEM);
	errno = 0;
	ck_assert_ptr_null(mp_calloc(size, n));
	ck_assert_int_eq(errno, ENOMEM);
	n = (size_t)1 << (sizeof(size_t) * 4);
	errno = 0;
	ck_assert_ptr_null(mp_calloc(n, n)); /* n * n is 0 */
	ck_assert_int_eq(errno, ENOMEM);
	for (size_t i = 0; i < sizeof(huge) / sizeof(huge[0]); i++) {
		volatile size_t much = huge[i];

		errno = 0;
		ck_assert_ptr_null(mp_alloc(much));
		ck_assert_int_eq(errno, ENOMEM);
		errno = 0;
		ck_assert_ptr_null(mp_zalloc(much));
		ck_assert_int_eq(errno, ENOMEM);
		errno = 0;
		ck_assert_ptr_null(mp_aligned_alloc(65536, much));
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_uint_ge(mp_good_size(much), much);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(aligned)
{
	static const size_t sizes[] = { 0, 1, 16, 100, 4096, 5000, 70000, 3 * MIB };

	for (size_t align = 1; align <= 8 * MIB; align *= 2)
		for (size_t i = 0; i < 2 * (sizeof(sizes) / sizeof(sizes[0])); i++) {
			size_t size = sizes[i / 2];
			void *p = mp_aligned_alloc(align, size);

			ck_assert_ptr_nonnull(p);
			ck_assert_msg(is_aligned(p, align), "%p for %zu", p, align);
			ck_assert_uint_ge(mp_usable_size(p), size);
			pattern_fill(p, size, 3);
			ck_assert(pattern_holds(p, size, 3));
			if (i % 2 == 0)
				mp_free(p);
			else
				mp_free_aligned_sized(p, align, size);
		}
	ck_assert_uint_eq(stats_of_all().faults, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

START_TEST(bad_alignment)
{
	static const size_t bad[] = { 0, 3, 6, 24, 100, SIZE_MAX, (SIZE_MAX >> 1) + 1 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		volatile size_t align = bad[i];

		errno = 0;
		ck_assert_ptr_null(mp_aligned_alloc(align, 100));
		ck_assert_int_eq(errno, EINVAL);
	}
}
END_TEST

START_TEST(good_size)
{
	for (size_t size = 0; size <= 3 * MIB; size += 1 + size / 40) {
		size_t good = mp_good_size(size);

		ck_assert_uint_ge(good, size);
		ck_assert_uint_eq(mp_good_size(good), good);
		if (size <= MAX)
			ck_assert_uint_eq(good, class_of(size));
		else
			ck_assert_uint_eq(good % page_size(), 0);
	}
}
END_TEST

/* Objects of any cache can be freed this way too. */
START_TEST(objects_of_caches)
{
	for (size_t size = 1; size < 300000; size = size * 4 + 1) {
		struct mp_cache *c = mp_cache_create("any", size, 0, 0, NULL);
		void *p[5];

		ck_assert_ptr_nonnull(c);
		for (int i = 0; i < 5; i++) {
			ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
			ck_assert_uint_eq(mp_usable_size(p[i]), size);
		}
		mp_free(p[0]);
		mp_free(p[1]);
		mp_free_sized(p[2], size);
		mp_free_aligned_sized(p[3], 8, size);
		mp_cache_free(c, p[4]);
		check_cache(c, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(mismatches)
{
	struct mp_cache *c = mp_cache_create("sized", 100, 0, 0, NULL);
	struct tally tally;
	void *p = mp_alloc(100), *large = mp_alloc(MIB), *obj = mp_cache_alloc(c);
	void *second = mp_alloc(64 * MIB);

	ck_assert(p != NULL && large != NULL && obj != NULL && second != NULL);
	tally_start(&tally);
	mp_free_sized(p, class_of(100) / 2);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, p);
	mp_free_sized(p, class_of(100) + 1);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, p);
	mp_free_sized(p, MIB);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, p);
	mp_free_sized(p, SIZE_MAX);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, p);
	mp_free_aligned_sized(p, MAX, 100);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, p);
	mp_free_sized(large, 2 * MIB);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, large);
	mp_free_sized(large, 100); /* a size that a class serves */
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, large);
	mp_free_sized(second, MIB);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, second);
	mp_free_sized(obj, 101);
	tally_expect(&tally, MP_ERROR_SIZE_MISMATCH, obj);
	/* refused each time: all still live */
	mp_free_sized(p, class_of(100));
	mp_free_sized(large, MIB);
	mp_free_sized(second, 64 * MIB);
	mp_free_sized(obj, 100);
	ck_assert_uint_eq(tally.n, 0);
	check_cache(c, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

/* A loop over large blocks is not a loop over system calls. */
START_TEST(large_spans_are_kept)
{
	uint64_t calls;

	mp_free(mp_alloc(MIB));
	calls = stats_of_all().os_calls;
	for (int i = 0; i < 1000; i++) {
		void *p = mp_alloc(MIB);

		ck_assert_ptr_nonnull(p);
		memset(p, i, 1000);
		mp_free(p);
	}
	ck_assert_uint_le(stats_of_all().os_calls - calls, 20);
}
END_TEST

/* The store of freed spans is bounded, and given back on request. */
START_TEST(kept_is_bounded)
{
	enum { N = 400 };
	static void *p[N];
	size_t held = 0;

	for (int i = 0; i < N; i++) {
		ck_assert_ptr_nonnull(p[i] = mp_alloc(MIB / 2 + (size_t)i * 4096));
		*(char *)p[i] = 1;
		held += mp_usable_size(p[i]);
	}
	for (int i = 0; i < N; i++)
		mp_free(p[i]);
	ck_assert_uint_le(stats_of_all().bytes_kept, held);
	ck_assert_uint_gt(mp_reclaim(0), 0);
	ck_assert_uint_eq(stats_of_all().bytes_kept, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
}
END_TEST

static void *churn(void *arg)
{
	enum { N = 200 };
	uint64_t seed = (uintptr_t)arg + 11;
	unsigned char *p[N] = { NULL };
	size_t size[N];

	for (int i = 0; i < 30000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % N);

		if (p[k] != NULL) {
			ck_assert(pattern_holds(p[k], size[k], k));
			if (i % 2 == 0)
				mp_free(p[k]);
			else
				mp_free_sized(p[k], size[k]);
			p[k] = NULL;
			continue;
		}
		size[k] = (size_t)(suite_random(&seed) % (i % 50 == 0 ? 100000 : 500));
		p[k] = mp_alloc(size[k]);
		ck_assert_ptr_nonnull(p[k]);
		pattern_fill(p[k], size[k], k);
	}
	for (int k = 0; k < N; k++)
		mp_free(p[k]);
	return NULL;
}

static int nothing_live(struct mp_cache *c, void *arg)
{
	(void)arg;
	check_cache(c, 0);
	return 0;
}

START_TEST(many_threads)
{
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_int_eq(mp_cache_for_each(nothing_live, NULL), 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, every_small_size);
	tcase_add_test(tc, large_sizes);
	tcase_add_test(tc, power_of_two_caches);
	tcase_add_test(tc, size_zero);
	tcase_add_test(tc, zeroed);
	tcase_add_test(tc, overflow);
	tcase_add_test(tc, aligned);
	tcase_add_test(tc, bad_alignment);
	tcase_add_test(tc, good_size);
	tcase_add_test(tc, objects_of_caches);
	tcase_add_test(tc, mismatches);
	tcase_add_test(tc, large_spans_are_kept);
	tcase_add_test(tc, kept_is_bounded);
	tcase_add_test(tc, many_threads);
}

int main(void)
{
	return suite_run("general", add);
}
