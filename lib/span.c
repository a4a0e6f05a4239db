/* SPDX-License-Identifier: MIT */
/*
 * span.c - layer 4: finding regions, binning, cutting and joining spans.
 *
 * Theory of the look-up.  Regions are found by address in a hash table whose
 * chains change under the lock of large.c and are walked without it.  A descriptor
 * is never anything else, but one that was removed is used again for another
 * region, in another chain, so a reader can stray from its chain to that one.
 *
 *   bucket 1 --> A --> B           remove A; A is now region C
 *   bucket 2 --> (C = A) --> 0     a reader that stood on A misses B
 *
 *  S1  A first entry's state goes from LIVE to FREE by compare-and-swap only, so
 *      one of several frees of a span succeeds; every other change of state is under
 *      the lock.  The state is written after the length (span.h).
 *  S2  A region that stays is found.  `removals` is raised after a descriptor
 *      has left its chain and before it enters another, so who starts with the new
 *      count does not meet it in the old chain, and who follows its new link has
 *      seen the new count: a miss counts only if the count has not moved.
 *  S3  A descriptor leaves and enters chains whole: base, table and length
 *      are written before the link to it.
 *
 * Theory of numbers.  What a thread keeps at hand is found without the hash table: the code
 * of a granule is the number of its region, and the number leads to the lengths.  A region that
 * is unmapped gives its number up, for another region elsewhere.
 *
 *   owner map --> k    numbered[k] --> base      the region that p is in?
 *                                  --> lengths   of p's unit: 0, or so many units
 *
 *  S4  The array of a number is made once and never goes, so a look reads memory of ours
 *      whatever the pointer, and its result is of p's region if base, read before and after
 *      the length, is p's region both times: base changes, and with it a count in
 *      its low bits, before a length is written for another region, with release, and
 *      the look reads it with acquire.  So a pointer whose region has gone is told
 *      nothing, unless the number changes hands as often as the count can tell, millions
 *      of times, during one look; of a lawful one nothing changes meanwhile (M4).
 *  S5  A length is not 0 only while a LIVE span starts there: it is written when a span is
 *      made or changes its length, and is 0 again before the span is in a bin.  So all
 *      are 0 when a region goes: it is one free span then.  Two frees of one span may
 *      both be told its length, as they may both find it LIVE; S1 decides when it is given back.
 */
#include "span.h"

#include "base.h"
#include "bits.h"

#define BUCKETS 4096u
#define BINS 128u

struct mpp_link mpp_regions = { &mpp_regions, &mpp_regions };
struct mpp_link mpp_spans_aged = { &mpp_spans_aged, &mpp_spans_aged };
size_t mpp_spans_kept;

static struct mpp_link bins[BINS];	/* lock:large, zero until first used */
static uint64_t binned[BINS / 64];	/* lock:large, bins with something in them */
static _Atomic(struct mpp_region *) buckets[BUCKETS];	/* atomic */
struct mpp_numbered mpp_numbered[MPP_SPANS_CODES];
static uint64_t numbers[(MPP_SPANS_CODES + 63) / 64];	/* lock:large, those taken */
static _Atomic uint32_t removals;	/* atomic: raised when a region has left its chain */

/* ---- finding a region */

static _Atomic(struct mpp_region *) *bucket_of(const void *head)
{
	uintptr_t n = (uintptr_t)head >> MPP_CHUNK_SHIFT;

	return &buckets[(n ^ n >> 12) % BUCKETS];
}

struct mpp_region *mpp_region_find(const void *head)
{
	for (;;) {
		/* acquire: the chains without what left them (S2); pairs with
		 * mpp_region_remove_locked */
		uint32_t before = mpp_load_acquire(&removals);
		/* acquire: the descriptor (S3); pairs with mpp_region_insert_locked */
		struct mpp_region *r = mpp_load_acquire(bucket_of(head));

		while (r != NULL && mpp_region_base(r) != (uintptr_t)head)
			r = mpp_load_acquire(&r->next); /* acquire: as above */
		/* acquire: by the walk's own acquires it comes after them, and the count is no
		 * older than any link that was followed (S2); pairs with
		 * mpp_region_remove_locked */
		if (r != NULL || mpp_load_acquire(&removals) == before)
			return r;
	}
}

void mpp_region_insert_locked(struct mpp_region *r)
{
	_Atomic(struct mpp_region *) *bucket = bucket_of((void *)mpp_region_base(r));

	/* relaxed load: chains change under the lock.  release: a reader that strayed
	 * onto r sees removals moved when it follows this (S2); pairs with mpp_region_find */
	mpp_store_release(&r->next, mpp_load_relaxed(bucket));
	/* release: the descriptor (S3); pairs with mpp_region_find */
	mpp_store_release(bucket, r);
	mpp_list_append(&mpp_regions, &r->all);
}

void mpp_region_remove_locked(struct mpp_region *r)
{
	_Atomic(struct mpp_region *) *at = bucket_of((void *)mpp_region_base(r));

	/* relaxed: chains change under the lock */
	while (mpp_load_relaxed(at) != r)
		at = &mpp_load_relaxed(at)->next; /* relaxed: as above */
	/* relaxed load: as above.  release: whoever reads the new link sees what r
	 * stood in front of (S3) */
	mpp_store_release(at, mpp_load_relaxed(&r->next));
	/* relaxed load: as above.  release: raised once r is out of its chain and before
	 * it is in another: who starts with the new count does not meet r here, who meets it
	 * with the old count looks again (S2); pairs with mpp_region_find */
	mpp_store_release(&removals, mpp_load_relaxed(&removals) + 1);
	mpp_list_remove(&r->all);
}

