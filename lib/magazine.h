/* SPDX-License-Identifier: MIT */
/*
 * magazine.h - layer 6: filling and emptying magazines.
 *
 * Every function here that ends in _locked wants the lock of the thread t, and
 * leaves in work what has to be done without it.
 */
#ifndef MPP_MAGAZINE_H
#define MPP_MAGAZINE_H

#include "thread.h"

/* Bounds on what free objects in magazines may amount to, in bytes. */
#define MPP_MAGAZINE_BYTES (4 * MPP_MIB)	/* one magazine */
#define MPP_THREAD_BYTES (8 * MPP_MIB)		/* all of a thread's */
#define MPP_TOTAL_BYTES (64 * MPP_MIB)		/* of all threads */
#define MPP_MAGAZINE_FIRST 15u			/* objects, the first capacity */
#define MPP_MAGAZINE_FIRST_BYTES (32 * MPP_KIB)	/* or fewer, of so many bytes */
#define MPP_MAGAZINE_MOST 2047u			/* objects, always 2^n - 1 */

/* Slabs to give back and faults to report, of any cache, once no lock is held. */
struct mpp_work {
	struct mpp_chain surplus;
	struct mpp_faults faults;
	size_t returned;	/* objects that came back to slabs, double frees not counted */
};

mpp_inline void mpp_work_init(struct mpp_work *work)
{
	work->surplus.first = NULL;
	mpp_faults_init(&work->faults);
	work->returned = 0;
}

/* Do it; no lock held.  Returns the bytes given back to the chunk layer. */
size_t mpp_work_finish(struct mpp_work *work);
/* The slabs only. */
size_t mpp_work_retire(struct mpp_work *work);

/*
 * Give back the empty slabs that c keeps but need not; no lock held.  Faults stay in work: a
 * handler may leave by longjmp, and the caller has pinned the cache.  Returns the bytes.
 */
size_t mpp_work_strip(struct mp_cache *c, struct mpp_work *work);

/* The most objects of slot bytes that a magazine may hold; 0 for none at all. */
uint32_t mpp_magazine_max(size_t slot);

/*
 * Take up to want objects into out[0..]; *active is used first and replaced.
 * Fewer, perhaps none: the cache has no more free objects in slabs.
 */
uint32_t mpp_take_locked(struct mp_cache *c, struct mpp_slab **active, mpp_cell *out,
			 uint32_t want, struct mpp_work *work);

/*
 * Return n objects of c to their slabs.  Returns how many were dealt with: fewer than n, but
 * some, when work can hold no more faults.
 */
size_t mpp_put_locked(struct mp_cache *c, const mpp_cell *objs, size_t n, struct mpp_work *work);

/* Get objects into an empty magazine; false if there are none to be had from slabs. */
bool mpp_magazine_refill_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
				struct mpp_side *side, struct mpp_work *work);

/* Make room for one more at least; false if there is no memory for an array at all. */
bool mpp_magazine_make_room_locked(struct mpp_thread *t, struct mp_cache *c,
				   struct mpp_slot *slot, struct mpp_side *side,
				   struct mpp_work *work);

/* Return everything: objects, active slab, array. */
void mpp_magazine_flush_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			       struct mpp_work *work);

/* The same for every cache of the caller's t and for its spans, taking and releasing its lock. */
size_t mpp_magazine_flush_all(struct mpp_thread *t);

/* The same with the faults for the caller to report; of many some are only counted. */
void mpp_magazine_flush_into(struct mpp_thread *t, struct mpp_work *work);

/* The same for a thread that ends, or is gone; its state is unused then. */
void mpp_magazine_end(struct mpp_thread *t);

/* Give up a slab that is held: to the cache's lists. */
void mpp_leave_slab_locked(struct mp_cache *c, struct mpp_slab *s, struct mpp_work *work);

#endif /* MPP_MAGAZINE_H */
