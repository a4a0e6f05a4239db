/* SPDX-License-Identifier: MIT */
/*
 * fast.h - layer 6: the hit path, a pop and a push.
 *
 * No lock, no read-modify-write, no start-up test.  The invariants are T1 to
 * T3 in thread.h.
 */
#ifndef MPP_FAST_H
#define MPP_FAST_H

#include "thread.h"

/* The newest object of the magazine; false if it is empty. */
mpp_inline bool mpp_pop(struct mpp_slot *slot, void **obj)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);

	if (mpp_unlikely(top == slot->base))
		return false;
	top--;
	/* relaxed: as above */
	*obj = mpp_load_relaxed(top);
	/* release: the load stays before it (T3); who looks on is fork, or holds the lock */
	mpp_store_release(&slot->top, top);
	return true;
}

/* Push obj; false if there is no room, or if it was the last object pushed: a double free. */
mpp_inline bool mpp_push(struct mpp_slot *slot, void *obj)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);

	if (mpp_unlikely(top == slot->limit))
		return false;
	/* relaxed: as above; an empty magazine has a NULL there */
	if (mpp_unlikely(mpp_load_relaxed(top - 1) == obj))
		return false;
	/* relaxed: published by top */
	mpp_store_relaxed(top, obj);
	/* release: the cell first (T3), for a fork that cuts in between */
	mpp_store_release(&slot->top, top + 1);
	return true;
}

/* Whether obj was pushed last: it is free. */
mpp_inline bool mpp_is_newest(const struct mpp_slot *slot, const void *obj)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);

	/* relaxed: as above; an empty magazine has a NULL there */
	return top != NULL && mpp_load_relaxed(top - 1) == obj;
}

/* The slot of a cache, for its offset (0 is the slot that is always empty and full). */
mpp_inline struct mpp_slot *mpp_fast_slot(uint32_t offset)
{
	return mpp_at(mpp_self, offset);
}

/* Whether p is the first byte of an object of c, and of which in its slab; p is not followed. */
mpp_inline bool mpp_fast_owns(const struct mp_cache *c, const void *p, uint32_t *index)
{
	uintptr_t a = (uintptr_t)p;

	/* relaxed: M4 */
	if (mpp_unlikely(!mpp_map_in_range(a)) ||
	    mpp_unlikely(mpp_load_relaxed(mpp_map_entry(a)) != mpp_cache_id(c)))
		return false;
	*index = mpp_slab_near_index(p, &c->g);
	return mpp_likely(*index < c->g.capacity);
}

#endif /* MPP_FAST_H */
