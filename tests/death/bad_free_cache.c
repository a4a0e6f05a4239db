/* SPDX-License-Identifier: MIT */
/*
 * bad_free_cache.c - a foreign pointer is given to a cache.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(calloc(1, 48));

	expect("mempool: bad-free: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   found by the free\n",
	       id_of(c), p);
	mp_cache_free(c, p);
	free(p); /* the right way */
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
