/* SPDX-License-Identifier: MIT */
/*
 * family.h - a subject that is a malloc and a free under whatever names.
 *
 * Included by a subject header after FAMILY_ALLOC(size) and FAMILY_FREE(p).
 */
#define SUBJ_ANY_SIZE 1

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
	return FAMILY_ALLOC(pool->size);
}

static inline void subj_free(subj_pool *pool, void *p)
{
	(void)pool;
	FAMILY_FREE(p);
}

static inline void *subj_malloc(size_t size)
{
	return FAMILY_ALLOC(size);
}

static inline void subj_mfree(void *p)
{
	FAMILY_FREE(p);
}
