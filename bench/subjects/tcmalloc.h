/* SPDX-License-Identifier: MIT */
/* tcmalloc.h - gperftools' tcmalloc, linked as the program's malloc. */
#include <gperftools/malloc_extension_c.h>
#include <stdlib.h>

#define FAMILY_ALLOC(size) malloc(size)
#define FAMILY_FREE(p) free(p)
#include "family.h"

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	MallocExtension_MarkThreadIdle();
	MallocExtension_ReleaseFreeMemory();
}
