/* SPDX-License-Identifier: MIT */
/* mimalloc.h - mimalloc, by its own names. */
#include <mimalloc.h>
#include <stdbool.h>

#define FAMILY_ALLOC(size) mi_malloc(size)
#define FAMILY_FREE(p) mi_free(p)
#include "family.h"

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	mi_collect(true);
}
