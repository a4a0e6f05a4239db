/* SPDX-License-Identifier: MIT */
/* mp_alloc.h - libmempool, mp_alloc() and mp_free(). */
#include <mempool.h>

#define FAMILY_ALLOC(size) mp_alloc(size)
#define FAMILY_FREE(p) mp_free(p)
#include "family.h"

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	(void)mp_reclaim(0);
}
