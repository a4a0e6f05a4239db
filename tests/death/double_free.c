/* SPDX-License-Identifier: MIT */
/*
 * double_free.c - an object freed twice in a row.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c));

	mp_cache_free(c, p);
	expect("mempool: double-free: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       id_of(c), p, place_of(p));
	mp_cache_free(c, p);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c)), *q = checked(mp_cache_alloc(c));

	mp_cache_free(c, p);
	mp_cache_free(c, q);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DOUBLE_FREE };
