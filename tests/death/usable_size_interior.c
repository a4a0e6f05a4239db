/* SPDX-License-Identifier: MIT */
/*
 * usable_size_interior.c - the usable size at the middle of an object.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	char *p = checked(mp_cache_alloc(c));

	expect("mempool: interior-pointer: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by mp_usable_size\n",
	       id_of(c), (void *)(p + 8), place_of(p + 8));
	if (mp_usable_size(p + 8) != 0)
		abort();
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	if (mp_usable_size(checked(mp_cache_alloc(c))) != 48)
		abort();
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_INTERIOR_POINTER };
