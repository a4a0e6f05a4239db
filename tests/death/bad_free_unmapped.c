/* SPDX-License-Identifier: MIT */
/*
 * bad_free_unmapped.c - an address is freed at which nothing can be read.
 */
#include "death.h"

#include "../portable.h"

static void fault(void)
{
	void *p = checked(portable_no_access(65536));

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
