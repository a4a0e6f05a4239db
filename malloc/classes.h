/* SPDX-License-Identifier: MIT */
/*
 * classes.h - layer 8: the size classes of malloc and their caches.
 *
 * 16 to 128 bytes in steps of 16, then four classes per doubling up to 32 KiB, and over 4096
 * also a power of two and an eighth, for a page with something in front of it.  A
 * class of a power of two that mp_alloc() has too is the same cache.  Each class is
 * aligned to the largest power of two that divides its size, up to 4096.
 *
 * Where MEMPOOL_DEBUG asks for red zones they follow the size that was asked for: up to
 * 4096 bytes malloc uses mp_alloc() instead, above zoned_alloc().
 *
 * A plain client of mempool.h: nothing of the library's inside is used.
 */
#ifndef MALLOC_CLASSES_H
#define MALLOC_CLASSES_H

#include <mempool.h>

#include <stdatomic.h>
#include <stdbool.h>

#if defined(__GNUC__) || defined(__clang__)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define noinline __attribute__((noinline, cold))
#define hidden __attribute__((visibility("hidden")))
#else
#define likely(x) (x)
#define unlikely(x) (x)
#define noinline
#define hidden
#endif

#define SMALL_STEP 16u		/* granularity of small_caches */
#define SMALL_MAX 4096u
#define MEDIUM_STEP 512u	/* granularity of medium_caches */
#define MEDIUM_MAX 32768u

/*
 * The cache for each size, rounded up to a step: entry i is for sizes over
 * (i - 1) * STEP and up to i * STEP.  NULL before classes_make(), and where no
 * cache could be had.  Written once per entry.
 */
extern hidden _Atomic(struct mp_cache *) small_caches[SMALL_MAX / SMALL_STEP + 1];
extern hidden _Atomic(struct mp_cache *) medium_caches[MEDIUM_MAX / MEDIUM_STEP + 1];

/* Some cache has red zones: objects are to be moved, or zoned_alloc() asked, for each size. */
extern hidden _Atomic bool classes_zoned;

static inline bool are_zoned(void)
{
	/* relaxed: set before there is memory from such a cache */
	return unlikely(atomic_load_explicit(&classes_zoned, memory_order_relaxed));
}

/*
 * size bytes from the class of rounded, up to MEDIUM_MAX, if that has red zones, which
 * is why it is in none of the tables above; or else from mp_alloc().
 */
hidden void *zoned_alloc(size_t rounded, size_t size);

/*
 * Make the caches that are missing.  Any number of threads may be here at once, also
 * one from within itself, when the library's start-up allocates.
 */
hidden void classes_make(void);

/* The size of the class for size, up to MEDIUM_MAX. */
static inline size_t class_size(size_t size)
{
	size_t step = 16;

	if (size == 0)
		size = 1;
	while (8 * step < size)
		step *= 2;
	if (size > SMALL_MAX && size <= 4 * step + step / 2)
		return 4 * step + step / 2;
	return (size + step - 1) & ~(step - 1);
}

/* The alignment of a class of that size. */
static inline size_t class_align(size_t size)
{
	size_t align = size & (~size + 1);

	return align < 4096 ? align : 4096;
}

/* The entry for size, up to MEDIUM_MAX. */
static inline _Atomic(struct mp_cache *) *class_entry(size_t size)
{
	if (size <= SMALL_MAX)
		return &small_caches[(size + SMALL_STEP - 1) / SMALL_STEP];
	return &medium_caches[(size + MEDIUM_STEP - 1) / MEDIUM_STEP];
}

#endif /* MALLOC_CLASSES_H */
