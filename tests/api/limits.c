/* SPDX-License-Identifier: MIT */
/*
 * limits.c - the most objects of a cache, the most bytes of the library.
 */
#include "../suite.h"

#include <pthread.h>

static struct mp_cache *c;
static void *p[20000], *objects[24000];

START_TEST(exact)
{
	enum { MAX = 100 };

	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(mp_cache_set_max(c, MAX), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MAX; i++)
			ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
		for (int i = 0; i < 5; i++) {
			errno = 0;
			ck_assert_ptr_null(mp_cache_alloc(c));
			ck_assert_int_eq(errno, ENOMEM);
			ck_assert_ptr_null(mp_cache_zalloc(c));
		}
		check_cache(c, MAX);
		for (int i = 0; i < MAX; i++) { /* one back, exactly one more */
			mp_cache_free(c, p[i]);
			ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
			ck_assert_ptr_null(mp_cache_alloc(c));
		}
		for (int i = 0; i < MAX; i++)
			mp_free(p[i]); /* whichever way */
		check_cache(c, 0);
	}
	ck_assert_uint_eq(stats_of(c).failed, 3 * (10 + MAX));
	ck_assert_uint_eq(stats_of(c).peak, MAX);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(before_first_use)
{
	void *obj;

	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(mp_cache_set_max(c, 5), 0);
	ck_assert_int_eq(mp_cache_set_max(c, 0), 0); /* not yet used: once more is fine */
	ck_assert_int_eq(mp_cache_prealloc(c, 10), 0); /* is no allocation */
	ck_assert_int_eq(mp_cache_set_max(c, 1), 0);
	obj = mp_cache_alloc(c);
	ck_assert_ptr_nonnull(obj);
	ck_assert_ptr_null(mp_cache_alloc(c));
	ck_assert_int_eq(mp_cache_set_max(c, 2), -EBUSY);
	mp_cache_free(c, obj);
	ck_assert_int_eq(mp_cache_set_max(c, 0), -EBUSY);
	ck_assert_uint_eq(stats_of(c).max_objects, 1);
}
END_TEST

START_TEST(no_limit)
{
	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, 0), 0);
	for (int i = 0; i < 5000; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	mp_cache_free_bulk(c, 5000, p);
	check_cache(c, 0);
}
END_TEST

START_TEST(bad_frees_do_not_count)
{
	struct tally tally;

	tally_start(&tally);
	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, 2), 0);
	ck_assert_ptr_nonnull(p[0] = mp_cache_alloc(c));
	ck_assert_ptr_nonnull(p[1] = mp_cache_alloc(c));
	mp_cache_free(c, p[0]);
	mp_cache_free(c, launder(p[0])); /* twice */
	ck_assert_uint_eq(tally.n, 1);
	mp_cache_free(c, (char *)p[1] + 8);
	ck_assert_uint_eq(tally.n, 2);
	ck_assert_ptr_nonnull(p[0] = mp_cache_alloc(c));
	ck_assert_ptr_null(mp_cache_alloc(c));
	check_cache(c, 2);
}
END_TEST

#define THREADS 6
#define EACH 5

static _Atomic int out;
static _Atomic long refusals, grants;

static pthread_barrier_t wanted; /* each wants all it may have at once: some are refused */

static void *take(void)
{
	void *obj = mp_cache_alloc(c);

	if (obj == NULL) {
		refusals++;
		return NULL;
	}
	ck_assert_int_le(++out, THREADS * EACH / 4);
	grants++;
	return obj;
}

/* More threads than places: never more out than the limit. */
static void *compete(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 1;
	void *mine[EACH];

	for (int k = 0; k < EACH; k++)
		mine[k] = take();
	(void)pthread_barrier_wait(&wanted);
	for (int i = 0; i < 20000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % EACH);

		if (mine[k] == NULL) {
			mine[k] = take();
			continue;
		}
		out--;
		mp_cache_free(c, mine[k]);
		mine[k] = NULL;
	}
	for (int k = 0; k < EACH; k++) {
		out -= mine[k] != NULL;
		mp_cache_free(c, mine[k]);
	}
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
}

