/* SPDX-License-Identifier: MIT */
/*
 * checked.c - layer 6: what happens to a watched object on its way out and in.
 *
 * One report per object: what is found damaged or inconsistent is marked lost, its red
 * zones made whole, counted as leaked once, and it is never used again.  Faults are
 * handed up: the report comes last, see object.c.
 */
#include "checked.h"

#include "annotate.h"
#include "os.h"
#include "text.h"

#include <string.h>

static const char at_alloc[] = "the allocation";
static const char at_free[] = "the free";

void mpp_checked_trace(const char *cache, const void *obj, size_t asked, const char *what)
{
	char buf[160];
	struct mpp_text t;

	mpp_text_init(&t, buf, sizeof(buf));
	mpp_text_add(&t, "mempool: trace: %s %p cache \"%s\" size %zu thread %u\n", what, obj,
		     cache, asked, mpp_os_thread_id());
	mpp_os_write(2, buf, t.len);
}

/*
 * The slab's header is one; with F all of it, and its free list says that the object is out.
 * Here and below, where faults is NULL, nothing is said and all is as it was if something is
 * wrong; and what mpp_watched_pop() and mpp_watched_push() are not for is left out.
 */
mpp_inline bool is_consistent(struct mp_cache *c, const struct mpp_watched *o, bool was_free,
			      const char *where, struct mpp_faults *faults)
{
	bool all = (c->watch.letters & MPP_D_CHECKS) != 0;
	bool sound = all ? mpp_cache_sound(c, o->s) : mpp_slab_has_magic(o->s, mpp_cache_id(c));

	if (mpp_likely(sound) && mpp_likely(!all || !mpp_slab_is_free(o->s, o->index)))
		return true;
	if (faults == NULL)
		return false;
	if (!sound)
		mpp_cache_fault_header(c, o->s, o->obj, faults);
	else
		mpp_find_fault(faults, was_free ? MP_ERROR_DOUBLE_FREE : MP_ERROR_FREE_LIST, c,
			       o->obj, where);
	return false;
}

/* Never to be used again. */
static void lose(struct mp_cache *c, const struct mpp_watched *o)
{
	mpp_watch_mend(o);
	mpp_mark_set(mpp_watch_mark(o), MPP_MARK_LOST);
	mpp_cache_count_leaked(c);
}

/* The same for one that the program gave back. */
static void give_up(struct mp_cache *c, const struct mpp_watched *o)
{
	lose(c, o);
	if (c->counted)
		mpp_cache_release(c, 1);
}

mpp_inline bool is_whole(struct mp_cache *c, const struct mpp_watched *o, bool was_free,
			 const char *where, struct mpp_faults *faults)
{
	if (!o->w->filled ||
	    mpp_likely(mpp_watch_is_whole(o->w, o->obj, mpp_watch_asked(o), was_free)))
		return true;
	if (faults != NULL)
		mpp_find_damage(faults, c, o, where);
	return false;
}

/*
 * Mark a free object live.  One that mp_cache_validate() looks at is so no more once the
 * thread's lock was had; what is then still busy is damaged.
 */
static mpp_cold bool take_mark_slow(const struct mpp_watched *o)
{
	struct mpp_thread *t = mpp_thread_get();
	enum mpp_mark was;

	mpp_lock_acquire(&t->lock);
	was = mpp_mark_move(mpp_watch_mark(o), MPP_MARK_FREE, MPP_MARK_LIVE);
	mpp_lock_release(&t->lock);
	return was == MPP_MARK_FREE;
}

mpp_inline bool take_mark(const struct mpp_watched *o)
{
	if (!o->w->filled)
		return mpp_mark_take(mpp_watch_mark(o));
	return mpp_mark_move(mpp_watch_mark(o), MPP_MARK_FREE, MPP_MARK_LIVE) == MPP_MARK_FREE;
}

/* A free object that is not marked so. */
static mpp_cold void refuse_out(struct mp_cache *c, const struct mpp_watched *o,
				struct mpp_faults *faults)
{
	enum mpp_mark mark = mpp_watch_marked(o);

	if (mark == MPP_MARK_LOST) /* told and counted when it was lost */
		return;
	mpp_cache_fault_header(c, o->s, o->obj, faults);
	if (mark == MPP_MARK_LIVE) /* the program has it, or the mark lies */
		mpp_cache_count_leaked(c);
	else
		lose(c, o);
}

mpp_inline bool hand_out(struct mp_cache *c, const struct mpp_watched *o, size_t asked,
			 struct mpp_faults *faults)
{
	if (mpp_unlikely(!take_mark(o)) && (faults == NULL || !take_mark_slow(o))) {
		if (faults != NULL)
			refuse_out(c, o, faults);
		return false;
	}
	if (mpp_unlikely(!is_consistent(c, o, true, at_alloc, faults)) ||
	    mpp_unlikely(!is_whole(c, o, true, at_alloc, faults))) {
		if (faults != NULL)
			lose(c, o);
		else
			mpp_mark_set(mpp_watch_mark(o), MPP_MARK_FREE);
		return false;
	}
	if (faults != NULL && mpp_watch_is_told(o->w))
		mpp_watch_tell_alloc(o, asked);
	mpp_watch_dress(o, asked);
	mpp_watch_note(o, MPP_USE_ALLOC);
	return true;
}

