/* SPDX-License-Identifier: MIT */
/*
 * interior_span.c - the middle of a large span is freed.
 */
#include "death.h"

static struct mp_object_info info = { .struct_size = sizeof(info) };

static void fault(void)
{
	char *p = checked(mp_alloc(12 * MP_MAX_FIXED_SIZE));

	if (mp_object_info(p, &info) != 0)
		abort();
	expect("mempool: interior-pointer: cache \"large\" (id 0) pointer %p\n"
	       "mempool:   object %p, index 0 of slab %p, offset %zu, size %zu\n"
	       "mempool:   found by mp_free\n",
	       (void *)(p + 100), (void *)p, info.slab, (size_t)100, info.object_size);
	mp_free(checked(p + 100));
}

static void twin(void)
{
	mp_free(checked(mp_alloc(12 * MP_MAX_FIXED_SIZE)));
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_INTERIOR_POINTER };
