/* SPDX-License-Identifier: MIT */
/*
 * bad_free_malloc.c - memory of another allocator is freed.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(calloc(1, 100));

	expect("mempool: bad-free: pointer %p\n"
	       "mempool:   found by the free\n",
	       p);
	free_hidden(p);
	free(p); /* the right way */
}

static void twin(void)
{
	free(malloc(100));
	mp_free(checked(mp_alloc(100)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
