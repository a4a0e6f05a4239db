/* SPDX-License-Identifier: MIT */
/*
 * size_mismatch_span.c - a large span freed with a small size.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(mp_alloc((size_t)256 * MP_MAX_FIXED_SIZE));

	expect("mempool: size-mismatch: cache \"large\" (id 0) pointer %p\n"
	       "mempool:   size in bytes: expected %zu, found 1\n"
	       "mempool:   found by mp_free_sized\n",
	       p, mp_usable_size(p));
	mp_free_sized(p, 1);
}

static void twin(void)
{
	size_t size = (size_t)256 * MP_MAX_FIXED_SIZE;

	mp_free_sized(checked(mp_alloc(size)), size);
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_SIZE_MISMATCH };
