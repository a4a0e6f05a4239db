/* SPDX-License-Identifier: MIT */
/*
 * bad_free_slab_gone.c - an object freed again whose slab went back meanwhile.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c));

	mp_cache_free(c, p);
	if (mp_cache_shrink(c) != 0)
		abort();
	expect("mempool: bad-free: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   found by the free\n",
	       id_of(c), p);
	mp_cache_free(c, p);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
	if (mp_cache_shrink(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
