/* SPDX-License-Identifier: MIT */
/* g_slice.h - GLib's slice allocator. */
#include <glib.h>

typedef struct {
	size_t size;
} subj_pool;

static inline int subj_open(subj_pool *pool, size_t size, size_t max)
{
	(void)max;
	pool->size = size;
	return 0;
}

static inline void *subj_alloc(subj_pool *pool)
{
	return g_slice_alloc(pool->size);
}

static inline void subj_free(subj_pool *pool, void *p)
{
	g_slice_free1(pool->size, p);
}
