/* SPDX-License-Identifier: MIT */
/*
 * debug.h - layer 4: what is noted of an object that is watched.
 *
 *	slab:  header | free list | users | sizes | marks | objects
 *	slot:  | object, size asked for | right red zone ... | left red zone of the next |
 *
 * A mark says whether an object is in the program's hands.  It stands in the header,
 * out of reach of a small overflow.  Fills: 0xCD handed out, 0xCC free, 0xBB red zone.
 *
 *	FREE --taken--> LIVE --freed--> BUSY --filled--> FREE
 *	FREE --looked at by mp_cache_validate()--> BUSY --> FREE
 *
 *  D1  A mark leaves LIVE by compare-and-swap only, so of two frees exactly one finds the
 *      object live.
 *  D2  Where free objects have contents (w->filled), a mark leaves FREE by compare-and-swap
 *      with acquire only, and comes back to it by a release: whoever made it LIVE or BUSY
 *      alone reads and writes the bytes, and sees those of the last who did.  Where they have
 *      none BUSY is left out, and the one taker there can be needs no exchange.
 *
 * Knows slabs, not caches: what to do about a finding is for checked.c.
 */
#ifndef MPP_DEBUG_H
#define MPP_DEBUG_H

#include "options.h"
#include "report.h"
#include "slab.h"

#include <string.h>

#define MPP_POISON_FREE 0xcc	/* a freed object */
#define MPP_POISON_FRESH 0xcd	/* an object just handed out */
#define MPP_RED 0xbb		/* a red zone */

#define MPP_RED_SIZE 16u	/* bytes of the left red zone, the least of the right one */
#define MPP_RED_REACH 64u	/* behind the object, so much is looked at */

enum mpp_mark {
	MPP_MARK_LIVE = 0x5a,
	MPP_MARK_FREE = 0xa5,	/* in the slab or on a thread's hands */
	MPP_MARK_BUSY = 0x69,	/* free, and its bytes are written, or looked at */
	MPP_MARK_LOST = 0x3c,	/* damaged, leaked on purpose */
};

/* How a cache watches its objects; constant while it lives. */
struct mpp_watch {
	unsigned letters;	/* MPP_D_*, 0 is not at all */
	uint32_t size;		/* what poison fills */
	uint32_t reach;		/* end of the right red zone, from the object; 0 without */
	uint32_t users;		/* where the notes are, from the slab's header */
	uint32_t sizes;
	uint32_t marks;
	bool built;		/* has a constructor: never written while free */
	bool filled;		/* red zones or poison, and ours to look at: D2 */
	bool poisoned;		/* poison, in the same sense */
	bool stable;		/* its free objects may be read: they are shown to tools */
};

/* Whether all of it is byte. */
bool mpp_poison_holds(const void *p, size_t size, unsigned char byte);

/* Offset of the first byte that is not byte, or size. */
size_t mpp_poison_check(const void *p, size_t size, unsigned char byte);

/* What letters take in the slab. */
struct mpp_extra mpp_watch_extra(unsigned letters);
void mpp_watch_init(struct mpp_watch *w, const struct mpp_geometry *g, unsigned letters,
		    size_t size, bool built);

/* One object that is looked at. */
struct mpp_watched {
	const struct mpp_watch *w;
	struct mpp_slab *s;
	const struct mpp_geometry *g;
	void *obj;
	uint32_t index;
};

typedef _Atomic(unsigned char) mpp_mark_cell;

/* Whether objects have marks: no letter but T goes without. */
mpp_inline bool mpp_watch_is_marked(const struct mpp_watch *w)
{
	return (w->letters & ~MPP_D_TRACE) != 0;
}

/* All objects free: marks, poison and red zones as they are then. */
void mpp_watch_slab(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g);

mpp_inline mpp_mark_cell *mpp_watch_cell(const struct mpp_watch *w, struct mpp_slab *s,
					 uint32_t index)
{
	return (mpp_mark_cell *)mpp_at(s, w->marks + index);
}

/* The same for the object at obj, number index, in a slab of one chunk. */
mpp_inline mpp_mark_cell *mpp_watch_near_cell(const struct mpp_watch *w,
					      const struct mpp_geometry *g, const void *obj,
					      uint32_t index)
{
	void *chunk = (void *)((uintptr_t)obj & ~MPP_CHUNK_MASK);

	return mpp_watch_cell(w, mpp_slab_of(chunk, g), index);
}

mpp_inline bool mpp_mark_is_free(enum mpp_mark mark)
{
	return mark == MPP_MARK_FREE || mark == MPP_MARK_BUSY;
}

/* By who holds the free object, if it has no contents: it is live now; false if it was not free. */
mpp_inline bool mpp_mark_take(mpp_mark_cell *cell)
{
	/* relaxed: nobody else takes this object; a second free of it that comes before the
	 * store finds it free, one behind it finds it live, as the new holder's own would */
	if (mpp_unlikely(mpp_load_relaxed(cell) != MPP_MARK_FREE))
		return false;
	/* relaxed: as above; how the program hands the object on orders its free */
	mpp_store_relaxed(cell, MPP_MARK_LIVE);
	return true;
}

/* From one mark to another if it is that; what it was. */
mpp_inline enum mpp_mark mpp_mark_move(mpp_mark_cell *cell, enum mpp_mark from, enum mpp_mark to)
{
	unsigned char was = (unsigned char)from;

	/* acq_rel: the bytes that the last one left (D2), and what this freer did to the object
	 * before who finds it free.  Pairs with itself and with mpp_mark_set */
	(void)mpp_cas_acq_rel(cell, &was, (unsigned char)to);
	return (enum mpp_mark)was;
}

