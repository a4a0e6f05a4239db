/* SPDX-License-Identifier: MIT */
/*
 * double_free_bulk.c - an object twice in one bulk.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p[3];

	p[0] = checked(mp_cache_alloc(c));
	p[1] = checked(mp_cache_alloc(c));
	p[2] = p[1];
	mp_cache_free_bulk(c, 2, p);
	expect("mempool: double-free: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       id_of(c), p[2], place_of(p[2]));
	mp_cache_free_bulk(c, 1, p + 2);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);
	void *p[3];

	if (mp_cache_alloc_bulk(c, 3, p) != 0)
		abort();
	mp_cache_free_bulk(c, 3, p);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DOUBLE_FREE };
