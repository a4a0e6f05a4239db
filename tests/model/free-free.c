/* SPDX-License-Identifier: MIT */
/*
 * free-free.c - two frees into one full slab: no count is lost, one of them gets the
 * duty to list it (I3).
 *
 * WRONG 1: the count is raised by a load and a store.
 */
#include "model.h"

#if WRONG == 1
#undef mpp_cas_weak_acq_rel
#define mpp_cas_weak_acq_rel(p, old, v) (mpp_store_release(p, v), (void)(old), 1)
#endif
#include "one-slab.h"

static enum mpp_slab_duty duty[2];

static void setup(void)
{
	model_slab_set(3, MPP_SLAB_FULL, 0);
}

static void *first(void *arg)
{
	duty[0] = model_free(0);
	return arg;
}

static void *second(void *arg)
{
	duty[1] = model_free(1);
	return arg;
}

static void check(void)
{
	assert(model_count() == 2);
	assert(mpp_slab_count_bits_racy(model_slab, &model_geometry) == 2);
	assert((duty[0] == MPP_DUTY_LIST) + (duty[1] == MPP_DUTY_LIST) == 1);
	assert((duty[0] == MPP_DUTY_NONE) + (duty[1] == MPP_DUTY_NONE) == 1);
	assert(model_state() == MPP_SLAB_LISTING);
}

MODEL_MAIN(setup, first, second, NULL, check)
