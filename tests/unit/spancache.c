/* SPDX-License-Identifier: MIT */
/*
 * spancache.c - the free spans that a thread keeps at hand.
 */
#include "../suite.h"

#include "init.h"
#include "large.h"
#include "os.h"
#include "spancache.h"

static size_t kept(void)
{
	size_t spans, bytes;

	mpp_spans_count(&spans, &bytes);
	ck_assert_uint_eq(bytes, MPP_SPAN_CACHE_BYTES - mpp_thread_get()->span_room);
	return spans;
}

static void *span(size_t pages)
{
	bool zeroed;
	void *p = mpp_large_alloc(pages * mpp_os_page(), 1, &zeroed);

	ck_assert_ptr_nonnull(p);
	return p;
}

static void *pop(struct mpp_thread *t, size_t pages)
{
	return mpp_spans_pop(&mpp_spans_all, t, pages * mpp_os_page());
}

static enum mpp_spans_push push(struct mpp_thread *t, void *p, size_t pages)
{
	return mpp_spans_push(&mpp_spans_all, t, p, pages * (mpp_os_page() / MPP_UNIT));
}

static void start(void)
{
	ck_assert(mpp_init());
}

/* Each length that is given out has a stack of its own, and what is freed goes there. */
START_TEST(rounding)
{
	size_t page = mpp_os_page();
	unsigned stacks = 0;
	uint32_t last = 0;

	for (size_t size = 1; size < 3 * MPP_SPAN_CACHE_MOST; size += 77) {
		size_t n = mpp_spans_round(size), units = n / MPP_UNIT;
		struct mpp_spans_place place;

		ck_assert_uint_ge(n, size);
		ck_assert_uint_le(n, size + mpp_max(size / 4, page));
		ck_assert_uint_eq(n % page, 0);
		ck_assert_uint_eq(mpp_spans_round(n), n);
		ck_assert(size > MPP_SPAN_CACHE_MOST || n <= MPP_SPAN_CACHE_MOST);
		if (size > MPP_SPAN_CACHE_MOST)
			continue;
		place = mpp_spans_all.exact[units];
		ck_assert_uint_eq(place.units, units);
		ck_assert_mem_eq(&place, &mpp_spans_all.up[units], sizeof(place));
		ck_assert_mem_eq(&place, &mpp_spans_all.up[(size + MPP_UNIT - 1) / MPP_UNIT],
				 sizeof(place));
		stacks += place.offset != last;
		ck_assert_uint_ge(place.offset, last);
		last = place.offset;
	}
	ck_assert(stacks == MPP_SPAN_STACKS || page > MPP_UNIT);
	ck_assert_uint_lt(last, offsetof(struct mpp_thread, span_room));
}
END_TEST

START_TEST(push_and_pop)
{
	struct mpp_thread *t = mpp_thread_get();
	void *a = span(1), *b = span(1), *c = span(2);

	ck_assert_int_eq(push(t, a, 1), MPP_SPANS_KEPT);
	ck_assert_int_eq(push(t, b, 1), MPP_SPANS_KEPT);
	ck_assert_int_eq(push(t, b, 1), MPP_SPANS_TWICE);
	ck_assert_int_eq(push(t, c, 2), MPP_SPANS_KEPT);
	ck_assert_uint_eq(kept(), 3);
	ck_assert(mpp_spans_has(a) && mpp_spans_has(b) && mpp_spans_has(c));
	ck_assert(mpp_spans_keep(t, a, mpp_os_page() / MPP_UNIT));
	ck_assert(!mpp_spans_keep(t, c, mpp_os_page() / MPP_UNIT));
	ck_assert_ptr_eq(pop(t, 1), b);
	ck_assert_ptr_eq(pop(t, 1), a);
	ck_assert_ptr_null(pop(t, 1));
	ck_assert(!mpp_spans_has(a));
	ck_assert_ptr_eq(pop(t, 2), c);
	ck_assert_uint_eq(kept(), 0);
}
END_TEST

START_TEST(bounded)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_faults faults = { .n = 0 };
	size_t page = mpp_os_page(), n = 0;

	while (push(t, span(1), 1) == MPP_SPANS_KEPT)
		ck_assert_uint_le(++n, MPP_SPANS_MAX);
	ck_assert_uint_eq(n, MPP_SPANS_MAX);
	for (size_t pages = 2; pages <= MPP_SPAN_CACHE_MOST / page; pages++)
		for (unsigned i = 0; i < MPP_SPANS_MAX; i++)
			if (mpp_spans_round(pages * page) == pages * page)
				(void)push(t, span(pages), pages);
	ck_assert_uint_lt(t->span_room, MPP_SPAN_CACHE_BYTES / 2);
	(void)kept();
	ck_assert_uint_gt(mpp_spans_flush(t, &faults), MPP_SPAN_CACHE_BYTES / 2);
	ck_assert_uint_eq(faults.n, 0);
	ck_assert_uint_eq(kept(), 0);
	ck_assert_uint_eq(mpp_large_validate(), 0);
}
END_TEST

START_TEST(not_for_the_shared_state)
{
	ck_assert_int_eq(push(&mpp_thread_shared, span(1), 1), MPP_SPANS_NO_ROOM);
}
END_TEST

/* What is at hand is not live, not leaked, and given back on request. */
START_TEST(counted_as_free)
{
	size_t size = 2 * (size_t)MP_MAX_FIXED_SIZE + mpp_os_page();
	void *p = mp_alloc(size);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(stats_of_all().large_live, 1);
	mp_free(p);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().bytes_large, 0);
	ck_assert_uint_eq(kept(), size <= MPP_SPAN_CACHE_MOST ? 1 : 0);
	(void)mp_reclaim(0);
	ck_assert_uint_eq(kept(), 0);
	ck_assert_uint_eq(stats_of_all().bytes_kept, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, rounding);
	tcase_add_test(tc, push_and_pop);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, not_for_the_shared_state);
	tcase_add_test(tc, counted_as_free);
}

int main(void)
{
	suite_before = start;
	return suite_run("spancache", add);
}
