/* SPDX-License-Identifier: MIT */
/*
 * registry.h - layer 5: which caches there are, by id.
 *
 * Descriptors are never anything else: a destroyed cache's becomes a
 * tombstone, recognised by its magic, and is used for a new cache, with its
 * id, only after MPP_TOMBSTONES others were destroyed.
 *
 *  R1  The descriptor of an id is found for good once it was added; what changes is its
 *      magic.  ALIVE is written with release after all else in it.
 *  R2  A walk uses a cache only while it has pinned it.  It pins under the lock and if the
 *      cache is ALIVE; destroy makes it DYING under the lock, and then waits for
 *      the pins to go, so no walk meets a cache that is taken apart.
 *  R3  A thread that took slabs off a cache's lists has counted them in `retiring`, under
 *      the cache's lock, and counts them off with release when it is done with
 *      the descriptor; destroy waits for that too.
 *  R4  An id is used again only when no chunk in the owner map carries it and no thread's
 *      slot has an object of it.
 */
#ifndef MPP_REGISTRY_H
#define MPP_REGISTRY_H

#include "cache.h"

#define MPP_TOMBSTONES 64u

extern _Atomic(struct mp_cache *) mpp_caches[];

/* The cache of an id from 1 to MPP_ID_MAX, perhaps a tombstone; NULL if there never was one. */
mpp_inline struct mp_cache *mpp_registry_get(unsigned id)
{
	/* acquire: the descriptor, written before; pairs with mpp_registry_add */
	return mpp_load_acquire(&mpp_caches[id]);
}

/* A descriptor with id and slot_offset set, all else zero; NULL and *error. */
struct mp_cache *mpp_registry_new(int *error);
/* Make it known under its id. */
void mpp_registry_add(struct mp_cache *c);
/*
 * Nobody finds the cache any more, and whoever was looking at it is done:
 * waits for pins and slabs being retired by other threads.
 */
void mpp_registry_seal(struct mp_cache *c);
/*
 * After that: its handle is recognised as dead.  reuse: no chunk carries
 * the id any more.
 */
void mpp_registry_remove(struct mp_cache *c, bool reuse);

/*
 * Call fn for each cache that is alive until it returns other than 0, and return
 * that.  The cache cannot be destroyed meanwhile.
 */
int mpp_registry_each(int (*fn)(struct mp_cache *c, void *arg), void *arg);
/*
 * The same with tell(arg) after each, when the cache may be destroyed again: for what may
 * take as long as it likes, or not return.
 */
int mpp_registry_tell(int (*look)(struct mp_cache *c, void *arg), int (*tell)(void *arg),
		      void *arg);

/* One more than the largest id in use. */
unsigned mpp_registry_end(void);
/* Caches alive. */
unsigned mpp_registry_count(void);

/* Around fork: the registry's lock, and then, further down the order, every cache's. */
void mpp_registry_lock(void);
void mpp_registry_unlock(void);
void mpp_registry_lock_caches(void);
void mpp_registry_unlock_caches(void);
unsigned mpp_registry_end_locked(void);
/* In the child, locked: what other threads had pinned or were retiring will not be finished. */
void mpp_registry_after_fork(void);

#endif /* MPP_REGISTRY_H */