bool mpp_checked_out(struct mp_cache *c, void *obj, size_t asked, struct mpp_faults *faults)
{
	struct mpp_watched o;

	if (mpp_watch_is_marked(&c->watch)) {
		mpp_find_watched(c, obj, &o);
		if (mpp_unlikely(!hand_out(c, &o, asked, faults)))
			return false;
	}
	if (mpp_unlikely(c->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(c->name, obj, asked, "alloc");
	return true;
}

/* What is wrong with the free of an object that was not marked live; its mark is as it was. */
static mpp_cold void refuse(struct mp_cache *c, const struct mpp_watched *o, enum mpp_mark was,
			    struct mpp_faults *faults)
{
	switch (was) {
	case MPP_MARK_FREE:
	case MPP_MARK_BUSY:
		mpp_find_fault(faults, MP_ERROR_DOUBLE_FREE, c, o->obj, at_free);
		break;
	case MPP_MARK_LOST: /* reported when it was lost */
		break;
	case MPP_MARK_LIVE:
	default: /* the mark itself is damaged */
		mpp_cache_fault_header(c, o->s, o->obj, faults);
		if (mpp_slab_is_free(o->s, o->index)) /* it is what the free list says */
			(void)mpp_mark_move(mpp_watch_mark(o), was, MPP_MARK_FREE);
		else if (mpp_mark_move(mpp_watch_mark(o), was, MPP_MARK_LOST) == was)
			give_up(c, o);
		break;
	}
}

mpp_inline bool take_back(struct mp_cache *c, const struct mpp_watched *o,
			  struct mpp_faults *faults)
{
	enum mpp_mark to = o->w->filled ? MPP_MARK_BUSY : MPP_MARK_FREE, was;

	was = mpp_mark_move(mpp_watch_mark(o), MPP_MARK_LIVE, to);
	if (mpp_unlikely(was != MPP_MARK_LIVE)) {
		if (faults != NULL)
			refuse(c, o, was, faults);
		return false;
	}
	mpp_watch_note(o, MPP_USE_FREE); /* first: a report shows who found it */
	if (mpp_unlikely(!is_consistent(c, o, false, at_free, faults)) ||
	    mpp_unlikely(!is_whole(c, o, false, at_free, faults))) {
		if (faults != NULL)
			give_up(c, o);
		else
			mpp_mark_set(mpp_watch_mark(o), MPP_MARK_LIVE);
		return false;
	}
	if (faults != NULL && mpp_watch_is_told(o->w)) /* to be written: zeroes */
		mpp_annotate_show(o->obj, o->w->size);
	mpp_watch_undress(o);
	if (faults != NULL && (c->flags & MP_ZERO_ON_FREE))
		memset(o->obj, 0, o->w->size);
	if (faults != NULL && mpp_watch_is_told(o->w))
		mpp_watch_tell_free(o);
	if (o->w->filled)
		mpp_mark_set(mpp_watch_mark(o), MPP_MARK_FREE);
	return true;
}

bool mpp_checked_in(struct mp_cache *c, void *obj, struct mpp_faults *faults)
{
	struct mpp_watched o;

	if (mpp_unlikely(c->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(c->name, obj, mpp_checked_live(c, obj), "free");
	if (!mpp_watch_is_marked(&c->watch))
		return true;
	mpp_find_watched(c, obj, &o);
	return take_back(c, &o, faults);
}

bool mpp_checked_whole(struct mp_cache *c, void *obj, const char *where, struct mpp_faults *faults)
{
	struct mpp_watched o;

	if (!mpp_watch_is_marked(&c->watch))
		return true;
	mpp_find_watched(c, obj, &o);
	if (mpp_likely(is_consistent(c, &o, false, where, faults)) &&
	    mpp_likely(is_whole(c, &o, false, where, faults)))
		return true;
	if (mpp_mark_move(mpp_watch_mark(&o), MPP_MARK_LIVE, MPP_MARK_LOST) == MPP_MARK_LIVE)
		give_up(c, &o);
	return false;
}

bool mpp_checked_resize(struct mp_cache *c, void *obj, size_t size)
{
	struct mpp_watched o;

	if (c->builtin || c->watch.reach == 0 || mpp_watch_is_told(&c->watch) || size > c->size)
		return false;
	mpp_find_watched(c, obj, &o);
	mpp_watch_resize(&o, size);
	return true;
}

void *mpp_watched_pop(struct mp_cache *c, size_t asked)
{
	struct mpp_leaf *leaf = mpp_checked_leaf(c);
	struct mpp_watched o;
	struct mpp_slot *slot;
	void *obj;

	if (mpp_unlikely(leaf == NULL))
		return NULL;
	slot = &leaf->slots[c->old_id % MPP_INLINE_IDS];
	if (mpp_unlikely(!mpp_pop(slot, &obj)))
		return NULL;
	mpp_find_watched(c, obj, &o);
	if (mpp_likely(hand_out(c, &o, asked, NULL))) {
		mpp_leaf_count(leaf, c);
		return obj;
	}
	(void)mpp_push(slot, obj); /* the slow path reports it */
	return NULL;
}

bool mpp_watched_push(struct mp_cache *c, void *obj, uint32_t index)
{
	struct mpp_slot *slot = mpp_checked_slot(c);
	void *chunk = (void *)((uintptr_t)obj & ~MPP_CHUNK_MASK); /* the first: it is told by c's id */
	struct mpp_watched o = mpp_find_numbered(c, chunk, obj, index);

	/* relaxed: the owner's own words */
	if (mpp_unlikely(slot == NULL) ||
	    mpp_unlikely(mpp_load_relaxed(&slot->top) == slot->limit))
		return false;
	return mpp_likely(take_back(c, &o, NULL)) && mpp_push(slot, obj);
}

size_t mpp_checked_live(struct mp_cache *c, void *obj)
{
	struct mpp_watched o;

	if (mpp_likely(!mpp_watch_is_marked(&c->watch)))
		return c->size;
	mpp_find_watched(c, obj, &o);
	if (mpp_watch_marked(&o) != MPP_MARK_LIVE)
		return 0;
	return c->watch.reach != 0 ? mpp_watch_asked(&o) : c->size;
}
