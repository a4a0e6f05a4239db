/* SPDX-License-Identifier: MIT */
/*
 * retire.c - the last free of a slab against an allocation from it and against a
 * shrink that retires it (I4, I6): a slab that is retired has no object out and
 * nobody touches it any more.
 *
 * WRONG 1: without the state EMPTYING: a partial slab stays one when it is wholly
 *          free, and may be taken from under its last freer.
 * WRONG 2: the shrink takes the slab by its count, not from the empty list.
 * WRONG 3: a freer looks at the slab after its compare-and-swap, without a duty.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "plain-lock.h"
#include "slab.h"

#if WRONG == 1
#define MPP_SLAB_EMPTYING MPP_SLAB_PARTIAL
#endif
#include "one-cache.h"
#include "one-lock.h"

/* No memory checker is told of this cache. */
void mpp_watch_show(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g)
{
	(void)w;
	(void)s;
	(void)g;
}

static uint64_t *got;

static void setup(void)
{
#if WRONG == 3
	model_cache_set(2, MPP_SLAB_FULL, 0);
#else
	model_cache_set(2, MPP_SLAB_PARTIAL, 2);
#endif
	got = NULL;
}

static void *freer(void *arg)
{
	model_free_settle(0);
	return arg;
}

static void *taker(void *arg)
{
#if WRONG == 3
	if (model_free(1) != MPP_DUTY_NONE)
		model_settle();
	else if (model_slab->slot > 1000)
		return NULL;
#else
	got = model_supply_take();
#endif
	return arg;
}

static void *shrinker(void *arg)
{
	struct mpp_chain chain = { NULL };
	struct mpp_faults faults = { .n = 0 };

#if WRONG == 2
	if (model_count() == 2)
		mpp_chain_add(&chain, model_slab);
#else
	mpp_cache_strip(&model_cache, &chain, &faults);
#endif
	assert(faults.n == 0);
	(void)mpp_cache_retire(&model_cache, &chain);
	return arg;
}

static void check(void)
{
	assert(!mpp_cache_is_retiring(&model_cache));
	assert(model_retired == 0 || got == NULL);
	assert(got == NULL || *got == 101 || *got == 1);
	model_cache_check();
}

MODEL_MAIN(setup, freer, taker, shrinker, check)
