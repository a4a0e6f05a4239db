/* SPDX-License-Identifier: MIT */
/* rte_mempool.h - DPDK's rte_mempool without huge pages. */
#include "wrapped_pool.h"

#define SUBJ_HAS_INIT 1
static inline int subj_init(void)
{
	return wrapped_init();
}

#define SUBJ_HAS_THREADS 1
static inline void subj_thread_enter(void)
{
	wrapped_thread_enter();
}

static inline void subj_thread_leave(void)
{
	wrapped_thread_leave();
}

#define SUBJ_HAS_BULK 1
static inline int subj_alloc_bulk(subj_pool *pool, size_t n, void **objs)
{
	return wrapped_alloc_bulk(*pool, n, objs);
}

static inline void subj_free_bulk(subj_pool *pool, size_t n, void **objs)
{
	wrapped_free_bulk(*pool, n, objs);
}
