/* SPDX-License-Identifier: MIT */
/* limit.h - the limit: thread-local lists behind a call, and rings between threads. */
#include "../limit.h"

typedef struct {
	unsigned id;
} subj_pool;

static inline int subj_open(subj_pool *pool, size_t size, size_t max)
{
	(void)max;
	return limit_open(size, &pool->id);
}

static inline void *subj_alloc(subj_pool *pool)
{
	return limit_alloc(pool->id);
}

static inline void subj_free(subj_pool *pool, void *p)
{
	limit_free(pool->id, p);
}

#define SUBJ_HAS_PIPE 1
static inline int subj_pipe_open(unsigned producers, size_t size)
{
	return limit_pipe_open(producers, size);
}

static inline void *subj_pipe_alloc(subj_pool *pool, unsigned producer)
{
	(void)pool;
	return limit_pipe_alloc(producer);
}

static inline void subj_pipe_free(subj_pool *pool, unsigned producer, void *p)
{
	(void)pool;
	limit_pipe_free(producer, p);
}

#define SUBJ_NO_THREAD_EXIT "the limit's lists die with their thread"
