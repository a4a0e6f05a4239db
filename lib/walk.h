/* SPDX-License-Identifier: MIT */
/*
 * walk.h - layer 7: looking at all objects of a cache.
 */
#ifndef MPP_WALK_H
#define MPP_WALK_H

#include "magazine.h"

/*
 * Free objects of c in all threads' magazines, and objects out of its slabs at
 * that same moment, those among them.
 */
size_t mpp_walk_cached(struct mp_cache *c, size_t *out);
/* The same with the locks of all threads held. */
size_t mpp_walk_cached_locked(struct mp_cache *c, size_t *out);

/* Allocations of a tallied cache. */
uint64_t mpp_walk_allocs(struct mp_cache *c);

/*
 * Call fn for each live object of c until it returns other than 0; that is
 * returned.  -ENOMEM without memory.  What is left in work is for the caller to finish.
 */
int mpp_walk_live(struct mp_cache *c, int (*fn)(void *obj, void *arg), void *arg,
		  struct mpp_work *work);

#endif /* MPP_WALK_H */
