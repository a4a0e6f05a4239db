/* SPDX-License-Identifier: MIT */
/*
 * limit.h - the reference that the others are compared with.
 *
 * A list through the free objects for each thread and pool: no thread safety,
 * no check, no bound on what is held.  Between threads an object goes back to its
 * producer through a ring of its own.  In a shared object, so that it is called as
 * the others are.  A reference, not a floor: an allocator that keeps its list outside
 * the objects can be ahead of it where the objects are cold.
 */
#ifndef BENCH_LIMIT_H
#define BENCH_LIMIT_H

#include <stddef.h>

#define LIMIT_POOLS 64

#ifdef __cplusplus
extern "C" {
#endif

/* A pool of objects of size bytes; -1 after LIMIT_POOLS of them. */
int limit_open(size_t size, unsigned *id);
void *limit_alloc(unsigned id);
void limit_free(unsigned id, void *p);

/* One ring back for each producer. */
#define LIMIT_PRODUCERS 8
int limit_pipe_open(unsigned producers, size_t size);
void *limit_pipe_alloc(unsigned producer);
void limit_pipe_free(unsigned producer, void *p);

#ifdef __cplusplus
}
#endif
#endif
