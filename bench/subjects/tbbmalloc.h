/* SPDX-License-Identifier: MIT */
/* tbbmalloc.h - oneTBB's scalable allocator, by its own names. */
#include <oneapi/tbb/scalable_allocator.h>

#define FAMILY_ALLOC(size) scalable_malloc(size)
#define FAMILY_FREE(p) scalable_free(p)
#include "family.h"

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	(void)scalable_allocation_command(TBBMALLOC_CLEAN_ALL_BUFFERS, NULL);
}
