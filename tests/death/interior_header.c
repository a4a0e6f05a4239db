/* SPDX-License-Identifier: MIT */
/*
 * interior_header.c - a slab's header is freed.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	void *p = checked(mp_cache_alloc(c));

	if (mp_object_info(p, &info) != 0 || mp_cache_get_stats(c, &s) != 0)
		abort();
	expect("mempool: interior-pointer: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   in slab %p, offset 0, not free %zu of %zu\n"
	       "mempool:   found by the free\n",
	       id_of(c), info.slab, info.slab, s.capacity - s.free, s.capacity);
	mp_free(info.slab);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_free(checked(mp_cache_alloc(c)));
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_INTERIOR_POINTER };
