/* SPDX-License-Identifier: MIT */
/*
 * cache.c - objects of one cache: one by one, in bulk, ahead of need, to the last.
 */
#include "../suite.h"

#include <pthread.h>

static struct mp_cache *c;
static void *p[20000];

/* More objects than fit in a few slabs, whatever a chunk's size. */
static size_t many(void)
{
	size_t n = 3 * stats_of(c).objects_per_slab + 7;

	ck_assert_uint_le(n, sizeof(p) / sizeof(p[0]));
	return n;
}

static void setup(void)
{
	c = mp_cache_create("orders", 200, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
}

static void allocate(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(p[i]);
		pattern_fill(p[i], 200, (unsigned)i);
	}
}

static void release(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ck_assert(pattern_holds(p[i], 200, (unsigned)i));
		mp_cache_free(c, p[i]);
	}
}

START_TEST(one_by_one)
{
	size_t n;

	setup();
	n = many();
	for (int round = 0; round < 3; round++) {
		allocate(n);
		check_cache(c, n);
		release(n);
		check_cache(c, 0);
	}
	ck_assert_uint_le(stats_of(c).slabs, 5); /* used again, not new ones each time */
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(at_random)
{
	enum { N = 3000 };
	uint64_t seed = 5;
	size_t live = 0;

	setup();
	for (int i = 0; i < 100000; i++) {
		size_t k = (size_t)(suite_random(&seed) % N);

		if (p[k] != NULL) {
			ck_assert(pattern_holds(p[k], 200, (unsigned)k));
			mp_cache_free(c, p[k]);
			p[k] = NULL;
			live--;
		} else {
			p[k] = mp_cache_alloc(c);
			ck_assert_ptr_nonnull(p[k]);
			pattern_fill(p[k], 200, (unsigned)k);
			live++;
		}
		if (i % 10000 == 0)
			check_cache(c, live);
	}
	check_cache(c, live);
}
END_TEST

START_TEST(zeroed)
{
	setup();
	for (int i = 0; i < 1000; i++) {
		unsigned char *z = mp_cache_zalloc(c);

		ck_assert_ptr_nonnull(z);
		ck_assert(is_filled(z, 200, 0));
		memset(z, 0xff, 200);
		mp_cache_free(c, z);
	}
}
END_TEST

START_TEST(null_is_ignored)
{
	struct tally tally;

	tally_start(&tally);
	setup();
	mp_cache_free(c, NULL);
	mp_cache_free_bulk(c, 0, NULL);
	mp_free(NULL);
	mp_free_sized(NULL, 16);
	mp_free_aligned_sized(NULL, 16, 16);
	ck_assert_int_eq(mp_cache_destroy(NULL), 0);
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

START_TEST(bulk)
{
	size_t n;

	setup();
	n = many();
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 0, NULL), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, n, p), 0);
	check_cache(c, n);
	for (size_t i = 0; i < n; i++)
		pattern_fill(p[i], 200, (unsigned)i);
	for (size_t i = 0; i < n; i++)
		ck_assert(pattern_holds(p[i], 200, (unsigned)i)); /* all different */
	mp_cache_free_bulk(c, n, p);
	check_cache(c, 0);
	for (size_t k = 1; k < 70; k++) {
		ck_assert_int_eq(mp_cache_alloc_bulk(c, k, p), 0);
		mp_cache_free_bulk(NULL, k, p);
	}
	check_cache(c, 0);
}
END_TEST

