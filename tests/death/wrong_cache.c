/* SPDX-License-Identifier: MIT */
/*
 * wrong_cache.c - an object given to another cache.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48), *other = mp_cache_create("lines", 48, 0, 0, NULL);
	void *p = checked(mp_cache_alloc(c));

	expect("mempool: wrong-cache: cache \"lines\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       id_of(other), p, place_of(p));
	mp_cache_free(other, p);
}

static void twin(void)
{
	struct mp_cache *c = orders(48), *other = mp_cache_create("lines", 48, 0, 0, NULL);
	void *p = checked(mp_cache_alloc(c));

	mp_cache_free(other, checked(mp_cache_alloc(other)));
	mp_cache_free(c, p);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_WRONG_CACHE };
