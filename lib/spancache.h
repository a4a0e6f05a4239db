/* SPDX-License-Identifier: MIT */
/*
 * spancache.h - layer 6: the few free spans that a thread keeps at hand.
 *
 * For spans of up to MPP_SPAN_CACHE_MOST bytes a stack per size in the
 * thread's state, owned as a magazine is (T1 and T3 in thread.h): the owner pushes
 * and pops without a lock, others look under it.  To large.c a span in a stack is
 * live, so a hit changes nothing but the stack.
 */
#ifndef MPP_SPANCACHE_H
#define MPP_SPANCACHE_H

#include "os.h"
#include "thread.h"

#define MPP_SPANS_EXACT 16u	/* up to so many pages each number has a stack */
#define MPP_SPANS_STEP 4u	/* above, each fourth */
_Static_assert((MPP_SPAN_STACKS - MPP_SPANS_EXACT + 4) * 4 >= 32, "32 pages of 4 KiB are kept");

/* Spans at hand need no other look: started, no failures asked for, no memory checker. */
extern bool mpp_spans_plain;	/* const after start-up */

/* The number of pages that is allocated for so many: one that is kept, if there is. */
mpp_inline size_t mpp_spans_round(size_t pages)
{
	if (pages <= MPP_SPANS_EXACT || pages > MPP_SPAN_CACHE_MOST >> mpp_os_page_shift())
		return pages;
	return mpp_round_up(pages, MPP_SPANS_STEP);
}

/* The stack for spans of so many pages, or NULL if none are kept. */
mpp_inline struct mpp_span_stack *mpp_spans_stack(struct mpp_thread *t, size_t pages)
{
	size_t i = pages - 1;

	if (mpp_unlikely(pages > MPP_SPAN_CACHE_MOST >> mpp_os_page_shift()))
		return NULL;
	if (pages > MPP_SPANS_EXACT) {
		if (pages % MPP_SPANS_STEP != 0)
			return NULL;
		i = MPP_SPANS_EXACT + (pages - MPP_SPANS_EXACT) / MPP_SPANS_STEP - 1;
	}
	return i < MPP_SPAN_STACKS ? &t->spans[i] : NULL;
}

/* A free span of pages, rounded as above, or NULL if the thread t has none; t is the caller's. */
mpp_inline void *mpp_spans_pop(struct mpp_thread *t, size_t pages)
{
	struct mpp_span_stack *stack = mpp_spans_stack(t, pages);
	/* relaxed: the owner's own words */
	uint32_t n = stack == NULL ? 0 : mpp_load_relaxed(&stack->n);
	void *p;

	if (n == 0)
		return NULL;
	/* relaxed: as above */
	p = mpp_load_relaxed(&stack->v[n - 1]);
	/* release: the load stays before it (T3) */
	mpp_store_release(&stack->n, n - 1);
	t->span_room += pages << mpp_os_page_shift();
	return p;
}

enum mpp_spans_push {
	MPP_SPANS_KEPT,
	MPP_SPANS_NO_ROOM,
	MPP_SPANS_TWICE,	/* it was pushed last: a double free */
};

/* Keep a live span of pages. */
mpp_inline enum mpp_spans_push mpp_spans_push(struct mpp_thread *t, void *p, size_t pages)
{
	struct mpp_span_stack *stack = mpp_spans_stack(t, pages);
	size_t bytes = pages << mpp_os_page_shift();
	uint32_t n;

	if (stack == NULL)
		return MPP_SPANS_NO_ROOM;
	/* relaxed: the owner's own words */
	n = mpp_load_relaxed(&stack->n);
	/* relaxed: as above */
	if (n > 0 && mpp_unlikely(mpp_load_relaxed(&stack->v[n - 1]) == p))
		return MPP_SPANS_TWICE;
	if (n == MPP_SPANS_MAX || t->span_room < bytes)
		return MPP_SPANS_NO_ROOM;
	/* relaxed: published by n */
	mpp_store_relaxed(&stack->v[n], p);
	/* release: the cell first (T3) */
	mpp_store_release(&stack->n, n + 1);
	t->span_room -= bytes;
	return MPP_SPANS_KEPT;
}

/* Whether p, a span of pages, is in the stack of the caller's t: free. */
mpp_inline bool mpp_spans_keep(struct mpp_thread *t, const void *p, size_t pages)
{
	const struct mpp_span_stack *stack = mpp_spans_stack(t, pages);
	/* relaxed: the owner's own words */
	uint32_t n = stack == NULL ? 0 : mpp_load_relaxed(&stack->n);

	/* relaxed: as above */
	while (n > 0 && mpp_load_relaxed(&stack->v[n - 1]) != p)
		n--;
	return n > 0;
}

/* Give all of t's back; the caller owns t.  Returns the bytes. */
size_t mpp_spans_flush(struct mpp_thread *t, struct mpp_faults *faults);

/* Spans kept by all threads, and their bytes. */
void mpp_spans_count(size_t *spans, size_t *bytes);

/* Whether some thread keeps p. */
bool mpp_spans_has(const void *p);

#endif /* MPP_SPANCACHE_H */
