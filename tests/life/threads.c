/* SPDX-License-Identifier: MIT */
/*
 * threads.c - thousands of short threads, and memory that stays bounded.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>

#define WIDTH 8

static struct mp_cache *c, *far_away;
static pthread_barrier_t together;	/* so that always as many are at work at once */

/* Use some of everything, leave free objects at hand, and hand one on, live. */
static void *live_briefly(void *arg)
{
	void **hand_over = arg;
	void *p[100];

	for (unsigned i = 0; i < 100; i++) {
		p[i] = i % 4 == 0 ? mp_cache_alloc(c) : i % 4 == 1 ? mp_cache_alloc(far_away) :
		       i % 4 == 2 ? mp_alloc(1 + i * 20) : mp_alloc(5000 + i * 1000);
		ck_assert_ptr_nonnull(p[i]);
		*(char *)p[i] = 1;
	}
	pthread_barrier_wait(&together);
	for (unsigned i = 0; i < 99; i++)
		mp_free(p[i]);
	*hand_over = p[99];
	return NULL;
}

static void run(int n)
{
	pthread_barrier_init(&together, NULL, WIDTH);
	for (int i = 0; i < n; i += WIDTH) {
		pthread_t t[WIDTH];
		void *left[WIDTH];

		for (int k = 0; k < WIDTH; k++)
			ck_assert_int_eq(pthread_create(&t[k], NULL, live_briefly, &left[k]), 0);
		for (int k = 0; k < WIDTH; k++) {
			ck_assert_int_eq(pthread_join(t[k], NULL), 0);
			mp_free(left[k]);
		}
	}
	pthread_barrier_destroy(&together);
}

static int add_cached(struct mp_cache *cache, void *arg)
{
	*(size_t *)arg += stats_of(cache).cached;
	ck_assert_int_eq(mp_cache_validate(cache), 0);
	return 0;
}

static size_t cached(void)
{
	size_t n = 0;

	ck_assert_int_eq(mp_cache_for_each(add_cached, &n), 0);
	return n;
}

START_TEST(two_thousand)
{
	struct mp_stats before, after;
	size_t held;

	c = mp_cache_create("short", 100, 0, 0, NULL);
	for (int i = 0; i < 300; i++) /* an id beyond those at hand in a thread */
		ck_assert_ptr_nonnull(far_away = mp_cache_create("far", 60, 0, 0, NULL));
	run(10 * WIDTH);
	mp_thread_flush();
	before = stats_of_all();
	held = cached();
	ck_assert_uint_eq(before.threads, 1);
	ck_assert_uint_eq(held, 0); /* threads that end leave nothing at hand */
	run(2000);
	mp_thread_flush();
	after = stats_of_all();
	ck_assert_uint_eq(after.threads, 1);
	ck_assert_uint_eq(cached(), held);
	ck_assert_uint_le(after.bytes_meta, before.bytes_meta + before.bytes_meta / 8);
	ck_assert_uint_le(after.bytes_slabs, before.bytes_slabs + 8 * (size_t)MP_CHUNK_SIZE);
	ck_assert_uint_le(after.bytes_reserved, before.bytes_reserved + ((size_t)16 << 20));
	ck_assert_uint_eq(after.large_live, 0);
	check_cache(c, 0);
	check_cache(far_away, 0);
	ck_assert_uint_eq(after.faults, 0);
}
END_TEST

/* Objects that outlive their thread are freed by another. */
static void *allocate_and_end(void *arg)
{
	void **p = arg;

	for (int i = 0; i < 500; i++) {
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
		pattern_fill(p[i], 100, (unsigned)i);
	}
	return NULL;
}

START_TEST(live_objects_of_ended_threads)
{
	void *p[500];
	size_t slabs = 0;

	c = mp_cache_create("short", 100, 0, 0, NULL);
	for (int round = 0; round < 50; round++) {
		pthread_t t;

		ck_assert_int_eq(pthread_create(&t, NULL, allocate_and_end, p), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		check_cache(c, 500);
		for (int i = 0; i < 500; i++) {
			ck_assert(pattern_holds(p[i], 100, (unsigned)i));
			mp_cache_free(c, p[i]);
		}
		if (round == 5)
			slabs = stats_of(c).slabs;
	}
	ck_assert_uint_le(stats_of(c).slabs, slabs + 2);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* A thread that is cancelled while it works, at points where it may be. */
static void *work_until_cancelled(void *arg)
{
	for (;;) {
		void *p = mp_cache_alloc(c);

		if (p == NULL)
			abort(); /* Check's assertions are points of cancellation */
		mp_cache_free(c, p);
		pthread_testcancel();
	}
	return arg;
}

START_TEST(cancelled)
{
	c = mp_cache_create("short", 100, 0, 0, NULL);
	for (int i = 0; i < 100; i++) {
		pthread_t t;

		ck_assert_int_eq(pthread_create(&t, NULL, work_until_cancelled, NULL), 0);
		ck_assert_int_eq(pthread_cancel(t), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
	}
	check_cache(c, 0);
	ck_assert_uint_eq(stats_of(c).cached, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, two_thousand);
	tcase_add_test(tc, live_objects_of_ended_threads);
	tcase_add_test(tc, cancelled);
}

int main(void)
{
	return suite_run("threads", add);
}
