/* SPDX-License-Identifier: MIT */
/*
 * limit.c - three threads want one object each of a cache limited to two, one gives
 * it back: never more are admitted than the limit says.
 *
 * WRONG 1: the counter is raised by a load and a store.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "plain-lock.h"

#if WRONG == 1
#undef mpp_cas_weak_relaxed
#define mpp_cas_weak_relaxed(p, old, v) (mpp_store_relaxed(p, v), (void)(old), 1)
#endif
#include "one-cache.h"
#include "one-lock.h"

static _Atomic unsigned inside;

static void setup(void)
{
	memset(&model_cache, 0, sizeof(model_cache));
	mpp_store_relaxed(&model_cache.max_objects, 2);
	mpp_store_relaxed(&inside, 0);
}

/* What the counters of the program count is less than the library's at any time. */
static bool admit(void)
{
	if (!mpp_cache_admit(&model_cache, 1))
		return false;
	assert(mpp_add_relaxed(&inside, 1) < 2);
	return true;
}

static void *comes_and_goes(void *arg)
{
	if (admit()) {
		mpp_sub_relaxed(&inside, 1);
		mpp_cache_release(&model_cache, 1);
	}
	return arg;
}

static void *stays(void *arg)
{
	(void)admit();
	return arg;
}

static void check(void)
{
	size_t live = mpp_load_relaxed(&model_cache.live);

	assert(live == mpp_load_relaxed(&inside) && live >= 1 && live <= 2);
}

MODEL_MAIN(setup, comes_and_goes, stays, stays, check)
