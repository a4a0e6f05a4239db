/* SPDX-License-Identifier: MIT */
/*
 * size_mismatch_aligned.c - freed with an alignment that makes another class.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(mp_alloc(MP_MAX_FIXED_SIZE));

	expect("mempool: size-mismatch: cache \"mp-%d\" (id %u) pointer %p\n"
	       "mempool:   size in bytes: expected %d, found 8\n"
	       "mempool:   found by mp_free_aligned_sized\n",
	       MP_MAX_FIXED_SIZE, id_of(largest_class()), p, MP_MAX_FIXED_SIZE);
	mp_free_aligned_sized(p, 8, 8);
}

static void twin(void)
{
	mp_free_aligned_sized(checked(mp_aligned_alloc(MP_MAX_FIXED_SIZE, 8)), MP_MAX_FIXED_SIZE,
			      8);
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_SIZE_MISMATCH };
