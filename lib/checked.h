/* SPDX-License-Identifier: MIT */
/*
 * checked.h - layer 6: what happens to a watched object on its way out and in.
 *
 * A watched cache never fills the slot that the hit path looks at, so all of its objects
 * come by here, with no lock held.
 */
#ifndef MPP_CHECKED_H
#define MPP_CHECKED_H

#include "fast.h"
#include "find.h"
#include "guard.h"

/*
 * A free object of c becomes the program's, asked bytes of it.  False, and a fault to report,
 * if somebody wrote into it: it is then leaked on purpose.  Of one that was lost already
 * there is no more to tell.
 */
bool mpp_checked_out(struct mp_cache *c, void *obj, size_t asked, struct mpp_faults *faults);

/* An object of c comes back; false, and a fault to report, if it may not be used again. */
bool mpp_checked_in(struct mp_cache *c, void *obj, struct mpp_faults *faults);

/*
 * An object in hand is to be moved or resized: false, and a fault to report, if something is wrong
 * with it; it is lost then, with what it holds.
 */
bool mpp_checked_whole(struct mp_cache *c, void *obj, const char *where, struct mpp_faults *faults);

/* Whether it can be resized where it is: the red zone moves with the size. */
bool mpp_checked_resize(struct mp_cache *c, void *obj, size_t size);

/* The line that T asks for. */
void mpp_checked_trace(const char *cache, const void *obj, size_t asked, const char *what);

/* Slots that the hit path does not look at; NULL before the first use of one. */
mpp_inline struct mpp_leaf *mpp_checked_leaf(const struct mp_cache *c)
{
	return mpp_self->leaves[c->old_id / MPP_INLINE_IDS];
}

mpp_inline struct mpp_slot *mpp_checked_slot(const struct mp_cache *c)
{
	struct mpp_leaf *leaf = mpp_checked_leaf(c);

	return leaf != NULL ? &leaf->slots[c->old_id % MPP_INLINE_IDS] : NULL;
}

/*
 * The hit path of a hardened cache (MPP_ROUTE_HARD): a pop and a push with a mark each.  NULL,
 * or false and nothing done, where it needs more.
 */
mpp_inline void *mpp_hard_pop(struct mp_cache *c)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	void *obj;

	if (mpp_unlikely(slot == NULL) || mpp_unlikely(!mpp_pop(slot, &obj)))
		return NULL;
	if (mpp_likely(mpp_mark_take(mpp_watch_near_cell(&c->watch, &c->g, obj,
							     mpp_slab_near_index(obj, &c->g)))))
		return obj;
	(void)mpp_push(slot, obj); /* the slow path reports it */
	return NULL;
}

mpp_inline bool mpp_hard_push(struct mp_cache *c, void *obj, uint32_t index)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	mpp_mark_cell *cell = mpp_watch_near_cell(&c->watch, &c->g, obj, index);

	/* relaxed: the owner's own words */
	if (mpp_unlikely(slot == NULL) ||
	    mpp_unlikely(mpp_load_relaxed(&slot->top) == slot->limit))
		return false;
	return mpp_likely(mpp_mark_move(cell, MPP_MARK_LIVE, MPP_MARK_FREE) == MPP_MARK_LIVE) &&
	       mpp_push(slot, obj);
}

/*
 * The hit path of a cache of which some objects are guarded (MPP_ROUTE_SAMPLED), in the same way.
 * Its frees, but for those of built-in caches, do not come here: they have push_offset.
 */
mpp_inline struct mpp_slot *mpp_sampled_slot(const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	uint32_t offset = mpp_load_relaxed(&c->push_offset);

	return mpp_likely(offset != 0) ? mpp_fast_slot(offset) : mpp_checked_slot(c);
}

mpp_inline void *mpp_sampled_pop(const struct mp_cache *c)
{
	struct mpp_slot *slot = mpp_sampled_slot(c);
	void *obj;

	if (mpp_unlikely(slot == NULL) || mpp_unlikely(!mpp_guard_pass(c)) ||
	    mpp_unlikely(!mpp_pop(slot, &obj)))
		return NULL;
	return obj;
}

mpp_inline bool mpp_sampled_push(const struct mp_cache *c, void *obj)
{
	struct mpp_slot *slot = mpp_sampled_slot(c);

	return mpp_likely(slot != NULL) && mpp_push(slot, obj);
}

/* The same for a cache that is watched (MPP_ROUTE_WATCHED), with all that its letters ask for. */
void *mpp_watched_pop(struct mp_cache *c, size_t asked);
bool mpp_watched_push(struct mp_cache *c, void *obj, uint32_t index);

/* Bytes that the program may use of an object; 0 if its mark says that it is not live. */
size_t mpp_checked_live(struct mp_cache *c, void *obj);

/* What the hit path does for the others: NULL or false for those that need more. */
mpp_inline void *mpp_routed_pop(struct mp_cache *c, size_t asked)
{
	switch ((enum mpp_route)c->route) {
	case MPP_ROUTE_SAMPLED:
		return mpp_sampled_pop(c);
	case MPP_ROUTE_HARD:
		return mpp_hard_pop(c);
	case MPP_ROUTE_WATCHED:
		return mpp_watched_pop(c, asked);
	case MPP_ROUTE_PLAIN:
	case MPP_ROUTE_SLOW:
	default:
		return NULL;
	}
}

mpp_inline bool mpp_routed_push(struct mp_cache *c, void *obj, uint32_t index)
{
	switch ((enum mpp_route)c->route) {
	case MPP_ROUTE_SAMPLED:
		return mpp_sampled_push(c, obj);
	case MPP_ROUTE_HARD:
		return mpp_hard_push(c, obj, index);
	case MPP_ROUTE_WATCHED:
		return mpp_watched_push(c, obj, index);
	case MPP_ROUTE_PLAIN:
	case MPP_ROUTE_SLOW:
	default:
		return false;
	}
}

#endif /* MPP_CHECKED_H */
