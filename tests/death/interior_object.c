/* SPDX-License-Identifier: MIT */
/*
 * interior_object.c - the middle of an object is freed.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	char *p = checked(mp_cache_alloc(c));

	expect("mempool: interior-pointer: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       id_of(c), (void *)(p + 16), place_of(p + 16));
	mp_cache_free(c, p + 16);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_INTERIOR_POINTER };
