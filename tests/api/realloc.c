/* SPDX-License-Identifier: MIT */
/*
 * realloc.c - contents survive every change of size.
 */
#include "../suite.h"

#include <stdio.h>

#define MAX ((size_t)MP_MAX_FIXED_SIZE)
#define MIB ((size_t)1 << 20)

static void *resized(void *p, size_t from, size_t to, unsigned seed)
{
	void *q = mp_realloc(p, to);

	ck_assert_msg(q != NULL, "from %zu to %zu", from, to);
	ck_assert_uint_ge(mp_usable_size(q), to);
	ck_assert_msg(pattern_holds(q, from < to ? from : to, seed), "from %zu to %zu", from, to);
	pattern_fill(q, to, seed);
	return q;
}

START_TEST(null_and_zero)
{
	void *p = mp_realloc(NULL, 100), *q;
	volatile size_t none = 0; /* or the compiler warns of a block of no bytes */

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_ge(mp_usable_size(p), 100);
	*(char *)p = 'x';
	q = mp_realloc(p, none); /* as size 1 */
	ck_assert_ptr_nonnull(q);
	ck_assert_int_eq(*(char *)q, 'x');
	mp_free(q);
	q = mp_realloc(NULL, 0);
	ck_assert_ptr_nonnull(q);
	mp_free(q);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(in_place)
{
	for (size_t cls = MP_MIN_BLOCK_SIZE; cls <= MAX; cls *= 2) {
		size_t least = cls == MP_MIN_BLOCK_SIZE ? 1 : cls / 2 + 1;
		char *p = mp_alloc(cls), *q;

		ck_assert_ptr_nonnull(p);
		q = mp_realloc(p, least);
		ck_assert_ptr_eq(q, p);
		q = mp_realloc(q, cls);
		ck_assert_ptr_eq(q, p);
		q = mp_realloc(q, cls - 1);
		ck_assert_ptr_eq(q, p);
		if (least > 1) { /* another class: elsewhere, so that mp_free_sized() fits */
			q = mp_realloc(q, least - 1);
			ck_assert_ptr_nonnull(q);
			ck_assert_uint_eq(mp_usable_size(q), mp_good_size(least - 1));
			mp_free_sized(q, least - 1);
		} else {
			mp_free(q);
		}
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

/* From every kind of size to every other. */
START_TEST(all_pairs)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 100, 1000, MAX - 1, MAX, MAX + 1, 3 * MAX,
					65536, 300000, MIB, 3 * MIB, 5 * MIB, 17 * MIB };
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };

	for (unsigned i = 0; i < N; i++)
		for (unsigned k = 0; k < N; k++) {
			void *p = mp_alloc(sizes[i]);

			ck_assert_ptr_nonnull(p);
			pattern_fill(p, sizes[i], i);
			p = resized(p, sizes[i], sizes[k], i);
			ck_assert(pattern_holds(p, sizes[k], i));
			mp_free(p);
		}
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(growing_and_shrinking)
{
	size_t size = 1, next;
	void *p = mp_alloc(size);

	pattern_fill(p, size, 1);
	for (; size < 40 * MIB; size = next) {
		next = size + size / 3 + 1;
		p = resized(p, size, next, 1);
	}
	for (; size > 1; size = next) {
		next = size - size / 3 - 1;
		p = resized(p, size, next == 0 ? 1 : next, 1);
		next = next == 0 ? 1 : next;
	}
	mp_free(p);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
}
END_TEST

/* Several at once in each other's way, with other spans between them. */
START_TEST(at_random)
{
	enum { N = 24 };
	uint64_t seed = 21;
	size_t size[N] = { 0 };
	void *p[N] = { NULL };

	for (int i = 0; i < 6000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % N);
		unsigned bits = 1 + (unsigned)(suite_random(&seed) % (i % 40 == 0 ? 23 : 17));
		size_t to = 1 + (size_t)(suite_random(&seed) % ((uint64_t)1 << bits));

		if (p[k] != NULL && i % 5 == 0) {
			ck_assert(pattern_holds(p[k], size[k], k));
			mp_free(p[k]);
			p[k] = NULL;
			size[k] = 0;
			continue;
		}
		p[k] = resized(p[k], size[k], to, k);
		size[k] = to;
	}
	for (int k = 0; k < N; k++)
		mp_free(p[k]);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

/* Bytes of this process that are resident. */
static size_t resident(void)
{
	unsigned long total, pages;
	FILE *f = fopen("/proc/self/statm", "r");
	int n;

	if (f == NULL)
		return 0;
	n = fscanf(f, "%lu %lu", &total, &pages);
	fclose(f);
	return n == 2 ? pages * 4096 : 0;
}

/* Several MiB grow by page tables, not by copying: nothing is touched. */
START_TEST(without_copying)
{
	char *p = mp_alloc(64 * MIB);
	size_t before;

	ck_assert_ptr_nonnull(p);
	p[0] = 'a';
	p[64 * MIB - 1] = 'z';
	before = resident();
	p = mp_realloc(p, 256 * MIB);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(p[0], 'a');
	ck_assert_int_eq(p[64 * MIB - 1], 'z');
#if defined(__linux__)
	ck_assert_uint_le(resident(), before + 16 * MIB);
#endif
	(void)before;
	mp_free(p);
}
END_TEST

START_TEST(failure_leaves_it_alone)
{
	static const size_t sizes[] = { 100, 3 * MAX, 9 * MIB };

	for (unsigned i = 0; i < 3; i++) {
		volatile size_t huge = SIZE_MAX - 100;
		void *p = mp_alloc(sizes[i]);

		ck_assert_ptr_nonnull(p);
		pattern_fill(p, sizes[i], i);
		errno = 0;
		ck_assert_ptr_null(mp_realloc(p, huge));
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert(pattern_holds(p, sizes[i], i));
		ck_assert_int_eq(mp_set_limit(1), 0);
		errno = 0;
		ck_assert_ptr_null(mp_realloc(p, 30 * MIB));
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_int_eq(mp_set_limit(0), 0);
		ck_assert(pattern_holds(p, sizes[i], i));
		mp_free(p);
	}
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

START_TEST(objects_of_caches)
{
	struct mp_cache *c = mp_cache_create("grows", 150, 0, 0, NULL);
	void *p = mp_cache_alloc(c), *q;

	ck_assert_ptr_nonnull(p);
	pattern_fill(p, 150, 9);
	q = mp_realloc(p, 150);
	ck_assert_ptr_eq(q, p);
	q = mp_realloc(p, 20);
	ck_assert_ptr_eq(q, p);
	q = resized(q, 20, 151, 9); /* to memory of mp_alloc() */
	ck_assert_ptr_ne(q, p);
	check_cache(c, 0);
	mp_free_sized(q, 151);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(bad_pointers)
{
	struct tally tally;
	char *large = mp_alloc(5 * MAX), *small = mp_alloc(100), local[100];
	char *stale = launder(large);

	ck_assert(large != NULL && small != NULL);
	tally_start(&tally);
	errno = 0;
	ck_assert_ptr_null(mp_realloc(launder(local), 10));
	tally_expect(&tally, MP_ERROR_BAD_FREE, local);
	ck_assert_ptr_null(mp_realloc(small + 8, 10));
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, small + 8);
	ck_assert_ptr_null(mp_realloc(large + 64, 10));
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, large + 64);
	mp_free(large);
	mp_thread_flush(); /* it is not at hand, but back in its region */
	ck_assert_ptr_null(mp_realloc(stale, 10));
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	mp_free(small);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, null_and_zero);
	tcase_add_test(tc, in_place);
	tcase_add_test(tc, all_pairs);
	tcase_add_test(tc, growing_and_shrinking);
	tcase_add_test(tc, at_random);
	tcase_add_test(tc, without_copying);
	tcase_add_test(tc, failure_leaves_it_alone);
	tcase_add_test(tc, objects_of_caches);
	tcase_add_test(tc, bad_pointers);
}

int main(void)
{
	return suite_run("realloc", add);
}
