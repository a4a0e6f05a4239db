/* SPDX-License-Identifier: MIT */
/*
 * spancache.c - the free spans that a thread keeps at hand.
 */
#include "../suite.h"

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

START_TEST(rounding)
{
	size_t most = MPP_SPAN_CACHE_MOST / mpp_os_page();

	for (size_t pages = 1; pages < 3 * most; pages++) {
		size_t n = mpp_spans_round(pages);

		ck_assert_uint_ge(n, pages);
		ck_assert_uint_le(n, pages + pages / 4 + 1);
		ck_assert_uint_eq(mpp_spans_round(n), n);
		ck_assert_int_eq(mpp_spans_stack(mpp_thread_get(), n) != NULL, n <= most);
	}
}
END_TEST

START_TEST(push_and_pop)
{
	struct mpp_thread *t = mpp_thread_get();
	void *a = span(1), *b = span(1), *c = span(2);

	ck_assert_int_eq(mpp_spans_push(t, a, 1), MPP_SPANS_KEPT);
	ck_assert_int_eq(mpp_spans_push(t, b, 1), MPP_SPANS_KEPT);
	ck_assert_int_eq(mpp_spans_push(t, b, 1), MPP_SPANS_TWICE);
	ck_assert_int_eq(mpp_spans_push(t, c, 2), MPP_SPANS_KEPT);
	ck_assert_uint_eq(kept(), 3);
	ck_assert(mpp_spans_has(a) && mpp_spans_has(b) && mpp_spans_has(c));
	ck_assert_ptr_eq(mpp_spans_pop(t, 1), b);
	ck_assert_ptr_eq(mpp_spans_pop(t, 1), a);
	ck_assert_ptr_null(mpp_spans_pop(t, 1));
	ck_assert(!mpp_spans_has(a));
	ck_assert_ptr_eq(mpp_spans_pop(t, 2), c);
	ck_assert_uint_eq(kept(), 0);
}
END_TEST

START_TEST(bounded)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_faults faults = { .n = 0 };
	size_t page = mpp_os_page(), n = 0;

	while (mpp_spans_push(t, span(1), 1) == MPP_SPANS_KEPT)
		ck_assert_uint_le(++n, MPP_SPANS_MAX);
	ck_assert_uint_eq(n, MPP_SPANS_MAX);
	for (size_t pages = 2; pages <= MPP_SPAN_CACHE_MOST / page; pages++)
		for (unsigned i = 0; i < MPP_SPANS_MAX; i++)
			if (mpp_spans_round(pages) == pages)
				(void)mpp_spans_push(t, span(pages), pages);
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
	ck_assert_int_eq(mpp_spans_push(&mpp_thread_shared, span(1), 1), MPP_SPANS_NO_ROOM);
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
	return suite_run("spancache", add);
}