START_TEST(never_more)
{
	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, THREADS * EACH / 4), 0);
	ck_assert_int_eq(pthread_barrier_init(&wanted, NULL, THREADS), 0);
	run(compete);
	ck_assert_int_eq(pthread_barrier_destroy(&wanted), 0);
	ck_assert_int_gt(grants, 0);
	ck_assert_int_ge(refusals, THREADS * EACH - THREADS * EACH / 4);
	ck_assert_uint_eq(stats_of(c).failed, (size_t)refusals);
	ck_assert_uint_eq(stats_of(c).allocs, (uint64_t)grants);
	ck_assert_uint_eq(stats_of(c).frees, (uint64_t)grants);
	check_cache(c, 0);
}
END_TEST

/* As many places as are wanted at most: none is ever refused. */
static void *share(void *arg)
{
	void *mine[EACH];

	for (int i = 0; i < 4000; i++) {
		if (i % 3 == 0) {
			ck_assert_int_eq(mp_cache_alloc_bulk(c, EACH, mine), 0);
		} else {
			for (int k = 0; k < EACH; k++)
				ck_assert_ptr_nonnull(mine[k] = mp_cache_alloc(c));
		}
		if (i % 2 == 0)
			mp_cache_free_bulk(c, EACH, mine);
		else
			for (int k = 0; k < EACH; k++)
				mp_cache_free(c, mine[k]);
	}
	return arg;
}

START_TEST(never_fewer)
{
	c = mp_cache_create("limited", 64, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, THREADS * EACH), 0);
	run(share);
	ck_assert_uint_eq(stats_of(c).failed, 0);
	check_cache(c, 0);
}
END_TEST

/* ---- bytes */

static size_t in_use(void)
{
	struct mp_stats s = stats_of_all();

	return s.bytes_slabs + s.bytes_large + s.bytes_meta;
}

START_TEST(bytes)
{
	size_t limit, n = 0, again = 0;

	c = mp_cache_create("bytes", 1000, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	mp_cache_free(c, mp_cache_alloc(c));
	limit = in_use() + (size_t)4 * MP_CHUNK_SIZE + 65536;
	ck_assert_int_eq(mp_set_limit(limit), 0);
	ck_assert_uint_eq(stats_of_all().limit, limit);
	while (n < 20000 && (p[n] = mp_cache_alloc(c)) != NULL)
		n++;
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_uint_gt(n, 3 * (size_t)MP_CHUNK_SIZE / 1024);
	ck_assert_uint_lt(n, 20000);
	ck_assert_uint_le(in_use(), limit);
	ck_assert_uint_le(stats_of_all().bytes_peak, limit);
	errno = 0;
	ck_assert_ptr_null(mp_alloc(limit));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(mp_aligned_alloc((size_t)1 << 20, (size_t)1 << 20));
	check_cache(c, n);
	mp_cache_free_bulk(c, n, p);
	/* usable again */
	while (again < 20000 && (p[again] = mp_cache_alloc(c)) != NULL)
		again++;
	ck_assert_uint_ge(again + again / 8, n);
	mp_cache_free_bulk(c, again, p);
	ck_assert_int_eq(mp_set_limit(0), 0);
	p[0] = mp_alloc(limit);
	ck_assert_ptr_nonnull(p[0]);
	mp_free(p[0]);
	check_cache(c, 0);
}
END_TEST

/* Pages that are kept make room for what is in use: together they are no more. */
START_TEST(kept_pages_count)
{
	enum { SPANS = 60, SIZE = 400000, OBJECTS = sizeof(objects) / sizeof(objects[0]) };
	struct mp_stats s;
	size_t limit;

	c = mp_cache_create("bytes", 1000, 0, 0, NULL);
	(void)mp_reclaim(0);
	limit = in_use() + (size_t)32 * 1024 * 1024;
	ck_assert_int_eq(mp_set_limit(limit), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < SPANS; i++) {
			ck_assert_ptr_nonnull(p[i] = mp_alloc(SIZE));
			memset(p[i], 1, SIZE);
			s = stats_of_all();
			ck_assert_uint_le(in_use() + s.bytes_kept, limit);
		}
		for (int i = 0; i < SPANS; i++)
			mp_free(p[i]);
		for (int i = 0; i < OBJECTS; i++) {
			ck_assert_ptr_nonnull(objects[i] = mp_cache_alloc(c));
			memset(objects[i], 1, 1000);
		}
		s = stats_of_all();
		ck_assert_uint_le(in_use() + s.bytes_kept, limit);
		for (int i = 0; i < OBJECTS; i++)
			mp_cache_free(c, objects[i]);
		(void)mp_cache_shrink(c);
	}
	ck_assert_int_eq(mp_set_limit(0), 0);
	check_cache(c, 0);
}
END_TEST

