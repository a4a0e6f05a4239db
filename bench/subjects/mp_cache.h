/* SPDX-License-Identifier: MIT */
/* mp_cache.h - libmempool, one cache for each pool. */
#include <mempool.h>

typedef struct mp_cache *subj_pool;

static inline int subj_open(subj_pool *pool, size_t size, size_t max)
{
	(void)max;
	*pool = mp_cache_create("bench", size, 0, 0, NULL);
	return *pool ? 0 : -1;
}

static inline void *subj_alloc(subj_pool *pool)
{
	return mp_cache_alloc(*pool);
}

static inline void subj_free(subj_pool *pool, void *p)
{
	mp_cache_free(*pool, p);
}

#define SUBJ_HAS_BULK 1
static inline int subj_alloc_bulk(subj_pool *pool, size_t n, void **objs)
{
	return mp_cache_alloc_bulk(*pool, n, objs);
}

static inline void subj_free_bulk(subj_pool *pool, size_t n, void **objs)
{
	mp_cache_free_bulk(*pool, n, objs);
}

#define SUBJ_HAS_RECLAIM 1
static inline void subj_reclaim(void)
{
	(void)mp_reclaim(0);
}
