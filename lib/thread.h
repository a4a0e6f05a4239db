/* SPDX-License-Identifier: MIT */
/*
 * thread.h - layer 6: what a thread holds: magazines and the slabs it refills from.
 *
 * Theory.  A magazine is an array of free objects used as a stack by one
 * thread, without lock or atomic read-modify-write.  Its slot, four words, sits in the
 * thread's state at a place that the cache knows, so from the cache's handle
 * to the top of the stack there is one load.
 *
 *   limit ->  [      ]
 *             [      ]
 *   top   ->  [      ]   the next free object goes here
 *             [object]
 *   base  ->  [object]
 *             [ NULL ]   base[-1] can be read, and is no object
 *
 * Until a thread has a state it points to mpp_thread_none, whose slots are all
 * zero: top == base makes every allocation and top == limit every free
 * take the slow path, so the hit path has no test for "not started".  The same
 * holds for slot 0, which caches without inline magazine use.
 *
 *  T1  Only the owner moves top and writes the cells, while the cache lives.  It does
 *      so without its lock in push and pop only.
 *  T2  Everything else (refill, drain, resize, base, limit, active) is done under the
 *      thread's lock, by the owner; or by another thread for a cache on which no
 *      call runs (destroy), or in the child of a fork for a thread that is gone.
 *  T3  Push writes the cell, then top; pop reads the cell, then writes
 *      top (release both): at any moment the cells below top are
 *      free objects, each once.  So fork may cut anywhere, and a walk under the
 *      lock sees a valid magazine if an old one.
 */
#ifndef MPP_THREAD_H
#define MPP_THREAD_H

#include "registry.h"

typedef _Atomic(void *) mpp_cell;

/*
 * What an allocation reads, top and base, is never at a multiple of MP_ALIGN_SIZE.  There objects
 * begin, and a load waits for a store to memory that is not in the cache, as a program's
 * first to a new object may be, if the two addresses agree in the lowest 12 bits.
 */
struct mpp_slot {
	struct mpp_slab *active;	/* lock:thread: the slab refilled from, or NULL */
	_Atomic(mpp_cell *) top;	/* owner (T1): one past the newest object */
	mpp_cell *limit;		/* lock:thread, read by the owner: one past the last cell */
	mpp_cell *base;			/* lock:thread, read by the owner: the first cell */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct mpp_slot) == MPP_SLOT_SIZE,
	       "slot_offset counts in these");

/* What only the slow path needs of a slot. */
struct mpp_side {
	uint32_t shrinks;	/* lock:thread: the cache's shrinks as last obeyed */
	uint16_t seen;		/* lock:thread: objects in the magazine at the last look */
	uint8_t still;		/* lock:thread: looks that found as many as the one before, and
				   no slow path in between */
	bool starved;		/* lock:thread: ran empty since the magazine last grew */
};

/* Slots of 256 further ids, made when one is used. */
struct mpp_leaf {
	struct mpp_slot slots[MPP_INLINE_IDS];
	struct mpp_side sides[MPP_INLINE_IDS];
	_Atomic uint64_t allocs[MPP_INLINE_IDS];	/* owner (T1): see mpp_leaf_count() */
};

/* An object of a tallied cache was allocated; others add the number to that of the cache. */
mpp_inline void mpp_leaf_count(struct mpp_leaf *leaf, const struct mp_cache *c)
{
	_Atomic uint64_t *allocs = &leaf->allocs[c->old_id % MPP_INLINE_IDS];

	/* relaxed: a count, written by its owner alone */
	mpp_store_relaxed(allocs, mpp_load_relaxed(allocs) + 1);
}

/* Free spans at hand, see spancache.h. */
#define MPP_SPAN_CACHE_BYTES (2 * MPP_MIB)	/* of all that a thread keeps */
#define MPP_SPAN_STACKS 20u	/* for up to 16 units of span.h, and each fourth above */
#define MPP_SPANS_MAX 16u

struct mpp_span_stack {
	_Atomic uint32_t n;			/* owner (T1): spans in v */
	_Atomic(void *) v[MPP_SPANS_MAX];	/* owner (T1) */
};

#define MPP_LEAVES ((MPP_ID_MAX + MPP_INLINE_IDS) / MPP_INLINE_IDS)

