/* SPDX-License-Identifier: MIT */
/*
 * lock.h - layer 1: a small mutual-exclusion lock.
 *
 * Four bytes, zero is unlocked, never allocates, usable before main and in
 * the child of a fork.  Three states as in Drepper's "Futexes are
 * tricky": 0 free, 1 held, 2 held and somebody may sleep.
 *
 *  L1  One holder: the state leaves 0 by one thread's read-modify-write, and
 *      returns to 0 by the holder's.
 *  L2  Acquiring reads what the last release wrote, acquire from release, so all that
 *      was done under the lock is seen.
 *  L3  Nobody sleeps for good: who sleeps has made the state 2, and who makes it 0 from
 *      2 wakes one; that one acquires with 2, for there may be more.
 *  L4  Ranks ascend: a thread that holds a lock takes only locks of higher rank, or
 *      of the same one in the order of a list, under the lock of that list.
 *
 * Locks have ranks and are taken in ascending order; MPP_DEBUG_CHECKS verifies it.
 */
#ifndef MPP_LOCK_H
#define MPP_LOCK_H

#include "atomic.h"
#include "base.h"

enum mpp_rank {
	MPP_RANK_REGISTRY = 1,	/* ids and descriptors of caches */
	MPP_RANK_THREADS,	/* the list of thread states */
	MPP_RANK_THREAD,	/* one thread's magazines */
	MPP_RANK_CACHE,		/* one cache's lists of slabs */
	MPP_RANK_LARGE,		/* large spans */
	MPP_RANK_CHUNK,		/* chunks */
	MPP_RANK_META,		/* the library's own tables */
};

struct mpp_lock {
	_Atomic uint32_t state;	/* atomic: 0, 1, 2 as above */
	uint32_t rank;		/* const: enum mpp_rank, 0 is unranked */
};

#define MPP_LOCK_INIT(r) { 0, (r) }

/* Looks at a held lock before its waiter sleeps. */
#define MPP_LOCK_SPINS 100

void mpp_lock_wait(struct mpp_lock *l);
void mpp_lock_wake(struct mpp_lock *l);

/* Rank bookkeeping; empty unless MPP_DEBUG_CHECKS. */
void mpp_lock_entered(const struct mpp_lock *l);
void mpp_lock_left(const struct mpp_lock *l);
/* Whether the calling thread holds no ranked lock, as far as is known. */
bool mpp_lock_none_held(void);

mpp_inline void mpp_lock_acquire(struct mpp_lock *l)
{
	uint32_t free = 0;

	/* acquire: what the last holder wrote (L2); pairs with mpp_lock_release */
	if (mpp_unlikely(!mpp_cas_acquire(&l->state, &free, 1)))
		mpp_lock_wait(l);
	if (MPP_DEBUG_CHECKS)
		mpp_lock_entered(l);
}

mpp_inline bool mpp_lock_try(struct mpp_lock *l)
{
	uint32_t free = 0;

	/* acquire: as in mpp_lock_acquire */
	if (!mpp_cas_acquire(&l->state, &free, 1))
		return false;
	if (MPP_DEBUG_CHECKS)
		mpp_lock_entered(l);
	return true;
}

mpp_inline void mpp_lock_release(struct mpp_lock *l)
{
	if (MPP_DEBUG_CHECKS)
		mpp_lock_left(l);
	/* release: what this holder wrote (L2); pairs with mpp_lock_acquire */
	if (mpp_unlikely(mpp_swap_release(&l->state, 0) == 2))
		mpp_lock_wake(l);
}

#endif /* MPP_LOCK_H */
