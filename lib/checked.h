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
 * if somebody wrote into it: it is then leaked on purpose.
 */
bool mpp_checked_out(struct mp_cache *c, void *obj, size_t asked, struct mpp_faults *faults);

/* An object of c comes back; false, and reported, if it may not be used again. */
bool mpp_checked_in(struct mp_cache *c, void *obj);

/* The line that T asks for. */
void mpp_checked_trace(const struct mp_cache *c, const void *obj, size_t asked, const char *what);

/* Say what is wrong with the free of an object that was not marked live; errno is kept. */
mpp_cold void mpp_checked_refuse(struct mp_cache *c, const struct mpp_watched *o,
				 enum mpp_mark was);

/* Where the magazine of a cache is that the hit path does not serve; NULL before its first use. */
mpp_inline struct mpp_slot *mpp_checked_slot(const struct mp_cache *c)
{
	struct mpp_leaf *leaf = mpp_self->leaves[c->old_id / MPP_INLINE_IDS];

	return leaf != NULL ? &leaf->slots[c->old_id % MPP_INLINE_IDS] : NULL;
}

/*
 * The hit path of a hardened cache (c->hard): a pop and a push with a mark each.  NULL,
 * or false and nothing done, where it needs more.
 */
mpp_inline void *mpp_checked_pop(struct mp_cache *c)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	struct mpp_watched o;
	void *obj;

	if (mpp_unlikely(slot == NULL) || mpp_unlikely(!mpp_pop(slot, &obj)))
		return NULL;
	mpp_find_watched(c, obj, &o);
	if (mpp_likely(mpp_mark_take(mpp_watch_mark(&o))))
		return obj;
	(void)mpp_push(slot, obj); /* the slow path reports it */
	return NULL;
}

/* The hit path of a cache of which some objects are guarded (c->sampled), in the same way. */
mpp_inline void *mpp_sampled_pop(const struct mp_cache *c)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	void *obj;

	if (mpp_unlikely(slot == NULL) || mpp_unlikely(!mpp_guard_pass(c)) ||
	    mpp_unlikely(!mpp_pop(slot, &obj)))
		return NULL;
	return obj;
}

mpp_inline bool mpp_sampled_push(const struct mp_cache *c, void *obj)
{
	struct mpp_slot *slot = mpp_checked_slot(c);

	return mpp_likely(slot != NULL) && mpp_push(slot, obj);
}

mpp_inline bool mpp_checked_push(struct mp_cache *c, void *obj)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	struct mpp_watched o;
	enum mpp_mark was;

	/* relaxed: the owner's own words */
	if (mpp_unlikely(slot == NULL) ||
	    mpp_unlikely(mpp_load_relaxed(&slot->top) == slot->limit))
		return false;
	mpp_find_watched(c, obj, &o);
	was = mpp_mark_set(mpp_watch_mark(&o), MPP_MARK_FREE);
	if (mpp_likely(was == MPP_MARK_LIVE))
		return mpp_push(slot, obj);
	mpp_checked_refuse(c, &o, was);
	return true;
}

/* Bytes that the program may use of an object; 0 if its mark says that it is not live. */
size_t mpp_checked_live(struct mp_cache *c, void *obj);

/* A number that chooses, not from 0 on to n - 1 only in fair shares: for random order. */
uint32_t mpp_checked_random(uint32_t n);

/* What the hit path does for the others: NULL or false for those that need more. */
mpp_inline void *mpp_routed_pop(struct mp_cache *c)
{
	return c->hard ? mpp_checked_pop(c) : c->sampled ? mpp_sampled_pop(c) : NULL;
}

mpp_inline bool mpp_routed_push(struct mp_cache *c, void *obj)
{
	return c->hard ? mpp_checked_push(c, obj) : c->sampled && mpp_sampled_push(c, obj);
}

#endif /* MPP_CHECKED_H */
