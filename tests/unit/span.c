/* SPDX-License-Identifier: MIT */
/*
 * span.c - the table of one region, cut and joined, and the table of regions.
 * Nothing is mapped at these addresses, and no other thread runs.
 */
#include "../suite.h"

#include "span.h"

#define PAGES 256u

static struct mpp_region r;
static struct mpp_span table[PAGES];

static void setup(void)
{
	r.pages = PAGES;
	r.spans = table;
	mpp_store_relaxed(&r.base, (uintptr_t)64 * MP_CHUNK_SIZE);
	mpp_span_mark(&r, 0, PAGES, MPP_SPAN_FREE);
	table[0].dirty = false;
	mpp_span_bin_locked(&table[0]);
}

/* Walk the table: each span starts where the one before ends.  Returns the free pages. */
static size_t walk(unsigned *spans)
{
	size_t page = 0, pages_free = 0;

	*spans = 0;
	while (page < PAGES) {
		struct mpp_span *s = &table[page];
		size_t n = mpp_span_pages(s);

		ck_assert_uint_gt(n, 0);
		ck_assert_uint_le(page + n, PAGES);
		ck_assert_uint_eq(table[page + n - 1].first, page);
		ck_assert_int_ne(mpp_span_state(s), MPP_SPAN_INSIDE);
		if (mpp_span_state(s) == MPP_SPAN_FREE) {
			ck_assert(mpp_span_is_binned(s));
			pages_free += n;
		}
		++*spans;
		page += n;
	}
	return pages_free;
}

static struct mpp_span *cut(size_t pages)
{
	struct mpp_span *s = mpp_span_best_locked(pages);

	if (s == NULL)
		return NULL;
	mpp_span_unbin_locked(s);
	mpp_span_cut_locked(&r, s, (size_t)(s - table), pages);
	return s;
}

static void join(struct mpp_span *s)
{
	s->dirty = true;
	mpp_span_set_state(s, MPP_SPAN_FREE);
	mpp_span_join_locked(&r, (size_t)(s - table));
}

START_TEST(cut_and_join)
{
	struct mpp_span *a, *b, *c;
	unsigned n;

	setup();
	a = cut(10);
	b = cut(20);
	c = cut(PAGES - 30);
	ck_assert(a != NULL && b != NULL && c != NULL);
	ck_assert_ptr_null(cut(1));
	ck_assert_uint_eq(walk(&n), 0);
	ck_assert_uint_eq(n, 3);
	join(a);
	ck_assert_uint_eq(mpp_spans_kept, 10 * mpp_os_page());
	join(c);
	ck_assert_uint_eq(walk(&n), PAGES - 20);
	join(b); /* both neighbours */
	ck_assert_uint_eq(walk(&n), PAGES);
	ck_assert_uint_eq(n, 1);
	ck_assert_uint_eq(mpp_spans_kept, PAGES * mpp_os_page());
}
END_TEST

START_TEST(cut_in_the_middle)
{
	struct mpp_span *s;
	unsigned n;

	setup();
	s = mpp_span_best_locked(PAGES);
	ck_assert_ptr_eq(s, &table[0]);
	mpp_span_unbin_locked(s);
	mpp_span_cut_locked(&r, s, 100, 7);
	ck_assert_uint_eq(walk(&n), PAGES - 7);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(mpp_span_state(&table[100]), MPP_SPAN_LIVE);
	join(&table[100]);
	ck_assert_uint_eq(walk(&n), PAGES);
	ck_assert_uint_eq(n, 1);
}
END_TEST

/* Best fit: a hole of the right length is preferred to the great rest. */
START_TEST(best_fit)
{
	struct mpp_span *a, *fence, *b;

	setup();
	a = cut(12);
	fence = cut(1);
	ck_assert(a != NULL && fence != NULL);
	join(a);
	b = cut(12);
	ck_assert_ptr_eq(b, a);
	ck_assert_ptr_ne(cut(13), a);
}
END_TEST

START_TEST(at_random)
{
	struct mpp_span *held[64] = { NULL };
	uint64_t seed = 9;
	unsigned n;

	setup();
	for (int i = 0; i < 50000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % 64);

		if (held[k] != NULL) {
			join(held[k]);
			held[k] = NULL;
		} else {
			held[k] = cut(1 + (size_t)(suite_random(&seed) % 16));
		}
		if (i % 64 == 0)
			(void)walk(&n);
	}
	for (int k = 0; k < 64; k++)
		if (held[k] != NULL)
			join(held[k]);
	ck_assert_uint_eq(walk(&n), PAGES);
	ck_assert_uint_eq(n, 1);
}
END_TEST

/* Regions whose addresses fall into the same bucket, found and removed. */
START_TEST(table_of_regions)
{
	enum { N = 200 };
	static struct mpp_region many[N];

	for (uintptr_t i = 0; i < N; i++) {
		mpp_store_relaxed(&many[i].base, ((i + 1) << 24) * (uintptr_t)MP_CHUNK_SIZE);
		mpp_region_insert_locked(&many[i]);
	}
	for (int i = 0; i < N; i += 3)
		mpp_region_remove_locked(&many[i]);
	for (int i = 0; i < N; i++)
		ck_assert_ptr_eq(mpp_region_find((void *)mpp_region_base(&many[i])),
				 i % 3 == 0 ? NULL : &many[i]);
	ck_assert_ptr_null(mpp_region_find(address(MP_CHUNK_SIZE)));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, cut_and_join);
	tcase_add_test(tc, cut_in_the_middle);
	tcase_add_test(tc, best_fit);
	tcase_add_test(tc, at_random);
	if (sizeof(void *) > 4)
		tcase_add_test(tc, table_of_regions);
}

int main(void)
{
	return suite_run("span", add);
}
