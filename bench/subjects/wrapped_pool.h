/* SPDX-License-Identifier: MIT */
/* wrapped_pool.h - what the subjects behind wrapped.h have in common. */
#include "wrapped.h"

typedef void *subj_pool;

static inline int subj_open(subj_pool *pool, size_t size, size_t max)
{
	*pool = wrapped_open(size, max);
	return *pool ? 0 : -1;
}

static inline void *subj_alloc(subj_pool *pool)
{
	return wrapped_alloc(*pool);
}

static inline void subj_free(subj_pool *pool, void *p)
{
	wrapped_free(*pool, p);
}
