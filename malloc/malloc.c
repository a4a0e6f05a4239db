/* SPDX-License-Identifier: MIT */
/*
 * malloc.c - layer 8: malloc and its family on the public interface of the library.
 *
 * May be called before anything else is: by the dynamic loader, before constructors, while
 * thread-local storage is set up.  Until the caches are made their pointers are
 * NULL, which leads to malloc_slow().
 *
 * The C library's own header is not included for what only some C libraries
 * have, such as mallinfo2(); malloc.h here declares it.
 */
#include "malloc.h"

#include "classes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_pow2(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

static void *fail(int error)
{
	errno = error;
	return NULL;
}

/* The cache for size; NULL if it is over MEDIUM_MAX, or if there is none yet. */
static inline struct mp_cache *cache_for(size_t size)
{
	/* acquire: pairs with the release in classes.c; on common machines a plain load */
	if (likely(size <= SMALL_MAX))
		return atomic_load_explicit(&small_caches[(size + SMALL_STEP - 1) / SMALL_STEP],
					    memory_order_acquire);
	if (size <= MEDIUM_MAX)
		return atomic_load_explicit(&medium_caches[(size + MEDIUM_STEP - 1) / MEDIUM_STEP],
					    memory_order_acquire);
	return NULL;
}

/* The same, made if need be. */
static struct mp_cache *cache_made(size_t size)
{
	if (size > MEDIUM_MAX)
		return NULL;
	classes_make();
	return cache_for(size);
}

static noinline void *malloc_slow(size_t size)
{
	struct mp_cache *c = cache_made(size);

	if (c != NULL)
		return mp_cache_alloc(c);
	return are_zoned() ? zoned_alloc(size, size) : mp_alloc(size);
}

EXPORT void *malloc(size_t size)
{
	struct mp_cache *c = cache_for(size);

	if (likely(c != NULL))
		return mp_cache_alloc(c);
	return malloc_slow(size);
}

EXPORT void free(void *p)
{
	mp_free(p);
}

EXPORT void *calloc(size_t n, size_t size)
{
	struct mp_cache *c;

	if (unlikely(size != 0 && n > SIZE_MAX / size))
		return fail(ENOMEM);
	size *= n;
	c = cache_for(size);
	if (unlikely(c == NULL))
		c = cache_made(size);
	if (c == NULL && are_zoned() && size > SMALL_MAX && size <= MEDIUM_MAX) {
		void *p = zoned_alloc(size, size);

		return p != NULL ? memset(p, 0, size) : NULL;
	}
	return c != NULL ? mp_cache_zalloc(c) : mp_zalloc(size);
}

/* Whether size bytes may stay where have are: no waste of half or more; a red zone begins there */
static bool stays(size_t have, size_t size)
{
	if (are_zoned())
		return size == have;
	return size <= have && (size > have / 2 || have <= SMALL_STEP);
}

/* Memory that was to become smaller and for which there is no other: it serves as it is. */
static noinline void *keep(void *p, size_t have, size_t size, int saved)
{
	if (size > have || are_zoned())
		return NULL;
	errno = saved;
	return p;
}

EXPORT void *realloc(void *p, size_t size)
{
	int saved = errno;
	size_t have;
	void *to;

	if (p == NULL)
		return malloc(size);
	if (size == 0) {
		mp_free(p);
		return NULL;
	}
	have = mp_usable_size(p);
	if (unlikely(have == 0)) /* reported: not live memory of ours */
		return fail(EINVAL);
	if (have > MEDIUM_MAX && size > MEDIUM_MAX) {
		to = mp_realloc(p, size); /* in place, or by page tables */
		return likely(to != NULL) ? to : keep(p, have, size, saved);
	}
	if (stays(have, size))
		return p;
	to = malloc(size);
	if (unlikely(to == NULL))
		return keep(p, have, size, saved);
	memcpy(to, p, have < size ? have : size);
	mp_free(p);
	return to;
}

EXPORT void *reallocarray(void *p, size_t n, size_t size)
{
	if (unlikely(size != 0 && n > SIZE_MAX / size))
		return fail(ENOMEM);
	return realloc(p, n * size);
}

/* align is a power of two. */
static void *alloc_aligned(size_t align, size_t size)
{
	size_t rounded;
	void *p;

	if (align <= SMALL_STEP)
		return malloc(size);
	if (are_zoned() && align <= MP_MAX_FIXED_SIZE && size <= MP_MAX_FIXED_SIZE)
		return mp_aligned_alloc(align, size);
	/* the next class that is aligned so, if it is near */
	if (align <= 4096 && size <= MEDIUM_MAX) {
		rounded = class_size(size);
		while (rounded <= MEDIUM_MAX && class_align(rounded) < align)
			rounded = class_size(rounded + 1);
		if (rounded <= MEDIUM_MAX && are_zoned() && cache_for(rounded) == NULL)
			return zoned_alloc(rounded, size);
		if (rounded <= MEDIUM_MAX)
			return malloc(rounded);
	}
	p = mp_aligned_alloc(align, size);
	if (unlikely(p == NULL))
		errno = ENOMEM; /* also for an alignment over the library's largest */
	return p;
}

EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return is_pow2(align) ? alloc_aligned(align, size) : fail(EINVAL);
}

EXPORT void *memalign(size_t align, size_t size)
{
	size_t up = SMALL_STEP;

	if (align > SIZE_MAX / 2 + 1)
		return fail(EINVAL);
	while (up < align) /* as other C libraries do */
		up *= 2;
	return alloc_aligned(up, size);
}

EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno, error = 0;
	void *p;

	if (!is_pow2(align) || align % sizeof(void *) != 0)
		return EINVAL;
	p = alloc_aligned(align, size);
	if (p != NULL)
		*out = p;
	else
		error = errno;
	errno = saved;
	return error;
}

static size_t page_size(void)
{
	struct mp_version_info info = { .struct_size = sizeof(info) };

	return mp_version_info(&info) == 0 ? info.page_size : 4096;
}

EXPORT void *valloc(size_t size)
{
	return alloc_aligned(page_size(), size);
}

EXPORT void *pvalloc(size_t size)
{
	size_t page = page_size();

	if (size > SIZE_MAX - page)
		return fail(ENOMEM);
	if (size == 0)
		size = 1;
	return alloc_aligned(page, (size + page - 1) & ~(page - 1));
}

EXPORT size_t malloc_usable_size(void *p)
{
	return mp_usable_size(p);
}

/* ---- C23 */

/* After a realloc() that stayed in place the class may be another: only the bound holds. */
EXPORT void free_sized(void *p, size_t size)
{
	if (size <= mp_usable_size(p))
		mp_free(p);
	else
		mp_free_sized(p, size); /* which reports it */
}

/* Likewise, and the class may be another than that of mp_aligned_alloc(). */
EXPORT void free_aligned_sized(void *p, size_t align, size_t size)
{
	(void)align;
	(void)size;
	mp_free(p);
}