/* ---- numbers */

int mpp_number_take_locked(void)
{
	for (unsigned i = 0; i < MPP_SPANS_CODES; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;

		if ((numbers[i / 64] & bit) != 0)
			continue;
		numbers[i / 64] |= bit;
		return (int)i;
	}
	return -1;
}

void mpp_number_give_locked(int number)
{
	numbers[number / 64] &= ~(UINT64_C(1) << number % 64);
}

void mpp_number_set(int number, uintptr_t base)
{
	_Atomic uintptr_t *at = &mpp_numbered[number].base;
	/* relaxed: the number's owner alone writes it */
	uintptr_t count = (mpp_load_relaxed(at) + 1) & (MPP_REGION_SIZE - 1);

	/* release: the array; pairs with mpp_span_look.  What is written to it later is
	 * a release itself (S4) */
	mpp_store_release(at, base | count);
}

/* ---- bins */

/* Exact up to 64 pages, then eight to the doubling. */
static unsigned bin_of(size_t pages)
{
	unsigned w;

	if (pages <= 64)
		return (unsigned)pages - 1;
	w = mpp_width(pages - 1); /* 7 for 65 to 128 */
	return (unsigned)mpp_min(64 + (w - 7) * 8 + ((pages - 1) >> (w - 4) & 7), BINS - 1);
}

void mpp_span_age_locked(struct mpp_span *s)
{
	if (!s->dirty)
		return;
	mpp_list_append(&mpp_spans_aged, &s->age);
	mpp_spans_kept += mpp_span_bytes(s);
}

void mpp_span_unage_locked(struct mpp_span *s)
{
	if (!s->dirty)
		return;
	mpp_list_remove(&s->age);
	mpp_spans_kept -= mpp_span_bytes(s);
}

void mpp_span_bin_locked(struct mpp_span *s)
{
	unsigned b = bin_of(mpp_span_pages(s));

	if (bins[b].next == NULL)
		mpp_list_init(&bins[b]);
	mpp_list_push(&bins[b], &s->bin);
	binned[b / 64] |= UINT64_C(1) << b % 64;
	mpp_span_age_locked(s);
}

void mpp_span_unbin_locked(struct mpp_span *s)
{
	unsigned b = bin_of(mpp_span_pages(s));

	mpp_list_remove(&s->bin);
	if (mpp_list_empty(&bins[b]))
		binned[b / 64] &= ~(UINT64_C(1) << b % 64);
	mpp_span_unage_locked(s);
}

struct mpp_span *mpp_span_best_locked(size_t pages)
{
	unsigned b = bin_of(pages);
	struct mpp_link *l;

	for (; b < BINS; b++) {
		if ((binned[b / 64] >> b % 64 & 1) == 0)
			continue;
		mpp_list_each(l, &bins[b]) {
			struct mpp_span *s = mpp_container(l, struct mpp_span, bin);

			if (mpp_span_pages(s) >= pages)
				return s;
		}
	}
	return NULL;
}

/* ---- cutting and joining; r is not a single-span region */

void mpp_span_mark(struct mpp_region *r, size_t page, size_t pages, enum mpp_span_use state)
{
	struct mpp_span *s = &r->spans[page];

	s->region = r;
	/* relaxed: ordered by set_state */
	mpp_store_relaxed(&s->pages, (uint32_t)pages);
	mpp_span_tell(r, page, state == MPP_SPAN_LIVE ? pages : 0);
	if (!mpp_region_is_single(r))
		r->spans[page + pages - 1].first = (uint32_t)page;
	mpp_span_set_state(s, state);
}

void mpp_span_join_locked(struct mpp_region *r, size_t page)
{
	struct mpp_span *s = &r->spans[page], *other;
	size_t pages = mpp_span_pages(s);

	if (page + pages < r->pages) {
		other = &r->spans[page + pages];
		if (mpp_span_state(other) == MPP_SPAN_FREE && mpp_span_is_binned(other)) {
			mpp_span_unbin_locked(other);
			s->dirty = s->dirty || other->dirty;
			pages += mpp_span_pages(other);
			mpp_span_set_state(other, MPP_SPAN_INSIDE);
		}
	}
	if (page > 0) {
		other = &r->spans[r->spans[page - 1].first];
		if (mpp_span_state(other) == MPP_SPAN_FREE && mpp_span_is_binned(other)) {
			mpp_span_unbin_locked(other);
			other->dirty = other->dirty || s->dirty;
			other->freed_at = s->freed_at;
			page -= mpp_span_pages(other);
			pages += mpp_span_pages(other);
			mpp_span_set_state(s, MPP_SPAN_INSIDE);
			s = other;
		}
	}
	mpp_span_mark(r, page, pages, MPP_SPAN_FREE);
	mpp_span_bin_locked(s);
}

void mpp_span_cut_locked(struct mpp_region *r, struct mpp_span *s, size_t page, size_t pages,
			 enum mpp_span_use use)
{
	size_t first = (size_t)(s - r->spans), end = first + mpp_span_pages(s);
	bool dirty = s->dirty;

	if (page + pages < end) {
		struct mpp_span *rest = &r->spans[page + pages];

		mpp_span_mark(r, page + pages, end - page - pages, MPP_SPAN_FREE);
		rest->dirty = dirty;
		rest->freed_at = s->freed_at;
		mpp_span_bin_locked(rest);
	}
	if (page > first) {
		mpp_span_mark(r, first, page - first, MPP_SPAN_FREE);
		mpp_span_bin_locked(s);
	}
	r->spans[page].dirty = dirty;
	mpp_span_mark(r, page, pages, use);
}
