/* SPDX-License-Identifier: MIT */
/*
 * marks.c - an object that is watched is taken and freed by its thread, freed once more by another,
 * and looked at by mp_cache_validate() meanwhile: who works on its bytes does so alone, and
 * one of the two frees is told (D1, D2).
 *
 * WRONG 1: it is taken by a load and a store.
 * WRONG 2: it is free before it is filled.
 * WRONG 3: it becomes free without release.
 * WRONG 4: a free finds it live by a load, and then stores.
 */
#include "model.h"

#if WRONG == 3
#undef mpp_store_release
#define mpp_store_release(p, v) mpp_store_relaxed(p, v)
#endif
#include "debug.h"

#define FRESH 0xcdu
#define POISON 0xccu

static mpp_mark_cell mark;
static uint64_t bytes;			/* of the object, plain */
static _Atomic uint32_t given;		/* atomic: the other thread may have it */
static unsigned freed[2], told[2];

static void setup(void)
{
	mpp_store_relaxed(&mark, MPP_MARK_FREE);
	mpp_store_relaxed(&given, 0);
	bytes = POISON;
	freed[0] = freed[1] = told[0] = told[1] = 0;
}

static enum mpp_mark claim(void)
{
	enum mpp_mark to = WRONG == 2 ? MPP_MARK_FREE : MPP_MARK_BUSY;

	if (WRONG != 4)
		return mpp_mark_move(&mark, MPP_MARK_LIVE, to);
	if (mpp_load_acquire(&mark) != MPP_MARK_LIVE)
		return MPP_MARK_FREE;
	mpp_mark_set(&mark, to);
	return MPP_MARK_LIVE;
}

/* What mp_cache_free() does to it. */
static void give_back(unsigned who)
{
	if (claim() != MPP_MARK_LIVE) {
		told[who]++;
		return;
	}
	assert(bytes == FRESH);
	bytes = POISON;
	if (WRONG != 2)
		mpp_mark_set(&mark, MPP_MARK_FREE);
	freed[who]++;
}

/* What mp_cache_alloc() does; false if the object is looked at. */
static bool take(void)
{
	enum mpp_mark was;

	if (WRONG == 1)
		was = mpp_mark_take(&mark) ? MPP_MARK_FREE : MPP_MARK_BUSY;
	else
		was = mpp_mark_move(&mark, MPP_MARK_FREE, MPP_MARK_LIVE);
	if (was != MPP_MARK_FREE) {
		assert(was == MPP_MARK_BUSY);
		return false;
	}
	assert(bytes == POISON);
	bytes = FRESH;
	return true;
}

static void *owner(void *arg)
{
	if (take()) {
		mpp_store_release(&given, 1);
		give_back(0);
	}
	return arg;
}

static void *stray(void *arg)
{
	if (mpp_load_acquire(&given) != 0)
		give_back(1);
	return arg;
}

static void *validate(void *arg)
{
	if (mpp_mark_move(&mark, MPP_MARK_FREE, MPP_MARK_BUSY) == MPP_MARK_FREE) {
		assert(bytes == POISON);
		mpp_mark_set(&mark, MPP_MARK_FREE);
	}
	return arg;
}

static void check(void)
{
	assert(freed[0] + freed[1] <= 1);
	assert(freed[0] + freed[1] == 1 || told[0] + told[1] == 0);
	assert(mpp_load_relaxed(&mark) == MPP_MARK_FREE && bytes == POISON);
}

MODEL_MAIN(setup, owner, stray, validate, check)