START_TEST(bulk_of_mixed_caches)
{
	struct mp_cache *other = mp_cache_create("lines", 333, 0, 0, NULL);
	void *mixed[1000], *copy[1000];
	struct tally tally;

	tally_start(&tally);
	setup();
	ck_assert_ptr_nonnull(other);
	for (int i = 0; i < 1000; i++) {
		size_t large = (size_t)MP_MAX_FIXED_SIZE * 2;

		mixed[i] = i % 7 == 0 ? NULL : i % 5 == 0 ? mp_cache_alloc(other) :
			   i % 11 == 0 ? mp_alloc(large) : i % 3 == 0 ? mp_alloc(50) :
					 mp_cache_alloc(c);
		ck_assert(i % 7 == 0 || mixed[i] != NULL);
	}
	memcpy(copy, mixed, sizeof(copy));
	mp_cache_free_bulk(NULL, 1000, mixed);
	ck_assert_mem_eq(copy, mixed, sizeof(copy)); /* neither written nor reordered */
	ck_assert_uint_eq(tally.n, 0);
	check_cache(c, 0);
	check_cache(other, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

START_TEST(bulk_all_or_none)
{
	setup();
	ck_assert_int_eq(mp_cache_set_max(c, 100), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 101, p), -ENOMEM);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 60, p), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 41, p + 60), -ENOMEM);
	check_cache(c, 60);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 40, p + 60), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 0, NULL), 0); /* none are always to be had */
	ck_assert_uint_eq(stats_of(c).failed, 2);
	mp_cache_free_bulk(c, 100, p);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 100, p), 0);
	mp_cache_free_bulk(c, 100, p);
}
END_TEST

/* The library's limit, not the cache's: what was had goes back. */
START_TEST(bulk_without_memory)
{
	size_t n;

	setup();
	n = many();
	allocate(5);
	ck_assert_int_eq(mp_set_limit(stats_of_all().bytes_slabs + stats_of_all().bytes_meta +
				      MP_CHUNK_SIZE), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, n, p + 5), -ENOMEM);
	check_cache(c, 5);
	ck_assert_uint_ge(stats_of(c).failed, 1);
	ck_assert_int_eq(mp_set_limit(0), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, n, p + 5), 0);
	check_cache(c, n + 5);
	mp_cache_free_bulk(c, n, p + 5);
	release(5);
	check_cache(c, 0);
}
END_TEST

START_TEST(prealloc)
{
	size_t n;

	setup();
	n = many();
	ck_assert_int_eq(mp_cache_prealloc(c, 0), 0);
	ck_assert_int_eq(mp_cache_prealloc(c, n), 0);
	ck_assert_uint_ge(stats_of(c).free, n);
	ck_assert_uint_eq(stats_of(c).live, 0);
	check_cache(c, 0);
	/* kept for the purpose: not given back by frees */
	allocate(n);
	release(n);
	mp_thread_flush();
	ck_assert_uint_ge(stats_of(c).free, n);
	ck_assert_int_eq(mp_cache_prealloc(c, SIZE_MAX), -ENOMEM);
	ck_assert_int_eq(mp_cache_prealloc(c, SIZE_MAX / 200), -ENOMEM);
	check_cache(c, 0);
}
END_TEST

START_TEST(shrink)
{
	size_t n;

	setup();
	n = many();
	ck_assert_int_eq(mp_cache_shrink(c), 0); /* nothing there yet */
	allocate(n);
	ck_assert_int_eq(mp_cache_shrink(c), 1);
	check_cache(c, n);
	for (size_t i = 1; i < n; i++)
		mp_cache_free(c, p[i]);
	ck_assert_int_eq(mp_cache_shrink(c), 1);
	ck_assert_uint_eq(stats_of(c).slabs, 1);
	ck_assert_uint_eq(stats_of(c).cached, 0);
	check_cache(c, 1);
	mp_cache_free(c, p[0]);
	ck_assert_int_eq(mp_cache_shrink(c), 0);
	ck_assert_uint_eq(stats_of(c).slabs, 0);
	ck_assert_uint_eq(stats_of(c).capacity, 0);
	ck_assert_int_eq(mp_cache_prealloc(c, n), 0);
	ck_assert_int_eq(mp_cache_shrink(c), 0); /* what was had ahead goes too */
	allocate(n);
	release(n);
}
END_TEST

