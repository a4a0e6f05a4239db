/* SPDX-License-Identifier: MIT */
/*
 * large.c - spans of pages: cut, joined, grown, moved, freed once.
 */
#include "../suite.h"

#include "budget.h"
#include "large.h"
#include "map.h"
#include "os.h"
#include "span.h"

#include <limits.h>
#include <pthread.h>

static struct mpp_large_stats now(void)
{
	struct mpp_large_stats s;

	mpp_large_stats(&s);
	return s;
}

static void *span(size_t size)
{
	bool zeroed;
	void *p = mpp_large_alloc(size, 1, &zeroed);

	ck_assert_ptr_nonnull(p);
	if (zeroed)
		ck_assert(is_filled(p, size, 0));
	return p;
}

static void *head_of(const void *p)
{
	void *head;

	ck_assert_uint_eq(mpp_map_find(p, &head), MPP_CODE_LARGE);
	return head;
}

static enum mpp_large_verdict drop(void *p)
{
	return mpp_large_free(p, head_of(p));
}

START_TEST(sizes)
{
	size_t page = mpp_os_page(), budget = mpp_budget_used();

	for (size_t size = 1; size <= 20 * MPP_MIB; size = size * 2 + 77) {
		char *p = span(size);

		ck_assert(is_aligned(p, page));
		ck_assert_uint_ge(mpp_large_size(p, head_of(p)), size);
		ck_assert_uint_eq(mpp_large_size(p, head_of(p)) % page, 0);
		memset(p, 0xa5, size);
		ck_assert_uint_eq(now().live, 1);
		ck_assert_uint_eq(now().in_use, mpp_large_size(p, head_of(p)));
		ck_assert_uint_eq(mpp_large_validate(), 0);
		ck_assert_int_eq(drop(p), MPP_LARGE_OK);
	}
	ck_assert_uint_eq(now().live, 0);
	ck_assert_uint_eq(now().in_use, 0);
	(void)mpp_large_purge(0);
	ck_assert_uint_eq(now().kept, 0);
	/* tables only; of the map's leaves, of 128 KiB, three if regions lie across 4 GiB */
	ck_assert_uint_le(mpp_budget_used(), budget + 512 * MPP_KIB);
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

START_TEST(alignments)
{
	for (size_t align = 1; align <= 64 * MPP_MIB; align *= 2) {
		bool zeroed;
		void *p = mpp_large_alloc(3 * mpp_os_page(), align, &zeroed);
		void *q = mpp_large_alloc(5 * MPP_MIB, align, &zeroed);

		ck_assert_ptr_nonnull(p);
		ck_assert(is_aligned(p, align));
		ck_assert_ptr_nonnull(q);
		ck_assert(is_aligned(q, align));
		ck_assert_int_eq(drop(p), MPP_LARGE_OK);
		ck_assert_int_eq(drop(q), MPP_LARGE_OK);
	}
}
END_TEST

START_TEST(verdicts)
{
	size_t page = mpp_os_page();
	char *small = span(4 * page), *big = span(9 * MPP_MIB), *keep = span(page);
	void *big_head = head_of(big), *head;

	ck_assert_int_eq(drop(small + 1), MPP_LARGE_INTERIOR);
	ck_assert_int_eq(drop(small + page), MPP_LARGE_INTERIOR);
	ck_assert_int_eq(drop(big + page), MPP_LARGE_INTERIOR);
	ck_assert_int_eq(drop(big + 8 * MPP_MIB), MPP_LARGE_INTERIOR);
	ck_assert_uint_eq(mpp_large_size(small + page, head_of(small)), 0);
	ck_assert_int_eq(drop(small), MPP_LARGE_OK);
	ck_assert_int_eq(drop(small), MPP_LARGE_FREE);
	ck_assert_uint_eq(mpp_large_size(small, head_of(small)), 0);
	ck_assert_int_eq(drop(big), MPP_LARGE_OK);
	ck_assert_int_eq(drop(big), MPP_LARGE_FREE);
	(void)mpp_large_purge(0);
	ck_assert_uint_eq(mpp_map_find(big, &head), 0); /* unmapped */
	ck_assert_int_eq(mpp_large_free(big, big_head), MPP_LARGE_FOREIGN);
	ck_assert_int_eq(drop(keep), MPP_LARGE_OK);
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

/* What the look without the hash table says of p. */
static size_t look(const void *p)
{
	return mpp_span_look(p, mpp_map_get(p)) * MPP_UNIT;
}

/* It agrees with the tables whatever is done to a span, and knows none that is too long. */
START_TEST(looked_at)
{
	size_t page = mpp_os_page();
	char *a = span(3 * page), *b = span(2 * page), *big = span(9 * MPP_MIB), *c;

	ck_assert_uint_eq(look(a), 3 * page);
	ck_assert_uint_eq(look(b), 2 * page);
	ck_assert_uint_eq(look(a + 1), 0);
	ck_assert_uint_eq(look(a + page), 0);
	ck_assert_uint_eq(look(big), 0);
	ck_assert_uint_eq(look(&a), 0);
	ck_assert(mpp_large_resize(a, head_of(a), 2 * page));
	ck_assert_uint_eq(look(a), 2 * page);
	ck_assert_uint_eq(look(a + 2 * page), 0);
	if (mpp_large_resize(a, head_of(a), 3 * page)) /* the page is still free behind it */
		ck_assert_uint_eq(look(a), 3 * page);
	ck_assert_uint_eq(look(a + 2 * page), 0);
	ck_assert_int_eq(drop(a), MPP_LARGE_OK);
	ck_assert_uint_eq(look(a), 0);
	c = span(page);
	ck_assert_uint_eq(look(c), page);
	ck_assert_int_eq(drop(c), MPP_LARGE_OK);
	ck_assert_int_eq(drop(b), MPP_LARGE_OK);
	(void)mpp_large_purge(0);
	ck_assert_uint_eq(look(a), 0);
	ck_assert_uint_eq(look(b), 0);
}
END_TEST

/* Regions come and go, more of them than there are numbers: all is found as before. */
START_TEST(more_regions_than_numbers)
{
	size_t n = (size_t)MPP_SPANS_CODES + 5, each = MPP_REGION_SIZE / 2, regions = 0;
	static char *p[2 * (MPP_SPANS_CODES + 5)];

	if (sizeof(void *) < 8) /* there are not so many addresses */
		return;
	for (size_t i = 0; i < 2 * n; i++) {
		bool zeroed;

		p[i] = mpp_large_alloc(each, 1, &zeroed);
		ck_assert_ptr_nonnull(p[i]);
		regions += head_of(p[i]) == p[i];
	}
	ck_assert_uint_ge(regions, n);
	ck_assert_uint_eq(mpp_large_validate(), 0);
	for (size_t i = 0; i < 2 * n; i++) {
		ck_assert_uint_eq(mpp_large_size(p[i], head_of(p[i])), each);
		ck_assert_int_eq(drop(p[i]), MPP_LARGE_OK);
	}
	(void)mpp_large_purge(0);
	ck_assert_uint_eq(mpp_large_validate(), 0);
	p[0] = span(mpp_os_page());
	ck_assert_uint_eq(look(p[0]), mpp_os_page());
}
END_TEST

START_TEST(joined_again)
{
	enum { N = 60 };
	size_t page = mpp_os_page();
	/* together smaller than a span that has a region to itself */
	int n = (int)mpp_min(N, MPP_MIB / (4 * page));
	void *p[N];
	size_t reserved;

	for (int i = 0; i < n; i++)
		p[i] = span(4 * page);
	reserved = now().reserved;
	for (int i = 0; i < n; i += 2)
		ck_assert_int_eq(drop(p[i]), MPP_LARGE_OK);
	ck_assert_uint_eq(mpp_large_validate(), 0);
	for (int i = 1; i < n; i += 2)
		ck_assert_int_eq(drop(p[i]), MPP_LARGE_OK);
	ck_assert_uint_eq(mpp_large_validate(), 0);
	span((size_t)(n - 1) * 4 * page); /* one piece again */
	ck_assert_uint_eq(now().reserved, reserved);
}
END_TEST

START_TEST(resized_in_place)
{
	size_t page = mpp_os_page();
	char *p = span(8 * page), *fence;

	pattern_fill(p, 8 * page, 1);
	ck_assert(mpp_large_resize(p, head_of(p), 3 * page));
	ck_assert_uint_eq(mpp_large_size(p, head_of(p)), 3 * page);
	ck_assert(mpp_large_resize(p, head_of(p), 8 * page));
	ck_assert_uint_eq(mpp_large_size(p, head_of(p)), 8 * page);
	ck_assert(pattern_holds(p, 3 * page, 1));
	ck_assert_uint_eq(now().in_use, 8 * page);
	ck_assert(mpp_large_resize(p, head_of(p), 3 * page));
	fence = span(page); /* right behind it, or elsewhere and then it may grow */
	if (fence == p + 3 * page)
		ck_assert(!mpp_large_resize(p, head_of(p), 4 * page));
	ck_assert_uint_eq(mpp_large_validate(), 0);
	ck_assert_int_eq(drop(fence), MPP_LARGE_OK);
	ck_assert_int_eq(drop(p), MPP_LARGE_OK);
	ck_assert_uint_eq(now().in_use, 0);
}
END_TEST

START_TEST(moved_by_page_tables)
{
	char *p = span(8 * MPP_MIB), *q;

	pattern_fill(p, 8 * MPP_MIB, 5);
	q = mpp_large_move(p, head_of(p), 24 * MPP_MIB);
#if defined(__linux__)
	ck_assert_ptr_nonnull(q);
#endif
	if (q == NULL)
		return;
	ck_assert(pattern_holds(q, 8 * MPP_MIB, 5));
	memset(q + 8 * MPP_MIB, 1, 16 * MPP_MIB);
	ck_assert_uint_ge(mpp_large_size(q, head_of(q)), 24 * MPP_MIB);
	ck_assert_uint_eq(now().live, 1);
	ck_assert_uint_eq(now().in_use, mpp_large_size(q, head_of(q)));
	ck_assert_uint_eq(mpp_large_validate(), 0);
	ck_assert_int_eq(drop(q), MPP_LARGE_OK);
}
END_TEST

/* Each system call of a move refused in turn: it fails and p is as it was, or works. */
START_TEST(move_refused)
{
	for (long n = 1; n < 12; n++) {
		char *p = span(8 * MPP_MIB), *q;

		pattern_fill(p, 8 * MPP_MIB, 6);
		mpp_os_inject(n, LONG_MAX);
		q = mpp_large_move(p, head_of(p), 16 * MPP_MIB);
		mpp_os_inject(0, 0);
		if (q == NULL)
			q = p;
		ck_assert(pattern_holds(q, 8 * MPP_MIB, 6));
		ck_assert_uint_eq(now().live, 1);
		ck_assert_uint_eq(mpp_large_validate(), 0);
		ck_assert_int_eq(drop(q), MPP_LARGE_OK);
	}
	(void)mpp_large_purge(0);
	ck_assert_uint_eq(now().kept, 0);
}
END_TEST

START_TEST(zeroed_is_true)
{
	uint64_t seed = 7;
	char *p[32] = { NULL };
	size_t size[32];

	for (int i = 0; i < 4000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % 32);
		bool zeroed;

		if (p[k] != NULL) {
			ck_assert_int_eq(drop(p[k]), MPP_LARGE_OK);
			p[k] = NULL;
			if (i % 64 == 0)
				(void)mpp_large_purge(suite_random(&seed) % MPP_MIB);
			continue;
		}
		size[k] = 1 + (size_t)(suite_random(&seed) % (400 * MPP_KIB));
		p[k] = mpp_large_alloc(size[k], 1, &zeroed);
		ck_assert_ptr_nonnull(p[k]);
		if (zeroed)
			ck_assert(is_filled(p[k], size[k], 0));
		memset(p[k], 0xff, size[k]);
	}
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

START_TEST(samples)
{
	struct mpp_large_info info[4];
	char *a = span(2 * mpp_os_page()), *b = span(6 * MPP_MIB);

	ck_assert_uint_eq(mpp_large_sample(info, 0, 4), 2);
	for (int i = 0; i < 2; i++) {
		ck_assert(info[i].live);
		ck_assert(info[i].start == a || info[i].start == b);
	}
	ck_assert(info[0].start != info[1].start);
	ck_assert_uint_eq(mpp_large_sample(info, 0, 1), 1);
	ck_assert(mpp_large_info(a + 5, head_of(a), &info[0]));
	ck_assert_ptr_eq(info[0].start, a);
	ck_assert(mpp_large_info(b + 5 * MPP_MIB, head_of(b), &info[0]));
	ck_assert_ptr_eq(info[0].start, b);
	ck_assert_int_eq(drop(b), MPP_LARGE_OK);
	ck_assert(mpp_large_info(b, head_of(b), &info[0]));
	ck_assert(!info[0].live);
}
END_TEST

START_TEST(refused)
{
	size_t budget = mpp_budget_used();
	bool zeroed;

	ck_assert_ptr_null(mpp_large_alloc(SIZE_MAX, 1, &zeroed));
	ck_assert_ptr_null(mpp_large_alloc(SIZE_MAX / 2 + 1, 1, &zeroed));
	mpp_os_inject(1, LONG_MAX);
	ck_assert_ptr_null(mpp_large_alloc(MPP_MIB, 1, &zeroed));
	ck_assert_ptr_null(mpp_large_alloc(9 * MPP_MIB, 1, &zeroed));
	mpp_os_inject(0, 0);
	ck_assert_uint_eq(now().live, 0);
	ck_assert_uint_eq(now().in_use, 0);
	mpp_budget_set_limit(budget + 8 * MPP_MIB);
	ck_assert_ptr_null(mpp_large_alloc(9 * MPP_MIB, 1, &zeroed));
	ck_assert_ptr_nonnull(mpp_large_alloc(MPP_MIB, 1, &zeroed));
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

/* An unmap that the system refuses: nothing is lost, the span is used again. */
START_TEST(unmap_refused)
{
	void *p = span(9 * MPP_MIB), *q;

	memset(p, 1, 9 * MPP_MIB);
	ck_assert_int_eq(drop(p), MPP_LARGE_OK);
	mpp_os_inject(1, LONG_MAX);
	(void)mpp_large_purge(0);
	q = span(9 * MPP_MIB);
	mpp_os_inject(0, 0);
	ck_assert_ptr_eq(q, p);
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

/* Many threads free the same span: one of them does. */
#define THREADS 4
#define ROUNDS 2000

static char *target; /* written before round is */
static _Atomic int round_now, winners, arrived;

static void *race(void *arg)
{
	for (int i = 1; i <= ROUNDS; i++) {
		while (atomic_load(&round_now) != i)
			mpp_os_yield();
		if (drop(target) == MPP_LARGE_OK)
			atomic_fetch_add(&winners, 1);
		atomic_fetch_add(&arrived, 1);
	}
	return arg;
}

START_TEST(freed_once)
{
	pthread_t t[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, race, NULL), 0);
	for (int i = 1; i <= ROUNDS; i++) {
		target = span(4 * mpp_os_page());
		atomic_store(&round_now, i);
		while (atomic_load(&arrived) != i * THREADS)
			mpp_os_yield();
		ck_assert_int_eq(atomic_load(&winners), i);
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(now().live, 0);
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, alignments);
	tcase_add_test(tc, verdicts);
	tcase_add_test(tc, looked_at);
	tcase_add_test(tc, more_regions_than_numbers);
	tcase_add_test(tc, joined_again);
	tcase_add_test(tc, resized_in_place);
	tcase_add_test(tc, moved_by_page_tables);
	tcase_add_test(tc, move_refused);
	tcase_add_test(tc, zeroed_is_true);
	tcase_add_test(tc, samples);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, unmap_refused);
	tcase_add_test(tc, freed_once);
}

int main(void)
{
	return suite_run("large", add);
}
