/* SPDX-License-Identifier: MIT */
/*
 * double-free.c - two threads free one object: exactly one is told, and the
 * object is counted once.
 *
 * WRONG 1: the bit is set by a load and a store.
 */
#include "model.h"

#if WRONG == 1
#undef mpp_or_acq_rel
#define mpp_or_acq_rel(p, v) MODEL_TORN(p, uintptr_t, old_ | (v))
#endif
#include "one-slab.h"

static bool told[2];

static void setup(void)
{
	model_slab_set(3, MPP_SLAB_FULL, 0);
}

static bool free_it(void)
{
	if (mpp_slab_set_bits(model_slab, 0, 1) == 0)
		return true;
	(void)mpp_slab_publish(model_slab, &model_geometry, 1);
	return false;
}

static void *first(void *arg)
{
	told[0] = free_it();
	return arg;
}

static void *second(void *arg)
{
	told[1] = free_it();
	return arg;
}

static void check(void)
{
	assert(told[0] + told[1] == 1);
	assert(model_count() == 1);
	assert(mpp_slab_is_free(model_slab, 0));
}

MODEL_MAIN(setup, first, second, NULL, check)
