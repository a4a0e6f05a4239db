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
	mpp_span_cut_locked(&r, s, (size_t)(s - table), pages, MPP_SPAN_LIVE);
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
	mpp_span_cut_locked(&r, s, 100, 7, MPP_SPAN_LIVE);
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

/* A number leads to the region that has it, and to no other, wherever a pointer comes from. */
START_TEST(numbers)
{
	static _Atomic uint8_t lengths[2][MPP_REGION_SIZE / MPP_UNIT];
	uintptr_t here = 5 * (uintptr_t)MPP_REGION_SIZE, there = 9 * (uintptr_t)MPP_REGION_SIZE;
	int a = mpp_number_take_locked(), b = mpp_number_take_locked();
	unsigned code = MPP_CODE_SPANS + (unsigned)a;
	size_t page = mpp_os_page(), rest = MPP_REGION_SIZE - page, units = 2 * page / MPP_UNIT;

	ck_assert(a >= 0 && b >= 0 && a != b);
	mpp_store_relaxed(&mpp_numbered[a].lengths, lengths[0]);
	ck_assert_uint_eq(mpp_span_look(address(here), code), 0);
	mpp_number_set(a, here);
	r.lengths = lengths[0];
	mpp_span_tell(&r, 3, 2);
	ck_assert_uint_eq(mpp_span_look(address(here + 3 * page), code), units);
	ck_assert_uint_eq(mpp_span_look(address(here + 3 * page + 1), code), 0);
	ck_assert_uint_eq(mpp_span_look(address(here + 4 * page), code), 0);
	ck_assert_uint_eq(mpp_span_look(address(here + rest), code), 0);
	ck_assert_uint_eq(mpp_span_look(address(there + 3 * page), code), 0);
	for (unsigned other = 0; other < 65536; other += 7)
		if (other != code)
			ck_assert_uint_eq(mpp_span_look(address(here + 3 * page), other), 0);
	mpp_span_tell(&r, 3, MPP_TOLD_MOST / page + 1); /* more than are told */
	ck_assert_uint_eq(mpp_span_look(address(here + 3 * page), code), 0);
	mpp_span_tell(&r, 3, 2);
	mpp_number_set(a, 0);
	ck_assert_uint_eq(mpp_span_look(address(here + 3 * page), code), 0);
	mpp_number_set(a, there);
	ck_assert_uint_eq(mpp_span_look(address(here + 3 * page), code), 0);
	ck_assert_uint_eq(mpp_span_look(address(there + 3 * page), code), units);
	mpp_number_give_locked(a);
	ck_assert_int_eq(mpp_number_take_locked(), a);
	for (unsigned i = 2; i < MPP_SPANS_CODES; i++)
		ck_assert_int_ge(mpp_number_take_locked(), 0);
	ck_assert_int_eq(mpp_number_take_locked(), -1);
}
END_TEST

static size_t told(const struct mpp_span *s)
{
	size_t bytes = mpp_span_state(s) == MPP_SPAN_LIVE ? mpp_span_bytes(s) : 0;

	return bytes <= MPP_TOLD_MOST ? bytes / MPP_UNIT : 0;
}

/* The lengths that looks find are those of the live spans, at each step. */
START_TEST(lengths_of_spans)
{
	static _Atomic uint8_t lengths[PAGES * (65536 / MPP_UNIT)];
	size_t units = mpp_os_page() / MPP_UNIT;
	struct mpp_span *held[16] = { NULL };
	uint64_t seed = 3;

	ck_assert_uint_le(PAGES * units, sizeof(lengths));
	r.lengths = lengths;
	setup();
	for (int i = 0; i < 5000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % 16);

		if (held[k] != NULL) {
			mpp_span_tell(&r, (size_t)(held[k] - table), 0); /* as large.c does */
			join(held[k]);
			held[k] = NULL;
		} else {
			held[k] = cut(1 + (size_t)(suite_random(&seed) % 16));
		}
		for (size_t page = 0; page < PAGES; page++)
			ck_assert_uint_eq(mpp_load_relaxed(&lengths[page * units]),
					  told(&table[page]));
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, cut_and_join);
	tcase_add_test(tc, cut_in_the_middle);
	tcase_add_test(tc, best_fit);
	tcase_add_test(tc, at_random);
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, lengths_of_spans);
	if (sizeof(void *) > 4)
		tcase_add_test(tc, table_of_regions);
}

int main(void)
{
	return suite_run("span", add);
}
