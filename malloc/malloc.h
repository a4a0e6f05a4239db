/* SPDX-License-Identifier: MIT */
/*
 * malloc.h - layer 8: what libmempool-malloc exports and <stdlib.h> may not declare.
 */
#ifndef MALLOC_MALLOC_H
#define MALLOC_MALLOC_H

#include <stddef.h>
#include <stdio.h>

#if defined(__GNUC__) || defined(__clang__)
#define EXPORT __attribute__((visibility("default")))
#else
#define EXPORT
#endif

/* The numbers of mallinfo2(), in the GNU C library's layout. */
struct mallinfo2 {
	size_t arena;		/* bytes in chunks of slabs */
	size_t ordblks;		/* slabs */
	size_t smblks;		/* 0 */
	size_t hblks;		/* large spans */
	size_t hblkhd;		/* bytes in them */
	size_t usmblks;		/* 0 */
	size_t fsmblks;		/* 0 */
	size_t uordblks;	/* bytes in the program's hands */
	size_t fordblks;	/* bytes of slabs that are not */
	size_t keepcost;	/* bytes free with pages: what malloc_trim() gives back */
};

/* The same, with numbers that do not fit cut off at INT_MAX. */
struct mallinfo {
	int arena, ordblks, smblks, hblks, hblkhd;
	int usmblks, fsmblks, uordblks, fordblks, keepcost;
};

EXPORT void *malloc(size_t size);
EXPORT void free(void *p);
EXPORT void *calloc(size_t n, size_t size);
EXPORT void *realloc(void *p, size_t size);
EXPORT void *reallocarray(void *p, size_t n, size_t size);
EXPORT void *aligned_alloc(size_t align, size_t size);
EXPORT void *memalign(size_t align, size_t size);
EXPORT int posix_memalign(void **out, size_t align, size_t size);
EXPORT void *valloc(size_t size);
EXPORT void *pvalloc(size_t size);
EXPORT size_t malloc_usable_size(void *p);
EXPORT void free_sized(void *p, size_t size);
EXPORT void free_aligned_sized(void *p, size_t align, size_t size);

EXPORT struct mallinfo2 mallinfo2(void);
EXPORT struct mallinfo mallinfo(void);
EXPORT int malloc_trim(size_t keep);
EXPORT int mallopt(int parameter, int value);
EXPORT void malloc_stats(void);
EXPORT int malloc_info(int options, FILE *f);

/*
 * What comes next of that name in the search order, the C or C++ library's own; a program without
 * one has no business here, and ends.
 */
void *next_symbol(const char *name);

#endif /* MALLOC_MALLOC_H */
