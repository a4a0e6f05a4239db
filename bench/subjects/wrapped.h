/* SPDX-License-Identifier: MIT */
/*
 * wrapped.h - calls into an allocator that otherwise lives in headers.
 *
 * Boost.Pool and rte_mempool are inlined into the programs that use them; the small
 * shared objects made of boost_pool.cpp and rte_mempool.c put them behind a call
 * like the others.
 */
#ifndef BENCH_WRAPPED_H
#define BENCH_WRAPPED_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void *wrapped_open(size_t size, size_t max);
void *wrapped_alloc(void *pool);
void wrapped_free(void *pool, void *p);

/* rte_mempool alone. */
int wrapped_init(void);
void wrapped_thread_enter(void);
void wrapped_thread_leave(void);
int wrapped_alloc_bulk(void *pool, size_t n, void **objs);
void wrapped_free_bulk(void *pool, size_t n, void **objs);

#ifdef __cplusplus
}
#endif
#endif