static void *hold_free_objects(void *arg)
{
	pthread_barrier_t *barrier = arg;
	void *mine[50], *again;

	for (int i = 0; i < 50; i++) {
		mine[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(mine[i]);
	}
	for (int i = 0; i < 50; i++)
		mp_cache_free(c, mine[i]);
	pthread_barrier_wait(barrier); /* the other thread shrinks, or destroys */
	pthread_barrier_wait(barrier);
	if (c != NULL) { /* the request is obeyed when this thread passes by */
		mp_thread_flush();
		again = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(again);
		mp_cache_free(c, again);
		mp_thread_flush();
	}
	pthread_barrier_wait(barrier);
	return NULL;
}

START_TEST(shrink_and_another_thread)
{
	pthread_barrier_t barrier;
	pthread_t thread;

	setup();
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, hold_free_objects, &barrier), 0);
	pthread_barrier_wait(&barrier);
	(void)mp_cache_shrink(c);
	check_cache(c, 0);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(mp_cache_shrink(c), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* Every thread forgets the cache, also one that holds free objects of it. */
START_TEST(destroy_and_another_thread)
{
	struct mp_cache *next[200];
	pthread_barrier_t barrier;
	pthread_t thread;
	size_t slabs = stats_of_all().slabs;

	setup();
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, hold_free_objects, &barrier), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(stats_of_all().slabs, slabs);
	c = NULL;
	/* ids come round: a successor must not meet what the thread held */
	for (int i = 0; i < 200; i++) {
		next[i] = mp_cache_create("next", 48, 0, 0, NULL);
		ck_assert_ptr_nonnull(next[i]);
		ck_assert_int_eq(mp_cache_destroy(next[i]), 0);
	}
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

START_TEST(destroy_busy)
{
	struct tally tally;

	tally_start(&tally);
	setup();
	allocate(3);
	ck_assert_int_eq(mp_cache_destroy(c), -EBUSY);
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_LIVE_AT_DESTROY);
	ck_assert_ptr_eq(tally.cache, c);
	ck_assert_str_eq(tally.cache_name, "orders");
	/* it stays usable */
	release(3);
	allocate(10);
	check_cache(c, 10);
	release(10);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_ptr_null(mp_cache_find("orders"));
}
END_TEST

START_TEST(builtin_stay)
{
	static const size_t size[] = { 1, MP_MAX_FIXED_SIZE };

	for (int i = 0; i < 2; i++) {
		struct mp_object_info info = { .struct_size = sizeof(info) };
		void *obj = mp_alloc(size[i]);

		ck_assert_int_eq(mp_object_info(obj, &info), 0);
		ck_assert_int_eq(mp_cache_destroy(info.cache), -EPERM);
		ck_assert_int_eq(mp_cache_set_max(info.cache, 10), -EPERM);
		mp_free(obj);
		ck_assert_int_eq(mp_cache_destroy(info.cache), -EPERM);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

static void *free_them(void *arg)
{
	size_t n = *(size_t *)arg;

	for (size_t i = 0; i < n; i++)
		mp_cache_free(c, p[i]);
	return NULL;
}

START_TEST(freed_by_another_thread)
{
	pthread_t thread;
	size_t n;

	setup();
	n = many();
	for (int round = 0; round < 20; round++) {
		allocate(n);
		ck_assert_int_eq(pthread_create(&thread, NULL, free_them, &n), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		check_cache(c, 0);
	}
	ck_assert_uint_le(stats_of(c).slabs, 8);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, one_by_one);
	tcase_add_test(tc, at_random);
	tcase_add_test(tc, zeroed);
	tcase_add_test(tc, null_is_ignored);
	tcase_add_test(tc, bulk);
	tcase_add_test(tc, bulk_of_mixed_caches);
	tcase_add_test(tc, bulk_all_or_none);
	tcase_add_test(tc, bulk_without_memory);
	tcase_add_test(tc, prealloc);
	tcase_add_test(tc, shrink);
	tcase_add_test(tc, shrink_and_another_thread);
	tcase_add_test(tc, destroy_and_another_thread);
	tcase_add_test(tc, destroy_busy);
	tcase_add_test(tc, builtin_stay);
	tcase_add_test(tc, freed_by_another_thread);
}

int main(void)
{
	return suite_run("cache", add);
}
