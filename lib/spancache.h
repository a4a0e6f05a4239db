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

#include "span.h"
#include "thread.h"

#define MPP_SPANS_EXACT 16u	/* up to so many units each number has a stack */
#define MPP_SPANS_STEP 4u	/* above, each fourth */
#define MPP_SPAN_CACHE_MOST MPP_TOLD_MOST	/* bytes of the largest kept */
#define MPP_SPANS_UNITS (MPP_SPAN_CACHE_MOST / MPP_UNIT)
_Static_assert(MPP_SPANS_EXACT + (MPP_SPANS_UNITS - MPP_SPANS_EXACT) / MPP_SPANS_STEP ==
		       MPP_SPAN_STACKS,
	       "each length that is kept has a stack");

/* A stack: how far from the start of a thread's state, 0 for none, and the units of its spans. */
struct mpp_spans_place {
	uint16_t offset;
	uint16_t units;
};
_Static_assert(offsetof(struct mpp_thread, span_room) <= UINT16_MAX, "an offset's bits");

/* The stack for spans of so many units. */
struct mpp_spans_table {
	struct mpp_spans_place up[MPP_SPANS_UNITS + 1];	/* or of the next length that is kept */
	struct mpp_spans_place exact[MPP_SPANS_UNITS + 1];
};

extern struct mpp_spans_table mpp_spans_all;	/* const after start-up */
/* The same if spans at hand need no other look: no failures asked for, no memory checker, not
 * watched.  Else, and before start-up, it has none. */
extern struct mpp_spans_table mpp_spans_plain;	/* const after start-up; who has not come by that yet
						   has no stack with room or spans */

/* At start-up: what the tables say. */
void mpp_spans_init(bool plain);

/* The bytes that are allocated for size: those of a span that is kept, if there is one so large. */
size_t mpp_spans_round(size_t size);

/* The span pushed last, or NULL; by the stack's owner. */
mpp_inline void *mpp_spans_take(struct mpp_span_stack *stack)
{
	/* relaxed: the owner's own words */
	uint32_t n = mpp_load_relaxed(&stack->n);
	void *p;

	if (mpp_unlikely(n == 0))
		return NULL;
	/* relaxed: as above */
	p = mpp_load_relaxed(&stack->v[n - 1]);
	/* release: the load stays before it (T3) */
	mpp_store_release(&stack->n, n - 1);
	return p;
}

/* A free span of size, rounded as above, or NULL if t, which is the caller's, has none. */
mpp_inline void *mpp_spans_pop(const struct mpp_spans_table *table, struct mpp_thread *t,
			       size_t size)
{
	const struct mpp_spans_place *place = &table->up[(size + MPP_UNIT - 1) >> MPP_UNIT_SHIFT];
	void *p = NULL;

	if (mpp_likely(place->offset != 0))
		p = mpp_spans_take(mpp_at(t, place->offset));
	if (mpp_likely(p != NULL))
		t->span_room += (size_t)place->units << MPP_UNIT_SHIFT;
	return p;
}

/* t's stack for spans of just so many units, or NULL. */
mpp_inline struct mpp_span_stack *mpp_spans_stack(const struct mpp_spans_table *table,
						  struct mpp_thread *t, size_t units)
{
	uint32_t offset = units <= MPP_SPANS_UNITS ? table->exact[units].offset : 0;

	return offset != 0 ? mpp_at(t, offset) : NULL;
}

enum mpp_spans_push {
	MPP_SPANS_KEPT,
	MPP_SPANS_NO_ROOM,
	MPP_SPANS_TWICE,	/* it was pushed last: a double free */
};

/* Keep a live span of so many units. */
mpp_inline enum mpp_spans_push mpp_spans_push(const struct mpp_spans_table *table,
					      struct mpp_thread *t, void *p, size_t units)
{
	struct mpp_span_stack *stack = mpp_spans_stack(table, t, units);
	size_t bytes = units << MPP_UNIT_SHIFT;
	uint32_t n;

	if (mpp_unlikely(stack == NULL))
		return MPP_SPANS_NO_ROOM;
	/* relaxed: the owner's own words */
	n = mpp_load_relaxed(&stack->n);
	/* relaxed: as above */
	if (n > 0 && mpp_unlikely(mpp_load_relaxed(&stack->v[n - 1]) == p))
		return MPP_SPANS_TWICE;
	if (mpp_unlikely(n == MPP_SPANS_MAX) || mpp_unlikely(t->span_room < bytes))
		return MPP_SPANS_NO_ROOM;
	t->span_room -= bytes;
	/* relaxed: published by n */
	mpp_store_relaxed(&stack->v[n], p);
	/* release: the cell first (T3) */
	mpp_store_release(&stack->n, n + 1);
	return MPP_SPANS_KEPT;
}

/* Whether p, a span of so many units, is in the stack of the caller's t: free. */
bool mpp_spans_keep(struct mpp_thread *t, const void *p, size_t units);

/* Give all of t's back; the caller owns t.  Returns the bytes. */
size_t mpp_spans_flush(struct mpp_thread *t, struct mpp_faults *faults);

/* Spans kept by all threads, and their bytes. */
void mpp_spans_count(size_t *spans, size_t *bytes);

/* Whether some thread keeps p. */
bool mpp_spans_has(const void *p);

#endif /* MPP_SPANCACHE_H */