/* By who made it LIVE or BUSY. */
mpp_inline void mpp_mark_set(mpp_mark_cell *cell, enum mpp_mark to)
{
	/* release: the object's bytes (D2); pairs with mpp_mark_move */
	mpp_store_release(cell, (unsigned char)to);
}

mpp_inline mpp_mark_cell *mpp_watch_mark(const struct mpp_watched *o)
{
	return mpp_watch_cell(o->w, o->s, o->index);
}

mpp_inline enum mpp_mark mpp_watch_marked(const struct mpp_watched *o)
{
	/* relaxed: a look; exact for who holds the object */
	return (enum mpp_mark)mpp_load_relaxed(mpp_watch_mark(o));
}

mpp_inline _Atomic(uint32_t) *mpp_watch_asked_cell(const struct mpp_watched *o)
{
	_Atomic(uint32_t) *sizes = mpp_at(o->s, o->w->sizes);

	return sizes + o->index;
}

/* The size asked for; the object's without red zones. */
mpp_inline size_t mpp_watch_asked(const struct mpp_watched *o)
{
	/* a note that is damaged is not believed: what is surely zone is looked at and mended */
	if (o->w->reach == 0)
		return o->w->size;
	/* relaxed: exact for who holds the object; others read it for a report or a walk */
	return mpp_min(mpp_load_relaxed(mpp_watch_asked_cell(o)), o->w->size);
}

mpp_inline void mpp_watch_set_asked(const struct mpp_watched *o, size_t asked)
{
	if (o->w->reach != 0) /* relaxed: as above */
		mpp_store_relaxed(mpp_watch_asked_cell(o), (uint32_t)asked);
}

/* Whether a memory checker is told of objects; it looks at red zones and free objects, not we. */
mpp_inline bool mpp_watch_is_told(const struct mpp_watch *w)
{
	return (w->letters & MPP_D_TOOL) != 0;
}

/* The checker is told: a slab of free objects is there; it is none any more. */
void mpp_watch_hide(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g);
void mpp_watch_show(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g);
/* And of one that is told: asked bytes are the program's, or no longer. */
void mpp_watch_tell_alloc(const struct mpp_watched *o, size_t asked);
void mpp_watch_tell_free(const struct mpp_watched *o);

/* Handed out: the size, the red zone behind it, fresh contents. */
mpp_inline void mpp_watch_dress(const struct mpp_watched *o, size_t asked)
{
	const struct mpp_watch *w = o->w;

	mpp_watch_set_asked(o, asked);
	if (w->reach == 0)
		asked = w->size;
	else if (w->filled && asked < w->size)
		memset(mpp_at(o->obj, asked), MPP_RED, w->size - asked);
	if (w->poisoned)
		memset(o->obj, MPP_POISON_FRESH, asked);
}

/* In hand, and other bytes of it wanted: the red zone begins behind those. */
void mpp_watch_resize(const struct mpp_watched *o, size_t asked);

/* Taken back: poison or zeroes, the whole red zone. */
mpp_inline void mpp_watch_undress(const struct mpp_watched *o)
{
	const struct mpp_watch *w = o->w;

	mpp_watch_set_asked(o, w->size); /* a free object has no use but to be whole */
	if (w->poisoned)
		memset(o->obj, MPP_POISON_FREE, w->size);
	else if (mpp_unlikely((w->letters & MPP_D_ZERO) != 0) && !w->built)
		memset(o->obj, 0, w->size);
}

/* Whether the red zones of an object of asked bytes are as they were left. */
bool mpp_watch_zones_hold(const struct mpp_watch *w, const void *obj, size_t asked);

/* And its poison, if it is free. */
mpp_inline bool mpp_watch_is_whole(const struct mpp_watch *w, const void *obj, size_t asked,
				   bool is_free)
{
	if (w->reach != 0 && mpp_unlikely(!mpp_watch_zones_hold(w, obj, asked)))
		return false;
	return !is_free || !w->poisoned || mpp_poison_holds(obj, w->size, MPP_POISON_FREE);
}

/* What is wrong with the bytes of an object. */
struct mpp_damage {
	bool found;
	enum mp_error_kind kind;
	ptrdiff_t at;			/* from the start of the object */
	size_t left;			/* bytes from there to the end of what was looked at */
};

/* racy: only what no lawful user writes, for an object that others work with. */
struct mpp_damage mpp_watch_zones(const struct mpp_watched *o, bool racy);
struct mpp_damage mpp_watch_poison(const struct mpp_watched *o);
/* Make the red zones whole again. */
void mpp_watch_mend(const struct mpp_watched *o);

/* Who allocated an object and who freed it, of caches that keep it (letter U). */
enum mpp_use { MPP_USE_ALLOC, MPP_USE_FREE };

mpp_inline bool mpp_watch_keeps_users(const struct mpp_watch *w)
{
	return (w->letters & MPP_D_USERS) != 0;
}

/* By value: what is looked at stays in registers where this is not called. */
void mpp_watch_note_user(struct mpp_watched o, enum mpp_use use);

/* Note the calling thread, now, and its stack. */
mpp_inline void mpp_watch_note(const struct mpp_watched *o, enum mpp_use use)
{
	if (mpp_unlikely(mpp_watch_keeps_users(o->w)))
		mpp_watch_note_user(*o, use);
}

/* What is noted; thread is 0 if nothing. */
void mpp_watch_noted(const struct mpp_watched *o, enum mpp_use use, struct mpp_user *u);

#endif /* MPP_DEBUG_H */
