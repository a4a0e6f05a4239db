/* SPDX-License-Identifier: MIT */
/*
 * lock.c - one thread at a time; ranks are checked in debug builds.
 */
#include "../suite.h"

#include "lock.h"

#include <pthread.h>
#include <signal.h>

#define THREADS 4
#define ROUNDS 20000

static struct mpp_lock shared = MPP_LOCK_INIT(MPP_RANK_LARGE);
static unsigned long counter; /* lock:shared, not atomic: that is the test */

static void *count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 3 == 0)
			while (!mpp_lock_try(&shared))
				continue;
		else
			mpp_lock_acquire(&shared);
		counter++;
		mpp_lock_release(&shared);
	}
	return arg;
}

START_TEST(exclusion)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(counter, (unsigned long)THREADS * ROUNDS);
	ck_assert(mpp_lock_none_held());
}
END_TEST

START_TEST(try)
{
	struct mpp_lock l = MPP_LOCK_INIT(MPP_RANK_META);

	ck_assert(mpp_lock_try(&l));
	ck_assert(!mpp_lock_try(&l));
	mpp_lock_release(&l);
	ck_assert(mpp_lock_try(&l));
	mpp_lock_release(&l);
}
END_TEST

START_TEST(ranks_in_order)
{
	struct mpp_lock low = MPP_LOCK_INIT(MPP_RANK_CACHE);
	struct mpp_lock high = MPP_LOCK_INIT(MPP_RANK_CHUNK);

	mpp_lock_acquire(&low);
	ck_assert(!MPP_DEBUG_CHECKS || !mpp_lock_none_held());
	mpp_lock_acquire(&high);
	mpp_lock_release(&low);
	mpp_lock_release(&high);
	ck_assert(mpp_lock_none_held());
}
END_TEST

/* Must abort, in a build that checks. */
START_TEST(ranks_out_of_order)
{
	struct mpp_lock low = MPP_LOCK_INIT(MPP_RANK_CACHE);
	struct mpp_lock high = MPP_LOCK_INIT(MPP_RANK_CHUNK);

	mpp_lock_acquire(&high);
	mpp_lock_acquire(&low);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, exclusion);
	tcase_add_test(tc, try);
	tcase_add_test(tc, ranks_in_order);
	if (MPP_DEBUG_CHECKS)
		tcase_add_test_raise_signal(tc, ranks_out_of_order, SIGABRT);
}

int main(void)
{
	return suite_run("lock", add);
}
