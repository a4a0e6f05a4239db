/* SPDX-License-Identifier: MIT */
/*
 * free-take.c - frees into a slab whose holder takes from it: what is reserved is
 * collected (I1), and the freers' writes to the objects come before the holder's.
 *
 * WRONG 1: the count is raised before the bit is set.
 * WRONG 2: the compare-and-swaps of the word are relaxed: the holder reserves by the
 *          new count and looks at the old bits.
 * WRONG 3: the fetch-or is relaxed.  Of two freers one has set its bit, the other has
 *          set and counted its own; the holder takes the first one's object.
 * WRONG 4: the fetch-and is relaxed: the same.
 */
#include "model.h"

#if WRONG == 2
#undef mpp_cas_weak_acq_rel
#define mpp_cas_weak_acq_rel(p, old, v) mpp_cas_weak_relaxed(p, old, v)
#elif WRONG == 3
#undef mpp_or_acq_rel
#define mpp_or_acq_rel(p, v) mpp_or_relaxed(p, v)
#elif WRONG == 4
#undef mpp_and_acquire
#define mpp_and_acquire(p, v) atomic_fetch_and_explicit(p, v, memory_order_relaxed)
#endif
#include "one-slab.h"

static uint32_t taken;

static void setup(void)
{
	model_slab_set(3, MPP_SLAB_ACTIVE, 0);
	taken = 0;
}

static void *first(void *arg)
{
	(void)model_free(0);
	return arg;
}

static void *second(void *arg)
{
#if WRONG == 1
	*model_data(1) = 101;
	(void)mpp_slab_publish(model_slab, &model_geometry, 1);
	(void)mpp_slab_set_bits(model_slab, 0, 2);
#else
	(void)model_free(1);
#endif
	return arg;
}

static void *holder(void *arg)
{
	for (int i = 0; i < 2; i++) {
		uint64_t *got[2];
		uint32_t n = model_take(2, got);

		taken += n;
		while (n-- > 0) {
			assert(*got[n] == 100 || *got[n] == 101);
			*got[n] = 1; /* each object once, and after its freer */
		}
	}
	return arg;
}

static void check(void)
{
	assert(model_count() == 2 - taken);
	assert(mpp_slab_count_bits_racy(model_slab, &model_geometry) == 2 - taken);
	assert(model_state() == MPP_SLAB_ACTIVE);
}

MODEL_MAIN(setup, first, second, holder, check)
