/* SPDX-License-Identifier: MIT */
/*
 * bad_free_non_canonical.c - an address is freed that no memory can have.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked((void *)(UINTPTR_MAX / 2 + 1));

	expect("mempool: bad-free: pointer %p\n"
	       "mempool:   found by the free\n",
	       p);
	free_hidden(p);
}

static void twin(void)
{
	mp_free(NULL);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