START_TEST(below_what_is_in_use)
{
	size_t some = (size_t)MP_MAX_FIXED_SIZE * 64;
	void *large = mp_alloc(4 * some), *small = mp_alloc(10);

	ck_assert(large != NULL && small != NULL);
	ck_assert_int_eq(mp_set_limit(in_use() - 2 * some), 0);
	ck_assert_ptr_null(mp_alloc(some));
	mp_free(large);
	mp_free(small);
	large = mp_alloc(some);
	ck_assert_ptr_nonnull(large); /* enough was freed */
	mp_free(large);
	ck_assert_int_eq(mp_set_limit(0), 0);
}
END_TEST

/* What was had in advance goes back if it is not enough. */
START_TEST(prealloc_refused)
{
	size_t some = (size_t)64 * MP_CHUNK_SIZE;

	c = mp_cache_create("advance", 1000, 0, 0, NULL);
	ck_assert_int_eq(mp_set_limit(in_use() + some), 0);
	ck_assert_int_eq(mp_cache_prealloc(c, 10 * some / 1000), -ENOMEM);
	p[0] = mp_alloc(some / 2);
	ck_assert_ptr_nonnull(p[0]);
	mp_free(p[0]);
	ck_assert_int_eq(mp_cache_prealloc(c, some / 4 / 1000), 0);
	ck_assert_int_eq(mp_set_limit(0), 0);
	ck_assert_int_eq(mp_cache_prealloc(c, SIZE_MAX / 200), -ENOMEM);
	ck_assert_int_eq(mp_cache_prealloc(c, SIZE_MAX), -ENOMEM);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* An object of several chunks that a thread has freed is no longer with it. */
static void *take_and_free(void *arg)
{
	mp_cache_free(arg, mp_cache_alloc(arg));
	pthread_barrier_wait(&wanted);
	pthread_barrier_wait(&wanted);
	return NULL;
}

START_TEST(wide_slabs_are_not_held)
{
	pthread_t t;

	c = mp_cache_create("wide", _i == 0 ? 5000000 : 3 * MP_CHUNK_SIZE, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, 4), 0);
	ck_assert_int_eq(pthread_barrier_init(&wanted, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, take_and_free, c), 0);
	pthread_barrier_wait(&wanted);
	ck_assert_int_eq(mp_cache_shrink(c), 0);
	check_cache(c, 0);
	pthread_barrier_wait(&wanted);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, exact);
	tcase_add_test(tc, before_first_use);
	tcase_add_test(tc, no_limit);
	tcase_add_test(tc, bad_frees_do_not_count);
	tcase_add_test(tc, never_more);
	tcase_add_test(tc, never_fewer);
	tcase_add_test(tc, bytes);
	tcase_add_test(tc, kept_pages_count);
	tcase_add_test(tc, below_what_is_in_use);
	tcase_add_test(tc, prealloc_refused);
	tcase_add_loop_test(tc, wide_slabs_are_not_held, 0, 2);
}

int main(void)
{
	return suite_run("limits", add);
}
