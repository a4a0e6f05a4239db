/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - memory on its way back to the system.
 */
#include "../suite.h"

#include "os.h"
#include "reclaim.h"

#include <pthread.h>

#define N 12000

static void *p[N];

/* The clock stands still: nothing is given back for its age meanwhile. */
static struct mp_cache *dirty_memory(void)
{
	struct mp_cache *c = mp_cache_create("dirty", 2000, 0, 0, NULL);

	mpp_os_hold_clock(1000000);
	for (int i = 0; i < N; i++) {
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
		memset(p[i], 1, 2000);
	}
	return c;
}

START_TEST(all_of_it)
{
	struct mp_cache *c = dirty_memory();
	void *span = mp_alloc(20 * MPP_MIB);

	ck_assert_ptr_nonnull(span);
	memset(span, 1, 20 * MPP_MIB);
	mp_cache_free_bulk(c, N, p);
	mp_free(span);
	ck_assert_uint_ge(mpp_reclaim(0, false), 20 * MPP_MIB + N * 2000);
	ck_assert_uint_eq(stats_of_all().bytes_kept, 0);
	ck_assert_uint_eq(stats_of_all().slabs, 0);
	ck_assert_uint_eq(mpp_reclaim(0, false), 0);
}
END_TEST

START_TEST(some_of_it)
{
	struct mp_cache *c = dirty_memory();
	size_t done;

	mp_cache_free_bulk(c, N, p);
	done = mpp_reclaim(MP_CHUNK_SIZE, false);
	ck_assert_uint_ge(done, MP_CHUNK_SIZE);
	ck_assert_uint_gt(stats_of_all().bytes_kept, 0); /* the rest stays for reuse */
}
END_TEST

START_TEST(nothing_live_is_touched)
{
	struct mp_cache *c = dirty_memory();

	for (int i = 0; i < N; i += 2)
		mp_cache_free(c, p[i]);
	(void)mpp_reclaim(0, false);
	for (int i = 1; i < N; i += 2)
		ck_assert(is_filled(p[i], 2000, 1));
	check_cache(c, N / 2);
}
END_TEST

/* What is free goes back for its age, when something is freed later: all but of one region. */
START_TEST(some_time_later)
{
	struct mp_cache *c = dirty_memory();
	uint64_t now = mpp_os_clock_ms();

	mp_cache_free_bulk(c, N, p);
	(void)mp_cache_shrink(c);
	ck_assert_uint_ge(stats_of_all().bytes_kept, N * 2000);
	for (unsigned i = 1; i <= 100; i++) {
		mpp_os_hold_clock(now + i * 100);
		mp_cache_free(c, mp_cache_alloc(c));
		(void)mp_cache_shrink(c); /* a chunk is freed */
	}
	ck_assert_uint_le(stats_of_all().bytes_kept, mpp_max(4 * MPP_MIB, 8 * MP_CHUNK_SIZE));
}
END_TEST

/* Free objects of other threads come when those pass by. */
static struct mp_cache *shared;

static void *hold(void *arg)
{
	pthread_barrier_t *barrier = arg;

	mp_cache_free(shared, mp_cache_alloc(shared));
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	for (int i = 0; i < 3 * N; i++) { /* a slow path before long */
		ck_assert_ptr_nonnull(p[i % N] = mp_alloc(64));
		if (i % N == N - 1)
			mp_cache_free_bulk(NULL, N, p);
	}
	ck_assert_uint_eq(stats_of(shared).cached, 0);
	return NULL;
}

START_TEST(other_threads)
{
	pthread_barrier_t barrier;
	pthread_t t;

	shared = mp_cache_create("shared", 64, 0, 0, NULL);
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&t, NULL, hold, &barrier), 0);
	pthread_barrier_wait(&barrier);
	(void)mpp_reclaim(0, false);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	check_cache(shared, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, all_of_it);
	tcase_add_test(tc, some_of_it);
	tcase_add_test(tc, nothing_live_is_touched);
	tcase_add_test(tc, some_time_later);
	tcase_add_test(tc, other_threads);
}

int main(void)
{
	return suite_run("reclaim", add);
}
