/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - layer 7: giving memory back, on request and before refusing.
 */
#ifndef MPP_RECLAIM_H
#define MPP_RECLAIM_H

#include "cache.h"

/*
 * What mp_reclaim() does; no lock held.  refused: memory would have to be refused
 * otherwise, so address space is given up as well.
 */
size_t mpp_reclaim(size_t bytes, bool refused);

/* One object, asked bytes of it, memory being reclaimed if there is none; NULL and ENOMEM. */
void *mpp_reclaim_alloc(struct mp_cache *c, size_t asked);

#endif /* MPP_RECLAIM_H */
