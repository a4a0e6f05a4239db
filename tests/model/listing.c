/* SPDX-License-Identifier: MIT */
/*
 * listing.c - a full slab gets free objects: it is listed exactly once (I3, I4, I5),
 * also if it is wholly free, or taken and filled again, before its first freer has
 * the lock.
 *
 * WRONG 1: without the state LISTING: full becomes partial at once.
 * WRONG 2: every free that meets a slab of one free object takes it for its duty.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "plain-lock.h"
#include "slab.h"

#if WRONG == 1
#define MPP_SLAB_LISTING MPP_SLAB_PARTIAL
#endif
#include "one-cache.h"
#include "one-lock.h"

static uint64_t *got;

static void setup(void)
{
	model_cache_set(2, MPP_SLAB_FULL, 0);
	got = NULL;
}

static void *first(void *arg)
{
	model_free_settle(0);
	return arg;
}

static void *second(void *arg)
{
#if WRONG == 2
	(void)model_free(1);
	model_settle();
#else
	model_free_settle(1);
#endif
	return arg;
}

static void *taker(void *arg)
{
	got = model_supply_take();
	return arg;
}

static void check(void)
{
	assert(model_count() == 2 - (got != NULL));
	assert(got == NULL || *got == 101 || *got == 102);
	model_cache_check();
}

MODEL_MAIN(setup, first, second, taker, check)
