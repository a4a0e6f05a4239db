/* SPDX-License-Identifier: MIT */
/*
 * classes.c - layer 8: the caches behind malloc.
 *
 * No lock: a thread that is forked away in the middle must not leave one behind.  Who
 * comes second with a cache of the same class destroys its own.
 */
#include "classes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

_Atomic(struct mp_cache *) small_caches[SMALL_MAX / SMALL_STEP + 1];
_Atomic(struct mp_cache *) medium_caches[MEDIUM_MAX / MEDIUM_STEP + 1];
_Atomic bool classes_zoned;

/* Those with red zones, where medium_caches has the last entry of a class. */
static _Atomic(struct mp_cache *) zoned_caches[MEDIUM_MAX / MEDIUM_STEP + 1];

static _Atomic(struct mp_cache *) *zoned_entry(size_t size)
{
	bool medium = size > SMALL_MAX && size <= MEDIUM_MAX;

	return medium ? &zoned_caches[(class_size(size) + MEDIUM_STEP - 1) / MEDIUM_STEP] : NULL;
}

/* head and n in decimal, without printf(), which may allocate. */
static void name_class(char *out, const char *head, size_t n)
{
	char digits[24];
	size_t i = 0;

	while (*head != '\0')
		*out++ = *head++;
	do {
		digits[i++] = (char)('0' + n % 10);
		n /= 10;
	} while (n != 0);
	while (i > 0)
		*out++ = digits[--i];
	*out = '\0';
}

static struct mp_cache *make_class(size_t size)
{
	struct mp_cache *c = NULL;
	char name[40];

	if ((size & (size - 1)) == 0 && size <= MP_MAX_FIXED_SIZE) {
		name_class(name, "mp-", size);
		c = mp_cache_find(name);
	}
	if (c != NULL)
		return c;
	name_class(name, "malloc-", size);
	return mp_cache_create(name, size, class_align(size), 0, NULL);
}

/* Slots are as large as the objects of a class, unless red zones stand between. */
static bool has_zones(struct mp_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	return mp_cache_get_stats(c, &s) == 0 && s.slot_size > s.object_size;
}

/*
 * Whether MEMPOOL_DEBUG puts red zones behind objects of this size: then mp_alloc() is
 * better, which watches the size that was asked for and not the class's.
 */
static bool leaves_to_library(size_t size)
{
	size_t power = MP_MIN_BLOCK_SIZE;
	char name[40];

	while (power < size)
		power *= 2;
	if (power > MP_MAX_FIXED_SIZE)
		return false;
	name_class(name, "mp-", power);
	return has_zones(mp_cache_find(name));
}

static void set_zoned(void)
{
	/* relaxed: see are_zoned() */
	atomic_store_explicit(&classes_zoned, true, memory_order_relaxed);
}

void *zoned_alloc(size_t rounded, size_t size)
{
	_Atomic(struct mp_cache *) *entry = zoned_entry(rounded);
	struct mp_cache *c = NULL;
	void *p;

	if (entry != NULL) /* acquire: the cache; pairs with the exchange in fill() */
		c = atomic_load_explicit(entry, memory_order_acquire);
	if (c == NULL)
		return mp_alloc(size);
	p = mp_cache_alloc(c);
	return p != NULL ? mp_realloc(p, size) : NULL; /* where it is, with the zone behind size */
}

/* All sizes over below and up to size are of the class of size.  False without memory. */
static bool fill(size_t below, size_t size)
{
	_Atomic(struct mp_cache *) *last = class_entry(size), *first, *entry;
	_Atomic(struct mp_cache *) *zoned = zoned_entry(size);
	struct mp_cache *c, *none = NULL;

	/* acquire: what was made of it; pairs with the exchange below */
	if (atomic_load_explicit(last, memory_order_acquire) != NULL)
		return true;
	/* acquire: as above */
	if (zoned != NULL && atomic_load_explicit(zoned, memory_order_acquire) != NULL)
		return true;
	if (leaves_to_library(size)) {
		set_zoned();
		return true;
	}
	c = make_class(size);
	if (c == NULL)
		return false;
	if (zoned != NULL && has_zones(c)) {
		set_zoned();
		last = zoned;
	}
	/* acq_rel: the cache before its pointer */
	if (!atomic_compare_exchange_strong_explicit(last, &none, c, memory_order_acq_rel,
						     memory_order_acquire)) {
		if (c != none)
			(void)mp_cache_destroy(c);
		c = none;
	}
	if (last == zoned)
		return true;
	first = below == 0 ? small_caches : class_entry(below + 1);
	for (entry = first; entry < last; entry++)
		/* release: as above */
		atomic_store_explicit(entry, c, memory_order_release);
	return true;
}

void classes_make(void)
{
	static _Atomic bool done;
	int saved = errno;
	size_t below = 0;
	bool all = true;

	/* relaxed: the entries have an order of their own */
	if (atomic_load_explicit(&done, memory_order_relaxed))
		return;
	/* the library's own start, which may come back to malloc, before any cache is missed */
	mp_free(mp_alloc(1));
	while (below < MEDIUM_MAX) {
		size_t size = class_size(below + 1);

		all = fill(below, size) && all;
		below = size;
	}
	/* relaxed: as above */
	atomic_store_explicit(&done, all, memory_order_relaxed);
	errno = saved;
}
