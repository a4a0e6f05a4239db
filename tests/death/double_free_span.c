/* SPDX-License-Identifier: MIT */
/*
 * double_free_span.c - a large span freed twice.
 */
#include "death.h"

static struct mp_object_info info = { .struct_size = sizeof(info) };

static void fault(void)
{
	void *p = checked(mp_alloc(12 * MP_MAX_FIXED_SIZE));

	free_hidden(p);
	if (mp_object_info(p, &info) != 0)
		abort();
	expect("mempool: double-free: cache \"large\" (id 0) pointer %p\n"
	       "mempool:   object %p, index 0 of slab %p, offset %zu, size %zu\n"
	       "mempool:   found by mp_free\n",
	       p, p, info.slab, (size_t)0, info.object_size);
	free_hidden(p);
}

static void twin(void)
{
	mp_free(checked(mp_alloc(12 * MP_MAX_FIXED_SIZE)));
	mp_free(checked(mp_alloc(12 * MP_MAX_FIXED_SIZE)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DOUBLE_FREE };
