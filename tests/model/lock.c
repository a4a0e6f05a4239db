/* SPDX-License-Identifier: MIT */
/*
 * lock.c - three threads hand a lock over: one at a time is inside (L1), each sees what
 * the last one wrote (L2), and none sleeps for good (L3).
 *
 * WRONG 1: the release is relaxed.
 * WRONG 2: the acquisitions are relaxed.
 * WRONG 3: nobody is woken.
 */
#define MODEL_LOCK 1
#include "model.h"

#if WRONG == 1
#undef mpp_swap_release
#define mpp_swap_release(p, v) atomic_exchange_explicit(p, v, memory_order_relaxed)
#elif WRONG == 2
#undef mpp_cas_acquire
#define mpp_cas_acquire(p, old, v) \
	atomic_compare_exchange_strong_explicit(p, old, v, memory_order_relaxed, \
						memory_order_relaxed)
#undef mpp_swap_acquire
#define mpp_swap_acquire(p, v) atomic_exchange_explicit(p, v, memory_order_relaxed)
#elif WRONG == 3
#undef MODEL_WAKE
#define MODEL_WAKE(addr) ((void)(addr))
#endif
#include "one-lock.h"

static struct mpp_lock lock;
static unsigned inside;

static void setup(void)
{
	mpp_store_relaxed(&lock.state, 0);
	inside = 0;
}

static void *worker(void *arg)
{
	mpp_lock_acquire(&lock);
	inside++;
	mpp_lock_release(&lock);
	return arg;
}

static void check(void)
{
	assert(inside == 3);
	assert(mpp_load_relaxed(&lock.state) == 0);
}

MODEL_MAIN(setup, worker, worker, worker, check)
