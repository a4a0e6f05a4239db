/* SPDX-License-Identifier: MIT */
/*
 * realloc_foreign.c - memory of another allocator resized.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked(calloc(1, 100));

	expect("mempool: bad-free: pointer %p\n"
	       "mempool:   found by mp_realloc\n",
	       p);
	if (mp_realloc(p, 200) != NULL)
		abort();
	free(p);
}

static void twin(void)
{
	mp_free(checked(mp_realloc(checked(mp_alloc(100)), 200)));
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
