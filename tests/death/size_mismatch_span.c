/* SPDX-License-Identifier: MIT */
/*
 * size_mismatch_span.c - a large span freed with a small size.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(mp_alloc((size_t)1 << 20));

	expect("mempool: size-mismatch: cache \"large\" (id 0) pointer %p\n"
	       "mempool:   size in bytes: expected 1048576, found 100\n"
	       "mempool:   found by mp_free_sized\n",
	       p);
	mp_free_sized(p, 100);
}

static void twin(void)
{
	mp_free_sized(checked(mp_alloc((size_t)1 << 20)), (size_t)1 << 20);
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_SIZE_MISMATCH };
