/* SPDX-License-Identifier: MIT */
/*
 * wrong_cache_span.c - a large span given to a cache.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_alloc(12 * MP_MAX_FIXED_SIZE));

	expect("mempool: wrong-cache: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   found by the free\n",
	       id_of(c), p);
	mp_cache_free(c, p);
}

static void twin(void)
{
	mp_free(checked(mp_alloc(12 * MP_MAX_FIXED_SIZE)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_WRONG_CACHE };
