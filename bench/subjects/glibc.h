/* SPDX-License-Identifier: MIT */
/* glibc.h - the C library's malloc. */
#include <stdlib.h>

#define FAMILY_ALLOC(size) malloc(size)
#define FAMILY_FREE(p) free(p)
#include "family.h"

#ifdef __GLIBC__
#include <malloc.h>
#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	(void)malloc_trim(0);
}
#endif
