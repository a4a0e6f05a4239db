/* SPDX-License-Identifier: MIT */
/*
 * subject.h - what an allocator has to provide to be measured.
 *
 * The workloads (seq.c, thread.c, mixed.c) are compiled once for each subject,
 * with SUBJECT_H naming its header in subjects/, so that every call is a direct
 * call into the subject's shared object, as in a program that uses it.  Nothing
 * of a subject may be inlined: one that lives in headers gets a small shared
 * object of its own.
 *
 * A subject header defines
 *
 *	subj_pool			what stands for "objects of one size"
 *	int subj_open(pool, size, max)	prepare for objects of size bytes, at
 *					most max of them live; 0 or -1
 *	void *subj_alloc(pool)		one object, NULL on failure
 *	void subj_free(pool, p)		from any thread
 *
 * and, if it has them,
 *
 *	SUBJ_ANY_SIZE			subj_malloc(size), subj_mfree(p)
 *	SUBJ_HAS_BULK			subj_alloc_bulk(pool, n, objs), 0 or -1,
 *					subj_free_bulk(pool, n, objs)
 *	SUBJ_HAS_INIT			subj_init(), 0 or -1, first in main()
 *	SUBJ_HAS_THREADS		subj_thread_enter(), subj_thread_leave()
 *	SUBJ_HAS_RECLAIM		subj_reclaim(): give back what is free
 *	SUBJ_HAS_PIPE			the calls that take the place of subj_alloc
 *					and subj_free between threads
 *	SUBJ_NO_REMOTE_FREE		a text: why another thread must not free
 *	SUBJ_NO_THREAD_EXIT		a text: why threads must not come and go
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include <stddef.h>

#include SUBJECT_H

#ifndef SUBJ_ANY_SIZE
#define SUBJ_ANY_SIZE 0
static inline void *subj_malloc(size_t size)
{
	(void)size;
	return NULL;
}

static inline void subj_mfree(void *p)
{
	(void)p;
}
#endif

#ifndef SUBJ_HAS_BULK
/* What a program does without bulk calls. */
static inline int subj_alloc_bulk(subj_pool *pool, size_t n, void **objs)
{
	for (size_t i = 0; i < n; i++)
		if (!(objs[i] = subj_alloc(pool)))
			return -1;
	return 0;
}

static inline void subj_free_bulk(subj_pool *pool, size_t n, void **objs)
{
	for (size_t i = 0; i < n; i++)
		subj_free(pool, objs[i]);
}
#endif

#ifndef SUBJ_HAS_INIT
static inline int subj_init(void)
{
	return 0;
}
#endif

#ifndef SUBJ_HAS_THREADS
static inline void subj_thread_enter(void)
{
}

static inline void subj_thread_leave(void)
{
}
#endif

#ifndef SUBJ_HAS_RECLAIM
static inline void subj_reclaim(void)
{
}
#endif

#ifndef SUBJ_HAS_PIPE
static inline int subj_pipe_open(unsigned producers, size_t size)
{
	(void)producers;
	(void)size;
	return 0;
}

static inline void *subj_pipe_alloc(subj_pool *pool, unsigned producer)
{
	(void)producer;
	return subj_alloc(pool);
}

static inline void subj_pipe_free(subj_pool *pool, unsigned producer, void *p)
{
	(void)producer;
	subj_free(pool, p);
}
#endif

#ifndef SUBJ_NO_REMOTE_FREE
#define SUBJ_NO_REMOTE_FREE NULL
#endif
#ifndef SUBJ_NO_THREAD_EXIT
#define SUBJ_NO_THREAD_EXIT NULL
#endif

#endif
