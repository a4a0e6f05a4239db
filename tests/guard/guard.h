/* SPDX-License-Identifier: MIT */
/*
 * guard.h - caches of which every object is guarded, and whether one is.
 */
#ifndef TESTS_GUARD_H
#define TESTS_GUARD_H

#include "../suite.h"

#define GUARD_SLOTS 256		/* as many as there may be at a time */

static inline uintptr_t page_of(const void *p)
{
	return (uintptr_t)p & ~(uintptr_t)(portable_page() - 1);
}

/* A cache that guards one object in rate. */
static inline struct mp_cache *guarded_cache(const char *name, size_t size, unsigned rate)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .guard_rate = rate };

	return mp_cache_create_args(name, size, &args, 0);
}

/* Of others it is not known who allocated them, unless the cache keeps notes. */
static inline bool is_guarded(const void *p)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	uintptr_t page = page_of(p);

	if (mp_object_info(p, &info) != 0 || info.allocated.thread == 0)
		return false;
	return (uintptr_t)info.slab == page &&
	       ((uintptr_t)p == page ||
		(uintptr_t)p + info.object_size + MP_ALIGN_SIZE > page + portable_page());
}

#endif /* TESTS_GUARD_H */
