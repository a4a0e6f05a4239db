/* SPDX-License-Identifier: MIT */
/* talloc.h - talloc, objects without a parent. */
#include <talloc.h>

#define FAMILY_ALLOC(size) talloc_size(NULL, size)
#define FAMILY_FREE(p) talloc_free(p)
#include "family.h"

#define SUBJ_NO_REMOTE_FREE "talloc is not thread-safe"
#define SUBJ_NO_THREAD_EXIT "talloc is not thread-safe"
