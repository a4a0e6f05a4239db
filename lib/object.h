/* SPDX-License-Identifier: MIT */
/*
 * object.h - layer 6: allocating and freeing an object when the hit path cannot.
 */
#ifndef MPP_OBJECT_H
#define MPP_OBJECT_H

#include "magazine.h"

/*
 * One object of a cache that is alive, asked bytes of it; NULL without memory or, and then
 * at_limit is set, at the cache's limit.  No lock may be held.
 */
void *mpp_object_alloc(struct mp_cache *c, size_t asked, bool *at_limit);

/* Up to n from a magazine of the calling thread's; how many. */
size_t mpp_object_pop_many(struct mpp_slot *slot, size_t n, void **objs);

/*
 * Push pointers that are sound objects of c while there is room; how many.  Stops in front of
 * what is none, and of a second free in a row.
 */
size_t mpp_object_push_many(const struct mp_cache *c, struct mpp_slot *slot, size_t n,
			    void *const *objs);

/* n objects or none. */
bool mpp_object_alloc_bulk(struct mp_cache *c, size_t n, void **objs, bool *at_limit);

/*
 * Free a pointer that is known to be the first byte of an object of c; the
 * caller has looked it up.
 */
void mpp_object_free(struct mp_cache *c, void *obj);

/*
 * The same when the magazine of the hit path had no room for it, or has never; index is its number
 * in its slab's first chunk.  Keeps errno.
 */
mpp_noinline void mpp_object_push(struct mp_cache *c, void *obj, uint32_t index);

/*
 * Free p, which is in no large region unless c says otherwise, or report what it is.  c is the
 * cache the caller named, or NULL.
 */
void mpp_object_free_any(struct mp_cache *c, void *p);

/*
 * The same with the faults for the caller to report in mpp_object_finish().  p is not NULL, and
 * if c is, in no large region; mpp_object_give() knows the short ways and keeps errno.
 */
void mpp_object_give(struct mp_cache *c, void *p, struct mpp_work *work);
void mpp_object_give_any(struct mp_cache *c, void *p, struct mpp_work *work);
void mpp_object_finish(struct mpp_work *work);

/* Have n objects in slabs that nobody holds; false without memory. */
bool mpp_object_prealloc(struct mp_cache *c, size_t n);

/* Obey requests to return free objects; called by slow paths, no lock held. */
void mpp_object_poll(void);

#endif /* MPP_OBJECT_H */
