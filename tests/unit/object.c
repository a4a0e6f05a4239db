/* SPDX-License-Identifier: MIT */
/*
 * object.c - slow paths: what a pointer is, memory had ahead, refusals.
 */
#include "../suite.h"

#include "find.h"
#include "object.h"
#include "os.h"

#include <limits.h>
#include <pthread.h>

static struct mp_cache *c;
static void *p[20000];

START_TEST(found)
{
	static const size_t sizes[] = { 16, 100, 5000, 50000, 300000 };
	struct mpp_found f;

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		c = mp_cache_create("found", sizes[k], 0, 0, NULL);
		for (int i = 0; i < 10; i++) {
			char *obj = mp_cache_alloc(c);

			ck_assert_ptr_nonnull(obj);
			mpp_find(obj, &f);
			ck_assert_uint_eq(f.code, mpp_cache_id(c));
			ck_assert_ptr_eq(f.cache, c);
			ck_assert_uint_lt(f.index, c->g.capacity);
			ck_assert_ptr_eq(mpp_slab_object(mpp_slab_of(f.head, &c->g), &c->g,
							 f.index), obj);
			mpp_find(obj + sizes[k] / 2, &f);
			ck_assert_ptr_eq(f.cache, c);
			ck_assert_uint_ge(f.index, c->g.capacity);
		}
	}
	mpp_find(launder(&f), &f);
	ck_assert(f.code == 0 && f.cache == NULL);
	mpp_find(mp_alloc(1 << 20), &f);
	ck_assert(f.code == MPP_CODE_LARGE && f.cache == NULL);
}
END_TEST

/* The next n allocations want nothing from the system: it gives nothing meanwhile. */
static void *use_prealloc(void *arg)
{
	size_t n = *(size_t *)arg;

	mpp_os_inject(1, LONG_MAX);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg((p[i] = mp_cache_alloc(c)) != NULL, "object %zu of %zu", i, n);
	mpp_os_inject(0, 0);
	for (size_t i = 0; i < n; i++)
		mp_cache_free(c, p[i]);
	return NULL;
}

static void try_prealloc(size_t size, unsigned flags, size_t n, bool by_thread)
{
	pthread_t t;

	c = mp_cache_create("ahead", size, 0, flags, NULL);
	ck_assert_ptr_nonnull(c);
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(mp_cache_prealloc(c, n), 0);
		if (by_thread) {
			ck_assert_int_eq(pthread_create(&t, NULL, use_prealloc, &n), 0);
			ck_assert_int_eq(pthread_join(t, NULL), 0);
		} else {
			(void)use_prealloc(&n);
		}
		mp_thread_flush();
	}
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}

START_TEST(had_ahead)
{
	static const size_t sizes[] = { 16, 200, 3000, 70000 };

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
		for (size_t n = 1; n * sizes[k] < 8 * MPP_MIB && n < 20000; n = n * 7 + 1) {
			try_prealloc(sizes[k], 0, n, false);
			try_prealloc(sizes[k], 0, n, true);
			try_prealloc(sizes[k], MP_POISON, n, false);
			try_prealloc(sizes[k], MP_TYPE_STABLE, n, true);
		}
}
END_TEST

/* The same in bulk. */
START_TEST(had_ahead_in_bulk)
{
	c = mp_cache_create("ahead", 100, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_prealloc(c, 20000), 0);
	mpp_os_inject(1, LONG_MAX);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 20000, p), 0);
	mpp_os_inject(0, 0);
	check_cache(c, 20000);
	mp_cache_free_bulk(c, 20000, p);
	check_cache(c, 0);
}
END_TEST

START_TEST(prealloc_refused)
{
	c = mp_cache_create("ahead", 100, 0, 0, NULL);
	mpp_os_inject(1, LONG_MAX);
	ck_assert_int_eq(mp_cache_prealloc(c, 2000000), -ENOMEM);
	mpp_os_inject(0, 0);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* The system gives nothing: NULL and ENOMEM, and all is well when it gives again. */
START_TEST(refused)
{
	size_t n = 0;

	c = mp_cache_create("refused", 3000, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_nonnull(p[n++] = mp_cache_alloc(c));
	mpp_os_inject(1, LONG_MAX);
	for (; n < 20000; n++) {
		errno = 0;
		if ((p[n] = mp_cache_alloc(c)) == NULL)
			break;
	}
	ck_assert_uint_lt(n, 20000);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 20000 - n, p + n), -ENOMEM);
	ck_assert_uint_eq(stats_of(c).failed, 2);
	check_cache(c, n);
	mp_cache_free(c, p[--n]); /* frees need nothing */
	ck_assert_ptr_nonnull(p[n] = mp_cache_alloc(c));
	n++;
	for (size_t i = 0; i < n; i++)
		mp_cache_free(c, p[i]);
	mpp_os_inject(0, 0);
	check_cache(c, 0);
	ck_assert_ptr_nonnull(p[0] = mp_cache_alloc(c));
	mp_cache_free(c, p[0]);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* At its own limit a cache does not turn the whole library out for memory. */
START_TEST(limit_reclaims_nothing)
{
	struct mp_cache *other = mp_cache_create("other", 100, 0, 0, NULL);
	uint64_t calls;
	size_t cached;

	c = mp_cache_create("limited", 100, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, 1), 0);
	ck_assert_ptr_nonnull(p[0] = mp_cache_alloc(c));
	mp_cache_free(other, mp_cache_alloc(other));
	cached = stats_of(other).cached;
	calls = mpp_os_calls();
	for (int i = 0; i < 100; i++) {
		ck_assert_ptr_null(mp_cache_alloc(c));
		ck_assert_int_eq(mp_cache_alloc_bulk(c, 3, p + 1), -ENOMEM);
	}
	ck_assert_uint_eq(mpp_os_calls(), calls);
	ck_assert_uint_eq(stats_of(other).cached, cached);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, found);
	tcase_add_test(tc, had_ahead);
	tcase_add_test(tc, had_ahead_in_bulk);
	tcase_add_test(tc, prealloc_refused);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, limit_reclaims_nothing);
}

int main(void)
{
	return suite_run("object", add);
}
