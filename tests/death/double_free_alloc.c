/* SPDX-License-Identifier: MIT */
/*
 * double_free_alloc.c - memory of mp_alloc() freed twice.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(mp_alloc(MP_MAX_FIXED_SIZE));
	struct mp_cache *c = largest_class();

	free_hidden(p);
	expect("mempool: double-free: cache \"mp-%d\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       MP_MAX_FIXED_SIZE, id_of(c), p, place_of(p));
	free_hidden(p);
}

static void twin(void)
{
	mp_free(checked(mp_alloc(MP_MAX_FIXED_SIZE)));
	mp_free(checked(mp_alloc(MP_MAX_FIXED_SIZE)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DOUBLE_FREE };
