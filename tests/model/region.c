/* SPDX-License-Identifier: MIT */
/*
 * region.c - a region is looked up while another of its hash chain is removed and its
 * descriptor used again in another chain: what stays is always found (S2).
 *
 * WRONG 1: the count of removals is raised before the region leaves its chain.
 * WRONG 2: the new chain is linked relaxed: a reader that strayed onto the descriptor
 *          does not see the count.
 * WRONG 3: the reader follows links relaxed.
 */
#define MODEL_CHUNK_SIZE 65536
#include "model.h"

#if WRONG == 2
#undef mpp_store_release
#define mpp_store_release(p, v) mpp_store_relaxed(p, v)
#elif WRONG == 3
#undef mpp_load_acquire
#define mpp_load_acquire(p) mpp_load_relaxed(p)
#endif
#include "../../lib/span.c"

_Atomic uint32_t mpp_os_page_log = 12;
static struct mpp_region moves, stays;

/* Two heads of one chain and one of another. */
#define HEAD_MOVES ((uintptr_t)1 << MPP_CHUNK_SHIFT)
#define HEAD_STAYS ((uintptr_t)BUCKETS << MPP_CHUNK_SHIFT)
#define HEAD_LATER ((uintptr_t)7 << MPP_CHUNK_SHIFT)

uint32_t mpp_os_ask_page(void)
{
	return 12;
}

static void setup(void)
{
	assert(bucket_of((void *)HEAD_MOVES) == bucket_of((void *)HEAD_STAYS));
	mpp_store_relaxed(bucket_of((void *)HEAD_MOVES), NULL);
	mpp_store_relaxed(bucket_of((void *)HEAD_LATER), NULL);
	mpp_store_relaxed(&removals, 0);
	mpp_list_init(&mpp_regions);
	mpp_store_relaxed(&stays.base, HEAD_STAYS);
	mpp_store_relaxed(&moves.base, HEAD_MOVES);
	mpp_region_insert_locked(&stays);
	mpp_region_insert_locked(&moves);
}

static void *mover(void *arg)
{
#if WRONG == 1
	mpp_store_relaxed(&removals, 1);
	mpp_store_release(bucket_of((void *)HEAD_MOVES), &stays);
#else
	mpp_region_remove_locked(&moves);
#endif
	mpp_store_relaxed(&moves.base, 0);
	mpp_store_relaxed(&moves.base, HEAD_LATER);
	mpp_region_insert_locked(&moves);
	return arg;
}

static void *reader(void *arg)
{
	assert(mpp_region_find((void *)HEAD_STAYS) == &stays);
	return arg;
}

static void check(void)
{
	assert(mpp_region_find((void *)HEAD_LATER) == &moves);
	assert(mpp_region_find((void *)HEAD_MOVES) == NULL);
}

MODEL_MAIN(setup, mover, reader, reader, check)
