/* SPDX-License-Identifier: MIT */
/*
 * number.c - a thread looks, with a pointer that it has no right to, at a region that goes
 * while its number passes to another: it is told nothing of the other (S4).
 *
 * WRONG 1: base is not read again behind the length.
 * WRONG 2: the length is told relaxed: base may be old to who has seen it.
 * WRONG 3: it is read relaxed.
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

#define NUMBER 5
#define CODE (MPP_CODE_SPANS + NUMBER)
#define HERE ((uintptr_t)3 * MPP_REGION_SIZE)
#define THERE ((uintptr_t)8 * MPP_REGION_SIZE)
#define PAGE 2
#define OLD 3
#define NEW 7

_Atomic uint32_t mpp_os_page_log = 12;
static _Atomic uint8_t lengths[4];
static struct mpp_region region;

uint32_t mpp_os_ask_page(void)
{
	return 12;
}

static const void *place(uintptr_t base)
{
	return (const void *)(base + ((uintptr_t)PAGE << 12));
}

static void setup(void)
{
	for (int i = 0; i < 4; i++)
		mpp_store_relaxed(&lengths[i], 0);
	region.lengths = lengths;
	mpp_store_relaxed(&mpp_numbered[NUMBER].lengths, lengths);
	mpp_store_relaxed(&mpp_numbered[NUMBER].base, HERE);
	mpp_store_relaxed(&lengths[PAGE], OLD);
}

/* The span is freed, its region unmapped; the number is another's, which cuts a span. */
static void *mover(void *arg)
{
	mpp_span_tell(&region, PAGE, 0);
	mpp_number_set(NUMBER, 0);
	mpp_number_set(NUMBER, THERE);
	mpp_span_tell(&region, PAGE, NEW);
	return arg;
}

#if WRONG == 1
static size_t look(const void *p)
{
	const struct mpp_numbered *n = &mpp_numbered[NUMBER];

	if (((uintptr_t)p ^ mpp_load_acquire(&n->base)) >= MPP_REGION_SIZE)
		return 0;
	return mpp_load_acquire(&mpp_load_relaxed(&n->lengths)[PAGE]);
}
#else
static size_t look(const void *p)
{
	return mpp_span_look(p, CODE);
}
#endif

static void *stale(void *arg)
{
	size_t pages = look(place(HERE));

	assert(pages == OLD || pages == 0);
	return arg;
}

static void *other(void *arg)
{
	size_t pages = look(place(THERE));

	assert(pages == NEW || pages == 0);
	return arg;
}

static void check(void)
{
	assert(look(place(HERE)) == 0);
	assert(look(place(THERE)) == NEW);
}

MODEL_MAIN(setup, mover, stale, other, check)
