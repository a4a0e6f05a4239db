/* SPDX-License-Identifier: MIT */
/*
 * size_mismatch.c - freed with a size of another class.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(mp_alloc(MP_MAX_FIXED_SIZE));

	expect("mempool: size-mismatch: cache \"mp-%d\" (id %u) pointer %p\n"
	       "mempool:   size in bytes: expected %d, found %d\n"
	       "mempool:   found by mp_free_sized\n",
	       MP_MAX_FIXED_SIZE, id_of(largest_class()), p, MP_MAX_FIXED_SIZE,
	       MP_MAX_FIXED_SIZE + 1);
	mp_free_sized(p, MP_MAX_FIXED_SIZE + 1);
}

static void twin(void)
{
	mp_free_sized(checked(mp_alloc(MP_MAX_FIXED_SIZE)), MP_MAX_FIXED_SIZE);
	mp_free_sized(checked(mp_alloc(MP_MAX_FIXED_SIZE)), MP_MAX_FIXED_SIZE - 1);
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_SIZE_MISMATCH };
