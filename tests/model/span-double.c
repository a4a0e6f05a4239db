/* SPDX-License-Identifier: MIT */
/*
 * span-double.c - two threads free one span, a third asks for its size: one free
 * succeeds, the other is told (S1); the size is the span's or 0.
 *
 * WRONG 1: the state is changed by a load and a store.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "no-tools.h"
#include "plain-lock.h"
#include "../../lib/map.c"
#include "../../lib/budget.c"
#define lock large_lock
#include "../../lib/span.c"
#if WRONG == 1
#undef mpp_cas_acq_rel
#define mpp_cas_acq_rel(p, old, v) \
	(mpp_load_acquire(p) == *(old) && (mpp_store_release(p, v), 1))
#endif
#include "../../lib/large.c"
#undef lock
#include "one-lock.h"

static mpp_code leaf[MPP_LEAF_SIZE];
static struct mpp_region descriptor;
_Atomic uint32_t mpp_os_page_log = 12;
static char *span;
static void *head;
static enum mpp_large_verdict verdict[2];

#define BASE ((char *)((uintptr_t)(7 * MPP_LEAF_SIZE + 64) * MP_CHUNK_SIZE))
#define SPAN_SIZE (REGION / 2 + MP_CHUNK_SIZE)

uint32_t mpp_os_ask_page(void)
{
	return 12;
}

void *mpp_meta_alloc(size_t size)
{
	return size == sizeof(leaf) ? (void *)leaf : (void *)&descriptor;
}

void mpp_meta_free(void *p, size_t size)
{
	(void)p;
	(void)size;
}

/* Nothing is stored in a span; its address will do. */
void *mpp_os_map(size_t size, size_t align)
{
	assert(size >= SPAN_SIZE && (uintptr_t)BASE % align == 0);
	return BASE;
}

bool mpp_os_unmap(void *p, size_t size)
{
	(void)p;
	return size != 0;
}

bool mpp_os_purge(void *p, size_t size)
{
	return mpp_os_unmap(p, size);
}

void mpp_os_want_huge(void *p, size_t size)
{
	(void)p;
	(void)size;
}

uint64_t mpp_os_clock_ms(void)
{
	return 0;
}

static void setup(void)
{
	bool zeroed;

	mpp_store_relaxed(&large_lock.state, 0);
	mpp_list_init(&singles);
	mpp_list_init(&mpp_regions);
	mpp_list_init(&mpp_spans_aged);
	mpp_store_relaxed(bucket_of(BASE), NULL);
	memset(&descriptor, 0, sizeof(descriptor));
	live = in_use = reserved = high = mpp_spans_kept = 0;
	mpp_store_relaxed(&used, 0);
	mpp_store_relaxed(&peak, 0);
	span = mpp_large_alloc(SPAN_SIZE, 4096, &zeroed);
	assert(span == BASE && mpp_map_find(span, &head) == MPP_CODE_LARGE && head == BASE);
}

static void *first(void *arg)
{
	verdict[0] = mpp_large_free(span, head);
	return arg;
}

static void *second(void *arg)
{
	verdict[1] = mpp_large_free(span, head);
	return arg;
}

static void *asks(void *arg)
{
	size_t size = mpp_large_size(span, head);

	assert(size == 0 || size == SPAN_SIZE);
	return arg;
}

static void check(void)
{
	assert((verdict[0] == MPP_LARGE_OK) + (verdict[1] == MPP_LARGE_OK) == 1);
	assert((verdict[0] == MPP_LARGE_FREE) + (verdict[1] == MPP_LARGE_FREE) == 1);
	assert(live == 0 && in_use == 0);
	assert(mpp_budget_used() == 0);
}

MODEL_MAIN(setup, first, second, asks, check)
