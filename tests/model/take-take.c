/* SPDX-License-Identifier: MIT */
/*
 * take-take.c - two threads want objects of one partial slab: one of them at a time is
 * its holder (I2), no object is had by both.
 *
 * WRONG 1: the cache's lock excludes nobody.
 * WRONG 2: a thread takes without activating the slab.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "plain-lock.h"

#if WRONG == 1
#undef mpp_lock_acquire
#undef mpp_lock_release
#define mpp_lock_acquire(l) ((void)(l))
#define mpp_lock_release(l) ((void)(l))
#endif
#include "one-cache.h"
#undef mpp_lock_acquire
#undef mpp_lock_release
#include "one-lock.h"

static uint64_t *got[2];

static void setup(void)
{
	model_cache_set(3, MPP_SLAB_PARTIAL, 5);
	got[0] = got[1] = NULL;
}

static void *first(void *arg)
{
	got[0] = model_supply_take();
	return arg;
}

static void *second(void *arg)
{
#if WRONG == 2
	struct mpp_geometry *g = &model_geometry;
	_Atomic(void *) cell;

	mpp_store_relaxed(&cell, NULL);
	(void)mpp_slab_collect(model_slab, g, 1, &cell);
	got[1] = mpp_load_relaxed(&cell);
	(void)mpp_cas_weak_acq_rel(&model_slab->word, &(uint32_t){ model_slab->word },
				   model_slab->word - 1);
#else
	got[1] = model_supply_take();
#endif
	return arg;
}

static void check(void)
{
	unsigned n = (got[0] != NULL ? 1u : 0u) + (got[1] != NULL ? 1u : 0u);

	assert(n >= 1); /* the other may have come while the slab was held */
	assert(got[0] != got[1]);
	for (int i = 0; i < 2; i++)
		assert(got[i] == NULL || *got[i] == 1);
	assert(model_count() == 2 - n);
	model_cache_check();
}

MODEL_MAIN(setup, first, second, NULL, check)
