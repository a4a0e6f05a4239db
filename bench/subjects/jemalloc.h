/* SPDX-License-Identifier: MIT */
/* jemalloc.h - jemalloc, linked as the program's malloc. */
#include <jemalloc/jemalloc.h>
#include <stdlib.h>

#define FAMILY_ALLOC(size) malloc(size)
#define FAMILY_FREE(p) free(p)
#include "family.h"

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	/* 4096 is MALLCTL_ARENAS_ALL. */
	(void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
	(void)mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}
