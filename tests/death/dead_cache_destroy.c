/* SPDX-License-Identifier: MIT */
/*
 * dead_cache_destroy.c - a cache destroyed twice.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	unsigned id = id_of(c);

	if (mp_cache_destroy(c) != 0)
		abort();
	expect("mempool: dead-cache: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   found by mp_cache_destroy\n",
	       id, (void *)c);
	if (mp_cache_destroy(c) == 0)
		abort();
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
	if (mp_cache_destroy(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DEAD_CACHE };
