/* SPDX-License-Identifier: MIT */
/*
 * dead_cache_free.c - a free to a cache that was destroyed.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	unsigned id = id_of(c);
	void *p = checked(calloc(1, 48));

	if (mp_cache_destroy(c) != 0)
		abort();
	expect("mempool: dead-cache: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   found by the free\n",
	       id, (void *)p);
	mp_cache_free(c, p);
	free(p);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
	if (mp_cache_destroy(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DEAD_CACHE };
