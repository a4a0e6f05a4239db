/* SPDX-License-Identifier: MIT */
/*
 * index_alloc.h - all memory of the index comes through here, so that one and
 * the same program can be run on libmempool and on malloc.
 *
 * Each kind of object has a cache of its own.  Text and arrays, whose sizes differ,
 * come from mp_alloc().
 */
#ifndef INDEX_ALLOC_H
#define INDEX_ALLOC_H

#include <mempool.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

enum kind {
	KIND_DOC,
	KIND_WORD,
	KIND_TERM,
	KIND_NODE,
	KIND_POSTING,
	KINDS,
};

extern bool alloc_on_malloc;
extern struct mp_cache *alloc_cache[KINDS];

/* Print a message on standard error and leave the process with status 1. */
void die(const char *format, ...) MP_ATTR(format(printf, 1, 2), noreturn);

/* To be called before and after all others; on malloc they do nothing. */
void alloc_start(void);
/* Every object must have been freed; returns how many caches were destroyed. */
unsigned alloc_end(void);

static inline void *checked(void *p)
{
	if (p == NULL)
		die("out of memory");
	return p;
}

static inline void *obj_alloc(enum kind kind, size_t size)
{
	return checked(alloc_on_malloc ? malloc(size) : mp_cache_alloc(alloc_cache[kind]));
}

static inline void obj_free(enum kind kind, void *obj)
{
	if (alloc_on_malloc)
		free(obj);
	else
		mp_cache_free(alloc_cache[kind], obj);
}

static inline void *mem_alloc(size_t size)
{
	return checked(alloc_on_malloc ? malloc(size) : mp_alloc(size));
}

static inline void *mem_zalloc(size_t n, size_t size)
{
	return checked(alloc_on_malloc ? calloc(n, size) : mp_calloc(n, size));
}

static inline void mem_free(void *p)
{
	if (alloc_on_malloc)
		free(p);
	else
		mp_free(p);
}

#endif /* INDEX_ALLOC_H */
