/* SPDX-License-Identifier: MIT */
/*
 * budget.c - two threads want 60 bytes each of a limit of 100, one of them gives them
 * back: the counter is never over the limit (B1) and ends as what is in use (B2).
 *
 * WRONG 1: the counter is raised by a load and a store.
 * WRONG 2: it is raised first and lowered again if that was too much.
 */
#include "model.h"

#if WRONG == 1
#undef mpp_cas_weak_relaxed
#define mpp_cas_weak_relaxed(p, old, v) (mpp_store_relaxed(p, v), (void)(old), 1)
#endif
#include "../../lib/budget.c"

static _Atomic unsigned held;

static void setup(void)
{
	mpp_budget_set_limit(100);
	mpp_store_relaxed(&used, 0);
	mpp_store_relaxed(&peak, 0);
	mpp_store_relaxed(&held, 0);
}

static bool take(void)
{
#if WRONG == 2
	if (mpp_add_relaxed(&used, 60) + 60 > 100) {
		mpp_sub_relaxed(&used, 60);
		return false;
	}
#else
	if (!mpp_budget_take(60))
		return false;
#endif
	assert(mpp_add_relaxed(&held, 60) < 60);
	return true;
}

static void *comes_and_goes(void *arg)
{
	if (take()) {
		mpp_sub_relaxed(&held, 60);
		mpp_budget_give(60);
	}
	return arg;
}

static void *stays(void *arg)
{
	(void)take();
	assert(mpp_budget_used() <= 100);
	return arg;
}

static void check(void)
{
	assert(mpp_budget_used() == mpp_load_relaxed(&held));
	assert(mpp_budget_used() <= 60 && mpp_budget_peak() <= 60);
}

MODEL_MAIN(setup, comes_and_goes, stays, NULL, check)