struct mpp_thread {
	union { /* so that slot_offset counts from the start whatever a pointer's size */
		struct mpp_slot slot;
		char bytes[MPP_SLOT_SIZE];
	} slots[MPP_INLINE_IDS];
	struct mpp_side sides[MPP_INLINE_IDS];
	struct mpp_leaf *leaves[MPP_LEAVES];	/* lock:thread, set once by the owner */
	unsigned leaves_end;			/* lock:thread: behind the last of those */
	struct mpp_span_stack spans[MPP_SPAN_STACKS];
	size_t span_room;			/* owner: bytes that those may still take; none in no thread's state */
	struct mpp_lock lock;			/* rank MPP_RANK_THREAD */
	struct mpp_link link;			/* lock:threads */
	struct mpp_thread *next;		/* lock:threads, in the line of unused states */
	uint32_t tick;				/* lock:thread: slow paths taken */
	uint32_t flushes;			/* owner: flush requests obeyed */
	size_t bytes;				/* lock:thread: that its magazines could hold */
	bool orphan;				/* lock:threads: its thread did not survive a fork */
};

_Static_assert(offsetof(struct mpp_thread, slots) == 0, "slot_offset counts from here");
_Static_assert(sizeof(struct mpp_thread) <= 16 * MPP_KIB, "what mpp_meta_alloc() gives for it");

extern struct mpp_thread mpp_thread_none;	/* const: before the first slow path */
extern struct mpp_thread mpp_thread_gone;	/* const: after the thread's exit hook */
extern struct mpp_thread mpp_thread_shared;	/* for threads without a state: only its lock */
extern mpp_thread_local struct mpp_thread *mpp_own_self;
#define mpp_self mpp_own(mpp_own_self)

/* The calling thread's state, made now if need be, or &mpp_thread_shared. */
struct mpp_thread *mpp_thread_get(void);

/* Where c's magazine is in t; NULL if c has none there (no memory, direct, shared). */
struct mpp_slot *mpp_thread_slot(struct mpp_thread *t, const struct mp_cache *c,
				 struct mpp_side **side);
/* The same without making a leaf. */
struct mpp_slot *mpp_thread_find_slot(struct mpp_thread *t, const struct mp_cache *c);

/* Objects in a magazine. */
mpp_inline size_t mpp_slot_count(const struct mpp_slot *slot)
{
	/* relaxed: exact for the owner; for others T3 */
	return (size_t)(mpp_load_relaxed(&slot->top) - slot->base);
}

/* The same for who then reads the cells of another thread's magazine. */
mpp_inline size_t mpp_slot_seen(const struct mpp_slot *slot)
{
	/* acquire: the cells; pairs with the release of push (T3) */
	return (size_t)(mpp_load_acquire(&slot->top) - slot->base);
}

/*
 * Call fn(t, arg) for every thread's state, with the list's lock and that
 * thread's held.
 */
void mpp_thread_each(void (*fn)(struct mpp_thread *t, void *arg), void *arg);
/* The same between mpp_thread_lock_all() and mpp_thread_unlock_all(). */
void mpp_thread_each_locked(void (*fn)(struct mpp_thread *t, void *arg), void *arg);
unsigned mpp_thread_count(void);

extern _Atomic uint32_t mpp_thread_flushes;	/* atomic: requests made */
extern _Atomic uint32_t mpp_thread_orphans;	/* atomic: states to bury */

/* Ask all threads to return their free objects when they next pass by. */
void mpp_thread_ask_flush(void);
/* Whether t, the caller's own, has not obeyed yet; it is taken to have. */
mpp_inline bool mpp_thread_must_flush(struct mpp_thread *t)
{
	/* relaxed: a request, obeyed at some slow path */
	uint32_t now = mpp_load_relaxed(&mpp_thread_flushes);

	if (mpp_likely(t->flushes == now))
		return false;
	t->flushes = now;
	return true;
}

/*
 * Set once: called with the state of a thread that ends or is gone, with no lock held; to
 * empty it and then call mpp_thread_delist().
 */
void mpp_thread_init(void (*end)(struct mpp_thread *t));
/* t is empty: it is kept for another thread. */
void mpp_thread_delist(struct mpp_thread *t);

/* States whose threads a fork left behind. */
mpp_inline bool mpp_thread_have_orphans(void)
{
	/* relaxed: set in the child of a fork while it has one thread */
	return mpp_load_relaxed(&mpp_thread_orphans) != 0;
}

void mpp_thread_bury_orphans(void);

void mpp_thread_lock_all(void);
void mpp_thread_unlock_all(void);
/* In the child: every other thread's state is an orphan. */
void mpp_thread_after_fork(void);

#endif /* MPP_THREAD_H */
