/* SPDX-License-Identifier: MIT */
/*
 * budget.c - bytes in use never exceed the limit.
 */
#include "../suite.h"

#include "budget.h"

#include <pthread.h>
#include <sched.h>

START_TEST(take_and_give)
{
	size_t start = mpp_budget_used();

	ck_assert(mpp_budget_take(1000));
	ck_assert_uint_eq(mpp_budget_used(), start + 1000);
	mpp_budget_set_limit(start + 1500);
	ck_assert_uint_eq(mpp_budget_limit(), start + 1500);
	ck_assert(!mpp_budget_take(501));
	ck_assert_uint_eq(mpp_budget_used(), start + 1000);
	ck_assert(mpp_budget_take(500));
	ck_assert(!mpp_budget_take(1));
	ck_assert(!mpp_budget_take(SIZE_MAX));
	ck_assert_uint_ge(mpp_budget_peak(), start + 1500);
	mpp_budget_give(1500);
	ck_assert_uint_eq(mpp_budget_used(), start);
	mpp_budget_set_limit(start / 2); /* below what is in use */
	ck_assert(!mpp_budget_take(1));
	mpp_budget_set_limit(0);
	ck_assert(mpp_budget_take(1 << 20));
	mpp_budget_give(1 << 20);
}
END_TEST

#define THREADS 4
#define TAKES   10000 /* of each thread */

static size_t bound;

/*
 * What is refused is asked for again: how often that happens is for the scheduler
 * to say (two threads may hold all there is for as long as they do not run),
 * that it ends is not.
 */
static void *compete(void *unused)
{
	for (int taken = 0; taken < TAKES;) {
		if (!mpp_budget_take(100)) {
			sched_yield();
			continue;
		}
		taken++;
		ck_assert_uint_le(mpp_budget_used(), bound);
		mpp_budget_give(100);
	}
	return unused;
}

START_TEST(many_threads)
{
	pthread_t threads[THREADS];
	size_t start;

	ck_assert_ptr_nonnull(mp_calloc(1, 1)); /* what start-up needs is had */
	start = mpp_budget_used();
	bound = start + 250; /* room for two of four */
	mpp_budget_set_limit(bound);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, compete, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(mpp_budget_used(), start);
	ck_assert_uint_le(mpp_budget_peak(), bound);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, take_and_give);
	tcase_add_test(tc, many_threads);
}

int main(void)
{
	return suite_run("budget", add);
}
